# SPDX-License-Identifier: MIT
"""The faces of a result as pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.results import Result

MOST_PIXELS = 128  # side of a picture in the page; larger ones are reduced


@dataclass(frozen=True)
class Strip:
    """A source, its edit and, where known, the true edit.

    Attributes:
        name: Image.
        rank: Best, median or worst, or shared.
        order: The value it was ranked by.
        flipped: Whether the judge sees the attribute changed; None where none looked.
        pictures: Data URIs in the order of the grid's columns.
    """

    name: str
    rank: str
    order: str
    flipped: bool | None
    pictures: tuple[str, ...]


Strips = dict[str, list[Strip]]


def strips(result: Result, each: int, *, shared: bool = False) -> Strips:
    """Returns the strips of a result by direction, ``"add"`` and ``"remove"``.

    Args:
        result: The run.
        each: How many of a direction and rank at most.
        shared: Those that every method is shown on, instead of its best, median and worst.
    """
    grid = result.summary.grid
    digits = result.summary.columns[grid.ordered_by].digits
    found: Strips = {"add": [], "remove": []}
    for row, tiles in zip(grid.rows, result.tiles, strict=True):
        there = found[row.direction]
        if (row.rank == "shared") == shared and sum(strip.rank == row.rank for strip in there) < each:
            pictures = tuple(_picture(tile) for tile in tiles)
            there.append(Strip(row.name, row.rank, f"{row.order:.{digits}f}", row.flipped, pictures))
    return found


def _picture(tile: NDArray[np.uint8]) -> str:
    image = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 2, 0)))
    if image.width > MOST_PIXELS:
        image = image.resize((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
