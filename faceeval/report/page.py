# SPDX-License-Identifier: MIT
"""Draws the page: results in, one HTML file out that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from faceeval import __version__
from faceeval.atomic import write_whole
from faceeval.errors import InputError
from faceeval.protocols.compared import Entry, held, shorten
from faceeval.protocols.printed import FAI_TABLE_1, FAI_TABLE_1_SOURCE
from faceeval.report.boards import ARROWS, LEGEND, NOTHING, Board, boards, interval, number
from faceeval.report.boxes import Figure, Sample, figure
from faceeval.report.faces import same_faces
from faceeval.report.strips import Strips, strips
from faceeval.report.sweeps import sweep_sections
from faceeval.results import Column, Result
from faceeval.results.sweeps import Sweep, read_any

COLOURS = 12
MANY = 5  # methods beyond which a board is drawn narrower, and fewer faces of each are shown
EACH, EACH_OF_MANY = 3, 1  # strips of a method, a direction and a rank
ENDS = {"identity": "ci", "truth": "ct"}  # colours of the rows that end every scale
# the boxplots show these better than a table
LEFT_OUT = ("dfn_median", "dfn_p25", "dfn_p75")


def write_report(results: Sequence[Result | Sweep | Path], out: Path) -> Path:
    """Writes one self-contained HTML page about any number of runs.

    Args:
        results: Runs, or their JSON files.
        out: The page.

    Returns:
        ``out``.

    Raises:
        InputError: There is nothing to report, or a file is no result.
        MissingFileError: A file is not there.
        OutputError: The page cannot be written.
    """
    found = [read_any(entry) if isinstance(entry, Path) else entry for entry in results]
    if not found:
        raise InputError("at least one result", "none", "run `faceeval score` first")
    runs = [entry for entry in found if isinstance(entry, Result)]
    sweeps = [entry for entry in found if isinstance(entry, Sweep)]
    write_whole(out, render(runs, sweeps).encode(), "name another file with -o, or make room")
    return out


def render(results: Sequence[Result], sweeps: Sequence[Sweep] = ()) -> str:
    """Returns the page as text."""
    environment = Environment(
        loader=PackageLoader("faceeval", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    all_boards = boards(results)
    colours = _colours(all_boards)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        title=_title(all_boards, sweeps),
        edited=bool(all_boards) or any(sweep.summary.attributes for sweep in sweeps),
        sweeps=sweep_sections(sweeps, colours),
        sections=[_section(number, board, colours) for number, board in enumerate(all_boards)],
        figures=_figures(all_boards, colours),
        legend=_legend(all_boards, colours),
        columns=_glossary(all_boards),
        legend_of_letters=LEGEND,
        printed=FAI_TABLE_1,
        printed_source=FAI_TABLE_1_SOURCE,
        shown={board.attribute for board in all_boards},
        runs=_runs(all_boards),
    )


def _title(all_boards: Sequence[Board], sweeps: Sequence[Sweep]) -> str:
    if not all_boards and sweeps and not any(sweep.summary.attributes for sweep in sweeps):
        return "Faces and their codes"
    attributes = list(dict.fromkeys(board.attribute.replace("_", " ") for board in all_boards))
    if not attributes:
        return "Face editing"
    return f"Face editing: {', '.join(attributes) if len(attributes) < 4 else f'{len(attributes)} attributes'}"


def _colours(all_boards: Sequence[Board]) -> dict[str, str]:
    """Gives each method one colour throughout the page."""
    methods = dict.fromkeys(label for board in all_boards for label, _, _ in board.method_rows())
    return {label: f"c{position % COLOURS}" for position, label in enumerate(methods)}


def _section(position: int, board: Board, colours: dict[str, str]) -> dict[str, Any]:
    entries = board.comparison.entries
    heads = [
        {"name": entry.label, "kind": entry.row.kind, "letter": entry.letter, "colour": colours.get(entry.label, "")}
        for entry in entries
    ]
    many = len(board.comparison.methods) > MANY
    each = EACH_OF_MANY if many else EACH
    return {
        "id": f"s{position}",
        "attribute": board.title,
        "subtitle": board.subtitle,
        "summary": summary(board),
        "notices": board.notices,
        "heads": heads,
        "many": many,
        "questions": _questions(board),
        "tested": bool(board.comparison.pairs),
        "absences": board.absences(),
        "faces": same_faces(board),
        "colours": colours,
        "grids": [_grid(label, result, colours, each) for label, result in _shown(board)],
    }


def _shown(board: Board) -> list[tuple[str, Result]]:
    """Returns the results whose own best and worst faces are shown: on a board of one direction, those of no other."""
    found = zip(board.labels, board.results, strict=True)
    return [(label, result) for label, result in found if board.comparison.direction is None or _one_way(result)]


def _one_way(result: Result) -> bool:
    return len(held(result)) == 1


def _questions(board: Board) -> dict[str, list[dict[str, Any]]]:
    """Returns the lines of the leaderboard: one for each metric, under the question it helps to answer."""
    questions: dict[str, list[dict[str, Any]]] = {}
    for key, column in board.columns.items():
        if key not in LEFT_OUT:
            cells = [_cell(board, key, entry) for entry in board.comparison.entries]
            line = {"column": column, "arrow": ARROWS[column.better], "cells": cells}
            questions.setdefault(column.question, []).append(line)
    return questions


def _cell(board: Board, key: str, entry: Entry) -> dict[str, Any]:
    row = entry.row
    value, column = row.values.get(key), board.columns[key]
    cell = {"text": NOTHING, "interval": "", "best": False, "beaten": "", "reason": "", "kind": row.kind}
    if value is None:
        return {**cell, "reason": row.absent.get(key, "")}
    return {
        **cell,
        "text": number(value.value, column),
        "interval": interval(value, column),
        "best": row.kind == "method" and board.is_best(key, value),
        "beaten": shorten(board.comparison.beaten(key, entry.label)),
    }


def summary(board: Board) -> str:
    """Says in a few sentences what the board found."""
    rows = board.method_rows()
    if not rows:
        return "Only the editor that returns its input was scored: these are the ends of the scales."
    label, _, row = rows[0]
    identity = next((entry for entry in board.reference_rows if entry.kind == "identity"), None)
    sentences = []
    error = row.values.get("counterfactual_error")
    nothing = identity.values.get("counterfactual_error") if identity else None
    if error is not None and nothing is not None:
        near, far = f"{error.value:.1f}", f"{nothing.value:.1f}"
        if error.value < nothing.value:
            lead = (
                "comes nearest to the true edit"
                if len(rows) > 1
                else "comes nearer to the true edit than doing nothing"
            )
            sentences.append(
                f"{label} {lead}: {near} grey levels away inside the region, where doing nothing is {far} away."
            )
            sentences += _told_apart(board, label)
        else:
            sentences.append(
                f"No method comes nearer to the true edit than doing nothing does: {label} is {near} grey levels away, "
                f"doing nothing {far}."
            )
    flips = row.values.get("flip_accuracy")
    if flips is not None:
        kept = row.values.get("preservation_accuracy")
        rest = f" and {100 * kept.value:.1f} % of the other attributes kept" if kept else ""
        sentences.append(f"The judge sees the attribute flipped in {100 * flips.value:.1f} % of {label}'s edits{rest}.")
    return (
        " ".join(sentences)
        or "No judge of the attribute was at hand: only what can be measured without one stands here."
    )


def _told_apart(board: Board, label: str) -> list[str]:
    """Says which methods may be as near to the true edit as the nearest, where that was tested."""
    found = board.comparison
    if "counterfactual_error" not in found.pairs or len(found.methods) < 2:
        return []
    beaten = found.beaten("counterfactual_error", label)
    others = [entry.label for entry in found.methods if entry.letter not in beaten and entry.label != label]
    if not others:
        rest = "The others are" if len(found.methods) > 2 else f"{found.methods[1].label} is"
        return [f"{rest} further away by more than chance."]
    named = ", ".join(others) if len(others) < 4 else f"{len(others)} of the others"
    return [f"These images do not tell it from {named}."]


def _grid(label: str, result: Result, colours: dict[str, str], each: int) -> dict[str, Any]:
    shown: Strips = strips(result, each)
    attribute = result.summary.attribute.replace("_", " ")
    return {
        "label": label,
        "colour": colours.get(label, ""),
        "ordered_by": result.summary.columns[result.summary.grid.ordered_by].label,
        "question": result.summary.columns[result.summary.grid.ordered_by].question,
        "columns": result.summary.grid.columns,
        "directions": [(f"{attribute} {verb}", shown[key]) for key, verb in (("add", "added"), ("remove", "removed"))],
    }


def _figures(all_boards: Sequence[Board], colours: dict[str, str]) -> list[dict[str, Any]]:
    """Returns the boxplots of each world: boards on the same data and size, seen by the same judges."""
    worlds: dict[str, list[Board]] = {}
    for board in all_boards:
        first = board.results[0].summary
        worlds.setdefault(f"{first.data.name}, {first.data.size} px", []).append(board)
    made = []
    for name, members in worlds.items():
        for metric, ideal, caption in PLOTS:
            drawn = _figure(members, colours, metric, ideal)
            if drawn is not None:
                made.append({"world": name, "caption": caption, "figure": drawn, "metric": metric})
    return made


PLOTS = (
    (
        "dfn",
        1.0,
        "DFN of each image, as in FAI's Figure 3: length of the edit's feature over the source's. "
        "Near 1 and narrow is good; doing nothing would be a line at 1.",
    ),
    (
        "counterfactual_error",
        0.0,
        "Distance of each edit from the true edit inside the attribute's region, in grey levels; "
        "the grey box is what doing nothing costs.",
    ),
)


def _figure(members: Sequence[Board], colours: dict[str, str], metric: str, ideal: float) -> Figure | None:
    groups = []
    for board in members:
        samples = [
            Sample(label, colours[label], board.per_image(result, row.name, metric))
            for label, result, row in board.method_rows()
        ]
        other = "truth" if metric == "dfn" else "identity"
        samples.append(Sample(other, ENDS[other], board.per_image(board.results[0], other, metric)))
        there = [sample for sample in samples if len(sample.values)]
        if there:
            groups.append((board.title, there))
    named = any(len(board.comparison.methods) > MANY for board in members)
    return figure(groups, ideal, named=named) if groups else None


def _legend(all_boards: Sequence[Board], colours: dict[str, str]) -> list[tuple[str, str]]:
    rows = {row.name for board in all_boards for row in board.reference_rows}
    return [*colours.items(), *((name, colour) for name, colour in ENDS.items() if name in rows)]


def _glossary(all_boards: Sequence[Board]) -> list[Column]:
    columns = {column.label: column for board in all_boards for column in board.columns.values()}
    return list(columns.values())


def _runs(all_boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Returns what made each result, once, whichever boards it stands on."""
    found: dict[int, dict[str, Any]] = {}
    for board in all_boards:
        for label, result in zip(board.labels, board.results, strict=True):
            found.setdefault(id(result), _run(label, result))
    return list(found.values())


def _run(label: str, result: Result) -> dict[str, Any]:
    summary = result.summary
    judges: dict[str, list[str]] = {}
    for role, judge in summary.judges.items():
        judges.setdefault(f"{judge.name} {judge.weights_sha256[:16]}", []).append(role)
    return {
        "label": label,
        "summary": summary,
        "judges": [(judge, ", ".join(roles)) for judge, roles in judges.items()],
        "notes": [(key, str(value)) for key, value in summary.method.get("notes", {}).items()],
        "card": [(key, str(summary.method[key])) for key in ("paper", "licence") if summary.method.get(key)],
        "seconds": [(part, f"{spent:.1f} s") for part, spent in summary.run.seconds.items()],
    }
