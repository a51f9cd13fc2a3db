# SPDX-License-Identifier: MIT
"""True edits, kept: each call's new renders become one file, written whole, named for what it holds.

No file is ever changed, so processes that work at once can only add to what the others find.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import replacing
from faceeval.data.procfaces.workers import Workers


def true_images(folder: Path, indices: Sequence[int], size: int, attribute: str, workers: Workers) -> NDArray[np.uint8]:
    """Returns images of the standard set with one attribute flipped, rendering only those not kept yet.

    Args:
        folder: Folder of this version of the set.
        indices: Indices into the standard set.
        size: Side in pixels.
        attribute: CelebA's name.
        workers: Who renders.

    Returns:
        uint8 (n, 3, size, size), in the order of the indices.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    shelf = folder / f"truth-{size}" / attribute
    images = np.empty((len(indices), 3, size, size), np.uint8)
    numbers = np.asarray(indices, np.int64)
    missing = np.ones(len(numbers), np.bool_)
    for path in sorted(shelf.glob("*.npz")):
        if not missing.any():
            break
        _take(path, numbers, images, missing)
    wanted = np.unique(numbers[missing])
    if len(wanted):
        new = np.concatenate([batch for batch, _ in workers.render(wanted.tolist(), size, attribute)])
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
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        warnings.warn(f"the true edits kept as {path} are damaged ({error}); rendering them again", stacklevel=4)
        path.unlink(missing_ok=True)
