# SPDX-License-Identifier: MIT
"""The annotations of AffectNet's second release: four small ``.npy`` files for each image.

``12_exp.npy``, ``12_val.npy`` and ``12_aro.npy`` hold one value each, often as a string, ``12_lnd.npy`` the 136 numbers
of 68 landmarks. There are over a million such files, so their headers, of which there are few kinds, are parsed once
per kind. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import by_stem, image_names, quote_some
from faceeval.data.labels.expressions import check_labels, split_off
from faceeval.data.opening import Progress
from faceeval.data.records import Records
from faceeval.errors import InputError, MissingFileError

KINDS = {"exp": 1, "val": 1, "aro": 1, "lnd": 136}  # what a file is called after its number, and how many values it has
MAGIC = b"\x93NUMPY\x01\x00"
PREFIX = 10  # bytes before the header: magic and its length
STEP = 1000  # images between two calls of the progress


def read_annotations(folder: Path, images: Path, progress: Progress | None = None) -> tuple[Records, dict[str, int]]:
    """Reads the annotations of one set.

    Args:
        folder: The folder ``annotations``.
        images: The folder of the images.
        progress: Called with (done, total) images.

    Returns:
        The images that show one of the eight expressions, by number, and how many are left out by each other code.

    Raises:
        MissingFileError: A folder is not there.
        InputError: An image lacks an annotation or an annotation its kin, or a file holds what it must not.
    """
    numbers, has_landmarks = _list(folder)
    _check_images(folder, images, numbers)
    values = np.empty((len(numbers), 3))
    points = np.empty((len(numbers), KINDS["lnd"]), np.float32) if has_landmarks else None
    for row, number in enumerate(numbers):
        values[row] = [_read(folder, number, kind)[0] for kind in ("exp", "val", "aro")]
        if points is not None:
            points[row] = _read(folder, number, "lnd")
        if progress and ((row + 1) % STEP == 0 or row + 1 == len(numbers)):
            progress(row + 1, len(numbers))
    codes = check_labels(values[:, 0], values[:, 1:], str(folder), lambda row: f"{numbers[row]}_*.npy")
    shown, left_out = split_off(codes)
    records = Records(
        folder=images,
        files=tuple(f"{number}.jpg" for number in numbers),
        expression=codes,
        valence_arousal=values[:, 1:].astype(np.float32),
        landmarks68=None if points is None else points.reshape(len(numbers), -1, 2),
    )
    return records.take(shown), left_out


def _list(folder: Path) -> tuple[list[str], bool]:
    """Returns the numbers of the annotated images in their order, and whether there are landmarks."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for name in os.listdir(folder):
        number, _, kind = name.removesuffix(".npy").rpartition("_")
        if not name.endswith(".npy") or name[0] == ".":  # what systems leave behind
            continue
        if kind not in KINDS or not number:
            raise InputError(f"names such as 12_exp.npy in {folder}", name, "take the file out of the folder")
        found[kind].add(number)
    if not found["lnd"]:
        del found["lnd"]
    every = set().union(*found.values())
    lacking = sorted(f"{number}_{kind}.npy" for kind, numbers in found.items() for number in every - numbers)
    if lacking or not every:
        got = f"not there: {quote_some(lacking)}" if lacking else "none"
        raise MissingFileError(f"{', '.join(found)} of each image in {folder}", got, "unpack the annotations again")
    return sorted(every, key=lambda number: (len(number), number)), "lnd" in found


def _check_images(folder: Path, images: Path, numbers: list[str]) -> None:
    """Refuses images without annotations, which a copy that was cut short has, and one image in two files."""
    extra = sorted(set(by_stem(images, image_names(images))) - set(numbers))
    if extra:
        raise InputError(
            f"annotations in {folder} for each image in {images}",
            f"images without: {quote_some(extra)}",
            "unpack the annotations again, or take images without labels out of the folder",
        )


def _read(folder: Path, number: str, kind: str) -> NDArray[np.float64]:
    """Returns the values of one file, whatever they are stored as."""
    path = f"{folder}/{number}_{kind}.npy"
    try:
        with open(path, "rb") as file:
            array = _array(file.read())
        values = array.reshape(-1).astype(np.float64)
    except (OSError, ValueError, EOFError) as error:
        todo = "get the file again; it must hold plain numbers or strings of them, and is never unpickled"
        raise InputError("an annotation of AffectNet", f"{path}: {error}", todo) from error
    if len(values) != KINDS[kind]:
        raise InputError(f"{KINDS[kind]} values in {path}", str(len(values)), "get the file again")
    return values


def _array(data: bytes) -> NDArray[Any]:
    if not data.startswith(MAGIC):
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    start = PREFIX + int.from_bytes(data[8:PREFIX], "little")
    return np.frombuffer(data, _stored_type(data[:start]), offset=start)


@lru_cache(maxsize=256)
def _stored_type(head: bytes) -> np.dtype[Any]:
    stream = io.BytesIO(head)
    np.lib.format.read_magic(stream)
    stored: np.dtype[Any] = np.lib.format.read_array_header_1_0(stream)[2]
    if stored.hasobject:
        raise ValueError("pickled objects")
    return stored
