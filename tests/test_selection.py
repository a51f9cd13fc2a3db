# SPDX-License-Identifier: MIT
"""Subsets by hash: the published order, its independence of input order, and the counts each rule promises."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import fai_split, oversample, select
from faceeval.errors import InputError, UnknownNameError

NAMES = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), unique=True, max_size=30)
few = settings(max_examples=40, deadline=None)


def face_set(labels: list[int], split: str = "test", attribute: str = "Young") -> FaceSet:
    def read(indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.zeros((len(indices), 3, 4, 4), np.uint8)

    names = tuple(f"{split}-{position:05d}" for position in range(len(labels)))
    return FaceSet("drawn", split, 4, names, "0", read, {attribute: np.array(labels, np.uint8)})


def test_published_vector() -> None:
    items = [f"{number:06d}.jpg" for number in range(1, 11)]
    tag = "faceeval/1/fai/Eyeglasses/pos"
    assert select(3, items, tag) == ["000001.jpg", "000005.jpg", "000010.jpg"]
    assert hashlib.sha256(f"{tag}:000001.jpg".encode()).hexdigest().startswith("47254f42ddff839a")


@few
@given(NAMES, st.integers(0, 40), st.randoms(use_true_random=False))
def test_order_of_items_does_not_matter_and_smaller_choices_nest(names: list[str], n: int, random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = select(n, names, "t")
    assert chosen == select(n, shuffled, "t")
    assert len(chosen) == min(n, len(names))
    assert chosen[: n // 2] == select(n // 2, names, "t")
    assert set(chosen) <= set(names)


@few
@given(NAMES)
def test_select_is_the_definition(names: list[str]) -> None:
    expected = sorted(names, key=lambda name: (hashlib.sha256(f"a/b:{name}".encode()).hexdigest(), name))
    assert select(len(names), names, "a/b") == expected


def test_tags_choose_independently() -> None:
    names = [str(number) for number in range(1000)]
    both = set(select(500, names, "a")) & set(select(500, names, "b"))
    assert 200 < len(both) < 300  # 250 expected


@pytest.mark.parametrize(("n", "items"), [(-1, ["a"]), (1, ["a", "b", "a"])])
def test_select_refuses(n: int, items: list[str]) -> None:
    with pytest.raises(InputError):
        select(n, items, "t")


def test_oversampling_two_and_five() -> None:
    labels = np.array([0, 1, 1, 0, 1, 1, 1])
    names = [f"{position}.png" for position in range(7)]
    chosen = oversample(names, labels, "faceeval/1/fai/Young")
    counts = Counter(chosen.tolist())
    assert Counter(labels[chosen].tolist()) == {0: 5, 1: 5}
    assert sorted(counts[position] for position in (0, 3)) == [2, 3]
    first = select(1, ["0.png", "3.png"], "faceeval/1/fai/Young/0")[0]
    assert counts[names.index(first)] == 3


@few
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_oversampling_balances_and_keeps_everything(labels: list[int]) -> None:
    values = np.array(labels)
    chosen = oversample([f"n{position}" for position in range(len(labels))], values, "t")
    sizes = Counter(labels)
    assert Counter(values[chosen].tolist()) == dict.fromkeys(sizes, max(sizes.values()))
    copies = Counter(chosen.tolist())
    for position, label in enumerate(labels):
        low = max(sizes.values()) // sizes[label]
        assert low <= copies[position] <= low + 1
    assert np.all(np.diff(chosen) >= 0)


def test_oversampling_leaves_balanced_input_alone() -> None:
    assert oversample(list("abcd"), np.array([1, 0, 1, 0]), "t").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("labels", [np.zeros(0, int), np.zeros(3, int), np.zeros((2, 1), int)])
def test_oversampling_refuses(labels: NDArray[np.integer]) -> None:
    with pytest.raises(InputError):
        oversample(["a", "b"], labels, "t")
    with pytest.raises(InputError):
        oversample([], np.zeros(0, int), "t")


def test_fai_split_is_the_hash_order_of_each_class() -> None:
    faces = face_set([0, 1] * 20)
    split = fai_split(faces, "Young", 5, extra=face_set([0, 1], "validation"))
    positives = [name for name, label in zip(faces.names, faces.attributes["Young"], strict=True) if label]
    assert [faces.names[i] for i in split.positives] == select(5, positives, "faceeval/1/fai/Young/pos")
    assert len(split.negatives) == 5
    assert not faces.attributes["Young"][split.negatives].any()
    assert not split.extended
    assert not split.short
    assert len(split.extra_positives) == len(split.extra_negatives) == 0


def test_fai_split_goes_on_in_validation() -> None:
    extra = face_set([1] * 9 + [0], "validation")
    split = fai_split(face_set([1, 0, 0, 0, 0]), "Young", 4, extra=extra)
    assert len(split.positives) == 1
    assert [extra.names[i] for i in split.extra_positives] == select(3, extra.names[:9], "faceeval/1/fai/Young/pos")
    assert len(split.negatives) == 4
    assert len(split.extra_negatives) == 0
    assert split.extended
    assert not split.short


def test_fai_split_says_when_it_is_short() -> None:
    assert fai_split(face_set([1, 0, 0]), "Young", 2).short
    split = fai_split(face_set([0, 0]), "Young", 2, extra=face_set([1], "validation"))
    assert (split.extended, split.short) == (True, True)
    assert len(split.positives) == 0
    assert split.extra_positives.tolist() == [0]


def test_fai_split_refuses() -> None:
    with pytest.raises(UnknownNameError):
        fai_split(face_set([0, 1]), "Yung")
    with pytest.raises(UnknownNameError):
        fai_split(face_set([0, 1]), "Young", extra=face_set([0, 1], "validation", "Male"))
    with pytest.raises(InputError):
        fai_split(face_set([0, 0]), "Young")
    with pytest.raises(InputError, match="none with it"):
        fai_split(face_set([0, 0]), "Young", extra=face_set([0], "validation"))
    with pytest.raises(InputError):
        fai_split(face_set([0, 1]), "Young", 0)
