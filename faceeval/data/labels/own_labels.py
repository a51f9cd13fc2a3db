# SPDX-License-Identifier: MIT
"""What the columns of a user's own label file mean, and how they become records."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from faceeval.data.labels.delimited import wrong
from faceeval.data.labels.expressions import EXPRESSIONS, expression_code
from faceeval.data.labels.label_csv import CsvColumns, read_columns, read_header
from faceeval.data.records import Records, number_people
from faceeval.errors import InputError, MissingFileError
from faceeval.names import CELEBA_ATTRIBUTES

PLAIN = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")  # a path that leads nowhere else
MAX_DIGITS = 18  # so that the number of a clip fits 64 bits
FOLDER = "@folder"  # in place of a column: the folder an image lies in
TEXTS = ("image", "identity", "clip", "split", "expression")
# field of Records -> what its columns hold; all of them or none
GROUPS: dict[str, tuple[str, ...]] = {
    "valence_arousal": ("valence", "arousal"),
    "pose": ("yaw", "pitch", "roll"),
    "boxes": ("box_left", "box_top", "box_width", "box_height"),
    "landmarks": (
        "lefteye_x", "lefteye_y", "righteye_x", "righteye_y", "nose_x", "nose_y",
        "leftmouth_x", "leftmouth_y", "rightmouth_x", "rightmouth_y",
    ),
}  # fmt: skip
NUMBERS = tuple(what for parts in GROUPS.values() for what in parts)
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OwnLabels:
    """What a folder says of its images.

    Attributes:
        records: Files, names and labels.
        splits: Split of each image, (N,), ``""`` for none; None where nothing says of any.
        unread: Columns of the label file that were not read.
    """

    records: Records
    splits: NDArray[np.str_] | None
    unread: tuple[str, ...] = ()


def read_own_labels(path: Path, folder: Path, asked: Mapping[str, str]) -> OwnLabels:
    """Reads a CSV of labels.

    Columns called as what they hold are read: ``image``, ``identity``, ``clip``, ``split``, ``expression``, those of
    GROUPS, and CelebA's attributes. Others are read where they are asked for, and else left alone.

    Args:
        path: The file.
        folder: The folder its images lie below.
        asked: What a column holds -> its name, or `FOLDER` for identity and clip. What is not among the above is an
            attribute.

    Returns:
        The labels in file order; attributes in CelebA's order, then in that of ``asked``.

    Raises:
        MissingFileError: There is no such file.
        InputError: A column is not there, only some columns of a group are, a cell holds what it cannot, an image lies
            outside the folder, or comes twice; the message names column and line.
    """
    header = read_header(path)
    chosen = choose_columns(path, header, asked)
    attributes = [what for what in (*CELEBA_ATTRIBUTES, *asked) if what in chosen and what not in (*TEXTS, *NUMBERS)]
    attributes = list(dict.fromkeys(attributes))
    texts = dict.fromkeys(chosen[what] for what in TEXTS if what in chosen and chosen[what] != FOLDER)
    numbers = dict.fromkeys(chosen[what] for what in (*NUMBERS, *attributes) if what in chosen)
    table = read_columns(path, texts, numbers)
    files = [_below(path, line, cell) for line, cell in zip(table.lines, table.texts[chosen["image"]], strict=True)]
    _refuse_twice(path, files, table.lines)
    identities, people = number_people(_cells(table, chosen["identity"], files)) if "identity" in chosen else (None, ())
    records = Records(
        folder=folder,
        files=tuple(files),
        attributes={what: _binary(table, chosen[what]) for what in attributes},
        identities=identities,
        people=people,
        clips=_number_clips(_cells(table, chosen["clip"], files)) if "clip" in chosen else None,
        expression=_expressions(table, chosen["expression"]) if "expression" in chosen else None,
        **{group: _group(table, group, chosen) for group in GROUPS},  # type: ignore[arg-type]
    )
    splits = _splits(table, chosen["split"]) if "split" in chosen else splits_by_folder(files)
    return OwnLabels(records, splits, tuple(name for name in header if name not in chosen.values()))


def label_by_folder(files: Sequence[str], folder: Path, asked: Mapping[str, str]) -> OwnLabels:
    """Returns what the folders of images say, where there is no label file.

    Raises:
        MissingFileError: More is asked for than the folders can say.
    """
    beyond = [f"{what}={name}" for what, name in asked.items() if name != FOLDER or what not in ("identity", "clip")]
    if beyond:
        others = sorted(entry.name for entry in folder.glob("*.csv"))
        todo = "write it, or leave out --column"
        if others:
            todo = f"rename {others[0]} to labels.csv, if it is that"
        raise MissingFileError(f"{folder / 'labels.csv'}, for {', '.join(beyond)}", "no such file", todo)
    identities, people = number_people(_folders(files)) if "identity" in asked else (None, ())
    clips = number_people(_folders(files))[0] if "clip" in asked else None
    records = Records(folder, tuple(files), identities=identities, people=people, clips=clips)
    return OwnLabels(records, splits_by_folder(files))


def splits_by_folder(files: Sequence[str]) -> NDArray[np.str_] | None:
    """Returns the split that the outermost folder of each file names, (N,); None where no folder names one."""
    found = np.array([SPLIT_NAMES.get(file.partition("/")[0].lower(), "") if "/" in file else "" for file in files])
    return found if (found != "").any() else None


def choose_columns(path: Path, header: Sequence[str], asked: Mapping[str, str]) -> dict[str, str]:
    """Says which column holds what.

    Raises:
        InputError: A column is not there, images have none, or a group is incomplete.
    """
    chosen = {what: what for what in (*TEXTS, *NUMBERS, *CELEBA_ATTRIBUTES) if what in header} | dict(asked)
    got = f"{', '.join(header)[:200]} in {path}"
    if "image" not in chosen:
        raise InputError("a column of images", got, "say which it is, as in --column image=NAME")
    for what, name in chosen.items():
        if name == FOLDER and what in ("identity", "clip"):
            continue
        if name not in header:
            raise InputError(f"a column {name}, for {what}", got, f"give the name it has, as in --column {what}=NAME")
    for parts in GROUPS.values():
        absent = [what for what in parts if what not in chosen]
        if 0 < len(absent) < len(parts):
            todo = f"say where the others are, as in --column {absent[0]}=NAME"
            raise InputError(f"columns for all of {', '.join(parts)}", f"none for {', '.join(absent)} in {path}", todo)
    return chosen


def _below(path: Path, line: int, cell: str) -> str:
    """Returns a path below the folder with ``/`` between folders, and refuses one that leads out of it."""
    if PLAIN.fullmatch(cell):  # as nearly all are
        return cell
    parts = cell.replace("\\", "/").split("/")
    parts = [part for place, part in enumerate(parts) if part != "." and (part or place == 0)]
    if not parts or parts[0] == "" or ".." in parts or ":" in parts[0]:
        raise wrong(path, "images by their path below its folder", f"{cell!r} in line {line}")
    return "/".join(parts)


def _refuse_twice(path: Path, files: Sequence[str], lines: NDArray[np.int64]) -> None:
    if len(set(files)) == len(files):
        return
    seen: dict[str, int] = {}
    for file, line in zip(files, lines.tolist(), strict=True):
        if (other := seen.setdefault(file, line)) != line:
            raise wrong(path, "each image once", f"{file} in lines {other} and {line}")


def _cells(table: CsvColumns, name: str, files: Sequence[str]) -> list[str]:
    return _folders(files) if name == FOLDER else table.texts[name]


def _folders(files: Sequence[str]) -> list[str]:
    return [str(PurePosixPath(file).parent) for file in files]


def _number_clips(cells: list[str]) -> NDArray[np.int64]:
    """Returns the numbers that clips have, or where they have names, numbers in the sorted order of these."""
    if all(cell.isdecimal() and len(cell) <= MAX_DIGITS for cell in cells):
        return np.array(cells, np.str_).astype(np.int64)
    return number_people(cells)[0]


def _group(table: CsvColumns, group: str, chosen: Mapping[str, str]) -> NDArray[np.float32] | None:
    """Returns the columns of a group, (N, C), landmarks (N, 5, 2); None where they are not there."""
    parts = GROUPS[group]
    if parts[0] not in chosen:
        return None
    values = np.stack([table.numbers[chosen[what]] for what in parts], axis=1).astype(np.float32)
    wrong_rows = {"valence_arousal": np.abs(values) > 1, "boxes": values[:, 2:] <= 0}.get(group)
    if wrong_rows is not None and wrong_rows.any():
        row = int(np.flatnonzero(wrong_rows.any(1))[0])
        expected = "boxes of some width and height" if group == "boxes" else "valence and arousal in [-1, 1]"
        said = ", ".join(f"{value:g}" for value in values[row])
        raise wrong(table.path, expected, f"{said} in line {table.lines[row]}")
    return values.reshape(-1, len(parts) // 2, 2) if group == "landmarks" else values


def _binary(table: CsvColumns, name: str) -> NDArray[np.uint8]:
    """Returns 1 for 1 and 0 for 0 or -1; not for both in one column, where zero could mean unknown."""
    values = table.numbers[name]
    right: Collection[int] = (-1, 1) if (values == -1).any() else (0, 1)
    odd = np.flatnonzero(~np.isin(values, list(right)))
    if len(odd):
        expected = f"1 and 0, or 1 and -1, in column {name}"
        also = " beside -1" if values[odd[0]] == 0 else ""
        raise wrong(table.path, expected, f"{values[odd[0]]:g} in line {table.lines[odd[0]]}{also}")
    return (values > 0).astype(np.uint8)


def _expressions(table: CsvColumns, name: str) -> NDArray[np.int64]:
    """Returns AffectNet's codes of numbers 0..7 or of names."""
    cells = table.texts[name]
    codes: dict[str, int] = {}
    for cell in dict.fromkeys(cells):
        try:
            codes[cell] = int(cell) if cell.isdecimal() else expression_code(cell)
        except LookupError:
            codes[cell] = -1
    found = np.array([codes[cell] for cell in cells], np.int64)
    odd = np.flatnonzero((found < 0) | (found >= len(EXPRESSIONS)))
    if len(odd):
        expected = f"expressions 0..{len(EXPRESSIONS) - 1}, or {', '.join(EXPRESSIONS)}, in column {name}"
        raise wrong(table.path, expected, f"{cells[odd[0]]!r} in line {table.lines[odd[0]]}")
    return found


def _splits(table: CsvColumns, name: str) -> NDArray[np.str_]:
    cells = table.texts[name]
    meant = {cell: SPLIT_NAMES.get(cell.lower(), "") for cell in dict.fromkeys(cells)}
    found = np.array([meant[cell] for cell in cells])
    odd = np.flatnonzero(found == "")
    if len(odd):
        got = f"{cells[odd[0]]!r} in line {table.lines[odd[0]]}"
        raise wrong(table.path, f"train, validation or test in column {name}", got)
    return found
