# SPDX-License-Identifier: MIT
"""Text tables of one name and some numbers per line, in every dialect CelebA's label files are found in.

With or without a count line, with a header that names the image column or not, padded with blanks or separated by
commas, quoted or not, LF or CRLF, with or without a byte-order mark. Parsed by array operations on the bytes: the
official attribute file has 8.3 million values, too many for Python objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import quote_some
from faceeval.errors import InputError, MissingFileError

CHUNK = 2_000_000  # bytes parsed at once; bounds the memory of the arrays below to some ten times that
HEAD = 4096  # bytes at the beginning of a file that tell text from what is none
MAX_DIGITS = 9  # so that every value fits 32 bits
MAX_DECIMAL = 18  # digits and point, so that all digits together fit 64 bits
NEWLINE, MINUS, POINT, ZERO = 10, 45, 46, 48
IS_BLANK = np.zeros(256, bool)
IS_BLANK[np.frombuffer(b' \t\r\n\x0b\x0c,"', np.uint8)] = True


@dataclass(frozen=True)
class LabelTable:
    """What a label file says.

    Attributes:
        path: The file.
        names: First column, bytes, (N,), in file order, unique.
        columns: Names of the other columns, (C,); empty where the file has no header.
        values: The other columns, (N, C), int32, or float32 where decimals were asked for.
    """

    path: Path
    names: NDArray[np.bytes_]
    columns: tuple[str, ...]
    values: NDArray[Any]


def read_label_file(path: Path | str, columns: int | None = None, *, decimals: bool = False) -> LabelTable:
    """Reads a table of names and numbers.

    Args:
        path: The file.
        columns: How many numbers each line must hold; None takes what the header or the first line has.
        decimals: Whether numbers may have a decimal point.

    Returns:
        The table.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such table: a web page or an archive, no rows, lines of different length, values that are
            no such numbers, names twice, or another number of rows than its first line announces.
    """
    path = Path(path)
    data = _read_text(path)
    head = _read_head(path, data, _is_decimal if decimals else _is_integer)
    if columns is not None and head.width != columns + 1:
        raise _wrong(path, f"a name and {columns} values per line", f"{head.width - 1} values in line {head.line}")
    names, values = _parse_rows(path, data, head, _parse_decimals if decimals else _parse_integers)
    if head.count is not None and head.count != len(names):
        raise _wrong(path, f"{head.count} rows, as its first line says", f"{len(names)}; it may be cut short")
    order = np.sort(names)
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        raise _wrong(path, "each name once", f"{len(twice)} names again, the first {_text(twice[0])}")
    return LabelTable(path, names, head.columns, values)


def rows_of(table: LabelTable, names: NDArray[np.bytes_], source: Path) -> NDArray[Any]:
    """Returns the values (N, C) of a table in the order of the names (N,) of another file.

    Raises:
        InputError: The table lacks one of them.
    """
    if np.array_equal(table.names, names):
        return table.values
    absent = np.setdiff1d(names, table.names)
    if len(absent):
        raise InputError(
            f"a row in {table.path} for each of the {len(names)} in {source}",
            f"{len(table.names)} rows; not there: {quote_some([_text(name) for name in absent.tolist()])}",
            "get both from the same copy: one of them may be cut short",
        )
    order = np.argsort(table.names)
    found: NDArray[Any] = table.values[order[np.searchsorted(table.names[order], names)]]
    return found


_Parse = Callable[
    [Path, NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.bytes_]], NDArray[np.number[Any]]
]


@dataclass(frozen=True)
class _Head:
    """What stands before the rows: the announced number of rows, column names, where rows start, tokens per row."""

    count: int | None
    columns: tuple[str, ...]
    start: int
    line: int
    width: int


def check_text(path: Path, beginning: bytes) -> None:
    """Refuses what failed downloads leave under the name of a label file.

    Args:
        path: The file, for the message.
        beginning: Its first HEAD bytes.

    Raises:
        InputError: It is a web page, or no text.
    """
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise _wrong(path, "a text table of labels", "a web page; the download failed")
    if b"\0" in beginning:
        raise _wrong(path, "a text table of labels", "binary data; an archive that is not unpacked, or UTF-16 text")


def _read_text(path: Path) -> bytes:
    """Reads the file and refuses what is no text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingFileError("a label file", f"{path}: {error.strerror}", "check the path") from error
    check_text(path, data[:HEAD])
    data = data.removeprefix(b"\xef\xbb\xbf")
    return data if data.endswith(b"\n") else data + b"\n"


def _read_head(path: Path, data: bytes, is_value: Callable[[str], bool]) -> _Head:
    """Tells count line, header and rows apart by what they hold, as no dialect says what it is."""
    lines = _token_lines(data)
    number, start, tokens = next(lines, (1, 0, []))
    count = None
    if len(tokens) == 1 and tokens[0].isdigit():
        count = int(tokens[0])
        number, start, tokens = next(lines, (number, start, []))
    header: list[str] = []
    if len(tokens) == 1 or not all(is_value(token) for token in tokens[1:]):
        header = tokens
        number, start, tokens = next(lines, (number, start, []))
    width = len(tokens)
    if width == 0:
        raise _wrong(path, "at least one row of labels", "it has none")
    if header and len(header) not in (width - 1, width):
        raise _wrong(path, f"{width - 1} column names, as line {number} has so many values", f"{len(header)}")
    if len(header) == width:
        header = header[1:]  # some copies name the image column, the official files do not
    if len(set(header)) < len(header):
        raise _wrong(path, "column names that differ", f"{max(header, key=header.count)} twice")
    return _Head(count, tuple(header), start, number, width)


