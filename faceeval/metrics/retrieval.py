# SPDX-License-Identifier: MIT
"""What do neighbours in an embedding share? Precision of the k nearest images, for identity, attributes and pose.

Neighbours are by Euclidean distance, without the query itself; of equally near ones the earlier row comes first. Each
number has its chance level, what images drawn at random share with the query.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, matrix
from faceeval.metrics.identity import whole_numbers

CELLS = 4_000_000  # distances held in memory at once: 32 MB
TOP = 7  # how many images Browatzki and Wallraven show


def nearest_neighbours(codes: ArrayLike, k: int = TOP) -> NDArray[np.int64]:
    """The k nearest other images of every image.

    Args:
        codes: One code for each image, shape (N, D), any float type: an embedding, or the part of one that is asked.
        k: Number of neighbours, 1 to N - 1.

    Returns:
        Row numbers, shape (N, k), int64, by distance and then by row number. Duplicates of the query come first.

    Raises:
        InputError: No matrix, a value is not finite, k is out of range, or all codes are equal.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", 2019, section 5.3.4. Parity: scikit-learn ``NearestNeighbors``, tests/metrics/test_retrieval.py.

    Example:
        >>> nearest_neighbours([[0.0], [1.0], [1.0], [5.0]], k=2).tolist()
        [[1, 2], [2, 0], [1, 0], [1, 2]]
    """
    from scipy.spatial.distance import cdist

    rows = matrix("codes", codes, rows=2).astype(np.float64)
    if int(k) != k or not 1 <= k < len(rows):
        todo = "lower k, or give more images: the query itself does not count"
        raise InputError(f"1 to {len(rows) - 1} neighbours", str(k), todo)
    if (rows == rows[0]).all():
        raise InputError("codes that differ", f"{len(rows)} equal rows", "look at what the network makes of its input")
    found = np.empty((len(rows), int(k)), dtype=np.int64)
    block = max(1, CELLS // len(rows))
    for start in range(0, len(rows), block):
        # differences, not a product of matrices: duplicates must be at distance 0, and equal distances be equal
        distances = cdist(rows[start : start + block], rows, "sqeuclidean")
        distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = np.inf
        found[start : start + block] = _smallest(distances, int(k))
    return found


def retrieval_precision(
    codes: ArrayLike, labels: ArrayLike, k: int = TOP, near: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Share of each image's k nearest neighbours that have its label.

    Args:
        codes: Shape (N, D), any float type.
        labels: Label of each image, such as its identity, shape (N,), whole numbers; each on at least k + 1 images.
        k: Number of neighbours.
        near: Neighbours that ``nearest_neighbours(codes, k)`` has found before, so that several questions are asked of
            one search; None searches.

    Returns:
        One value for each image, shape (N,), float64, in [0, 1]; higher is better, chance_precision is chance.

    Raises:
        InputError: As nearest_neighbours; labels do not pair with codes, or one has too few images for a value of 1.

    References:
        Browatzki and Wallraven 2019, section 5.3.4, shows seven neighbours without a score; the score is ours.

    Example:
        >>> retrieval_precision([[0.0], [1.0], [10.0], [11.0]], labels=[4, 4, 5, 5], k=1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    names = whole_numbers("labels", labels)
    _paired(codes, "labels", len(names))
    values, counts = np.unique(names, return_counts=True)
    if counts.min() <= k:
        few = f"{int((counts <= k).sum())} labels have fewer, such as {values[counts.argmin()]} with {counts.min()}"
        raise InputError(f"at least {k + 1} images of each label, for {k} neighbours", few, "leave those images out")
    return np.asarray((names[_neighbours(codes, k, near)] == names[:, None]).mean(axis=1))


def retrieval_attribute_accuracy(
    codes: ArrayLike, attributes: ArrayLike, k: int = TOP, near: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Share of attribute values on which each image agrees with its k nearest neighbours.

    Args:
        codes: Shape (N, D), any float type.
        attributes: Shape (N, A), 0 or 1.
        k: Number of neighbours.
        near: Neighbours that ``nearest_neighbours(codes, k)`` has found before, so that several questions are asked of
            one search; None searches.

    Returns:
        One value for each image, shape (N,), float64, in [0, 1]; higher is better. Rare attributes agree by chance:
        compare with chance_attribute_accuracy.

    Raises:
        InputError: As nearest_neighbours; attributes do not pair with codes, or are not 0 or 1.

    References:
        Browatzki and Wallraven 2019, section 5.3.4, shows seven neighbours without a score; the score is ours.

    Example:
        >>> retrieval_attribute_accuracy([[0.0], [1.0], [9.0]], [[0, 1], [0, 0], [1, 0]], k=1).tolist()
        [0.5, 0.5, 0.5]
    """
    marks = _attributes(attributes)
    _paired(codes, "attributes", len(marks))
    return _over_neighbours(_neighbours(codes, k, near), lambda row: (marks[row] == marks).mean(axis=1))


