# SPDX-License-Identifier: MIT
"""CMU Multi-PIE, whose labels stand in the names of its images: ``001_01_02_051_07.png``.

Gross, Matthews, Cohn, Kanade, Baker, "Multi-PIE", Image and Vision Computing 2010. Nothing is downloaded. A name holds
person, session, recording, camera and illumination; what copies append (``_crop_128``) is ignored. It has no splits.

What a recording shows follows from `RECORDINGS`, a table put together from published code of people who have the data,
as the owners' documentation was not at hand. Accounts differ about session 4, and the provenance says how many images
that concerns. Only some of the expressions are AffectNet's, so they are six attributes and not ``FaceSet.expression``.
Where a camera stands says roughly how the head is turned to it, but not pitch and roll, nor which way people looked:
`camera_yaw` tells what is known, and ``FaceSet.pose`` is None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from faceeval.data.check import check_copy
from faceeval.data.copies import find_copy_folder
from faceeval.data.decode import SUFFIXES
from faceeval.data.faces import FaceSet
from faceeval.data.folder import stem
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import AS_USUAL, Opening, Progress
from faceeval.data.records import Records, face_set
from faceeval.errors import InputError, unknown_name

NAME = "multipie"
DEFAULT_CROP = "square"
READER_VERSION = 1  # goes up when the same files give other images or labels
FOLDERS = ("Multi-Pie/data", "Multi-PIE/data", "multipie", "MultiPIE", "Multi-PIE", "Multi-Pie")
SESSIONS = "session0[1-4]"
MULTIVIEW = "multiview"
LAST_PERSON, LAST_LIGHT = 346, 19  # 337 of the numbers are used
EXPRESSIONS = ("neutral", "smile", "surprise", "squint", "disgust", "scream")
# (session, recording) -> what it shows
RECORDINGS: dict[tuple[int, int], str] = {
    (1, 1): "neutral",
    (1, 2): "smile",
    (2, 1): "neutral",
    (2, 2): "surprise",
    (2, 3): "squint",
    (3, 1): "neutral",
    (3, 2): "smile",
    (3, 3): "disgust",
    (4, 1): "neutral",
    (4, 2): "neutral",
    (4, 3): "scream",
}
DISPUTED = ((4, 2), (4, 3))  # some accounts have scream and neutral the other way round
# camera -> degrees from the frontal one as published code has them, 15 apart; None: the two above the others
CAMERAS: dict[str, int | None] = {
    "110": -90,
    "120": -75,
    "090": -60,
    "080": -45,
    "130": -30,
    "140": -15,
    "051": 0,
    "050": 15,
    "041": 30,
    "190": 45,
    "200": 60,
    "010": 75,
    "240": 90,
    "081": None,
    "191": None,
}
PATTERN = re.compile(r"(\d{3})_(\d{2})_(\d{2})_(\d{3})_(\d{2})(?:_.*)?", re.ASCII)


@dataclass(frozen=True)
class Shot:
    """What the name of an image says.

    Attributes:
        person: 1..346.
        session: 1..4.
        recording: 1..3; with the session it says what the face shows.
        camera: A key of CAMERAS.
        illumination: 0..19; 0 is no flash, 7 about the frontal one.
    """

    person: int
    session: int
    recording: int
    camera: str
    illumination: int

    @property
    def name(self) -> str:
        """The name without what copies append."""
        return f"{self.person:03d}_{self.session:02d}_{self.recording:02d}_{self.camera}_{self.illumination:02d}"

    @property
    def folder(self) -> str:
        """Where the published layout has it."""
        camera = f"{self.camera[:2]}_{self.camera[2]}"
        return f"session{self.session:02d}/{MULTIVIEW}/{self.person:03d}/{self.recording:02d}/{camera}"

    @property
    def expression(self) -> str:
        """What the face shows, by `RECORDINGS`."""
        return RECORDINGS[self.session, self.recording]


def read_name(name: str) -> Shot:
    """Reads the name of an image.

    Args:
        name: Of the file, with or without folders and suffix.

    Raises:
        InputError: It is no such name, or a number in it is none of Multi-PIE's.

    Example:
        >>> shot = read_name("session04/multiview/002/03/08_0/002_04_03_080_12_crop_128.png")
        >>> shot.person, shot.expression, shot.camera, shot.illumination
        (2, 'scream', '080', 12)
    """
    match = PATTERN.fullmatch(stem(name.rpartition("/")[2]))
    if match is None:
        todo = "take files that are no images of Multi-PIE out of the folder, or name them so"
        raise InputError("a name such as 001_01_02_051_07.png (person, session, recording, camera, light)", name, todo)
    person, session, recording, light = (int(match[group]) for group in (1, 2, 3, 5))
    known = 1 <= person <= LAST_PERSON and light <= LAST_LIGHT and match[4] in CAMERAS
    if not known or (session, recording) not in RECORDINGS:
        raise InputError(
            f"person 1..{LAST_PERSON}, session 1..4 and one of its recordings, one of {len(CAMERAS)} cameras, light "
            f"0..{LAST_LIGHT}",
            name,
            "mend the name, or take the file out of the folder",
        )
    return Shot(person, session, recording, match[4], light)


def camera_yaw(camera: str) -> int | None:
    """Returns where a camera stands, in degrees from the frontal one; None where that was not published.

    The sign tells one side from the other, and not to which side of the picture a nose points.

    Raises:
        UnknownNameError: There is no such camera.

    Example:
        >>> camera_yaw("051"), camera_yaw("190"), camera_yaw("191")
        (0, 45, None)
    """
    if camera not in CAMERAS:
        raise unknown_name("camera of Multi-PIE", camera, CAMERAS)
    return CAMERAS[camera]


def load(root: Path, split: str, opening: Opening = AS_USUAL) -> FaceSet:
    """Opens the images; they are read when they are asked for.

    Args:
        root: Folder of the sessions, or one that holds images in any folders, or the folder above either.
        split: ``"all"``; the set has no split of its own.
        opening: Size, crop and so on. As the labels stand in the names, nothing can be missing.

    Returns:
        The images by name, six attributes for what they show, and the number of the person. `read_name` tells camera
        and illumination from the names.

    Raises:
        MissingFileError: The folder is not there, or has no images.
        InputError: A name is none of Multi-PIE's, contradicts its folder, or comes twice.
        UnknownNameError: The split or the crop is not known.
    """
    opening.check(split, ["all"], DEFAULT_CROP)
    records, disputed = list_images(find_files(root))
    faces = face_set(NAME, split, records, opening, usual_crop=DEFAULT_CROP, version=READER_VERSION)
    return replace(faces, provenance={**faces.provenance, "expressions_disputed": disputed})


def check(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Holds a copy against the manifest; see `faceeval.data.check.check_copy`."""
    folder = find_files(root)
    return check_copy(manifest, {}, lambda: {"all": list_images(folder)[0]}, progress)


