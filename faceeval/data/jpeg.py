# SPDX-License-Identifier: MIT
"""Plain JPEG files decoded by torchvision's libjpeg where torch is loaded anyway: a third less time than by Pillow.

Both come with libjpeg-turbo, and give the same pixels. That is tried once in a process, and only files are taken of
which nothing but the pixels matters: no orientation, no colours that have to be guessed, one frame.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.data.headers import frame_of

PLAIN = frozenset({0xE0, 0xC4, 0xDB, 0xDD, 0xFE})  # JFIF, tables of the coder, restarts, remarks
TRIED = [(0, False), (1, False), (2, False), (2, True)]  # subsampling of the colours, progressive

Decode = Callable[[bytes], NDArray[np.uint8] | None]


@lru_cache(maxsize=1)
def _decoder() -> Decode | None:
    """Returns what decodes a plain file, (H, W, 3), RGB; None where it would not give Pillow's pixels."""
    import torch

    try:
        from torchvision.io import ImageReadMode

        # not torchvision's function around it, which is slower; from 0.29 on it says that both will go some day
        operator, mode = torch.ops.image.decode_jpeg, ImageReadMode.RGB.value
    except (ImportError, AttributeError, RuntimeError):
        return None

    def decode(data: bytes) -> NDArray[np.uint8] | None:
        try:
            pixels = operator(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode, False)
        except RuntimeError:
            return None  # damaged; Pillow says how
        found: NDArray[np.uint8] = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
        return found

    return decode if all(_agree(decode, *how) for how in TRIED) else None


def fast_decoder() -> Decode | None:
    """Returns what decodes plain JPEG files; None where torch is not loaded, as loading it takes longer than is won."""
    return _decoder() if "torch" in sys.modules else None


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG file of which nothing but the pixels matters; None of any other file."""
    frame = frame_of(data)
    if frame is None or frame.components != 3 or not frame.before <= PLAIN or data[6:10] != b"JFIF":
        return None
    return frame.width, frame.height


def _agree(decode: Decode, subsampling: int, progressive: bool) -> bool:
    rough = np.random.default_rng(subsampling).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(rough).resize((61, 83), Image.Resampling.BICUBIC)  # sides that are no multiples of a block
    image.save(stream, "JPEG", quality=80, subsampling=subsampling, progressive=progressive)
    ours = decode(stream.getvalue())
    with Image.open(stream) as theirs:
        return ours is not None and np.array_equal(ours, np.asarray(theirs))
