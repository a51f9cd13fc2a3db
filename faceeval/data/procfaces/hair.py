# SPDX-License-Identifier: MIT
"""Hair as layers of strands: sheets that run from the crown over the scalp, each layer further out and more sparse."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.head import F32, HeadData
from faceeval.data.procfaces.noise import TABLE, noise2, ramp
from faceeval.data.procfaces.skin import linear

LAYERS, ROWS = 4, 14
FALL_FROM = 1.62  # polar angle at which hanging hair leaves the head
COLOURS = {
    "black": (0.085, 0.07, 0.065), "blond": (0.78, 0.64, 0.44), "brown": (0.35, 0.22, 0.14),
    "gray": (0.70, 0.70, 0.70), "red": (0.56, 0.25, 0.13),
}  # fmt: skip
# hairline: azimuth from the face (degrees) -> polar angle from the crown (radians)
LINE_AZIMUTH = np.array([0, 20, 35, 45, 52, 60, 68, 90, 100, 120, 180.0])
LINE_POLAR = np.array([1.10, 1.08, 1.10, 1.27, 1.55, 1.84, 1.76, 1.74, 1.98, 2.2, 2.25])


class Cut(NamedTuple):
    """A hair style: thickness on top, at the side and at the back; height where it ends; 1 where it is curly;
    sideways sweep of the top; volume of the fall; 1 for a knot.
    """

    top: float
    side: float
    back: float
    ends: float
    curl: float
    sweep: float
    fall: float
    knot: float


CUTS: dict[str, Cut] = {
    "short": Cut(0.24, 0.12, 0.12, 9.0, 0.12, 0.0, 0.0, 0.0),
    "crop": Cut(0.06, 0.05, 0.05, 9.0, 0.3, 0.0, 0.0, 0.0),
    "side": Cut(0.38, 0.13, 0.14, 9.0, 0.0, 0.85, 0.0, 0.0),
    "curly": Cut(0.46, 0.44, 0.44, 9.0, 1.0, 0.0, 0.0, 0.0),
    "bob": Cut(0.27, 0.30, 0.30, -1.25, 0.0, 0.2, 0.3, 0.0),
    "long": Cut(0.25, 0.30, 0.30, -3.2, 0.05, 0.35, 0.45, 0.0),
    "bun": Cut(0.12, 0.10, 0.10, 9.0, 0.0, 0.0, 0.0, 1.0),
}


def hairline_of(factors: Factors, azimuths: int = 64) -> F32:
    """Polar angle of the hairline at each azimuth, float32 (azimuths,): identity, and a higher one on older men."""
    angle = np.arange(azimuths) * 360.0 / azimuths
    away = np.minimum(angle, 360 - angle)
    line = np.interp(away, LINE_AZIMUTH, LINE_POLAR)
    high = factors.identity.hairline - 0.35
    front = np.clip((50 - away) / 30, 0, 1)
    corner = np.exp(-(((away - 34) / 12) ** 2)) * (0.10 if factors.attributes.male else 0.02)
    return np.asarray(line - front * 0.22 * high - corner, np.float32)


@njit(cache=True, nogil=True)
def _root(scalp, i, polar):  # type: ignore[no-untyped-def]
    """Place on the scalp at a polar angle of column i, and the way out from there."""
    polars = scalp.shape[1]
    at = min(polar / 2.45 * (polars - 1), polars - 1.001)
    row = int(at)
    share = at - row
    bx = scalp[i, row, 0] * (1 - share) + scalp[i, row + 1, 0] * share
    by = scalp[i, row, 1] * (1 - share) + scalp[i, row + 1, 1] * share
    bz = scalp[i, row, 2] * (1 - share) + scalp[i, row + 1, 2] * share
    dx, dy, dz = bx, by - 0.55, bz + 0.35
    norm = np.sqrt(dx * dx + dy * dy + dz * dz)
    return bx, by, bz, dx / norm, dy / norm, dz / norm


@njit(cache=True, nogil=True)
def _thickness(cut, i, t, polar, up, back, side, hangs, fringe, seed_x, seed_y, table):  # type: ignore[no-untyped-def]
    """Height of the outermost layer: the cut's, uneven in clumps, thin at the hairline, swept to one side."""
    curl = cut[4]
    thick = cut[0] * up + (1 - up) * (cut[1] * (1 - back) + cut[2] * back)
    clump = noise2(table, i * (0.35 + 0.3 * curl) + seed_y, polar * (3.0 + 3.0 * curl) + seed_x) - 0.5
    thick *= 1.0 + (0.5 + 0.8 * curl) * clump
    if not hangs:
        edge = min(1.0, (1.0 - t) * 7.0)
        thick *= 0.12 + 0.88 * np.sqrt(edge) if fringe < 0.5 else 0.45 + 0.55 * edge
    thick *= 1.0 + cut[5] * 0.5 * side * up
    return thick


