# SPDX-License-Identifier: MIT
"""Strips of faces that an experiment shows, gathered one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faceeval.results.sweeps import FaceGrid, FaceRow

GREY = 128  # where a strip has no image


@dataclass
class Sheet:
    """Strips of square faces of one size.

    Attributes:
        columns: What the columns are called.
        size: Side of a face in pixels.
    """

    columns: tuple[str, ...]
    size: int
    _rows: list[FaceRow] = field(default_factory=list)
    _tiles: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, name: str, curve: str, faces: Sequence[NDArray[np.uint8] | None], shown: str = "") -> None:
        """Adds a strip.

        Args:
            name: Of the image (or query, or pair); strips of one name stand together.
            curve: The method's.
            faces: uint8 (3, size, size) each, one for each column at most; None leaves its place grey.
            shown: What else there is to say of the strip.
        """
        strip = np.full((len(self.columns), 3, self.size, self.size), GREY, np.uint8)
        for place, face in enumerate(faces):
            if face is not None:
                strip[place] = face
        self._rows.append(FaceRow(name=name, curve=curve, shown=shown))
        self._tiles.append(strip)

    def drawn(self) -> tuple[FaceGrid, NDArray[np.uint8]]:
        """Returns the strips, those of one name together, and their pixels, uint8 (rows, columns, 3, size, size)."""
        names = list(dict.fromkeys(row.name for row in self._rows))
        order = sorted(range(len(self._rows)), key=lambda row: names.index(self._rows[row].name))
        rows = tuple(self._rows[row] for row in order)
        empty = np.zeros((0, len(self.columns), 3, self.size, self.size), np.uint8)
        tiles = np.stack([self._tiles[row] for row in order]) if order else empty
        return FaceGrid(tile=self.size, columns=self.columns, rows=rows), tiles
