# SPDX-License-Identifier: MIT
"""Where output goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from faceeval.errors import FaceevalError

Advance = Callable[[int, int], None]

# a pipe has no width of its own; 80 would fold the tables
stdout = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
stderr = Console(stderr=True, highlight=False)


def note(message: str) -> None:
    """Prints one line for the person at the terminal, to stderr."""
    stderr.print(message, style="dim", markup=False)


def show_error(error: FaceevalError) -> None:
    """Prints the three lines of an error to stderr."""
    stderr.print(f"error: expected {error.expected}", markup=False, soft_wrap=True)
    stderr.print(f"       got {error.got}", markup=False, soft_wrap=True)
    stderr.print(f"       {error.todo}", markup=False, soft_wrap=True)


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Ends the command with exit code 130 and one line after Ctrl-C; ``kept`` says what the user is left with."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stderr.print(str(stop) or f"stopped: {kept}", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None


@contextmanager
def progress(quiet: bool = False) -> Iterator[Callable[[str], Advance]]:
    """Yields a function that starts a named bar and returns its ``advance(done, total)``; bars stand on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=quiet or not stderr.is_terminal) as bars:

        def start(description: str) -> Advance:
            task = bars.add_task(description, total=None)

            def advance(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total, visible=done < total)

            return advance

        yield start


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> None:
    """Prints a table to stdout; ``right`` holds the indices of right-aligned columns."""
    if title:
        stdout.print(title, style="bold", soft_wrap=True)
    grid = Table(header_style="bold", box=None, pad_edge=False)
    rights = set(right)
    for index, column in enumerate(columns):
        name = index == 0  # to be copied whole
        grid.add_column(column, justify="right" if index in rights else "left", overflow="fold", no_wrap=name)
    for row in rows:
        grid.add_row(*row)
    stdout.print(grid)
