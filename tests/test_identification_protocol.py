# SPDX-License-Identifier: MIT
"""People found in pictures that mix two faces."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import SIZE, Eye, people_faces, people_given
from toy_recogniser import Recogniser, judged
from toy_runs import TOY

from faceeval.data.dialects.multipie import CONDITIONS, image_name
from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.protocols.identification_tasks import make_tasks
from faceeval.results.sweeps import write_sweep

PEOPLE = 20
PLACES = ("unseen", "trained on", *(condition.name for condition in CONDITIONS))


class Swapper(Eye):
    """Puts the givers' middle into the takers' place."""

    def swap(self, givers, takers, part):
        made = takers.clone()
        made[:, :, 4:12, 4:12] = givers[:, :, 4:12, 4:12]
        return made


class Drawer:
    """Draws as it is told, and embeds nothing."""

    def __init__(self, name, draw):
        self.card, self.draw = MethodCard(name=name, parts=("identity", "attributes")), draw

    def swap(self, givers, takers, part):
        return self.draw(givers, takers)


GIVER = Drawer("giver", lambda givers, takers: givers.clone())
TAKER = Drawer("taker", lambda givers, takers: takers.clone())
CONSTANT = Drawer("constant", lambda givers, takers: torch.full_like(givers, 200))


def in_conditions(people=PEOPLE):
    faces = people_faces(people, name="conditioned")
    return replace(faces, name="procfaces:multipie", names=tuple(map(image_name, range(len(faces)))))


def given_all(**changes):
    faces = {"test": people_faces(), "train": people_faces(26, split="train"), "procfaces:multipie": in_conditions()}
    return people_given(**{"faces": faces, "panel": judged(Recogniser(pose=True)), **changes})


def given_test(**changes):
    return people_given(**{"panel": judged(), **changes})


def identify(*methods, given=None, **options):
    return run_experiment("identification", methods, given or given_all(), benchmark=TOY, options=options)


def point(sweep, curve, place=0):
    return {key: value.value for key, value in sweep.curve(curve).points[place].values.items()}


@pytest.fixture(scope="module")
def swept():
    return identify(Swapper("perfect"), GIVER, TAKER, CONSTANT)


def test_who_puts_the_person_there_is_found_and_takes_the_place_of_the_other(swept):
    assert swept.summary.axis.ticks == PLACES
    for place in range(len(PLACES)):
        found = point(swept, "perfect", place)
        assert found["rank_1_accuracy"] == found["rank_5_accuracy"] == found["share_of_real"] == 1.0
        assert found["giver_similarity"] == pytest.approx(1.0, abs=1e-6)
        assert (found["taken_for_taker"], found["attribute_pose_error"]) == (0.0, 0.0)
        assert found["own_rank_1_accuracy"] == found["own_real_rank_1_accuracy"] == 1.0
    assert swept.curve("perfect").whole["conditions_accuracy"].value == 1.0
    assert "100.0 % of perfect's pictures" in swept.summary.lead
    assert "chance is 5.0 %" in swept.summary.lead


def test_who_returns_one_of_the_two_gets_what_its_control_gets(swept):
    for method, control, found in (("giver", "real queries", 1.0), ("taker", "attribute images", 0.0)):
        for place in range(len(PLACES)):
            ours, theirs = point(swept, method, place), point(swept, control, place)
            assert ours["rank_1_accuracy"] == theirs["rank_1_accuracy"] == found
            assert ours["taken_for_taker"] == 1 - found
            if place < 2:  # in conditions a real query is another photograph than the giver
                assert ours["attribute_pose_error"] == pytest.approx(theirs["attribute_pose_error"])
    assert point(swept, "taker")["attribute_pose_error"] == 0.0
    assert point(swept, "giver")["attribute_pose_error"] > 10  # which is what gives it away


def test_one_picture_for_all_is_the_right_one_for_one_of_them(swept):
    for place in range(len(PLACES)):
        assert point(swept, "constant", place)["rank_1_accuracy"] == pytest.approx(1 / PEOPLE)
        assert point(swept, "chance", place)["rank_1_accuracy"] == 1 / PEOPLE
        assert point(swept, "chance", place)["rank_5_accuracy"] == 5 / PEOPLE


def test_only_conditions_ask_as_queries_and_have_a_number_over_all(swept):
    for curve in ("perfect", "real queries"):
        points = swept.curve(curve).points
        assert "only for conditions" in points[0].absent["as_query_accuracy"]
        assert all(one.values["as_query_accuracy"].n == 5 * PEOPLE for one in points[2:])
    assert swept.curve("chance").whole == {}
    assert "Over all conditions the judge finds the right one in 100.0 % of perfect's" in swept.summary.lead
    shares = [point(swept, "constant", place)["as_query_accuracy"] for place in range(2, 8)]
    whole = swept.curve("constant").whole["conditions_accuracy"]
    assert np.mean(shares) == pytest.approx(whole.value)
    assert whole.n == 6 * 5 * PEOPLE


def test_who_cannot_look_or_be_looked_at_is_told_so(swept):
    assert "no identity code" in swept.curve("giver").points[0].absent["own_rank_1_accuracy"]
    assert "divided by" in swept.curve("real queries").points[0].absent["share_of_real"]
    blind = identify(GIVER, given=given_test())
    assert "no judge reads poses" in blind.curve("giver").points[0].absent["attribute_pose_error"]
    asleep = identify(Swapper(), given=given_test(), own=False)
    assert "own_rank_1_accuracy" in asleep.curve("eye").points[0].absent


def test_galleries_of_seen_and_unseen_people_are_of_one_size(swept):
    settings = swept.summary.settings
    assert settings["people, unseen people"] == settings["people, people of training"] == PEOPLE
    assert settings["pictures, conditions"] == 12 * PEOPLE
    assert "may have been trained on" in swept.summary.notices[0]
    assert swept.curve("perfect").points[0].values["rank_1_accuracy"].n == 5 * PEOPLE


def test_the_lines_are_the_queries_and_their_means_the_curves(swept):
    ranks = swept.per_image("constant", "rank")
    assert ranks.shape == (5 * PEOPLE + 5 * PEOPLE + 6 * PEOPLE, len(PLACES))
    for place in range(len(PLACES)):
        there = ranks[~np.isnan(ranks[:, place]), place]
        assert len(there) == 5 * PEOPLE
        assert (there == 1).mean() == pytest.approx(point(swept, "constant", place)["rank_1_accuracy"])
    assert set(swept.images[0].values) == {"perfect", "giver", "taker", "constant", "real queries"}


def test_match_curves_begin_at_rank_one_and_end_with_everybody(swept):
    lines = swept.summary.plots[0].lines
    assert lines["constant, unseen people"][0] == (1.0, 1 / PEOPLE)
    assert all(line[-1] == (float(PEOPLE), 1.0) for line in lines.values())
    assert "real queries, conditions" in lines


def test_pictures_are_shown_between_what_they_were_made_of_and_who_was_found(swept):
    rows = [place for place, row in enumerate(swept.summary.grid.rows) if row.curve == "perfect"]
    assert len(rows) == 3 * 4
    for row in rows:
        right, giver, taker, made, found = swept.tiles[row]
        assert (made[:, 8, 8] == giver[:, 8, 8]).all()
        assert (made[:, 0, 0] == taker[:, 0, 0]).all()
        assert (right == found).all()
    shown = [swept.summary.grid.rows[row].shown for row in rows]
    assert sorted(set(shown)) == ["conditions", "people of training", "unseen people"]


def test_what_the_papers_lost_stays_empty(swept):
    printed = swept.summary.printed
    assert printed.rows["full"] == ("81.11 %", "")
    assert all(cells[1] == "" for cells in printed.rows.values())


def test_in_conditions_five_photographs_stand_behind_five_pictures():
    task = make_tasks({"test": in_conditions(9), "train": people_faces()}, 10_000)[0]
    who, kind = task.faces.identities, np.arange(len(task.faces)) % 6
    assert len(task.givers) == 12 * 9
    assert (who[task.givers] != who[task.takers]).all()
    assert (kind[task.givers] != kind[task.takers]).all()
    for shown, gallery in enumerate(task.galleries):
        assert (kind[gallery.images] == shown).all()
        assert (who[task.givers[gallery.made]] == gallery.wanted).all()
        assert (who[gallery.queries] == gallery.wanted).all()
        assert (kind[task.takers[gallery.made]] == gallery.kinds).all()
        assert (kind[gallery.queries] == gallery.kinds).all()
        for rows in (gallery.queries, task.givers[gallery.made]):
            each = np.sort(kind[rows].reshape(9, 5), axis=1)
            assert (each == [other for other in range(6) if other != shown]).all()


def test_a_set_in_conditions_is_asked_alone_and_other_sets_by_their_names():
    assert [task.label for task in make_tasks({"test": in_conditions(), "train": people_faces()}, 99)] == ["conditions"]
    sets = {"test": replace(people_faces(), split="all"), "celeba": people_faces(7, name="celeba")}
    assert [task.label for task in make_tasks(sets, 99)] == ["people", "people of celeba"]
    alone = identify(GIVER, given=given_test(faces={"test": in_conditions()})).summary
    assert alone.lead.startswith("Over all conditions, 20 people in each gallery, the judge finds")
    assert not alone.notices
    twice = {"test": in_conditions(), "multipie": replace(in_conditions(), name="multipie")}
    labels = [gallery.label for task in make_tasks(twice, 99) for gallery in task.galleries]
    assert len(set(labels)) == 12


def test_fewer_people_are_a_quick_look_and_too_few_none():
    sweep = identify(GIVER, given=given_all(count=4))
    assert sweep.summary.settings["people, conditions"] == 4
    assert "only 4 people of each set: a quick look" in sweep.summary.notices[0]
    assert sweep.curve("giver").points[0].absent["rank_5_accuracy"] == "fewer than 5 people"
    assert "people" not in identify(GIVER, given=given_test(), people=7).summary.notices
    with pytest.raises(InputError, match="at least 2 people"):
        identify(GIVER, given=given_all(count=1))


def test_batches_decide_nothing_and_the_same_run_leaves_the_same_bytes(tmp_path):
    sweeps = [identify(Swapper(noise=0.3), given=given_test(batch_size=size)) for size in (17, 17, 50)]
    first, second = (json.loads(write_sweep(s, tmp_path / str(i)).read_text()) for i, s in enumerate(sweeps[:2]))
    first.pop("run"), second.pop("run")
    assert first == second
    for key in ("rank_1_accuracy", "giver_similarity"):
        assert point(sweeps[0], "eye")[key] == pytest.approx(point(sweeps[2], "eye")[key], abs=1e-12)


def test_a_judge_that_finds_no_real_query_leaves_nothing_to_divide_by():
    faces = replace(people_faces(), identities=np.arange(120) % PEOPLE)  # whoever is named is on no two pictures
    sweep = identify(CONSTANT, given=given_test(faces={"test": faces}))
    shares = point(sweep, "real queries")["rank_1_accuracy"]
    assert ("share_of_real" in point(sweep, "constant")) == (shares > 0)


class Odd(Swapper):
    def __init__(self, codes):
        super().__init__("odd")
        self.codes = codes

    def embed(self, images, part):
        return self.codes(images)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Drawer("odd", lambda givers, takers: givers.float()), r"odd\.swap"),
        (Drawer("odd", lambda givers, takers: givers[:, :, :8]), r"odd\.swap"),
        (Odd(lambda images: torch.full((len(images), 2), torch.nan)), "finite codes"),
        (Odd(lambda images: torch.ones(len(images), 2 + len(images))), "as before"),
        (Eye(), "lacks swap"),
        (Swapper(size=SIZE + 1), "px"),
    ],
)
def test_methods_that_return_no_pictures_or_codes_end_the_run(method, said):
    with pytest.raises(InputError, match=said):
        identify(method, given=given_test())


def test_requests_that_cannot_be_served_are_refused():
    with pytest.raises(UnknownNameError, match="part of giver"):
        identify(GIVER, part="identiti")
    with pytest.raises(InputError, match="a judge of identity"):
        identify(GIVER, given=people_given())
    with pytest.raises(InputError, match="identities"):
        identify(GIVER, given=given_test(faces={"test": replace(people_faces(), identities=None)}))
    few = replace(people_faces(), identities=np.arange(120) // 5)
    with pytest.raises(InputError, match="6 images"):
        identify(GIVER, given=given_test(faces={"test": few}))
    names = in_conditions().names
    without = replace(in_conditions(), names=(*names[:7], "elsewhere", *names[8:]))
    with pytest.raises(InputError, match=r"PERSON_01_01_051_02[^$]*none of person 1"):
        identify(GIVER, given=given_test(faces={"test": without}))


def test_the_real_judge_finds_real_people_and_not_those_beside_them():
    from faceeval.benchmark import Benchmark
    from faceeval.data.table import load_faces
    from faceeval.score import load_panel

    given = given_test(
        faces={"test": load_faces("procfaces:msceleb", "test", size=64)},
        panel=load_panel(Benchmark.load("procfaces")),
        count=12,
        batch_size=60,
    )
    sweep = identify(GIVER, TAKER, given=given)
    assert point(sweep, "giver")["rank_1_accuracy"] > 0.7
    assert point(sweep, "taker")["rank_1_accuracy"] < 0.1
    assert point(sweep, "taker")["taken_for_taker"] > 0.7
    assert point(sweep, "giver")["attribute_pose_error"] > 3
    assert point(sweep, "taker")["attribute_pose_error"] < 1e-4
