# SPDX-License-Identifier: MIT
"""A plain folder: images under their own names, and ``labels.csv`` with all that its reader can be told of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from faceeval.data.export.encode import Encoding, write_images
from faceeval.data.export.rows import Rows
from faceeval.data.folder import stem
from faceeval.data.labels.own_labels import GROUPS


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``train/NAME.jpg`` and so on; numbers have as many digits as it takes to read the same ones."""
    splits = rows.splits.tolist()
    stems = [f"{split}/{stem(name)}" for split, name in zip(splits, rows.names, strict=True)]
    files = write_images(rows, folder, stems, encoding)
    columns: dict[str, Any] = {"image": files}
    if set(splits) != {"all"}:
        columns["split"] = splits
    if rows.people:
        columns["identity"] = rows.people
    for name, labels in (("clip", rows.clips), ("expression", rows.expression)):
        if labels is not None:
            columns[name] = labels
    for group, parts in GROUPS.items():
        values = getattr(rows, group, None)
        if values is not None:
            columns |= dict(zip(parts, values.reshape(len(rows), -1).T, strict=True))
    columns |= rows.attributes
    stream = io.StringIO()
    lines = ([str(value) for value in line] for line in zip(*columns.values(), strict=True))
    csv.writer(stream, lineterminator="\n").writerows([list(columns), *lines])
    (folder / "labels.csv").write_bytes(stream.getvalue().encode())
    return files
