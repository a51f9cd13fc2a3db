# SPDX-License-Identifier: MIT
"""Are these two the same person? Pairs of faces in, every number of a verification table out.

``mode="exact"`` is the protocol of Labeled Faces in the Wild as its authors describe it: folds, exact thresholds, the
standard error of the mean. ``mode="facenet"`` is what most papers ran instead, digit for digit (``facenet_loop``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

from numpy.typing import ArrayLike

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.facenet_loop import FacenetSummary, facenet_summary
from faceeval.metrics.folds import FoldAccuracies, verification_folds
from faceeval.metrics.identity import Measure, pair_similarity, scored_pairs, verification_auc
from faceeval.metrics.roc import OperatingPoint, equal_error_rate, operating_point

FARS = (1e-2, 1e-3)  # what LFW's 3,000 pairs of two people can show
MODES = ("exact", "facenet")


@dataclass(frozen=True)
class VerificationSummary:
    """How well similarities tell people apart: at thresholds from other folds, and over all pairs together.

    Attributes:
        folds: Accuracies of the folds, their mean and standard error.
        auc: Area under the ROC curve of all pairs; higher is better, 0.5 is chance.
        equal_error_rate: Of all pairs; lower is better.
        operating_points: True accept rates at false accept rates, of all pairs, with Wilson intervals.
        n_same: Pairs of one person.
        n_different: Pairs of two people.
    """

    folds: FoldAccuracies
    auc: float
    equal_error_rate: float
    operating_points: tuple[OperatingPoint, ...]
    n_same: int
    n_different: int


def verification_summary(
    similarities: ArrayLike, same: ArrayLike, folds: ArrayLike, fars: Sequence[float] | None = None
) -> VerificationSummary:
    """Everything a table of verification results holds, from similarities.

    Args:
        similarities: Shape (N,), any float type; higher says "the same" more strongly.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two.
        folds: Fold of each pair, shape (N,), whole numbers; at least two different ones.
        fars: False accept rates to give the true accept rate at; None takes those of 1e-2 and 1e-3 that the number
            of pairs of two people can show.

    Returns:
        Accuracy over folds; AUC, equal error rate and true accept rates over all pairs pooled.

    Raises:
        InputError: As verification_folds, or as operating_point for one of ``fars``.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007, View 2; ISO/IEC 19795-1 (the rates).

    Example:
        >>> summary = verification_summary([0.9, 0.1, 0.8, 0.3], [1, 0, 1, 0], [0, 0, 1, 1])
        >>> summary.folds.mean, summary.auc, summary.equal_error_rate, summary.operating_points
        (1.0, 1.0, 0.0, ())
    """
    scores, truth = scored_pairs(similarities, same)
    different = int(len(truth) - truth.sum())
    asked = [far for far in FARS if far * different >= 1] if fars is None else fars
    found = verification_folds(scores, truth, folds)
    return VerificationSummary(
        found,
        verification_auc(scores, truth),
        equal_error_rate(scores, truth),
        tuple(operating_point(scores, truth, far) for far in asked),
        int(truth.sum()),
        different,
    )


@overload
def verify_embeddings(
    first: ArrayLike,
    second: ArrayLike,
    same: ArrayLike,
    folds: ArrayLike,
    *,
    measure: Measure | None = ...,
    mode: Literal["exact"] = ...,
) -> VerificationSummary: ...


@overload
def verify_embeddings(
    first: ArrayLike,
    second: ArrayLike,
    same: ArrayLike,
    folds: ArrayLike | None = ...,
    *,
    measure: Measure | None = ...,
    mode: Literal["facenet"],
) -> FacenetSummary: ...


def verify_embeddings(
    first: ArrayLike,
    second: ArrayLike,
    same: ArrayLike,
    folds: ArrayLike | None = None,
    *,
    measure: Measure | None = None,
    mode: Literal["exact", "facenet"] = "exact",
) -> VerificationSummary | FacenetSummary:
    """Every number of a verification table, from embeddings.

    Args:
        first: Embeddings of the first face of each pair, shape (N, D), any float type.
        second: Embeddings of the second, same shape.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two.
        folds: Fold of each pair, shape (N,), whole numbers; consecutive_folds where the list is complete. None in
            facenet's mode, which cuts whatever pairs it is given into ten, in their order.
        measure: How embeddings are compared, see pair_similarity; None takes "cosine". Facenet's mode knows
            "squared_euclidean", its own default, and "cosine", which it turns into an angle.
        mode: "exact", the protocol as published; "facenet", the numbers of facenet's script.

    Returns:
        The summary: of verification_summary, or of facenet_summary.

    Raises:
        InputError: As pair_similarity and verification_summary, or as facenet_summary; no folds in exact mode, or
            folds in facenet's.
        UnknownNameError: There is no such mode or measure.

    Warns:
        OutsideGridWarning: In facenet's mode, some distances lie beyond its thresholds.

    References:
        Huang et al., "Labeled Faces in the Wild", 2007, View 2; Schroff et al., "FaceNet ...", CVPR 2015, section 4.
        Parity: scikit-learn ``roc_auc_score``, tests/metrics/test_verification.py.

    Example:
        >>> first = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
        >>> second = [[0.8, 0.6], [-1.0, 0.0], [0.6, 0.8], [0.0, -1.0]]
        >>> verify_embeddings(first, second, same=[1, 0, 1, 0], folds=[0, 0, 1, 1]).folds.mean
        1.0
    """
    if mode not in MODES:
        raise unknown_name("mode of verification", str(mode), MODES)
    if mode == "facenet":
        if folds is not None:
            todo = "leave folds out, with pairs in the order of the file; or use the exact mode"
            raise InputError("no folds in facenet's mode, which cuts its own", "folds", todo)
        return facenet_summary(first, second, same, measure=measure or "squared_euclidean")
    if folds is None:
        todo = "give the folds of the pairs file; consecutive_folds(len(same)) where no pair was left out"
        raise InputError("the fold of each pair", "None", todo)
    return verification_summary(pair_similarity(first, second, measure or "cosine"), same, folds)
