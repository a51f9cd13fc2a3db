# SPDX-License-Identifier: MIT
"""A whole set of photographs aligned into a folder: in batches, on from where it was stopped, nothing lost unsaid."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from faceeval import __version__
from faceeval.data.folder import quote_some, stem
from faceeval.data.images import write_png
from faceeval.data.landmarks.align import ALIGN_VERSION, AroundBox, Preset, align_face, preset_at
from faceeval.data.landmarks.align_record import UNREADABLE, AlignState, open_state
from faceeval.data.landmarks.detect import CHOICES, MIN_FACE, PACKAGE, THRESHOLD, choose_face, find_faces, load_detector
from faceeval.data.landmarks.files import LandmarkTable, read_landmarks
from faceeval.data.landmarks.similarity import F64, MIRRORED, landmark_faults
from faceeval.data.opening import Progress
from faceeval.data.sources import ImageSource, batches, open_images
from faceeval.errors import FaceevalError, InputError, unknown_name

NO_FACE = "no face found"
NO_LANDMARKS = "no row in the file of landmarks"


@dataclass(frozen=True)
class AlignJob:
    """How images are aligned.

    Attributes:
        preset: A key of `faceeval.data.landmarks.align.PRESETS`.
        size: Width of the results; None takes the preset's own.
        choose: Which face of an image with several: one of `faceeval.data.landmarks.detect.CHOICES`.
        threshold: Least probability of a face.
        min_face: Side of the smallest face looked for, in pixels.
        landmarks: A file of five landmarks per image; None looks for faces.
        device: Where faces are looked for.
        batch_size: Images at a time.
    """

    preset: str
    size: int | None = None
    choose: str = "largest"
    threshold: float = THRESHOLD
    min_face: int = MIN_FACE
    landmarks: Path | None = None
    device: str = "cpu"
    batch_size: int = 32


@dataclass(frozen=True)
class AlignCounts:
    """What came of it.

    Attributes:
        images: How many there are.
        aligned: Of how many there is an aligned one now.
        new: How many of these this run wrote.
        not_found: Images without a face, or without usable landmarks.
        unreadable: Files that are no images, or damaged.
    """

    images: int
    aligned: int
    new: int
    not_found: int
    unreadable: int


@dataclass(frozen=True, eq=False)
class Found:
    """The face of an image that is meant: five points (5, 2), and its box (4,) where a detector found it."""

    landmarks: NDArray[np.floating]
    box: NDArray[np.floating] | None = None


Find = Callable[[NDArray[np.int64], NDArray[np.uint8]], list[Found | str]]  # a string says why there is none


def align_images(path: Path | str, folder: Path | str, job: AlignJob, progress: Progress | None = None) -> AlignCounts:
    """Aligns every image of a source into a folder, as PNG of the same name below it.

    What an earlier run wrote there is left alone. Stopped at any time, the folder holds whole files only, and the next
    run goes on; its pictures do not depend on where it was stopped. `faceeval.data.landmarks.align_record` says what
    lies beside the images.

    Args:
        path: A folder of images with all folders inside it, a zip file of images, or a saved dataset.
        folder: Where to; new, empty, or begun with the same job.
        job: How.
        progress: Called with (done, total) images.

    Returns:
        The counts; ``not_found`` and ``unreadable`` images are listed in ``not-found.csv``.

    Raises:
        UnknownNameError: The preset or the way to choose is not known.
        MissingFileError: The source, the file of landmarks or the detector is not there.
        InputError: Two images have one name up to the suffix, a name leads out of the folder, or the landmarks are of
            no use.
        OutputError: The folder holds something else, was begun otherwise, or cannot be written.
    """
    path, folder = Path(path), Path(folder)
    preset = preset_at(job.preset, job.size)
    if job.choose not in CHOICES:
        raise unknown_name("way to choose among faces", job.choose, CHOICES)
    if path.resolve() in (folder.resolve(), *folder.resolve().parents):
        got = f"{folder}, whose images a second run would take for new ones"
        raise InputError(f"a folder outside {path}", got, "name a folder beside it")
    source = open_images(path)
    files = _files_of(source)
    find, settings, versions = _prepare(job, preset, source)
    state = open_state(folder, settings, versions)
    before = len(state.done)
    todo = [row for row, file in enumerate(files) if file not in state.done and source.names[row] not in state.absent]
    try:
        _align(source, files, np.array(todo, np.int64), find, preset, state, job.batch_size, progress)
    except BaseException:
        state.save(None)
        raise
    state.save(len(source))
    unreadable = sum(reason.startswith(UNREADABLE) for reason in state.absent.values())
    return AlignCounts(
        len(source), len(state.done), len(state.done) - before, len(state.absent) - unreadable, unreadable
    )


def _align(
    source: ImageSource,
    files: list[str],
    todo: NDArray[np.int64],
    find: Find,
    preset: Preset,
    state: AlignState,
    batch_size: int,
    progress: Progress | None,
) -> None:
    """Reads, finds, aligns and writes the rows that lack."""
    part, faults = _tolerant(source, todo)
    done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for places, images in batches(part, batch_size) if len(todo) else ():
            good = [place for place, index in enumerate(places.tolist()) if index not in faults]
            for index in set(places.tolist()) & set(faults):
                state.miss(part.names[index], f"{UNREADABLE}: {faults[index]}")
            rows = todo[places[good]]
            found = find(rows, images[good]) if good else []

            paths = [state.folder / files[row] for row in rows.tolist()]
            results = pool.map(partial(_write, preset), paths, images[good], found)
            for row, result in zip(rows.tolist(), results, strict=True):
                if isinstance(result, str):
                    state.miss(source.names[row], result)
                else:
                    state.add(files[row], result)
            state.save_sometimes()
            done += len(places)
            if progress:
                progress(done, len(todo))


def _write(preset: Preset, file: Path, image: NDArray[np.uint8], face: Found | str) -> F64 | str:
    """Writes one aligned image and returns its landmarks, or why there is none."""
    if isinstance(face, str):
        return face
    try:
        aligned, points = align_face(image, preset, face.landmarks, face.box)
    except InputError as error:
        return f"expected {error.expected}; got {error.got}"
    write_png(file, aligned)
    return points


def _tolerant(source: ImageSource, rows: NDArray[np.int64]) -> tuple[ImageSource, dict[int, str]]:
    """Returns the rows of a source, which gives a black pixel for what cannot be read, and a table of what that was."""
    faults: dict[int, str] = {}

    def read(index: int) -> NDArray[np.uint8]:
        try:
            return source.read(int(rows[index]))
        except FaceevalError as error:
            faults[index] = error.got
            return np.zeros((3, 1, 1), np.uint8)

    return replace(source, names=tuple(source.names[row] for row in rows.tolist()), read=read), faults


def _files_of(source: ImageSource) -> list[str]:
    """Returns the PNG each image becomes, below the folder."""
    files, seen = [], dict[str, str]()
    for name in source.names:
        if any(path.anchor or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name))):
            todo = "pack the images again: who unpacks such an archive writes over other files"
            raise InputError(f"names of images that stay inside {source.path}", repr(name), todo)
        file = f"{stem(name)}.png"
        other = seen.setdefault(file, name)
        if other != name:
            got = f"both {other} and {name}"
            raise InputError(f"one image for {file} in {source.path}", got, "remove the one that is not meant")
        files.append(file)
    return files


def _prepare(job: AlignJob, preset: Preset, source: ImageSource) -> tuple[Find, dict[str, Any], list[str]]:
    """Returns what finds the faces, what decides the pictures, and the versions of the software."""
    settings: dict[str, Any] = {
        "align_version": ALIGN_VERSION,
        "images": str(Path(source.path).resolve()),
        "preset": job.preset,
        "size": preset.size,
        "geometry": asdict(preset),
    }
    versions = [f"faceeval {__version__}", f"Pillow {PIL.__version__}", f"numpy {np.__version__}"]
    if job.landmarks is None:
        import torch

        settings |= {"detector": f"MTCNN of {PACKAGE}", "choose": job.choose}
        settings |= {"threshold": job.threshold, "min_face": job.min_face}
        return _detect(job), settings, [*versions, f"torch {torch.__version__}"]
    if isinstance(preset, AroundBox):
        got = f"the preset {job.preset}, which cuts around the detector's box, and a file of landmarks"
        todo = "leave out the landmarks, or choose another preset"
        raise InputError("a preset that needs landmarks alone, not a box", got, todo)
    find = _look_up(read_landmarks(job.landmarks), source)
    settings["landmarks_sha256"] = hashlib.sha256(Path(job.landmarks).read_bytes()).hexdigest()
    return find, settings, versions


def _detect(job: AlignJob) -> Find:
    detector = load_detector(job.device)

    def find(rows: NDArray[np.int64], images: NDArray[np.uint8]) -> list[Found | str]:
        height, width = images.shape[2:]
        found: list[Found | str] = []
        for faces in find_faces(detector, images, threshold=job.threshold, min_face=job.min_face):
            face = choose_face(faces, width, height, job.choose)
            found.append(NO_FACE if face is None else Found(faces.landmarks[face], faces.boxes[face]))
        return found

    return find


def _look_up(table: LandmarkTable, source: ImageSource) -> Find:
    """Finds the row of every image; refuses a file that names none of them, or the person's left and right."""
    places = table.rows_of(source.names)
    if (places < 0).all():
        names = quote_some([name.decode("utf-8", "replace") for name in table.names[:4].tolist()])
        got = f"rows for {names}; images {quote_some(source.names)}"
        raise InputError(f"a row in {table.path} for the images of {source.path}", got, "give the file of these images")
    mirrored = np.count_nonzero(landmark_faults(table.points[places[places >= 0]]) == MIRRORED)
    if 2 * mirrored > np.count_nonzero(places >= 0):
        got = f"{mirrored} faces that are mirrored: columns that name the person's left"
        todo = "swap the columns of left and right"
        raise InputError(f"the eye on the left of the picture first, in {table.path}", got, todo)

    def find(rows: NDArray[np.int64], images: NDArray[np.uint8]) -> list[Found | str]:
        return [NO_LANDMARKS if place < 0 else Found(table.points[place]) for place in places[rows].tolist()]

    return find
