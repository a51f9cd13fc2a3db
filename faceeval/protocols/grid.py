# SPDX-License-Identifier: MIT
"""Faces to show beside the numbers: the first of each direction, and the best, the median and the worst edits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.protocols.chosen import Chosen
from faceeval.protocols.spool import Spool
from faceeval.protocols.stream import Values
from faceeval.results import GridRank, GridRecord, GridRow

SHARED = 6  # images of each direction that no result chose, so that methods can be seen on the same faces
EACH = 3  # images of each rank and direction
ORDERS = (
    "identity_similarity",
    "pixel_rmse_error",
)  # the first that was measured decides; similarity falls, error rises
RANKS: tuple[GridRank, ...] = ("best", "median", "worst")


@dataclass(frozen=True)
class Grid:
    """Strips of faces.

    Attributes:
        record: What they show.
        tiles: uint8, (strips, columns, 3, S, S), RGB.
    """

    record: GridRecord
    tiles: NDArray[np.uint8]


def draw_grid(method: str, chosen: Chosen, values: dict[str, Values], spool: Spool) -> Grid:
    """Picks the faces and reads them again, with their edits as they were judged.

    Args:
        method: Name of the method's row.
        chosen: The images.
        values: Row -> values of each image.
        spool: The edits, in the order of ``chosen``.

    Returns:
        Strips of source, edit and, where known, true edit; of each direction first those that come first in the order
        of ``chosen``, which is the same for every method.
    """
    mine = values[method]
    ordered_by = next(order for order in ORDERS if order in mine)
    badness = -mine[ordered_by] if ordered_by == "identity_similarity" else mine[ordered_by]
    flips = mine.get("flip_accuracy")
    rows: list[GridRow] = []
    positions: list[int] = []
    for direction, target in (("add", 1), ("remove", 0)):
        members = np.flatnonzero(chosen.targets == target)
        # by name where values tie, so that the choice does not hang on the sort
        order = sorted(members.tolist(), key=lambda i: (badness[i], chosen.names[i]))
        shown: list[tuple[GridRank, int]] = [("shared", position) for position in members[:SHARED].tolist()]
        for rank, position in shown + _ranked(order):
            positions.append(position)
            rows.append(
                GridRow(
                    name=chosen.names[position],
                    direction=direction,  # type: ignore[arg-type]
                    rank=rank,
                    order=float(mine[ordered_by][position]),
                    flipped=None if flips is None else bool(flips[position]),
                )
            )
    where = np.array(positions, dtype=np.int64)
    truth = chosen.truth(where)
    columns = [chosen.read(where), spool.read(where), *([truth.images] if truth is not None else [])]
    record = GridRecord(
        ordered_by=ordered_by,
        tile=chosen.splits[0].size,
        columns=("source", "edited", "true")[: len(columns)],
        rows=tuple(rows),
    )
    return Grid(record, np.stack(columns, axis=1))


def _ranked(order: list[int]) -> list[tuple[GridRank, int]]:
    """Returns the first, middle and last few of an order, none twice."""
    each = min(EACH, len(order) // len(RANKS)) or 1
    middle = (len(order) - each) // 2
    groups = (order[:each], order[middle : middle + each], order[max(each, len(order) - each) :])
    taken: set[int] = set()
    ranked: list[tuple[GridRank, int]] = []
    for rank, group in zip(RANKS, groups, strict=True):
        for position in group:
            if position not in taken:
                taken.add(position)
                ranked.append((rank, position))
    return ranked
