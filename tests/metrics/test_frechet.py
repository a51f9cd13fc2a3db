# SPDX-License-Identifier: MIT
"""Fréchet distance: closed forms, properties, every route to the same number, and what is refused."""

import itertools
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    GaussianStats,
    SmallSampleWarning,
    frechet_distance,
    frechet_distance_pca,
    principal_components,
)

FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def gaussian(mean, cov, n=10_000):
    return GaussianStats(n, np.atleast_1d(np.asarray(mean, float)), np.atleast_2d(np.asarray(cov, float)))


def features(seed, n=60, dim=6, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)) @ rng.standard_normal((dim, dim)) + shift


def rotation(seed, dim):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


class TestClosedForms:
    def test_one_dimension(self):
        assert frechet_distance(gaussian(0, 1), gaussian(2, 9)) == pytest.approx(8, abs=1e-12)

    def test_diagonal_covariances(self):
        value = frechet_distance(gaussian([0, 0, 0], np.diag([1, 4, 9])), gaussian([1, 1, 1], np.diag([4, 4, 1])))
        assert value == pytest.approx(8, abs=1e-12)

    def test_covariances_that_do_not_commute(self):
        value = frechet_distance(gaussian([0, 0], [[2, 1], [1, 2]]), gaussian([0, 0], np.diag([3, 1])))
        assert value == pytest.approx(0.5166852264521182, abs=1e-12)
        assert value == pytest.approx(8 - 2 * np.sqrt(14), abs=1e-12)

    def test_equal_covariances_leave_the_means(self):
        cov = np.cov(features(0), rowvar=False)
        shift = np.arange(6.0)
        assert frechet_distance(gaussian(np.zeros(6), cov), gaussian(shift, cov)) == pytest.approx(55, abs=1e-9)

    @pytest.mark.parametrize("null", [(0, 0), (20, 0), (20, 20), (13, 31)])
    def test_singular_covariances_that_commute(self, null):
        rng, q = np.random.default_rng(1), rotation(2, 64)
        first, second = rng.uniform(0.1, 4, 64), rng.uniform(0.1, 4, 64)
        first[: null[0]] = 0
        second[64 - null[1] :] = 0
        expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
        stats = [gaussian(np.zeros(64), (c + c.T) / 2) for c in ((q * v) @ q.T for v in (first, second))]
        assert frechet_distance(*stats) == pytest.approx(expected, abs=1e-11)

    def test_no_variance_at_all(self):
        assert frechet_distance(np.ones((5, 3)), np.full((4, 3), 3.0)) == pytest.approx(12, abs=1e-12)


class TestRoutesAgree:
    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    @pytest.mark.parametrize("sizes", [(20, 30), (20, 200), (200, 20), (64, 64), (65, 66), (200, 300)])
    def test_features_and_statistics(self, sizes):
        real, generated = features(1, sizes[0], 64), features(2, sizes[1], 64, shift=0.3)
        stats = GaussianStats.from_features(real), GaussianStats.from_features(generated)
        value = frechet_distance(real, generated)
        scale = np.trace(stats[0].cov)
        assert value > 0
        for a, b in [stats, (real, stats[1]), (stats[0], generated)]:
            assert frechet_distance(a, b) == pytest.approx(value, abs=1e-12 * scale)

    @pytest.mark.parametrize("n", [66, 80, 500])
    def test_fast_route_agrees_with_singular_values(self, n, monkeypatch):
        stats = [GaussianStats.from_features(features(seed, n, 64)) for seed in (3, 4)]
        fast = frechet_distance(*stats)
        monkeypatch.setattr("faceeval.metrics.frechet.TOLERANCE", -1.0)
        assert frechet_distance(*stats) == pytest.approx(fast, abs=1e-11 * np.trace(stats[0].cov))

    def test_nearly_singular_covariances_are_still_exact(self):
        q1, q2 = rotation(5, 100), rotation(6, 100)
        values = np.where(np.arange(100) < 60, 1.0, 1e-9)
        first, second = ((q * values) @ q.T for q in (q1, q2))
        roots = [(q * np.sqrt(values)) for q in (q1, q2)]
        expected = np.trace(first) + np.trace(second) - 2 * np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
        stats = [gaussian(np.zeros(100), (c + c.T) / 2) for c in (first, second)]
        # the covariances themselves hold their small eigenvalues only to 1e-16, whose root is what is left
        assert frechet_distance(*stats) == pytest.approx(expected, abs=1e-8)


