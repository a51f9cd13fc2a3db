# SPDX-License-Identifier: MIT
"""Did the attribute change, and only that one? Verdicts of an attribute classifier on edited faces.

A classifier says "present" where its logit is above 0. It must not be the one the editor was trained against. Scores
are comparable under the same classifier only, and no editor can be judged finer than the classifier errs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, matrix, numbers, same_shape, vector
from faceeval.metrics.conflicts import CONFLICTS as CONFLICTS
from faceeval.metrics.conflicts import excluded_columns as excluded_columns


def flip_success(edited_logits: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Whether the classifier sees the wanted value in each edited face.

    Args:
        edited_logits: The classifier's logit of the edited attribute, shape (N,), any float type.
        target: Wanted value of each image, shape (N,), or one for all; 0 or 1.

    Returns:
        Shape (N,), float64, 1 where the logit's side of 0 is the wanted one and 0 elsewhere; higher is better.

    Raises:
        InputError: The shapes differ, a logit is not finite, or a target is neither 0 nor 1.

    References:
        Liu et al., "STGAN: A unified selective transfer network for arbitrary image attribute editing", CVPR 2019
        (attribute generation accuracy).

    Example:
        >>> flip_success([2.5, -0.5, -3.0], [1, 1, 0]).tolist()
        [1.0, 0.0, 1.0]
    """
    logits, wanted = vector("edited_logits", edited_logits), binary("target", target)
    if wanted.ndim == 0:
        wanted = np.full(logits.shape, bool(wanted))
    same_shape("edited_logits", logits, "target", wanted)
    return np.asarray((logits > 0) == wanted, dtype=np.float64)


def flip_accuracy(edited_logits: ArrayLike, target: ArrayLike) -> float:
    """Share of edited faces in which the classifier sees the wanted value.

    Args:
        edited_logits: The classifier's logit of the edited attribute, shape (N,), any float type.
        target: Wanted value of each image, shape (N,), or one for all; 0 or 1.

    Returns:
        In [0, 1]; higher is better. An editor that does nothing gets the classifier's error rate, near 0.

    Raises:
        InputError: As flip_success.

    References:
        Liu et al., "STGAN ...", CVPR 2019. Parity: scikit-learn ``accuracy_score``,
        tests/metrics/test_attribute_metrics.py.

    Example:
        >>> flip_accuracy([2.5, -0.5, -3.0, 1.0], [1, 1, 0, 1])
        0.75
    """
    return float(flip_success(edited_logits, target).mean())


def preservation_accuracy(
    source_logits: ArrayLike, edited_logits: ArrayLike, exclude: ArrayLike
) -> NDArray[np.float64]:
    """Share of the other attributes on which the classifier says the same of a face before and after the edit.

    This form compares verdict with verdict, so an editor that does nothing scores exactly 1, whatever the classifier
    gets wrong. preservation_accuracy_to_labels is the published form, which compares with the labels.

    Args:
        source_logits: Logits of the source faces, shape (N, A), any float type.
        edited_logits: Logits of the edited faces, same shape and order.
        exclude: Columns that may change, from excluded_columns: indices, or a mask (A,) of booleans.

    Returns:
        Shape (N,), float64, in [0, 1]; higher is better.

    Raises:
        InputError: The shapes differ, a value is not finite, or ``exclude`` leaves no column or names one that is not.

    References:
        Liu et al., "STGAN ...", CVPR 2019, released code (one minus its preservation error, against the classifier's
        verdict on the source).

    Example:
        >>> preservation_accuracy([[2.0, -1.0, 3.0]], [[-2.0, -4.0, -1.0]], exclude=[0]).tolist()
        [0.5]
    """
    source = matrix("source_logits", source_logits)
    return _agreement("source_logits", source > 0, edited_logits, exclude)


def preservation_accuracy_to_labels(
    labels: ArrayLike, edited_logits: ArrayLike, exclude: ArrayLike
) -> NDArray[np.float64]:
    """Share of the other attributes on which the classifier agrees with the source's labels after the edit.

    The published form. The classifier's own errors count against the editor: one that does nothing scores the
    classifier's accuracy. Wrong labels count too, and CelebA has many.

    Args:
        labels: Labels of the source faces, shape (N, A), 0 or 1.
        edited_logits: Logits of the edited faces, shape (N, A), any float type.
        exclude: Columns that may change, from excluded_columns: indices, or a mask (A,) of booleans.

    Returns:
        Shape (N,), float64, in [0, 1]; higher is better.

    Raises:
        InputError: The shapes differ, a value is not finite, a label is neither 0 nor 1, or ``exclude`` leaves no
            column or names one that is not.

    References:
        Liu et al., "STGAN ...", CVPR 2019, released code (one minus its preservation error).

    Example:
        >>> preservation_accuracy_to_labels([[1, 0, 0]], [[-2.0, -4.0, -1.0]], exclude=[0]).tolist()
        [1.0]
    """
    return _agreement("labels", binary("labels", matrix("labels", labels)), edited_logits, exclude)


