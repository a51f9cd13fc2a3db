# SPDX-License-Identifier: MIT
"""Are two faces one person? Asked of each part of a code.

View 2 of Labeled Faces in the Wild: ten folds, each at the best threshold of the other nine. Beside it Browatzki and
Wallraven's 1000 pairs (Table 2), read as View 1: the threshold from its 2200 pairs for training, squared distances.
Where a code was taken apart well, its identity tells people apart and no other part does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs, pair_rows
from faceeval.errors import InputError
from faceeval.metrics.identity import Measure as MeasureOf
from faceeval.metrics.identity import pair_similarity
from faceeval.metrics.roc import roc_points
from faceeval.metrics.table import METRICS
from faceeval.metrics.thresholds import held_out_accuracy
from faceeval.metrics.verification import VerificationSummary, verification_summary
from faceeval.protocols.asked import Codes, check_methods, embeddings, parts_of
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import as_value, image_curves
from faceeval.protocols.looked import QUICK
from faceeval.protocols.printed import BW_TABLE_2, BW_TABLE_2_SOURCE
from faceeval.protocols.sheets import Sheet
from faceeval.results import Value
from faceeval.results.sweeps import Axis, Curve, Measure, Plot, Point, PrintedTable

VIEW_2, DEV_TRAIN, DEV_TEST = EXPERIMENTS["verification"].pairs
T_975 = 2.2622  # of Student's t with nine degrees of freedom: half the width of a 95 % interval in standard errors
POINTS = 200  # of a drawn ROC curve
SHOWN = 3  # hardest pairs of each kind
QUESTION = "Same person?"


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        parts: Which parts of the code; all by default.
        measure: How codes are compared in View 2. Lengths say nothing of who it is, so the cosine; on codes of unit
            length all measures rank alike.
        development: Whether Browatzki and Wallraven's 1000 pairs are asked as well.
    """

    parts: tuple[str, ...] | None = None
    measure: MeasureOf = "cosine"
    development: bool = True


def _measure(
    label: str, metric: str, better: Literal["higher", "lower"], meaning: str, *, drawn: bool = False
) -> Measure:
    version = METRICS[metric].version
    return Measure(
        question=QUESTION, label=label, unit="share", better=better, digits=4, version=version, meaning=meaning,
        drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "verification_accuracy": _measure(
        "accuracy", "verification_accuracy", "higher",
        "Share of pairs decided rightly, mean over folds, each at the best threshold of the others; the interval is "
        "2.26 standard errors of that mean.", drawn=True,
    ),
    "verification_auc": _measure(
        "AUC", "verification_auc", "higher", "Chance that a pair of one person is more alike than a pair of two."
    ),
    "equal_error_rate": _measure(
        "EER", "equal_error_rate", "lower", "Where as many strangers are accepted as acquaintances turned down."
    ),
    "tar_at_far_1e-2": _measure(
        "TAR@FAR 1e-2", "tar_at_far", "higher", "Pairs of one person accepted where 1 % of strangers are; Wilson."
    ),
    "tar_at_far_1e-3": _measure(
        "TAR@FAR 1e-3", "tar_at_far", "higher", "The same where 0.1 % of strangers are accepted; Wilson."
    ),
    "development_accuracy": _measure(
        "accuracy, 1000 pairs", "verification_accuracy", "higher",
        "Browatzki and Wallraven's Table 2 as we read it: View 1, threshold from its training pairs, squared distance.",
    ),
    "development_accuracy_oracle": _measure(
        "the same, best threshold", "verification_accuracy", "higher",
        "At the threshold that is best on the 1000 pairs themselves, as papers often do: too high.",
    ),
}  # fmt: skip

