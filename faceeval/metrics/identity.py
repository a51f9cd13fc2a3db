# SPDX-License-Identifier: MIT
"""Is it still the same person? Similarity of face embeddings, and how well similarities tell people apart.

``verification`` asks it of pairs, ``identification`` of a gallery, ``retrieval`` of a whole set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import binary, matrix, same_shape, vector

Measure = Literal["cosine", "euclidean", "squared_euclidean"]
MEASURES = ("cosine", "euclidean", "squared_euclidean")
LARGEST_WHOLE = 2**53  # float64 tells neighbouring whole numbers apart up to here
CELLS = 2**17  # values turned to float64 at a time: 1 MB, which stays in the cache
SAFE = (1e-120, 1e120)  # squared lengths whose products neither overflow nor lose digits


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
    return _cosines("source", source, "edited", edited)


def pair_similarity(first: ArrayLike, second: ArrayLike, measure: Measure = "cosine") -> NDArray[np.float64]:
    """Similarity of the two faces of each pair, whichever way the embedding was trained to be compared.

    On unit vectors all three measures rank pairs alike, since the squared distance is 2 - 2 cos.

    Args:
        first: Embeddings of the first face of each pair, shape (N, D), any float type.
        second: Embeddings of the second, same shape.
        measure: "cosine"; "euclidean", minus the distance; "squared_euclidean", minus its square, what FaceNet and
            triplet losses train. The distances take embeddings at the length they have.

    Returns:
        One value for each pair, shape (N,), float64; higher says "the same person" more strongly. Cosines lie in
        [-1, 1], negated distances are at most 0.

    Raises:
        UnknownNameError: There is no such measure.
        InputError: The shapes differ, N is 0, a value is not finite, a distance is too large for float64, or, for
            the cosine, an embedding is zero.

    References:
        Schroff et al., "FaceNet: A unified embedding for face recognition and clustering", CVPR 2015, section 3
        (squared Euclidean distance). Parity: ``scipy.spatial.distance``, tests/metrics/test_identity_metrics.py.

    Example:
        >>> pair_similarity([[3.0, 4.0]], [[0.0, 0.0]], measure="euclidean").tolist()
        [-5.0]
    """
    if measure not in MEASURES:
        raise unknown_name("measure of similarity", str(measure), MEASURES)
    if measure == "cosine":
        return _cosines("first", first, "second", second)
    one, other = matrix("first", first), matrix("second", second)
    same_shape("first", one, "second", other)
    squares = squared_distances(one, other)
    if not np.isfinite(squares).all():
        got = f"a distance that overflows at row {int(np.isinf(squares).argmax())}"
        raise InputError("embeddings of ordinary length", got, "divide the embeddings by their typical length")
    return np.asarray(0.0 - (np.sqrt(squares) if measure == "euclidean" else squares))


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
    scores, truth = scored_pairs(similarities, same)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks = (ends - (counts - 1) / 2)[inverse]  # equal scores share the mean of their ranks
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def scored_pairs(similarities: ArrayLike, same: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns similarities of pairs and whether each pair shows one person, both (N,).

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, or only one kind of pair is there.
    """
    scores, truth = vector("similarities", similarities), binary("same", same)
    same_shape("similarities", scores, "same", truth)
    positives = int(truth.sum())
    if positives in (0, len(truth)):
        got = f"{positives} pairs of one person, {len(truth) - positives} of two"
        raise InputError("pairs of both kinds", got, "add pairs of the missing kind")
    return scores, truth


def whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Returns identities, labels or folds as int64, (N,).

    Raises:
        InputError: It is no vector, is empty, or holds something that is no whole number.
    """
    array = vector(name, values)
    wrong = (array != np.round(array)) | (np.abs(array) > LARGEST_WHOLE)
    if wrong.any():
        todo = "number what it names: numpy.unique(names, return_inverse=True)[1]"
        raise InputError(f"whole numbers in {name}", f"{array[wrong][0]:g} at index {int(wrong.argmax())}", todo)
    return array.astype(np.int64)


def unit_rows(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Returns embeddings at length one, (N, D), float64.

    Raises:
        InputError: It is no matrix, is empty, holds a value that is not finite, or an embedding is zero.
    """
    rows = matrix(name, values).astype(np.float64)
    # by the largest entry first, so that no square overflows or vanishes
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    if largest.min() == 0.0:
        got = f"a zero vector at row {int(largest.argmin())}"
        raise InputError(f"{name} embeddings that point somewhere", got, "leave that image out")
    rows /= largest[:, None]
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def squared_distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Returns squared Euclidean distances of rows, (N,), summed pairwise along each row; infinite where too large."""
    squares = np.empty(len(one))
    for part in _parts(one):
        a, b = (side[part].astype(np.float64, copy=False) for side in (one, other))
        # laid out by rows whatever the input, since the order of a sum decides its last bit
        difference = np.subtract(a, b, order="C")
        with np.errstate(over="ignore"):
            squares[part] = np.square(difference, out=difference).sum(axis=1)
    return squares


def _cosines(first: str, one: ArrayLike, second: str, other: ArrayLike) -> NDArray[np.float64]:
    a, b = matrix(first, one), matrix(second, other)
    same_shape(first, a, second, b)
    squares, products = np.empty((2, len(a))), np.empty(len(a))
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _parts(a):
            x, y = (side[part].astype(np.float64, copy=False) for side in (a, b))
            squares[0, part], squares[1, part] = np.einsum("nd,nd->n", x, x), np.einsum("nd,nd->n", y, y)
            products[part] = np.einsum("nd,nd->n", x, y)
    if squares.min() > SAFE[0] and squares.max() < SAFE[1]:
        # one root of the product, not two: it gives exactly 1 for equal embeddings
        return np.asarray(np.clip(products / np.sqrt(squares[0] * squares[1]), -1.0, 1.0))
    x, y = unit_rows(first, a), unit_rows(second, b)
    return np.asarray(np.clip(np.einsum("nd,nd->n", x, y), -1.0, 1.0))


def _parts(rows: NDArray[Any]) -> Iterator[slice]:
    """Yields slices of rows that fit the cache."""
    step = max(1, CELLS // rows.shape[1])
    return (slice(start, start + step) for start in range(0, len(rows), step))
