# SPDX-License-Identifier: MIT
"""The images of several splits as one table: what every writer is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.records import COLUMNS, number_people
from faceeval.errors import InputError

BATCH = 64  # images held in memory at once
DIGITS = 4  # of the number in an invented name


@dataclass(frozen=True, eq=False)
class Rows:
    """All images that are to be written, split after split; N in all. A column that a split lacks is None.

    Attributes:
        faces: Split -> its faces.
        splits: The split of each image, (N,).
        attributes: Attribute name -> uint8 (N,), 1 present, 0 absent.
        people: What the person on each image is called, (N,); empty where nobody is known.
        identities: int64 (N,), the person's number: the set's own, or by sorted name where people have names.
        pose: float32 (N, 3), yaw, pitch, roll in degrees.
        expression: int64 (N,), AffectNet's class 0..7.
        valence_arousal: float32 (N, 2), each in [-1, 1].
        landmarks: float32 (N, 5, 2), (x, y) in pixels of the images.
        landmarks68: float32 (N, 68, 2), likewise.
        clips: int64 (N,), the video clip.
    """

    faces: Mapping[str, FaceSet]
    splits: NDArray[np.str_]
    attributes: Mapping[str, NDArray[np.uint8]]
    people: tuple[str, ...]
    identities: NDArray[np.int64] | None
    pose: NDArray[np.float32] | None
    expression: NDArray[np.int64] | None
    valence_arousal: NDArray[np.float32] | None
    landmarks: NDArray[np.float32] | None
    landmarks68: NDArray[np.float32] | None
    clips: NDArray[np.int64] | None

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.splits)

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return next(iter(self.faces.values())).size

    @property
    def names(self) -> list[str]:
        """What each image is called in the set it comes from."""
        return [name for faces in self.faces.values() for name in faces.names]

    def has(self, column: str) -> bool:
        """Returns whether a column is known."""
        values = getattr(self, column)
        return values is not None and len(values) > 0

    def batches(self) -> Iterator[NDArray[np.uint8]]:
        """Yields all images in order, uint8 (n, 3, size, size), a few at a time."""
        for faces in self.faces.values():
            for start in range(0, len(faces), BATCH):
                yield faces.read(np.arange(start, min(start + BATCH, len(faces)), dtype=np.int64))

    def per_person(self, values: NDArray[np.integer], what: str) -> dict[str, int]:
        """Returns a label that belongs to the person and not to the image: person -> value.

        Raises:
            InputError: Images of one person have different values.
        """
        table: dict[str, int] = {}
        for person, value in zip(self.people, values.tolist(), strict=True):
            if table.setdefault(person, value) != value:
                got = f"both {table[person]} and {value} for {person}"
                raise InputError(f"one value of {what} for each person", got, "choose a layout that does not need it")
        return table


def join(faces: Mapping[str, FaceSet]) -> Rows:
    """Puts splits one after the other.

    Args:
        faces: Split -> its faces, all of one size.

    Raises:
        InputError: There are no images, their sizes differ, or the splits have other attributes.
    """
    sets = list(faces.values())
    if not sets or not all(len(part) for part in sets):
        raise InputError("images in every split", f"none in {' or '.join(faces) or 'no split'}", "choose other splits")
    if len({part.size for part in sets}) > 1 or len({frozenset(part.attributes) for part in sets}) > 1:
        raise InputError("splits of one size and with the same attributes", ", ".join(faces), "export them separately")
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        parts = [getattr(part, name) for part in sets]
        columns[name] = None if any(part is None for part in parts) else np.concatenate(parts)
    people: tuple[str, ...] = ()
    if columns["identities"] is not None:
        people = tuple(_called(sets))
        if any(part.people for part in sets):
            columns["identities"] = number_people(people)[0]
    return Rows(
        faces=faces,
        splits=np.repeat(np.array(list(faces), np.str_), [len(part) for part in sets]),
        attributes={name: np.concatenate([part.attributes[name] for part in sets]) for name in sets[0].attributes},
        people=people,
        **columns,
    )


def _called(sets: Sequence[FaceSet]) -> Iterator[str]:
    """Yields the name of the person on each image: the set's own, or one invented from the number."""
    digits = max(DIGITS, *(len(str(int(part.identities.max()))) for part in sets if part.identities is not None))
    for part in sets:
        own = [_as_file_name(name) for name in part.people]
        for number in [] if part.identities is None else part.identities.tolist():
            yield own[number] if own else f"Person_{number:0{digits}d}"


def _as_file_name(name: str) -> str:
    """Returns a name with underscores for blanks, and refuses one that would lead out of its folder or split a line."""
    if not name or name[0] == "." or not name.isprintable() or set(name) & set("/\\,"):
        raise InputError("people whose names can be a file name", repr(name), "rename them")
    return name.replace(" ", "_")


def number_within(groups: Sequence[object], start: int = 1) -> list[int]:
    """Counts within groups: which image of its group each one is.

    Example:
        >>> number_within(["a", "b", "a", "a"])
        [1, 1, 2, 3]
    """
    seen: dict[object, int] = {}
    numbers = []
    for group in groups:
        seen[group] = seen.get(group, start - 1) + 1
        numbers.append(seen[group])
    return numbers
