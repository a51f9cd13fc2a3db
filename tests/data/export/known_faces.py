# SPDX-License-Identifier: MIT
"""Small smooth pictures of which everything is known, to be written in every layout and read back."""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np

from faceeval.data.faces import FaceSet

PER_PERSON = 4  # images, the first two of one clip, the others of another


def _read(size: int, offset: int, indices: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:size, :size] * 255 // size
    return np.stack([np.stack([x, y, np.full_like(x, 37 * (offset + i) % 256)]) for i in indices]).astype(np.uint8)


def known_faces(split: str, people: int, size: int = 32, first_person: int = 0) -> FaceSet:
    """Faces of some people, numbered from ``first_person``; sex belongs to the person, all else to the image."""
    count, random = PER_PERSON * people, np.random.default_rng(first_person)
    identities = first_person + np.arange(count) // PER_PERSON
    names = tuple(f"face-{PER_PERSON * first_person + i:05d}" for i in range(count))
    return FaceSet(
        name="known",
        split=split,
        size=size,
        names=names,
        digest=hashlib.sha256("\n".join(names).encode()).hexdigest(),
        read=partial(_read, size, PER_PERSON * first_person),
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
        clips=np.arange(count, dtype=np.int64) // 2 + 2 * first_person,
    )
