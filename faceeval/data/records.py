# SPDX-License-Identifier: MIT
"""From the rows of a dataset's label files to a `FaceSet`: the part all readers of image files share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from faceeval.data.containers.packed import Packed
from faceeval.data.decode import Blob
from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.images import FILTER, Around, Crop, Cut, check_size, crop_box, read_images
from faceeval.data.listing import Listing
from faceeval.data.opening import Opening
from faceeval.errors import InputError, MissingFileError

COLUMNS = ("identities", "pose", "expression", "valence_arousal", "landmarks", "landmarks68", "clips")


@dataclass(frozen=True, eq=False)
class Records:
    """What the label files say about each image, in the dataset's own order; a column nobody knows is None.

    Attributes:
        folder: The folder the files lie below, or the one large file they lie in.
        files: The file of each image, (N,), below ``folder``, with ``/`` between folders.
        names: Unique name of each image, (N,); by default its file.
        attributes: Attribute name -> uint8 (N,), 1 present, 0 absent.
        identities: int64 (N,), the person's number.
        people: What the persons' numbers 0, 1, ... are called; empty where the numbers are the dataset's own.
        pose: float32 (N, 3), yaw, pitch, roll in degrees.
        expression: int64 (N,), AffectNet's class 0..7.
        valence_arousal: float32 (N, 2), each in [-1, 1].
        landmarks: float32 (N, 5, 2), CelebA's five points (x, y) in pixels of the stored images.
        landmarks68: float32 (N, 68, 2), the usual 68 points, likewise.
        boxes: float32 (N, 4), left, top, width and height of the face in pixels of the stored image.
        boxed: Whether an image shows the person only inside the box, among other people, so that ``square`` cuts there.
        packed: Where the images lie in ``folder``, where that is one large file.
        clips: int64 (N,), the video clip.
        image_size: Width and height of the stored images, where all are alike.
        image_sizes: int32 (N, 2), likewise of each; needed only to move landmarks.
    """

    folder: Path
    files: tuple[str, ...]
    names: tuple[str, ...] = ()
    attributes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    identities: NDArray[np.int64] | None = None
    people: tuple[str, ...] = ()
    pose: NDArray[np.float32] | None = None
    expression: NDArray[np.int64] | None = None
    valence_arousal: NDArray[np.float32] | None = None
    landmarks: NDArray[np.float32] | None = None
    landmarks68: NDArray[np.float32] | None = None
    boxes: NDArray[np.float32] | None = None
    boxed: bool = False
    packed: Packed | None = None
    clips: NDArray[np.int64] | None = None
    image_size: tuple[int, int] | None = None
    image_sizes: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        """Names default to files."""
        if not self.names:
            object.__setattr__(self, "names", self.files)

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.files)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Records:
        """Returns the records of some rows, given as indices or as a mask, in that order."""
        chosen: NDArray[Any] = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        picked: dict[str, Any] = {
            "files": tuple(self.files[row] for row in chosen.tolist()),
            "names": tuple(self.names[row] for row in chosen.tolist()),
            "attributes": {name: values[chosen] for name, values in self.attributes.items()},
        }
        for name in (*COLUMNS, "boxes", "image_sizes"):
            values = getattr(self, name)
            picked[name] = None if values is None else values[chosen]
        return replace(self, packed=self.packed and self.packed.take(chosen), **picked)

    def people_of(self, numbers: NDArray[np.int64]) -> list[str]:
        """Returns what persons are called: by name where the dataset has names, else by their number."""
        return [self.people[number] if self.people else str(number) for number in numbers.tolist()]


def number_people(names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers persons by the sorted order of their names, so that no file order enters.

    Returns:
        Number of each, int64 (N,), and the sorted names.

    Example:
        >>> numbers, people = number_people(["Roe", "Doe", "Roe"])
        >>> numbers.tolist(), people
        ([1, 0, 1], ('Doe', 'Roe'))
    """
    people = sorted(set(names))  # numpy would sort all the millions of names of a large set
    number = {person: place for place, person in enumerate(people)}
    return np.fromiter((number[name] for name in names), np.int64, len(names)), tuple(people)


def locate(records: Records, label_file: Path | str, *, skip_missing: bool = False) -> tuple[Records, tuple[str, ...]]:
    """Finds the file of every record: as named, else with another suffix or in another case, as copies often have them.

    Args:
        records: What the label files name.
        label_file: Where the names come from, for messages.
        skip_missing: Leave out what is not there instead of stopping.

    Returns:
        The records whose files exist, with the files as they are called on this disk, and the names of those left out.

    Raises:
        MissingFileError: Images are not there (all of them, with ``skip_missing``).
        InputError: Two files on the disk could be the one that is meant.
    """
    found = Listing(records.folder)
    files = [found.find(file) for file in records.files]
    there = np.array([file is not None for file in files], np.bool_)
    lost = [records.names[row] for row in np.flatnonzero(~there).tolist()]
    if lost and (not skip_missing or len(lost) == len(files)):
        raise MissingFileError(
            f"an image below {records.folder} for each of the {len(files)} rows of {label_file}",
            f"{len(files) - len(lost)} of them; not there: {quote_some(lost)}",
            "unpack or get the images again"
            + ("" if skip_missing else ", or pass --skip-missing to leave those rows out and have them listed"),
        )
    records = replace(records, files=tuple(file if file is not None else "" for file in files))
    return (records.take(there) if lost else records), tuple(lost)


