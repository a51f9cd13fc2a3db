# SPDX-License-Identifier: MIT
"""Reads the images of a Hugging Face dataset as ``FaceSet.read`` does, in any order or from front to back."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import Blob
from faceeval.data.hub.sources import is_stream
from faceeval.data.images import image_dimensions, read_images
from faceeval.errors import InputError

AT_ONCE = 500  # rows looked at together


class HubImages:
    """The images of one split.

    Args:
        data: ``datasets.Dataset``, or ``IterableDataset`` for a stream.
        column: The column of images.
        source: What messages call the split.
        crop: A preset of `faceeval.data.images.CROPS`.
        size: Side of the images in pixels.
        boxes: Box of the face of each image, (N, 4), for crops around it.
    """

    def __init__(
        self, data: Any, column: str, source: str, crop: str, size: int, boxes: NDArray[np.float32] | None
    ) -> None:
        self._given = (data, column, source, crop, size, boxes)
        self._cells = _Stream(data, column) if is_stream(data) else _Rows(data, column)

    def __reduce__(self) -> tuple[type[HubImages], tuple[Any, ...]]:
        return HubImages, self._given

    def __call__(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns images: indices (n,) int64 -> uint8 (n, 3, size, size), RGB."""
        _, _, _, crop, size, boxes = self._given
        rows = np.asarray(indices, np.int64)
        blobs = self.blobs(rows.tolist())
        return read_images(blobs, crop=crop, size=size, boxes=None if boxes is None else boxes[rows])

    def blobs(self, rows: list[int]) -> list[Path | Blob]:
        """Returns where the images of some rows are to be read, their bytes if they are in the dataset itself."""
        _, column, source, _, _, _ = self._given
        return [
            _source_of(cell, f"row {row}, column {column} of {source}")
            for row, cell in zip(rows, self._cells.get(rows), strict=True)
        ]

    def sizes(self, count: int) -> NDArray[np.int32]:
        """Returns width and height of every stored image, int32 (N, 2), from the headers."""
        found = []
        for start in range(0, count, AT_ONCE):
            blobs = self.blobs(list(range(start, min(start + AT_ONCE, count))))
            found += [image_dimensions(blob) for blob in blobs]
        return np.array(found, np.int32).reshape(-1, 2)


class _Rows:
    """Cells of a dataset whose rows can be had in any order."""

    def __init__(self, data: Any, column: str) -> None:
        self._column, self._data = column, undecoded(data, column).with_format("arrow")

    def get(self, rows: list[int]) -> list[Any]:
        cells: list[Any] = self._data[rows][self._column].to_pylist()
        return cells


class _Stream:
    """Cells of a stream: rows behind the last one read are reached by starting anew."""

    def __init__(self, data: Any, column: str) -> None:
        self._column, self._data, self._lock = column, undecoded(data, column), Lock()
        self._next, self._rows = 0, iter(self._data)

    def get(self, rows: list[int]) -> list[Any]:
        found: dict[int, Any] = {}
        with self._lock:
            for row in sorted(set(rows)):
                found[row] = self._skip_to(row)
        return [found[row] for row in rows]

    def _skip_to(self, row: int) -> Any:
        if row < self._next:
            self._next, self._rows = 0, iter(self._data)
        for cells in self._rows:
            self._next += 1
            if self._next > row:
                return cells[self._column]
        raise InputError(f"{row + 1} rows in the stream", f"{self._next}", "read it again: it has changed")


def undecoded(data: Any, column: str) -> Any:
    """Returns one column with its images as bytes: the package's own decoder clips 16 bits and drops transparency."""
    from datasets import Image

    chosen = data.select_columns([column])
    return chosen.cast_column(column, Image(decode=False)) if isinstance(data.features[column], Image) else chosen


def _source_of(cell: Any, name: str) -> Path | Blob:
    if cell is None:
        raise InputError("an image in every row", f"none in {name}", "filter such rows out and save it again")
    if isinstance(cell, bytes):
        return Blob(name, lambda: cell)
    if cell["bytes"] is not None:
        return Blob(name, lambda: bytes(cell["bytes"]))
    return Path(cell["path"])
