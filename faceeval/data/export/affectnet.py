# SPDX-License-Identifier: MIT
"""The layout of AffectNet's first release: images in numbered folders, and a list for each split."""

from __future__ import annotations

from hashlib import sha224
from pathlib import Path

import numpy as np

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.face_box import face_box
from faceeval.data.export.rows import Rows

IMAGES = "Manually_Annotated_Images"
LISTS = {"train": "training.csv", "validation": "validation.csv"}
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
PER_FOLDER = 500  # images


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes the images, named by a hash of their names, and the lists; ``NULL`` where landmarks are not known.

    Valence, arousal and landmarks have as many digits as it takes to read the same numbers.
    """
    hashes = [sha224(name.encode()).hexdigest() for name in rows.names]
    stems = [f"{1 + row // PER_FOLDER}/{name}" for row, name in enumerate(hashes)]
    files = write_images(rows, folder, [f"{IMAGES}/{stem}" for stem in stems], encoding)
    assert rows.expression is not None
    assert rows.valence_arousal is not None
    box = ",".join(map(str, face_box(rows.size)))
    points = ["NULL"] * len(rows)
    if rows.landmarks68 is not None:
        points = ["NULL" if np.isnan(some).any() else ";".join(map(str, some.ravel())) for some in rows.landmarks68]
    lines = [
        f"{stem}.jpg,{box},{some},{code},{valence},{arousal}"
        for stem, some, code, (valence, arousal) in zip(
            stems, points, rows.expression, rows.valence_arousal, strict=True
        )
    ]
    for split in rows.faces:
        write_lines(folder / LISTS[split], [HEADER, *(lines[row] for row in np.flatnonzero(rows.splits == split))])
    return files
