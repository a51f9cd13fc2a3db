# SPDX-License-Identifier: MIT
"""Flip accuracy, preservation, contradictions, and accuracies that count classes alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    CONFLICTS,
    balanced_accuracy,
    excluded_columns,
    flip_accuracy,
    flip_success,
    per_class_recall,
    preservation_accuracy,
    preservation_accuracy_to_labels,
    preservation_error,
    preservation_error_to_labels,
)

FEW = settings(max_examples=25, deadline=None)
STGAN = [
    *("Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Bushy_Eyebrows", "Eyeglasses"),
    *("Male", "Mouth_Slightly_Open", "Mustache", "No_Beard", "Pale_Skin", "Young"),
]


def logits(seed, n=12, columns=5):
    return np.random.default_rng(seed).standard_normal((n, columns))


class TestFlip:
    def test_by_hand(self):
        assert flip_success([1.0, -1.0, 1.0, -1.0], [1, 1, 0, 0]).tolist() == [1, 0, 0, 1]
        assert flip_accuracy([1.0, -1.0, 1.0, -1.0], [1, 1, 0, 0]) == 0.5

    def test_one_target_for_all(self):
        assert flip_accuracy([3.0, 2.0, -1.0, 1.0], 1) == 0.75

    def test_a_logit_of_zero_is_absent(self):
        assert flip_success([0.0, 0.0], [0, 1]).tolist() == [1, 0]

    def test_doing_nothing_scores_the_classifiers_errors(self):
        labels = np.array([0, 1] * 50)
        verdicts = np.where(labels == 1, 2.0, -2.0)
        verdicts[:5] *= -1
        assert flip_accuracy(verdicts, 1 - labels) == 0.05

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_scikit_learn(self, seed):
        metrics = pytest.importorskip("sklearn.metrics")
        scores = logits(seed)[:, 0]
        target = np.random.default_rng(seed).integers(0, 2, 12)
        assert flip_accuracy(scores, target) == pytest.approx(metrics.accuracy_score(target, scores > 0))

    @pytest.mark.parametrize("target", [[1, -1, 1], [0.5, 1, 0], 2])
    def test_targets_are_zero_or_one(self, target):
        with pytest.raises(InputError, match="only 0 and 1 in target"):
            flip_accuracy([1.0, 2.0, 3.0], target)

    def test_lengths(self):
        with pytest.raises(InputError, match="of one shape"):
            flip_accuracy([1.0, 2.0, 3.0], [1, 0])


class TestPreservation:
    def test_unchanged(self):
        assert preservation_accuracy(logits(0), logits(0), [1]).tolist() == [1.0] * 12

    def test_by_hand_in_both_forms(self):
        source = [[1.0, -1.0, 1.0, 1.0]]
        edited = [[-1.0, -1.0, 1.0, -1.0]]
        assert preservation_accuracy(source, edited, [0]) == pytest.approx([2 / 3])
        # the labels say that the classifier was wrong about the last column before the edit, and right after it
        assert preservation_accuracy_to_labels([[1, 0, 1, 0]], edited, [0]) == pytest.approx([1.0])

    def test_doing_nothing_scores_the_classifiers_accuracy_against_labels(self):
        scores = logits(1, n=200)
        labels = (scores > 0).astype(int)
        labels[:20] = 1 - labels[:20]
        assert preservation_accuracy(scores, scores, [0]).mean() == 1.0
        assert preservation_accuracy_to_labels(labels, scores, [0]).mean() == pytest.approx(0.9)

    def test_what_happens_in_excluded_columns_does_not_count(self):
        edited = logits(2)
        edited[:, [1, 3]] *= -1
        assert (preservation_accuracy(logits(2), edited, [1, 3]) == 1).all()
        assert (preservation_accuracy(logits(2), edited, [1]) == 0.75).all()

    def test_indices_mask_and_none(self):
        mask = np.array([False, True, False, True, False])
        by_mask = preservation_accuracy(logits(3), logits(4), mask)
        assert by_mask.tolist() == preservation_accuracy(logits(3), logits(4), [1, 3]).tolist()
        assert preservation_accuracy(logits(3), -logits(3), []).tolist() == [0.0] * 12

    @pytest.mark.parametrize("exclude", [[5], [-1], [0.5], [True, False], [0, 1, 2, 3, 4]])
    def test_columns_that_are_not_there_or_leave_nothing(self, exclude):
        with pytest.raises(InputError):
            preservation_accuracy(logits(5), logits(5), exclude)

    def test_labels_as_celeba_writes_them(self):
        with pytest.raises(InputError, match="CelebA's -1 means 0"):
            preservation_accuracy_to_labels(np.sign(logits(6)), logits(6), [0])

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_symmetric_and_indifferent_to_order(self, seed):
        a, b, order = logits(seed), logits(seed + 1), np.random.default_rng(seed).permutation(12)
        value = preservation_accuracy(a, b, [2])
        assert preservation_accuracy(b, a, [2]).tolist() == value.tolist()
        assert preservation_accuracy(a[order], b[order], [2]).tolist() == value[order].tolist()


class TestPreservationError:
    def test_doing_nothing(self):
        scores = logits(1, n=200, columns=13)
        labels = (scores > 0).astype(int)
        labels[:, 1] = 1 - labels[:, 1]  # a classifier that errs on one attribute of twelve
        assert preservation_error(scores, scores, [0]).tolist() == [0.0] * 200
        assert preservation_error_to_labels(labels, scores, [0]) == pytest.approx(np.full(200, 1 / 12))

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_scikit_learn(self, seed):
        metrics = pytest.importorskip("sklearn.metrics")
        source, edited = logits(seed), logits(seed + 1)
        theirs = metrics.hamming_loss(source[:, 1:] > 0, edited[:, 1:] > 0)
        assert preservation_error(source, edited, [0]).mean() == pytest.approx(theirs)
        assert preservation_error_to_labels(source > 0, edited, [0]).mean() == pytest.approx(theirs)


class TestConflicts:
    @pytest.mark.parametrize(
        ("attribute", "excluded"),
        [
            ("Bald", {"Bald", "Bangs"}),
            ("Bangs", {"Bald", "Bangs"}),
            ("Black_Hair", {"Black_Hair", "Blond_Hair", "Brown_Hair"}),
            ("No_Beard", {"No_Beard"}),
            ("Mustache", {"Mustache"}),
            ("Young", {"Young"}),
        ],
    )
    def test_columns(self, attribute, excluded):
        assert {STGAN[i] for i in excluded_columns(STGAN, attribute)} == excluded

    def test_a_chain_leaves_out_what_any_of_its_edits_settles(self):
        assert {STGAN[i] for i in excluded_columns(STGAN, ["Male", "Bald"])} == {"Male", "Bald", "Bangs"}
        assert excluded_columns(STGAN, []).tolist() == []

    def test_contradiction_goes_both_ways(self):
        for name, others in CONFLICTS.items():
            assert all(name in CONFLICTS[other] for other in others)

    def test_unknown_attribute(self):
        with pytest.raises(UnknownNameError, match="did you mean 'Eyeglasses'"):
            excluded_columns(STGAN, "Eyeglases")


class TestBalanced:
    def test_always_no_on_glasses_in_celeba(self):
        # 13,193 of 202,599 faces wear glasses: "never" is right about 93.5 % of them
        labels = np.repeat([0, 1], [202_599 - 13_193, 13_193])
        never = np.zeros(len(labels))
        assert flip_accuracy(never, labels) == pytest.approx(0.935, abs=5e-4)
        assert balanced_accuracy(labels, never) == 0.5

    def test_always_no_on_a_rare_class(self):
        labels = np.repeat([0, 1], [935, 65])
        assert balanced_accuracy(labels, np.zeros(1000)) == 0.5
        assert per_class_recall(labels, np.zeros(1000)).tolist() == [1.0, 0.0]

    def test_perfect(self):
        assert balanced_accuracy([0, 1, 2, 2], [0, 1, 2, 2]) == 1.0

    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(2, 8))
    def test_same_as_scikit_learn(self, seed, classes):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(seed)
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 40)])
        guesses = rng.integers(0, classes, len(labels))
        assert balanced_accuracy(labels, guesses) == pytest.approx(metrics.balanced_accuracy_score(labels, guesses))
        theirs = metrics.recall_score(labels, guesses, average=None, zero_division=0)
        assert per_class_recall(labels, guesses) == pytest.approx(theirs)

    def test_one_class_alone(self):
        with pytest.raises(InputError, match="at least two classes"):
            balanced_accuracy([1, 1], [1, 0])

    def test_scores_are_not_classes(self):
        with pytest.raises(InputError, match="whole numbers in predictions"):
            balanced_accuracy([0, 1], [0.2, 0.9])
