# SPDX-License-Identifier: MIT
"""MS-Celeb-1M's closed-set identification: one gallery image and five queries of each person.

IPGAN (section 4.1) takes 10,000 people outside the training set with six photographs each. Of procfaces, the
``"validation"`` and ``"test"`` splits hold six images of every person, and ``"train"`` all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import column_of, rows_of_names, view
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import standard
from faceeval.data.splits.named_lists import SplitInput
from faceeval.data.splits.people import ipgan_ident

PEOPLE = 10_000


@dataclass(frozen=True, eq=False)
class GalleryQueries:
    """P people in hash order, each with one gallery image and Q queries; indices into the set, int64.

    Attributes:
        people: Their numbers, (P,).
        gallery: (P,).
        queries: (P, Q).
        attributes: Somebody else's image for each query, from which a method that mixes two faces takes all but the
            person, (P, Q).
    """

    people: NDArray[np.int64]
    gallery: NDArray[np.int64]
    queries: NDArray[np.int64]
    attributes: NDArray[np.int64]


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens a split of ``procfaces:msceleb``; see `faceeval.data.dialects.table.open_dialect`."""
    faces = standard.load(split, size, workers, progress)
    if split == "train":
        return view(faces, "procfaces:msceleb")
    chosen = gallery_and_queries(faces)
    return view(faces, "procfaces:msceleb", np.sort(np.append(chosen.gallery, chosen.queries)))


def gallery_and_queries(faces: FaceSet, people: int = PEOPLE) -> GalleryQueries:
    """Chooses gallery and queries by the rule `faceeval.data.splits.people.ipgan_ident`.

    Args:
        faces: A set that knows the people. On ``procfaces:msceleb`` the choice is the same as on ``procfaces``.
        people: People at most; those with fewer than six images are not asked.

    Raises:
        InputError: The set does not know the people, or fewer than two of them have six images.
    """
    split = ipgan_ident(SplitInput(faces.name, {"test": faces}), "", people)
    rows = {chosen.name: rows_of_names(faces, chosen.names) for chosen in split.lists}
    gallery, count = rows["gallery"], len(rows["gallery"])
    numbers = column_of(faces, "identities")[gallery]
    return GalleryQueries(numbers, gallery, rows["queries"].reshape(count, -1), rows["attributes"].reshape(count, -1))
