# SPDX-License-Identifier: MIT
"""Metrics of faceeval as ``torchmetrics.Metric``: they update batch by batch and sync under ``torch.distributed``.

They take features, not images: embed with whatever network you have. Values are those of the functions in
`faceeval.metrics` on all batches of all processes together (tests/integrations/test_torchmetrics.py). Where a metric
compares two sets, call ``update`` for each and ``compute`` at the end; ``forward`` has nothing to return for one side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

try:
    from torchmetrics import Metric
except ImportError as error:
    raise ImportError(
        "faceeval.integrations.torchmetrics needs torchmetrics: pip install 'faceeval[torchmetrics]'"
    ) from error

from faceeval.errors import InputError
from faceeval.metrics import GaussianStats, dfn_ratios, dfn_summary, frechet_distance
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.kernel import kernel_distance, kernel_distance_subsets

SIDES = ("real", "generated")
QUARTILES = ("mean", "median", "p25", "p75", "iqr")


class FrechetDistance(Metric):  # type: ignore[misc]
    """Fréchet distance of two sets of features; FID on Inception's pool3.

    It keeps number, mean and scatter of each set: memory does not grow with the number of images.

    Args:
        dim: Dimension D of the features.
        reset_real: Whether ``reset`` forgets the real side too; False keeps it for the next epoch.
        **options: Passed to ``torchmetrics.Metric``.

    Raises:
        InputError: A batch is no matrix of D columns, or holds NaN or infinity; at the end, fewer than two images.

    References:
        `faceeval.metrics.frechet_distance`.

    Example:
        >>> metric = FrechetDistance(dim=2)
        >>> features = torch.tensor([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0], [6.0, 7.0]])
        >>> for batch in features.split(2):
        ...     metric.update(batch, real=True)
        ...     metric.update(batch + 1.0, real=False)
        >>> round(float(metric.compute()), 9)
        2.0
    """

    higher_is_better = False
    full_state_update = True  # else ``forward`` would count a real side twice that ``reset`` keeps

    def __init__(self, dim: int = 2048, reset_real: bool = True, **options: Any) -> None:
        super().__init__(**options)
        if int(dim) != dim or dim < 1:
            raise InputError("the dimension of the features as a whole number", str(dim), "give dim=2048 for pool3")
        self.dim, self.reset_real = int(dim), reset_real
        for side in SIDES:
            # one state for number, mean and scatter: each alone could not be merged
            empty = torch.zeros(1 + dim + dim * dim, dtype=torch.float64)
            self.add_state(side, default=empty, dist_reduce_fx=_merged)

    def update(self, features: Tensor, real: bool) -> None:
        """Adds a batch.

        Args:
            features: Shape (N, D), any float type, on any device.
            real: Whether they are of real images.
        """
        rows = _matrix(features, self.dim).to(torch.float64)
        mean = rows.mean(dim=0)
        centred = rows - mean
        batch = torch.cat([rows.new_tensor([len(rows)]), mean, (centred.T @ centred).flatten()])
        side = SIDES[0] if real else SIDES[1]
        state = getattr(self, side)
        setattr(self, side, _merged(torch.stack([state, batch.to(state.device)])))

    def compute(self) -> Tensor:
        """Returns the distance, float64, at least 0; lower is better."""
        value = frechet_distance(*(self._statistics(side) for side in SIDES))
        return torch.tensor(value, dtype=torch.float64, device=self.device)

    def reset(self) -> None:
        """Forgets what was seen, but for the real side where ``reset_real`` is False."""
        real = getattr(self, SIDES[0])
        super().reset()
        if not self.reset_real:
            setattr(self, SIDES[0], real)

    def _statistics(self, side: str) -> GaussianStats:
        count, mean, scatter = torch.split(getattr(self, side).cpu(), [1, self.dim, self.dim**2])
        n = int(count.item())
        cov = scatter.reshape(self.dim, self.dim) / max(n - 1, 1)
        return GaussianStats(n, mean.numpy(), ((cov + cov.T) / 2).numpy())


class KernelDistance(Metric):  # type: ignore[misc]
    """Kernel distance of two sets of features; KID on Inception's pool3.

    It keeps every feature, in float32 unless ``set_dtype`` says otherwise.

    Args:
        dim: Dimension D of the features.
        subsets: Number of random subsets the value is the mean of; 0 compares every pair, which does not depend on the
            order of the images and so not on how they were spread over processes.
        subset_size: Images of each side in a subset; None is 1,000, or half of the smaller set.
        seed: Seed of the draws.
        **options: Passed to ``torchmetrics.Metric``.

    Raises:
        InputError: As `faceeval.metrics.kernel_distance`.

    References:
        `faceeval.metrics.kernel_distance`.

    Example:
        >>> metric = KernelDistance(dim=1, subsets=0)
        >>> metric.update(torch.tensor([[0.0], [1.0]]), real=True)
        >>> metric.update(torch.tensor([[1.0], [2.0]]), real=False)
        >>> metric.compute()["mean"].item()
        9.5
    """

    higher_is_better = False
    full_state_update = False

    def __init__(
        self, dim: int = 2048, subsets: int = 100, subset_size: int | None = None, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.dim, self.subsets, self.subset_size, self.seed = int(dim), subsets, subset_size, seed
        for side in SIDES:
            # flat: a process that saw nothing syncs an empty vector, and vectors of any length can be joined
            self.add_state(side, default=[], dist_reduce_fx="cat")

    def update(self, features: Tensor, real: bool) -> None:
        """Adds a batch.

        Args:
            features: Shape (N, D), any float type, on any device.
            real: Whether they are of real images.
        """
        rows = _matrix(features, self.dim).to(device=self.device, dtype=self.dtype)
        getattr(self, SIDES[0] if real else SIDES[1]).append(rows.flatten())

    def compute(self) -> dict[str, Tensor]:
        """Returns ``mean``, ``std`` over subsets and ``error`` of the mean, float64; only ``mean`` of all pairs."""
        real, generated = (_joined(getattr(self, side)).reshape(-1, self.dim) for side in SIDES)
        if self.subsets == 0:
            found = {"mean": kernel_distance(real, generated)}
        else:
            summary = kernel_distance_subsets(real, generated, self.subsets, self.subset_size, self.seed)
            found = {"mean": summary.mean, "std": summary.std, "error": summary.error}
        return _tensors(found, self.device)


class DFN(Metric):  # type: ignore[misc]
    """Discrepancy of feature norm: mean, median and quartiles of the ratios of length after and before the edit.

    Args:
        **options: Passed to ``torchmetrics.Metric``.

    Raises:
        InputError: As `faceeval.metrics.dfn_ratios`.

    References:
        `faceeval.metrics.dfn_ratios`, `faceeval.metrics.dfn_summary`.

    Example:
        >>> metric = DFN()
        >>> metric.update(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        >>> metric.compute()["mean"].item()
        0.75
    """

    full_state_update = False
    before: list[Tensor]
    after: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.set_dtype(torch.float64)  # also of what a process that saw nothing syncs
        self.add_state("before", default=[], dist_reduce_fx="cat")
        self.add_state("after", default=[], dist_reduce_fx="cat")

    def update(self, source: Tensor, edited: Tensor) -> None:
        """Adds a batch of pairs.

        Args:
            source: Un-normalised features of the sources, shape (N, D), any float type.
            edited: Features of the edits, same shape and order.
        """
        first, second = _pair(source, edited)
        # of the features, only their lengths count
        self.before.append(first.to(torch.float64).norm(dim=1).to(self.device))
        self.after.append(second.to(torch.float64).norm(dim=1).to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Returns ``mean``, ``median``, ``p25``, ``p75`` and ``iqr``, float64."""
        summary = dfn_summary(dfn_ratios(_joined(self.before)[:, None], _joined(self.after)[:, None]))
        return _tensors({name: getattr(summary, name) for name in QUARTILES}, self.device)


class IdentitySimilarity(Metric):  # type: ignore[misc]
    """Mean cosine similarity of face embeddings before and after the edit.

    Args:
        **options: Passed to ``torchmetrics.Metric``.

    Raises:
        InputError: As `faceeval.metrics.identity_similarity`; at the end, no pairs.

    References:
        `faceeval.metrics.identity_similarity`.

    Example:
        >>> metric = IdentitySimilarity()
        >>> metric.update(torch.eye(2), torch.tensor([[2.0, 0.0], [1.0, 0.0]]))
        >>> metric.compute().item()
        0.5
    """

    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, source: Tensor, edited: Tensor) -> None:
        """Adds a batch of pairs.

        Args:
            source: Embeddings of the sources, shape (N, D), any float type.
            edited: Embeddings of the edits, same shape and order.
        """
        values = identity_similarity(source, edited)
        self.total = self.total + float(values.sum())
        self.count = self.count + len(values)

    def compute(self) -> Tensor:
        """Returns the mean, float64, in [-1, 1]; higher is better."""
        if self.count == 0:
            raise InputError("at least one pair of embeddings", "none", "call update before compute")
        return self.total / self.count


