# SPDX-License-Identifier: MIT
"""AffectNet, both releases: lists with images in folders, or images with small annotation files beside them.

Mollahosseini, Hasani, Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild", IEEE Transactions on Affective Computing 2019. Nothing is downloaded. Read is the 8-class subset: images whose
code says that they show none of the eight expressions are no part of it, and are counted in the provenance. The two
releases name their images differently, so they are two datasets, with digests of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.images import Around
from faceeval.data.labels.affectnet_csv import read_list
from faceeval.data.labels.affectnet_npy import read_annotations
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate
from faceeval.data.sizes import with_sizes
from faceeval.errors import InputError, MissingFileError

NAME = "affectnet"
DEFAULT_CROP = "square"  # the stored images are faces with a margin already, and boxes may be unknown
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS: dict[str, str] = {"train": "training.csv", "validation": "validation.csv"}  # the test set was never released
SETS: dict[str, str] = {"train": "train_set", "validation": "val_set"}
FOLDERS = ("AffectNet", "affectnet")
IMAGE_FOLDERS = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
LIST_FOLDERS = ("", "Manually_Annotated_file_lists", "Manually_Annotated_Images", "Manually_Annotated")


@dataclass(frozen=True)
class AffectNetFiles:
    """Where the parts of a copy lie.

    Attributes:
        release: The first, with lists, or the second, with annotations in files of their own.
        images: Split -> folder of its images.
        labels: Split -> its list, or its folder of annotations; without the splits that are not there.
    """

    release: Literal["csv", "npy"]
    images: Mapping[str, Path]
    labels: Mapping[str, Path]


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above its ``AffectNet``.
        split: ``"train"`` or ``"validation"``.
        opening: Size, crop and so on. ``"box"`` and ``"box1.3"`` need the first release, which has boxes.

    Returns:
        The faces. Landmarks are in pixels of the returned images, and NaN for an image whose landmarks nobody found.

    Raises:
        MissingFileError: The folder, the split's labels or an image are not there.
        InputError: The files contradict each other or hold what they must not, or an image lacks the box that the crop
            needs.
        UnknownNameError: The split or the crop is not known.
    """
    cut = opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    records, left_out = read_labels(files, split, opening.progress)
    records, skipped = locate(records, files.labels[split], skip_missing=opening.skip_missing)
    if isinstance(cut, Around):
        _check_boxes(records, opening.crop or DEFAULT_CROP)
    elif records.landmarks68 is not None:
        records = with_sizes(records, opening.progress)
    faces = face_set(
        NAME,
        split,
        records,
        opening,
        usual_crop=DEFAULT_CROP,
        version=READER_VERSION,
        skipped=skipped,
        optional=("landmarks68",),
    )
    return replace(faces, provenance={**faces.provenance, "release": files.release, **left_out})


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    names = SPLITS if files.release == "csv" else {split: f"{folder}/annotations" for split, folder in SETS.items()}
    rows = {entry.path: entry.rows for entry in manifest.files}
    counts = {split: rows.get(name) or manifest.count(split) or 0 for split, name in names.items()}

    def read() -> dict[str, Records]:
        return {split: locate(read_labels(files, split)[0], path)[0] for split, path in files.labels.items()}

    found = {name: files.labels.get(split) for split, name in names.items()}
    return check_copy(manifest.model_copy(update={"splits": counts}), found, read, progress)


def find_files(root: Path | str) -> AffectNetFiles:
    """Finds the parts of a copy of either release.

    Raises:
        MissingFileError: The folder, the images or all labels are not there.
        InputError: There are copies of both releases.
    """
    base = find_copy_folder(
        root,
        "AffectNet",
        names=FOLDERS,
        holds=(*IMAGE_FOLDERS, *(f"{folder}/annotations" for folder in SETS.values())),
        archives=("Manually_Annotated*.[zrt]*", "train_set*.[zrt]*", "val_set*.[zrt]*"),
    )
    images = next((base / folder for folder in IMAGE_FOLDERS if (base / folder).is_dir()), None)
    sets = {split: base / folder for split, folder in SETS.items() if (base / folder / "annotations").is_dir()}
    if images is None:
        folders = {split: folder / "images" for split, folder in sets.items()}
        return AffectNetFiles("npy", folders, {split: folder / "annotations" for split, folder in sets.items()})
    if sets:
        got = f"{images.name} and {' and '.join(folder.name for folder in sets.values())} in {base}"
        raise InputError("one release of AffectNet", got, "give them folders of their own, and name one as --root")
    places = {split: [base / folder / name for folder in LIST_FOLDERS] for split, name in SPLITS.items()}
    lists = {split: next((path for path in paths if path.is_file()), None) for split, paths in places.items()}
    found = {split: path for split, path in lists.items() if path is not None}
    if not found:
        raise MissingFileError(
            f"training.csv or validation.csv in {base} or its {LIST_FOLDERS[1]}",
            "no such file",
            "get the lists from where the images came from, and put them beside the folder of images",
        )
    return AffectNetFiles("csv", dict.fromkeys(found, images), found)


def read_labels(files: AffectNetFiles, split: str, progress: Progress | None = None) -> tuple[Records, dict[str, int]]:
    """Reads the labels of one split.

    Returns:
        The images of the 8-class subset, and how many are left out by each of the other codes.

    Raises:
        MissingFileError: The split's labels are not there.
        InputError: They hold what they must not.
    """
    if split not in files.labels:
        name = SPLITS[split] if files.release == "csv" else f"{SETS[split]}/annotations"
        raise MissingFileError(f"{name}, the labels of the {split} split", "none", "get it, or choose another split")
    if files.release == "csv":
        return read_list(files.labels[split], files.images[split])
    return read_annotations(files.labels[split], files.images[split], progress)


def _check_boxes(records: Records, crop: str) -> None:
    """Refuses to cut where a box is unknown; that a dataset has none at all is told by `face_set`."""
    if records.boxes is None:
        return
    unknown = [records.names[row] for row in np.flatnonzero(np.isnan(records.boxes).any(1)).tolist()]
    if unknown:
        got = f"none for {quote_some(unknown)}"
        raise InputError(f"the face box of every image, for the crop {crop}", got, "choose the crop square")
