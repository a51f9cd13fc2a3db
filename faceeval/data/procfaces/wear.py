# SPDX-License-Identifier: MIT
"""What a face wears: glasses as tubes of frame with thin lenses, and beards as layers of strands on the lower face."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces.cover import beard_cover
from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.head import F32, HeadData, head_data
from faceeval.data.procfaces.noise import TABLE
from faceeval.data.procfaces.raster import EYE_LEFT, EYE_RIGHT, FRAME, project, rasterise, vertex_normals
from faceeval.data.procfaces.skin import linear

I32 = NDArray[np.int32]
EMPTY = (np.zeros((0, 3), np.float32), np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32))
BEARD_LAYERS = 4
# outward and downward length of the strands of each beard style, in eye distances
BEARD_LENGTH = ((0.0, 0.0), (0.13, 0.05), (0.13, 0.05), (0.20, 0.50), (0.12, 0.05))
RIM_STEPS, TUBE_SIDES = 32, 5
# half width, half height, squareness of the rims: round, oval, rectangular, aviator
RIMS = ((0.35, 0.35, 2.0), (0.40, 0.29, 2.2), (0.40, 0.28, 5.0), (0.41, 0.35, 2.6))


@functools.cache
def _beard_ground(style: int) -> tuple[I32, I32, F32]:
    """Vertices that carry strands, triangles among them, cover at each; fixed for a style."""
    data = head_data()
    cover = np.zeros(len(data.rest), np.float32)
    for vertex in np.unique(data.beard_triangles):
        x, y, z = data.rest[vertex]
        cover[vertex] = beard_cover(TABLE, x, y, z, style, data.attr[vertex, 3])
    used = data.beard_triangles[cover[data.beard_triangles].max(1) > 0.02]
    vertices, inverse = np.unique(used, return_inverse=True)
    return vertices.astype(np.int32), inverse.reshape(-1, 3).astype(np.int32), cover[vertices]


def beard_mesh(factors: Factors, data: HeadData, points: F32) -> tuple[F32, F32, I32]:
    """Layers of strands over the lower face; empty without a beard or with stubble only."""
    style = int(factors.details.beard_style)
    if factors.attributes.no_beard or style == 0:
        return EMPTY
    vertices, local, cover = _beard_ground(style)
    normals = vertex_normals(points[vertices], local)
    out, down = BEARD_LENGTH[style]
    layers, attrs, triangles = [], [], []
    low = np.clip((-0.75 - data.rest[vertices, 1]) / 0.6, 0, 1)[:, None]  # the moustache stays short
    for layer in range(1, BEARD_LAYERS + 1):
        height = layer / BEARD_LAYERS
        lift = normals * (out * (0.35 + 0.65 * low)) + low * np.array([0.0, -down, 0.0])
        layers.append(points[vertices] + (height * lift).astype(np.float32) * cover[:, None])
        attr = data.attr[vertices].copy()
        attr[:, 3] = height
        attr[:, 4] = 0.5 + 0.5 * attr[:, 4]
        attr[:, 5] = cover * (0.45 + 0.55 * factors.details.beard_density)
        attrs.append(attr)
        triangles.append(local + np.int32((layer - 1) * len(vertices)))
    return np.concatenate(layers).astype(np.float32), np.concatenate(attrs), np.concatenate(triangles)


def _tube(path: F32, radius: float, closed: bool) -> tuple[F32, I32]:
    """A tube around a path: places and triangles."""
    count = len(path)
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    aside = np.cross(ahead, [0.02, 0.05, 1.0]) if np.abs(ahead[:, 2]).max() < 0.9 else np.cross(ahead, [0.0, 1.0, 0.1])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    over = np.cross(ahead, aside)
    turn = 2 * np.pi * np.arange(TUBE_SIDES) / TUBE_SIDES
    ring = np.cos(turn)[:, None] * aside[:, None] + np.sin(turn)[:, None] * over[:, None]
    i, k = np.meshgrid(np.arange(count if closed else count - 1), np.arange(TUBE_SIDES), indexing="ij")
    a, b = i * TUBE_SIDES + k, i * TUBE_SIDES + (k + 1) % TUBE_SIDES
    c, d = (i + 1) % count * TUBE_SIDES + k, (i + 1) % count * TUBE_SIDES + (k + 1) % TUBE_SIDES
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return (path[:, None] + radius * ring).reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)


def _rim(shape: int, middle: F32, side: int) -> F32:
    """The closed curve of one rim (RIM_STEPS, 3); side 1 is the head's left."""
    width, height, square = RIMS[shape]
    turn = 2 * np.pi * np.arange(RIM_STEPS) / RIM_STEPS
    cosine, sine = np.cos(turn), np.sin(turn)
    x = width * np.sign(cosine) * np.abs(cosine) ** (2 / square)
    y = height * np.sign(sine) * np.abs(sine) ** (2 / square)
    if shape == 3:  # aviators hang down and outwards
        x = np.where(y < 0, x * (1 + 0.45 * y) + 0.12 * -y, x)
    places = np.stack([middle[0] + x, middle[1] + y, np.full(RIM_STEPS, middle[2])], 1)
    places[:, 2] -= 0.20 * places[:, 0] ** 2
    places[:, 0] *= side
    return places.astype(np.float32)


