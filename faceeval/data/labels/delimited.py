# SPDX-License-Identifier: MIT
"""Text tables with fields of any kind between tabs or commas, read line by line in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from faceeval.data.labels.label_files import HEAD, check_text
from faceeval.errors import InputError, MissingFileError


def read_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields number and fields of each line that is not blank, the fields without blanks around them.

    Line ends may be Unix's or Windows', and a byte-order mark is no part of the first field.

    Args:
        path: The file, UTF-8.
        delimiter: What stands between fields.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is a web page, an archive, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            check_text(path, file.read(HEAD))
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, [field.strip() for field in line.split(delimiter)]
    except UnicodeDecodeError as error:
        raise wrong(path, "text in UTF-8", "bytes that are none") from error
    except OSError as error:
        raise MissingFileError("a label file", f"{path}: {error.strerror}", "check the path") from error


def columns_of(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Returns where the wanted columns stand, by their names in the header.

    Raises:
        InputError: A column is not there, or two have one name.
    """
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise wrong(path, "column names that differ", f"{twice[0]} twice")
    absent = [name for name in wanted if name not in header]
    if absent:
        raise wrong(path, f"the columns {', '.join(wanted)}", f"no {', '.join(absent)} in {' | '.join(header)[:200]}")
    return [header.index(name) for name in wanted]


def wrong(path: Path, expected: str, got: str) -> InputError:
    """Builds the error for a label file that is not what it should be."""
    return InputError(f"{expected}, in {path}", got, "get the file again, or mend it")
