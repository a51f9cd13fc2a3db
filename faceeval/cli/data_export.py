# SPDX-License-Identifier: MIT
"""``faceeval data export``: the images of a protocol as files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from faceeval.cli.console import progress, stdout
from faceeval.cli.data_sets import Root
from faceeval.cli.faces import benchmark_faces
from faceeval.errors import OutputError
from faceeval.names import canonical_attribute


def export(
    folder: Annotated[Path, typer.Argument(help="New folder for the images.")],
    attr: Annotated[str, typer.Option("--attr", "-a", help="The attribute to be edited.")],
    name: Annotated[str, typer.Option("--data", "-d", help="Dataset.")] = "procfaces",
    root: Root = None,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image side; the benchmark's by default.")] = None,
    count: Annotated[int | None, typer.Option("-n", "--count", min=1, help="Images per class.")] = None,
) -> None:
    """Write the images the editing protocol edits as PNG, for editors that run elsewhere (`score --edited DIR`)."""
    import numpy as np

    from faceeval.benchmark import Benchmark
    from faceeval.data.images import write_png
    from faceeval.protocols.chosen import choose

    attribute, benchmark = canonical_attribute(attr), Benchmark.load(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError("a new or empty folder", f"{folder}, which is there already", "name another folder")
    with progress() as bar:
        faces, extra = benchmark_faces(benchmark, root, size, bar("reading faces"))
        chosen = choose(faces, attribute, count or benchmark.n_per_class, extra)
        advance, rows = bar("writing"), []
        for place, (source, wanted) in enumerate(zip(chosen.names, chosen.targets, strict=True)):
            file = f"{Path(source).stem}.png"
            write_png(folder / file, chosen.read(np.array([place]))[0])
            rows.append((file, attribute, int(wanted)))
            advance(place + 1, len(chosen))
    with (folder / "wanted.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("file", "attribute", "wanted"), *rows])
    stdout.print(f"{len(rows)} images and wanted.csv in {folder}", markup=False, soft_wrap=True)
