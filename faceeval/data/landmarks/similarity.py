# SPDX-License-Identifier: MIT
"""Similarity transforms of the plane, fitted to landmarks, and landmarks no transform can use.

A transform is a matrix of shape (2, 3), float64, whose first two columns turn and scale and whose last one moves, so
that a point p comes to ``matrix[:, :2] @ p + matrix[:, 2]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError

F64 = NDArray[np.float64]
Points = tuple[tuple[float, float], ...]
MIN_FLATNESS = 0.02  # of five points: spread across their line in terms of the spread along it
MIN_SPREAD = 1.0  # pixels, the root of the points' summed squared distances to their middle
NOT_FINITE, FLAT, MIRRORED = "not finite", "in one line or one place", "mirrored"
# eyes, nose and mouth corners on ArcFace's 112 x 112 pixels, those on the left of the picture first
ARCFACE: Points = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def landmark_faults(landmarks: NDArray[np.floating]) -> NDArray[np.str_]:
    """Says of each face what makes its five landmarks useless; empty where nothing does.

    Args:
        landmarks: (N, 5, 2), (x, y) in CelebA's order: eyes, nose, mouth corners, those left in the picture first.

    Returns:
        (N,) of ``""``, NOT_FINITE, FLAT or MIRRORED. Mirrored are landmarks that name the person's left, and not the
        picture's: no turning brings them to where they belong.
    """
    faults = np.full(len(landmarks), "", f"<U{max(map(len, (NOT_FINITE, FLAT, MIRRORED)))}")
    finite = np.isfinite(landmarks).all((1, 2))
    points = _centred(np.where(finite[:, None, None], landmarks, 0.0))
    wanted = _centred(np.array(ARCFACE)[None])
    spread = (np.abs(points) ** 2).sum(1)
    along = np.abs((points**2).sum(1))  # spread +- this: twice the squared spread along and across the points' line
    flat = (spread < MIN_SPREAD**2) | (spread - along < MIN_FLATNESS**2 * (spread + along))
    mirrored = np.abs((points * wanted).sum(1)) > np.abs((points.conj() * wanted).sum(1))
    faults[mirrored], faults[flat], faults[~finite] = MIRRORED, FLAT, NOT_FINITE
    return faults


def fit_similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> F64:
    """Finds the turn, scale and shift that bring points as near to others as they can in the least-squares sense.

    Args:
        source: (n, 2), at least two points, not all in one place.
        target: Where they go, (n, 2).

    Returns:
        The matrix (2, 3); it never mirrors.

    Raises:
        InputError: The shapes differ, a value is not finite, or the points are all in one place.

    References:
        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, eqs.
        40-42. In the plane, turn and scale together are one complex number, and the singular value decomposition
        becomes a division.

    Example:
        >>> fit_similarity(np.array([[0, 0], [1, 0]]), np.array([[5, 5], [5, 7]])).round(3) + 0.0
        array([[ 0., -2.,  5.],
               [ 2.,  0.,  5.]])
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise InputError("two or more points (n, 2) and as many to go to", f"{source.shape}, {target.shape}", "mend it")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("points that are finite", "NaN or infinity", "leave this face out")
    x, y = _centred(source[None])[0], _centred(target[None])[0]
    spread = float(np.vdot(x, x).real)
    if spread == 0:
        raise InputError("points in different places", "all in one place", "leave this face out")
    turn = np.vdot(x, y) / spread
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    shift = target.mean(0, dtype=np.float64) - matrix @ source.mean(0, dtype=np.float64)
    return np.column_stack([matrix, shift])


def move_points(matrix: F64, points: NDArray[np.floating]) -> F64:
    """Returns where a transform brings points, (..., 2)."""
    moved: F64 = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved


def invert(matrix: F64) -> F64:
    """Returns the transform back."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def _centred(points: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Turns points (N, n, 2) to complex numbers around the middle of each row."""
    numbers = points[..., 0].astype(np.float64) + 1j * points[..., 1].astype(np.float64)
    centred: NDArray[np.complex128] = numbers - numbers.mean(1, keepdims=True)
    return centred
