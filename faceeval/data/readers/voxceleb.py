# SPDX-License-Identifier: MIT
"""Frames of VoxCeleb1: ``unzippedFaces/<person>/1.6/<clip>/<frame>.jpg``, one a second, and ``vox1_meta.csv``.

Nagrani, Chung, Zisserman, "VoxCeleb: A Large-Scale Speaker Identification Dataset", Interspeech 2017. Nothing is
downloaded. Folders of faces are called after VGGFace's names, those of the audio after VoxCeleb's numbers; the table
joins them. Its dev part is the split ``train``. Some names end in a dot, which folders of some copies lack: names of
people and images are without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.faces import FaceSet
from faceeval.data.folder import by_stem, image_names, quote_some
from faceeval.data.labels.delimited import columns_of, read_rows, wrong
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set, number_people
from faceeval.errors import InputError, MissingFileError

NAME = "voxceleb"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
SPLITS: dict[str, str] = {"train": "dev", "test": "test"}  # what the column Set calls them
FOLDERS = ("VoxCeleb1", "VoxCeleb", "voxceleb1", "voxceleb")
FRAMES = "unzippedFaces"
SPEAKERS = "vox1_meta.csv"
SCALE = "1.6"  # the folder between person and clips: how much wider than the face the frames were cut
COLUMNS = ("VGGFace1 ID", "Gender", "Set")  # of the table; it has the audio's number and a nationality as well
GENDERS = {"f": 0, "m": 1}


@dataclass(frozen=True)
class VoxCelebFiles:
    """Where the parts of a copy lie: the folder of all people, and the table of speakers."""

    frames: Path
    speakers: Path


@dataclass(frozen=True)
class Speaker:
    """One person.

    Attributes:
        name: VGGFace's name, without dots at its end.
        male: 1 where the table says ``m``, 0 where it says ``f``.
        part: ``"dev"`` or ``"test"``.
    """

    name: str
    male: int
    part: str


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens one split; images are read when they are asked for.

    Args:
        root: Folder of the copy, or the folder above its ``VoxCeleb1``.
        split: ``"train"``, VoxCeleb's dev part, or ``"test"``.
        opening: Size, crop and so on. ``skip_missing`` leaves out people without a folder and clips without frames.

    Returns:
        The frames, by person, clip and time, with the number of person and clip.

    Raises:
        MissingFileError: The folder, the table, or the frames of a person or clip are not there.
        InputError: The files contradict each other or hold what they must not.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, SPLITS, DEFAULT_CROP)
    files = find_files(root)
    records, skipped = list_frames(files, split, skip_missing=opening.skip_missing)
    return face_set(NAME, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION, skipped=skipped)


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    files = find_files(root)

    def read() -> dict[str, Records]:
        return {split: list_frames(files, split)[0] for split in SPLITS}

    return check_copy(manifest, {SPEAKERS: files.speakers}, read, progress)


def find_files(root: Path | str) -> VoxCelebFiles:
    """Finds the parts of a copy.

    Raises:
        MissingFileError: The folder, the frames or the table are not there.
    """
    base = find_copy_folder(
        root, "VoxCeleb's frames", names=FOLDERS, holds=(FRAMES,), archives=("*nzippedFaces*.*", "*ippedFaces*.*")
    )
    frames = base / FRAMES
    if not frames.is_dir():
        raise MissingFileError("a folder of people", f"{frames} is a file", "unpack the archive beside itself")
    speakers = next((path for folder in (base, base / "meta", frames) if (path := folder / SPEAKERS).is_file()), None)
    if speakers is None:
        raise MissingFileError(
            f"{SPEAKERS} in {base}", "no such file", f"get it from VoxCeleb's page, and put it beside {FRAMES}"
        )
    return VoxCelebFiles(frames, speakers)


def read_speakers(path: Path) -> list[Speaker]:
    """Reads the table of speakers, which is separated by tabs despite its name.

    Raises:
        MissingFileError: There is no such file.
        InputError: A column is not there, a line is short, a person comes twice, or a value is not one of its column.
    """
    rows = read_rows(path, "\t")
    _, header = next(rows, (0, []))
    places = columns_of(path, header, COLUMNS)
    found: dict[str, Speaker] = {}
    for number, fields in rows:
        if len(fields) != len(header):
            raise wrong(path, f"{len(header)} fields between tabs", f"{len(fields)} in line {number}")
        name, gender, part = (fields[place] for place in places)
        name = name.rstrip(".")
        if not name or name[0] == "." or set(name) & set("/\\"):
            raise wrong(path, "a person's name", f"{name!r} in line {number}")
        if gender not in GENDERS or part not in SPLITS.values():
            raise wrong(path, "the gender f or m and the set dev or test", f"{gender!r}, {part!r} in line {number}")
        if name in found:
            raise wrong(path, "each person once, whatever dots their names end in", f"{name} again in line {number}")
        found[name] = Speaker(name, GENDERS[gender], part)
    return list(found.values())


@dataclass(frozen=True)
class _Clip:
    """One clip: whose, its folder on this disk and in any copy, and its frames in order of time, stem -> file."""

    speaker: Speaker
    folder: str
    name: str
    frames: dict[str, str]


def list_frames(files: VoxCelebFiles, split: str, *, skip_missing: bool = False) -> tuple[Records, tuple[str, ...]]:
    """Lists the frames of one split.

    Args:
        files: See `find_files`.
        split: A key of SPLITS.
        skip_missing: Leave out people and clips without frames instead of stopping.

    Returns:
        The frames, and the people and clips that were left out.

    Raises:
        MissingFileError: People or clips have no frames (all of them, with ``skip_missing``).
        InputError: A folder belongs to nobody in the table, two to one person, or a frame is there twice.
    """
    speakers = read_speakers(files.speakers)
    folders = _folders(files, {speaker.name for speaker in speakers})
    wanted = sorted((speaker for speaker in speakers if speaker.part == SPLITS[split]), key=lambda one: one.name)
    if not wanted:
        got = f"nobody in {files.speakers}"
        raise InputError(f"people of the {split} split (set {SPLITS[split]})", got, "choose another split")
    clips: list[_Clip] = []
    lost: list[str] = []
    for speaker in wanted:
        found = list(_clips(files.frames, speaker, folders.get(speaker.name)))
        clips += [clip for clip in found if clip.frames]
        lost += [clip.name for clip in found if not clip.frames] if found else [speaker.name]
    if lost and not (skip_missing and clips):
        raise MissingFileError(
            f"frames in {files.frames}/<person>/{SCALE}/<clip> for each of the {len(wanted)} people of {SPLITS[split]}",
            f"none for {quote_some(lost)}",
            "unpack or get the frames again"
            + ("" if skip_missing else ", or pass --skip-missing to go without and have the people and clips listed"),
        )
    return _records(files.frames, clips), tuple(lost)


def _records(frames: Path, clips: Sequence[_Clip]) -> Records:
    lengths = [len(clip.frames) for clip in clips]
    identities, people = number_people([clip.speaker.name for clip in clips])
    return Records(
        folder=frames,
        files=tuple(f"{clip.folder}/{file}" for clip in clips for file in clip.frames.values()),
        names=tuple(f"{clip.name}/{frame}.jpg" for clip in clips for frame in clip.frames),
        attributes={"Male": np.repeat(np.array([clip.speaker.male for clip in clips], np.uint8), lengths)},
        identities=np.repeat(identities, lengths),
        people=people,
        clips=np.repeat(np.arange(len(clips), dtype=np.int64), lengths),
    )


def _folders(files: VoxCelebFiles, known: set[str]) -> dict[str, str]:
    """Maps each person to their folder as it is called on this disk."""
    table: dict[str, str] = {}
    for name in _inner_folders(files.frames):
        other = table.setdefault(name.rstrip("."), name)
        if other != name:
            raise InputError(f"one folder for each person in {files.frames}", f"{other} and {name}", "remove one")
    strangers = sorted(set(table) - known)
    if strangers:
        raise InputError(
            f"a row in {files.speakers} for each folder in {files.frames}",
            f"folders without: {quote_some(strangers)}",
            "get the whole table (it may be cut short), or take other folders out",
        )
    return table


def _clips(frames: Path, speaker: Speaker, folder: str | None) -> Iterator[_Clip]:
    """Yields the clips of a person, also those without frames."""
    place = frames / (folder or "") / SCALE
    for clip in _inner_folders(place) if folder and place.is_dir() else []:
        found = by_stem(place / clip, image_names(place / clip))
        in_time = dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))  # 9 comes before 10
        yield _Clip(speaker, f"{folder}/{SCALE}/{clip}", f"{speaker.name}/{SCALE}/{clip}", in_time)


def _inner_folders(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name[0] != "." and (folder / name).is_dir())
