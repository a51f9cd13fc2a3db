# SPDX-License-Identifier: MIT
"""Is it still a good picture of a face? FAI's discrepancy of feature norm (DFN).

A network trained with a softmax gives poor pictures (turned, dark, blurred, broken) short features. The ratio of
lengths after and before the edit tells, image by image, whether the edit cost quality.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape, vector

LEAST_SPREAD = 1e-4  # of the norms over their mean
# Unit vectors rounded to bfloat16, or to float16 in few dimensions, spread more than that, but stay this near to 1;
# the lengths of features as a network gives them do not all do so
UNIT_MARGIN = 0.01


@dataclass(frozen=True)
class DFNSummary:
    """What FAI's table and boxplots show of a set of DFN ratios; quartiles by linear interpolation (type 7).

    Attributes:
        mean: Mean ratio, the number in FAI's table.
        median: The line in FAI's boxplots.
        p25: Lower quartile.
        p75: Upper quartile.
        iqr: p75 - p25; smaller is better.
        n: Number of ratios.
    """

    mean: float
    median: float
    p25: float
    p75: float
    iqr: float
    n: int


def dfn_ratios(source_features: ArrayLike, edited_features: ArrayLike) -> NDArray[np.float64]:
    r"""Length of each edited face's feature over the length of its source's feature.

    .. math:: \gamma_i = \lVert\varphi(G(x_i))\rVert_2 \,/\, \lVert\varphi(x_i)\rVert_2

    The features must be those before any normalisation: of unit vectors every ratio is 1 and the metric is void. They
    should come from a network trained with a softmax loss, in eval mode, and from one crop for both images.

    Args:
        source_features: Un-normalised features of the source faces, shape (N, D), any float type.
        edited_features: Features of the edited faces, same shape and order.

    Returns:
        Shape (N,), float64, at least 0 and not clipped; 1 is unchanged, below 1 is lost quality. A ratio above 1 may be
        a better picture or mere sharpening, so nearer to 1 is safer than higher.

    Raises:
        InputError: The shapes differ, a value is not finite, a source feature is zero, a length overflows, or features
            look L2-normalised: the spread of the sources' lengths is under 1e-4 of their mean, or all lengths of one
            side are 1 to within rounding.

    References:
        Tu et al., "Face Attribute Inversion", section 3.3.1; Parde et al., "Deep convolutional neural network
        features and the original image", 2016 (why length tells quality).

    Example:
        >>> import numpy as np
        >>> source = np.array([[3.0, 4.0], [0.0, 2.0]])
        >>> dfn_ratios(source, source * [[0.5], [1.0]]).tolist()
        [0.5, 1.0]
    """
    source = matrix("source_features", source_features).astype(np.float64)
    edited = matrix("edited_features", edited_features).astype(np.float64)
    same_shape("source_features", source, "edited_features", edited)
    before, after = _lengths("source", source), _lengths("edited", edited)
    if before.min() == 0.0:
        got = f"a zero vector at row {int(before.argmin())}"
        raise InputError("source features of some length", got, "leave that image out, or look at what it shows")
    _refuse_normalised(before, after)
    with np.errstate(over="ignore"):
        return vector("ratios of the lengths", after / before)


def dfn_summary(ratios: ArrayLike) -> DFNSummary:
    """Mean, median and quartiles of DFN ratios.

    Args:
        ratios: Shape (N,), from dfn_ratios.

    Returns:
        The summary; mean, median, p25 and p75 are best near 1, iqr is best at 0.

    Raises:
        InputError: No ratios, or one is not finite.

    References:
        Tu et al., "Face Attribute Inversion", Table 1 (mean) and Figure 3 (median, quartiles).
        Parity: ``numpy.percentile``, method "linear".

    Example:
        >>> summary = dfn_summary([0.5, 0.7, 0.8, 0.9, 1.1])
        >>> round(summary.mean, 12), summary.median, round(summary.iqr, 12)
        (0.8, 0.8, 0.2)
    """
    values = vector("ratios", ratios)
    p25, median, p75 = (float(q) for q in np.percentile(values, [25, 50, 75]))
    return DFNSummary(float(values.mean()), median, p25, p75, p75 - p25, len(values))


@dataclass(frozen=True, eq=False)
class RejectCurve:
    """Error of the images that are left when those of the lowest quality are turned away.

    Attributes:
        rejected: Share turned away, ascending from 0, float64, (K,): one point for each distinct quality.
        error: Mean error of the rest, float64, (K,).
    """

    rejected: NDArray[np.float64]
    error: NDArray[np.float64]


def error_versus_reject(quality: ArrayLike, errors: ArrayLike) -> RejectCurve:
    """Tells whether a measure of quality is one: whether turning away what it calls bad lowers the error of the rest.

    The test a length of features, or any other score of face quality, should pass before its ratio means anything.
    Images of equal quality are turned away together, so the order of the images does not matter.

    Args:
        quality: Shape (N,), any float type; higher is said to be better. For DFN, the lengths of the raw features.
        errors: What goes wrong with each image, shape (N,), at least 0: 1 and 0 for a wrong and a right match.

    Returns:
        The curve. It falls where the measure tells quality, and is flat where it tells nothing.

    Raises:
        InputError: The shapes differ, empty, a value is not finite, an error is negative, or all qualities are equal.

    References:
        Grother and Tabassi, "Performance of biometric quality measures", TPAMI 2007, section 4.

    Example:
        >>> curve = error_versus_reject(quality=[1.0, 2.0, 3.0, 4.0], errors=[1.0, 1.0, 0.0, 0.0])
        >>> curve.rejected.tolist(), curve.error.round(3).tolist()
        ([0.0, 0.25, 0.5, 0.75], [0.5, 0.333, 0.0, 0.0])
    """
    scores, wrong = vector("quality", quality), vector("errors", errors)
    same_shape("quality", scores, "errors", wrong)
    if wrong.min() < 0:
        raise InputError("errors of at least 0", f"{wrong.min():g}", "give distances or 0 and 1, not similarities")
    levels, place = np.unique(scores, return_inverse=True)
    if len(levels) < 2:
        raise InputError("qualities that differ", f"{levels[0]:g} for every image", "look at what makes them")
    count = np.bincount(place)
    sums = np.bincount(place, weights=wrong)
    left = count[::-1].cumsum()[::-1]
    return RejectCurve(1.0 - left / len(scores), sums[::-1].cumsum()[::-1] / left)


def _lengths(side: str, features: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return vector(f"lengths of the {side} features", np.linalg.norm(features, axis=1))


def _refuse_normalised(before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
    # one image has no spread: there a length of one is the sign, and of its edit nothing can be told
    flat = len(before) > 1 and before.std() / before.mean() < LEAST_SPREAD
    if flat or np.abs(before - 1.0).max() < UNIT_MARGIN:
        side, mean = "source", before.mean()
    elif len(after) > 1 and np.abs(after - 1.0).max() < UNIT_MARGIN:
        side, mean = "edited", after.mean()
    else:
        return
    todo = "take the layer before the normalisation (InceptionResnetV1: a hook on last_bn)"
    got = f"lengths that all equal {mean:.6g}: the features look L2-normalised"
    raise InputError(f"{side} features whose lengths differ", got, todo)
