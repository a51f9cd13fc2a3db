# SPDX-License-Identifier: MIT
"""Images set aside on disk while a run goes on, so that a few can be shown at its end without keeping all in memory."""

from __future__ import annotations

import tempfile
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import OutputError


class Spool:
    """A temporary file of equally large images, without a name, so that nothing is left even after a kill.

    Args:
        size: Side of the square images in pixels.
    """

    def __init__(self, size: int) -> None:
        self._shape = (3, size, size)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, images: NDArray[np.uint8]) -> None:
        """Sets images aside, uint8 (n, 3, S, S).

        Raises:
            OutputError: The temporary folder is full.
        """
        try:
            self._file.write(np.ascontiguousarray(images).tobytes())
            self._file.flush()
        except OSError as error:
            todo = "make room there, or name another folder in the variable TMPDIR"
            raise OutputError(f"room for the edits in {tempfile.gettempdir()}", str(error), todo) from error

    def read(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the images that were set aside at these positions, uint8 (n, 3, S, S)."""
        length = int(np.prod(self._shape))
        images = np.empty((len(positions), *self._shape), np.uint8)
        for slot, position in enumerate(positions):
            self._file.seek(int(position) * length)
            images[slot] = np.frombuffer(self._file.read(length), np.uint8).reshape(self._shape)
        return images
