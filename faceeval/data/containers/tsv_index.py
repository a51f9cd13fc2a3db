# SPDX-License-Identifier: MIT
"""Where the images lie in a file of MS-Celeb-1M: one image a line, as base64 in the last of six or seven columns.

Seven columns hold faces: MID, rank in the search, image URL, page URL, face ID, rectangle, image. Six hold whole
images: MID, name, rank, image URL, page URL, image. Such files have up to 200 GB, so they are gone through once, line
by line, and what was found is kept in the cache; images are then read by their offsets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from faceeval.atomic import replacing
from faceeval.data.cache import cache_dir
from faceeval.data.labels.delimited import wrong
from faceeval.data.labels.label_files import HEAD, check_text
from faceeval.data.opening import Progress
from faceeval.errors import InputError, MissingFileError, OutputError

VERSION = 1  # of the files in the cache
LONGEST = 64_000_000  # bytes of a line; more is no line of an image
CHUNK = 65_536  # rows kept as Python objects at once
BUFFER = 1 << 22
BOM = b"\xef\xbb\xbf"
# number of columns -> what stands before the image: the parts of its name, MID, rank and face ID where there is one
ROWS: dict[int, re.Pattern[bytes]] = {
    7: re.compile(rb"(m\.\w+)\t(\d+)\t[^\t]*\t[^\t]*\t([\w.-]+)\t[^\t]*\t"),
    6: re.compile(rb"(m\.\w+)\t[^\t]*\t(\d+)\t[^\t]*\t[^\t]*\t"),
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TsvIndex:
    """Where the images of a file lie.

    Attributes:
        names: bytes (N,), ``MID/rank-FaceID.jpg`` or ``MID/rank.jpg``, as folders of these images have them; sorted.
        offsets: int64 (N,), of the tab before each image.
        lengths: int64 (N,), from there to the end of the line, with it.
    """

    names: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


def index_tsv(path: Path, progress: Progress | None = None) -> TsvIndex:
    """Finds the images of a file, or remembers where they were.

    Args:
        path: The file.
        progress: Called with (done, total) megabytes, where it has to be gone through.

    Raises:
        MissingFileError: There is no such file.
        InputError: A line is not as its first one or holds no whole base64, or an image comes twice; the message names
            the line.
    """
    try:
        status = path.stat()
        key = f"{VERSION}|{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        kept = cache_dir() / "indices" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
        index = _recall(kept)
        if index is None:
            with open(path, "rb", buffering=BUFFER) as file:
                index = _scan(path, file, status.st_size, progress)
            _keep(kept, index)
    except OSError as error:
        raise MissingFileError("a file of images", f"{path}: {error.strerror}", "check the path") from error
    return index


def tsv_image(data: bytes, name: str) -> bytes:
    """Returns the image file in a cell: its bytes come with the tab before and the end of the line.

    Raises:
        InputError: It is no base64.
    """
    try:
        if data[:1] != b"\t":
            raise binascii.Error("no tab before it")
        return base64.b64decode(data[1:].rstrip(b"\r\n"), validate=True)
    except binascii.Error as error:
        raise InputError("an image as base64", f"{name}: {error}", "get the file again: it is damaged") from error


def _scan(path: Path, file: BinaryIO, size: int, progress: Progress | None) -> TsvIndex:
    """Goes through all lines."""
    check_text(path, file.peek(HEAD)[:HEAD])  # type: ignore[attr-defined]
    chunks: list[NDArray[np.bytes_]] = []
    names: list[bytes] = []
    places: list[tuple[int, int]] = []
    spans: list[NDArray[np.int64]] = []
    columns, number, start = 0, 0, 0
    while line := file.readline(LONGEST):
        number += 1
        if not line.isspace():
            columns = columns or line.count(b"\t") + 1
            name, place = _read_line(path, number, line, columns)
            names.append(name)
            places.append((start + place, len(line) - place))
        start += len(line)
        if len(names) == CHUNK:
            chunks, names = [*chunks, np.array(names)], []
            spans, places = [*spans, np.array(places, np.int64)], []
            if progress:
                progress(start // 1_000_000, size // 1_000_000)
    if names:
        chunks, spans = [*chunks, np.array(names)], [*spans, np.array(places, np.int64)]
    if not chunks:
        raise wrong(path, "a line for each image", "it has none")
    return _sorted(path, np.concatenate(chunks), np.concatenate(spans))


def _read_line(path: Path, number: int, line: bytes, columns: int) -> tuple[bytes, int]:
    """Returns the name of the image of a line, and where the tab before the image stands in it."""
    found = line.count(b"\t") + 1
    if columns not in ROWS or found != columns:
        expected = f"{columns} columns, as in line 1," if columns in ROWS else "6 or 7 columns"
        raise wrong(path, f"{expected} between tabs", f"{found} in line {number}")
    match = ROWS[columns].match(line.removeprefix(BOM) if number == 1 else line)
    if match is None:
        raise wrong(path, "MID, rank and so on, as MS-Celeb-1M has them", f"line {number}: {line[:60]!r}")
    place = match.end() - 1 + (len(BOM) if number == 1 and line.startswith(BOM) else 0)
    length = len(line[place + 1 :].rstrip(b"\r\n"))
    if length == 0 or length % 4:
        raise wrong(path, "a whole image as base64", f"{length} letters in line {number}; it may be cut short")
    mid, *rest = match.groups()
    return mid + b"/" + b"-".join(rest) + b".jpg", place


def _sorted(path: Path, names: NDArray[np.bytes_], places: NDArray[np.int64]) -> TsvIndex:
    order = np.argsort(names, kind="stable")
    names = names[order]
    twice = names[1:][names[1:] == names[:-1]]
    if len(twice):
        raise wrong(path, "each image once", f"{len(twice)} again, the first {twice[0].decode()}")
    return TsvIndex(names, places[order, 0], places[order, 1])


def _recall(kept: Path) -> TsvIndex | None:
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            return TsvIndex(arrays["names"], arrays["offsets"], arrays["lengths"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: it is made again


def _keep(kept: Path, index: TsvIndex) -> None:
    try:
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, names=index.names, offsets=index.offsets, lengths=index.lengths)
    except OutputError as error:
        _LOG.warning("the index of a large file is not kept: %s", error.got)
