# SPDX-License-Identifier: MIT
"""CelebA, or any photographs laid out as CelebA is: aligned images and label files under a folder the user names.

Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015. Nothing is downloaded. Labels come as the
official text files or as Kaggle's comma-separated copies; see `find_files` for where they may lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from faceeval.data.check import check_copy
from faceeval.data.faces import FaceSet
from faceeval.data.folder import by_stem, image_names, quote_some
from faceeval.data.images import Crop
from faceeval.data.labels.label_files import LabelTable, read_label_file, rows_of
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate
from faceeval.errors import InputError, MissingFileError

SPLITS: dict[str, int] = {"train": 0, "validation": 1, "test": 2}  # the codes of list_eval_partition
NAME = "celeba"
DEFAULT_CROP = "center178"
IMAGE_SIZE = (178, 218)
READER_VERSION = 1  # goes up when the same files give other images or labels
LABEL_FOLDERS = ("", "celeba", "Anno", "Eval", "celeba/Anno", "celeba/Eval")
IMAGE_FOLDERS = ("", "celeba", "Img", "celeba/Img")
IMAGE_NAMES = ("img_align_celeba/img_align_celeba", "img_align_celeba", "img_align_celeba_png")  # Kaggle's is nested
LANDMARKS = 5


@dataclass(frozen=True)
class CelebAFiles:
    """Where the parts of a copy lie; None where an optional part is not there."""

    images: Path
    attributes: Path
    partition: Path
    identities: Path | None
    landmarks: Path | None


@dataclass(frozen=True)
class CelebALabels:
    """What the label files say about every image of every split, in the attribute file's order.

    Attributes:
        records: Names, attributes, identities and landmarks; each image's file is its name.
        partition: 0 train, 1 validation, 2 test, (N,).
    """

    records: Records
    partition: NDArray[np.int32]


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above its ``celeba``.
        split: ``"train"``, ``"validation"`` or ``"test"``, by the official partition.
        opening: Size, crop and so on. The crop ``"none"`` is for square images, whose landmarks are then None, since
            the files give them in the aligned frame.

    Returns:
        The faces. Landmarks are in pixels of the returned images, whole numbers at the centres of pixels.

    Raises:
        MissingFileError: The folder, a label file or an image is not there.
        InputError: The files contradict each other or hold what they must not, or the split has no images.
        UnknownNameError: The split or the crop is not known.
    """
    cut = opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    labels = read_labels(files)
    if SPLITS[split] not in labels.partition:
        raise InputError(
            f"images of the {split} split (code {SPLITS[split]}) in {files.partition}",
            f"none among {len(labels.partition)}",
            "choose another split, or mend the partition file",
        )
    found, lost = _find_images(files, labels.records, skip_missing=opening.skip_missing)
    codes = dict(zip(labels.records.names, labels.partition.tolist(), strict=True))
    records = found.take(np.array([codes[name] == SPLITS[split] for name in found.names], np.bool_))
    if not isinstance(cut, Crop):
        records = replace(records, landmarks=None)
    skipped = [name for name in lost if codes[name] == SPLITS[split]]
    return face_set(
        NAME,
        split,
        records,
        opening,
        usual_crop=DEFAULT_CROP,
        version=READER_VERSION,
        skipped=skipped,
        optional=("identities", "landmarks"),
    )


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)
    found = {
        "Anno/list_attr_celeba.txt": files.attributes,
        "Eval/list_eval_partition.txt": files.partition,
        "Anno/identity_CelebA.txt": files.identities,
        "Anno/list_landmarks_align_celeba.txt": files.landmarks,
    }

    def read() -> dict[str, Records]:
        labels = read_labels(files)
        records, _ = _find_images(files, labels.records)
        return {split: records.take(labels.partition == code) for split, code in SPLITS.items()}

    return check_copy(manifest, found, read, progress)