def exact(first, second):
    """The distance with 40 digits, from the features."""
    with mpmath.workdps(40):
        sides = [mpmath.matrix(x.tolist()) for x in (first, second)]
        means = [[mpmath.fsum(x[:, j]) / x.rows for j in range(x.cols)] for x in sides]
        rows = [
            mpmath.matrix(
                [[(x[i, j] - mean[j]) / mpmath.sqrt(x.rows - 1) for j in range(x.cols)] for i in range(x.rows)]
            )
            for x, mean in zip(sides, means, strict=True)
        ]
        root = mpmath.fsum(mpmath.svd_r(rows[0] * rows[1].T, compute_uv=False))
        traces = mpmath.fsum(value**2 for side in rows for value in side)
        return float(mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True)) + traces - 2 * root)


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
class TestHighPrecision:
    @pytest.mark.parametrize("shapes", [(6, 9), (9, 9), (9, 16), (14, 17)])
    @pytest.mark.parametrize("spectrum", [1.0, 0.1])
    def test_every_route_is_right_to_a_billionth(self, shapes, spectrum):
        # features of 9 dimensions with variances down to 1e-16 of the largest
        scales, mixing = spectrum ** np.arange(9), rotation(7, 9)
        first, second = (features(i, n, 9) * scales @ mixing + i for i, n in enumerate(shapes))
        expected = exact(first, second)
        stats = GaussianStats.from_features(first), GaussianStats.from_features(second)
        for pair in ((first, second), stats, (first, stats[1]), (stats[0], second)):
            assert frechet_distance(*pair) == pytest.approx(expected, rel=1e-9)

    def test_sets_that_hardly_differ(self):
        first = features(1, 30, 9)
        second = first + 1e-3 * features(2, 30, 9)
        # a distance of 1e-5 between traces of 100: sixteen digits of these leave nine of it
        assert frechet_distance(first, second) == pytest.approx(exact(first, second), rel=1e-8)


class TestSampleSize:
    """Distances of sets of 2,048 features with variances 1 / k and trace 100, as tabled for independent and paired."""

    INDEPENDENT = ((500, 47.1), (1000, 31.1), (2000, 17.4), (5000, 6.9))
    PAIRED = (
        (500, 0.1, 0.42),
        (500, 0.3, 3.55),
        (500, 0.5, 8.73),
        (1000, 0.1, 0.31),
        (1000, 0.3, 2.57),
        (1000, 0.5, 6.27),
    )

    def sample(self, seed, n):
        scales = np.arange(1.0, 2049) ** -0.5
        scales *= 10 / np.linalg.norm(scales)
        return np.random.default_rng(seed).standard_normal((n, 2048)) * scales

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    @pytest.mark.parametrize(("n", "expected"), INDEPENDENT)
    def test_independent_sets_of_one_distribution(self, n, expected):
        # one draw scatters by a hundredth; the table has two or three digits
        assert frechet_distance(self.sample(1, n), self.sample(2, n)) == pytest.approx(expected, rel=0.03)

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    @pytest.mark.parametrize(("n", "noise", "expected"), PAIRED)
    def test_paired_sets_share_their_noise(self, n, noise, expected):
        x, e = self.sample(1, n), self.sample(2, n)
        assert frechet_distance(x, (x + noise * e) / np.sqrt(1 + noise**2)) == pytest.approx(expected, rel=0.03)


