# SPDX-License-Identifier: MIT
"""Writes small Hugging Face datasets in every form they lie on disks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

import datasets

COUNT = 12
FORMS = (
    "saved",
    "parquet",
    "arrow",
    "memory:saved",
    "memory:parquet",
    "memory:arrow",
    "stream:saved",
    "stream:parquet",
)


def png(index: int, width: int = 36, height: int = 44) -> bytes:
    """An image that differs from others."""
    pixels = np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def table(first: int = 0, count: int = COUNT, **columns: tuple[Any, list[Any]]) -> datasets.Dataset:
    """A dataset of images and whatever columns: name = (feature, values)."""
    features = {"image": datasets.Image(), **{name: feature for name, (feature, _) in columns.items()}}
    values = {"image": [{"bytes": png(first + row), "path": None} for row in range(count)]}
    values |= {name: held for name, (_, held) in columns.items()}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def faces(first: int = 0, count: int = COUNT) -> datasets.Dataset:
    """A dataset with two attributes, people and an integer of unknown meaning."""
    rows = range(first, first + count)
    return table(
        first,
        count,
        Smiling=(datasets.Value("bool"), [row % 2 == 0 for row in rows]),
        Young=(datasets.Value("int8"), [1 if row % 3 else -1 for row in rows]),
        identity=(datasets.Value("int32"), [row // 2 for row in rows]),
        quality=(datasets.Value("int64"), [1] * count),
    )


def write(folder: Path, form: str, splits: Mapping[str, datasets.Dataset]) -> str:
    """Writes splits in one of FORMS; returns what stands after ``hf:``."""
    mode, _, kind = form.rpartition(":")
    place = folder / form.replace(":", "-") / "people"
    place.mkdir(parents=True)
    if kind == "saved":
        datasets.DatasetDict(splits).save_to_disk(str(place))
    for name, data in splits.items() if kind != "saved" else ():
        for shard in range(2):
            part, stem = data.shard(2, shard, contiguous=True), place / "data" / f"{name}-{shard:05d}-of-00002"
            stem.parent.mkdir(exist_ok=True)
            arrow = part.with_format("arrow")[:]
            if kind == "parquet":
                parquet.write_table(arrow, f"{stem}.parquet", row_group_size=4)
                continue
            with pa.OSFile(f"{stem}.arrow", "wb") as sink, pa.ipc.new_stream(sink, arrow.schema) as writer:
                writer.write_table(arrow)
    return f"{mode}:{place}" if mode else str(place)