def _token_lines(data: bytes) -> Iterator[tuple[int, int, list[str]]]:
    """Yields number, start and tokens of each line that is not blank."""
    start, number = 0, 1
    while start < len(data):
        end = data.index(b"\n", start) + 1
        tokens = data[start:end].replace(b",", b" ").replace(b'"', b" ").decode("latin-1").split()
        if tokens:
            yield number, start, tokens
        start, number = end, number + 1


def _is_integer(token: str) -> bool:
    return token.removeprefix("-").isdigit()


def _is_decimal(token: str) -> bool:
    return token.removeprefix("-").replace(".", "", 1).isdigit()


def _parse_rows(path: Path, data: bytes, head: _Head, parse: _Parse) -> tuple[NDArray[np.bytes_], NDArray[Any]]:
    """Parses all lines from ``head.start`` on, some megabytes at a time."""
    names, values = [], []
    start, line = head.start, head.line
    while start < len(data):
        end = data.rfind(b"\n", start, start + CHUNK) + 1 or data.index(b"\n", start) + 1
        buffer = np.frombuffer(data, np.uint8, end - start, start)
        starts, ends = _find_tokens(path, buffer, line, head.width)
        names.append(_gather_names(buffer, starts[:, 0], ends[:, 0]))
        values.append(parse(path, buffer, starts[:, 1:], ends[:, 1:], names[-1]))
        line += int(np.count_nonzero(buffer == NEWLINE))
        start = end
    return np.concatenate(names), np.concatenate(values)


def _find_tokens(
    path: Path, buffer: NDArray[np.uint8], line: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns first and last + 1 position of every token, (rows, width) each; blank lines are no rows."""
    blank = IS_BLANK[buffer]
    before = np.concatenate([[True], blank[:-1]])
    starts = np.flatnonzero(~blank & before)
    ends = np.flatnonzero(blank & ~before)  # the buffer ends in a newline, so every token ends
    upto = np.searchsorted(starts, np.flatnonzero(buffer == NEWLINE))
    per_line = np.diff(upto, prepend=0)
    odd = np.flatnonzero((per_line != 0) & (per_line != width))
    if len(odd):
        got = f"{per_line[odd[0]] - 1} values in line {line + odd[0]}"
        raise _wrong(path, f"a name and {width - 1} values in every line", f"{got}; it may be cut short")
    return starts.reshape(-1, width), ends.reshape(-1, width)


def _gather_names(buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Cuts one token per row out of the buffer, as fixed-width bytes."""
    lengths = ends - starts
    longest = int(lengths.max(initial=1))
    offsets = np.arange(longest)
    letters = buffer[np.minimum(starts[:, None] + offsets, len(buffer) - 1)]
    letters[offsets >= lengths[:, None]] = 0
    return np.ascontiguousarray(letters).view(f"S{longest}")[:, 0]


def _parse_integers(
    path: Path,
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    names: NDArray[np.bytes_],
) -> NDArray[np.int32]:
    """Reads decimal integers, all first digits at once, then all second digits, and so on."""
    negative = buffer[starts] == MINUS
    first = starts + negative
    digits = ends - first
    wrong = (digits < 1) | (digits > MAX_DIGITS)
    values = np.zeros(starts.shape, np.int32)
    for position in range(min(int(digits.max(initial=0)), MAX_DIGITS)):
        within = position < digits
        digit = buffer[np.where(within, first + position, first)] - np.uint8(ZERO)  # below "0" wraps to large
        wrong |= within & (digit > 9)
        values = np.where(within & ~wrong, values * 10 + digit.astype(np.int32), values)
    _refuse(path, "integers", wrong, buffer, starts, ends, names)
    return np.where(negative, -values, values)


def _parse_decimals(
    path: Path,
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    names: NDArray[np.bytes_],
) -> NDArray[np.float32]:
    """Reads decimal fractions: all their digits as one integer, and how many of them follow the point."""
    negative = buffer[starts] == MINUS
    first = starts + negative
    letters = ends - first
    wrong = letters > MAX_DECIMAL
    values, digits, points, after = (np.zeros(starts.shape, np.int64) for _ in range(4))
    for position in range(min(int(letters.max(initial=0)), MAX_DECIMAL)):
        within = position < letters
        letter = buffer[np.where(within, first + position, first)]
        point, digit = within & (letter == POINT), letter - np.uint8(ZERO)
        number = within & (digit <= 9)
        wrong |= within & ~number & ~point
        points += point
        digits += number
        after += number & (points > 0)
        values = np.where(number, values * 10 + digit.astype(np.int64), values)
    wrong |= (digits == 0) | (points > 1)
    _refuse(path, "decimal numbers", wrong, buffer, starts, ends, names)
    decimal: NDArray[np.float32] = (np.where(negative, -values, values) / 10.0**after).astype(np.float32)
    return decimal


def _refuse(
    path: Path,
    expected: str,
    wrong: NDArray[np.bool_],
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    names: NDArray[np.bytes_],
) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        token = buffer[starts[row, column] : ends[row, column]].tobytes()
        raise _wrong(path, expected, f"{_text(token)!r} in the row of {_text(names[row])}")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _wrong(path: Path, expected: str, got: str) -> InputError:
    return InputError(f"{expected}, in {path}", got, "get the file again, or mend it")