@njit(cache=True, nogil=True)
def _thinning(t, h, hangs, fringe):  # type: ignore[no-untyped-def]
    """How far strands thin out towards their tips, more so in the outer layers."""
    if not (hangs or fringe > 0.3):
        return ramp(0.90, 1.0, t) * 0.9
    return (ramp(0.80, 1.0, t) if fringe < 0.3 else ramp(0.88, 1.0, t)) * (0.55 + 0.45 * h)


@njit(cache=True, nogil=True)
def _column(points, attr, column, i, end, scalp, cut, side, away, ragged, fringe, seed_x, seed_y, table):  # type: ignore[no-untyped-def]
    """Fills one column of all layers: from the crown to ``end`` (polar angle), or on down where the hair hangs."""
    columns = scalp.shape[0] + 1
    hangs = cut[3] < 5.0 and away > 47.0
    back = ramp(80.0, 130.0, away)
    for j in range(ROWS):
        t = j / (ROWS - 1.0)
        drop = 0.0
        polar = end * t
        if hangs:
            polar = min((FALL_FROM + 1.9) * t, FALL_FROM)
            drop = max((FALL_FROM + 1.9) * t - FALL_FROM, 0.0) / 1.9
        bx, by, bz, dx, dy, dz = _root(scalp, i, polar)
        up = ramp(1.5, 0.7, polar)
        thick = _thickness(cut, i, t, polar, up, back, side, hangs, fringe, seed_x, seed_y, table)
        for layer in range(LAYERS):
            h = (layer + 0.35) / (LAYERS - 0.65)
            n = (layer * columns + column) * ROWS + j
            lift = thick * h
            x, y, z = bx + dx * lift, by + dy * lift, bz + dz * lift
            if hangs:
                y = y + (cut[3] - y) * drop * (1.0 + 0.06 * ragged)
                swell = 1.0 + cut[6] * np.sin(drop * 2.6) * 0.28
                x, z = x * swell, -0.3 + (z + 0.3) * (1.0 - 0.25 * drop * (1 - back))
            points[n, 0], points[n, 1], points[n, 2] = x, y, z
            attr[n, 0] = column + cut[5] * 6.0 * np.sin(polar * 1.4) * up
            attr[n, 1] = polar * 3.0 + drop * 9.0
            attr[n, 2] = h if layer > 0 else 0.0
            attr[n, 3] = _thinning(t, h, hangs, fringe)
            attr[n, 4] = 0.45 + 0.55 * h


