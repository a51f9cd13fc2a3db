# SPDX-License-Identifier: MIT
"""Discrepancy of feature norm: printed vectors, the guard against unit vectors, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import dfn_ratios, dfn_summary

FEW = settings(max_examples=25, deadline=None)


def features(seed, n=20, dim=8):
    return np.random.default_rng(seed).standard_normal((n, dim))


def test_unchanged_images():
    x = features(0)
    summary = dfn_summary(dfn_ratios(x, x))
    assert (summary.mean, summary.median, summary.iqr, summary.n) == (1.0, 1.0, 0.0, 20)


def test_all_features_shortened():
    assert dfn_summary(dfn_ratios(features(1), 0.9 * features(1))).mean == pytest.approx(0.9, abs=1e-12)


def test_ratios_above_one_are_not_clipped():
    assert dfn_ratios(features(2), 3.0 * features(2)) == pytest.approx(np.full(20, 3.0))


def test_summary_of_five():
    summary = dfn_summary([0.5, 0.7, 0.8, 0.9, 1.1])
    assert summary.mean == pytest.approx(0.8, abs=1e-12)
    assert (summary.median, summary.p25, summary.p75, summary.n) == (0.8, 0.7, 0.9, 5)
    assert summary.iqr == pytest.approx(0.2, abs=1e-12)


@FEW
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30))
def test_quartiles_are_numpys(ratios):
    summary = dfn_summary(ratios)
    assert [summary.p25, summary.median, summary.p75] == pytest.approx(np.quantile(ratios, [0.25, 0.5, 0.75]))
    assert min(ratios) <= summary.p25 <= summary.median <= summary.p75 <= max(ratios)


@FEW
@given(st.integers(0, 2**32 - 1))
def test_rotating_the_features_changes_nothing(seed):
    source, edited = features(seed), features(seed + 1)
    turn = np.linalg.qr(features(seed, 8))[0]
    assert dfn_ratios(source @ turn, edited @ turn) == pytest.approx(dfn_ratios(source, edited))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("length", [1.0, 22.6])
def test_normalised_features_are_refused(dtype, length):
    x = features(3, n=200, dim=512)
    x = (length * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)
    with pytest.raises(InputError, match="look L2-normalised"):
        dfn_ratios(x, x)


def test_one_normalised_feature_is_refused_and_another_is_not():
    one = np.array([[0.6, 0.8]])
    with pytest.raises(InputError, match="look L2-normalised"):
        dfn_ratios(one, one)
    assert dfn_ratios(2 * one, one).tolist() == [0.5]


def test_zero_source_feature():
    x = features(4)
    x[3] = 0
    with pytest.raises(InputError, match="zero vector at row 3"):
        dfn_ratios(x, features(5))


def test_an_edit_may_lose_the_face_entirely():
    assert dfn_ratios(features(6), np.zeros((20, 8))).tolist() == [0.0] * 20


def test_no_ratios():
    with pytest.raises(InputError, match="at least 1"):
        dfn_summary([])
