# SPDX-License-Identifier: MIT
"""``faceeval data export``: faces as files, in the layout of a published dataset or as a protocol wants them edited."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceeval.atomic import check_new_folder, new_folder
from faceeval.cli.console import interruptible, note, progress, stdout
from faceeval.cli.data_sets import Root
from faceeval.cli.faces import benchmark_faces
from faceeval.data.export.table import LAYOUTS, check_needs, check_side, export_faces
from faceeval.errors import InputError, unknown_name
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceeval.cli.console import Advance

EDITING = "editing"  # no published layout: the images a protocol edits


def export(
    name: Annotated[str, typer.Argument(help="Dataset, such as procfaces.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write; new or empty.")],
    layout: Annotated[
        str,
        typer.Option("--layout", "--to", "-l", help=f"One of {', '.join([*LAYOUTS, EDITING])}.", show_default=False),
    ],
    attr: Annotated[str | None, typer.Option("--attr", "-a", help="The attribute to edit, for editing.")] = None,
    root: Root = None,
    split: Annotated[str | None, typer.Option("--split", help="One split only.")] = None,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image side; the layout's by default.")] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="PNG instead of JPEG.")] = False,
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=1, help="First images of each split; of each class, for editing.")
    ] = None,
) -> None:
    """Write faces in the file layout of a published dataset, or (--layout editing) those an attribute is edited on."""
    import numpy as np

    from faceeval.data.dialects.people import view
    from faceeval.data.table import load_faces

    if layout != EDITING and layout not in LAYOUTS:
        raise unknown_name("layout", layout, [*LAYOUTS, EDITING])
    if (attr is None) == (layout == EDITING):
        got = f"{'--attr' if attr is not None else 'no --attr'} with --layout {layout}"
        raise InputError(f"--attr with --layout {EDITING}, and only there", got, "add it, or leave it out")
    check_new_folder(folder)
    with interruptible("nothing was written"), progress() as bar:
        if attr is not None:
            _export_sources(name, folder, canonical_attribute(attr), root, split, size, count, bar)
            return
        row, faces = LAYOUTS[layout], {}
        check_side(layout, size or row.size)
        for part in _splits(name, layout, split):
            opened = load_faces(name, part, size=size or row.size, root=root, progress=bar(f"reading {part}"))
            check_needs(layout, opened)  # before the next split is rendered
            faces[part] = opened if count is None else view(opened, opened.name, np.arange(len(opened))[:count])
        export_faces(layout, faces, folder, lossless=lossless, progress=bar("writing"))
    counts = ", ".join(f"{part} {len(opened)}" for part, opened in faces.items())
    stdout.print(f"{sum(map(len, faces.values()))} images ({counts}) in {folder}", markup=False, soft_wrap=True)
    stdout.print(f"read it back: {row.how_to_read(folder)}", markup=False, soft_wrap=True)


def _splits(name: str, layout: str, split: str | None) -> list[str]:
    """Returns the splits to be written: those the dataset has and the layout can tell apart."""
    from faceeval.data.manifest import load_manifest

    row, (base, _, variant) = LAYOUTS[layout], name.partition(":")
    if base == "procfaces" and row.dialect and variant != row.dialect:
        expected = f"procfaces:{row.dialect}, which alone knows what the layout {layout} needs"
        raise InputError(expected, name, f"export procfaces:{row.dialect}")
    if split is not None:
        if row.splits is not None and split not in row.splits:
            raise unknown_name(f"split of the layout {layout}", split, row.splits)
        return [split]
    known: list[str] = list(load_manifest(base).splits)
    chosen = [part for part in known if part in (row.usual_splits or row.splits or known)]
    if "all" in known and row.splits is None:
        return ["all"]  # the others, if there are any, are parts of it
    if not chosen:
        expected = f"splits among {', '.join(row.splits or row.usual_splits or ())}, for the layout {layout}"
        raise InputError(expected, f"{', '.join(known)}, of {name}", "name one with --split, or choose another layout")
    if left := [part for part in known if part not in chosen]:
        note(f"not written: {', '.join(left)}")
    return chosen


def _export_sources(
    name: str,
    folder: Path,
    attribute: str,
    root: Path | None,
    split: str | None,
    size: int | None,
    count: int | None,
    bar: Callable[[str], Advance],
) -> None:
    """Writes the images the editing protocol edits as PNG, for editors that run elsewhere (`score --edited DIR`)."""
    import numpy as np

    from faceeval.benchmark import Benchmark
    from faceeval.data.folder import stem
    from faceeval.data.images import write_png
    from faceeval.protocols.chosen import choose

    if split is not None:
        raise InputError(f"no --split with --layout {EDITING}", split, "leave it out: the benchmark names the split")
    benchmark = Benchmark.load(name)
    faces, extra = benchmark_faces(benchmark, root, size, bar("reading faces"))
    chosen = choose(faces, attribute, count or benchmark.n_per_class, extra)
    advance, files = bar("writing"), [f"{stem(Path(source).name)}.png" for source in chosen.names]
    if len(set(files)) < len(files):
        got = "names that differ in their folder or suffix only"
        raise InputError(f"images of {name} that can lie in one folder", got, "choose another layout, such as folder")
    with new_folder(folder) as place:
        for position, file in enumerate(files):
            write_png(place / file, chosen.read(np.array([position]))[0])
            advance(position + 1, len(files))
        rows = [(file, attribute, int(wanted)) for file, wanted in zip(files, chosen.targets, strict=True)]
        with (place / "wanted.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("file", "attribute", "wanted"), *rows])
    stdout.print(f"{len(files)} images and wanted.csv in {folder}", markup=False, soft_wrap=True)
