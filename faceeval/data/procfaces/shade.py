# SPDX-License-Identifier: MIT
"""Colour of every sample: what is painted there, in the light.

Whoever edits a kernel deletes ``__pycache__/*.nb*`` of this folder first: numba's cache notices a change of the file a
function stands in, not of a function it calls in another file.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces import regions
from faceeval.data.procfaces.light import hair_lit, lit
from faceeval.data.procfaces.noise import noise2, ramp
from faceeval.data.procfaces.raster import (
    BEARD,
    EYE_LEFT,
    EYE_RIGHT,
    FRAME,
    HAIR,
    MOUTH_WALL,
    SKIN,
    TEETH_LOWER,
    TONGUE,
)
from faceeval.data.procfaces.surface import body_colour, eye_colour, teeth_colour


@njit(cache=True, nogil=True)
def _normal(normals, i, j, k, f, b, c):  # type: ignore[no-untyped-def]
    """Unit normal between three corners."""
    nx = f * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
    ny = f * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
    nz = f * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
    norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    return nx / norm, ny / norm, nz / norm


@njit(cache=True, nogil=True)
def _strand(colour, paint, table, light, a, nx, ny, nz, posed, i, k):  # type: ignore[no-untyped-def]
    """Hair seen from either side; the strand runs along the second edge of the sheet's quads."""
    if nz < 0:
        nx, ny, nz = -nx, -ny, -nz
    tx, ty, tz = posed[k, 0] - posed[i, 0], posed[k, 1] - posed[i, 1], posed[k, 2] - posed[i, 2]
    norm = np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
    hair_lit(colour, paint, table, light, a, nx, ny, nz, tx / norm, ty / norm, tz / norm)


@njit(cache=True, nogil=True)
def _worn(colour, kind, paint, table, light, a, nx, ny, nz):  # type: ignore[no-untyped-def]
    """Beard strands and the frame of glasses, lit, in place; returns the region code."""
    if kind == BEARD:
        tone = 0.55 + 0.75 * noise2(table, a[0] * 26.0 + a[1] * 5.0, a[1] * 8.0)
        for m in range(3):
            colour[m] = paint.beard_colour[m] * tone * (0.6 + 0.4 * a[3]) * 1.4
        lit(colour, light, nx, ny, nz, a[4], 0.1, 12.0, 0.2)
        return regions.BEARD
    for m in range(3):
        colour[m] = a[m]
    lit(colour, light, nx, ny, nz, 1.0, 0.9, 30.0, 0.0)
    return regions.GLASSES


@njit(cache=True, nogil=True)
def _body(colour, paint, table, light, a, nx, ny, nz):  # type: ignore[no-untyped-def]
    """Skin, clothes and the mouth's wall, lit, in place; returns the region code."""
    code, depth, gloss = body_colour(colour, paint, table, a[0], a[1], a[2], a[3], a[5])
    if depth > 0.0:
        for m in range(3):
            colour[m] *= 1 - depth * (0.34 + 0.07 * m)
        gloss *= 1 - 0.6 * depth
    open_sky = a[4] * a[4] if code == regions.MOUTH else a[4]
    lit(colour, light, nx, ny, nz, open_sky, gloss, 14.0, paint.warmth if code != regions.CLOTHES else 0.0)
    return code


@njit(cache=True, nogil=True)
def _eye_or_mouth(colour, kind, paint, table, light, a, nx, ny, nz):  # type: ignore[no-untyped-def]
    """Eyeballs, tongue and teeth, lit, in place; returns the region code."""
    if kind in (EYE_LEFT, EYE_RIGHT):
        gloss = eye_colour(colour, paint, table, a[0], a[1], a[2], kind == EYE_LEFT)
        lit(colour, light, nx, ny, nz, 0.75, gloss, 90.0, 0.3)
        return regions.EYES
    if kind == TONGUE:
        colour[0], colour[1], colour[2] = 0.42, 0.11, 0.11
        lit(colour, light, nx, ny, nz, 0.15 + 0.45 * ramp(1.1, 1.7, a[2]), 0.3, 20.0, 0.5)
        return regions.MOUTH
    gum = teeth_colour(colour, a[1], kind == TEETH_LOWER)
    # the row of teeth is a coarse strip: its own normals would make dark and light plates of it
    lit(colour, light, 0.3 * nx, 0.3 * ny, 0.9, 0.04 + 0.9 * ramp(1.42, 1.78, a[2]), 0.2, 40.0, 0.1)
    return regions.MOUTH if gum > 0.5 else regions.TEETH


@njit(cache=True, nogil=True)
def shade(hit, weights, posed, normals, triangles, kinds, attr, paints, light, table):  # type: ignore[no-untyped-def]
    """Colours the samples that ``rasterise`` found.

    Args:
        hit, weights: From ``rasterise``, (S, S) and (S, S, 2).
        posed, normals: float32 (V, 3).
        triangles, kinds: int32 (T, 3), uint8 (T,).
        attr: float32 (V, 6).
        paints, light, table: ``paint_of`` the face, ``light_of`` its style, the noise table.

    Returns:
        Linear colour float32 (S, S, 3), region code uint8 (S, S); 0 where the backdrop shows.
    """
    side, paint = hit.shape[0], paints[0]
    image = np.zeros((side, side, 3), np.float32)
    codes = np.zeros((side, side), np.uint8)
    a, colour = np.empty(6, np.float32), np.empty(3, np.float32)
    for row in range(side):
        for column in range(side):
            t = hit[row, column]
            if t < 0:
                continue
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            b, c = weights[row, column, 0], weights[row, column, 1]
            f = 1 - b - c
            for m in range(6):
                a[m] = f * attr[i, m] + b * attr[j, m] + c * attr[k, m]
            nx, ny, nz = _normal(normals, i, j, k, f, b, c)
            kind = kinds[t]
            if kind == HAIR:
                _strand(colour, paint, table, light, a, nx, ny, nz, posed, i, k)
                codes[row, column] = regions.HAIR
            elif kind in (BEARD, FRAME):
                codes[row, column] = _worn(colour, kind, paint, table, light, a, nx, ny, nz)
            elif kind in (SKIN, MOUTH_WALL):
                codes[row, column] = _body(colour, paint, table, light, a, nx, ny, nz)
            else:
                codes[row, column] = _eye_or_mouth(colour, kind, paint, table, light, a, nx, ny, nz)
            for m in range(3):
                image[row, column, m] = colour[m]
    return image, codes
