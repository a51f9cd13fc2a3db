# SPDX-License-Identifier: MIT
"""Which of many methods differ? Mean differences of all pairs on the same images, with intervals that hold together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import same_shape, vector
from faceeval.metrics.bootstrap import draw_indices, refuse_settings
from faceeval.metrics.realism import SmallSampleWarning

FEW = 30  # images below which bootstrap intervals are much too narrow
SAME = 1e-12  # of the largest value: a spread below is rounding


@dataclass(frozen=True)
class PairDifference:
    """The difference of two methods, one pair among several looked at together.

    Attributes:
        first: Name of the one.
        second: Name of the other.
        difference: Mean of the one minus mean of the other.
        low: Lower end of its interval; minus infinity where the draws are too few for one.
        high: Upper end.
        p_value: Chance that any pair would differ this much, by the spread of its own images, if no two methods did.
            Below 1 - confidence just where the interval leaves 0 out.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def found(self) -> bool:
        """Whether the interval leaves 0 out: the two differ by more than chance, however many pairs were looked at."""
        return not self.low <= 0.0 <= self.high


def simultaneous_differences(
    values: Mapping[str, ArrayLike], seed: int = 0, n_resamples: int = 4000, confidence: float = 0.95
) -> tuple[PairDifference, ...]:
    """Differences of all pairs of methods on the same images, adjusted for the number of pairs.

    The images are drawn again with replacement, the same ones for every method, and each pair's difference is made
    again. How far the worst of all pairs strays, in units of its standard error, says how wide the intervals must be
    so that with the given confidence all of them hold at once. Pairs that go together cost little that way, where
    Bonferroni's correction would pay for each.

    Args:
        values: Method -> its values, shape (N,), N at least 2, finite; the same images in the same order for all.
        seed: Seed of the draws.
        n_resamples: Number of draws, at least 1; more pairs need no more draws.
        confidence: That all intervals hold; 1 - confidence is the chance of finding any difference where none is.

    Returns:
        One difference for each pair, in the order given, in the unit of the values. Two methods whose differences are
        the same on every image have an interval without width.

    Raises:
        InputError: Fewer than two methods, shapes that differ, fewer than two values, one that is not finite, or a
            senseless setting.

    Warns:
        SmallSampleWarning: Fewer than 30 images: the intervals are too narrow.

    References:
        Romano and Wolf, "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 2005, section 4
        (the single step). Parity: the studentised range (Tukey), tests/metrics/test_simultaneous.py.

    Example:
        >>> import numpy as np
        >>> x = np.arange(64) / 64
        >>> pairs = simultaneous_differences({"a": x + 0.1, "b": x, "c": x[::-1]})
        >>> [(pair.first, pair.second, round(pair.difference, 3), pair.found) for pair in pairs]
        [('a', 'b', 0.1, True), ('a', 'c', 0.1, False), ('b', 'c', 0.0, False)]
    """
    if len(values) < 2:
        raise InputError("at least two methods", str(len(values)), "give {method: values}")
    names = list(values)
    columns = [vector(f"values of {name}", values[name], least=2) for name in names]
    for name, column in zip(names[1:], columns[1:], strict=True):
        same_shape(f"values of {names[0]}", columns[0], f"values of {name}", column)
    n = len(columns[0])
    refuse_settings(n, n_resamples, confidence)
    if n < FEW:
        text = f"{n} images: the intervals are too narrow, by 6 % for {FEW} and by more for fewer"
        warnings.warn(text, SmallSampleWarning, stacklevel=2)
    pairs = np.array(list(combinations(range(len(names)), 2)))
    data = np.stack(columns, axis=1)
    differences, spreads = _differences(data, pairs)
    worst = _worst_deviations(data, pairs, spreads, seed, n_resamples)
    sizes = np.abs(differences)
    with np.errstate(divide="ignore", invalid="ignore"):
        strayed = np.where(sizes > 0, sizes / (spreads * np.sqrt(n / (n - 1))), 0.0)
    bar = _bar(worst, confidence)
    # a spread of 0 has an interval without width, but not where the draws are too few for any
    half = bar * spreads * np.sqrt(n / (n - 1)) if np.isfinite(bar) else np.full(len(pairs), np.inf)
    beyond = len(worst) - np.searchsorted(worst, strayed, side="left")
    return tuple(
        PairDifference(names[i], names[j], float(d), float(d - h), float(d + h), float((1 + b) / (n_resamples + 1)))
        for (i, j), d, h, b in zip(pairs.tolist(), differences, half, beyond, strict=True)
    )


def _differences(
    data: NDArray[np.float64], pairs: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns each pair's mean difference and the standard deviation over images of its differences; 0 if rounding."""
    differences, spreads = np.empty((2, len(pairs)))
    for place, (i, j) in enumerate(pairs):
        gains = data[:, i] - data[:, j]
        differences[place], spread = gains.mean(), gains.std()
        spreads[place] = spread if spread > SAME * np.abs(data[:, [i, j]]).max() else 0.0
    return differences, spreads


def _worst_deviations(
    data: NDArray[np.float64], pairs: NDArray[np.int64], spreads: NDArray[np.float64], seed: int, n_resamples: int
) -> NDArray[np.float64]:
    """Returns for each draw the largest deviation of a pair in units of its spread, ascending; 0 where no pair has one.

    A draw's means are a product of how often each image was drawn with the values, which is much quicker than
    gathering the values of every method.
    """
    n = len(data)
    centred = data - data.mean(axis=0)
    first, second = pairs[spreads > 0].T
    scale = spreads[spreads > 0] * n
    worst = []
    for draws in draw_indices(n, seed, n_resamples):
        rows = np.arange(len(draws))[:, None] * n
        times = np.bincount((draws + rows).ravel(), minlength=draws.size).reshape(draws.shape)
        sums = times.astype(np.float64) @ centred
        deviations = np.abs(sums[:, first] - sums[:, second]) / scale
        worst.append(deviations.max(axis=1, initial=0.0))
    return np.sort(np.concatenate(worst))


def _bar(worst: NDArray[np.float64], confidence: float) -> float:
    """Returns the deviation that just so many draws reach that a p-value at the bar is not below 1 - confidence."""
    allowed = int(np.ceil((1.0 - confidence) * (len(worst) + 1) - SAME * len(worst))) - 2
    return float(worst[len(worst) - 1 - allowed]) if allowed >= 0 else float("inf")
