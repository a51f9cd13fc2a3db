# SPDX-License-Identifier: MIT
"""Facenet's numbers without its loops: every digit, every habit."""

import warnings

import numpy as np
import pytest
from published_loop import old_slinear, pairs_of_people, published_evaluation
from scipy.interpolate import interp1d

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    OutsideGridWarning,
    best_threshold,
    consecutive_folds,
    facenet_summary,
    pair_similarity,
    verification_folds,
)

WHOLE = "ignore::faceeval.metrics.OutsideGridWarning"


def assert_equal_to_the_bit(ours, theirs):
    for name, value in theirs.items():
        assert getattr(ours, name) == value, name


class TestParity:
    """Equal, not close: counts are whole numbers, and the few operations on floats are in the same order.

    Two folds here; benchmarks/test_verification_speed.py does the same with ten folds of 6,000 pairs.
    """

    @pytest.mark.parametrize("cosine", [False, True])
    @pytest.mark.parametrize("subtract_mean", [False, True])
    def test_both_distances_and_an_uneven_number_of_pairs(self, cosine, subtract_mean):
        first, second, same = pairs_of_people(1, 301, 8, noise=0.7)
        second[4] = first[4]  # one face twice: its cosine may round above 1, where the script's arccos is no number
        theirs = published_evaluation(first, second, same, cosine, subtract_mean, 2, 0.02)
        ours = facenet_summary(
            first,
            second,
            same,
            measure="cosine" if cosine else "squared_euclidean",
            subtract_mean=subtract_mean,
            n_folds=2,
            far=0.02,
        )
        assert 0.6 < theirs["mean"] < 0.99
        assert theirs["validation_rate"] > 0
        assert_equal_to_the_bit(ours, theirs)

    def test_a_cosine_above_one_is_two_people(self):
        beyond, apart = np.array([[1.0, 2.0, 3.0]]), np.array([[3.0, -1.0, 0.2]])
        while not (beyond * beyond).sum() / np.linalg.norm(beyond) ** 2 > 1:
            beyond = beyond * 1.01
        first = np.concatenate([beyond, apart, beyond, apart])
        second = np.concatenate([beyond, -apart, beyond, -apart])
        ours = facenet_summary(first, second, [1, 0, 1, 0], measure="cosine", n_folds=2)
        assert_equal_to_the_bit(ours, published_evaluation(first, second, np.array([1, 0, 1, 0]) > 0, True, False, 2))
        assert ours.mean == 0.5

    def test_interpolation_is_that_of_scipy(self):
        rng = np.random.default_rng(3)
        fars, thresholds = np.unique(rng.random(50)), np.sort(rng.random(50))
        fars[0] = 0.0
        theirs = interp1d(fars, thresholds, kind="slinear")
        assert all(old_slinear(fars, thresholds, x) == theirs(x) for x in rng.random(20) * fars[-1])


