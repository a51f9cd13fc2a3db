# SPDX-License-Identifier: MIT
"""Images in Arrow files, read by memory map."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError


class MappedImages:
    """Reads images as ``FaceSet.read`` does, from files of record batches of equal length.

    The files are mapped when first needed and hold no pixels in memory beyond the ones that are asked for.

    Args:
        paths: The files, in order.
        count: Number of images in all of them.
        size: Their side in pixels.
        batch: Images in a record batch; fewer in the last.
        shard: Images in a file, a multiple of ``batch``; fewer in the last.
    """

    def __init__(self, paths: tuple[Path, ...], count: int, size: int, batch: int, shard: int) -> None:
        self._given = (paths, count, size, batch, shard)
        self._batches: dict[int, list[NDArray[np.uint8]]] = {}

    def __reduce__(self) -> tuple[type[MappedImages], tuple[Any, ...]]:
        return MappedImages, self._given  # paths, not maps, go to other processes

    def __call__(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns images: indices (n,) int64 -> uint8 (n, 3, size, size), RGB, a copy.

        Raises:
            InputError: An index is not in 0..N-1.
        """
        _, count, size, batch, shard = self._given
        rows = np.asarray(indices, np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= count):
            raise InputError(f"indices in 0..{count - 1}", f"{rows.min()}..{rows.max()}", "index within the split")
        images = np.empty((len(rows), 3, size, size), np.uint8)
        for place, row in enumerate(rows.tolist()):
            file, inside = divmod(row, shard)
            part, line = divmod(inside, batch)
            images[place] = self._mapped(file)[part][line]
        return images

    def sha256(self) -> str:
        """Returns the digest of all pixels, in order."""
        digest = hashlib.sha256()
        for file in range(len(self._given[0])):
            for pixels in self._mapped(file):
                digest.update(pixels.data)
        return digest.hexdigest()

    def _mapped(self, file: int) -> list[NDArray[np.uint8]]:
        if file not in self._batches:
            import pyarrow as pa

            paths, _, size, _, _ = self._given
            reader = pa.ipc.open_stream(pa.memory_map(str(paths[file])))
            self._batches[file] = [_pixels(found, size) for found in reader]
        return self._batches[file]


def flat_values(values: Any) -> Any:
    """Returns what lies in a ``pyarrow.Array`` of lists of any depth, one after the other, without a copy."""
    values = getattr(values, "storage", values)  # an extension type only where `datasets` was imported
    while values.type.num_fields:
        values = values.flatten()
    return values


def _pixels(batch: Any, size: int) -> NDArray[np.uint8]:
    """Returns the images of a record batch, (n, 3, size, size), without a copy."""
    values = flat_values(batch.column(batch.schema.get_field_index("image")))
    pixels: NDArray[np.uint8] = values.to_numpy(zero_copy_only=True).reshape(-1, 3, size, size)
    return pixels
