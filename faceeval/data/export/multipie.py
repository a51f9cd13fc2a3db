# SPDX-License-Identifier: MIT
"""Multi-PIE's layout, in which the names of the images say everything: person, session, recording, camera, light.

Which camera and which light took an image, only names can tell. So only sets named like Multi-PIE's can be written:
``procfaces:multipie``, and copies of the real one. Its images are PNG always.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from faceeval.data.export.encode import Encoding, write_images
from faceeval.data.export.rows import Rows
from faceeval.data.readers.multipie import LAST_PERSON, PATTERN, Shot, read_name
from faceeval.errors import InputError


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``session01/multiview/001/01/05_1/001_01_01_051_07.png``.

    Where people's numbers are not among 1..346, people are numbered anew, in the order of their numbers.
    """
    assert rows.identities is not None
    people, ranks = np.unique(rows.identities, return_inverse=True)
    if len(people) > LAST_PERSON:
        raise InputError(f"at most {LAST_PERSON} people", str(len(people)), "choose one split, such as --split test")
    fit = people[0] >= 1 and people[-1] <= LAST_PERSON
    numbers = rows.identities if fit else 1 + ranks
    shots = [_shot(name, person) for name, person in zip(rows.names, numbers.tolist(), strict=True)]
    stems = [f"{shot.folder}/{shot.name}" for shot in shots]
    return write_images(rows, folder, stems, replace(encoding, lossless=True))


def _shot(name: str, person: int) -> Shot:
    own = name.rpartition("/")[2].partition(".")[0]
    if not PATTERN.fullmatch(own):
        got = f"{name!r}, which does not tell camera and light"
        raise InputError("images named as Multi-PIE's are", got, "choose procfaces:multipie")
    return read_name(f"{person:03d}{own[3:]}")
