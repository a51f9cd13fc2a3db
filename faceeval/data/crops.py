# SPDX-License-Identifier: MIT
"""CROPS: which square of an image is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import unknown_name


@dataclass(frozen=True)
class Crop:
    """A square cut from images of one known size.

    Attributes:
        top: First row.
        left: First column.
        size: Side in pixels.
        image_size: Width and height of the images the box was made for.
        source: Who cuts so.
    """

    top: int
    left: int
    size: int
    image_size: tuple[int, int] = (178, 218)  # CelebA's aligned images
    source: str = ""


@dataclass(frozen=True)
class Square:
    """The largest square in the middle of an image of any size, or of the box of its face where one is given."""

    source: str = ""


@dataclass(frozen=True)
class Around:
    """A square around the box of a face, which each image has of its own; beyond the border it is black.

    Attributes:
        scale: Side of the square in terms of the longer side of the box.
        source: Who cuts so.
    """

    scale: float
    source: str = ""

    def square(self, box: Sequence[float] | NDArray[np.float32]) -> tuple[int, int, int]:
        """Returns left, top and side in whole pixels for a box of left, top, width and height.

        Example:
            >>> Around(1.0).square([10, 20, 30, 40])
            (5, 20, 40)
        """
        left, top, side = self.squares(np.asarray(box, np.float64)[None])[0].tolist()
        return left, top, side

    def squares(self, boxes: NDArray[np.floating]) -> NDArray[np.int64]:
        """Returns the same for many boxes, (N, 4) -> (N, 3)."""
        left, top, width, height = boxes.astype(np.float64).T
        side = np.maximum(1, np.rint(self.scale * np.maximum(width, height)))
        squares = [np.rint(left + (width - side) / 2), np.rint(top + (height - side) / 2), side]
        return np.stack(squares, axis=1).astype(np.int64)


Cut = Crop | Square | Around | None

CROPS: dict[str, Cut] = {
    "center178": Crop(20, 0, 178, source="StarGAN, Fader Networks"),
    "center170": Crop(24, 4, 170, source="AttGAN in PyTorch"),
    "center108": Crop(55, 35, 108, source="the DCGAN family"),
    "low170": Crop(26, 3, 170, source="STGAN in TensorFlow"),
    "low148": Crop(40, 15, 148, source="VAE-GAN, STGAN at 64 pixels"),
    "low128": Crop(60, 25, 128, source="rows 60:-30, columns 25:-25"),
    "square": Square(),
    "box": Around(1.0, source="tight boxes"),
    "box1.3": Around(1.3, source="VGGFace2's models"),
    "none": None,  # square images, taken whole
}


def crop_box(name: str) -> Cut:
    """Returns what a crop preset cuts; None takes square images whole.

    Raises:
        UnknownNameError: No such preset in CROPS.
    """
    if name not in CROPS:
        raise unknown_name("crop", name, CROPS)
    return CROPS[name]
