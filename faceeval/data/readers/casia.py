# SPDX-License-Identifier: MIT
"""CASIA-WebFace: a folder of images for each person, or insightface's ``.rec`` file.

Yi, Lei, Liao, Li, "Learning Face Representation from Scratch", 2014. Nothing is downloaded. There is no label file:
the folder is the person. A cleaned list beside the folders chooses among the images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from faceeval.data.check import check_copy
from faceeval.data.containers.record_people import record_findings, record_images
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.labels.person_folders import cleaned_list, folder_records, keep_listed
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set

NAME = "casia"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS = ("all",)
TITLE = "CASIA-WebFace"
FOLDERS = (
    "CASIA-WebFace", "casia-webface", "casia_webface", "casia", "CASIA-maxpy-clean", "CASIA_maxpy_clean",
    "faces_webface_112x112", "faces_webface",
)  # fmt: skip
PERSON = re.compile(r"\d+")
FILE = re.compile(r"\d+/[\w-]+")
PERSONS = "[0-9]*/*"
RECORDS = "train.rec"


@dataclass(frozen=True)
class CasiaFiles:
    """Where the parts of a copy lie: ``folder`` of the persons and perhaps a ``cleaned`` list, or ``records``."""

    folder: Path
    cleaned: Path | None
    records: Path | None


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens the set, which has no splits; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above it.
        split: ``"all"``.
        opening: Size, crop and so on.

    Returns:
        The faces, with identities. Of folders, ``people`` are the folders; a ``.rec`` file has numbers only, and its
        images are named by their keys.

    Raises:
        MissingFileError: The folder or an image of the cleaned list is not there.
        InputError: The files are damaged or contradict each other.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, SPLITS, DEFAULT_CROP)
    records, skipped = read_records(find_files(root), skip_missing=opening.skip_missing)
    return face_set(NAME, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION, skipped=skipped)


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    found: dict[str, Records] = {}

    def read() -> dict[str, Records]:
        found["all"] = read_records(files)[0]
        return found

    if files.records is None:
        return check_copy(manifest, {}, read, progress, any_one_size=True)
    parts = {f"faces_webface_112x112/{name}": files.records.with_name(name) for name in (RECORDS, "train.idx")}
    there = {name: path if path.is_file() else None for name, path in parts.items()}
    findings = check_copy(manifest.model_copy(update={"image_size": None}), there, read, progress)
    return findings + [finding for records in found.values() for finding in record_findings(records)]


def find_files(root: Path | str) -> CasiaFiles:
    """Finds a copy: folders of persons (``0000045/001.jpg``) in ``root`` or in a folder of it that has a usual name, or
    where there are none ``train.rec``.

    Raises:
        MissingFileError: There is neither.
        InputError: There are several cleaned lists.
    """
    folder = find_copy_folder(
        root, TITLE, names=FOLDERS, holds=(PERSONS, RECORDS), archives=("*.zip", "*.tar*", "*.7z", "*.rar")
    )
    if next(folder.glob(PERSONS), None) is None:
        return CasiaFiles(folder, None, folder / RECORDS)
    return CasiaFiles(folder, cleaned_list(folder), None)


def read_records(files: CasiaFiles, *, skip_missing: bool = False) -> tuple[Records, tuple[str, ...]]:
    """Finds every image and its person, and what the cleaned list names and is not there.

    Raises:
        MissingFileError: An image of the cleaned list is not there.
        InputError: The files are damaged or contradict each other.
    """
    if files.records is not None:
        return record_images(files.records), ()
    records = folder_records(files.folder, PERSON, TITLE)
    if files.cleaned is None:
        return records, ()
    return keep_listed(records, files.cleaned, FILE, skip_missing=skip_missing)
