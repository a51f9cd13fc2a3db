# SPDX-License-Identifier: MIT
"""Images in a ``.rec`` file, the record format of MXNet, as insightface's copies of face datasets use it.

A record is a magic number, a word with its length and kind, its bytes, and padding to four bytes. Its bytes start with
a header (how many labels, one label, two numbers), then come the labels where there are several, then the image file.
``.idx`` beside it gives key and offset of each record, ``property`` the number of people, height and width, ``.lst``
the labels once more. Nothing is loaded but the index; records are read by their offsets, which are checked.
"""

from __future__ import annotations

import mmap
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from faceeval.data.labels.delimited import read_rows, wrong
from faceeval.errors import InputError, MissingFileError

MAGIC = 0xCED7230A
FRAME = struct.Struct("<II")  # magic; three bits of kind and 29 of length
HEADER = struct.Struct("<IfQQ")  # number of labels, or 0 for the one that follows; label; key; unused
WHOLE, FIRST, MIDDLE, LAST = range(4)  # kinds: a record whose bytes hold the magic number is cut up there
LENGTH_BITS = 29


@dataclass(frozen=True, eq=False)
class RecordFile:
    """Where the records of a file lie, by ascending key.

    Attributes:
        path: The file.
        keys: int64 (N,), unique.
        offsets: int64 (N,), first byte of each record.
        lengths: int64 (N,), bytes up to the next one.
    """

    path: Path
    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def read(self, row: int) -> tuple[tuple[float, ...], bytes]:
        """Reads the labels and the image of one record; see `parse_record`."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(int(self.offsets[row]))
            return parse_record(file.read(int(self.lengths[row])), f"record {self.keys[row]} of {self.path}")


@dataclass(frozen=True)
class Property:
    """What the file ``property`` says: how many people there are, and the size of every image."""

    people: int
    height: int
    width: int


def open_record_file(path: Path) -> RecordFile:
    """Finds the records of a file, by the ``.idx`` beside it, or by walking over them where there is none.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such file, is cut short, or the index belongs to another one.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise MissingFileError("a file of records", f"{path}: {error.strerror}", "check the path") from error
    if magic != struct.pack("<I", MAGIC):
        _refuse(path, "a file of records", "another kind of file; an archive that is not unpacked, or a web page")
    index = path.with_suffix(".idx")
    keys, offsets = _read_index(index) if index.is_file() else _walk(path, size)
    order = np.argsort(offsets, kind="stable")
    keys, offsets = keys[order], offsets[order]
    lengths = np.diff(offsets, append=size)
    source = index if index.is_file() else path
    if offsets[0] != 0 or (offsets % 4).any() or (lengths < FRAME.size).any():
        _refuse(source, f"offsets of records in {path.name}, which has {size} bytes", _odd_offset(offsets, lengths))
    by_key = np.argsort(keys, kind="stable")
    records = RecordFile(path, keys[by_key], offsets[by_key], lengths[by_key])
    if (np.diff(records.keys) == 0).any():
        _refuse(source, "each key once", f"{records.keys[:-1][np.diff(records.keys) == 0][0]} again")
    records.read(int(np.argmax(records.offsets)))  # a file that is cut short, or longer than its index says
    return records


def parse_record(data: bytes, name: str) -> tuple[tuple[float, ...], bytes]:
    """Takes a record apart.

    Args:
        data: Its bytes, from the magic number to the next record.
        name: What messages call it.

    Returns:
        Its labels, and the image file; empty for records without image.

    Raises:
        InputError: It is damaged, or no record starts or ends here.
    """
    body = _join(data, name)
    if len(body) < HEADER.size:
        _refuse(name, f"a header of {HEADER.size} bytes", f"{len(body)} bytes")
    count, label, _, _ = HEADER.unpack_from(body)
    end = HEADER.size + 4 * count
    if end > len(body):
        _refuse(name, f"{count} labels, as its header says", f"{len(body)} bytes in all")
    return (struct.unpack_from(f"<{count}f", body, HEADER.size) if count else (label,)), body[end:]


def image_of(data: bytes, name: str) -> bytes:
    """Returns the image file in a record; see `parse_record`."""
    image = parse_record(data, name)[1]
    return image if image else _refuse(name, "an image", "a record without one")


