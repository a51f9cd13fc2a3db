# SPDX-License-Identifier: MIT
"""Are like faces near each other? Triplets of an anchor, a like face and an unlike one, and how likeness is told.

Browatzki and Wallraven train expression and style by triplets. Two of their sentences cannot be meant as printed; both
readings are here, the meant one by default.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape
from faceeval.metrics.mlp import whole_numbers

CATEGORY_WEIGHT = 0.25  # lambda_l of eq. (13)
DISTANCES_AT_ONCE = 4_000_000  # held in memory: 32 MB


def unit_affect(affect: ArrayLike) -> NDArray[np.float64]:
    """Maps valence and arousal from AffectNet's range [-1, 1] to [0, 1], in which the expression distance is defined.

    On the native range the squared term would be four times as large, and its weight against the category another.

    Args:
        affect: Valence and arousal, shape (N, 2), in [-1, 1]. AffectNet's classes 8 to 10 have none and say -2: leave
            them out first.

    Returns:
        Shape (N, 2), float64, in [0, 1].

    Raises:
        InputError: Not (N, 2), not finite, or outside [-1, 1].

    References:
        Mollahosseini et al., "AffectNet: A database for facial expression, valence, and arousal computing in the
        wild", IEEE Transactions on Affective Computing 2019 (the native range).

    Example:
        >>> unit_affect([[-1.0, 0.5]]).tolist()
        [[0.0, 0.75]]
    """
    todo = "leave out the images without affect (-2: AffectNet's classes 8, 9, 10)"
    return (_affect("affect", affect, -1.0, todo) + 1.0) / 2.0


def expression_distance(
    first_affect: ArrayLike,
    first_labels: ArrayLike,
    second_affect: ArrayLike,
    second_labels: ArrayLike,
    weight: float = CATEGORY_WEIGHT,
    as_printed: bool = False,
) -> NDArray[np.float64]:
    r"""How far two expressions are apart, by valence, arousal and emotion category.

    .. math:: \lVert (v,a)_i - (v,a)_j \rVert_2^2 + \lambda\,(1 - \delta_{l_i, l_j})

    The paper prints :math:`+\lambda\,\delta` with :math:`\delta = 1` for equal categories, which sets like faces
    further apart than unlike ones: two faces of the same valence, arousal and category would be 0.25 apart.

    Args:
        first_affect: Valence and arousal of the one face of each pair, shape (N, 2), in [0, 1] (see unit_affect).
        first_labels: Its emotion category, shape (N,), whole numbers.
        second_affect: Valence and arousal of the other face, shape (N, 2).
        second_labels: Its category, shape (N,).
        weight: Weight of the category, at least 0.
        as_printed: Take the equation by the letter.

    Returns:
        Shape (N,), float64, 0 to 2 + weight; lower is more alike. As meant, a face has 0 to itself.

    Raises:
        InputError: The shapes differ, an affect is not in [0, 1], a category is no whole number, or weight is negative.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", eq. (13), and the same with the sign its text calls for.

    Example:
        >>> pair = [[0.5, 0.5], [0.5, 0.5]], [1, 1], [[0.5, 0.5], [0.5, 1.0]], [1, 2]
        >>> expression_distance(*pair).tolist(), expression_distance(*pair, as_printed=True).tolist()
        ([0.0, 0.5], [0.25, 0.25])
    """
    first, second = _rated("first", first_affect, first_labels), _rated("second", second_affect, second_labels)
    same_shape("first_affect", first[0], "second_affect", second[0])
    _refuse_weight(weight)
    apart = ((first[0] - second[0]) ** 2).sum(axis=1)
    return np.asarray(apart + weight * ((first[1] == second[1]) == as_printed))


def expression_triplets(
    affect: ArrayLike,
    labels: ArrayLike,
    first_negative: int | None = None,
    seed: int = 0,
    weight: float = CATEGORY_WEIGHT,
    as_printed: bool = False,
) -> NDArray[np.int64]:
    """Chooses for each face of a batch its closest other face, and a random one among the far ones.

    All other faces are ordered by expression_distance (equal ones by position). The first is the positive; the
    negative is drawn evenly from place ``first_negative`` on.

    Args:
        affect: Valence and arousal, shape (N, 2), in [0, 1] (see unit_affect); at least 3 faces.
        labels: Emotion categories, shape (N,), whole numbers.
        first_negative: The k of the paper, which does not give it: 1..N-2, counted from 0. N // 2 where absent.
        seed: Seed of the draws.
        weight: Weight of the category, at least 0.
        as_printed: Order by the equation as printed.

    Returns:
        Shape (N, 3), int64: anchor, positive, negative as row numbers. Work and memory grow with N squared and N.

    Raises:
        InputError: As expression_distance; or fewer than 3 faces, or a senseless ``first_negative``.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 3.7.1 ("Expression").

    Example:
        >>> expression_triplets([[0.0, 0.0], [0.1, 0.0], [0.9, 0.0], [1.0, 0.0]], [0, 0, 1, 1]).tolist()
        [[0, 1, 3], [1, 0, 3], [2, 3, 0], [3, 2, 0]]
    """
    rated, kinds = _rated("", affect, labels)
    _refuse_weight(weight)
    count = len(rated)
    if count < 3:
        raise InputError("at least three faces", str(count), "a triplet needs two others beside the anchor")
    start = count // 2 if first_negative is None else first_negative
    if int(start) != start or not 1 <= start <= count - 2:
        got = f"first_negative={start} for {count} faces"
        raise InputError(f"a place between 1 and {count - 2}", got, "leave it out to take the farther half")
    places = np.random.default_rng(seed).integers(start, count - 1, size=count)
    chosen = [
        np.stack([rows, order[:, 0], order[np.arange(len(rows)), places[rows]]], axis=1)
        for rows, order in _orders(rated, kinds, weight, as_printed)
    ]
    return np.concatenate(chosen)


def style_triplets(people: ArrayLike, clips: ArrayLike, seed: int = 0, as_printed: bool = False) -> NDArray[np.int64]:
    """Chooses for each video frame a frame of like style and one of unlike style.

    Style is what stays within a clip and changes between clips: light, background, clothes. So the positive is another
    frame of the clip, and the negative a frame of another clip of the same person. The paper's sentence takes the
    *positive* from another clip of the same person, which leaves other people as negatives and teaches identity.

    Args:
        people: Person of each frame, shape (N,), whole numbers.
        clips: Clip of each frame, shape (N,), whole numbers; equal numbers of two people are two clips.
        seed: Seed of the draws.
        as_printed: Take the sentence by the letter; the negative is then a frame of another person.

    Returns:
        Shape (T, 3), int64: anchor, positive, negative as row numbers. Frames for which there is no positive or no
        negative are no anchors, so T may be below N.

    Raises:
        InputError: The shapes differ, a value is no whole number, or no frame has both a positive and a negative.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 3.7.1 ("Style").

    Example:
        >>> style_triplets(people=[0, 0, 0], clips=[0, 0, 1]).tolist()
        [[0, 1, 2], [1, 0, 2]]
    """
    person, clip = whole_numbers("people", people), whole_numbers("clips", clips)
    same_shape("people", person, "clips", clip)
    rng = np.random.default_rng(seed)
    found = []
    for anchor in range(len(person)):
        of_person = person == person[anchor]
        of_clip = of_person & (clip == clip[anchor])
        like, unlike = (of_person & ~of_clip, ~of_person) if as_printed else (of_clip, of_person & ~of_clip)
        positives, negatives = np.flatnonzero(like), np.flatnonzero(unlike)
        positives = positives[positives != anchor]
        if len(positives) and len(negatives):
            found.append((anchor, rng.choice(positives), rng.choice(negatives)))
    if not found:
        todo = "give several frames of each clip, several clips of each person"
        raise InputError("a frame with a like and an unlike one", f"none among {len(person)}", todo)
    return np.array(found, dtype=np.int64)


def triplet_accuracy(anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> float:
    """Share of triplets whose anchor is nearer to its positive than to its negative; ties count half.

    `triplet_outcomes` is the same triplet by triplet.

    Args:
        anchor: Embeddings of the anchors, shape (T, D), any float type.
        positive: Embeddings of the like faces, same shape and order.
        negative: Embeddings of the unlike faces, same shape and order.

    Returns:
        In [0, 1]; higher is better, 0.5 is chance and what a constant embedding gets.

    Raises:
        InputError: The shapes differ, T is 0, or a value is not finite.

    References:
        Vemulapalli and Agarwala, "A compact embedding for facial expression similarity", CVPR 2019 (triplet
        prediction accuracy); squared distances as in Browatzki and Wallraven, eq. (12).

    Example:
        >>> triplet_accuracy([[0.0], [0.0]], [[1.0], [3.0]], [[2.0], [2.0]])
        0.5
    """
    outcomes = triplet_outcomes(anchor, positive, negative)
    return float((outcomes == 1.0).mean() + 0.5 * (outcomes == 0.5).mean())


def triplet_outcomes(anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> NDArray[np.float64]:
    """Whether the anchor of each triplet is nearer to its positive than to its negative.

    Args:
        anchor: Embeddings of the anchors, shape (T, D), any float type.
        positive: Embeddings of the like faces, same shape and order.
        negative: Embeddings of the unlike faces, same shape and order.

    Returns:
        Shape (T,), float64: 1 nearer to the positive, 0 nearer to the negative, 0.5 as near to both.

    Raises:
        InputError: As triplet_accuracy.

    References:
        As triplet_accuracy.

    Example:
        >>> triplet_outcomes([[0.0], [0.0], [0.0]], [[1.0], [3.0], [2.0]], [[2.0], [2.0], [-2.0]]).tolist()
        [1.0, 0.0, 0.5]
    """
    start = matrix("anchor", anchor).astype(np.float64)
    apart = []
    for name, values in (("positive", positive), ("negative", negative)):
        end = matrix(name, values).astype(np.float64)
        same_shape("anchor", start, name, end)
        apart.append(((start - end) ** 2).sum(axis=1))
    return np.asarray((apart[0] < apart[1]) + 0.5 * (apart[0] == apart[1]))


def _orders(
    affect: NDArray[np.float64], labels: NDArray[np.int64], weight: float, as_printed: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields blocks of anchors (B,) and all other faces in their order (B, N-1)."""
    count = len(affect)
    block = max(1, DISTANCES_AT_ONCE // count)
    for start in range(0, count, block):
        rows = np.arange(start, min(start + block, count))
        # column by column: the differences of all pairs at once would take three times the room
        apart = weight * ((labels[rows, None] == labels) == as_printed)
        for column in affect.T:
            apart += (column[rows, None] - column) ** 2
        apart[np.arange(len(rows)), rows] = np.inf  # a face is not among its own others
        yield rows, np.argsort(apart, axis=1, kind="stable")[:, :-1]


def _rated(side: str, affect: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    name = f"{side}_affect".lstrip("_")
    rated = _affect(name, affect, 0.0, "map AffectNet's -1..1 with unit_affect first")
    kinds = whole_numbers(f"{side}_labels".lstrip("_"), labels)
    same_shape(f"one column of {name}", rated[:, 0], f"{side}_labels".lstrip("_"), kinds)
    return rated, kinds


def _affect(name: str, values: ArrayLike, low: float, todo: str) -> NDArray[np.float64]:
    rows = matrix(name, values).astype(np.float64)
    if rows.shape[1] != 2:
        raise InputError(f"{name} of shape (N, 2): valence, arousal", f"shape {rows.shape}", "give both, in this order")
    if rows.min() < low or rows.max() > 1.0:
        raise InputError(f"{name} between {low:g} and 1", f"{rows.min():g} to {rows.max():g}", todo)
    return rows


def _refuse_weight(weight: float) -> None:
    if not 0.0 <= weight < np.inf:
        raise InputError("a weight of the category of at least 0", str(weight), "give weight=0.25")
