# SPDX-License-Identifier: MIT
"""PubFig: lists of addresses of photographs of public figures, and such of these photographs as a user has.

Kumar, Berg, Belhumeur, Nayar, "Attribute and Simile Classifiers for Face Verification", ICCV 2009. The owners give
addresses, never images, and most of them lead nowhere now; faceeval fetches none. Images lie in the folder ``images``
by LFW's rule: image 4 of Jane Roe is ``images/Jane_Roe/Jane_Roe_0004.jpg``, uncut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.labels.url_lists import UrlList, read_attributes, read_names, read_url_list
from faceeval.data.manifest import Finding, Manifest, checksum
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate, number_people
from faceeval.data.sizes import with_sizes
from faceeval.errors import InputError, MissingFileError

NAME = "pubfig"
TITLE = "PubFig"
DEFAULT_CROP = "box1.3"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS = {"train": "dev", "test": "eval"}  # the development and the evaluation set, which share nobody
IMAGES = "images"
ATTRIBUTES = "pubfig_attributes.txt"


@dataclass(frozen=True)
class PubFigFiles:
    """Where the parts of a copy lie.

    Attributes:
        images: The folder of images.
        lists: ``dev_urls.txt`` and so on -> where, for those that are there.
    """

    images: Path
    lists: Mapping[str, Path]


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens the development or the evaluation set; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above its ``pubfig``.
        split: ``"train"`` for ``dev_urls.txt``, ``"test"`` for ``eval_urls.txt``.
        opening: Size, crop and so on. With ``skip_missing`` what could not be fetched any more is left out and listed.

    Returns:
        The faces in the list's order, named by LFW's rule. Attributes are what classifiers of 2009 said, not people.

    Raises:
        MissingFileError: The folder, the list or an image is not there.
        InputError: A file is damaged, or they contradict each other.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    records, listed = read_labels(files, split)
    found, skipped = locate(records, listed.path, skip_missing=opening.skip_missing)
    return face_set(NAME, split, found, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION, skipped=skipped)


def splits(root: Path) -> list[str]:
    """Returns the splits whose lists are there."""
    files = find_files(root)
    return [split for split, prefix in SPLITS.items() if _urls(prefix) in files.lists]


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest, see `faceeval.data.check.check_copy`, and images against their lists."""
    files = find_files(root)
    entries = {entry.path: files.lists.get(entry.path) for entry in manifest.files if entry.role != "images"}
    seen: dict[str, tuple[Records, UrlList]] = {}

    def read() -> dict[str, Records]:
        for split, prefix in SPLITS.items():
            if _urls(prefix) in files.lists:
                records, listed = read_labels(files, split)
                seen[split] = locate(records, listed.path)[0], listed
        return {split: records for split, (records, _) in seen.items()}

    findings = check_copy(manifest, entries, read, progress)
    if any(finding.level == "error" for finding in findings):
        return findings  # a headless image has no size to hold a rect against
    for records, listed in seen.values():
        findings += _check_originals(records, listed)
    return findings


def find_files(root: Path | str) -> PubFigFiles:
    """Finds the parts of a copy: the lists in ``root`` or its ``pubfig``, and beside them the folder ``images``.

    Raises:
        MissingFileError: There is no list of addresses, or no folder of images.
    """
    urls = [_urls(prefix) for prefix in SPLITS.values()]
    folder = find_copy_folder(
        root, TITLE, names=("pubfig", "PubFig"), holds=urls, archives=("pubfig*.zip", "pubfig*.t*gz")
    )
    if not (folder / IMAGES).is_dir():
        raise MissingFileError(
            f"the images in {folder / IMAGES}, as {IMAGES}/Jane_Roe/Jane_Roe_0004.jpg",
            "no such folder",
            "put there such images of the lists as you have: nobody may pass them on, and faceeval fetches none",
        )
    names = (*urls, *(f"{prefix}_people.txt" for prefix in SPLITS.values()), ATTRIBUTES)
    return PubFigFiles(folder / IMAGES, {name: folder / name for name in names if (folder / name).is_file()})


def read_labels(files: PubFigFiles, split: str) -> tuple[Records, UrlList]:
    """Reads what the lists say of a split, and holds them against each other.

    Raises:
        MissingFileError: The list of addresses is not there.
        InputError: A file is damaged, or they contradict each other.
    """
    prefix = SPLITS[split]
    path = files.lists.get(_urls(prefix))
    if path is None:
        got = f"no such file beside {files.images}"
        raise MissingFileError(f"{_urls(prefix)}, for the split {split}", got, "get it from PubFig's page")
    listed = read_url_list(path)
    people_file = files.lists.get(f"{prefix}_people.txt")
    strangers = sorted(set(listed.people) - read_names(people_file)) if people_file else []
    if strangers:
        got = f"others: {quote_some(strangers)}"
        raise InputError(f"people of {people_file} in {path}", got, "get both files from the same version")
    identities, people = number_people(listed.people)
    records = Records(folder=files.images, files=listed.names, identities=identities, people=people, boxes=listed.boxes)
    if ATTRIBUTES in files.lists:
        records = _with_attributes(records, listed, files.lists[ATTRIBUTES])
    return records, listed


def _with_attributes(records: Records, listed: UrlList, path: Path) -> Records:
    rows, names, scores = read_attributes(path)
    keys = list(zip(listed.people, listed.numbers, strict=True))
    absent = [f"{person} {number}" for person, number in keys if (person, number) not in rows]
    if absent:
        got = f"{len(keys) - len(absent)} of them; not there: {quote_some(absent)}"
        raise InputError(
            f"a line in {path} for each of the {len(keys)} images of {listed.path}",
            got,
            f"get both files from the same version, or take {path.name} away to do without attributes",
        )
    values = scores[[rows[key] for key in keys]] > 0
    attributes = {name: values[:, column].astype(np.uint8) for column, name in enumerate(names)}
    return replace(records, attributes=attributes)


def _check_originals(records: Records, listed: UrlList) -> list[Finding]:
    """Tells images that are not those of the list: an address may lead to another picture, or to a smaller one."""
    findings = []
    files = list(zip(records.files, listed.md5, strict=True)) if listed.md5 else []
    changed = [file for file, md5 in files if checksum(records.folder / file) != md5]
    if changed:
        said = f"not the published files, so that rects may miss the faces: {quote_some(changed)}"
        findings.append(Finding("note", listed.path.name, said))
    sizes, boxes = with_sizes(records).image_sizes, listed.boxes
    assert sizes is not None
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    outside = np.flatnonzero(((middles < 0) | (middles >= sizes)).any(1))
    if len(outside):
        said = f"rects outside their images: {quote_some([records.files[row] for row in outside.tolist()])}"
        findings.append(Finding("error", listed.path.name, said))
    return findings


def _urls(prefix: str) -> str:
    return f"{prefix}_urls.txt"
