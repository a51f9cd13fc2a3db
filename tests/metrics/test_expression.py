# SPDX-License-Identifier: MIT
"""One-vs-rest AUC of expressions: printed tables, a closed form, scikit-learn, and what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from faceeval.errors import InputError
from faceeval.metrics import (
    EXPRESSION_MLP,
    EXPRESSION_MLP_FOUR_LAYERS,
    EXPRESSIONS,
    ExpressionSummary,
    MLPSettings,
    class_weights,
    expression_auc,
    expression_probabilities,
    one_vs_rest_auc,
    one_vs_rest_intervals,
)
from faceeval.metrics.bootstrap import draw_indices

FEW = settings(max_examples=25, deadline=None)
QUICK = MLPSettings(hidden=(16,), epochs=3, batch=50, learning_rate=0.01)

# Browatzki and Wallraven, Table 3: cells, printed average, mean of the cells
TABLE = {
    "AFFNet-TL": ((0.86, 0.96, 0.89, 0.89, 0.90, 0.84, 0.88, 0.83), 0.88, 0.881),
    "ResNet18": ((0.82, 0.95, 0.89, 0.85, 0.91, 0.87, 0.86, 0.88), 0.88, 0.879),
    "VGG-Face": ((0.76, 0.92, 0.81, 0.81, 0.82, 0.81, 0.77, 0.82), 0.85, 0.815),
    "f_p": ((0.53, 0.58, 0.51, 0.54, 0.58, 0.56, 0.56, 0.58), 0.55, 0.555),
    "f_id": ((0.65, 0.73, 0.69, 0.74, 0.72, 0.69, 0.73, 0.67), 0.70, 0.703),
    "f_s": ((0.61, 0.68, 0.63, 0.66, 0.67, 0.61, 0.61, 0.62), 0.64, 0.636),
    "f_-e": ((0.66, 0.78, 0.73, 0.76, 0.77, 0.72, 0.76, 0.71), 0.74, 0.736),
    "f_e": ((0.76, 0.92, 0.80, 0.82, 0.81, 0.78, 0.81, 0.81), 0.81, 0.814),
    "joint f_p": ((0.57, 0.59, 0.54, 0.55, 0.66, 0.56, 0.54, 0.61), 0.58, 0.578),
    "joint f_id": ((0.68, 0.79, 0.74, 0.79, 0.77, 0.76, 0.79, 0.72), 0.76, 0.755),
    "joint f_s": ((0.66, 0.71, 0.66, 0.69, 0.75, 0.64, 0.66, 0.70), 0.69, 0.684),
    "joint f_-e": ((0.73, 0.84, 0.78, 0.81, 0.83, 0.78, 0.81, 0.77), 0.79, 0.794),
    "joint f_e": ((0.83, 0.94, 0.86, 0.86, 0.87, 0.82, 0.85, 0.84), 0.86, 0.859),
}
# AffectNet's training images of each expression
COUNTS = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)


def shifted(seed, labels, shift=1.5, dim=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((len(labels), dim)) + shift * np.eye(dim)[labels % dim]


class TestPrinted:
    @pytest.mark.parametrize("row", TABLE)
    def test_the_average_is_the_plain_mean(self, row):
        cells, printed, mean = TABLE[row]
        summary = ExpressionSummary(cells, tuple(range(8)), 287_651, 3_999)
        assert summary.mean == pytest.approx(mean, abs=5.1e-4)
        # the cells are rounded too, so their mean may be half a unit off; one row is misprinted
        assert (abs(summary.mean - printed) <= 0.01) == (row != "VGG-Face")

    def test_class_weights_of_affectnet(self):
        assert sum(COUNTS) == 287_651
        weights = class_weights(np.repeat(np.arange(8), COUNTS))
        assert weights.round(3).tolist() == [0.480, 0.268, 1.412, 2.552, 5.638, 9.455, 1.445, 9.588]

    def test_the_classifier_is_the_protocols(self):
        assert len(EXPRESSIONS) == 8
        assert (EXPRESSION_MLP.hidden, EXPRESSION_MLP.linear) == ((200, 200), ())
        assert EXPRESSION_MLP_FOUR_LAYERS.linear == (200,)
        for mlp in (EXPRESSION_MLP, EXPRESSION_MLP_FOUR_LAYERS):
            assert (mlp.dropout, mlp.learning_rate, mlp.epochs, mlp.batch) == (0.2, 1e-3, 5, 100)


class TestArea:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_same_as_scikit_learn(self, seed, tied):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(seed)
        labels = np.concatenate([np.arange(4), rng.integers(0, 4, 40)])
        scores = rng.integers(0, 3, (44, 4)).astype(float) if tied else rng.standard_normal((44, 4))
        theirs = [metrics.roc_auc_score(labels == c, scores[:, c]) for c in range(4)]
        assert one_vs_rest_auc(scores, labels) == pytest.approx(theirs, abs=1e-12)
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        macro = metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
        assert one_vs_rest_auc(probabilities, labels).mean() == pytest.approx(macro, abs=1e-12)

    def test_constant_scores_are_chance(self):
        assert one_vs_rest_auc(np.ones((6, 3)), [0, 1, 2, 0, 1, 2]).tolist() == [0.5] * 3

    def test_weights_same_as_scikit_learn(self):
        module = pytest.importorskip("sklearn.utils.class_weight")
        labels = np.random.default_rng(0).integers(0, 5, 200)
        theirs = module.compute_class_weight("balanced", classes=np.arange(5), y=labels)
        assert class_weights(labels) == pytest.approx(theirs)

    @pytest.mark.parametrize("labels", [[0, 1, 1, 0], [0, 1, 3, 2], [1, 2, 3, 1]])
    def test_classes_that_are_not_there(self, labels):
        with pytest.raises(InputError, match="images of each class"):
            one_vs_rest_auc(np.ones((4, 3)), labels)


class TestIntervals:
    @pytest.mark.parametrize("tied", [False, True])
    @pytest.mark.parametrize("grouped", [False, True])
    def test_same_as_drawing_and_copying_images(self, tied, grouped):
        rng = np.random.default_rng(3)
        labels = np.arange(60) % 3
        scores = rng.integers(0, 4, (60, 3)).astype(float) if tied else rng.standard_normal((60, 3))
        groups = np.arange(60) // 5 if grouped else np.arange(60)
        found = one_vs_rest_intervals(scores, labels, seed=4, n_resamples=50, groups=groups if grouped else None)
        drawn = []
        for draw in np.concatenate(list(draw_indices(len(np.unique(groups)), 4, 50))):
            rows = np.concatenate([np.flatnonzero(groups == group) for group in draw])
            drawn.append(one_vs_rest_auc(scores[rows], labels[rows]))
        lows, highs = np.quantile(drawn, [0.025, 0.975], axis=0)
        assert [one.low for one in found.auc] == pytest.approx(lows.tolist(), abs=1e-12)
        assert [one.high for one in found.auc] == pytest.approx(highs.tolist(), abs=1e-12)
        assert [one.value for one in found.auc] == one_vs_rest_auc(scores, labels).tolist()
        mean = np.quantile(np.mean(drawn, axis=1), [0.025, 0.975])
        assert (found.mean.low, found.mean.high) == pytest.approx(tuple(mean), abs=1e-12)

    def test_perfect_scores_leave_nothing_to_chance(self):
        labels = np.arange(40) % 4
        found = one_vs_rest_intervals(np.eye(4)[labels], labels, n_resamples=100)
        assert (found.mean.low, found.mean.value, found.mean.high) == (1.0, 1.0, 1.0)

    def test_draws_without_a_class_are_left_out(self):
        labels, scores = np.array([0] * 8 + [1]), np.arange(18.0).reshape(9, 2)
        assert np.isfinite(one_vs_rest_intervals(scores, labels, n_resamples=50).mean.low)
        with pytest.raises(InputError, match="every class"):
            one_vs_rest_intervals([[0.0, 1], [1, 0]], [0, 1], seed=0, n_resamples=1)
        with pytest.raises(InputError, match="two groups"):
            one_vs_rest_intervals(scores, labels, groups=np.zeros(9))


class TestClassifier:
    def test_probabilities_are_what_the_area_is_of(self):
        labels = 10 * (np.arange(120) % 3)
        train, rows = shifted(0, labels // 10), shifted(1, labels // 10)
        scores = expression_probabilities(train, labels, rows, settings=QUICK)
        assert scores.sum(axis=1) == pytest.approx(1.0)
        wanted = expression_auc(train, labels, rows, labels, settings=QUICK)
        assert tuple(one_vs_rest_auc(scores, labels // 10).tolist()) == wanted.auc

    def test_parameters_are_those_counted_of_the_papers(self):
        def parameters(mlp, features):
            widths = (features, *mlp.hidden, *mlp.linear, 8)
            return sum(before * after + after for before, after in itertools.pairwise(widths))

        counts = [parameters(EXPRESSION_MLP, features) for features in (3, 32, 67, 99, 4096)]
        assert counts == [42_608, 48_408, 55_408, 61_808, 861_208]
        assert parameters(EXPRESSION_MLP_FOUR_LAYERS, 32) == 88_608

    def test_two_gaussians_have_a_known_area(self):
        labels = np.arange(4000) % 2
        train, rows = (1.5 * labels[:, None] + shifted(seed, labels, 0.0, dim=1) for seed in (0, 1))
        summary = expression_auc(train, labels, rows, labels, settings=QUICK)
        assert summary.mean == pytest.approx(ndtr(1.5 / np.sqrt(2)), abs=0.015)  # 2 standard errors of 4,000 draws

    def test_nothing_to_learn_is_chance(self):
        labels = np.arange(1600) % 8
        summary = expression_auc(shifted(0, labels, 0.0), labels, shifted(1, labels, 0.0), labels, settings=QUICK)
        assert summary.mean == pytest.approx(0.5, abs=0.03)

    def test_both_readings_of_the_paper_agree_on_easy_features(self):
        labels = np.arange(1800) % 6
        train, rows = shifted(0, labels, 3.0), shifted(1, labels, 3.0)
        values = [
            expression_auc(train, labels, rows[:600], labels[:600], settings=s).mean
            for s in (EXPRESSION_MLP, EXPRESSION_MLP_FOUR_LAYERS)
        ]
        assert values == pytest.approx([0.995, 0.995], abs=0.005)

    def test_rare_classes_are_learned(self):
        labels = np.repeat([0, 1], [950, 50])
        summary = expression_auc(shifted(0, labels), labels, shifted(1, labels), labels, settings=QUICK)
        assert min(summary.auc) > 0.9

    def test_unit_and_names_of_classes_do_not_matter(self):
        labels = np.arange(300) % 3
        train, rows = shifted(0, labels), shifted(1, labels)
        wanted = expression_auc(train, labels, rows, labels, settings=QUICK)
        unit = np.geomspace(1e-3, 1e3, 6)
        moved = expression_auc(train * unit + 7, labels, rows * unit + 7, labels, settings=QUICK)
        assert moved.auc == pytest.approx(wanted.auc, abs=1e-9)
        renamed = expression_auc(train, 10 * labels + 5, rows, 10 * labels + 5, settings=QUICK)
        assert (renamed.auc, renamed.classes) == (wanted.auc, (5, 15, 25))
        assert expression_auc(train * unit, labels, rows * unit, labels, QUICK, standardise=False) != wanted

    def test_order_of_validation_images_does_not_matter_and_the_seed_does(self):
        labels = np.arange(300) % 3
        train, rows = shifted(0, labels), shifted(1, labels)
        wanted = expression_auc(train, labels, rows, labels, settings=QUICK)
        order = np.random.default_rng(0).permutation(300)
        moved = expression_auc(train, labels, rows[order], labels[order], settings=QUICK)
        assert moved.auc == pytest.approx(wanted.auc, abs=1e-12)
        assert expression_auc(train, labels, rows, labels, settings=QUICK) == wanted
        assert expression_auc(train, labels, rows, labels, settings=QUICK, seed=1) != wanted


class TestRefused:
    labels = np.arange(12) % 3
    rows = shifted(0, labels)

    def test_classes_of_one_side_only(self):
        with pytest.raises(InputError, match=r"\[0, 1, 2\] in training, \[0, 1\] in validation"):
            expression_auc(self.rows, self.labels, self.rows, self.labels % 2)
        with pytest.raises(InputError, match="two at least"):
            expression_auc(self.rows, 0 * self.labels, self.rows, 0 * self.labels)
        with pytest.raises(InputError, match="two classes at least"):
            expression_probabilities(self.rows, 0 * self.labels, self.rows)

    def test_dimensions_lengths_and_constants(self):
        with pytest.raises(InputError, match="one row of validation_features"):
            expression_auc(self.rows, self.labels, self.rows[:, :-1], self.labels)
        with pytest.raises(InputError, match="train_labels"):
            expression_auc(self.rows, self.labels[:-1], self.rows, self.labels)
        with pytest.raises(InputError, match="12 equal rows"):
            expression_auc(np.ones((12, 6)), self.labels, self.rows, self.labels)
