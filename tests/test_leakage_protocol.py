# SPDX-License-Identifier: MIT
"""Identity read from codes that should not hold it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import Eye, people_faces, people_given
from toy_recogniser import Recogniser, judged
from toy_runs import TOY

from faceeval.data.dialects.facescrub import halves
from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.protocols.leakage_values import majority_accuracy
from faceeval.protocols.panel import Panel
from faceeval.results.sweeps import write_sweep

QUICK = {"hidden": [24], "epochs": 40, "batch": 16, "learning_rate": 0.02, "dropout": 0.0}
PEOPLE = 20
HELD = 2 * PEOPLE  # a fifth of six images, rounded up


def leak(*methods, given=None, **options):
    given = given or people_given(panel=judged())
    return run_experiment("leakage", methods, given, benchmark=TOY, options={**QUICK, **options})


def value(sweep, key, part, method="eye"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(part)].values[key].value


@pytest.fixture(scope="module")
def swept():
    return leak(Eye(), Eye("dim", noise=0.3))


def test_the_person_is_read_from_what_holds_it_and_from_nothing_else(swept):
    assert value(swept, "held_out_accuracy", "identity") > 0.9
    assert value(swept, "identity_leakage", "identity") == 1.0  # the judge sees the same
    # six images of a person stand before six backgrounds; 40 images at 1 of 20 vary by 0.034
    assert value(swept, "held_out_accuracy", "style") < 0.05 + 3 * 0.035
    assert abs(value(swept, "identity_leakage", "style")) < 0.15
    assert value(swept, "linear_accuracy", "style") < 0.2
    assert value(swept, "code_width", "style") == 3
    assert "by style of eye" in swept.summary.lead
    assert "chance 5.0 %" in swept.summary.lead


def test_controls_stand_where_they_must(swept):
    at = {curve.name: curve.points[0].values["held_out_accuracy"] for curve in swept.summary.curves}
    assert at["chance"].value == at["most frequent person"].value == 1 / PEOPLE
    assert at["the judge's embedding"].value > 0.9
    for control in ("noise", "exchanged people"):
        assert at[control].value < 0.05 + 3 * 0.035
    assert at["eye"].n == HELD
    # learnt by heart, and that is why training images do not count
    noise = next(curve for curve in swept.summary.curves if curve.name == "noise")
    assert noise.points[0].values["train_accuracy"].value > 0.5
    assert noise.points[0].values["train_accuracy"].n == 6 * PEOPLE - HELD
    assert {curve.kind for curve in swept.summary.curves} == {"method", "control"}


def test_the_figure_follows_the_classifier_to_its_last_epoch(swept):
    held, learnt = swept.summary.plots
    for name, part in (("eye", "identity"), ("eye", "style"), ("dim", "identity")):
        line = held.lines[f"{name}, {part}"]
        assert [x for x, _ in line] == list(range(1, QUICK["epochs"] + 1))
        assert line[-1][1] == pytest.approx(value(swept, "held_out_accuracy", part, name), abs=1e-5)
        final = learnt.lines[f"{name}, {part}"][-1][1]
        assert final == pytest.approx(value(swept, "train_accuracy", part, name), abs=1e-5)
    assert set(held.lines) - set(learnt.lines) == {"chance"}
    assert held.lines["eye, identity"][0][1] < held.lines["eye, identity"][-1][1]


def test_a_method_is_compared_with_the_first_on_the_same_images(swept):
    eye, dim = (value(swept, "held_out_accuracy", "identity", name) for name in ("eye", "dim"))
    assert dim < eye
    assert value(swept, "above_first", "identity", "dim") == pytest.approx(dim - eye, abs=1e-12)
    assert swept.curve("eye").points[0].absent["above_first"] == "nothing to compare with"
    ceiling = value(swept, "identity_leakage", "identity", "dim")
    assert ceiling == pytest.approx((dim - 0.05) / (eye - 0.05), abs=1e-12)


def test_the_lines_are_the_images_held_out(swept):
    faces = people_faces()
    assert [image.name for image in swept.images] == [faces.names[row] for row in halves(faces).validation.tolist()]
    right = swept.per_image("eye", "right")
    assert set(np.unique(right)) <= {0.0, 1.0}
    for place, part in enumerate(("identity", "style")):
        assert right[:, place].mean() == pytest.approx(value(swept, "held_out_accuracy", part), abs=1e-12)


def test_images_named_wrongly_are_shown_beside_whom_they_were_taken_for(swept):
    rows = swept.summary.grid.rows
    assert {row.shown for row in rows} <= {"named rightly", "taken for another"}
    assert {row.curve for row in rows} == {"eye", "dim"}
    assert all("by style" in row.name for row in rows)
    for row, (held, other) in zip(rows, swept.tiles, strict=True):
        alike = (held[:, 8, 8] == other[:, 8, 8]).all()
        assert alike == (row.shown == "named rightly")


def test_a_ceiling_of_the_methods_own_asks_for_its_identity_too():
    sweep = leak(Eye(), parts=["style"], ceiling="own", linear=False, given=people_given())
    assert sweep.summary.axis.ticks == ("style",)
    assert abs(value(sweep, "identity_leakage", "style")) < 0.15
    assert sweep.curve("eye").points[0].absent["linear_accuracy"] == "not asked"
    blind = leak(Eye("blind", parts=("style",)), ceiling="own", linear=False)
    assert "no part called identity" in blind.curve("blind").points[0].absent["identity_leakage"]


def test_without_a_judge_there_is_no_ceiling_and_a_reason():
    given = people_given(panel=Panel({}, {"identity": "its weights are elsewhere"}))
    sweep = leak(Eye(), parts=["style"], linear=False, given=given)
    assert sweep.curve("eye").points[0].absent["identity_leakage"] == "its weights are elsewhere"
    assert "judge" not in sweep.summary.lead


def test_a_ceiling_that_tells_nobody_apart_is_none():
    given = people_given(panel=judged(Recogniser("style")))
    sweep = leak(Eye(), parts=["style"], linear=False, given=given)
    assert "does not tell" in sweep.curve("eye").points[0].absent["identity_leakage"]


def test_codes_of_different_widths_are_spoken_of():
    class Wide(Eye):
        def embed(self, images, part):
            return torch.cat([super().embed(images, part)] * 2, dim=1)

    sweep = leak(Eye(), Wide("wide"), parts=["style"], linear=False)
    assert "style is 3, 6 numbers wide" in sweep.summary.notices[0]
    assert value(sweep, "code_width", "style", "wide") == 6


def test_parts_that_one_method_lacks_are_left_out_for_it():
    sweep = leak(Eye(), Eye("other", parts=("pose",)), linear=False)
    assert sweep.summary.axis.ticks == ("identity", "style", "pose")
    assert "no part of that name" in sweep.curve("other").points[0].absent["held_out_accuracy"]
    assert sweep.curve("other").points[2].absent["above_first"] == "eye has no such part"


def test_fewer_people_are_a_quick_look():
    sweep = leak(Eye(), parts=["style"], linear=False, given=people_given(count=7, panel=judged()))
    assert sweep.summary.settings["people"] == 7
    assert sweep.summary.settings["held_out_images"] == 14
    assert sweep.summary.settings["training_images"] == 28
    assert "only 7 people: a quick look" in sweep.summary.notices[0]
    with pytest.raises(InputError, match="at least 2 people"):
        leak(Eye(), given=people_given(count=1))


def test_frames_of_clips_are_spoken_of():
    faces = people_faces(5)
    given = people_given(faces={"test": replace(faces, clips=np.arange(len(faces)) // 3)})
    assert "one clip" in leak(Eye(), parts=["style"], linear=False, given=given).summary.notices[0]


def test_the_most_frequent_person_is_counted_in_training():
    people = np.array([1, 1, 1, 5, 5, 9, 9])
    held = np.array([1, 0, 0, 1, 0, 1, 0], bool)
    assert majority_accuracy(people, held) == pytest.approx(1 / 3)


def test_the_same_run_leaves_the_same_bytes(tmp_path):
    paths = [write_sweep(leak(Eye(noise=0.2), parts=["style"], linear=False), tmp_path / name) for name in "ab"]
    first, second = (json.loads(path.read_text()) for path in paths)
    first.pop("run"), second.pop("run")
    assert first == second


class Odd:
    card = MethodCard(name="odd", parts=("style",))

    def __init__(self, codes):
        self.codes = codes

    def embed(self, images, part):
        return self.codes(images)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (lambda images: torch.full((len(images), 2), torch.nan), "finite codes"),
        (lambda images: torch.zeros(len(images), len(images)), "as before"),
        (lambda images: torch.ones(len(images), 2), "120 equal rows"),
    ],
)
def test_codes_that_are_none_end_the_run(codes, said):
    with pytest.raises(InputError, match=said):
        leak(Odd(codes))


def test_requests_that_cannot_be_served_are_refused():
    with pytest.raises(UnknownNameError, match="part of eye"):
        leak(Eye(), parts=["stile"])
    with pytest.raises(InputError, match="at least one unit"):
        leak(Eye(), hidden=[0])
    with pytest.raises(InputError, match="identities"):
        leak(Eye(), given=people_given(faces={"test": replace(people_faces(), identities=None)}))
    single = replace(people_faces(), identities=np.arange(120))
    with pytest.raises(InputError, match="two images"):
        leak(Eye(), given=people_given(faces={"test": single}))
    one = replace(people_faces(), identities=np.r_[np.zeros(6, np.int64), np.arange(1, 115)])
    with pytest.raises(InputError, match="at least two people"):
        leak(Eye(), given=people_given(faces={"test": one}))
