# SPDX-License-Identifier: MIT
"""AffectNet's role: eight expressions with valence and arousal in [-1, 1].

As there, the ``"train"`` split is uneven (half of the faces are happy) and the others have as many of each class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import column_of, in_hash_order, view
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import standard


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens a split of ``procfaces:affectnet``; see `faceeval.data.dialects.table.open_dialect`."""
    faces = standard.load(split, size, workers, progress)
    return view(faces, "procfaces:affectnet", None if split == "train" else balanced(faces))


def balanced(faces: FaceSet) -> NDArray[np.int64]:
    """Chooses by hash as many faces of each expression as the rarest one has.

    Args:
        faces: A set that knows the expressions.

    Returns:
        Ascending indices, int64.

    Raises:
        InputError: The set does not know the expressions.
    """
    classes, counts = np.unique(labels := column_of(faces, "expression"), return_counts=True)
    chosen: list[int] = []
    for label in classes.tolist():
        rows = np.flatnonzero(labels == label).tolist()
        chosen += in_hash_order(faces, rows, f"faceeval/1/affectnet/{faces.split}/{label}")[: int(counts.min())]
    return np.sort(np.array(chosen, np.int64))
