# SPDX-License-Identifier: MIT
"""Labeled Faces in the Wild: a folder of images for each person, and the lists of Views 1 and 2.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts, Amherst, 2007. The same
photographs come in four alignments, see `VARIANTS`. An image is the file that its name says: code that takes the n-th
file of a sorted folder is led astray by any file too many or too few.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from faceeval.data.check import check_copy
from faceeval.data.faces import FaceSet
from faceeval.data.folder import image_names, quote_some, stem
from faceeval.data.labels.pairs import FacePairs, image_name, read_pairs, read_people
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, locate, number_people
from faceeval.errors import InputError, MissingFileError, unknown_name

NAME = "lfw"
DEFAULT_CROP = "none"
IMAGE_SIZE = (250, 250)
READER_VERSION = 1  # goes up when the same files give other images or labels
# split -> its list of people and its list of pairs: View 2 is everybody, View 1 has a part to train and one to test
LISTS: dict[str, tuple[str, str]] = {
    "all": ("people.txt", "pairs.txt"),
    "train": ("peopleDevTrain.txt", "pairsDevTrain.txt"),
    "test": ("peopleDevTest.txt", "pairsDevTest.txt"),
}
# alignment -> usual names of its folder
VARIANTS: dict[str, tuple[str, ...]] = {
    "original": ("lfw",),
    "funneled": ("lfw_funneled", "lfw-funneled"),
    "deepfunneled": ("lfw-deepfunneled", "lfw_deepfunneled"),
    "aligned": ("lfw2", "lfwa"),
}
COPY_FOLDERS = ("", "lfw", "lfw-py", "lfw_home")  # the middle one is torchvision's, the last scikit-learn's
ARCHIVES = ("lfw*.tgz", "lfw*.tar*", "lfw*.zip")
LOOK = 1000  # entries of a folder looked at to see whether it holds people


@dataclass(frozen=True)
class LfwFiles:
    """Where the parts of a copy lie.

    Attributes:
        variant: A key of VARIANTS, or ``"unknown"`` where the folder has another name.
        images: The folder that holds a folder for each person.
        lists: Name of each list that is there -> where.
    """

    variant: str
    images: Path
    lists: Mapping[str, Path] = field(default_factory=dict)


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens everybody, or one part of View 1; images are read when they are asked for.

    Args:
        root: Folder of the copy, the folder above it, or the folder that holds the people's folders itself.
        split: ``"all"``: everybody of ``people.txt``, or without that list of the folder. ``"train"`` or ``"test"``:
            the people of ``peopleDevTrain.txt`` or ``peopleDevTest.txt``.
        opening: Size, crop and so on; its variant is needed where the copy has several alignments.

    Returns:
        The faces by person and number. Names are ``NAME/NAME_0001.jpg`` whatever the suffix of the file, as lists of
        pairs have them, see `faceeval.data.labels.pairs.pair_rows`.

    Raises:
        MissingFileError: The folder, a list or an image is not there.
        InputError: There are images the list does not know, a list is damaged, or several alignments.
        UnknownNameError: The split, the crop or the alignment is not known.
    """
    opening.check(split, LISTS, DEFAULT_CROP)
    files = choose_variant(find_files(root), opening.variant)
    records, source = read_labels(files, split)
    found, skipped = locate(records, source, skip_missing=opening.skip_missing)
    return face_set(
        NAME,
        split,
        found,
        opening,
        usual_crop=DEFAULT_CROP,
        version=READER_VERSION,
        skipped=skipped,
        variant={"variant": files.variant},
    )


def splits(root: Path) -> list[str]:
    """Returns the splits whose lists are there; everybody needs none."""
    lists = [files.lists for files in find_files(root).values()]
    return [split for split, (people, _) in LISTS.items() if split == "all" or all(people in found for found in lists)]


