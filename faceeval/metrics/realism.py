# SPDX-License-Identifier: MIT
"""Do the images look real? Distances between the distributions of two sets of features.

Conventions: features are (N, D), one row for each image, any float type; statistics are float64; covariances have the
divisor N - 1. Distances are squared lengths in the units of the features: lower is better, 0 is equal.
"""

from __future__ import annotations

import warnings
from typing import Literal

from numpy.typing import ArrayLike

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.bias import warned_bias
from faceeval.metrics.frechet import Side, distance, statistics
from faceeval.metrics.gaussian import GaussianStats, principal_components, same_dimension

FITS = ("pooled", "real", "reference")


class SmallSampleWarning(UserWarning):
    """A set has no more images than features have dimensions: its covariance is singular, the distance biased."""


def frechet_distance(real: GaussianStats | ArrayLike, generated: GaussianStats | ArrayLike) -> float:
    r"""Fréchet distance between the Gaussians of two sets of features; on Inception's pool3 it is the FID.

    .. math:: \lVert\mu_1-\mu_2\rVert^2 + \operatorname{tr}\Sigma_1 + \operatorname{tr}\Sigma_2
              - 2\operatorname{tr}(\Sigma_1\Sigma_2)^{1/2}

    The root of the product is never formed. Where :math:`\Sigma_i = F_i^T F_i`, its trace is the sum of the singular
    values of :math:`F_1 F_2^T`, whatever the ranks: exact for sets smaller than D, real, and without an epsilon on
    the diagonal. A set given as features and smaller than D is its own factor; others are factored by Cholesky. Which
    route is taken depends on N and D (``faceeval.metrics.frechet``); the value does not, to 1e-9 of itself.

    The value depends on the number of images, strongly so below D: compare only values made from equally many, and
    never a paired one (a set and its own edits) with an unpaired one. ``frechet_distance_bias`` tells how much of a
    value is sample size.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D), or their GaussianStats.

    Returns:
        The squared distance, at least 0, in squared units of the features; lower is better, 0 for equal sets.

    Raises:
        InputError: A set has fewer than two images, the dimensions differ, a value is NaN or infinite, or a
            covariance has negative eigenvalues.

    Warns:
        SmallSampleWarning: A set has no more images than D (2,048 for FID); it says which distance such small sets
            would have if they were of one distribution.

    References:
        Dowson and Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Analysis
        1982; Heusel et al., "GANs trained by a two time-scale update rule ...", NeurIPS 2017, eq. (6).
        Parity: pytorch-fid 0.3.0 ``calculate_frechet_distance``, tests/metrics/test_frechet_parity.py.

    Example:
        >>> import numpy as np
        >>> one = GaussianStats(n=100, mean=np.array([0.0]), cov=np.array([[1.0]]))
        >>> two = GaussianStats(n=100, mean=np.array([2.0]), cov=np.array([[9.0]]))
        >>> round(frechet_distance(one, two), 12)
        8.0
    """
    return _measured(Side("real", real), Side("generated", generated))


def frechet_distance_pca(
    real: GaussianStats | ArrayLike,
    generated: GaussianStats | ArrayLike,
    k: int,
    fit: Literal["pooled", "real", "reference"] = "pooled",
    reference: GaussianStats | ArrayLike | None = None,
) -> float:
    """Fréchet distance after both sets are projected on k principal components, the variant FAI reports (k = 1024).

    FAI does not say on which images the components are fitted, and the value depends on it, so the choice is named:
    ``"pooled"`` fits on both sets together and gives each method a space of its own; ``"real"`` hides variance that
    only the generated set has; ``"reference"`` fits once on an outside set and is the one to compare methods by.
    Components are centred, never whitened, exact (one symmetric eigenproblem), and computed from means and
    covariances alone, so features need not be kept. Exchanging the sets changes nothing, except with ``fit="real"``.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D), or their GaussianStats.
        k: Number of components, 1..D, and less than the number of images they are fitted on.
        fit: What the components are fitted on.
        reference: The outside set, as features (R, D) or GaussianStats; exactly with ``fit="reference"``.

    Returns:
        The squared distance, at least 0 and at most ``frechet_distance(real, generated)``; lower is better.

    Raises:
        InputError: As frechet_distance; or k does not suit the fitting set (1,000 images cannot give 1,024
            components); or reference is missing or superfluous; or statistics to be pooled are uncounted.
        UnknownNameError: ``fit`` is none of the three.

    Warns:
        SmallSampleWarning: A set has no more than k images.

    References:
        Tu et al., "Face Attribute Inversion", section 3.3.2 (the variant, without its details).
        Parity: scikit-learn ``PCA(svd_solver="full")``, tests/metrics/test_frechet_parity.py.

    Example:
        >>> import numpy as np
        >>> one = GaussianStats(n=100, mean=np.zeros(2), cov=np.diag([9.0, 1.0]))
        >>> two = GaussianStats(n=100, mean=np.array([2.0, 0.0]), cov=np.diag([9.0, 4.0]))
        >>> round(frechet_distance_pca(one, two, k=1, fit="real"), 12), round(frechet_distance(one, two), 12)
        (4.0, 5.0)
    """
    if fit not in FITS:
        raise unknown_name("fit rule", str(fit), FITS)
    if (reference is not None) != (fit == "reference"):
        got = f"fit={fit!r} {'with' if reference is not None else 'without'} a reference"
        todo = "give reference= with fit='reference', and only then"
        raise InputError("a reference set exactly where the components are fitted on it", got, todo)
    first, second = statistics("real", real), statistics("generated", generated)
    same_dimension("real", len(first.mean), "generated", len(second.mean))
    fitted = first.merge(second) if fit == "pooled" else first
    if reference is not None:
        fitted = statistics("reference", reference)
    components = principal_components(fitted, k, arbitrary=fit == "pooled")
    sides = (("real", first), ("generated", second))
    return _measured(*(Side(name, stats.project(components, fitted.mean)) for name, stats in sides))


def _measured(first: Side, second: Side) -> float:
    """Returns the distance, after a word to the caller's caller about sets that are small."""
    same_dimension(first.name, len(first.mean), second.name, len(second.mean))
    dim = len(first.mean)
    small = [side for side in (first, second) if side.n <= dim]
    if small:
        said = " and ".join(f"{side.name}: {side.n} images for {dim} dimensions" for side in small)
        fewest = min(small, key=lambda side: side.n)
        bias = warned_bias(fewest, second if fewest is first else first)
        text = f"{said}; from sample size alone, sets of one distribution would be about {bias:.2g} apart"
        warnings.warn(f"{text}: compare only equally large sets", SmallSampleWarning, stacklevel=3)
    return distance(first, second)