PRINTED = PrintedTable(
    source=BW_TABLE_2_SOURCE,
    heads=("pose", "expression", "style", "all but identity", "identity"),
    rows={name: tuple(f"{value:.1f} %" for value in row) for name, row in BW_TABLE_2.items()},
)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Compares the images of each pair by each part of each method's code.

    Args:
        methods: Embed.
        given: The split ``"test"`` and three lists of pairs; ``count`` takes fewer pairs of a kind of each fold.
        options: See `Options`.

    Returns:
        A curve over the parts for each method, ROC curves, and the pairs that were hardest for the first part.

    Raises:
        InputError: A method cannot embed or what it returns is no code; an image of a pair is not there.
        UnknownNameError: A method has no such part.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["verification"], faces.size)
    asked = {method.card.name: parts_of(method, options.parts) for method in methods}
    parts = tuple(dict.fromkeys(part for found in asked.values() for part in found))
    task = _Task.of(faces, given, options)
    curves, lines, tables = [], dict[str, tuple[tuple[float, float], ...]](), {}
    hardest = Sheet(("first", "second"), faces.size)
    for method in methods:
        name, points, scores = method.card.name, dict[str, Point](), dict[str, NDArray[np.float64]]()
        for part in asked[name]:
            codes = embeddings(method, faces, task.rows, part, given)
            with given.clock.part("statistics"):
                scores[part] = task.similarities(codes, VIEW_2, options.measure)
                points[part] = task.point(codes, scores[part])
                lines[f"{name}, {part}"] = _roc(scores[part], task.lists[VIEW_2].same)
        _show(hardest, name, asked[name][0], task, scores[asked[name][0]])
        curves.append(_curve(name, points, parts))
        nothing = np.full(len(task.lists[VIEW_2].same), np.nan)
        tables[name] = {"similarity": np.stack([scores.get(part, nothing) for part in parts], axis=1)}
    pairs = task.lists[VIEW_2]
    grid, tiles = hardest.drawn()
    return Found(
        title="Verification: same person or not",
        lead=_lead(curves, parts),
        faces=faces,
        names=tuple(faces.names[row] for row in task.rows.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("part of the code", parts),
        measures=MEASURES,
        curves=tuple(curves),
        settings={
            "measure": options.measure,
            "pairs": len(pairs.same),
            "folds": len(np.unique(pairs.folds)),
            "batch_size": given.batch_size,
        },
        plots=(Plot(title="ROC curves", x="false accept rate", y="true accept rate", lines=lines, diagonal=True),),
        images=image_curves(tuple(map(" ".join, zip(pairs.first, pairs.second, strict=True))), tables),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=_notices(given),
    )


@dataclass(frozen=True)
class _Task:
    """Which pairs are asked, and of which images.

    Attributes:
        faces: The set.
        lists: File -> its pairs.
        places: File -> the two images of each pair, as rows of the set.
        rows: Every image that is in a pair, ascending.
    """

    faces: FaceSet
    lists: dict[str, FacePairs]
    places: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, faces: FaceSet, given: Given, options: Options) -> _Task:
        """Finds the images of all pairs."""
        lists = {VIEW_2: _fewer(given.pair_list(VIEW_2), given.count)}
        if options.development:
            lists |= {name: given.pair_list(name) for name in (DEV_TRAIN, DEV_TEST)}
        places = {name: pair_rows(pairs, faces.names) for name, pairs in lists.items()}
        rows = np.unique(np.concatenate([side for sides in places.values() for side in sides]))
        return cls(faces, lists, places, rows)

    def similarities(self, codes: Codes, name: str, measure: MeasureOf) -> NDArray[np.float64]:
        """Returns how alike the two images of each pair of a list are, by the codes of all ``rows``."""
        first, second = (codes[np.searchsorted(self.rows, side)] for side in self.places[name])
        return pair_similarity(first, second, measure)

    def point(self, codes: Codes, similar: NDArray[np.float64]) -> Point:
        """Returns all that is measured of one part of a code."""
        pairs = self.lists[VIEW_2]
        values = _values(verification_summary(similar, pairs.same, pairs.folds))
        if DEV_TEST in self.lists:
            train, test = (self.similarities(codes, name, "squared_euclidean") for name in (DEV_TRAIN, DEV_TEST))
            truth = self.lists[DEV_TEST].same
            found = held_out_accuracy(test, truth, train, self.lists[DEV_TRAIN].same)
            best = held_out_accuracy(test, truth, threshold="oracle")
            values["development_accuracy"] = as_value(found.accuracy, found.n_pairs)
            values["development_accuracy_oracle"] = as_value(best.accuracy, best.n_pairs)
        absent = {
            key: "not asked" if key.startswith("development") else "too few pairs of two people to show it"
            for key in MEASURES
            if key not in values
        }
        return Point(values=values, absent=absent)


