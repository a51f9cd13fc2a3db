# SPDX-License-Identifier: MIT
"""Precision and recall of a set of images: do they look real, and do they show all that is real?

Each image is given the ball that reaches to its k-th nearest neighbour within its own set; the balls of the real images
stand for where real images are, those of the generated ones for where generated images are. Euclidean distances of
features (N, D).

**Ties.** A point is inside a ball where its distance to the centre is *less* than the radius, by more than rounding:
the k-th neighbour itself, and whatever lies exactly as far, is outside. So the four scores of a set with itself are 1;
where k others equal an image its ball is empty, and if all images are equal all four scores are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.kernel import feature_sets
from faceeval.metrics.neighbours import Balls, balls, limits


@dataclass(frozen=True)
class ManifoldScores:
    """The four scores of one generated set.

    Attributes:
        precision: Share of generated images inside a real ball, 0..1.
        recall: Share of real images inside a generated ball, 0..1.
        density: Real balls around a generated image, over k; at least 0, 1 for equal distributions, not bounded by 1.
        coverage: Share of real balls with a generated image inside, 0..1.
        expected_coverage: The coverage two samples of one distribution would have.
        k: Neighbours.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    expected_coverage: float
    k: int


def manifold_scores(real: ArrayLike, generated: ArrayLike, k: int = 5) -> ManifoldScores:
    """Precision, recall, density and coverage, in one pass over the distances.

    Distances are made in tiles: memory does not grow with the number of pairs.

    Args:
        real: Features of the real images, shape (N, D), N above k, any float type.
        generated: Features of the generated images, shape (M, D), M above k.
        k: Neighbours a ball reaches to; 5 is usual with density and coverage, 3 with precision and recall.

    Returns:
        The four scores, higher is better. They depend on k and on the numbers of images: compare equal ones only.

    Raises:
        InputError: A set has no more than k images, the dimensions differ, a value is not finite, or k is below 1.

    Warns:
        DuplicateWarning: k others equal an image, so that its ball is empty.

    References:
        Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", NeurIPS 2019;
        Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020.
        Parity: prdc 0.2, tests/metrics/test_manifold_parity.py.

    Example:
        >>> import numpy as np
        >>> real = np.arange(8.0)[:, None]
        >>> scores = manifold_scores(real, real[:4] + 0.1, k=1)
        >>> scores.precision, scores.recall, scores.density, scores.coverage
        (1.0, 0.625, 2.0, 0.625)
    """
    first, second = _two_sets(real, generated, k, "both")
    center = first.mean(axis=0, dtype=np.float64)
    inside = limits("real", first, k, center), limits("generated", second, k, center)
    found = balls(first, second, center, *inside)
    return ManifoldScores(
        precision=float((found.around > 0).mean()),
        recall=float(found.reached.mean()),
        density=float(found.around.mean() / k),
        coverage=float(found.covered.mean()),
        expected_coverage=expected_coverage(len(first), len(second), k),
        k=int(k),
    )


def manifold_precision(real: ArrayLike, generated: ArrayLike, k: int = 5) -> float:
    """Share of the generated images that are inside the ball of some real image: do they look real?

    One real outlier has a large ball and lets much through; ``manifold_density`` is less easily fooled.

    Args:
        real: Features of the real images, shape (N, D), N above k, any float type.
        generated: Features of the generated images, shape (M, D), M at least 1.
        k: Neighbours a ball reaches to.

    Returns:
        The share, 0..1; higher is better. Two samples of one distribution do not reach 1.

    Raises:
        InputError: As manifold_scores.

    Warns:
        DuplicateWarning: k others equal a real image.

    References:
        Kynkäänniemi et al., "Improved precision and recall metric ...", NeurIPS 2019, eq. (2).
        Parity: prdc 0.2, torch-fidelity 0.4, tests/metrics/test_manifold_parity.py.

    Example:
        >>> manifold_precision([[0.0], [1.0], [2.0]], [[0.5], [7.0]], k=1)
        0.5
    """
    return float((_real_balls(real, generated, k).around > 0).mean())


def manifold_recall(real: ArrayLike, generated: ArrayLike, k: int = 5) -> float:
    """Share of the real images that are inside the ball of some generated image: is all that is real shown?

    Args:
        real: Features of the real images, shape (N, D), N at least 1, any float type.
        generated: Features of the generated images, shape (M, D), M above k.
        k: Neighbours a ball reaches to.

    Returns:
        The share, 0..1; higher is better. It is the precision with both sets exchanged.

    Raises:
        InputError: As manifold_scores.

    Warns:
        DuplicateWarning: k others equal a generated image.

    References:
        Kynkäänniemi et al., "Improved precision and recall metric ...", NeurIPS 2019, eq. (2).
        Parity: prdc 0.2, torch-fidelity 0.4, tests/metrics/test_manifold_parity.py.

    Example:
        >>> manifold_recall([[0.5], [7.0]], [[0.0], [1.0], [2.0]], k=1)
        0.5
    """
    first, second = _two_sets(real, generated, k, "generated")
    center = second.mean(axis=0, dtype=np.float64)
    found = balls(second, first, center, limits("generated", second, k, center, stacklevel=3))
    return float((found.around > 0).mean())


