# SPDX-License-Identifier: MIT
"""CelebA, or any photographs laid out as CelebA is: aligned images and label files under a folder the user names.

Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015. Nothing is downloaded. Labels come as the
official text files or as Kaggle's comma-separated copies; see `find_files` for where they may lie.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import PIL
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.folder import by_stem, image_names, quote_some, stem
from faceeval.data.images import FILTER, Crop, check_size, crop_box, read_images
from faceeval.data.label_files import LabelTable, read_label_file
from faceeval.errors import InputError, MissingFileError, unknown_name

SPLITS: dict[str, int] = {"train": 0, "validation": 1, "test": 2}  # the codes of list_eval_partition
DEFAULT_CROP = "center178"
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
        names: Image names, (N,).
        files: The file of each image, (N,), below the image folder.
        partition: 0 train, 1 validation, 2 test, (N,).
        attribute_names: In file order.
        attributes: uint8, (N, A), 1 present, 0 absent.
        identities: int64, (N,).
        landmarks: float32, (N, 5, 2), (x, y) in pixels of the stored images.
    """

    names: NDArray[np.str_]
    files: NDArray[np.str_]
    partition: NDArray[np.int32]
    attribute_names: tuple[str, ...]
    attributes: NDArray[np.uint8]
    identities: NDArray[np.int64] | None
    landmarks: NDArray[np.float32] | None


def load(root: Path | str, split: str, size: int = 64, crop: str = DEFAULT_CROP) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above its ``celeba``.
        split: ``"train"``, ``"validation"`` or ``"test"``, by the official partition.
        size: Side of the images in pixels, after the crop.
        crop: A preset of `faceeval.data.images.CROPS`; ``"none"`` for square images, whose landmarks are then None,
            since the files give them in the aligned frame.

    Returns:
        The faces. Landmarks are in pixels of the returned images, whole numbers at the centres of pixels.

    Raises:
        MissingFileError: The folder, a label file or an image is not there.
        InputError: The files contradict each other or hold what they must not, or the split has no images.
        UnknownNameError: The split or the crop is not known.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    box = crop_box(crop)
    check_size(size)
    files = find_files(root)
    labels = read_labels(files)
    rows = np.flatnonzero(labels.partition == SPLITS[split])
    if len(rows) == 0:
        raise InputError(
            f"images of the {split} split (code {SPLITS[split]}) in {files.partition}",
            f"none among {len(labels.names)}",
            "choose another split, or mend the partition file",
        )
    return FaceSet(
        name="celeba",
        split=split,
        size=size,
        names=tuple(labels.names[rows].tolist()),
        digest=_digest(labels, rows, split=split, size=size, crop=box and [box.top, box.left, box.size]),
        read=partial(_read, folder=files.images, files=labels.files[rows], crop=crop, size=size),
        attributes={name: labels.attributes[rows, column] for column, name in enumerate(labels.attribute_names)},
        identities=None if labels.identities is None else labels.identities[rows],
        landmarks=None if labels.landmarks is None else _move_landmarks(labels.landmarks[rows], box, size),
        provenance=_provenance(crop, box),
    )


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
    """Reads all label files and holds them against each other and against the image folder.

    Raises:
        MissingFileError: A row has no image.
        InputError: An image has no row, the files disagree on the images, or a value is not one the column can hold.
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
    codes = _rows_of(partition, table)[:, 0]
    unknown = ~np.isin(codes, list(SPLITS.values()))
    if unknown.any():
        _refuse(files.partition, "0 (train), 1 (validation) or 2 (test)", codes[unknown][0], names[unknown][0])
    identities = landmarks = None
    if files.identities is not None:
        identities = _rows_of(read_label_file(files.identities, columns=1), table)[:, 0].astype(np.int64)
    if files.landmarks is not None:
        points = _rows_of(read_label_file(files.landmarks, columns=2 * LANDMARKS), table)
        landmarks = points.astype(np.float32).reshape(-1, LANDMARKS, 2)
    return CelebALabels(
        names=names,
        files=_find_images(files, names),
        partition=codes,
        attribute_names=table.columns,
        attributes=_to_binary(table),
        identities=identities,
        landmarks=landmarks,
    )


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


def _find_images(files: CelebAFiles, names: NDArray[np.str_]) -> NDArray[np.str_]:
    """Returns the file of each name; files of another suffix (PNG for JPEG, upper case) are found by their stem."""
    present, wanted = image_names(files.images), names.tolist()
    if present == wanted:
        return names
    found = by_stem(files.images, present)
    stems = [stem(name) for name in wanted]
    missing = sorted(set(stems) - set(found))
    if missing:
        raise MissingFileError(
            f"an image in {files.images} for each of the {len(wanted)} rows of {files.attributes.name}",
            f"{len(present)} images; not there: {quote_some(missing)}",
            "unpack the images again, or take the rows of absent images out of the label files",
        )
    extra = sorted(set(found) - set(stems))
    if extra:
        raise InputError(
            f"a row in {files.attributes} for each of the {len(present)} images in {files.images.name}",
            f"{len(wanted)} rows; images without one: {quote_some(extra)}",
            "get the whole label file (it may be cut short), or take images without labels out of the folder",
        )
    return np.array([found[key] for key in stems])


def _rows_of(table: LabelTable, reference: LabelTable) -> NDArray[np.int32]:
    """Returns the values (N, C) of ``table`` in the order of the names of ``reference``."""
    if np.array_equal(table.names, reference.names):
        return table.values
    absent = np.setdiff1d(reference.names, table.names)
    if len(absent):
        raise InputError(
            f"a row in {table.path} for each of the {len(reference.names)} in {reference.path}",
            f"{len(table.names)} rows; not there: {quote_some(_decode(absent).tolist())}",
            "get both files from the same copy: one of them may be cut short",
        )
    order = np.argsort(table.names)
    return table.values[order[np.searchsorted(table.names[order], reference.names)]]


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


def _move_landmarks(points: NDArray[np.float32], box: Crop | None, size: int) -> NDArray[np.float32] | None:
    """Takes points from the stored image to the returned one; scaling keeps edges, not centres, of pixels in place."""
    if box is None:
        return None
    corner = np.array([box.left, box.top], np.float32)
    return ((points + 0.5 - corner) * (size / box.size) - 0.5).astype(np.float32)


def _digest(labels: CelebALabels, rows: NDArray[np.int64], **made: object) -> str:
    """SHA-256 of the names, the labels and how images are made of the files; the same for every dialect and layout."""
    head = {"reader": READER_VERSION, "filter": FILTER, "attributes": labels.attribute_names, **made}
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update("\n".join(labels.names[rows].tolist()).encode())
    digest.update(labels.attributes[rows].tobytes())
    return digest.hexdigest()


def _provenance(crop: str, box: Crop | None) -> dict[str, str | int | float]:
    """What the result record says of how the images came to be."""
    made: dict[str, str | int | float] = {"reader_version": READER_VERSION, "crop": crop, "filter": FILTER}
    if box is not None:
        made |= {"crop_top": box.top, "crop_left": box.left, "crop_size": box.size}
    return made | {"decoder": f"Pillow {PIL.__version__}"}


def _decode(names: NDArray[np.bytes_]) -> NDArray[np.str_]:
    return np.char.decode(names, "utf-8", "replace")


def _read(indices: NDArray[np.int64], folder: Path, files: NDArray[np.str_], crop: str, size: int) -> NDArray[np.uint8]:
    return read_images([folder / name for name in files[indices].tolist()], crop=crop, size=size)
