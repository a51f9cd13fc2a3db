# SPDX-License-Identifier: MIT
"""Does more strength give more: the order of responses, faces that always rise, and how far a curve falls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from faceeval.errors import InputError
from faceeval.metrics import always_rises, curve_fall, strength_monotonicity

FEW = settings(max_examples=30, deadline=None)
TABLES = st.lists(st.lists(st.integers(-3, 3), min_size=5, max_size=5), min_size=1, max_size=6).map(np.array)


def test_is_scipys_tau_where_no_two_responses_are_equal():
    responses = np.random.default_rng(0).standard_normal((20, 7))
    expected = [kendalltau(np.arange(7), row).statistic for row in responses]
    assert strength_monotonicity(responses) == pytest.approx(expected, abs=1e-12)


@FEW
@given(TABLES)
def test_turning_the_axis_round_turns_the_sign_and_rising_maps_change_nothing(responses):
    tau = strength_monotonicity(responses)
    assert ((tau >= -1) & (tau <= 1)).all()
    assert strength_monotonicity(responses[:, ::-1]) == pytest.approx(-tau)
    assert strength_monotonicity(-responses) == pytest.approx(-tau)
    assert strength_monotonicity(np.exp(responses)) == pytest.approx(tau)
    assert ((always_rises(responses) == 1) == (tau == 1)).all()


def test_a_knob_that_does_nothing_is_not_monotone():
    assert strength_monotonicity(np.ones((3, 4))).tolist() == [0, 0, 0]
    assert always_rises(np.ones((3, 4))).tolist() == [0, 0, 0]
    assert curve_fall(np.ones((3, 4))) == 0


def test_ties_count_as_neither():
    assert strength_monotonicity([[0.0, 0.0, 1.0]]).tolist() == pytest.approx([2 / 3])


def test_the_fall_is_of_the_mean_curve_from_its_highest_point_so_far():
    assert curve_fall([[0.0, 0.8, 0.7, 0.9, 0.4]]) == pytest.approx(0.5)
    assert curve_fall([[0.0, 1.0], [1.0, 0.0]]) == 0  # faces that cancel out: strength_monotonicity sees them
    assert curve_fall([[0.1, 0.2, 0.3]]) == 0


@pytest.mark.parametrize("function", [strength_monotonicity, always_rises, curve_fall])
@pytest.mark.parametrize("bad", [[[1.0], [2.0]], [1.0, 2.0], np.zeros((0, 3)), [[0.0, np.nan]]])
def test_what_is_no_curve_is_refused(function, bad):
    with pytest.raises(InputError):
        function(bad)
