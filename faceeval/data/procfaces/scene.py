# SPDX-License-Identifier: MIT
"""Backdrop, resolve and camera: from samples in linear light to the final bytes."""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces import regions
from faceeval.data.procfaces.factors import Style
from faceeval.data.procfaces.head import F32
from faceeval.data.procfaces.noise import TABLE, noise2, ramp
from faceeval.data.procfaces.skin import linear


@njit(cache=True, nogil=True)
def backdrop(side, near, far, kind, ox, oy, table):  # type: ignore[no-untyped-def]
    """Out-of-focus backdrop in linear light, float32 (side, side, 3)."""
    image = np.empty((side, side, 3), np.float32)
    tilt = (noise2(table, ox, oy) - 0.5) * 2.4
    for row in range(side):
        for column in range(side):
            x, y = (column + 0.5) / side, (row + 0.5) / side
            share = 0.15
            if kind == 1:
                share = ramp(0.0, 1.0, 0.5 + (y - 0.5) * np.cos(tilt) + (x - 0.5) * np.sin(tilt))
            elif kind == 2:
                share = ramp(0.25, 0.75, noise2(table, x * 3.0 + ox, y * 3.0 + oy))
            elif kind == 3:
                wave = (x * np.cos(tilt) + y * np.sin(tilt)) * (3.0 + 3.0 * noise2(table, oy, ox)) + ox
                share = 0.5 + 0.5 * np.sin(wave * 2.0 * np.pi)
                share = ramp(0.1, 0.9, share)
            dim = 1.0 - 0.25 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
            for c in range(3):
                image[row, column, c] = (near[c] + (far[c] - near[c]) * share) * dim
    return image


@njit(cache=True, nogil=True, inline="always")
def _encoded(value):  # type: ignore[no-untyped-def]
    """Linear light to 0..255; a soft shoulder keeps highlights from clipping flat."""
    value = value if value < 0.45 else 0.45 + (value - 0.45) / (1.0 + (value - 0.45) * 1.3)
    return 255.0 * value ** (1.0 / 2.2)


@njit(cache=True, nogil=True)
def _strand_edge(codes, row, column):  # type: ignore[no-untyped-def]
    """Whether hair or beard meets something else around a pixel."""
    last = codes.shape[0] - 1
    strands, others = 0, 0
    for r in range(max(2 * row - 1, 0), min(2 * row + 2, last) + 1):
        for s in range(max(2 * column - 1, 0), min(2 * column + 2, last) + 1):
            if codes[r, s] == regions.HAIR or codes[r, s] == regions.BEARD:
                strands += 1
            elif codes[r, s] == 0 or codes[r, s] == regions.SKIN or codes[r, s] == regions.CLOTHES:
                others += 1
    return strands > 0 and others > 0


@njit(cache=True, nogil=True)
def _soft_pixel(samples, codes, behind, row, column, result):  # type: ignore[no-untyped-def]
    """Averages 4 x 4 samples with weights 2 3 3 2: strands thinner than a sample would flicker otherwise."""
    last = codes.shape[0] - 1
    for c in range(3):
        total = 0.0
        for p in range(4):
            r = min(max(2 * row - 1 + p, 0), last)
            for q in range(4):
                s = min(max(2 * column - 1 + q, 0), last)
                weight = (3.0 if 0 < p < 3 else 2.0) * (3.0 if 0 < q < 3 else 2.0)
                value = behind[r // 2, s // 2, c] if codes[r, s] == 0 else samples[r, s, c]
                total += weight * min(max(value, 0.0), 1.3)
        result[c] = _encoded(total / 100.0)


@njit(cache=True, nogil=True)
def resolve(samples, codes, behind):  # type: ignore[no-untyped-def]
    """Averages 2 x 2 samples over the backdrop; the region of a pixel is the commonest of its samples.

    Returns:
        sRGB-like float32 (side, side, 3) in 0..255, codes uint8 (side, side).
    """
    side = behind.shape[0]
    image = np.empty((side, side, 3), np.float32)
    regions = np.zeros((side, side), np.uint8)
    for row in range(side):
        for column in range(side):
            best, votes = 0, 0
            for p in range(4):
                code = codes[2 * row + p // 2, 2 * column + p % 2]
                same = 0
                for q in range(4):
                    same += codes[2 * row + q // 2, 2 * column + q % 2] == code
                if same > votes or (same == votes and code > best):
                    best, votes = code, same
            regions[row, column] = best
            if _strand_edge(codes, row, column):
                _soft_pixel(samples, codes, behind, row, column, image[row, column])
                continue
            for c in range(3):
                total = 0.0
                for p in range(4):
                    r, s = 2 * row + p // 2, 2 * column + p % 2
                    value = behind[row, column, c] if codes[r, s] == 0 else samples[r, s, c]
                    total += min(max(value, 0.0), 1.3)
                mean = total * 0.25
                image[row, column, c] = _encoded(mean)
    return image, regions


@njit(cache=True, nogil=True)
def blurred(image, sigma):  # type: ignore[no-untyped-def]
    """Separable Gaussian blur with repeated borders, float32 like ``image``."""
    side = image.shape[0]
    reach = int(np.ceil(3 * sigma))
    kernel = np.empty(2 * reach + 1, np.float32)
    for n in range(2 * reach + 1):
        kernel[n] = np.exp(-((n - reach) ** 2) / (2 * sigma * sigma))
    kernel /= kernel.sum()
    across = np.zeros_like(image)
    for row in range(side):
        for column in range(side):
            for n in range(2 * reach + 1):
                at = min(max(column + n - reach, 0), side - 1)
                for c in range(3):
                    across[row, column, c] += kernel[n] * image[row, at, c]
    result = np.zeros_like(image)
    for row in range(side):
        for n in range(2 * reach + 1):
            at = min(max(row + n - reach, 0), side - 1)
            for column in range(side):
                for c in range(3):
                    result[row, column, c] += kernel[n] * across[at, column, c]
    return result


def backdrop_of(style: Style, side: int) -> F32:
    """The backdrop of a style."""
    place = np.random.Generator(np.random.PCG64(style.background_seed)).uniform(0, 200, 2)
    near, far = (linear(colour) for colour in style.background)
    return np.asarray(backdrop(side, near, far, style.background_kind, place[0], place[1], TABLE), np.float32)


def camera(image: F32, style: Style) -> np.ndarray:
    """Blur, sensor noise and rounding, uint8 (3, side, side)."""
    side = image.shape[0]
    sigma = style.blur * side
    if sigma > 0.15:
        image = blurred(image, sigma)
    if style.noise > 0:
        rng = np.random.Generator(np.random.PCG64(style.noise_seed))
        image = image + np.float32(style.noise) * rng.standard_normal((side, side, 3), dtype=np.float32)
    return np.ascontiguousarray(np.clip(np.rint(image), 0, 255).astype(np.uint8).transpose(2, 0, 1))
