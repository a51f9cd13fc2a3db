# SPDX-License-Identifier: MIT
"""A Hugging Face dataset, written by `faceeval.data.hub.export`; its images are PNG always."""

from __future__ import annotations

from pathlib import Path

from faceeval.data.export.encode import Encoding
from faceeval.data.export.rows import Rows
from faceeval.data.hub.export import write_hub


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes Parquet files and a card; the images have their own names in it."""
    write_hub(rows.faces, folder, encoding.progress)
    return []
