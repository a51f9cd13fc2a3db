# SPDX-License-Identifier: MIT
"""Lists of pairs of faces as CSV, for lists that are not in the format of Labeled Faces in the Wild."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from faceeval.data.labels.pairs import FacePairs
from faceeval.errors import InputError, MissingFileError

COLUMNS = ("first", "second", "same")
ADVICE = "give a header first,second,same (and fold, if the list has folds), and one pair in each line below it"


def read_pair_table(path: Path | str) -> FacePairs:
    r"""Reads a CSV with the columns ``first`` and ``second`` (images), ``same`` (0 or 1) and, if it likes, ``fold``.

    Args:
        path: The file.

    Returns:
        The pairs; without a column ``fold`` all are in fold 0.

    Raises:
        MissingFileError: There is no such file.
        InputError: A column is missing, a line malformed, or there is no pair.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pairs.csv"
        ...     _ = path.write_text("\n".join(["first,second,same,fold", "a.png,b.png,1,0", "a.png,c.png,0,1"]))
        ...     pairs = read_pair_table(path)
        >>> pairs.second, pairs.same.tolist(), pairs.folds.tolist()
        (('b.png', 'c.png'), [True, False], [0, 1])
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise MissingFileError("a list of pairs", f"{path} does not exist", "check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a list of pairs as text", f"{path}: {error}", ADVICE) from error
    reader = csv.reader(lines, skipinitialspace=True)
    header = [cell.strip().lower() for cell in next(reader, [])]
    if not set(COLUMNS) <= set(header):
        got = f"{', '.join(header) or 'nothing'} in {path}"
        raise InputError(f"the columns {', '.join(COLUMNS)}", got, ADVICE)
    rows = [_row(path, reader.line_num, header, cells) for cells in reader if any(cells)]
    if not rows:
        raise InputError("at least one pair", f"none in {path}", ADVICE)
    return FacePairs(
        path,
        tuple(row["first"] for row in rows),
        tuple(row["second"] for row in rows),
        np.array([row["same"] == "1" for row in rows]),
        np.array([int(row.get("fold", "0")) for row in rows], np.int64),
    )


def _row(path: Path, number: int, header: list[str], cells: list[str]) -> dict[str, str]:
    row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    right = len(cells) == len(header) and row["first"] and row["second"] and row["same"] in ("0", "1")
    if not right or not row.get("fold", "0").isdigit():
        form = "two names, 0 or 1 for same" + (", and a whole number for fold" if "fold" in header else "")
        raise InputError(form, f"{path}, line {number}: {', '.join(cells)}", "mend the line")
    return row
