# SPDX-License-Identifier: MIT
"""Writes plain folders of images, with labels in any dialect of comma-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

FILES = ("a/anna 1.png", "a/anna2.jpg", "ben.png", "c/deep/cleo.PNG", "dora.jpeg", "ümit.png")
SIZES = ((40, 40), (50, 40), (40, 60), (44, 44), (64, 48), (40, 40))  # width and height
COLUMNS: dict[str, Sequence[object]] = {
    "image": FILES,
    "identity": ("anna", "anna", "ben", "cleo", "dora", "ümit"),
    "split": ("train", "train", "val", "train", "test", "test"),
    "Young": (1, 0, 1, 1, 0, 1),
    "Eyeglasses": (-1, 1, -1, -1, 1, 1),
    "expression": ("neutral", 1, "Sad", 0, "anger", 7),
    "valence": (0, 0.5, -0.75, 1, -1, 0.1),
    "arousal": (0.25, 0, 0, -1, 1, 0),
    "remark": ("a, b", "", 'say "x"', "", "", "two\nlines"),
}
POINTS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def picture(row: int) -> np.ndarray:
    """A picture (height, width, 3) of its own for each row."""
    width, height = SIZES[row]
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 4, np.full_like(x, 40 * row)], -1).astype(np.uint8)


def write_images(root: Path) -> Path:
    for row, file in enumerate(FILES):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(row)).save(path, quality=95)
    return root


def csv_bytes(
    columns: Mapping[str, Sequence[object]],
    *,
    delimiter: str = ",",
    newline: str = "\n",
    mark: str = "",
    quoting: int = csv.QUOTE_MINIMAL,
) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return (mark + stream.getvalue()).encode()


def write_folder(root: Path, columns: Mapping[str, Sequence[object]] = COLUMNS, **dialect: object) -> Path:
    """Writes images and ``labels.csv``."""
    write_images(root)
    (root / "labels.csv").write_bytes(csv_bytes(columns, **dialect))  # type: ignore[arg-type]
    return root
