# SPDX-License-Identifier: MIT
"""Values with their 95 % intervals, for means over images and for distances between sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

from faceeval.metrics.bootstrap import bootstrap_mean, bootstrap_statistic
from faceeval.metrics.gaussian import GaussianStats, principal_components
from faceeval.metrics.realism import frechet_distance
from faceeval.results import Value

RESAMPLES = 1000
SET_RESAMPLES = 60  # each costs a few eigenproblems; a standard deviation from 60 is good to a tenth
MOST_DIMENSIONS = 256  # beyond, the resamples of a set distance would take minutes
NORMAL_95 = 1.959964  # standard normal quantile at 0.975

Features = NDArray[np.float32] | NDArray[np.float64]


def mean_value(values: NDArray[np.float64], seed: int) -> Value | None:
    """Mean over the images that have a value, with a percentile bootstrap interval; None where no image has one."""
    here = values[~np.isnan(values)]
    if len(here) == 0:
        return None
    if len(here) == 1:
        return Value(value=float(here[0]), n=1)
    interval = bootstrap_mean(here, seed=seed, n_resamples=RESAMPLES)
    return Value(value=interval.value, low=interval.low, high=interval.high, n=len(here))


def statistic_value(
    statistic: Callable[[NDArray[np.float64]], float], values: NDArray[np.float64], seed: int
) -> Value | None:
    """Any statistic of the images' values, with a percentile bootstrap interval; None where no image has one."""
    here = values[~np.isnan(values)]
    if len(here) == 0:
        return None
    if len(here) == 1:
        return Value(value=float(statistic(here)), n=1)
    interval = bootstrap_statistic(lambda drawn: statistic(here[drawn]), len(here), seed, RESAMPLES)
    return Value(value=interval.value, low=interval.low, high=interval.high, n=len(here))


@dataclass(frozen=True)
class Basis:
    """Principal components a set distance is reduced to.

    Attributes:
        components: float64, (k, D).
        center: float64, (D,).
        n: Images they were fitted on.
    """

    components: NDArray[np.float64]
    center: NDArray[np.float64]
    n: int


def fit_basis(reference: Features, k: int) -> Basis:
    """Fits k principal components on reference features (R, D), R above k."""
    stats = GaussianStats.from_features(reference)
    return Basis(principal_components(stats, k), stats.mean, stats.n)


@dataclass(frozen=True)
class _ByClass:
    """Features, or moments, of the images that have the attribute, of those that have it not, and of both."""

    positives: GaussianStats | Features
    negatives: GaussianStats | Features
    both: GaussianStats | Features


def set_distances(
    source: Features, edited: Features, targets: NDArray[np.uint8], basis: Basis | None, seed: int
) -> dict[str, Value]:
    """Fréchet distances of edits to their sources and to the real images of the class they aim at.

    The intervals are the value plus and minus 1.96 standard deviations over resamples of the images (within each
    class, a source staying with its edit). Percentiles of the resamples would not do: a resample repeats images, so
    its distances carry about twice the small-sample bias of the value, and the percentiles can leave it out.

    Args:
        source: Features of the sources, (N, D).
        edited: Features of the edits, same shape and order.
        targets: Wanted values 0 or 1, (N,).
        basis: Components for the reduced distance; None leaves it out.
        seed: Seed of the resamples.

    Returns:
        Metric -> value. A metric that would need two images of a class and has fewer is left out; above 256
        dimensions, or with no more images in a class than dimensions, there is no interval.
    """
    n, dimensions = source.shape
    if n < 2:
        return {}
    whole = [np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)]
    point = _distances(_features(source, whole), _features(edited, whole), basis)
    fewest = min(len(members) for members in whole if len(members))  # a method of one direction edits one class only
    if dimensions > MOST_DIMENSIONS or fewest <= dimensions:
        return {key: Value(value=value, n=n) for key, value in point.items()}
    generator = np.random.default_rng(seed)
    drawn: list[dict[str, float]] = []
    # matrices this small gain nothing from threads, and lose a factor of fifty where another process has the core
    with threadpool_limits(1, user_api="blas"):
        for _ in range(SET_RESAMPLES):
            draw = [members[generator.integers(0, len(members), len(members))] for members in whole]
            drawn.append(_distances(_moments(source, draw), _moments(edited, draw), basis))
    values = {}
    for key, value in point.items():
        half = NORMAL_95 * float(np.std([one[key] for one in drawn], ddof=1))
        values[key] = Value(value=value, low=max(0.0, value - half), high=value + half, n=n)
    return values


def _features(features: Features, classes: Sequence[NDArray[np.int64]]) -> _ByClass:
    positives, negatives = classes
    return _ByClass(features[positives], features[negatives], features)


def _moments(features: Features, classes: Sequence[NDArray[np.int64]]) -> _ByClass:
    if not all(map(len, classes)):
        members = np.concatenate(list(classes))
        return _ByClass(features[:0], features[:0], GaussianStats.from_features(features[members]))
    positives, negatives = (GaussianStats.from_features(features[members]) for members in classes)
    return _ByClass(positives, negatives, positives.merge(negatives))


def _distances(source: _ByClass, edited: _ByClass, basis: Basis | None) -> dict[str, float]:
    values = {"frechet_distance_source": frechet_distance(source.both, edited.both)}
    if _count(source.positives) >= 2 and _count(source.negatives) >= 2:
        # an edit of a positive should look like a real negative, and the other way round
        removed = frechet_distance(source.negatives, edited.positives)
        added = frechet_distance(source.positives, edited.negatives)
        values["frechet_distance_target"] = (removed + added) / 2
    if basis is not None:
        first, second = (_project(side.both, basis) for side in (source, edited))
        values["frechet_distance_source_pca"] = frechet_distance(first, second)
    return values


def _count(side: GaussianStats | Features) -> int:
    return side.n if isinstance(side, GaussianStats) else len(side)


def _project(side: GaussianStats | Features, basis: Basis) -> GaussianStats | Features:
    if isinstance(side, GaussianStats):
        return side.project(basis.components, basis.center)
    return (side.astype(np.float64) - basis.center) @ basis.components.T
