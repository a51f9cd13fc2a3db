# SPDX-License-Identifier: MIT
"""Lists of face pairs and of people in the format of Labeled Faces in the Wild, read strictly, each with its fold.

``pairs.txt`` (View 2) starts with ``10<TAB>300``; then come ten blocks of 300 lines ``NAME<TAB>1<TAB>4``, two images of
one person, and 300 lines ``NAME<TAB>1<TAB>OTHER<TAB>2``, two people. ``pairsDevTrain.txt`` and ``pairsDevTest.txt``
(View 1) are one block, and start with its count alone.

``people.txt`` starts with ``10``; then come ten blocks, each a count and so many lines ``NAME<TAB>4``, somebody of whom
there are four images. ``peopleDevTrain.txt`` and ``peopleDevTest.txt`` are one block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import stem
from faceeval.errors import InputError, MissingFileError


@dataclass(frozen=True, eq=False)
class FacePairs:
    """What a list of pairs says, in file order.

    Attributes:
        path: The file.
        first: First image of each pair, as ``NAME/NAME_0001.jpg``, (N,).
        second: Second image of each pair, (N,).
        same: bool, (N,), whether both show one person.
        folds: int64, (N,), block of each pair, from 0; all 0 in View 1.
    """

    path: Path
    first: tuple[str, ...]
    second: tuple[str, ...]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]


def read_pairs(path: Path | str) -> FacePairs:
    r"""Reads a list of pairs.

    Args:
        path: ``pairs.txt``, ``pairsDevTrain.txt``, ``pairsDevTest.txt``, or another file of the same format.

    Returns:
        The pairs with their folds.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such list: a web page or an archive, another number of lines than its first one announces,
            a pair of the wrong kind for its place, an image paired with itself, a pair twice, or a name that is a path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pairs.txt"
        ...     _ = path.write_text("1\nJane_Roe\t1\t4\nJohn_Doe\t2\tJane_Roe\t1\n")
        ...     pairs = read_pairs(path)
        >>> pairs.first, pairs.same.tolist()
        (('Jane_Roe/Jane_Roe_0001.jpg', 'John_Doe/John_Doe_0002.jpg'), [True, False])
    """
    path = Path(path)
    lines = list(_lines(path))
    blocks, count = _head(path, lines)
    if len(lines) - 1 != 2 * blocks * count:
        got = f"{len(lines) - 1}; it may be cut short"
        raise _wrong(path, f"{2 * blocks * count} pairs, as its first line says", got)
    place = np.arange(len(lines) - 1)
    same = place // count % 2 == 0
    images = [_pair(path, *line, matched=bool(matched)) for line, matched in zip(lines[1:], same, strict=True)]
    seen: dict[frozenset[str], int] = {}
    for (number, _), pair in zip(lines[1:], images, strict=True):
        other = seen.setdefault(frozenset(pair), number)
        if other != number:
            raise _wrong(path, "each pair once", f"lines {other} and {number} pair the same images")
    first, second = zip(*images, strict=True)
    return FacePairs(path, first, second, same, place // (2 * count))


@dataclass(frozen=True, eq=False)
class PeopleList:
    """What a list of people says, in file order.

    Attributes:
        path: The file.
        people: Name of each, (P,).
        images: int64, (P,), how many images there are of each; they are numbered from 1.
        folds: int64, (P,), block of each, from 0; all 0 in View 1.
    """

    path: Path
    people: tuple[str, ...]
    images: NDArray[np.int64]
    folds: NDArray[np.int64]


def read_people(path: Path | str) -> PeopleList:
    r"""Reads a list of people.

    Args:
        path: ``people.txt``, ``peopleDevTrain.txt``, ``peopleDevTest.txt``, or another file of the same format.

    Returns:
        The people with their folds.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such list: a web page or an archive, a block with another number of lines than its count,
            a malformed line, somebody twice, or a name that is a path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "people.txt"
        ...     _ = path.write_text("2\n1\nJane_Roe\t4\n1\nJohn_Doe\t1\n")
        ...     listed = read_people(path)
        >>> listed.people, listed.images.tolist(), listed.folds.tolist()
        (('Jane_Roe', 'John_Doe'), [4, 1], [0, 1])
    """
    path = Path(path)
    lines = list(_lines(path, "a list of people"))
    blocks, folds = 1, list[int]()
    if len(lines) > 1 and len(lines[1][1]) == 1:  # a count again: the first one was that of the blocks
        blocks, lines = _count(path, lines), lines[1:]
    rows: list[tuple[int, list[str]]] = []
    for fold in range(blocks):
        count = _count(path, lines)
        block, lines = lines[1 : count + 1], lines[count + 1 :]
        if len(block) < count:
            raise _wrong(path, f"{count} people in block {fold + 1}", f"{len(block)}; it may be cut short")
        rows += block
        folds += [fold] * count
    if lines:
        raise _wrong(path, f"{len(rows)} people, as its counts say", f"more, from line {lines[0][0]} on")
    seen: dict[str, int] = {}
    for number, fields in rows:
        if len(fields) != 2 or not _is_count(fields[1]):
            raise _wrong(path, "a line such as NAME 4", f"line {number}: {' '.join(fields)!r}")
        _check_name(path, number, fields[0])
        if (other := seen.setdefault(fields[0], number)) != number:
            raise _wrong(path, "everybody once", f"{fields[0]} in lines {other} and {number}")
    images = np.array([int(fields[1]) for _, fields in rows], np.int64)
    return PeopleList(path, tuple(seen), images, np.array(folds, np.int64))


def image_name(person: str, number: int) -> str:
    """Returns how lists name an image.

    Example:
        >>> image_name("Jane_Roe", 4)
        'Jane_Roe/Jane_Roe_0004.jpg'
    """
    return f"{person}/{person}_{number:04d}.jpg"


def pair_rows(pairs: FacePairs, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Finds the images of pairs among those that were embedded.

    Args:
        pairs: The pairs.
        names: Image of each row of the embeddings: a path of any depth, with or without suffix. What counts is the
            file's own name, ``NAME_0001``, so aligned copies in another folder or format are found.

    Returns:
        Row of the first and of the second image of each pair, int64, (N,) each.

    Raises:
        InputError: An image of a pair has no row, or two rows have one name. Pairs are never left out, since that
            moves the borders of the folds.

    Example:
        >>> pairs = FacePairs(Path("pairs.txt"), ("A/A_0001.jpg",), ("B/B_0002.jpg",), np.array([False]), np.zeros(1))
        >>> rows = pair_rows(pairs, ["aligned/B_0002.png", "aligned/A_0001.png"])
        >>> [row.tolist() for row in rows]
        [[1], [0]]
    """
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        other = rows.setdefault(_own_name(name), row)
        if other != row:
            got = f"rows {other} and {row} are both {_own_name(name)}"
            raise InputError("each image once among the embeddings", got, "remove the one that is not meant")
    wanted = dict.fromkeys((*pairs.first, *pairs.second))
    missing = [name for name in wanted if _own_name(name) not in rows]
    if missing:
        got = f"{len(missing)} of {len(wanted)} are missing, the first {missing[0]}"
        todo = "embed them too: a pair left out would move the borders of the folds"
        raise InputError(f"an embedding of every image in {pairs.path}", got, todo)
    first, second = (
        np.array([rows[_own_name(name)] for name in side], dtype=np.int64) for side in (pairs.first, pairs.second)
    )
    return first, second


