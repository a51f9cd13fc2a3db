# SPDX-License-Identifier: MIT
"""Sweeps on disk, on the page and on the command line."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from toy_chains import Sleeper, marred, painter
from toy_faces import SIZE, Nothing, Painter, toy_faces
from toy_runs import TOY, run, toy_panel

from faceeval.cli import main
from faceeval.cli.sweeps import parse_strengths, show_sweep
from faceeval.errors import InputError, MissingFileError, UnknownNameError
from faceeval.protocols import PROTOCOLS
from faceeval.protocols.links import Links
from faceeval.protocols.panel import Panel
from faceeval.protocols.printed import MAAE_TABLE_2
from faceeval.report import write_report
from faceeval.report.lines import HEIGHT, WIDTH, chart, folded
from faceeval.report.page import render
from faceeval.report.sweeps import lead
from faceeval.results import Result, read, write
from faceeval.results.sweeps import is_sweep, read_any, read_sweep, sweep_path, write_sweep
from faceeval.sweep import score_chain, score_strength, score_timing

CHAIN = ("Eyeglasses", "Mouth_Slightly_Open")


@pytest.fixture(scope="module")
def chained():
    short = Links("short<b>", {"Eyeglasses": Painter()}, {"Mouth_Slightly_Open": "no weights for it"})
    options = {"benchmark": TOY, "judges": Panel(toy_panel()), "n_per_class": 15, "command": "faceeval score -p chain"}
    return score_chain([painter(), marred(), short], toy_faces(), CHAIN, seconds={"import": 2.0}, **options)


@pytest.fixture(scope="module")
def dialled():
    from toy_chains import Dial

    options = {"benchmark": TOY, "judges": Panel(toy_panel()), "n_per_class": 10, "strengths": (-2.0, 0.0, 2.0)}
    return score_strength(Dial(), toy_faces(), "Eyeglasses", **options)


@pytest.fixture(scope="module")
def clocked():
    return score_timing([Sleeper(0), Nothing()], toy_faces(), "Eyeglasses", benchmark=TOY, timed=4)


@pytest.fixture(scope="module")
def all_three(chained, dialled, clocked):
    return [chained, dialled, clocked]


def test_what_is_written_is_read_again(all_three, tmp_path):
    for sweep in all_three:
        path = write_sweep(sweep, tmp_path)
        again = read_sweep(path)
        assert again.summary.curves == sweep.summary.curves
        assert again.summary.matrices == sweep.summary.matrices
        assert again.summary.methods == sweep.summary.methods
        assert again.images == sweep.images
        np.testing.assert_array_equal(again.tiles, sweep.tiles)
        assert again.path == path
        with pytest.raises(KeyError):
            again.curve("fai")


def test_each_protocol_has_a_folder_and_each_set_of_methods_a_file(chained, dialled, clocked, tmp_path):
    place = tmp_path / f"toy-{SIZE}"
    assert sweep_path(tmp_path, dialled.summary) == place / "Eyeglasses" / "strength" / "dial.json"
    assert sweep_path(tmp_path, clocked.summary) == place / "Eyeglasses" / "timing" / "sleeper.json"
    found = sweep_path(tmp_path, chained.summary)
    assert found == place / "Eyeglasses+Mouth_Slightly_Open" / "chain" / "painter+marred+short.b.json"
    many = tuple(chained.summary.curves[0].model_copy(update={"name": f"m{number}"}) for number in range(12))
    name = sweep_path(tmp_path, chained.summary.model_copy(update={"curves": many})).name
    assert re.fullmatch(r"12-methods-[0-9a-f]{8}\.json", name)


def test_a_sweep_says_everything_that_made_it(chained):
    summary = chained.summary
    assert (summary.benchmark.name, summary.data.digest) == ("toy", toy_faces().digest)
    assert len(summary.data.names_sha256) == 64
    assert [len(cards) for cards in summary.methods.values()] == [2, 1, 1]
    assert {judge.weights_sha256 for judge in summary.judges.values()} == {"0" * 64}
    assert summary.run.command == "faceeval score -p chain"
    assert {"import", "data", "edit", "judge", "statistics", "total"} <= set(summary.run.seconds)
    assert summary.run.seconds["total"] >= 2
    assert all(measure.version >= 1 and measure.meaning for measure in summary.measures.values())


def test_the_same_input_gives_the_same_bytes_but_for_the_times(dialled, tmp_path):
    from toy_chains import Dial

    options = {"benchmark": TOY, "judges": Panel(toy_panel()), "n_per_class": 10, "strengths": (2.0, 0.0, -2.0)}
    other = score_strength(Dial(), toy_faces(), "Eyeglasses", **options)
    paths = [write_sweep(sweep, tmp_path / name) for name, sweep in (("a", dialled), ("b", other))]
    first, second = (json.loads(path.read_text()) for path in paths)
    first.pop("run"), second.pop("run")
    assert first == second
    for suffix in (".jsonl", ".grid.png"):
        one, two = (path.with_suffix("").with_name(path.stem + suffix).read_bytes() for path in paths)
        assert one == two


def test_a_file_of_either_kind_is_told_from_the_other(dialled, tmp_path):
    sweep, result = write_sweep(dialled, tmp_path), write(run(Painter(), n_per_class=5), tmp_path)
    assert (is_sweep(sweep), is_sweep(result), is_sweep(tmp_path / "none.json")) == (True, False, False)
    assert isinstance(read_any(result), Result)
    assert read_any(sweep).summary.protocol == "strength"
    with pytest.raises(InputError, match="JSON of another kind"):
        read(sweep)
    with pytest.raises(InputError, match="JSON of another kind"):
        read_sweep(result)
    with pytest.raises(MissingFileError):
        read_any(tmp_path / "none.json")


@pytest.mark.parametrize("suffix", [".jsonl", ".grid.png"])
def test_what_was_cut_short_is_refused(dialled, tmp_path, suffix):
    path = write_sweep(dialled, tmp_path)
    beside = path.with_name(path.stem + suffix)
    beside.write_bytes(beside.read_bytes()[:-3])
    with pytest.raises(InputError, match="cut short"):
        read_sweep(path)
    beside.unlink()
    with pytest.raises(InputError, match="incomplete"):
        read_sweep(path)


def test_no_infinities_in_the_lines(all_three, tmp_path):
    for sweep in all_three:
        path = write_sweep(sweep, tmp_path)
        for line in path.with_suffix(".jsonl").read_text().splitlines():
            json.loads(line, parse_constant=lambda constant: pytest.fail(constant))


def test_the_page_shows_sweeps_beside_results_and_alone(all_three, tmp_path):
    result = run(Painter(), n_per_class=10)
    paths = [write_sweep(sweep, tmp_path) for sweep in all_three] + [write(result, tmp_path)]
    page = write_report(paths, tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == render([result], all_three)
    for word in ("Edits in a row", "Strength of an edit", "Time for an edit", "As printed by the paper"):
        assert word in page
    for number in ("0.483", "0.521", "30,000.0 ms"):  # of M-AAE's table and DIAT's text
        assert number in page
    alone = render([], all_three[:1])
    assert "<title>Face editing</title>" in alone
    assert 'id="printed"' not in alone
    assert "short&lt;b&gt;" in alone
    assert "short<b>" not in alone


def test_the_page_is_well_formed_and_needs_nothing_beside_it(all_three):
    from test_report import Page

    text = render([], all_three)
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/png", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert not re.search(r"url\(|@import|https?://", text)


def test_every_number_and_every_reason_is_on_the_page(chained):
    text = render([], [chained])
    for matrix in chained.summary.matrices:
        assert all(f"{score:.3f}" in text for scores in matrix.scores for score in scores)
    assert 'title="no weights for it"' in text
    assert text.count('<figure class="face">') == 6
    assert text.count("data:image/png") == 18


def test_of_many_methods_most_numbers_and_faces_are_folded_away(chained):
    curves = tuple(chained.summary.curves[0].model_copy(update={"name": f"m{number}"}) for number in range(12))
    shown = enumerate(chained.summary.grid.rows)
    rows = tuple(row.model_copy(update={"curve": f"m{number % 12}"}) for number, row in shown)
    grid = chained.summary.grid.model_copy(update={"rows": rows})
    many = replace(chained, summary=chained.summary.model_copy(update={"curves": curves, "grid": grid}))
    text = render([], [many])
    assert "The other numbers" in text
    assert "The other numbers" not in render([], [chained])
    assert text.count('<figure class="face">') == 2
    assert all(f">m{number}<" in text for number in range(12))


def test_the_first_sentence_says_what_was_found(chained, dialled, clocked):
    assert "after 2 edits in a row painter" in lead(chained)
    assert "From strength -2 to 2" in lead(dialled)
    assert lead(clocked).startswith("sleeper edits one face in")
    twice = (clocked.curve("sleeper"), clocked.curve("sleeper").model_copy(update={"name": "snail"}))
    both = replace(clocked, summary=clocked.summary.model_copy(update={"curves": twice}))
    assert re.match(r"The quickest, sleeper, edits one face in [\d.]+ ms; the slowest, snail, in", lead(both))
    blind = replace(dialled, summary=dialled.summary.model_copy(update={"curves": dialled.summary.curves[1:]}))
    assert lead(blind).startswith("Only the editor that returns its input")


def test_charts_stay_in_the_picture(all_three):
    for sweep in all_three:
        summary = sweep.summary
        for key, measure in summary.measures.items():
            for counts in (True, False):
                drawn = chart([(curve, "c0") for curve in summary.curves], key, measure, summary.axis, counts)
                assert drawn is not None
                for line in drawn.lines:
                    for mark in line.marks:
                        assert 0 <= mark.x <= WIDTH
                        assert 0 <= mark.y <= HEIGHT
                        assert mark.low is None or mark.high <= mark.y <= mark.low
                assert all(0 <= x <= WIDTH for _, x in drawn.places)
    nothing = summary.curves[0].model_copy(update={"points": ()})
    assert chart([(nothing, "c0")], key, measure, summary.axis, True) is None


@pytest.mark.parametrize(
    ("tick", "lines"),
    [
        ("", ("",)),
        ("unseen", ("unseen",)),
        ("turned, lit from the side", ("turned, lit", "from the side")),
        ("procfaces:affectnet", ("procfaces:", "affectnet")),
        ("lfw:view2", ("lfw:view2",)),
        ("set: a b", ("set: a b",)),
        ("one of the names that go on for ever", ("one of the", "names that go", "on for ever")),
    ],
)
def test_names_of_places_are_broken_where_one_reads_them(tick, lines):
    assert folded(tick) == lines


def test_abbreviations_keep_their_capitals_on_the_page(chained):
    measures = {
        name: measure.model_copy(update={"label": f"rmse of {measure.label} or RMSE"})
        for name, measure in chained.summary.measures.items()
    }
    page = render([], [replace(chained, summary=chained.summary.model_copy(update={"measures": measures}))])
    labels = [measure.label for measure in measures.values() if measure.drawn]
    assert labels
    assert all(f"<h3>R{label[1:]} <span" in page for label in labels)


def test_tables_are_printed_with_what_is_missing(all_three, capsys):
    for sweep in all_three:
        show_sweep(sweep)
    out = capsys.readouterr().out
    for word in (
        "chain, Eyeglasses, Mouth_Slightly_Open",
        "fidelity ↑",
        "by marred's",
        "Over the whole curve",
        "a call ↓",
    ):
        assert word in out
    assert "–" in out


def test_maaes_table_need_not_fall():
    assert MAAE_TABLE_2["unit"][2] > MAAE_TABLE_2["unit"][1]
    assert all(len(row) == 4 and all(0 < value < 1 for value in row) for row in MAAE_TABLE_2.values())


def test_strengths_are_read_from_the_command_line():
    assert parse_strengths(None) is None
    assert parse_strengths("-1,0.5") == (-1.0, 0.5)
    with pytest.raises(InputError, match="--strengths"):
        parse_strengths("low,high")


EDITORS = """
import torch
from faceeval.method import MethodCard

