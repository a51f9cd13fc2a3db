# SPDX-License-Identifier: MIT
"""The numbers of facenet's LFW script, which insightface, facenet-pytorch's notebook and most papers took over.

Its loops over 10 folds and 4,400 thresholds are done by sorting. Its habits are kept, so that the digits are the same:

- thresholds on a grid, 0 to 3.99 by 0.01 for the accuracy and to 3.999 by 0.001 for the validation rate, and of equally
  good ones the lowest, at the edge of its plateau;
- ten folds cut from whatever pairs are given, in their order;
- the standard deviation with divisor 10 after the mean, three times the official standard error;
- ROC, AUC and equal error rate of a curve averaged over folds at equal thresholds;
- the threshold of the validation rate interpolated between the grid's, as SciPy before 1.8 did where rates repeat
  (newer ones refuse to), and 0 where no threshold reaches the false accept rate.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import binary, matrix, same_shape
from faceeval.metrics.folds import fold_standard_error
from faceeval.metrics.identity import squared_distances

ACCURACY_GRID = (0, 4, 0.01)
RATE_GRID = (0, 4, 0.001)
DISTANCES = ("squared_euclidean", "cosine")  # distance_metric 0 and 1 of the script
LARGEST = 4.001  # squared distance of opposite unit vectors, with room for the rounding of half precision


class OutsideGridWarning(UserWarning):
    """Squared distances above 4, the end of facenet's thresholds: its embeddings were not at length one."""


@dataclass(frozen=True)
class FacenetSummary:
    """What facenet's ``lfw.evaluate`` and ``validate_on_lfw`` give.

    Attributes:
        accuracies: Share of right decisions in each fold.
        thresholds: Distance below which pairs of each fold are called one person.
        mean: Mean of the accuracies.
        std: Their standard deviation with divisor F, what the script prints after the mean.
        standard_error: Official standard error of the mean, which the script does not print.
        validation_rate: Mean over folds of the share of pairs of one person below the rate's threshold.
        validation_std: Its standard deviation over folds, divisor F.
        validation_far: False accept rate reached on the tested folds, mean.
        far: False accept rate aimed at on the other folds.
        auc: Area under the averaged curve.
        equal_error_rate: Of the averaged curve; None where the curve ends before a false positive rate of 1, on which
            the script stops with an error.
        fpr: False positive rates of the averaged curve, one for each threshold of the accuracy grid.
        tpr: True positive rates of it.
    """

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    mean: float
    std: float
    standard_error: float
    validation_rate: float
    validation_std: float
    validation_far: float
    far: float
    auc: float
    equal_error_rate: float | None
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


@dataclass(frozen=True)
class _Fold:
    """Numbers of one fold, with the rates of its pairs at every threshold of the accuracy grid."""

    accuracy: float
    threshold: float
    validation_rate: float
    far: float
    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]


def facenet_summary(
    first: ArrayLike,
    second: ArrayLike,
    same: ArrayLike,
    *,
    measure: str = "squared_euclidean",
    subtract_mean: bool = False,
    n_folds: int = 10,
    far: float = 1e-3,
) -> FacenetSummary:
    """Verification as facenet's script computes it, to the last digit, without its loops.

    The script expects embeddings of length one and checks nothing. Longer ones lie beyond its thresholds, where every
    pair is two people: an accuracy of exactly 0.5 under balanced pairs. Flipped images, which it concatenates, reach
    distances of 8. Both give the script's number here, and a warning.

    Args:
        first: Embeddings of the first face of each pair, shape (N, D), any float type.
        second: Embeddings of the second, same shape.
        same: Shape (N,), 1 for pairs of one person, 0 for pairs of two.
        measure: "squared_euclidean", the script's ``distance_metric=0``; "cosine", its 1, the angle over pi.
        subtract_mean: Whether to subtract the mean embedding of the other folds first.
        n_folds: Number of folds, cut in the order of the pairs; the first ones take what does not divide.
        far: False accept rate for the validation rate.

    Returns:
        Every number the script prints, in the same units.

    Raises:
        InputError: The shapes differ, a value is not finite or not 0/1, there are fewer pairs than folds or than two
            folds, a fold has pairs of one kind only, ``far`` makes no sense, or, for the cosine, an embedding is zero.
        UnknownNameError: The script has no such measure.

    Warns:
        OutsideGridWarning: Squared distances above 4.

    References:
        Sandberg, facenet, ``src/facenet.py`` and ``src/lfw.py``; Schroff et al., "FaceNet ...", CVPR 2015, section 4.
        Parity: the published loops written out, scikit-learn ``KFold`` and ``auc``, tests/metrics/test_facenet_loop.py.

    Example:
        >>> import numpy as np
        >>> first = np.tile([[1.0, 0.0]], (8, 1))
        >>> second = np.tile([[5 / 13, 12 / 13], [-0.6, 0.8]], (4, 1))
        >>> summary = facenet_summary(first, second, same=[1, 0] * 4, n_folds=2)
        >>> summary.mean, [round(threshold, 2) for threshold in summary.thresholds]
        (1.0, [1.24, 1.24])
    """
    if measure not in DISTANCES:
        raise unknown_name("measure of facenet's script", str(measure), DISTANCES)
    one = np.ascontiguousarray(matrix("first", first), dtype=np.float64)
    other = np.ascontiguousarray(matrix("second", second), dtype=np.float64)
    same_shape("first", one, "second", other)
    truth = binary("same", same)
    borders = _borders(len(one), truth, n_folds)
    if not 0.0 < far <= 1.0:
        raise InputError("a false accept rate above 0 and at most 1", str(far), "give far=0.001")
    distances = _distances(one, other, measure)
    if measure == "squared_euclidean" and distances.max() > LARGEST:
        text = f"{int((distances > LARGEST).sum())} of {len(one)} squared distances are above 4"
        warnings.warn(f"{text}, where facenet's thresholds end: bring embeddings to length one", OutsideGridWarning, 2)
    order = np.argsort(distances)
    found = []
    for start, stop in itertools.pairwise(borders.tolist()):
        if subtract_mean:
            mean = np.concatenate([part[np.r_[:start, stop : len(one)]] for part in (one, other)]).mean(axis=0)
            distances = _distances(one - mean, other - mean, measure)
            order = np.argsort(distances)
        tested = (order >= start) & (order < stop)
        found.append(_fold(distances[order], truth[order], tested, far))
    return _summary(found, far)


