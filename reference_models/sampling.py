# SPDX-License-Identifier: MIT
"""Which images a training step sees: functions of the labels, the seed and the step, so resuming needs no memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def oversample(labels: NDArray[np.uint8], *, seed: int, epoch: int, column: int = 0) -> tuple[Indices, Indices]:
    """Repeats the rarer class until both are equally large (Masko and Hensman 2015; FAI, section 3.1).

    Args:
        labels: (N,), 0 or 1, both present.
        seed: Seed of the run.
        epoch: Which pass over the data; each has its own order and its own extra copies.
        column: Which attribute this is, of several.

    Returns:
        Negatives and positives, index arrays of the same length, each shuffled. Every image stands in them at least
        once; two copies of an image of the rarer class differ in number by at most one.
    """
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    length = max(len(entries) for entries in classes)
    drawn = []
    for value, entries in enumerate(classes):
        rng = np.random.default_rng([seed, epoch, value, 1, *([column] if column else [])])
        whole, rest = divmod(length, len(entries))
        repeated = np.concatenate([np.tile(entries, whole), rng.permutation(entries)[:rest]])
        drawn.append(rng.permutation(repeated))
    return drawn[0], drawn[1]


@dataclass(frozen=True)
class Draw:
    """What one process sees at one step.

    Attributes:
        indices: Images without their attribute, then those with it, (n,).
        places: Column of the attribute each was drawn for, (n,); of methods that edit none, what their sampler says.
        n_negatives: How many come first.
        kind: What the step is about, where a method draws batches of several kinds.
    """

    indices: Indices
    places: Indices
    n_negatives: int
    kind: str = ""


class Drawer(Protocol):
    """Who decides what each process sees at each step: a function of the data, the seed and the step alone.

    Attributes:
        labels: (N, A), 0 or 1, values of the attributes that are trained; of shape (N, 0) where none is.
    """

    labels: NDArray[np.uint8]

    def draw(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> Draw:
        """Returns what one process of ``world`` sees at a step; ``size`` is the configured number of images."""


class Sampler:
    """Draws the batch of each step. Of several attributes each is drawn for as often as any other.

    Args:
        labels: (N,) of one attribute, or (N, A), 0 or 1, both present in each column.
        seed: Seed of the run.
        oversampled: Whether an epoch is the larger class, the other repeated to match; else each class is walked at
            its own pace, reshuffled whenever it is exhausted.
        sampling: As ``recipe.Training`` has it.
    """

    def __init__(
        self,
        labels: NDArray[np.uint8],
        *,
        seed: int,
        oversampled: bool,
        sampling: Literal["halves", "uniform"] = "halves",
    ) -> None:
        self.labels = labels if labels.ndim == 2 else labels[:, None]
        self._seed, self._oversampled, self._uniform = seed, oversampled, sampling == "uniform"
        self._columns = self.labels.shape[1]
        self._epoch = lru_cache(maxsize=8 * self._columns)(self._draw_epoch)

    def _draw_epoch(self, value: int, column: int, epoch: int) -> Indices:
        if self._oversampled:
            return oversample(self.labels[:, column], seed=self._seed, epoch=epoch, column=column)[value]
        rng = np.random.default_rng([self._seed, epoch, value, 0, *([column] if column else [])])
        return rng.permutation(np.flatnonzero(self.labels[:, column] == value))

    def _walk(self, value: int, start: int, count: int) -> tuple[Indices, Indices]:
        """Entries start .. start + count of one class's endless, epoch by epoch reshuffled walk, attributes in turn."""
        found, columns = [], np.arange(start, start + count) % self._columns
        for place, column in zip(range(start, start + count), columns.tolist(), strict=True):
            epoch, here = divmod(place // self._columns, self._lengths[value][column])
            found.append(self._epoch(value, column, epoch)[here])
        return np.array(found, np.int64), columns.astype(np.int64)

    @cached_property
    def _lengths(self) -> list[list[int]]:
        """Images in an epoch of each class of each attribute."""
        sizes = np.stack([(self.labels == value).sum(0) for value in (0, 1)])
        return (np.maximum(sizes, sizes[::-1]) if self._oversampled else sizes).tolist()  # type: ignore[no-any-return]

    @lru_cache(maxsize=2)  # noqa: B019 - a sampler lives as long as its run
    def _whole_epoch(self, epoch: int) -> Indices:
        return np.random.default_rng([self._seed, epoch, 2, 0]).permutation(len(self.labels))

    def draw(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> Draw:
        """Returns what one process of ``world`` sees at a step; in halves, ``size // 2`` images are negatives."""
        if self._uniform:
            return self._draw_uniform((step * world + rank) * size, size)
        halves = (size // 2, size - size // 2)
        drawn = [self._walk(value, (step * world + rank) * count, count) for value, count in enumerate(halves)]
        return Draw(np.concatenate([d[0] for d in drawn]), np.concatenate([d[1] for d in drawn]), halves[0])

    def _draw_uniform(self, start: int, count: int) -> Draw:
        places = np.arange(start, start + count)
        length = len(self.labels)
        indices = np.array([self._whole_epoch(place // length)[place % length] for place in places.tolist()], np.int64)
        columns = places % self._columns
        values = self.labels[indices, columns]
        order = np.argsort(values, kind="stable")
        return Draw(indices[order], columns[order], int((values == 0).sum()))


def chance(seed: int, step: int, rank: int) -> torch.Generator:
    """Returns the source of chance of one process at one step, independent of every other."""
    state = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def gaussian(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draws standard normal values of the shape and on the device of a tensor.

    Args:
        like: Any shape; a code, say.
        generator: Source of chance, on the CPU; it gives the seed of one that draws where the tensor is.

    Returns:
        float32, the same shape.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=own, device=like.device)


def noisy(pictures: torch.Tensor, deviation: float, generator: torch.Generator) -> torch.Tensor:
    """Adds noise of a standard deviation to pictures of any shape; of 0, none is drawn."""
    return pictures + deviation * gaussian(pictures, generator) if deviation else pictures
