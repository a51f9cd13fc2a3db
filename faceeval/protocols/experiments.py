# SPDX-License-Identifier: MIT
"""EXPERIMENTS: what the papers about identity and embeddings measure, one row and one file each.

An experiment is given data, judges and methods, and asks the methods for codes or pictures. Its file defines a frozen
dataclass ``Options``, whose defaults are the protocol, and ``run(methods, given, options)``, which returns `Found`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from faceeval.protocols.clock import Clock
from faceeval.protocols.panel import Panel
from faceeval.results.sweeps import Axis, Curve, FaceGrid, ImageCurves, Measure, Plot, PrintedTable

Progress = Callable[[int, int], None]
Settings = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class ExperimentRow:
    """One experiment.

    Attributes:
        title: One line for listings, with the paper's table or figure.
        module: Its file; see `Experiment`.
        needs: Calls a method must offer, all of them; any of the alternatives where one is written ``"a|b"``.
        such_as: Names of methods that offer them, for messages.
        data: What it is run on where the user names no data.
        splits: Splits it reads; ``"test"`` is the validation split of data that have no other, and all of data without
            splits.
        optional: Splits it reads where the data have them.
        beside: Other datasets whose ``"test"`` splits it reads too, where the user names no data.
        pairs: Lists of pairs it reads, as LFW names them.
        judges: Roles without which there is nothing to measure.
        count: What ``--count`` stands for.
    """

    title: str
    module: str
    needs: tuple[str, ...]
    such_as: str
    data: str = "procfaces"
    splits: tuple[str, ...] = ("test",)
    optional: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    count: str = "images"

    def lacking(self, method: object) -> str:
        """Returns the calls that a method, or the class of one, lacks, with commas; empty where it has all."""
        return ", ".join(n for n in self.needs if not any(callable(getattr(method, c, None)) for c in n.split("|")))


@dataclass(frozen=True)
class Given:
    """What an experiment is given.

    Attributes:
        data: The dataset's name, for messages.
        faces: Split -> its faces; of other datasets read beside it, name -> their test split.
        panel: The judges.
        pairs: File name of a list of pairs -> what it says.
        count: How many of what the row's ``count`` says; None takes the protocol's number.
        batch_size: Images at a time.
        seed: Seeds what is left to chance.
        clock: Gets the seconds of each part.
        bar: Named part of the work -> who is told how far it is.
    """

    data: str
    faces: Mapping[str, FaceSet]
    panel: Panel
    pairs: Mapping[str, FacePairs] = field(default_factory=dict)
    count: int | None = None
    batch_size: int = 100
    seed: int = 0
    clock: Clock = field(default_factory=Clock)
    bar: Callable[[str], Progress] = lambda name: lambda done, total: None

    def part(self, name: str) -> FaceSet:
        """Returns a split.

        Raises:
            InputError: It was not given.
        """
        if name not in self.faces:
            there = ", ".join(self.faces) or "none"
            raise InputError(f"a {name} split of {self.data}", there, "choose data that are split so")
        return self.faces[name]

    def pair_list(self, name: str) -> FacePairs:
        """Returns a list of pairs.

        Raises:
            InputError: It was not given.
        """
        if name not in self.pairs:
            todo = "choose data with pairs, such as lfw or procfaces:lfw"
            raise InputError(f"pairs of {self.data}, in {name}", "no such list", todo)
        return self.pairs[name]


@dataclass(frozen=True)
class Found:
    """What an experiment found.

    Attributes:
        title: What was done, in a few words.
        lead: What came out, in a sentence or two.
        faces: The split whose images were looked at.
        names: Those images, in order.
        cards: Method -> its card.
        axis: What is varied; its places may be names.
        measures: What the keys of the points mean.
        curves: One for each method, and controls.
        settings: What else decided the numbers.
        wholes: What the keys of whole curves mean.
        plots: Pictures that are no curves over the axis.
        images: One record for each image or pair; see `faceeval.results.sweeps.ImageCurves`.
        grid: What the strips show.
        tiles: The strips, uint8, (rows, columns, 3, S, S).
        printed: The paper's own numbers.
        notices: What a reader must know before believing the numbers.
    """

    title: str
    lead: str
    faces: FaceSet
    names: tuple[str, ...]
    cards: Mapping[str, MethodCard]
    axis: Axis
    measures: dict[str, Measure]
    curves: tuple[Curve, ...]
    settings: Settings
    wholes: dict[str, Measure] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    images: tuple[ImageCurves, ...] = ()
    grid: FaceGrid | None = None
    tiles: NDArray[np.uint8] | None = None
    printed: PrintedTable | None = None
    notices: tuple[str, ...] = ()


class Experiment(Protocol):
    """What the file of an experiment defines."""

    Options: type[Any]

    def run(self, methods: Sequence[Any], given: Given, options: Any) -> Found:
        """Runs it."""


def experiment_of(name: str) -> Experiment:
    """Imports the file of an experiment.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    return cast("Experiment", importlib.import_module(EXPERIMENTS[name].module))