def _borders(pairs: int, truth: NDArray[np.bool_], n_folds: int) -> NDArray[np.int64]:
    """Returns where folds start, and the end; every fold must hold both kinds, or the script divides by zero."""
    if truth.shape != (pairs,):
        raise InputError(f"same of shape ({pairs},)", f"shape {truth.shape}", "give one 0 or 1 for each pair")
    if int(n_folds) != n_folds or not 2 <= n_folds <= pairs:
        raise InputError(f"2 to {pairs} folds", str(n_folds), "give n_folds=10 and at least as many pairs")
    sizes = np.full(n_folds, pairs // n_folds)
    sizes[: pairs % n_folds] += 1
    borders = np.concatenate([[0], np.cumsum(sizes)])
    for fold, part in enumerate(np.split(truth, borders[1:-1])):
        if part.all() or not part.any():
            todo = "give the pairs in the order of the file, in which every fold holds both"
            raise InputError("pairs of both kinds in every fold", f"one kind only in fold {fold}", todo)
    return borders


def _distances(one: NDArray[np.float64], other: NDArray[np.float64], measure: str) -> NDArray[np.float64]:
    """Returns the script's distances, summed in its order; infinite where its arccos gives no number."""
    if measure == "squared_euclidean":
        return squared_distances(one, other)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    if lengths.min() == 0.0:
        got = f"a zero vector in pair {int(lengths.argmin())}"
        raise InputError("embeddings that point somewhere", got, "leave that pair out")
    cosines = (one * other).sum(axis=1) / lengths
    # equal faces can have a cosine of 1 + 2e-16; the script's NaN is below no threshold, so the pair is two people
    beyond = np.abs(cosines) > 1.0
    return np.where(beyond, np.inf, np.arccos(np.clip(cosines, -1.0, 1.0)) / np.pi)


def _fold(distances: NDArray[np.float64], truth: NDArray[np.bool_], tested: NDArray[np.bool_], far: float) -> _Fold:
    """Returns the numbers of one fold, of distances that ascend."""
    parts = {
        (kind, side): distances[(truth == kind) & (tested == side)] for kind in (True, False) for side in (True, False)
    }
    grid = np.arange(*ACCURACY_GRID)
    below = {key: np.searchsorted(part, grid) for key, part in parts.items()}  # how many lie below each threshold
    # accepted pairs of one person less those of two: the accuracy but for a constant; argmax takes the lowest
    best = int(np.argmax(below[True, False] - below[False, False]))
    true, false = len(parts[True, True]), len(parts[False, True])
    right = int(below[True, True][best]) + false - int(below[False, True][best])
    rates = np.arange(*RATE_GRID)
    fars = np.searchsorted(parts[False, False], rates) / len(parts[False, False])
    threshold = _interpolated(fars, rates, far)
    return _Fold(
        right / (true + false),
        float(grid[best]),
        int(np.searchsorted(parts[True, True], threshold)) / true,
        int(np.searchsorted(parts[False, True], threshold)) / false,
        below[False, True] / false,
        below[True, True] / true,
    )


def _interpolated(fars: NDArray[np.float64], thresholds: NDArray[np.float64], far: float) -> float:
    """Returns the threshold at a false accept rate, on the line from the last threshold below to the first above."""
    if fars.max() < far:
        return 0.0
    low = int(np.searchsorted(fars, far, side="right")) - 1
    if low + 1 == len(fars):
        return float(thresholds[low])
    # the order in which a spline of degree 1 is evaluated, so that the last bit agrees
    weight = 1.0 / (fars[low + 1] - fars[low])
    lower, upper = weight * (fars[low + 1] - far), weight * (far - fars[low])
    return float(thresholds[low] * lower + thresholds[low + 1] * upper)


def _summary(found: list[_Fold], far: float) -> FacenetSummary:
    accuracies = np.array([fold.accuracy for fold in found])
    rates = np.array([fold.validation_rate for fold in found])
    fpr, tpr = np.mean([fold.fpr for fold in found], axis=0), np.mean([fold.tpr for fold in found], axis=0)
    return FacenetSummary(
        accuracies=tuple(accuracies.tolist()),
        thresholds=tuple(fold.threshold for fold in found),
        mean=float(accuracies.mean()),
        std=float(accuracies.std()),
        standard_error=fold_standard_error(accuracies),
        validation_rate=float(rates.mean()),
        validation_std=float(rates.std()),
        validation_far=float(np.mean([fold.far for fold in found])),
        far=float(far),
        auc=float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2.0).sum()),
        equal_error_rate=_crossing(fpr, tpr),
        fpr=tuple(fpr.tolist()),
        tpr=tuple(tpr.tolist()),
    )


def _crossing(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> float | None:
    from scipy.optimize import brentq  # the script's own solver: a closed form would differ in the last digits

    if fpr[-1] < 1.0:
        return None
    return float(brentq(lambda x: 1.0 - x - np.interp(x, fpr, tpr), 0.0, 1.0))
