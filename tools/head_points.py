# SPDX-License-Identifier: MIT
"""What is measured once on the base head by casting rays: occlusion, the scalp, the lids' margin, the landmarks."""

from __future__ import annotations

import numpy as np
from numba import njit

SCALP_CENTRE = np.array([0.0, 0.55, -0.35])
SCALP_AZIMUTHS, SCALP_POLARS = 64, 28
SCALP_POLAR_MAX = 2.45
LID_ANGLES = 32
# places of the points in the frontal view of the base head, eyes one unit apart
_HALF_JAW = (
    (-1.09, 0.1),
    (-1.08, -0.2),
    (-1.06, -0.5),
    (-1.0, -0.8),
    (-0.88, -1.08),
    (-0.72, -1.3),
    (-0.5, -1.48),
    (-0.26, -1.62),
)
JAW_XY = (*_HALF_JAW, (0.0, -1.69), *((-x, y) for x, y in reversed(_HALF_JAW)))
_HALF_BROW = ((-0.95, 0.42), (-0.8, 0.53), (-0.62, 0.57), (-0.42, 0.53), (-0.24, 0.45))
BROW_XY = (*_HALF_BROW, *((-x, y) for x, y in reversed(_HALF_BROW)))
NOSE_XY = (
    (0.0, 0.15), (0.0, -0.05), (0.0, -0.25), (0.0, -0.42),
    (-0.25, -0.58), (-0.13, -0.62), (0.0, -0.66), (0.13, -0.62), (0.25, -0.58),
)  # fmt: skip
MOUTH_XY = (
    (-0.41, -0.95), (-0.26, -0.85), (-0.1, -0.79), (0.0, -0.82), (0.1, -0.79), (0.26, -0.85), (0.41, -0.95),
    (0.28, -1.08), (0.12, -1.15), (0.0, -1.17), (-0.12, -1.15), (-0.28, -1.08),
    (-0.36, -0.95), (-0.12, -0.93), (0.0, -0.93), (0.12, -0.93), (0.36, -0.95),
    (0.12, -1.0), (0.0, -1.0), (-0.12, -1.0),
)  # fmt: skip


@njit(cache=True)
def cast(origin, ray, vertices, triangles, skip):  # type: ignore[no-untyped-def]
    """Returns (triangle, distance, u, v) of the first hit (Moeller-Trumbore), triangle -1 where nothing is hit."""
    best, found, bu, bv = 1e9, -1, 0.0, 0.0
    ox, oy, oz, dx, dy, dz = origin[0], origin[1], origin[2], ray[0], ray[1], ray[2]
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
        cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
        px, py, pz = dy * cz - dz * cy, dz * cx - dx * cz, dx * cy - dy * cx
        det = bx * px + by * py + bz * pz
        if abs(det) < 1e-12:
            continue
        sx, sy, sz = ox - ax, oy - ay, oz - az
        u = (sx * px + sy * py + sz * pz) / det
        if u < 0 or u > 1:
            continue
        qx, qy, qz = sy * bz - sz * by, sz * bx - sx * bz, sx * by - sy * bx
        v = (dx * qx + dy * qy + dz * qz) / det
        if v < 0 or u + v > 1:
            continue
        d = (cx * qx + cy * qy + cz * qz) / det
        if skip < d < best:
            best, found, bu, bv = d, t, u, v
    return found, best, bu, bv


@njit(cache=True)
def _open_share(vertices, normals, triangles, rays, reach):  # type: ignore[no-untyped-def]
    result = np.zeros(vertices.shape[0])
    for i in range(vertices.shape[0]):
        free, total = 0.0, 0.0
        for k in range(rays.shape[0]):
            cosine = np.dot(rays[k], normals[i])
            if cosine <= 0.05:
                continue
            total += cosine
            found, distance, _, _ = cast(vertices[i] + normals[i] * 0.01, rays[k], vertices, triangles, 1e-3)
            free += cosine * (min(distance / reach, 1.0) if found >= 0 else 1.0)
        result[i] = free / total if total > 0 else 1.0
    return result


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3)."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def vertex_occlusion(rest: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Share of open sky over each vertex, uint8 (V,), 255 open; nearby walls count more."""
    vertices = rest.astype(np.float64)
    step = np.arange(48) + 0.5
    polar, turn = np.arccos(1 - 2 * step / 48), np.pi * (1 + 5**0.5) * step
    rays = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)
    used = triangles.astype(np.int64)
    share = _open_share(vertices, vertex_normals(vertices, used), used, rays, 1.2)
    return np.asarray((share * 255).round().astype(np.uint8))


