# SPDX-License-Identifier: MIT
"""Faces brought to where a network or a dataset expects them: turned, scaled and moved by their landmarks.

Points are (x, y) in pixels, whole numbers at the centres of pixels: the left edge of a picture is at -0.5. Scaling
keeps the edges of pixels in place, not their centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.data.decode import MAX_PIXELS
from faceeval.data.images import check_size
from faceeval.data.landmarks.similarity import (
    ARCFACE,
    F64,
    Points,
    fit_similarity,
    invert,
    landmark_faults,
    move_points,
)
from faceeval.errors import InputError, unknown_name

ALIGN_VERSION = 1  # goes up when the same image and landmarks give another picture
BEYOND = 0.5  # how far outside an image a landmark may lie, in terms of its longer side


@dataclass(frozen=True)
class ToPoints:
    """A face turned, scaled and moved so that its landmarks come as near to given points as they can.

    Attributes:
        points: Where the first landmarks go: both eyes, or eyes, nose and mouth corners, those on the left of the
            picture first.
        size: Width and height of the result.
        border: What is beyond the image: black, or its outermost pixels again.
        source: Who aligns so.
    """

    points: Points
    size: tuple[int, int]
    border: Literal["black", "edge"]
    source: str


@dataclass(frozen=True)
class AroundBox:
    """The detector's box with a margin, cut at the border of the image and stretched to a square; nothing is turned.

    Attributes:
        margin: What of the result's side lies beyond the box, in pixels at the preset's own size.
        size: Width and height of the result.
        source: Who aligns so.
    """

    margin: float
    size: tuple[int, int]
    source: str


Preset = ToPoints | AroundBox

PRESETS: dict[str, Preset] = {
    "celeba": ToPoints(((69.0, 111.0), (108.0, 111.0)), (178, 218), "edge", "CelebA's aligned images"),
    "arcface": ToPoints(ARCFACE, (112, 112), "black", "ArcFace and its kin, insightface at 112 pixels"),
    "arcface128": ToPoints(
        tuple((x + 8, y) for x, y in ARCFACE), (128, 128), "black", "insightface at 128 pixels: as large, more around"
    ),
    "sphereface": ToPoints(
        tuple((x - 8, y) for x, y in ARCFACE), (96, 112), "black", "SphereFace, CosFace: ArcFace's without its sides"
    ),
    # dlib's five-point mean face with its padding of a quarter; the corners of each eye averaged
    "dlib": ToPoints(((47.733, 47.140), (100.281, 47.123)), (150, 150), "black", "dlib's face chips of 150 pixels"),
    "facenet": AroundBox(32.0, (160, 160), "FaceNet, facenet-pytorch"),
}


def preset_at(name: str, size: int | None = None) -> Preset:
    """Returns a preset, scaled where another size is asked for.

    Args:
        name: A key of PRESETS.
        size: Width of the result in pixels; None takes the preset's own. Its height follows, rounded to whole pixels,
            and what is in the picture stays the same.

    Raises:
        UnknownNameError: No such preset.
        InputError: The size is out of range.

    Example:
        >>> preset_at("arcface", 224).points[0]
        (77.0892, 103.8926)
    """
    if name not in PRESETS:
        raise unknown_name("alignment preset", name, PRESETS)
    preset = PRESETS[name]
    width, height = preset.size
    if size is None or size == width:
        return preset
    check_size(size)
    scale = size / width
    scaled = (size, max(1, round(height * scale)))
    if isinstance(preset, AroundBox):
        return replace(preset, margin=preset.margin * scale, size=scaled)
    points = tuple((round((x + 0.5) * scale - 0.5, 4), round((y + 0.5) * scale - 0.5, 4)) for x, y in preset.points)
    return replace(preset, points=points, size=scaled)


def warp(
    image: NDArray[np.uint8], matrix: F64, size: tuple[int, int], border: Literal["black", "edge"] = "black"
) -> NDArray[np.uint8]:
    """Moves an image by a similarity transform, bilinear where it grows and antialiased where it shrinks.

    An image that shrinks is sampled on a grid a whole number of times finer, which is then scaled down by Pillow's
    antialiased bilinear filter. All is computed in floats and rounded once: Pillow's own transforms of 8-bit images
    cut off decimals, which darkens every picture by half a grey level.

    Args:
        image: uint8, (3, H, W), RGB.
        matrix: From pixels of the image to pixels of the result.
        size: Width and height of the result.
        border: What is beyond the image.

    Returns:
        uint8, (3, height, width), RGB.

    Raises:
        InputError: The result would show more of the plane than an image may have pixels.
    """
    width, height = size
    back = invert(matrix)
    finer = max(1, math.ceil(math.hypot(*back[:, 0]) - 1e-6))
    turn = back[:, :2]
    shift = back @ np.array([-0.5, -0.5, 1]) + 0.5  # from edges to edges, as Pillow counts
    left, top, right, bottom = _window(turn, shift, size)
    if (right - left) * (bottom - top) > MAX_PIXELS:
        got = f"a window of {right - left}x{bottom - top} pixels"
        raise InputError("landmarks of one face in the image", got, "check that the landmarks belong to this image")
    part, (left, top) = _cut(image, (left, top, right, bottom), border)
    shift = shift - np.array([left, top])
    steps = (turn[0, 0] / finer, turn[0, 1] / finer, shift[0], turn[1, 0] / finer, turn[1, 1] / finer, shift[1])
    result = np.empty((3, height, width), np.uint8)
    for channel, plane in zip(result, part, strict=True):
        moved = Image.fromarray(plane.astype(np.float32)).transform(
            (width * finer, height * finer), Image.Transform.AFFINE, steps, Image.Resampling.BILINEAR
        )
        if finer > 1:
            moved = moved.resize(size, Image.Resampling.BILINEAR)
        channel[:] = np.rint(np.asarray(moved)).clip(0, 255)
    return result


def align_face(
    image: NDArray[np.uint8], preset: Preset, landmarks: NDArray[np.floating], box: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.uint8], F64]:
    """Brings one face to where a preset wants it.

    Args:
        image: uint8, (3, H, W), RGB.
        preset: See `preset_at`.
        landmarks: Five points (5, 2) in pixels of the image, in CelebA's order.
        box: Left, top, width and height of the face in the image, (4,), for presets that cut around it.

    Returns:
        The aligned image, uint8, (3, height, width), and its five landmarks, (5, 2).

    Raises:
        InputError: The landmarks are not finite, in one line or mirrored, or lie outside the image; or a box is needed
            and not given.
    """
    if fault := str(landmark_faults(landmarks[None])[0]):
        expected = "eyes, nose and mouth corners, those on the left of the picture first"
        raise InputError(expected, f"landmarks that are {fault}", "mend them, or leave this face out")
    height, width = image.shape[1:]
    slack = BEYOND * max(height, width)
    if (landmarks < -slack).any() or (landmarks > np.array([width, height]) + slack).any():
        got = f"some far outside its {width}x{height} pixels"
        raise InputError("landmarks inside the image", got, "check that they belong to this copy of the image")
    if isinstance(preset, ToPoints):
        wanted = np.array(preset.points)
        matrix = fit_similarity(landmarks[: len(wanted)], wanted)
        return warp(image, matrix, preset.size, preset.border), move_points(matrix, landmarks)
    if box is None:
        raise InputError("the box of the face", "none", "choose a preset that needs landmarks alone")
    aligned, matrix = _stretch(image, preset, box)
    return aligned, move_points(matrix, landmarks)


def _window(turn: F64, shift: F64, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of what the result shows of the image's plane, and a pixel around it."""
    corners = np.array([(0, 0), (size[0], 0), (0, size[1]), size], np.float64) @ turn.T + shift
    left, top = np.floor(corners.min(0)).astype(int) - 1
    right, bottom = np.ceil(corners.max(0)).astype(int) + 1
    return int(left), int(top), int(right), int(bottom)


