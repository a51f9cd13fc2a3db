# SPDX-License-Identifier: MIT
"""``faceeval data list``, ``build``, ``verify``, ``show`` and ``prune``: whole datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli.console import interruptible, note, progress, stdout, table
from faceeval.cli.faces import Columns, SkipMissing, parse_columns, say_skipped
from faceeval.errors import OutputError

if TYPE_CHECKING:
    from faceeval.data.faces import FaceSet

Name = Annotated[str, typer.Argument(help="Dataset, such as procfaces or celeba.")]
Root = Annotated[Path | None, typer.Option("--root", help="Folder that holds the dataset.")]
Size = Annotated[int, typer.Option("--size", min=16, help="Image side in pixels.")]
Split = Annotated[
    str | None, typer.Option("--split", help="train, validation, test, or all; where there is one, test by default.")
]


def list_datasets(root: Root = None) -> None:
    """List every dataset and whether a copy is found on this machine, below --root or FACEEVAL_DATA."""
    from faceeval.data.manifest import load_manifest
    from faceeval.data.table import DATASETS

    rows = []
    for name, row in DATASETS.items():
        rows.append((name, _place(name, root), load_manifest(name).licence, row.title))
    table("", ("dataset", "copy found in", "terms", "what it is"), rows)


def _place(name: str, root: Path | None) -> str:
    """Says where a dataset is; data in no layout of their own cannot be missing."""
    from faceeval.data.table import DATASETS, find_copy

    if not DATASETS[name].needs_root:
        return "made here"
    if DATASETS[name].takes_columns:
        return "wherever yours are"
    return str(find_copy(name, root) or "-")


def build(
    name: Name = "procfaces",
    root: Root = None,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image side; the benchmark's by default.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="One split only.")] = None,
    columns: Columns = None,
    skip_missing: SkipMissing = False,
) -> None:
    """Make every split now, so that later commands start at once: render it, or write an Arrow copy that they map.

    A build that was stopped goes on where it was; one that is complete is checked, file by file.
    """
    from faceeval.benchmark import Benchmark
    from faceeval.data.hub.arrow_copy import build_copy
    from faceeval.data.table import DATASETS, load_faces, part_name

    benchmark, row = Benchmark.load(name), DATASETS[part_name(name)[0]]
    side = size or benchmark.size
    how: dict[str, Any] = {"size": side, "root": root, "crop": benchmark.crop, "skip_missing": skip_missing}
    how["columns"] = parse_columns(columns)
    with interruptible("build again to go on"), progress() as bar:
        for part in [split] if split else _splits(name, root):
            faces = load_faces(name, part, **how, progress=bar(f"building {part}"), from_copy=False)
            say_skipped(faces)
            line = f"{name} {part}: {len(faces)} images of {side} px, digest {faces.digest[:16]}"
            place = f", in {build_copy(faces, bar(f'writing {part}'))}" if row.needs_root else ""
            stdout.print(line + place, markup=False, soft_wrap=True)


def _splits(name: str, root: Path | None) -> list[str]:
    """Returns the splits of a dataset; where they differ from copy to copy, its reader knows them."""
    from faceeval.data.manifest import load_manifest
    from faceeval.data.table import part_name, reader_of, root_of

    base, _ = part_name(name)
    reader = reader_of(base)
    return reader.splits(root_of(name, root)) if hasattr(reader, "splits") else [*load_manifest(base).splits]


def prune() -> None:
    """Remove rendered faces of earlier versions of the renderer from the cache; nothing reads them any more."""
    import shutil

    from faceeval.data.cache import cache_dir
    from faceeval.data.dialects.table import outdated_dialects
    from faceeval.data.procfaces.standard import outdated_folders

    folders = [*outdated_folders(), *outdated_dialects()]
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


def verify(name: Name = "procfaces", root: Root = None, columns: Columns = None) -> None:
    """Check names, counts, headers and checksums; exit code 1 where something is missing or wrong."""
    from faceeval.data.manifest import verify as verify_dataset

    with progress() as bar:
        findings = verify_dataset(name, root, progress=bar(f"verifying {name}"), columns=parse_columns(columns))
    for finding in findings:
        stdout.print(str(finding), markup=False, soft_wrap=True)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)
    if findings:
        return
    stdout.print(f"{name}: everything is there and right")


def show(
    name: Name = "procfaces",
    root: Root = None,
    split: Split = None,
    size: Size = 64,
    columns: Columns = None,
    skip_missing: SkipMissing = False,
    crop: Annotated[str | None, typer.Option("--crop", help="How to cut; the dataset's usual way by default.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a contact sheet (PNG) here.")] = None,
    count: Annotated[int, typer.Option("-n", help="Images on the sheet.", min=1)] = 64,
) -> None:
    """Print what a split holds; with --out, draw a contact sheet of its first images."""
    from faceeval.data.table import load_faces

    part = split or _usual_split(name)
    with progress() as bar:
        faces = load_faces(
            name,
            part,
            size=size,
            root=root,
            crop=crop,
            skip_missing=skip_missing,
            columns=parse_columns(columns),
            progress=bar(f"reading {part}"),
        )
    say_skipped(faces)
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


def _usual_split(name: str) -> str:
    """Returns test, or for datasets without that split all."""
    from faceeval.data.manifest import load_manifest, manifest_names

    base = name.partition(":")[0]
    return "test" if base not in manifest_names() or "test" in load_manifest(base).splits else "all"


def _write_sheet(faces: FaceSet, out: Path, count: int) -> None:
    import numpy as np

    from faceeval.data.images import contact_sheet, write_png

    images = faces.read(np.arange(min(count, len(faces))))
    write_png(out, contact_sheet(images))
