# SPDX-License-Identifier: MIT
"""The images of a ``.rec`` file, and who is on them.

In insightface's files, record 0 holds no image but two numbers, a and b: the images have the keys 1 to a - 1, and the
keys a to b - 1 hold no images either, but the first and the last + 1 key of the images of one person. Files without
such a record, as MXNet's own tool writes them, have the number of the person in the header of each image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.containers.packed import Packed
from faceeval.data.containers.recordio import (
    FRAME,
    HEADER,
    MAGIC,
    RecordFile,
    image_of,
    open_record_file,
    read_property,
    read_record_list,
)
from faceeval.data.labels.delimited import wrong
from faceeval.data.manifest import Finding
from faceeval.data.records import Records

CHUNK = 65_536  # headers gathered at once
EXACT = 1 << 24  # above it, float32, the type of labels, skips whole numbers


def record_images(path: Path) -> Records:
    """Opens the images of a file, each with the number of its person.

    Args:
        path: The ``.rec`` file; ``.idx`` and ``property`` are used where they lie beside it.

    Returns:
        Records named by their keys, ``00000001``, with identities and, where ``property`` gives it, their size.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is damaged, its parts contradict each other, or a label is no whole number.
    """
    file = open_record_file(path)
    labels, image = file.read(0)
    if len(labels) > 1 and not image:
        rows, identities = _by_ranges(file)
    else:
        rows, identities = np.arange(len(file.keys)), _header_labels(file)
    described = read_property(path.with_name("property")) if path.with_name("property").is_file() else None
    return Records(
        folder=path,
        files=tuple(f"{key:08d}" for key in file.keys[rows].tolist()),
        identities=identities,
        packed=Packed(path, file.offsets[rows], file.lengths[rows], image_of),
        image_size=(described.width, described.height) if described else None,
    )


def record_findings(records: Records) -> Iterator[Finding]:
    """Holds the images of a file against ``property`` and the ``.lst`` that lie beside it."""
    path, identities = records.folder, records.identities
    if identities is None:
        return
    if (beside := path.with_name("property")).is_file():
        people = len(np.unique(identities))
        if people != read_property(beside).people:
            yield Finding("note", "property", f"{read_property(beside).people} people, not the {people} of {path.name}")
    if (beside := path.with_suffix(".lst")).is_file():
        listed = read_record_list(beside)
        if len(listed) != len(identities):
            yield Finding("note", beside.name, f"{len(listed)} images, not the {len(identities)} of {path.name}")
        elif (listed != identities).any():
            row = int(np.argmax(listed != identities))
            got = f"person {listed[row]} for image {records.names[row]}, which {path.name} gives {identities[row]}"
            yield Finding("error", beside.name, got)


def _by_ranges(file: RecordFile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reads who is who from the records of the persons: some ten thousand reads instead of one for each image."""
    first, last = _range(file, 0)
    if not 0 < first < last <= EXACT or not np.array_equal(file.keys, np.arange(last)):
        got = f"keys {file.keys[0]} to {file.keys[-1]}, {len(file.keys)} in all"
        raise wrong(file.path, f"images from key 1 and persons from {first} to {last - 1}, as record 0 says", got)
    identities = np.full(first, -1, np.int64)
    for person in range(first, last):
        start, stop = _range(file, person)
        if not 1 <= start <= stop <= first or (identities[start:stop] >= 0).any():
            raise wrong(
                file.path, f"keys of images that no other person has, in record {person}", f"{start} to {stop - 1}"
            )
        if start < stop:
            identities[start:stop] = _integers(file, np.array(file.read(start)[0][:1]))[0]
    if (identities[1:] < 0).any():
        raise wrong(file.path, "a person for every image", f"none for key {1 + np.argmax(identities[1:] < 0)}")
    return np.arange(1, first), identities[1:]


def _range(file: RecordFile, row: int) -> tuple[int, int]:
    """Returns the two numbers in a record without image."""
    ends = _integers(file, np.array(file.read(row)[0]))
    return (int(ends[0]), int(ends[1])) if len(ends) > 1 else (0, 0)


def _header_labels(file: RecordFile) -> NDArray[np.int64]:
    """Gathers the first label of every record; their magic numbers are there to be looked at as well."""
    data = np.memmap(file.path, np.uint8, "r")
    labels = np.empty(len(file.keys), np.float32)
    reach = np.arange(FRAME.size + HEADER.size + 4)
    for start in range(0, len(labels), CHUNK):
        places = file.offsets[start : start + CHUNK, None] + reach
        words = np.ascontiguousarray(data[np.minimum(places, len(data) - 1)]).view("<u4")
        if (words[:, 0] != MAGIC).any():
            key = file.keys[start + np.argmax(words[:, 0] != MAGIC)]
            raise wrong(file.path, f"a record where the index says that key {key} lies", "other bytes")
        values = words.view("<f4")  # frame of 2 words, number of labels, label, 4 words of numbers, first of labels
        labels[start : start + CHUNK] = np.where(words[:, 2] > 0, values[:, -1], values[:, 3])
    return _integers(file, labels)


def _integers(file: RecordFile, labels: NDArray[np.floating]) -> NDArray[np.int64]:
    odd = ~((labels >= 0) & (labels < EXACT) & (labels == np.floor(labels)))
    if odd.any():
        raise wrong(file.path, f"labels that are whole numbers below {EXACT}", str(labels[odd][0]))
    return labels.astype(np.int64)
