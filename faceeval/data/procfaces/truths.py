# SPDX-License-Identifier: MIT
"""What only a renderer knows, made when asked for and kept: true edits, the region of each pixel, 68 landmarks.

Each call's new renders become one file, written whole, named for what it holds. No file is ever changed, so processes
that work at once can only add to what the others find.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import replacing
from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.workers import Workers, factors_of

_DAMAGE = (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile)


def true_images(
    folder: Path, indices: Sequence[int], size: int, attribute: str | None, workers: Workers
) -> NDArray[np.uint8]:
    """Returns images with one attribute flipped, rendering only those not kept yet.

    Args:
        folder: Folder of this version of the set.
        indices: Indices into the population that the workers render.
        size: Side in pixels.
        attribute: CelebA's name; None for a population that is a true answer as it is.
        workers: Who renders.

    Returns:
        uint8 (n, 3, size, size), in the order of the indices.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """

    def render(wanted: list[int]) -> NDArray[np.uint8]:
        return np.concatenate([batch.images for batch in workers.render(wanted, size, attribute)])

    return _kept(folder / f"truth-{size}" / (attribute or "as-is"), indices, (3, size, size), render)


def region_masks(folder: Path, indices: Sequence[int], size: int, workers: Workers) -> NDArray[np.uint8]:
    """Returns the region of each pixel, rendering only what is not kept yet; arguments and errors as in `true_images`.

    Returns:
        uint8 (n, size, size), numbered as in `faceeval.data.procfaces.regions.REGIONS`.
    """

    def render(wanted: list[int]) -> NDArray[np.uint8]:
        return np.concatenate([batch.masks for batch in workers.render(wanted, size)])

    return _kept(folder / f"masks-{size}", indices, (size, size), render)


def landmarks68(path: Path, indices: Sequence[int], size: int, population: str) -> NDArray[np.float32]:
    """Returns the 68 points of each face, worked out on the first call and kept as ``path``.

    Hidden ones stand where they would be. They follow from the shape and the pose of the head, so nothing is rendered;
    8,000 faces take two seconds.

    Args:
        path: The file, ``.npz``.
        indices: Indices of all faces of a split, as the file holds them.
        size: Side of the images in pixels.
        population: See `faceeval.data.procfaces.workers.factors_of`.

    Returns:
        float32 (n, 68, 2), (x, y) in pixels, in iBUG's order.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    if path.exists():
        try:
            with np.load(path) as kept:
                points: NDArray[np.float32] = kept["points"]
            if points.shape != (len(indices), 68, 2):
                raise ValueError(f"points of shape {points.shape}")
            return points
        except _DAMAGE as error:
            warnings.warn(f"the landmarks kept as {path} are damaged ({error}); making them again", stacklevel=2)
    sample = factors_of(population)
    points = np.stack([_points(sample(index), size) for index in indices])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, points=points)
    return points


def _points(factors: Factors, size: int) -> NDArray[np.float32]:
    """Poses and projects nothing but the landmarks, as `faceeval.data.procfaces.render.render` does the whole head."""
    from faceeval.data.procfaces.head import head_data, head_points, turn_matrix  # it compiles
    from faceeval.data.procfaces.raster import project

    data, pose, style = head_data(), factors.pose, factors.style
    turn = turn_matrix(pose.yaw, pose.pitch, pose.roll)
    body_turn = turn_matrix(0.3 * pose.yaw, 0.0, 0.15 * pose.roll)
    places = head_points(factors)[1][data.landmarks]
    view = (turn, body_turn, style.zoom, style.shift[0], style.shift[1], 2 * size)
    return np.asarray(project(places, data.follow[data.landmarks], *view)[1] / 2, np.float32)


def _kept(
    shelf: Path, indices: Sequence[int], shape: tuple[int, ...], render: Callable[[list[int]], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Returns pictures of a shape, (n, *shape): those on the shelf, and the others rendered and put there."""
    images = np.empty((len(indices), *shape), np.uint8)
    numbers = np.asarray(indices, np.int64)
    missing = np.ones(len(numbers), np.bool_)
    for path in sorted(shelf.glob("*.npz")):
        if not missing.any():
            break
        _take(path, numbers, images, missing)
    wanted = np.unique(numbers[missing])
    if len(wanted):
        new = render(wanted.tolist())
        name = hashlib.sha256(wanted.tobytes()).hexdigest()[:24]
        with replacing(shelf / f"{name}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, indices=wanted, images=new)
        images[missing] = new[np.searchsorted(wanted, numbers[missing])]
    return images


def _take(path: Path, numbers: NDArray[np.int64], images: NDArray[np.uint8], missing: NDArray[np.bool_]) -> None:
    """Fills in what a file holds of the images still missing; zip's checksums tell damaged ones."""
    try:
        with np.load(path) as kept:
            held = kept["indices"]
            rows = np.flatnonzero(missing & np.isin(numbers, held))
            if len(rows) == 0:
                return
            images[rows] = kept["images"][np.searchsorted(held, numbers[rows])]
            missing[rows] = False
    except _DAMAGE as error:
        warnings.warn(f"the pictures kept as {path} are damaged ({error}); rendering them again", stacklevel=5)
        path.unlink(missing_ok=True)
