# SPDX-License-Identifier: MIT
"""Who is on which image: what every rule of this folder starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet, Truth
from faceeval.data.procfaces import population
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.standard import set_folder
from faceeval.data.procfaces.store import checked
from faceeval.data.records import COLUMNS
from faceeval.data.selection import select
from faceeval.errors import InputError


def rows_of_people(faces: FaceSet) -> dict[int, list[int]]:
    """Returns the images of each person, ascending; persons by their numbers.

    Raises:
        InputError: The set does not know who is on its images.
    """
    numbers = column_of(faces, "identities")
    order = np.argsort(numbers, kind="stable")
    people, starts = np.unique(numbers[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {person: part.tolist() for person, part in zip(people.tolist(), parts, strict=True)}


def column_of(faces: FaceSet, name: str) -> NDArray[Any]:
    """Returns a column of a set, (N,) or (N, ...).

    Raises:
        InputError: The set does not have it.
    """
    values: NDArray[Any] | None = getattr(faces, name)
    if values is None:
        todo = "choose data that know them, such as procfaces"
        raise InputError(f"{name} of {faces.name}", "none: nobody knows them", todo)
    return values


def in_hash_order(faces: FaceSet, rows: list[int], tag: str) -> list[int]:
    """Returns images in the hash order of their names; see `faceeval.data.selection.select`."""
    place = {faces.names[row]: row for row in rows}
    return [place[name] for name in select(len(place), place, tag)]


def people_in_hash_order(faces: FaceSet, people: list[int], tag: str) -> list[int]:
    """Returns persons in the hash order of what they are called, else of their numbers."""
    called = {faces.people[person] if faces.people else str(person): person for person in people}
    return [called[name] for name in select(len(called), called, tag)]


def rows_of_names(faces: FaceSet, names: Sequence[str]) -> NDArray[np.int64]:
    """Returns where images of these names stand in a set, int64 (n,)."""
    places = {name: row for row, name in enumerate(faces.names)}
    return np.array([places[name] for name in names], np.int64)


def standard_people(split: str) -> range:
    """Returns the numbers of the standard set's people in a split.

    Raises:
        UnknownNameError: There is no such split.
    """
    indices = population.indices_of(split)
    return range(indices.start // IMAGES_PER_IDENTITY, (indices.stop - 1) // IMAGES_PER_IDENTITY + 1)


def dialect_folder(dialect: str, source: str) -> Path:
    """Returns the folder of the cache for what a dialect renders, named for the file that decides its factors."""
    content = Path(source).read_bytes().replace(b"\r\n", b"\n")  # as `renderer_digest` does
    return set_folder() / f"{dialect}-{sha256(content).hexdigest()[:16]}"


def view(faces: FaceSet, name: str, rows: NDArray[np.int64] | None = None) -> FaceSet:
    """Returns images of a set under another name: some of them, in the order of ``rows``, or all.

    Args:
        faces: The set.
        name: What the result is called.
        rows: Indices into the set, int64 (n,); None takes every image.
    """
    rows = np.arange(len(faces), dtype=np.int64) if rows is None else rows
    columns = {
        column: None if (values := getattr(faces, column)) is None else values[rows] for column in (*COLUMNS, "boxes")
    }
    names = tuple(faces.names[row] for row in rows.tolist())
    return FaceSet(
        name=name,
        split=faces.split,
        size=faces.size,
        names=names,
        digest=sha256("\n".join([name, faces.digest, *names]).encode()).hexdigest(),
        read=partial(_of_rows, faces.read, rows),
        attributes={attribute: values[rows] for attribute, values in faces.attributes.items()},
        people=faces.people,
        masks=None if faces.masks is None else partial(_of_rows, faces.masks, rows),
        skipped=faces.skipped,
        truth=None if faces.truth is None else partial(_truth_of_rows, faces.truth, rows),
        provenance=faces.provenance,
        **columns,
    )


def _of_rows(
    make: Callable[[NDArray[np.int64]], NDArray[np.uint8]], rows: NDArray[np.int64], indices: NDArray[np.int64]
) -> NDArray[np.uint8]:
    return make(rows[checked(indices, len(rows))])


def _truth_of_rows(
    make: Callable[[NDArray[np.int64], str], Truth],
    rows: NDArray[np.int64],
    indices: NDArray[np.int64],
    attribute: str,
) -> Truth:
    return make(rows[checked(indices, len(rows))], attribute)
