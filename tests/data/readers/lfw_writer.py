# SPDX-License-Identifier: MIT
"""Writes fake copies of Labeled Faces in the Wild, in every layout they are found in."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

# layout -> folder of the images below the root, and folder of the lists
LAYOUTS = {
    "original": ("lfw", ""),
    "funneled": ("lfw_funneled", ""),
    "deepfunneled": ("lfw-deepfunneled", ""),
    "aligned": ("lfw2", ""),
    "kaggle": ("lfw-deepfunneled/lfw-deepfunneled", ""),
    "torchvision": ("lfw-py/lfw_funneled", "lfw-py"),
    "scikit-learn": ("lfw_home/lfw_funneled", "lfw_home"),
    "inside": ("lfw", "lfw"),
}
# block of View 2 -> person -> images; in folder order
PEOPLE = (
    {"Jane_Roe": 3, "Jane_Roe-Doe": 2, "Zoe_Abel": 1},
    {"Al_Bo": 2, "John_Doe": 12, "Kim_Li": 2},
)
TRAIN = ("Al_Bo", "Jane_Roe", "Zoe_Abel")
LISTS = {
    "pairs.txt": "2\t1\nJane_Roe\t1\t3\nZoe_Abel\t1\tJane_Roe-Doe\t2\nJohn_Doe\t2\t11\nKim_Li\t2\tAl_Bo\t1\n",
    "pairsDevTrain.txt": "1\nJane_Roe\t2\t3\nAl_Bo\t1\tZoe_Abel\t1\n",
    "pairsDevTest.txt": "1\nKim_Li\t1\t2\nJohn_Doe\t10\tJane_Roe-Doe\t1\n",
}


@dataclass(frozen=True)
class FakeLfw:
    """What was written, for comparison."""

    root: Path
    images: Path
    lists: Path
    counts: dict[str, int]

    def image(self, person: str, number: int, suffix: str = ".jpg") -> Path:
        return self.images / person / f"{person}_{number:04d}{suffix}"


def picture(person: str, number: int) -> np.ndarray:
    """A picture (250, 250, 3) of its own for each person and number."""
    y, x = np.mgrid[:250, :250]
    return np.stack([x, y, np.full_like(x, (31 * number + 7 * len(person) + ord(person[0])) % 256)], -1).astype(
        np.uint8
    )


@cache
def jpeg(person: str, number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(person, number)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_lfw(root: Path, layout: str = "original", newline: str = "\n", mark: str = "", lists: bool = True) -> FakeLfw:
    """Writes images and lists as their owners do; ``mark`` stands before every list."""
    counts = {person: count for block in PEOPLE for person, count in block.items()}
    images, where = (root / folder for folder in LAYOUTS[layout])
    fake = FakeLfw(root, images, where, counts)
    for person, count in counts.items():
        (images / person).mkdir(parents=True)
        for number in range(1, count + 1):
            fake.image(person, number).write_bytes(jpeg(person, number))
    blocks = [[f"{len(block)}", *(f"{person}\t{count}" for person, count in block.items())] for block in PEOPLE]
    view_1 = {
        "peopleDevTrain.txt": [person for person in counts if person in TRAIN],
        "peopleDevTest.txt": [person for person in counts if person not in TRAIN],
    }
    texts = dict(LISTS)
    texts["people.txt"] = "\n".join([f"{len(blocks)}", *(line for block in blocks for line in block)]) + "\n"
    for name, people in view_1.items():
        texts[name] = "\n".join([f"{len(people)}", *(f"{person}\t{counts[person]}" for person in people)]) + "\n"
    for name, text in texts.items() if lists else ():
        (where / name).write_bytes((mark + text.replace("\n", newline)).encode())
    return fake
