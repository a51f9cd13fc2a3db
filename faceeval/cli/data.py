# SPDX-License-Identifier: MIT
"""``faceeval data``: build, verify and look at datasets."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceeval.cli.console import note, progress, stdout, table
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
    size: Size = 64,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Images per class.")] = 1000,
) -> None:
    """Write the test images of the editing protocol as PNG, for editors that run elsewhere (`score --edited DIR`)."""
    import numpy as np

    from faceeval.data.images import write_png
    from faceeval.data.selection import fai_split
    from faceeval.data.table import load_faces

    attribute = canonical_attribute(attr)
    if folder.exists() and any(folder.iterdir()):
        raise OutputError("a new or empty folder", f"{folder}, which holds files", "name another folder")
    with progress() as bar:
        faces = load_faces(name, "test", size=size, root=root, progress=bar("reading test"))
        chosen = fai_split(faces, attribute, n=count)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(index, 0) for index in chosen.positives] + [(index, 1) for index in chosen.negatives]
        advance = bar("writing")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", "attribute", "wanted"])
        for done, (index, wanted) in enumerate(rows, start=1):
            stem = Path(faces.names[index]).stem
            write_png(folder / f"{stem}.png", faces.read(np.array([index]))[0])
            writer.writerow([f"{stem}.png", attribute, wanted])
            advance(done, len(rows))
    (folder / "wanted.csv").write_text(text.getvalue(), encoding="utf-8")
    stdout.print(f"{len(rows)} images and wanted.csv in {folder}", markup=False, soft_wrap=True)
