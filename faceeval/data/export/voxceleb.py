# SPDX-License-Identifier: MIT
"""The layout of VoxCeleb1's frames: person, scale, clip, frame; and the table of speakers."""

from __future__ import annotations

from pathlib import Path

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.rows import Rows, number_within

FRAMES, SCALE = "unzippedFaces", "1.6"
PARTS = {"train": "dev", "test": "test"}
FIRST_SPEAKER = 10001  # as VoxCeleb numbers them
HEADER = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet"
NOWHERE = "Nowhere"  # what no set knows


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes the frames of each clip, numbered from 1, and ``vox1_meta.csv``; clips have names of eleven characters."""
    assert rows.clips is not None
    clips = list(zip(rows.people, (f"clip{clip:07d}" for clip in rows.clips.tolist()), strict=True))
    stems = [
        f"{FRAMES}/{person}/{SCALE}/{clip}/{frame:07d}"
        for (person, clip), frame in zip(clips, number_within(clips), strict=True)
    ]
    males = rows.per_person(rows.attributes["Male"], "Male")
    parts = dict(zip(rows.people, rows.splits.tolist(), strict=True))
    speakers = [
        f"id{FIRST_SPEAKER + number}\t{person}\t{'m' if males[person] else 'f'}\t{NOWHERE}\t{PARTS[parts[person]]}"
        for number, person in enumerate(sorted(males))
    ]
    write_lines(folder / "vox1_meta.csv", [HEADER, *speakers])
    return write_images(rows, folder, stems, encoding)
