# SPDX-License-Identifier: MIT
"""How sure is a number of a whole set? The jackknife: parts of the set are left out in turn.

It leaves images out instead of drawing them again, so it fits numbers which repeated images would bias, as the Fréchet
distance, and it says by how much a number is biased by the size of the set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from faceeval.errors import InputError
from faceeval.metrics.arrays import vector
from faceeval.metrics.groups import group_places


@dataclass(frozen=True)
class JackknifeEstimate:
    """A number of a set, and what leaving parts of the set out says about it.

    Attributes:
        value: The number on the images as they are.
        bias: By how much it exceeds what unlimited images would give, as far as the bias falls like 1/N.
        standard_error: Standard deviation over sets of as many images.
        low: Lower end of the interval around the value: it speaks of sets of as many images, and keeps their bias.
        high: Upper end.
        n_blocks: Number of parts left out in turn.
    """

    value: float
    bias: float
    standard_error: float
    low: float
    high: float
    n_blocks: int


def jackknife_statistic(
    fn: Callable[[NDArray[np.int64]], float],
    n: int,
    n_blocks: int | None = None,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> JackknifeEstimate:
    r"""Any smooth statistic of a set of images, with its bias and standard error, from leaving parts of the set out.

    With :math:`h_j` the number of images over that of part j, and :math:`\theta_{(j)}` the statistic without part j:
    :math:`\theta_J = g\theta - \sum_j (1 - 1/h_j)\theta_{(j)}` estimates it free of bias, and
    :math:`\tfrac1g \sum_j (h_j\theta - (h_j - 1)\theta_{(j)} - \theta_J)^2 / (h_j - 1)` is its variance. Nothing is
    drawn, so there is no seed. It suits distances between sets, whose resamples would hold repeated images; it fails
    for medians, quantiles and maxima, which do not change smoothly: use bootstrap_statistic for those.

    Args:
        fn: Takes indices of images, ascending, int64, without repeats, and returns the statistic on these images.
        n: Number of images, at least 2.
        n_blocks: Number of parts, 2..n; image i is in part i modulo it, so do not choose it in step with an order of
            the images. None leaves out one image at a time. 20 give the standard error to about a sixth.
        groups: Who is in each image, whole numbers, shape (n,): each group is a part. Not with ``n_blocks``.
        confidence: Confidence of the interval, Student's with one degree of freedom less than parts.

    Returns:
        The estimate, in the unit of ``fn``; ``fn`` was called once for each part and once more.

    Raises:
        InputError: n below 2, a senseless setting, or ``fn`` gave a value that is not finite.

    References:
        Busing, Meijer and van der Leeden, "Delete-m jackknife for unequal m", Statistics and Computing 1999; Efron and
        Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11 (parts of one size).
        Parity: ``scipy.stats.sem`` for a mean, tests/metrics/test_jackknife.py.

    Example:
        >>> import numpy as np
        >>> x = np.array([1.0, 2.0, 4.0, 5.0])
        >>> variance = jackknife_statistic(lambda kept: float(x[kept].var()), n=4)
        >>> variance.value, round(variance.bias, 6), round(-float(x.var(ddof=1)) / 4, 6)
        (2.5, -0.833333, -0.833333)
    """
    if int(n) != n or n < 2:
        raise InputError("at least two images", str(n), "give more images")
    if not 0.0 < confidence < 1.0:
        raise InputError("a confidence between 0 and 1", str(confidence), "give confidence=0.95")
    part = _parts(n, n_blocks, groups)
    sizes = np.bincount(part)
    value = float(fn(np.arange(n)))
    without = [float(fn(np.flatnonzero(part != j))) for j in range(len(sizes))]
    thetas = vector("values of fn", [value, *without])[1:]
    blocks, inverse_share = len(sizes), n / sizes
    unbiased = blocks * value - float(((1.0 - 1.0 / inverse_share) * thetas).sum())
    pseudo = inverse_share * value - (inverse_share - 1.0) * thetas
    error = float(np.sqrt(((pseudo - unbiased) ** 2 / (inverse_share - 1.0)).mean()))
    half = float(stdtrit(blocks - 1, (1.0 + confidence) / 2)) * error
    return JackknifeEstimate(value, value - unbiased, error, value - half, value + half, blocks)


def _parts(n: int, n_blocks: int | None, groups: ArrayLike | None) -> NDArray[np.int64]:
    """Returns the part of each image."""
    if groups is not None:
        if n_blocks is not None:
            raise InputError("n_blocks or groups", "both", "give one: each group is a part of its own")
        return group_places(groups, n)
    blocks = n if n_blocks is None else n_blocks
    if int(blocks) != blocks or not 2 <= blocks <= n:
        raise InputError(f"2 to {n} parts", str(blocks), "give n_blocks=20, or None to leave out one image at a time")
    return np.arange(n, dtype=np.int64) % int(blocks)
