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

LEAST_SPREAD = 1e-4  # of the norms over their mean; normalised float16 features still stay below it


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
        InputError: The shapes differ, a value is not finite, a source feature is zero, or the source features look
            L2-normalised (the spread of their lengths is under 1e-4 of the mean).

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
    lengths = np.linalg.norm(source, axis=1)
    if lengths.min() == 0.0:
        got = f"a zero vector at row {int(lengths.argmin())}"
        raise InputError("source features of some length", got, "leave that image out, or look at what it shows")
    # one image has no spread: there a length of one is the sign
    spread = lengths.std() / lengths.mean() if len(lengths) > 1 else abs(lengths[0] - 1.0)
    if spread < LEAST_SPREAD:
        todo = "take the layer before the normalisation (InceptionResnetV1: a hook on last_bn)"
        got = f"lengths that all equal {lengths.mean():.6g}: the features look L2-normalised"
        raise InputError("source features whose lengths differ", got, todo)
    return np.asarray(np.linalg.norm(edited, axis=1) / lengths)


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
