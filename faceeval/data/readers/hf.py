# SPDX-License-Identifier: MIT
"""Hugging Face datasets: ``--data hf:NAME_OR_PATH``. Nothing is downloaded.

See `faceeval.data.hub.sources` for what NAME_OR_PATH may be, and `faceeval.data.hub.labels` for what columns become.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from faceeval.data.faces import FaceSet
from faceeval.data.folder import quote_some
from faceeval.data.hub.images import AT_ONCE, HubImages
from faceeval.data.hub.labels import HubLabels, image_column, read_labels, wanted_columns
from faceeval.data.hub.sources import (
    ALIASES,
    SPLITS,
    HubPlace,
    choose_split,
    find_source,
    is_stream,
    open_splits,
    place_of,
)
from faceeval.data.images import Around, crop_box, image_dimensions
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set
from faceeval.errors import FaceevalError, InputError
from faceeval.names import CELEBA_ATTRIBUTES

NAME = "hf"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same data give other images or labels
# CelebA's images are numbered, which copies without file names keep: split -> first number, how many
CELEBA_NUMBERS: dict[str, tuple[int, int]] = {
    "train": (1, 162_770), "validation": (162_771, 19_867), "test": (182_638, 19_962),
}  # fmt: skip


def find_files(root: Path) -> HubPlace:
    """Says where a dataset is, without reading it.

    Raises:
        MissingFileError: There is no such folder, and no such name in the cache.
        InputError: It is something else.
    """
    place = place_of(root)
    find_source(place)
    return place


def splits(root: Path) -> list[str]:
    """Returns the splits of a dataset, by the names faceeval has for them; others are left out."""
    found = [ALIASES.get(name, name) for name in open_splits(place_of(root))]
    return [name for name in SPLITS if name in found]


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: What stands after ``hf:``; see `faceeval.data.hub.sources`.
        split: ``"train"``, ``"validation"``, ``"test"``, or ``"all"`` for a dataset without splits.
        opening: Size, crop, and what columns hold.

    Returns:
        The faces. Landmarks are moved with the crop. Images without names are called by the number of their row; those
        of a whole copy of CelebA as in its own files, so that rules choose the same images.

    Raises:
        MissingFileError: There is no such dataset on this machine.
        InputError: It cannot be read, a column holds what it must not, or it is open which column or split is meant.
        UnknownNameError: The split, the crop or a column is not known.
    """
    place = place_of(root)
    crop = opening.crop or DEFAULT_CROP
    cut = crop_box(crop)
    data = choose_split(place, open_splits(place), split, opening.columns)
    source = f"{place.where}, {split}"
    if data.features is None:
        todo = "open it without stream:, or save it with its features"
        raise InputError(f"the types of the columns of {source}", "a stream that does not tell them", todo)
    column = image_column(data.features, opening.columns, source)
    labels = read_labels(
        wanted_columns(data.features, opening.columns, source), lambda names: _fetch(data, names), source
    )
    count = _length(data, labels, column) if is_stream(data) else data.num_rows
    boxes = labels.parts.get("boxes") if isinstance(cut, Around) else None
    images = HubImages(data, column, source, crop, opening.size, boxes)
    names = labels.names or _names(labels, split, count)
    records = Records(folder=Path(place.where), files=names, attributes=labels.attributes, people=labels.people)
    parts: Mapping[str, Any] = labels.parts
    records = replace(records, **parts)
    if records.landmarks is not None or records.landmarks68 is not None:
        records = replace(records, image_sizes=images.sizes(count))
    faces = face_set(place.label, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION)
    return replace(faces, read=images)


def check(
    manifest: Manifest, root: Path, progress: Progress | None = None, *, columns: Mapping[str, str] | None = None
) -> list[Finding]:
    """Reads the labels of every split and the header of every image.

    Args:
        manifest: What is known of such datasets.
        root: What stands after ``hf:``.
        progress: Called with (done, total) images.
        columns: What columns hold.

    Returns:
        What reading fails on.
    """
    place, findings = place_of(root), list[Finding]()
    try:
        found = open_splits(place)
    except FaceevalError as error:
        return [Finding("error", place.where, f"expected {error.expected}; got {error.got}")]
    for name in found:
        split = ALIASES.get(name, name)
        if split not in SPLITS:
            findings.append(Finding("note", name, "a split that is read only by --column test=NAME and the like"))
            continue
        try:
            faces = load(root, split, Opening(columns=columns or {}))
            findings += _check_images(faces, name, progress)
        except FaceevalError as error:
            findings.append(Finding("error", name, f"expected {error.expected}; got {error.got}"))
    return findings


def _check_images(faces: FaceSet, name: str, progress: Progress | None) -> list[Finding]:
    bad = []
    assert isinstance(faces.read, HubImages)
    for start in range(0, len(faces), AT_ONCE):
        rows = list(range(start, min(start + AT_ONCE, len(faces))))
        for row, blob in zip(rows, faces.read.blobs(rows), strict=True):
            try:
                image_dimensions(blob)
            except FaceevalError:
                bad.append(faces.names[row])
        if progress:
            progress(rows[-1] + 1, len(faces))
    return [Finding("error", name, f"images that cannot be opened: {quote_some(bad)}")] if bad else []


def _fetch(data: Any, names: list[str]) -> Any:
    """Returns some columns of all rows as a ``pyarrow.Table``."""
    chosen = data.select_columns(names).with_format("arrow")
    if not is_stream(data):
        return chosen[:]
    import pyarrow as pa

    return pa.concat_tables(list(chosen.iter(batch_size=1000)))


def _length(data: Any, labels: HubLabels, column: str) -> int:
    """Returns the number of rows of a stream: that of its labels, or by reading it once where it has none."""
    for values in (labels.names, *labels.attributes.values(), *labels.parts.values()):
        if values is not None:
            return len(values)
    return sum(len(part[column]) for part in data.select_columns([column]).with_format("arrow").iter(batch_size=100))


def _names(labels: HubLabels, split: str, count: int) -> tuple[str, ...]:
    """Names images by their row, or as CelebA does where this is a whole split of it."""
    first, wanted = CELEBA_NUMBERS.get(split, (0, -1))
    if count == wanted and set(CELEBA_ATTRIBUTES) <= set(labels.attributes):
        return tuple(f"{number:06d}.jpg" for number in range(first, first + count))
    return tuple(f"{row:08d}" for row in range(count))
