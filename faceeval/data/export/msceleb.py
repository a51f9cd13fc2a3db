# SPDX-License-Identifier: MIT
"""MS-Celeb-1M's layout as it is usually unpacked: a folder for each person, called by a Freebase key."""

from __future__ import annotations

from pathlib import Path

from faceeval.data.export.encode import Encoding, write_images
from faceeval.data.export.rows import Rows, number_within

FACE = "FaceId-0"  # one face an image


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``m.0000412/1-FaceId-0.jpg``: invented key, rank among the person's images, face on the image."""
    stems = [f"{person}/{rank}-{FACE}" for person, rank in keys_and_ranks(rows)]
    return write_images(rows, folder, stems, encoding)


def keys_and_ranks(rows: Rows) -> list[tuple[str, int]]:
    """Returns the invented key of each image's person, and the image's rank among theirs, from 0."""
    assert rows.identities is not None
    people = [f"m.0{person:06d}" for person in rows.identities.tolist()]
    return list(zip(people, number_within(people, start=0), strict=True))
