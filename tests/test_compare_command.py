# SPDX-License-Identifier: MIT
"""``faceeval compare`` as a user types it."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from toy_faces import Painter, toy_faces
from toy_runs import TOY, run, toy_panel

import reference_models
from faceeval.benchmark import Benchmark
from faceeval.cli import compare as command
from faceeval.cli import main
from faceeval.cli.compare import HEADLINES, parse_direction, parse_metrics
from faceeval.errors import UnknownNameError
from faceeval.method import MethodCard
from faceeval.protocols.columns import EDITING_COLUMNS
from faceeval.report.boards import LEGEND
from faceeval.results import write


class Lazy(Painter):
    card = MethodCard(name="lazy")

    def edit(self, images, attribute, value):
        out = super().edit(images, attribute, value)
        out[::2] = images[::2]
        return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of two methods, and of one for another attribute."""
    place = tmp_path_factory.mktemp("results")
    for result in (run(Painter()), run(Lazy()), run(Lazy(), "Mouth_Slightly_Open")):
        write(result, place)
    return place


@pytest.fixture
def faceeval(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["faceeval", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return call


def refused(done, *words):
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 3
    for word in words:
        assert word in done.err


def test_methods_are_printed_with_letters_and_intervals(faceeval, folder):
    done = faceeval("compare", folder, "--attr", "eyeglasses")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "Eyeglasses, toy test, 32 px: 30 faces without it, 30 with it"
    rows = [line for line in lines if line[:2] in ("a ", "b ", "c ", "  ") and line[2:].split(" ")[0].isalpha()]
    assert [row.split()[0:2] for row in rows[:3]] == [["a", "painter"], ["b", "lazy"], ["c", "identity"]]
    assert rows[0].split()[2:5] == ["1.000", "b", "c"]
    assert any(line.split()[:1] == ["truth"] for line in lines)
    assert "–" in done.out
    assert LEGEND in done.out
    assert "far too few" in " ".join(done.err.split())
    quiet = faceeval("compare", folder, "--attr", "eyeglasses", "-q")
    assert (quiet.out, quiet.err) == (done.out, "")


def test_everything_is_there_as_json(faceeval, folder):
    done = faceeval("compare", folder, "--attr", "eyeglasses", "--json")
    record = json.loads(done.out)
    assert record["attribute"] == "Eyeglasses"
    assert [entry["label"] for entry in record["entries"]] == ["painter", "lazy", "identity", "truth"]
    assert record["entries"][0]["file"].endswith("painter.json")
    assert record["pairs"]["flip_accuracy"]["n_pairs"] == 3
    again = faceeval("compare", folder, folder / "toy-32" / "Eyeglasses" / "lazy.json", "-a", "Eyeglasses", "--json")
    assert len(json.loads(again.out)["entries"]) == 4  # the same file named twice is one result


def test_markdown_is_a_table_and_what_its_letters_mean(faceeval, folder):
    done = faceeval("compare", folder, "-a", "eyeglasses", "--markdown", "--metric", "flip_accuracy,psnr")
    table = [line for line in done.out.splitlines() if line.startswith("|")]
    assert table[0] == "|  | method | flipped ↑ | PSNR ↑ |"
    assert table[2].startswith("| a | painter | **1.000** (1.000–1.000) *b c* |")
    assert table[4].startswith("| c | *identity* |")
    assert table[5].startswith("|  | *truth* |")
    assert LEGEND in done.out


def test_columns_methods_and_directions_can_be_chosen(faceeval, folder):
    everything = faceeval("compare", folder, "-a", "eyeglasses", "--metric", "all").out
    assert "PSNR" in everything
    assert "PSNR" not in faceeval("compare", folder, "-a", "eyeglasses").out
    alone = json.loads(faceeval("compare", folder, "-a", "eyeglasses", "-m", "lazy", "--json").out)
    assert [entry["label"] for entry in alone["entries"]] == ["lazy", "identity", "truth"]
    removed = faceeval("compare", folder, "-a", "eyeglasses", "--direction", "remove")
    assert removed.out.startswith("Eyeglasses, removing only, toy test, 32 px: 30 faces with it")
    assert "added" not in removed.out


def test_wide_boards_are_folded_into_several_tables(faceeval, folder, monkeypatch):
    monkeypatch.setattr(command.stdout, "width", 60)
    done = faceeval("compare", folder, "-a", "eyeglasses")
    lines = done.out.splitlines()
    assert sum(line.startswith("a painter") for line in lines) > 2
    assert max(map(len, lines[1:-1])) <= 60
    assert lines[0].startswith("Eyeglasses, toy test")


def test_the_attribute_may_be_left_out_where_there_is_one(faceeval, folder):
    done = faceeval("compare", folder / "toy-32" / "Mouth_Slightly_Open")
    assert done.out.startswith("Mouth Slightly Open, toy test")
    refused(faceeval("compare", folder), "results of Eyeglasses, Mouth_Slightly_Open", "--attr")
    refused(faceeval("compare", folder, "-a", "young"), "results of Young", "Eyeglasses, Mouth_Slightly_Open")
    refused(faceeval("compare"), "--attr")


def test_what_may_not_be_compared_is_refused(faceeval, folder, tmp_path):
    other = write(run(Lazy(), n_per_class=20), tmp_path)
    done = faceeval("compare", folder, other, "-a", "eyeglasses")
    refused(done, "images: 30 with the attribute", "20 with the attribute", "lazy.json", str(other))
    (tmp_path / "cut.json").write_text('{"attribute": "Eyeglasses", ')
    refused(faceeval("compare", tmp_path / "cut.json", "-a", "eyeglasses"), "no readable JSON")
    (tmp_path / "other.json").write_text('{"a": 1}')
    refused(faceeval("compare", tmp_path / "other.json"), "another kind")
    refused(faceeval("compare", tmp_path / "none.json", "-a", "eyeglasses"), "none.json")
    (tmp_path / "empty").mkdir()
    refused(faceeval("compare", tmp_path / "empty", "-a", "eyeglasses"), "faceeval score")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--json", "--markdown"], "one of --json and --markdown"),
        (["--metric", "psmr"], "did you mean 'psnr'"),
        (["--direction", "both"], "Known: add, remove"),
        (["-m", "lasy"], "did you mean 'lazy'"),
        (["-n", "5"], "results, or -n to score afresh"),
        (["--metric", "flip_accuracy_add", "--direction", "remove"], "got flip_accuracy_add"),
    ],
)
def test_senseless_requests_are_refused(faceeval, folder, arguments, word):
    refused(faceeval("compare", folder, "-a", "eyeglasses", *arguments), word)


