# SPDX-License-Identifier: MIT
"""Ranks by people turned into percentages. Rank 1 is the best, K the worst of K methods; raters may tie methods."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import matrix, numbers

TIES = ("average", "min")


def rank_to_percent(mean_ranks: ArrayLike, n_methods: int) -> NDArray[np.float64]:
    r"""Turns mean ranks 1..K into percentages 100..0.

    .. math:: 100 \, (K - \bar r) / (K - 1)

    It is the only usual conversion whose values fit M-AAE's table: :math:`100/\bar r` and
    :math:`100 (K + 1 - \bar r)/K` cannot give its 8.33 %, :math:`100 (1 - \bar r/K)` cannot give its 100 %.

    Args:
        mean_ranks: Mean ranks, any shape, 1..K.
        n_methods: Number K of methods that were ranked, at least 2.

    Returns:
        Same shape, float64, 0..100; higher is better.

    Raises:
        InputError: K is below 2 or no whole number, or a mean rank is not finite or outside 1..K.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 3.

    Example:
        >>> rank_to_percent([1.0, 6.0, 7.0], n_methods=7).round(2).tolist()
        [100.0, 16.67, 0.0]
    """
    if int(n_methods) != n_methods or n_methods < 2:
        raise InputError("at least two methods", str(n_methods), "one method alone has no rank")
    ranks = numbers("mean_ranks", mean_ranks).astype(np.float64)
    _refuse_outside(ranks, n_methods, "give mean ranks among all the methods that were ranked together")
    return np.asarray(100.0 * (n_methods - ranks) / (n_methods - 1))


def tied_ranks(ranks: ArrayLike, ties: Literal["average", "min"] = "average") -> NDArray[np.float64]:
    """Ranks every list again with one rule for ties, whatever convention the raters' sheets used.

    ``"average"`` gives tied methods the mean of the places they take, so every list has the same sum and the
    percentages always have the mean 50. ``"min"`` gives all of them the best of these places, as M-AAE's table does:
    a method's percentage is then the share of rivals that were not put before it, and careless ties raise everyone's.

    Args:
        ranks: One list a row, shape (R, K), 1..K, 1 is best; only their order and equality count.
        ties: Which place tied methods get.

    Returns:
        Shape (R, K), float64, 1..K.

    Raises:
        InputError: Fewer than two methods, a rank outside 1..K, or one that is not finite.
        UnknownNameError: ``ties`` is neither.

    References:
        Kendall, "The treatment of ties in ranking problems", Biometrika 1945; Sun et al., "Mask-aware photorealistic
        face attribute manipulation", Table 3 (the rule "min" is inferred from its column sums).
        Parity: ``scipy.stats.rankdata``, which does it.

    Example:
        >>> tied_ranks([[1, 2, 2, 4]]).tolist(), tied_ranks([[1, 2.5, 2.5, 4]], ties="min").tolist()
        ([[1.0, 2.5, 2.5, 4.0]], [[1.0, 2.0, 2.0, 4.0]])
    """
    from scipy.stats import rankdata

    if ties not in TIES:
        raise unknown_name("tie rule", str(ties), TIES)
    return np.asarray(rankdata(_lists(ranks), method=ties, axis=1), dtype=np.float64)


def rank_score(ranks: ArrayLike, ties: Literal["average", "min"] = "average") -> NDArray[np.float64]:
    """Percentage of each method in a user study: 100 is first in every list, 0 is last in every list.

    Args:
        ranks: One list a row, shape (R, K), 1..K, 1 is best.
        ties: What tied ranks are worth, as in tied_ranks; under ``"average"`` the percentages have the mean 50.

    Returns:
        Shape (K,), float64, 0..100; higher is better. It tells who is preferred among these K, not how good any is.

    Raises:
        InputError: As tied_ranks.
        UnknownNameError: ``ties`` is neither.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 3.

    Example:
        >>> rank_score([[1, 2, 3], [1, 3, 2]]).tolist()
        [100.0, 25.0, 25.0]
    """
    ranked = tied_ranks(ranks, ties)
    return rank_to_percent(ranked.mean(axis=0), ranked.shape[1])


def _lists(ranks: ArrayLike) -> NDArray[np.float64]:
    lists = matrix("ranks", ranks).astype(np.float64)
    if lists.shape[1] < 2:
        raise InputError("lists of at least two methods", f"shape {lists.shape}", "one method alone has no rank")
    todo = "give 1 to the best; drop a list with a missing rank, or let study_summary drop and count it"
    _refuse_outside(lists, lists.shape[1], todo)
    return lists


def _refuse_outside(ranks: NDArray[np.float64], n_methods: int, todo: str) -> None:
    if ranks.size == 0 or ranks.min() < 1.0 or ranks.max() > n_methods:
        got = f"{ranks.min():g} to {ranks.max():g}" if ranks.size else "none"
        raise InputError(f"ranks between 1 and {n_methods}, the number of methods", got, todo)
