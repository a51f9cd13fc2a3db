# SPDX-License-Identifier: MIT
"""Does an embedding tell expressions apart? A small classifier on frozen features, and its one-vs-rest AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape
from faceeval.metrics.bootstrap import Interval, draw_indices, refuse_settings
from faceeval.metrics.groups import group_places
from faceeval.metrics.identity import verification_auc
from faceeval.metrics.mlp import MLPSettings, class_probabilities, standardised, whole_numbers

# AffectNet's codes 0..7, which is the order of Browatzki and Wallraven's Table 3
EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")

EXPRESSION_MLP = MLPSettings(hidden=(200, 200), epochs=5, batch=100)
# "three 200d fully connected layers", ReLU and dropout after two of them, the classes in a fourth. The third has no
# ReLU, so both span the same functions and differ in training only.
EXPRESSION_MLP_FOUR_LAYERS = MLPSettings(hidden=(200, 200), linear=(200,), epochs=5, batch=100)
CELLS = 2_000_000  # weights of resampled images held in memory: 16 MB


@dataclass(frozen=True)
class ExpressionSummary:
    """One-vs-rest AUC of each class, as Browatzki and Wallraven's Table 3 has it.

    Attributes:
        auc: Of each class, 0..1, in the order of ``classes``; 0.5 is chance.
        classes: The classes, ascending.
        n_train: Number of training images.
        n_validation: Number of validation images.
    """

    auc: tuple[float, ...]
    classes: tuple[int, ...]
    n_train: int
    n_validation: int

    @property
    def mean(self) -> float:
        """Unweighted mean over the classes, the table's AVG; 0..1, higher is better."""
        return sum(self.auc) / len(self.auc)


@dataclass(frozen=True)
class ExpressionIntervals:
    """One-vs-rest AUC of each class with its bootstrap interval.

    Attributes:
        auc: Of each class, 0..1, in the order of the columns of scores.
        mean: Of their unweighted mean.
    """

    auc: tuple[Interval, ...]
    mean: Interval