def test_names_are_read_in_any_form():
    assert parse_metrics(None) == parse_metrics("") == HEADLINES
    assert set(HEADLINES) <= EDITING_COLUMNS.keys()
    assert parse_metrics(" Flip-Accuracy, psnr,psnr") == ("flip_accuracy", "psnr")
    assert parse_metrics("all") == ()
    assert parse_direction("Remove ") == "remove"
    with pytest.raises(UnknownNameError, match="dfn_mean"):
        parse_metrics("dfn_men")


@pytest.fixture
def toy_world(monkeypatch):
    """Toy faces and judges in the place of the benchmark's, and two methods with weights for Eyeglasses."""
    known = {"painter": Painter, "lazy": Lazy, "unshipped": Painter}
    monkeypatch.setattr(Benchmark, "load", staticmethod(lambda name: TOY))
    monkeypatch.setattr("faceeval.score.load_panel", lambda benchmark, weights_dir=None: toy_panel())
    monkeypatch.setattr(command, "benchmark_faces", lambda *_: (toy_faces(), None))
    monkeypatch.setattr(reference_models, "METHODS", known)
    monkeypatch.setattr(
        reference_models,
        "shipped_weights",
        lambda name, **_: {} if name == "unshipped" else {"Eyeglasses": None, "Mouth_Slightly_Open": None},
    )
    monkeypatch.setattr(reference_models, "load_method", lambda name, **_: known[name]())


def test_without_results_all_methods_with_weights_are_scored_first(faceeval, toy_world, tmp_path):
    out = tmp_path / "scored"
    done = faceeval("compare", "--attr", "eyeglasses", "-n", "20", "--out", out, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert [entry["label"] for entry in record["entries"]] == ["painter", "lazy", "identity", "truth"]
    assert record["images"] == {"add": 20, "remove": 20}
    written = sorted(path.name for path in out.rglob("*.json"))
    assert written == ["lazy.json", "painter.json"]
    assert record["entries"][0]["file"] == str(next(out.rglob("painter.json")))
    assert "result:" in done.err
    again = faceeval("compare", out, "--json", "-q")
    assert {**json.loads(again.out), "notices": []} == {**record, "notices": []}
    only = faceeval("compare", "--attr", "eyeglasses", "-n", "20", "--out", out, "-m", "lazy", "--json", "-q")
    assert [entry["label"] for entry in json.loads(only.out)["entries"]] == ["lazy", "identity", "truth"]


def test_methods_of_ones_own_are_scored_beside_them(faceeval, toy_world, tmp_path, monkeypatch):
    source = "class Plain:\n    def edit(self, images, attribute, value):\n        return images\n"
    (tmp_path / "toy_own_editor.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    done = faceeval("compare", "-a", "eyeglasses", "-n", "20", "-m", "lazy,toy_own_editor:Plain", "--json", "-q")
    sys.modules.pop("toy_own_editor", None)
    labels = [entry["label"] for entry in json.loads(done.out)["entries"]]
    assert labels[:2] == ["lazy", "toy_own_editor:Plain"]


def test_an_attribute_without_weights_is_refused_before_any_work(faceeval, toy_world, tmp_path, monkeypatch):
    refused(faceeval("compare", "-a", "young", "--out", tmp_path), "methods with weights for Young", "--method")

    def broken(name, **_):
        raise AssertionError("scored before all methods were loaded")

    monkeypatch.setattr("faceeval.score.score", broken)
    done = faceeval("compare", "-a", "eyeglasses", "-m", "lazy,nowhere:Editor", "--out", tmp_path)
    refused(done, "nowhere")


def test_ctrl_c_keeps_what_was_scored(faceeval, toy_world, tmp_path, monkeypatch):
    from faceeval.score import score

    def second_stops(editor, *arguments, **options):
        if editor.card.name == "lazy":
            raise KeyboardInterrupt
        return score(editor, *arguments, **options)

    monkeypatch.setattr("faceeval.score.score", second_stops)
    done = faceeval("compare", "-a", "eyeglasses", "-n", "20", "--out", tmp_path)
    assert done.code == 130
    assert "written so far stand" in done.err
    assert [path.name for path in tmp_path.rglob("*.json")] == ["painter.json"]
