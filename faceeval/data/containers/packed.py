# SPDX-License-Identifier: MIT
"""Images that lie in one large file, each read by its place when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import Blob
from faceeval.errors import InputError, MissingFileError

Unpack = Callable[[bytes, str], bytes]


@dataclass(frozen=True, eq=False)
class Packed:
    """Where the images of a set lie in a file.

    Attributes:
        path: The file.
        offsets: int64 (N,), first byte of what holds each image.
        lengths: int64 (N,), bytes of it.
        unpack: Those bytes, and what messages call the image -> the bytes of an image file. A function of a module,
            so that it can be sent to other processes.
    """

    path: Path
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    unpack: Unpack

    def take(self, rows: NDArray[np.integer]) -> Packed:
        """Returns the places of some rows, in that order."""
        return replace(self, offsets=self.offsets[rows], lengths=self.lengths[rows])

    def blob(self, row: int, name: str) -> Blob:
        """Returns the image of a row, unread; messages call it by the file and ``name``."""
        called = f"{name} in {self.path}"
        place = (int(self.offsets[row]), int(self.lengths[row]))
        return Blob(called, partial(_load, self.path, *place, self.unpack, called))


def _load(path: Path, offset: int, length: int, unpack: Unpack, name: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # opened anew for each image: threads and processes share nothing
            file.seek(offset)
            data = file.read(length)
    except FileNotFoundError as error:
        raise MissingFileError("a file of images", f"{path} does not exist", "check the path") from error
    except OSError as error:
        raise InputError("a file that can be read", f"{name}: {error}", "check the disk, or get it again") from error
    return unpack(data, name)
