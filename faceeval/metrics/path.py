# SPDX-License-Identifier: MIT
"""Does a face move steadily from one state to another? How straight a path is, and how even its steps are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import numbers


def path_straightness(path: ArrayLike) -> NDArray[np.float64]:
    """How far each path leads, divided by how long it is.

    It asks for no detour and not for even steps: `path_evenness` does.

    Args:
        path: What a judge says of each face at each place of its path, shape (N, S, D), any float type, the places in
            order: angles, logits, features.

    Returns:
        Shape (N,), float64, in [0, 1]; 1 where every step leads straight to the end, 0 where the path ends where it
        began or nothing moves.

    Raises:
        InputError: Not of shape (N, S, D), fewer than two places, no faces, or a value is not finite.

    References:
        Defined here, for the series of Bao et al., "Towards open-set identity preserving face synthesis", CVPR 2018,
        Figure 8.

    Example:
        >>> path_straightness([[[0.0], [1.0], [4.0]], [[0.0], [3.0], [1.0]], [[2.0], [2.0], [2.0]]]).round(6).tolist()
        [1.0, 0.2, 0.0]
    """
    places = _places(path)
    steps = _lengths(np.diff(places, axis=1))
    far = _lengths(places[:, -1] - places[:, 0])
    # a sum of rounded steps may fall short of a straight line by the last bit
    return np.minimum(_ratio(far, steps.sum(axis=1)), 1.0)


def path_evenness(path: ArrayLike) -> NDArray[np.float64]:
    """Mean step of each path, divided by its largest.

    Args:
        path: What a judge says of each face at each place of its path, as in path_straightness.

    Returns:
        Shape (N,), float64, in [0, 1]; 1 where all steps are equally long, 1 / (S - 1) where one jump does it all, 0
        where nothing moves.

    Raises:
        InputError: As path_straightness.

    References:
        Defined here, beside path_straightness.

    Example:
        >>> path_evenness([[[0.0], [1.0], [2.0]], [[0.0], [0.0], [2.0]], [[2.0], [2.0], [2.0]]]).round(6).tolist()
        [1.0, 0.5, 0.0]
    """
    steps = _lengths(np.diff(_places(path), axis=1))
    return np.minimum(_ratio(steps.mean(axis=1), steps.max(axis=1)), 1.0)


def _places(path: ArrayLike) -> NDArray[np.float64]:
    values = numbers("path", path)
    if values.ndim != 3 or len(values) == 0 or values.shape[1] < 2 or values.shape[2] == 0:
        todo = "give what a judge says at two places or more, one row of D numbers each"
        raise InputError("a path of shape (N, S, D), S at least 2", f"shape {values.shape}", todo)
    places = values.astype(np.float64)
    # lengths are compared with each other only, and so no square overflows or vanishes
    largest = np.abs(places).max(axis=(1, 2), keepdims=True)
    return np.asarray(places / np.where(largest > 0, largest, 1.0))


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
