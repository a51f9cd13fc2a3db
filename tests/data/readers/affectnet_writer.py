# SPDX-License-Identifier: MIT
"""Writes fake copies of AffectNet, both releases, as their owners do."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from celeba_writer import smooth_image
from PIL import Image

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
SIDES = (64, 80, 96)  # the stored images vary in size
CODES = {"train": (0, 1, 2, 3, 8, 4, 5, 10, 6, 7, 9, 10), "validation": (7, 3, 8, 0)}
LISTS = {"train": "training.csv", "validation": "validation.csv"}
SETS = {"train": "train_set", "validation": "val_set"}
NO_RATING = -2.0


@dataclass
class FakeAffectNet:
    """What was written; change it and write again to damage it."""

    root: Path
    codes: dict[str, list[int]] = field(default_factory=lambda: {split: list(codes) for split, codes in CODES.items()})
    ratings: dict[str, np.ndarray] = field(default_factory=dict)  # (N, 2)
    boxes: dict[str, list[list[str]]] = field(default_factory=dict)
    points: dict[str, np.ndarray] = field(default_factory=dict)  # (N, 136)

    def __post_init__(self) -> None:
        random = np.random.default_rng(3)
        for split, codes in self.codes.items():
            without = np.array(codes)[:, None] > 7
            self.ratings[split] = np.where(without, NO_RATING, random.integers(-100, 101, (len(codes), 2)) / 100)
            sides = [self.side(row) for row in range(len(codes))]
            self.boxes[split] = [[str(side // 8)] * 2 + [str(side * 3 // 4)] * 2 for side in sides]
            self.points[split] = (random.random((len(codes), 136)) * np.array(sides)[:, None]).round(2)

    @staticmethod
    def side(row: int) -> int:
        return SIDES[row % len(SIDES)]

    def path(self, split: str, row: int) -> str:
        return f"{row % 3}/{split[:2]}{row:02d}.jpg"

    def shown(self, split: str) -> list[int]:
        return [row for row, code in enumerate(self.codes[split]) if code < 8]

    def images(self) -> Path:
        return next(self.root.rglob("Manually_Annotated_Images"))


def jpeg(row: int, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(smooth_image(row, side, side)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_lists(
    fake: FakeAffectNet, folder: str = "", newline: str = "\n", mark: str = "", header: bool = True, only: str = ""
) -> None:
    """Writes the lists of the first release; ``header`` False leaves it out of the validation list, as copies do."""
    for split, name in LISTS.items():
        lines = [HEADER] if header or split == "train" else []
        for row, code in enumerate(fake.codes[split]):
            points = ";".join(f"{value:g}" for value in fake.points[split][row])
            valence, arousal = fake.ratings[split][row]
            fields = [fake.path(split, row), *fake.boxes[split][row], points, str(code), f"{valence:g}", f"{arousal:g}"]
            lines.append(",".join(fields))
        if only in ("", split):
            path = fake.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((mark + "".join(line + newline for line in lines)).encode())


def write_csv_release(root: Path, images: str = "Manually_Annotated_Images", **dialect: object) -> FakeAffectNet:
    fake = FakeAffectNet(root)
    for split, codes in fake.codes.items():
        for row in range(len(codes)):
            path = root / images / fake.path(split, row)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(row, fake.side(row)))
    write_lists(fake, **dialect)  # type: ignore[arg-type]
    return fake


def write_npy_release(root: Path, strings: bool = True, landmarks: bool = True) -> FakeAffectNet:
    fake = FakeAffectNet(root)
    for split, folder in SETS.items():
        (root / folder / "images").mkdir(parents=True)
        (root / folder / "annotations").mkdir()
        for row in fake.shown(split):
            (root / folder / "images" / f"{row}.jpg").write_bytes(jpeg(row, fake.side(row)))
            write_annotations(fake, split, row, strings=strings, landmarks=landmarks)
    return fake


def write_annotations(fake: FakeAffectNet, split: str, row: int, *, strings: bool, landmarks: bool) -> None:
    stem = fake.root / SETS[split] / "annotations" / str(row)
    valence, arousal = fake.ratings[split][row]
    values = {"exp": fake.codes[split][row], "val": valence, "aro": arousal}
    for kind, value in values.items():
        np.save(f"{stem}_{kind}.npy", np.array(f"{value:g}" if strings else value))
    if landmarks:
        np.save(f"{stem}_lnd.npy", fake.points[split][row])
