# SPDX-License-Identifier: MIT
"""What does an embedding know? Classifiers trained on frozen features: identity that should not be there, expression
that should.

A probe finds what a classifier of its size finds, no more. A number means something beside its controls: chance, the
same training with nothing to learn, and an embedding that is made for the task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import same_shape
from faceeval.metrics.identity_probe import (
    LEAKAGE_MLP,
    Predict,
    logistic,
    mlp_classifier,
    shuffled_within,
    varied,
)
from faceeval.metrics.mlp import MLPSettings, standardised, whole_numbers

PARTS = 5  # one of them held out: 80/20
TAG = "faceeval/1/ipgan/leak"


@dataclass(frozen=True)
class LeakageSummary:
    """How well identity can be read from an embedding; accuracies are top-1 shares, 0..1.

    Attributes:
        accuracy: Of the MLP on held-out images.
        train_accuracy: Of the MLP on its training images.
        linear_accuracy: Of a linear classifier (logistic regression) on held-out images.
        chance: 1 / n_identities.
        majority_accuracy: Of always naming the person with most training images.
        shuffled_accuracy: Of the MLP after training on shuffled labels; near chance, or images are told apart by
            something that is no identity.
        noise_accuracy: Of the MLP on Gaussian noise of the embedding's size; near chance, or the split leaks.
        ceiling_accuracy: Of the MLP on the identity embeddings; None without them.
        leakage: (accuracy - chance) / (ceiling_accuracy - chance): 0 is none, 1 as much as the identity embedding;
            None without one. Lower is better. Noise can put it below 0.
        standard_error: Binomial standard error of an accuracy at chance.
        n_identities: Number of people.
        n_held_out: Number of held-out images, over all folds.
        dimensions: Dimensions of the embedding; compare leakage at equal dimensions.
    """

    accuracy: float
    train_accuracy: float
    linear_accuracy: float
    chance: float
    majority_accuracy: float
    shuffled_accuracy: float
    noise_accuracy: float
    ceiling_accuracy: float | None
    leakage: float | None
    standard_error: float
    n_identities: int
    n_held_out: int
    dimensions: int


def identity_leakage(
    embeddings: ArrayLike,
    identities: ArrayLike,
    identity_embeddings: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    settings: MLPSettings = LEAKAGE_MLP,
    folds: int = 1,
    seed: int = 0,
) -> LeakageSummary:
    """Trains classifiers to read identity from an embedding that should not hold it, beside their controls.

    Each person's images are dealt into five parts by hash; the first is held out (80/20), or each of ``folds`` parts
    in turn. The split depends on identities and groups alone, so all embeddings of a data set share it. Features are
    standardised by the training images. Of a variational encoder give the mean, not a sample.

    Args:
        embeddings: The embedding in question, shape (N, D), any float type.
        identities: Person of each image, shape (N,), whole numbers; each of at least two people needs images of two
            groups.
        identity_embeddings: An embedding made to tell people apart, shape (N, E), same order: the ceiling.
        groups: Whole numbers, shape (N,). Images of one person and one number are never parted: give photos of one
            event or clip one number, or near-duplicates on both sides feign leakage. Each image its own, numbered by
            row, where absent. With one image a group the order of the rows does not matter.
        settings: Layers and training of the MLP; the default is 512-512, dropout 0.2, Adam at 1e-3, 30 epochs of
            batches of 256.
        folds: Number of parts held out in turn, 1 to 5; accuracies are over all their images.
        seed: Seed of training, shuffling and noise.

    Returns:
        Accuracies of probe and controls, and the leakage.

    Raises:
        InputError: The shapes differ, a value is not finite, the embeddings do not vary, there are fewer than two
            people, someone has a single group, a fold would be empty, or identity_embeddings do not tell people apart
            by more than three standard errors.

    References:
        Bao et al., "Towards open-set identity preserving face synthesis", section 4.2 and Figure 4, with the controls
        it lacks. Parity: the split is that of ``faceeval.data.select``, tests/metrics/test_leakage.py.

    Example:
        >>> import numpy as np
        >>> people = np.repeat(np.arange(4), 10)
        >>> tiny = MLPSettings(hidden=(16,), epochs=40, batch=8)
        >>> summary = identity_leakage(np.eye(4)[people], people, np.eye(4)[people], settings=tiny)
        >>> summary.accuracy, summary.chance, summary.leakage, summary.n_held_out
        (1.0, 0.25, 1.0, 8)
    """
    rows, people = varied("embeddings", embeddings), whole_numbers("identities", identities)
    units = np.arange(len(people)) if groups is None else whole_numbers("groups", groups)
    ceiling_rows = None if identity_embeddings is None else varied("identity_embeddings", identity_embeddings)
    same_shape("one column of embeddings", rows[:, 0], "identities", people)
    same_shape("groups", units, "identities", people)
    if ceiling_rows is not None:
        same_shape("one column of identity_embeddings", ceiling_rows[:, 0], "identities", people)
    order, parts = _dealt(people, units, folds)
    task = _Task(np.unique(people[order], return_inverse=True)[1], parts[order], folds)
    mlp = mlp_classifier(settings, seed)
    ceiling = None if ceiling_rows is None else _ceiling(task, ceiling_rows[order], mlp)
    rows = rows[order]
    train, accuracy = task.top_one(rows, mlp)
    return LeakageSummary(
        accuracy=accuracy,
        train_accuracy=train,
        linear_accuracy=task.top_one(rows, logistic)[1],
        chance=task.chance,
        majority_accuracy=task.top_one(rows, _majority)[1],
        shuffled_accuracy=task.top_one(rows, mlp, shuffled_within(task.labels, task.parts, seed))[1],
        noise_accuracy=task.top_one(np.random.default_rng([seed, 1]).standard_normal(rows.shape), mlp)[1],
        ceiling_accuracy=ceiling,
        leakage=None if ceiling is None else (accuracy - task.chance) / (ceiling - task.chance),
        standard_error=task.standard_error,
        n_identities=int(task.labels.max()) + 1,
        n_held_out=task.n_held_out,
        dimensions=rows.shape[1],
    )


@dataclass(frozen=True)
class _Task:
    """Who is to be told apart, and which images are held out."""

    labels: NDArray[np.int64]  # 0..K-1
    parts: NDArray[np.int64]  # 0..PARTS-1; part f is held out in fold f
    folds: int

    @property
    def chance(self) -> float:
        return 1.0 / (int(self.labels.max()) + 1)

    @property
    def n_held_out(self) -> int:
        return int((self.parts < self.folds).sum())

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.chance * (1.0 - self.chance) / self.n_held_out))

    def top_one(
        self, rows: NDArray[np.float64], predict: Predict, taught: NDArray[np.int64] | None = None
    ) -> tuple[float, float]:
        """Returns the share of training images and of held-out images named rightly, over all folds."""
        taught = self.labels if taught is None else taught
        right, seen = np.zeros(2), np.zeros(2)
        for fold in range(self.folds):
            sides = self.parts != fold, self.parts == fold
            train, held = standardised(rows[sides[0]], rows[sides[1]])
            for side, named in enumerate(predict(train, taught[sides[0]], (train, held))):
                truth = (taught if side == 0 else self.labels)[sides[side]]
                right[side] += (named == truth).sum()
                seen[side] += len(truth)
        return float(right[0] / seen[0]), float(right[1] / seen[1])


def _majority(
    train: NDArray[np.float64], labels: NDArray[np.int64], asked: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.int64]]:
    return [np.full(len(rows), np.bincount(labels).argmax()) for rows in asked]


def _ceiling(task: _Task, rows: NDArray[np.float64], mlp: Predict) -> float:
    ceiling = task.top_one(rows, mlp)[1]
    if ceiling - task.chance <= 3 * task.standard_error:
        got = f"accuracy {ceiling:.4f} at chance {task.chance:.4f} +- {task.standard_error:.4f}"
        todo = "give a recogniser's embeddings of the same images, in the same order"
        raise InputError("identity_embeddings that tell people apart", got, todo)
    return ceiling


def _dealt(
    people: NDArray[np.int64], groups: NDArray[np.int64], folds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns an order of the rows that is not theirs, and the part 0..PARTS-1 of each row."""
    units, of_unit = np.unique(np.stack([people, groups], axis=1), axis=0, return_inverse=True)
    of_unit = of_unit.reshape(-1)
    keys = [(hashlib.sha256(f"{TAG}/{who}:{item}".encode()).hexdigest(), str(item)) for who, item in units.tolist()]
    rank = np.empty(len(units), dtype=np.int64)
    rank[sorted(range(len(units)), key=keys.__getitem__)] = np.arange(len(units))
    names, counts = np.unique(units[:, 0], return_counts=True)
    if len(names) < 2 or counts.min() < 2:
        got = f"{len(names)} people, {int(counts.min())} group for person {int(names[counts.argmin()])}"
        todo = "leave out people with a single image or group"
        raise InputError("at least two people, and at least two images or groups of each", got, todo)
    by_person = np.lexsort((rank, units[:, 0]))
    place = np.empty(len(units), dtype=np.int64)
    place[by_person] = np.arange(len(units)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = place * PARTS // np.repeat(counts, counts)
    if int(folds) != folds or not 1 <= folds <= PARTS or not np.isin(np.arange(folds), parts).all():
        got = f"folds={folds} for at most {int(counts.max())} images or groups of a person"
        raise InputError(f"1 to {PARTS} folds, none of them empty", got, "give folds=1, the protocol's 80/20")
    return np.argsort(rank[of_unit], kind="stable"), parts[of_unit]
