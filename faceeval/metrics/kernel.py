# SPDX-License-Identifier: MIT
"""Do the images look real? The kernel distance: on Inception's pool3 the kernel inception distance (KID).

It compares two sets of features by all pairs instead of by mean and covariance. It has no bias: small sets give an
uncertain value, not a larger one, and a value below 0 is an honest answer of equal distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix
from faceeval.metrics.gaussian import same_dimension

TILE = 1024  # rows and columns of the kernel matrix held at a time: 8 MB, however many images there are
MOST_IN_SUBSET = 1000  # the size KID is usually made with, where there are twice as many images


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance as it is usually reported: from random subsets.

    Attributes:
        mean: Mean over the subsets; lower is better, 0 is equal, and below 0 is possible.
        std: Standard deviation over the subsets, divisor ``subsets``: how much one *subset* scatters. It depends on
            the subset size and is not an error of the mean.
        error: Standard error of the mean, from that scatter by the delete-d jackknife; too large rather than too small
            where the distributions are nearly equal.
        subset_size: Images of each side in a subset.
        subsets: Number of subsets.
    """

    mean: float
    std: float
    error: float
    subset_size: int
    subsets: int


@dataclass(frozen=True)
class _Kernel:
    """The polynomial kernel ``(gamma * x @ y + coef) ** degree``; gamma None is 1 / D."""

    degree: int
    gamma: float | None
    coef: float

    def __post_init__(self) -> None:
        positive = self.gamma is None or 0.0 < self.gamma < np.inf
        if int(self.degree) != self.degree or self.degree < 1 or not positive or not 0.0 <= self.coef < np.inf:
            got = f"degree={self.degree}, gamma={self.gamma}, coef={self.coef}"
            todo = "leave them out: degree 3, gamma 1 / D and coef 1 are those of KID"
            raise InputError("a whole degree from 1, a gamma above 0 and a coef from 0", got, todo)

    def __call__(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        base = rows @ columns.T
        base *= 1.0 / rows.shape[1] if self.gamma is None else self.gamma
        base += self.coef
        values = base.copy() if self.degree > 1 else base
        for _ in range(int(self.degree) - 1):  # many times faster than a power
            values *= base
        return values


def kernel_distance(
    real: ArrayLike, generated: ArrayLike, degree: int = 3, gamma: float | None = None, coef: float = 1.0
) -> float:
    r"""Squared maximum mean discrepancy of two sets of features, unbiased, over all pairs; on pool3 it is the KID.

    .. math:: \frac{1}{n(n-1)}\sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)}\sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm}\sum_{i,j} k(x_i, y_j), \qquad k(x, y) = (\gamma\, x^\top y + c)^p

    This is what the usual mean over random subsets estimates, without their chance: the mean over *every* subset.
    Kernel values are made in tiles, so that memory does not grow with their number; 5,000 against 5,000 images of
    2,048 features take 2e11 multiplications.

    Args:
        real: Features of the real images, shape (N, D), N at least 2, any float type.
        generated: Features of the generated images, shape (M, D), M at least 2.
        degree: Power p of the kernel.
        gamma: Factor of the inner product; None is 1 / D.
        coef: Constant c.

    Returns:
        The squared discrepancy, in the kernel's units; lower is better, and below 0 is possible: its expectation is 0
        for equal distributions.

    Raises:
        InputError: A set has fewer than two images, the dimensions differ, a value is not finite, or a senseless
            kernel.

    References:
        Gretton et al., "A kernel two-sample test", JMLR 2012, eq. (3); Bińkowski et al., "Demystifying MMD GANs",
        ICLR 2018, section 4 (the kernel).
        Parity: torch-fidelity 0.4, torchmetrics 1.9, clean-fid 0.1.35, with one subset of everything,
        tests/metrics/test_kernel_parity.py.

    Example:
        >>> kernel_distance([[0.0], [1.0]], [[1.0], [2.0]])
        9.5
    """
    first, second = feature_sets(real, generated, rows=2)
    members = np.ones((1, len(first))), np.ones((1, len(second)))
    return float(_distances(first, second, *members, _Kernel(degree, gamma, coef))[0])


def kernel_distance_subsets(
    real: ArrayLike,
    generated: ArrayLike,
    subsets: int = 100,
    subset_size: int | None = None,
    seed: int = 0,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
) -> KernelDistance:
    """Kernel distance the way papers report it: mean and standard deviation over random subsets.

    A subset may hold at most half of the smaller set. With more, subsets repeat each other and their scatter says
    nothing; with as many as there are, every subset is the whole set and the standard deviation 0.

    Args:
        real: Features of the real images, shape (N, D), any float type.
        generated: Features of the generated images, shape (M, D).
        subsets: Number of subsets, at least 2.
        subset_size: Images of each side in a subset, from 2 to half of the smaller set; None is 1,000 or that half.
        seed: Seed of the draws, which are without replacement.
        degree: As in kernel_distance.
        gamma: As in kernel_distance.
        coef: As in kernel_distance.

    Returns:
        Mean, standard deviation, and the standard error of the mean.

    Raises:
        InputError: A set has fewer than four images, the dimensions differ, a value is not finite, the subsets are
            larger than half of the smaller set, or a senseless setting.

    References:
        Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; Shao and Wu, "A general theory for jackknife variance
        estimation", Ann. Statist. 1989 (the error).
        Parity: torch-fidelity 0.4 (100 subsets of 1,000), tests/metrics/test_kernel_parity.py.

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(400, 8))
        >>> result = kernel_distance_subsets(features[:200], features[200:])
        >>> result.subset_size, abs(result.mean) < 3 * result.error
        (100, True)
    """
    kernel = _Kernel(degree, gamma, coef)
    first, second = feature_sets(real, generated, rows=4)
    fewest = min(len(first), len(second))
    size = min(MOST_IN_SUBSET, fewest // 2) if subset_size is None else subset_size
    if int(size) != size or not 2 <= size <= fewest // 2:
        todo = "lower subset_size; kernel_distance uses all images, without subsets"
        raise InputError(f"subsets of 2 to {fewest // 2} images, half of the smaller set", str(size), todo)
    if int(subsets) != subsets or subsets < 2:
        raise InputError("at least two subsets", str(subsets), "give subsets=100")
    values = _subset_distances(first, second, int(subsets), int(size), seed, kernel)
    std = float(values.std())
    error = std * float(np.sqrt(size / (fewest - size)))
    return KernelDistance(float(values.mean()), std, error, int(size), int(subsets))


def feature_sets(real: ArrayLike, generated: ArrayLike, *, rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns both sets of features as matrices of one dimension with at least so many rows.

    Raises:
        InputError: They are not that, or hold NaN or infinity.
    """
    first, second = matrix("real features", real, rows=rows), matrix("generated features", generated, rows=rows)
    same_dimension("real", first.shape[1], "generated", second.shape[1])
    return first, second


def _subset_distances(
    first: NDArray[Any], second: NDArray[Any], subsets: int, size: int, seed: int, kernel: _Kernel
) -> NDArray[np.float64]:
    """Returns the distance of each subset (S,): from the whole kernel matrix, or from their own where that is less."""
    rng = np.random.default_rng(seed)
    n, m = len(first), len(second)
    draws = [(rng.choice(n, size, replace=False), rng.choice(m, size, replace=False)) for _ in range(subsets)]
    if n * n / 2 + m * m / 2 + n * m > subsets * 2 * size * size:
        every = np.ones((1, size))
        return np.concatenate([_distances(first[a], second[b], every, every, kernel) for a, b in draws])
    members = np.zeros((subsets, n)), np.zeros((subsets, m))
    for row, draw in enumerate(draws):
        for side, picked in zip(members, draw, strict=True):
            side[row, picked] = 1.0
    return _distances(first, second, *members, kernel)


def _distances(
    first: NDArray[Any],
    second: NDArray[Any],
    members_first: NDArray[np.float64],
    members_second: NDArray[np.float64],
    kernel: _Kernel,
) -> NDArray[np.float64]:
    """Returns the unbiased distance of each subset; a row of ``members`` has 1 for the images that are in it."""
    n, m = members_first.sum(axis=1), members_second.sum(axis=1)
    within = _pair_sums(first, first, members_first, members_first, kernel) / (n * (n - 1))
    within += _pair_sums(second, second, members_second, members_second, kernel) / (m * (m - 1))
    across = _pair_sums(first, second, members_first, members_second, kernel) / (n * m)
    return np.asarray(within - 2.0 * across)


def _pair_sums(
    rows: NDArray[Any],
    columns: NDArray[Any],
    members_rows: NDArray[np.float64],
    members_columns: NDArray[np.float64],
    kernel: _Kernel,
) -> NDArray[np.float64]:
    """Returns the sum of the kernel over the pairs of each subset (S,); of a set with itself, over unequal pairs."""
    itself = rows is columns
    sums = np.zeros(len(members_rows))
    for start in range(0, len(rows), TILE):
        tall = rows[start : start + TILE].astype(np.float64)
        for left in range(start if itself else 0, len(columns), TILE):
            same = itself and left == start
            wide = tall if same else columns[left : left + TILE].astype(np.float64)
            values = kernel(tall, wide)
            if same:
                np.fill_diagonal(values, 0.0)
            found = members_rows[:, start : start + TILE] @ values
            found *= members_columns[:, left : left + TILE]
            sums += found.sum(axis=1) * (2.0 if itself and not same else 1.0)
    return sums
