# SPDX-License-Identifier: MIT
"""How large a Fréchet distance does sample size alone make? What two samples of one distribution are to be apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import vector
from faceeval.metrics.frechet import EPS, Side, statistics
from faceeval.metrics.gaussian import GaussianStats

POINTS = 128  # of the integral: right to three digits
BELOW, ABOVE = 1e-3, 1e6  # ends of its grid, over the largest and the mean variance
NEWTON_STEPS = 50
UNLIMITED = 10**12  # so many images that a sample is the population
SURE = 0.7  # of the directions a sample smaller than D has; the others say little about the population's
SEEN = 256  # combinations of images looked at for a warning: a tenth of the time of the distance itself


def frechet_distance_bias(features: GaussianStats | ArrayLike, n_real: int, n_generated: int) -> float:
    r"""Fréchet distance to expect between two independent samples of *one* distribution, where the truth is 0.

    Compare a distance with it to see how much of it is sample size, or turn it round to see how many images a
    comparison needs. Samples that are not independent (a set and its own edits) are less far apart than that.

    The eigenvalues of a sample's covariance are those of the distribution smeared out in a known way. What they say
    about the distribution is smeared out again for the two sizes asked for: with
    :math:`s(v) = \frac1D\sum_j \frac{v\lambda_j}{1+v\lambda_j}` for a spectrum, a sample of n has
    :math:`s_n(v) = s(v\,(1 - \tfrac{D}{n-1}s_n(v)))`, and the trace of the root of a product of two covariances is
    :math:`\frac{D}{\pi}\int s_{12}(v)\,v^{-3/2}\,dv`. No form of spectrum is assumed.

    Args:
        features: A sample the distribution is known by, shape (N, D), or its GaussianStats. A sample smaller than
            those asked for says nothing about the smallest variances, which are then taken to fall on as they did.
        n_real: Images in the one sample, at least 2.
        n_generated: Images in the other, at least 2.

    Returns:
        The expected squared distance, in squared units of the features: good to a few percent where D is 50 or more
        and the features have not a few directions only.

    Raises:
        InputError: Fewer than two images, features without any variance, or one that is not finite.

    References:
        Marčenko and Pastur, "Distribution of eigenvalues for some sets of random matrices", 1967; Voiculescu,
        "Multiplication of certain non-commuting random variables", J. Operator Theory 1987 (the product); Chong and
        Forsyth, "Effectively unbiased FID and Inception Score ...", CVPR 2020 (the bias, observed).
        Tests: simulated samples, tests/metrics/test_frechet_bias.py.

    Example:
        >>> import numpy as np
        >>> known = GaussianStats(n=10**6, mean=np.zeros(100), cov=np.eye(100))
        >>> [round(frechet_distance_bias(known, n, n), 1) for n in (100, 1000, 10000)]
        [53.0, 5.3, 0.5]
    """
    for n in (n_real, n_generated):
        if int(n) != n or n < 2:
            raise InputError("two samples of at least two images", f"{n_real} and {n_generated}", "ask for more images")
    known = statistics("given", features)
    return _expected(np.asarray(np.linalg.eigvalsh(known.cov), np.float64), known.n, n_real, n_generated)


def warned_bias(side: Side, other: Side) -> float:
    """Returns what two samples as large as these sides are to be apart, were they of the distribution of the first.

    For a warning, so it must not take long: a large set is reduced to few random combinations of its images, which are
    as good as so few images of the same distribution.
    """
    if side.trace == 0.0:
        return 0.0
    low, _ = side.factor
    n, rank = side.n, low.shape[1]
    if rank > SEEN:
        mixing, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((rank, SEEN)))
        low, n = low @ mixing * np.sqrt(rank / SEEN), SEEN + 1  # no mean was taken off: one more
    values = np.zeros(len(side.mean))
    found = np.linalg.eigvalsh(low.T @ low)[-len(values) :]
    values[len(values) - len(found) :] = found
    return _expected(values, n, side.n, other.n)


def _expected(eigenvalues: NDArray[np.float64], n: int, n_real: int, n_generated: int) -> float:
    """Returns the expected distance from the eigenvalues (D,) of the covariance of a sample of n."""
    spectrum = np.maximum(vector("eigenvalues", eigenvalues), 0.0)
    dim, trace = len(spectrum), float(spectrum.sum())
    if trace == 0.0:
        raise InputError("features that vary", "none that does", "look at the images, and at the network")
    points, shares, slopes = _population(spectrum, n)
    left = [1.0 - shares * (dim / (size - 1)) for size in (n_real, n_generated)]
    known = (left[0] > 0) & (left[1] > 0)  # beyond, samples of these sizes have no direction any more
    inverse = np.sqrt(left[0][known] * left[1][known]) / points[known]  # v ** -0.5
    # by parts: the integral of 2 * v ** -0.5 over s, in steps of log w: smooth, and flat at both ends
    heights, step = inverse * slopes[known], np.log(points[1] / points[0])
    inside = step * float(heights.sum() - (heights[0] + heights[-1]) / 2) + float(heights[0])
    if not known.all():
        inside += inverse[-1] * ((min(n_real, n_generated) - 1) / dim - float(shares[known][-1])) / 2
    means = trace * (1.0 / n_real + 1.0 / n_generated)
    # the integral is the limit of many dimensions; this is what it leaves out: a variance fluctuates twice as much as
    # a covariance (half of the spread's share where D is 1)
    own = trace / 4.0 * (1.0 / (n_real - 1) + 1.0 / (n_generated - 1))
    return max(0.0, 2.0 * trace - 4.0 * dim / np.pi * float(inside)) + means + own


def _population(
    spectrum: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns rising w, the mean s of ``(w * l)**2 / (1 + (w * l)**2)`` over the population's l, and ds / dlog w.

    That mean is the real part of s(i w) of the population, and a sample has the same s at the v that solves
    ``v * (1 - D / (n - 1) * s(v)) = i w``. Where a small sample has no answer any more, the shares go on as they did.
    """
    dim, ratio = len(spectrum), len(spectrum) / (n - 1)
    seen = spectrum[spectrum > dim * EPS * spectrum.max()]  # the rest is rounding
    grid = np.geomspace(BELOW / seen.max(), ABOVE * dim / seen.sum(), POINTS)
    rows: list[tuple[float, float]] = []
    v, before = 1j * grid[0], 0.0
    with np.errstate(all="ignore"):  # where the rows end, v runs away
        for w in grid:
            for _ in range(NEWTON_STEPS):
                share = (v * seen / (1.0 + v * seen)).sum() / dim
                slope = (seen / (1.0 + v * seen) ** 2).sum() / dim
                change = 1.0 - ratio * (share + v * slope)
                step = (v * (1.0 - ratio * share) - 1j * w) / change
                v -= step
                if not abs(step) > 1e-10 * abs(v):
                    break
            if not (abs(step) <= 1e-10 * abs(v) and before < share.real < 1.0):
                break
            before = float(share.real)
            rows.append((before, float((slope * 1j * w / change).real)))
    if len(rows) < 2:  # two or three images say nothing about the spectrum: it is taken as it is
        return _population(spectrum, UNLIMITED)
    shares, slopes = np.asarray(rows).T
    return grid, *_continued(grid, shares, slopes, (n - 1) / dim)


def _continued(
    grid: NDArray[np.float64], shares: NDArray[np.float64], slopes: NDArray[np.float64], limit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns shares and slopes for all of the grid: where a sample shows no more, odds grow by the power they had."""
    last = len(shares) - 1 if limit >= 1.0 else int(np.flatnonzero(shares < SURE * limit)[-1])
    power = min(2.0, slopes[last] / (shares[last] * (1.0 - shares[last])))  # 2 where all variances are equal: no more
    odds = shares[last] / (1.0 - shares[last]) * (grid[last + 1 :] / grid[last]) ** power
    rest = odds / (1.0 + odds)
    return np.append(shares[: last + 1], rest), np.append(slopes[: last + 1], power * rest * (1.0 - rest))
