# SPDX-License-Identifier: MIT
"""The three readings of RMSE: values that tell them apart, which is the larger, and the way to uint8."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import (
    bootstrap_statistic,
    pixel_l1_error,
    pixel_rmse,
    quantise,
    rms_of_image_l1,
    rmse_pixel_global,
    rmse_pixel_mean,
)

FEW = settings(max_examples=25, deadline=None)
READINGS = [rmse_pixel_global, rmse_pixel_mean, rms_of_image_l1]


def pictures(seed, n=4, size=16):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


def all_three(source, other):
    return [reading(source, other) for reading in READINGS]


def test_one_image_off_by_ten_and_one_by_twenty():
    source = np.full((2, 3, 8, 8), 100, np.uint8)
    other = source + np.array([10, 20], np.uint8).reshape(2, 1, 1, 1)
    assert all_three(source, other) == pytest.approx([15.811, 15.0, 15.811], abs=5e-4)


def test_half_of_the_pixels_off_by_twenty():
    source, other = np.full((1, 3, 8, 8), 100, np.uint8), np.full((1, 3, 8, 8), 100, np.uint8)
    other[:, :, :4] -= 20
    assert all_three(source, other) == pytest.approx([14.142, 14.142, 10.0], abs=5e-4)


def test_equal_images():
    assert all_three(pictures(0), pictures(0)) == [0, 0, 0]


def test_one_image_alone_has_one_rmse():
    a, b = pictures(1, n=1), pictures(2, n=1)
    assert rmse_pixel_global(a, b) == pytest.approx(rmse_pixel_mean(a, b)) == pytest.approx(pixel_rmse(a, b)[0])
    assert rms_of_image_l1(a, b) == pytest.approx(pixel_l1_error(a, b)[0])


@FEW
@given(st.integers(0, 2**32 - 1))
def test_the_global_reading_is_the_largest(seed):
    a, b, order = pictures(seed), pictures(seed + 1), np.random.default_rng(seed).permutation(4)
    b[0] = a[0]  # images of unequal error
    whole, mean, absolute = all_three(a, b)
    assert whole > mean > absolute * 0.5
    assert whole > absolute
    assert all_three(b, a) == pytest.approx([whole, mean, absolute])
    assert all_three(a[order], b[order]) == pytest.approx([whole, mean, absolute])


def test_same_as_scikit_learn_and_scikit_image():
    metrics, image_metrics = pytest.importorskip("sklearn.metrics"), pytest.importorskip("skimage.metrics")
    a, b = pictures(3), pictures(4)
    flat = [x.reshape(-1).astype(np.float64) for x in (a, b)]
    assert rmse_pixel_global(a, b) == pytest.approx(metrics.root_mean_squared_error(*flat))
    theirs = [image_metrics.mean_squared_error(x, y) ** 0.5 for x, y in zip(a, b, strict=True)]
    assert rmse_pixel_mean(a, b) == pytest.approx(np.mean(theirs))
    rows = [x.reshape(4, -1).T.astype(np.float64) for x in (a, b)]
    theirs = metrics.mean_absolute_error(*rows, multioutput="raw_values")
    assert pixel_l1_error(a, b) == pytest.approx(theirs)
    assert rms_of_image_l1(a, b) == pytest.approx(np.sqrt((theirs**2).mean()))


def test_interval_from_the_images_own_errors():
    a, b = pictures(5, n=30), pictures(6, n=30)
    errors = pixel_rmse(a, b)
    interval = bootstrap_statistic(lambda drawn: float(np.sqrt((errors[drawn] ** 2).mean())), n=30)
    assert interval.value == pytest.approx(rmse_pixel_global(a, b))
    assert interval.low < interval.value < interval.high


class TestQuantise:
    def test_rounds_where_truncation_would_darken(self):
        levels = np.arange(256) / 255
        for dtype in (np.float64, np.float32):
            assert quantise(levels.astype(dtype)).tolist() == list(range(256))
        assert (np.floor(levels.astype(np.float32) * 0.999 * 255) < quantise(levels * 0.999)).any()

    def test_ranges(self):
        assert quantise([-1.0, -0.5, 0.5, 1.0], low=-1.0).tolist() == [0, 64, 191, 255]
        assert quantise([0.0, 99.7, 255.0], high=255.0).tolist() == [0, 100, 255]

    def test_same_as_scikit_image(self):
        util = pytest.importorskip("skimage.util")
        values = np.random.default_rng(0).random((2, 3, 8, 8))
        assert np.array_equal(quantise(values), util.img_as_ubyte(values))

    @pytest.mark.parametrize(
        ("values", "options", "message"),
        [
            ([0.0, 200.0], {}, "values of about 0 to 1"),
            ([-0.9, 0.9], {}, "values of about 0 to 1"),
            ([0, 255], {}, "of a float type"),
            ([0.0, np.nan], {}, "without NaN"),
            ([0.5], {"low": 1.0, "high": 0.0}, "low below high"),
        ],
    )
    def test_ranges_are_not_guessed(self, values, options, message):
        with pytest.raises(InputError, match=message):
            quantise(values, **options)


@pytest.mark.parametrize("reading", READINGS)
def test_reconstructions_as_networks_give_them(reading):
    a = pictures(7)
    with pytest.raises(InputError, match="as uint8"):
        reading(a, a / 255)
    with pytest.raises(InputError, match="of one shape"):
        reading(a, a[:2])
