# SPDX-License-Identifier: MIT
"""MS-Celeb-1M's own file: a line of seven columns for each face, the image in the last."""

from __future__ import annotations

import struct
from base64 import b64encode
from pathlib import Path

from faceeval.data.export.encode import Encoding, encoded
from faceeval.data.export.msceleb import FACE, keys_and_ranks
from faceeval.data.export.rows import Rows

FILE = "FaceImageCroppedWithAlignment.tsv"
WHOLE = b64encode(struct.pack("<4f", 0.0, 0.0, 1.0, 1.0)).decode()  # the face's rectangle, in parts of the image


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes the file; addresses are those of nobody (example.org)."""
    listed = []
    with (folder / FILE).open("w", encoding="ascii", newline="") as stream:
        for (person, rank), image in zip(keys_and_ranks(rows), encoded(rows, encoding), strict=True):
            page = f"http://example.org/{person}/{rank}"
            fields = (person, str(rank), f"{page}.jpg", page, FACE, WHOLE, b64encode(image).decode())
            stream.write("\t".join(fields) + "\n")
            listed.append(f"{person}/{rank}-{FACE}{encoding.suffix}")
    return listed
