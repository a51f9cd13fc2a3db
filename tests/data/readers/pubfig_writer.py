# SPDX-License-Identifier: MIT
"""Writes fake copies of PubFig: its lists, and all the images nobody has any more."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ATTRIBUTES = ("Male", "Mouth Slightly Open", "5 o' Clock Shadow", "Strong Nose-Mouth Lines")
# prefix of the lists -> person, number; numbers have holes
IMAGES = {
    "dev": (("Jane Roe", 1), ("Jane Roe", 4), ("Al Bo Cy", 2)),
    "eval": (("John Doe", 3), ("Kim Li", 1), ("Kim Li", 12), ("John Doe", 7)),
}
SIZE = (120, 160)  # height and width
RECT = (40, 20, 100, 90)


@dataclass(frozen=True)
class FakePubFig:
    """What was written, for comparison."""

    root: Path
    folder: Path
    scores: dict[tuple[str, int], np.ndarray]

    def image(self, person: str, number: int, suffix: str = ".jpg") -> Path:
        name = person.replace(" ", "_")
        return self.folder / "images" / name / f"{name}_{number:04d}{suffix}"


def picture(person: str, number: int) -> np.ndarray:
    """A picture (120, 160, 3) with a bright face where its rect is."""
    pixels = np.full((*SIZE, 3), (16 * number + 3 * len(person)) % 100, np.uint8)
    pixels[RECT[1] : RECT[3], RECT[0] : RECT[2]] += 120
    return pixels


def write_pubfig(
    root: Path, *, inside: str = "", version: str = "1.2", newline: str = "\n", mark: str = "", comments: bool = True
) -> FakePubFig:
    """Writes images and lists as their owners do; ``mark`` stands before every list."""
    folder = root / inside
    random = np.random.default_rng(5)
    keys = [key for images in IMAGES.values() for key in images]
    fake = FakePubFig(root, folder, {key: random.normal(size=len(ATTRIBUTES)) for key in keys})
    sums = {}
    for person, number in keys:
        path, buffer = fake.image(person, number), io.BytesIO()
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(person, number)).save(buffer, "JPEG", quality=95)
        path.write_bytes(buffer.getvalue())
        sums[person, number] = hashlib.md5(buffer.getvalue()).hexdigest()

    def write(name: str, fields: tuple[str, ...], rows: list[list[str]]) -> None:
        head = [f"# PubFig Dataset v{version} - {name} - http://example.org/", "\t".join(["#", *fields])]
        lines = [*(head if comments else ()), *("\t".join(row) for row in rows)]
        (folder / name).write_bytes((mark + "".join(line + newline for line in lines)).encode())

    rect = ",".join(map(str, RECT))
    for prefix, images in IMAGES.items():
        last = ("md5sum",) if version == "1.2" else ()
        rows = [
            [person, str(number), f"http://example.org/{number}.jpg", rect, *([sums[person, number]] if last else [])]
            for person, number in images
        ]
        write(f"{prefix}_urls.txt", ("person", "imagenum", "url", "rect", *last), rows)
        write(f"{prefix}_people.txt", ("person",), [[name] for name in sorted({person for person, _ in images})])
    if comments:  # which name the attributes
        rows = [[person, str(number), *map(str, fake.scores[person, number])] for person, number in reversed(keys)]
        write("pubfig_attributes.txt", ("person", "imagenum", *ATTRIBUTES), rows)
    return fake
