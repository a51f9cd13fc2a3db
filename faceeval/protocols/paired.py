# SPDX-License-Identifier: MIT
"""Images and their edits, paired by name, wherever both lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.folder import quote_some
from faceeval.data.npz import StoredStatistics
from faceeval.data.sources import ImageSource, decoded, pairing_keys
from faceeval.errors import InputError
from faceeval.protocols.sets import Advance, Set

PIXELS_AT_ONCE = 8_000_000  # values of each side compared at a time

PairMetric = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


def pair(source: Set, edited: Set) -> list[int]:
    """Finds the edit of each image.

    Pairs are made by path inside the set, up to the suffix and folders shared by all of a set; features without names
    are paired row by row.

    Args:
        source: The images before, or their features.
        edited: The images after, or their features.

    Returns:
        For each image of the source the index of its edit.

    Raises:
        InputError: An image of one side lacks its partner, or a side holds statistics only.
    """
    ours, theirs = _keys(source), _keys(edited)
    if ours is None or theirs is None:
        counts = _count(source), _count(edited)
        if counts[0] != counts[1]:
            got = f"{counts[0]} ({source.path}) and {counts[1]} ({edited.path})"
            raise InputError("as many edits as images, paired row by row", got, "give both for the same images")
        return list(range(counts[0]))
    place = {key: index for index, key in enumerate(theirs)}
    alone = [f"{edited.path} lacks {quote_some(lacking)}" for lacking in [sorted(set(ours) - set(theirs))] if lacking]
    alone += [f"{source.path} lacks {quote_some(lacking)}" for lacking in [sorted(set(theirs) - set(ours))] if lacking]
    if alone:
        todo = "name each edit as its source up to the suffix, and take away what has no partner"
        raise InputError(f"a partner for each of {len(ours)} and {len(theirs)} images", "; ".join(alone), todo)
    return [place[key] for key in ours]


def pixel_values(
    source: ImageSource, edited: ImageSource, order: Sequence[int], metric: PairMetric, advance: Advance | None = None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    """Computes a metric of two images for every pair, a few pairs at a time.

    Args:
        source: The images before.
        edited: The images after.
        order: The index of each image's edit, from `pair`.
        metric: uint8 (n, 3, H, W) before and after -> a value, or a row of values, for each.
        advance: Called with pairs done and pairs in all.

    Returns:
        Shape (N,) or (N, M), float64, in the source's order; and SHA-256 of the pixels of ``"source"`` and of
        ``"edited"``, in that order too.

    Raises:
        InputError: The two images of a pair differ in size, or one cannot be read.
    """
    digests = {"source": hashlib.sha256(), "edited": hashlib.sha256()}
    values: list[NDArray[np.float64]] = []
    done = 0
    for first, second in _pair_batches(source, edited, order):
        for name, images in (("source", first), ("edited", second)):
            for image in images:
                digests[name].update(repr(image.shape).encode())
                digests[name].update(image.tobytes())
        values.append(metric(np.stack(first), np.stack(second)))
        done += len(first)
        if advance is not None:
            advance(done, len(source))
    return np.concatenate(values), {name: digest.hexdigest() for name, digest in digests.items()}


def _keys(given: Set) -> list[str] | None:
    if isinstance(given, StoredStatistics):
        todo = "give the images, or features of each"
        raise InputError("images, or features of each image", f"statistics of all: {given.path}", todo)
    if isinstance(given, ImageSource):
        return pairing_keys(given)
    if not given.names:
        return None
    return pairing_keys(ImageSource(given.path, "features", given.names, _unreadable))


def _unreadable(index: int) -> NDArray[np.uint8]:
    raise IndexError(index)


def _count(given: Set) -> int:
    return len(given) if isinstance(given, ImageSource) else len(getattr(given, "rows", ()))


def _pair_batches(source: ImageSource, edited: ImageSource, order: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Yields runs of pairs of one size, in order."""
    first: list[NDArray[np.uint8]] = []
    second: list[NDArray[np.uint8]] = []
    sides = zip(decoded(source), decoded(edited, order), strict=True)
    for index, (before, after) in enumerate(sides):
        if before.shape != after.shape:
            sizes = [f"{shape[2]}x{shape[1]}" for shape in (before.shape, after.shape)]
            got = f"{source.names[index]} of {sizes[0]} and {edited.names[order[index]]} of {sizes[1]}"
            raise InputError("two images of one size in each pair", got, "edit at the size of the source")
        if first and (before.shape != first[0].shape or (len(first) + 1) * before.size > PIXELS_AT_ONCE):
            yield first, second
            first, second = [], []
        first.append(before)
        second.append(after)
    if first:
        yield first, second
