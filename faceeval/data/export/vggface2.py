# SPDX-License-Identifier: MIT
"""VGGFace2's layout: a folder for each person in each part, lists of files, boxes, landmarks and a table of people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.face_box import face_box
from faceeval.data.export.rows import Rows, number_within

BOXES, PEOPLE = "NAME_ID,X,Y,W,H", "Class_ID, Name, Sample_Num, Flag, Gender"
POINTS = "NAME_ID," + ",".join(f"P{point}{axis}" for point in range(1, 6) for axis in "XY")


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``train/n000412/0001_01.jpg`` with ``train_list.txt``, ``bb_landmark`` and ``identity_meta.csv``.

    The table of people has their sex, so it is written where the attribute Male is known.
    """
    assert rows.identities is not None
    classes = [f"n{person:06d}" for person in rows.identities.tolist()]
    stems = [f"{one}/{number:04d}_01" for one, number in zip(classes, number_within(classes), strict=True)]
    places = [f"{split}/{stem}" for split, stem in zip(rows.splits.tolist(), stems, strict=True)]
    box = ",".join(map(str, face_box(rows.size)))
    for split in rows.faces:
        here = np.flatnonzero(rows.splits == split).tolist()
        write_lines(folder / f"{split}_list.txt", [f"{stems[row]}.jpg" for row in here])
        boxes = [f"{stems[row]},{box}" for row in here]
        write_lines(folder / "bb_landmark" / f"loose_bb_{split}.csv", [BOXES, *boxes])
        if rows.landmarks is not None:
            points = [stems[row] + "".join(f",{value:.3f}" for value in rows.landmarks[row].flat) for row in here]
            write_lines(folder / "bb_landmark" / f"loose_landmark_{split}.csv", [POINTS, *points])
    if "Male" in rows.attributes:
        write_lines(folder / "identity_meta.csv", [PEOPLE, *_people(rows, classes)])
    return write_images(rows, folder, places, encoding)


def _people(rows: Rows, classes: list[str]) -> list[str]:
    males, counts = rows.per_person(rows.attributes["Male"], "Male"), Counter(classes)
    found = {one: (person, split) for one, person, split in zip(classes, rows.people, rows.splits, strict=True)}
    return [
        f'{one}, "{person}", {counts[one]}, {int(split == "train")}, {"m" if males[person] else "f"}'
        for one, (person, split) in sorted(found.items())
    ]
