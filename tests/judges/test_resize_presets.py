# SPDX-License-Identifier: MIT
"""Each preset against its formula, written out as a matrix that maps source positions to output positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from faceeval.judges.resize import PRESETS, SIDE, tf1_bilinear


def _corner_anchored(source: int) -> NDArray[np.float64]:
    matrix = np.zeros((SIDE, source))
    for out in range(SIDE):
        place = out * source / SIDE
        low = int(place)
        matrix[out, low] += 1 - (place - low)
        matrix[out, min(low + 1, source - 1)] += place - low
    return matrix


def _centred(source: int) -> NDArray[np.float64]:
    matrix = np.zeros((SIDE, source))
    for out in range(SIDE):
        place = max((out + 0.5) * source / SIDE - 0.5, 0.0)
        low = min(int(place), source - 1)
        matrix[out, low] += 1 - (place - low)
        matrix[out, min(low + 1, source - 1)] += place - low
    return matrix


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _bicubic_antialiased(source: int) -> NDArray[np.float64]:
    scale = source / SIDE
    stretch = max(scale, 1.0)
    matrix = np.zeros((SIDE, source))
    for out in range(SIDE):
        for place in range(source):
            matrix[out, place] = _cubic(((place + 0.5) - (out + 0.5) * scale) / stretch)
    return matrix / matrix.sum(axis=1, keepdims=True)


REFERENCES = {
    "tf1": (_corner_anchored, 128.0, 128.0),
    "pytorch-fid": (_centred, 127.5, 127.5),
    "clean": (_bicubic_antialiased, 128.0, 128.0),
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("source", [4, 64, 400])
def test_presets_follow_their_formulas(preset: str, source: int) -> None:
    tall = source + source // 4
    images = np.random.default_rng(source).integers(0, 256, (2, 3, tall, source), dtype=np.uint8)
    matrix_of, middle, spread = REFERENCES[preset]
    down, across = matrix_of(tall), matrix_of(source)
    resized = np.einsum("ir,ncrs,js->ncij", down, images.astype(np.float64), across, optimize=True)
    expected = (np.clip(resized, 0, 255) - middle) / spread
    found = PRESETS[preset](torch.from_numpy(images))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_flat_images_stay_flat(preset: str) -> None:
    for grey in (0, 128, 255):
        found = PRESETS[preset](torch.full((1, 3, 20, 20), grey, dtype=torch.uint8))
        np.testing.assert_allclose(found.numpy(), found[0, 0, 0, 0].item(), atol=1e-6)


def test_the_presets_differ() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8))
    made = [preset(images) for preset in PRESETS.values()]
    assert min((a - b).abs().max().item() for a in made for b in made if a is not b) > 0.1


def test_tf1_keeps_images_of_the_right_size() -> None:
    image = torch.rand(1, 3, 9, 9)
    assert torch.equal(tf1_bilinear(image, 9), image)


def test_tf1_doubling_repeats_the_last_pixel() -> None:
    row = torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]])
    np.testing.assert_array_equal(tf1_bilinear(row, 4)[0, 0, 0], [0, 2, 4, 4])