class Faded:
    card = MethodCard(name="faded", strengths=(-1.0, 1.0))
    def edit(self, images, attribute, value):
        return images // 2
    def edit_strength(self, images, attribute, strength):
        return (images.float() * (1 - 0.4 * strength[:, None, None, None])).clamp(0, 255).to(torch.uint8)
    def realness(self, images, attribute, value):
        return images.float().mean((1, 2, 3)) / 255
"""


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs ``faceeval`` on a small folder laid out as CelebA, where a class of one's own can be imported."""
    from test_cli import write_celeba

    (tmp_path / "sweep_editors.py").write_text(EDITORS)
    root = write_celeba(tmp_path / "celeba")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no weights here"))
    where = ["--data", "celeba", "--root", str(root), "--size", "64", "--out", str(tmp_path / "results"), "-q"]

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["faceeval", *arguments, *(where if arguments[0] == "score" else [])])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    yield call
    sys.modules.pop("sweep_editors", None)


def test_a_class_of_ones_own_goes_through_every_protocol_and_onto_the_page(command, tmp_path):
    mine = "sweep_editors:Faded"
    code, out, err = command("score", "-p", "chain", "-m", f"{mine},identity", "-a", "male")
    assert code == 0, err
    assert "by sweep_editors:Faded's" in out
    code, out, err = command("score", "-p", "strength", "-m", mine, "-a", "male", "--strengths=-1,0,1", "--json")
    assert code == 0, err
    assert json.loads(out)["axis"]["places"] == [-1, 0, 1]
    code, out, err = command("score", "-p", "timing", "-m", f"{mine},identity", "-a", "male", "--runs", "3")
    assert code == 0, err
    assert "images/s" in out
    assert len(list((tmp_path / "results").rglob("*.json"))) == 3
    code, _, err = command("report", str(tmp_path / "results"), "-o", str(tmp_path / "page.html"), "--markdown")
    assert code == 0, err
    assert "Strength of an edit: Male" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "chains", "-m", "identity", "-a", "male"], ["did you mean 'chain'"]),
        (["-p", "chain", "-m", "identity", "-a", "bald"], ["M-AAE"]),
        (["-p", "strength", "-m", "identity", "-a", "male"], ["no such knob"]),
        (["-p", "strength", "-m", "sweep_editors:Faded", "-a", "male", "--strengths=-3,0"], ["within -1 .. 1"]),
        (["-p", "timing", "--edited", ".", "-a", "male"], ["--method"]),
        (["-p", "timing", "-a", "male"], ["--checkpoint"]),
        (["-p", "timing", "-m", "fai", "-a", "male"], ["faceeval train"]),
        (["-p", "timing", "-m", "identity"], ["--attr"]),
    ],
)
def test_a_users_error_is_three_lines(command, arguments, words, tmp_path):
    code, _, err = command("score", *arguments)
    assert code == 2
    assert err.startswith("error: expected ")
    assert len(err.strip().splitlines()) == 3
    for word in words:
        assert word in err
    assert not list(tmp_path.rglob("results/**/*.json"))


def test_the_protocols_of_the_command_are_those_of_the_table():
    from faceeval.cli.sweeps import SWEEPS, check_protocol
    from faceeval.protocols.experiments import EXPERIMENTS

    assert set(PROTOCOLS) == {"editing", *SWEEPS, *EXPERIMENTS}
    assert check_protocol(" Chain") == "chain"
    with pytest.raises(UnknownNameError):
        check_protocol("study")