def _cut(
    image: NDArray[np.uint8], window: tuple[int, int, int, int], border: str
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Cuts a window out of an image, and returns it with its left and top; beyond the image only where not black."""
    left, top, right, bottom = window
    height, width = image.shape[1:]
    inside = [min(max(left, 0), width - 1), min(max(top, 0), height - 1)]
    ends = [max(min(right, width), inside[0] + 1), max(min(bottom, height), inside[1] + 1)]
    part = image[:, inside[1] : ends[1], inside[0] : ends[0]]
    if border == "black":
        return part, (inside[0], inside[1])  # beyond what it is given, Pillow paints black
    before, after = (inside[1] - top, inside[0] - left), (bottom - ends[1], right - ends[0])
    widths = [(0, 0), *((max(0, first), max(0, last)) for first, last in zip(before, after, strict=True))]
    return np.pad(part, widths, mode="edge"), (min(left, inside[0]), min(top, inside[1]))


def _stretch(image: NDArray[np.uint8], preset: AroundBox, box: NDArray[np.floating]) -> tuple[NDArray[np.uint8], F64]:
    """Cuts a box with its margin in whole pixels, as facenet-pytorch does, and scales it."""
    height, width = image.shape[1:]
    side = preset.size[0]
    x, y, box_width, box_height = (float(value) for value in box)
    wide, high = (length * preset.margin / (side - preset.margin) / 2 for length in (box_width, box_height))
    left, top = int(max(x - wide, 0)), int(max(y - high, 0))
    right, bottom = int(min(x + box_width + wide, width)), int(min(y + box_height + high, height))
    if right <= left or bottom <= top:
        got = f"one at {x:.0f}, {y:.0f} of {width}x{height} pixels"
        raise InputError("a box inside the image", got, "leave this face out")
    picture = Image.fromarray(np.ascontiguousarray(image[:, top:bottom, left:right].transpose(1, 2, 0)))
    scaled = np.asarray(picture.resize(preset.size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    scale = np.array([side / (right - left), preset.size[1] / (bottom - top)])
    shift = (0.5 - np.array([left, top])) * scale - 0.5
    return np.ascontiguousarray(scaled), np.column_stack([np.diag(scale), shift])
