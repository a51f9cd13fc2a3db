# SPDX-License-Identifier: MIT
"""Records of the protocols that vary one thing: edits in a row, the strength of an edit, the part of a code asked ...

A sweep is one curve or more for each method over one axis; the places of an axis may be names as well as numbers. It is
written, checked and read as a result of the editing protocol is, three files side by side; docs/sweeps.md describes
every field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from faceeval.results.files import data_folder, parse, plain_name, read, read_beside, write_together
from faceeval.results.records import SCHEMA, DataRecord, FileRecord, JudgeRecord, Named, Result, RunRecord, Value

MOST_NAMES = 4  # methods named in a file's name; beyond, their number and a digest


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Axis(_Record):
    """What is varied.

    Attributes:
        label: Heading, such as ``"edits in a row"``.
        unit: Its unit; empty where it has none.
        ticks: What each place on the axis is called, in the order of every curve's points.
        places: The places, ascending.
        named: Whether the places are things without an order, such as the parts of a code.
    """

    label: str
    unit: str
    ticks: tuple[str, ...]
    places: tuple[float, ...]
    named: bool = False

    @classmethod
    def of_names(cls, label: str, names: Sequence[str]) -> Axis:
        """Makes the axis of things that have names and no order."""
        return cls(label=label, unit="", ticks=tuple(names), places=tuple(map(float, range(len(names)))), named=True)


class Measure(_Record):
    """What one key of a curve's values means.

    Attributes:
        question: The question it helps to answer; tables group by it.
        label: Heading in tables and pictures.
        unit: Unit.
        better: Which way is better; ``"neither"`` for what only describes.
        digits: Decimals worth printing.
        version: Version of the metric; a change that moves the value raises it.
        meaning: One sentence for people.
        drawn: Whether it is worth a picture.
    """

    question: str
    label: str
    unit: str
    better: Literal["higher", "lower", "near 1", "neither"]
    digits: int
    version: int
    meaning: str
    drawn: bool = False


class Point(_Record):
    """One place on the axis.

    Attributes:
        values: Measure -> number.
        absent: Measure -> why there is no number.
    """

    values: dict[str, Value]
    absent: dict[str, str] = Field(default_factory=dict)


class Curve(_Record):
    """One method over the axis.

    Attributes:
        name: The method, ``identity``, or a control such as chance.
        kind: Which of the three.
        points: One for each place of the axis.
        whole: Measure -> number that speaks of the whole curve, such as its monotonicity.
    """

    name: str
    kind: Literal["method", "identity", "control"]
    points: tuple[Point, ...]
    whole: dict[str, Value] = Field(default_factory=dict)


class Matrix(_Record):
    """Every discriminator's mean realness for every method's images, at one place of the axis.

    Attributes:
        place: Which place, counted from 0.
        title: What it is about, in a few words.
        judges: Whose discriminator, one for each row.
        methods: Whose images, one for each column; ``real`` is the unedited images.
        scores: Row by row, 0..1.
        own_advantage: Method -> its own discriminator's score above the mean of the others'.
    """

    place: int
    title: str
    judges: tuple[str, ...]
    methods: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    own_advantage: dict[str, float]


class Plot(_Record):
    """A picture that is no curve over the axis, such as ROC curves.

    Attributes:
        title: Heading.
        x: What runs to the right, with its unit.
        y: What runs upwards.
        lines: Name -> points (x, y), in order.
        diagonal: Whether the line from (0, 0) to (1, 1) belongs into it.
        diagonal_means: What that line is.
    """

    title: str
    x: str
    y: str
    lines: dict[str, tuple[tuple[float, float], ...]]
    diagonal: bool = False
    diagonal_means: str = "chance"


class PrintedTable(_Record):
    """A table as a paper prints it: other data, other judges.

    Attributes:
        source: Authors, title, table, data.
        heads: Columns.
        rows: Name -> cells, as text; empty where the print is lost.
    """

    source: str
    heads: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]


class FaceRow(_Record):
    """One strip of faces: image, method, and which class it was drawn from (or what else there is to say of it)."""

    name: str
    curve: str
    shown: str


class FaceGrid(_Record):
    """How to read the picture: ``len(rows)`` strips of ``len(columns)`` square tiles; grey where there is no image."""

    tile: int
    columns: tuple[str, ...]
    rows: tuple[FaceRow, ...]


class ImageCurves(_Record):
    """One line of the JSONL file.

    Attributes:
        name: Image, or call of an editor that was timed.
        values: Curve -> measure -> one value for each place; None where there is none.
    """

    name: str
    values: dict[str, dict[str, tuple[float | None, ...]]]


class SweepSummary(_Record):
    """The JSON file of a sweep.

    ``title`` and ``lead`` say in words what was done and found; protocols about edits leave them to the page.
    """

    schema_version: int = SCHEMA
    protocol: str
    benchmark: Named
    attributes: tuple[str, ...]
    data: DataRecord
    methods: dict[str, tuple[dict[str, Any], ...]]
    judges: dict[str, JudgeRecord]
    absent_judges: dict[str, str]
    settings: dict[str, str | int | float | bool]
    axis: Axis
    measures: dict[str, Measure]
    wholes: dict[str, Measure] = Field(default_factory=dict)
    curves: tuple[Curve, ...]
    matrices: tuple[Matrix, ...] = ()
    title: str = ""
    lead: str = ""
    plots: tuple[Plot, ...] = ()
    printed: PrintedTable | None = None
    grid: FaceGrid
    notices: tuple[str, ...]
    files: dict[str, FileRecord] = Field(default_factory=dict)
    run: RunRecord


@dataclass(frozen=True)
class Sweep:
    """One sweep, complete.

    Attributes:
        summary: Everything but the images.
        images: One record for each image (or timed call).
        tiles: The strips, uint8, (rows, columns, 3, size, size), RGB.
        path: File it was read from; None when it was just made.
    """

    summary: SweepSummary
    images: tuple[ImageCurves, ...]
    tiles: NDArray[np.uint8] = field(repr=False)
    path: Path | None = None

    def curve(self, name: str) -> Curve:
        """Returns the curve of that name.

        Raises:
            KeyError: There is none.
        """
        for curve in self.summary.curves:
            if curve.name == name:
                return curve
        raise KeyError(name)

    def per_image(self, curve: str, measure: str) -> NDArray[np.float64]:
        """Returns a measure's values, float64 (N, P), of each image at each place; NaN where there is none."""
        places = len(self.summary.axis.places)
        nothing = (None,) * places
        rows = [image.values.get(curve, {}).get(measure, nothing) for image in self.images]
        return np.array(rows, dtype=np.float64).reshape(len(rows), places)


