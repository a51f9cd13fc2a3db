# SPDX-License-Identifier: MIT
"""Where things are on the head: lines of age, brows, lids, beards, as functions of the place on the base head.

Coordinates are those of the base head (x to its left, y up, z forward, eyes 1 apart at y = 0.14), so paint moves with
the skin when the face ages, smiles or turns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces.noise import noise2, ramp


@njit(cache=True, nogil=True, inline="always")
def bump(x, y, width):  # type: ignore[no-untyped-def]
    """A soft round spot: 1 at the middle, falling as a Gaussian would."""
    return np.exp(-(x * x + y * y) / (width * width))


@njit(cache=True, nogil=True, inline="always")
def groove(distance, width):  # type: ignore[no-untyped-def]
    """A soft line: 1 on it."""
    return 1.0 / (1.0 + (distance / width) ** 4)


@njit(cache=True, nogil=True, inline="always")
def _forehead(table, x, y, ax, ox, oy):  # type: ignore[no-untyped-def]
    """Waves across the forehead, broken where the noise is low."""
    wave = y + 0.05 * np.cos(x * 2.6) + 0.05 * (noise2(table, x * 2.0 + ox, y * 2.0 + oy) - 0.5)
    phase = (wave - 0.62) / 0.17
    line = groove(phase - np.floor(phase) - 0.5, 0.17)
    depth = line * ramp(1.0, 0.65, ax) * ramp(0.62, 0.7, y) * ramp(1.42, 1.2, y) * 0.85
    return depth * (0.55 + 0.45 * noise2(table, x * 3.0 + ox, np.floor(phase) * 7.0 + oy))


@njit(cache=True, nogil=True, inline="always")
def _crows_feet(table, ax, y, ox, oy):  # type: ignore[no-untyped-def]
    """Rays from the outer corner of the eye."""
    dx, dy = ax - 0.66, y - 0.12
    angle = np.arctan2(dy, dx) / 0.26 + 0.4 * noise2(table, ax * 4.0 + ox, oy)
    line = groove(angle - np.floor(angle) - 0.5, 0.2)
    return line * ramp(0.78, 0.86, ax) * ramp(1.1, 0.92, ax) * ramp(0.3, 0.15, abs(dy)) * 0.8


@njit(cache=True, nogil=True)
def age_lines(table, x, y, z, ox, oy):  # type: ignore[no-untyped-def]
    """Depth 0..1 of the lines of an old face at a place: forehead, crow's feet, nose to mouth, bags, frown, chin."""
    ax = abs(x)
    if z < 0.3:
        return 0.0
    depth = 0.0
    if 0.62 < y < 1.5 and ax < 1.05:
        depth = _forehead(table, x, y, ax, ox, oy)
    if -0.3 < y < 0.6 and 0.78 < ax < 1.15:
        depth = max(depth, _crows_feet(table, ax, y, ox, oy))
    if -1.3 < y < -0.38 and 0.2 < ax < 0.8:
        s = (-0.4 - y) / 0.9
        curve = 0.3 + 0.3 * np.sqrt(max(s, 0.0)) - 0.1 * max(s - 0.6, 0.0)
        depth = max(depth, 0.75 * groove(ax - curve, 0.045) * ramp(-1.3, -1.05, y) * ramp(-0.38, -0.5, y))
    if -0.35 < y < 0.1:
        dx = ax - 0.5
        curve = -0.13 - 0.12 * (1 - (dx / 0.34) ** 2)
        if abs(dx) < 0.36:
            depth = max(depth, groove(y - curve, 0.035) * ramp(0.36, 0.2, abs(dx)) * 0.9)
    if 0.35 < y < 0.8 and ax < 0.2:
        depth = max(depth, groove(ax - 0.1, 0.03) * ramp(0.35, 0.45, y) * ramp(0.8, 0.65, y) * 0.7)
    if -1.7 < y < -1.05 and 0.3 < ax < 0.8:
        fold = groove(ax - 0.47 - 0.12 * (-1.05 - y), 0.04)
        depth = max(depth, fold * ramp(-1.7, -1.5, y) * ramp(-1.0, -1.12, y) * 0.6)
    return depth * ramp(0.3, 0.9, z)


@njit(cache=True, nogil=True)
def brow_cover(table, x, y, thickness, ox):  # type: ignore[no-untyped-def]
    """Cover 0..1 of the brows: tapered arcs of short slanted hairs."""
    ax = abs(x)
    if ax < 0.12 or ax > 1.1 or y < 0.2 or y > 0.85:
        return 0.0
    s = (ax - 0.2) / 0.76
    middle = 0.47 + 0.10 * np.sin(min(max(s, 0.0), 1.0) * 2.6) - 0.05 * s
    half = thickness * (0.055 + 0.05 * ramp(-0.1, 0.3, s)) * (1.0 - 0.75 * ramp(0.5, 1.05, s))
    cross = abs(y - middle) / half
    hairs = noise2(table, (x * 34.0 + np.sign(x) * y * -22.0) + ox, y * 9.0)
    edge = ramp(1.25, 0.45, cross + 0.5 * (hairs - 0.5))
    return edge * ramp(-0.08, 0.1, s) * ramp(1.08, 0.85, s) * (0.72 + 0.28 * hairs)


@njit(cache=True, nogil=True, inline="always")
def lid_distance(x, y, paint):  # type: ignore[no-untyped-def]
    """(distance outside the lids' margin, height over the eye's middle), eye distances, for the nearer eye."""
    dx, dy = abs(x) - paint.eye_centre[0], y - paint.eye_centre[1]
    turn = np.arctan2(dy, dx) / (2 * np.pi)
    turn = (turn - np.floor(turn)) * 32.0
    k = int(turn) & 31
    share = turn - np.floor(turn)
    radius = paint.lid_radius[k] * (1 - share) + paint.lid_radius[(k + 1) & 31] * share
    return np.sqrt(dx * dx + dy * dy) - radius, dy, dx


@njit(cache=True, nogil=True)
def beard_cover(table, x, y, z, style, lips):  # type: ignore[no-untyped-def]
    """Where a beard of a style grows, 0..1: 0 stubble, 1 full, 2 goatee, 3 long full, 4 moustache and chin."""
    ax = abs(x)
    if y > 0.1 or y < -2.0 or z < 0.15 or ax > 1.4:
        return 0.0
    rough = (noise2(table, x * 7.0, y * 7.0 + 50.0) - 0.5) * 0.12
    keep = ramp(0.6, 0.15, lips)
    # upper border: from the ear's front along the cheek down to the corner of the nose-to-mouth fold
    border = -0.98 + 0.78 * ramp(0.55, 1.25, ax) + rough
    cheek = ramp(border + 0.1, border - 0.12, y)
    moustache = ramp(-0.64, -0.7, y + 0.1 * ax + rough * 0.5) * ramp(0.56, 0.44, ax + rough)
    neck = ramp(-1.95, -1.7, y - 0.25 * (z - 0.9))
    around = max(moustache, cheek)
    if style == 2 or style == 4:
        ring = ramp(0.58, 0.46, ax + rough) * ramp(-0.62, -0.7, y)
        chin = ramp(0.5, 0.36, ax + rough) * ramp(-1.12, -1.2, y)
        around = max(moustache, chin) if style == 4 else ring
        neck = ramp(-1.75, -1.62, y) * ramp(1.0, 1.4, z)
    return around * keep * neck
