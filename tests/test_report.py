# SPDX-License-Identifier: MIT
from __future__ import annotations

import html
import html.parser
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_faces import Nothing, Painter, toy_faces
from toy_runs import run

from faceeval.errors import InputError, MissingFileError, OutputError
from faceeval.method import MethodCard
from faceeval.report import leaderboard_markdown, write_report
from faceeval.report.boards import LEGEND, boards
from faceeval.report.boxes import HEIGHT, Sample, figure
from faceeval.report.faces import same_faces
from faceeval.report.page import render, summary
from faceeval.results import write

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Lazy(Painter):
    """Leaves every second image as it was."""

    card = MethodCard(name="lazy", notes={"trick": "<script>alert(1)</script>"})

    def edit(self, images, attribute, value):
        out = super().edit(images, attribute, value)
        out[::2] = images[::2]
        return out


@pytest.fixture(scope="module")
def results():
    return [run(Lazy()), run(Painter()), run(Lazy(), "Mouth_Slightly_Open")]


class Page(html.parser.HTMLParser):
    """Collects what a page needs from outside, and whether its elements close."""

    VOID = frozenset({"meta", "img", "br", "wbr", "link", "circle", "line", "rect", "input"})

    def __init__(self, text):
        super().__init__()
        self.links, self.open, self.ids, self.tags = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for key, value in attributes:
            if key in ("src", "href", "srcset", "action"):
                self.links.append(value)
            if key == "id":
                self.ids.add(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_beside_it_and_is_well_formed(results, tmp_path):
    out = write_report(results, tmp_path / "new" / "report.html")
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/png", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert not re.search(r"url\(|@import|https?://", text)
    assert "script" not in page.tags
    assert [entry.name for entry in out.parent.iterdir()] == ["report.html"]


def test_what_a_result_says_cannot_become_markup(results):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in render(results)


def test_the_page_tells_what_was_found_and_what_made_it(results):
    text = render(results)
    for word in ("painter", "lazy", "identity", "truth", "Eyeglasses", "Mouth Slightly Open", "does nothing"):
        assert word in text
    for word in ("28.7 / 0.89", "38.1 / 0.79", "not comparable", "as printed"):
        assert word in text
    for result in results:
        assert result.summary.data.names_sha256[:16] in text
        assert result.summary.run.started in text
    assert "far too few" in text  # the notice of these small runs
    strips = sum(row.rank != "shared" for result in results for row in result.summary.grid.rows)
    assert text.count("<figure>") == strips
    assert text.count("data:image/png") == 3 * strips + 12 * (2 + 2) + 12 * (
        2 + 1
    )  # sources, truths, edits of 12 faces


def test_paths_and_results_give_the_same_page(results, tmp_path):
    paths = [write(result, tmp_path / str(number)) for number, result in enumerate(results)]
    assert render(results) == write_report(paths, tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_to_report_and_nowhere_to_write_are_said(results, tmp_path):
    with pytest.raises(InputError, match="faceeval score"):
        write_report([], tmp_path / "page.html")
    with pytest.raises(MissingFileError):
        write_report([tmp_path / "none.json"], tmp_path / "page.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="name another file"):
        write_report(results, tmp_path / "file" / "page.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        write_report(results, tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_only_comparable_runs_share_a_board(results):
    lazy, painter, mouth = results
    other_data = run(Painter(), faces=replace(toy_faces(), digest="other"))
    fewer = run(Painter(), n_per_class=20)
    made = boards([lazy, painter, mouth, other_data, fewer])
    assert sorted(len(board.results) for board in made) == [1, 1, 1, 2]
    both = next(board for board in made if len(board.results) == 2)
    assert both.labels == ("painter", "lazy")  # nearer to the true edit first
    assert boards([painter, painter])[0].labels == ("painter", "painter (2)")


def test_every_method_is_seen_on_the_same_faces(results):
    faces = same_faces(boards(results[:2])[0])
    assert faces.heads == (("Eyeglasses added", 6), ("Eyeglasses removed", 6))
    assert faces.turns == (6,)
    assert [line.label for line in faces.lines] == ["source", "truth", "painter", "lazy"]
    source, truth, painter, lazy = faces.lines
    assert all(len(line.cells) == 12 for line in faces.lines)
    kept = [mine.picture == first.picture for mine, first in zip(lazy.cells, source.cells, strict=True)]
    assert 0 < sum(kept) < 12
    assert [cell.missed for cell in lazy.cells] == kept
    assert not any(cell.missed for cell in painter.cells)
    assert len({cell.picture for cell in truth.cells} | {cell.picture for cell in source.cells}) == 24
    before = replace(results[0], summary=results[0].summary.model_copy(update={"grid": old_grid(results[0])}))
    before = replace(before, tiles=before.tiles[: len(before.summary.grid.rows)])
    assert same_faces(boards([before])[0]) is None


def old_grid(result):
    """A grid as it was before faces were shared."""
    grid = result.summary.grid
    return grid.model_copy(update={"rows": tuple(row for row in grid.rows if row.rank != "shared")})


def renamed(result, name):
    """The same run under another method's name."""

    def key(row):
        return name if row == result.method else row

    rows = tuple(row.model_copy(update={"name": key(row.name)}) for row in result.summary.rows)
    images = tuple(
        image.model_copy(update={"values": {key(row): values for row, values in image.values.items()}})
        for image in result.images
    )
    method = {**result.summary.method, "name": name}
    return replace(result, summary=result.summary.model_copy(update={"rows": rows, "method": method}), images=images)


@pytest.fixture(scope="module")
def twelve(results):
    return [renamed(results[number % 2], f"method_{number}") for number in range(12)]


def test_twelve_methods_stay_readable(twelve):
    text = render(twelve)
    assert Page(text).open == []
    assert 'class="leaderboard many"' in text
    assert 'class="wide"' in text
    assert text.count("<details><summary>") == 12
    assert text.count("<figure>") == 12 * 6  # one of each direction and rank
    assert text.count("rotate(-60)") == 2 * 13  # the boxes have names, for there are too many colours
    colours = {f'class="dot c{number}"' for number in range(12)}
    assert all(colour in text for colour in colours)


def test_letters_say_what_is_better_beyond_chance(twelve):
    text = render(twelve)
    assert '<span class="letter">a</span>' in text
    assert '<span class="beaten">' in text
    assert LEGEND in html.unescape(text)
    few = render([run(Painter(), n_per_class=10), run(Lazy(), n_per_class=10)])
    assert '<span class="letter">' not in few
    assert LEGEND not in html.unescape(few)


def test_the_summary_says_who_is_not_told_apart(results, twelve):
    assert "lazy is further away by more than chance." in summary(boards(results[:2])[0])
    twin = replace(results[1], summary=results[1].summary.model_copy(update={"method": {"name": "painter"}}))
    assert "do not tell it from painter (2)." in summary(boards([results[1], twin])[0])
    assert "The others are further away" in summary(boards([*results[:2], twelve[0]])[0])


class Remover(Painter):
    """Takes glasses off and cannot put them on."""

    card = MethodCard(name="remover", directions={"Eyeglasses": (0,)})


def test_a_method_of_one_direction_stands_beside_the_others_in_that_direction(results):
    one_way = run(Remover())
    made = boards([*results[:2], one_way])
    assert [board.title for board in made] == ["Eyeglasses", "Eyeglasses, removing only"]
    assert made[0].labels == ("painter", "lazy")
    board = made[1]
    assert set(board.labels) == {"painter", "lazy", "remover"}
    assert "faces with it" in board.subtitle
    assert "flip_accuracy_remove" not in board.columns
    faces = same_faces(board)
    assert faces.heads == (("Eyeglasses removed", 6),)
    text = render([*results[:2], one_way])
    assert Page(text).open == []
    assert text.count("<dt>started</dt>") == 3  # each run once, whichever boards it is on
    assert [board.title for board in boards([one_way])] == ["Eyeglasses, removing only"]


def test_the_best_is_bold_and_what_prints_alike_is_not(results):
    board = boards(results[:2])[0]
    painter, lazy = (result.row(result.method).values for result in board.results)
    assert board.is_best("flip_accuracy", painter["flip_accuracy"])
    assert not board.is_best("flip_accuracy", lazy["flip_accuracy"])
    assert board.is_best("counterfactual_error", painter["counterfactual_error"])
    assert board.is_best("pixel_rmse_error", lazy["pixel_rmse_error"])
    assert not board.is_best("background_error", painter["background_error"])  # both are 0
    nearer = min((painter["dfn_mean"], lazy["dfn_mean"]), key=lambda entry: abs(entry.value - 1))
    assert board.is_best("dfn_mean", nearer)


def test_the_summary_does_not_praise_what_does_harm(results):
    class Wrecker(Painter):
        card = MethodCard(name="wrecker")

        def edit(self, images, attribute, value):
            return torch.full_like(images, 255)

    assert summary(boards([results[1]])[0]).startswith("painter comes nearer to the true edit than doing nothing")
    assert summary(boards([run(Wrecker(), "Mouth_Slightly_Open")])[0]).startswith("No method comes nearer")
    assert summary(boards([run(Nothing())])[0]).startswith("Only the editor that returns its input")
    blind = run(Painter(), faces=toy_faces(truth=False), judges={})
    assert summary(boards([blind])[0]).startswith("No judge of the attribute")
    assert "no judge of identity" in render([blind])


def test_markdown_has_a_row_for_each_method_and_both_ends(results):
    text = leaderboard_markdown(results[:2])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines] == [
        "method",
        "---",
        "painter",
        "lazy",
        "*identity*",
        "*truth*",
    ]
    assert len({line.count("|") for line in lines}) == 1
    assert "**1.000**" in lines[2]

    class Piped(Painter):
        card = MethodCard(name="a|b<i>\n")

    lines = [line for line in leaderboard_markdown([run(Piped())]).splitlines() if line.startswith("|")]
    assert r"a\|b&lt;i>" in lines[2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), min_size=1, max_size=4))
def test_boxes_stay_in_the_picture_and_in_order(lists):
    samples = [Sample(str(number), "c0", np.array(values)) for number, values in enumerate(lists)]
    drawn = figure([("A", samples)], 1.0)
    assert len(drawn.boxes) == len(lists)
    for box in drawn.boxes:
        assert 0 <= box.high <= box.p75 <= box.median <= box.p25 <= box.low <= HEIGHT
        assert 0 <= box.x <= drawn.width
        assert all(0 <= dot <= HEIGHT for dot in box.dots)
    assert 2 <= len(drawn.ticks) <= 12
    assert drawn.reference is not None


def test_names_of_boxes_have_room():
    samples = [Sample("a_long_name", "c0", np.arange(5.0))]
    plain, named = (figure([("A", samples)], 1.0, named=named) for named in (False, True))
    assert plain.named is None
    assert max(box.low for box in named.boxes) < named.named < named.height
    assert named.height > plain.height
    assert named.boxes == plain.boxes


def test_whiskers_are_those_of_matplotlib():
    from matplotlib.cbook import boxplot_stats

    values = np.random.default_rng(0).standard_t(3, 500)
    expected = boxplot_stats(values)[0]
    box = figure([("A", [Sample("s", "c0", values)])], 0.0).boxes[0]
    middle = (box.low - box.median) / (box.low - box.high)
    span = expected["whishi"] - expected["whislo"]
    assert middle == pytest.approx((expected["med"] - expected["whislo"]) / span, abs=0.01)
    quarter = (box.low - box.p25) / (box.low - box.high)
    assert quarter == pytest.approx((expected["q1"] - expected["whislo"]) / span, abs=0.01)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_opens_in_a_browser(results, tmp_path):
    page = write_report(results, tmp_path / "report.html")
    picture = tmp_path / "page.png"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,1200"]
    done = subprocess.run(
        [*command, f"--screenshot={picture}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "What made the numbers" in done.stdout or picture.stat().st_size > 20_000
    from PIL import Image

    with Image.open(picture) as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
        assert image.size == (500, 1200)
    assert len(np.unique(colours, axis=0)) > 500  # faces, text and lines, not an empty or broken page
