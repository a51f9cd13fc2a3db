# SPDX-License-Identifier: MIT
"""Detectors of adversarial images: grouped folds, ablations, the second detector."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from faceeval.errors import InputError
from faceeval.metrics import (
    detection_ablations,
    detection_accuracy,
    detection_summary,
    distance_detection,
    fold_standard_error,
    identity_similarity,
    lbp_features,
    reconstruction_distance,
)
from faceeval.metrics.detection import PRINTED_ACCURACY

FEW = settings(max_examples=5, deadline=None)
TRUTH, FOLDS = np.array([0, 1] * 30), np.arange(60) // 12


def rows(seed, gap, n=60, dim=6):
    """Honest and adversarial rows in turn, ``gap`` standard deviations apart in the first dimension."""
    values = np.random.default_rng(seed).standard_normal((n, dim))
    values[1::2, 0] += gap
    return values


class TestLinearSVM:
    def test_what_it_can_tell_apart(self):
        summary = detection_summary(rows(0, 20), TRUTH, FOLDS)
        assert (summary.accuracy, summary.standard_error, summary.auc) == (1.0, 0.0, 1.0)
        assert (summary.true_positives, summary.false_negatives) == (30, 0)
        assert (summary.false_positives, summary.true_negatives) == (0, 30)
        assert summary.fold_accuracies == (1.0,) * 5

    def test_chance(self):
        truth, folds = np.array([0, 1] * 200), np.arange(400) // 40
        # four binomial standard deviations of 400 draws
        assert detection_accuracy(rows(1, 0, 400), truth, folds) == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize("dim", [6, 90], ids=["more rows", "more columns"])  # the two ways LinearSVC is solved
    def test_same_as_scikit_learn(self, dim):
        features = rows(2, 1.5, dim=dim) * np.arange(1, dim + 1) + 5
        summary = detection_summary(features, TRUTH, FOLDS)
        accuracies, aucs = [], []
        for fold in range(5):
            train, test = fold != FOLDS, fold == FOLDS
            model = make_pipeline(StandardScaler(), LinearSVC(C=1, dual="auto", max_iter=10000, random_state=0))
            model.fit(features[train], TRUTH[train])
            accuracies.append(model.score(features[test], TRUTH[test]))
            aucs.append(roc_auc_score(TRUTH[test], model.decision_function(features[test])))
        # the solver stops at a tolerance of 1e-4, so another order of rows could turn a row on the border: none is here
        assert summary.fold_accuracies == pytest.approx(accuracies)
        assert summary.auc == pytest.approx(np.mean(aucs))
        assert summary.standard_error == pytest.approx(fold_standard_error(accuracies))
        assert 0.5 < summary.accuracy < 1.0
        assert summary.accuracy == pytest.approx((summary.true_positives + summary.true_negatives) / 60)

    def test_near_copies_are_told_apart_without_a_warning(self, recwarn):
        honest = np.random.default_rng(0).random((60, 900)) ** 3
        noise = 0.002 * np.random.default_rng(1).standard_normal(honest.shape)
        features, truth = np.concatenate([honest, honest + noise]), np.repeat([0, 1], 60)
        summary = detection_summary(features, truth, np.tile(np.arange(60) // 12, 2))
        assert not recwarn.list
        assert summary.true_positives + summary.false_negatives == 60

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_order_of_images_does_not_move_a_bit(self, seed):
        features, order = rows(seed, 1), np.random.default_rng(seed).permutation(60)
        assert detection_summary(features[order], TRUTH[order], FOLDS[order]) == detection_summary(
            features, TRUTH, FOLDS
        )

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_scale_shift_and_the_numbers_of_folds_do_not_matter(self, seed):
        features = rows(seed, 4)
        moved = detection_summary(features * 1024.0, TRUTH, FOLDS * 7 + 3)  # a power of two: same bits
        assert moved.fold_accuracies == detection_summary(features, TRUTH, FOLDS).fold_accuracies

    def test_detection_rates_that_the_folds_can_show(self):
        truth, folds = np.array([0, 1] * 200), np.repeat([0, 1], 200)
        features = rows(3, 1.5, 400)
        assert set(detection_summary(features, truth, folds).detection_rates) == {0.1, 0.01}
        assert detection_summary(rows(4, 1), TRUTH, FOLDS).detection_rates == {}
        few = detection_summary(features[:40], truth[:40], np.repeat([0, 1], 20))
        assert set(few.detection_rates) == {0.1}

    def test_arguments_stay(self):
        features = rows(5, 1)
        before = features.copy()
        detection_summary(features, TRUTH, FOLDS)
        assert np.array_equal(features, before)

    def test_a_row_in_two_folds_is_refused(self):
        features = rows(6, 1)
        features[40] = features[4]
        with pytest.raises(InputError, match="row 40 in folds 0 and 3"):
            detection_summary(features, TRUTH, FOLDS)
        features[40], features[6] = rows(7, 1)[40], features[4]  # twice in one fold, as LFW's sources are
        assert detection_summary(features, TRUTH, FOLDS).accuracy > 0

    def test_constant_features_are_refused(self):
        with pytest.raises(InputError, match="no row in two folds"):
            detection_summary(np.ones((60, 3)), TRUTH, FOLDS)

    def test_folds_that_do_not_serve(self):
        with pytest.raises(InputError, match="at least two folds"):
            detection_summary(rows(0, 1), TRUTH, np.zeros(60))
        with pytest.raises(InputError, match="0 adversarial among 30 images in fold 0"):
            detection_summary(rows(0, 1), TRUTH, TRUTH)
        with pytest.raises(InputError, match="whole numbers"):
            detection_summary(rows(0, 1), TRUTH, FOLDS + 0.5)


class TestAblations:
    def test_each_part_alone(self):
        noise, telling = rows(8, 0), rows(9, 20)
        found = detection_ablations(telling, noise, TRUTH, FOLDS)
        assert list(found) == ["both", "image", "reconstruction"]
        assert found["image"] == detection_summary(telling, TRUTH, FOLDS)
        assert found["reconstruction"] == detection_summary(noise, TRUTH, FOLDS)
        assert found["both"] == detection_summary(np.hstack([telling, noise]), TRUTH, FOLDS)
        assert found["image"].accuracy == 1.0 > found["reconstruction"].accuracy

    def test_unequal_rows(self):
        with pytest.raises(InputError, match="reconstruction_features"):
            detection_ablations(rows(0, 1), rows(0, 1)[:-1], TRUTH, FOLDS)

    def test_texture_alone_betrays_noise(self):
        """Why the ablations are needed: no generator is at work here."""
        across = np.linspace(0, 255, 24)
        rng = np.random.default_rng(10)
        smooth = across[:, None] * rng.uniform(0.3, 0.5, (20, 3, 1, 1)) + across * rng.uniform(0.3, 0.5, (20, 3, 1, 1))
        honest = smooth.astype(np.uint8)
        noisy = (smooth + rng.normal(0, 2, smooth.shape)).clip(0, 255).astype(np.uint8)
        features = lbp_features(np.concatenate([honest, noisy]), grid=3)
        assert detection_accuracy(features, np.repeat([0, 1], 20), np.tile(np.arange(20) // 5, 2)) > 0.9


class TestReconstructionDistance:
    @pytest.mark.parametrize(
        ("cosine", "squared"), [(0.5, 1.0), (0.6, 0.8), (0.7, 0.6), (0.8, 0.4), (1.0, 0.0), (-1.0, 4.0)]
    )
    def test_ipgans_thresholds_as_cosines(self, cosine, squared):
        other = [[cosine, np.sqrt(1 - cosine**2)]]
        assert reconstruction_distance([[3.0, 0.0]], other) == pytest.approx([squared], abs=1e-12)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_two_minus_two_cosines(self, seed):
        first, second = np.random.default_rng(seed).standard_normal((2, 9, 5))
        value = reconstruction_distance(first, second)
        assert value == pytest.approx(2 - 2 * identity_similarity(first, second), abs=1e-12)
        assert value == pytest.approx(reconstruction_distance(second, 7 * first), abs=1e-12)
        assert ((value >= 0) & (value <= 4)).all()

    def test_zero_embedding(self):
        with pytest.raises(InputError, match="zero vector at row 1"):
            reconstruction_distance(np.eye(2), [[1.0, 0.0], [0.0, 0.0]])


class TestSecondDetector:
    def test_by_hand(self):
        # without fold 0 the best thresholds are those from 0.3 to 0.8, without fold 1 those from 0.1 to 0.4
        summary = distance_detection([0.1, 0.4, 0.3, 0.8], [0, 1, 0, 1], [0, 0, 1, 1])
        assert summary.fold_accuracies == (0.5, 0.5)
        assert (summary.true_positives, summary.false_negatives) == (1, 1)
        assert (summary.false_positives, summary.true_negatives) == (1, 1)
        assert summary.auc == 1.0
        assert summary.standard_error == 0.0

    def test_constant_distances_are_chance(self):
        summary = distance_detection(np.ones(60), TRUTH, FOLDS)
        assert (summary.accuracy, summary.auc) == (0.5, 0.5)

    def test_rates_are_scikit_learns(self):
        scores = rows(11, 1.5, 400)[:, 0]
        truth, folds = np.array([0, 1] * 200), np.repeat([0, 1], 200)
        summary = distance_detection(scores, truth, folds)
        for rate, value in summary.detection_rates.items():
            curves = [roc_curve(truth[folds == f], scores[folds == f], drop_intermediate=False) for f in (0, 1)]
            assert value == pytest.approx(np.mean([tpr[fpr <= rate].max() for fpr, tpr, _ in curves]))

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_order_and_scale_do_not_matter(self, seed):
        scores, order = rows(seed, 1)[:, 0], np.random.default_rng(seed).permutation(60)
        summary = asdict(distance_detection(scores, TRUTH, FOLDS))
        assert asdict(distance_detection(scores[order], TRUTH[order], FOLDS[order])) == summary
        assert asdict(distance_detection(scores * 4, TRUTH, FOLDS)) == summary

    def test_unequal_lengths(self):
        with pytest.raises(InputError, match="one shape"):
            distance_detection([0.1, 0.2, 0.3], [0, 1], [0, 0])


def test_the_printed_table_with_its_lost_cell():
    assert PRINTED_ACCURACY == {1.0: 0.8258, 0.8: None, 0.6: 0.8718, 0.4: 0.9241}
