# SPDX-License-Identifier: MIT
"""Does it fool one judge? The discriminator fidelity score of M-AAE, and what an ideal judge would give.

A discriminator's output is a probability relative to the mix it was trained on. Scores of two discriminators are not on
one scale; a score of an editor by its own discriminator says how their contest went, not how real the images look.
``crossfit`` makes one judge for all editors; the matrix here shows what happens without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import same_shape, vector
from faceeval.metrics.bootstrap import Interval, bootstrap_difference, bootstrap_mean
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


@dataclass(frozen=True)
class EditCountFidelity:
    """Fidelity after a number of edits in a row, one column of M-AAE's Table 2.

    Attributes:
        n_edits: Number of edited attributes; 0 is the unedited image, the control.
        score: Mean realness, 0..1, with its interval.
        change: Mean difference from the unedited images, image by image, with its interval; below 0 is less real.
        n: Number of images.
    """

    n_edits: int
    score: Interval
    change: Interval
    n: int


@dataclass(frozen=True, eq=False)
class FidelityMatrix:
    """Every discriminator's mean realness for every editor's images.

    Attributes:
        judges: Whose discriminator, one for each row.
        methods: Whose images, one for each column.
        scores: Mean realness, float64, (judges, methods), 0..1.
        own_advantage: For each method that is also a judge: what its own discriminator gives it above the mean of what
            the others give it. Far from 0, M-AAE's Table 2 would say more about the judges than about the images.
    """

    judges: tuple[str, ...]
    methods: tuple[str, ...]
    scores: NDArray[np.float64]
    own_advantage: Mapping[str, float]


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


def fidelity_by_edit_count(
    logits: Mapping[int, ArrayLike], seed: int = 0, n_resamples: int = 1000, groups: ArrayLike | None = None
) -> tuple[EditCountFidelity, ...]:
    """Fidelity by the number of edited attributes, beside that of the same images unedited.

    Edits in a row need not make images less real to a judge: two of the twelve steps in the paper's table go up. What
    the judge says of the unedited images is the only measure of what it says of the others.

    Args:
        logits: Number of edits -> logits of one judge, each of shape (N,), for the same images in the same order,
            edited by one fixed chain of attributes; 0, the unedited images, is required.
        seed: Seed of the draws.
        n_resamples: Number of draws.
        groups: Who is in each image, as in bootstrap_mean.

    Returns:
        One record for each number of edits, ascending.

    Raises:
        InputError: The control is missing, a number of edits is negative or not whole, the shapes differ, there are
            fewer than two images, or a value is not finite.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 2, with the control it lacks.

    Example:
        >>> rows = fidelity_by_edit_count({0: [0.0, 0.0], 1: [-1.0, -1.0], 2: [-2.0, -2.0]})
        >>> [(row.n_edits, round(row.score.value, 3), round(row.change.value, 3)) for row in rows]
        [(0, 0.5, 0.0), (1, 0.269, -0.231), (2, 0.119, -0.381)]
    """
    if 0 not in logits:
        got = f"{sorted(logits)} edits"
        raise InputError("the unedited images among the columns", got, "judge the sources too, as 0 edits")
    if any(int(count) != count or count < 0 for count in logits):
        raise InputError("numbers of edits 0, 1, 2, ...", f"{list(logits)}", "count the edited attributes")
    control = realness(vector("logits of 0 edits", logits[0], least=2))
    rows = []
    for count in sorted(logits):
        values = realness(logits[count])
        same_shape("logits of 0 edits", control, f"logits of {count} edits", values)
        score = bootstrap_mean(values, seed, n_resamples, groups=groups)
        change = bootstrap_difference(values, control, seed, n_resamples, groups=groups)
        rows.append(EditCountFidelity(int(count), score, change, len(values)))
    return tuple(rows)


def legacy_fidelity_matrix(logits: Mapping[str, Mapping[str, ArrayLike]]) -> FidelityMatrix:
    """Every editor's own discriminator judging every editor: the published protocol with its bias in view.

    A discriminator knows its own generator's late mistakes and has never seen the others'. The diagonal is what M-AAE
    prints; scores in one row are on one scale, scores in one column are not.

    Args:
        logits: Judge -> method -> logits for the method's images, shape (N,), before any sigmoid; every judge judges
            the same methods. Give the real images as one more method: they tell how each judge is calibrated.

    Returns:
        The matrix, rows and columns in the order given.

    Raises:
        InputError: No judges or methods, or a value is not finite.
        UnknownNameError: A judge lacks a method or has one of its own.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", section 4.3 and Table 2 (the diagonal).

    Example:
        >>> matrix = legacy_fidelity_matrix({"a": {"a": [0.0], "b": [-2.0]}, "b": {"a": [-2.0], "b": [0.0]}})
        >>> matrix.scores.round(3).tolist()
        [[0.5, 0.119], [0.119, 0.5]]
        >>> {method: round(value, 3) for method, value in matrix.own_advantage.items()}
        {'a': 0.381, 'b': 0.381}
    """
    judges = tuple(logits)
    methods = tuple(logits[judges[0]]) if judges else ()
    if not methods:
        raise InputError("logits of at least one judge for one method", "none", "give {judge: {method: logits}}")
    for judge in judges:
        for method in (*methods, *logits[judge]):
            if method not in logits[judge] or method not in methods:
                raise unknown_name(f"method judged by {judge}", method, {*methods} & {*logits[judge]})
    scores = np.array([[fidelity_score(logits[judge][method]) for method in methods] for judge in judges])
    own = {}
    for column, method in enumerate(methods):
        if method in judges and len(judges) > 1:
            row = judges.index(method)
            own[method] = float(scores[row, column] - np.delete(scores[:, column], row).mean())
    return FidelityMatrix(judges, methods, scores, own)
