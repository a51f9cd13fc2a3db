# SPDX-License-Identifier: MIT
"""What a judge reaches on faces whose labels are known: the numbers of its card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from faceeval.errors import InputError
from faceeval.judges import Judge

PAIRS = 3000  # of the same person, and as many of two
PAIR_TAG = "faceeval/1/judge-card"
AXES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class JudgeLabels:
    """What is known about N faces.

    Attributes:
        identities: int64, (N,), the person's number.
        attributes: uint8, (N, A), 1 present, 0 absent.
        attribute_names: CelebA names of the A columns.
        expression: int64, (N,), AffectNet's class 0..7.
        pose: float32, (N, 3), yaw, pitch, roll in degrees.

    Raises:
        InputError: The columns do not fit each other.
    """

    identities: NDArray[np.int64]
    attributes: NDArray[np.uint8]
    attribute_names: tuple[str, ...]
    expression: NDArray[np.int64]
    pose: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuses columns that do not fit each other."""
        count = len(self.identities)
        wanted = {"attributes": (count, len(self.attribute_names)), "expression": (count,), "pose": (count, 3)}
        for name, shape in wanted.items():
            found = np.shape(getattr(self, name))
            if found != shape:
                raise InputError(f"{name} of shape {shape}", f"shape {found}", "give every face each label once")
        if count == 0:
            raise InputError("labels of at least one face", "none", "pass the labels of the split")
        if self.expression.min() < 0 or self.expression.max() > 7:
            raise InputError("expressions 0..7", f"{self.expression.min()}..{self.expression.max()}", "use AffectNet's")

    def __len__(self) -> int:
        return len(self.identities)


def _draw(tag: str, below: int) -> int:
    """A number in 0..below-1 that depends on nothing but the tag."""
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") % below


def verification_pairs(identities: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Chooses ``n`` pairs of one person and ``n`` of two by hash, the same on every machine.

    Args:
        identities: (N,).
        n: Pairs of each kind wanted; fewer come where the faces do not hold that many.

    Returns:
        Index pairs int64 (M, 2) without repeats, and bool (M,), True for the same person.

    Raises:
        InputError: All faces show one person, or no person is shown twice.
    """
    members = {person: np.flatnonzero(identities == person) for person in np.unique(identities)}
    chosen: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for draw in range(40 * n):
        first = _draw(f"{PAIR_TAG}:{draw}:first", len(identities))
        mates = members[identities[first]]
        mate = int(mates[_draw(f"{PAIR_TAG}:{draw}:same", len(mates))])
        other = _draw(f"{PAIR_TAG}:{draw}:other", len(identities))
        for same, second in ((True, mate), (False, other)):
            wanted = first != second and (identities[first] == identities[second]) == same
            if wanted and len(chosen[same]) < n:
                chosen[same].add((min(first, second), max(first, second)))
        if len(chosen[True]) == len(chosen[False]) == n:
            break
    if not chosen[True] or not chosen[False]:
        what = "no pair of the same person" if not chosen[True] else "no pair of two persons"
        raise InputError("faces of several people, each shown more than once", what, "pass more faces")
    pairs = [*sorted(chosen[True]), *sorted(chosen[False])]
    return np.array(pairs, dtype=np.int64), np.arange(len(pairs)) < len(chosen[True])


def _verification(embedding: NDArray[np.float32], identities: NDArray[np.int64], n_pairs: int) -> dict[str, Any]:
    """AUC of the cosine over hashed pairs, and rank-1 of each face against all others."""
    unit = embedding.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    pairs, same = verification_pairs(identities, n_pairs)
    cosine = np.einsum("nd,nd->n", unit[pairs[:, 0]], unit[pairs[:, 1]])
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = identities[similarity.argmax(axis=1)]
    return {
        "auc": float(roc_auc_score(same, cosine)),
        "pairs_same": int(same.sum()),
        "pairs_different": int((~same).sum()),
        "rank1": float(np.mean(nearest == identities)),
        "people": len(np.unique(identities)),
    }


def _attribute(logits: NDArray[np.float32], truth: NDArray[np.uint8]) -> dict[str, float]:
    """Accuracy, its mean over the two classes, and the share of positives."""
    right = (logits > 0) == (truth > 0)
    recalls = [float(right[truth == value].mean()) for value in (0, 1) if (truth == value).any()]
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "positive_share": float(truth.mean()),
    }


def evaluate_outputs(
    outputs: Mapping[str, NDArray[np.float32]], labels: JudgeLabels, n_pairs: int = PAIRS
) -> dict[str, Any]:
    """Compares a judge's answers with the labels.

    Args:
        outputs: What the judge returned for the N faces.
        labels: Their labels, the attribute columns in the judge's order.
        n_pairs: Pairs of each kind for verification.

    Returns:
        Plain numbers for JSON: ``n``; ``attributes`` (per name accuracy, balanced accuracy, share of positives) with
        their mean and least accuracy; ``verification`` (AUC, rank-1); ``expression_accuracy``; ``pose_error_degrees``
        (mean absolute error per axis). Only what the judge answers.
    """
    card: dict[str, Any] = {"n": len(labels)}
    if "attributes" in outputs:
        rows = {
            name: _attribute(outputs["attributes"][:, column], labels.attributes[:, column])
            for column, name in enumerate(labels.attribute_names)
        }
        accuracies = [row["accuracy"] for row in rows.values()]
        card |= {"attributes": rows, "attribute_accuracy_mean": float(np.mean(accuracies))}
        card["attribute_accuracy_least"] = min(accuracies)
    if "embedding" in outputs:
        card["verification"] = _verification(outputs["embedding"], labels.identities, n_pairs)
    if "expression" in outputs:
        card["expression_accuracy"] = float(np.mean(outputs["expression"].argmax(axis=1) == labels.expression))
    if "pose" in outputs:
        errors = np.abs(outputs["pose"].astype(np.float64) - labels.pose).mean(axis=0)
        card["pose_error_degrees"] = {axis: float(error) for axis, error in zip(AXES, errors, strict=True)}
    return card


def evaluate_judge(
    judge: Judge, images: NDArray[np.uint8], labels: JudgeLabels, n_pairs: int = PAIRS
) -> dict[str, Any]:
    """Shows labelled faces to a judge and returns the numbers of its card; see :func:`evaluate_outputs`.

    Args:
        judge: The judge.
        images: uint8, (N, 3, S, S).
        labels: Labels of the same faces.
        n_pairs: Pairs of each kind for verification.

    Returns:
        Numbers for JSON.

    Raises:
        InputError: The counts differ, or the attribute columns are not the judge's.
    """
    if len(images) != len(labels):
        raise InputError(f"labels of {len(images)} faces", f"{len(labels)}", "pass images and labels of one split")
    if judge.attribute_names and judge.attribute_names != labels.attribute_names:
        raise InputError(
            f"attribute columns {', '.join(judge.attribute_names)}",
            ", ".join(labels.attribute_names),
            "order the label columns as judge.attribute_names",
        )
    return evaluate_outputs(judge(torch.from_numpy(np.array(images))), labels, n_pairs)
