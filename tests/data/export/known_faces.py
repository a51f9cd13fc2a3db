# SPDX-License-Identifier: MIT
"""Small smooth pictures of which everything is known, to be written in every layout and read back."""

from __future__ import annotations

import csv
import hashlib
import io
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from faceeval.data.faces import FaceSet
from faceeval.data.folder import stem


def _read(size: int, offset: int, indices: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:size, :size] * 255 // size
    return np.stack([np.stack([x, y, np.full_like(x, 37 * (offset + i) % 256)]) for i in indices]).astype(np.uint8)


def known_faces(split: str, people: int, size: int = 32, first_person: int = 0, each: int = 4) -> FaceSet:
    """Faces of some people, numbered from ``first_person``: sex belongs to the person, two images to a clip."""
    count, random = each * people, np.random.default_rng(first_person)
    identities = first_person + np.arange(count) // each
    names = tuple(f"face-{each * first_person + i:05d}" for i in range(count))
    return FaceSet(
        name="known",
        split=split,
        size=size,
        names=names,
        digest=hashlib.sha256("\n".join(names).encode()).hexdigest(),
        read=partial(_read, size, each * first_person),
        attributes={
            "Male": (identities % 2 == 0).astype(np.uint8),
            "Smiling": (np.arange(count) % 3 == 0).astype(np.uint8),
        },
        identities=identities.astype(np.int64),
        pose=random.normal(0, 15, (count, 3)).astype(np.float32),
        expression=np.arange(count, dtype=np.int64) % 8,
        valence_arousal=random.uniform(-1, 1, (count, 2)).astype(np.float32),
        landmarks=random.uniform(0, size - 1, (count, 5, 2)).astype(np.float32),
        landmarks68=random.uniform(0, size - 1, (count, 68, 2)).astype(np.float32),
        clips=np.arange(count, dtype=np.int64) // 2 + (each // 2) * first_person,
    )


def through_jpeg(images: np.ndarray) -> np.ndarray:
    """What Pillow makes of images (N, 3, H, W) that were written as JPEG."""
    out = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=95, subsampling=0)
        out.append(np.asarray(Image.open(buffer)).transpose(2, 0, 1))
    return np.stack(out)


def rows_in(source: FaceSet, back: FaceSet, root: Path) -> np.ndarray:
    """Which image of what was written each image of what was read is, by ``names.csv``."""
    depth = back.names[0].count("/") + 1
    with (root / "names.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == source.split]
    written = {_key("/".join(stem(row["file"]).split("/")[-depth:]), back.name): row["name"] for row in rows}
    assert len(written) == len(rows)
    places = {name: place for place, name in enumerate(source.names)}
    return np.array([places[written[_key(stem(name), back.name)]] for name in back.names])


def _key(name: str, dataset: str) -> str:
    """What names of a file and of its image share: of FaceScrub's only the last number, which counts through."""
    return name.rpartition("_")[2] if dataset == "facescrub" else name
