# SPDX-License-Identifier: MIT
"""Expressions read from parts of codes."""

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
from faceeval.metrics import EXPRESSION_MLP, EXPRESSIONS, expression_auc
from faceeval.protocols.judged import JudgeMethod
from faceeval.protocols.panel import Panel
from faceeval.protocols.printed import BW_TABLE_3
from faceeval.protocols.readings import READING

LONG = {"epochs": 12, "learning_rate": 0.01, "thumbnail": 0}  # 256 images are three steps of an epoch


def read(*methods, given=None, **options):
    return run_experiment("expression", methods, given or spelt_given(), benchmark=TOY, options=LONG | options)


def value(sweep, place, method="coder", key="expression_auc"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(place)].values[key]


def why(sweep, place, method="coder", key="expression_auc"):
    return sweep.curve(method).points[sweep.summary.axis.ticks.index(place)].absent[key]


def given_with(**changes):
    given = spelt_given()
    return replace(
        given, faces={split: replace(faces, **changes.get(split, {})) for split, faces in given.faces.items()}
    )


def test_a_part_that_is_the_expression_tells_all_and_noise_none():
    sweep = read(Coder(), Reader())
    assert sweep.summary.axis.ticks == ("expression", "pose", "style", READING)
    assert value(sweep, "expression").value == 1.0
    assert value(sweep, READING, "reader").value == 1.0
    assert all(value(sweep, "expression", key=f"auc_{name}").value == 1.0 for name in EXPRESSIONS)
    for place in ("pose", "style"):
        assert abs(value(sweep, place).value - 0.5) < 0.1
    for place in ("expression", "pose", "style"):
        assert abs(value(sweep, place, "noise").value - 0.5) < 0.1
        assert "no part" in why(sweep, place, "reader")
    assert "nothing itself" in why(sweep, READING)
    assert sweep.summary.lead.startswith("expression of coder tells the expressions apart with a mean AUC of 1.000")
    assert "the same probe on noise" in sweep.summary.lead


def test_the_numbers_are_those_of_the_metric_and_of_what_is_written_down():
    given = spelt_given()
    sweep = read(Coder(), given=given)
    codes = [Coder().embed(torch.from_numpy(given.faces[split].images()), "style") for split in ("train", "test")]
    kinds = [given.faces[split].expression for split in ("train", "test")]
    mlp = replace(EXPRESSION_MLP, epochs=LONG["epochs"], learning_rate=LONG["learning_rate"])
    wanted = expression_auc(codes[0], kinds[0], codes[1], kinds[1], mlp)
    assert value(sweep, "style").value == pytest.approx(wanted.mean, abs=1e-12)
    assert [value(sweep, "style", key=f"auc_{name}").value for name in EXPRESSIONS] == pytest.approx(wanted.auc)
    shown = sweep.per_image("coder", "probability_of_the_truth")
    assert shown.shape == (256, 3)
    assert shown[:, 0].min() > 0.9
    assert {curve.name for curve in sweep.summary.curves} == {"coder", "noise"}
    assert read(Coder(), given=spelt_given()).summary.curves == sweep.summary.curves


def test_a_small_picture_holds_what_is_spelt_out():
    sweep = read(Coder(), epochs=30, thumbnail=4, parts=["style", "pose"])
    assert value(sweep, "style", "picture of 4 pixels").value > 0.8
    assert value(sweep, "style", "picture of 4 pixels") == value(sweep, "pose", "picture of 4 pixels")
    assert "picture of 16 pixels" in {curve.name for curve in read(Coder(), epochs=1, thumbnail=99).summary.curves}


def test_the_judge_stands_beside_what_methods_say():
    sweep = read(Reader(), given=spelt_given(panel=Panel({"identity": SpeltJudge()})))
    assert sweep.summary.axis.ticks == (READING,)
    assert value(sweep, READING, "judge").value == 1.0
    assert sweep.summary.lead.endswith("the judge itself reaches 1.000.")
    assert read(Reader(), Coder(), reading=True, parts=["pose"]).summary.axis.ticks == ("pose", READING)
    with pytest.raises(InputError, match="reader, which has none"):
        read(Reader(), reading=False)


def test_a_call_that_cannot_answer_is_no_reading():
    sweep = read(Silent("silent"), parts=["style"])
    assert sweep.summary.axis.ticks == ("style",)


def test_a_code_that_never_changes_is_said_so():
    sweep = read(Coder(parts=("expression", "constant")))
    assert "same for all" in why(sweep, "constant")
    assert np.isnan(sweep.per_image("coder", "probability_of_the_truth")[:, 1]).all()
    assert "nothing could be read" in read(Coder(parts=("constant",))).summary.lead


