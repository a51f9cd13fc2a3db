# SPDX-License-Identifier: MIT
"""Discriminator fidelity: the sigmoid, and what an ideal judge would say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from faceeval.errors import InputError
from faceeval.metrics import fidelity_score, fidelity_summary, ideal_fidelity, realness

FEW = settings(max_examples=25, deadline=None)
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