def read_view(root: Path | str, split: str, variant: str = "") -> FacePairs:
    """Reads the list of pairs that goes with a split: View 2's ten folds for all, View 1's for train and test.

    Raises:
        MissingFileError: The copy or its list is not there.
        InputError: The list is damaged, or there are several alignments.
        UnknownNameError: The split or the alignment is not known.
    """
    if split not in LISTS:
        raise unknown_name("split", split, LISTS)
    return read_pairs(_list_of(choose_variant(find_files(root), variant), LISTS[split][1]))


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds each alignment of a copy against the manifest, see `faceeval.data.check.check_copy`, and its pairs."""
    variants = find_files(root)
    findings: list[Finding] = []
    for name, files in variants.items():
        listed = {entry.path: files.lists.get(entry.path) for entry in manifest.files if entry.role != "images"}
        found = check_copy(manifest, listed, partial(_read_splits, files), progress, any_one_size=True)
        findings += found if len(variants) == 1 else [replace(one, subject=f"{name}, {one.subject}") for one in found]
    return findings


def find_files(root: Path | str) -> dict[str, LfwFiles]:
    """Finds every alignment in a copy: in ``root``, in a folder in it of a usual name, or ``root`` itself.

    Lists may lie beside the folder of images, in it, or in the folder of the copy. No archive has to stay.

    Returns:
        Variant -> its files; at least one.

    Raises:
        MissingFileError: There is no such folder, or no images of people in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise MissingFileError(
            "the folder of a copy of LFW", f"{root} is not a folder", "check the path given as --root"
        )
    places = [root / name for name in COPY_FOLDERS]
    if _holds_people(root):
        called = {root.absolute().name, root.resolve().name}  # links have two names
        known = (variant for variant, names in VARIANTS.items() if called & set(names))
        variant = next(known, "unknown")
        return {variant: LfwFiles(variant, root, _find_lists([root.parent, root]))}
    found: dict[str, LfwFiles] = {}
    for variant, names in VARIANTS.items():
        nested = (place / name / inner for place in places for name in names for inner in (name, ""))
        images = next(filter(_holds_people, nested), None)
        if images is not None:
            found[variant] = LfwFiles(variant, images, _find_lists([images.parent, images, *places]))
    if found:
        return found
    packed = sorted(file for place in places for pattern in ARCHIVES for file in place.glob(pattern))
    raise MissingFileError(
        f"a folder such as {', '.join(names[0] for names in VARIANTS.values())} in {root}, with NAME/NAME_0001.jpg",
        f"only the archive {packed[0]}" if packed else "no such folder",
        "unpack the archive beside itself" if packed else "give the folder that holds it as --root",
    )


def choose_variant(found: Mapping[str, LfwFiles], variant: str = "") -> LfwFiles:
    """Returns the alignment that is meant.

    Raises:
        InputError: There are several and none is named.
        UnknownNameError: The one that is named is not there.
    """
    if not variant and len(found) == 1:
        return next(iter(found.values()))
    if variant not in found:
        if variant:
            raise unknown_name("alignment in this copy of LFW", variant, found)
        todo = f"name one, as in --data lfw:{next(iter(found))}"
        raise InputError("one alignment of LFW", f"{' and '.join(found)}", todo)
    return found[variant]


def read_labels(files: LfwFiles, split: str) -> tuple[Records, Path]:
    """Reads who is in a split and which images there are of each, and refuses images that nothing lists.

    Returns:
        The images by person and number, and where they are listed: a file, or without ``people.txt`` the folder.

    Raises:
        MissingFileError: The list of a part of View 1 is not there.
        InputError: The list is damaged, or the folder holds images it does not know.
    """
    path = files.lists.get("people.txt") if split == "all" else _list_of(files, LISTS[split][0])
    if path is None:
        rows = [(person, number) for person in _people(files.images) for number in _numbers(files.images / person)]
    else:
        listed = read_people(path)
        counts = dict(zip(listed.people, listed.images.tolist(), strict=True))
        if split == "all":
            _refuse_unlisted(path, files.images, [person for person in _people(files.images) if person not in counts])
        rows = []
        for person, count in sorted(counts.items()):
            extra = [number for number in _numbers(files.images / person) if number > count]
            _refuse_unlisted(path, files.images, [image_name(person, number) for number in extra])
            rows += [(person, number) for number in range(1, count + 1)]
    identities, people = number_people([person for person, _ in rows])
    names = tuple(image_name(person, number) for person, number in rows)
    records = Records(files.images, names, identities=identities, people=people, image_size=IMAGE_SIZE)
    return records, path or files.images


