# SPDX-License-Identifier: MIT
"""Local binary patterns: scikit-image's labels to the bit, and histograms of cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.feature import local_binary_pattern

from faceeval.errors import InputError
from faceeval.metrics import lbp_features, lbp_labels, texture
from faceeval.metrics.texture import LBP_BINS, grey

FEW = settings(max_examples=15, deadline=None)


def noise(seed, *shape, levels=256):
    return np.random.default_rng(seed).integers(0, levels, shape, dtype=np.uint8)


def blocks(seed, side):
    """Flat squares: every tie there is between a pixel and its neighbours."""
    return noise(seed, 2, side // 4 + 1, side // 4 + 1).repeat(4, axis=1).repeat(4, axis=2)[:, :side, : side - 3]


class TestLabels:
    # No tolerance: the same float64 operations in the same order, so that ties fall the same way (on processors whose
    # compilers fuse a product with a sum, scikit-image's own ties may fall otherwise)
    @pytest.mark.parametrize("radius", [1, 2])
    @pytest.mark.parametrize(
        "batch",
        [noise(0, 2, 40, 33), noise(1, 2, 128, 128, levels=3), blocks(2, 130), noise(3, 1, 3, 3), noise(4, 1, 1, 9)],
        ids=["noise", "ties", "flat", "tiny", "a row"],
    )
    def test_same_as_scikit_image(self, batch, radius):
        theirs = [local_binary_pattern(image, 8, radius, "nri_uniform") for image in batch]
        assert np.array_equal(lbp_labels(batch, radius), theirs)

    def test_the_variant_with_fifty_nine_labels(self):
        batch = noise(5, 1, 128, 128)
        assert LBP_BINS == 59
        assert np.array_equal(np.unique(lbp_labels(batch)), np.arange(59))
        # the one called "uniform" is invariant to rotation and keeps ten
        assert local_binary_pattern(batch[0], 8, 1, "uniform").max() == 9

    @pytest.mark.parametrize("value", [1, 100, 255])
    def test_a_constant_image_has_one_label_inside_its_frame(self, value):
        labels = lbp_labels(np.full((1, 16, 16), value, np.uint8))
        assert (labels == 57).sum() == 196
        assert (labels[0, 1:-1, 1:-1] == 57).all()

    def test_by_hand(self):
        one = np.full((1, 3, 3), 50, np.uint8)
        one[0, 1, 1] = 60  # brighter than all its neighbours
        assert lbp_labels(one)[0, 1, 1] == 0
        one[0, 1, 2] = 60  # and as bright as the right one, which lifts neither corner to its level
        assert lbp_labels(one)[0, 1, 1] == 1
        one[0, 1, 0] = 60  # two arcs
        assert lbp_labels(one)[0, 1, 1] == 58

    @pytest.mark.parametrize("seed", range(4))
    def test_brightness_does_not_matter_and_a_quarter_turn_keeps_the_arcs(self, seed):
        dark = noise(seed, 1, 24, 24, levels=120)
        inside = (0, slice(1, -1), slice(1, -1))
        assert np.array_equal(lbp_labels(dark + np.uint8(100))[inside], lbp_labels(dark)[inside])
        turned = np.rot90(lbp_labels(np.rot90(dark, axes=(1, 2)).copy())[inside], -1)
        ones = [
            np.where(labels < 57, (labels.astype(int) + 7) // 8, labels)
            for labels in (lbp_labels(dark)[inside], turned)
        ]
        assert np.array_equal(*ones)

    @pytest.mark.parametrize(
        "bad",
        [
            np.zeros((1, 8, 8)),
            np.zeros((8, 8), np.uint8),
            np.zeros((0, 8, 8), np.uint8),
            np.zeros((1, 3, 8, 8), np.uint8),
        ],
        ids=["float", "one image", "none", "colours"],
    )
    def test_bad_brightness(self, bad):
        with pytest.raises(InputError, match="brightness"):
            lbp_labels(bad)

    @pytest.mark.parametrize("radius", [0, 3, 1.5])
    def test_bad_radius(self, radius):
        with pytest.raises(InputError, match="radius of 1 or 2"):
            lbp_labels(noise(0, 1, 8, 8), radius)


class TestGrey:
    def test_same_as_pillow(self):
        batch = noise(6, 2, 3, 64, 64)
        theirs = [np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")) for image in batch]
        assert np.array_equal(grey(batch), theirs)

    def test_grey_stays_grey(self):
        ramp = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)
        assert np.array_equal(grey(ramp), ramp[:, 0])


class TestFeatures:
    def test_size_of_a_row_and_of_ipgans(self):
        row = lbp_features(noise(7, 1, 3, 128, 128))
        assert row.shape == (1, 3776)
        assert np.hstack([row, row]).shape == (1, 7552)
        assert row.dtype == np.float64

    @pytest.mark.parametrize(("side", "grid", "radius"), [((128, 128), 8, 1), ((64, 96), 8, 2), ((37, 50), 7, 1)])
    def test_same_as_scikit_image_and_histograms(self, side, grid, radius):
        batch = noise(8, 2, 3, *side)
        rows = lbp_features(batch, grid, radius).reshape(2, grid, grid, 59)
        for image, brightness in enumerate(grey(batch)):
            labels = local_binary_pattern(brightness, 8, radius, "nri_uniform")[radius:-radius, radius:-radius]
            row, column = (np.arange(n)[radius:-radius] * grid // n for n in side)
            for i in range(grid):
                for j in range(grid):
                    cell = labels[np.ix_(row == i, column == j)]
                    counts = np.histogram(cell, bins=59, range=(0, 59))[0]
                    assert rows[image, i, j] == pytest.approx(counts / cell.size, abs=1e-15)

    def test_sixteen_pixel_cells_without_the_frame(self):
        flat = np.full((1, 3, 128, 128), 90, np.uint8)
        flat[:, :, :16, 16:32] = noise(9, 3, 16, 16)  # within the second cell
        rows = lbp_features(flat).reshape(64, 59)
        alone = rows[:, 57] == 1.0
        assert not alone[1]
        assert alone[3:8].all()
        assert alone[16:].all()

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_every_cell_sums_to_one_and_order_and_batch_do_not_matter(self, seed):
        batch = noise(seed, 9, 3, 20, 24)
        rows = lbp_features(batch, grid=3)
        assert rows.reshape(9, 9, 59).sum(axis=2) == pytest.approx(np.ones((9, 9)))
        assert np.array_equal(lbp_features(batch[::-1], grid=3), rows[::-1])
        assert np.array_equal(lbp_features(batch[4:5], grid=3), rows[4:5])

    @pytest.mark.parametrize("at_once", [1, 3 * 20 * 24])
    def test_blocks_do_not_matter(self, at_once, monkeypatch):
        batch = noise(10, 8, 3, 20, 24)
        rows, labels = lbp_features(batch, grid=3), lbp_labels(grey(batch))
        monkeypatch.setattr(texture, "PIXELS_AT_ONCE", at_once)
        assert np.array_equal(lbp_features(batch, grid=3), rows)
        assert np.array_equal(lbp_labels(grey(batch)), labels)

    def test_too_small_for_the_grid(self):
        assert lbp_features(noise(11, 1, 3, 16, 16)).shape == (1, 3776)
        with pytest.raises(InputError, match="at least 16 pixels"):
            lbp_features(noise(11, 1, 3, 16, 15))
        with pytest.raises(InputError, match="at least 24 pixels"):
            lbp_features(noise(11, 1, 3, 16, 16), radius=2)

    @pytest.mark.parametrize("grid", [0, -1, 2.5, True])
    def test_bad_grid(self, grid):
        with pytest.raises(InputError, match="number of cells"):
            lbp_features(noise(0, 1, 3, 16, 16), grid=grid)
