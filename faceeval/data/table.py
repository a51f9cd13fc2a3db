# SPDX-License-Identifier: MIT
"""DATASETS: the names ``--data`` takes, and how each is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from faceeval.data.faces import FaceSet
from faceeval.data.opening import Opening, Progress
from faceeval.errors import FaceevalError, InputError, MissingFileError, unknown_name

if TYPE_CHECKING:
    from faceeval.data.manifest import Finding, Manifest

ROOT_VARIABLE = "FACEEVAL_DATA"


@dataclass(frozen=True)
class DatasetRow:
    """One dataset.

    Attributes:
        title: One line for listings.
        reader: Its module, imported when it is needed; see `Reader`.
        needs_root: Whether the user has to bring the files.
        after_colon: What may follow the name and a colon: nothing, a ``"variant"`` that the reader is told as
            ``Opening.variant``, or the ``"root"``, which may then be something else than a folder.
        takes_columns: Whether the user says what the columns of the labels are called.
    """

    title: str
    reader: str
    needs_root: bool = True
    after_colon: Literal["", "variant", "root"] = ""
    takes_columns: bool = False


class Reader(Protocol):
    """What the module of a dataset defines; ``root`` is None where the user brings no files."""

    def find_files(self, root: Path) -> Any:
        """Says where the parts of a copy lie, without reading them; raises MissingFileError where there is none."""

    def load(self, root: Path | None, split: str, opening: Opening) -> FaceSet:
        """Opens one split."""

    def check(
        self, manifest: Manifest, root: Path | None, progress: Progress | None, **columns: Mapping[str, str]
    ) -> list[Finding]:
        """Holds the copy against the manifest; where its row takes columns, they come as ``columns=``."""


def reader_of(name: str) -> Reader:
    """Returns the reader of a dataset.

    Raises:
        UnknownNameError: No such dataset.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    return cast("Reader", import_module(DATASETS[name].reader))


def part_name(name: str) -> tuple[str, str]:
    """Parts what ``--data`` takes at its first colon.

    Returns:
        A key of DATASETS, and what follows it; often nothing.

    Raises:
        UnknownNameError: No such dataset.
        InputError: Nothing may follow the name of this one.

    Example:
        >>> part_name("hf:someone/faces"), part_name("celeba")
        (('hf', 'someone/faces'), ('celeba', ''))
    """
    base, _, rest = name.partition(":")
    if base not in DATASETS:
        raise unknown_name("dataset", base, DATASETS)
    if rest and not DATASETS[base].after_colon:
        raise InputError(f"{base} alone", name, f"write --data {base}")
    return base, rest


def load_faces(
    name: str,
    split: str,
    *,
    size: int = 64,
    root: Path | str | None = None,
    crop: str | None = None,
    skip_missing: bool = False,
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    from_copy: bool = True,
) -> FaceSet:
    """Opens one split of a dataset.

    Args:
        name: A key of DATASETS, for some with a colon and more; see `part_name`.
        split: ``"train"``, ``"validation"``, ``"test"``, or for sets without splits ``"all"``.
        size: Side of the images in pixels.
        root: Folder of the user's copy; None takes the environment variable FACEEVAL_DATA.
        crop: A preset of `faceeval.data.images.CROPS`, or ``"rendered"`` for procfaces, which cuts nothing; None takes
            the dataset's usual one.
        skip_missing: Leave out rows whose image is not there, and list them in ``FaceSet.skipped``.
        columns: For data without fixed column names: what a column holds -> its name; see `Opening`.
        progress: Called with (done, total) while images are made, where they have to be made.
        from_copy: Read images from the Arrow copy of this split, where `faceeval data build` has written one.

    Returns:
        The faces.

    Raises:
        UnknownNameError: The dataset, split or crop is not known.
        MissingFileError: The dataset has to be brought by the user and is not there.
        InputError: Its files are damaged or contradict each other, or it takes no root or no columns.
    """
    base, rest = part_name(name)
    refuse_columns(base, columns)
    variant = rest if DATASETS[base].after_colon == "variant" else ""
    opening = Opening(size, crop, skip_missing, columns or {}, progress, variant)
    faces = reader_of(base).load(root_of(name, root), split, opening)
    if not (from_copy and DATASETS[base].needs_root):
        return faces
    from faceeval.data.hub.arrow_copy import with_copy

    return with_copy(faces)


