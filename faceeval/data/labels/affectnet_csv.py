# SPDX-License-Identifier: MIT
"""The lists of AffectNet's first release: ``training.csv`` and ``validation.csv``, with or without a header.

A row holds a path, a box, 68 landmarks as ``x;y;x;y...``, an expression, valence and arousal. The full training list
has over four hundred thousand rows of a kilobyte, so it is parsed in pieces, the landmarks as arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from faceeval.data.labels.delimited import columns_of, read_rows, wrong
from faceeval.data.labels.expressions import check_labels, split_off
from faceeval.data.records import Records

COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
FILE, LEFT, POINTS, CODE, VALENCE = 0, 1, 5, 6, 7  # places in COLUMNS; the box's and the ratings' others follow
NUMBERS = 136  # of 68 landmarks
UNKNOWN = ("", "NULL", "NAN")  # how a box or landmarks nobody found are written, in capitals
CHUNK = 10_000  # rows parsed at once
Row = tuple[int, list[str]]


@dataclass(frozen=True, eq=False)
class _Part:
    """Some rows of a list; boxes and landmarks that nobody found are NaN, those of rows left out are not there."""

    files: list[str]
    lines: list[int]
    codes: NDArray[np.int64]
    ratings: NDArray[np.float32]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]


def read_list(path: Path, images: Path) -> tuple[Records, dict[str, int]]:
    """Reads a list.

    Args:
        path: The list.
        images: The folder its paths lie below.

    Returns:
        The rows that show one of the eight expressions, with NaN for a box or landmarks that the list does not know,
        and how many rows are left out by each of the other codes.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such list: another number of fields, a path that leaves the folder or comes twice, a field
            that is no number, an expression beyond AffectNet's codes, or valence or arousal beyond [-1, 1].
    """
    parts = [_parse(path, rows) for rows in _chunks(path)]
    if not parts:
        raise wrong(path, "rows of nine fields between commas", "none")
    _check_paths(path, parts)
    codes = np.concatenate([part.codes for part in parts])
    shown, left_out = split_off(codes)
    files = [file for part in parts for file in part.files]
    boxes = np.concatenate([part.boxes for part in parts])
    points = np.concatenate([part.points for part in parts])
    records = Records(
        folder=images,
        files=tuple(files[row] for row in np.flatnonzero(shown).tolist()),
        expression=codes[shown],
        valence_arousal=np.concatenate([part.ratings for part in parts])[shown],
        landmarks68=None if np.isnan(points).all() else points.reshape(-1, NUMBERS // 2, 2),
        boxes=None if np.isnan(boxes).all() else boxes,
    )
    return records, left_out


def _chunks(path: Path) -> Iterator[list[Row]]:
    """Yields some thousand rows at a time, their fields in the order of COLUMNS."""
    rows = read_rows(path, ",")
    first = next(rows, None)
    if first is None:
        return
    places, width = list(range(len(COLUMNS))), len(COLUMNS)
    if COLUMNS[FILE].lower() in (field.lower() for field in first[1]):  # some validation lists have no header
        places, width = columns_of(path, first[1], COLUMNS), len(first[1])
    else:
        rows = chain([first], rows)
    while some := list(islice(rows, CHUNK)):
        for number, fields in some:
            if len(fields) != width:
                raise wrong(
                    path, f"{width} fields in every line", f"{len(fields)} in line {number}; it may be cut short"
                )
        yield [(number, [fields[place] for place in places]) for number, fields in some]


def _parse(path: Path, rows: list[Row]) -> _Part:
    ratings = _numbers(path, rows, VALENCE, 2)
    codes = check_labels(
        _numbers(path, rows, CODE, 1)[:, 0],
        ratings,
        str(path),
        lambda row: f"line {rows[row][0]}: {rows[row][1][FILE]}",
    )
    shown, _ = split_off(codes)
    kept = [row for row, keep in zip(rows, shown.tolist(), strict=True) if keep]
    boxes = _numbers(path, kept, LEFT, 4, unknown=True).astype(np.float32)
    boxes[~(boxes[:, 2:] > 0).all(1)] = np.nan  # not (>) holds for NaN too
    return _Part(
        files=[fields[FILE] for _, fields in rows],
        lines=[number for number, _ in rows],
        codes=codes,
        ratings=ratings.astype(np.float32),
        boxes=boxes,
        points=_landmarks(path, kept),
    )


def _numbers(path: Path, rows: list[Row], start: int, count: int, *, unknown: bool = False) -> NDArray[np.float64]:
    """Returns fields as numbers, (rows, count); NaN for what is unknown, where that may be."""
    texts = [field for _, fields in rows for field in fields[start : start + count]]
    if unknown:
        texts = ["nan" if text.upper() in UNKNOWN else text for text in texts]
    try:
        return np.array(texts, np.float64).reshape(-1, count)
    except ValueError as error:
        place = next(place for place, text in enumerate(texts) if not _is_number(text))
        row, column = divmod(place, count)
        got = f"{texts[place]!r} as {COLUMNS[start + column]} in line {rows[row][0]}"
        raise wrong(path, "numbers", got) from error


def _landmarks(path: Path, rows: list[Row]) -> NDArray[np.float32]:
    """Returns 136 numbers per row; NaN where nobody found the landmarks."""
    nothing = ";".join(["nan"] * NUMBERS)
    texts = [nothing if fields[POINTS].upper() in UNKNOWN else fields[POINTS].rstrip(";") for _, fields in rows]
    if not texts:
        return np.empty((0, NUMBERS), np.float32)
    try:
        points = np.loadtxt(texts, np.float32, comments=None, delimiter=";", ndmin=2)
    except ValueError:
        points = np.empty(0, np.float32)
    if points.shape != (len(texts), NUMBERS):
        numbers = (text.split(";") for text in texts)
        odd = (len(some) != NUMBERS or not all(map(_is_number, some)) for some in numbers)
        line = rows[next(row for row, is_odd in enumerate(odd) if is_odd)][0]
        raise wrong(path, "68 landmarks as x;y;x;y and so on", f"something else in line {line}")
    return points


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_paths(path: Path, parts: list[_Part]) -> None:
    """Refuses paths that leave the folder, and images listed twice."""
    seen: dict[str, int] = {}
    for part in parts:
        for file, line in zip(part.files, part.lines, strict=True):
            if not file or file[0] == "/" or "\\" in file or ".." in PurePosixPath(file).parts:
                raise wrong(path, "paths below the folder of images", f"{file!r} in line {line}")
            other = seen.setdefault(file, line)
            if other != line:
                raise wrong(path, "each image once", f"{file} in lines {other} and {line}")
