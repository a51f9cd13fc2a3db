# SPDX-License-Identifier: MIT
"""Kernel distance: a hand-made value, the plain formula, subsets, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import kernel_distance, kernel_distance_subsets

FEW = settings(max_examples=20, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def features(seed, n=60, dim=5, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, dim)) + shift


def plain(x, y, degree=3, gamma=None, coef=1.0):
    gamma = 1 / x.shape[1] if gamma is None else gamma
    xx, yy, xy = ((gamma * a @ b.T + coef) ** degree for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * xy.mean()


class TestValue:
    def test_by_hand(self):
        # k(0, 1) = 1 and k(1, 2) = 27 within; 1, 1, 8, 27 across
        assert kernel_distance([[0.0], [1.0]], [[1.0], [2.0]]) == 9.5

    def test_equal_images_are_no_distance_apart(self):
        assert kernel_distance(np.ones((5, 3)), np.ones((4, 3))) == 0

    @pytest.mark.parametrize(
        "kernel", [{}, {"degree": 1}, {"degree": 2, "coef": 0.0}, {"degree": 4, "gamma": 0.3, "coef": 2.0}]
    )
    def test_the_plain_formula(self, kernel):
        x, y = features(1), features(2, n=45, shift=0.4)
        assert kernel_distance(x, y, **kernel) == pytest.approx(plain(x, y, **kernel), rel=1e-11)

    @pytest.mark.parametrize("tile", [7, 60, 61])
    def test_tiles_do_not_matter(self, tile, monkeypatch):
        x, y = features(1), features(2, n=45, shift=0.4)
        monkeypatch.setattr("faceeval.metrics.kernel.TILE", tile)
        assert kernel_distance(x, y) == pytest.approx(plain(x, y), rel=1e-11)

    def test_half_precision_is_summed_in_float64(self):
        x, y = features(1).astype(np.float16), features(2, shift=0.4).astype(np.float16)
        assert kernel_distance(x, y) == pytest.approx(plain(x.astype(float), y.astype(float)), rel=1e-11)

    def test_no_bias_and_so_below_zero_half_of_the_time(self):
        values = [kernel_distance(features(2 * i, 30), features(2 * i + 1, 30)) for i in range(60)]
        assert 15 < sum(value < 0 for value in values) < 50
        assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)


class TestProperties:
    @FEW
    @given(SEEDS)
    def test_symmetric_and_independent_of_order_and_rotation(self, seed):
        x, y = features(seed), features(seed + 1, n=40, shift=0.3)
        value = kernel_distance(x, y)
        turned = np.linalg.qr(features(seed + 2, 5))[0]
        shuffled = np.random.default_rng(seed).permutation(x)
        for first, second in ((y, x), (shuffled, y), (x @ turned, y @ turned)):
            assert kernel_distance(first, second) == pytest.approx(value, rel=1e-9, abs=1e-10)

    @FEW
    @given(SEEDS)
    def test_grows_with_the_difference(self, seed):
        x, y = features(seed), features(seed + 1)
        near, far = (kernel_distance(x, y + shift) for shift in (1.0, 3.0))
        assert far > near > 0


class TestSubsets:
    @pytest.mark.parametrize("subsets", [2, 40])  # from the subsets' own kernel values, and from all
    def test_each_is_the_distance_of_its_images(self, subsets):
        x, y = features(1), features(2, n=50, shift=0.4)
        rng = np.random.default_rng(3)
        draws = [(rng.choice(60, 20, replace=False), rng.choice(50, 20, replace=False)) for _ in range(subsets)]
        values = [plain(x[a], y[b]) for a, b in draws]
        found = kernel_distance_subsets(x, y, subsets, 20, seed=3)
        assert (found.mean, found.std) == pytest.approx((np.mean(values), np.std(values)), rel=1e-10)
        assert found.error == pytest.approx(np.std(values) * np.sqrt(20 / 30))
        assert (found.subset_size, found.subsets) == (20, subsets)

    def test_half_of_the_smaller_set_at_most(self):
        x, y = features(1), features(2, n=51)
        assert kernel_distance_subsets(x, y).subset_size == 25
        assert kernel_distance_subsets(x, y, subset_size=25).subset_size == 25
        # as many as there are: every subset would be the whole set, and the standard deviation 0
        for size in (26, 51, 1000):
            with pytest.raises(InputError, match="subsets of 2 to 25 images"):
                kernel_distance_subsets(x, y, subset_size=size)

    def test_a_thousand_where_there_are_two(self):
        x = features(1, 2100, 2)
        assert kernel_distance_subsets(x, x, subsets=2).subset_size == 1000

    def test_mean_is_near_the_distance_over_all_pairs(self):
        x, y = features(1, 200), features(2, 200, shift=0.3)
        found = kernel_distance_subsets(x, y)
        assert abs(found.mean - kernel_distance(x, y)) < 4 * found.std / np.sqrt(100)
        assert found.std > found.error / 2 > 0

    def test_error_is_what_new_images_would_show(self):
        sets = [(features(2 * i, 150), features(2 * i + 1, 150, shift=0.3)) for i in range(40)]
        scatter = np.std([kernel_distance(x, y) for x, y in sets])
        claimed = np.mean([kernel_distance_subsets(x, y, subset_size=50).error for x, y in sets[:8]])
        assert 0.7 < claimed / scatter < 1.4

    def test_same_seed_same_bits(self):
        x, y = features(1), features(2)
        assert kernel_distance_subsets(x, y, seed=1) == kernel_distance_subsets(x, y, seed=1)
        assert kernel_distance_subsets(x, y, seed=1) != kernel_distance_subsets(x, y, seed=2)
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        kernel_distance_subsets(x, y)
        assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


class TestRefused:
    @pytest.mark.parametrize("function", [kernel_distance, kernel_distance_subsets])
    def test_too_few_or_malformed(self, function):
        x = features(1)
        for bad, message in (
            (x[:1], "at least"),
            (x[:, :4], r"5 \(real\) and 4 \(generated\)"),
            (x[0], "shape"),
            (np.where(np.eye(60, 5) > 0, np.inf, x), "without NaN or infinity"),
        ):
            with pytest.raises(InputError, match=message):
                function(x, bad)

    @pytest.mark.parametrize(
        "kernel", [{"degree": 0}, {"degree": 2.5}, {"gamma": 0.0}, {"gamma": np.inf}, {"coef": -1.0}]
    )
    def test_senseless_kernels(self, kernel):
        for function in (kernel_distance, kernel_distance_subsets):
            with pytest.raises(InputError, match="a whole degree"):
                function(features(1), features(2), **kernel)

    def test_senseless_subsets(self):
        for subsets in (0, 1, 2.5):
            with pytest.raises(InputError, match="at least two subsets"):
                kernel_distance_subsets(features(1), features(2), subsets)
        with pytest.raises(InputError, match="at least 4 rows"):
            kernel_distance_subsets(features(1, 3), features(2))
