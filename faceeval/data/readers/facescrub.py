# SPDX-License-Identifier: MIT
"""FaceScrub: two lists of addresses with a box for every face, and the images that could still be downloaded.

Ng, Winkler, "A data-driven approach to cleaning large face datasets", ICIP 2014. Nothing is downloaded here. Copies
hold the faces as downloaders cut them, the whole images, or the faces as MegaFace packed them. Every copy lacks other
images, so rows are kept by person and face_id, and `write_face_ids` stores which ones were used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.atomic import write_whole
from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.folder import image_names, quote_some, stem
from faceeval.data.images import Around, Square
from faceeval.data.labels.delimited import columns_of, read_rows, wrong
from faceeval.data.manifest import BLOCK, Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate, number_people
from faceeval.errors import InputError, MissingFileError

NAME = "facescrub"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS = ("all",)
TITLE = "FaceScrub"
FOLDERS = ("FaceScrub", "facescrub", "facescrub_data")
MALE = {"actors": 1, "actresses": 0}  # list -> Male
LIST = "facescrub_{kind}.txt"
COLUMNS = ("name", "image_id", "face_id", "url", "bbox", "sha256")
HEXADECIMAL = frozenset("0123456789abcdef")
Layout = Literal["faces", "images", "megaface"]
# layout -> where its folders of persons may lie, and what a file is called
PLACES: dict[Layout, tuple[str, ...]] = {
    "faces": ("{kind}/faces", "faces"),
    "images": ("{kind}/images", "images"),
    "megaface": ("{kind}", "."),
}
FILES: dict[Layout, str] = {
    "faces": "{person}_{image}_{face}.jpg",
    "images": "{person}_{image}.jpg",
    "megaface": "{person}_{face}.png",
}


@dataclass(frozen=True)
class FaceScrubFiles:
    """Where the parts of a copy lie: its folder, the list of each kind of people, and the layouts of images it has."""

    root: Path
    lists: Mapping[str, Path]
    layouts: tuple[Layout, ...]


@dataclass(frozen=True)
class Face:
    """A row of a list; ``box`` is left, top, width and height in pixels of the whole image."""

    kind: str
    name: str
    image: int
    face: int
    box: tuple[int, int, int, int]
    sha256: str

    @property
    def person(self) -> str:
        """The name as files have it."""
        return self.name.replace(" ", "_")


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens the set, which has no splits; images are read when they are asked for.

    Cropped faces are used where they are there. Of whole images, ``square`` cuts the square in the middle of the box,
    as it does of a cropped face; ``box`` and ``box1.3`` show what is around it, and need whole images.

    Args:
        root: Folder of the copy, or the folder above it.
        split: ``"all"``.
        opening: Size, crop and so on. Hardly any copy is whole; ``skip_missing`` leaves out what is not there.

    Returns:
        The faces, named ``NAME/NAME_<face_id>`` in every layout, with identities and Male, which is the list somebody
        is in.

    Raises:
        MissingFileError: The folder, a list or an image is not there.
        InputError: The files are damaged or contradict each other, or the crop is none for these images.
        UnknownNameError: The split or the crop is not known.
    """
    cut = opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    layout = "images" if isinstance(cut, Around) and "images" in files.layouts else files.layouts[0]
    if layout == "images" and not isinstance(cut, Around | Square):
        got = f"{opening.crop}, of which nobody knows whom it shows"
        raise InputError("a crop in or around the box, as only whole images are here", got, "choose square or box")
    records, skipped = read_records(files, layout, skip_missing=opening.skip_missing)
    return face_set(NAME, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION, skipped=skipped)


def face_ids(faces: FaceSet) -> NDArray[np.int64]:
    """Returns the face_id of each face, (N,); unique for a person only."""
    return np.array([int(name.rpartition("_")[2]) for name in faces.names], np.int64)


def write_face_ids(faces: FaceSet, path: Path) -> None:
    """Writes which faces were used: a table of name and face_id, as every copy lacks others.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [name.rpartition("/")[2].rpartition("_")[::2] for name in faces.names]
    write_whole(path, "".join(f"{one}\t{two}\n" for one, two in [("name", "face_id"), *rows]).encode())


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest (see `faceeval.data.check.check_copy`) and whole images against their sums."""
    files = find_files(root)
    found: dict[str, Records] = {}

    def read() -> dict[str, Records]:
        found["all"] = read_records(files, files.layouts[0])[0]
        return found

    lists = {path.name: path for path in files.lists.values()}
    findings = check_copy(manifest, lists, read, progress)
    return findings + (list(_check_sums(files)) if found and "images" in files.layouts else [])


def find_files(root: Path | str) -> FaceScrubFiles:
    """Finds the parts of a copy in ``root`` or in a folder of it that has a usual name: both lists, and folders of
    persons in ``faces``, in ``images`` or beside the lists; or in these below ``actors`` and ``actresses``.

    Raises:
        MissingFileError: A list or all images are not there.
    """
    lists = [LIST.format(kind=kind) for kind in MALE]
    home = find_copy_folder(root, TITLE, names=FOLDERS, holds=lists, archives=("*.zip", "*.tar*", "*.tgz"))
    for name in lists:
        if not (home / name).is_file():
            todo = "get it from where the other one came from; of a copy without such people, its first line will do"
            raise MissingFileError(f"{name} in {home}", "only the other list", todo)
    layouts = tuple(layout for layout in PLACES if any(_has_people(home / _place(home, kind, layout)) for kind in MALE))
    if not layouts:
        raise MissingFileError(
            f"folders of persons in {home / 'faces'}, {home / 'images'} or {home}",
            "no folder with images",
            "unpack the images; an address list alone shows nobody",
        )
    return FaceScrubFiles(home, {kind: home / LIST.format(kind=kind) for kind in MALE}, layouts)