def _own_name(name: str) -> str:
    return stem(PurePosixPath(str(name).replace("\\", "/")).name)


def _lines(path: Path, what: str = "a list of pairs") -> Iterator[tuple[int, list[str]]]:
    """Yields number and fields of each line that is not blank."""
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise MissingFileError(what, f"{path}: {error.strerror}", "check the path") from error
    if data.lstrip()[:1] == b"<":
        raise _wrong(path, what, "a web page; the download failed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(path, what, "binary data, or text that is not UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if any(fields):
            yield number, fields


def _head(path: Path, lines: list[tuple[int, list[str]]]) -> tuple[int, int]:
    """Returns the number of blocks, and how many pairs of each kind one holds."""
    fields = lines[0][1] if lines else []
    if len(fields) not in (1, 2) or not all(_is_count(field) for field in fields):
        raise _wrong(path, "a first line such as '10 300' or '500'", repr(" ".join(fields)))
    return (1 if len(fields) == 1 else int(fields[0])), int(fields[-1])


def _pair(path: Path, number: int, fields: list[str], *, matched: bool) -> tuple[str, str]:
    """Returns the two images that a line names."""
    if len(fields) != (3 if matched else 4):
        kind = "NAME 1 4, one person" if matched else "NAME 1 OTHER 2, two people"
        raise _wrong(path, f"a line such as {kind}", f"line {number}: {' '.join(fields)!r}")
    person, one, *rest = fields
    other = person if matched else rest[0]
    for name in (person, other):
        _check_name(path, number, name)
    if not (_is_count(one) and _is_count(rest[-1])):
        raise _wrong(path, "numbers of images, from 1", f"line {number}: {' '.join(fields)!r}")
    if matched and int(one) == int(rest[-1]):
        raise _wrong(path, "two images of one person", f"line {number} pairs an image with itself")
    if not matched and person == other:
        raise _wrong(path, "two people", f"line {number} names {person} twice")
    return image_name(person, int(one)), image_name(other, int(rest[-1]))


def _check_name(path: Path, number: int, name: str) -> None:
    """Refuses what would lead out of the folder of images."""
    if not name or name.startswith(".") or set(name) & set("/\\\0"):
        raise _wrong(path, "a person's name, as in NAME_0001.jpg", f"{name!r} in line {number}")


def _count(path: Path, lines: list[tuple[int, list[str]]]) -> int:
    """Returns the count that the first of some lines holds."""
    if not lines or len(lines[0][1]) != 1 or not _is_count(lines[0][1][0]):
        got = f"line {lines[0][0]}: {' '.join(lines[0][1])!r}" if lines else "the end of the file"
        raise _wrong(path, "a line with a count alone", got)
    return int(lines[0][1][0])


def _is_count(field: str) -> bool:
    return field.isascii() and field.isdigit() and int(field) > 0


def _wrong(path: Path, expected: str, got: str) -> InputError:
    return InputError(f"{expected}, in {path}", got, "get the file again, or mend it")
