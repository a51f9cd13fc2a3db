# SPDX-License-Identifier: MIT
"""Could it have been chance? The sign-flip test of paired differences, and Holm's correction for several tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import vector

SIGNS_AT_ONCE = 250_000  # signs held in memory: 2 MB, which a core keeps in its cache
ROUNDING = 1e-12  # of the sum of all sizes: sums nearer than that to the observed one count as equal to it


def sign_flip_p_value(differences: ArrayLike, seed: int = 0, n_resamples: int = 10_000) -> float:
    """Two-sided p-value of the sign-flip test: how often random signs make a sum at least as large in size.

    All patterns of signs are tried where there are no more than ``n_resamples`` (13 differences at 10,000); otherwise
    so many are drawn, and the one at hand counted among them, so that the p-value is never 0.

    Args:
        differences: Differences of pairs, shape (N,), finite.
        seed: Seed of the draws.
        n_resamples: Number of patterns drawn, at least 1.

    Returns:
        In (0, 1]; 1 where all differences are 0.

    Raises:
        InputError: No differences, one that is not finite, or a senseless setting.

    References:
        Fisher, "The Design of Experiments", 1935, section 21; Phipson and Smyth, "Permutation p-values should never be
        zero", SAGMB 2010. Parity: ``scipy.stats.permutation_test``, tests/metrics/test_compare.py.

    Example:
        >>> sign_flip_p_value([1.0, 2.0, 3.0]), sign_flip_p_value([1.0, -1.0])
        (0.25, 1.0)
    """
    values = vector("differences", differences)
    if int(n_resamples) != n_resamples or n_resamples < 1:
        raise InputError("at least one resample", str(n_resamples), "give n_resamples=10_000")
    largest = float(np.abs(values).max())
    if largest == 0.0:
        return 1.0
    values = values / largest  # neither tiny nor huge values may lose the sums
    bar = abs(float(values.sum())) - ROUNDING * float(np.abs(values).sum())
    n = len(values)
    if n < 63 and 2**n <= n_resamples:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1.0 - 2.0 * patterns) @ values) >= bar).mean())
    rng, beyond, words = np.random.default_rng(seed), 1, -(-n // 64)
    block = max(1, SIGNS_AT_ONCE // n)
    for start in range(0, n_resamples, block):
        # whole words, so that neither the block size nor the machine's byte order changes the draws
        drawn = rng.integers(0, 2**64, size=(min(block, n_resamples - start), words), dtype=np.uint64).astype("<u8")
        minus = np.unpackbits(drawn.view(np.uint8), axis=1, count=n, bitorder="little")
        beyond += int((np.abs(values.sum() - 2.0 * (minus @ values)) >= bar).sum())
    return beyond / (n_resamples + 1)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction: p-values that can be held against one bar although several were looked at.

    Args:
        p_values: Shape (K,), each in [0, 1].

    Returns:
        Shape (K,), float64, each at least what it was and at most 1; rejecting those below 0.05 is wrong anywhere at
        most once in twenty times, however the tests depend on each other.

    Raises:
        InputError: No p-values, or one outside [0, 1].

    References:
        Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. Statistics 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
        [0.03, 0.06, 0.06]
    """
    values = vector("p_values", p_values)
    if values.min() < 0 or values.max() > 1:
        raise InputError("p-values in [0, 1]", f"{values.min():g} to {values.max():g}", "give chances, not statistics")
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