def manifold_density(real: ArrayLike, generated: ArrayLike, k: int = 5) -> float:
    """Mean number of real balls a generated image is in, over k: do they look like what is common among the real?

    Args:
        real: Features of the real images, shape (N, D), N above k, any float type.
        generated: Features of the generated images, shape (M, D), M at least 1.
        k: Neighbours a ball reaches to.

    Returns:
        At least 0; higher is better. Equal distributions give 1, and images all near the densest place more than 1.

    Raises:
        InputError: As manifold_scores.

    Warns:
        DuplicateWarning: k others equal a real image.

    References:
        Naeem et al., "Reliable fidelity and diversity metrics ...", ICML 2020, eq. (4).
        Parity: prdc 0.2, tests/metrics/test_manifold_parity.py.

    Example:
        >>> manifold_density([[0.0], [1.0], [2.0]], [[0.5], [7.0]], k=1)
        1.0
    """
    return float(_real_balls(real, generated, k).around.mean() / k)


def manifold_coverage(real: ArrayLike, generated: ArrayLike, k: int = 5) -> float:
    """Share of the real images whose ball holds a generated image: is all that is real shown?

    Args:
        real: Features of the real images, shape (N, D), N above k, any float type.
        generated: Features of the generated images, shape (M, D), M at least 1.
        k: Neighbours a ball reaches to.

    Returns:
        The share, 0..1; higher is better. Two samples of one distribution reach ``expected_coverage``.

    Raises:
        InputError: As manifold_scores.

    Warns:
        DuplicateWarning: k others equal a real image.

    References:
        Naeem et al., "Reliable fidelity and diversity metrics ...", ICML 2020, eq. (5).
        Parity: prdc 0.2, tests/metrics/test_manifold_parity.py.

    Example:
        >>> manifold_coverage([[0.0], [1.0], [4.0], [9.0]], [[0.5], [7.0]], k=1)
        0.75
    """
    return float(_real_balls(real, generated, k).covered.mean())


def expected_coverage(n_real: int, n_generated: int, k: int = 5) -> float:
    r"""Coverage two independent samples of one distribution are expected to have, whatever that distribution is.

    .. math:: 1 - \prod_{j=0}^{k-1} \frac{N - 1 - j}{N + M - 1 - j}

    A ball is empty where the k images nearest to its centre, of both sets, are all real.

    Args:
        n_real: Number N of real images, above k.
        n_generated: Number M of generated images, at least 1.
        k: Neighbours a ball reaches to.

    Returns:
        The share, 0..1: with k = 5 and equally many images, 0.97.

    Raises:
        InputError: The numbers are not that.

    References:
        Naeem et al., "Reliable fidelity and diversity metrics ...", ICML 2020, section 3.3.

    Example:
        >>> round(expected_coverage(200, 200), 3), round(expected_coverage(1000, 100), 3)
        (0.97, 0.38)
    """
    if not all(int(value) == value for value in (n_real, n_generated, k)) or not (1 <= k < n_real and n_generated >= 1):
        got = f"{n_real} real, {n_generated} generated, k={k}"
        raise InputError("k of at least 1, more real images than k, and a generated one", got, "lower k")
    nearest = np.arange(int(k))
    return float(1.0 - np.prod((n_real - 1 - nearest) / (n_real + n_generated - 1 - nearest)))


def _two_sets(
    real: ArrayLike, generated: ArrayLike, k: int, balls_of: Literal["real", "generated", "both"]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns both sets, with more than k images in those that get balls."""
    first, second = feature_sets(real, generated, rows=1)
    n, m = len(first), len(second)
    if int(k) != k or not 1 <= k < {"real": n, "generated": m, "both": min(n, m)}[balls_of]:
        got = f"k = {k} for {n} real and {m} generated images"
        raise InputError("a whole k of at least 1, and more images than k", got, "lower k, or give more images")
    return first, second


def _real_balls(real: ArrayLike, generated: ArrayLike, k: int) -> Balls:
    first, second = _two_sets(real, generated, k, "real")
    center = first.mean(axis=0, dtype=np.float64)
    return balls(first, second, center, limits("real", first, k, center, stacklevel=4))
