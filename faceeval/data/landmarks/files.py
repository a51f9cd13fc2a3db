# SPDX-License-Identifier: MIT
"""Files of five landmarks per image: CelebA's label file in every dialect, and comma-separated tables of floats."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import quote_some, stem
from faceeval.data.labels.delimited import wrong
from faceeval.data.labels.label_files import HEAD, check_text, read_label_file
from faceeval.errors import InputError, MissingFileError

COLUMNS = (
    "lefteye_x", "lefteye_y", "righteye_x", "righteye_y", "nose_x", "nose_y",
    "leftmouth_x", "leftmouth_y", "rightmouth_x", "rightmouth_y",
)  # fmt: skip
CHUNK = 100_000  # rows turned to numbers at once


@dataclass(frozen=True, eq=False)
class LandmarkTable:
    """What a landmark file says.

    Attributes:
        path: The file.
        names: Name of each image in UTF-8, bytes (N,), unique, in file order.
        points: float32 (N, 5, 2), (x, y) in pixels of the image: eyes, nose and mouth corners, those on the left of the
            picture first.
    """

    path: Path
    names: NDArray[np.bytes_]
    points: NDArray[np.float32]

    def rows_of(self, images: Sequence[str]) -> NDArray[np.int64]:
        """Returns the row of each image, by its name or, where no row has it, by its name without suffix; -1 for none.

        Raises:
            InputError: Two rows could be meant by one name without suffix.
        """
        rows = _find(self.names, [image.encode("utf-8", "surrogateescape") for image in images])
        left = np.flatnonzero(rows < 0)
        if len(left):
            stems = np.array([stem(name.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
                              for name in self.names.tolist()])  # fmt: skip
            _refuse_twice(self.path, stems, "each name once, whatever its suffix")
            wanted = [stem(images[row]).encode("utf-8", "surrogateescape") for row in left.tolist()]
            rows[left] = _find(stems, wanted)
        return rows


def read_landmarks(path: Path | str) -> LandmarkTable:
    """Reads a file of five landmarks per image.

    Args:
        path: CelebA's ``list_landmarks*`` in any dialect, or a comma-separated table of a name and ten numbers with or
            without a header; a header that names CelebA's columns may have them in any order.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such table; the message names the line. Points that are not finite are passed on.
    """
    path = Path(path)
    if not _has_commas(path):
        table = read_label_file(path, columns=len(COLUMNS))
        return LandmarkTable(path, table.names, table.values.astype(np.float32).reshape(-1, 5, 2))
    names, values = [], []
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            lines = ((reader.line_num, cells) for cells in reader if any(cells))
            order, first = _read_header(path, lines)
            while chunk := [*first, *islice(lines, CHUNK)]:
                names.append(np.array([cells[0].encode("utf-8", "surrogateescape") for _, cells in chunk]))
                values.append(_numbers(path, chunk)[:, order])
                first = []
    except csv.Error as error:
        raise wrong(path, "a table of values between commas", str(error)) from error
    if not names:
        raise wrong(path, "at least one row of landmarks", "none")
    table_names = np.concatenate(names)
    _refuse_twice(path, table_names, "each name once")
    return LandmarkTable(path, table_names, np.concatenate(values).reshape(-1, 5, 2))


def _has_commas(path: Path) -> bool:
    """Looks at the beginning of the file, and refuses what is no text."""
    try:
        with path.open("rb") as file:
            start = file.read(HEAD)
    except OSError as error:
        raise MissingFileError("a file of landmarks", f"{path}: {error.strerror}", "check the path") from error
    check_text(path, start)
    return b"," in start


def _read_header(path: Path, lines: Iterator[tuple[int, list[str]]]) -> tuple[list[int], list[tuple[int, list[str]]]]:
    """Returns the columns in CelebA's order, and the first line where it is no header."""
    number, cells = next(lines, (1, []))
    usual = list(range(len(COLUMNS)))
    if len(cells) == len(COLUMNS) + 1 and all(_is_number(cell) for cell in cells[1:]):
        return usual, [(number, cells)]
    if cells and len(cells) != len(COLUMNS) + 1:
        raise wrong(path, "a name and ten numbers in each line", f"{len(cells)} columns in line {number}")
    header = [cell.strip().lower() for cell in cells[1:]]
    return ([header.index(column) for column in COLUMNS] if set(header) == set(COLUMNS) else usual), []


def _numbers(path: Path, chunk: Sequence[tuple[int, list[str]]]) -> NDArray[np.float32]:
    """Turns the cells behind the names to numbers (n, 10)."""
    for number, cells in chunk:
        if len(cells) != len(COLUMNS) + 1:
            raise wrong(path, "a name and ten numbers in each line", f"{len(cells) - 1} values in line {number}")
    try:
        return np.array([cells[1:] for _, cells in chunk], dtype=np.float32)
    except ValueError:
        number, cell = next((line, cell) for line, cells in chunk for cell in cells[1:] if not _is_number(cell))
        raise wrong(path, "numbers", f"{cell!r} in line {number}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _find(names: NDArray[np.bytes_], wanted: Sequence[bytes]) -> NDArray[np.int64]:
    """Returns where each wanted name stands among the names, -1 where it does not."""
    order = np.argsort(names)
    places = np.searchsorted(names, np.array(wanted), sorter=order).clip(max=len(names) - 1)
    rows: NDArray[np.int64] = order[places].astype(np.int64)
    rows[names[rows] != np.array(wanted)] = -1
    return rows


def _refuse_twice(path: Path, names: NDArray[np.bytes_], expected: str) -> None:
    order = np.sort(names)
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        quoted = quote_some([name.decode("utf-8", "replace") for name in np.unique(twice).tolist()])
        raise InputError(f"{expected}, in {path}", f"again: {quoted}", "remove the rows that are not meant")