def face_set(
    name: str,
    split: str,
    records: Records,
    opening: Opening,
    *,
    usual_crop: str,
    version: int,
    skipped: Sequence[str] = (),
    optional: Collection[str] = (),
    variant: Mapping[str, str] | None = None,
) -> FaceSet:
    """Makes a `FaceSet` of records whose files were found.

    Args:
        name: The dataset.
        split: The split they are.
        records: See `locate`.
        opening: What the user asked for.
        usual_crop: The crop where the user names none.
        version: Of the reader; goes up when the same files give other images or labels.
        skipped: Names of rows left out.
        optional: Columns that only some copies have; they stay out of the digest.
        variant: What tells these images from others that have the same names and labels, such as another alignment;
            goes into digest and provenance.

    Raises:
        InputError: There is no image, a name comes twice, or the crop needs boxes that are not known.
        UnknownNameError: The crop is not known.
    """
    crop = opening.crop or usual_crop
    cut = crop_box(crop)
    check_size(opening.size)
    if len(records) == 0:
        raise InputError(f"images of the {split} split of {name}", "none", "choose another split, or check the files")
    if len(set(records.names)) < len(records):
        raise InputError(f"each image of {name} once", "a name that comes twice", "remove duplicate rows")
    if isinstance(cut, Around) and records.boxes is None:
        raise InputError(f"face boxes, for the crop {crop}", f"{name} has none here", "choose the crop square or none")
    made: dict[str, str | int | float] = {"reader_version": version, "crop": crop, "filter": FILTER, **(variant or {})}
    if isinstance(cut, Crop):
        made |= {"crop_top": cut.top, "crop_left": cut.left, "crop_size": cut.size}
    boxes = records.boxes if isinstance(cut, Around) or records.boxed else None
    return FaceSet(
        name=name,
        split=split,
        size=opening.size,
        names=records.names,
        digest=_digest(name, split, records, opening.size, made, optional, boxes if isinstance(cut, Around) else None),
        read=partial(_read, records.folder, records.files, records.packed, boxes, crop, opening.size),
        attributes=records.attributes,
        identities=records.identities,
        people=records.people,
        pose=records.pose,
        expression=records.expression,
        valence_arousal=records.valence_arousal,
        landmarks=_move(records.landmarks, records, cut, opening.size),
        landmarks68=_move(records.landmarks68, records, cut, opening.size),
        boxes=records.boxes,
        clips=records.clips,
        skipped=tuple(skipped),
        provenance=made | {"decoder": f"Pillow {PIL.__version__}"} | ({"skipped": len(skipped)} if skipped else {}),
    )


def _read(
    folder: Path,
    files: tuple[str, ...],
    packed: Packed | None,
    boxes: NDArray[np.float32] | None,
    crop: str,
    size: int,
    indices: NDArray[np.int64],
) -> NDArray[np.uint8]:
    paths = [image_source(folder, files[index], packed, index) for index in indices.tolist()]
    return read_images(paths, crop=crop, size=size, boxes=None if boxes is None else boxes[indices])


def image_source(folder: Path, file: str, packed: Packed | None, row: int) -> Path | Blob:
    """Returns where the image of a row is to be read."""
    return folder / file if packed is None else packed.blob(row, file)


def _move(points: NDArray[np.float32] | None, records: Records, cut: Cut, size: int) -> NDArray[np.float32] | None:
    """Takes points from the stored image to the returned one, or returns None where its cut is not known beforehand.

    Scaling keeps the edges of pixels in place, not their centres.
    """
    squares = None if points is None else cut_squares(records, cut)
    if points is None or squares is None:
        return None
    corner, side = squares[:, None, :2], squares[:, None, 2:]
    moved: NDArray[np.float32] = ((points + 0.5 - corner) * (size / side) - 0.5).astype(np.float32)
    return moved


def cut_squares(records: Records, cut: Cut) -> NDArray[np.float32] | None:
    """Returns left, top and side of the square cut from each image, float32 (N, 3); None where it is not known."""
    if isinstance(cut, Around):
        return None if records.boxes is None else cut.squares(records.boxes).astype(np.float32)
    if isinstance(cut, Crop):
        left, top, side = cut.left, cut.top, cut.size
    elif records.image_size is not None:
        width, height = records.image_size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
    elif records.image_sizes is not None:
        sides = records.image_sizes.min(1, keepdims=True)
        return np.hstack([(records.image_sizes - sides) // 2, sides]).astype(np.float32)
    else:
        return None
    return np.broadcast_to(np.array([left, top, side], np.float32), (len(records), 3))


def _digest(
    name: str,
    split: str,
    records: Records,
    size: int,
    made: Mapping[str, str | int | float],
    optional: Collection[str],
    boxes: NDArray[np.float32] | None,
) -> str:
    """SHA-256 of names, labels, boxes and how images are made of the files; the same for every layout of a copy."""
    head = {"name": name, "split": split, "size": size, "attributes": list(records.attributes), **made}
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update("\n".join(records.names).encode())
    columns = [getattr(records, column) for column in COLUMNS if column not in optional]
    for values in (*records.attributes.values(), *columns):
        digest.update(b"absent" if values is None else np.ascontiguousarray(values).tobytes())
    if boxes is not None:
        digest.update(np.ascontiguousarray(boxes, np.float32).tobytes())
    return digest.hexdigest()


assert set(COLUMNS) < {entry.name for entry in fields(FaceSet)}
