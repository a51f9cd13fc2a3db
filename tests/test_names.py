# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceeval.errors import FaceevalError, UnknownNameError, unknown_name
from faceeval.names import ALIASES, CELEBA_ATTRIBUTES, canonical_attribute


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("young", "Young"),
        ("mouth_open", "Mouth_Slightly_Open"),
        ("mouth-open", "Mouth_Slightly_Open"),
        ("no_beard", "No_Beard"),
        ("No Beard", "No_Beard"),
        ("EYEGLASSES", "Eyeglasses"),
        ("male", "Male"),
        (" Smiling ", "Smiling"),
    ],
)
def test_people_may_type_names_as_they_like(typed: str, name: str) -> None:
    assert canonical_attribute(typed) == name


@given(st.sampled_from(CELEBA_ATTRIBUTES), st.booleans(), st.booleans())
def test_case_and_separators_never_matter(name: str, upper: bool, hyphens: bool) -> None:
    typed = name.upper() if upper else name.lower()
    assert canonical_attribute(typed.replace("_", "-") if hyphens else typed) == name


def test_celeba_has_forty_attributes_and_aliases_point_at_them() -> None:
    assert len(set(CELEBA_ATTRIBUTES)) == 40
    assert set(ALIASES.values()) <= set(CELEBA_ATTRIBUTES)


def test_an_unknown_name_lists_near_matches_first() -> None:
    with pytest.raises(UnknownNameError) as caught:
        canonical_attribute("eyeglases")
    assert "did you mean 'Eyeglasses'" in caught.value.todo
    assert isinstance(caught.value, LookupError)


def test_an_alias_of_an_attribute_the_data_lacks_is_unknown() -> None:
    with pytest.raises(UnknownNameError):
        canonical_attribute("mouth_open", known=["Male", "Young"])


def test_errors_read_as_three_lines() -> None:
    error = unknown_name("method", "x", ["cyclegan"])
    assert isinstance(error, FaceevalError)
    assert str(error).splitlines() == [
        "expected: the name of a known method",
        "got: 'x'",
        "to do: Known: cyclegan",
    ]
