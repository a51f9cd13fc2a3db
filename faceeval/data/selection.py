# SPDX-License-Identifier: MIT
"""Choosing images without chance: every subset is decided by hashing names, so it is the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError


def select(n: int, items: Iterable[str], tag: str) -> list[str]:
    """Chooses n items by hash order, wherever a paper says "randomly pick".

    The items are sorted by ``(sha256(f"{tag}:{item}").hexdigest(), item)`` and the first n are taken, which depends
    on no library's random numbers, on no file order and on no platform.

    Args:
        n: How many; all of them, in hash order, where there are fewer.
        items: Unique names.
        tag: Names the choice: ``"faceeval/1/<protocol>/<attribute>/<class>"``.

    Returns:
        The chosen items in hash order.

    Raises:
        InputError: n is negative, or a name appears twice.

    Example:
        >>> select(3, [f"{i:06d}.jpg" for i in range(1, 11)], "faceeval/1/fai/Eyeglasses/pos")
        ['000001.jpg', '000005.jpg', '000010.jpg']
    """
    names = list(items)
    if n < 0:
        raise InputError("a number of items of at least 0", str(n), "ask for 0 or more items")
    return [names[position] for position in _hash_order(names, tag)[:n].tolist()]


def names_sha256(names: Iterable[str]) -> str:
    """Returns the digest of a list of names: SHA-256 over them, one a line, without a line end after the last.

    Example:
        >>> names_sha256(["000001.jpg", "000005.jpg"])[:16]
        'dccbea4e4f4f81f3'
    """
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _hash_order(names: Sequence[str], tag: str) -> NDArray[np.int64]:
    """Returns the positions of names in hash order, int64; by array operations, as lists can have millions of names."""
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError("unique names", f"{twice!r} more than once", "remove the duplicates from the list of images")
    head, digests = hashlib.sha256(f"{tag}:".encode()), bytearray()
    for name in names:
        digest = head.copy()
        digest.update(name.encode())
        digests += digest.digest()
    # digests as big-endian numbers are ordered as their hexadecimal forms; no two different names share one
    words = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 4)
    return np.lexsort(words.T[::-1]).astype(np.int64)


def oversample(names: Sequence[str], labels: NDArray[np.integer], tag: str) -> NDArray[np.int64]:
    """Repeats images of the smaller classes until every class is as large as the largest.

    A class of n images is taken ``n_max // n`` times whole, and the first ``n_max % n`` of its hash order once more.
    For training only: validation and test stay as they are.

    Args:
        names: Unique name of each image, N of them.
        labels: Class of each image, integer, shape (N,).
        tag: Names the choice, ``"faceeval/1/<protocol>/<attribute>"``; the class is appended for the hash order.

    Returns:
        Indices into ``names``, ascending, int64, (number of classes x n_max,). Balanced input gives 0..N-1.

    Raises:
        InputError: No images, another number of labels than of names, or a name that appears twice.

    References:
        Masko and Hensman, "The Impact of Imbalanced Training Data for Convolutional Neural Networks", 2015, which
        FAI follows.

    Example:
        >>> oversample(["a", "b", "c", "d"], np.array([1, 0, 0, 0]), "faceeval/1/fai/Bald").tolist()
        [0, 0, 0, 1, 2, 3]
    """
    values = np.asarray(labels)
    if values.shape != (len(names),) or len(names) == 0:
        raise InputError(
            "one label for each of at least one name",
            f"{len(names)} names and labels of shape {values.shape}",
            "give the names and labels of the same images",
        )
    classes, counts = np.unique(values, return_counts=True)
    chosen: list[NDArray[np.int64]] = []
    for label, count in zip(classes.tolist(), counts.tolist(), strict=True):
        members = np.flatnonzero(values == label).astype(np.int64)
        order = members[_hash_order([names[member] for member in members.tolist()], f"{tag}/{label}")]
        copies, rest = divmod(int(counts.max()), count)
        chosen += [members] * copies + [order[:rest]]
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True)
class FaiSplit:
    """The images one attribute is edited on, in hash order.

    Attributes:
        positives: Indices into the split of those that have the attribute, int64.
        negatives: Indices into the split of those that have it not, int64.
        extra_positives: Indices into the extra split, empty unless the positives were short.
        extra_negatives: Indices into the extra split, empty unless the negatives were short.
        extended: Whether any image comes from the extra split.
        short: Whether a class has fewer images than asked for even so.
    """

    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    extra_positives: NDArray[np.int64]
    extra_negatives: NDArray[np.int64]
    extended: bool
    short: bool


def fai_split(faces: FaceSet, attribute: str, n: int = 1000, extra: FaceSet | None = None) -> FaiSplit:
    """Chooses the images on which FAI's experiment is run: n with the attribute and n without it.

    Hash order under ``"faceeval/1/fai/<attribute>/pos"`` and ``".../neg"``. A class that is short in ``faces`` goes on
    with ``extra`` (the validation split) in its own hash order.

    Args:
        faces: The test split.
        attribute: CelebA's name.
        n: Images of each class.
        extra: Where to go on when a class is short; None to stay within ``faces``.

    Returns:
        The split; ``short`` says that even so there were fewer than n of a class.

    Raises:
        UnknownNameError: The data do not label that attribute.
        InputError: n is below 1, or a class has no image at all.

    References:
        Tu et al., "Face Attribute Inversion", section 4: 2000 test images, 1000 of each class.
    """
    if n < 1:
        raise InputError("at least 1 image of each class", str(n), "ask for 1 or more images")
    if extra is None:
        faces.labels(attribute)  # for its errors: unknown name, or one class only
    sources = [faces] if extra is None else [faces, extra]
    picks = {label: _first_of_class(sources, attribute, label, n) for label in (1, 0)}
    sizes = {label: sum(map(len, parts)) for label, parts in picks.items()}
    for label, size in sizes.items():
        if size == 0:
            raise InputError(
                f"images with and without {attribute} in {' and '.join(source.split for source in sources)}",
                f"none {'with' if label else 'without'} it",
                "choose another attribute, or give data that have both classes",
            )
    nothing = np.empty(0, np.int64)
    extra_positives, extra_negatives = (parts[1] if extra is not None else nothing for parts in picks.values())
    return FaiSplit(
        positives=picks[1][0],
        negatives=picks[0][0],
        extra_positives=extra_positives,
        extra_negatives=extra_negatives,
        extended=len(extra_positives) + len(extra_negatives) > 0,
        short=min(sizes.values()) < n,
    )


def _first_of_class(sources: Sequence[FaceSet], attribute: str, label: int, n: int) -> list[NDArray[np.int64]]:
    tag = f"faceeval/1/fai/{attribute}/{'pos' if label else 'neg'}"
    parts: list[NDArray[np.int64]] = []
    for source in sources:
        if attribute not in source.attributes:
            source.labels(attribute)  # raises, naming what the data do label
        members = np.flatnonzero(np.asarray(source.attributes[attribute]) == label).astype(np.int64)
        order = members[_hash_order([source.names[member] for member in members.tolist()], tag)]
        parts.append(order[: n - sum(map(len, parts))])
    return parts
