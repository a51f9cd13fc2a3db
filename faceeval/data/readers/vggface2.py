# SPDX-License-Identifier: MIT
"""VGGFace2: a folder of images for each person, with lists, boxes, landmarks and a table of the people.

Cao, Shen, Xie, Parkhi, Zisserman, "VGGFace2: A dataset for recognising faces across pose and age", FG 2018. Nothing is
downloaded. The images are cut loosely; the usual crop is the square 1.3 times as long as the box of the face.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.labels.delimited import columns_of, wrong
from faceeval.data.labels.label_files import HEAD, check_text, read_label_file, rows_of
from faceeval.data.labels.person_folders import folder_records, match_list, read_path_list
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set
from faceeval.errors import InputError, MissingFileError

NAME = "vggface2"
DEFAULT_CROP = "box1.3"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS: dict[str, int] = {"train": 1, "test": 0}  # the Flag of identity_meta.csv
TITLE = "VGGFace2"
FOLDERS = ("VGGFace2", "vggface2", "VGG-Face2", "vgg_face2")
IMAGE_FOLDERS = ("{split}", "data/{split}", "vggface2_{split}/{split}", "vggface2_{split}")
LABEL_FOLDERS = ("", "meta", "data", "bb_landmark", "meta/bb_landmark", "data/bb_landmark")
LISTS = ("{split}_list.txt", "{split}.txt")  # the older name comes second
PERSON = re.compile(r"n\d{6}")
FILE = re.compile(r"n\d{6}/\d+_\d+")
META = "identity_meta.csv"
META_COLUMNS = ("Class_ID", "Sample_Num", "Flag", "Gender")
GENDERS = {"m": 1, "f": 0}  # -> Male
LANDMARKS = 5


@dataclass(frozen=True)
class VGGFace2Files:
    """Where the parts of a copy lie, by split; what is not there has no entry, or is None."""

    root: Path
    images: Mapping[str, Path]
    lists: Mapping[str, Path]
    boxes: Mapping[str, Path]
    landmarks: Mapping[str, Path]
    meta: Path | None


@dataclass(frozen=True)
class Person:
    """A row of identity_meta.csv: number of images, split (1 train, 0 test), and 1 for male."""

    images: int
    flag: int
    male: int


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above it.
        split: ``"train"`` or ``"test"``; no person is in both.
        opening: Size, crop and so on.

    Returns:
        The faces, with identities; ``people`` are the folders. The attribute Male is there where identity_meta.csv is,
        landmarks where their file and the boxes are, for crops around the box.

    Raises:
        MissingFileError: The folder or an image of the list is not there.
        InputError: The files contradict each other or are damaged, or the crop needs boxes and there are none.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, SPLITS, DEFAULT_CROP)
    records, skipped = read_records(find_files(root), split, skip_missing=opening.skip_missing)
    return face_set(
        NAME,
        split,
        records,
        opening,
        usual_crop=DEFAULT_CROP,
        version=READER_VERSION,
        skipped=skipped,
        optional=("landmarks",),
    )


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    parts: dict[str, Path | None] = {META: files.meta}
    for split in files.images:
        parts[f"{split}_list.txt"] = files.lists.get(split)
        parts[f"bb_landmark/loose_bb_{split}.csv"] = files.boxes.get(split)
        parts[f"bb_landmark/loose_landmark_{split}.csv"] = files.landmarks.get(split)
    found: dict[str, Records] = {}

    def read() -> dict[str, Records]:
        found.update({split: read_records(files, split)[0] for split in files.images})
        return found

    lacking = [Finding("note", split, "no folder of this split") for split in SPLITS if split not in files.images]
    return [*lacking, *check_copy(manifest, parts, read, progress), *_check_numbers(files.meta, found)]


def find_files(root: Path | str) -> VGGFace2Files:
    """Finds the parts of a copy in ``root`` or in a folder of it that has a usual name: ``train`` and ``test`` there,
    in ``data``, or in ``vggface2_train`` and ``vggface2_test``; labels beside them, in ``meta``, ``data`` or
    ``bb_landmark``.

    Raises:
        MissingFileError: There are no images of either split.
    """
    wanted = [folder.format(split=split) for folder in IMAGE_FOLDERS for split in SPLITS]
    holds = tuple(f"{folder}/n[0-9]*" for folder in wanted)
    home = find_copy_folder(root, TITLE, names=FOLDERS, holds=holds, archives=("*.tar*", "*.zip", "data/*.tar*"))

    def first(places: list[Path]) -> Path | None:
        return next((place for place in places if place.is_file()), None)

    def labels(*names: str) -> dict[str, Path]:
        found = {
            split: first([home / folder / name.format(split=split) for folder in LABEL_FOLDERS for name in names])
            for split in SPLITS
        }
        return {split: path for split, path in found.items() if path is not None}

    images = {}
    for split in SPLITS:
        places = [home / folder.format(split=split) for folder in IMAGE_FOLDERS]
        found = next((place for place in places if next(place.glob("n[0-9]*"), None) is not None), None)
        if found is not None:
            images[split] = found
    meta = first([home / folder / META for folder in LABEL_FOLDERS])
    return VGGFace2Files(
        home, images, labels(*LISTS), labels("loose_bb_{split}.csv"), labels("loose_landmark_{split}.csv"), meta
    )


def read_records(files: VGGFace2Files, split: str, *, skip_missing: bool = False) -> tuple[Records, tuple[str, ...]]:
    """Finds the images of a split and what is known about them, and the names of those that are listed and not there.

    Raises:
        MissingFileError: There is no folder of this split, or not each image of its list.
        InputError: The files contradict each other or are damaged.
    """
    if split not in files.images:
        expected = f"the folder {split} in {files.root}"
        raise MissingFileError(expected, "only the other one", "unpack its archive, or choose the other split")
    records = folder_records(files.images[split], PERSON, TITLE)
    skipped: tuple[str, ...] = ()
    if split in files.lists:
        records, skipped = _as_listed(records, files.lists[split], split, skip_missing=skip_missing)
    keys = np.array([name.rpartition(".")[0] for name in records.names], np.bytes_)
    if split in files.boxes:
        records = replace(records, boxes=_read_boxes(files.boxes[split], keys, files.images[split]))
    if split in files.landmarks:
        table = read_label_file(files.landmarks[split], columns=2 * LANDMARKS, decimals=True)
        points = rows_of(table, keys, files.images[split]).reshape(-1, LANDMARKS, 2)
        records = replace(records, landmarks=points)
    if files.meta is not None:
        records = replace(records, attributes={"Male": _male(files.meta, records, split)})
    return records, skipped


def read_people(path: Path) -> dict[str, Person]:
    """Reads identity_meta.csv, whose fields stand between a comma with a blank and may be quoted.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such table; the message names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingFileError("a table of people", f"{path}: {error.strerror}", "check the path") from error
    check_text(path, data[:HEAD])
    lines = data.decode("utf-8-sig", "replace").splitlines()  # of the names, which are not used, some are Latin-1
    rows = csv.reader(lines, skipinitialspace=True)
    header = [field.strip() for field in next(rows, [])]
    columns = columns_of(path, header, META_COLUMNS)
    people: dict[str, Person] = {}
    for row in rows:
        if not any(field.strip() for field in row):
            continue
        if len(row) != len(header):
            raise wrong(path, f"{len(header)} fields", f"{len(row)} in line {rows.line_num}: {', '.join(row)!r}")
        name, count, flag, gender = (row[column].strip() for column in columns)
        if not count.isdecimal() or flag not in ("0", "1") or gender not in GENDERS:
            expected = "a number of images, a flag of 0 or 1 and a gender of m or f"
            raise wrong(path, expected, f"line {rows.line_num}: {count!r}, {flag!r}, {gender!r}")
        if name in people:
            raise wrong(path, "each person once", f"{name} again in line {rows.line_num}")
        people[name] = Person(int(count), int(flag), GENDERS[gender])
    return people


