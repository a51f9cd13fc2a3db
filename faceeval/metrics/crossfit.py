# SPDX-License-Identifier: MIT
"""Does it fool a judge that belongs to nobody? One judge for all editors, which scores only images it has not seen.

The judge is a logistic regression on features, trained on real images against the edits of all editors in equal shares,
k times, each time without the images that it then scores; a source and its edits are always left out together. It sees
what the features hold and no more, and everything that tells edits from sources: a JPEG on one side only, another crop
or another resizing is enough to be told apart.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape, vector
from faceeval.metrics.bootstrap import Interval, bootstrap_mean
from faceeval.metrics.fidelity import FidelitySummary, fidelity_summary, realness
from faceeval.metrics.groups import group_places
from faceeval.metrics.realism import SmallSampleWarning

FOLD_TAG = "faceeval/1/judge-folds"
# Of the inverse penalties, the one whose held-out probabilities are best is taken: a judge that is too sure of itself
# on images it has not seen would call every editor worse than it is
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
CONVERGED = 1e-6  # largest slope of the mean loss; the values then hold to about as many digits


@dataclass(frozen=True, eq=False)
class JudgedEdits:
    """What judges that had not seen them say of one editor's images.

    Attributes:
        real: Logits of the sources, float64, (N,), in their order.
        edited: Logits of their edits, float64, (N,).
        summary: Mean realness of both, their sum and the AUC. Of the mean over all editors an ideal judge makes the sum
            1; one editor alone may lie above, as the most real one, or below.
        interval: Mean realness of the edits with its 95 % interval.
        fold: Which judge scored each image, int64, (N,): the one that had not seen this fold.
        penalty: The inverse penalty taken, one of PENALTIES.
    """

    real: NDArray[np.float64]
    edited: NDArray[np.float64]
    summary: FidelitySummary
    interval: Interval
    fold: NDArray[np.int64]
    penalty: float


def cross_fitted_fidelity(
    source_features: ArrayLike,
    edited_features: Mapping[str, ArrayLike],
    groups: ArrayLike | None = None,
    folds: int = 5,
    leave_one_out: bool = False,
    seed: int = 0,
) -> dict[str, JudgedEdits]:
    """Fidelity of several editors under one judge, which scores only images it was not trained on.

    Memory: about three times all the features in float64.

    Args:
        source_features: Features of the real images, shape (N, D), any float type.
        edited_features: Method -> features of its edits of these images, same shape and order, made the same way
            (crop, size, file format).
        groups: Who is in each source, whole numbers, shape (N,): all images of one person are left out together.
            None: only equal sources, and each source with its edits.
        folds: Number of judges; each is trained on the other folds. The fold of an image follows from a hash of its
            features (of its group's number), never from its position.
        leave_one_out: Whether an editor's judge must not have seen any of its images, only the other editors'. What
            the judge finds then is what the editors have in common.
        seed: Part of the hash, and seed of the intervals.

    Returns:
        Method -> what held-out judges say, in the order given. An ideal judge gives at most 0.5 on average over the
        editors. One among worse ones gets more (up to M / (M + 1) of M), so scores hold for this set of editors only;
        cross_fitted_realness is for one alone. Compare two of the set by ``compare`` on their realness, image by image.

    Raises:
        InputError: The shapes differ, a value is not finite, all sources have equal features, there are fewer groups
            than folds, no editor, or one alone with ``leave_one_out``.

    Warns:
        SmallSampleWarning: No more training images than dimensions: the judge is weaker than it could be, which
            flatters the editors.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", section 4.3 (the score); Chernozhukov et
        al., "Double/debiased machine learning", 2018 (cross-fitting); Lopez-Paz and Oquab, "Revisiting classifier
        two-sample tests", ICLR 2017.

    Example:
        >>> import numpy as np
        >>> real = np.random.default_rng(0).standard_normal((200, 3))
        >>> judged = cross_fitted_fidelity(real, {"nothing": real, "bad": real + 4.0})
        >>> {name: round(one.summary.edited, 1) for name, one in judged.items()}
        {'nothing': 0.6, 'bad': 0.1}
    """
    source, edits = _checked(source_features, edited_features, leave_one_out)
    names = sorted(edits)  # the order in which editors are named must not show
    order, fold = _folds(source, [edits[name] for name in names], groups, folds, seed)
    _warn_if_small(len(source) * (folds - 1) // folds * 2, source.shape[1])
    back = np.argsort(order)
    sorted_edits = {name: edits[name][order] for name in names}
    judged = {}
    shared: tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], float] | None = None
    for name in edits:
        seen = [other for other in names if other != name] if leave_one_out else names
        if shared is None or leave_one_out:
            shared = _held_out_logits(source[order], sorted_edits, seen, fold[order])
        real, edited, penalty = shared[0][back], shared[1][name][back], shared[2]
        interval = bootstrap_mean(realness(edited), seed=seed, groups=groups)
        judged[name] = JudgedEdits(real, edited, fidelity_summary(real, edited), interval, fold, penalty)
    return judged


def cross_fitted_realness(
    source_features: ArrayLike, edited_features: ArrayLike, groups: ArrayLike | None = None, folds: int = 5
) -> NDArray[np.float64]:
    """Probability of being real that a judge gives each edit of one editor, having seen neither it nor its source.

    cross_fitted_fidelity for one editor alone. The scores of two editors from two calls are of two judges: to compare
    editors, give them to cross_fitted_fidelity together.

    Args:
        source_features: Features of the real images, shape (N, D), any float type.
        edited_features: Features of their edits, same shape and order.
        groups: Who is in each source, as in cross_fitted_fidelity.
        folds: Number of judges.

    Returns:
        Shape (N,), float64, in [0, 1]; higher is realer, 0.5 on average is as real as the sources.

    Raises:
        InputError: As cross_fitted_fidelity.

    Warns:
        SmallSampleWarning: As cross_fitted_fidelity.

    References:
        Sun et al., "Mask-aware photorealistic face attribute manipulation", section 4.3 (the score).
        Parity: scikit-learn ``cross_val_predict``, tests/metrics/test_crossfit.py.

    Example:
        >>> import numpy as np
        >>> real = np.random.default_rng(0).standard_normal((200, 3))
        >>> float(cross_fitted_realness(real, real).mean()), float(cross_fitted_realness(real, real + 4.0).mean()) < 0.1
        (0.5, True)
    """
    return realness(cross_fitted_fidelity(source_features, {"edits": edited_features}, groups, folds)["edits"].edited)


def _checked(
    source_features: ArrayLike, edited_features: Mapping[str, ArrayLike], leave_one_out: bool
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    source = matrix("source_features", source_features, rows=2).astype(np.float64) + 0.0  # -0.0 is 0.0 to a hash, too
    if len(edited_features) < 1 + leave_one_out:
        todo = "give the editors that are compared, all of them" if leave_one_out else "give {method: features}"
        raise InputError(f"at least {1 + leave_one_out} editors", str(len(edited_features)), todo)
    edits = {}
    for name, features in edited_features.items():
        edits[name] = matrix(f"edited features of {name}", features).astype(np.float64)
        same_shape("source_features", source, f"edited features of {name}", edits[name])
    if (source == source[0]).all():
        todo = "look at what makes them: a network that gives every image the same features judges nothing"
        raise InputError("source features that differ between images", "one and the same row", todo)
    return source, edits


def _folds(
    source: NDArray[np.float64],
    edits: Sequence[NDArray[np.float64]],
    groups: ArrayLike | None,
    folds: int,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns an order of the images that does not depend on the one given, and the fold of each image."""
    if int(folds) != folds or folds < 2:
        raise InputError("at least two folds", str(folds), "give folds=5")
    content = [_digest(seed, row.tobytes()) for row in source]
    if groups is None:
        key = content
    else:
        group_places(groups, len(source))  # refuses what are no groups
        key = [_digest(seed, str(int(group)).encode()) for group in vector("groups", groups)]
    kinds, place, sizes = np.unique(key, return_inverse=True, return_counts=True)
    if len(kinds) < folds:
        what = "different sources" if groups is None else "groups"
        raise InputError(f"at least {folds} {what}, one for each fold", str(len(kinds)), "give more images")
    fold_of, load = np.zeros(len(kinds), np.int64), np.zeros(int(folds), np.int64)
    for kind in np.lexsort((kinds, -sizes)):  # the largest first, so that the folds come out of one size
        fold_of[kind] = load.argmin()
        load[fold_of[kind]] += sizes[kind]
    whole = [_digest(seed, b"".join(part.tobytes() for part in parts)) for parts in zip(source, *edits, strict=True)]
    return np.argsort(whole, kind="stable"), fold_of[place]


def _digest(seed: int, content: bytes) -> str:
    return hashlib.sha256(f"{FOLD_TAG}/{seed}:".encode() + content).hexdigest()


def _warn_if_small(rows: int, dimensions: int) -> None:
    if rows <= dimensions:
        text = f"{rows} training images for {dimensions} dimensions: the judge is weaker than it could be"
        warnings.warn(f"{text}, so scores are nearer to 0.5 than they should be", SmallSampleWarning, stacklevel=3)


def _held_out_logits(
    source: NDArray[np.float64],
    edits: Mapping[str, NDArray[np.float64]],
    seen: Sequence[str],
    fold: NDArray[np.int64],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], float]:
    """Returns logits of sources and edits under the penalty whose held-out log-loss is least, and that penalty."""
    real = np.empty((len(PENALTIES), len(source)))
    edited = {name: np.empty((len(PENALTIES), len(source))) for name in edits}
    for held_out, row, logits_of in _judges(source, edits, seen, fold):
        real[row, held_out] = logits_of(source[held_out])
        for name, features in edits.items():
            edited[name][row, held_out] = logits_of(features[held_out])
    losses = np.logaddexp(0.0, -real).mean(axis=1)
    for name in seen:
        losses += np.logaddexp(0.0, edited[name]).mean(axis=1) / len(seen)
    best = int(losses.argmin())  # the strongest penalty of equally good ones
    return real[best], {name: logits[best] for name, logits in edited.items()}, PENALTIES[best]


