# SPDX-License-Identifier: MIT
"""What all experiments about identity and embeddings share: options, refusals, records, page, command line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import SIZE, Eye, people_faces, people_given
from toy_runs import TOY

from faceeval.cli import main
from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.protocols import PROTOCOLS, load_protocol
from faceeval.protocols.asked import check_methods, embeddings, parts_of, pictures
from faceeval.protocols.experiments import EXPERIMENTS, experiment_of, read_options
from faceeval.protocols.sheets import Sheet
from faceeval.report import write_report
from faceeval.report.lines import WIDTH, plot
from faceeval.results.sweeps import Plot, read_sweep, write_sweep

ROW = EXPERIMENTS["verification"]


@pytest.fixture(scope="module")
def swept():
    return run_experiment("verification", [Eye(), Eye("dim", noise=0.5)], people_given(), benchmark=TOY, command="here")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_a_protocol_with_options_whose_defaults_are_valid(name):
    assert PROTOCOLS[name] == f"{EXPERIMENTS[name].module}:run"
    assert load_protocol(name) is experiment_of(name).run
    options = read_options(name, {})
    assert type(options) is experiment_of(name).Options
    assert hash(options) == hash(read_options(name, {}))


def test_options_are_read_by_kind():
    assert read_options("verification", {"parts": ["identity"], "development": "false"}).parts == ("identity",)
    with pytest.raises(UnknownNameError, match="development"):
        read_options("verification", {"developement": True})
    with pytest.raises(InputError, match="measure"):
        read_options("verification", {"measure": 3})
    with pytest.raises(UnknownNameError, match="verification"):
        read_options("verifcation", {})


def test_what_is_not_given_is_asked_for_by_name():
    given = people_given(pairs={})
    with pytest.raises(InputError, match="train split"):
        given.part("train")
    with pytest.raises(InputError, match=r"pairs\.txt"):
        given.pair_list("pairs.txt")


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ([], "at least one method"),
        ([object()], "a card"),
        ([type("Blind", (), {"card": MethodCard(name="blind")})()], "lacks embed"),
        ([Eye(size=SIZE + 1)], f"{SIZE + 1} px"),
        ([Eye(), Eye()], "eye twice"),
    ],
)
def test_methods_that_cannot_be_used_are_refused(methods, said):
    with pytest.raises(InputError, match=said):
        check_methods(methods, ROW, SIZE)


def test_one_of_two_calls_is_enough_where_the_row_says_so():
    check_methods([Eye()], replace(ROW, needs=("swap|embed",)), SIZE)


def test_parts_are_those_of_the_card_in_the_order_asked_for():
    assert parts_of(Eye()) == ("identity", "style")
    assert parts_of(Eye(), ["style"]) == ("style",)
    with pytest.raises(UnknownNameError, match="did you mean 'identity'"):
        parts_of(Eye(), ["identiy"])
    with pytest.raises(InputError, match="parts"):
        parts_of(Eye(parts=()))


def test_codes_come_back_in_the_order_asked_for_whatever_the_batch():
    faces, rows = people_faces(), np.array([7, 3, 119, 0, 3])
    whole = embeddings(Eye(), faces, rows, "identity", people_given(batch_size=2))
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(whole, embeddings(Eye(), faces, rows, "identity", people_given(batch_size=50)))
    np.testing.assert_array_equal(whole[1], whole[4])


class Odd(Eye):
    def __init__(self, codes):
        super().__init__("odd")
        self.codes = codes

    def embed(self, images, part):
        return self.codes(images)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (lambda images: None, "NoneType"),
        (lambda images: torch.zeros(len(images), 2, dtype=torch.int64), "int64"),
        (lambda images: torch.zeros(len(images) + 1, 2), "shape"),
        (lambda images: torch.zeros(len(images)), "shape"),
        (lambda images: torch.full((len(images), 2), torch.nan), "finite codes"),
        (lambda images: torch.zeros(len(images), len(images)), "as before"),
    ],
)
def test_codes_that_are_none_are_refused(codes, said):
    with pytest.raises(InputError, match=said):
        embeddings(Odd(codes), people_faces(), np.arange(7), "identity", people_given(batch_size=5))


def test_an_embedder_cannot_change_the_images_it_is_compared_on():
    def paint(images):
        images.zero_()
        return images[:, :, 0, 0].float() + 1

    faces = people_faces()
    before = faces.images()
    embeddings(Odd(paint), faces, np.arange(6), "identity", people_given())
    np.testing.assert_array_equal(faces.images(), before)


def test_pictures_are_made_batch_by_batch_and_checked():
    first, second = people_faces().images()[:9], people_faces().images()[9:18]
    share = torch.linspace(0, 1, 9)

    def mixed(a, b, part, share):
        assert part == "identity"
        return torch.lerp(a.float(), b.float(), share[:, None, None, None]).round().to(torch.uint8)

    made = pictures(mixed, "eye.swap", people_given(batch_size=4), first, second, beside=("identity", share))
    np.testing.assert_array_equal(made[0], first[0])
    np.testing.assert_array_equal(made[-1], second[-1])
    with pytest.raises(InputError, match=r"eye\.swap"):
        pictures(lambda a: a.float(), "eye.swap", people_given(), first)


def test_strips_of_one_name_stand_together():
    sheet = Sheet(("a", "b"), 2)
    face = np.full((3, 2, 2), 7, np.uint8)
    for name, curve in (("one", "x"), ("two", "x"), ("one", "y")):
        sheet.add(name, curve, [None, face], "said")
    grid, tiles = sheet.drawn()
    assert [(row.name, row.curve) for row in grid.rows] == [("one", "x"), ("one", "y"), ("two", "x")]
    assert tiles.shape == (3, 2, 3, 2, 2)
    assert (tiles[:, 0] == 128).all()
    assert (tiles[:, 1] == 7).all()
    assert Sheet(("a",), 2).drawn()[1].shape == (0, 1, 3, 2, 2)


def test_an_experiment_leaves_files_that_are_read_again(swept, tmp_path):
    path = write_sweep(swept, tmp_path)
    assert path == tmp_path / f"toy-{SIZE}" / "verification" / "eye+dim.json"
    again = read_sweep(path)
    assert again.summary.model_copy(update={"files": {}}) == swept.summary
    assert again.images == swept.images
    np.testing.assert_array_equal(again.tiles, swept.tiles)
    assert again.summary.data.images == 120
    assert again.summary.run.command == "here"
    assert again.summary.methods["dim"][0]["parts"] == ["identity", "style"]


def test_two_runs_leave_the_same_bytes_but_for_the_run(swept):
    again = run_experiment("verification", [Eye(), Eye("dim", noise=0.5)], people_given(batch_size=17), benchmark=TOY)
    assert again.summary.model_copy(update={"run": swept.summary.run}) == swept.summary
    assert again.images == swept.images


def test_a_missing_judge_is_asked_for_before_any_work(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "verification", replace(ROW, judges=("identity",)))
    with pytest.raises(InputError, match="a judge of identity"):
        run_experiment("verification", [Eye()], people_given(), benchmark=TOY)


def test_the_page_shows_lead_curves_plots_faces_and_the_print(swept, tmp_path):
    page = write_report([swept], tmp_path / "page.html").read_text(encoding="utf-8")
    for said in ("Verification: same person or not", swept.summary.lead, "ROC curves", "the straight line is chance",
                 "As printed by the paper", "85.4 %", "hardest, two people, 1"):  # fmt: skip
        assert said in page
    assert page.count("data:image/png;base64") == len(swept.summary.grid.rows)


def test_a_plot_spans_its_points_and_tells_lines_of_one_method_apart():
    lines = {"eye, identity": ((0.0, 0.0), (1.0, 1.0)), "eye, style": ((0.0, 0.5), (1.0, 0.5)), "dim": ((0.0, 0.2),)}
    drawn = plot(Plot(title="t", x="x", y="y", lines=lines, diagonal=True), {"eye": "c0", "dim": "c1"})
    assert [line[1] for line in drawn.lines] == ["c0", "c0", "c1"]
    assert drawn.lines[0][2] != drawn.lines[1][2]
    assert drawn.lines[0][3] == drawn.diagonal
    assert all(drawn.left <= x <= WIDTH for _, x in drawn.places)


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs ``faceeval score`` and returns exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["faceeval", "score", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-p", "verifcation", "-m", "x"), "verification"),
        (("-p", "verification", "-m", "cyclegan"), "lacks embed"),
        (("-p", "verification", "-m", "judge:procfaces", "--attr", "young"), "leave out --attr"),
        (("-p", "verification", "-m", "judge:procface"), "judge"),
        (("-p", "verification", "-m", "judge:procfaces", "--set", "mesure=cosine"), "did you mean 'measure'"),
        (("-p", "verification", "-m", "judge:procfaces", "--edited", "here"), "--edited"),
        (("-p", "editing", "-m", "identity", "--attr", "young", "--set", "a=1"), "no --set"),
        (("-p", "verification", "-m", "judge:procfaces", "--data", "celeba", "--root", "."), "celeba"),
    ],
)
def test_bad_requests_end_with_three_lines(command, tmp_path, arguments, said):
    code, out, err = command(*arguments, "-o", str(tmp_path), "-q")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 3


def test_a_judge_is_scored_as_a_method(command, tmp_path):
    options = ["--set", 'parts=["identity", "pose"]', "--set", "development=false", "-o", str(tmp_path), "-q", "--json"]
    code, out, _ = command("-p", "verification", "-m", "judge:procfaces", "-n", "6", *options)
    assert code == 0
    summary = json.loads(out)
    points = summary["curves"][0]["points"]
    assert summary["axis"]["ticks"] == ["identity", "pose"]
    assert points[0]["values"]["verification_accuracy"]["value"] > 0.8
    assert points[1]["values"]["verification_accuracy"]["value"] < 0.7
    assert points[0]["absent"]["development_accuracy"] == "not asked"
    assert "quick look" in summary["notices"][0]
    path = tmp_path / "procfaces.lfw-64" / "verification" / "judge.procfaces.json"
    assert read_sweep(path).summary.data.images == summary["data"]["images"]