class TestProperties:
    @FEW
    @given(SEEDS, st.sampled_from([(60, 6), (60, 60), (12, 40)]))
    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_symmetric_to_the_last_bit_and_not_negative(self, seed, shape):
        a, b = features(seed, *shape), features(seed + 1, 70, shape[1])
        stats = GaussianStats.from_features(a), GaussianStats.from_features(b)
        for first, second in ((a, b), stats, (a, stats[1])):
            assert frechet_distance(first, second) == frechet_distance(second, first) >= 0

    @FEW
    @given(SEEDS, st.sampled_from([(60, 6), (40, 40), (12, 40), (300, 20)]))
    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_zero_to_itself(self, seed, shape):
        a = features(seed, *shape)
        stats = GaussianStats.from_features(a)
        for pair in [(a, a), (stats, stats), (a, stats)]:
            assert 0 <= frechet_distance(*pair) < 1e-9

    @FEW
    @given(SEEDS)
    def test_order_of_images_does_not_matter(self, seed):
        a, b = features(seed), features(seed + 1)
        shuffled = np.random.default_rng(seed).permutation(a)
        assert frechet_distance(shuffled, b) == pytest.approx(frechet_distance(a, b), rel=1e-9, abs=1e-9)

    @FEW
    @given(SEEDS, st.floats(-5, 5))
    def test_rotated_and_shifted_together(self, seed, shift):
        a, b, q = features(seed), features(seed + 1), rotation(seed, 6)
        assert frechet_distance(a @ q + shift, b @ q + shift) == pytest.approx(frechet_distance(a, b), rel=1e-9)

    @FEW
    @given(SEEDS, st.floats(0.01, 100))
    def test_scaled_by_c_grows_by_c_squared(self, seed, c):
        a, b = features(seed), features(seed + 1)
        assert frechet_distance(c * a, c * b) == pytest.approx(c**2 * frechet_distance(a, b), rel=1e-9)

    @FEW
    @given(SEEDS, st.integers(2, 58))
    def test_shards_merge_to_the_whole(self, seed, cut):
        a, b = features(seed), features(seed + 1)
        merged = GaussianStats.from_features(a[:cut]).merge(GaussianStats.from_features(a[cut:]))
        assert frechet_distance(merged, b) == pytest.approx(frechet_distance(a, b), rel=1e-9)


