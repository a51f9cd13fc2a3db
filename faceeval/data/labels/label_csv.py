# SPDX-License-Identifier: MIT
"""Comma-separated label files with a header, of which some columns are wanted; read a piece at a time.

Commas, semicolons or tabs, fields quoted or not, LF or CRLF, with or without a byte-order mark.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.labels.delimited import columns_of, wrong
from faceeval.data.labels.label_files import HEAD, check_text
from faceeval.errors import MissingFileError

CHUNK = 50_000  # rows parsed at once
DELIMITERS = (",", ";", "\t")  # spreadsheets write semicolons where the comma is the decimal point
WORDS = {"true": 1.0, "false": 0.0}  # what programs write for 1 and 0


@dataclass(frozen=True, eq=False)
class CsvColumns:
    """The wanted columns of a label file, N rows.

    Attributes:
        path: The file.
        lines: int64 (N,), the line each row ends in, for messages.
        texts: Name -> the cells, (N,), without blanks around them.
        numbers: Name -> float64 (N,), finite; true and false are 1 and 0.
    """

    path: Path
    lines: NDArray[np.int64]
    texts: Mapping[str, list[str]]
    numbers: Mapping[str, NDArray[np.float64]]


def read_header(path: Path) -> tuple[str, ...]:
    """Returns the names of the columns.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is a web page, an archive, not UTF-8, or empty.
    """
    first = next(_rows(path), None)
    if first is None:
        raise wrong(path, "a line of column names, and rows below it", "an empty file")
    return tuple(first[1])


def read_columns(path: Path, texts: Collection[str], numbers: Collection[str]) -> CsvColumns:
    """Reads some columns.

    Args:
        path: The file; its first line names the columns.
        texts: Columns to be kept as they are; a cell must not be empty.
        numbers: Columns of numbers.

    Raises:
        MissingFileError: There is no such file.
        InputError: A column is not there or comes twice, a row is of another length than the header, a cell is empty or
            no finite number, or there are no rows; the message names the line.
    """
    rows = _rows(path)
    header = next(rows, (0, list[str]()))[1]
    places = dict(zip((*texts, *numbers), columns_of(path, header, [*texts, *numbers]), strict=True))
    lines: list[NDArray[np.int64]] = []
    kept: dict[str, list[str]] = {name: [] for name in texts}
    parsed: dict[str, list[NDArray[np.float64]]] = {name: [] for name in numbers}
    while some := list(islice(rows, CHUNK)):
        for line, cells in some:
            if len(cells) != len(header):
                got = f"{len(cells)} in line {line}: {' | '.join(cells)[:60]!r}"
                raise wrong(path, f"{len(header)} fields in every line, as the first has", got)
        lines.append(np.array([line for line, _ in some], np.int64))
        for name, place in places.items():
            column = [cells[place] for _, cells in some]
            if name in kept:
                kept[name] += _filled(path, name, column, lines[-1])
            if name in parsed:
                parsed[name].append(_numbers(path, name, column, lines[-1]))
    if not lines:
        raise wrong(path, "rows below the names of the columns", "none")
    return CsvColumns(
        path, np.concatenate(lines), kept, {name: np.concatenate(values) for name, values in parsed.items()}
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields number and cells of each line that is not blank, the header among them."""
    try:
        with path.open("rb") as file:
            check_text(path, file.read(HEAD))
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            delimiter = next((mark for mark in DELIMITERS if mark in first), ",")
            reader = csv.reader(chain([first], stream), delimiter=delimiter, skipinitialspace=True, strict=True)
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise wrong(path, "text in UTF-8", "bytes that are none") from error
    except csv.Error as error:
        raise wrong(path, "fields between commas, with quotes in pairs", f"line {reader.line_num}: {error}") from error
    except OSError as error:
        raise MissingFileError("a label file", f"{path}: {error.strerror}", "check the path") from error


def _filled(path: Path, name: str, cells: list[str], lines: NDArray[np.int64]) -> list[str]:
    if "" in cells:
        raise wrong(path, f"something in every row of column {name}", f"nothing in line {lines[cells.index('')]}")
    return cells


def _numbers(path: Path, name: str, cells: Sequence[str], lines: NDArray[np.int64]) -> NDArray[np.float64]:
    try:
        values = np.array(cells, np.str_).astype(np.float64)
    except ValueError:  # words, or something wrong: find out where
        values = np.empty(len(cells), np.float64)
        for place, cell in enumerate(cells):
            try:
                values[place] = WORDS[cell.lower()] if cell.lower() in WORDS else float(cell)
            except ValueError as error:
                raise wrong(path, f"numbers in column {name}", f"{cell!r} in line {lines[place]}") from error
    endless = np.flatnonzero(~np.isfinite(values))
    if len(endless):
        got = f"{cells[endless[0]]!r} in line {lines[endless[0]]}"
        raise wrong(path, f"finite numbers in column {name}", got)
    return values
