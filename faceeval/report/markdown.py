# SPDX-License-Identifier: MIT
"""Leaderboards as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from faceeval.report.boards import ARROWS, NOTHING, Board, boards, interval, number
from faceeval.results import Result, Row


def leaderboard_markdown(results: Sequence[Result]) -> str:
    """Returns a Markdown table for each attribute, benchmark and set of judges.

    Args:
        results: Runs, in any order.

    Returns:
        GitHub's Markdown. The best value of several methods is bold; ``identity`` and ``truth`` are in italics.
    """
    return "\n".join(_table(board) for board in boards(results))


def _table(board: Board) -> str:
    heads = [f"{_plain(column.label)} {ARROWS[column.better]}" for column in board.columns.values()]
    lines = [
        f"### {_plain(board.attribute)}: {_plain(board.subtitle)}",
        "",
        f"| method | {' | '.join(heads)} |",
        f"|---|{'---:|' * len(heads)}",
    ]
    lines += [_line(board, _plain(label), row, best=True) for label, _, row in board.method_rows()]
    lines += [_line(board, f"*{row.name}*", row, best=False) for row in board.reference_rows]
    lines += ["", *(f"> {_plain(notice)}" for notice in board.notices), ""]
    return "\n".join(lines)


def _line(board: Board, name: str, row: Row, *, best: bool) -> str:
    cells = []
    for metric, column in board.columns.items():
        if metric not in row.values:
            cells.append(NOTHING)
            continue
        value = row.values[metric]
        text = number(value.value, column)
        if best and board.is_best(metric, value):
            text = f"**{text}**"
        span = interval(value, column)
        cells.append(f"{text} ({span})" if span else text)
    return f"| {name} | {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Keeps a name from breaking out of its cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