def sweep_path(folder: Path, summary: SweepSummary) -> Path:
    """Returns where a sweep belongs: ``<folder>/<data>-<size>/<attributes>/<protocol>/<methods>.json``.

    What edits nothing has no attributes, and one folder less.
    """
    names = [curve.name for curve in summary.curves if curve.kind == "method"] or ["identity"]
    stem = "+".join(plain_name(name) or "method" for name in names)
    if len(names) > MOST_NAMES:
        stem = f"{len(names)}-methods-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
    place = data_folder(folder, summary.data.name, summary.data.size)
    return place.joinpath(*filter(None, ["+".join(summary.attributes)]), summary.protocol, f"{stem}.json")


def write_sweep(sweep: Sweep, folder: Path) -> Path:
    """Writes a sweep's three files; all of them, or none.

    Args:
        sweep: The sweep.
        folder: Root of the results.

    Returns:
        The JSON file. What stood there before is replaced.

    Raises:
        OutputError: The files cannot be written; nothing is left behind, and what stood there still stands.
    """
    target = sweep_path(folder, sweep.summary)
    return write_together(target, sweep.summary, sweep.images, sweep.tiles)


def read_sweep(path: Path) -> Sweep:
    """Reads a sweep and checks that it is whole.

    Raises:
        MissingFileError: The file is not there.
        InputError: It is no sweep, of a later schema, or the files beside it are missing or of another run.
    """
    summary = parse(path, SweepSummary, "curves")
    grid = summary.grid
    images, tiles = read_beside(path, summary.files, ImageCurves, (len(grid.rows), len(grid.columns), grid.tile))
    return Sweep(summary, images, tiles, path)


def read_any(path: Path) -> Result | Sweep:
    """Reads a result of the editing protocol, or a sweep, whichever the file holds.

    Raises:
        MissingFileError: The file is not there.
        InputError: It is neither, or not whole.
    """
    return read_sweep(path) if is_sweep(path) else read(path)


def is_sweep(path: Path) -> bool:
    """Tells by its content whether a file holds a sweep; False for everything else, readable or not."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "curves" in content
