# SPDX-License-Identifier: MIT
"""The colour of every place of the head before any light: skin, eyes, mouth, teeth, clothes."""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces import regions
from faceeval.data.procfaces.cover import age_lines, beard_cover, brow_cover, bump, groove, lid_distance
from faceeval.data.procfaces.noise import noise2, ramp


@njit(cache=True, nogil=True)
def _mix(colour, other, share):  # type: ignore[no-untyped-def]
    """Moves a colour towards another, in place."""
    for c in range(3):
        colour[c] += (other[c] - colour[c]) * share


@njit(cache=True, nogil=True)
def _collar(x, y, z):  # type: ignore[no-untyped-def]
    """Above 0 where clothes cover the body: below a round neckline."""
    neckline = -2.25 - 0.35 * ramp(0.2, 1.2, z) * ramp(0.9, 0.0, abs(x)) + 0.28 * ramp(0.5, 1.2, abs(x))
    return neckline - y


@njit(cache=True, nogil=True)
def _spots(colour, paint, table, x, y, ax, ox, oy):  # type: ignore[no-untyped-def]
    """Freckles and moles, in place."""
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


@njit(cache=True, nogil=True)
def _age_spots(colour, paint, table, x, y, ox, oy):  # type: ignore[no-untyped-def]
    """Brown spots and less colour, in place."""
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
        _spots(colour, paint, table, x, y, ax, ox, oy)
    if paint.old > 0.0:
        _age_spots(colour, paint, table, x, y, ox, oy)


@njit(cache=True, nogil=True)
def _eye_area(colour, paint, x, y, z):  # type: ignore[no-untyped-def]
    """Lash line, lid crease, tired lids and make-up around the eyes, in place."""
    if z < 0.8 or abs(y - 0.137) > 0.5:
        return
    outside, dy, dx = lid_distance(x, y, paint)
    upper = ramp(-0.06, 0.03, dy)
    if paint.makeup > 0.0:
        over = upper * ramp(0.30, 0.05, outside) * ramp(0.0, 0.02, outside + 0.03)
        _mix(colour, paint.shadow, 0.75 * over * paint.makeup)
    width = 0.028 + 0.024 * paint.makeup
    strength = (0.55 + 0.22 * paint.female) * upper + 0.12 + 0.05 * paint.female + 0.22 * paint.makeup
    lash = ramp(width, width * 0.35, abs(outside - 0.008)) * strength
    lash = min(lash * (1.0 + 0.3 * paint.makeup), 0.92)
    for c in range(3):
        colour[c] *= 1 - lash * (0.85 + 0.1 * paint.makeup)
    crease = groove(outside - 0.075, 0.018) * upper * ramp(0.34, 0.2, abs(dx)) * 0.42
    ring = 0.16 * ramp(0.2, 0.04, abs(outside - 0.08)) * (1 - upper) * (0.5 + paint.old)
    socket = 0.15 * ramp(0.34, 0.04, outside) * ramp(0.5, 0.3, abs(y - 0.137))
    for c in range(3):
        colour[c] *= (1 - crease) * (1 - ring * (0.8 + 0.25 * c)) * (1 - socket * (0.9 + 0.2 * c))


@njit(cache=True, nogil=True)
def _clothes_or_mouth(colour, paint, table, x, y, z):  # type: ignore[no-untyped-def]
    """Paints cloth below the neckline, and the inside of the mouth above it; returns (code, gloss)."""
    if _collar(x, y, z) > 0:
        weave = 0.93 + 0.14 * noise2(table, x * 14.0, y * 14.0 + z * 9.0)
        rim = 0.75 + 0.25 * ramp(0.0, 0.10, _collar(x, y, z))
        for c in range(3):
            colour[c] = paint.clothes[c] * weave * rim
        return regions.CLOTHES, 0.03
    if paint.mouth_open == 0.0:
        for c in range(3):
            colour[c] = (paint.lips[c] + (paint.lip_colour[c] - paint.lips[c]) * paint.lipstick) * 0.35
        return regions.LIPS, 0.0
    colour[0], colour[1], colour[2] = 0.20, 0.035, 0.035
    return regions.MOUTH, 0.1


