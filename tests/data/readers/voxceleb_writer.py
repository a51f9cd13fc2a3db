# SPDX-License-Identifier: MIT
"""Writes fake copies of VoxCeleb1's frames and its table of speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from celeba_writer import smooth_image
from PIL import Image

HEADER = ("VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set")
# the table is in the order of the numbers, not of the names; one name ends in a dot
SPEAKERS = (
    ("id10001", "Q._Doe", "m", "UK", "dev"),
    ("id10002", "Jane_Roe", "f", "USA", "test"),
    ("id10003", "Ann_Roe_Jr.", "f", "India", "dev"),
    ("id10004", "John_Doe", "m", "UK", "test"),
)
CLIPS = {"Q._Doe": ("zZ9", "a-B_1"), "Ann_Roe_Jr.": ("zZ9",), "Jane_Roe": ("c1", "c2"), "John_Doe": ("d",)}
FRAMES = ("0000001.jpg", "0000026.jpg", "0000101.jpg")


@dataclass(frozen=True)
class FakeVoxCeleb:
    """What was written."""

    root: Path

    @property
    def frames(self) -> Path:
        return next(self.root.rglob("unzippedFaces"))

    @property
    def table(self) -> Path:
        return next(self.root.rglob("vox1_meta.csv"))


def write_voxceleb(
    root: Path,
    above: str = "",
    table: str = "",
    strip_dots: bool = False,
    newline: str = "\n",
    mark: str = "",
    suffix: str = ".jpg",
    rows: Sequence[Sequence[str]] = SPEAKERS,
) -> FakeVoxCeleb:
    index = 0
    for person, clips in CLIPS.items():
        folder = root / above / "unzippedFaces" / (person.rstrip(".") if strip_dots else person) / "1.6"
        for clip in clips:
            (folder / clip).mkdir(parents=True)
            for frame in FRAMES:
                Image.fromarray(smooth_image(index, 48, 48)).save(folder / clip / frame.replace(".jpg", suffix))
                index += 1
    fake = FakeVoxCeleb(root)
    path = root / above / table / "vox1_meta.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((mark + "".join("\t".join(row) + newline for row in (HEADER, *rows))).encode())
    return fake
