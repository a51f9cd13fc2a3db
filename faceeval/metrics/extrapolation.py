# SPDX-License-Identifier: MIT
"""The Fréchet distance infinitely many generated images would have (FID-infinity), extrapolated from those there are.

The distance of N images is biased by about a constant over N, and that constant differs from generator to generator.
Distances of subsets of several sizes, drawn against 1 / N, lie near a line; where it meets 0 is the distance without
the bias of the generated side.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix
from faceeval.metrics.frechet import Side, distance
from faceeval.metrics.gaussian import CHUNK, GaussianStats, same_dimension
from faceeval.metrics.realism import SmallSampleWarning

LEAST = 5000  # smallest subset of the paper


@dataclass(frozen=True)
class FrechetExtrapolation:
    """A line through the distances of subsets.

    Attributes:
        value: Where the line meets infinitely many images; it may be a little below 0.
        error: Standard error of that by the regression. It knows the scatter about the line, not that all subsets come
            from one set, nor that the line is bent: read it as a lower bound.
        slope: Distance times images: at N images, ``slope / N`` of the distance is bias.
        sizes: Images in each subset.
        distances: Distance of each subset.
    """

    value: float
    error: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_distance_infinity(
    real: GaussianStats | ArrayLike, generated: ArrayLike, points: int = 15, least: int | None = None, seed: int = 0
) -> float:
    """Fréchet distance extrapolated to infinitely many generated images; on Inception's pool3 it is FID-infinity.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D).
        points: Number of subsets, as in frechet_distance_extrapolation, which also gives the error.
        least: Images in the smallest subset, as there.
        seed: Seed of the draws.

    Returns:
        The extrapolated squared distance, in squared units of the features; lower is better. It may be a little below
        0. The bias of the real side is still in it.

    Raises:
        InputError: As frechet_distance_extrapolation.

    Warns:
        SmallSampleWarning: As frechet_distance_extrapolation.

    References:
        Chong and Forsyth, "Effectively unbiased FID and Inception Score and where to find them", CVPR 2020, section 4.
        Tests: sets of known distance, tests/metrics/test_frechet_extrapolation.py.

    Example:
        >>> import numpy as np
        >>> real = GaussianStats(n=10**6, mean=np.zeros(8), cov=np.eye(8))
        >>> generated = np.random.default_rng(0).normal(size=(2000, 8)) + 1.0
        >>> abs(frechet_distance_infinity(real, generated, least=100) - 8.0) < 0.2
        True
    """
    return _extrapolated(real, generated, points, least, seed).value


def frechet_distance_extrapolation(
    real: GaussianStats | ArrayLike, generated: ArrayLike, points: int = 15, least: int | None = None, seed: int = 0
) -> FrechetExtrapolation:
    """Fits the line of distances over 1 / N, by least squares, through random subsets of the generated images.

    The real side is always the whole of it: its own bias stays, so give many real images, or the statistics of many.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D); statistics cannot be cut into subsets.
        points: Number of subsets, at least 3; their sizes are evenly spaced from ``least`` to M.
        least: Images in the smallest subset, from 2 to below M; None is 5,000, or M // 2 where M is under 10,000.
        seed: Seed of the draws, which are without replacement.

    Returns:
        The extrapolated distance with its error, the slope, and what they were fitted to.

    Raises:
        InputError: As frechet_distance; or too few images for so many subsets; or a senseless setting.

    Warns:
        SmallSampleWarning: The smallest subset, or the real set, has no more images than D. There distances bend away
            from the line, and the extrapolated value is too high.

    References:
        Chong and Forsyth, "Effectively unbiased FID and Inception Score and where to find them", CVPR 2020, section 4
        and its released code (15 sizes from 5,000); they draw a generator's images by a Sobol sequence, which features
        at hand cannot be.

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(2000, 8))
        >>> line = frechet_distance_extrapolation(features, features + 1.0, points=5, least=100)
        >>> line.sizes, line.slope > 0
        ((100, 575, 1050, 1525, 2000), True)
    """
    return _extrapolated(real, generated, points, least, seed)


def _extrapolated(
    real: GaussianStats | ArrayLike, generated: ArrayLike, points: int, least: int | None, seed: int
) -> FrechetExtrapolation:
    from scipy.stats import linregress  # half a second that `import faceeval.metrics` should not take

    features = matrix("generated features", generated)
    sizes = _sizes(len(features), points, least)
    side = Side("real", real)
    dim = features.shape[1]
    same_dimension("real", len(side.mean), "generated", dim)
    if min(sizes[0], side.n) <= dim:
        text = f"subsets from {sizes[0]} images and {side.n} real ones for {dim} dimensions"
        todo = "the distance is no line over 1 / N there, and the extrapolated one too high"
        warnings.warn(f"{text}: {todo}", SmallSampleWarning, stacklevel=3)
    rng = np.random.default_rng(seed)
    drawn = (np.sort(rng.choice(len(features), size, replace=False)) for size in sizes)
    distances = [distance(side, _subset(features, rows)) for rows in drawn]
    line = linregress([1.0 / size for size in sizes], distances)
    return FrechetExtrapolation(
        float(line.intercept), float(line.intercept_stderr), float(line.slope), sizes, tuple(distances)
    )


def _sizes(n: int, points: int, least: int | None) -> tuple[int, ...]:
    """Returns the sizes of the subsets, rising and all different."""
    smallest = (LEAST if n >= 2 * LEAST else n // 2) if least is None else least
    whole = int(points) == points and int(smallest) == smallest
    if not whole or points < 3 or smallest < 2 or n - smallest < points - 1:
        got = f"{n} images, {points} subsets from {smallest} images"
        todo = "give more images, or fewer subsets"
        raise InputError("at least 3 subsets of at least 2 images, each larger than the one before", got, todo)
    return tuple(int(size) for size in np.linspace(smallest, n, points).astype(np.int64))


def _subset(features: NDArray[np.generic], rows: NDArray[np.int64]) -> Side:
    """Returns the side of some rows, of which no copy is made where they are many."""
    if len(rows) < features.shape[1]:
        return Side("generated", features[rows])
    return Side("generated", GaussianStats.from_batches(_parts(features, rows)))


def _parts(features: NDArray[np.generic], rows: NDArray[np.int64]) -> Iterator[ArrayLike]:
    for start in range(0, len(rows), CHUNK):
        yield features[rows[start : start + CHUNK]]
