# SPDX-License-Identifier: MIT
"""Writes the label files of fake copies of CelebA, in every layout and dialect they are found in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

POINTS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
# layout -> folder of the images, of the partition, and of the other label files
LAYOUTS = {
    "flat": ("img_align_celeba", "", ""),
    "torchvision": ("celeba/img_align_celeba", "celeba", "celeba"),
    "official": ("Img/img_align_celeba", "Eval", "Anno"),
    "kaggle": ("img_align_celeba/img_align_celeba", "", ""),
}


@dataclass(frozen=True)
class FakeCelebA:
    """What was written, for comparison."""

    root: Path
    images: Path
    names: list[str]
    attribute_names: list[str]
    attributes: np.ndarray  # (N, A), 1 and -1
    partition: np.ndarray
    identities: np.ndarray
    landmarks: np.ndarray  # (N, 10)

    def label_file(self, name: str) -> Path:
        return next(self.root.rglob(f"{name}.*"))


def smooth_image(index: int, width: int = 178, height: int = 218) -> np.ndarray:
    """A picture (height, width, 3) that JPEG keeps to a few grey levels and that differs from others."""
    y, x = np.mgrid[:height, :width]
    red, green = x * 255 // width, y * 255 // height
    return np.stack([red, green, np.full_like(red, (37 * index) % 256)], -1).astype(np.uint8)


def write_tables(fake: FakeCelebA, layout: str, newline: str = "\n", trailing: str = " ") -> None:
    """Writes the label files as their owners (or Kaggle) do."""
    _, partition_folder, folder = LAYOUTS[layout]
    count = len(fake.names)

    def write(where: str, name: str, lines: Sequence[str]) -> None:
        path = fake.root / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(line + newline for line in lines).encode())

    if layout == "kaggle":
        for where, name, header, values in (
            (folder, "list_attr_celeba.csv", fake.attribute_names, fake.attributes),
            (partition_folder, "list_eval_partition.csv", ["partition"], fake.partition[:, None]),
            (folder, "list_landmarks_align_celeba.csv", POINTS.split(), fake.landmarks),
        ):
            rows = [",".join([n, *map(str, row)]) for n, row in zip(fake.names, values.tolist(), strict=True)]
            write(where, name, [",".join(["image_id", *header]), *rows])
        return
    rows = [f"{n}" + "".join(f" {v:2d}" for v in row) for n, row in zip(fake.names, fake.attributes, strict=True)]
    write(folder, "list_attr_celeba.txt", [str(count), " ".join(fake.attribute_names) + trailing, *rows])
    rows = [f"{n} {code}" for n, code in zip(fake.names, fake.partition, strict=True)]
    write(partition_folder, "list_eval_partition.txt", rows)
    rows = [f"{n} {person}" for n, person in zip(fake.names, fake.identities, strict=True)]
    write(folder, "identity_CelebA.txt", rows)
    rows = [n + "".join(f" {v:4d}" for v in row) for n, row in zip(fake.names, fake.landmarks, strict=True)]
    write(folder, "list_landmarks_align_celeba.txt", [str(count), POINTS, *rows])
