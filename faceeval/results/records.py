# SPDX-License-Identifier: MIT
"""The records a result is made of; docs/results.md describes every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1

Kind = Literal["method", "identity", "truth"]
Better = Literal["higher", "lower", "near 1"]
GridRank = Literal["shared", "best", "median", "worst"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Record):
    """One number of one row.

    Attributes:
        value: The number.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        n: Images (or pairs) it was computed from.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int


class Column(_Record):
    """What one key of ``Row.values`` means.

    Attributes:
        question: The question it helps to answer; tables group by it.
        label: Heading in tables.
        unit: Unit, such as ``"grey levels"``.
        better: Which way is better.
        digits: Decimals worth printing.
        version: Version of the metric; a change that moves the value raises it.
        meaning: One sentence for people.
    """

    question: str
    label: str
    unit: str
    better: Better
    digits: int
    version: int
    meaning: str


class Row(_Record):
    """One line of the table.

    Attributes:
        name: Method, or ``identity`` (nothing changed) or ``truth`` (the true edit).
        kind: Which of the three it is.
        values: Metric -> number.
        absent: Metric -> why there is no number.
    """

    name: str
    kind: Kind
    values: dict[str, Value]
    absent: dict[str, str] = Field(default_factory=dict)


class GridRow(_Record):
    """One strip of the grid: a source, its edit and, where known, the true edit.

    Attributes:
        name: Image.
        direction: Whether the attribute was added or removed.
        rank: ``"best"``, ``"median"`` or ``"worst"`` of its direction, or ``"shared"``: a face that every method is
            shown on, chosen before anything was edited.
        order: The value it was ranked by.
        flipped: Whether the judge sees the attribute changed; None where no judge looked.
    """

    name: str
    direction: Literal["add", "remove"]
    rank: GridRank
    order: float
    flipped: bool | None = None


class GridRecord(_Record):
    """How to read the grid's picture: ``len(rows)`` strips of ``len(columns)`` square tiles."""

    ordered_by: str
    tile: int
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


class FileRecord(_Record):
    """A file that belongs to the run."""

    file: str
    sha256: str


class Named(_Record):
    """A name and its version."""

    name: str
    version: int


class JudgeRecord(_Record):
    """A judge: name, digest of its weights, and what else decides what it sees (input size, layer, resize)."""

    name: str
    weights_sha256: str
    settings: dict[str, str | int | float] = Field(default_factory=dict)


class DataRecord(_Record):
    """Which images were edited.

    Attributes:
        name: Dataset.
        split: Its split.
        size: Side of the images in pixels.
        digest: SHA-256 over what defines the data.
        provenance: How the images came to be.
        positives: Images that had the attribute, from which it was taken away.
        negatives: Images that had it not, to which it was added.
        extended: How many of them come from the benchmark's extra split.
        short: Whether a class has fewer images than were asked for.
        names_sha256: SHA-256 over the names, one a line, in the order they were edited.
        images: Images in all that were looked at, of a protocol that has no classes; else None.
    """

    name: str
    split: str
    size: int
    digest: str
    provenance: dict[str, str | int | float]
    positives: int
    negatives: int
    extended: int
    short: bool
    names_sha256: str
    images: int | None = None


class RunRecord(_Record):
    """What may differ between two runs of the same thing: when, where and how long.

    Attributes:
        started: UTC, ISO 8601.
        command: The command line.
        seconds: Wall time of each part, and ``total``.
        versions: Package -> version.
        platform: Operating system and machine.
        threads: Threads torch computed with.
        git: Commit of the checkout the code came from, ``-dirty`` where it was changed; None outside a checkout.
    """

    started: str
    command: str
    seconds: dict[str, float]
    versions: dict[str, str]
    platform: str
    threads: int
    git: str | None = None


class Summary(_Record):
    """The JSON file of a run."""

    schema_version: int = SCHEMA
    protocol: str
    benchmark: Named
    attribute: str
    data: DataRecord
    method: dict[str, Any]
    judges: dict[str, JudgeRecord]
    absent_judges: dict[str, str]
    settings: dict[str, str | int | float | bool]
    columns: dict[str, Column]
    rows: tuple[Row, ...]
    grid: GridRecord
    notices: tuple[str, ...]
    files: dict[str, FileRecord] = Field(default_factory=dict)
    run: RunRecord


class ImageRow(_Record):
    """One line of the JSONL file.

    Attributes:
        name: Image.
        direction: Whether the attribute was added or removed.
        values: Row's name -> metric -> value; None where the value is not finite.
    """

    name: str
    direction: Literal["add", "remove"]
    values: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Result:
    """One run, complete.

    Attributes:
        summary: Everything but the images.
        images: One record for each edited image.
        tiles: The grid, uint8, (rows, columns, 3, size, size), RGB.
        path: File it was read from; None when it was just made.
    """

    summary: Summary
    images: tuple[ImageRow, ...]
    tiles: NDArray[np.uint8] = field(repr=False)
    path: Path | None = None

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.summary.method["name"])

    def row(self, name: str) -> Row:
        """Returns the row of that name.

        Raises:
            KeyError: There is none.
        """
        for row in self.summary.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def per_image(self, row: str, metric: str) -> NDArray[np.float64]:
        """Returns a metric's values (n,) over the images that have one, in the order the images were edited."""
        values = (image.values.get(row, {}).get(metric) for image in self.images)
        return np.array([value for value in values if value is not None], dtype=np.float64)
