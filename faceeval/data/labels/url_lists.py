# SPDX-License-Identifier: MIT
"""PubFig's tables: who is in which numbered image, where the face is, and what classifiers said of it.

Tab-separated; lines that start with ``#`` are comments, of which the one that starts with ``person`` names the fields.
Version 1.1 of the lists of addresses has no checksums.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.labels.delimited import columns_of, read_rows, wrong
from faceeval.data.labels.pairs import image_name

FIELDS = ("person", "imagenum", "url", "rect", "md5sum")  # in files without a line that names them
MD5 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class UrlList:
    """What a list of addresses says, in file order.

    Attributes:
        path: The file.
        people: Who is in each image, (N,).
        numbers: The number of the image among those of the person, (N,); there are holes.
        boxes: float32 (N, 4), left, top, width and height of the face in pixels.
        md5: Checksum of each file as it was published, lower-case hexadecimal, (N,); empty in version 1.1.
    """

    path: Path
    people: tuple[str, ...]
    numbers: tuple[int, ...]
    boxes: NDArray[np.float32]
    md5: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The images by LFW's rule, ``Jane_Roe/Jane_Roe_0004.jpg``, (N,)."""
        pairs = zip(self.people, self.numbers, strict=True)
        return tuple(image_name(person.replace(" ", "_"), number) for person, number in pairs)


def read_url_list(path: Path) -> UrlList:
    """Reads ``dev_urls.txt`` or ``eval_urls.txt``, of version 1.1 or 1.2.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such list, a line is malformed, or an image comes twice; the message names the line.
    """
    head, rows = _split_head(path)
    if not head:
        head = list(FIELDS[: len(rows[0][1])])
    person, number, rect = columns_of(path, head, ("person", "imagenum", "rect"))
    md5 = head.index("md5sum") if "md5sum" in head else None
    seen: dict[tuple[str, int], int] = {}
    boxes = np.empty((len(rows), 4), np.float32)
    for row, (line, fields) in enumerate(_of_width(path, rows, len(head))):
        _add_key(path, seen, line, fields[person], fields[number])
        boxes[row] = _box(path, line, fields[rect])
        if md5 is not None and not MD5.fullmatch(fields[md5].lower()):
            raise wrong(path, "an MD5 of 32 digits", f"line {line}: {fields[md5]!r}")
    sums = () if md5 is None else tuple(fields[md5].lower() for _, fields in rows)
    return UrlList(path, tuple(key[0] for key in seen), tuple(key[1] for key in seen), boxes, sums)


def read_attributes(path: Path) -> tuple[dict[tuple[str, int], int], tuple[str, ...], NDArray[np.float32]]:
    """Reads ``pubfig_attributes.txt``: what classifiers say of each image.

    Returns:
        Person and number -> row; the attributes, CelebA's names where they mean the same; scores float32 (N, A), above
        0 where a classifier sees the attribute.

    Raises:
        MissingFileError: There is no such file.
        InputError: It names no attributes, a line is malformed, or an image comes twice.
    """
    head, rows = _split_head(path)
    if head[:2] != list(FIELDS[:2]) or len(head) < 3:
        raise wrong(path, "a line '#', person, imagenum and names of attributes", " ".join(head[:4]) or "none")
    names = tuple(attribute_name(field) for field in head[2:])
    if len(set(names)) < len(names):
        raise wrong(path, "attributes that differ", f"{max(names, key=names.count)} twice")
    seen: dict[tuple[str, int], int] = {}
    scores = np.empty((len(rows), len(names)), np.float32)
    for row, (line, fields) in enumerate(_of_width(path, rows, len(head))):
        _add_key(path, seen, line, fields[0], fields[1])
        try:
            scores[row] = np.array(fields[2:], np.float64)
        except ValueError as error:
            raise wrong(path, "numbers", f"line {line}: {error}") from error
        unclear = ~np.isfinite(scores[row]) | (scores[row] == 0)
        if unclear.any():
            column = int(np.flatnonzero(unclear)[0])
            raise wrong(path, "scores above or below 0", f"{fields[2 + column]} for {names[column]} in line {line}")
    return {key: row for row, key in enumerate(seen)}, names, scores


def read_names(path: Path) -> frozenset[str]:
    """Reads ``dev_people.txt`` or ``eval_people.txt``: a name in each line.

    Raises:
        MissingFileError: There is no such file.
        InputError: It has no names.
    """
    return frozenset(fields[0] for _, fields in _split_head(path)[1])


def attribute_name(field: str) -> str:
    """Returns CelebA's name of an attribute of PubFig where they mean the same.

    Example:
        >>> attribute_name("5 o' Clock Shadow"), attribute_name("Mouth Slightly Open")
        ('5_o_Clock_Shadow', 'Mouth_Slightly_Open')
    """
    return field.replace("'", " ").replace("  ", " ").strip().replace(" ", "_")


def _split_head(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the names of the fields, as far as the comments say them, and the lines that are no comments."""
    head: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for line, fields in read_rows(path, "\t"):
        if not fields[0].startswith("#"):
            while fields[-1] == "":  # tabs at the end
                fields.pop()
            rows.append((line, fields))
            continue
        said = [field for field in (fields[0].lstrip("# "), *fields[1:]) if field]
        if said and said[0] == FIELDS[0]:
            head = said
    if not rows:
        raise wrong(path, "at least one line that is no comment", "none")
    return head, rows


def _of_width(path: Path, rows: Sequence[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for line, fields in rows:
        if len(fields) != width:
            raise wrong(path, f"{width} fields between tabs", f"{len(fields)} in line {line}: {fields[0][:50]!r}")
        yield line, fields


def _add_key(path: Path, seen: dict[tuple[str, int], int], line: int, person: str, number: str) -> None:
    """Notes person and number of a line, and refuses what is no such thing or was there before."""
    if not person or person.startswith(".") or set(person) & set("/\\\0"):
        raise wrong(path, "a person's name", f"{person!r} in line {line}")
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise wrong(path, "the number of an image, from 1", f"{number!r} in line {line}")
    other = seen.setdefault((person, int(number)), line)
    if other != line:
        raise wrong(path, "each image once", f"{person} {number} in lines {other} and {line}")


def _box(path: Path, line: int, rect: str) -> tuple[int, int, int, int]:
    """Turns two corners into a corner and a size."""
    try:
        left, top, right, bottom = (int(corner) for corner in rect.split(","))
    except ValueError as error:
        raise wrong(path, "a rect x0,y0,x1,y1 in whole pixels", f"{rect!r} in line {line}") from error
    if right <= left or bottom <= top:
        raise wrong(path, "a rect x0,y0,x1,y1 with x0 < x1 and y0 < y1", f"{rect!r} in line {line}")
    return left, top, right - left, bottom - top