def preservation_error(source_logits: ArrayLike, edited_logits: ArrayLike, exclude: ArrayLike) -> NDArray[np.float64]:
    """Share of the other attributes on which the classifier says something else after the edit.

    One minus preservation_accuracy, as published tables print it; an editor that does nothing scores exactly 0.

    Args:
        source_logits: Logits of the source faces, shape (N, A), any float type.
        edited_logits: Logits of the edited faces, same shape and order.
        exclude: Columns that may change, from excluded_columns: indices, or a mask (A,) of booleans.

    Returns:
        Shape (N,), float64, in [0, 1]; lower is better.

    Raises:
        InputError: As preservation_accuracy.

    References:
        Liu et al., "STGAN ...", CVPR 2019, released code (against the classifier's verdict on the source).
        Parity: scikit-learn ``hamming_loss``, tests/metrics/test_attribute_metrics.py.

    Example:
        >>> preservation_error([[2.0, -1.0, 3.0]], [[-2.0, -4.0, -1.0]], exclude=[0]).tolist()
        [0.5]
    """
    return 1.0 - preservation_accuracy(source_logits, edited_logits, exclude)


def preservation_error_to_labels(
    labels: ArrayLike, edited_logits: ArrayLike, exclude: ArrayLike
) -> NDArray[np.float64]:
    """Share of the other attributes on which the classifier contradicts the source's labels after the edit.

    The published form: an editor that does nothing scores the classifier's own error, about 0.055 for STGAN's.

    Args:
        labels: Labels of the source faces, shape (N, A), 0 or 1.
        edited_logits: Logits of the edited faces, shape (N, A), any float type.
        exclude: Columns that may change, from excluded_columns: indices, or a mask (A,) of booleans.

    Returns:
        Shape (N,), float64, in [0, 1]; lower is better.

    Raises:
        InputError: As preservation_accuracy_to_labels.

    References:
        Liu et al., "STGAN ...", CVPR 2019, released code.
        Parity: scikit-learn ``hamming_loss``, tests/metrics/test_attribute_metrics.py.

    Example:
        >>> preservation_error_to_labels([[1, 0, 0]], [[-2.0, -4.0, 1.0]], exclude=[0]).tolist()
        [0.5]
    """
    return 1.0 - preservation_accuracy_to_labels(labels, edited_logits, exclude)


def per_class_recall(labels: ArrayLike, predictions: ArrayLike) -> NDArray[np.float64]:
    """Share of each class that was recognised.

    Args:
        labels: True classes, shape (N,), whole numbers; at least two classes.
        predictions: Predicted classes, same shape.

    Returns:
        Shape (C,), float64, in [0, 1], in ascending order of the classes in ``labels``; higher is better.

    Raises:
        InputError: The shapes differ, a value is no whole number, or the labels hold one class only.

    References:
        Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.
        Parity: scikit-learn ``recall_score(average=None)``, tests/metrics/test_attribute_metrics.py.

    Example:
        >>> per_class_recall([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]).tolist()
        [0.75, 0.5]
    """
    truth, guess = _classes("labels", labels), _classes("predictions", predictions)
    same_shape("labels", truth, "predictions", guess)
    present = np.unique(truth)
    if len(present) < 2:
        got = f"class {int(present[0])} alone"
        raise InputError("labels of at least two classes", got, "add images of the other class")
    return np.array([float((guess[truth == label] == label).mean()) for label in present])


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean over the classes of the share recognised, which "always the larger class" cannot raise above 1/C.

    Args:
        labels: True classes, shape (N,), whole numbers; at least two classes.
        predictions: Predicted classes, same shape.

    Returns:
        In [0, 1]; higher is better, 1/C is chance.

    Raises:
        InputError: As per_class_recall.

    References:
        Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010.
        Parity: scikit-learn ``balanced_accuracy_score``, tests/metrics/test_attribute_metrics.py.

    Example:
        >>> balanced_accuracy([0] * 9 + [1], [0] * 10)
        0.5
    """
    return float(per_class_recall(labels, predictions).mean())


def _agreement(
    name: str, before: NDArray[np.bool_], edited_logits: ArrayLike, exclude: ArrayLike
) -> NDArray[np.float64]:
    after = matrix("edited_logits", edited_logits) > 0
    same_shape(name, before, "edited_logits", after)
    kept = _kept(before.shape[1], exclude)
    return np.asarray((before == after)[:, kept].mean(axis=1))


def _kept(columns: int, exclude: ArrayLike) -> NDArray[np.bool_]:
    given = np.atleast_1d(numbers("exclude", exclude))
    kept = np.ones(columns, dtype=np.bool_)
    if given.dtype == np.bool_ and given.shape == (columns,):
        kept = ~given
    elif given.size:
        if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= columns:
            todo = "take them from excluded_columns(names, attribute)"
            raise InputError(
                f"column indices 0..{columns - 1}, or a mask of {columns}", f"exclude={given.tolist()}", todo
            )
        kept[given] = False
    if not kept.any():
        raise InputError(
            "at least one attribute to preserve", "all are excluded", "use a classifier with more attributes"
        )
    return kept


def _classes(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = vector(name, values)
    if (array != np.round(array)).any():
        todo = "give classes, not scores (a logit above 0 is class 1)"
        raise InputError(f"whole numbers in {name}", str(array[array != np.round(array)][0]), todo)
    return array
