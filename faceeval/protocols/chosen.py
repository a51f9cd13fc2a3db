# SPDX-License-Identifier: MIT
"""The images an attribute is edited on, from one split or two, as one row of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.aids import Array as Aid
from faceeval.data.aids import read_aids
from faceeval.data.faces import FaceSet, Truth
from faceeval.data.selection import fai_split, names_sha256, select


@dataclass(frozen=True)
class Chosen:
    """The chosen images in the order they are edited: those with the attribute, then those without it.

    Attributes:
        attribute: CelebA's name.
        names: Unique names, N of them.
        targets: Wanted value of each, uint8 (N,): 0 takes the attribute away, 1 adds it.
        splits: The split, and the extra split where a class was short.
        split: Which of ``splits`` each image is in, int64 (N,).
        index: Its index there, int64 (N,).
        short: Whether a class has fewer images than asked for.
    """

    attribute: str
    names: tuple[str, ...]
    targets: NDArray[np.uint8]
    splits: tuple[FaceSet, ...]
    split: NDArray[np.int64]
    index: NDArray[np.int64]
    short: bool

    def __len__(self) -> int:
        return len(self.names)

    @property
    def extended(self) -> int:
        """How many images come from the extra split."""
        return int((self.split == 1).sum())

    @property
    def has_truth(self) -> bool:
        """Whether the true edit of every image is known."""
        return all(faces.truth is not None for faces in self.splits)

    @property
    def names_sha256(self) -> str:
        """Digest over the names, one a line, in the order the images are edited."""
        return names_sha256(self.names)

    def read(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Reads images, uint8 (n, 3, S, S), of positions 0..N-1."""
        size = self.splits[0].size
        images = np.empty((len(positions), 3, size, size), np.uint8)
        for number, faces in enumerate(self.splits):
            here = self.split[positions] == number
            if here.any():
                images[here] = faces.read(self.index[positions[here]])
        return images

    def aids(self, names: Sequence[str], positions: NDArray[np.int64], known: Sequence[str]) -> dict[str, Aid]:
        """Reads what a method needs beside the images of positions 0..N-1.

        Args:
            names: Rows of `faceeval.data.aids.AIDS`.
            positions: (n,).
            known: The method's attributes, whose labels it may ask for.

        Returns:
            Name -> float32 (n, ...).

        Raises:
            UnknownNameError: No such aid.
            InputError: The data cannot give one.
        """
        found: dict[str, Aid] = {}
        for number, faces in enumerate(self.splits):
            here = self.split[positions] == number
            for name in names if here.any() else ():
                asked = known if name == "labels" else (self.attribute,)
                part = read_aids((name,), faces, self.index[positions[here]], asked)[name]
                found.setdefault(name, np.empty((len(positions), *part.shape[1:]), np.float32))[here] = part
        return found

    def truth(self, positions: NDArray[np.int64]) -> Truth | None:
        """Returns the true edits of positions 0..N-1; None where they cannot be known."""
        if not self.has_truth:
            return None
        size = self.splits[0].size
        images = np.empty((len(positions), 3, size, size), np.uint8)
        region = np.empty((len(positions), size, size), np.bool_)
        for number, faces in enumerate(self.splits):
            here = self.split[positions] == number
            if here.any() and faces.truth is not None:
                part = faces.truth(self.index[positions[here]], self.attribute)
                images[here], region[here] = part.images, part.region
        return Truth(images, region)


def choose(
    faces: FaceSet, attribute: str, n: int, extra: FaceSet | None = None, directions: Sequence[int] = (1, 0)
) -> Chosen:
    """Chooses the images FAI's experiment edits.

    Args:
        faces: The test split.
        attribute: CelebA's name.
        n: Images of each class.
        extra: Split that lends images to a class that is short.
        directions: Values to be set: 1 for images without the attribute, 0 for those with it.

    Returns:
        The chosen images, n of each class where there are as many, of the classes that can be edited.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: n is below 1, or a class has no image at all.
    """
    picked = fai_split(faces, attribute, n=n, extra=extra)
    groups = [
        (0, 0, picked.positives),
        (0, 1, picked.extra_positives),
        (1, 0, picked.negatives),
        (1, 1, picked.extra_negatives),
    ]
    groups = [group for group in groups if group[0] in directions]
    lent = any(number and len(group) for _, number, group in groups)
    splits = (faces, extra) if extra is not None and lent else (faces,)
    index = np.concatenate([group for _, _, group in groups]).astype(np.int64)
    split = np.concatenate([np.full(len(group), number, np.int64) for _, number, group in groups])
    targets = np.concatenate([np.full(len(group), target, np.uint8) for target, _, group in groups])
    names = tuple(splits[number].names[i] for number, i in zip(split, index, strict=True))
    return Chosen(attribute, names, targets, splits, split, index, picked.short)


def leave_out(chosen: Chosen, n: int) -> NDArray[np.int64]:
    """Chooses images of the split that nobody edits, the reference on which principal components are fitted.

    Args:
        chosen: The images that are edited.
        n: How many at most.

    Returns:
        Indices into ``chosen.splits[0]`` in hash order, int64.
    """
    faces = chosen.splits[0]
    taken = set(chosen.names)
    position = {name: index for index, name in enumerate(faces.names) if name not in taken}
    names = select(n, position, f"faceeval/1/editing/{chosen.attribute}/reference")
    return np.array([position[name] for name in names], dtype=np.int64)
