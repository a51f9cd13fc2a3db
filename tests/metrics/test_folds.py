# SPDX-License-Identifier: MIT
"""Ten folds: threshold from nine, accuracy on the tenth, the official standard error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem

from faceeval.errors import InputError
from faceeval.metrics import (
    best_threshold,
    consecutive_folds,
    fold_standard_error,
    verification_accuracy,
    verification_folds,
)

FEW = settings(max_examples=20, deadline=None)
# the ten folds that facenet-pytorch's notebook prints
NOTEBOOK = (0.995, 0.995, 0.99166667, 0.99, 0.99, 0.99666667, 0.99, 0.99666667, 0.995, 0.99666667)


def scored(seed, n=60, folds=5):
    rng = np.random.default_rng(seed)
    same = np.arange(n) % 2
    return rng.standard_normal(n) + same, same, np.arange(n) // 2 % folds


class TestFolds:
    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_each_fold_gets_the_best_threshold_of_the_others(self, seed):
        scores, same, folds = scored(seed)
        found = verification_folds(scores, same, folds)
        for fold in range(5):
            rest = folds != fold
            threshold = best_threshold(scores[rest], same[rest])
            assert found.thresholds[fold] == threshold
            assert found.accuracies[fold] == ((scores[~rest] >= threshold) == same[~rest]).mean()
        assert found.folds == (0, 1, 2, 3, 4)
        assert found.n_pairs == (12,) * 5
        assert found.mean == verification_accuracy(scores, same, folds) == np.mean(found.accuracies)
        assert found.standard_error == fold_standard_error(found.accuracies)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_neither_the_order_of_pairs_nor_the_names_of_folds_matter(self, seed):
        scores, same, folds = scored(seed)
        found, order = verification_folds(scores, same, folds), np.random.default_rng(seed).permutation(60)
        assert verification_folds(scores[order], same[order], folds[order]) == found
        assert verification_folds(scores, same, 7 * folds - 9).accuracies == found.accuracies

    def test_separable(self):
        scores, same, folds = scored(0)
        found = verification_folds(scores + 20 * same, same, folds)
        assert (found.mean, found.standard_error) == (1.0, 0.0)

    def test_constant(self):
        _, same, folds = scored(0)
        assert verification_accuracy(np.zeros(60), same, folds) == 0.5

    def test_a_pair_left_out_moves_no_border(self):
        scores, same, folds = scored(1, n=6000, folds=10)
        whole, short = (verification_folds(scores[i:], same[i:], folds[i:]) for i in (0, 2))
        assert short.accuracies[5:] == pytest.approx(whole.accuracies[5:], abs=0.01)
        assert short.n_pairs == (598, *[600] * 9)

    def test_one_fold(self):
        with pytest.raises(InputError, match="at least two folds"):
            verification_folds([0.1, 0.9], [0, 1], [3, 3])

    def test_the_other_folds_hold_one_kind(self):
        with pytest.raises(InputError, match="one kind only in all folds but 0"):
            verification_folds([0.1, 0.9, 0.8], [0, 1, 1], [0, 1, 1])

    @pytest.mark.parametrize("folds", [[0.5, 1, 0], [0, 1], [[0, 1, 1]], [0, 1, np.nan], [0, 1, 1e17]])
    def test_folds_that_are_none(self, folds):
        with pytest.raises(InputError):
            verification_folds([0.1, 0.9, 0.8], [0, 1, 1], folds)


class TestStandardError:
    def test_notebook(self):
        assert round(np.mean(NOTEBOOK), 6) == 0.993667
        assert round(np.std(NOTEBOOK), 6) == 0.002769
        assert round(fold_standard_error(NOTEBOOK), 6) == 0.000923
        assert fold_standard_error(NOTEBOOK) == pytest.approx(np.std(NOTEBOOK) / 3, rel=1e-12)

    @FEW
    @given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
    def test_same_as_scipy(self, accuracies):
        assert fold_standard_error(accuracies) == pytest.approx(sem(accuracies), abs=1e-15)

    def test_one_fold_has_none(self):
        with pytest.raises(InputError, match="at least 2 values"):
            fold_standard_error([0.9])


class TestConsecutiveFolds:
    @pytest.mark.parametrize(("pairs", "size"), [(6000, 600), (7000, 700)])  # LFW, CFP-FP
    def test_a_tenth_each(self, pairs, size):
        folds = consecutive_folds(pairs)
        assert np.bincount(folds).tolist() == [size] * 10
        assert (np.diff(folds) >= 0).all()

    @pytest.mark.parametrize(("pairs", "folds"), [(5999, 10), (0, 10), (10, 1), (5, 10), (12.5, 5)])
    def test_pairs_that_do_not_fill_them(self, pairs, folds):
        with pytest.raises(InputError, match="fill at least two equal folds"):
            consecutive_folds(pairs, folds)