def retrieval_angle_error(
    codes: ArrayLike, angles: ArrayLike, k: int = TOP, near: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Mean absolute difference between each image's angles and those of its k nearest neighbours.

    Args:
        codes: Shape (N, D), any float type.
        angles: Pose of each image, such as yaw, pitch and roll, shape (N, A), degrees; differences wrap at 360.
        k: Number of neighbours.
        near: Neighbours that ``nearest_neighbours(codes, k)`` has found before, so that several questions are asked of
            one search; None searches.

    Returns:
        One value for each image, shape (N,), float64, degrees in [0, 180]; lower is better, chance_angle_error is
        chance.

    Raises:
        InputError: As nearest_neighbours; angles do not pair with codes, or are not finite.

    References:
        Browatzki and Wallraven 2019, section 5.3.4, shows seven neighbours without a score; the score is ours.

    Example:
        >>> retrieval_angle_error([[0.0], [1.0], [9.0]], [[179.0], [-179.0], [0.0]], k=1).tolist()
        [2.0, 2.0, 179.0]
    """
    poses = matrix("angles", angles).astype(np.float64)
    _paired(codes, "angles", len(poses))
    return _over_neighbours(_neighbours(codes, k, near), lambda row: _turned(poses[row] - poses).mean(axis=1))


def chance_precision(labels: ArrayLike) -> NDArray[np.float64]:
    """What retrieval_precision is on average where neighbours are drawn at random, whatever k.

    Args:
        labels: Label of each image, shape (N,), whole numbers, N at least 2.

    Returns:
        One value for each image, shape (N,), float64: the share of the other images that have its label.

    Raises:
        InputError: No vector of whole numbers, or fewer than two.

    References:
        The hypergeometric mean; retrieval_precision with k = N - 1 gives the same.

    Example:
        >>> chance_precision([4, 4, 5]).tolist()
        [0.5, 0.5, 0.0]
    """
    names = whole_numbers("labels", labels)
    _several(len(names))
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray((counts[inverse] - 1) / (len(names) - 1))


def chance_attribute_accuracy(attributes: ArrayLike) -> NDArray[np.float64]:
    """What retrieval_attribute_accuracy is on average where neighbours are drawn at random, whatever k.

    Args:
        attributes: Shape (N, A), 0 or 1, N at least 2.

    Returns:
        One value for each image, shape (N,), float64: the share of values that agree, over all other images.

    Raises:
        InputError: No matrix of 0 and 1, or fewer than two rows.

    References:
        The hypergeometric mean; retrieval_attribute_accuracy with k = N - 1 gives the same.

    Example:
        >>> chance_attribute_accuracy([[1, 0], [1, 0], [0, 0]]).tolist()
        [0.75, 0.75, 0.5]
    """
    marks = _attributes(attributes)
    _several(len(marks))
    present = marks.sum(axis=0)
    alike = np.where(marks, present, len(marks) - present) - 1
    return np.asarray(alike.mean(axis=1) / (len(marks) - 1))


def chance_angle_error(angles: ArrayLike) -> NDArray[np.float64]:
    """What retrieval_angle_error is on average where neighbours are drawn at random, whatever k.

    Args:
        angles: Shape (N, A), degrees, N at least 2.

    Returns:
        One value for each image, shape (N,), float64, degrees: the mean difference to all other images.

    Raises:
        InputError: No matrix, a value is not finite, or fewer than two rows.

    References:
        The hypergeometric mean; retrieval_angle_error with k = N - 1 gives the same.

    Example:
        >>> chance_angle_error([[0.0], [10.0], [350.0]]).tolist()
        [10.0, 15.0, 15.0]
    """
    poses = matrix("angles", angles).astype(np.float64)
    _several(len(poses))
    total = np.zeros(len(poses))
    block = max(1, CELLS // len(poses))
    for column in poses.T:
        for start in range(0, len(poses), block):
            part = slice(start, start + block)
            total[part] += _turned(column[part, None] - column).sum(axis=1)
    return np.asarray(total / (poses.shape[1] * (len(poses) - 1)))


def _neighbours(codes: ArrayLike, k: int, near: ArrayLike | None) -> NDArray[np.int64]:
    """Returns the neighbours found before, or finds them."""
    if near is None:
        return nearest_neighbours(codes, k)
    found, rows = matrix("near", near), len(matrix("codes", codes))
    if found.shape != (rows, k) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= rows:
        got = f"shape {found.shape}, dtype {found.dtype}, values {found.min()} to {found.max()}"
        raise InputError(f"{k} row numbers for each of {rows} codes", got, "give nearest_neighbours(codes, k)")
    return found.astype(np.int64)


def _smallest(distances: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Returns the columns of the k smallest values of each row, by value and then by column."""
    bound = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    rows, columns = np.nonzero(distances <= bound)  # k of each row, and more where values tie with the last
    order = np.lexsort((columns, distances[rows, columns], rows))
    counts = np.bincount(rows, minlength=len(distances))
    first = np.cumsum(counts) - counts
    return np.asarray(columns[order][first[:, None] + np.arange(k)])


def _over_neighbours(
    near: NDArray[np.int64], compare: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Returns the mean of a comparison with the first, second, ... neighbour, held one at a time."""
    total = np.zeros(len(near))
    for column in near.T:
        total += compare(column)
    return np.asarray(total / near.shape[1])


def _turned(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns how far two directions are apart, 0 to 180 degrees."""
    return np.asarray(np.abs((difference + 180.0) % 360.0 - 180.0))


def _attributes(values: ArrayLike) -> NDArray[np.bool_]:
    return binary("attributes", matrix("attributes", values))


def _paired(codes: ArrayLike, name: str, length: int) -> None:
    rows = len(matrix("codes", codes, rows=2))
    if rows != length:
        got = f"{rows} codes, {length} rows of {name}"
        raise InputError(f"{name} for each code", got, "give both for the same images, in the same order")


def _several(images: int) -> None:
    if images < 2:
        raise InputError("at least two images", str(images), "chance needs another image to draw")
