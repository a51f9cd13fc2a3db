# SPDX-License-Identifier: MIT
"""Groups of linked pairs, and folds that keep them whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from faceeval.errors import InputError
from faceeval.metrics import grouped_folds, linked_groups

FEW = settings(max_examples=25, deadline=None)


class TestLinks:
    def test_by_hand(self):
        assert linked_groups([1, 2, 4, 8], [2, 3, 5, 9]).tolist() == [0, 0, 1, 2]
        assert linked_groups([1, 2, 4, 8], [2, 3, 5, 1]).tolist() == [0, 0, 1, 0]
        assert linked_groups([6, 6], [6, 6]).tolist() == [0, 0]

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_scipy_and_no_number_in_two_groups(self, seed):
        first, second = np.random.default_rng(seed).integers(0, 30, (2, 18))
        groups = linked_groups(first, second)
        adjacency = np.zeros((30, 30))
        adjacency[first, second] = 1
        theirs = connected_components(adjacency, directed=False)[1][first]
        assert len(set(zip(groups, theirs, strict=True))) == len(set(groups)) == len(set(theirs))
        for number in range(30):
            assert len(set(groups[(first == number) | (second == number)])) <= 1

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_order_and_side_do_not_matter(self, seed):
        rng = np.random.default_rng(seed)
        first, second = rng.integers(0, 30, (2, 18))
        order, groups = rng.permutation(18), linked_groups(first, second)
        assert np.array_equal(linked_groups(first[order], second[order]), groups[order])
        assert np.array_equal(linked_groups(second, first), groups)

    @pytest.mark.parametrize(("first", "second"), [([1, 2], [1]), ([], []), ([1.5], [2]), (["a"], ["b"])])
    def test_bad_pairs(self, first, second):
        with pytest.raises(InputError):
            linked_groups(first, second)


class TestFolds:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(2, 5))
    def test_groups_stay_whole_and_folds_are_even(self, seed, n_folds):
        rng = np.random.default_rng(seed)
        groups = np.concatenate([np.arange(40), rng.integers(0, 40, 160)])
        folds = grouped_folds(groups, n_folds)
        assert all(len(set(folds[groups == group])) == 1 for group in range(40))
        sizes = np.bincount(folds, minlength=n_folds)
        assert sizes.max() - sizes.min() <= np.bincount(groups).max()
        order = rng.permutation(200)
        assert np.array_equal(grouped_folds(groups[order], n_folds), folds[order])

    @pytest.mark.parametrize("n_folds", [1, 4, 2.5])
    def test_too_few_groups(self, n_folds):
        with pytest.raises(InputError, match="a group for each"):
            grouped_folds([5, 5, 6, 7], n_folds)
