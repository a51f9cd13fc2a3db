# SPDX-License-Identifier: MIT
"""Smooth noise from one fixed table, so that a seed is only a place in it and every process sees the same."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

SIDE = 256
TABLE: NDArray[np.float32] = np.random.Generator(np.random.PCG64(20)).random((SIDE, SIDE), dtype=np.float32)


@njit(cache=True, nogil=True, inline="always")
def noise2(table, x, y):  # type: ignore[no-untyped-def]
    """Bilinear value noise in [0, 1) at (x, y); lattice of one unit, period 256."""
    fx, fy = np.floor(x), np.floor(y)
    i, j = int(fx) & 255, int(fy) & 255
    a, b = x - fx, y - fy
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    k, m = (i + 1) & 255, (j + 1) & 255
    top = table[j, i] + (table[j, k] - table[j, i]) * a
    low = table[m, i] + (table[m, k] - table[m, i]) * a
    return top + (low - top) * b


@njit(cache=True, nogil=True, inline="always")
def ramp(low, high, x):  # type: ignore[no-untyped-def]
    """Smooth step from 0 at low to 1 at high."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
