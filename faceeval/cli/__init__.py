# SPDX-License-Identifier: MIT
"""The command line. Commands parse, call and print; heavy imports stand inside them, so that ``--help`` is quick."""

from __future__ import annotations

import sys

import typer

from faceeval import __version__
from faceeval.cli import compare, data, lists, metric, report, score, train
from faceeval.cli.console import show_error, stdout
from faceeval.errors import FaceevalError

app = typer.Typer(
    name="faceeval",
    help="Evaluate face editing and face synthesis: score a method, train one, report what was measured.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("score")(score.score)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("list")(lists.list_names)
app.add_typer(data.app, name="data")
app.add_typer(metric.app, name="metric")


def _version(value: bool) -> None:
    if value:
        stdout.print(f"faceeval {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Evaluate face editing and face synthesis: score a method, train one, report what was measured."""


def main() -> None:
    """Runs the command line: exit code 2 and three lines for a user's error, 130 after Ctrl-C."""
    try:
        app(standalone_mode=True)
    except FaceevalError as error:
        show_error(error)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.exit(1)
