# SPDX-License-Identifier: MIT
"""Colour of every sample: what is painted there, in the light."""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces.noise import noise2, ramp
from faceeval.data.procfaces.raster import BEARD, EYE_LEFT, EYE_RIGHT, FRAME, HAIR, MOUTH_WALL, SKIN, TEETH_LOWER, TONGUE
from faceeval.data.procfaces.skin import age_lines, beard_cover, brow_cover, bump, groove, lid_distance

(
    BACKGROUND_CODE, SKIN_CODE, EYES_CODE, BROWS_CODE, LIPS_CODE, MOUTH_CODE, TEETH_CODE, HAIR_CODE, BEARD_CODE,
    GLASSES_CODE, CLOTHES_CODE,
) = range(11)  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _mix(colour, other, share):  # type: ignore[no-untyped-def]
    for c in range(3):
        colour[c] += (other[c] - colour[c]) * share


@njit(cache=True, nogil=True)
def _collar(x, y, z):  # type: ignore[no-untyped-def]
    """Above 0 where clothes cover the body: below a round neckline."""
    neckline = -2.25 - 0.35 * ramp(0.2, 1.2, z) * ramp(0.9, 0.0, abs(x)) + 0.28 * ramp(0.5, 1.2, abs(x))
    return neckline - y


@njit(cache=True, nogil=True)
def _flaws(colour, paint, table, x, y, z):  # type: ignore[no-untyped-def]
    """Blotches, redness, freckles, moles and age spots, in place."""
    ox, oy = paint.offset[0], paint.offset[1]
    ax = abs(x)
    blotch = noise2(table, x * 2.2 + ox, y * 2.2 + z + oy) - 0.5
    fine = noise2(table, x * 9.0 + oy, y * 9.0 + ox) - 0.5
    tone = 1.0 + 0.10 * blotch + 0.06 * fine
    red = 0.16 * bump(ax - 0.72, y + 0.5, 0.42) + 0.18 * bump(x, y + 0.45, 0.24) + 0.08 * bump(x, y + 1.45, 0.3)
    red = (red + 0.07 * blotch) * paint.warmth * ramp(0.3, 1.1, z)
    colour[0] *= tone * (1.0 + 0.25 * red)
    colour[1] *= tone * (1.0 - 0.9 * red)
    colour[2] *= tone * (1.0 - 0.9 * red)
    if z > 0.6:
        if paint.freckles > 0.05:
            spot = noise2(table, x * 24.0 + ox, y * 24.0 + oy)
            share = ramp(0.72, 0.85, spot) * paint.freckles * ramp(1.2, 0.5, ax) * ramp(0.5, 0.0, abs(y + 0.35) - 0.2)
            colour[0] *= 1 - 0.25 * share
            colour[1] *= 1 - 0.45 * share
            colour[2] *= 1 - 0.55 * share
        for n in range(paint.moles.shape[0]):
            size = paint.moles[n, 2]
            if size > 0.0:
                share = bump(x - paint.moles[n, 0], y - paint.moles[n, 1], size)
                for c in range(3):
                    colour[c] *= 1 - 0.75 * share
    if paint.old > 0.0:
        spot = noise2(table, x * 5.0 + oy, y * 5.0 + ox)
        share = ramp(0.74, 0.86, spot) * paint.old * 0.5
        colour[0] *= 1 - 0.28 * share
        colour[1] *= 1 - 0.42 * share
        colour[2] *= 1 - 0.5 * share
        grey = 0.14 * paint.old
        mean = (colour[0] + colour[1] + colour[2]) / 3
        for c in range(3):
            colour[c] += (mean - colour[c]) * grey


