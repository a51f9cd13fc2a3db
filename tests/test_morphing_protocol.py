# SPDX-License-Identifier: MIT
"""Morphs from one face's attributes to another's, and what is read on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_faces import Mover, Reader, moving_faces, moving_given, posed_faces
from toy_runs import TOY

from faceeval.errors import InputError
from faceeval.experiment import run_experiment
from faceeval.protocols.morphing import PATHS
from faceeval.protocols.morphing_values import MEASURES

STEADY = ("path_monotonicity", "path_straightness", "path_evenness", "path_reach")


def morphed(*methods, given=None, **options):
    given = given or moving_given(posed_faces())
    return run_experiment("morphing", methods, given, benchmark=TOY, options=options)


def value(sweep, key, kind="pose", method="mover"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(kind)].values[key].value


class Jumper(Mover):
    """Shows the first face, then the second."""

    def morph(self, givers, first, second, share):
        return super().morph(givers, first, second, (share >= 0.5).float())


class Still(Mover):
    """Never moves."""

    def morph(self, givers, first, second, share):
        return super().morph(givers, first, second, torch.zeros_like(share))


class Backward(Mover):
    """Goes the other way."""

    def morph(self, givers, first, second, share):
        return super().morph(givers, first, second, 1 - share)


@pytest.fixture(scope="module")
def swept():
    return morphed(Mover(), Jumper("jumper"), Still("still"), Backward("backward"))


@pytest.mark.parametrize("kind", PATHS)
def test_a_steady_morph_is_perfect(swept, kind):
    for key in STEADY:
        # grey levels are whole numbers, and so are the steps between them
        assert value(swept, key, kind) == pytest.approx(1.0, abs=0.15 if key == "path_evenness" else 0.01)
    assert value(swept, "path_monotonicity", kind) == 1.0
    assert value(swept, "identity_similarity", kind) == pytest.approx(1.0)
    assert value(swept, "identity_similarity_least", kind) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", PATHS)
def test_a_jump_is_uneven_and_no_move_is_no_path(swept, kind):
    assert value(swept, "path_evenness", kind, "jumper") == pytest.approx(1 / 8)
    assert value(swept, "path_straightness", kind, "jumper") == pytest.approx(1.0)
    assert 0 < value(swept, "path_monotonicity", kind, "jumper") < 0.7
    for name in ("still", "identity"):
        assert {value(swept, key, kind, name) for key in STEADY} == {0.0}
    assert value(swept, "path_monotonicity", kind, "backward") == -1.0
    assert value(swept, "path_reach", kind, "backward") == pytest.approx(-1.0, abs=0.01)


def test_somebody_else_lends_the_attributes_unless_asked(swept):
    class Spy(Mover):
        def morph(self, givers, first, second, share):
            seen.append(bool((givers[:, :, 0, 0] == first[:, :, 0, 0]).all()))
            assert (first[:, :, 0, 0] == second[:, :, 0, 0]).all()
            return super().morph(givers, first, second, share)

    for whose, same in (("another", False), ("same", True)):
        seen = []
        sweep = morphed(Spy(), attributes_of=whose)
        assert set(seen) == {same}
        assert sweep.summary.settings["attributes_of"] == whose
        assert value(sweep, "path_monotonicity") == 1.0


def test_pictures_of_who_lends_lose_the_person():
    class Lender(Mover):
        def morph(self, givers, first, second, share):
            return super().morph(first, first, second, share)

    sweep = morphed(Lender())
    assert value(sweep, "path_monotonicity") == 1.0
    assert value(sweep, "identity_similarity") < 0.7


def test_lines_say_how_far_along_each_step_is(swept):
    plots = {plot.title: plot for plot in swept.summary.plots}
    assert len(plots) == 4
    line = np.array(plots["How far along by what is seen: pose"].lines["mover"])
    assert line[:, 0].tolist() == np.linspace(0, 1, 9).tolist()
    assert line[:, 1] == pytest.approx(line[:, 0], abs=0.02)
    assert set(plots["How like the giver"].lines) >= {"mover, pose", "identity, light", "cross-fade, expression"}


def test_nobody_renders_what_nobody_knows(swept):
    assert swept.curve("mover").points[0].absent["truth_error"] == "nobody knows the right answer"
    assert [curve.name for curve in swept.summary.curves][-2:] == ["identity", "cross-fade"]
    # pixels of the lent pictures are blended then
    assert value(swept, "identity_similarity", method="cross-fade") < 0.7


def test_steps_and_people_are_as_asked():
    sweep = morphed(Mover(), given=moving_given(posed_faces(), count=3), steps=4)
    assert sweep.summary.settings["people"] == len(sweep.images) == 3
    assert sweep.summary.grid.columns == ("giver", "from", "0.00", "0.25", "0.50", "0.75", "1.00", "to")
    assert [row.curve for row in sweep.summary.grid.rows] == ["mover", "cross-fade"] * 6
    assert "quick look" in sweep.summary.notices[0]


def test_two_runs_give_the_same_numbers_whatever_the_batch():
    one, other = (morphed(Mover(), given=moving_given(posed_faces(), batch_size=size)) for size in (5, 64))
    assert one.images == other.images
    assert one.summary.curves == other.summary.curves


def test_light_needs_no_judge():
    sweep = morphed(Mover(), given=moving_given(posed_faces(), judge=Reader(())))
    assert value(sweep, "path_monotonicity", "light") == 1.0
    assert set(sweep.curve("mover").points[0].absent) == set(MEASURES)
    assert len(sweep.summary.plots) == 1


@pytest.mark.parametrize(
    ("method", "given", "options", "said"),
    [
        (Mover(), {"faces": moving_faces()}, {}, "none in moving"),
        (Mover(), {"count": 1}, {}, "at least 2 people"),
        (Mover(), {"faces": posed_faces(1)}, {}, "at least 2 people"),
        (Mover(), {"faces": replace(posed_faces(), identities=None)}, {}, "identities"),
        (Mover("cross-fade"), {}, {}, "a name of its own"),
        (Mover(), {}, {"steps": 1}, "2 to 100 steps"),
        (Mover(), {}, {"attributes_of": "nobody"}, "attributes_of"),
    ],
)
def test_what_cannot_be_scored_is_refused(method, given, options, said):
    with pytest.raises(InputError, match=said):
        morphed(method, given=moving_given(**{"faces": posed_faces(), **given}), **options)


def test_what_is_no_picture_is_refused():
    method = Mover()
    method.morph = lambda givers, first, second, share: givers[:-1]
    with pytest.raises(InputError, match=r"mover\.morph"):
        morphed(method)
