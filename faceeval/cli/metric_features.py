# SPDX-License-Identifier: MIT
"""``faceeval metric kid``, ``prdc`` and others that need every image's features, and the command that keeps these."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from faceeval.cli import metric_options as options
from faceeval.cli.console import interruptible, note, progress, stdout
from faceeval.cli.measured import Number, heard, show
from faceeval.cli.metric_sets import Fake, Real, answer_of, label_of, see_all
from faceeval.errors import InputError


def kid(
    real: Real,
    fake: Fake,
    judge: options.JudgeName = "inception",
    resize: options.Resize = None,
    subsets: Annotated[int, typer.Option("--subsets", min=2, help="Random subsets the value is the mean of.")] = 100,
    subset_size: Annotated[
        int | None, typer.Option("--subset-size", min=2, help="Their size; 1,000, or half of the smaller set.")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Every pair of images, instead of subsets.")] = False,
    seed: options.Seed = 0,
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Kernel distance between two sets of images: KID on inception. Without bias, so small sets may be compared.

    Example: faceeval metric kid real/ fake/
    """
    began, notes = time.perf_counter(), list[str]()
    how = options.How(judge, resize, weights_dir, column, split, batch_size, device, quiet)
    with heard(notes):
        seen = see_all([real, fake], how, least=4)
        from faceeval.metrics.kernel import kernel_distance, kernel_distance_subsets

        label, sides = label_of(seen, "KID", "KD", "kernel distance"), [one.rows for one in seen]
        if exact:
            numbers = [Number("kernel_distance", label, kernel_distance(sides[0], sides[1]), digits=6)]
            settings: dict[str, int | str] = {"pairs": "all"}
        else:
            found = kernel_distance_subsets(sides[0], sides[1], subsets, subset_size, seed)
            numbers = [
                Number("kernel_distance", label, found.mean, digits=6),
                Number(
                    "kernel_distance_error",
                    "its standard error",
                    found.error,
                    metric="kernel_distance",
                    digits=6,
                    better="neither",
                ),
                Number(
                    "kernel_distance_std",
                    "spread of subsets",
                    found.std,
                    metric="kernel_distance",
                    digits=6,
                    better="neither",
                ),
            ]
            settings = {"subsets": found.subsets, "subset_size": found.subset_size, "seed": seed}
    show(answer_of("kid", numbers, seen, settings, notes), as_json=as_json, quiet=quiet, began=began)


def prdc(
    real: Real,
    fake: Fake,
    judge: options.JudgeName = "inception",
    resize: options.Resize = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours a ball reaches to.")] = 5,
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Precision, recall, density and coverage: do the images look real, and do they show all that is real?

    Example: faceeval metric prdc real/ fake/ -k 5
    """
    began, notes = time.perf_counter(), list[str]()
    how = options.How(judge, resize, weights_dir, column, split, batch_size, device, quiet)
    with heard(notes):
        seen = see_all([real, fake], how, least=k + 1)
        from faceeval.metrics.manifold import manifold_scores

        scores = manifold_scores(seen[0].rows, seen[1].rows, k)
    numbers = [
        Number(name, name, getattr(scores, name), metric=f"manifold_{name}")
        for name in ("precision", "recall", "density", "coverage")
    ]
    numbers.append(Number("expected_coverage", "coverage to expect", scores.expected_coverage, metric="none"))
    show(answer_of("prdc", numbers, seen, {"k": k}, notes), as_json=as_json, quiet=quiet, began=began)


def fid_infinity(
    real: Real,
    fake: Fake,
    judge: options.JudgeName = "inception",
    resize: options.Resize = None,
    points: Annotated[int, typer.Option("--points", min=3, help="Subsets the line is drawn through.")] = 15,
    seed: options.Seed = 0,
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fréchet distance extrapolated to infinitely many generated images.

    Example: faceeval metric fid-infinity real.npz fake/
    """
    began, notes = time.perf_counter(), list[str]()
    how = options.How(judge, resize, weights_dir, column, split, batch_size, device, quiet)
    with heard(notes):
        seen = see_all([real, fake], how, rows_from=1)
        from faceeval.metrics.extrapolation import frechet_distance_extrapolation

        line = frechet_distance_extrapolation(seen[0].values, seen[1].rows, points, seed=seed)
    label = label_of(seen, "FID", "FD", "Fréchet distance")
    row = "frechet_distance_infinity"
    numbers = [
        Number(row, f"{label} of infinitely many", line.value),
        Number("error", "its standard error, at least", line.error, metric=row, better="neither"),
        Number("finite", f"of the {line.sizes[-1]:,} there are", line.distances[-1], metric=row),
    ]
    settings = {"points": points, "seed": seed, "sizes": line.sizes}
    show(answer_of("fid-infinity", numbers, seen, settings, notes), as_json=as_json, quiet=quiet, began=began)


def features(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help=f"{options.IMAGES}.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz to write: features, names, what made them.")],
    judge: options.JudgeName = "inception",
    resize: options.Resize = None,
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    quiet: options.Quiet = False,
) -> None:
    """Keep what a judge sees of each image, to be given to the other commands in place of the images.

    Example: faceeval metric features faces/ --judge facenet -o embeddings.npz
    """
    began = time.perf_counter()
    options.check_writable(out)
    how = options.How(judge, resize, weights_dir, column, split, batch_size, device, quiet)
    (given,) = options.open_sets([source], how)
    look = options.load_look([given], how)
    if look is None:
        raise InputError("images", f"{source}, which holds features already", "give the images themselves")
    import numpy as np

    from faceeval.data.npz import write_npz
    from faceeval.protocols.sets import see_features

    with interruptible("nothing was written"), progress(quiet) as bar:
        seen = see_features(given, look, bar("looking"))
    names = np.array(getattr(given, "names", ()))
    write_npz(out, {"features": seen.rows, "names": names}, seen.made_with)
    stdout.print(f"{seen.n} rows of {judge} {look.output} in {out}", markup=False, soft_wrap=True)
    if not quiet:
        note(f"{time.perf_counter() - began:.1f} s")
