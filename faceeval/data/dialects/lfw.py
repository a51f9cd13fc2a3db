# SPDX-License-Identifier: MIT
"""LFW's two lists of pairs, drawn by rule over any set that knows the people.

View 2, on which results are reported: ten folds of 300 matched and 300 mismatched pairs, no person in two folds.
View 1, for development: 1,100 + 1,100 pairs to choose a threshold on and 500 + 500 to try it on, no person in both. As
in LFW, both views are of the same people, no pair comes twice in a view, and no image is paired with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import in_hash_order, people_in_hash_order, rows_of_people, view
from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.data.procfaces import standard
from faceeval.data.selection import select
from faceeval.errors import InputError

FOLDS, PAIRS = 10, 300
DEVELOPMENT = {"train": (0.7, 1100), "test": (0.3, 500)}  # share of the people (LFW's 4,038 of 5,749), pairs of a kind
_WITHOUT_GAIN = 50  # rounds that may add no pair before there are taken to be too few


@dataclass(frozen=True, eq=False)
class VerificationPairs:
    """Pairs of images in the order of LFW's files: fold after fold, its matched pairs first.

    Attributes:
        first: Image of each pair, int64 (N,), as indices into the set.
        second: The other image, int64 (N,).
        same: Whether both show one person, bool (N,).
        folds: int64 (N,), from 0; all 0 in View 1.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.first)


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens the standard set's split under the name ``procfaces:lfw``; see `faceeval.data.dialects.table.open_dialect`.

    The pairs of its ``"test"`` split are LFW's in number.
    """
    return view(standard.load(split, size, workers, progress), "procfaces:lfw")


def view2(faces: FaceSet, folds: int = FOLDS, pairs: int = PAIRS) -> VerificationPairs:
    """Draws the pairs results are reported on.

    People are dealt to the folds in hash order; matched pairs come in hash order out of all a fold has; mismatched ones
    by pairing neighbours in one hash order of the fold's images after another, so that images come about equally often.

    Args:
        faces: A set that knows the people; at least two in each fold.
        folds: Number of folds.
        pairs: Matched pairs in each, and mismatched ones.

    Returns:
        ``2 * folds * pairs`` pairs.

    Raises:
        InputError: The set does not know the people, or has too few of them, or too few images of each.
    """
    people = rows_of_people(faces)
    order = people_in_hash_order(faces, list(people), "faceeval/1/lfw/view2/people")
    groups = [order[fold::folds] for fold in range(folds)]
    return _joined([_draw(faces, people, group, pairs, f"view2/{fold}") for fold, group in enumerate(groups)])


def view1(faces: FaceSet) -> tuple[VerificationPairs, VerificationPairs]:
    """Draws the pairs for development.

    Args:
        faces: A set that knows the people.

    Returns:
        2,200 pairs to choose a threshold on (LFW's pairsDevTrain), and 1,000 of other people to try it on (its
        pairsDevTest, which Browatzki and Wallraven report).

    Raises:
        InputError: As for `view2`.
    """
    people = rows_of_people(faces)
    order = people_in_hash_order(faces, list(people), "faceeval/1/lfw/view1/people")
    border = round(DEVELOPMENT["train"][0] * len(order))
    train, test = (
        _joined([_draw(faces, people, group, DEVELOPMENT[part][1], f"view1/{part}")])
        for part, group in (("train", order[:border]), ("test", order[border:]))
    )
    return train, test


def pair_lists(faces: FaceSet) -> dict[str, FacePairs]:
    """Draws all pairs as LFW's files would list them, by names instead of indices.

    Args:
        faces: As for `view1` and `view2`.

    Returns:
        ``pairs.txt``, ``pairsDevTrain.txt`` and ``pairsDevTest.txt``: file -> its pairs, with the set's own names.

    Raises:
        InputError: As for `view2`.
    """
    train, test = view1(faces)
    lists = {"pairs.txt": view2(faces), "pairsDevTrain.txt": train, "pairsDevTest.txt": test}
    names = np.array(faces.names, np.object_)
    return {
        file: FacePairs(Path(file), tuple(names[pairs.first]), tuple(names[pairs.second]), pairs.same, pairs.folds)
        for file, pairs in lists.items()
    }


def _joined(folds: Sequence[tuple[NDArray[np.int64], NDArray[np.bool_]]]) -> VerificationPairs:
    rows = np.concatenate([pairs for pairs, _ in folds])
    same = np.concatenate([matched for _, matched in folds])
    numbers = np.repeat(np.arange(len(folds)), [len(pairs) for pairs, _ in folds])
    return VerificationPairs(rows[:, 0], rows[:, 1], same, numbers)


def _draw(
    faces: FaceSet, people: dict[int, list[int]], group: list[int], pairs: int, part: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns the pairs of one fold, int64 (2 * pairs, 2), and which match."""
    matched = _matched(faces, [people[person] for person in group], pairs, f"faceeval/1/lfw/{part}/matched")
    mismatched = _mismatched(faces, people, group, pairs, f"faceeval/1/lfw/{part}/mismatched")
    for found, kind in ((matched, "matched"), (mismatched, "mismatched")):
        if len(found) < pairs:
            raise InputError(
                f"{pairs} {kind} pairs among the {len(group)} people of one part of {faces.name}",
                f"{len(found)}",
                "ask for fewer pairs or folds, or give data with more images of each person",
            )
    return np.array([*matched, *mismatched], np.int64), np.repeat([True, False], pairs)


def _matched(faces: FaceSet, people: list[list[int]], pairs: int, tag: str) -> list[tuple[int, int]]:
    keys = {
        f"{faces.names[a]} {faces.names[b]}": (a, b)
        for rows in people
        for a, b in combinations(sorted(rows, key=faces.names.__getitem__), 2)
    }
    return [keys[key] for key in select(pairs, keys, tag)]


def _mismatched(
    faces: FaceSet, people: dict[int, list[int]], group: list[int], pairs: int, tag: str
) -> list[tuple[int, int]]:
    person_of = {row: person for person in group for row in people[person]}
    found: dict[tuple[int, int], None] = {}
    gained = 0  # the last round that added a pair
    for turn in count():
        if len(found) == pairs or turn > gained + _WITHOUT_GAIN:
            return list(found)
        order = in_hash_order(faces, list(person_of), f"{tag}/{turn}")
        for a, b in zip(order[::2], order[1::2], strict=False):
            pair = (a, b) if faces.names[a] < faces.names[b] else (b, a)
            if person_of[a] != person_of[b] and pair not in found and len(found) < pairs:
                found[pair] = None
                gained = turn
    raise AssertionError("count() does not end")
