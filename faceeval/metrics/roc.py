# SPDX-License-Identifier: MIT
"""How many pairs of one person are accepted at the price of how many pairs of two? ROC points, EER, TAR at a FAR.

A pair is accepted, called one person, where its similarity is at or above the threshold. All pairs are pooled: no fold
is left out, and nothing is averaged over folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from faceeval.errors import InputError
from faceeval.metrics.bootstrap import Interval
from faceeval.metrics.identity import scored_pairs


@dataclass(frozen=True, eq=False)
class ROCPoints:
    """Every point of the ROC curve, from nothing accepted to everything.

    Attributes:
        far: False accept rate: share of pairs of two people that are accepted, shape (K,), float64, rising 0 to 1.
        tar: True accept rate: share of pairs of one person that are accepted, shape (K,), rising 0 to 1.
        thresholds: Similarity from which on pairs are accepted, shape (K,), falling; the first is infinite.
    """

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold lets in.

    Attributes:
        target: False accept rate that was asked for.
        threshold: Lowest similarity accepted; infinite where even the most similar pairs let in too many.
        tar: True accept rate with its Wilson interval.
        far: False accept rate reached, at most the target, with its Wilson interval.
        n_same: Pairs of one person.
        n_different: Pairs of two people.
    """

    target: float
    threshold: float
    tar: Interval
    far: Interval
    n_same: int
    n_different: int


