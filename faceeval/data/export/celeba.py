# SPDX-License-Identifier: MIT
"""CelebA's layout: numbered images of 178 x 218 pixels, and label files with count lines and padded columns.

The square image becomes rows 20..197 of the frame, which is what the crop ``center178`` cuts out again; above and
below, its first and last row are repeated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.rows import Rows

TOP, SIDE, WIDTH, HEIGHT = 20, 178, 178, 218  # where center178 cuts, and the frame
CODES = {"train": 0, "validation": 1, "test": 2}
POINTS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``Img``, ``Anno`` and ``Eval`` as their owners pack them; identities and landmarks where they are known.

    Landmarks are whole pixels in these files, so they are rounded.
    """
    names = [f"{number:06d}.jpg" for number in range(1, len(rows) + 1)]  # the labels say .jpg beside PNG, too
    images = f"Img/img_align_celeba{'_png' if encoding.lossless else ''}"
    files = write_images(rows, folder, [f"{images}/{name[:-4]}" for name in names], encoding, frame=_frame)
    signs = 2 * np.stack(list(rows.attributes.values()), axis=1).astype(int) - 1
    attributes = [name + "".join(f" {sign:2d}" for sign in row) for name, row in zip(names, signs, strict=True)]
    header = " ".join(rows.attributes) + " "  # as the official file has it
    write_lines(folder / "Anno" / "list_attr_celeba.txt", [str(len(rows)), header, *attributes])
    partition = [f"{name} {CODES[split]}" for name, split in zip(names, rows.splits.tolist(), strict=True)]
    write_lines(folder / "Eval" / "list_eval_partition.txt", partition)
    if rows.identities is not None:
        people = [f"{name} {person}" for name, person in zip(names, rows.identities.tolist(), strict=True)]
        write_lines(folder / "Anno" / "identity_CelebA.txt", people)
    if rows.landmarks is not None:
        pixels = np.rint(rows.landmarks + np.array([0, TOP])).astype(int).reshape(len(rows), -1)
        points = [name + "".join(f" {value:4d}" for value in row) for name, row in zip(names, pixels, strict=True)]
        write_lines(folder / "Anno" / "list_landmarks_align_celeba.txt", [str(len(rows)), POINTS, *points])
    return files


def _frame(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(images, ((0, 0), (0, 0), (TOP, HEIGHT - SIDE - TOP), (0, 0)), mode="edge")