def read_options(name: str, changes: Mapping[str, Any]) -> Any:
    """Returns an experiment's options, some of them changed.

    Args:
        name: A key of EXPERIMENTS.
        changes: Field -> value, as JSON has it.

    Raises:
        UnknownNameError: No such experiment, or it has no such option.
        InputError: A value of the wrong kind.

    Example:
        >>> read_options("verification", {"measure": "euclidean"}).measure
        'euclidean'
    """
    kind = experiment_of(name).Options
    known = [entry.name for entry in fields(kind)]
    hints = get_type_hints(kind)
    values = {}
    for key, value in changes.items():
        if key not in known:
            raise unknown_name(f"option of {name}", key, known)
        try:
            values[key] = TypeAdapter(hints[key], config=ConfigDict(strict=False)).validate_python(value)
        except ValidationError as error:
            todo = f"docs/experiments/{name}.md lists its options"
            said = f"{value!r}: {error.errors()[0]['msg']}"
            raise InputError(f"another kind of value for {key} of {name}", said, todo) from error
    return kind(**values)


EXPERIMENTS: dict[str, ExperimentRow] = {
    "identification": ExperimentRow(
        "find the person a generated face is to be (Bao, Tables 2 and 3)",
        "faceeval.protocols.identification",
        ("swap",),
        "osip or mad",
        data="procfaces:msceleb",
        optional=("train",),
        beside=("procfaces:multipie",),
        judges=("identity",),
        count="people",
    ),
    "leakage": ExperimentRow(
        "identity read from codes that should not hold it (Bao, Figure 4)",
        "faceeval.protocols.leakage",
        ("embed",),
        "osip, mad or judge:procfaces",
        data="procfaces:facescrub",
        count="people",
    ),
    "adversarial": ExperimentRow(
        "adversarial faces told from honest ones by their reconstructions (Bao, Table 4)",
        "faceeval.protocols.adversarial",
        ("reconstruct", "recogniser"),
        "osip",
        data="procfaces:lfw",
        pairs=("pairs.txt",),
        judges=("identity",),
        count="pairs of two people in each fold",
    ),
    "verification": ExperimentRow(
        "same person or not, by each part of a code (LFW View 2; Browatzki, Table 2)",
        "faceeval.protocols.verification",
        ("embed",),
        "mad, osip or judge:procfaces",
        data="procfaces:lfw",
        pairs=("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt"),
        count="pairs of a kind in each fold",
    ),
    "expression": ExperimentRow(
        "eight expressions read from each part of a code (Browatzki, Table 3)",
        "faceeval.protocols.expression",
        ("embed|read_expression",),
        "mad, expression_resnet or judge:procfaces",
        data="procfaces:affectnet",
        splits=("train", "test"),
        count="training images",
    ),
    "pose": ExperimentRow(
        "degrees between a face's pose and the one a code says (Browatzki, section 5.3.1)",
        "faceeval.protocols.pose",
        ("read_pose|embed",),
        "mad or judge:procfaces",
        splits=("train", "test"),
    ),
    "reconstruction": ExperimentRow(
        "grey levels between faces and what is drawn from their codes (Browatzki, Table 1)",
        "faceeval.protocols.reconstruction",
        ("reconstruct",),
        "mad or osip",
        beside=("procfaces:affectnet", "procfaces:multipie", "procfaces:clips"),
    ),
    "generation": ExperimentRow(
        "how far faces of nobody are from real ones (Browatzki, Table 1)",
        "faceeval.protocols.generation",
        ("sample",),
        "mad",
        splits=("train", "test"),
        judges=("realism",),
    ),
    "retrieval": ExperimentRow(
        "what the nearest faces share, by each part of a code (Browatzki, Figure 4)",
        "faceeval.protocols.retrieval",
        ("embed",),
        "mad, osip or judge:procfaces",
    ),
    "morphing": ExperimentRow(
        "from one face's attributes to another's, step by step (Bao, Figure 8)",
        "faceeval.protocols.morphing",
        ("morph",),
        "osip",
        data="procfaces:multipie",
        count="people",
    ),
    "frontalization": ExperimentRow(
        "turned faces seen from the front (Bao, Figure 7)",
        "faceeval.protocols.frontalization",
        ("swap",),
        "osip or mad",
        data="procfaces:multipie",
        count="people",
    ),
    "transfer": ExperimentRow(
        "one part of a face, or all but one, given to another (Browatzki, Figure 5)",
        "faceeval.protocols.transfer",
        ("swap",),
        "mad or osip",
        count="pairs of faces",
    ),
}
