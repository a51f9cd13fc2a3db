# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from toy_parts import CLIPS, FACES, MICRO_MAD, STILLS

from faceeval.errors import InputError
from reference_models.macro_batches import MacroBatches, Turns, clips_of, grouped, people_of, walked

PEOPLE = np.array([0, 0, 1, 1, 1, 2, -1, -1, 3, 3])
TEN = {person: [np.arange(8) + 8 * person] for person in range(10)}


def macro(groups=TEN, **changes):
    return MacroBatches(groups, **{"people": 2, "most_groups": 1, "most_images": 100, "seed": 0, **changes})


def test_people_with_two_images_are_found():
    found = people_of(PEOPLE, np.arange(10))
    assert {person: group.tolist() for person, (group,) in found.items()} == {0: [0, 1], 1: [2, 3, 4], 3: [8, 9]}
    assert people_of(PEOPLE, np.array([0, 2, 8, 9])).keys() == {3}
    assert people_of(PEOPLE, np.array([6, 7])) == {}


def test_clips_of_people_who_have_two_are_found_and_thinned():
    people = np.array([0] * 7 + [1] * 4 + [2] * 3)
    clips = np.array([0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 4, -1, -1, -1])
    found = clips_of(people, clips, np.arange(14))
    assert {person: [one.tolist() for one in groups] for person, groups in found.items()} == {
        0: [[0, 1, 2], [3, 4, 5]],
        1: [[7, 8], [9, 10]],
    }
    thinned = clips_of(people, clips, np.arange(14), frame_step=2)
    assert {person: [one.tolist() for one in groups] for person, groups in thinned.items()} == {0: [[0, 2], [3, 5]]}


