# SPDX-License-Identifier: MIT
"""Which part of a code knows what a face expresses? Eight expressions, read by a small classifier from each part.

Browatzki and Wallraven, section 5.3.3 and Table 3: a 200-200-8 perceptron, trained for five epochs on frozen codes of
AffectNet's training images with each class weighted by its rarity, and its one-vs-rest AUC on the validation images.
Where a code was taken apart well, its expression tells expressions apart and no other part does as well. Methods that
name expressions themselves are asked for that, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from faceeval.metrics.expression import (
    EXPRESSION_MLP,
    EXPRESSION_MLP_FOUR_LAYERS,
    EXPRESSIONS,
)
from faceeval.metrics.mlp import MLPSettings
from faceeval.metrics.roc import roc_points
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given, Settings
from faceeval.protocols.expression_values import KEYS, MEAN, Task
from faceeval.protocols.findings import image_curves
from faceeval.protocols.printed import BW_TABLE_3, BW_TABLE_3_SOURCE
from faceeval.protocols.readings import JUDGE, NOISE, READING, Read, Subject, collect, curves_of, ranked
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, Measure, Plot, PrintedTable

PROBABILITY = "probability_of_the_truth"
SHOWN = 3  # images of each expression that are read best, and worst
GRID = np.linspace(0.0, 1.0, 101).round(2)  # false positive rates of a drawn ROC curve
LAYERS: dict[str, MLPSettings] = {"three": EXPRESSION_MLP, "four": EXPRESSION_MLP_FOUR_LAYERS}


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        parts: Which parts of the code; all by default.
        reading: Whether methods that name expressions themselves are asked for it.
        layers: ``"three"`` reads "three 200d fully connected layers" as 200-200-8, as the authors' code has it;
            ``"four"`` as 200-200-200-8.
        epochs: Passes of the probe over the training images (5).
        learning_rate: Adam's; the paper names none.
        standardise: Whether codes are centred and scaled by the training images first; the paper says nothing of it.
        thumbnail: Side in pixels of the small picture the probe is also fitted on, to compare with; 0 leaves it out.
    """

    parts: tuple[str, ...] | None = None
    reading: bool = True
    layers: Literal["three", "four"] = "three"
    epochs: int = 5
    learning_rate: float = 1e-3
    standardise: bool = True
    thumbnail: int = 16

    @property
    def probe(self) -> MLPSettings:
        """The classifier."""
        return replace(LAYERS[self.layers], epochs=self.epochs, learning_rate=self.learning_rate)