@njit(cache=True, nogil=True)
def _lips(colour, paint, share):  # type: ignore[no-untyped-def]
    """Natural lips, paler with age, and lipstick over them, in place."""
    _mix(colour, paint.lips, share * (0.62 + 0.28 * paint.female) * (1.0 - 0.4 * paint.old))
    _mix(colour, paint.lip_colour, share * 0.92 * paint.lipstick)


@njit(cache=True, nogil=True)
def _stubble(colour, paint, table, x, y, grows):  # type: ignore[no-untyped-def]
    """Hair on the skin of a beard, in place."""
    dots = noise2(table, x * 30.0, y * 30.0)
    share = grows * paint.stubble * (0.45 + 0.4 * dots if paint.beard_style == 0 else 0.95)
    _mix(colour, paint.beard_colour, min(share, 0.97))


@njit(cache=True, nogil=True)
def _bare(colour, paint, table, x, y, z):  # type: ignore[no-untyped-def]
    """Skin with its flaws, blush and eye make-up, in place; returns the depth of the lines of age."""
    for c in range(3):
        colour[c] = paint.skin[c]
    _flaws(colour, paint, table, x, y, z)
    depth = age_lines(table, x, y, z, paint.offset[2], paint.offset[3]) * paint.old if paint.old > 0.0 else 0.0
    if paint.makeup > 0.0 and z > 0.4:
        share = bump((abs(x) - 0.82) * 0.8, (y + 0.40 - 0.35 * (abs(x) - 0.8)) * 1.4, 0.28) * 0.32 * ramp(0.4, 1.0, z)
        colour[1] *= 1 - share * 0.75
        colour[2] *= 1 - share * 0.55
    _eye_area(colour, paint, x, y, z)
    return depth


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
            return regions.HAIR
    return code


@njit(cache=True, nogil=True)
def body_colour(colour, paint, table, x, y, z, lips, inside):  # type: ignore[no-untyped-def]
    """Paints one place of the body, in place; returns (region code, depth of the lines of age, gloss)."""
    if inside > 0.5 or _collar(x, y, z) > 0:
        code, gloss = _clothes_or_mouth(colour, paint, table, x, y, z)
        return code, 0.0, gloss
    code, gloss = regions.SKIN, 0.22
    depth = _bare(colour, paint, table, x, y, z)
    if lips > 0.05:
        share = ramp(0.25, 0.75, lips)
        _lips(colour, paint, share)
        depth *= 1 - share
        gloss += share * (0.25 + 0.4 * paint.lipstick)
        if share > 0.5:
            code = regions.LIPS
    if z > 0.8:
        brow = brow_cover(table, x, y, paint.bushy, paint.offset[0])
        if brow > 0.0:
            _mix(colour, paint.brow, min(brow * 0.95, 0.95))
            if brow > 0.4:
                code = regions.BROWS
    if paint.stubble > 0.0 and y < 0.2:
        grows = beard_cover(table, x, y, z, paint.beard_style, lips)
        if grows > 0.0:
            _stubble(colour, paint, table, x, y, grows)
            gloss *= 1 - grows
            if grows > 0.4 and code == regions.SKIN:
                code = regions.BEARD
    if paint.haired > 0.0 and (y > 0.1 or z < 0.3):
        code = _scalp(colour, paint, table, x, y, z, code)
    return code, depth, gloss


@njit(cache=True, nogil=True)
def eye_colour(colour, paint, table, x, y, z, left):  # type: ignore[no-untyped-def]
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
def teeth_colour(colour, y, lower):  # type: ignore[no-untyped-def]
    """Teeth and, beyond their necks, gum, in place; returns the share of gum."""
    gum = ramp(-1.02, -1.06, y) if lower else ramp(-0.84, -0.80, y)
    colour[0], colour[1], colour[2] = 0.70 - 0.48 * gum, 0.65 - 0.60 * gum, 0.55 - 0.50 * gum
    return gum
