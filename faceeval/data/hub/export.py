# SPDX-License-Identifier: MIT
"""Writes faces as a Hugging Face dataset: Parquet files with typed columns and a card, ready to push."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.atomic import new_folder
from faceeval.data.faces import FaceSet
from faceeval.data.hub.sources import require_datasets
from faceeval.data.hub.typed_columns import typed_columns
from faceeval.data.opening import Progress
from faceeval.errors import InputError

ROW_GROUP = 100  # images that a viewer of the hub has to fetch to show one
FILE_BYTES = 1 << 29  # of pixels in a file; as PNG they take about half
ABOUT = """Written by `faceeval data export`; `faceeval data show hf:FOLDER` and `datasets.load_dataset` read it.

Booleans are attributes under CelebA's names. Expressions are AffectNet's eight classes, valence and arousal are in
[-1, 1], pose is yaw, pitch and roll in degrees, landmarks are (x, y) in pixels."""
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")  # as the hub's cards put it


def write_hub(faces_by_split: Mapping[str, FaceSet], folder: Path, progress: Progress | None = None) -> None:
    """Writes a folder that ``datasets.load_dataset`` opens and ``huggingface_hub`` uploads as it is.

    Images are PNG, so that no pixel is lost. Splits called ``"all"`` are written as ``train``, as the hub does.

    Args:
        faces_by_split: Split -> its faces; all know the same about their images.
        folder: A new or empty folder.
        progress: Called with (done, total) images.

    Raises:
        MissingFileError: The package `datasets` is not installed.
        InputError: There are no faces, or splits know different things.
        OutputError: The folder holds something, cannot be written, or the disk is full.
    """
    require_datasets()
    people = sorted({person for faces in faces_by_split.values() for person in faces.people})
    features = _shared_features(faces_by_split, people)
    total, done = sum(map(len, faces_by_split.values())), 0
    with new_folder(folder) as place:
        (place / "data").mkdir()
        for split, faces in faces_by_split.items():
            _write_split(place / "data", _called(split), faces, features, people, _shifted(progress, done, total))
            done += len(faces)
        (place / "README.md").write_text(_card(faces_by_split, total), encoding="utf-8")


def _called(split: str) -> str:
    return "train" if split == "all" else split


def _shifted(progress: Progress | None, done: int, total: int) -> Progress:
    def advance(inside: int, _: int) -> None:
        if progress:
            progress(done + inside, total)

    return advance


def _shared_features(faces_by_split: Mapping[str, FaceSet], people: Sequence[str]) -> Any:
    from datasets import Features
    from datasets import Image as ImageFeature

    found = [
        Features({"image": ImageFeature()} | {name: c.feature for name, c in typed_columns(faces, people).items()})
        for faces in faces_by_split.values()
    ]
    if not found:
        raise InputError("faces to write", "no split", "name a split that has some")
    if any(features != found[0] for features in found):
        got = "; ".join(f"{split}: {', '.join(one)}" for split, one in zip(faces_by_split, found, strict=True))
        raise InputError("splits that know the same about their images", got, "write each into a folder of its own")
    return found[0]


def _write_split(
    folder: Path, split: str, faces: FaceSet, features: Any, people: Sequence[str], progress: Progress
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns, schema = typed_columns(faces, people), features.arrow_schema
    per_file = ROW_GROUP * max(1, FILE_BYTES // (ROW_GROUP * 3 * faces.size**2))
    files = math.ceil(len(faces) / per_file)
    for number in range(files):
        end = min((number + 1) * per_file, len(faces))
        path = folder / f"{split}-{number:05d}-of-{files:05d}.parquet"
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(number * per_file, end, ROW_GROUP):
                stop = min(start + ROW_GROUP, end)
                images = faces.read(np.arange(start, stop, dtype=np.int64))
                named = zip(images, faces.names[start:stop], strict=True)
                rows = {"image": [{"bytes": _png(image), "path": f"{name}.png"} for image, name in named]}
                rows |= {name: column.part(start, stop) for name, column in columns.items()}
                writer.write_table(pa.Table.from_pydict(rows, schema=schema), row_group_size=ROW_GROUP)
                progress(stop, len(faces))


def _png(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(stream, "PNG")
    return stream.getvalue()


def _card(faces_by_split: Mapping[str, FaceSet], total: int) -> str:
    """Returns the README: what the hub reads at its top, and for people what the manifest says."""
    from faceeval.data.manifest import load_manifest
    from faceeval.data.table import part_name

    first = next(iter(faces_by_split.values()))
    manifest = load_manifest(part_name(first.name)[0])
    splits = {_called(split): faces for split, faces in faces_by_split.items()}
    files = [f"  - split: {split}\n    path: data/{split}-*" for split in splits]
    made_up = manifest.name == "procfaces"  # what it renders is free of rights; other sets have terms of their own
    number = SIZES[min(max(0, len(str(total)) - 3), len(SIZES) - 1)]
    head = [
        f"license: {'cc0-1.0' if made_up else 'other'}",
        f"pretty_name: {first.name}, {first.size} pixels",
        f"size_categories:\n- {number}",
        "task_categories:\n- image-to-image\n- image-classification",
        "tags:\n- faces" + ("\n- synthetic" if made_up else ""),
        "configs:\n- config_name: default\n  data_files:\n" + "\n".join(files),
    ]
    lines = [
        *("---", *head, "---", "", f"# {first.name}, {first.size} pixels", ""),
        *(f"{manifest.title}. Shown: {manifest.subjects}. Terms: {manifest.licence}.", ""),
        *("| split | images | digest |", "| --- | ---: | --- |"),
        *(f"| {split} | {len(faces):,} | `{faces.digest}` |" for split, faces in splits.items()),
        *("", ABOUT, "", f"Citation: {manifest.citation}", ""),
    ]
    return "\n".join(lines)