def one_vs_rest_auc(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Area under the ROC curve of each class against all others.

    Args:
        scores: Score of each class for each image, shape (N, C), any float type; probabilities or logits. The two do
            not give the same AUC: a softmax weighs a class against the others of its image.
        labels: True class of each image, shape (N,), 0..C-1; each class at least once, at least two classes.

    Returns:
        Shape (C,), float64, in [0, 1]; higher is better, 0.5 is chance.

    Raises:
        InputError: The shapes differ, a value is not finite, a label is not a column of scores, or a class is missing.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", Table 3. Parity: scikit-learn ``roc_auc_score``, tests/metrics/test_expression.py.

    Example:
        >>> one_vs_rest_auc([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]], [0, 1, 2]).tolist()
        [1.0, 1.0, 1.0]
    """
    table, truth = matrix("scores", scores), whole_numbers("labels", labels)
    same_shape("one column of scores", table[:, 0], "labels", truth)
    columns, present = np.arange(table.shape[1]), np.unique(truth)
    if len(columns) < 2 or not np.array_equal(present, columns):
        got = f"{len(columns)} columns of scores and the classes {', '.join(str(c) for c in present[:20])}"
        todo = "drop the columns of missing classes, or add images; without one of both kinds a class has no AUC"
        raise InputError("images of each class 0..C-1, two classes at least", got, todo)
    return np.array([verification_auc(table[:, c], truth == c) for c in columns])


def one_vs_rest_intervals(
    scores: ArrayLike,
    labels: ArrayLike,
    seed: int = 0,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
) -> ExpressionIntervals:
    """One-vs-rest AUC of each class and their mean, with percentile bootstrap intervals.

    The classifier stays; images are drawn again with replacement, or people with all their images. Draws without an
    image of some class, which only small sets have, are left out.

    Args:
        scores: Score of each class for each image, shape (N, C), as in one_vs_rest_auc; N at least 2.
        labels: True class of each image, shape (N,), 0..C-1, each class at least once.
        seed: Seed of the draws; those of bootstrap_mean for the same seed and as many images or groups.
        n_resamples: Number of draws, at least 1.
        confidence: Share of the draws the interval holds, between 0 and 1.
        groups: Who is in each image, whole numbers, shape (N,); None: each image is drawn alone.

    Returns:
        The AUC of each class and their mean with their intervals.

    Raises:
        InputError: As one_vs_rest_auc; a senseless setting, a single group, or no draw had images of every class.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3. Parity: AUCs of images that were
        drawn and copied, tests/metrics/test_expression.py.

    Example:
        >>> import numpy as np
        >>> labels = np.arange(300) % 3
        >>> found = one_vs_rest_intervals(np.eye(3)[labels] + np.random.default_rng(0).normal(size=(300, 3)), labels)
        >>> found.mean.low < found.mean.value < found.mean.high
        True
    """
    values = one_vs_rest_auc(scores, labels)
    table, truth = matrix("scores", scores).astype(np.float64), whole_numbers("labels", labels)
    place = np.arange(len(truth)) if groups is None else group_places(groups, len(truth))
    count = int(place.max()) + 1
    refuse_settings(count, n_resamples, confidence)
    found, rows = list[NDArray[np.float64]](), max(1, CELLS // len(truth))
    for draws in draw_indices(count, seed, n_resamples):
        for start in range(0, len(draws), rows):
            counts = np.stack([np.bincount(draw, minlength=count) for draw in draws[start : start + rows]])
            weights = counts[:, place].astype(np.float64)
            found.append(np.stack([_weighted_auc(table[:, c], truth == c, weights) for c in range(len(values))], 1))
    drawn = np.concatenate(found)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if not len(drawn):
        todo = "give more images of each class"
        raise InputError("a draw with images of every class", f"none of {n_resamples}", todo)
    ends = (1.0 - confidence) / 2, (1.0 + confidence) / 2
    lows, highs = np.quantile(drawn, ends, axis=0)
    auc = tuple(Interval(*map(float, one)) for one in zip(values, lows, highs, strict=True))
    low, high = np.quantile(drawn.mean(axis=1), ends)
    return ExpressionIntervals(auc, Interval(float(values.mean()), float(low), float(high)))


def _weighted_auc(
    scores: NDArray[np.float64], same: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns AUCs (B,) in which image n counts ``weights[b, n]`` times; NaN where one side has none."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) > 0]))
    ordered, inside = weights[:, order], same[order]
    positive = np.add.reduceat(ordered * inside, starts, axis=1)
    negative = np.add.reduceat(ordered * ~inside, starts, axis=1)
    below = np.cumsum(negative, axis=1) - 0.5 * negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((positive * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))


def class_weights(labels: ArrayLike) -> NDArray[np.float64]:
    """Weights that make rare classes count as much as frequent ones: N / (C n_c).

    Args:
        labels: Class of each image, shape (N,), whole numbers.

    Returns:
        Shape (C,), float64, in ascending order of the classes; 1 for all where they are equally many.

    Raises:
        InputError: Not a vector, empty, or a value is no whole number.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 5.3.3.
        Parity: scikit-learn ``compute_class_weight("balanced")``, tests/metrics/test_expression.py.

    Example:
        >>> class_weights([0, 0, 0, 1]).round(3).tolist()
        [0.667, 2.0]
    """
    counts = np.unique(whole_numbers("labels", labels), return_counts=True)[1]
    return np.asarray(counts.sum() / (len(counts) * counts))


def expression_probabilities(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    features: ArrayLike,
    settings: MLPSettings = EXPRESSION_MLP,
    standardise: bool = True,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Trains the 200-200-8 classifier on frozen features and gives its probabilities for other images.

    Cross-entropy weighted by inverse class counts.

    Args:
        train_features: Features of the training images, shape (N, D), any float type.
        train_labels: Their expressions, shape (N,), whole numbers, two different ones at least.
        features: Features of other images, shape (M, D).
        settings: Layers and training, as in expression_auc.
        standardise: Centre and scale features by the training images, as in expression_auc.
        seed: Seed of start, order and dropout.

    Returns:
        Shape (M, C), float64, rows that sum to 1; the columns are the classes of training in ascending order.

    Raises:
        InputError: The shapes differ, a value is not finite, the features do not vary, or there is one class only.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 5.3.3.

    Example:
        >>> import numpy as np
        >>> labels = np.arange(600) % 3
        >>> expression_probabilities(np.eye(3)[labels], labels, np.eye(3)).argmax(axis=1).tolist()
        [0, 1, 2]
    """
    train, rows = _features("train_features", train_features), _features("features", features)
    truth = whole_numbers("train_labels", train_labels)
    same_shape("one column of train_features", train[:, 0], "train_labels", truth)
    same_shape("one row of train_features", train[0], "one row of features", rows[0])
    classes, labels = np.unique(truth, return_inverse=True)
    if len(classes) < 2:
        raise InputError("two classes at least in training", f"{classes.tolist()}", "add images of other classes")
    if (train == train[0]).all():
        todo = "look at what the encoder was given"
        raise InputError("train_features that differ between images", f"{len(train)} equal rows", todo)
    if standardise:
        train, rows = standardised(train, rows)
    return class_probabilities(train, labels, [rows], settings, seed, class_weights(truth))[0]


