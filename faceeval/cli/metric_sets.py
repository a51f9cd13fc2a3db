# SPDX-License-Identifier: MIT
"""``faceeval metric fid`` and its kin: what two sets of images have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli import metric_options as options
from faceeval.cli.console import interruptible, progress
from faceeval.cli.measured import Measured, Number, heard, show
from faceeval.errors import InputError

if TYPE_CHECKING:
    from faceeval.protocols.sets import SeenSet

SET = f"{options.IMAGES}, or an .npz of features or statistics."
Real = Annotated[Path, typer.Argument(metavar="REAL", help=f"The real images. {SET}")]
Fake = Annotated[Path, typer.Argument(metavar="FAKE", help=f"The generated images. {SET}")]


def fid(
    real: Real,
    fake: Fake,
    judge: options.JudgeName = "inception",
    resize: options.Resize = None,
    pca: Annotated[
        int | None, typer.Option("--pca", min=1, help="Compare after projection on this many principal components.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Set the components are fitted on; both sets by default.")
    ] = None,
    save_stats: Annotated[
        Path | None, typer.Option("--save-stats", help="Keep the statistics of REAL here, to be given in its place.")
    ] = None,
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fréchet distance between two sets of images: FID on inception, FD on any other judge.

    Example: faceeval metric fid real/ fake.zip --resize pytorch-fid
    """
    began = time.perf_counter()
    if reference is not None and pca is None:
        raise InputError("--reference with --pca", "--reference alone", "add --pca K, or leave --reference out")
    options.check_writable(save_stats)
    how = options.How(judge, resize, weights_dir, column, split, batch_size, device, quiet)
    notes: list[str] = []
    with heard(notes):
        seen = see_all([real, fake, *([reference] if reference else [])], how, rows_from=3)
        number = _frechet(seen, pca)
    if save_stats is not None:
        _save_statistics(save_stats, seen[0])
    settings = {} if pca is None else {"components": pca, "fitted_on": "reference" if reference else "both sets"}
    show(answer_of("fid", [number], seen, settings, notes), as_json=as_json, quiet=quiet, began=began)


def see_all(paths: list[Path], how: options.How, rows_from: int = 0, least: int = 2) -> list[SeenSet]:
    """Looks at sets, all of which must be of one maker.

    Args:
        paths: Where they are.
        how: Which judge, and where.
        rows_from: From this one on every row is kept; of those before, statistics do.
        least: Fewest images a set may have.
    """
    sets = options.open_sets(paths, how)
    look = options.load_look(sets, how)
    from faceeval.protocols.sets import check_same_maker, see_features, see_statistics

    with interruptible("no result"), progress(how.quiet) as bar:
        seen = []
        for place, given in enumerate(sets):
            advance = bar(f"looking at {Path(given.path).name}")
            keep = place >= rows_from
            seen.append(
                see_features(given, look, advance, least=least) if keep else see_statistics(given, look, advance)
            )
    for other in seen[1:]:
        check_same_maker(seen[0], other)
    return seen


def _frechet(seen: list[SeenSet], pca: int | None) -> Number:
    from faceeval.metrics import frechet_distance, frechet_distance_pca

    label = label_of(seen, "FID", "FD", "Fréchet distance")
    real, fake, *reference = (one.values for one in seen)
    if pca is None:
        return Number("frechet_distance", label, frechet_distance(real, fake))
    fit: Any = "reference" if reference else "pooled"
    value = frechet_distance_pca(real, fake, pca, fit, *reference)
    return Number("frechet_distance_pca", f"{label}, {pca} components", value)


def label_of(seen: list[SeenSet], on_inception: str, elsewhere: str, unknown: str) -> str:
    """Returns what a distance is called: its usual name is kept for the network it is defined on."""
    maker = _maker(seen)
    if not maker:
        return unknown
    return on_inception if maker.get("judge") == "inception" else f"{elsewhere}-{maker.get('judge')}"


def _maker(seen: list[SeenSet]) -> Mapping[str, Any]:
    return next((one.made_with for one in seen if one.made_with), {})


def answer_of(
    command: str, numbers: list[Number], seen: list[SeenSet], settings: Mapping[str, Any], notes: list[str]
) -> Measured:
    """Puts the answer of a command about two sets together."""
    inputs = dict(zip(("real", "fake", "reference"), (one.record for one in seen), strict=False))
    sides = [f"{one.record['path']} ({'?' if one.n is None else f'{one.n:,}'} images)" for one in seen[:2]]
    return Measured(
        command, " against ".join(sides), numbers, inputs, _maker(seen), settings, [*notes, *_remarks(seen)]
    )


def _save_statistics(path: Path, seen: SeenSet) -> None:
    import numpy as np

    from faceeval.data.npz import write_npz
    from faceeval.metrics import GaussianStats

    stats = seen.values if isinstance(seen.values, GaussianStats) else GaussianStats.from_features(seen.values)
    named = {"mu": stats.mean, "sigma": stats.cov}
    if seen.n is not None:
        named = {"n": np.asarray(stats.n), "mean": stats.mean, "cov": stats.cov}
    write_npz(path, named, seen.made_with)


def _remarks(seen: list[SeenSet]) -> list[str]:
    """Says what a reader of the number should know about the sets."""
    remarks = [
        f"{one.record['path']}: {one.record['skipped']} files beside the images were left out"
        for one in seen
        if one.record.get("skipped")
    ]
    maker = _maker(seen)
    for one in seen:
        path = one.record["path"]
        if maker and not one.made_with:
            remarks.append(f"{path} does not say which network and resizing made it; taken to be as the other set's")
        if one.n is None:
            remarks.append(f"{path} does not say how many images it was made of; equally many are needed to compare")
        if one.n is None and not one.made_with and maker.get("resize", "pytorch-fid") != "pytorch-fid":
            remarks.append(f"pytorch-fid resizes in its own way: where it made {path}, give --resize pytorch-fid")
    sizes = {one.n for one in seen[:2] if one.n is not None}
    if len(sizes) == 2 and max(sizes) > 1.1 * min(sizes):
        remarks.append("the sets differ in size; the distance depends on it, so compare only values of equal sizes")
    return remarks
