# SPDX-License-Identifier: MIT
"""Pairs, galleries, halves, conditions and triplets: drawn by rule, and free of the leaks that spoil them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.dialects import clips, multipie
from faceeval.data.dialects.affectnet import balanced
from faceeval.data.dialects.clips import macro_batches, video_triplets
from faceeval.data.dialects.facescrub import halves
from faceeval.data.dialects.lfw import VerificationPairs, pair_lists, view1, view2
from faceeval.data.dialects.msceleb import gallery_and_queries
from faceeval.data.dialects.multipie import condition_rows
from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import pair_rows
from faceeval.errors import InputError


def no_pixels(indices: np.ndarray) -> np.ndarray:
    raise AssertionError("a rule needs no pixels")


def faces_of(identities: np.ndarray, names: list[str] | None = None, **columns: np.ndarray) -> FaceSet:
    names = names or [f"procfaces-{row:05d}" for row in range(len(identities))]
    return FaceSet("faces", "test", 64, tuple(names), "", no_pixels, identities=identities, **columns)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def everybody() -> FaceSet:
    """As many people and images as the test split has."""
    return faces_of(np.repeat(np.arange(450, 650), 20), [f"procfaces-{index:05d}" for index in range(9000, 13000)])


@pytest.fixture(scope="module")
def drawn(everybody: FaceSet) -> VerificationPairs:
    return view2(everybody)


def check_pairs(faces: FaceSet, pairs: VerificationPairs) -> None:
    people = faces.identities
    assert people is not None
    np.testing.assert_array_equal(people[pairs.first] == people[pairs.second], pairs.same)
    assert (pairs.first != pairs.second).all()
    assert len({frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}) == len(
        pairs
    )


def test_view_2_is_lfw_in_number_and_leaks_nobody(everybody: FaceSet, drawn: VerificationPairs) -> None:
    pairs = drawn
    check_pairs(everybody, pairs)
    assert len(pairs) == 6000
    np.testing.assert_array_equal(pairs.folds, np.repeat(np.arange(10), 600))
    np.testing.assert_array_equal(pairs.same, np.tile(np.repeat([True, False], 300), 10))
    assert everybody.identities is not None
    in_fold = [
        set(everybody.identities[np.append(pairs.first[pairs.folds == fold], pairs.second[pairs.folds == fold])])
        for fold in range(10)
    ]
    assert Counter(person for people in in_fold for person in people).most_common(1)[0][1] == 1
    assert [len(people) for people in in_fold] == [20] * 10
    uses = Counter([*pairs.first[~pairs.same].tolist(), *pairs.second[~pairs.same].tolist()])
    assert max(uses.values()) <= 3  # neighbours in a few orders: nobody's picture stands in for all


def test_view_1_is_lfw_in_number_and_parts_the_people(everybody: FaceSet) -> None:
    train, test = view1(everybody)
    for pairs, count in ((train, 1100), (test, 500)):
        check_pairs(everybody, pairs)
        assert pairs.same.tolist() == [True] * count + [False] * count
        assert not pairs.folds.any()
    assert everybody.identities is not None
    seen = [set(everybody.identities[np.append(pairs.first, pairs.second)].tolist()) for pairs in (train, test)]
    assert not seen[0] & seen[1]


def test_pairs_do_not_hang_on_the_order_of_the_images(everybody: FaceSet) -> None:
    turn = np.random.default_rng(0).permutation(len(everybody))
    assert everybody.identities is not None
    turned = faces_of(everybody.identities[turn], [everybody.names[row] for row in turn])
    named = [
        [(faces.names[a], faces.names[b]) for a, b in zip(pairs.first, pairs.second, strict=True)]
        for faces in (everybody, turned)
        for pairs in [view2(faces, 50, 20)]
    ]
    assert named[0] == named[1]


def test_pair_lists_are_named_as_lfw_names_them(everybody: FaceSet, drawn: VerificationPairs) -> None:
    lists = pair_lists(everybody)
    assert {file: len(pairs.same) for file, pairs in lists.items()} == {
        "pairs.txt": 6000, "pairsDevTrain.txt": 2200, "pairsDevTest.txt": 1000,
    }  # fmt: skip
    first, second = pair_rows(lists["pairs.txt"], everybody.names)
    np.testing.assert_array_equal(first, drawn.first)
    np.testing.assert_array_equal(second, drawn.second)
    assert lists["pairs.txt"].path == Path("pairs.txt")


def test_too_few_people_for_the_pairs() -> None:
    with pytest.raises(InputError, match="300 matched pairs"):
        view2(faces_of(np.repeat(np.arange(20), 3)))
    with pytest.raises(InputError, match="4 mismatched pairs"):
        view2(faces_of(np.repeat(np.arange(3), 20)), folds=3, pairs=4)  # one person in each fold
    with pytest.raises(InputError, match="nobody knows them"):
        view2(FaceSet("faces", "test", 64, ("a", "b"), "", no_pixels))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(2, 6), min_size=6, max_size=12), st.integers(2, 3), st.integers(1, 2))
def test_pairs_of_any_people_keep_the_rules(sizes: list[int], folds: int, pairs: int) -> None:
    faces = faces_of(np.repeat(np.arange(len(sizes)), sizes))
    drawn = view2(faces, folds, pairs)
    check_pairs(faces, drawn)
    assert len(drawn) == 2 * folds * pairs
    assert faces.identities is not None
    members = [(person, fold) for side in (drawn.first, drawn.second) for person, fold in
               zip(faces.identities[side].tolist(), drawn.folds.tolist(), strict=True)]  # fmt: skip
    assert all(count == 1 for count in Counter(person for person, _ in set(members)).values())


def test_one_for_the_gallery_and_five_queries(everybody: FaceSet) -> None:
    chosen = gallery_and_queries(everybody)
    people = everybody.identities
    assert people is not None
    assert chosen.gallery.shape == (200,)
    assert chosen.queries.shape == chosen.attributes.shape == (200, 5)
    np.testing.assert_array_equal(people[chosen.gallery], chosen.people)
    assert (people[chosen.queries] == chosen.people[:, None]).all()
    assert (people[chosen.attributes] != chosen.people[:, None]).all()
    assert len({*chosen.gallery.tolist(), *chosen.queries.ravel().tolist()}) == 1200
    six = np.sort(np.append(chosen.gallery, chosen.queries))
    fewer = gallery_and_queries(faces_of(people[six], [everybody.names[row] for row in six]))
    np.testing.assert_array_equal(six[fewer.gallery], chosen.gallery)
    np.testing.assert_array_equal(six[fewer.queries], chosen.queries)


def test_halves_are_four_to_one_of_each_person(everybody: FaceSet) -> None:
    parts = halves(everybody)
    assert everybody.identities is not None
    assert np.bincount(everybody.identities[parts.train])[450:].tolist() == [16] * 200
    assert np.bincount(everybody.identities[parts.validation])[450:].tolist() == [4] * 200
    assert sorted([*parts.train.tolist(), *parts.validation.tolist()]) == list(range(4000))
    assert (np.diff(parts.train) > 0).all()


def test_balanced_takes_as_many_of_each() -> None:
    labels = np.array([0] * 5 + [1] * 40 + [2] * 7)
    rows = balanced(faces_of(np.zeros(52, np.int64), expression=labels))
    assert np.bincount(labels[rows]).tolist() == [5, 5, 5]
    assert (np.diff(rows) > 0).all()


def test_conditions_are_found_by_name() -> None:
    plan = multipie.rendered_split("validation")
    people = np.array([plan.population.person(index) for index in plan.indices])
    turn = np.random.default_rng(1).permutation(len(people))
    faces = faces_of(people[turn], [f"session01/{plan.names[row]}.png" for row in turn])
    found = condition_rows(faces)
    assert found.people.tolist() == list(range(400, 450))
    np.testing.assert_array_equal(turn[found.rows].ravel(), np.arange(300))
    with pytest.raises(InputError, match="person 400"):
        condition_rows(faces_of(people[1:], list(plan.names[1:])))


@pytest.fixture(scope="module")
def frames() -> FaceSet:
    plan = clips.rendered_split("validation")
    people = np.array([plan.population.person(index) for index in plan.indices])
    return faces_of(people, list(plan.names), clips=np.array(plan.indices) // clips.FRAMES)


def test_style_triplets(frames: FaceSet) -> None:
    assert frames.clips is not None
    assert frames.identities is not None
    drawn = video_triplets(frames)
    assert drawn.anchor.tolist() == list(range(len(frames)))
    assert (drawn.positive != drawn.anchor).all()
    np.testing.assert_array_equal(frames.clips[drawn.positive], frames.clips[drawn.anchor])
    assert (frames.clips[drawn.negative] != frames.clips[drawn.anchor]).all()
    np.testing.assert_array_equal(frames.identities[drawn.negative], frames.identities[drawn.anchor])
    assert set(video_triplets(frames).positive.tolist()) == set(drawn.positive.tolist())
    assert (video_triplets(frames, epoch=1).positive != drawn.positive).mean() > 0.5


def test_the_printed_triplets_are_kept(frames: FaceSet) -> None:
    assert frames.clips is not None
    assert frames.identities is not None
    drawn = video_triplets(frames, as_printed=True)
    np.testing.assert_array_equal(frames.identities[drawn.positive], frames.identities[drawn.anchor])
    assert (frames.clips[drawn.positive] != frames.clips[drawn.anchor]).all()
    assert (frames.identities[drawn.negative] != frames.identities[drawn.anchor]).all()


def test_macro_batches_are_the_papers(frames: FaceSet) -> None:
    assert frames.clips is not None
    assert frames.identities is not None
    batches = list(macro_batches(frames))
    assert len(batches) == 2
    for batch in batches:
        assert len(np.unique(frames.identities[batch])) == 5
        assert len(np.unique(frames.clips[batch])) == 20
        inside = video_triplets(frames, batch)
        assert inside.anchor.tolist() == batch.tolist()
        assert set(inside.negative.tolist()) <= set(batch.tolist())
    together = np.concatenate(batches)
    assert len(np.unique(together)) == len(together) == len(frames)
    assert np.concatenate(list(macro_batches(frames, epoch=1))).tolist() != together.tolist()
    (two,) = macro_batches(frames, people=10, clips=2)
    assert len(np.unique(frames.clips[two])) == 20


def test_what_cannot_be_triplets() -> None:
    alone = faces_of(np.zeros(4, np.int64), clips=np.zeros(4, np.int64))
    with pytest.raises(InputError, match="several clips"):
        video_triplets(alone)
    with pytest.raises(InputError, match="5 people with 4 clips"):
        next(macro_batches(alone))
    with pytest.raises(InputError, match="clips of faces"):
        video_triplets(faces_of(np.zeros(4, np.int64)))
