# SPDX-License-Identifier: MIT
"""What a folder of aligned images says of itself, and what a later run has to know of earlier ones.

Three files beside the images: ``align.json`` (how they were made, by what, how many), ``landmarks.csv`` (five points of
each aligned image, in its own pixels) and ``not-found.csv`` (images that gave none, and why).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.atomic import write_whole
from faceeval.data.landmarks.files import COLUMNS
from faceeval.errors import OutputError

RECORD, LANDMARKS, ABSENT = "align.json", "landmarks.csv", "not-found.csv"
UNREADABLE = "unreadable"  # how the reason of a file begins that may be mended, and is tried again
SAVE_EVERY = 1000  # images after which the lists are written, or a tenth of what is done where that is more
ELSEWHERE = "choose another folder, or remove this one"


@dataclass
class AlignState:
    """What has been done in a folder.

    Attributes:
        folder: The folder.
        settings: What decides the pictures.
        versions: The software that made them, of all runs.
        done: Aligned file -> its five points, as they stand in LANDMARKS.
        absent: Image -> why there is no aligned one.
    """

    folder: Path
    settings: Mapping[str, Any]
    versions: list[str]
    done: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    _unsaved: int = 0

    def add(self, file: str, points: NDArray[np.floating]) -> None:
        """Notes that a file was written."""
        self.done[file] = ",".join(f"{value:.2f}" for value in points.ravel().tolist())
        self._unsaved += 1

    def miss(self, image: str, reason: str) -> None:
        """Notes that an image gave none."""
        self.absent[image] = reason
        self._unsaved += 1

    def save_sometimes(self) -> None:
        """Writes the files where enough has been added since they were written."""
        if self._unsaved >= max(SAVE_EVERY, (len(self.done) + len(self.absent)) // 10):
            self.save(None)

    def save(self, images: int | None) -> None:
        """Writes the three files, each whole or not at all.

        Args:
            images: How many there are, where all have been looked at.

        Raises:
            OutputError: They cannot be written.
        """
        rows = ([file, *points.split(",")] for file, points in sorted(self.done.items()))
        _write_csv(self.folder / LANDMARKS, ("image", *COLUMNS), rows)
        _write_csv(self.folder / ABSENT, ("image", "reason"), sorted(self.absent.items()))
        unreadable = sum(reason.startswith(UNREADABLE) for reason in self.absent.values())
        counts = {"aligned": len(self.done), "not_found": len(self.absent) - unreadable, "unreadable": unreadable}
        record = {
            "settings": dict(self.settings),
            "versions": sorted(self.versions),
            "counts": counts if images is None else {"images": images, **counts},
            "complete": images is not None,
        }
        write_whole(self.folder / RECORD, (json.dumps(record, indent=2) + "\n").encode())
        self._unsaved = 0


def open_state(folder: Path, settings: Mapping[str, Any], versions: Sequence[str]) -> AlignState:
    """Opens a folder for aligned images: a new one, an empty one, or one that was begun with the same settings.

    Args:
        folder: The folder; made where it is missing.
        settings: What decides the pictures.
        versions: The software of this run.

    Returns:
        What has been done there.

    Raises:
        OutputError: It holds something else, was begun with other settings, or cannot be written.
    """
    settings = json.loads(json.dumps(settings))
    path = folder / RECORD
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            got = f"{folder}, which is there already and has no {RECORD}"
            raise OutputError("a new or empty folder, or one that aligning has begun", got, "name another folder")
        state = AlignState(folder, settings, list(versions))
        state.save(None)
        return state
    before = _read_record(path)
    for name in {**before["settings"], **settings}:
        there, here = before["settings"].get(name), settings.get(name)
        if there != here:
            raise OutputError(f"{name} {there}, as {folder} was begun with", f"{name} {here}", ELSEWHERE)
    state = AlignState(folder, settings, sorted({*before["versions"], *versions}))
    there_now = set(_files_below(folder))
    state.done = {row[0]: ",".join(row[1:]) for row in _read_csv(folder / LANDMARKS) if row[0] in there_now}
    listed = {row[0]: row[1] for row in _read_csv(folder / ABSENT)}
    state.absent = {image: reason for image, reason in listed.items() if not reason.startswith(UNREADABLE)}
    return state


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
        if isinstance(record["settings"], dict) and isinstance(record["versions"], list):
            return dict(record)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise OutputError(f"the record of an earlier run in {path}", "a file that is damaged", ELSEWHERE)


def _files_below(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        for file in files:
            yield Path(place, file).relative_to(folder).as_posix()


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _read_csv(path: Path) -> list[list[str]]:
    """Returns the rows below the header; none where there is no file, as after the folder's first moment."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [row for row in csv.reader(file) if len(row) > 1][1:]
    except FileNotFoundError:
        return []