def test_fewer_training_images_are_chosen_by_hash():
    sweep = read(Coder(), given=spelt_given(count=100))
    assert (sweep.summary.settings["train_images"], sweep.summary.settings["test_images"]) == (100, 256)
    assert "quick look" in sweep.summary.notices[0]
    with pytest.raises(InputError, match="at least 2"):
        read(Coder(), given=spelt_given(count=1))
    with pytest.raises(InputError, match="training images of each"):
        read(Coder(), given=spelt_given(count=5))


def test_expressions_nobody_is_tested_on_are_left_out():
    kinds = spelt_faces("test", first=100).expression.copy()
    kinds[kinds == 7], kinds[kinds == 6] = 8, -1
    sweep = read(Coder(), Reader(), given=given_with(test={"expression": kinds}))
    assert sweep.summary.settings["test_images"] == 192
    assert sweep.summary.settings["layers"] == "200-200-6"
    assert value(sweep, READING, "reader").value == 1.0
    assert why(sweep, "expression", key="auc_contempt") == "no test image shows it"
    assert any("64 training images" in said for said in sweep.summary.notices)
    assert any("over 6 expressions" in said for said in sweep.summary.notices)


def test_data_that_cannot_answer_are_refused():
    with pytest.raises(InputError, match="expressions of toy"):
        read(Coder(), given=given_with(train={"expression": None}))
    with pytest.raises(InputError, match="none of 256"):
        read(Coder(), given=given_with(test={"expression": np.full(256, 9)}))
    with pytest.raises(InputError, match="two expressions at least"):
        read(Coder(), given=given_with(test={"expression": np.full(256, 3)}))
    with pytest.raises(InputError, match="nothing was fitted on"):
        read(Coder(), given=given_with(test={"names": spelt_faces("train").names}))
    with pytest.raises(InputError, match="train split"):
        read(Coder(), given=spelt_given(faces={"test": spelt_faces("test")}))


def test_people_of_both_splits_are_told_of():
    shared = given_with(test={"identities": spelt_faces("train").identities})
    assert any("16 people are in both" in said for said in read(Coder(), given=shared).summary.notices)
    assert not read(Coder()).summary.notices
    unknown = read(Coder(), given=given_with(train={"identities": None}, test={"identities": None}))
    assert value(unknown, "style").low < value(unknown, "style").value < value(unknown, "style").high


class Broken(Coder):
    def embed(self, images, part):
        codes = super().embed(images, part)
        if part == "pose":
            return codes * float("nan")
        return codes[:, : 3 + (len(images) == 6)]


def test_methods_that_return_something_else_are_refused():
    with pytest.raises(InputError, match="finite codes"):
        read(Broken(), parts=["pose"])
    with pytest.raises(InputError, match="as before"):
        read(Broken(), parts=["style"])
    with pytest.raises(UnknownNameError, match="expresion"):
        read(Coder(), parts=["expresion"])
    seven = Reader()
    seven.read_expression = lambda images: torch.zeros(len(images), 7)
    with pytest.raises(InputError, match="8 numbers"):
        read(seven)
    seven.read_expression = lambda images: torch.zeros(len(images), 8, dtype=torch.int64)
    with pytest.raises(InputError, match="float tensor"):
        read(seven)


def test_the_surest_and_the_least_sure_faces_are_shown():
    sweep = read(Coder())
    assert [row.name for row in sweep.summary.grid.rows] == list(EXPRESSIONS)
    assert len(sweep.summary.grid.columns) == 6
    assert all("taken for" in row.shown for row in sweep.summary.grid.rows)
    assert {line.partition(", ")[0] for line in sweep.summary.plots[0].lines} == {"coder"}


def test_four_layers_are_the_other_reading():
    sweep = read(Coder(), layers="four")
    assert sweep.summary.settings["layers"] == "200-200-200-8"
    assert value(sweep, "expression").value > 0.95


def test_the_printed_table_is_the_papers():
    rows = read(Coder(), epochs=1).summary.printed.rows
    assert rows["VGG-Face"][-2:] == ("0.85", "0.815")
    assert rows["AFFNet-TL"][:2] == ("0.86", "0.96")
    assert all(abs(np.mean(row[:8]) - row[8]) <= 0.01 for name, row in BW_TABLE_3.items() if name != "VGG-Face")


def test_the_judge_of_procfaces_knows_expressions_from_its_own_output():
    whole = {split: load_faces("procfaces:affectnet", split, size=64) for split in ("train", "test")}
    faces = {split: view(one, one.name, np.arange(0, len(one), len(one) // 240)) for split, one in whole.items()}
    judge = JudgeMethod(load_judge("procfaces"))
    sweep = read(judge, given=spelt_given(faces=faces), parts=["expression"])
    assert value(sweep, READING, "judge:procfaces").value > 0.95
    assert value(sweep, "expression", "judge:procfaces").value > 0.95
