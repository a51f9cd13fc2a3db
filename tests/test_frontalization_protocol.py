# SPDX-License-Identifier: MIT
"""Turned faces seen from the front, by the pose of a frontal face or by the identity of the turned one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from moving_faces import Mover, Reader, moving_faces, moving_given, posed_faces
from toy_runs import TOY

from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard


def turned(*methods, given=None, **options):
    given = given or moving_given(posed_faces())
    return run_experiment("frontalization", methods, given, benchmark=TOY, options=options)


def value(sweep, key, method="mover", place=0):
    return sweep.curve(method).points[place].values[key].value


@pytest.fixture(scope="module")
def swept():
    return turned(Mover(), Mover("osip", parts=("identity", "attributes")))


@pytest.mark.parametrize("method", ["mover", "osip"])
@pytest.mark.parametrize("place", [0, 1])
def test_perfect_methods_turn_the_head_and_keep_the_person(swept, method, place):
    assert value(swept, "yaw_error", method, place) == value(swept, "pose_error", method, place) == 0.0
    assert value(swept, "rank_1_accuracy", method, place) == 1.0
    assert value(swept, "identity_similarity", method, place) == pytest.approx(1.0)
    # nobody rendered it: what was taken from the front, in the same light, is the right answer
    assert value(swept, "truth_error", method, place) == 0.0


def test_each_method_hands_over_what_it_can(swept):
    assert swept.summary.settings["by, mover"] == "pose"
    assert swept.summary.settings["by, osip"] == "identity"
    assert swept.summary.axis.ticks == ("turned", "turned, lit from the side")
    both = turned(Mover(), by="identity")
    assert both.summary.settings["by, mover"] == "identity"
    assert value(both, "rank_1_accuracy") == 1.0


def test_controls_are_the_ends_of_the_scales(swept):
    assert value(swept, "yaw_error", "identity") == 30.0
    assert value(swept, "rank_1_accuracy", "identity") == 1.0
    assert value(swept, "yaw_error", "lent") == 0.0
    assert value(swept, "rank_1_accuracy", "lent") == 0.0
    assert value(swept, "truth_error", "truth") == 0.0
    assert value(swept, "rank_1_accuracy", "truth") == 1.0
    assert "the turned face itself: 30.0 degrees of yaw off" in swept.summary.lead


def test_shares_have_wilson_s_interval(swept):
    found = swept.curve("mover").points[0].values["rank_1_accuracy"]
    assert (found.n, found.high) == (10, 1.0)
    assert found.low == pytest.approx(0.7225, abs=1e-4)


def test_somebody_else_lends_the_face(swept):
    class Spy(Mover):
        def swap(self, givers, takers, part):
            assert (givers[:, :, 0, 0] != takers[:, :, 0, 0]).any(1).all()
            return super().swap(givers, takers, part)

    assert turned(Spy()).summary.curves[0].points == swept.summary.curves[0].points


def test_other_faces_are_taken_by_their_poses():
    sweep = turned(Mover(), given=moving_given(moving_faces(30, 20)))
    assert sweep.summary.axis.ticks == ("turned by 15 to 30 degrees", "turned by 30 degrees and more")
    for place, (low, high) in enumerate(((0, 45), (15, 60))):
        assert low < value(sweep, "yaw_error", "identity", place) < high
        assert value(sweep, "yaw_error", place=place) == 0.0
        assert value(sweep, "rank_1_accuracy", place=place) == 1.0
        assert sweep.curve("mover").points[place].absent["truth_error"] == "nobody knows the right answer"
    assert [curve.name for curve in sweep.summary.curves] == ["mover", "identity", "lent"]


def test_poses_nobody_wrote_down_are_read():
    known, unknown = moving_faces(30, 20), replace(moving_faces(30, 20), pose=None)
    sweeps = [turned(Mover(), given=moving_given(faces)) for faces in (known, unknown)]
    assert sweeps[0].summary.curves == sweeps[1].summary.curves
    assert "what the judge reads" in sweeps[1].summary.notices[-1]
    with pytest.raises(InputError, match="poses of moving"):
        turned(Mover(), given=moving_given(unknown, judge=Reader(("embedding",))))


def test_without_a_judge_there_are_pictures():
    sweep = turned(Mover(), given=moving_given(posed_faces(), judge=Reader(())))
    assert sweep.summary.lead.startswith("No judge says")
    assert len(sweep.summary.grid.rows) == 8
    assert value(sweep, "truth_error") == 0.0


def test_two_runs_give_the_same_numbers_whatever_the_batch(swept):
    again = turned(
        Mover(), Mover("osip", parts=("identity", "attributes")), given=moving_given(posed_faces(), batch_size=3)
    )
    assert again.images == swept.images
    assert again.summary.curves == swept.summary.curves


def test_fewer_people_are_a_quick_look():
    sweep = turned(Mover(), given=moving_given(posed_faces(), count=4))
    assert sweep.summary.settings["people"] == 4
    assert len(sweep.images) == 8
    assert "quick look" in sweep.summary.notices[0]


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        (Mover(parts=("style",)), {}, "the part pose or identity"),
        (Mover(parts=()), {}, "the part pose or identity"),
        (Mover("lent"), {}, "a name of its own"),
        (Mover(), {"count": 1}, "at least 2 people"),
        (Mover(), {"faces": posed_faces(1)}, "at least 2 people"),
        (Mover(), {"faces": replace(posed_faces(), identities=None)}, "identities"),
        (type("Blind", (), {"card": MethodCard(name="blind")})(), {}, "lacks swap"),
    ],
)
def test_what_cannot_be_scored_is_refused(method, given, said):
    with pytest.raises(InputError, match=said):
        turned(method, given=moving_given(**{"faces": posed_faces(), **given}))


def test_a_part_a_method_lacks_is_refused():
    with pytest.raises(UnknownNameError, match="part of osip"):
        turned(Mover("osip", parts=("identity", "attributes")), by="pose")
    with pytest.raises(InputError, match="by of frontalization"):
        turned(Mover(), by="style")


def test_names_may_go_on_after_the_light():
    faces = posed_faces()
    longer = replace(faces, names=tuple(f"session01/{name}_crop_128" for name in faces.names))
    assert value(turned(Mover(), given=moving_given(longer)), "truth_error") == 0.0
    # whoever was not taken in all conditions that are needed is left out
    cut = replace(faces, names=tuple(name if row != 2 else "100_01_01_080_07" for row, name in enumerate(faces.names)))
    assert turned(Mover(), given=moving_given(cut)).summary.settings["people"] == 9


def test_values_are_written_down_in_the_column_of_their_kind(swept):
    yaw = swept.per_image("identity", "yaw_error")
    assert np.isnan(yaw).sum() == len(yaw) == 20
    assert np.nanmax(yaw) == 30.0
