# SPDX-License-Identifier: MIT
"""Leaderboards as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from faceeval.protocols.compared import shorten
from faceeval.report.boards import ARROWS, LEGEND, NOTHING, Board, boards, interval, number
from faceeval.results import Result, Row


def leaderboard_markdown(results: Sequence[Result]) -> str:
    """Returns a Markdown table for each attribute, benchmark and set of judges.

    Args:
        results: Runs, in any order.

    Returns:
        GitHub's Markdown. The best value of several methods is bold; ``identity`` and ``truth`` are in italics.
    """
    return "\n".join(_table(board) for board in boards(results))


def comparison_markdown(board: Board, metrics: Sequence[str]) -> str:
    """Returns a Markdown table of some columns, each value with the letters of those it is better than beyond chance.

    Args:
        board: The methods.
        metrics: Keys of its columns.

    Returns:
        GitHub's Markdown, with a line that says what the letters mean.
    """
    columns = {key: board.columns[key] for key in metrics}
    heads = [f"{_plain(column.label)} {ARROWS[column.better]}" for column in columns.values()]
    lines = [
        f"### {_plain(board.title)}: {_plain(board.subtitle)}",
        "",
        f"|  | method | {' | '.join(heads)} |",
        f"|---|---|{'---:|' * len(heads)}",
    ]
    for entry in board.comparison.entries:
        name = _plain(entry.label) if entry.row.kind == "method" else f"*{entry.row.name}*"
        cells = []
        for key in columns:
            beaten = shorten(board.comparison.beaten(key, entry.label))
            cells.append(_value(board, key, entry.row) + (f" *{beaten}*" if beaten else ""))
        lines.append(f"| {entry.letter} | {name} | {' | '.join(cells)} |")
    lines += ["", LEGEND, "", *(f"> {_plain(notice)}" for notice in board.notices), ""]
    return "\n".join(lines)


def _table(board: Board) -> str:
    heads = [f"{_plain(column.label)} {ARROWS[column.better]}" for column in board.columns.values()]
    lines = [
        f"### {_plain(board.title)}: {_plain(board.subtitle)}",
        "",
        f"| method | {' | '.join(heads)} |",
        f"|---|{'---:|' * len(heads)}",
    ]
    lines += [_line(board, _plain(label), row) for label, _, row in board.method_rows()]
    lines += [_line(board, f"*{row.name}*", row) for row in board.reference_rows]
    lines += ["", *(f"> {_plain(notice)}" for notice in board.notices), ""]
    return "\n".join(lines)


def _line(board: Board, name: str, row: Row) -> str:
    return f"| {name} | {' | '.join(_value(board, metric, row) for metric in board.columns)} |"


def _value(board: Board, metric: str, row: Row) -> str:
    """Returns a value and its interval, bold where it is the best of the methods."""
    if metric not in row.values:
        return NOTHING
    value, column = row.values[metric], board.columns[metric]
    text = number(value.value, column)
    if row.kind == "method" and board.is_best(metric, value):
        text = f"**{text}**"
    span = interval(value, column)
    return f"{text} ({span})" if span else text


def _plain(text: str) -> str:
    """Keeps a name from breaking out of its cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