def _merged(states: Tensor) -> Tensor:
    """Merges packed statistics (W, 1 + D + D * D) of disjoint sets (Chan et al. 1983); the first row comes first."""
    dim = (math.isqrt(4 * states.shape[1] - 3) - 1) // 2
    found = states[0]
    for state in states[1:]:
        (n, mean, scatter), (m, others, further) = (torch.split(s, [1, dim, dim * dim]) for s in (found, state))
        total, moved = n + m, others - mean
        share = m / total.clamp_min(1.0)
        both = scatter + further + (n * share * torch.outer(moved, moved)).flatten()
        found = torch.cat([total, mean + moved * share, both])
    return found


def _matrix(features: Tensor, dim: int | None) -> Tensor:
    """Checks a batch where it lies, without moving it."""
    if not isinstance(features, Tensor) or features.ndim != 2 or features.shape[1] != (dim or features.shape[1]):
        got = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise InputError(f"a tensor of features, shape (N, {dim or 'D'})", got, "flatten what belongs to an image")
    if len(features) == 0 or features.is_complex() or not bool(torch.isfinite(features).all()):
        got = "none" if len(features) == 0 else "complex numbers, NaN or infinity"
        raise InputError("features that are finite numbers", got, "find what made them, and leave it out")
    return features.detach()


def _pair(source: Tensor, edited: Tensor) -> tuple[Tensor, Tensor]:
    first, second = _matrix(source, None), _matrix(edited, None)
    if first.shape != second.shape:
        got = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise InputError("source and edited of one shape", got, "give both for the same images, in the same order")
    return first, second


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """Returns a state as one tensor: a list before a sync, joined by it after."""
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.zeros(0)


def _tensors(values: dict[str, float], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64, device=device) for name, value in values.items()}