def scalp_grid(rest: np.ndarray, triangles: np.ndarray) -> dict[str, np.ndarray]:
    """Where rays from inside the skull leave the head: triangle corners and weights on an azimuth x polar grid.

    Azimuth 0 is the face's side and grows to the head's left; polar 0 is the crown.
    """
    vertices, used = rest.astype(np.float64), triangles.astype(np.int64)
    near = (vertices[used][:, :, 1] > -2.2).all(1) & (np.abs(vertices[used][:, :, 0]) < 1.6).all(1)
    used = used[near]
    corners = np.zeros((SCALP_AZIMUTHS, SCALP_POLARS, 3), np.uint16)
    weights = np.zeros((SCALP_AZIMUTHS, SCALP_POLARS, 3), np.float32)
    for i in range(SCALP_AZIMUTHS):
        azimuth = 2 * np.pi * i / SCALP_AZIMUTHS + 1e-3  # rays along the seam of the two halves slip through
        for j in range(SCALP_POLARS):
            polar = max(SCALP_POLAR_MAX * j / (SCALP_POLARS - 1), 1e-3)
            ray = np.array([np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)])
            found, _, u, v = cast(SCALP_CENTRE, ray, vertices, used, 1e-3)
            corners[i, j] = used[found]
            weights[i, j] = (1 - u - v, u, v)
    return {"scalp_corners": corners, "scalp_weights": weights}


def lid_margin(rest: np.ndarray, triangles: np.ndarray, parts: np.ndarray) -> dict[str, np.ndarray]:
    """Distance from the left eye's middle to its lids, seen from the front, at LID_ANGLES angles."""
    vertices, used = rest.astype(np.float64), triangles.astype(np.int64)
    eye = np.unique(used[parts == 1])
    centre = (vertices[eye].min(0) + vertices[eye].max(0)) / 2
    near = (np.abs(vertices[used][:, :, 0] - centre[0]) < 0.7).all(1) & (
        np.abs(vertices[used][:, :, 1] - centre[1]) < 0.7
    ).all(1)
    used, codes = used[near], parts[near]
    ahead = np.array([0.0, 0.0, -1.0])
    radii = np.zeros(LID_ANGLES, np.float32)
    for k in range(LID_ANGLES):
        angle = 2 * np.pi * k / LID_ANGLES
        for radius in np.arange(0.01, 0.5, 0.004):
            start = np.array([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), 4.0])
            found, _, _, _ = cast(start, ahead, vertices, used, 1e-3)
            if codes[found] != 1:
                radii[k] = radius
                break
    return {"eye_centre": centre.astype(np.float32), "lid_radius": radii}


def _nearest(rest: np.ndarray, allowed: np.ndarray, x: float, y: float) -> int:
    gap = np.hypot(rest[allowed, 0] - x, rest[allowed, 1] - y)
    return int(allowed[gap.argmin()])


def frontal_landmarks(
    rest: np.ndarray, triangles: np.ndarray, parts: np.ndarray, masks: np.ndarray, arrays: dict[str, np.ndarray]
) -> np.ndarray:
    """Vertices of the 68 points in iBUG's order, found by their place in the frontal view, int32 (68,)."""
    normals = vertex_normals(rest.astype(np.float64), triangles.astype(np.int64))
    body = np.zeros(len(rest), bool)
    body[triangles[parts == 0]] = True
    front = np.flatnonzero(body & (normals[:, 2] > 0.15) & (rest[:, 2] > 0.5) & (masks[:, 3] < 128))
    rim = body & (normals[:, 2] > -0.2) & (rest[:, 2] > 0.45) & (masks[:, 3] < 128)
    points = [_nearest(rest, np.flatnonzero(rim & (rest[:, 2] > (1.0 if y < -1.2 else 0.45))), x, y) for x, y in JAW_XY]
    points += [_nearest(rest, front, x, y) for x, y in BROW_XY + NOSE_XY]
    centre, radius = arrays["eye_centre"], arrays["lid_radius"]
    for side, angles in ((-1, (0, 55, 125, 180, 235, 305)), (1, (180, 125, 55, 0, 305, 235))):
        for angle in angles:
            reach = np.interp(angle, np.arange(LID_ANGLES + 1) * 360 / LID_ANGLES, np.append(radius, radius[0])) + 0.012
            x = centre[0] + reach * np.cos(np.radians(angle))
            points.append(_nearest(rest, front, side * x, float(centre[1] + reach * np.sin(np.radians(angle)))))
    points += [_nearest(rest, front, x, y) for x, y in MOUTH_XY]
    return np.array(points, np.int32)
