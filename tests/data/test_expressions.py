# SPDX-License-Identifier: MIT
"""AffectNet's codes, and labels that may or may not be its."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.labels.expressions import EXPRESSIONS, affectnet_codes, expression_code, split_off
from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics.expression import EXPRESSIONS as MEASURED

OFFICIAL = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")


def test_the_codes_are_affectnets() -> None:
    assert EXPRESSIONS == MEASURED
    assert [expression_code(name) for name in OFFICIAL] == list(range(8))
    assert [expression_code(name) for name in EXPRESSIONS] == list(range(8))
    assert [expression_code(name) for name in ("None", "Uncertain", "No-Face", "Non-Face")] == [8, 9, 10, 10]
    with pytest.raises(UnknownNameError, match="did you mean 'happy'"):
        expression_code("hapy")


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=20))
def test_any_stated_order_leads_back_to_the_codes(order: list[int], truth: list[int]) -> None:
    labels = np.array([order.index(code) for code in truth], np.int64)
    names = [OFFICIAL[code] for code in order]
    codes = affectnet_codes(labels, None, names, source="a copy")
    assert codes.tolist() == truth
    assert codes.dtype == np.int64
    shown, left_out = split_off(codes)
    assert shown.all()
    assert sum(left_out.values()) == 0


def test_affectnets_own_order_needs_no_word() -> None:
    labels = np.array([7, 0, 3])
    assert affectnet_codes(labels, OFFICIAL, source="a copy").tolist() == [7, 0, 3]
    assert affectnet_codes(labels[1:], OFFICIAL[:7], source="a copy").tolist() == [0, 3]  # without contempt


@pytest.mark.parametrize("classes", [None, sorted(OFFICIAL), [str(number) for number in range(8)], ("anger", "joy")])
def test_another_order_is_refused_unless_it_is_said(classes: list[str] | None) -> None:
    with pytest.raises(InputError, match="AffectNet's order") as caught:
        affectnet_codes(np.array([0]), classes, source="somebody/affectnet")
    assert "somebody/affectnet" in caught.value.expected
    assert "say what the numbers" in caught.value.todo


def test_what_the_user_says_is_held_against_the_copy() -> None:
    order = sorted(OFFICIAL)
    assert affectnet_codes(np.array([0]), order, order, source="a copy").tolist() == [6]
    assert affectnet_codes(np.array([0]), ["0", "1"], ["fear", "sad"], source="a copy").tolist() == [4]
    with pytest.raises(InputError, match="as you say"):
        affectnet_codes(np.array([0]), OFFICIAL, order, source="a copy")
    with pytest.raises(InputError, match="once"):
        affectnet_codes(np.array([0]), None, ["sad", "Sadness"], source="a copy")
    with pytest.raises(UnknownNameError):
        affectnet_codes(np.array([0]), None, ["bored"], source="a copy")
    for label in (-1, 8):
        with pytest.raises(InputError, match=f"{label} in row 1"):
            affectnet_codes(np.array([0, label]), None, order, source="a copy")
