# SPDX-License-Identifier: MIT
"""From vertices in space to visible triangles: pose and camera, then a depth buffer filled triangle by triangle."""

from __future__ import annotations

import numpy as np
from numba import njit

from faceeval.data.procfaces.noise import noise2

DISTANCE = 14.0  # of the camera, in eye distances
SPREAD = 0.236  # eye distance as a share of the side, at the eyes' depth
EYE_DEPTH = 1.5
EYE_HEIGHT, EYE_ROW = 0.14, 0.505

# what a triangle is made of; parts of the head's own mesh keep their code from the data file
SKIN, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, TONGUE, HAIR, BEARD, FRAME, MOUTH_WALL = range(10)


@njit(cache=True, nogil=True)
def project(points, follow, turn, body_turn, zoom, shift_x, shift_y, side):  # type: ignore[no-untyped-def]
    """Poses vertices and projects them.

    Args:
        points: float32 (V, 3), unposed.
        follow: float32 (V,), 1 turns with the head .. 0 with the body.
        turn: float32 (3, 3) of the head.
        body_turn: float32 (3, 3) of the shoulders.
        zoom: Camera zoom.
        shift_x: Shift to the right as a share of the side.
        shift_y: Shift downwards likewise.
        side: Side of the sample grid.

    Returns:
        Posed places (V, 3) and places on the grid (V, 2) with y down, both float32.
    """
    count = points.shape[0]
    posed = np.empty((count, 3), np.float32)
    screen = np.empty((count, 2), np.float32)
    focal = SPREAD * (DISTANCE - EYE_DEPTH) * zoom * side
    raised = EYE_HEIGHT * SPREAD * zoom
    for i in range(count):
        x, y, z, w = points[i, 0], points[i, 1], points[i, 2], follow[i]
        for k in range(3):
            head = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z
            body = body_turn[k, 0] * x + body_turn[k, 1] * y + body_turn[k, 2] * z
            posed[i, k] = w * head + (1 - w) * body
        scale = focal / (DISTANCE - posed[i, 2])
        screen[i, 0] = (0.5 + shift_x) * side + posed[i, 0] * scale
        screen[i, 1] = (EYE_ROW + raised + shift_y) * side - posed[i, 1] * scale
    return posed, screen