def _read_splits(files: LfwFiles) -> dict[str, Records]:
    """Reads and finds everything for `check_copy`, and holds the pairs against the images."""
    splits = {}
    for split, (people, pairs) in LISTS.items():
        if split == "all" or people in files.lists:
            splits[split], _ = locate(*read_labels(files, split))
        if pairs in files.lists:
            _check_pairs(read_pairs(files.lists[pairs]), splits["all"].names)
    return splits


def _check_pairs(pairs: FacePairs, names: Sequence[str]) -> None:
    """Refuses pairs of images that are not there, and people in two folds, one of which is trained on for the other."""
    absent = sorted({*pairs.first, *pairs.second} - set(names))
    if absent:
        got = f"{len(absent)} that are not: {quote_some(absent)}"
        raise InputError(f"images of the copy in {pairs.path}", got, "get the list and the images from the same copy")
    folds: dict[str, int] = {}
    for first, second, fold in zip(pairs.first, pairs.second, pairs.folds.tolist(), strict=True):
        for person in (first.partition("/")[0], second.partition("/")[0]):
            if folds.setdefault(person, fold) != fold:
                got = f"{person} in folds {folds[person] + 1} and {fold + 1}"
                raise InputError(f"everybody in one fold of {pairs.path}", got, "get the file again, or mend it")


def _holds_people(folder: Path) -> bool:
    """Says whether a folder holds folders with images named after them; looks at a few, for there are thousands."""
    if not folder.is_dir():
        return False
    inner = (entry for entry in islice(folder.iterdir(), LOOK) if entry.name[0] != "." and entry.is_dir())
    return any(_number(person.name, file) is not None for person in inner for file in image_names(person))


def _find_lists(places: Sequence[Path]) -> dict[str, Path]:
    """Returns each list in the first place that has it."""
    names = [name for pair in LISTS.values() for name in pair]
    found = {name: next((place / name for place in places if (place / name).is_file()), None) for name in names}
    return {name: path for name, path in found.items() if path is not None}


def _list_of(files: LfwFiles, name: str) -> Path:
    if name not in files.lists:
        got = f"no such file in {files.images} or {files.images.parent}"
        raise MissingFileError(f"the list {name}", got, "get it from LFW's owners and put it beside the images")
    return files.lists[name]


def _people(images: Path) -> list[str]:
    return sorted(entry.name for entry in images.iterdir() if entry.name[0] != "." and entry.is_dir())


def _numbers(folder: Path) -> list[int]:
    """Returns the sorted numbers of the images in a person's folder, and refuses images that have none."""
    if not folder.is_dir():
        return []
    numbers: dict[int, str] = {}
    for file in image_names(folder):
        number = _number(folder.name, file)
        if number is None:
            todo = "take it out, or name it so: it is no image of LFW"
            raise InputError(f"images named {folder.name}_0001.jpg and so on in {folder}", file, todo)
        if (other := numbers.setdefault(number, file)) != file:
            todo = "remove the one that is not meant"
            raise InputError(f"one image for each number in {folder}", f"both {other} and {file}", todo)
    return sorted(numbers)


def _number(person: str, file: str) -> int | None:
    match = re.fullmatch(r"_(\d{4})", stem(file)[len(person) :])
    return int(match[1]) if match and file.lower().startswith(person.lower()) else None


def _refuse_unlisted(path: Path, images: Path, extra: Sequence[str]) -> None:
    if extra:
        todo = "get the whole list (it may be cut short), or take out what it does not know"
        raise InputError(f"everything in {images} to be listed in {path}", f"not listed: {quote_some(extra)}", todo)
