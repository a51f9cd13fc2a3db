# SPDX-License-Identifier: MIT
"""Mean and covariance of a set of features: what a Fréchet distance needs, in sums that stream and merge."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, numbers, same_shape, vector
from faceeval.metrics.stats_file import read_stats, write_stats

CHUNK = 4096  # rows turned to float64 at a time, so that a large float32 set is never held twice


@dataclass(frozen=True, eq=False)
class GaussianStats:
    """Number, mean and covariance of a set of features. Immutable: updating and merging return new statistics.

    Merging shards gives what the whole set gives, to rounding (Chan et al. 1983): statistics of processes, batches
    or files add up, and memory does not grow with the number of images.

    Attributes:
        n: Number of images, at least 0.
        mean: Shape (D,), float64.
        cov: Shape (D, D), float64, divisor n - 1; zeros where n < 2.
        counted: Whether n is known. Where it is not (see ``uncounted``), n is the least it can have been.

    Raises:
        InputError: Shapes do not fit, a value is not finite, the covariance is not symmetric or has a negative
            variance, or n is no count.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 8.0]])
        >>> whole = GaussianStats.from_features(features)
        >>> shards = GaussianStats.from_features(features[:1]).update(features[1:])
        >>> whole.n, whole.mean.tolist(), bool(np.allclose(whole.cov, shards.cov))
        (3, [2.0, 4.0], True)
    """

    n: int
    mean: NDArray[np.float64]
    cov: NDArray[np.float64]
    counted: bool = True

    def __post_init__(self) -> None:
        count = numbers("n", self.n)
        if count.ndim or count < 0 or count != np.floor(count):
            todo = "give the number of images the covariance was made of"
            raise InputError("the number of images as a whole number", str(self.n), todo)
        mean, cov = vector("mean", self.mean), matrix("cov", self.cov).astype(np.float64)
        if cov.shape != (len(mean), len(mean)):
            todo = "give mean (D,) and covariance (D, D) of the same features"
            raise InputError("a covariance as wide as the mean", f"{cov.shape} for {mean.shape}", todo)
        variances, skew = cov.diagonal(), cov - cov.T
        if variances.min() < 0 or max(skew.max(), -skew.min()) > 1e-8 * variances.max():
            todo = "give the sample covariance (numpy.cov of the features with rowvar=False)"
            raise InputError("a symmetric covariance with variances of at least 0", "another matrix", todo)
        object.__setattr__(self, "n", int(count))
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "cov", cov)

    @classmethod
    def empty(cls, dim: int) -> GaussianStats:
        """Returns the statistics of no images, which any other merges with unchanged.

        Args:
            dim: Dimension D of the features, at least 1.
        """
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def uncounted(cls, mean: ArrayLike, cov: ArrayLike) -> GaussianStats:
        """Returns statistics of an unknown number of images, as other tools publish them.

        Distances need no number. What does (merging, and so a pooled PCA) is refused.

        Args:
            mean: Shape (D,).
            cov: Shape (D, D).

        Raises:
            InputError: As the constructor.
        """
        stats = cls(2, vector("mean", mean), matrix("cov", cov))
        rank = int(np.linalg.matrix_rank(stats.cov, hermitian=True))
        return replace(stats, n=max(2, rank + 1), counted=False)

    @classmethod
    def from_features(cls, features: ArrayLike) -> GaussianStats:
        """Returns the statistics of features, summed in float64 whatever their type.

        Args:
            features: Shape (N, D), N at least 1, any float type.

        Raises:
            InputError: Not a matrix, empty, or with NaN or infinity.
        """
        rows = matrix("features", features)
        n, dim = rows.shape
        mean = rows.mean(axis=0, dtype=np.float64)
        scatter = np.zeros((dim, dim))
        for start in range(0, n, CHUNK):
            centred = rows[start : start + CHUNK].astype(np.float64)
            centred -= mean
            scatter += centred.T @ centred
        return cls(n, mean, scatter / max(n - 1, 1))

    @classmethod
    def from_batches(cls, batches: Iterable[ArrayLike]) -> GaussianStats:
        """Returns the statistics of features that come batch by batch; memory does not grow with their number.

        How the rows are cut into batches does not change a bit of the result.

        Args:
            batches: Matrices (B, D), B at least 1 and free to differ, any float type.

        Raises:
            InputError: There is no batch; one is empty or no matrix, has another D, or holds NaN or infinity.
        """
        stats, held, filled = None, np.empty((0, 0)), 0
        for batch in batches:
            rows = matrix("features", batch)
            if stats is None:
                stats, held = cls.empty(rows.shape[1]), np.empty((CHUNK, rows.shape[1]))
            same_dimension("this batch", rows.shape[1], "those before", held.shape[1])
            while len(rows):
                taken = rows[: CHUNK - filled]
                held[filled : filled + len(taken)] = taken
                rows, filled = rows[len(taken) :], filled + len(taken)
                if filled == CHUNK:
                    stats, filled = stats.update(held), 0
        if stats is None:
            raise InputError("at least one batch of features", "none", "give more images")
        return stats.update(held[:filled]) if filled else stats

    def update(self, features: ArrayLike) -> GaussianStats:
        """Returns the statistics with one more batch of features (N, D) added.

        Args:
            features: Shape (N, D), N at least 1, any float type.

        Raises:
            InputError: Not a matrix of the same dimension, empty, or with NaN or infinity.
        """
        return self.merge(GaussianStats.from_features(features))

    def merge(self, other: GaussianStats) -> GaussianStats:
        """Returns the statistics of both sets together.

        Args:
            other: Statistics of further images by the same network.

        Raises:
            InputError: The dimensions differ, or the number of images of one is unknown.
        """
        same_shape("these statistics", self.mean, "the others", other.mean)
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        if not (self.counted and other.counted):
            todo = "say it where they are read: GaussianStats.load(path, n=...)"
            raise InputError("statistics of a known number of images", "some of an unknown number", todo)
        n = self.n + other.n
        moved = other.mean - self.mean
        cov = self.cov * ((self.n - 1) / (n - 1))
        cov += other.cov * ((other.n - 1) / (n - 1))
        cov += np.outer(moved, moved) * (self.n / n * (other.n / (n - 1)))
        return GaussianStats(n, self.mean + moved * (other.n / n), cov)

    def project(self, components: ArrayLike, center: ArrayLike) -> GaussianStats:
        """Returns the statistics the features would have after ``(features - center) @ components.T``.

        Args:
            components: Shape (K, D), one direction a row.
            center: Shape (D,), what is subtracted first.

        Raises:
            InputError: The shapes do not fit, or a value is not finite.
        """
        directions, origin = matrix("components", components).astype(np.float64), vector("center", center)
        same_shape("mean", self.mean, "center", origin)
        if directions.shape[1] != len(self.mean):
            todo = "fit them on features of the same network"
            raise InputError(f"components of {len(self.mean)} columns", str(directions.shape), todo)
        cov = directions @ self.cov @ directions.T
        return GaussianStats(self.n, directions @ (self.mean - origin), _symmetric(cov), self.counted)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the statistics as an ``.npz`` of ``n``, ``mean`` and ``cov``; whole or not at all.

        Uncounted ones are written as they came, as ``mu`` and ``sigma``.

        Args:
            path: File to write; its folder is made where it is missing.

        Returns:
            The path.

        Raises:
            OutputError: It cannot be written.
        """
        return write_stats(path, self.n if self.counted else None, self.mean, self.cov)

    @classmethod
    def load(cls, path: str | os.PathLike[str], n: int | None = None) -> GaussianStats:
        """Reads what ``save`` wrote, or the ``mu`` and ``sigma`` of pytorch-fid. Nothing in the file is executed.

        Args:
            path: An ``.npz`` file.
            n: Number of images, where the file does not say it; without it the statistics are uncounted.

        Raises:
            MissingFileError: There is no such file.
            InputError: It is cut short, holds something else or pickled objects, or says another n.
        """
        stored = read_stats(path)
        count = n if stored.n is None else stored.n
        if count is None:
            return cls.uncounted(stored.mean, stored.cov)
        stats = cls(count, stored.mean, stored.cov)
        if n is not None and n != stats.n:
            raise InputError(f"n={stats.n}, as {path} says", f"n={n}", "leave n out")
        return stats


