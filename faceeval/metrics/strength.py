# SPDX-License-Identifier: MIT
"""Does more strength give more of the attribute? How steadily a judge's answer rises as an edit gets stronger."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix


def strength_monotonicity(responses: ArrayLike) -> NDArray[np.float64]:
    """Share of pairs of strengths at which the stronger edit shows more of the attribute, less the share with less.

    Kendall's tau between strength and response, face by face; equal responses count as neither. It asks for the order
    only, not for how far the response moves: `curve_fall` and the curve itself say that.

    Args:
        responses: What a judge says of each face at each strength, shape (N, S), any float type: logits or
            probabilities of the attribute, the columns in the order of ascending strength.

    Returns:
        Shape (N,), float64, in [-1, 1]; 1 where every step up shows more, 0 where strength does nothing, -1 where
        every step up shows less.

    Raises:
        InputError: Not a matrix, fewer than two strengths, no faces, or a value is not finite.

    References:
        Kendall, "A new measure of rank correlation", Biometrika 1938 (tau-a); the curves are those of Sun et al.,
        "Mask-aware photorealistic face attribute manipulation", Figure 6.
        Parity: ``scipy.stats.kendalltau``, tests/metrics/test_strength_metrics.py.

    Example:
        >>> strength_monotonicity([[-2.0, 0.0, 3.0], [1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]).round(3).tolist()
        [1.0, 0.0, 0.333]
    """
    values = _responses(responses)
    first, second = np.triu_indices(values.shape[1], k=1)
    balance = np.zeros(len(values))
    for i, j in zip(first.tolist(), second.tolist(), strict=True):  # all at once would take S² / 2 copies
        balance += np.sign(values[:, j] - values[:, i])
    return balance / len(first)


def always_rises(responses: ArrayLike) -> NDArray[np.float64]:
    """Whether every step up in strength shows more of the attribute, face by face.

    Args:
        responses: What a judge says of each face at each strength, as in strength_monotonicity.

    Returns:
        Shape (N,), float64, 1 where each response is above the one before it and 0 elsewhere.

    Raises:
        InputError: As strength_monotonicity.

    References:
        Defined here, beside Sun et al., "Mask-aware photorealistic face attribute manipulation", Figure 6.

    Example:
        >>> always_rises([[-2.0, 0.0, 3.0], [1.0, 1.0, 1.0]]).tolist()
        [1.0, 0.0]
    """
    rises = np.diff(_responses(responses), axis=1) > 0
    return np.asarray(rises.all(axis=1), dtype=np.float64)


def curve_fall(responses: ArrayLike) -> float:
    """How far the mean response falls at most, from any strength to any greater one.

    Args:
        responses: What a judge says of each face at each strength, as in strength_monotonicity; probabilities, where
            the fall is to be read as one.

    Returns:
        At least 0, in the unit of the responses; 0 where the mean curve never falls.

    Raises:
        InputError: As strength_monotonicity.

    References:
        Defined here, beside Sun et al., "Mask-aware photorealistic face attribute manipulation", Figure 6.

    Example:
        >>> curve_fall([[0.0, 1.0, 0.5, 0.75]])
        0.5
    """
    mean = _responses(responses).mean(axis=0)
    return float((np.maximum.accumulate(mean) - mean).max())


def _responses(responses: ArrayLike) -> NDArray[np.float64]:
    values = matrix("responses", responses).astype(np.float64)
    if values.shape[1] < 2:
        got = f"{values.shape[1]} column"
        raise InputError("responses at two strengths or more, one column each", got, "edit with several strengths")
    return values