def _fit(data: HeadData, form: F32) -> tuple[F32, F32]:
    """Middle of the left lens and the place over the left ear, on this head."""
    eye = form[np.unique(data.triangles[data.parts == EYE_LEFT])]
    other = form[np.unique(data.triangles[data.parts == EYE_RIGHT])]
    bridge = form[data.landmarks[27]]
    x = 0.25 * (eye[:, 0].min() + eye[:, 0].max() - other[:, 0].min() - other[:, 0].max())
    y = 0.25 * (eye[:, 1].min() + eye[:, 1].max() + other[:, 1].min() + other[:, 1].max())
    middle = np.array([max(x, 0.47) + 0.01, y - 0.05, max(bridge[2] + 0.055, eye[:, 2].max() + 0.18)], np.float32)
    ear = form[_ear_vertex()]
    return middle, ear.astype(np.float32)


@functools.cache
def _ear_vertex() -> int:
    return int(np.abs(head_data().rest - np.array([1.27, 0.22, 0.3])).sum(1).argmin())


def _arch(middle: F32, inner: np.float32) -> F32:
    """The bridge between rims that end ``inner`` from the nose's middle (7, 3)."""
    across = np.linspace(-1, 1, 7)
    places = np.stack([across * inner, middle[1] + 0.12 - 0.05 * across**2, np.full(7, middle[2] - 0.01)], 1)
    return places.astype(np.float32)


def _temple(middle: F32, outer: np.float32, ear: F32, side: int) -> F32:
    """The arm from a rim's outer end to over the ear (7, 3)."""
    hinge = np.array([outer - 0.02, middle[1] + 0.10, middle[2] - 0.20 * outer**2])
    corner = np.array([outer + 0.07, middle[1] + 0.10, hinge[2] - 0.12])
    end = np.array([ear[0] + 0.07, ear[1] + 0.03, ear[2] - 0.1])
    share = np.linspace(0, 1, 6)[:, None]
    path = np.concatenate([hinge[None], corner + (end - corner) * share])
    return (path * [side, 1, 1]).astype(np.float32)


def glasses_mesh(factors: Factors, data: HeadData, form: F32) -> tuple[F32, F32, I32]:
    """Frame of the glasses on an unposed head; empty without glasses."""
    if not factors.attributes.eyeglasses:
        return EMPTY
    details = factors.details
    radius = 0.022 + 0.024 * details.glasses_thickness
    middle, ear = _fit(data, form)
    width = RIMS[details.glasses_shape][0]
    tubes = [_tube(_rim(details.glasses_shape, middle, side), radius, True) for side in (1, -1)]
    tubes.append(_tube(_arch(middle, middle[0] - width), radius * 0.9, False))
    tubes += [_tube(_temple(middle, middle[0] + width, ear, side), radius, False) for side in (1, -1)]
    places, triangles, offset = [], [], 0
    for tube_places, tube_triangles in tubes:
        places.append(tube_places)
        triangles.append(tube_triangles + np.int32(offset))
        offset += len(tube_places)
    attr = np.zeros((offset, 6), np.float32)
    attr[:, :3] = linear(details.glasses_colour)
    return np.concatenate(places), attr, np.concatenate(triangles)


def with_lenses(
    samples: F32, codes: NDArray[np.uint8], depth: F32, factors: Factors, data: HeadData, form: F32, view: Any
) -> None:
    """Lays a slight tint and a slanted reflection over what is seen through the lenses, in place."""
    middle, _ = _fit(data, form)
    fan = np.stack([np.zeros(RIM_STEPS, int), np.arange(1, RIM_STEPS + 1), np.roll(np.arange(1, RIM_STEPS + 1), -1)], 1)
    for side in (1, -1):
        rim = _rim(factors.details.glasses_shape, middle, side)
        places = np.concatenate([rim.mean(0, keepdims=True), rim]).astype(np.float32)
        posed, screen = project(places, np.ones(len(places), np.float32), *view)
        triangles = (fan if side == 1 else fan[:, [0, 2, 1]]).astype(np.int32)
        kinds = np.full(len(fan), FRAME, np.uint8)
        attr = np.zeros((len(places), 6), np.float32)
        hit, _, near = rasterise(posed, screen, triangles, kinds, attr, view[-1], TABLE, 0.0)
        rows, columns = np.nonzero((hit >= 0) & (near > depth) & (codes > 0))
        x = (columns - screen[0, 0]) / view[-1] / 0.16
        y = (rows - screen[0, 1]) / view[-1] / 0.16
        streak = np.exp(-(((x - y + 0.35) / 0.20) ** 2)) * 0.03
        seen = samples[rows, columns]
        samples[rows, columns] = seen * np.array([0.97, 0.98, 0.98], np.float32) + streak[:, None].astype(np.float32)
