# SPDX-License-Identifier: MIT
"""One classifier of people on frozen features, followed from epoch to epoch; ``probes`` sets controls beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape
from faceeval.metrics.mlp import MLPSettings, class_probabilities, standardised, whole_numbers

LEAKAGE_MLP = MLPSettings(hidden=(512, 512), epochs=30, batch=256)

# training features, their labels 0..K-1, sets of features to name -> labels for each of these
Predict = Callable[[NDArray[np.float64], NDArray[np.int64], Sequence[NDArray[np.float64]]], list[NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class IdentityProbe:
    """One classifier of people; accuracies are top-1 shares, 0..1.

    Attributes:
        train_accuracies: On the training images after each epoch, by what they were taught.
        accuracies: On the held-out images after each epoch.
        named: Who each held-out image was taken for in the end, int64 (n,), in the order of the rows.
        right: Whether that is so, bool (n,).
    """

    train_accuracies: tuple[float, ...]
    accuracies: tuple[float, ...]
    named: NDArray[np.int64]
    right: NDArray[np.bool_]


def identity_probe(
    embeddings: ArrayLike,
    identities: ArrayLike,
    held_out: ArrayLike,
    settings: MLPSettings | None = LEAKAGE_MLP,
    seed: int = 0,
    shuffled: bool = False,
) -> IdentityProbe:
    """Trains one classifier of people on embeddings and follows it from epoch to epoch.

    What identity_leakage does once for the code and once for each control, on a split of your own.

    Args:
        embeddings: The embedding in question, shape (N, D), any float type.
        identities: Person of each image, shape (N,), whole numbers.
        held_out: Which images are not trained on, bool, shape (N,); each shows somebody who is in training.
        settings: Layers and training of the MLP. None: a linear classifier (logistic regression), which has no epochs
            and therefore one accuracy.
        seed: Seed of training and shuffling.
        shuffled: Whether the training images are taught people exchanged among them: a control that must stay at
            chance.

    Returns:
        Accuracies over the epochs, and who each held-out image was taken for.

    Raises:
        InputError: The shapes differ, a value is not finite, the embeddings do not vary, there are fewer than two
            people, no image is held out or none is left, or somebody is held out whole.

    References:
        Bao et al., "Towards open-set identity preserving face synthesis", section 4.2 and Figure 4.

    Example:
        >>> import numpy as np
        >>> people = np.repeat(np.arange(4), 10)
        >>> found = identity_probe(np.eye(4)[people], people, np.arange(40) % 5 == 0, MLPSettings((16,), 40, batch=8))
        >>> len(found.accuracies), found.accuracies[-1], found.named.tolist()
        (40, 1.0, [0, 0, 1, 1, 2, 2, 3, 3])
    """
    rows, people = varied("embeddings", embeddings), whole_numbers("identities", identities)
    out = whole_numbers("held_out", held_out)
    same_shape("one column of embeddings", rows[:, 0], "identities", people)
    same_shape("held_out", out, "identities", people)
    _refuse_parting(people, out)
    numbers, labels = np.unique(people, return_inverse=True)
    taught, aside = labels, out == 1
    if shuffled:
        taught = shuffled_within(labels, np.where(aside, 0, 1), seed)
    train, held = standardised(rows[~aside], rows[aside])
    truth, epochs = (taught[~aside], labels[aside]), list[tuple[float, ...]]()

    def follow(named: Sequence[NDArray[np.int64]]) -> None:
        epochs.append(tuple(float((found == wanted).mean()) for found, wanted in zip(named, truth, strict=True)))

    predict = logistic if settings is None else mlp_classifier(settings, seed, follow)
    named = predict(train, truth[0], (train, held))
    if settings is None:
        follow(named)
    learnt, found = zip(*epochs, strict=True)
    return IdentityProbe(learnt, found, numbers[named[1]], named[1] == truth[1])


def mlp_classifier(
    settings: MLPSettings, seed: int, follow: Callable[[Sequence[NDArray[np.int64]]], None] | None = None
) -> Predict:
    """Returns a perceptron that is trained anew for each question; ``follow`` is told its answers after each epoch."""

    def likeliest(probabilities: Sequence[NDArray[np.float64]]) -> list[NDArray[np.int64]]:
        return [some.argmax(axis=1) for some in probabilities]

    def predict(
        train: NDArray[np.float64], labels: NDArray[np.int64], asked: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.int64]]:
        told = None if follow is None else lambda probabilities: follow(likeliest(probabilities))
        return likeliest(class_probabilities(train, labels, asked, settings, seed, after_epoch=told))

    return predict


def logistic(
    train: NDArray[np.float64], labels: NDArray[np.int64], asked: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.int64]]:
    """Answers by logistic regression; see Predict."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=1000).fit(train, labels)
    return [model.predict(rows) for rows in asked]


def shuffled_within(labels: NDArray[np.int64], parts: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Returns labels (N,) exchanged within each part 0, 1, ..., so that every training set keeps its counts."""
    rng, taught = np.random.default_rng([seed, 0]), labels.copy()
    for part in range(int(parts.max()) + 1):
        inside = parts == part
        taught[inside] = rng.permutation(taught[inside])
    return taught


def varied(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Returns embeddings (N, D) as float64, and refuses those that are all the same."""
    rows = matrix(name, values).astype(np.float64)
    if (rows == rows[0]).all():
        todo = "look at what the encoder was given; a constant knows nothing of anyone"
        raise InputError(f"{name} that differ between images", f"{len(rows)} equal rows", todo)
    return rows


def _refuse_parting(people: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Refuses a split from which nothing can be learnt about somebody, or nothing asked."""
    if not np.isin(out, (0, 1)).all() or not 0 < out.sum() < len(out):
        got = f"{int((out == 1).sum())} of {len(out)}"
        raise InputError("some images held out, and some not", got, "give True for the images to be asked about")
    if len(np.unique(people)) < 2:
        raise InputError("at least two people", "1", "give images of more people")
    unknown = np.setdiff1d(people[out == 1], people[out == 0])
    if len(unknown):
        got = f"none of {len(unknown)} people, such as person {int(unknown[0])}"
        raise InputError("a training image of everybody who is held out", got, "leave out people with a single image")