def find_files(root: Path | str) -> Path:
    """Returns the folder of a copy.

    Raises:
        MissingFileError: There is none.
    """
    holds = (f"{SESSIONS}/{MULTIVIEW}", "???_??_??_???_??*.*", "*/???_??_??_???_??*.*")
    return find_copy_folder(root, "Multi-PIE", names=FOLDERS, holds=holds, archives=("*.zip", "*.tar*"))


def list_images(folder: Path) -> tuple[Records, int]:
    """Lists the images by name.

    Args:
        folder: See `find_files`. Where it holds sessions, their ``multiview`` is read and nothing else.

    Returns:
        The images, and how many are of recordings about which accounts differ.

    Raises:
        InputError: As `load`.
    """
    found: dict[str, tuple[str, Shot]] = {}
    published = next(folder.glob(f"{SESSIONS}/{MULTIVIEW}"), None) is not None
    for file in _walk(folder, f"{SESSIONS}/{MULTIVIEW}" if published else ""):
        shot = read_name(file)
        if published and file.rpartition("/")[0] != shot.folder:
            got = f"{file}, whose name belongs in {shot.folder}"
            raise InputError(f"images in the folders their names say, in {folder}", got, "move or rename the file")
        other, _ = found.setdefault(shot.name, (file, shot))
        if other != file:
            raise InputError(f"each image once in {folder}", f"{other} and {file}", "remove the one that is not meant")
    ordered = [found[name] for name in sorted(found)]
    shown = np.array([EXPRESSIONS.index(shot.expression) for _, shot in ordered], np.int64)
    records = Records(
        folder=folder,
        files=tuple(file for file, _ in ordered),
        names=tuple(f"{shot.name}.png" for _, shot in ordered),
        attributes={name: (shown == kind).astype(np.uint8) for kind, name in enumerate(EXPRESSIONS)},
        identities=np.array([shot.person for _, shot in ordered], np.int64),
    )
    return records, sum((shot.session, shot.recording) in DISPUTED for _, shot in ordered)


def _walk(folder: Path, pattern: str) -> Iterator[str]:
    """Yields every image below the folders of a pattern, as a path below ``folder``."""
    for top in sorted(folder.glob(pattern)) if pattern else [folder]:
        for place, _, names in os.walk(top, followlinks=True):
            below = Path(place).relative_to(folder).as_posix()
            for name in names:
                if name.lower().endswith(SUFFIXES) and name[0] != ".":  # ".": what a Mac leaves behind
                    yield name if below == "." else f"{below}/{name}"