def test_a_macro_batch_shows_few_people_and_all_their_images_once():
    batches = macro()
    assert batches.batches_of_each(4) == 4
    first = np.concatenate([batches.batch(number, 4) for number in range(4)])
    assert len(set(first.tolist())) == 16
    assert len(set((first // 8).tolist())) == 2
    assert len(set((batches.batch(0, 4) // 8).tolist())) == 2  # mixed


def test_an_epoch_deals_everybody_once_and_the_next_in_another_order():
    batches = macro()
    dealt = [sorted({image // 8 for n in range(4) for image in batches.batch(4 * m + n, 4)}) for m in range(10)]
    assert sorted(chain(*dealt[:5])) == list(range(10))
    assert sorted(chain(*dealt[5:])) == list(range(10))
    assert dealt[:5] != dealt[5:]


def test_batches_are_a_function_of_seed_and_number():
    numbers = [7, 0, 33, 7]
    first, again = ([macro().batch(number, 4).tolist() for number in numbers] for _ in range(2))
    assert first == again
    assert first[0] == first[3]
    assert first != [macro(seed=1).batch(number, 4).tolist() for number in numbers]


def test_batches_are_full_even_where_people_have_few_images():
    few = macro({0: [np.arange(3)], 1: [np.arange(3, 5)]}, people=20)
    assert few.batches_of_each(8) == 1
    assert sorted(set(few.batch(5, 8).tolist())) == [0, 1, 2, 3, 4]
    uneven = macro({0: [np.arange(2)], 1: [np.arange(2, 40)], 2: [np.arange(40, 42)]}, people=1)
    assert uneven.batches_of_each(7) == 2
    assert all(len(uneven.batch(number, 7)) == 7 for number in range(12))


def test_groups_and_images_of_a_person_are_capped():
    groups = {person: [np.arange(6) + 6 * (4 * person + clip) for clip in range(4)] for person in range(3)}
    batches = macro(groups, people=3, most_groups=2, most_images=5)
    shown = np.concatenate([batches.batch(number, 10) for number in range(3)])
    assert len(set(shown.tolist())) == 3 * 2 * 5
    assert len(set((shown // 6).tolist())) == 3 * 2


def test_no_people_are_refused():
    with pytest.raises(InputError, match="at least one person"):
        macro({})
    with pytest.raises(InputError, match="0 at a time"):
        macro(people=0)


# --- whose turn it is -------------------------------------------------------------------------------------------


def test_each_factor_is_taught_by_the_images_that_know_it():
    rows, groups = walked(FACES), grouped(FACES, MICRO_MAD)
    stills = np.arange(len(STILLS))
    assert rows["expression"].tolist() == stills.tolist()
    assert rows["pose"].tolist() == [row for row in range(len(FACES)) if row != 0]  # nobody knows the first
    assert set(np.concatenate([*chain(*groups["identity"].values())])) == set(stills)
    assert len(groups["style"]) == 3
    assert all(len(clips) == 3 for clips in groups["style"].values())
    # clips teach the rest where nothing else does
    assert walked(CLIPS)["expression"].tolist() == list(range(len(CLIPS)))
    assert len(grouped(CLIPS, MICRO_MAD)["identity"]) == 3


def test_turns_go_round_and_each_goes_on_where_it_was():
    turns = Turns(FACES, MICRO_MAD, 0)
    kinds = [turns.draw(step, 12).kind for step in range(4 + 7)]
    assert kinds == ["images"] * 4 + list(MICRO_MAD.turns)
    assert [turns.turn(step) for step in (0, 4, 7, 11)] == [("identity", "identity", visit) for visit in range(4)]
    assert [turns.turn(step) for step in (3, 10)] == [("style", "style", visit) for visit in range(2)]


def test_all_turns_see_people_where_all_labels_count_and_are_known():
    known = replace(MICRO_MAD, tasks="known", turns=("identity", "expression", "style"))
    turns = Turns(FACES, known, 0)
    assert [turns.turn(step) for step in range(4)] == [
        ("identity", "identity", 0), ("expression", "identity", 1), ("style", "style", 0), ("identity", "identity", 2)
    ]  # fmt: skip
    assert [turns.draw(step, 12).kind for step in range(4, 7)] == list(known.turns)
    # nobody knows the pose of the first image
    assert Turns(FACES, replace(known, turns=("identity", "pose")), 0).sources == ("identity", "pose")
    assert Turns(FACES, replace(known, tasks="turn"), 0).sources == known.turns


def test_draws_hold_what_their_turn_needs():
    turns, people, clips = Turns(FACES, MICRO_MAD, 0), FACES.identities, FACES.clips
    for step in range(4, 25):
        draw = turns.draw(step, 12)
        assert (len(draw.indices), draw.n_negatives) == (12, 12)
        who = people[draw.indices]
        if draw.kind == "identity":
            assert len(np.unique(who)) == 3
            assert (clips[draw.indices] < 0).all()
        elif draw.kind == "style":
            assert len(np.unique(who)) == 2
            assert (clips[draw.indices] >= 0).all()
        elif draw.kind == "expression":
            assert (clips[draw.indices] < 0).all()
        else:
            assert np.isfinite(FACES.pose[draw.indices]).all()


def test_the_autoencoder_sees_the_first_set_or_all():
    def seen(sources):
        turns = Turns(FACES, replace(MICRO_MAD, ae_sources=sources), 0)
        return {int(FACES.sources[index]) for step in range(4) for index in turns.draw(step, 12).indices}

    assert seen("first") == {0}
    assert seen("all") == {0, 1}


def test_processes_see_different_images_and_a_later_step_needs_no_earlier_one():
    one, other = Turns(FACES, MICRO_MAD, 3), Turns(FACES, MICRO_MAD, 3)
    both = [one.draw(8, 6, rank=rank, world=2).indices.tolist() for rank in range(2)]
    assert both[0] != both[1]
    for step in range(8):
        other.draw(step, 6, rank=1, world=2)
    assert other.draw(8, 6, rank=1, world=2).indices.tolist() == both[1]
    whole = [one.draw(step, 6, rank=rank, world=2).indices.tolist() for step in (0, 1) for rank in (0, 1)]
    assert sorted(chain(*whole)) == list(range(len(STILLS)))  # of one epoch, nothing twice