@njit(cache=True, nogil=True)
def _sheet(scalp, line, cut, bangs, seed_x, seed_y, table):  # type: ignore[no-untyped-def]
    """Places (layers * columns * ROWS, 3) and strand attributes (.., 6) of all layers."""
    azimuths = scalp.shape[0]
    columns = azimuths + 1  # the seam, at the back, stands twice
    points = np.empty((LAYERS * columns * ROWS, 3), np.float32)
    attr = np.zeros((LAYERS * columns * ROWS, 6), np.float32)
    for column in range(columns):
        i = (column + azimuths // 2) % azimuths
        away = abs((i + azimuths // 2) % azimuths - azimuths // 2) * 360.0 / azimuths
        side = 1.0 if i <= azimuths // 2 else -1.0
        ragged = noise2(table, i * 0.9 + seed_x, seed_y) - 0.5
        fringe = bangs * ramp(50.0, 38.0, away)
        end = line[i] + 0.03 + 0.25 * max(cut[5] - 0.3, 0.0) * ramp(-25.0, 30.0, away * side) * ramp(62.0, 40.0, away)
        if fringe > 0.0:
            end = end + (1.50 + 0.10 * ragged - end) * fringe
        _column(points, attr, column, i, end, scalp, cut, side, away, ragged, fringe, seed_x, seed_y, table)
    return points, attr


def _knot(middle: F32) -> tuple[F32, F32, np.ndarray]:
    """A ball of wound strands in three layers."""
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 17), np.linspace(0.02, np.pi - 0.02, 10), indexing="ij")
    ball = np.stack([np.sin(rise) * np.sin(turn), 0.85 * np.cos(rise), np.sin(rise) * np.cos(turn)], -1).reshape(-1, 3)
    strands = np.zeros((len(ball), 6))
    strands[:, 0], strands[:, 1], strands[:, 4] = (rise * 5.0).ravel(), (turn * 1.5).ravel(), 0.8
    i, j = np.meshgrid(np.arange(16), np.arange(9), indexing="ij")
    a = (i * 10 + j).ravel()
    quads = np.concatenate([np.stack([a, a + 10, a + 11], 1), np.stack([a, a + 11, a + 1], 1)])
    places, attrs, triangles = [], [], []
    for layer, radius in enumerate((0.40, 0.43, 0.47)):
        strands[:, 2] = 0.5 * layer
        places.append(middle + radius * ball)
        attrs.append(strands.copy())
        triangles.append(quads + layer * len(ball))
    return (
        np.concatenate(places).astype(np.float32), np.concatenate(attrs).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
    )  # fmt: skip


def _sheet_triangles(azimuths: int) -> np.ndarray:
    i, j, layer = np.meshgrid(np.arange(azimuths), np.arange(ROWS - 1), np.arange(LAYERS), indexing="ij")
    a = (layer * (azimuths + 1) + i) * ROWS + j
    b = a + ROWS
    quads = np.stack([a, b, b + 1, a + 1], -1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


TRIANGLES = _sheet_triangles(64)


def hair_mesh(factors: Factors, data: HeadData, form: F32, line: F32) -> tuple[F32, F32, np.ndarray]:
    """Places, strand attributes and triangles of the hair on an unposed head; all empty when bald."""
    if factors.attributes.bald:
        return np.zeros((0, 3), np.float32), np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32)
    cut = np.asarray(CUTS[factors.details.hair_style], np.float32)
    place = np.random.Generator(np.random.PCG64(factors.details.hair_seed)).uniform(0, 200, 2)
    scalp = np.einsum("apk,apkc->apc", data.scalp_weights, form[data.scalp_corners]).astype(np.float32)
    points, attr = _sheet(scalp, line, cut, float(factors.attributes.bangs), place[0], place[1], TABLE)
    if cut[7] == 0:
        return points, attr, TRIANGLES
    ball, strands, triangles = _knot(scalp[scalp.shape[0] // 2, 2] + np.array([0.0, 0.42, 0.1], np.float32))
    triangles = triangles + np.int32(len(points))
    return np.concatenate([points, ball]), np.concatenate([attr, strands]), np.concatenate([TRIANGLES, triangles])


def hair_colour(factors: Factors) -> F32:
    """Hair colour in linear light."""
    return linear(COLOURS[factors.attributes.hair_colour])
