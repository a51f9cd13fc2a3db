# SPDX-License-Identifier: MIT
"""One face from its factors: picture, regions, landmarks. A function of its arguments and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces import regions
from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.hair import CUTS, hair_colour, hair_mesh, hairline_of
from faceeval.data.procfaces.head import F32, HeadData, follow_weight, head_data, head_points, turn_matrix
from faceeval.data.procfaces.light import light_of
from faceeval.data.procfaces.noise import TABLE
from faceeval.data.procfaces.raster import BEARD, FRAME, HAIR, project, rasterise, vertex_normals
from faceeval.data.procfaces.scene import backdrop_of, camera, resolve
from faceeval.data.procfaces.shade import shade
from faceeval.data.procfaces.skin import paint_of
from faceeval.data.procfaces.wear import beard_mesh, glasses_mesh, with_lenses
from faceeval.errors import InputError

REGIONS = regions.REGIONS
SMALLEST, LARGEST = 16, 1024
I32 = NDArray[np.int32]
Mesh = tuple[F32, F32, I32, NDArray[np.uint8]]


@dataclass(frozen=True)
class Rendering:
    """A rendered face.

    Attributes:
        image: uint8 (3, size, size), RGB.
        mask: Region codes, uint8 (size, size); the names are ``REGIONS``.
        landmarks68: (x, y) in pixels in iBUG's order, float32 (68, 2); hidden ones stand where they would be.
        landmarks5: CelebA's eyes, nose and mouth corners, left ones of the picture first, float32 (5, 2).
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    landmarks68: F32
    landmarks5: F32


def _five(points: F32) -> F32:
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def _joined(meshes: list[Mesh]) -> Mesh:
    offsets = np.cumsum([0] + [len(mesh[0]) for mesh in meshes])
    triangles = [mesh[2] + np.int32(offset) for mesh, offset in zip(meshes, offsets[:-1], strict=True)]
    return (
        np.concatenate([mesh[0] for mesh in meshes]), np.concatenate([mesh[1] for mesh in meshes]),
        np.concatenate(triangles), np.concatenate([mesh[3] for mesh in meshes]),
    )  # fmt: skip


def _of_kind(mesh: tuple[F32, F32, I32], kind: int) -> Mesh:
    return (*mesh, np.full(len(mesh[2]), kind, np.uint8))


def _meshes(factors: Factors, data: HeadData, form: F32, points: F32, line: F32) -> Mesh:
    """Places, attributes, triangles and their kinds of the head and all that is on it, unposed."""
    shown = None if factors.attributes.mouth_open else data.lips_sealed
    meshes = [(points, data.attr, data.triangles[:shown], data.parts[:shown])]
    meshes.append(_of_kind(hair_mesh(factors, data, form, line), HAIR))
    meshes.append(_of_kind(beard_mesh(factors, data, points), BEARD))
    meshes.append(_of_kind(glasses_mesh(factors, data, form), FRAME))
    return _joined(meshes)


def render(factors: Factors, size: int) -> Rendering:
    """Renders one face.

    Args:
        factors: Everything that decides the picture.
        size: Side of the picture in pixels, 16..1024. Landmarks scale with it; the picture holds the same face.

    Returns:
        The picture with its regions and landmarks; the same bytes in every process.

    Raises:
        InputError: The size is out of range.
    """
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"a size of {SMALLEST} to {LARGEST} pixels", str(size), "choose a size in that range")
    data, style, pose = head_data(), factors.style, factors.pose
    form, points = head_points(factors)
    line = hairline_of(factors)
    everything, attr, triangles, kinds = _meshes(factors, data, form, points, line)
    follow = np.concatenate([data.follow, follow_weight(everything[len(points) :])])
    turn = turn_matrix(pose.yaw, pose.pitch, pose.roll)
    body_turn = turn_matrix(0.3 * pose.yaw, 0.0, 0.15 * pose.roll)
    side = 2 * size
    view = (turn, body_turn, style.zoom, style.shift[0], style.shift[1], side)
    posed, screen = project(everything, follow, *view)
    normals = vertex_normals(posed, triangles)
    curl = CUTS[factors.details.hair_style].curl
    hit, weights, depth = rasterise(posed, screen, triangles, kinds, attr, side, TABLE, curl)
    paint = paint_of(factors, data, hair_colour(factors), line)
    light = light_of(style)
    samples, codes = shade(hit, weights, posed, normals, triangles, kinds, attr, paint, light, TABLE)
    behind = backdrop_of(style, size)
    if factors.attributes.eyeglasses:
        with_lenses(samples, codes, depth, factors, data, form, view)
    image, regions = resolve(samples, codes, behind)
    landmarks = np.asarray(screen[data.landmarks] / 2, np.float32)
    return Rendering(camera(image, style), regions, landmarks, _five(landmarks))
