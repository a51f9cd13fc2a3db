# SPDX-License-Identifier: MIT
"""The light of a scene: one soft key light with a colour, and a sky."""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces.factors import Style
from faceeval.data.procfaces.head import F32
from faceeval.data.procfaces.noise import noise2


@njit(cache=True, nogil=True)
def lit(colour, light, nx, ny, nz, open_sky, gloss, sharp, warm):  # type: ignore[no-untyped-def]
    """Puts a painted colour in the light: wrapped key light, sky, soft gloss; in place.

    ``light`` is key direction (3), key colour (3), ambient share.
    """
    ndl = nx * light[0] + ny * light[1] + nz * light[2]
    ambient = light[6]
    sky = ambient * (0.72 + 0.28 * ny) * (0.35 + 0.65 * open_sky) * 1.15
    key = 1.25 * (1.0 - ambient)
    hx, hy, hz = light[0], light[1], light[2] + 1.0
    norm = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
    ndh = max((nx * hx + ny * hy + nz * hz) / norm, 0.0)
    shine = gloss * 0.30 * ndh**sharp * (0.3 + 0.7 * open_sky) * key
    shadow = 0.25 + 0.75 * open_sky
    for c in range(3):
        wrap = warm * (0.30 - 0.11 * c) + 0.08
        diffuse = max((ndl + wrap) / (1.0 + wrap), 0.0)
        colour[c] = colour[c] * (sky + key * light[3 + c] * diffuse * shadow) * 1.12 + shine * light[3 + c]


@njit(cache=True, nogil=True)
def hair_lit(colour, paint, table, light, a, nx, ny, nz, tx, ty, tz):  # type: ignore[no-untyped-def]
    """Strand colour and light (Kajiya and Kay, SIGGRAPH 1989): diffuse and gloss by the sine to the strand."""
    bend = (noise2(table, a[0] * 9.0, a[1] * 2.0) - 0.5) * 0.25
    strand = noise2(table, (a[0] + bend) * 22.0 + 9.0, a[1] * 1.2)
    lock = noise2(table, a[0] * 4.0 + 77.0, a[1] * 0.8)
    tone = (0.68 + 0.42 * strand + 0.7 * (lock - 0.5)) * (0.5 + 0.5 * a[4])
    tdl = tx * light[0] + ty * light[1] + tz * light[2]
    sine = np.sqrt(max(1 - tdl * tdl, 0.0))
    ndl = nx * light[0] + ny * light[1] + nz * light[2]
    facing = max((ndl + 0.7) / 1.7, 0.0)
    hx, hy, hz = light[0], light[1], light[2] + 1.0
    norm = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
    tdh = (tx * hx + ty * hy + tz * hz) / norm + (strand - 0.5) * 0.3
    band = np.sqrt(max(1 - tdh * tdh, 0.0)) ** 24
    ambient = light[6]
    key = 1.35 * (1 - ambient)
    for c in range(3):
        body = paint.hair[c] * tone
        lit = body * (ambient * (0.8 + 0.2 * ny) + key * light[3 + c] * facing * (0.35 + 0.65 * sine))
        colour[c] = lit + band * facing * key * (0.10 * paint.hair[c] ** 0.5 + 0.02) * (0.4 + strand)


def light_of(style: Style) -> F32:
    """Key direction (3), key colour (3), ambient share, float32 (7,)."""
    azimuth, elevation = np.radians(style.light)
    direction = (np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation))
    return np.asarray((*direction, *style.light_colour, style.ambient), np.float32)
