# SPDX-License-Identifier: MIT
"""Accuracy over folds: the threshold from all folds but one, scored on that one, as Labeled Faces in the Wild has it.

Folds belong to pairs. They are an argument, so that a pair left out cannot shift their borders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import same_shape, vector
from faceeval.metrics.identity import scored_pairs, whole_numbers
from faceeval.metrics.thresholds import middle_of_best


@dataclass(frozen=True)
class FoldAccuracies:
    """Accuracy of each fold at the threshold of the others, and what they say together.

    Attributes:
        folds: The number of each fold, ascending.
        accuracies: Share of right decisions in each fold, in that order.
        thresholds: Lowest similarity called one person in each fold, chosen on the others.
        n_pairs: Number of pairs in each fold.
        mean: Mean of the accuracies, 0..1; higher is better.
        standard_error: Official standard error of that mean, see fold_standard_error.
    """

    folds: tuple[int, ...]
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    n_pairs: tuple[int, ...]
    mean: float
    standard_error: float


def consecutive_folds(n_pairs: int, n_folds: int = 10) -> NDArray[np.int64]:
    """Folds of a complete list of pairs in file order: LFW's pairs.txt, or CFP-FP's 7,000 pairs.

    Args:
        n_pairs: Number of pairs, a multiple of ``n_folds``.
        n_folds: Number of folds, at least 2.

    Returns:
        Fold of each pair, 0 to n_folds - 1, shape (n_pairs,), int64.

    Raises:
        InputError: The pairs do not fill the folds: some were left out, and with them the borders moved.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007: pairs.txt lists ten folds of 300 + 300 pairs.

    Example:
        >>> consecutive_folds(6, n_folds=3).tolist()
        [0, 0, 1, 1, 2, 2]
    """
    whole = int(n_pairs) == n_pairs and int(n_folds) == n_folds
    if not whole or n_folds < 2 or n_pairs < n_folds or n_pairs % n_folds:
        todo = "keep the fold of each pair as it is read, and give those where pairs are left out"
        raise InputError("pairs that fill at least two equal folds", f"{n_pairs} pairs, {n_folds} folds", todo)
    return np.repeat(np.arange(n_folds, dtype=np.int64), n_pairs // n_folds)


def fold_standard_error(accuracies: ArrayLike) -> float:
    r"""Official standard error of the mean over folds.

    .. math:: S_E = \hat\sigma / \sqrt{F}, \qquad \hat\sigma^2 = \sum_f (p_f - \hat\mu)^2 / (F - 1)

    What facenet and its descendants print after the mean is the standard deviation with divisor F instead: with ten
    folds exactly three times as much.

    Args:
        accuracies: Accuracy of each fold, shape (F,), F at least 2.

    Returns:
        The standard error, in the unit of the accuracies.

    Raises:
        InputError: Fewer than two accuracies, or one that is not finite.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007, equations of the estimated mean accuracy and its standard
        error. Parity: ``scipy.stats.sem``, tests/metrics/test_folds.py.

    Example:
        >>> round(fold_standard_error([0.5, 0.75, 1.0]), 6)
        0.144338
    """
    values = vector("accuracies", accuracies, least=2)
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def verification_folds(similarities: ArrayLike, same: ArrayLike, folds: ArrayLike) -> FoldAccuracies:
    """Accuracy of each fold at the best threshold of all other folds.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two.
        folds: Fold of each pair, shape (N,), whole numbers; at least two different ones.

    Returns:
        Accuracies and thresholds of the folds, mean and official standard error. The rule for ties among thresholds
        is that of best_threshold; a pair is called one person where its similarity is at or above the threshold.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, there is one fold only, or without one of
            them the pairs are all of one kind.

    References:
        Huang et al., "Labeled Faces in the Wild: A database for studying face recognition in unconstrained
        environments", 2007, View 2; Huang and Learned-Miller, "Labeled Faces in the Wild: Updates and new reporting
        procedures", 2014.

    Example:
        >>> found = verification_folds([0.9, 0.1, 0.8, 0.3], [1, 0, 1, 0], [0, 0, 1, 1])
        >>> found.accuracies, found.thresholds, found.mean
        ((1.0, 1.0), (0.55, 0.5), 1.0)
    """
    scores, truth = scored_pairs(similarities, same)
    parts = whole_numbers("folds", folds)
    same_shape("similarities", scores, "folds", parts)
    names, counts = np.unique(parts, return_counts=True)
    if len(names) < 2:
        todo = "give LFW's ten, or use held_out_accuracy with pairs of their own for the threshold"
        raise InputError("at least two folds", f"fold {names[0]} alone", todo)
    order = np.argsort(scores)
    scores, truth, parts = scores[order], truth[order], parts[order]
    accuracies, thresholds = [], []
    for name in names:
        tested = parts == name
        others = truth[~tested]
        if others.all() or not others.any():
            got = f"one kind only in all folds but {name}"
            raise InputError("pairs of both kinds in the other folds", got, "mix both kinds in every fold")
        thresholds.append(middle_of_best(scores[~tested], others))  # still in order, so one sort serves all folds
        accuracies.append(float(((scores[tested] >= thresholds[-1]) == truth[tested]).mean()))
    return FoldAccuracies(
        tuple(int(name) for name in names),
        tuple(accuracies),
        tuple(thresholds),
        tuple(int(count) for count in counts),
        float(np.mean(accuracies)),
        fold_standard_error(accuracies),
    )


def verification_accuracy(similarities: ArrayLike, same: ArrayLike, folds: ArrayLike) -> float:
    """Mean over folds of the accuracy at the best threshold of all other folds: the number LFW results are ranked by.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two.
        folds: Fold of each pair, shape (N,), whole numbers; at least two different ones.

    Returns:
        In [0, 1]; higher is better, 0.5 is chance where both kinds of pair are equally many.

    Raises:
        InputError: As verification_folds.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007, View 2.

    Example:
        >>> verification_accuracy([0.9, 0.1, 0.8, 0.3], [1, 0, 1, 0], [0, 0, 1, 1])
        1.0
    """
    return verification_folds(similarities, same, folds).mean
