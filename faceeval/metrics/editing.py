# SPDX-License-Identifier: MIT
"""How well did an editor change one attribute? Everything that belongs beside a flip accuracy, in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, matrix, same_shape
from faceeval.metrics.attribute import (
    balanced_accuracy,
    flip_accuracy,
    flip_success,
    preservation_error,
    preservation_error_to_labels,
)
from faceeval.metrics.conflicts import excluded_columns, labels_after_edit


@dataclass(frozen=True)
class EditSummary:
    """One attribute inverted in every face, as one classifier sees it. Shares, 0..1.

    Attributes:
        attribute: The edited attribute.
        excluded: Attributes that were not asked to stay: the edited one and those that contradict it.
        n_add: Faces it was to be added to.
        n_remove: Faces it was to be taken from.
        flip_accuracy: Faces in which the classifier sees the wanted value; higher is better.
        flip_accuracy_add: The same among those it was to be added to; None where there are none.
        flip_accuracy_remove: The same among those it was to be taken from; None where there are none.
        flip_balanced_accuracy: Mean of the two, each counted alike; None where one is.
        preservation_error: Other attributes whose verdict changed; lower is better, doing nothing gets 0.
        preservation_error_to_labels: Other attributes that contradict the labels; the published form.
        idle_flip_accuracy: What an editor that does nothing gets: the classifier's error on this attribute.
        idle_preservation_error_to_labels: What it gets in the published form: the classifier's error on the others.
        judge_balanced_accuracy: Of the classifier on the sources, for this attribute; None where one class is missing.
    """

    attribute: str
    excluded: tuple[str, ...]
    n_add: int
    n_remove: int
    flip_accuracy: float
    flip_accuracy_add: float | None
    flip_accuracy_remove: float | None
    flip_balanced_accuracy: float | None
    preservation_error: float
    preservation_error_to_labels: float
    idle_flip_accuracy: float
    idle_preservation_error_to_labels: float
    judge_balanced_accuracy: float | None


def edit_summary(
    labels: ArrayLike, source_logits: ArrayLike, edited_logits: ArrayLike, names: Sequence[str], attribute: str
) -> EditSummary:
    """Flip accuracy and preservation errors of inverting one attribute, beside what an editor that does nothing gets.

    Say how strongly the editor was asked to edit: published accuracies may stand for twice the strength it was trained
    with, and every flip gained that way is paid for in preservation.

    Args:
        labels: Labels of the source faces, shape (N, A), 0 or 1.
        source_logits: The classifier's logits of the sources, shape (N, A), any float type.
        edited_logits: Its logits of the edits, each with the attribute inverted, same shape and order.
        names: Attribute of each column.
        attribute: The edited attribute.

    Returns:
        The record. No value can be read finer than the classifier errs, nor than the labels do: a fifth of CelebA's
        open mouths and two fifths of its beards are labelled wrongly.

    Raises:
        InputError: The shapes differ, a value is not finite, a label is neither 0 nor 1, or no attribute is left to
            preserve.
        UnknownNameError: The attribute is not among the names.

    References:
        Liu et al., "STGAN ...", CVPR 2019, released code; Wu et al., "Consistency and accuracy of CelebA attribute
        values", CVPRW 2023 (the labels' errors).

    Example:
        >>> summary = edit_summary(
        ...     labels=[[0, 1], [1, 0]],
        ...     source_logits=[[-2.0, 3.0], [2.0, 1.0]],
        ...     edited_logits=[[2.0, 3.0], [1.0, 1.0]],
        ...     names=["Eyeglasses", "Young"],
        ...     attribute="Eyeglasses",
        ... )
        >>> summary.flip_accuracy, summary.flip_accuracy_add, summary.flip_accuracy_remove
        (0.5, 1.0, 0.0)
        >>> summary.preservation_error, summary.idle_preservation_error_to_labels
        (0.0, 0.5)
    """
    truth, source, edited = _checked(labels, source_logits, edited_logits)
    exclude = excluded_columns(names, attribute)
    column = list(names).index(attribute)
    target = labels_after_edit(truth, names, attribute)[:, column]
    seen, success = edited[:, column] > 0, flip_success(edited[:, column], target)
    add, remove = (float(success[target == value].mean()) if (target == value).any() else None for value in (1, 0))
    both = add is not None and remove is not None
    return EditSummary(
        attribute=attribute,
        excluded=tuple(names[i] for i in exclude),
        n_add=int(target.sum()),
        n_remove=int((1 - target).sum()),
        flip_accuracy=float(success.mean()),
        flip_accuracy_add=add,
        flip_accuracy_remove=remove,
        flip_balanced_accuracy=balanced_accuracy(target, seen) if both else None,
        preservation_error=float(preservation_error(source, edited, exclude).mean()),
        preservation_error_to_labels=float(preservation_error_to_labels(truth, edited, exclude).mean()),
        idle_flip_accuracy=flip_accuracy(source[:, column], target),
        idle_preservation_error_to_labels=float(preservation_error_to_labels(truth, source, exclude).mean()),
        judge_balanced_accuracy=balanced_accuracy(truth[:, column], source[:, column] > 0) if both else None,
    )


def _checked(
    labels: ArrayLike, source_logits: ArrayLike, edited_logits: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    truth = binary("labels", matrix("labels", labels))
    source, edited = matrix("source_logits", source_logits), matrix("edited_logits", edited_logits)
    same_shape("labels", truth, "source_logits", source)
    same_shape("source_logits", source, "edited_logits", edited)
    if truth.shape[1] < 2:
        todo = "use a classifier with more attributes, or flip_accuracy alone"
        raise InputError("at least two attributes", "one", todo)
    return truth, source.astype(np.float64), edited.astype(np.float64)