def _judges(
    source: NDArray[np.float64],
    edits: Mapping[str, NDArray[np.float64]],
    seen: Sequence[str],
    fold: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.bool_], int, Callable[[NDArray[np.float64]], NDArray[np.float64]]]]:
    """Yields, fold by fold, which images are held out, the penalty's place, and the judge that has not seen them."""
    from sklearn.linear_model import LogisticRegression  # here, so that importing the metrics stays light
    from sklearn.preprocessing import StandardScaler

    for number in range(int(fold.max()) + 1):
        train = fold != number
        rows = np.concatenate([source[train], *(edits[name][train] for name in seen)])
        truth = np.repeat([1, 0], [int(train.sum()), int(train.sum()) * len(seen)])
        # every editor an equal share, and all of them together as much as the real images: the ideal judge is p/(p+q)
        share = np.where(truth == 1, 1.0, 1.0 / len(seen))
        scaler = StandardScaler(copy=False).fit(rows, sample_weight=share)  # all it is given is ours
        rows = scaler.transform(rows)
        judge = LogisticRegression(tol=CONVERGED, max_iter=1000, warm_start=True)
        for place, penalty in enumerate(PENALTIES):
            judge.set_params(C=penalty).fit(rows, truth, sample_weight=share)
            yield ~train, place, partial(_logits, scaler, judge)


def _logits(scaler: Any, judge: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(judge.decision_function(scaler.transform(features)), dtype=np.float64)
