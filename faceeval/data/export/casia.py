# SPDX-License-Identifier: MIT
"""CASIA-WebFace's layout: a numbered folder for each person, and no label file."""

from __future__ import annotations

from pathlib import Path

from faceeval.data.export.encode import Encoding, write_images
from faceeval.data.export.rows import Rows, number_within


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``CASIA-WebFace/0000412/001.jpg``."""
    assert rows.identities is not None
    people = rows.identities.tolist()
    stems = [
        f"CASIA-WebFace/{person:07d}/{number:03d}" for person, number in zip(people, number_within(people), strict=True)
    ]
    return write_images(rows, folder, stems, encoding)
