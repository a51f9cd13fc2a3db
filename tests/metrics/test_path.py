# SPDX-License-Identifier: MIT
"""Paths through what a judge says: how straight they are, and how even their steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import path_evenness, path_straightness

FEW = settings(max_examples=30, deadline=None)
PATHS = st.lists(
    st.lists(st.lists(st.integers(-3, 3), min_size=2, max_size=2), min_size=4, max_size=4), min_size=1, max_size=5
).map(np.array)


def test_a_straight_path_of_even_steps_is_perfect_in_any_direction():
    start, step = np.random.default_rng(0).standard_normal((2, 6, 1, 3))
    path = start + np.arange(9)[:, None] * step
    assert path_straightness(path) == pytest.approx(np.ones(6), abs=1e-12)
    assert path_evenness(path) == pytest.approx(np.ones(6), abs=1e-12)


def test_a_jump_is_straight_and_not_even_and_a_circle_even_and_not_straight():
    jump = np.zeros((1, 9, 2))
    jump[:, 5:] = (3.0, 4.0)
    assert path_straightness(jump).tolist() == [1.0]
    assert path_evenness(jump).tolist() == [1 / 8]
    turn = np.linspace(0, 2 * np.pi, 9)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)[None]
    assert path_straightness(circle) == pytest.approx([0.0], abs=1e-12)
    assert path_evenness(circle) == pytest.approx([1.0], abs=1e-12)


def test_half_a_circle_leads_as_far_as_its_diameter():
    turn = np.linspace(0, np.pi, 2001)
    arc = np.stack([np.cos(turn), np.sin(turn)], axis=1)[None]
    assert path_straightness(arc) == pytest.approx([2 / np.pi], abs=1e-6)


def test_what_does_not_move_gets_nothing():
    still = np.full((2, 5, 3), 7.0)
    assert path_straightness(still).tolist() == path_evenness(still).tolist() == [0.0, 0.0]


@FEW
@given(PATHS)
def test_unit_place_and_direction_of_travel_do_not_matter(path):
    for measure in (path_straightness, path_evenness):
        value = measure(path)
        assert ((value >= 0) & (value <= 1)).all()
        assert measure(path[:, ::-1]) == pytest.approx(value, abs=1e-9)
        assert measure(path * 1e-200) == pytest.approx(value, abs=1e-9)
        assert measure(path + 10.0) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("function", [path_straightness, path_evenness])
@pytest.mark.parametrize("bad", [np.zeros((3, 4)), np.zeros((3, 1, 2)), np.zeros((0, 3, 2)), [[[0.0], [np.nan]]]])
def test_what_is_no_path_is_refused(function, bad):
    with pytest.raises(InputError):
        function(bad)