def same_dimension(first: str, a: int, second: str, b: int) -> None:
    """Refuses features of two dimensions.

    Args:
        first: Name of the one set.
        a: Its dimension D.
        second: Name of the other.
        b: Its dimension.

    Raises:
        InputError: They differ.
    """
    if a != b:
        todo = "extract both sets with the same network and layer"
        raise InputError("features of one dimension", f"{a} ({first}) and {b} ({second})", todo)


def principal_components(stats: GaussianStats, k: int, *, arbitrary: bool = False) -> NDArray[np.float64]:
    """Returns the k directions of largest variance, exact and in order, from the covariance alone.

    Args:
        stats: Statistics of the set the components are fitted on.
        k: Number of components: at least 1, at most D and at most n - 1.
        arbitrary: Whether directions without any variance may be among them. Then the choice among these is the
            solver's, which is harmless only where what is projected has no variance there either.

    Returns:
        Shape (k, D), float64, orthonormal rows; the sign of a row is free.

    Raises:
        InputError: The set cannot give k components.

    References:
        Parity: scikit-learn ``PCA(svd_solver="full")``, tests/metrics/test_frechet_parity.py.

    Example:
        >>> import numpy as np
        >>> stats = GaussianStats(n=50, mean=np.zeros(2), cov=np.diag([1.0, 4.0]))
        >>> np.abs(principal_components(stats, 1)).tolist()
        [[0.0, 1.0]]
    """
    dim = len(stats.mean)
    most = min(dim, stats.n - 1)
    if int(k) != k or not 1 <= k <= most:
        got = f"k = {k} for {stats.n} images of {dim} dimensions"
        raise InputError(f"between 1 and {most} components", got, "lower k, or fit on more images")
    # in a copy that is overwritten: numpy.linalg.eigh holds a third and a fourth
    values, vectors = scipy.linalg.eigh(
        np.array(stats.cov, order="F"), driver="evd", overwrite_a=True, check_finite=False
    )
    rank = int((values > dim * np.finfo(np.float64).eps * values[-1]).sum())
    if rank < k < dim and not arbitrary:
        got = f"k = {k}, where the set varies in {rank} directions only"
        raise InputError("no more components than directions of variance", got, "lower k, or fit on more images")
    return np.ascontiguousarray(vectors[:, ::-1][:, : int(k)].T)


def _symmetric(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the matrix without the rounding that makes its two halves differ."""
    return np.asarray((square + square.T) / 2)
