# SPDX-License-Identifier: MIT
"""Does it fool one judge? The discriminator fidelity score of M-AAE, and what an ideal judge would give.

A discriminator's output is a probability relative to the mix it was trained on. Scores of two discriminators are not on
one scale; a score of an editor by its own discriminator says how their contest went, not how real the images look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import same_shape, vector
from faceeval.metrics.identity import verification_auc


@dataclass(frozen=True)
class FidelitySummary:
    """How one judge sees edited images beside real ones.

    Attributes:
        edited: Mean score of the edited images, 0..1. An ideal judge gives at most 0.5, and 0.5 to perfect edits.
        real: Mean score of the real images, 0..1.
        total: edited + real: 1 for an ideal judge, so its distance from 1 says how far to trust the rest.
        auc: Chance that the judge scores a real image above an edited one; 0.5 cannot tell them apart.
        n_edited: Number of edited images.
        n_real: Number of real images.
    """

    edited: float
    real: float
    total: float
    auc: float
    n_edited: int
    n_real: int


def realness(logits: ArrayLike) -> NDArray[np.float64]:
    """Probability of being real that a discriminator gives each image: the sigmoid of its logit, applied once.

    Args:
        logits: Shape (N,), any float type, before any sigmoid.

    Returns:
        Shape (N,), float64, in [0, 1]; higher is realer.

    Raises:
        InputError: Not a vector, empty, or not finite.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", section 4.3.
        Parity: ``scipy.special.expit``, tests/metrics/test_fidelity_metrics.py.

    Example:
        >>> realness([0.0, 1000.0, -1000.0]).tolist()
        [0.5, 1.0, 0.0]
    """
    values = vector("logits", logits)
    # exp of a negative number only, so that nothing overflows
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)


def fidelity_score(logits: ArrayLike) -> float:
    """Mean probability of being real that one discriminator gives a set of images.

    Args:
        logits: Logits of the judge for the edited images, shape (N,), any float type, before any sigmoid.

    Returns:
        In [0, 1]; higher is better up to 0.5, what an ideal judge gives to perfect edits. More than 0.5 says that the
        judge is not calibrated.

    Raises:
        InputError: Not a vector, empty, or not finite.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 2.

    Example:
        >>> fidelity_score([0.0, 0.0])
        0.5
    """
    return float(realness(logits).mean())


def fidelity_summary(real_logits: ArrayLike, edited_logits: ArrayLike) -> FidelitySummary:
    """Fidelity of edited images beside that of real ones, with the judge's own reliability.

    Args:
        real_logits: Logits for real images the judge was not trained on, shape (N,).
        edited_logits: Logits for edited images the judge was not trained on, shape (M,).

    Returns:
        Both means, their sum (1 for an ideal judge) and the judge's AUC.

    Raises:
        InputError: Not vectors, empty, or not finite.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 2, with the controls it lacks.

    Example:
        >>> fidelity_summary(real_logits=[0.0, 0.0], edited_logits=[0.0])
        FidelitySummary(edited=0.5, real=0.5, total=1.0, auc=0.5, n_edited=1, n_real=2)
    """
    real, edited = vector("real_logits", real_logits), vector("edited_logits", edited_logits)
    of_real, of_edited = fidelity_score(real), fidelity_score(edited)
    truth = np.repeat([1, 0], [len(real), len(edited)])
    auc = verification_auc(np.concatenate([real, edited]), truth)
    return FidelitySummary(of_edited, of_real, of_edited + of_real, auc, len(edited), len(real))


def ideal_fidelity(real: ArrayLike, edited: ArrayLike) -> float:
    r"""Fidelity score the ideal judge gives, where both distributions are known over finitely many outcomes.

    The ideal judge of an even mix is :math:`D^* = p / (p + q)`; its mean over the edited images is
    :math:`\sum q p/(p+q) \le 1/2`, with equality only where p = q. So a perfect editor scores 0.5, never 1.

    Args:
        real: Probabilities p of the outcomes among real images, shape (K,), at least 0, sum 1.
        edited: Probabilities q among edited images, same shape.

    Returns:
        In [0, 0.5].

    Raises:
        InputError: The shapes differ, a value is negative, or a sum is not 1.

    References:
        Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, proposition 1 (the ideal judge).

    Example:
        >>> round(ideal_fidelity([0.5, 0.5], [1.0, 0.0]), 6)
        0.333333
    """
    p, q = vector("real", real), vector("edited", edited)
    same_shape("real", p, "edited", q)
    for name, values in (("real", p), ("edited", q)):
        if values.min() < 0 or abs(values.sum() - 1.0) > 1e-9:
            got = f"smallest {values.min():g}, sum {values.sum():g}"
            raise InputError(f"{name} as probabilities that sum to 1", got, "divide counts by their sum")
    both = p + q
    return float((q * p / np.where(both > 0, both, 1.0)).sum())
