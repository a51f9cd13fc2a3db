# SPDX-License-Identifier: MIT
"""Hugging Face datasets that were saved to disk, as a source of images. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import decode
from faceeval.data.hub.sources import require_datasets
from faceeval.data.sources import ImageSource
from faceeval.errors import InputError


def open_dataset(path: Path, column: str | None = None, split: str | None = None) -> ImageSource:
    """Opens a dataset written by ``save_to_disk``, in the order of its rows.

    Args:
        path: Its folder.
        column: Its column of images; needed only where there are several.
        split: Its split; needed only where there are several.

    Returns:
        The source; its images are named by the number of their row.

    Raises:
        MissingFileError: The package `datasets` is not installed.
        InputError: It cannot be read, has no rows or no images, or leaves open which column or split is meant.
    """
    datasets = require_datasets()
    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:  # pyarrow, json and datasets each have errors of their own
        todo = "write it again with save_to_disk; one without rows cannot be read"
        raise InputError("a dataset saved to disk", f"{path}: {error}", todo) from error
    dataset = _choose_split(path, loaded, split)
    found = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.Image)]
    chosen = _choose_column(path, found, column)
    if len(dataset) == 0:
        raise InputError("a dataset with images", f"no rows in {path}", "save one that holds some")
    # undecoded: its own decoder would clip 16 bits, drop transparency, and ignore the orientation
    rows = dataset.select_columns([chosen]).cast_column(chosen, datasets.Image(decode=False))

    def read(index: int) -> NDArray[np.uint8]:
        return _read_cell(rows[index][chosen], f"{path}, row {index}, column {chosen}")

    return ImageSource(str(path), "dataset", tuple(f"{row:08d}" for row in range(len(dataset))), read)


def _choose_split(path: Path, loaded: Any, split: str | None) -> Any:
    if not isinstance(loaded, dict):
        if split is None:
            return loaded
        raise InputError("no --split for a dataset without splits", repr(split), f"leave it out: {path} has none")
    if split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    if split not in loaded:
        got = "no split" if split is None else repr(split)
        raise InputError(f"one of the splits of {path}: {', '.join(loaded)}", got, "name it with --split")
    return loaded[split]


def _choose_column(path: Path, found: list[str], column: str | None) -> str:
    if column is None and len(found) == 1:
        return found[0]
    if column in found:
        return str(column)
    if not found:
        todo = "cast the column to datasets.Image() and save it again"
        raise InputError("a dataset with a column of images", f"none in {path}", todo)
    got = "no column" if column is None else repr(column)
    raise InputError(f"one of the image columns of {path}: {', '.join(found)}", got, "name it with --column")


def _read_cell(cell: Any, name: str) -> NDArray[np.uint8]:
    if cell is None:
        raise InputError("an image in every row", f"none in {name}", "filter such rows out and save it again")
    if cell["bytes"] is not None:
        return decode(cell["bytes"], name)
    return decode(Path(cell["path"]), f"{name} ({cell['path']})")
