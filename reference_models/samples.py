# SPDX-License-Identifier: MIT
"""Grids of source and edited faces, written while a method trains."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faceeval.atomic import write_whole
from faceeval.data.faces import FaceSet
from reference_models.images import to_signed, to_uint8
from reference_models.recipe import Recipe
from reference_models.run_state import RunState

COLUMNS = 12


def write_grid(state: RunState, recipe: Recipe, faces: FaceSet, labels: NDArray[np.uint8], path: Path) -> None:
    """Writes four rows for each attribute: faces without it, their edits, faces with it, their edits; always the same.

    Of a method that edits no attribute it writes what the method's ``sheet`` draws of faces from all over the split.

    Args:
        state: The run; its averaged generators draw.
        recipe: The method's.
        faces: Training split.
        labels: (N, A), 0 or 1.
        path: PNG file to write.
    """
    if not state.accelerator.is_main_process:
        return
    networks = {**state.networks, **state.averaged}
    rows, device = [], state.accelerator.device
    if recipe.sheet is not None:
        spread = np.unique(np.linspace(0, len(faces) - 1, COLUMNS).astype(np.int64))
        images = to_signed(torch.from_numpy(np.array(faces.read(spread))).to(device))
        with torch.no_grad():
            rows = [to_uint8(row).cpu() for row in recipe.sheet(networks, images)]
        write_whole(path, png(tile(rows)))
        return
    assert recipe.preview is not None
    for column in range(labels.shape[1]):
        for value in (0, 1):
            chosen = np.flatnonzero(labels[:, column] == value)[:COLUMNS]
            source = torch.from_numpy(np.array(faces.read(chosen)))
            own = torch.from_numpy(labels[chosen].astype(np.float32)).to(device)
            wanted = own.clone()
            wanted[:, column] = 1 - value
            told = (wanted, own) if recipe.many else (own[:, 0],)
            with torch.no_grad():
                edited = recipe.preview(networks, to_signed(source.to(device)), *told)
            rows += [source, to_uint8(edited).cpu()]
    write_whole(path, png(tile(rows)))


def tile(rows: list[Tensor]) -> NDArray[np.uint8]:
    """Puts rows of uint8 images (n, 3, S, S) into one picture (H, W, 3); shorter rows end in black."""
    size, columns = rows[0].shape[-1], max(len(row) for row in rows)
    sheet = np.zeros((size * len(rows), size * columns, 3), np.uint8)
    for place, row in enumerate(rows):
        for column, image in enumerate(row.numpy()):
            sheet[place * size : (place + 1) * size, column * size : (column + 1) * size] = image.transpose(1, 2, 0)
    return sheet


def png(picture: NDArray[np.uint8]) -> bytes:
    """Returns a picture (H, W, 3) as the bytes of a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
