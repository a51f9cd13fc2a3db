# SPDX-License-Identifier: MIT
"""Whose face is it? Closed-set identification: every probe is somebody in the gallery, and has to find him or her.

Accuracy falls as the gallery grows, so its size belongs to every number. The network that embeds must not be one that
trained the generator whose faces are the probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.bootstrap import Interval
from faceeval.metrics.identity import unit_rows, whole_numbers
from faceeval.metrics.roc import wilson_interval

CELLS = 4_000_000  # similarities held in memory at once: 32 MB
# Cosines closer than this are equal: a product of matrices rounds equal ones apart, and rounding must not find people.
TIE = 1e-12


@dataclass(frozen=True)
class IdentificationSummary:
    """How often the right identity is among the first k.

    Attributes:
        ranks: The k asked for, ascending.
        accuracies: Share of probes whose identity is among the first k, for each of them, with Wilson intervals. These
            take probes as independent, which five pictures of one person are not.
        chance: What guessing gets, k / gallery_size, for each of them.
        gallery_size: Number of identities.
        n_probes: Number of probes.
    """

    ranks: tuple[int, ...]
    accuracies: tuple[Interval, ...]
    chance: tuple[float, ...]
    gallery_size: int
    n_probes: int


def identification_ranks(
    probe: ArrayLike, probe_ids: ArrayLike, gallery: ArrayLike, gallery_ids: ArrayLike
) -> NDArray[np.int64]:
    """Place of the right identity in each probe's list of all identities, the most similar first.

    Similarity is the cosine. Several gallery images of one identity become one, the mean of their unit vectors. A wrong
    identity as similar as the right one stands before it: constant embeddings find nobody, not everybody by luck.

    Args:
        probe: Embeddings of the probes, shape (N, D), any float type, of any length but zero.
        probe_ids: Identity of each probe, shape (N,), whole numbers.
        gallery: Embeddings of the gallery, shape (M, D).
        gallery_ids: Identity of each gallery image, shape (M,), at least two different ones.

    Returns:
        Shape (N,), int64, from 1, the best, to the number of identities.

    Raises:
        InputError: Shapes do not fit, a value is not finite, an embedding is zero, an identity is no whole number, a
            probe's is not in the gallery, or the gallery holds one identity only.

    References:
        Phillips et al., "The FERET evaluation methodology for face-recognition algorithms", TPAMI 2000.
        Parity: scikit-learn ``NearestNeighbors`` and ``top_k_accuracy_score``, tests/metrics/test_identification.py.

    Example:
        >>> gallery = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> identification_ranks([[0.9, 0.1], [0.9, 0.1]], [7, 8], gallery, gallery_ids=[7, 8, 9]).tolist()
        [1, 2]
    """
    faces, wanted = _labelled("probe", probe, probe_ids)
    known, names = _labelled("gallery", gallery, gallery_ids)
    if faces.shape[1] != known.shape[1]:
        got = f"{faces.shape[1]} (probe) and {known.shape[1]} (gallery)"
        raise InputError("embeddings of one dimension", got, "embed both with the same network")
    people, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    if len(people) < 2:
        raise InputError("at least two identities in the gallery", f"{len(people)}", "add other people")
    column = np.searchsorted(people, wanted)
    missing = people[np.minimum(column, len(people) - 1)] != wanted
    if missing.any():
        got = f"{int(missing.sum())} probes of other people, the first at row {int(missing.argmax())}"
        raise InputError("every probe's identity in the gallery", got, "add them to it, or leave those probes out")
    prototypes = known[first] if len(people) == len(names) else _means(known, inverse)
    ranks = np.empty(len(faces), dtype=np.int64)
    block = max(1, CELLS // len(people))
    for start in range(0, len(faces), block):
        part = slice(start, start + block)
        similarities = faces[part] @ prototypes.T
        right = np.take_along_axis(similarities, column[part, None], axis=1)
        ranks[part] = (similarities >= right - TIE).sum(axis=1)  # the right one is among them, so the best is 1
    return ranks


def rank_k_accuracy(
    probe: ArrayLike, probe_ids: ArrayLike, gallery: ArrayLike, gallery_ids: ArrayLike, k: int = 1
) -> float:
    """Share of probes whose identity is among the k most similar ones of the gallery.

    Args:
        probe: Embeddings of the probes, shape (N, D), any float type, of any length but zero.
        probe_ids: Identity of each probe, shape (N,), whole numbers.
        gallery: Embeddings of the gallery, shape (M, D).
        gallery_ids: Identity of each gallery image, shape (M,).
        k: How many identities may be named, 1 to their number.

    Returns:
        In [0, 1]; higher is better, k divided by the number of identities is chance.

    Raises:
        InputError: As identification_ranks, or k is out of range.

    References:
        Bao et al., "Towards open-set identity preserving face synthesis", CVPR 2018, Table 2 (k = 1, one gallery
        image of each of 10,000 identities).

    Example:
        >>> gallery = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> rank_k_accuracy([[0.9, 0.1], [0.9, 0.1]], [7, 8], gallery, gallery_ids=[7, 8, 9])
        0.5
    """
    return identification_summary(probe, probe_ids, gallery, gallery_ids, (k,)).accuracies[0].value


def cumulative_match(ranks: ArrayLike, gallery_size: int) -> NDArray[np.float64]:
    """Cumulative match curve: the rank-k accuracy for every k.

    Args:
        ranks: From identification_ranks, shape (N,), 1 to ``gallery_size``.
        gallery_size: Number of identities in the gallery, G.

    Returns:
        Shape (G,), float64; entry k - 1 is the share of ranks up to k. It rises to 1.

    Raises:
        InputError: A rank is no whole number from 1 to ``gallery_size``.

    References:
        Phillips et al., "The FERET evaluation methodology for face-recognition algorithms", TPAMI 2000.

    Example:
        >>> cumulative_match([1, 1, 3, 2], gallery_size=4).tolist()
        [0.5, 0.75, 1.0, 1.0]
    """
    places = whole_numbers("ranks", ranks)
    if places.min() < 1 or places.max() > gallery_size:
        got = f"{places.min()} to {places.max()}"
        raise InputError(f"ranks from 1 to {gallery_size}", got, "give the number of identities in the gallery")
    return np.asarray(np.cumsum(np.bincount(places, minlength=int(gallery_size) + 1)[1:]) / len(places))


def identification_summary(
    probe: ArrayLike, probe_ids: ArrayLike, gallery: ArrayLike, gallery_ids: ArrayLike, ks: Sequence[int] = (1, 5)
) -> IdentificationSummary:
    """Rank-k accuracies with their uncertainty, chance and the size of the gallery.

    Args:
        probe: Embeddings of the probes, shape (N, D), any float type, of any length but zero.
        probe_ids: Identity of each probe, shape (N,), whole numbers.
        gallery: Embeddings of the gallery, shape (M, D).
        gallery_ids: Identity of each gallery image, shape (M,).
        ks: How many identities may be named, each 1 to their number.

    Returns:
        The summary, with ks in ascending order, each once.

    Raises:
        InputError: As identification_ranks, or a k is out of range.

    References:
        Bao et al., "Towards open-set identity preserving face synthesis", CVPR 2018, Table 2; Wilson 1927 (the
        intervals).

    Example:
        >>> gallery = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> found = identification_summary([[0.9, 0.1], [0.9, 0.1]], [7, 8], gallery, [7, 8, 9], ks=(1, 2))
        >>> [accuracy.value for accuracy in found.accuracies], found.gallery_size
        ([0.5, 1.0], 3)
    """
    size = len(np.unique(whole_numbers("gallery_ids", gallery_ids)))
    asked = np.unique(whole_numbers("ks", ks))
    if asked[0] < 1 or asked[-1] > size:
        got = ", ".join(str(k) for k in asked)
        raise InputError(f"k from 1 to {size}, the identities in the gallery", got, "lower k, or add people")
    ranks = identification_ranks(probe, probe_ids, gallery, gallery_ids)
    return IdentificationSummary(
        tuple(int(k) for k in asked),
        tuple(wilson_interval(int((ranks <= k).sum()), len(ranks)) for k in asked),
        tuple(float(k / size) for k in asked),
        size,
        len(ranks),
    )


def _labelled(name: str, embeddings: ArrayLike, ids: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows, names = unit_rows(name, embeddings), whole_numbers(f"{name}_ids", ids)
    if len(rows) != len(names):
        got = f"{len(rows)} embeddings, {len(names)} identities"
        raise InputError(f"one identity for each embedding of the {name}", got, "give both in the same order")
    return rows, names


def _means(rows: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the direction of the mean of each owner's unit vectors, (G, D)."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners)
    sums = np.add.reduceat(rows[order], np.cumsum(counts) - counts, axis=0)
    short = np.linalg.norm(sums, axis=1) < TIE * counts
    if short.any():
        got = f"images that cancel out for {int(short.sum())} of {len(counts)} identities"
        raise InputError("gallery images of one identity that agree in direction", got, "give one image of each")
    return unit_rows("gallery", sums)
