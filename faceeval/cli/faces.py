# SPDX-License-Identifier: MIT
"""The faces a benchmark is run on, opened once for every command that needs them, and options that say how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceeval.cli.console import note
from faceeval.errors import InputError

if TYPE_CHECKING:
    from faceeval.benchmark import Benchmark
    from faceeval.cli.console import Advance
    from faceeval.data.faces import FaceSet

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="WHAT=NAME: the column of your labels that holds WHAT: image, identity, Young, ..."),
]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Leave out rows whose image is not there, and list them.")
]


def parse_columns(pairs: list[str] | None) -> dict[str, str]:
    """Reads ``what=name`` pairs.

    Raises:
        InputError: A pair lacks one side, or says again what another says.

    Example:
        >>> parse_columns(["image=file", "Young=is young"])
        {'image': 'file', 'Young': 'is young'}
    """
    columns: dict[str, str] = {}
    for pair in pairs or []:
        what, _, name = (side.strip() for side in pair.partition("="))
        if not what or not name:
            raise InputError("--column WHAT=NAME", repr(pair), "say what a column holds, such as identity=person")
        if what in columns:
            raise InputError(f"one column for {what}", f"{columns[what]} and {name}", "leave one of them out")
        columns[what] = name
    return columns


def say_skipped(faces: FaceSet) -> None:
    """Lists what was left out of a split because its images are not there."""
    from faceeval.data.folder import quote_some

    if faces.skipped:
        note(f"left out of {faces.split}, as their images are not there: {quote_some(faces.skipped)}")


def benchmark_faces(
    benchmark: Benchmark,
    root: Path | None,
    size: int | None,
    advance: Advance,
    columns: dict[str, str] | None = None,
    skip_missing: bool = False,
) -> tuple[FaceSet, FaceSet | None]:
    """Opens the split a benchmark edits, and the one that lends images where a class is short.

    Args:
        benchmark: Names data, splits, size and crop.
        root: Folder that holds the dataset.
        size: Image side, instead of the benchmark's.
        advance: Told how far reading or rendering is.
        columns: What columns are called, for data whose labels are the user's own.
        skip_missing: Leave out rows whose image is not there, and list them.
    """
    from faceeval.data.table import load_faces

    def open_split(split: str) -> FaceSet:
        faces = load_faces(
            benchmark.data,
            split,
            size=size or benchmark.size,
            root=root,
            crop=benchmark.crop,
            skip_missing=skip_missing,
            columns=columns,
            progress=advance,
        )
        say_skipped(faces)
        return faces

    return open_split(benchmark.split), open_split(benchmark.extra_split) if benchmark.extra_split else None