def expression_auc(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    validation_features: ArrayLike,
    validation_labels: ArrayLike,
    settings: MLPSettings = EXPRESSION_MLP,
    standardise: bool = True,
    seed: int = 0,
) -> ExpressionSummary:
    """Trains the 200-200-8 classifier on frozen features and gives its AUC for each expression.

    Cross-entropy weighted by inverse class counts; the scores are probabilities. Give it features that should hold the
    expression and those that should not: the difference is what was disentangled.

    Args:
        train_features: Features of the training images, shape (N, D), any float type.
        train_labels: Their expressions, shape (N,), whole numbers; of AffectNet keep 0..7 (see EXPRESSIONS).
        validation_features: Features of images of other people, shape (M, D).
        validation_labels: Their expressions, shape (M,), exactly the classes of training, at least two.
        settings: Layers and training; the default has dropout 0.2, Adam at 1e-3, 5 epochs of batches of 100.
            EXPRESSION_MLP_FOUR_LAYERS is the other reading of the paper.
        standardise: Centre and scale features by the training images, so that the feature's unit does not matter; the
            paper says nothing of it.
        seed: Seed of start, order and dropout.

    Returns:
        The AUC of each class and their unweighted mean.

    Raises:
        InputError: The shapes differ, a value is not finite, the features do not vary, or a class is missing on one
            side.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 5.3.3 and Table 3.

    Example:
        >>> import numpy as np
        >>> labels = np.arange(600) % 3
        >>> summary = expression_auc(np.eye(3)[labels], labels, np.eye(3), [0, 1, 2])
        >>> summary.auc, summary.mean, summary.n_train, summary.n_validation
        ((1.0, 1.0, 1.0), 1.0, 600, 3)
    """
    train, rows = _features("train_features", train_features), _features("validation_features", validation_features)
    truth, asked = whole_numbers("train_labels", train_labels), whole_numbers("validation_labels", validation_labels)
    same_shape("one column of train_features", train[:, 0], "train_labels", truth)
    same_shape("one column of validation_features", rows[:, 0], "validation_labels", asked)
    same_shape("one row of train_features", train[0], "one row of validation_features", rows[0])
    classes = np.unique(truth)
    if len(classes) < 2 or not np.array_equal(classes, np.unique(asked)):
        got = f"{classes.tolist()[:20]} in training, {np.unique(asked).tolist()[:20]} in validation"
        todo = "leave out classes without faces on both sides"
        raise InputError("the same classes in training and validation, two at least", got, todo)
    scores = expression_probabilities(train, truth, rows, settings, standardise, seed)
    auc = one_vs_rest_auc(scores, np.searchsorted(classes, asked))
    return ExpressionSummary(tuple(auc.tolist()), tuple(classes.tolist()), len(train), len(rows))


def _features(name: str, values: ArrayLike) -> NDArray[np.float64]:
    return matrix(name, values).astype(np.float64)
