# SPDX-License-Identifier: MIT
"""Which images a training step sees: functions of the labels, the seed and the step, so resuming needs no memory."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def oversample(labels: NDArray[np.uint8], *, seed: int, epoch: int) -> tuple[Indices, Indices]:
    """Repeats the rarer class until both are equally large (Masko and Hensman 2015; FAI, section 3.1).

    Args:
        labels: (N,), 0 or 1, both present.
        seed: Seed of the run.
        epoch: Which pass over the data; each has its own order and its own extra copies.

    Returns:
        Negatives and positives, index arrays of the same length, each shuffled. Every image stands in them at least
        once; two copies of an image of the rarer class differ in number by at most one.
    """
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    length = max(len(entries) for entries in classes)
    drawn = []
    for value, entries in enumerate(classes):
        rng = np.random.default_rng([seed, epoch, value, 1])
        whole, rest = divmod(length, len(entries))
        repeated = np.concatenate([np.tile(entries, whole), rng.permutation(entries)[:rest]])
        drawn.append(rng.permutation(repeated))
    return drawn[0], drawn[1]


class Sampler:
    """Draws the two halves of each step's batch.

    Args:
        labels: (N,), 0 or 1, both present.
        seed: Seed of the run.
        oversampled: Whether an epoch is the larger class, the other repeated to match; else each class is walked at
            its own pace, reshuffled whenever it is exhausted.
    """

    def __init__(self, labels: NDArray[np.uint8], *, seed: int, oversampled: bool) -> None:
        self._labels, self._seed, self._oversampled = labels, seed, oversampled
        self._classes = [np.flatnonzero(labels == value) for value in (0, 1)]
        self._lengths = [len(entries) for entries in self._classes]
        if oversampled:
            self._lengths = [max(self._lengths)] * 2
        self._epoch = lru_cache(maxsize=8)(self._draw_epoch)

    def _draw_epoch(self, value: int, epoch: int) -> Indices:
        if self._oversampled:
            return oversample(self._labels, seed=self._seed, epoch=epoch)[value]
        rng = np.random.default_rng([self._seed, epoch, value, 0])
        return rng.permutation(self._classes[value])

    def _walk(self, value: int, start: int, count: int) -> Indices:
        """Entries start .. start + count of one class's endless, epoch by epoch reshuffled walk."""
        length = self._lengths[value]
        places = np.arange(start, start + count)
        return np.array([self._epoch(value, int(place) // length)[int(place) % length] for place in places], np.int64)

    def batch(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> tuple[Indices, Indices]:
        """Returns the negatives (size // 2,) and positives (the rest) that one process of ``world`` sees at a step."""
        halves = (size // 2, size - size // 2)
        drawn = [self._walk(value, (step * world + rank) * count, count) for value, count in enumerate(halves)]
        return drawn[0], drawn[1]


def chance(seed: int, step: int, rank: int) -> torch.Generator:
    """Returns the source of chance of one process at one step, independent of every other."""
    state = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))
