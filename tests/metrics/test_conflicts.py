# SPDX-License-Identifier: MIT
"""Labels after an edit: AttGAN's rules of contradiction, one by one and in a chain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import CONFLICTS, contradictions, excluded_columns, labels_after_edit

FEW = settings(max_examples=25, deadline=None)
NAMES = [
    *("Bald", "Bangs", "Receding_Hairline", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"),
    *("Straight_Hair", "Wavy_Hair", "Mustache", "No_Beard", "Young"),
]


def face(*present):
    return [[int(name in present) for name in NAMES]]


def present(labels):
    return {name for name, value in zip(NAMES, labels[0], strict=True) if value}


@pytest.mark.parametrize(
    ("before", "attribute", "after"),
    [
        ({"Bangs", "Young"}, "Bald", {"Bald", "Young"}),
        ({"Bangs"}, "Receding_Hairline", {"Receding_Hairline"}),
        ({"Bald", "Receding_Hairline"}, "Bangs", {"Bangs"}),
        ({"Bald"}, "Receding_Hairline", {"Bald", "Receding_Hairline"}),
        ({"Blond_Hair", "Young"}, "Black_Hair", {"Black_Hair", "Young"}),
        ({"Brown_Hair"}, "Gray_Hair", {"Gray_Hair"}),
        ({"Straight_Hair"}, "Wavy_Hair", {"Wavy_Hair"}),
        ({"Black_Hair"}, "Black_Hair", set()),
        ({"Mustache"}, "No_Beard", {"Mustache", "No_Beard"}),
        ({"Black_Hair", "Bangs"}, "Young", {"Black_Hair", "Bangs", "Young"}),
    ],
)
def test_inverting_one(before, attribute, after):
    assert present(labels_after_edit(face(*before), NAMES, attribute)) == after


def test_taking_away_clears_nothing():
    labels = face("Bald", "Black_Hair")
    assert present(labels_after_edit(labels, NAMES, "Bangs", value=0)) == {"Bald", "Black_Hair"}


def test_a_chain():
    labels = labels_after_edit(face("Bangs", "Blond_Hair"), NAMES, "Black_Hair")
    labels = labels_after_edit(labels, NAMES, "Bald", value=1)
    assert present(labels) == {"Black_Hair", "Bald"}
    assert contradictions(labels, NAMES).tolist() == [0]


def test_one_value_for_all_or_one_for_each():
    labels = np.zeros((3, len(NAMES)))
    column = NAMES.index("Young")
    assert labels_after_edit(labels, NAMES, "Young", 1)[:, column].tolist() == [1, 1, 1]
    assert labels_after_edit(labels, NAMES, "Young", [1, 0, 1])[:, column].tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="values of shape"):
        labels_after_edit(labels, NAMES, "Young", [1, 0])


@FEW
@given(st.integers(0, 2**32 - 1), st.sampled_from(NAMES))
def test_only_excluded_columns_move_and_adding_leaves_no_contradiction_of_its_own(seed, attribute):
    labels = np.random.default_rng(seed).integers(0, 2, (6, len(NAMES)))
    before, after = labels.copy(), labels_after_edit(labels, NAMES, attribute, value=1)
    kept = np.setdiff1d(np.arange(len(NAMES)), excluded_columns(NAMES, attribute))
    assert np.array_equal(labels, before)
    assert np.array_equal(after[:, kept], labels[:, kept])
    assert after[:, [NAMES.index(other) for other in CONFLICTS.get(attribute, ())]].sum() == 0
    assert (contradictions(after, NAMES) <= contradictions(before, NAMES)).all()


def test_columns_that_are_not_there_are_not_needed():
    assert labels_after_edit([[0, 1]], ["Bald", "Young"], "Bald").tolist() == [[1, 1]]
    assert contradictions([[1, 1]], ["Bald", "Young"]).tolist() == [0]


def test_names_and_labels_that_do_not_fit():
    with pytest.raises(InputError, match="one name for each of 2 columns"):
        contradictions([[0, 1]], ["Bald"])
    with pytest.raises(InputError, match="only 0 and 1 in labels"):
        labels_after_edit([[-1, 1]], ["Bald", "Young"], "Bald")
    with pytest.raises(UnknownNameError, match="did you mean 'Young'"):
        labels_after_edit([[0, 1]], ["Bald", "Young"], "Yuong")