def find_files(root: Path | str) -> CelebAFiles:
    """Finds the parts of a copy: flat in ``root``, in ``root/celeba`` (torchvision's layout), or spread over ``Anno``,
    ``Eval`` and ``Img`` (the official one); label files as ``.txt`` or ``.csv``.

    Raises:
        MissingFileError: The folder, the images, the attributes or the partition are not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise MissingFileError(
            "the folder of a copy of CelebA", f"{root} is not a folder", "check the path given as --root"
        )
    images = next((p for a in IMAGE_FOLDERS for b in IMAGE_NAMES if (p := root / a / b).is_dir()), None)
    if images is None:
        archives = sorted(p for a in IMAGE_FOLDERS for p in (root / a).glob("img_align_celeba*.[z7]*"))
        raise MissingFileError(
            f"the folder img_align_celeba in {root}, {root / 'celeba'} or {root / 'Img'}",
            f"only the archive {archives[0]}" if archives else "no such folder",
            "unpack the archive beside itself" if archives else "give the folder that holds img_align_celeba as --root",
        )
    return CelebAFiles(
        images=images,
        attributes=_require_labels(root, "list_attr_celeba"),
        partition=_require_labels(root, "list_eval_partition"),
        identities=_find_labels(root, "identity_CelebA"),
        landmarks=_find_labels(root, "list_landmarks_align_celeba"),
    )


def read_labels(files: CelebAFiles) -> CelebALabels:
    """Reads all label files and holds them against each other.

    Raises:
        InputError: The files disagree on the images, or a value is not one the column can hold.
    """
    table = read_label_file(files.attributes)
    if not table.columns:
        raise InputError(f"a line of attribute names in {files.attributes}", "none", "put the names before the rows")
    names, partition = _decode(table.names), read_label_file(files.partition, columns=1)
    unlisted = np.setdiff1d(partition.names, table.names)
    if len(unlisted):
        raise InputError(
            f"a row in {files.attributes} for each of the {len(partition.names)} in {files.partition}",
            f"{len(table.names)} rows; not there: {quote_some(_decode(unlisted).tolist())}",
            "get both files from the same copy: one of them may be cut short",
        )
    codes = rows_of(partition, table.names, table.path)[:, 0]
    unknown = ~np.isin(codes, list(SPLITS.values()))
    if unknown.any():
        _refuse(files.partition, "0 (train), 1 (validation) or 2 (test)", codes[unknown][0], names[unknown][0])
    identities = landmarks = None
    if files.identities is not None:
        identities = rows_of(read_label_file(files.identities, columns=1), table.names, table.path)[:, 0].astype(
            np.int64
        )
    if files.landmarks is not None:
        points = rows_of(read_label_file(files.landmarks, columns=2 * LANDMARKS), table.names, table.path)
        landmarks = points.astype(np.float32).reshape(-1, LANDMARKS, 2)
    binary = _to_binary(table)
    records = Records(
        folder=files.images,
        files=tuple(names.tolist()),
        attributes={name: binary[:, column] for column, name in enumerate(table.columns)},
        identities=identities,
        landmarks=landmarks,
        image_size=IMAGE_SIZE,
    )
    return CelebALabels(records, codes)


def _find_labels(root: Path, name: str) -> Path | None:
    """Returns the label file of that name, wherever in the copy it lies."""
    places = (root / folder / f"{name}{suffix}" for folder in LABEL_FOLDERS for suffix in (".txt", ".csv"))
    return next((path for path in places if path.is_file()), None)


def _require_labels(root: Path, name: str) -> Path:
    path = _find_labels(root, name)
    if path is None:
        raise MissingFileError(
            f"{name}.txt or {name}.csv in {root} or its celeba, Anno or Eval",
            "no such file",
            "get it from where the images came from, and put it beside img_align_celeba",
        )
    return path


def _find_images(
    files: CelebAFiles, records: Records, *, skip_missing: bool = False
) -> tuple[Records, tuple[str, ...]]:
    """Finds the file of each row as `locate` does, and refuses images without a row: labels may be cut short."""
    present = image_names(files.images)
    found, skipped = locate(records, files.attributes, skip_missing=skip_missing)
    extra = sorted(set(present) - set(found.files))
    if extra:
        by_stem(files.images, present)  # for its error: one image as .jpg and as .png
        raise InputError(
            f"a row in {files.attributes} for each of the {len(present)} images in {files.images.name}",
            f"{len(records)} rows; images without one: {quote_some(extra)}",
            "get the whole label file (it may be cut short), or take images without labels out of the folder",
        )
    return found, skipped


def _to_binary(table: LabelTable) -> NDArray[np.uint8]:
    """Returns 1 for 1 and 0 for -1, and refuses all else: in a file of 0 and 1, zero could mean unknown."""
    wrong = np.abs(table.values) != 1
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        name = f"{_decode(table.names[row : row + 1])[0]}, {table.columns[column]}"
        _refuse(table.path, "1 (present) or -1 (absent)", table.values[row, column], name)
    return (table.values > 0).astype(np.uint8)


def _refuse(path: Path, expected: str, value: object, where: object) -> NoReturn:
    raise InputError(f"{expected} in {path}", f"{value} ({where})", "mend the file, or get it again")


def _decode(names: NDArray[np.bytes_]) -> NDArray[np.str_]:
    return np.char.decode(names, "utf-8", "replace")
