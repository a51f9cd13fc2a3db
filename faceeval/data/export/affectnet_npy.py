# SPDX-License-Identifier: MIT
"""The layout of AffectNet's second release: numbered images with four small annotation files each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceeval.data.export.encode import Encoding, write_images
from faceeval.data.export.rows import Rows

SETS = {"train": "train_set", "validation": "val_set"}


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes images and annotations; values are strings, as in the release, landmarks 136 numbers where known."""
    assert rows.expression is not None
    assert rows.valence_arousal is not None
    places = [SETS[split] for split in rows.splits.tolist()]
    stems = [f"{place}/images/{row}" for row, place in enumerate(places)]
    files = write_images(rows, folder, stems, encoding)
    for place in set(places):
        (folder / place / "annotations").mkdir()
    for row, place in enumerate(places):
        valence, arousal = rows.valence_arousal[row]
        values = {
            "exp": np.array(str(rows.expression[row])),
            "val": np.array(str(valence)),
            "aro": np.array(str(arousal)),
        }
        if rows.landmarks68 is not None:
            values["lnd"] = rows.landmarks68[row].reshape(-1)
        for kind, value in values.items():
            np.save(folder / place / "annotations" / f"{row}_{kind}.npy", value, allow_pickle=False)
    return files
