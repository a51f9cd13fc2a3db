# SPDX-License-Identifier: MIT
"""Discrepancy of feature norm: printed vectors, the guard against unit vectors, what is refused, and rejecting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import dfn_ratios, dfn_summary, error_versus_reject

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


def test_quartiles_are_those_of_a_boxplot_and_not_hazens():
    ratios = [0.5, 0.7, 0.8, 0.9, 1.1]
    assert np.percentile(ratios, [25, 75], method="hazen") == pytest.approx([0.65, 0.95])
    cbook = pytest.importorskip("matplotlib.cbook")
    box, summary = cbook.boxplot_stats(ratios)[0], dfn_summary(ratios)
    assert (summary.p25, summary.median, summary.p75, summary.iqr) == pytest.approx(
        (box["q1"], box["med"], box["q3"], box["iqr"])
    )


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


@pytest.mark.parametrize("dim", [2, 8, 128, 512])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_unit_vectors_rounded_to_half_precision_are_refused(dim, dtype):
    x = torch.from_numpy(features(3, n=200, dim=dim))
    x = torch.nn.functional.normalize(x, dim=1).to(dtype)
    with pytest.raises(InputError, match=r"source features .*\n.*look L2-normalised"):
        dfn_ratios(x, x)


def test_edits_alone_normalised_are_refused():
    x = features(3)
    with pytest.raises(InputError, match=r"edited features .*\n.*look L2-normalised"):
        dfn_ratios(x, x / np.linalg.norm(x, axis=1, keepdims=True))


@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_lengths_that_crowd_around_a_constant_are_taken(spread):
    # a last layer of batch normalisation holds the lengths near the root of the dimension
    lengths = 22.6 * (1 + spread * np.random.default_rng(0).uniform(-1, 1, (50, 1)))
    x = features(3, n=50)
    x = lengths * x / np.linalg.norm(x, axis=1, keepdims=True)
    assert dfn_ratios(x, 0.9 * x) == pytest.approx(np.full(50, 0.9))


@pytest.mark.parametrize("huge", [1e200, 1e308])
def test_lengths_that_overflow_are_refused(huge):
    with pytest.raises(InputError, match="lengths of the source features without NaN or infinity"):
        dfn_ratios([[huge, huge], [1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(InputError, match="ratios of the lengths"):
        dfn_ratios([[1e-160, 0.0], [1.0, 2.0]], [[1e150, 0.0], [1.0, 2.0]])


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


class TestReject:
    def test_a_measure_that_knows(self):
        quality = np.arange(100.0)
        curve = error_versus_reject(quality, quality < 20)
        assert curve.rejected[[0, 20, 99]] == pytest.approx([0, 0.2, 0.99])
        assert curve.error[[0, 20, 99]] == pytest.approx([0.2, 0, 0])
        assert (np.diff(curve.error) <= 0).all()

    def test_a_measure_that_knows_nothing(self):
        rng = np.random.default_rng(0)
        curve = error_versus_reject(rng.standard_normal(20_000), rng.integers(0, 2, 20_000))
        assert curve.error[curve.rejected < 0.9] == pytest.approx(0.5, abs=0.05)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_order_does_not_matter_and_points_are_means_of_the_rest(self, seed):
        rng = np.random.default_rng(seed)
        quality, errors, order = np.r_[0, 1, rng.integers(0, 6, 30)], rng.random(32), rng.permutation(32)
        curve, moved = error_versus_reject(quality, errors), error_versus_reject(quality[order], errors[order])
        assert moved.rejected.tolist() == curve.rejected.tolist()
        assert moved.error == pytest.approx(curve.error)
        expected = [errors[quality >= level].mean() for level in np.unique(quality)]
        assert curve.error == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("quality", "errors"), [([1.0, 1.0], [0, 1]), ([1.0, 2.0], [0]), ([1.0, 2.0], [-1, 0]), ([], [])]
    )
    def test_nothing_to_reject_by(self, quality, errors):
        with pytest.raises(InputError):
            error_versus_reject(quality, errors)
