# SPDX-License-Identifier: MIT
"""Sheets of ranks from user studies, as CSV."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError, MissingFileError

ADVICE = "give a header (rater and item if there are such columns, then one column for each method) and ranks below it"


@dataclass(frozen=True, eq=False)
class RankSheet:
    """Ranks that people gave.

    Attributes:
        path: The file.
        methods: Names of the methods, in the order of the columns.
        ranks: Shape (R, I, K): raters, items each ranked, methods; float64, 1 is best, 0 is missing.
        raters: Name of each rater.
    """

    path: str
    methods: tuple[str, ...]
    ranks: NDArray[np.float64]
    raters: tuple[str, ...]


def read_ranks(path: Path | str) -> RankSheet:
    """Reads a CSV with one list of ranks a row.

    A column ``rater`` says who gave the list, and a column ``item`` for what; every other column is a method. Without
    ``rater`` each row is another person; without ``item`` a person's lists are numbered as they come. Empty cells are
    missing ranks.

    Args:
        path: The file.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such table, a cell is no number, or a rater ranked an item twice.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise MissingFileError("a sheet of ranks", f"{path} does not exist", "check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a sheet of ranks as text", f"{path}: {error}", ADVICE) from error
    reader = csv.reader(lines, skipinitialspace=True)
    header = [cell.strip() for cell in next(reader, [])]
    methods = tuple(cell for cell in header if cell.lower() not in ("rater", "item"))
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if len(set(header)) < len(header) or "" in header or not methods or not rows:
        got = f"{path} with the header {', '.join(header) or 'none'} and {len(rows)} rows"
        raise InputError("a table with one column for each method", got, ADVICE)
    lists: dict[str, dict[str, list[float]]] = {}
    for number, row in rows:
        _add(path, number, header, row, lists)
    items = {item: place for place, item in enumerate(dict.fromkeys(item for own in lists.values() for item in own))}
    ranks = np.zeros((len(lists), len(items), len(methods)))
    for place, own in enumerate(lists.values()):
        for item, values in own.items():
            ranks[place, items[item]] = values
    return RankSheet(str(path), methods, ranks, tuple(lists))


def _add(path: Path, number: int, header: list[str], row: list[str], lists: dict[str, dict[str, list[float]]]) -> None:
    """Puts one row among its rater's lists."""
    if len(row) != len(header):
        got = f"{len(row)} in {path}, line {number}"
        raise InputError(f"{len(header)} cells in every row", got, "mend the line")
    rater, item, values = str(number), "", []
    for column, cell in zip(header, (cell.strip() for cell in row), strict=True):
        if column.lower() == "rater":
            rater = cell
        elif column.lower() == "item":
            item = cell
        else:
            values.append(_rank(f"{path}, line {number}, column {column}", cell))
    own = lists.setdefault(rater, {})
    item = item or str(len(own) + 1)
    if item in own:
        got = f"two of {rater} for {item}: {path}, line {number}"
        raise InputError("one list for each rater and item", got, "remove the one that is not meant")
    own[item] = values


def _rank(place: str, cell: str) -> float:
    try:
        return float(cell or 0)
    except ValueError as error:
        raise InputError("a rank as a number, or nothing where it is missing", f"{place}: {cell!r}", ADVICE) from error
