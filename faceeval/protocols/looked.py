# SPDX-License-Identifier: MIT
"""Which images of a set are looked at, and who is on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError

QUICK = "a quick look, no result"


def chosen_rows(faces: FaceSet, count: int | None, tag: str, least: int = 2) -> NDArray[np.int64]:
    """Chooses so many images of a set by the hash rule.

    Args:
        faces: The set.
        count: How many; None takes all, and so does a number above them.
        tag: Names the choice.
        least: Fewest that can be used.

    Returns:
        Their rows, ascending, int64.

    Raises:
        InputError: Fewer are asked for, or the set has fewer.
    """
    if count is not None and count < least:
        raise InputError(f"at least {least} images", str(count), f"give --count {least} or more")
    if len(faces) < least:
        got = f"{len(faces)} in the {faces.split} split of {faces.name}"
        raise InputError(f"at least {least} images", got, "choose a larger dataset")
    if count is None or count >= len(faces):
        return np.arange(len(faces), dtype=np.int64)
    return _places(faces, select(count, faces.names, tag))


def rows_of_whole_people(faces: FaceSet, count: int | None, tag: str, least: int) -> NDArray[np.int64]:
    """Chooses about so many images by the hash rule, every image of each person that is chosen.

    Args:
        faces: The set; where it does not know who is shown, images are chosen as in `chosen_rows`.
        count: How many at least; None takes all.
        tag: Names the choice.
        least: Fewest that can be used.

    Returns:
        Their rows, ascending, int64.

    Raises:
        InputError: Fewer are asked for, or the set has fewer.
    """
    rows = chosen_rows(faces, count, tag, least)
    who = people_of(faces, np.arange(len(faces)))
    if who is None or count is None or count >= len(faces):
        return rows
    numbers, place, sizes = np.unique(who, return_inverse=True, return_counts=True)
    order = select(len(numbers), map(str, numbers.tolist()), tag)
    where = np.searchsorted(numbers, np.array(order, np.int64))
    taken = where[: int(np.searchsorted(np.cumsum(sizes[where]), count)) + 1]
    return np.flatnonzero(np.isin(place, taken)).astype(np.int64)


def people_of(faces: FaceSet, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Returns who is on some images, int64 (n,), whom nobody knows being somebody else each time.

    None where the set knows nobody of them.
    """
    if faces.identities is None:
        return None
    who = faces.identities[rows].astype(np.int64)
    unknown = who < 0
    who[unknown] = -1 - np.arange(int(unknown.sum()))
    return None if unknown.all() else who


def _places(faces: FaceSet, names: list[str]) -> NDArray[np.int64]:
    """Returns the rows of names, ascending."""
    wanted = set(names)
    return np.array([row for row, name in enumerate(faces.names) if name in wanted], np.int64)
