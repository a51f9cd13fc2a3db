# SPDX-License-Identifier: MIT
"""Do the images look real? Distances between the distributions of two sets of features.

Conventions: features are (N, D), one row for each image, any float type; statistics are float64; covariances have the
divisor N - 1. Distances are squared lengths in the units of the features: lower is better, 0 is equal.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.metrics.arrays import matrix
from faceeval.metrics.gaussian import GaussianStats, principal_components

EPS = float(np.finfo(np.float64).eps)
# Most the fast route's error bound may be, as a share of both traces. Measured errors are 10 to 10,000 times smaller.
TOLERANCE = 1e-10
FITS = ("pooled", "real", "reference")


class SmallSampleWarning(UserWarning):
    """A set has no more images than features have dimensions: its covariance is singular, the distance biased."""


def frechet_distance(real: GaussianStats | ArrayLike, generated: GaussianStats | ArrayLike) -> float:
    r"""Fréchet distance between the Gaussians of two sets of features; on Inception's pool3 it is the FID.

    .. math:: \lVert\mu_1-\mu_2\rVert^2 + \operatorname{tr}\Sigma_1 + \operatorname{tr}\Sigma_2
              - 2\operatorname{tr}(\Sigma_1\Sigma_2)^{1/2}

    The root of the product is never formed. Where :math:`\Sigma_i = F_i^T F_i`, its trace is the sum of the singular
    values of :math:`F_1 F_2^T`, whatever the ranks: exact for sets smaller than D, real, and without an epsilon on
    the diagonal. A set given as features and smaller than D is its own factor; others are factored by pivoted Cholesky.

    The value depends on the number of images, strongly so below D: compare only values made from equally many, and
    never a paired one (a set and its own edits) with an unpaired one.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D), or their GaussianStats.

    Returns:
        The squared distance, at least 0, in squared units of the features; lower is better, 0 for equal sets.

    Raises:
        InputError: A set has fewer than two images, the dimensions differ, a value is NaN or infinite, or a
            covariance has negative eigenvalues.

    Warns:
        SmallSampleWarning: A set has no more images than D (2,048 for FID).

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
    first, second = _Side("real", real), _Side("generated", generated)
    if len(first.mean) != len(second.mean):
        raise InputError(
            "features of one dimension",
            f"{len(first.mean)} (real) and {len(second.mean)} (generated)",
            "extract both sets with the same network and layer",
        )
    for side in (first, second):
        if side.n <= len(side.mean):
            text = (
                f"{side.name}: {side.n} images for {len(side.mean)} dimensions; the distance is biased by sample size"
            )
            warnings.warn(f"{text}, compare only equally large sets", SmallSampleWarning, stacklevel=2)
    moved = float(((first.mean - second.mean) ** 2).sum())
    return max(0.0, moved + first.trace + second.trace - 2.0 * _trace_of_root(first, second))


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
    covariances alone, so features need not be kept.

    Args:
        real: Features of the real images, shape (N, D), any float type, or their GaussianStats.
        generated: Features of the generated images, shape (M, D), or their GaussianStats.
        k: Number of components, 1..D, and less than the number of images they are fitted on.
        fit: What the components are fitted on.
        reference: The outside set, as features (R, D) or GaussianStats; exactly with ``fit="reference"``.

    Returns:
        The squared distance, at least 0 and at most ``frechet_distance(real, generated)``; lower is better.

    Raises:
        InputError: As frechet_distance; or k does not suit the fitting set; or reference is missing or superfluous.
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
    first, second = _stats("real", real), _stats("generated", generated)
    fitted = first.merge(second) if fit == "pooled" else first
    if reference is not None:
        fitted = _stats("reference", reference)
    components = principal_components(fitted, k, arbitrary=fit == "pooled")
    return frechet_distance(first.project(components, fitted.mean), second.project(components, fitted.mean))


class _Side:
    """One of the two sets: its mean, its trace, and the cheapest thing at hand that knows its covariance."""

    def __init__(self, name: str, given: GaussianStats | ArrayLike) -> None:
        self.name = name
        self.rows: NDArray[np.float64] | None = None  # rows.T @ rows is the covariance
        self.cov: NDArray[np.float64] | None = None
        features = None if isinstance(given, GaussianStats) else matrix(f"{name} features", given)
        if features is not None and 2 <= len(features) < features.shape[1]:
            centred = features.astype(np.float64)
            self.n, self.mean = len(centred), centred.mean(axis=0)
            centred -= self.mean
            self.rows = centred / np.sqrt(self.n - 1)
            self.trace = float((self.rows**2).sum())
        else:
            stats = _stats(name, given)
            self.n, self.mean, self.cov = stats.n, stats.mean, stats.cov
            self.trace = float(np.trace(self.cov))

    def factor(self) -> NDArray[np.float64]:
        """Returns F (R, D) with F.T @ F the covariance and R at least its rank."""
        if self.rows is not None:
            return self.rows
        assert self.cov is not None
        triangle, pivots, rank, _ = scipy.linalg.lapack.dpstrf(self.cov, lower=1)
        low = np.empty_like(self.cov)
        low[pivots - 1] = np.tril(triangle)
        low = low[:, :rank]
        # Cholesky stops at the first pivot that is not positive; what it left must be rounding, not variance
        left = self.trace - float((low**2).sum())
        if abs(left) > 1e-6 * abs(self.trace):
            todo = "use the sample covariance in float64 (numpy.cov), not an edited or half-precision one"
            raise InputError(f"a covariance of {self.name} without negative eigenvalues", "an indefinite matrix", todo)
        return np.ascontiguousarray(low.T)


def _stats(name: str, given: GaussianStats | ArrayLike) -> GaussianStats:
    stats = (
        given if isinstance(given, GaussianStats) else GaussianStats.from_features(matrix(f"{name} features", given))
    )
    if stats.n < 2:
        todo = "a distribution needs two images at the very least, and thousands to be meant"
        raise InputError(f"at least two images in the {name} set", str(stats.n), todo)
    return stats


def _trace_of_root(first: _Side, second: _Side) -> float:
    """Returns the trace of the root of the product of both covariances."""
    if first.n > second.n:
        first, second = second, first  # the smaller set is the likelier to be singular
    left, dim = first.factor(), len(first.mean)
    if second.cov is not None and len(left) == dim < first.n:
        values = scipy.linalg.eigvalsh(left @ second.cov @ left.T)
        largest = max(float(values[-1]), 0.0)
        if float(values[0]) > 0.0:
            # an eigenvalue is known to EPS times the largest; a small one loses digits when its root is taken
            doubt = EPS * largest * float((0.5 / np.sqrt(values)).sum())
            if doubt <= TOLERANCE * (first.trace + second.trace):
                return float(np.sqrt(values).sum())
    return float(scipy.linalg.svdvals(left @ second.factor().T).sum())
