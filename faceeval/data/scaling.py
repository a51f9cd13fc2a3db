# SPDX-License-Identifier: MIT
"""Cutting and scaling as Pillow does it, bit for bit, compiled: one pass over the pixels instead of four copies.

Pillow's antialiased bilinear filter works in whole numbers: weights of 22 bits, first along the rows, rounded to 8
bits, then along the columns. The same sums are taken here, straight from the decoded image into the result's planes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

BITS = 22  # of a weight, as in Pillow's Resample.c
CHECKED = ((178, 128), (178, 64), (60, 100))  # sides tried against Pillow: down, far down, up


def scale_square(pixels: NDArray[np.uint8], square: tuple[int, int, int], out: NDArray[np.uint8]) -> None:
    """Cuts a square and scales it with an antialiased bilinear filter.

    Args:
        pixels: The image, (H, W, 3), RGB.
        square: Left, top and side; what lies beyond the border is black.
        out: Where the result goes, (3, size, size).
    """
    left, top, side = square
    height, width = pixels.shape[:2]
    if left < 0 or top < 0 or left + side > width or top + side > height:
        pixels, left, top = _with_border(pixels, square), 0, 0
    pixels = pixels.view()
    pixels.flags.writeable = False  # as Pillow gives them; for others the kernel would be compiled again
    first, weights = _weights(side, out.shape[1])
    _scale(pixels, left, top, side, first, weights, out)


@lru_cache(maxsize=1)
def agrees_with_pillow() -> bool:
    """Says whether this processor and this Pillow give the same pixels as the kernel; tried once in a process."""
    return all(_agree(*sides) for sides in CHECKED)


def _agree(side: int, size: int) -> bool:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    ours = np.empty((3, size, size), np.uint8)
    scale_square(pixels, (0, 0, side), ours)
    return np.array_equal(ours.transpose(1, 2, 0), theirs)


def _with_border(pixels: NDArray[np.uint8], square: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Returns the square alone, black where the image does not reach."""
    left, top, side = square
    height, width = pixels.shape[:2]
    cut = np.zeros((side, side, 3), np.uint8)
    rows, columns = slice(max(0, top), min(height, top + side)), slice(max(0, left), min(width, left + side))
    part = pixels[rows, columns]
    cut[rows.start - top : rows.start - top + part.shape[0], columns.start - left :][:, : part.shape[1]] = part
    return cut


@lru_cache(maxsize=512)
def _weights(side: int, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns the first pixel each result is made of, (size,), and the weights of those from there on, (size, taps)."""
    scale = side / size
    support = max(scale, 1.0)
    inverse = 1.0 / support  # operations and their order are Pillow's, so that no weight is rounded otherwise
    rows: list[tuple[int, list[float]]] = []
    for place in range(size):
        centre = (place + 0.5) * scale
        first, last = max(0, int(centre - support + 0.5)), min(side, int(centre + support + 0.5))
        found = [max(0.0, 1.0 - abs((pixel - centre + 0.5) * inverse)) for pixel in range(first, last)]
        rows.append((first, found))
    taps = max(len(found) for _, found in rows)
    starts, weights = np.zeros(size, np.int32), np.zeros((size, taps), np.int32)
    for place, (first, found) in enumerate(rows):
        starts[place] = min(first, side - taps)  # all read equally many pixels, and none beyond the border
        total = 0.0
        for weight in found:
            total += weight
        for tap, weight in enumerate(found, start=first - int(starts[place])):
            weights[place, tap] = int(0.5 + weight / total * (1 << BITS))
    return starts, weights


@njit(cache=True, nogil=True)
def _scale(pixels, left, top, side, first, weights, out):  # type: ignore[no-untyped-def]
    size, taps = weights.shape
    half = np.int32(1 << (BITS - 1))
    wide = np.empty((3, side, size), np.uint8)
    for y in range(side):
        row = pixels[top + y]
        for x in range(size):
            red, green, blue = half, half, half
            start = left + first[x]
            for tap in range(taps):
                weight, pixel = weights[x, tap], row[start + tap]
                red = np.int32(red + weight * pixel[0])
                green = np.int32(green + weight * pixel[1])
                blue = np.int32(blue + weight * pixel[2])
            wide[0, y, x], wide[1, y, x], wide[2, y, x] = red >> BITS, green >> BITS, blue >> BITS
    sums = np.empty(size, np.int32)
    for channel in range(3):
        for y in range(size):
            sums[:] = half
            for tap in range(taps):
                weight, line = weights[y, tap], wide[channel, first[y] + tap]
                for x in range(size):
                    sums[x] = np.int32(sums[x] + weight * line[x])
            for x in range(size):
                out[channel, y, x] = sums[x] >> BITS
