# SPDX-License-Identifier: MIT
"""A plain folder of images, with or without a file ``labels.csv`` that says what is known of them.

Images lie in the folder or in folders inside it, in any size and format. What the label file may hold, and by which
names, is in `faceeval.data.labels.own_labels`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceeval.data.check import check_copy
from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.images import Square
from faceeval.data.labels.own_labels import OwnLabels, label_by_folder, read_own_labels
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate
from faceeval.data.sizes import with_sizes
from faceeval.data.sources import open_images
from faceeval.errors import FaceevalError, InputError, MissingFileError

NAME = "folder"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS = ("all", "train", "validation", "test")
LABELS = "labels.csv"


@dataclass(frozen=True)
class FolderFiles:
    """Where images and labels lie.

    Attributes:
        images: The folder.
        labels: Its label file; None where there is none.
    """

    images: Path
    labels: Path | None


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens all images of a folder, or those of a split; they are read when they are asked for.

    Args:
        root: The folder.
        split: ``"all"``; or ``"train"``, ``"validation"`` or ``"test"``, where a column ``split`` of the labels or else
            the outermost folder of an image (``train/``, ``val/``, ...) says which it is in.
        opening: Size, crop and so on; its columns say what those of the label file hold.

    Returns:
        The faces, in the order of the label file or else of their names. As folders have no version, the sizes of the
        files enter the digest.

    Raises:
        MissingFileError: The folder, an image, or a label file that is asked for is not there.
        InputError: The label file is damaged or does not know some image, or nothing says what is in the split.
        UnknownNameError: The split or the crop is not known.
    """
    cut = opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    labels = read_labels(files, opening.columns)
    if split != "all" and labels.splits is None:
        raise InputError(
            f"images of the split {split} in {files.images}",
            "nothing that says which they are",
            f"name a column, as in --column split=NAME, put images into a folder {split}, or open the split all",
        )
    records, skipped = _find_images(files, labels.records, skip_missing=opening.skip_missing)
    if split != "all" and labels.splits is not None:
        inside = dict(zip(labels.records.names, (labels.splits == split).tolist(), strict=True))
        records = records.take(np.array([inside[name] for name in records.names], np.bool_))
        skipped = tuple(name for name in skipped if inside[name])
    if records.landmarks is not None and (cut is None or isinstance(cut, Square)):
        records = with_sizes(records, opening.progress)
    return face_set(
        NAME,
        split,
        records,
        opening,
        usual_crop=DEFAULT_CROP,
        version=READER_VERSION,
        skipped=skipped,
        variant={"file_sizes_sha256": _fingerprint(records)},
    )


def splits(root: Path) -> list[str]:
    """Returns the splits that the folder tells by itself, without the names of columns; else all."""
    try:
        labels = read_labels(find_files(root), {})
    except FaceevalError:  # opening the split will say what is wrong
        return ["all"]
    return ["all"] if labels.splits is None else [split for split in SPLITS[1:] if (labels.splits == split).any()]


def check(
    manifest: Manifest, root: Path, progress: Progress | None = None, *, columns: Mapping[str, str] | None = None
) -> list[Finding]:
    """Checks labels and the header and end of every image; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    try:
        labels = read_labels(files, columns or {})
        records, _ = _find_images(files, labels.records)
    except FaceevalError as error:
        return [Finding("error", "labels", f"expected {error.expected}; got {error.got}")]
    parts = {"all": records}
    if labels.splits is not None:
        found = {split: records.take(labels.splits == split) for split in SPLITS[1:]}
        found["all"] = records.take(labels.splits == "")
        parts = {split: part for split, part in found.items() if len(part)}
    described = manifest.model_copy(update={"attributes": tuple(records.attributes)})
    findings = check_copy(described, {}, lambda: parts, progress)
    if labels.unread:
        said = f"columns not read: {quote_some(labels.unread)}; --column WHAT=NAME says what one holds"
        findings.append(Finding("note", LABELS, said))
    return findings


def find_files(root: Path | str) -> FolderFiles:
    """Finds the label file of a folder.

    Raises:
        MissingFileError: There is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise MissingFileError("a folder of images", f"{root} is not a folder", "check the path given as --root")
    labels = root / LABELS
    return FolderFiles(root, labels if labels.is_file() else None)


def read_labels(files: FolderFiles, columns: Mapping[str, str]) -> OwnLabels:
    """Reads the labels, or lists the images where there is no label file.

    Raises:
        MissingFileError: There is no label file, and columns of one are asked for.
        InputError: The label file is damaged, or there are no images.
    """
    if files.labels is not None:
        return read_own_labels(files.labels, files.images, columns)
    return label_by_folder(_images(files.images), files.images, columns)


def _images(folder: Path) -> tuple[str, ...]:
    """Lists all images, in folders inside the folder too, by name."""
    source = open_images(folder)
    if source.kind != "folder":
        raise InputError("a folder of images", f"{folder}, a saved dataset", f"open it with --data hf:{folder}")
    return source.names


def _find_images(
    files: FolderFiles, records: Records, *, skip_missing: bool = False
) -> tuple[Records, tuple[str, ...]]:
    """Finds the file of each row of the label file, and refuses images it does not know: it may be cut short."""
    if files.labels is None:
        return records, ()
    present = _images(files.images)
    found, skipped = locate(records, files.labels, skip_missing=skip_missing)
    rows = {file: row for row, file in enumerate(found.files)}
    if len(rows) < len(found):
        row = next(row for row, file in enumerate(found.files) if rows[file] != row)
        got = f"{found.names[row]} and {found.names[rows[found.files[row]]]} are both {found.files[row]}"
        raise InputError(f"each image once in {files.labels}", got, "remove the row that is not meant")
    extra = sorted(set(present) - set(rows))
    if extra:
        raise InputError(
            f"a row in {files.labels} for each of the {len(present)} images",
            f"{len(records)} rows; images without one: {quote_some(extra)}",
            "get the whole label file (it may be cut short), or take images without labels out of the folder",
        )
    return found, skipped


def _fingerprint(records: Records) -> str:
    """Returns the SHA-256 of the size in bytes of every file."""
    digest = hashlib.sha256()
    for file in records.files:
        digest.update(b"%d\n" % os.stat(records.folder / file).st_size)
    return digest.hexdigest()
