# SPDX-License-Identifier: MIT
"""How ``faceeval compare`` prints: methods down, columns across, each value with letters and interval."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from faceeval.cli.console import stdout, table

if TYPE_CHECKING:
    from faceeval.report import Board

GAP = 2  # blanks between two columns
LEAST = 8  # width below which headings are folded too much


def show_comparison(board: Board, keys: Sequence[str]) -> None:
    """Prints methods down and columns across, in as many tables as the width of the terminal asks for."""
    from faceeval.report.boards import LEGEND

    entries = board.comparison.entries
    names = [f"{entry.letter or ' '} {entry.label}" for entry in entries]
    styled = [
        escape(name) if entry.row.kind == "method" else f"[italic]{escape(name)}[/italic]"
        for name, entry in zip(names, entries, strict=True)
    ]
    room = stdout.width - max(map(len, names)) - GAP
    parts: list[list[tuple[str, list[str]]]] = [[]]
    left = room
    for key in keys:
        head, cells, width = _column(board, key)
        if parts[-1] and width > left:
            parts.append([])
            left = room
        parts[-1].append((head, cells))
        left -= width + GAP
    title = f"{board.title}, {board.subtitle}"
    for part in parts:
        lines = zip(*(cells for _, cells in part), strict=True)
        rows = [[name, *line] for name, line in zip(styled, lines, strict=True)]
        table(title, ["", *(head for head, _ in part)], rows)
        title = " "
    if board.comparison.pairs:
        stdout.print(LEGEND, style="dim", soft_wrap=True, markup=False)


def _column(board: Board, key: str) -> tuple[str, list[str], int]:
    """Returns heading and cells of a column, and its width: value and letters above, the interval below."""
    from faceeval.protocols.compared import shorten
    from faceeval.report.boards import ARROWS, NOTHING, interval, number

    column = board.columns[key]
    cells, widths = [], [LEAST]
    values = [entry.row.values.get(key) for entry in board.comparison.entries]
    wide = max(len(number(value.value, column)) for value in values if value is not None)
    for entry, value in zip(board.comparison.entries, values, strict=True):
        if value is None:
            cells.append(NOTHING)
            continue
        text, span = number(value.value, column).rjust(wide), interval(value, column)
        beaten = shorten(board.comparison.beaten(key, entry.label))
        widths += [len(f"{text} {beaten}"), len(span)]
        bold = entry.row.kind == "method" and board.is_best(key, value)
        first = (f"[bold]{text}[/bold]" if bold else text) + (f" [cyan]{beaten}[/cyan]" if beaten else "")
        cells.append(f"{first}\n[dim]{span}[/dim]" if span else first)
    words = textwrap.wrap(f"{column.label} {ARROWS[column.better]}", max(widths), break_long_words=False)
    return "\n".join(words), cells, max([*map(len, words), *widths])
