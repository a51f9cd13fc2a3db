# SPDX-License-Identifier: MIT
"""``faceeval data``: build, verify and look at datasets."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceeval.cli.console import note, progress, stdout, table
from faceeval.cli.faces import benchmark_faces
from faceeval.errors import OutputError
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from faceeval.data.faces import FaceSet

app = typer.Typer(help="Build, verify and look at datasets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Dataset, such as procfaces or celeba.")]
Root = Annotated[Path | None, typer.Option("--root", help="Folder that holds the dataset.")]
Size = Annotated[int, typer.Option("--size", min=16, help="Image side in pixels.")]
Split = Annotated[str, typer.Option("--split", help="train, validation or test.")]


@app.command()
def build(
    name: Name = "procfaces",
    root: Root = None,
    size: Size = 64,
    split: Annotated[str | None, typer.Option("--split", help="One split only.")] = None,
) -> None:
    """Render or index every split now, so that later commands start at once."""
    from faceeval.data.table import load_faces

    with progress() as bar:
        for part in [split] if split else ["train", "validation", "test"]:
            faces = load_faces(name, part, size=size, root=root, progress=bar(f"building {part}"))
            stdout.print(f"{name} {part}: {len(faces)} images of {size} px, digest {faces.digest[:16]}", soft_wrap=True)


@app.command()
def prune() -> None:
    """Remove rendered faces of earlier versions of the renderer from the cache; nothing reads them any more."""
    import shutil

    from faceeval.data.cache import cache_dir
    from faceeval.data.procfaces.standard import outdated_folders

    folders = outdated_folders()
    freed = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(
                f"to remove {folder}", f"{error.strerror or error}", "remove it yourself, or change its permissions"
            ) from error
    stdout.print(
        f"{len(folders)} outdated folders removed, {freed / 1e6:.0f} MB freed in {cache_dir()}", soft_wrap=True
    )


@app.command()
def verify(name: Name = "procfaces", root: Root = None) -> None:
    """Check names, counts, headers and checksums; exit code 1 where something is missing or wrong."""
    from faceeval.data.manifest import verify as verify_dataset

    with progress() as bar:
        findings = verify_dataset(name, root, progress=bar(f"verifying {name}"))
    for finding in findings:
        stdout.print(str(finding), markup=False, soft_wrap=True)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)
    if findings:
        return
    stdout.print(f"{name}: everything is there and right")


@app.command()
def show(
    name: Name = "procfaces",
    root: Root = None,
    split: Split = "test",
    size: Size = 64,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a contact sheet (PNG) here.")] = None,
    count: Annotated[int, typer.Option("-n", help="Images on the sheet.", min=1)] = 64,
) -> None:
    """Print what a split holds; with --out, draw a contact sheet of its first images."""
    from faceeval.data.table import load_faces

    with progress() as bar:
        faces = load_faces(name, split, size=size, root=root, progress=bar(f"reading {split}"))
    stdout.print(
        f"{faces.name} {faces.split}: {len(faces)} images of {size} px, digest {faces.digest[:16]}", soft_wrap=True
    )
    rows = [
        (attribute, str(int(values.sum())), f"{100 * values.mean():.1f} %")
        for attribute, values in faces.attributes.items()
    ]
    table("", ("attribute", "positives", "share"), rows, right=(1, 2))
    if out is not None:
        _write_sheet(faces, out, count)
        note(f"contact sheet: {out}")


def _write_sheet(faces: FaceSet, out: Path, count: int) -> None:
    import numpy as np

    from faceeval.data.images import contact_sheet, write_png

    images = faces.read(np.arange(min(count, len(faces))))
    write_png(out, contact_sheet(images))


@app.command()
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