def roc_points(similarities: ArrayLike, same: ArrayLike) -> ROCPoints:
    """ROC curve of similarities: one point for each distinct similarity, and one for accepting nothing.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.

    Returns:
        The points, from (0, 0) to (1, 1). Equal similarities are accepted together, so they make one slanted step.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, or only one kind of pair is there.

    References:
        Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006.
        Parity: scikit-learn ``roc_curve``, tests/metrics/test_roc.py.

    Example:
        >>> points = roc_points([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
        >>> points.far.tolist(), points.tar.tolist()
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    thresholds, false_accepts, true_accepts = _accepts(similarities, same)
    return ROCPoints(false_accepts / false_accepts[-1], true_accepts / true_accepts[-1], thresholds)


def equal_error_rate(similarities: ArrayLike, same: ArrayLike) -> float:
    """Equal error rate: where as large a share of strangers is accepted as of one person's pairs is turned down.

    Between two points of the ROC curve the crossing is interpolated along the line that joins them.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.

    Returns:
        In [0, 1]; lower is better, 0.5 is chance.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, or only one kind of pair is there.

    References:
        ISO/IEC 19795-1, biometric performance testing; facenet's ``validate_on_lfw`` solves the same equation on a
        curve averaged over folds, see facenet_summary.

    Example:
        >>> equal_error_rate([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3], [1, 1, 0, 1, 0, 1, 0, 0])
        0.25
    """
    _, false_accepts, true_accepts = _accepts(similarities, same)
    different, same_person = false_accepts[-1], true_accepts[-1]
    # FAR - (1 - TAR), times both numbers of pairs: whole numbers, so that no rounding moves the crossing
    excess = false_accepts * same_person + true_accepts * different - same_person * different
    return float(np.interp(0.0, excess, false_accepts / different))


def tar_at_far(similarities: ArrayLike, same: ArrayLike, far: float = 1e-3) -> float:
    """True accept rate at the lowest threshold whose false accept rate is at most the one asked for.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.
        far: False accept rate, above 0 and at most 1. The M pairs of two people must be able to show it: one false
            accept is a rate of 1 / M, so LFW's 3,000 show 1e-3 (three pairs) and never 1e-4.

    Returns:
        In [0, 1]; higher is better.

    Raises:
        InputError: As operating_point.

    References:
        Schroff et al., "FaceNet ...", CVPR 2015, section 4 (validation rate and false accept rate); ISO/IEC 19795-1.
        Parity: scikit-learn ``roc_curve``, tests/metrics/test_roc.py.

    Example:
        >>> tar_at_far([0.9, 0.8, 0.7, 0.3, 0.2, 0.1], [1, 1, 0, 1, 0, 0], far=0.4)
        1.0
    """
    return operating_point(similarities, same, far).tar.value


def operating_point(
    similarities: ArrayLike, same: ArrayLike, far: float = 1e-3, confidence: float = 0.95
) -> OperatingPoint:
    """True accept rate at a false accept rate, with Wilson intervals for both and the threshold.

    The intervals take pairs as independent draws. They speak of the pairs at this threshold; that the threshold was
    chosen on the same pairs is what the interval of the false accept rate shows.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.
        far: False accept rate aimed at, above 0 and at most 1.
        confidence: Coverage of the intervals, between 0 and 1.

    Returns:
        The point: the lowest threshold that accepts no larger share of pairs of two people than ``far``.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, only one kind of pair is there, ``far`` or
            ``confidence`` makes no sense, or there are fewer than 1 / far pairs of two people.

    References:
        Schroff et al., "FaceNet ...", CVPR 2015, section 4; Wilson 1927 (the intervals).
        Parity: scikit-learn ``roc_curve``, tests/metrics/test_roc.py.

    Example:
        >>> point = operating_point([0.9, 0.8, 0.7, 0.3, 0.2, 0.1], [1, 1, 0, 1, 0, 0], far=0.4)
        >>> point.threshold, point.tar.value, round(point.far.value, 3)
        (0.3, 1.0, 0.333)
    """
    thresholds, false_accepts, true_accepts = _accepts(similarities, same)
    different, same_person = int(false_accepts[-1]), int(true_accepts[-1])
    if not 0.0 < far <= 1.0:
        raise InputError("a false accept rate above 0 and at most 1", str(far), "give far=0.01 or far=0.001")
    allowed = int(np.floor(far * different + 1e-9))  # 0.57 * 100 is 56.999...
    if allowed == 0:
        got = f"{different}, of which one alone is a rate of {1 / different:.2g}"
        raise InputError(f"at least {1 / far:.0f} pairs of two people for a rate of {far:g}", got, "raise far")
    at = int(np.searchsorted(false_accepts, allowed, side="right")) - 1
    return OperatingPoint(
        float(far),
        float(thresholds[at]),
        wilson_interval(int(true_accepts[at]), same_person, confidence),
        wilson_interval(int(false_accepts[at]), different, confidence),
        same_person,
        different,
    )


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share: it stays within 0..1 and has a width where nothing or everything succeeded.

    Args:
        successes: How many succeeded, 0 to ``trials``.
        trials: How many were tried, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        The share and its interval.

    Raises:
        InputError: The counts are no counts, or the confidence makes no sense.

    References:
        Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927; Newcombe,
        "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998, method 3.
        Parity: ``scipy.stats.binomtest(...).proportion_ci(method="wilson")``, tests/metrics/test_roc.py.

    Example:
        >>> interval = wilson_interval(0, 10)
        >>> interval.value, interval.low, round(interval.high, 4)
        (0.0, 0.0, 0.2775)
    """
    if int(trials) != trials or int(successes) != successes or not 0 <= successes <= trials or trials < 1:
        todo = "give whole numbers, 0 <= successes <= trials"
        raise InputError("successes among at least one trial", f"{successes} of {trials}", todo)
    if not 0.0 < confidence < 1.0:
        raise InputError("a confidence between 0 and 1", str(confidence), "give confidence=0.95")
    share, z = successes / trials, float(ndtri((1.0 + confidence) / 2))
    shrink = 1.0 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z / shrink * float(np.sqrt(share * (1.0 - share) / trials + (z / (2 * trials)) ** 2))
    # at the ends of 0..1 the interval ends there exactly; rounding must not say otherwise
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high)


def _accepts(
    similarities: ArrayLike, same: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns thresholds, falling from infinity, and how many pairs of two people and of one each accepts."""
    scores, truth = scored_pairs(similarities, same)
    order = np.argsort(scores)[::-1]  # the order within equal similarities drops out: they count together
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    true_accepts = np.concatenate([[0], np.cumsum(truth[order], dtype=np.int64)[last]])
    accepted = np.concatenate([[0], last + 1])
    return np.concatenate([[np.inf], ranked[last]]), accepted - true_accepts, true_accepts