@njit(cache=True, nogil=True)
def _eye_area(colour, paint, x, y, z):  # type: ignore[no-untyped-def]
    """Lash line, lid crease, tired lids and make-up around the eyes, in place."""
    if z < 0.8 or abs(y - 0.137) > 0.5:
        return
    outside, dy, dx = lid_distance(x, y, paint)
    upper = ramp(-0.06, 0.03, dy + 0.1 * abs(dx) * 0.0)
    if paint.makeup > 0.0:
        over = upper * ramp(0.30, 0.05, outside) * ramp(0.0, 0.02, outside + 0.03)
        _mix(colour, paint.shadow, 0.75 * over * paint.makeup)
    width = 0.028 + 0.024 * paint.makeup
    lash = ramp(width, width * 0.35, abs(outside - 0.008)) * ((0.55 + 0.22 * paint.female) * upper + 0.12 + 0.05 * paint.female + 0.22 * paint.makeup)
    lash = min(lash * (1.0 + 0.3 * paint.makeup), 0.92)
    for c in range(3):
        colour[c] *= 1 - lash * (0.85 + 0.1 * paint.makeup)
    crease = groove(outside - 0.075, 0.018) * upper * ramp(0.34, 0.2, abs(dx)) * 0.42
    ring = 0.16 * ramp(0.2, 0.04, abs(outside - 0.08)) * (1 - upper) * (0.5 + paint.old)
    socket = 0.15 * ramp(0.34, 0.04, outside) * ramp(0.5, 0.3, abs(y - 0.137))
    for c in range(3):
        colour[c] *= (1 - crease) * (1 - ring * (0.8 + 0.25 * c)) * (1 - socket * (0.9 + 0.2 * c))


@njit(cache=True, nogil=True)
def skin_colour(colour, paint, table, x, y, z, lips, inside):  # type: ignore[no-untyped-def]
    """Paints one place of the body; returns (code, groove depth, gloss)."""
    if _collar(x, y, z) > 0:
        weave = 0.93 + 0.14 * noise2(table, x * 14.0, y * 14.0 + z * 9.0)
        rim = 0.75 + 0.25 * ramp(0.0, 0.10, _collar(x, y, z))
        for c in range(3):
            colour[c] = paint.clothes[c] * weave * rim
        return CLOTHES_CODE, 0.0, 0.03
    if inside > 0.5 and paint.mouth_open == 0.0:
        for c in range(3):
            colour[c] = (paint.lips[c] + (paint.lip_colour[c] - paint.lips[c]) * paint.lipstick) * 0.35
        return LIPS_CODE, 0.0, 0.0
    if inside > 0.5:
        colour[0], colour[1], colour[2] = 0.20, 0.035, 0.035
        return MOUTH_CODE, 0.0, 0.1
    code, gloss = SKIN_CODE, 0.22
    for c in range(3):
        colour[c] = paint.skin[c]
    _flaws(colour, paint, table, x, y, z)
    depth = age_lines(table, x, y, z, paint.offset[2], paint.offset[3]) * paint.old if paint.old > 0.0 else 0.0
    if paint.makeup > 0.0 and z > 0.4:
        share = bump((abs(x) - 0.82) * 0.8, (y + 0.40 - 0.35 * (abs(x) - 0.8)) * 1.4, 0.28) * 0.32 * ramp(0.4, 1.0, z)
        colour[1] *= 1 - share * 0.75
        colour[2] *= 1 - share * 0.55
    _eye_area(colour, paint, x, y, z)
    if lips > 0.05:
        share = ramp(0.25, 0.75, lips)
        _mix(colour, paint.lips, share * (0.62 + 0.28 * paint.female) * (1.0 - 0.4 * paint.old))
        _mix(colour, paint.lip_colour, share * 0.92 * paint.lipstick)
        depth *= 1 - share
        gloss += share * (0.25 + 0.4 * paint.lipstick)
        if share > 0.5:
            code = LIPS_CODE
    if z > 0.8:
        brow = brow_cover(table, x, y, paint.bushy, paint.offset[0])
        if brow > 0.0:
            _mix(colour, paint.brow, min(brow * 0.95, 0.95))
            if brow > 0.4:
                code = BROWS_CODE
    if paint.stubble > 0.0 and y < 0.2:
        grows = beard_cover(table, x, y, z, paint.beard_style, lips)
        if grows > 0.0:
            dots = noise2(table, x * 30.0, y * 30.0)
            share = grows * paint.stubble * (0.45 + 0.4 * dots if paint.beard_style == 0 else 0.95)
            _mix(colour, paint.beard_colour, min(share, 0.97))
            gloss *= 1 - grows
            if grows > 0.4 and code == SKIN_CODE:
                code = BEARD_CODE
    if paint.haired > 0.0 and (y > 0.1 or z < 0.3):
        code = _scalp(colour, paint, table, x, y, z, code)
    return code, depth, gloss


