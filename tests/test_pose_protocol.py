# SPDX-License-Identifier: MIT
"""Poses read from parts of codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_readings import Coder, Reader, Silent, SpeltJudge, spelt_faces, spelt_given
from toy_runs import TOY

from faceeval.data.dialects.people import view
from faceeval.data.table import load_faces
from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.judges import load_judge
from faceeval.metrics import linear_pose, pose_summary
from faceeval.protocols.judged import JudgeMethod
from faceeval.protocols.panel import Panel
from faceeval.protocols.readings import READING

STILL = "always the same"


def read(*methods, given=None, **options):
    return run_experiment("pose", methods, given or spelt_given(), benchmark=TOY, options=options)


def value(sweep, place, method="coder", key="pose_error"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(place)].values[key]


def given_with(**changes):
    given = spelt_given()
    return replace(
        given, faces={split: replace(faces, **changes.get(split, {})) for split, faces in given.faces.items()}
    )


def test_a_part_that_is_the_pose_says_it_and_noise_does_not():
    sweep = read(Coder(), Reader(wrong=4.0))
    assert sweep.summary.axis.ticks == ("expression", "pose", "style", READING)
    assert value(sweep, "pose").value < 0.1  # what the ridge bends
    assert value(sweep, READING, "reader", "yaw_error").value == pytest.approx(4.0)
    assert value(sweep, READING, "reader").value == pytest.approx(4 / 3)
    still = value(sweep, "style", STILL)
    truth = spelt_faces("test", first=100).pose
    median = np.median(spelt_faces("train").pose, axis=0)
    assert still.value == pytest.approx(np.abs(truth - median).mean())
    for name in ("noise", "coder"):
        assert value(sweep, "style", name).value == pytest.approx(still.value, rel=0.1)
    assert sweep.summary.lead.startswith("pose of coder is off by 0.0° of yaw")
    assert "Who always says the same pose" in sweep.summary.lead


def test_the_numbers_are_those_of_the_metric_and_of_what_is_written_down():
    given = spelt_given()
    sweep = read(Coder(), given=given)
    codes = [Coder().embed(torch.from_numpy(given.faces[split].images()), "style") for split in ("train", "test")]
    truth = [given.faces[split].pose for split in ("train", "test")]
    wanted = pose_summary(truth[1], linear_pose(codes[0], truth[0], codes[1]))
    for name in ("yaw", "pitch", "roll"):
        assert value(sweep, "style", key=f"{name}_error").value == pytest.approx(getattr(wanted, name), abs=1e-9)
        assert sweep.per_image("coder", f"{name}_error")[:, 2].mean() == pytest.approx(getattr(wanted, name), abs=1e-9)
    assert value(sweep, "style").value == pytest.approx(wanted.mean, abs=1e-9)
    assert value(sweep, "style").low < wanted.mean < value(sweep, "style").high
    assert read(Coder(), given=spelt_given()).summary.curves == sweep.summary.curves


def test_small_pictures_and_the_judge_stand_beside():
    sweep = read(Coder(), given=spelt_given(panel=Panel({"identity": SpeltJudge()})))
    assert sweep.summary.axis.ticks[-1] == READING
    assert value(sweep, READING, "judge").value == 0.0
    assert value(sweep, "style", "picture of 16 pixels").value < value(sweep, "style", STILL).value
    assert sweep.summary.lead.endswith("the judge is off by 0.0°.")
    assert "picture of 16 pixels" not in {curve.name for curve in read(Coder(), thumbnail=0).summary.curves}


def test_methods_without_codes_or_without_readings():
    sweep = read(Reader(), Silent("silent", parts=("style", "constant")))
    assert sweep.summary.axis.ticks == ("style", "constant", READING)
    assert "same for all" in sweep.curve("silent").points[1].absent["yaw_error"]
    assert "nothing itself" in sweep.curve("silent").points[2].absent["yaw_error"]
    assert read(Reader()).summary.axis.ticks == (READING,)
    assert {curve.name for curve in read(Reader()).summary.curves} == {"reader", STILL}
    with pytest.raises(InputError, match="reader, which has none"):
        read(Reader(), reading=False)


def test_fewer_images_are_chosen_by_hash():
    sweep = read(Coder(), given=spelt_given(count=40), train_images=60)
    assert (sweep.summary.settings["train_images"], sweep.summary.settings["test_images"]) == (60, 40)
    assert "quick look" in sweep.summary.notices[0]
    assert read(Coder(), train_images=0).summary.settings["train_images"] == 256
    with pytest.raises(InputError, match="at least 2"):
        read(Coder(), given=spelt_given(count=1))
    with pytest.raises(InputError, match="0 or more"):
        read(Coder(), train_images=-1)


def test_images_whose_pose_is_unknown_are_left_out_and_counted():
    pose = spelt_faces("test", first=100).pose.copy()
    pose[:6, 1] = np.nan
    sweep = read(Coder(), given=given_with(test={"pose": pose}))
    assert sweep.summary.settings["test_images"] == 250
    assert sweep.summary.notices == ("6 images of the test split are left out, as their pose is not known",)


def test_data_and_methods_that_cannot_answer_are_refused():
    with pytest.raises(InputError, match="poses of toy"):
        read(Coder(), given=given_with(train={"pose": None}))
    with pytest.raises(InputError, match="two poses at least"):
        read(Coder(), given=given_with(test={"pose": np.full((256, 3), np.nan)}))
    with pytest.raises(InputError, match="nothing was fitted on"):
        read(Coder(), given=given_with(test={"names": spelt_faces("train").names}))
    with pytest.raises(UnknownNameError, match="posse"):
        read(Coder(), parts=["posse"])
    two = Reader()
    two.read_pose = lambda images: torch.zeros(len(images), 2)
    with pytest.raises(InputError, match="3 numbers"):
        read(two)
    two.read_pose = lambda images: torch.full((len(images), 3), float("inf"))
    with pytest.raises(InputError, match="finite"):
        read(two)


def test_the_error_is_drawn_over_yaw_and_the_worst_faces_are_shown():
    sweep = read(Coder(), Reader())
    assert list(sweep.summary.plots[0].lines) == ["coder, pose", "reader, own reading", f"{STILL}, expression"]
    far = dict(sweep.summary.plots[0].lines[f"{STILL}, expression"])
    assert far[30.0] > far[0.0]
    assert [row.name for row in sweep.summary.grid.rows][::2] == [f"farthest off, {rank}" for rank in (1, 2, 3, 4)]
    assert all(row.shown.startswith("is yaw ") for row in sweep.summary.grid.rows)
    assert sweep.summary.printed.rows["CelebA, test"] == ("2.66°", "2.95°", "2.05°", "2.55°")


def test_the_judge_of_procfaces_reads_poses_to_a_few_degrees():
    whole = {split: load_faces("procfaces", split, size=64) for split in ("train", "test")}
    faces = {split: view(one, one.name, np.arange(0, len(one), len(one) // 240)) for split, one in whole.items()}
    judge = JudgeMethod(load_judge("procfaces"))
    sweep = read(judge, given=spelt_given(faces=faces), parts=["pose"])
    assert value(sweep, READING, "judge:procfaces").value < 3
    assert value(sweep, "pose", "judge:procfaces").value < 3
    assert value(sweep, "pose", STILL).value > 5
