# SPDX-License-Identifier: MIT
"""Faces by way of a few pixels: what a code without any learning keeps, to compare learned codes with."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from faceeval.errors import InputError


def thumbnail_codes(images: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Returns the grey levels of reduced images, each pixel the rounded mean of what it covers.

    Args:
        images: uint8, (N, 3, S, S), RGB.
        side: Side of the reduced images, 1..S.

    Returns:
        float64, (N, 3 * side ** 2), 0..255.

    Raises:
        InputError: The side is out of range.
    """
    if not 1 <= side <= images.shape[-1]:
        todo = "give the side of the reduced image in pixels"
        raise InputError(f"a side of 1 to {images.shape[-1]} pixels", str(side), todo)
    small = interpolate(torch.from_numpy(images.astype(np.float32)), size=(side, side), mode="area").round()
    return np.asarray(small.flatten(1).double().numpy())


def thumbnails(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Returns images reduced to ``side`` pixels and enlarged again by cubic interpolation.

    Args:
        images: uint8, (N, 3, S, S), RGB.
        side: Side of the reduced images, 1..S; at S the images are as they were.

    Returns:
        uint8, the same shape.

    Raises:
        InputError: The side is out of range.
    """
    size = images.shape[-1]
    small = torch.from_numpy(thumbnail_codes(images, side)).float().reshape(-1, 3, side, side)
    large = interpolate(small, size=(size, size), mode="bicubic", align_corners=False)
    return np.asarray(large.round().clamp(0, 255).to(torch.uint8).numpy())
