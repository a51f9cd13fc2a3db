# SPDX-License-Identifier: MIT
"""Manifests: what a dataset is, who may use it, which files a copy has to hold; and the check of a copy against them.

They are JSON files, ``datasets/<name>/manifest.json`` of the checkout, which a wheel carries beside the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import faceeval
from faceeval.data.opening import Progress
from faceeval.data.table import DATASETS, part_name, reader_of, refuse_columns, root_of
from faceeval.errors import InputError, MissingFileError, unknown_name

BLOCK = 1 << 20  # bytes read at once for a checksum
Split = Literal["train", "validation", "test", "all"]
Role = Literal[
    "images", "attributes", "partition", "identities", "landmarks", "boxes", "pairs", "expressions", "list", "other"
]


class FileEntry(BaseModel):
    """One file of the published dataset.

    Attributes:
        path: Path in the published layout.
        role: What it is for.
        required: Whether faceeval reads nothing without it.
        bytes: Published size.
        md5: Published checksum, lower-case hexadecimal.
        rows: Lines that hold data.
        columns: What stands in a row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    role: Role
    required: bool
    bytes: int | None = Field(default=None, gt=0)
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    rows: int | None = Field(default=None, gt=0)
    columns: str = ""


class Manifest(BaseModel):
    """One dataset.

    Attributes:
        name: Name on the command line; that of its folder.
        version: Version of the data as published, or of the rules that make it.
        title: One line for listings.
        subjects: Who is shown.
        licence: Terms, in a few words.
        access: How to get it.
        homepage: Page of its owners; empty where it has none.
        citation: What to cite.
        image_size: Width and height of the stored images; None where they are made in any size.
        image_format: Format of the stored images.
        splits: Images in each split; 0 where nobody published how many.
        identities: People in all splits together; None where that is the user's to know.
        identity_disjoint: Whether nobody is in two splits.
        attributes: Labels every image has, in the published order.
        layout: Where files may lie below the folder the user names, one line for each way.
        files: Files of the published dataset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z0-9_-]+$")
    version: str
    title: str
    subjects: str
    licence: str
    access: str
    homepage: str = ""
    citation: str
    image_size: tuple[int, int] | None
    image_format: str
    splits: dict[Split, int]
    identities: int | None = Field(gt=0)
    identity_disjoint: bool
    attributes: tuple[str, ...]
    layout: tuple[str, ...]
    files: tuple[FileEntry, ...]

    def count(self, split: str) -> int | None:
        """Returns the published number of images of a split; None where there is no such split or no such number."""
        return next((count for name, count in self.splits.items() if name == split and count), None)


@dataclass(frozen=True)
class Finding:
    """Something that is not as the manifest says.

    Attributes:
        level: ``"error"``: reading fails or gives wrong data. ``"note"``: it reads, but is not the published data.
        subject: The file or column.
        message: What is wrong with it.
    """

    level: Literal["error", "note"]
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.subject}: {self.message}"


def manifests_folder() -> Path:
    """Returns the folder of the manifests: inside the installed package, else the checkout's ``datasets``.

    Raises:
        MissingFileError: There is neither.
    """
    package = Path(faceeval.__file__).resolve().parent
    for folder in (package / "_manifests", package.parent / "datasets"):
        # beside an installed package, a folder `datasets` is another project's
        if any(folder.glob("*/manifest.json")):
            return folder
    raise MissingFileError(
        f"manifests in {package / '_manifests'} or {package.parent / 'datasets'}",
        "neither folder has any",
        "install faceeval again, or run it from a whole checkout",
    )


def manifest_names() -> list[str]:
    """Returns the sorted names of all datasets that have a manifest."""
    return sorted(path.parent.name for path in manifests_folder().glob("*/manifest.json"))


def load_manifest(name: str) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        UnknownNameError: No dataset of that name has one.
        InputError: The file breaks the schema; the message names the field.
    """
    if name not in manifest_names():
        raise unknown_name("dataset", name, manifest_names())
    path = manifests_folder() / name / "manifest.json"
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise InputError(
            f"a manifest as docs/add-a-dataset.md describes, in {path}", f"{where}: {first['msg']}", "mend the file"
        ) from error
    if manifest.name != name:
        raise InputError(f"the name {name!r} in {path}", repr(manifest.name), "name the folder as the dataset")
    return manifest


def verify(
    name: str,
    root: Path | str | None = None,
    progress: Progress | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Holds a copy of a dataset against its manifest: files, checksums, headers, names, counts, every image's header.

    Of procfaces, which has no copies, it checks what has been rendered into the cache.

    Args:
        name: Dataset.
        root: Folder of the copy, as in `faceeval.data.table.load_faces`.
        progress: Called with (done, total) steps.
        columns: As in `faceeval.data.table.load_faces`.

    Returns:
        What is not as the manifest says; empty where all is.

    Raises:
        UnknownNameError: No such dataset.
        MissingFileError: No folder is given, or it does not exist.
        InputError: A folder is given where none is needed, or columns where none are taken.
    """
    base, _ = part_name(name)
    refuse_columns(base, columns)
    options = {"columns": columns or {}} if DATASETS[base].takes_columns else {}
    return reader_of(base).check(load_manifest(base), root_of(name, root), progress, **options)


def checksum(path: Path) -> str:
    """Returns the MD5 of a file as lower-case hexadecimal; the published sums are of that kind."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
