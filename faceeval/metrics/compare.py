# SPDX-License-Identifier: MIT
"""Is method a better than method b? Paired tests on what both got on the same images, and a verdict in words.

The test flips the signs of the images' differences: were the two methods alike, each difference could as well have come
out the other way round. It assumes nothing about the values' distribution. It speaks of these two sets of edits by one
judge: another training run of either method is another method.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import same_shape, vector
from faceeval.metrics.bootstrap import bootstrap_difference
from faceeval.metrics.groups import group_places
from faceeval.metrics.paired_tests import holm, sign_flip_p_value
from faceeval.metrics.realism import SmallSampleWarning

Direction = Literal["higher", "lower", "near 1"]
DIRECTIONS = ("higher", "lower", "near 1")
INTERVAL_RESAMPLES = 2000  # of the images; an interval needs fewer draws than a small p-value
SAME = 1e-12  # of the largest difference: a spread below is rounding


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same images.

    Attributes:
        first: Name of the one.
        second: Name of the other.
        direction: Which values are better.
        first_mean: Mean of the one; of the distances from 1 where nearer to 1 is better.
        second_mean: Mean of the other.
        difference: first_mean - second_mean.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p_value: Chance of a difference this large in size if the methods were alike.
        adjusted_p_value: The same after Holm's correction for the comparisons made together; p_value for one alone.
        effect_size: Cohen's d of the pairs: difference over the standard deviation of the images' (or groups') own
            differences. 0.2 is small, 0.8 large. Infinite where they all differ by the same.
        wins: Share of images on which the first is better, equal ones counted half; 0.5 is even.
        n: Number of images.
        n_groups: Number of groups; n where each image is its own.
        n_comparisons: Number of comparisons made together.
        confidence: Confidence of the interval; the verdict's error rate is what is missing to 1.
        verdict: "first" or "second", whichever is better; "undecided" where either may be, which does not say equal.
    """

    first: str
    second: str
    direction: Direction
    first_mean: float
    second_mean: float
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    effect_size: float
    wins: float
    n: int
    n_groups: int
    n_comparisons: int
    confidence: float
    verdict: Literal["first", "second", "undecided"]

    @property
    def sentence(self) -> str:
        """The verdict as a sentence."""
        better, worse, wins = self.first, self.second, self.wins
        if self.verdict == "second":
            better, worse, wins = self.second, self.first, 1.0 - self.wins
        claim = f"{better} is better than {worse}"
        if self.verdict == "undecided":
            claim = f"Neither {better} nor {worse} is shown to be better"
        what = "mean distance from 1" if self.direction == "near 1" else "mean"
        several = f" after correction for {self.n_comparisons} comparisons" if self.n_comparisons > 1 else ""
        images = f"{self.n} images" + (f" of {self.n_groups} groups" if self.n_groups < self.n else "")
        return (
            f"{claim}: {what} {self.first_mean:.4g} ({self.first}) and {self.second_mean:.4g} ({self.second}), "
            f"difference {self.difference:+.3g}, {100 * self.confidence:g} % interval {self.low:+.3g} to "
            f"{self.high:+.3g}, p = {self.adjusted_p_value:.2g}{several}; {better} is better on {100 * wins:.0f} % of "
            f"{images}."
        )