def _as_listed(records: Records, path: Path, split: str, *, skip_missing: bool) -> tuple[Records, tuple[str, ...]]:
    """Holds the images against the list of the split, and refuses images it lacks: it may be cut short."""
    listed, _ = read_path_list(path, FILE, f"{split}/")
    rows, _, lost = match_list(records, listed, path, skip_missing=skip_missing)
    if len(rows) < len(records):
        extra = np.ones(len(records), np.bool_)
        extra[rows] = False
        raise InputError(
            f"a line in {path} for each of the {len(records)} images in {records.folder}",
            f"{len(listed)} lines; images without one: {quote_some(records.take(extra).names)}",
            "get the whole list (it may be cut short), or take other images out of the folder",
        )
    return records, lost


def _read_boxes(path: Path, keys: NDArray[np.bytes_], folder: Path) -> NDArray[np.float32]:
    boxes: NDArray[np.float32] = rows_of(read_label_file(path, columns=4, decimals=True), keys, folder)
    empty = (boxes[:, 2:] <= 0).any(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        got = f"{boxes[row, 2]:g} x {boxes[row, 3]:g} for {keys[row].decode()}"
        raise wrong(path, "boxes of some width and height", got)
    return boxes


def _male(path: Path, records: Records, split: str) -> NDArray[np.uint8]:
    """Returns the attribute Male of each image, and refuses people of the other split."""
    people = read_people(path)
    absent = [person for person in records.people if person not in people]
    if absent:
        raise wrong(path, f"a row for each of the {len(records.people)} people of {split}", f"not {quote_some(absent)}")
    other = [person for person in records.people if people[person].flag != SPLITS[split]]
    if other:
        raise wrong(path, f"Flag {SPLITS[split]} for the people of {split}", f"the other for {quote_some(other)}")
    male = np.array([people[person].male for person in records.people], np.uint8)
    return male[records.identities]


def _check_numbers(meta: Path | None, splits: Mapping[str, Records]) -> Iterator[Finding]:
    """Compares how many images each person has with what identity_meta.csv says."""
    if meta is None:
        return
    for split, records in splits.items():
        people = read_people(meta)
        counts = Counter(name.partition("/")[0] for name in records.names)
        odd = [person for person in records.people if people[person].images != counts[person]]
        if odd:
            yield Finding(
                "note", split, f"people with another number of images than {meta.name} says: {quote_some(odd)}"
            )