def _curve(name: str, points: dict[str, Point], parts: tuple[str, ...]) -> Curve:
    nothing = Point(values={}, absent=dict.fromkeys(MEASURES, f"{name} has no part of that name"))
    return Curve(name=name, kind="method", points=tuple(points.get(part, nothing) for part in parts))


def _fewer(pairs: FacePairs, count: int | None) -> FacePairs:
    """Takes the first so many pairs of each kind of each fold."""
    if count is None:
        return pairs
    if count < 1:
        raise InputError("at least 1 pair of each kind in each fold", str(count), "give --count 1 or more")
    kept = []
    for fold in np.unique(pairs.folds):
        for kind in (True, False):
            kept.append(np.flatnonzero((pairs.folds == fold) & (pairs.same == kind))[:count])
    rows = np.sort(np.concatenate(kept))
    first, second = (tuple(side[row] for row in rows.tolist()) for side in (pairs.first, pairs.second))
    return FacePairs(pairs.path, first, second, pairs.same[rows], pairs.folds[rows])


def _values(summary: VerificationSummary) -> dict[str, Value]:
    n = summary.n_same + summary.n_different
    mean, half = summary.folds.mean, T_975 * summary.folds.standard_error
    values = {
        "verification_accuracy": Value(value=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), n=n),
        "verification_auc": Value(value=summary.auc, n=n),
        "equal_error_rate": Value(value=summary.equal_error_rate, n=n),
    }
    for point in summary.operating_points:
        values[f"tar_at_far_1e-{round(-np.log10(point.target))}"] = as_value(point.tar, point.n_same)
    return values


def _roc(similar: NDArray[np.float64], same: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Returns the ROC curve, thinned to what a picture can show."""
    points = roc_points(similar, same)
    chosen = np.unique(np.linspace(0, len(points.far) - 1, POINTS).astype(np.int64))
    drawn = zip(points.far[chosen].tolist(), points.tar[chosen].tolist(), strict=True)
    return tuple((round(x, 5), round(y, 5)) for x, y in drawn)


def _show(sheet: Sheet, name: str, part: str, task: _Task, similar: NDArray[np.float64]) -> None:
    """Adds the pairs a method found hardest: people who look alike to it, and images of one person that do not."""
    same, order = task.lists[VIEW_2].same, np.argsort(similar, kind="stable")
    alike = [row for row in order[::-1].tolist() if not same[row]][:SHOWN]
    unlike = [row for row in order.tolist() if same[row]][:SHOWN]
    for said, rows in (("two people", alike), ("one person", unlike)):
        for place, row in enumerate(rows, 1):
            first, second = (side[row] for side in task.places[VIEW_2])
            images = task.faces.read(np.array([first, second]))
            sheet.add(f"hardest, {said}, {place}", name, list(images), f"{similar[row]:.2f} alike by {part} of {name}")


def _lead(curves: Sequence[Curve], parts: tuple[str, ...]) -> str:
    """Says how well the identity tells people apart, and how well the best of the other parts does."""
    said = []
    for curve in curves:
        found = {
            part: point.values["verification_accuracy"].value
            for part, point in zip(parts, curve.points, strict=True)
            if "verification_accuracy" in point.values
        }
        best = max(found, key=found.__getitem__)
        rest = {part: value for part, value in found.items() if part != best}
        line = f"{best} of {curve.name} decides {100 * found[best]:.1f} % of the pairs rightly"
        if rest:
            second = max(rest, key=rest.__getitem__)
            line += f", the next best part, {second}, {100 * rest[second]:.1f} %"
        said.append(line)
    return f"{'; '.join(said)}. Chance is 50 %."


def _notices(given: Given) -> tuple[str, ...]:
    return (f"only {given.count} pairs of a kind of each fold: {QUICK}",) if given.count else ()