@njit(cache=True, nogil=True)
def _scalp(colour, paint, table, x, y, z, code):  # type: ignore[no-untyped-def]
    """Roots under the hair, so that gaps between strands do not show bare skin."""
    dx, dy, dz = x, y - 0.55, z + 0.35
    polar = np.arctan2(np.sqrt(dx * dx + dz * dz), dy)
    if polar > 2.35:
        return code
    turn = np.arctan2(dx, dz) / (2 * np.pi)
    turn = (turn - np.floor(turn)) * 64.0
    k = int(turn) & 63
    share = turn - np.floor(turn)
    line = paint.hairline[k] * (1 - share) + paint.hairline[(k + 1) & 63] * share
    fuzz = (noise2(table, turn * 5.0, polar * 12.0) - 0.5) * 0.10
    cover = ramp(line + 0.035, line - 0.05, polar + fuzz) * 0.9
    shade = 0.22 * ramp(line + 0.20, line, polar)  # the hair's shadow on the skin beside it
    for c in range(3):
        colour[c] *= 1 - shade
    if cover > 0.0:
        for c in range(3):
            colour[c] += (paint.hair[c] * 0.55 - colour[c]) * cover
        if cover > 0.5:
            return HAIR_CODE
    return code


@njit(cache=True, nogil=True)
def _eye_colour(colour, paint, table, x, y, z, left):  # type: ignore[no-untyped-def]
    """Sclera, iris, pupil by direction from the eyeball's middle; returns the gloss."""
    cx = paint.eye_centre[0] if left else -paint.eye_centre[0]
    gx, gy = x - cx - 0.075 * paint.gaze[0], y - paint.eye_centre[1] - 0.04 * paint.gaze[1] + 0.005
    r = np.sqrt(gx * gx + gy * gy)
    vein = noise2(table, x * 20.0, y * 20.0) * 0.1
    far = ramp(0.08, 0.22, abs(x - cx))
    colour[0], colour[1], colour[2] = 0.80 - 0.1 * far, 0.76 - vein * 0.5 - 0.22 * far, 0.74 - vein * 0.5 - 0.24 * far
    spokes = 0.75 + 0.5 * noise2(table, np.arctan2(gy, gx) * 7.0 + 40.0, r * 20.0)
    inner = ramp(0.12, 0.105, r)
    for c in range(3):
        iris = paint.iris[c] * spokes * (1.0 - 0.72 * ramp(0.085, 0.115, r)) * (1.0 + 0.4 * ramp(0.1, 0.05, r))
        colour[c] += (iris - colour[c]) * inner
        colour[c] *= 1 - 0.97 * ramp(0.056, 0.042, r)
    spark = ramp(0.030, 0.016, np.sqrt((x - cx + 0.032) ** 2 + (y - paint.eye_centre[1] - 0.035) ** 2))
    lid = ramp(0.02, 0.12, y - paint.eye_centre[1]) * 0.45
    for c in range(3):
        colour[c] = colour[c] * (1 - lid) + 0.9 * spark
    return 0.9


@njit(cache=True, nogil=True)
def _lit(colour, light, nx, ny, nz, open_sky, gloss, sharp, warm):  # type: ignore[no-untyped-def]
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
def _hair_lit(colour, paint, table, light, a, nx, ny, nz, tx, ty, tz):  # type: ignore[no-untyped-def]
    """Strand colour and light (Kajiya and Kay, SIGGRAPH 1989): diffuse by the sine to the strand, two shifted gloss bands."""
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


