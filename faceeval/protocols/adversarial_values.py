# SPDX-License-Identifier: MIT
"""What the protocol of adversarial faces measures: its keys, and the numbers of one threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from faceeval.errors import InputError
from faceeval.metrics.attack import AttackResult
from faceeval.metrics.detection import (
    PRINTED_ACCURACY,
    DetectionSummary,
    detection_summary,
    distance_detection,
    reconstruction_distance,
)
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.roc import wilson_interval
from faceeval.metrics.table import METRICS
from faceeval.protocols.findings import as_value, mean_over
from faceeval.protocols.printed import BAO_TABLE_4_SOURCE
from faceeval.results import Value
from faceeval.results.sweeps import Curve, Measure, Point, PrintedTable

CHANCE = 0.5
FALSE_ALARMS = 0.1  # rate at which detection is also reported; a fold of ten pairs shows none much lower
ATTACK = "How large a change passes for somebody else?"
TEXTURE = "Does texture tell the change?"
JUDGE = "Does the face come back as somebody else?"


def _measure(
    question: str, label: str, better: Literal["higher", "lower", "neither"], meaning: str, *,
    unit: str = "share", metric: str = "", drawn: bool = False,
) -> Measure:  # fmt: skip
    version = METRICS[metric].version if metric else 1
    return Measure(
        question=question, label=label, unit=unit, better=better, digits=3, version=version, meaning=meaning,
        drawn=drawn,
    )  # fmt: skip


def _accuracy(question: str, label: str, meaning: str, *, drawn: bool = False) -> Measure:
    return _measure(question, label, "higher", meaning, metric="detection_accuracy", drawn=drawn)


MEASURES: dict[str, Measure] = {
    "attack_success_rate": _measure(
        ATTACK, "attacks that succeed", "neither",
        "Share of attacks that get below the threshold, as saved in 8 bits, of pairs that were not below it; of "
        "shuffled changes, the share that does; Wilson.",
    ),
    "already_below_rate": _measure(
        ATTACK, "below before", "lower",
        "Share of pairs of two people that the recogniser takes for one before anything is changed; Wilson.",
    ),
    "attack_norm": _measure(
        ATTACK, "size of the change", "neither",
        "L2 norm of the smallest change found, pixels in 0..1, over successful attacks. Large is robust.",
        unit="norm", drawn=True,
    ),
    "judge_misled_rate": _measure(
        ATTACK, "judge misled as well", "neither",
        "Share of changed faces that are more like the target than like their source to the judge, who was not "
        "attacked.",
    ),
    "detection_accuracy": _accuracy(
        TEXTURE, "accuracy",
        "Faces called rightly adversarial or honest by a linear SVM on the texture of picture and reconstruction, mean "
        "over folds; the interval is Student's. The paper's Table 4.", drawn=True,
    ),
    "detection_auc": _accuracy(
        TEXTURE, "AUC", "Chance that the same SVM finds an adversarial face more suspect than an honest one."
    ),
    "detection_rate": _accuracy(
        TEXTURE, "found at 10 % false alarms", "Adversarial faces found where a tenth of the honest ones is refused."
    ),
    "detection_accuracy_image": _accuracy(
        TEXTURE, "picture alone", "The same SVM on the texture of the picture alone: no generator needed."
    ),
    "detection_accuracy_reconstruction": _accuracy(
        TEXTURE, "reconstruction alone", "The same SVM on the texture of the reconstruction alone."
    ),
    "detection_accuracy_difference": _accuracy(
        TEXTURE, "difference", "The same SVM on how far the textures of picture and reconstruction differ, bin by bin."
    ),
    "judge_detection_accuracy": _accuracy(
        JUDGE, "judge's accuracy",
        "Faces called adversarial where the judge sees picture and reconstruction far apart; threshold from the other "
        "folds, the interval is Student's.", drawn=True,
    ),
    "judge_detection_auc": _accuracy(
        JUDGE, "judge's AUC", "Chance that an adversarial face comes back farther from itself than an honest one."
    ),
    "honest_reconstruction_distance": _measure(
        JUDGE, "honest faces move", "lower",
        "Squared distance of the judge's unit features of an honest face and its reconstruction.",
        unit="squared distance", metric="reconstruction_distance",
    ),
    "adversarial_reconstruction_distance": _measure(
        JUDGE, "adversarial faces move", "higher", "The same of adversarial faces.",
        unit="squared distance", metric="reconstruction_distance",
    ),
    "turned_rate": _measure(
        JUDGE, "come back as the target", "higher",
        "Share of adversarial faces whose reconstruction is more like the target than like the source to the judge.",
        drawn=True,
    ),
    "honest_turned_rate": _measure(
        JUDGE, "honest ones do", "lower", "The same of honest faces: what the generator gets wrong by itself."
    ),
}  # fmt: skip

PRINTED = PrintedTable(
    source=BAO_TABLE_4_SOURCE,
    heads=tuple(f"threshold {threshold:g}" for threshold in PRINTED_ACCURACY),
    rows={"OSIP": tuple("" if share is None else f"{100 * share:.2f} %" for share in PRINTED_ACCURACY.values())},
)


@dataclass(frozen=True, eq=False)
class Seen:
    """Pictures, how a method draws them again, and what the detectors see of both; a row for each.

    Attributes:
        pictures: uint8 (N, 3, S, S).
        drawn: The same shape.
        texture: Local binary patterns of the pictures, (N, F).
        drawn_texture: Of the reconstructions.
        face: The judge's embeddings of the pictures, (N, D).
        drawn_face: Of the reconstructions.
    """

    pictures: NDArray[np.uint8]
    drawn: NDArray[np.uint8]
    texture: NDArray[np.float64]
    drawn_texture: NDArray[np.float64]
    face: NDArray[np.float32]
    drawn_face: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> Seen:
        """Returns some rows."""
        return Seen(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def drawn_as(self, other: Seen) -> Seen:
        """Returns the same pictures with the pictures of another as their reconstructions."""
        return replace(self, drawn=other.pictures, drawn_texture=other.texture, drawn_face=other.face)


@dataclass(frozen=True, eq=False)
class Sides:
    """What one threshold leaves to compare: honest faces and changed ones, row by row of one source and one target.

    Attributes:
        honest: The sources.
        changed: The sources with a change, adversarial or not.
        target: Whom they are to pass for.
        folds: Fold of each, (n,).
        people: Who each source is, (n,); None where nobody knows.
        seed: Of the resamples.
    """

    honest: Seen
    changed: Seen
    target: Seen
    folds: NDArray[np.int64]
    people: NDArray[np.int64] | None
    seed: int


def attack_values(found: AttackResult, people: NDArray[np.int64] | None, seed: int) -> dict[str, Value]:
    """Returns how the attacks of one threshold went."""
    already, tried, made = int(found.already.sum()), int((~found.already).sum()), int(found.perturbed.sum())
    values = {"already_below_rate": as_value(wilson_interval(already, len(found.already)), len(found.already))}
    if tried:
        values["attack_success_rate"] = as_value(wilson_interval(made, tried), tried)
    norm = mean_over(np.where(found.perturbed, found.norms, np.nan), people, seed)
    return values if norm is None else {**values, "attack_norm": norm}


def detection_values(sides: Sides, textures: Sequence[str]) -> tuple[dict[str, Value], dict[str, str]]:
    """Tells changed faces from honest ones by texture and by the judge.

    Args:
        sides: What there is to compare, one row at least.
        textures: Which detectors by texture: ``""`` picture and reconstruction, ``"_image"``, ``"_reconstruction"``,
            ``"_difference"``.

    Returns:
        Key -> value, and key -> why there is none.
    """
    values, absent = _judged(sides), dict[str, str]()
    if len(np.unique(sides.folds)) < 2:
        reason = "attacks succeeded in one fold only: no other to train a detector on"
        return values, {key: reason for key in MEASURES if "detection" in key}
    truth = np.repeat([False, True], len(sides.folds))
    folds = np.concatenate([sides.folds, sides.folds])
    for suffix in textures:
        try:
            summary = detection_summary(_texture(sides, suffix), truth, folds)
        except InputError as error:  # pictures that are all alike, of a method that draws nobody
            absent[f"detection_accuracy{suffix}"] = f"{error.expected} wanted, got {error.got}"
            continue
        values[f"detection_accuracy{suffix}"] = _over_folds(summary)
        if not suffix:
            values["detection_auc"] = Value(value=summary.auc, n=len(truth))
            if FALSE_ALARMS in summary.detection_rates:
                values["detection_rate"] = Value(value=summary.detection_rates[FALSE_ALARMS], n=len(truth))
    seen = (sides.honest, sides.changed)
    moved = np.concatenate([reconstruction_distance(side.face, side.drawn_face) for side in seen])
    judged = distance_detection(moved, truth, folds)
    values["judge_detection_accuracy"] = _over_folds(judged)
    values["judge_detection_auc"] = Value(value=judged.auc, n=len(truth))
    return values, absent


def chance(places: int, why: str) -> Curve:
    """Returns the curve of a detector that guesses."""
    keys = [key for key in MEASURES if "detection" in key and key != "detection_rate"]
    values = {key: Value(value=CHANCE, n=0) for key in keys} | {"detection_rate": Value(value=FALSE_ALARMS, n=0)}
    point = filled(values, {}, why)
    return Curve(name="chance", kind="control", points=(point,) * places)


def filled(values: dict[str, Value], absent: Mapping[str, str], why: str) -> Point:
    """Returns a point that says of every key it lacks why."""
    return Point(values=values, absent={key: absent.get(key, why) for key in MEASURES if key not in values})


def _judged(sides: Sides) -> dict[str, Value]:
    """Returns what the judge sees of the faces and of their reconstructions."""

    def turned(seen: NDArray[np.float32]) -> NDArray[np.float64]:
        """Whether each face is more like its target than like its source."""
        to_target, to_source = (identity_similarity(seen, side.face) for side in (sides.target, sides.honest))
        return (to_target > to_source).astype(np.float64)

    rows = {
        "judge_misled_rate": turned(sides.changed.face),
        "turned_rate": turned(sides.changed.drawn_face),
        "honest_turned_rate": turned(sides.honest.drawn_face),
        "honest_reconstruction_distance": reconstruction_distance(sides.honest.face, sides.honest.drawn_face),
        "adversarial_reconstruction_distance": reconstruction_distance(sides.changed.face, sides.changed.drawn_face),
    }
    means = {key: mean_over(row, sides.people, sides.seed) for key, row in rows.items()}
    return {key: value for key, value in means.items() if value is not None}


def _texture(sides: Sides, suffix: str) -> NDArray[np.float64]:
    """Returns what a detector is given, honest faces first."""
    texture, drawn = (
        np.concatenate([getattr(side, name) for side in (sides.honest, sides.changed)])
        for name in ("texture", "drawn_texture")
    )
    if suffix == "_difference":
        return np.asarray(np.abs(texture - drawn))
    return {"": np.hstack([texture, drawn]), "_image": texture, "_reconstruction": drawn}[suffix]


def _over_folds(summary: DetectionSummary) -> Value:
    """Returns the mean over folds with Student's 95 % interval."""
    n = summary.true_positives + summary.false_negatives + summary.false_positives + summary.true_negatives
    half = float(stdtrit(len(summary.fold_accuracies) - 1, 0.975)) * summary.standard_error
    low, high = max(0.0, summary.accuracy - half), min(1.0, summary.accuracy + half)
    return Value(value=summary.accuracy, low=low, high=high, n=n)
