# SPDX-License-Identifier: MIT
"""``faceeval report``: results in, one page out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceeval.cli.console import note, stdout
from faceeval.errors import MissingFileError


def result_files(sources: list[Path]) -> list[Path]:
    """Returns the result files named, and those in the folders named.

    Raises:
        MissingFileError: There is none.
    """
    files: list[Path] = []
    for source in sources:
        files.extend(sorted(source.rglob("*.json")) if source.is_dir() else [source])
    if not files:
        raise MissingFileError(
            "result files (.json), or folders that hold them",
            f"none in {', '.join(map(str, sources))}",
            "run `faceeval score` first; it prints where its result went",
        )
    return files


def report(
    sources: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Result files, or folders of them.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("report.html"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the leaderboard as Markdown as well.")] = False,
) -> None:
    """Draw one self-contained HTML page from results: leaderboard, boxplots, sample grids, what made the numbers."""
    from faceeval.report import leaderboard_markdown, write_report
    from faceeval.results import Result
    from faceeval.results.sweeps import read_any

    results = [read_any(path) for path in result_files(sources)]
    write_report(results, out)
    if markdown:
        runs = [entry for entry in results if isinstance(entry, Result)]
        stdout.print(leaderboard_markdown(runs), markup=False, soft_wrap=True)
    note(f"{len(results)} result{'s' if len(results) > 1 else ''} drawn: {out}")