@njit(cache=True, nogil=True)
def vertex_normals(points, triangles):  # type: ignore[no-untyped-def]
    """Area-weighted unit normals, float32 (V, 3)."""
    normals = np.zeros((points.shape[0], 3), np.float32)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(points.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + 1e-12
        normals[v, 0] /= length
        normals[v, 1] /= length
        normals[v, 2] /= length
    return normals


@njit(cache=True, nogil=True, inline="always")
def _covered(kind, attr, i, j, k, a, b, c, table, curl):  # type: ignore[no-untyped-def]
    """Whether a strand passes here: hair and beard are layers of strands, more sparse the further out."""
    if kind == HAIR:
        u = a * attr[i, 0] + b * attr[j, 0] + c * attr[k, 0]
        t = a * attr[i, 1] + b * attr[j, 1] + c * attr[k, 1]
        layer = a * attr[i, 2] + b * attr[j, 2] + c * attr[k, 2]
        thin = a * attr[i, 3] + b * attr[j, 3] + c * attr[k, 3]
        bend = (noise2(table, u * 9.0, t * 2.0) - 0.5) * 0.25
        strand = noise2(table, (u + bend) * 11.0, t * (1.2 + 9.0 * curl))
        strand = 0.5 * strand + 0.5 * noise2(table, (u + bend) * 4.5, t * (0.8 + 4.0 * curl) + 31.0)
        return strand > layer * 0.58 + thin * 0.75
    if kind == BEARD:
        x = a * attr[i, 0] + b * attr[j, 0] + c * attr[k, 0]
        y = a * attr[i, 1] + b * attr[j, 1] + c * attr[k, 1]
        layer = a * attr[i, 3] + b * attr[j, 3] + c * attr[k, 3]
        weight = a * attr[i, 5] + b * attr[j, 5] + c * attr[k, 5]
        strand = 0.6 * noise2(table, x * 44.0 + y * 9.0, y * 11.0) + 0.4 * noise2(table, x * 15.0, y * 6.0)
        return weight * (0.6 + 0.8 * strand) > 0.28 + layer * 0.5
    return True


@njit(cache=True, nogil=True)
def _fill(t, i, j, k, kind, posed, screen, kinds, attr, table, curl, hit, weights, depth):  # type: ignore[no-untyped-def]
    """Writes one triangle where it is nearest; its corners must not be on one line."""
    side = hit.shape[0]
    x0, y0 = screen[i, 0], screen[i, 1]
    x1, y1 = screen[j, 0] - x0, screen[j, 1] - y0
    x2, y2 = screen[k, 0] - x0, screen[k, 1] - y0
    inverse = 1.0 / (x1 * y2 - x2 * y1)
    left = max(int(np.ceil(x0 + min(0.0, min(x1, x2)) - 0.5)), 0)
    right = min(int(np.floor(x0 + max(0.0, max(x1, x2)) - 0.5)), side - 1)
    top = max(int(np.ceil(y0 + min(0.0, min(y1, y2)) - 0.5)), 0)
    low = min(int(np.floor(y0 + max(0.0, max(y1, y2)) - 0.5)), side - 1)
    z0, z1, z2 = posed[i, 2], posed[j, 2] - posed[i, 2], posed[k, 2] - posed[i, 2]
    within = TEETH_UPPER <= kind <= TONGUE  # shows only inside the mouth, whatever the shape of the jaw does
    for row in range(top, low + 1):
        py = row + 0.5 - y0
        for column in range(left, right + 1):
            px = column + 0.5 - x0
            b = (px * y2 - x2 * py) * inverse
            c = (x1 * py - px * y1) * inverse
            if b < 0 or c < 0 or b + c > 1:
                continue
            z = z0 + b * z1 + c * z2
            inside = False
            if within:
                below = hit[row, column]
                inside = below >= 0 and kinds[below] == MOUTH_WALL
                if not inside and (below < 0 or kinds[below] < TEETH_UPPER or kinds[below] > TONGUE):
                    continue
            if z <= depth[row, column] and not inside:
                continue
            if HAIR <= kind <= BEARD and not _covered(kind, attr, i, j, k, 1 - b - c, b, c, table, curl):
                continue
            depth[row, column], hit[row, column] = z, t
            weights[row, column, 0], weights[row, column, 1] = b, c


@njit(cache=True, nogil=True)
def rasterise(posed, screen, triangles, kinds, attr, side, table, curl):  # type: ignore[no-untyped-def]
    """Finds the nearest triangle at every sample.

    Args:
        posed: float32 (V, 3); its z orders depth.
        screen: float32 (V, 2).
        triangles: int32 (T, 3); the mouth's wall before teeth and tongue.
        kinds: uint8 (T,).
        attr: float32 (V, 6), read where strands decide on coverage.
        side: Side of the sample grid.
        table: The noise table.
        curl: 0 for straight strands .. 1 for curls.

    Returns:
        Triangle int32 (side, side), -1 where nothing is; weights of its second and third corner float32
        (side, side, 2); depth float32 (side, side).
    """
    hit = np.full((side, side), -1, np.int32)
    weights = np.empty((side, side, 2), np.float32)
    depth = np.full((side, side), -1e9, np.float32)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = screen[j, 0] - screen[i, 0], screen[j, 1] - screen[i, 1]
        bx, by = screen[k, 0] - screen[i, 0], screen[k, 1] - screen[i, 1]
        area = ax * by - bx * ay
        kind = kinds[t]
        if (kind == HAIR or area < 0) and abs(area) >= 1e-9:  # y points down: a front face has negative area
            _fill(t, i, j, k, kind, posed, screen, kinds, attr, table, curl, hit, weights, depth)
    return hit, weights, depth
