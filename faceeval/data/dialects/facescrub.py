# SPDX-License-Identifier: MIT
"""FaceScrub's role: people with many images, each person's parted in two, to probe what vectors tell about people.

IPGAN (section 4.2) trains a classifier of people on one part and asks it about the other. Procfaces have twenty images
of each person; the people of the ``"test"`` split are in nobody's training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import rows_of_names, view
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import standard
from faceeval.data.splits.named_lists import SplitInput
from faceeval.data.splits.people import ipgan_leak


@dataclass(frozen=True, eq=False)
class Halves:
    """Each person's images in two parts; ascending indices into the set, int64.

    Attributes:
        train: Four fifths of each person's images.
        validation: The rest of them.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens the standard set's split as ``procfaces:facescrub``; see `faceeval.data.dialects.table.open_dialect`."""
    return view(standard.load(split, size, workers, progress), "procfaces:facescrub")


def halves(faces: FaceSet) -> Halves:
    """Parts each person's images by the rule `faceeval.data.splits.people.ipgan_leak`.

    Args:
        faces: A set that knows the people; those with a single image are in neither part.

    Raises:
        InputError: The set does not know the people, or nobody has two images.
    """
    train, validation = ipgan_leak(SplitInput(faces.name, {"test": faces}), "", 0).lists
    return Halves(*(np.sort(rows_of_names(faces, part.names)) for part in (train, validation)))