def refuse_columns(name: str, columns: Mapping[str, str] | None) -> None:
    """Refuses names of columns for a dataset whose files have columns of their own.

    Raises:
        InputError: Some are given, and its row takes none.
    """
    if columns and not DATASETS[name].takes_columns:
        got = ", ".join(f"{what}={column}" for what, column in columns.items())
        raise InputError(f"no names of columns for {name}, whose label files are known", got, "leave out --column")


def root_of(name: str, root: Path | str | None) -> Path | None:
    """Returns what the reader of a dataset is given as its root; None where it needs none.

    Raises:
        UnknownNameError: No such dataset.
        MissingFileError: The user has to name a folder and did not.
        InputError: The user names a folder where none is needed, or two.
    """
    base, rest = part_name(name)
    row = DATASETS[base]
    if row.after_colon == "root" and rest:
        if root is not None:
            raise InputError(f"one of --data {name} and --root", "both", "leave out --root")
        return Path(rest)
    if row.needs_root:
        return find_root(base, root)
    if root is not None:
        raise InputError(f"no folder for {base}, which is made on this machine", f"root {root}", "leave out --root")
    return None


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


def find_copy(name: str, root: Path | str | None = None) -> Path | None:
    """Returns the folder in which a copy of a dataset is found, or None; looks for files and reads none.

    Raises:
        UnknownNameError: No such dataset.
    """
    reader = reader_of(name)
    try:
        folder = find_root(name, root)
        reader.find_files(folder)
    except FaceevalError:
        return None
    return folder


DATASETS: dict[str, DatasetRow] = {
    "procfaces": DatasetRow(
        "rendered heads with every factor known; nothing to download",
        "faceeval.data.readers.procfaces",
        False,
        "variant",
    ),
    "folder": DatasetRow(
        "any folder of images, with a labels.csv or without", "faceeval.data.readers.folder", takes_columns=True
    ),
    "hf": DatasetRow(
        "any Hugging Face dataset of faces on this machine: hf:NAME_OR_PATH",
        "faceeval.data.readers.hf",
        after_colon="root",
        takes_columns=True,
    ),
    "celeba": DatasetRow("CelebA, or any folder laid out like it; bring your own copy", "faceeval.data.readers.celeba"),
    "lfw": DatasetRow(
        "Labeled Faces in the Wild, in any alignment, as lfw:funneled; bring your own copy",
        "faceeval.data.readers.lfw",
        after_colon="variant",
    ),
    "affectnet": DatasetRow(
        "AffectNet, 8 expressions with valence and arousal; bring your own copy", "faceeval.data.readers.affectnet"
    ),
    "voxceleb": DatasetRow(
        "frames of VoxCeleb1, by person and clip; bring your own copy", "faceeval.data.readers.voxceleb"
    ),
    "multipie": DatasetRow(
        "CMU Multi-PIE, every pose, light and expression; bring your own copy", "faceeval.data.readers.multipie"
    ),
    "pubfig": DatasetRow("PubFig's lists, and such of its images as you have", "faceeval.data.readers.pubfig"),
    "vggface2": DatasetRow(
        "VGGFace2, people across pose and age; bring your own copy", "faceeval.data.readers.vggface2"
    ),
    "facescrub": DatasetRow("FaceScrub's lists, and such of its faces as you have", "faceeval.data.readers.facescrub"),
    "casia": DatasetRow(
        "CASIA-WebFace, folders or insightface's records; bring your own copy", "faceeval.data.readers.casia"
    ),
    "msceleb": DatasetRow(
        "MS-Celeb-1M, folders, tables or records; bring your own copy", "faceeval.data.readers.msceleb"
    ),
}