class TestHabits:
    def test_plus_minus_is_three_times_the_official_standard_error(self):
        first, second, same = pairs_of_people(2, 200, 8, noise=0.8)
        summary = facenet_summary(first, second, same)
        assert summary.std == np.std(summary.accuracies) > 0
        assert summary.std == pytest.approx(3 * summary.standard_error, rel=1e-12)

    @pytest.mark.filterwarnings(WHOLE)
    def test_embeddings_not_at_length_one_get_exactly_half(self):
        first, second, same = pairs_of_people(3, 200, 512, noise=0.2)
        summary = facenet_summary(30 * first, 30 * second, same)
        assert summary.accuracies == (0.5,) * 10
        # and no threshold reaches the false accept rate, so nothing is accepted at all
        assert summary.validation_rate == summary.validation_far == 0.0
        assert summary.equal_error_rate is None

    def test_embeddings_not_at_length_one_are_warned_of(self):
        first, second, same = pairs_of_people(3, 40, 512, noise=0.2)
        with pytest.warns(OutsideGridWarning, match="40 of 40 squared distances"):
            facenet_summary(30 * first, 30 * second, same)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            facenet_summary(first, second, same)
            facenet_summary(first, -first, same)  # opposite: 4, the most that unit vectors reach
            facenet_summary(30 * first, 30 * second, same, measure="cosine")

    def test_concatenated_flips_leave_the_grid(self):
        first, second, same = pairs_of_people(4, 40, 4, noise=0.2)
        flipped = [np.concatenate([part, part[:, ::-1]], axis=1) for part in (first, second)]
        assert np.linalg.norm(flipped[0], axis=1) == pytest.approx(np.sqrt(2))
        with pytest.warns(OutsideGridWarning):
            facenet_summary(*flipped, same)

    def test_the_lowest_best_threshold_of_the_grid_loses_a_pair_that_the_midpoint_keeps(self):
        """One person's pairs up to a squared distance of 0.95, one pair at 1.0; two people's from 1.5 on."""
        rng = np.random.default_rng(5)
        same = np.tile(np.repeat([True, False], 300), 10)
        squared = np.where(same, rng.uniform(0.2, 0.94, 6000), rng.uniform(1.5, 2.5, 6000))
        squared[[0, 700]] = 1.0, 0.95
        angle = np.arccos(1 - squared / 2)
        first, second = np.tile([[1.0, 0.0]], (6000, 1)), np.stack([np.cos(angle), np.sin(angle)], axis=1)
        grid = facenet_summary(first, second, same)
        assert round(100 * grid.mean, 3) == 99.983
        similarities = pair_similarity(first, second, "squared_euclidean")
        assert verification_folds(similarities, same, consecutive_folds(6000)).mean == 1.0
        assert best_threshold(similarities, same) == pytest.approx(-1.25, abs=0.01)

    def test_a_far_beyond_reach_sets_the_threshold_to_zero(self):
        # the fold with the only similar strangers is left out of the others, which then show no false accept
        first = np.tile([[1.0, 0.0]], (8, 1))
        second = np.array([[1.0, 0.0], [3.0, 0.0]] * 4) * [[1.0]]
        second[1] = [0.9, 0.0]
        second[3::2] = [4.0, 0.0]
        with pytest.warns(OutsideGridWarning):
            summary = facenet_summary(first, second, [1, 0] * 4, n_folds=2)
        theirs = published_evaluation(first, second, np.array([True, False] * 4), n_folds=2)
        assert_equal_to_the_bit(summary, theirs)


class TestRefusals:
    def test_folds_of_one_kind(self):
        first, second, _ = pairs_of_people(6, 20, 4, noise=0.2)
        with pytest.raises(InputError, match="one kind only in fold 0"):
            facenet_summary(first, second, np.repeat([1, 0], 10))

    @pytest.mark.parametrize("n_folds", [1, 21, 2.5])
    def test_senseless_folds(self, n_folds):
        with pytest.raises(InputError, match="2 to 20 folds"):
            facenet_summary(*pairs_of_people(6, 20, 4, noise=0.2), n_folds=n_folds)

    @pytest.mark.parametrize("far", [0.0, -1.0, 1.5, float("nan")])
    def test_senseless_far(self, far):
        with pytest.raises(InputError, match="false accept rate"):
            facenet_summary(*pairs_of_people(6, 20, 4, noise=0.2), far=far)

    def test_other_shapes(self):
        first, second, same = pairs_of_people(6, 20, 4, noise=0.2)
        for broken in ((first[1:], second, same), (first, second, same[1:]), (first, second[:, 1:], same)):
            with pytest.raises(InputError):
                facenet_summary(*broken)

    def test_a_zero_embedding_has_no_cosine(self):
        first, second, same = pairs_of_people(6, 20, 4, noise=0.2)
        first[3] = 0
        with pytest.raises(InputError, match="zero vector in pair 3"):
            facenet_summary(first, second, same, measure="cosine")

    def test_a_measure_the_script_lacks(self):
        with pytest.raises(UnknownNameError, match="did you mean 'squared_euclidean'"):
            facenet_summary(*pairs_of_people(6, 20, 4, noise=0.2), measure="euclidean")
