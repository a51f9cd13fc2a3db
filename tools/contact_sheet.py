# SPDX-License-Identifier: MIT
"""Draws contact sheets of the standard set: people of the test split, and single attributes flipped.

    python tools/contact_sheet.py [OUT]

writes ``procfaces-test.png`` (64 faces of the test split at 64 px, shown twice as large), ``procfaces-test-128.png``
(16 at 128 px) and ``procfaces-flips.png`` (one row a face: as it is, then each attribute flipped), by default beside
the other pictures of the documentation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, flip
from faceeval.data.procfaces.population import SPLITS, sample_factors
from faceeval.data.procfaces.render import render

_STEP = 61  # coprime to the twenty images of a person: another person each, and every place among the twenty


def _tiled(images: list[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    rows = [np.concatenate(images[start : start + columns], axis=2) for start in range(0, len(images), columns)]
    return np.concatenate(rows, axis=1).transpose(1, 2, 0)


def _save(picture: NDArray[np.uint8], path: Path, scale: int = 1) -> None:
    image = Image.fromarray(picture)
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path, optimize=True)
    print(path)


def main(out: Path) -> None:
    """Writes the three sheets into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    test = SPLITS["test"]
    faces = [sample_factors(test[place * _STEP % len(test)]) for place in range(64)]
    _save(_tiled([render(face, 64).image for face in faces], 8), out / "procfaces-test.png", 2)
    _save(_tiled([render(face, 128).image for face in faces[:16]], 8), out / "procfaces-test-128.png")
    flips = [
        render(face if name is None else flip(face, name), 64).image
        for face in faces[:8]
        for name in (None, *ATTRIBUTE_NAMES)
    ]
    _save(_tiled(flips, 1 + len(ATTRIBUTE_NAMES)), out / "procfaces-flips.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "_static")
