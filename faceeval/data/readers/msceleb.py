# SPDX-License-Identifier: MIT
"""MS-Celeb-1M: a folder of images for each person, the original TSV file of faces or of whole images, or a ``.rec``.

Guo, Zhang, Hu, He, Gao, "MS-Celeb-1M: A Dataset and Benchmark for Large-Scale Face Recognition", ECCV 2016. Its owners
withdrew it in 2019; nothing is downloaded. Persons are called by their Freebase MID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faceeval.data.check import check_copy
from faceeval.data.containers.packed import Packed
from faceeval.data.containers.record_people import record_findings, record_images
from faceeval.data.containers.tsv_index import index_tsv, tsv_image
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.labels.person_folders import cleaned_list, folder_records, keep_listed
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, number_people
from faceeval.errors import InputError

NAME = "msceleb"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS = ("all",)
TITLE = "MS-Celeb-1M"
FOLDERS = (
    "MS-Celeb-1M", "ms-celeb-1m", "msceleb", "MsCelebV1", "MsCelebV1-Faces-Aligned", "MsCelebV1-Faces-Cropped",
    "FaceImageCroppedWithAlignment", "faces_emore", "faces_ms1m_112x112", "ms1m-retinaface-t1",
)  # fmt: skip
PERSON = re.compile(r"m\.\w+")
FILE = re.compile(r"m\.\w+/[\w.-]+")
PERSONS = "m.*/*"
TABLES = "*.tsv"
RECORDS = "train.rec"
NAMES_OF_PEOPLE = "midlist"  # in the name of a table that holds no images


@dataclass(frozen=True)
class MSCelebFiles:
    """Where the parts of a copy lie: persons in ``folder``, or a ``table``, or ``records``.

    A ``cleaned`` list chooses among the images of folders or a table.
    """

    folder: Path
    cleaned: Path | None
    table: Path | None
    records: Path | None


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens the set, which has no splits; images are read when they are asked for.

    A table is gone through when it is opened for the first time, and never loaded; where its images lie is kept in the
    cache.

    Args:
        root: Folder of the copy, or the folder above it.
        split: ``"all"``.
        opening: Size, crop and so on.

    Returns:
        The faces, with identities, named ``MID/rank-FaceID.jpg`` (``MID/rank.jpg`` where whole images are stored).
        ``people`` are the MIDs; a ``.rec`` file has numbers only, and its images are named by their keys.

    Raises:
        MissingFileError: The folder or an image of the cleaned list is not there.
        InputError: The files are damaged or contradict each other.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, SPLITS, DEFAULT_CROP)
    records, skipped = read_records(find_files(root), opening)
    return face_set(NAME, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION, skipped=skipped)


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    found: dict[str, Records] = {}

    def read() -> dict[str, Records]:
        found["all"] = read_records(files, Opening(progress=progress))[0]
        return found

    parts: dict[str, Path | None] = {}
    if files.records is not None:
        beside = {name: files.records.with_name(name) for name in (RECORDS, "train.idx")}
        parts = {f"faces_emore/{name}": path if path.is_file() else None for name, path in beside.items()}
    elif files.table is not None:
        parts = {files.table.name: files.table}
    findings = check_copy(manifest, parts, read, progress)
    if files.records is not None:
        findings += [finding for records in found.values() for finding in record_findings(records)]
    return findings


def find_files(root: Path | str) -> MSCelebFiles:
    """Finds a copy: folders of persons (``m.0abc1/0-FaceId-0.jpg``), a ``.tsv`` of images, or ``train.rec``.

    They may lie in ``root`` or in a folder of it that has a usual name. Where there are several, folders come first,
    and tables next.

    Raises:
        MissingFileError: There is none of them.
        InputError: There are several tables of images, or several cleaned lists.
    """
    folder = find_copy_folder(
        root, TITLE, names=FOLDERS, holds=(PERSONS, TABLES, RECORDS), archives=("*.zip", "*.tar*", "*.7z")
    )
    if next(folder.glob(PERSONS), None) is not None:
        return MSCelebFiles(folder, cleaned_list(folder), None, None)
    tables = sorted(path for path in folder.glob(TABLES) if NAMES_OF_PEOPLE not in path.name.lower())
    if len(tables) > 1:
        raise InputError(
            f"one table of images in {folder}",
            " and ".join(path.name for path in tables[:2]),
            "put each into a folder of its own, and give the one that is meant as --root",
        )
    if tables:
        return MSCelebFiles(folder, cleaned_list(folder), tables[0], None)
    return MSCelebFiles(folder, None, None, folder / RECORDS)


def read_records(files: MSCelebFiles, opening: Opening = AS_USUAL) -> tuple[Records, tuple[str, ...]]:
    """Finds every image and its person, and what the cleaned list names and is not there.

    Raises:
        MissingFileError: An image of the cleaned list is not there.
        InputError: The files are damaged or contradict each other.
    """
    if files.records is not None:
        return record_images(files.records), ()
    if files.table is not None:
        records = _table_records(files.table, opening.progress)
    else:
        records = folder_records(files.folder, PERSON, TITLE)
    if files.cleaned is None:
        return records, ()
    return keep_listed(records, files.cleaned, FILE, skip_missing=opening.skip_missing)


def _table_records(table: Path, progress: Progress | None) -> Records:
    index = index_tsv(table, progress)
    names = tuple(name.decode("ascii") for name in index.names.tolist())
    identities, people = number_people([name.partition("/")[0] for name in names])
    packed = Packed(table, index.offsets, index.lengths, tsv_image)
    return Records(table, names, identities=identities, people=people, packed=packed)
