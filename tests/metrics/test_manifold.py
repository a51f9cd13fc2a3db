# SPDX-License-Identifier: MIT
"""Precision, recall, density and coverage: hand-made values, ties, properties, and what is refused."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import (
    DuplicateWarning,
    expected_coverage,
    manifold_coverage,
    manifold_density,
    manifold_precision,
    manifold_recall,
    manifold_scores,
)

FEW = settings(max_examples=20, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
SINGLE = (manifold_precision, manifold_recall, manifold_density, manifold_coverage)


def features(seed, n=80, dim=4, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, dim)) + shift


def four(real, generated, k=5):
    scores = manifold_scores(real, generated, k)
    return scores.precision, scores.recall, scores.density, scores.coverage


def plain(real, generated, k):
    def radii(x):
        return np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, k]

    across = np.linalg.norm(real[:, None] - generated, axis=2)
    inside = across < radii(real)[:, None]
    recall = (across < radii(generated)).any(axis=1).mean()
    return inside.any(axis=0).mean(), recall, inside.sum(axis=0).mean() / k, inside.any(axis=1).mean()


class TestValue:
    def test_by_hand(self):
        real, generated = np.array([[0.0], [1.0], [4.0], [9.0]]), np.array([[0.5], [7.0], [20.0]])
        # real balls reach 1, 1, 3, 5; generated ones 6.5, 6.5, 13; |7 - 4| = 3 is a tie, and outside
        assert four(real, generated, k=1) == pytest.approx((2 / 3, 1.0, 1.0, 3 / 4))

    @pytest.mark.parametrize("k", [1, 3, 5, 20])
    @pytest.mark.parametrize("sizes", [(80, 80), (40, 90), (90, 21)])
    def test_the_plain_formula(self, k, sizes):
        real, generated = features(1, sizes[0]), features(2, sizes[1], shift=0.6)
        assert four(real, generated, k) == pytest.approx(plain(real, generated, k), abs=1e-15)

    def test_one_by_one(self):
        real, generated = features(1), features(2, 70, shift=0.6)
        scores = four(real, generated)
        assert [function(real, generated) for function in SINGLE] == list(scores)
        assert manifold_scores(real, generated).expected_coverage == expected_coverage(80, 70)

    @pytest.mark.parametrize("tile", [3, 79, 80])
    def test_tiles_do_not_matter(self, tile, monkeypatch):
        real, generated = features(1), features(2, 70, shift=0.6)
        expected = four(real, generated)
        monkeypatch.setattr("faceeval.metrics.neighbours.TILE", tile)
        assert four(real, generated) == expected

    def test_two_samples_of_one_distribution(self):
        values = [four(features(2 * i, 200, 16), features(2 * i + 1, 200, 16)) for i in range(6)]
        # as measured with prdc: two hundredths are what such a mean scatters by
        assert np.mean(values, axis=0) == pytest.approx((0.88, 0.86, 0.98, 0.97), abs=0.03)

    def test_expected_coverage(self):
        values = [manifold_coverage(features(2 * i, 60, 2), features(2 * i + 1, 30, 2), k=3) for i in range(200)]
        assert np.mean(values) == pytest.approx(expected_coverage(60, 30, k=3), abs=0.02)  # scatters by 0.006
        assert expected_coverage(10**6, 10**6) == pytest.approx(1 - 2**-5, abs=1e-5)


class TestTies:
    def test_a_set_with_itself(self):
        for seed, shape in ((1, (80, 4)), (2, (30, 300)), (3, (200, 1))):
            x = features(seed, *shape) + 100.0  # far from zero, where distances lose digits
            assert four(x, x) == (1, 1, 1, 1)

    def test_equal_images_have_empty_balls(self):
        with pytest.warns(DuplicateWarning) as caught:
            assert four(np.full((9, 3), 0.1), np.full((8, 3), 0.1)) == (0, 0, 0, 0)
        assert [str(w.message).split(" equal")[0] for w in caught] == [
            "real: 9 of 9 images have 5 others",
            "generated: 8 of 8 images have 5 others",
        ]
        assert {w.filename for w in caught} == {__file__}
        for function in SINGLE:
            with pytest.warns(DuplicateWarning) as caught:
                assert function(np.full((9, 3), 0.1), np.full((8, 3), 0.1)) == 0
            assert caught[0].filename == __file__

    def test_a_few_copies_are_no_trouble(self):
        x = np.concatenate([features(1), features(1)[:20]])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert four(x, features(1)) == pytest.approx(plain(x, features(1), 5))

    def test_points_on_a_grid(self):
        x = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
        # neighbours of an inner point are all at 1: its ball of radius 1 holds its own place only
        assert manifold_density(x, x, k=4) == pytest.approx(plain(x, x, 4)[2])
        turned = x @ np.linalg.qr(features(3, 2, 2))[0] / 3
        assert four(turned, turned, k=4) == four(x, x, k=4)


class TestProperties:
    @FEW
    @given(SEEDS, st.floats(0.01, 100), st.floats(-50, 50))
    def test_moved_turned_scaled_shuffled(self, seed, scale, shift):
        real, generated = features(seed), features(seed + 1, 60, shift=0.5)
        expected = four(real, generated)
        turned = np.linalg.qr(features(seed + 2, 4))[0] * scale
        shuffled = np.random.default_rng(seed).permutation(real)
        assert four(real @ turned + shift, generated @ turned + shift) == expected
        assert four(shuffled, generated) == pytest.approx(expected, abs=1e-15)

    @FEW
    @given(SEEDS, st.integers(1, 20))
    def test_ranges_and_exchange(self, seed, k):
        real, generated = features(seed), features(seed + 1, 60, shift=0.5)
        precision, recall, density, coverage = four(real, generated, k)
        assert 0 <= precision <= 1
        assert 0 <= recall <= 1
        assert 0 <= coverage <= 1
        assert 0 <= density <= 80 / k
        assert manifold_precision(generated, real, k) == recall

    def test_what_each_sees(self):
        real = features(1, 300, 2)
        assert four(real, real + 50.0) == (0, 0, 0, 0)
        collapsed = real[:1] + 0.01 * features(2, 300, 2)
        precision, recall, _, coverage = four(real, collapsed)
        assert precision > 0.9
        assert recall < 0.1
        assert coverage < 0.1


class TestRefused:
    @pytest.mark.parametrize("k", [0, -1, 2.5, 80])
    def test_senseless_k(self, k):
        for function in (*SINGLE, manifold_scores):
            with pytest.raises(InputError, match="more images than k"):
                function(features(1), features(2), k)

    def test_only_sets_that_get_balls_need_more_than_k(self):
        assert manifold_precision(features(1), features(2, 1)) in (0, 1)
        assert manifold_recall(features(1, 1), features(2)) in (0, 1)
        for function, sizes in ((manifold_coverage, (5, 80)), (manifold_recall, (80, 5)), (manifold_scores, (80, 5))):
            with pytest.raises(InputError, match="more images than k"):
                function(features(1, sizes[0]), features(2, sizes[1]))

    def test_malformed(self):
        for function in (*SINGLE, manifold_scores):
            with pytest.raises(InputError, match=r"4 \(real\) and 3 \(generated\)"):
                function(features(1), features(2, dim=3))
            with pytest.raises(InputError, match="without NaN"):
                function(features(1), features(2) * np.nan)
            with pytest.raises(InputError, match="at least 1 rows"):
                function(features(1), features(2)[:0])

    @pytest.mark.parametrize("numbers", [(5, 5, 5), (5, 0, 2), (5, 5, 0), (5.5, 5, 2)])
    def test_coverage_of_nothing(self, numbers):
        with pytest.raises(InputError, match="k of at least 1"):
            expected_coverage(*numbers)