class TestPCA:
    def test_never_more_than_the_full_distance_and_growing_with_k(self):
        real, generated = features(1, 80, 12), features(2, 90, 12, shift=0.5)
        full = frechet_distance(real, generated)
        for fit, reference in (("pooled", None), ("real", None), ("reference", features(3, 100, 12))):
            values = [frechet_distance_pca(real, generated, k, fit, reference) for k in range(1, 13)]
            assert all(b >= a - 1e-9 for a, b in itertools.pairwise(values))
            assert values[-1] == pytest.approx(full, abs=1e-9)

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_equal_to_full_at_the_rank_of_both_sets(self):
        real, generated = features(1, 10, 50), features(2, 12, 50, shift=0.2)
        full = frechet_distance(real, generated)
        assert frechet_distance_pca(real, generated, k=21) == pytest.approx(full, abs=1e-9)
        assert frechet_distance_pca(real, generated, k=20) < full
        with pytest.raises(InputError, match="k = 22 for 22 images"):
            frechet_distance_pca(real, generated, k=22)

    def test_as_many_components_as_images_are_refused(self):
        # Face Attribute Inversion reduces to 1,024: it cannot have fitted on 1,000 images
        real = GaussianStats(1000, np.zeros(1100), np.eye(1100))
        with pytest.raises(InputError, match="between 1 and 999 components"):
            frechet_distance_pca(real, real, k=1024, fit="real")

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_one_side_alone_hides_what_only_the_other_has(self):
        real, generated = features(1, 40, 90), features(2, 40, 90, shift=0.1)
        full = frechet_distance(real, generated)
        on_real, pooled = (frechet_distance_pca(real, generated, 39, fit) for fit in ("real", "pooled"))
        assert on_real < pooled < full
        assert frechet_distance_pca(real, generated, 79) == pytest.approx(full, rel=1e-10)

    @FEW
    @given(SEEDS)
    def test_symmetric_where_the_fit_is(self, seed):
        a, b, outside = features(seed), features(seed + 1, n=70), features(seed + 2, n=80)
        for fit, reference in (("pooled", None), ("reference", outside)):
            there = frechet_distance_pca(a, b, 3, fit, reference)
            assert frechet_distance_pca(b, a, 3, fit, reference) == pytest.approx(there, rel=1e-9)

    def test_pooling_needs_the_numbers_of_images(self):
        stats = GaussianStats.from_features(features(1))
        unknown = GaussianStats.uncounted(stats.mean, stats.cov)
        with pytest.raises(InputError, match="known number of images"):
            frechet_distance_pca(stats, unknown, 3)
        wanted = frechet_distance_pca(features(2), stats, 3, "reference", stats)
        assert frechet_distance_pca(features(2), unknown, 3, "reference", unknown) == pytest.approx(wanted, rel=1e-12)

    def test_fit_changes_the_value_and_statistics_do_not(self):
        real, generated = features(1, 80, 12), features(2, 90, 12, shift=0.5)
        stats = GaussianStats.from_features(real), GaussianStats.from_features(generated)
        pooled, on_real = (frechet_distance_pca(real, generated, 4, fit) for fit in ("pooled", "real"))
        assert abs(pooled - on_real) > 1e-3
        assert frechet_distance_pca(*stats, 4) == pytest.approx(pooled, abs=1e-10)
        by_reference = frechet_distance_pca(real, generated, 4, "reference", real)
        assert by_reference == pytest.approx(on_real, abs=1e-10)

    def test_components_without_variance_are_refused(self):
        flat = np.hstack([features(1, 50, 3), np.zeros((50, 3))])
        other = features(2, 50, 6)
        with pytest.raises(InputError, match="varies in 3 directions only"):
            frechet_distance_pca(flat, other, k=4, fit="real")
        # all directions, or none that differ: the choice of basis cannot matter
        assert frechet_distance_pca(flat, other, k=6, fit="real") == pytest.approx(frechet_distance(flat, other))
        assert frechet_distance_pca(flat, flat + 1.0, k=5) == pytest.approx(frechet_distance(flat, flat + 1.0))

    @pytest.mark.parametrize("k", [0, -1, 7, 2.5])
    def test_senseless_k(self, k):
        with pytest.raises(InputError, match="between 1 and 6 components"):
            frechet_distance_pca(features(1), features(2), k=k)

    def test_reference_belongs_to_its_fit(self):
        a = features(1)
        with pytest.raises(InputError, match="without a reference"):
            frechet_distance_pca(a, a, 2, "reference")
        with pytest.raises(InputError, match="with a reference"):
            frechet_distance_pca(a, a, 2, "pooled", reference=a)
        with pytest.raises(UnknownNameError, match="did you mean 'pooled'"):
            frechet_distance_pca(a, a, 2, "poled")

    def test_components_are_orthonormal_and_in_order(self):
        stats = GaussianStats.from_features(features(4))
        components = principal_components(stats, 6)
        variances = np.diag(components @ stats.cov @ components.T)
        assert np.allclose(components @ components.T, np.eye(6), atol=1e-12)
        assert (np.diff(variances) <= 0).all()


class TestRefused:
    def test_one_image(self):
        with pytest.raises(InputError, match="at least two images in the real set"):
            frechet_distance(np.ones((1, 3)), features(1, dim=3))
        with pytest.raises(InputError, match="at least two images in the generated set"):
            frechet_distance(features(1, dim=3), GaussianStats.empty(3))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, bad):
        broken = features(1)
        broken[7, 2] = bad
        with pytest.raises(InputError, match=r"1 such values, the first at index \(7, 2\)"):
            frechet_distance(broken, features(2))

    def test_other_dimension(self):
        with pytest.raises(InputError, match="6 \\(real\\) and 5 \\(generated\\)"):
            frechet_distance(features(1), features(1, dim=5))
        with pytest.raises(InputError, match="6 \\(real\\) and 5 \\(generated\\)"):
            frechet_distance_pca(features(1), features(1, dim=5), 2)

    def test_indefinite_covariance(self):
        broken = gaussian([0, 0], [[1, 2], [2, 1]])
        with pytest.raises(InputError, match="negative eigenvalues"):
            frechet_distance(broken, broken)

    def test_small_sets_are_warned_of_and_others_are_not(self):
        with pytest.warns(SmallSampleWarning, match="real: 6 images for 6 dimensions; from sample size alone"):
            frechet_distance(features(1, n=6), features(2))
        both = "real: 6 images for 6 dimensions and generated: 5 images for 6 dimensions"
        with pytest.warns(SmallSampleWarning, match=both) as caught:
            frechet_distance(features(1, n=6), features(2, n=5))
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frechet_distance(features(1, n=7), features(2, n=7))
