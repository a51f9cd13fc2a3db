# SPDX-License-Identifier: MIT
"""Writes fake copies of Multi-PIE: small pictures under the names that are its labels."""

from __future__ import annotations

from pathlib import Path

from celeba_writer import smooth_image
from PIL import Image

# person, session, recording, camera, illumination
SHOTS = (
    (1, 1, 1, "051", 7),
    (1, 1, 2, "140", 7),
    (1, 2, 2, "051", 0),
    (2, 2, 3, "081", 19),
    (2, 3, 3, "051", 7),
    (2, 4, 2, "080", 12),
    (2, 4, 3, "080", 12),
    (346, 3, 2, "240", 1),
)
SHOWN = ("neutral", "smile", "surprise", "squint", "disgust", "neutral", "scream", "smile")
LAYOUTS = {
    "published": "session{session:02d}/multiview/{person:03d}/{recording:02d}/{camera[0]}{camera[1]}_{camera[2]}/",
    "flat": "",
    "by person": "{person:03d}/",
}


def write_multipie(root: Path, layout: str = "published", append: str = "", suffix: str = ".png") -> Path:
    for index, values in enumerate(SHOTS):
        shot = dict(zip(("person", "session", "recording", "camera", "light"), values, strict=True))
        name = "{person:03d}_{session:02d}_{recording:02d}_{camera}_{light:02d}".format(**shot)
        path = root / LAYOUTS[layout].format(**shot) / f"{name}{append}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_image(index, 64, 48)).save(path, quality=100)
    return root
