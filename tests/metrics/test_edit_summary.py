# SPDX-License-Identifier: MIT
"""The record of one attribute's edits: against its parts, and for editors that do nothing or everything."""

import numpy as np
import pytest

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import edit_summary, preservation_error

NAMES = ["Bald", "Bangs", "Eyeglasses", "Male", "Young"]


def faces(seed=0, n=400, errors=0.05):
    """Labels, and logits of a classifier that is wrong about some of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, len(NAMES)))
    signs = np.where(rng.random(labels.shape) < errors, -1, 1) * (2 * labels - 1)
    return labels, signs * rng.uniform(0.5, 3, labels.shape)


def flipped(logits, name):
    edited = logits.copy()
    edited[:, NAMES.index(name)] *= -1
    return edited


def test_doing_nothing_gets_the_classifiers_errors():
    labels, logits = faces()
    wrong = (logits > 0) != labels
    summary = edit_summary(labels, logits, logits, NAMES, "Eyeglasses")
    assert summary.flip_accuracy == summary.idle_flip_accuracy == wrong[:, 2].mean()
    assert summary.preservation_error == 0
    assert summary.preservation_error_to_labels == summary.idle_preservation_error_to_labels
    assert summary.preservation_error_to_labels == pytest.approx(wrong[:, [0, 1, 3, 4]].mean())


def test_a_perfect_edit_gets_what_the_classifier_can_see():
    labels, logits = faces(1)
    summary = edit_summary(labels, logits, flipped(logits, "Young"), NAMES, "Young")
    assert summary.flip_accuracy == pytest.approx(((logits > 0) == labels)[:, 4].mean())
    assert summary.flip_accuracy == pytest.approx(1 - summary.idle_flip_accuracy)
    assert summary.preservation_error == 0


def test_directions_and_what_is_left_out():
    labels, logits = faces(2, errors=0)
    edited = logits.copy()
    edited[:, 0] = 2.0  # everybody bald, and with that no bangs, and all turned into men
    edited[:, 1] = -2.0
    edited[:, 3] = 2.0
    summary = edit_summary(labels, logits, edited, NAMES, "Bald")
    assert summary.excluded == ("Bald", "Bangs")
    assert (summary.n_add, summary.n_remove) == ((labels[:, 0] == 0).sum(), (labels[:, 0] == 1).sum())
    assert (summary.flip_accuracy_add, summary.flip_accuracy_remove) == (1, 0)
    assert summary.flip_balanced_accuracy == 0.5
    assert summary.judge_balanced_accuracy == 1
    assert summary.preservation_error == pytest.approx(preservation_error(logits, edited, [0, 1]).mean())
    assert summary.preservation_error == pytest.approx((labels[:, 3] == 0).mean() / 3)


def test_one_direction_alone():
    labels, logits = faces(3)
    labels[:, 2] = 0
    summary = edit_summary(labels, logits, flipped(logits, "Eyeglasses"), NAMES, "Eyeglasses")
    assert summary.n_remove == 0
    assert summary.flip_accuracy_remove is None
    assert summary.flip_balanced_accuracy is None
    assert summary.judge_balanced_accuracy is None
    assert summary.flip_accuracy_add == summary.flip_accuracy


def test_order_does_not_matter():
    labels, logits = faces(4)
    edited, order = flipped(logits, "Male"), np.random.default_rng(4).permutation(len(labels))
    one = edit_summary(labels, logits, edited, NAMES, "Male")
    other = edit_summary(labels[order], logits[order], edited[order], NAMES, "Male")
    assert other.preservation_error == pytest.approx(one.preservation_error)
    assert other.flip_accuracy == one.flip_accuracy


def test_bad_input():
    labels, logits = faces(5, n=6)
    with pytest.raises(InputError, match="of one shape"):
        edit_summary(labels, logits, logits[:5], NAMES, "Male")
    with pytest.raises(InputError, match="only 0 and 1 in labels"):
        edit_summary(2 * labels - 1, logits, logits, NAMES, "Male")
    with pytest.raises(UnknownNameError, match="did you mean 'Male'"):
        edit_summary(labels, logits, logits, NAMES, "Mail")
    with pytest.raises(InputError, match="at least two attributes"):
        edit_summary(labels[:, :1], logits[:, :1], logits[:, :1], ["Bald"], "Bald")
    with pytest.raises(InputError, match="one name for each"):
        edit_summary(labels, logits, logits, NAMES[:4], "Male")
