# SPDX-License-Identifier: MIT
"""Which images must stay together where a detector is trained on some and tested on others? Groups, and their folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import same_shape
from faceeval.metrics.identity import whole_numbers


def linked_groups(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """Groups of pairs that share a person, or an image, directly or through other pairs.

    Pairs drawn freely link nearly everybody; draw them within sets of people and the groups stay small, as in LFW,
    where no person occurs in two of the ten folds.

    Args:
        first: Number of the one person (or image) of each pair, whole, shape (N,).
        second: Number of the other, shape (N,).

    Returns:
        Group of each pair, shape (N,), int64, 0 to G-1, numbered by the smallest number in each group.

    Raises:
        InputError: The shapes differ, no pair is given, or a number is not whole.

    References:
        Parity: scipy ``connected_components``, which does the work, tests/metrics/test_linked.py.

    Example:
        >>> linked_groups([7, 3, 5, 9], [8, 5, 4, 1]).tolist()
        [2, 1, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = whole_numbers("first", first), whole_numbers("second", second)
    same_shape("first", one, "second", other)
    known, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    ends = places[: len(one)], places[len(one) :]
    links = coo_array((np.ones(len(one), dtype=np.int8), ends), shape=(len(known), len(known)))
    components = connected_components(links, directed=False)[1]
    # by first occurrence among the ascending numbers, whatever order the search met them in
    _, starts, numbered = np.unique(components, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(starts))[numbered][ends[0]].astype(np.int64)


def grouped_folds(groups: ArrayLike, n_folds: int = 10) -> NDArray[np.int64]:
    """Folds of nearly equal size that no group is split between.

    Args:
        groups: Group of each image or pair, whole numbers, shape (N,).
        n_folds: Number of folds, at least 2 and at most the number of groups.

    Returns:
        Fold of each, shape (N,), int64, 0 to n_folds - 1. The order of the images does not matter.

    Raises:
        InputError: A group is no whole number, or there are too few groups for the folds.

    References:
        scikit-learn ``GroupKFold``, which does the work (largest groups first, each into the smallest fold).

    Example:
        >>> grouped_folds([4, 4, 4, 8, 8, 6], n_folds=2).tolist()
        [0, 0, 0, 1, 1, 1]
    """
    from sklearn.model_selection import GroupKFold

    given = whole_numbers("groups", groups)
    known = len(np.unique(given))
    if int(n_folds) != n_folds or not 2 <= n_folds <= known:
        got = f"n_folds={n_folds} for {known} groups"
        raise InputError("at least two folds, and a group for each", got, "give fewer folds or more groups")
    folds = np.empty(len(given), dtype=np.int64)
    for fold, (_, test) in enumerate(GroupKFold(int(n_folds)).split(given, groups=given)):
        folds[test] = fold
    return folds
