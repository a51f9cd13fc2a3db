# SPDX-License-Identifier: MIT
"""The papers' splits: each rule by its definition, its independence of file order, its limits, and its digests."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.data.selection import fai_split, names_sha256, select
from faceeval.data.splits.editing import DIAT_TASKS, MAAE_CHAINS, maae_chain
from faceeval.data.splits.named_lists import NamedList, SplitInput
from faceeval.data.splits.rules import SPLIT_RULES, make_split
from faceeval.errors import InputError, UnknownNameError

few = settings(max_examples=25, deadline=None)
WITHOUT_LANDMARKS = [name for name, rule in SPLIT_RULES.items() if not rule.landmarks]


def drawn(split: str, count: int, **columns: object) -> FaceSet:
    names = tuple(f"{split}-{place:05d}" for place in range(count))
    return FaceSet("drawn", split, 16, names, "0", lambda rows: np.zeros((len(rows), 3, 16, 16), np.uint8), **columns)


def labelled(split: str, count: int, every: int = 2, **columns: object) -> FaceSet:
    labels = (np.arange(count) % every == 0).astype(np.uint8)
    return drawn(split, count, attributes=dict.fromkeys(MAAE_CHAINS, labels), **columns)


def lists(protocol: str, given: SplitInput, attribute: str = "", count: int | None = None) -> dict[str, NamedList]:
    return {entry.name: entry for entry in make_split(protocol, given, attribute, count).lists}


def test_a_digest_is_that_of_a_file_of_the_names() -> None:
    entry = NamedList("x", ("b.jpg", "a.jpg"), asked=3)
    assert entry.sha256 == hashlib.sha256(b"b.jpg\na.jpg").hexdigest() == names_sha256(entry.names)
    assert (len(entry), entry.short, NamedList("x", ("a",)).short) == (2, True, False)


def test_every_rule_says_what_is_printed_and_what_is_ours() -> None:
    for name, rule in SPLIT_RULES.items():
        assert rule.printed, name
        assert rule.ours, name
        assert (rule.attribute == "none") == (not rule.choices)
        assert bool(rule.pairs) != bool(rule.parts)


# --- Face Attribute Inversion


def test_fai_is_the_choice_that_scoring_makes() -> None:
    given = SplitInput("drawn", {"test": labelled("test", 60), "validation": labelled("validation", 9)})
    found = lists("fai", given, "young", 12)
    picked = fai_split(given.faces["test"], "Young", 12, given.faces["validation"])
    names = given.faces["test"].names
    assert found["positives"].names == tuple(names[row] for row in picked.positives)
    assert found["negatives"].names == tuple(names[row] for row in picked.negatives)
    assert "train" not in found


def test_fai_goes_on_in_validation_and_says_so() -> None:
    faces = {"train": labelled("train", 5), "validation": labelled("validation", 40), "test": labelled("test", 20)}
    made = make_split("fai", SplitInput("drawn", faces), "Young", 15)
    positives, negatives, train = made.lists
    assert Counter(name.split("-")[0] for name in positives.names) == {"test": 10, "validation": 5}
    assert not positives.short
    assert train.names == faces["train"].names
    assert [note.split(":")[0] for note in made.notes] == ["extended", "extended"]
    assert make_split("fai", SplitInput("drawn", {"test": faces["test"]}), "Young").lists[0].short
    assert not negatives.short


# --- M-AAE


def test_maae_takes_half_of_each_class_from_the_test_split() -> None:
    given = SplitInput("drawn", {"test": labelled("test", 60, 3), "train": labelled("train", 4)})
    found = lists("maae", given, "smile", 7)
    members = [name for place, name in enumerate(given.faces["test"].names) if place % 3 == 0]
    assert found["positives"].names == tuple(select(7, members, "faceeval/1/maae/Smiling/pos"))
    others = [name for name in given.faces["test"].names if name not in members]
    assert found["negatives"].names == tuple(select(7, others, "faceeval/1/maae/Smiling/neg"))
    assert len(found["train"]) == 4
    assert SPLIT_RULES["maae"].count == 500


def test_chains_hold_each_attribute_equally_often_in_each_place() -> None:
    chains = list(MAAE_CHAINS.values())
    for place in range(4):
        assert sorted(chain[place] for chain in chains) == sorted(MAAE_CHAINS)
    for attribute, chain in MAAE_CHAINS.items():
        assert chain[0] == attribute
        assert len(set(chain)) == 4
        assert [maae_chain(attribute, k) for k in range(5)] == [chain[:k] for k in range(5)]
    printed_order = [chain for chain in chains if {"Blond_Hair", "Pale_Skin"} <= set(chain)]
    assert all(chain.index("Blond_Hair") < chain.index("Pale_Skin") for chain in printed_order)


def test_chains_come_with_the_split_from_the_control_on() -> None:
    made = make_split("maae", SplitInput("drawn", {"test": labelled("test", 20)}), "Male", 3)
    assert made.chains == tuple(maae_chain("Male", k) for k in range(5))
    assert made.key == "maae/Male"
    assert not made.notes
    bare = dataclasses.replace(labelled("test", 20), attributes={"Male": np.arange(20, dtype=np.uint8) % 2})
    assert "Young" in make_split("maae", SplitInput("drawn", {"test": bare}), "Male", 3).notes[0]
    for k in (-1, 5):
        with pytest.raises(InputError):
            maae_chain("Male", k)
    with pytest.raises(UnknownNameError):
        maae_chain("Bald", 1)


# --- DIAT


@pytest.mark.parametrize("task", DIAT_TASKS)
def test_diat_has_a_guided_set_inputs_and_a_test_without_the_aim(task: str) -> None:
    attribute, target = DIAT_TASKS[task]
    train, test = (
        dataclasses.replace(labelled(split, 90), attributes={attribute: (np.arange(90) % 3 == 0).astype(np.uint8)})
        for split in ("train", "test")
    )
    hidden = np.arange(90) % 5 == 0
    given = SplitInput("drawn", {"train": train, "test": test}, hidden=hidden, filtered="by hand")
    made = make_split("diat", given, task.replace("_", "-"), 8)
    found = {entry.name: entry for entry in made.lists}
    assert set(found["kept"].names) | set(found["dropped"].names) == set(train.names)
    assert found["dropped"].names == tuple(np.array(train.names)[hidden])
    aim = np.array(train.names)[(train.attributes[attribute] == target) & ~hidden]
    assert found["guided"].names == tuple(aim)
    rest = np.array(train.names)[(train.attributes[attribute] != target) & ~hidden].tolist()
    assert found["inputs"].names == tuple(select(8, rest, f"faceeval/1/diat/{task}/input"))
    without = np.array(test.names)[test.attributes[attribute] != target].tolist()
    assert found["test"].names == tuple(select(1000, without, f"faceeval/1/diat/{task}/test"))
    assert "by hand: keeps 72 of 90 images, 80.0 %" in made.notes[0]


def test_diat_wants_its_filter_and_both_classes() -> None:
    faces = {"train": labelled("train", 20), "test": labelled("test", 20)}
    with pytest.raises(InputError, match="landmark filter"):
        make_split("diat", SplitInput("drawn", faces), "mouth_open")
    only = np.arange(20) % 2 == 0  # hides every positive
    with pytest.raises(InputError, match="both classes"):
        make_split("diat", SplitInput("drawn", faces, hidden=only), "mouth_open")


# --- Browatzki and Wallraven


def test_bw_celeba_is_the_partition_and_a_part_of_train() -> None:
    faces = {"train": drawn("train", 30), "validation": drawn("validation", 3), "test": drawn("test", 4)}
    found = lists("bw/celeba", SplitInput("drawn", faces), count=10)
    assert [len(entry) for entry in found.values()] == [30, 3, 4, 10]
    assert found["fid"].names == tuple(select(10, faces["train"].names, "faceeval/1/bw/celeba/fid"))


def test_bw_vgg_leaves_out_small_faces_where_boxes_are_known() -> None:
    heights = np.array([99.0, 100.0, 100.5, 101.0, 300.0, np.nan], np.float32)
    boxes = np.stack([np.zeros(6), np.zeros(6), np.full(6, 500.0), heights], 1).astype(np.float32)
    faces = {"train": drawn("train", 6, boxes=boxes), "test": drawn("test", 2)}
    made = make_split("bw/vgg", SplitInput("drawn", faces))
    assert sorted(made.lists[0].names) == ["train-00002", "train-00003", "train-00004"]
    assert "3 of 6" in made.notes[0]
    faces["train"] = drawn("train", 6)
    made = make_split("bw/vgg", SplitInput("drawn", faces), count=4)
    assert made.lists[0].names == tuple(select(4, faces["train"].names, "faceeval/1/bw/vgg/train"))
    assert "not known" in made.notes[0]
    faces["train"] = drawn("train", 1, boxes=boxes[:1])
    with pytest.raises(InputError, match="100 pixels"):
        make_split("bw/vgg", SplitInput("drawn", faces))


def test_bw_affectnet_keeps_the_eight_classes() -> None:
    faces = {split: drawn(split, 11, expression=np.arange(11)) for split in ("train", "validation")}
    found = lists("bw/affectnet", SplitInput("drawn", faces))
    assert found["train"].names == faces["train"].names[:8]
    assert len(found["validation"]) == 8
    with pytest.raises(InputError, match="expressions"):
        make_split("bw/affectnet", SplitInput("drawn", {"train": drawn("train", 2), "validation": drawn("v", 2)}))


def pairs(file: str) -> FacePairs:
    same, folds = np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    return FacePairs(Path(file), ("a/1", "b/1", "c/1", "d/1"), ("a/2", "c/2", "c/2", "e/1"), same, folds)


def test_bw_lfw_is_view_1() -> None:
    given = SplitInput("lfw", pairs={name: pairs(name) for name in ("pairsDevTrain.txt", "pairsDevTest.txt")})
    found = lists("bw/lfw", given)
    assert list(found) == ["threshold", "test"]
    assert found["test"].names == ("a/1\ta/2\t1", "b/1\tc/2\t0", "c/1\tc/2\t1", "d/1\te/1\t0")


def test_ipgan_attacks_every_mismatched_pair_both_ways_within_its_fold() -> None:
    found = lists("ipgan/adv", SplitInput("lfw", pairs={"pairs.txt": pairs("pairs.txt")}))
    assert found["forward"].names == ("b/1\tc/2\t0", "d/1\te/1\t1")
    assert found["backward"].names == ("c/2\tb/1\t0", "e/1\td/1\t1")


# --- IPGAN


def with_people(counts: list[int], people: tuple[str, ...] = ()) -> FaceSet:
    numbers = np.repeat(np.arange(len(counts)), counts)
    return drawn("test", len(numbers), identities=numbers.astype(np.int64), people=people)


def test_ipgan_asks_people_with_six_photographs() -> None:
    faces = with_people([6, 5, 8, 7], ("Ann", "Bob", "Cid", "Dan"))
    made = make_split("ipgan/ident", SplitInput("drawn", {"test": faces}))
    gallery, queries, others = (entry.names for entry in made.lists)
    order = select(3, ["Ann", "Cid", "Dan"], "faceeval/1/ipgan/ident/id")
    who = dict(zip(faces.names, (faces.people[number] for number in faces.identities.tolist()), strict=True))
    assert [who[name] for name in gallery] == order
    for place, person in enumerate(order):
        six = select(6, [name for name in faces.names if who[name] == person], f"faceeval/1/ipgan/ident/{person}")
        assert [gallery[place], *queries[5 * place : 5 * place + 5]] == six
    assert set(others) <= set(queries)
    assert all(who[name] != who[query] for name, query in zip(others, queries, strict=True))
    assert made.lists[0].short
    assert "3 of 4" in made.notes[0]
    assert len(make_split("ipgan/ident", SplitInput("drawn", {"test": faces}), count=2).lists[0]) == 2


def test_the_images_that_lend_attributes_are_spread_over_the_others() -> None:
    made = make_split("ipgan/ident", SplitInput("drawn", {"test": with_people([6] * 60)}))
    counts = Counter(made.lists[2].names)
    assert len(counts) > 150  # of 300 drawn with replacement, 190 expected
    assert max(counts.values()) < 8


@few
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_ipgan_leak_holds_out_a_fifth_of_each_person(counts: list[int], seed: int) -> None:
    faces = with_people(counts)
    if max(counts) < 2:
        with pytest.raises(InputError):
            make_split("ipgan/leak", SplitInput("drawn", {"test": faces}))
        return
    found = lists("ipgan/leak", SplitInput("drawn", {"test": faces}))
    who = dict(zip(faces.names, faces.identities.tolist(), strict=True))
    trained, held = (Counter(who[name] for name in found[part].names) for part in ("train", "validation"))
    for person, count in enumerate(counts):
        assert held[person] == (-(-count // 5) if count > 1 else 0)
        assert trained[person] == (count - held[person] if count > 1 else 0)
    order = np.random.default_rng(seed).permutation(len(faces))
    shuffled = dataclasses.replace(
        faces, names=tuple(faces.names[row] for row in order), identities=faces.identities[order]
    )
    assert lists("ipgan/leak", SplitInput("drawn", {"test": shuffled}))["train"].sha256 == found["train"].sha256


def test_rules_say_what_a_dataset_lacks() -> None:
    bare = SplitInput("drawn", {"test": drawn("test", 8)})
    for protocol in ("ipgan/ident", "ipgan/leak"):
        with pytest.raises(InputError, match="identities of drawn"):
            make_split(protocol, bare)
    with pytest.raises(InputError, match="two people with 6 images"):
        make_split("ipgan/ident", SplitInput("drawn", {"test": with_people([6, 5])}))
    with pytest.raises(InputError, match="attributes of drawn"):
        make_split("fai", bare, "Young")
    with pytest.raises(UnknownNameError):
        make_split("fai", SplitInput("drawn", {"test": labelled("test", 8)}), "Bald")
    with pytest.raises(InputError, match="train split of drawn"):
        make_split("bw/celeba", bare)
    with pytest.raises(InputError, match="pairs of drawn"):
        make_split("ipgan/adv", bare)


def test_requests_are_refused_before_anything_is_opened() -> None:
    nothing = SplitInput("drawn")
    with pytest.raises(UnknownNameError, match="did you mean 'fai'"):
        make_split("fay", nothing)
    with pytest.raises(InputError, match="--attr with one of Eyeglasses"):
        make_split("fai", nothing)
    with pytest.raises(InputError, match="a task for diat"):
        make_split("diat", nothing)
    with pytest.raises(InputError, match="leave out --attr"):
        make_split("bw/celeba", nothing, "Young")
    with pytest.raises(UnknownNameError):
        make_split("maae", nothing, "Bald")
    with pytest.raises(InputError, match="leave out --count"):
        make_split("bw/lfw", nothing, count=3)
    with pytest.raises(InputError, match="ask for 1 or more"):
        make_split("fai", nothing, "Young", 0)
