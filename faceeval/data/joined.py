# SPDX-License-Identifier: MIT
"""Several sets of faces as one, as methods are trained that learn each part of a face from other data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError

# column -> what stands where a set does not know it, and the shape of one entry
UNKNOWN: dict[str, tuple[Any, tuple[int, ...]]] = {
    "identities": (-1, ()),
    "pose": (np.nan, (3,)),
    "expression": (-1, ()),
    "valence_arousal": (np.nan, (2,)),
    "landmarks": (np.nan, (5, 2)),
    "clips": (-1, ()),
}
NUMBERED = ("identities", "clips")  # columns whose numbers mean something within one set only


def join(sets: Sequence[FaceSet]) -> FaceSet:
    """Puts sets of faces one after the other.

    A column that only some sets know has -1 (numbers) or NaN (measurements) in the others. People and clips of
    different sets are different ones, whatever their numbers. Attributes are those that all sets label.

    Args:
        sets: At least one, of images of one size; several need different names.

    Returns:
        The joined set, whose names are ``<set>/<name>`` and whose ``sources`` say which set an image is from; the set
        itself where there is one only.

    Raises:
        InputError: No set, two of one name and split, or images of different sizes.

    Example:
        >>> make = lambda name: FaceSet(name, "train", 8, ("a", "b"), name, lambda rows: np.zeros((len(rows), 3, 8, 8)))
        >>> both = join([make("one"), make("two")])
        >>> both.names, both.sources.tolist()
        (('one/a', 'one/b', 'two/a', 'two/b'), [0, 0, 1, 1])
    """
    if len(sets) == 1:
        return sets[0]
    _check(sets)
    counts = [len(faces) for faces in sets]
    columns: dict[str, Any] = {name: _column(sets, name) for name in UNKNOWN}
    labelled = [name for name in sets[0].attributes if all(name in faces.attributes for faces in sets)]
    about = "\n".join(["joined", *(faces.digest for faces in sets)])
    return FaceSet(
        name="+".join(faces.name for faces in sets),
        split=sets[0].split,
        size=sets[0].size,
        names=tuple(f"{faces.name}/{name}" for faces in sets for name in faces.names),
        digest=hashlib.sha256(about.encode()).hexdigest(),
        read=partial(_read, tuple(sets), np.cumsum([0, *counts])),
        attributes={name: np.concatenate([faces.attributes[name] for faces in sets]) for name in labelled},
        sources=np.repeat(np.arange(len(sets), dtype=np.int64), counts),
        skipped=tuple(name for faces in sets for name in faces.skipped),
        provenance={f"{faces.name} {key}": value for faces in sets for key, value in faces.provenance.items()},
        **columns,
    )


def _check(sets: Sequence[FaceSet]) -> None:
    names = [faces.name for faces in sets]
    if not names or len(set(names)) < len(names):
        raise InputError("sets of different names, at least one", ", ".join(names) or "none", "name each once")
    sizes = sorted({faces.size for faces in sets})
    if len(sizes) > 1:
        raise InputError("images of one size", f"{', '.join(map(str, sizes))} pixels", "open all sets at one size")


def _column(sets: Sequence[FaceSet], name: str) -> NDArray[Any] | None:
    known: list[NDArray[Any] | None] = [getattr(faces, name) for faces in sets]
    if all(values is None for values in known):
        return None
    missing, shape = UNKNOWN[name]
    kind = next(values.dtype for values in known if values is not None)
    parts, taken = [], 0
    for faces, values in zip(sets, known, strict=True):
        part = np.full((len(faces), *shape), missing, kind) if values is None else values
        if name in NUMBERED and values is not None:
            numbers, places = np.unique(values[values >= 0], return_inverse=True)
            part = np.full(len(faces), -1, np.int64)
            part[values >= 0] = places + taken
            taken += len(numbers)
        parts.append(part)
    return np.concatenate(parts)


def _read(sets: tuple[FaceSet, ...], starts: NDArray[np.int64], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Reads images of several sets, each set once."""
    rows = np.asarray(indices, np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= starts[-1]):
        got = f"{rows.min()} to {rows.max()}"
        raise InputError(f"indices from 0 to {starts[-1] - 1}", got, "take them from this set")
    images = np.empty((len(rows), 3, sets[0].size, sets[0].size), np.uint8)
    where = np.searchsorted(starts, rows, side="right") - 1
    for number, faces in enumerate(sets):
        here = where == number
        if here.any():
            images[here] = faces.read(rows[here] - starts[number])
    return images
