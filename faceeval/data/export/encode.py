# SPDX-License-Identifier: MIT
"""Images to the bytes of files: JPEG as the published datasets are, or PNG where nothing may be lost."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.data.export.rows import Rows
from faceeval.data.opening import Progress
from faceeval.errors import InputError

QUALITY = 95
FULL_COLOUR = 0  # Pillow's number for 4:4:4: colour is kept for every pixel

Frame = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Encoding:
    """How images become files.

    Attributes:
        lossless: PNG instead of JPEG.
        progress: Called with (done, total) images.
    """

    lossless: bool = False
    progress: Progress | None = None

    @property
    def suffix(self) -> str:
        """Of the files, with its dot."""
        return ".png" if self.lossless else ".jpg"

    def encode(self, image: NDArray[np.uint8]) -> bytes:
        """Returns the file of an image, uint8 (3, H, W), RGB; the same bytes for the same pixels."""
        buffer, picture = io.BytesIO(), Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        if self.lossless:
            picture.save(buffer, "PNG")
        else:
            picture.save(buffer, "JPEG", quality=QUALITY, subsampling=FULL_COLOUR)
        return buffer.getvalue()


def encoded(rows: Rows, encoding: Encoding, frame: Frame | None = None) -> Iterator[bytes]:
    """Yields the file of every image in order; the encoders run in a few threads.

    Args:
        rows: The images.
        encoding: How.
        frame: Lays images (n, 3, S, S) into larger ones first.
    """
    done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for images in rows.batches():
            yield from pool.map(encoding.encode, images if frame is None else frame(images))
            done += len(images)
            if encoding.progress:
                encoding.progress(done, len(rows))


def write_images(
    rows: Rows, folder: Path, stems: Sequence[str], encoding: Encoding, frame: Frame | None = None
) -> list[str]:
    """Writes every image.

    Args:
        rows: The images.
        folder: The folder below which they go.
        stems: The file of each below that folder, without its suffix.
        encoding: How.
        frame: See `encoded`.

    Returns:
        The file of each, with suffix, below the folder.

    Raises:
        InputError: Two images would be one file, or one would lie elsewhere.
    """
    files = [stem + encoding.suffix for stem in stems]
    twice = next((file for file, number in Counter(files).items() if number > 1), None)
    outside = next((file for file in files if {"", ".", ".."} & set(file.split("/")) or "\\" in file), None)
    if twice is not None or outside is not None:
        got = f"{twice} twice" if twice is not None else f"{outside}"
        raise InputError("images whose names can be files of one folder", got, "rename them, or choose another layout")
    for parent in sorted({(folder / file).parent for file in files}):
        parent.mkdir(parents=True, exist_ok=True)
    for file, content in zip(files, encoded(rows, encoding, frame), strict=True):
        (folder / file).write_bytes(content)
    return files


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Writes a text file with Unix line ends; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
