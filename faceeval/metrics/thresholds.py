# SPDX-License-Identifier: MIT
"""Where to draw the line between "same" and "different": the exact best threshold, and its accuracy on other pairs.

A pair is called one person where its similarity is at or above the threshold. Every threshold that decides differently
is tried, none is skipped as on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.bootstrap import Interval
from faceeval.metrics.identity import scored_pairs
from faceeval.metrics.roc import wilson_interval

CHOICES = ("train", "oracle")


@dataclass(frozen=True)
class HeldOutAccuracy:
    """Accuracy on one set of pairs at a threshold from elsewhere.

    Attributes:
        accuracy: Share of right decisions on the test pairs, with its Wilson interval; 0.5 is chance where both kinds
            of pair are equally many.
        standard_error: Binomial standard error of the accuracy, sqrt(p (1 - p) / n).
        threshold: Lowest similarity called one person.
        chosen_on: "train"; or "oracle", the test pairs themselves, which makes the accuracy optimistic.
        train_accuracy: Share of right decisions on the pairs the threshold was chosen on.
        n_pairs: Number of test pairs.
    """

    accuracy: Interval
    standard_error: float
    threshold: float
    chosen_on: Literal["train", "oracle"]
    train_accuracy: float
    n_pairs: int


def best_threshold(similarities: ArrayLike, same: ArrayLike) -> float:
    """Threshold that decides most pairs rightly.

    Candidates are all midpoints between neighbouring distinct similarities, and both infinities. Neighbouring
    candidates of equal accuracy make one plateau, from similarity to similarity; among the best plateaus the longest
    wins, the lowest of equally long ones, and its midpoint is the threshold. A plateau without end is the last resort;
    its threshold is infinite, and rather accepts nobody than everybody.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.

    Returns:
        The threshold, for ``similarities >= threshold``; infinite where one verdict for all pairs is as good.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, or only one kind of pair is there.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007, section on View 2 (a threshold from the other folds, however
        found); the rule for ties is ours.

    Example:
        >>> best_threshold([0.9, 0.5, 0.25, 0.0], [1, 1, 0, 0])
        0.375
    """
    scores, truth = scored_pairs(similarities, same)
    order = np.argsort(scores)
    return middle_of_best(scores[order], truth[order])


def held_out_accuracy(
    similarities: ArrayLike,
    same: ArrayLike,
    train_similarities: ArrayLike | None = None,
    train_same: ArrayLike | None = None,
    *,
    threshold: Literal["train", "oracle"] = "train",
) -> HeldOutAccuracy:
    """Verification accuracy on pairs at a threshold chosen on other pairs.

    Browatzki and Wallraven test on "1000 face pairs" of LFW and say neither which nor at what threshold. The natural
    reading is View 1: the threshold from ``pairsDevTrain.txt`` (2,200 pairs), the accuracy on ``pairsDevTest.txt``
    (1,000 pairs), similarity by the squared Euclidean distance, which their network was trained with.

    Args:
        similarities: Similarities of the test pairs, shape (N,), any float type.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two; both must occur.
        train_similarities: Similarities of the pairs to choose the threshold on, shape (M,), by the same measure.
        train_same: Shape (M,); both kinds must occur.
        threshold: "train"; or "oracle", the best on the test pairs. Papers do that, and it is optimistic: no other
            threshold could do better, and a constant similarity still gets the larger class right.

    Returns:
        The accuracy, its uncertainty and the threshold.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, only one kind of pair is there, or training
            pairs are missing.
        UnknownNameError: ``threshold`` is none of the two words.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", 2019, Table 2; Huang et al., "Labeled Faces in the Wild", 2007 (View 1).

    Example:
        >>> held = held_out_accuracy([0.9, 0.6, 0.5, 0.1], [1, 1, 0, 0], [0.8, 0.0], [1, 0])
        >>> held.threshold, held.accuracy.value, held.chosen_on
        (0.4, 0.75, 'train')
    """
    scores, truth = scored_pairs(similarities, same)
    if threshold not in CHOICES:
        raise unknown_name("way to choose a threshold", str(threshold), CHOICES)
    seen = (scores, truth)
    if threshold == "train":
        if train_similarities is None or train_same is None:
            todo = 'give train_similarities and train_same, or threshold="oracle" and call the result optimistic'
            raise InputError("pairs to choose the threshold on", "none", todo)
        seen = scored_pairs(train_similarities, train_same)
    value = best_threshold(*seen)
    right = int(((scores >= value) == truth).sum())
    share = right / len(scores)
    return HeldOutAccuracy(
        accuracy=wilson_interval(right, len(scores)),
        standard_error=float(np.sqrt(share * (1.0 - share) / len(scores))),
        threshold=value,
        chosen_on=threshold,
        train_accuracy=float(((seen[0] >= value) == seen[1]).mean()),
        n_pairs=len(scores),
    )


def middle_of_best(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Returns the threshold of best_threshold, of similarities that ascend."""
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    # right decisions gained by turning down the lowest similarities, one distinct value after the other
    gains = np.concatenate([[0], np.cumsum(1 - 2 * truth.astype(np.int64))[ends]])
    edges = np.concatenate([[-np.inf], scores[ends], [np.inf]])  # candidate i lies between edges i and i + 1
    best = np.concatenate([[False], gains == gains.max(), [False]])
    low = edges[np.flatnonzero(best[1:] & ~best[:-1])]
    high = edges[np.flatnonzero(best[:-1] & ~best[1:])]
    finite = np.isfinite(low) & np.isfinite(high)
    if not finite.any():
        return float(high.max()) if np.isinf(high).any() else float(low.min())
    low, high = low[finite] / 2, high[finite] / 2  # halves, since a difference of two large values may overflow
    longest = int(np.argmax(high - low))
    below, above = float(2 * low[longest]), float(2 * high[longest])
    middle = float(low[longest] + high[longest])
    return middle if below < middle <= above else above  # between neighbouring floats there is no middle