@njit(cache=True, nogil=True)
def shade(hit, weights, posed, normals, triangles, kinds, attr, paint, light, turn, table):  # type: ignore[no-untyped-def]
    """Colours the samples.

    Args:
        hit: int32 (S, S) from ``rasterise``.
        weights: float32 (S, S, 2) likewise.
        posed: float32 (V, 3).
        normals: float32 (V, 3).
        triangles: int32 (T, 3).
        kinds: uint8 (T,).
        attr: float32 (V, 6).
        paint: The face's ``Paint``.
        light: float32 (7,), see ``_lit``.
        turn: float32 (3, 3), the head's rotation.
        table: The noise table.

    Returns:
        Linear colour float32 (S, S, 3), region code uint8 (S, S); 0 where the backdrop shows.
    """
    side = hit.shape[0]
    image = np.zeros((side, side, 3), np.float32)
    codes = np.zeros((side, side), np.uint8)
    a = np.empty(6, np.float32)
    colour = np.empty(3, np.float32)
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
            nx = f * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
            ny = f * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
            nz = f * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
            norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / norm, ny / norm, nz / norm
            kind = kinds[t]
            if kind == HAIR:
                if nz < 0:
                    nx, ny, nz = -nx, -ny, -nz
                # the strand runs along the second edge of the sheet's quads
                tx, ty, tz = posed[k, 0] - posed[i, 0], posed[k, 1] - posed[i, 1], posed[k, 2] - posed[i, 2]
                norm = np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
                _hair_lit(colour, paint, table, light, a, nx, ny, nz, tx / norm, ty / norm, tz / norm)
                codes[row, column] = HAIR_CODE
            elif kind == BEARD:
                tone = 0.55 + 0.75 * noise2(table, a[0] * 26.0 + a[1] * 5.0, a[1] * 8.0)
                for m in range(3):
                    colour[m] = paint.beard_colour[m] * tone * (0.6 + 0.4 * a[3]) * 1.4
                _lit(colour, light, nx, ny, nz, a[4], 0.1, 12.0, 0.2)
                codes[row, column] = BEARD_CODE
            elif kind == FRAME:
                for m in range(3):
                    colour[m] = a[m]
                _lit(colour, light, nx, ny, nz, 1.0, 0.9, 30.0, 0.0)
                codes[row, column] = GLASSES_CODE
            elif kind == SKIN or kind == MOUTH_WALL:
                code, depth, gloss = skin_colour(colour, paint, table, a[0], a[1], a[2], a[3], a[5])
                if depth > 0.0:
                    for m in range(3):
                        colour[m] *= 1 - depth * (0.34 + 0.07 * m)
                    gloss *= 1 - 0.6 * depth
                open_sky = a[4] * a[4] if code == MOUTH_CODE else a[4]
                _lit(colour, light, nx, ny, nz, open_sky, gloss, 14.0, paint.warmth if code != CLOTHES_CODE else 0.0)
                codes[row, column] = code
            elif kind == EYE_LEFT or kind == EYE_RIGHT:
                gloss = _eye_colour(colour, paint, table, a[0], a[1], a[2], kind == EYE_LEFT)
                _lit(colour, light, nx, ny, nz, 0.75, gloss, 90.0, 0.3)
                codes[row, column] = EYES_CODE
            elif kind == TONGUE:
                colour[0], colour[1], colour[2] = 0.42, 0.11, 0.11
                _lit(colour, light, nx, ny, nz, 0.15 + 0.45 * ramp(1.1, 1.7, a[2]), 0.3, 20.0, 0.5)
                codes[row, column] = MOUTH_CODE
            else:
                gum = ramp(-1.02, -1.06, a[1]) if kind == TEETH_LOWER else ramp(-0.84, -0.80, a[1])
                colour[0], colour[1], colour[2] = 0.70 - 0.48 * gum, 0.65 - 0.60 * gum, 0.55 - 0.50 * gum
                # the row of teeth is a coarse strip: its own normals would make dark and light plates of it
                _lit(colour, light, 0.3 * nx, 0.3 * ny, 0.9, 0.04 + 0.9 * ramp(1.42, 1.78, a[2]), 0.2, 40.0, 0.1)
                codes[row, column] = MOUTH_CODE if gum > 0.5 else TEETH_CODE
            for m in range(3):
                image[row, column, m] = colour[m]
    return image, codes


__all__ = ["shade"]