def read_property(path: Path) -> Property:
    """Reads the file ``property``: people, height, width.

    Raises:
        MissingFileError: There is no such file.
        InputError: It does not hold three whole numbers.
    """
    rows = [fields for _, fields in read_rows(path, ",")]
    if len(rows) != 1 or len(rows[0]) != 3 or not all(field.isdecimal() and int(field) for field in rows[0]):
        raise wrong(path, "people,height,width", f"{len(rows)} lines, the first {','.join(rows[0]) if rows else ''!r}")
    return Property(*(int(field) for field in rows[0]))


def read_record_list(path: Path) -> NDArray[np.int64]:
    """Reads the labels of a ``.lst`` file, (N,), in file order, which is that of the keys.

    Both orders of columns are understood: index, label, path, and insightface's mark, path, label.

    Raises:
        MissingFileError: There is no such file.
        InputError: A line has neither, or a label is no whole number; the message names the line.
    """
    labels = []
    for line, fields in read_rows(path, "\t"):
        numbers = [_whole(field) for field in fields[1:3]]
        if len(numbers) < 2 or numbers == [None, None]:
            raise wrong(path, "index, label and path, or mark, path and label", f"line {line}: {' '.join(fields)!r}")
        labels.append(numbers[1] if numbers[0] is None else numbers[0])
    return np.array(labels, np.int64)


def _whole(text: str) -> int | None:
    """Returns a label, which may be written as 7 or as 7.000000; None for a path."""
    head, _, tail = text.partition(".")
    return int(head) if head.isdecimal() and not tail.strip("0") else None


def _join(data: bytes, name: str) -> bytes:
    """Puts the parts of a record together, with the magic number that was taken out between them."""
    parts: list[bytes] = []
    place, kind = 0, FIRST
    while kind not in (WHOLE, LAST):
        if len(data) - place < FRAME.size:
            _refuse(name, "a whole record", "its end is missing")
        magic, word = FRAME.unpack_from(data, place)
        kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
        if magic != MAGIC or kind > LAST or (kind in (WHOLE, FIRST)) == bool(parts):
            _refuse(name, "a record", "other bytes: the index belongs to another file, or the file is damaged")
        place += FRAME.size
        parts.append(data[place : place + length])
        if len(parts[-1]) < length:
            _refuse(name, f"{length} bytes", f"{len(parts[-1])}; it is cut short")
        place += length + -length % 4
    if place < len(data):
        _refuse(name, "the next record where the index says", f"it starts {len(data) - place} bytes before")
    return struct.pack("<I", MAGIC).join(parts)


def _read_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reads keys and offsets, five million lines in a second."""
    text = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy's way to say that something is no number
        try:
            numbers = np.fromstring(text, np.int64, sep=" ")
        except (DeprecationWarning, ValueError):
            numbers = np.empty(0, np.int64)
    if len(numbers) == 0 or len(numbers) != 2 * (text.strip().count(b"\n") + 1):
        _refuse(path, "lines of key and offset", "other text; it may be cut short")
    return numbers[::2], numbers[1::2]


def _walk(path: Path, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Goes from record to record where there is no index; their headers hold the keys."""
    keys, offsets, place = [], [], 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while place + FRAME.size + HEADER.size <= size:
            magic, word = FRAME.unpack_from(data, place)
            kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
            if magic != MAGIC:
                break
            if kind in (WHOLE, FIRST):
                keys.append(HEADER.unpack_from(data, place + FRAME.size)[2])
                offsets.append(place)
            place += FRAME.size + length + -length % 4
    if place != size:
        _refuse(path, "records to the end of the file", f"other bytes from byte {place}; it may be cut short")
    return np.array(keys, np.uint64).astype(np.int64), np.array(offsets, np.int64)


def _odd_offset(offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> str:
    odd = (offsets % 4 != 0) | (lengths < FRAME.size)
    return f"offset {offsets[np.argmax(odd)] if odd.any() else offsets[0]}; both files must be from the same copy"


def _refuse(source: Path | str, expected: str, got: str) -> NoReturn:
    raise InputError(f"{expected}, in {source}", got, "get the file again, with what lies beside it")
