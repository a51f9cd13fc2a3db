# SPDX-License-Identifier: MIT
"""Discriminator fidelity: the sigmoid, what an ideal judge would say, numbers of edits, and judges of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    fidelity_by_edit_count,
    fidelity_score,
    fidelity_summary,
    ideal_fidelity,
    legacy_fidelity_matrix,
    realness,
)

FEW = settings(max_examples=25, deadline=None)
# Sun et al., M-AAE, Table 2: discriminator fidelity for 1 to 4 manipulated attributes
TABLE = {
    "Residual image GAN": [0.483, 0.325, 0.330, 0.250],
    "UNIT": [0.478, 0.344, 0.374, 0.356],
    "StarGAN": [0.382, 0.344, 0.316, 0.249],
    "M-AAE": [0.521, 0.507, 0.398, 0.365],
}
DISTRIBUTION = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda v: sum(v) > 0.1)


def test_sigmoid_is_scipys_without_overflow():
    logits = np.concatenate([np.linspace(-40, 40, 201), [-1e4, 1e4, -750.0, 750.0]])
    with np.errstate(all="raise", under="ignore"):
        assert realness(logits) == pytest.approx(expit(logits), rel=1e-12)


def test_mean_of_probabilities_and_not_of_logits():
    assert fidelity_score([-100.0, 0.0]) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("real", "edited", "value"),
    [
        ([0.5, 0.5], [1.0, 0.0], 1 / 3),
        ([0.2, 0.3, 0.5], [0.5, 0.3, 0.2], 0.435714),
        ([0.5, 0.5], [0.5, 0.5], 0.5),
        ([1.0, 0.0], [0.0, 1.0], 0.0),
    ],
)
def test_ideal_judge(real, edited, value):
    assert ideal_fidelity(real, edited) == pytest.approx(value, abs=1e-6)


@FEW
@given(DISTRIBUTION, DISTRIBUTION)
def test_ideal_judge_never_gives_more_than_half(p, q):
    p, q = np.array(p) / sum(p), np.array(q) / sum(q)
    divergence = 0.5 * ((p - q) ** 2 / np.where(p + q > 0, p + q, 1)).sum()
    assert ideal_fidelity(p, q) == pytest.approx((1 - divergence) / 2)
    assert ideal_fidelity(p, q) <= 0.5 + 1e-12
    assert ideal_fidelity(p, p) == pytest.approx(0.5)


def test_logits_of_an_ideal_judge_reach_what_theory_says():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])
    logits = np.log(p / q)
    real, edited = (np.repeat(logits, (1000 * v).round().astype(int)) for v in (p, q))
    summary = fidelity_summary(real, edited)
    assert summary.edited == pytest.approx(ideal_fidelity(p, q))
    assert summary.total == pytest.approx(1)
    assert 0.5 < summary.auc < 1
    assert (summary.n_edited, summary.n_real) == (1000, 1000)


def test_a_judge_that_cannot_tell():
    summary = fidelity_summary(np.zeros(5), np.zeros(7))
    assert (summary.edited, summary.real, summary.total, summary.auc) == (0.5, 0.5, 1.0, 0.5)


@pytest.mark.parametrize(("real", "edited"), [([0.5, 0.6], [0.5, 0.5]), ([-0.5, 1.5], [0.5, 0.5]), ([1.0], [0.5, 0.5])])
def test_no_distributions(real, edited):
    with pytest.raises(InputError):
        ideal_fidelity(real, edited)


def test_both_sides_of_an_ideal_judge():
    # p = (1/2, 1/2), q = (1, 0): D* is 1/3 and 1, so real images get 2/3 and edits 1/3
    summary = fidelity_summary(real_logits=[logit(1 / 3), 1e3], edited_logits=[logit(1 / 3)])
    assert (summary.real, summary.edited, summary.total) == pytest.approx((2 / 3, 1 / 3, 1))


def test_divergence_of_vincze_and_le_cam():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])
    assert 1 - 2 * ideal_fidelity(p, q) == pytest.approx(0.128571, abs=1e-6)


class TestEditCount:
    @pytest.mark.parametrize("method", TABLE)
    def test_printed_rows_need_not_fall(self, method):
        rows = fidelity_by_edit_count({0: [0.0] * 3, **{k: [logit(v)] * 3 for k, v in enumerate(TABLE[method], 1)}})
        assert [row.n_edits for row in rows] == [0, 1, 2, 3, 4]
        assert [row.score.value for row in rows[1:]] == pytest.approx(TABLE[method])
        assert [row.change.value for row in rows] == pytest.approx([0, *(v - 0.5 for v in TABLE[method])])

    def test_change_is_taken_image_by_image(self):
        control = 3 * np.random.default_rng(0).standard_normal(200)
        last = fidelity_by_edit_count({2: control - 0.3, 0: control})[1]
        assert last.n_edits == 2
        assert last.change.high < 0
        assert last.change.high - last.change.low < (last.score.high - last.score.low) / 3

    def test_unedited_images_have_no_change(self):
        change = fidelity_by_edit_count({0: [1.0, 2.0, -1.0]})[0].change
        assert (change.low, change.value, change.high) == (0, 0, 0)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({1: [0.0, 0.0]}, "unedited images among the columns"),
            ({}, "unedited images among the columns"),
            ({0: [0.0, 0.0], -1: [0.0, 0.0]}, "numbers of edits"),
            ({0: [0.0, 0.0], 1: [0.0]}, "of one shape"),
            ({0: [0.0]}, "at least 2"),
            ({0: [0.0, np.nan]}, "without NaN"),
        ],
    )
    def test_columns_that_make_no_row(self, columns, message):
        with pytest.raises(InputError, match=message):
            fidelity_by_edit_count(columns)


class TestLegacyMatrix:
    def test_judges_of_their_own_favour_or_punish(self):
        scores = {"a": {"a": 0.5, "b": 0.2, "real": 0.9}, "b": {"a": 0.3, "b": 0.4, "real": 0.6}}
        logits = {judge: {m: [logit(v)] * 2 for m, v in row.items()} for judge, row in scores.items()}
        matrix = legacy_fidelity_matrix(logits)
        assert (matrix.judges, matrix.methods) == (("a", "b"), ("a", "b", "real"))
        assert matrix.scores == pytest.approx(np.array([[0.5, 0.2, 0.9], [0.3, 0.4, 0.6]]))
        assert matrix.own_advantage == pytest.approx({"a": 0.2, "b": 0.2})

    def test_one_judge_for_all_has_no_advantage_to_show(self):
        assert legacy_fidelity_matrix({"judge": {"a": [0.0], "b": [1.0]}}).own_advantage == {}

    def test_every_judge_judges_the_same_methods(self):
        with pytest.raises(UnknownNameError, match="judged by b"):
            legacy_fidelity_matrix({"a": {"a": [0.0], "b": [0.0]}, "b": {"a": [0.0]}})
        with pytest.raises(UnknownNameError, match="judged by b"):
            legacy_fidelity_matrix({"a": {"a": [0.0]}, "b": {"a": [0.0], "b": [0.0]}})

    @pytest.mark.parametrize("logits", [{}, {"a": {}}])
    def test_nothing_judged(self, logits):
        with pytest.raises(InputError, match="at least one judge"):
            legacy_fidelity_matrix(logits)
