# SPDX-License-Identifier: MIT
"""The same faces edited by every method of a board, one row each, below their sources and the true edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faceeval.protocols.compared import Direction
from faceeval.report.boards import Board
from faceeval.report.strips import Strip, strips

SHOWN = 6  # faces of a direction at most


@dataclass(frozen=True)
class FaceCell:
    """One picture of a row.

    Attributes:
        picture: Data URI; empty where there is none.
        text: What it shows, for tooltips and screen readers.
        missed: Whether the judge does not see the wanted value.
    """

    picture: str
    text: str
    missed: bool = False


@dataclass(frozen=True)
class FaceLine:
    """One row: the sources, the true edits, or the edits of a method."""

    label: str
    kind: str
    cells: tuple[FaceCell, ...]


@dataclass(frozen=True)
class SameFaces:
    """Rows of pictures of the same faces.

    Attributes:
        heads: What is done to the faces, and to how many of them, in the order of the columns.
        lines: The rows.
    """

    heads: tuple[tuple[str, int], ...]
    lines: tuple[FaceLine, ...]

    @property
    def turns(self) -> tuple[int, ...]:
        """The columns, counted from 0, at which another direction begins."""
        return tuple(sum(taken for _, taken in self.heads[:place]) for place in range(1, len(self.heads)))


def same_faces(board: Board) -> SameFaces | None:
    """Returns the faces that every method of a board was shown on; None where no result has any."""
    attribute = board.attribute.replace("_", " ")
    ways: tuple[Direction, ...] = ("add", "remove")
    if board.comparison.direction is not None:
        ways = (board.comparison.direction,)
    made = {
        label: {way: strips(result, SHOWN, shared=True)[way] for way in ways}
        for label, result, _ in board.method_rows()
    }
    heads: list[tuple[str, int]] = []
    columns: list[tuple[Direction, Strip]] = []
    for way in ways:
        first: Sequence[Strip] = max((found[way] for found in made.values()), key=len, default=[])
        if first:
            heads.append((f"{attribute} {'added' if way == 'add' else 'removed'}", len(first)))
            columns += [(way, strip) for strip in first]
    if not columns:
        return None
    lines = [
        FaceLine("source", "source", tuple(FaceCell(one.pictures[0], f"source, {one.name}") for _, one in columns))
    ]
    if all(len(one.pictures) > 2 for _, one in columns):
        cells = tuple(FaceCell(one.pictures[2], f"true edit, {one.name}") for _, one in columns)
        lines.append(FaceLine("truth", "truth", cells))
    for label, found in made.items():
        named = {(way, strip.name): strip for way in ways for strip in found[way]}
        cells = tuple(_cell(label, named.get((way, one.name))) for way, one in columns)
        lines.append(FaceLine(label, "method", cells))
    return SameFaces(tuple(heads), tuple(lines))


def _cell(label: str, strip: Strip | None) -> FaceCell:
    if strip is None:
        return FaceCell("", "")
    missed = strip.flipped is False
    return FaceCell(strip.pictures[1], f"{label}, {strip.name}{', not flipped' if missed else ''}", missed)