def _measure(label: str, meaning: str, *, drawn: bool = False) -> Measure:
    return Measure(
        question="Which expression?", label=label, unit="share", better="higher", digits=3,
        version=METRICS["one_vs_rest_auc"].version, meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    MEAN: _measure(
        "mean AUC",
        "Unweighted mean over the expressions of the chance that an image that shows one has a higher probability of "
        "it than an image that does not; 0.5 is chance.",
        drawn=True,
    ),
    **{
        KEYS[name]: _measure(name, f"The same of {name} against all others; people drawn whole for its interval.")
        for name in EXPRESSIONS
    },
}
PRINTED = PrintedTable(
    source=BW_TABLE_3_SOURCE,
    heads=(*EXPRESSIONS, "mean as printed", "mean of the cells"),
    rows={
        name: (*(f"{value:.2f}" for value in row), f"{float(np.mean(row[: len(EXPRESSIONS)])):.3f}")
        for name, row in BW_TABLE_3.items()
    },
)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Reads expressions from each part of each method's code.

    Args:
        methods: Embed, name expressions, or both.
        given: The splits ``"train"`` and ``"test"``; ``count`` takes fewer training images.
        options: See `Options`.

    Returns:
        A curve over the parts for each method and control, ROC curves, and faces that were read best and worst.

    Raises:
        InputError: The data label no expressions, one that is tested has no training image, training and test images
            are the same, a method can neither embed nor read, or what it returns is no code.
        UnknownNameError: A method has no such part.
    """
    check_methods(methods, EXPERIMENTS["expression"], given.part("test").size)
    task = Task.of(given, options.probe, standardise=options.standardise)
    subject = Subject("read_expression", "expression", len(EXPRESSIONS), task.fit, task.turn)
    read = collect(
        methods, task.sets, subject, given, parts=options.parts, reading=options.reading, thumbnail=options.thumbnail
    )
    with given.clock.part("statistics"):
        curves = curves_of(read, MEASURES, task.point)
        lines = _roc_lines(read, task)
    test, asked = task.sets.test, task.sets.asked
    grid, tiles = _sheet(read, task, curves).drawn()
    everything = {**read.methods, **read.controls}
    return Found(
        title="Expression: eight classes by each part of a code",
        lead=_lead(curves, read.places),
        faces=test,
        names=tuple(test.names[row] for row in asked.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("part of the code", read.places),
        measures=MEASURES,
        curves=curves,
        settings=_settings(task, options, given),
        plots=(
            Plot(
                title="One expression against the others, mean over the expressions",
                x="false positive rate",
                y="true positive rate",
                lines=lines,
                diagonal=True,
            ),
        ),
        images=image_curves(
            tuple(test.names[row] for row in asked.tolist()),
            {name: {PROBABILITY: task.of_truth(by_place, read.places)} for name, by_place in everything.items()},
        ),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=task.notices,
    )


def _settings(task: Task, options: Options, given: Given) -> Settings:
    return {
        "train_images": len(task.sets.fitted),
        "test_images": len(task.sets.asked),
        "classes": ", ".join(EXPRESSIONS[label] for label in task.classes),
        "layers": "-".join(map(str, (*options.probe.hidden, *options.probe.linear, len(task.classes)))),
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "standardise": options.standardise,
        "thumbnail": options.thumbnail,
        "batch_size": given.batch_size,
    }


def _roc_lines(read: Read, task: Task) -> dict[str, tuple[tuple[float, float], ...]]:
    """Returns the ROC curve of each method and place, mean over the expressions at equal false positive rates."""
    lines = {}
    for name, by_place in {**read.methods, JUDGE: read.controls.get(JUDGE, {})}.items():
        for place, scores in by_place.items():
            points = [roc_points(scores[:, label], task.truth == label) for label in range(len(task.classes))]
            mean = np.mean([np.interp(GRID, one.far, one.tar) for one in points], axis=0).round(5)
            lines[f"{name}, {place}"] = tuple(zip(GRID.tolist(), mean.tolist(), strict=True))
    return lines


def _sheet(read: Read, task: Task, curves: Sequence[Curve]) -> Sheet:
    """Shows, of each expression, the faces that each method's best place reads best and worst."""
    sides = ("surest of the truth", "least sure")
    sheet = Sheet(tuple(f"{side}, {n + 1}" for side in sides for n in range(SHOWN)), task.sets.test.size)
    for curve in curves:
        best = next(iter(ranked(curve, read.places, MEAN, falling=True)), None)
        if curve.kind != "method" or best is None:
            continue
        scores = read.methods[curve.name][best]
        for label, code in enumerate(task.classes):
            rows = np.flatnonzero(task.truth == label)
            order = rows[np.argsort(-scores[rows, label], kind="stable")]
            first, last = order[:SHOWN].tolist(), order[::-1][: min(SHOWN, max(0, len(order) - SHOWN))].tolist()
            faces = list(task.sets.test.read(task.sets.asked[np.array(first + last, np.int64)]))
            gap = [None] * (SHOWN - len(first))
            taken = ", ".join(EXPRESSIONS[task.classes[int(scores[row].argmax())]] for row in last)
            said = f"by {best} of {curve.name}" + (f"; those it is least sure of are taken for {taken}" if last else "")
            sheet.add(EXPRESSIONS[code], curve.name, [*faces[: len(first)], *gap, *faces[len(first) :]], said)
    return sheet


def _lead(curves: Sequence[Curve], places: Sequence[str]) -> str:
    """Says where each method's expression is, and what the controls reach."""
    said = []
    for curve in (one for one in curves if one.kind == "method"):
        found = ranked(curve, places, MEAN, falling=True)
        if not found:
            said.append(f"nothing could be read from {curve.name}")
            continue
        own = found.pop(READING, None)
        line = f"{curve.name} tells the expressions apart with a mean AUC of {own or 0.0:.3f}"
        if found:
            (best, value), *rest = found.items()
            line = f"{best} of {curve.name} tells the expressions apart with a mean AUC of {value:.3f}"
            line += f", the next best part, {rest[0][0]}, with {rest[0][1]:.3f}" if rest else ""
            line += "" if own is None else f", its own reading with {own:.3f}"
        said.append(line)
    ends = []
    for curve in (one for one in curves if one.kind == "control"):
        if found := ranked(curve, places, MEAN, falling=True):
            said_of = "the judge itself" if curve.name == JUDGE else f"the same probe on {_article(curve.name)}"
            ends.append(f"{said_of} reaches {next(iter(found.values())):.3f}")
    return f"{'; '.join(said)}. Chance is 0.5{''.join(f'; {end}' for end in ends)}."


def _article(control: str) -> str:
    return control if control == NOISE else f"a {control}"
