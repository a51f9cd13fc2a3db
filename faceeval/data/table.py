# SPDX-License-Identifier: MIT
"""DATASETS: the names ``--data`` takes, and how each is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, MissingFileError, unknown_name

ROOT_VARIABLE = "FACEEVAL_DATA"
Progress = Callable[[int, int], None]


class Loader(Protocol):
    """Opens one split; a ``crop`` of None is the dataset's usual one."""

    def __call__(
        self, split: str, *, size: int, root: Path | None, crop: str | None, progress: Progress | None
    ) -> FaceSet:
        """Returns the faces of the split."""


@dataclass(frozen=True)
class DatasetRow:
    """One dataset.

    Attributes:
        title: One line for listings.
        load: Opens one split.
        needs_root: Whether the user has to bring the files.
    """

    title: str
    load: Loader
    needs_root: bool


def load_faces(
    name: str,
    split: str,
    *,
    size: int = 64,
    root: Path | str | None = None,
    crop: str | None = None,
    progress: Progress | None = None,
) -> FaceSet:
    """Opens one split of a dataset.

    Args:
        name: A key of DATASETS.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        size: Side of the images in pixels.
        root: Folder of the user's copy; None takes the environment variable FACEEVAL_DATA.
        crop: A preset of `faceeval.data.images.CROPS`, or ``"rendered"`` for procfaces, which cuts nothing; None takes
            the dataset's usual one.
        progress: Called with (done, total) while images are made, where they have to be made.

    Returns:
        The faces.

    Raises:
        UnknownNameError: The dataset, split or crop is not known.
        MissingFileError: The dataset has to be brought by the user and is not there.
        InputError: Its files are damaged or contradict each other, or it takes no root.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    row = DATASETS[name]
    if not row.needs_root and root is not None:
        raise InputError(f"no folder for {name}, which is made on this machine", f"root {root}", "leave out --root")
    folder = find_root(name, root) if row.needs_root else None
    return row.load(split, size=size, root=folder, crop=crop, progress=progress)


def find_root(name: str, root: Path | str | None) -> Path:
    """Returns the folder of the user's copy of a dataset: ``root``, else what FACEEVAL_DATA names.

    Raises:
        MissingFileError: Neither is given.
    """
    given = root or os.environ.get(ROOT_VARIABLE)
    if not given:
        raise MissingFileError(
            f"the folder of your copy of {name}",
            f"neither --root nor the environment variable {ROOT_VARIABLE}",
            f"get the data from its owners (datasets/{name}/README.md says how) and pass --root DIR; "
            "or use --data procfaces, which needs none",
        )
    return Path(given)


def _load_procfaces(
    split: str, *, size: int, root: Path | None, crop: str | None, progress: Progress | None
) -> FaceSet:
    from faceeval.data.procfaces.standard import load  # brings the renderer and its compiler

    if crop not in (None, "rendered"):
        raise unknown_name("crop of procfaces", crop, ["rendered"])
    return load(split, size=size, progress=progress)


def _load_celeba(split: str, *, size: int, root: Path | None, crop: str | None, progress: Progress | None) -> FaceSet:
    from faceeval.data.celeba import DEFAULT_CROP, load

    assert root is not None
    return load(root, split, size=size, crop=crop or DEFAULT_CROP)


DATASETS: dict[str, DatasetRow] = {
    "procfaces": DatasetRow("rendered heads with every factor known; nothing to download", _load_procfaces, False),
    "celeba": DatasetRow("CelebA, or any folder laid out like it; bring your own copy", _load_celeba, True),
}
