# SPDX-License-Identifier: MIT
"""Is it still the same person? Similarity of face embeddings, and how well similarities tell people apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, matrix, same_shape, vector


def identity_similarity(source: ArrayLike, edited: ArrayLike) -> NDArray[np.float64]:
    """Cosine similarity of face embeddings before and after the edit.

    Args:
        source: Embeddings of the source faces, shape (N, D), any float type, of any length but zero.
        edited: Embeddings of the edited faces, same shape and order.

    Returns:
        One value for each pair, shape (N,), float64, in [-1, 1]; higher is better, 1 is the same direction.

    Raises:
        InputError: The shapes differ, N is 0, a value is not finite, or an embedding is zero.

    References:
        Deng et al., "ArcFace: Additive angular margin loss for deep face recognition", CVPR 2019
        (embeddings compared by their angle). Parity: scikit-learn ``cosine_similarity``,
        tests/metrics/test_identity_metrics.py.

    Example:
        >>> import numpy as np
        >>> identity_similarity(np.eye(2), np.array([[2.0, 0.0], [3.0, 3.0]])).round(6).tolist()
        [1.0, 0.707107]
    """
    first, second = _unit("source", source), _unit("edited", edited)
    same_shape("source", first, "edited", second)
    return np.asarray(np.clip(np.einsum("nd,nd->n", first, second), -1.0, 1.0))


def verification_auc(similarities: ArrayLike, same: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a pair of one person is more similar than a pair of two.

    Ties count half, so a constant gives 0.5. It serves any score against any 0/1 truth, such as a discriminator's
    logits against "is real".

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.

    Returns:
        In [0, 1]; higher is better, 0.5 is chance.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, or only one kind of pair is there.

    References:
        Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.
        Parity: scikit-learn ``roc_auc_score``, tests/metrics/test_identity_metrics.py.

    Example:
        >>> verification_auc([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
        0.875
    """
    scores, truth = vector("similarities", similarities), binary("same", same)
    same_shape("similarities", scores, "same", truth)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        got = f"{positives} pairs of one person, {negatives} of two"
        raise InputError("pairs of both kinds", got, "add pairs of the missing kind")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks = (ends - (counts - 1) / 2)[inverse]  # equal scores share the mean of their ranks
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _unit(name: str, values: ArrayLike) -> NDArray[np.float64]:
    rows = matrix(name, values).astype(np.float64)
    # by the largest entry first: the square of a half-precision overflow candidate must not overflow here
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if largest.min() == 0.0:
        got = f"a zero vector at row {int(largest.argmin())}"
        raise InputError(f"{name} embeddings that point somewhere", got, "leave that image out")
    rows /= largest
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
