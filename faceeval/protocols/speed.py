# SPDX-License-Identifier: MIT
"""How fast an editor is, from the wall time of its calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faceeval.metrics.bootstrap import bootstrap_statistic
from faceeval.results import Value

RESAMPLES = 1000


def throughput(batches: Sequence[tuple[int, float]], seed: int) -> Value | None:
    """Images a second, the first call left out: it warms caches, thread pools and kernels up.

    Args:
        batches: Images and seconds of each call of the editor, in order.
        seed: Seed of the bootstrap over calls.

    Returns:
        The rate over all but the first call, with an interval where there are at least two of these; None where
        there was one call only.
    """
    images = np.array([size for size, _ in batches[1:]], dtype=np.float64)
    seconds = np.array([spent for _, spent in batches[1:]], dtype=np.float64)
    if len(images) == 0 or seconds.sum() <= 0:
        return None
    total = int(images.sum())
    if len(images) == 1:
        return Value(value=float(images.sum() / seconds.sum()), n=total)
    rate = bootstrap_statistic(
        lambda drawn: float(images[drawn].sum() / seconds[drawn].sum()), len(images), seed, RESAMPLES
    )
    return Value(value=rate.value, low=rate.low, high=rate.high, n=total)
