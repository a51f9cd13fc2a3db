# SPDX-License-Identifier: MIT
"""ROC points, equal error rate, true accept rate at a false accept rate, Wilson's interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from faceeval.errors import InputError
from faceeval.metrics import (
    equal_error_rate,
    operating_point,
    roc_points,
    tar_at_far,
    verification_auc,
    wilson_interval,
)

FEW = settings(max_examples=25, deadline=None)
SCORES, SAME = (0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3), (1, 1, 0, 1, 0, 1, 0, 0)


def scored(seed, n=60, tied=False):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, n).astype(float) if tied else rng.standard_normal(n)
    return scores, np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])


class TestROC:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_same_as_scikit_learn(self, seed, tied):
        scores, same = scored(seed, tied=tied)
        points = roc_points(scores, same)
        fpr, tpr, thresholds = roc_curve(same, scores, drop_intermediate=False)
        assert np.array_equal(points.far, fpr)
        assert np.array_equal(points.tar, tpr)
        assert np.array_equal(points.thresholds, thresholds)

    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_the_area_under_its_points_is_the_auc(self, seed, tied):
        scores, same = scored(seed, tied=tied)
        points = roc_points(scores, same)
        area = (np.diff(points.far) * (points.tar[1:] + points.tar[:-1]) / 2).sum()
        assert verification_auc(scores, same) == pytest.approx(area, abs=1e-12)
        assert verification_auc(scores, same) == pytest.approx(roc_auc_score(same, scores), abs=1e-12)

    def test_pairs_of_one_kind(self):
        for function in (roc_points, equal_error_rate, tar_at_far):
            with pytest.raises(InputError, match="pairs of both kinds"):
                function([0.1, 0.2], [1, 1])


class TestKnownValues:
    def test_eight_pairs(self):
        assert verification_auc(SCORES, SAME) == 0.8125
        assert equal_error_rate(SCORES, SAME) == 0.25

    def test_separable(self):
        scores, same = [0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]
        assert verification_auc(scores, same) == 1.0
        assert equal_error_rate(scores, same) == 0.0
        assert tar_at_far(scores, same, far=0.5) == 1.0

    def test_the_wrong_way_round(self):
        assert equal_error_rate([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]) == 1.0

    def test_constant(self):
        assert verification_auc(np.zeros(20), [0, 1] * 10) == 0.5
        assert equal_error_rate(np.zeros(20), [0, 1] * 10) == 0.5
        assert tar_at_far(np.zeros(20), [0, 1] * 10, far=0.5) == 0.0

    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_other_labels_other_side(self, seed, tied):
        scores, same = scored(seed, tied=tied)
        assert verification_auc(scores, 1 - same) == pytest.approx(1 - verification_auc(scores, same), abs=1e-12)
        assert equal_error_rate(scores, 1 - same) == pytest.approx(1 - equal_error_rate(scores, same), abs=1e-12)


class TestEqualErrorRate:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_solves_the_equation_on_scikit_learns_curve(self, seed, tied):
        scores, same = scored(seed, tied=tied)
        fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
        # where the curve stands upright a rate has several values: walk along the curve instead
        at = brentq(lambda x: np.interp(x, *along) - 1, 0, 1) if (along := walk(fpr, fpr + tpr)) else None
        assert equal_error_rate(scores, same) == pytest.approx(np.interp(at, *walk(fpr, fpr)), abs=1e-9)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_only_the_order_counts(self, seed):
        scores, same = scored(seed)
        assert equal_error_rate(np.exp(scores), same) == equal_error_rate(scores, same)
        order = np.random.default_rng(seed).permutation(len(scores))
        assert equal_error_rate(scores[order], same[order]) == equal_error_rate(scores, same)


def walk(fpr, values):
    return np.linspace(0, 1, len(fpr)), values


class TestTarAtFar:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(0.05, 1.0))
    def test_best_rate_of_scikit_learns_curve_that_is_allowed(self, seed, tied, far):
        scores, same = scored(seed, n=80, tied=tied)
        fpr, tpr, thresholds = roc_curve(same, scores, drop_intermediate=False)
        allowed = fpr <= far + 1e-12
        point = operating_point(scores, same, far)
        assert tar_at_far(scores, same, far) == point.tar.value == tpr[allowed].max()
        assert point.threshold == thresholds[allowed][-1]
        assert point.far.value == fpr[allowed][-1]

    def test_lfw_shows_a_thousandth_with_three_pairs_and_no_less(self):
        rng = np.random.default_rng(0)
        same = np.repeat([1, 0], 3000)
        scores = rng.standard_normal(6000) + 3 * same
        point = operating_point(scores, same, far=1e-3)
        assert point.far.value == 3 / 3000
        assert ((scores >= point.threshold) & (same == 0)).sum() == 3
        assert point.tar == wilson_interval(int(((scores >= point.threshold) & (same == 1)).sum()), 3000)
        assert (point.n_same, point.n_different) == (3000, 3000)
        with pytest.raises(InputError, match="at least 10000 pairs of two people"):
            operating_point(scores, same, far=1e-4)

    def test_rates_that_do_not_divide_in_binary(self):
        scores, same = np.arange(200.0), np.repeat([0, 1], 100)
        scores[:100] += 200  # every stranger above everybody
        assert operating_point(scores, same, far=0.57).far.value == 0.57

    def test_ties_with_too_many_strangers_accept_nobody(self):
        point = operating_point([0.9, 0.9, 0.9, 0.1], [1, 0, 0, 0], far=0.4)
        assert (point.threshold, point.tar.value, point.far.value) == (np.inf, 0.0, 0.0)

    @pytest.mark.parametrize("far", [0.0, -0.1, 1.1, float("nan")])
    def test_senseless_rates(self, far):
        with pytest.raises(InputError, match="false accept rate above 0"):
            tar_at_far(SCORES, SAME, far)


class TestWilson:
    # Newcombe 1998, Table I, method 3
    @pytest.mark.parametrize(
        ("successes", "trials", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_published_values(self, successes, trials, low, high):
        interval = wilson_interval(successes, trials)
        assert interval.value == successes / trials
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)

    @FEW
    @given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
    def test_same_as_scipy(self, trials, share, confidence):
        successes = round(share * trials)
        theirs = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        ours = wilson_interval(successes, trials, confidence)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert 0 <= ours.low <= ours.value <= ours.high <= 1

    def test_solves_its_equation(self):
        interval, z = wilson_interval(30, 40), 1.959963984540054
        for end in (interval.low, interval.high):
            assert abs(0.75 - end) == pytest.approx(z * np.sqrt(end * (1 - end) / 40), abs=1e-12)

    def test_all_and_none_mirror_each_other(self):
        none, everything = wilson_interval(0, 50), wilson_interval(50, 50)
        assert (none.low, everything.high) == (0.0, 1.0)
        assert none.high == pytest.approx(1 - everything.low)

    @pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5), (0.5, 5), (0, 0)])
    def test_senseless_counts(self, successes, trials):
        with pytest.raises(InputError, match="successes among at least one trial"):
            wilson_interval(successes, trials)

    @pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
    def test_senseless_confidence(self, confidence):
        with pytest.raises(InputError, match="confidence between 0 and 1"):
            wilson_interval(1, 5, confidence)
