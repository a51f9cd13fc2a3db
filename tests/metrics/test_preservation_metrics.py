# SPDX-License-Identifier: MIT
"""Pixel metrics: values by hand, parity with scikit-image, regions, and images of the wrong form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import background_error, counterfactual_error, pixel_l1_error, pixel_rmse, psnr, ssim

FEW = settings(max_examples=25, deadline=None)
PAIRWISE = [pixel_rmse, pixel_l1_error, psnr, ssim]


def pictures(seed, n=4, size=16):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


def flat(grey, n=2, size=12):
    return np.full((n, 3, size, size), grey, np.uint8)


def half(size=12):
    region = np.zeros((size, size), bool)
    region[:, : size // 2] = True
    return region


class TestByHand:
    def test_one_grey_to_another(self):
        assert pixel_rmse(flat(100), flat(90)).tolist() == [10, 10]
        assert pixel_rmse(flat(0), flat(255)).tolist() == [255, 255]

    def test_differences_do_not_wrap_around(self):
        assert pixel_rmse(flat(250), flat(5)).tolist() == pixel_rmse(flat(5), flat(250)).tolist() == [245, 245]
        assert background_error(flat(5), flat(250), half()).tolist() == [245, 245]

    def test_doing_nothing_is_perfect_outside_any_region(self):
        assert background_error(pictures(0), pictures(0), half(16)).tolist() == [0] * 4

    @pytest.mark.parametrize(("rmse", "decibels"), [(22.87, 20.95), (19.56, 22.30), (23.64, 20.66)])
    def test_decibels_of_printed_errors(self, rmse, decibels):
        assert 20 * np.log10(255 / rmse) == pytest.approx(decibels, abs=0.005)

    def test_psnr_follows_from_rmse(self):
        a, b = pictures(0), pictures(1)
        assert psnr(a, b) == pytest.approx(20 * np.log10(255 / pixel_rmse(a, b)))

    def test_equal_images(self):
        a = pictures(2)
        assert pixel_rmse(a, a).tolist() == [0] * 4
        assert psnr(a, a).tolist() == [np.inf] * 4
        assert ssim(a, a) == pytest.approx(np.ones(4), abs=1e-12)


class TestRegions:
    def test_inside_and_outside_are_kept_apart(self):
        source, edited = flat(100), flat(100)
        edited[:, :, half()] = 130
        assert background_error(source, edited, half()).tolist() == [0, 0]
        assert background_error(source, edited, ~half()).tolist() == [30, 30]
        assert counterfactual_error(edited, source, half()).tolist() == [30, 30]
        assert counterfactual_error(edited, source, ~half()).tolist() == [0, 0]

    def test_a_region_for_each_image(self):
        source, edited = flat(100), flat(100)
        edited[0, :, half()] = 130
        regions = np.stack([half(), ~half()])
        assert counterfactual_error(edited, source, regions).tolist() == [30, 0]

    def test_the_true_edit_is_perfect_and_doing_nothing_is_not(self):
        source, truth = pictures(3), pictures(3)
        region = np.broadcast_to(half(16), (4, 16, 16))
        truth[:, :, half(16)] //= 2
        assert counterfactual_error(truth, truth, region).tolist() == [0] * 4
        assert counterfactual_error(source, truth, region).min() > 10
        assert background_error(source, truth, region).tolist() == [0] * 4

    def test_whole_and_parts_add_up(self):
        a, b, region = pictures(4), pictures(5), half(16)
        parts = (background_error(a, b, region) + counterfactual_error(b, a, region)) / 2
        assert parts == pytest.approx(np.abs(a.astype(float) - b).mean(axis=(1, 2, 3)))

    @pytest.mark.parametrize("metric", [background_error, counterfactual_error])
    def test_no_pixel_to_compare(self, metric):
        regions = np.stack([half(), half()])
        regions[1] = metric is background_error
        with pytest.raises(InputError, match="none in 1 of 2 images, the first at index 1"):
            metric(flat(1), flat(2), regions)

    @pytest.mark.parametrize("region", [np.ones((11, 12)), np.ones((3, 12, 12)), np.ones((2, 1, 12, 12))])
    def test_other_size(self, region):
        with pytest.raises(InputError, match="a region of shape"):
            background_error(flat(1), flat(2), region)

    def test_grey_masks_are_refused(self):
        with pytest.raises(InputError, match="only 0 and 1 in region"):
            background_error(flat(1), flat(2), 255 * half())


@pytest.fixture(scope="module")
def metrics():
    return pytest.importorskip("skimage.metrics")


class TestScikitImage:
    def test_rmse_and_psnr(self, metrics):
        a, b = pictures(6), pictures(7)
        theirs = [metrics.mean_squared_error(x, y) ** 0.5 for x, y in zip(a, b, strict=True)]
        assert pixel_rmse(a, b) == pytest.approx(theirs)
        theirs = [metrics.peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
        assert psnr(a, b) == pytest.approx(theirs)

    def test_ssim(self, metrics):
        a = pictures(8, size=20)
        b = np.clip(a.astype(int) + np.random.default_rng(9).integers(-40, 40, a.shape), 0, 255).astype(np.uint8)
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        theirs = [metrics.structural_similarity(x, y, channel_axis=0, **options) for x, y in zip(a, b, strict=True)]
        assert ssim(a, b) == pytest.approx(theirs, abs=1e-10)


class TestProperties:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.sampled_from(PAIRWISE))
    def test_symmetric_and_indifferent_to_order(self, seed, metric):
        a, b, order = pictures(seed), pictures(seed + 1), np.random.default_rng(seed).permutation(4)
        assert metric(b, a) == pytest.approx(metric(a, b))
        assert metric(a[order], b[order]) == pytest.approx(metric(a, b)[order])

    @pytest.mark.parametrize("metric", PAIRWISE)
    def test_blocks_do_not_show(self, metric, monkeypatch):
        a, b = pictures(10, n=7), pictures(11, n=7)
        whole = metric(a, b)
        monkeypatch.setattr("faceeval.metrics.preservation.VALUES_AT_ONCE", 2 * a[0].size)
        assert metric(a, b) == pytest.approx(whole)
        regions = np.random.default_rng(12).integers(0, 2, (7, 16, 16)).astype(bool)
        difference = np.abs(a.astype(float) - b).mean(axis=1)
        expected = [d[r].mean() for d, r in zip(difference, regions, strict=True)]
        assert counterfactual_error(a, b, regions) == pytest.approx(expected)


class TestImages:
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (flat(1).astype(np.float32) / 255, "as uint8"),
            (flat(1).astype(np.int64), "as uint8"),
            (flat(1)[0], r"\(N, 3, H, W\)"),
            (flat(1).transpose(0, 2, 3, 1), r"\(N, 3, H, W\)"),
            (flat(1)[:, :1], r"\(N, 3, H, W\)"),
            (flat(1)[:0], "at least one image"),
        ],
    )
    def test_other_forms(self, bad, message):
        for metric in PAIRWISE:
            with pytest.raises(InputError, match=message):
                metric(bad, bad)

    def test_other_sizes(self):
        for metric in PAIRWISE:
            with pytest.raises(InputError, match="of one shape"):
                metric(flat(1), flat(1, n=3))

    def test_too_small_for_the_window(self):
        with pytest.raises(InputError, match="at least 11 x 11"):
            ssim(flat(1, size=10), flat(1, size=10))
