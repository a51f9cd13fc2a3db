# SPDX-License-Identifier: MIT
"""The exact best threshold with its rule for ties, and accuracy on pairs it was not chosen on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import best_threshold, held_out_accuracy, pair_similarity, wilson_interval

FEW = settings(max_examples=40, deadline=None)


def accuracy(scores, same, threshold):
    return ((np.asarray(scores) >= threshold) == np.asarray(same, bool)).mean()


def scored(seed, n=30):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 9, n) / 4, np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])


class TestBestThreshold:
    def test_eight_pairs(self):
        scores, same = [0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3], [1, 1, 0, 1, 0, 1, 0, 0]
        assert accuracy(scores, same, best_threshold(scores, same)) == 0.75

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_nothing_decides_better(self, seed):
        scores, same = scored(seed)
        values = np.unique(scores)
        candidates = [-np.inf, *((values[1:] + values[:-1]) / 2), np.inf]
        best = max(accuracy(scores, same, c) for c in candidates)
        assert accuracy(scores, same, best_threshold(scores, same)) == best

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_order_does_not_matter_and_scale_carries_over(self, seed):
        scores, same = scored(seed)
        order = np.random.default_rng(seed).permutation(len(scores))
        threshold = best_threshold(scores, same)
        assert best_threshold(scores[order], same[order]) == threshold
        assert best_threshold(4 * scores + 1, same) == 4 * threshold + 1  # quarters: nothing rounds

    def test_middle_of_the_gap(self):
        assert best_threshold([3.0, 2.0, 1.0, 0.0], [1, 1, 0, 0]) == 1.5

    def test_the_longest_of_several_plateaus(self):
        # 0 | 1 .. 2 | 9: both gaps make one mistake, 1 to 2 is shorter than 2 to 9
        scores, same = [0.0, 1.0, 2.0, 9.0], [0, 1, 0, 1]
        assert best_threshold(scores, same) == 5.5

    def test_the_lowest_of_equally_long_ones(self):
        assert best_threshold([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1]) == 0.5

    def test_a_plateau_runs_on_across_similarities_that_cancel(self):
        # at 2.0 one pair of either kind: turning both down gains one decision and loses one
        scores, same = [0.0, 0.0, 2.0, 2.0, 5.0, 5.0], [0, 0, 1, 0, 1, 1]
        assert best_threshold(scores, same) == 2.5

    def test_a_constant_accepts_nobody(self):
        threshold = best_threshold(np.ones(10), [0, 1] * 5)
        assert threshold == np.inf
        assert accuracy(np.ones(10), [0, 1] * 5, threshold) == 0.5

    def test_one_verdict_where_similarity_is_worse_than_none(self):
        assert best_threshold([0.0, 1.0, 2.0], [1, 1, 0]) == -np.inf
        assert best_threshold([0.0, 1.0, 2.0], [1, 0, 0]) == np.inf

    @pytest.mark.parametrize("value", [1.0, 1e-300, 1e300, -1.0])
    def test_neighbouring_floats_are_told_apart(self, value):
        scores = [value, np.nextafter(value, np.inf)]
        threshold = best_threshold(scores, [0, 1])
        assert np.isfinite(threshold)
        assert accuracy(scores, [0, 1], threshold) == 1.0

    def test_the_whole_range_of_floats(self):
        assert best_threshold([-1.7e308, 1.7e308], [0, 1]) == 0.0

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_on_unit_vectors_cosine_and_distance_decide_alike(self, seed):
        rng = np.random.default_rng(seed)
        first, second = rng.standard_normal((2, 40, 6))
        first, second = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (first, second))
        same = np.arange(40) % 2
        cosine, squared = pair_similarity(first, second), pair_similarity(first, second, "squared_euclidean")
        assert -squared == pytest.approx(2 - 2 * cosine)
        by_cosine, by_distance = best_threshold(cosine, same), best_threshold(squared, same)
        assert np.array_equal(cosine >= by_cosine, squared >= by_distance)

    def test_pairs_of_one_kind(self):
        with pytest.raises(InputError, match="pairs of both kinds"):
            best_threshold([1.0, 2.0], [1, 1])


class TestHeldOut:
    def test_threshold_from_the_training_pairs(self):
        held = held_out_accuracy([0.9, 0.6, 0.5, 0.1], [1, 1, 0, 0], [0.8, 0.0], [1, 0])
        assert (held.threshold, held.accuracy.value, held.train_accuracy) == (0.4, 0.75, 1.0)
        assert (held.chosen_on, held.n_pairs) == ("train", 4)
        assert held.accuracy == wilson_interval(3, 4)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_the_oracle_is_optimistic(self, seed):
        train, test = scored(seed), scored(seed + 1)
        honest, oracle = held_out_accuracy(*test, *train), held_out_accuracy(*test, *train, threshold="oracle")
        assert oracle.accuracy.value >= honest.accuracy.value
        assert oracle.accuracy.value == oracle.train_accuracy
        assert oracle == held_out_accuracy(*test, threshold="oracle")
        assert oracle.chosen_on == "oracle"

    @pytest.mark.parametrize(("right", "points"), [(500, 1.58), (958, 0.63)])
    def test_binomial_standard_error_of_a_thousand_pairs(self, right, points):
        same = np.repeat([1, 0], 500)
        scores = np.where(np.arange(1000) < right, same, 1 - same)
        held = held_out_accuracy(scores, same, [0.0, 1.0], [0, 1])
        assert held.accuracy.value == right / 1000
        assert round(100 * held.standard_error, 2) == points

    def test_training_pairs_are_needed(self):
        with pytest.raises(InputError, match="pairs to choose the threshold on"):
            held_out_accuracy([0.9, 0.1], [1, 0])

    def test_unknown_choice(self):
        with pytest.raises(UnknownNameError, match="train"):
            held_out_accuracy([0.9, 0.1], [1, 0], [0.9, 0.1], [1, 0], threshold="test")

    def test_both_sides_are_checked(self):
        for broken in (([0.9, 0.1], [1, 1], [0.9, 0.1], [1, 0]), ([0.9, 0.1], [1, 0], [0.9, 0.1], [1, 1])):
            with pytest.raises(InputError, match="pairs of both kinds"):
                held_out_accuracy(*broken)