def compare(
    a: ArrayLike,
    b: ArrayLike,
    direction: Direction = "higher",
    names: tuple[str, str] = ("a", "b"),
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
) -> Comparison:
    """Whether method a beats method b, from their values on the same images.

    A method is called better where the sign-flip test finds the difference (p below 1 - confidence) and the bootstrap
    interval leaves 0 out. Enough images make any difference certain: read the effect size and the wins, too.

    Args:
        a: The one method's values, shape (N,), N at least 2, finite.
        b: The other's on the same images in the same order, shape (N,).
        direction: Which values are better, as in METRICS: "higher", "lower", or "near 1" (DFN ratios), for which the
            distances from 1 are compared.
        names: What to call the two in the sentence.
        groups: Who is in each image, whole numbers, shape (N,): a person's images count as one observation, since
            what is hard about one is hard about all. None: each image is one.
        seed: Seed of the draws.
        n_resamples: Number of sign patterns drawn where there are too many to try them all.
        confidence: Of the interval and the verdict.

    Returns:
        Difference, interval, p-value, effect size, wins and verdict; ``sentence`` says it in words.

    Raises:
        InputError: The shapes differ, fewer than two values or groups, one that is not finite (PSNR of equal images is
            infinite: compare pixel_rmse), or a senseless setting.
        UnknownNameError: The direction is none of the three.

    Warns:
        SmallSampleWarning: So few images (5 and fewer at 95 %) that no p-value can be small enough for a verdict.

    References:
        Fisher, "The Design of Experiments", 1935, section 21 (the test); Good, "Permutation Tests", 2000.
        Parity: ``scipy.stats.permutation_test(permutation_type="samples")``, tests/metrics/test_compare.py.

    Example:
        >>> result = compare([0.9, 0.8, 0.7, 0.9, 0.8, 0.9], [0.6, 0.7, 0.5, 0.6, 0.7, 0.8], names=("fai", "cyclegan"))
        >>> result.verdict, round(result.difference, 3), result.p_value, result.wins
        ('first', 0.183, 0.03125, 1.0)
        >>> result.sentence[:42]
        'fai is better than cyclegan: mean 0.8333 ('
    """
    if direction not in DIRECTIONS:
        raise unknown_name("direction", str(direction), DIRECTIONS)
    first, second = vector("a", a, least=2), vector("b", b, least=2)
    same_shape("a", first, "b", second)
    if direction == "near 1":
        first, second = np.abs(first - 1.0), np.abs(second - 1.0)
    interval = bootstrap_difference(first, second, seed, INTERVAL_RESAMPLES, confidence, groups)
    gains = first - second
    each = gains if groups is None else _group_sums(gains, groups)
    _warn_if_undecidable(len(each), confidence)
    better = np.sign(gains) if direction == "higher" else -np.sign(gains)
    result = Comparison(
        first=names[0],
        second=names[1],
        direction=direction,
        first_mean=float(first.mean()),
        second_mean=float(second.mean()),
        difference=interval.value,
        low=interval.low,
        high=interval.high,
        p_value=(p_value := sign_flip_p_value(each, seed, n_resamples)),
        adjusted_p_value=p_value,
        effect_size=_effect_size(gains if groups is None else each / _group_sums(np.ones(len(gains)), groups)),
        wins=float((better + 1.0).mean() / 2),
        n=len(gains),
        n_groups=len(each),
        n_comparisons=1,
        confidence=confidence,
        verdict="undecided",
    )
    return _judged(result)


def compare_all(
    values: Mapping[str, ArrayLike],
    direction: Direction = "higher",
    against: str | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
) -> tuple[Comparison, ...]:
    """Compares several methods in pairs, with Holm's correction, so that many pairs do not make a winner by chance.

    The chance that any of the verdicts is wrong stays below 1 - confidence. The intervals are those of single pairs.

    Args:
        values: Method -> its values on the same images in the same order, shape (N,).
        direction: As in compare.
        against: Compare every other method with this one; None compares every pair.
        groups: As in compare.
        seed: Seed of the draws.
        n_resamples: As in compare.
        confidence: Of the intervals and of all verdicts together.

    Returns:
        One comparison for each pair, in the order given.

    Raises:
        InputError: Fewer than two methods, or as compare.
        UnknownNameError: ``against`` is none of the methods, or as compare.

    Warns:
        SmallSampleWarning: As compare.

    References:
        Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. Statistics 1979.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0.0, 1.0, 50)
        >>> [(c.first, c.second, c.verdict) for c in compare_all({"a": x + 0.1, "b": x, "c": x[::-1]}, against="b")]
        [('a', 'b', 'first'), ('c', 'b', 'undecided')]
    """
    if len(values) < 2:
        raise InputError("at least two methods", str(len(values)), "give {method: values}")
    if against is not None and against not in values:
        raise unknown_name("method among those compared", against, values)
    pairs = list(combinations(values, 2))
    if against is not None:
        pairs = [(name, against) for name in values if name != against]
    results = [
        compare(values[one], values[other], direction, (one, other), groups, seed, n_resamples, confidence)
        for one, other in pairs
    ]
    adjusted = holm([result.p_value for result in results])
    return tuple(
        _judged(replace(result, adjusted_p_value=float(p), n_comparisons=len(pairs)))
        for result, p in zip(results, adjusted, strict=True)
    )


def _group_sums(values: NDArray[np.float64], groups: ArrayLike) -> NDArray[np.float64]:
    return np.bincount(group_places(groups, len(values)), weights=values).astype(np.float64)


def _warn_if_undecidable(n: int, confidence: float) -> None:
    least = 2.0 ** (1 - n)
    if least >= 1.0 - confidence:
        text = f"{n} pairs can give no p-value below {least:g}: no verdict is possible at {confidence:g}"
        warnings.warn(f"{text}, and the interval is too narrow", SmallSampleWarning, stacklevel=3)


def _effect_size(gains: NDArray[np.float64]) -> float:
    mean, spread = float(gains.mean()), float(gains.std(ddof=1))
    if spread > SAME * float(np.abs(gains).max()):
        return mean / spread
    return 0.0 if mean == 0.0 else float(np.copysign(np.inf, mean))


def _judged(result: Comparison) -> Comparison:
    found = result.adjusted_p_value < 1.0 - result.confidence and not result.low <= 0.0 <= result.high
    first_better = (result.difference > 0) == (result.direction == "higher")
    return replace(result, verdict=("first" if first_better else "second") if found else "undecided")
