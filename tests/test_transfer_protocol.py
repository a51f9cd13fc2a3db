# SPDX-License-Identifier: MIT
"""Transfers of a part of a face: whose each factor is afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_faces import SIZE, Mover, Reader, moving_faces, moving_given
from toy_runs import TOY

from faceeval.data.dialects.mixed import FACTORS
from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.protocols.transfer_values import MEASURES, MOVES


def moved(*methods, given=None, **options):
    return run_experiment("transfer", methods, given or moving_given(), benchmark=TOY, options=options)


def value(sweep, key, part, method="mover"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(part)].values[key].value


@pytest.fixture(scope="module")
def swept():
    return moved(Mover())


def test_a_perfect_method_moves_what_it_should_and_nothing_else(swept):
    assert swept.summary.axis.ticks == ("pose", "identity", "expression", "style", "not_pose")
    for part in swept.summary.axis.ticks:
        assert value(swept, "transfer_accuracy", part) == 1.0
        assert value(swept, "pose_error", part) == 0.0
        assert value(swept, "identity_similarity", part) == pytest.approx(1.0)
        for factor in FACTORS:
            assert value(swept, f"{factor}_from_giver", part) == float(factor in MOVES[part])
    assert "mover 100.0 %" in swept.summary.lead
    assert "Chance is 50 %" in swept.summary.lead


def test_whoever_returns_giver_or_taker_gets_a_half(swept):
    for name, share in (("identity", 0.0), ("giver", 1.0)):
        for part in swept.summary.axis.ticks:
            assert value(swept, "transfer_accuracy", part, name) == 0.5
            assert {value(swept, f"{factor}_from_giver", part, name) for factor in FACTORS} == {share}


def test_what_moves_beside_the_part_is_counted_against_it():
    sweep = moved(Mover(spills=("style",)))
    assert value(sweep, "transfer_accuracy", "style") == 1.0
    assert value(sweep, "style_from_giver", "pose") == 1.0
    # of the three factors that should stay one does not; of pairs of one style nothing is known of it
    assert 5 / 6 <= value(sweep, "transfer_accuracy", "pose") < 1


def test_attributes_are_everything_but_the_identity():
    sweep = moved(Mover("osip", parts=("identity", "attributes")), Mover())
    assert sweep.summary.axis.ticks[-1] == "attributes"
    assert value(sweep, "transfer_accuracy", "attributes", "osip") == 1.0
    assert sweep.curve("mover").points[-1].absent["transfer_accuracy"] == "mover has no part of that name"
    assert np.isnan(sweep.per_image("mover", "pose_error")[:, -1]).all()


def test_pairs_are_of_two_people_and_each_gives_and_takes_once(swept):
    pairs = [image.name.split() for image in swept.images]
    people = [[name[:2] for name in pair] for pair in pairs]
    assert all(giver != taker for giver, taker in people)
    assert (
        sorted(giver for giver, _ in people) == sorted(taker for _, taker in people) == [f"{i:02d}" for i in range(12)]
    )
    assert swept.summary.data.images == 60
    assert [row.curve for row in swept.summary.grid.rows] == ["mover"] * 4


def test_factors_in_which_a_pair_is_alike_are_not_asked():
    strict = moved(Mover(), least_turn=1000.0)
    assert "pose_from_giver" not in strict.curve("mover").points[0].values
    assert value(strict, "identity_from_giver", "identity") == 1.0
    faces = moving_faces()
    same = moved(Mover(), given=moving_given(replace(faces, expression=np.zeros(len(faces), np.int64))))
    assert "expression_from_giver" not in same.curve("mover").points[0].values


def test_judges_stand_in_for_labels_and_the_result_says_so():
    faces = replace(moving_faces(), pose=None, expression=None, attributes={})
    sweep = moved(Mover(), given=moving_given(faces))
    assert value(sweep, "transfer_accuracy", "pose") == 1.0
    assert "no labels of pose, expression, style" in sweep.summary.notices[-1]


def test_without_a_judge_of_a_factor_the_others_are_measured():
    sweep = moved(Mover(), given=moving_given(judge=Reader(("embedding",))))
    point = sweep.curve("mover").points[1]
    assert point.values["identity_from_giver"].value == 1.0
    assert {"pose_from_giver", "expression_from_giver", "style_from_giver", "pose_error"} <= set(point.absent)
    blind = moved(Mover(), given=moving_given(judge=Reader(())))
    assert blind.summary.lead.startswith("No judge says")


def test_two_runs_give_the_same_numbers_whatever_the_batch(swept):
    again = moved(Mover(), given=moving_given(batch_size=100))
    assert again.images == swept.images
    assert again.summary.curves == swept.summary.curves


def test_fewer_pairs_are_a_quick_look():
    sweep = moved(Mover(), given=moving_given(count=3))
    assert sweep.summary.settings["pairs"] == 3
    assert "quick look" in sweep.summary.notices[0]


@pytest.mark.parametrize(
    ("method", "given", "options", "said"),
    [
        (Mover(parts=("shape",)), {}, {}, "mover has shape"),
        (Mover(), {"count": 1}, {}, "at least 2 people"),
        (Mover(), {"faces": moving_faces(each=2)}, {}, "at least 2 people of moving"),
        (Mover(), {"faces": replace(moving_faces(), identities=None)}, {}, "identities"),
        (Mover("truth"), {}, {}, "a name of its own"),
        (Mover(), {}, {"references": 0}, "at least one reference"),
        (Mover(), {}, {"least_turn": float("nan")}, "degrees of at least 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(method, given, options, said):
    with pytest.raises(InputError, match=said):
        moved(method, given=moving_given(**given), **options)


def test_unknown_parts_are_refused_and_odd_ones_named():
    with pytest.raises(UnknownNameError, match="did you mean 'pose'"):
        moved(Mover(), parts=["posse"])
    with pytest.raises(UnknownNameError, match="part of mover"):
        moved(Mover(), parts=["not_style"])
    sweep = moved(Mover(parts=("pose", "shape")))
    assert "shape of mover" in sweep.summary.notices[-1]


@pytest.mark.parametrize("made", [lambda takers: takers.float(), lambda takers: takers[:, :, :8], lambda takers: None])
def test_what_is_no_picture_is_refused(made):
    method = Mover()
    method.swap = lambda givers, takers, part: made(takers)
    with pytest.raises(InputError, match=r"mover\.swap"):
        moved(method)


def test_a_judge_that_says_nan_is_refused():
    class Broken(Reader):
        def __call__(self, images):
            return {key: np.full_like(said, np.nan) for key, said in super().__call__(images).items()}

    with pytest.raises(InputError):
        moved(Mover(), given=moving_given(judge=Broken()))


def test_a_method_cannot_change_the_pictures_it_is_compared_with():
    class Vandal(Mover):
        def swap(self, givers, takers, part):
            givers.zero_()
            return torch.zeros_like(takers)

    sweep = moved(Vandal())
    assert value(sweep, "identity_from_giver", "pose", "giver") == 1.0
    assert set(MEASURES) == {*sweep.curve("giver").points[0].values, "truth_error"}
    assert sweep.tiles.shape[2:] == (3, SIZE, SIZE)