def read_records(
    files: FaceScrubFiles, layout: Layout, *, skip_missing: bool = False
) -> tuple[Records, tuple[str, ...]]:
    """Finds the image of every row of both lists, and the names of those that are not there.

    Raises:
        MissingFileError: An image is not there.
        InputError: The lists are damaged, or there are images without a row.
    """
    rows = [face for kind, path in files.lists.items() for face in read_list(path, kind)]
    if not rows:
        raise wrong(next(iter(files.lists.values())), "at least one face in one of the lists", "none")
    identities, people = number_people([face.name for face in rows])
    records = Records(
        folder=files.root,
        files=tuple(_file(files.root, face, layout) for face in rows),
        names=tuple(f"{face.person}/{face.person}_{face.face}" for face in rows),
        attributes={"Male": np.array([MALE[face.kind] for face in rows], np.uint8)},
        identities=identities,
        people=people,
    )
    if layout == "images":
        records = replace(records, boxes=np.array([face.box for face in rows], np.float32), boxed=True)
    found, skipped = locate(
        records, " and ".join(path.name for path in files.lists.values()), skip_missing=skip_missing
    )
    extra = sorted(set(_images(files.root, layout)) - set(found.files))
    if extra:
        raise InputError(
            f"a row for each image in {files.root}",
            f"{len(rows)} rows; images without one: {quote_some(extra)}",
            "get the whole lists (they may be cut short), or take other images out of the folder",
        )
    return found, skipped


def read_list(path: Path, kind: str) -> Iterator[Face]:
    """Yields the rows of a list.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such list, or a face comes twice; the message names the line.
    """
    rows = read_rows(path, "\t")
    _, header = next(rows, (1, []))
    columns = columns_of(path, header, COLUMNS)
    seen: dict[tuple[str, int], int] = {}
    for line, fields in rows:
        if len(fields) != len(header):
            raise wrong(path, f"{len(header)} fields between tabs", f"{len(fields)} in line {line}")
        name, image, face, _, box, digest = (fields[column] for column in columns)
        corners = box.split(",")
        whole = image.isdecimal() and face.isdecimal() and all(one.removeprefix("-").isdecimal() for one in corners)
        if not whole or len(corners) != 4 or not name or set(name) & set("/\\") or name[0] == ".":
            expected = "name, image_id, face_id, url, x1,y1,x2,y2 and sha256"
            raise wrong(path, expected, f"line {line}: {' '.join(fields)[:120]!r}")
        left, top, right, bottom = (int(one) for one in corners)
        if right <= left or bottom <= top:
            raise wrong(path, "a box from its upper left to its lower right corner", f"{box} in line {line}")
        if len(digest) != 64 or not set(digest.lower()) <= HEXADECIMAL:
            raise wrong(path, "64 hexadecimal digits of a SHA-256 sum", f"{digest!r} in line {line}")
        other = seen.setdefault((name, int(face)), line)
        if other != line:
            raise wrong(path, "each face once", f"face {face} of {name} in lines {other} and {line}")
        yield Face(kind, name, int(image), int(face), (left, top, right - left, bottom - top), digest.lower())


def _place(home: Path, kind: str, layout: Layout) -> str:
    """Returns the folder below ``home`` in which the persons of a list have their folders."""
    *first, last = (place.format(kind=kind) for place in PLACES[layout])
    return next((place for place in first if (home / place).is_dir()), last)


def _has_people(folder: Path) -> bool:
    return folder.is_dir() and next(folder.glob("*/*_[0-9]*.*"), None) is not None


def _file(home: Path, face: Face, layout: Layout) -> str:
    """Returns the path of a face's image; some systems drop the dot at the end of a folder's name ("Jr.")."""
    place = _place(home, face.kind, layout)
    folder = face.person
    if folder.endswith(".") and not (home / place / folder).is_dir():
        folder = folder.rstrip(".")
    file = FILES[layout].format(person=face.person, image=face.image, face=face.face)
    return f"{place}/{folder}/{file}" if place != "." else f"{folder}/{file}"


def _images(home: Path, layout: Layout) -> Iterator[str]:
    """Yields the images that are called after the person whose folder they are in."""
    for place in dict.fromkeys(_place(home, kind, layout) for kind in MALE):
        for folder in sorted(entry.name for entry in (home / place).iterdir() if entry.is_dir()):
            for name in image_names(home / place / folder):
                if name.startswith(folder) and stem(name).rpartition("_")[2].isdecimal():
                    yield f"{place}/{folder}/{name}" if place != "." else f"{folder}/{name}"


def _check_sums(files: FaceScrubFiles) -> Iterator[Finding]:
    """Compares whole images with the sums in the lists: what is behind an old address is often another picture."""
    rows = {
        f"{face.person}/{face.person}_{face.face}": face for kind in MALE for face in read_list(files.lists[kind], kind)
    }
    records, _ = read_records(files, "images", skip_missing=True)
    other = []
    for name, file in zip(records.names, records.files, strict=True):
        digest = hashlib.sha256()
        with open(files.root / file, "rb") as image:
            while block := image.read(BLOCK):
                digest.update(block)
        if digest.hexdigest() != rows[name].sha256:
            other.append(name)
    if other:
        yield Finding("note", "images", f"other files than those published, by their SHA-256: {quote_some(other)}")
