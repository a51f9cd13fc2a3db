# SPDX-License-Identifier: MIT
"""The small classifiers that probes train on frozen features: equal seeds, equal weights, and no global state moves.

scikit-learn's MLPClassifier has no dropout, which both papers' probes use, so the training loop is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import vector

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Layers = list[tuple[Tensor, Tensor]]

ROWS_AT_ONCE = 8192  # images whose activations are held in memory: 32 MB for a layer of 512
LARGEST_WHOLE = 2.0**53  # beyond it float64 no longer tells neighbouring whole numbers apart


@dataclass(frozen=True)
class MLPSettings:
    """A multilayer perceptron and its training with Adam.

    Attributes:
        hidden: Widths of the hidden layers, each followed by ReLU and dropout; none makes a linear classifier.
        epochs: Passes over the training images.
        batch: Images in one step.
        linear: Widths of further layers before the last, with neither ReLU nor dropout.
        dropout: Share of the activations dropped in training, at least 0 and below 1.
        learning_rate: Adam's, above 0.
    """

    hidden: tuple[int, ...]
    epochs: int
    batch: int
    linear: tuple[int, ...] = ()
    dropout: float = 0.2
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        counts = (*self.hidden, *self.linear, self.epochs, self.batch)
        if any(int(count) != count or count < 1 for count in counts):
            todo = "give widths, epochs and batch as whole numbers"
            raise InputError("layers of at least one unit, one epoch and one image a step", str(self), todo)
        if not 0.0 <= self.dropout < 1.0 or not self.learning_rate > 0.0:
            todo = "give dropout=0.2, learning_rate=1e-3"
            raise InputError("a dropout of at least 0 and below 1, a learning rate above 0", str(self), todo)


def whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Returns an argument as a vector (N,) of whole numbers: classes, people, photos.

    Args:
        name: The argument's name, for the message.
        values: What was given.

    Returns:
        Shape (N,), int64.

    Raises:
        InputError: It is no vector, is empty, or holds a value that is not whole or too large to be told apart.
    """
    array = vector(name, values)
    odd = (array != np.round(array)) | (np.abs(array) >= LARGEST_WHOLE)
    if odd.any():
        todo = "number the names first: np.unique(names, return_inverse=True)[1]"
        raise InputError(f"whole numbers in {name}", str(array[odd][0]), todo)
    return array.astype(np.int64)


def standardised(train: NDArray[np.float64], *others: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Centres and scales features by the training images' mean and spread, so that their unit does not matter.

    Args:
        train: Features of the training images, shape (N, D).
        *others: Features of other images, shape (M, D).

    Returns:
        All of them, training first; a feature that does not vary in training becomes 0 there and is only centred.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    # what rounding leaves of a constant must not be blown up to a feature
    flat = spread <= 1e-12 * np.abs(mean)
    return [(rows - mean) / np.where(flat, 1.0, spread) for rows in (train, *others)]


def class_probabilities(
    train: NDArray[np.float64],
    labels: NDArray[np.int64],
    asked: Sequence[NDArray[np.float64]],
    settings: MLPSettings,
    seed: int,
    weights: NDArray[np.float64] | None = None,
    after_epoch: Callable[[list[NDArray[np.float64]]], None] | None = None,
) -> list[NDArray[np.float64]]:
    """Trains the perceptron on labelled features and returns its probabilities for other features.

    Weights start as torch's Linear layers do. Everything is float64, so that the verdicts are the same on another
    processor as well; start, order and dropout are drawn from one generator on the CPU.

    Args:
        train: Features of the training images, shape (N, D).
        labels: Their classes, shape (N,), 0..C-1, each at least once.
        asked: Sets of features to classify, each of shape (M, D).
        settings: Layers and training.
        seed: Seed of start, order and dropout.
        weights: Weight of each class in the cross-entropy, shape (C,); a step divides by the sum over its images, so
            their common scale does not matter. Equal weights where absent.
        after_epoch: Told, after each pass over the training images, what would be returned then. Whether anybody
            listens changes nothing.

    Returns:
        For each set, probabilities of shape (M, C), float64.
    """
    import torch
    from torch.nn.functional import cross_entropy

    generator = torch.Generator().manual_seed(seed)
    scale = None if weights is None else torch.from_numpy(weights)
    # callers may be in no_grad or inference_mode, where nothing could be trained
    with torch.inference_mode(False), torch.enable_grad():
        rows, truth = torch.from_numpy(np.ascontiguousarray(train)), torch.from_numpy(labels)
        layers = _start((train.shape[1], *settings.hidden, *settings.linear, int(labels.max()) + 1), generator)
        optimiser = torch.optim.Adam([part for layer in layers for part in layer], lr=settings.learning_rate)
        for _ in range(settings.epochs):
            for batch in torch.split(torch.randperm(len(rows), generator=generator), settings.batch):
                loss = cross_entropy(_logits(rows[batch], layers, settings, generator), truth[batch], weight=scale)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            if after_epoch is not None:
                after_epoch([_probabilities(some, layers, settings) for some in asked])
        return [_probabilities(some, layers, settings) for some in asked]


def _start(widths: tuple[int, ...], generator: Generator) -> Layers:
    import torch

    layers = []
    for before, after in pairwise(widths):
        bound = before**-0.5
        drawn = [
            torch.empty(shape, dtype=torch.float64).uniform_(-bound, bound, generator=generator)
            for shape in ((before, after), (after,))
        ]
        layers.append((drawn[0].requires_grad_(), drawn[1].requires_grad_()))
    return layers


def _logits(rows: Tensor, layers: Layers, settings: MLPSettings, generator: Generator | None = None) -> Tensor:
    """Returns the logits (N, C); dropout where there is a generator to draw it from."""
    import torch

    for depth, (weight, bias) in enumerate(layers):
        rows = torch.addmm(bias, rows, weight)
        if depth < len(settings.hidden):
            rows = rows.relu()
            if generator is not None and settings.dropout > 0.0:
                kept = 1.0 - settings.dropout
                rows = rows * torch.empty_like(rows).bernoulli_(kept, generator=generator) / kept
    return rows


def _probabilities(rows: NDArray[np.float64], layers: Layers, settings: MLPSettings) -> NDArray[np.float64]:
    import torch

    blocks = torch.split(torch.from_numpy(np.ascontiguousarray(rows)), ROWS_AT_ONCE)
    with torch.no_grad():
        return torch.cat([_logits(block, layers, settings).softmax(dim=1) for block in blocks]).numpy()
