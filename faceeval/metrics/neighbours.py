# SPDX-License-Identifier: MIT
"""Balls that reach to the k-th nearest neighbour, and what is inside them: what precision and coverage count.

Squared distances are made tile by tile, those within a set once for both of their ends, so that memory grows with the
number of images and not with its square.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 1024  # rows and columns of the distances held at a time: 8 MB
ROUNDING = 1e-13  # of squared lengths: most an inner product of thousands of float64 is off


class DuplicateWarning(UserWarning):
    """So many images of a set are equal that some have an empty ball."""


@dataclass(frozen=True)
class Balls:
    """Which balls hold what.

    Attributes:
        around: Balls of the first set around each point of the second, (M,).
        covered: Whether the ball of each of the first set holds a point of the second, (N,).
        reached: Whether each of the first set is inside a ball of the second, (N,).
    """

    around: NDArray[np.int64]
    covered: NDArray[np.bool_]
    reached: NDArray[np.bool_]


def balls(
    first: NDArray[Any],
    second: NDArray[Any],
    center: NDArray[np.float64],
    limits_first: NDArray[np.float64],
    limits_second: NDArray[np.float64] | None = None,
) -> Balls:
    """Returns which points are inside which balls; without limits of the second set nothing is reached."""
    around = np.zeros(len(second), np.int64)
    covered, reached = np.zeros(len(first), np.bool_), np.zeros(len(first), np.bool_)
    for start in range(0, len(first), TILE):
        across = slice(start, start + TILE)
        tall = first[across].astype(np.float64) - center
        for left in range(0, len(second), TILE):
            down = slice(left, left + TILE)
            squared = _squared(tall, second[down].astype(np.float64) - center)
            inside = squared < limits_first[across, None]
            around[down] += inside.sum(axis=0)
            covered[across] |= inside.any(axis=1)
            if limits_second is not None:
                reached[across] |= (squared < limits_second[down]).any(axis=1)
    return Balls(around, covered, reached)


def limits(
    name: str, features: NDArray[Any], k: int, center: NDArray[np.float64], stacklevel: int = 3
) -> NDArray[np.float64]:
    """Returns the squared radius of each image's ball (N,), less what rounding can add to a distance."""
    n = len(features)
    nearest, lengths = np.full((n, k), np.inf), np.empty(n)
    for start in range(0, n, TILE):
        across = slice(start, start + TILE)
        tall = features[across].astype(np.float64) - center
        lengths[across] = (tall**2).sum(axis=1)
        for left in range(start, n, TILE):
            down = slice(left, left + TILE)
            squared = _squared(tall, tall if left == start else features[down].astype(np.float64) - center)
            if left == start:
                np.fill_diagonal(squared, np.inf)
            else:
                nearest[down] = _smallest(nearest[down], squared.T)
            nearest[across] = _smallest(nearest[across], squared)
    radii = nearest.max(axis=1)
    limits = radii - ROUNDING * 4.0 * (lengths + radii)
    if empty := int((limits <= 0).sum()):
        text = f"{name}: {empty} of {n} images have {k} others equal to them, and so an empty ball"
        warnings.warn(f"{text}; leave out images that repeat", DuplicateWarning, stacklevel=stacklevel)
    return np.asarray(limits)


def _squared(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the squared distances of all pairs, (N, M)."""
    squared = rows @ columns.T
    squared *= -2.0
    squared += (rows**2).sum(axis=1)[:, None]
    squared += (columns**2).sum(axis=1)
    return np.asarray(squared)


def _smallest(known: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the smallest of both in each row, as many as were known."""
    k = known.shape[1]
    return np.partition(np.concatenate([known, found], axis=1), k - 1, axis=1)[:, :k]
