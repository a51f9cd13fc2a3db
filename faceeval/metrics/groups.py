# SPDX-License-Identifier: MIT
"""Who is in each image? Images of one person, or of one scene, are not independent, and intervals must know it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import vector


def group_places(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """Numbers the groups from 0, in ascending order of the numbers they came with.

    Args:
        groups: Group of each image, whole numbers of any size, shape (n,); at least two groups.
        n: Number of images.

    Returns:
        Shape (n,), int64, 0..G-1.

    Raises:
        InputError: Another shape, a group that is no whole number, or fewer than two groups.

    References:
        None: a renumbering.

    Example:
        >>> group_places([700, 20, 700, 31], n=4).tolist()
        [2, 0, 2, 1]
    """
    given = vector("groups", groups)
    if len(given) != n:
        raise InputError(f"groups of shape {(n,)}", f"shape {given.shape}", "give the group of each image")
    if (given != np.round(given)).any():
        todo = "number the people: numpy.unique(ids, return_inverse=True)[1]"
        raise InputError("whole numbers in groups", str(given[given != np.round(given)][0]), todo)
    known, place = np.unique(given, return_inverse=True)
    if len(known) < 2:
        todo = "leave groups out if every image is of one person"
        raise InputError("at least two groups", "one", todo)
    return place.astype(np.int64)
