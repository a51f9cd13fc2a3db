# SPDX-License-Identifier: MIT
"""One folder for each person, and lists of the files in them that are to be used."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import by_stem, image_names, quote_some, stem
from faceeval.data.labels.delimited import read_rows, wrong
from faceeval.data.records import Records, number_people
from faceeval.errors import InputError, MissingFileError

SUFFIX = ".jpg"  # names have it whatever the files have, so that a copy stored as PNG has the same names

CLEANED = re.compile(r"clean.*list|list.*clean", re.IGNORECASE)


def folder_records(folder: Path, person: re.Pattern[str], title: str) -> Records:
    """Lists the images of every person, sorted by folder and name; the folder is the person.

    Args:
        folder: What the folders lie in.
        person: What a person's folder is called. Folders without images are passed over, whatever they are called.
        title: What messages call the dataset.

    Returns:
        Files, names ``FOLDER/NAME.jpg``, identities and people.

    Raises:
        InputError: There are no images, images lie in a folder that is no person's, or two files of a person differ in
            their suffix only.
    """
    files, names, people = [], [], []
    for entry in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."):
        found = image_names(folder / entry)
        if found and not person.fullmatch(entry):
            raise InputError(
                f"folders of persons in {folder}, named as {title} names them ({person.pattern})",
                f"the folder {entry}, with {len(found)} images",
                "move it out of the copy, or rename it",
            )
        known = [entry + "/" + (file if file.endswith(SUFFIX) else stem(file) + SUFFIX) for file in found]
        if len(set(known)) < len(known):
            by_stem(folder / entry, found)  # for its error, which names both files
        files += [f"{entry}/{file}" for file in found]
        names += known
        people += [entry] * len(found)
    if not files:
        raise InputError(f"images of {title}, in a folder for each person", f"none in {folder}", "unpack the images")
    identities, persons = number_people(people)
    return Records(folder, tuple(files), tuple(names), identities=identities, people=persons)


def cleaned_list(folder: Path) -> Path | None:
    """Returns the cleaned list that lies in a copy, by its name, such as ``MS-Celeb-1M_clean_list.txt``.

    Raises:
        InputError: There are several.
    """
    found = sorted(path for path in folder.glob("*.txt") if CLEANED.search(path.name))
    if len(found) > 1:
        got = " and ".join(path.name for path in found[:2])
        raise InputError(f"one cleaned list in {folder}", got, "move the one that is not meant out of the copy")
    return found[0] if found else None


def read_path_list(
    path: Path, file: re.Pattern[str], prefix: str = ""
) -> tuple[NDArray[np.bytes_], NDArray[np.int64] | None]:
    r"""Reads a list of files, one a line, each with or without a number of its person after it.

    Args:
        path: The list. ``\`` between folders is understood, and a leading ``./``.
        file: What a path looks like, without its suffix.
        prefix: A folder that may stand before each path, with its ``/``.

    Returns:
        The paths with the suffix `SUFFIX`, (N,), in file order, and the numbers, (N,), where there are any.

    Raises:
        MissingFileError: There is no such file.
        InputError: A line is no such path, a path comes twice, or only some lines have numbers; the message names the
            line.
    """
    names: list[bytes] = []
    numbers: list[int] = []
    for line, fields in read_rows(path, "\t"):
        name, *rest = " ".join(fields).split()
        name = name.replace("\\", "/").removeprefix("./").removeprefix(prefix)
        name = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else stem(name)  # nearly all do, and there are millions
        if not file.fullmatch(name) or len(rest) > 1 or not all(word.isdecimal() for word in rest):
            expected = f"a path such as {file.pattern}, with or without a number after it"
            raise wrong(path, expected, f"line {line}: {' '.join(fields)[:100]!r}")
        names.append((name + SUFFIX).encode())
        numbers += [int(word) for word in rest]
    if len(numbers) not in (0, len(names)):
        raise wrong(path, "a number in every line or in none", f"{len(numbers)} in {len(names)} lines")
    if not names:
        raise wrong(path, "at least one path", "it has none")
    listed = np.array(names)
    order = np.sort(listed)
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        raise wrong(path, "each path once", f"{len(twice)} again, the first {twice[0].decode()}")
    return listed, np.array(numbers, np.int64) if numbers else None


def match_list(
    records: Records, listed: NDArray[np.bytes_], source: Path, *, skip_missing: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[str, ...]]:
    """Finds the rows of listed files.

    Args:
        records: The images there are.
        listed: Names, (N,).
        source: The list, for messages.
        skip_missing: Leave out what is not there instead of stopping.

    Returns:
        Row of each listed file that is there, int64; which those are, bool (N,); and the names of the others.

    Raises:
        MissingFileError: Listed files are not there (all of them, with ``skip_missing``).
    """
    names = np.array(records.names, np.bytes_)
    order = np.argsort(names, kind="stable")
    places = np.minimum(np.searchsorted(names, listed, sorter=order), len(names) - 1)
    rows = order[places].astype(np.int64)
    there = names[rows] == listed
    lost = tuple(name.decode() for name in listed[~there].tolist())
    if lost and (not skip_missing or len(lost) == len(listed)):
        raise MissingFileError(
            f"each of the {len(listed)} images of {source} in {records.folder}",
            f"{len(listed) - len(lost)} of them; not there: {quote_some(lost)}",
            "unpack or get the images again"
            + ("" if skip_missing else ", or pass --skip-missing to leave those out and have them listed"),
        )
    return rows[there], there, lost


def keep_listed(
    records: Records, source: Path, file: re.Pattern[str], *, skip_missing: bool = False
) -> tuple[Records, tuple[str, ...]]:
    """Keeps the images that a cleaned list names; that others are there is what such a list is for.

    The people are the folders where the numbers in the list say the same, and else the numbers: lists that mend
    labels give images of one folder to several people.

    Args:
        records: The images there are, with identities.
        source: The list; see `read_path_list`.
        file: What a path looks like, without its suffix.
        skip_missing: Leave out what is not there instead of stopping.

    Returns:
        The records that are kept, in their own order, and the names of those that are not there.

    Raises:
        MissingFileError: There is no such list, or not each of its images.
        InputError: It is damaged.
    """
    listed, numbers = read_path_list(source, file)
    rows, there, lost = match_list(records, listed, source, skip_missing=skip_missing)
    order = np.argsort(rows)
    kept = records.take(rows[order])
    names = [name.partition("/")[0] for name in kept.names]
    identities, people = number_people(names)
    if numbers is not None:
        given = numbers[there][order]
        if not _same_parts(identities, given):
            return replace(kept, identities=given, people=()), lost
    return replace(kept, identities=identities, people=people), lost


def _same_parts(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Says whether two numberings put the same images together."""
    pairs = len(np.unique(np.stack([one, other], axis=1), axis=0))
    return pairs == len(np.unique(one)) == len(np.unique(other))
