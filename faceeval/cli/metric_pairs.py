# SPDX-License-Identifier: MIT
"""``faceeval metric dfn``, ``rmse`` and their kin: images and their edits, pair by pair."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli import metric_options as options
from faceeval.cli.console import interruptible, progress
from faceeval.cli.measured import Measured, Number, heard, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceeval.data.sources import ImageSource

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help=f"Images before. {options.IMAGES}.")]
Edited = Annotated[
    Path, typer.Argument(metavar="EDITED", help="Images after, each of its source's name up to the suffix.")
]


def dfn(
    source: Source,
    edited: Edited,
    judge: options.JudgeName = "facenet",
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Discrepancy of feature norm: did the edits cost quality as faces? Sources and edits may be an .npz of features.

    Example: faceeval metric dfn sources/ edited/
    """
    began, notes = time.perf_counter(), list[str]()
    how = options.How(judge, None, weights_dir, column, split, batch_size, device, quiet)
    with heard(notes):
        seen = _look_at_both(source, edited, how)
        from faceeval.metrics import dfn_ratios, dfn_summary

        ratios = dfn_ratios(seen.before, seen.after)
        summary = dfn_summary(ratios)
        numbers = [
            _mean("dfn_mean", "mean DFN", ratios, "dfn_ratios", seed),
            Number("dfn_median", "median", summary.median, metric="dfn_ratios"),
            Number("dfn_p25", "lower quartile", summary.p25, metric="dfn_ratios"),
            Number("dfn_p75", "upper quartile", summary.p75, metric="dfn_ratios"),
            Number("dfn_iqr", "interquartile range", summary.iqr, metric="dfn_ratios", better="lower"),
        ]
    found = _measured("dfn", numbers, seen.inputs, seen.maker, seed, notes)
    show(found, as_json=as_json, quiet=quiet, began=began)


def similarity(
    source: Source,
    edited: Edited,
    judge: options.JudgeName = "facenet",
    weights_dir: options.WeightsDir = None,
    column: options.Column = None,
    split: options.Split = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cosine similarity of identities: is it still the same person? Sources and edits may be an .npz of embeddings.

    Example: faceeval metric similarity sources/ edited/
    """
    began, notes = time.perf_counter(), list[str]()
    how = options.How(judge, None, weights_dir, column, split, batch_size, device, quiet)
    with heard(notes):
        seen = _look_at_both(source, edited, how)
        from faceeval.metrics import identity_similarity

        values = identity_similarity(seen.before, seen.after)
        numbers = [_mean("identity_similarity", "mean similarity", values, "identity_similarity", seed)]
    found = _measured("similarity", numbers, seen.inputs, seen.maker, seed, notes)
    show(found, as_json=as_json, quiet=quiet, began=began)


def rmse(
    source: Source,
    edited: Edited,
    column: options.Column = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Root mean squared difference of pixels, in the readings that go by that name.

    Example: faceeval metric rmse sources/ edited/
    """
    import numpy as np

    def numbers(values: NDArray[np.float64]) -> list[Number]:
        rooted, absolute = values.T
        return [
            _mean("rmse_pixel_mean", "mean of the images' RMSE", rooted, "rmse_pixel_mean", seed),
            Number("rmse_pixel_global", "root over all pixels", float(np.sqrt((rooted**2).mean()))),
            Number("rms_of_image_l1", "root mean square of L1", float(np.sqrt((absolute**2).mean()))),
            Number("rmse_median", "median of the images' RMSE", float(np.median(rooted)), metric="pixel_rmse"),
        ]

    _compare_pixels(
        "rmse", ("pixel_rmse", "pixel_l1_error"), numbers, _Pixels(source, edited, column, split, seed), as_json, quiet
    )


def psnr(
    source: Source,
    edited: Edited,
    column: options.Column = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Peak signal-to-noise ratio of pixels; equal images, whose ratio is infinite, are counted and left out.

    Example: faceeval metric psnr sources/ edited/
    """
    import numpy as np

    def numbers(values: NDArray[np.float64]) -> list[Number]:
        finite = values[np.isfinite(values)]
        equal = Number("equal_pairs", "equal pairs, left out", len(values) - len(finite), metric="none", digits=0)
        if not len(finite):
            return [Number("psnr_median", "median PSNR", float("inf"), metric="psnr"), equal]
        median = Number("psnr_median", "median PSNR, all pairs", float(np.median(values)), metric="psnr")
        return [_mean("psnr", "mean PSNR", finite, "psnr", seed), median, equal]

    _compare_pixels("psnr", ("psnr",), numbers, _Pixels(source, edited, column, split, seed), as_json, quiet)


def ssim(
    source: Source,
    edited: Edited,
    column: options.Column = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Structural similarity of pixels.

    Example: faceeval metric ssim sources/ edited/
    """
    import numpy as np

    def numbers(values: NDArray[np.float64]) -> list[Number]:
        median = Number("ssim_median", "median SSIM", float(np.median(values)), metric="ssim")
        return [_mean("ssim", "mean SSIM", values, "ssim", seed), median]

    _compare_pixels("ssim", ("ssim",), numbers, _Pixels(source, edited, column, split, seed), as_json, quiet)


@dataclasses.dataclass(frozen=True, eq=False)
class _Both:
    """Embeddings of sources and edits, row by row, and where they are from."""

    before: NDArray[Any]
    after: NDArray[Any]
    inputs: Mapping[str, Mapping[str, Any]]
    maker: Mapping[str, Any]


def _look_at_both(source: Path, edited: Path, how: options.How) -> _Both:
    sets = options.open_sets([source, edited], how)
    from faceeval.protocols.paired import pair
    from faceeval.protocols.sets import check_same_maker, see_features

    order = pair(*sets)
    look = options.load_look(sets, how, ("embedding",))
    with interruptible("no result"), progress(how.quiet) as bar:
        first, second = (see_features(given, look, bar(f"looking at {Path(given.path).name}")) for given in sets)
    check_same_maker(first, second)
    inputs = {"source": first.record, "edited": second.record}
    return _Both(first.rows, second.rows[order], inputs, first.made_with or second.made_with)


@dataclasses.dataclass(frozen=True)
class _Pixels:
    """What a command that compares pixels was given."""

    source: Path
    edited: Path
    column: str | None
    split: str | None
    seed: int


def _compare_pixels(
    command: str,
    metrics: tuple[str, ...],
    numbers: Callable[[NDArray[np.float64]], list[Number]],
    given: _Pixels,
    as_json: bool,
    quiet: bool,
) -> None:
    """Runs metrics of two images over all pairs and prints what becomes of their values."""
    began = time.perf_counter()
    import numpy as np

    from faceeval.data.sources import open_images
    from faceeval.metrics import preservation
    from faceeval.protocols.paired import pair, pixel_values

    first, second = (open_images(path, column=given.column, split=given.split) for path in (given.source, given.edited))
    order, notes = pair(first, second), list[str]()
    functions = [getattr(preservation, name) for name in metrics]

    def values_of(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = [function(before, after) for function in functions]
        return np.stack(found, axis=1) if len(found) > 1 else np.asarray(found[0])

    with interruptible("no result"), progress(quiet) as bar, heard(notes):
        values, pixels = pixel_values(first, second, order, values_of, bar("comparing"))
        inputs = {"source": _image_record(first, pixels["source"]), "edited": _image_record(second, pixels["edited"])}
        found = _measured(command, numbers(values), inputs, {}, given.seed, notes)
    show(found, as_json=as_json, quiet=quiet, began=began)


def _image_record(source: ImageSource, pixels: str) -> dict[str, Any]:
    return {
        "path": source.path,
        "kind": source.kind,
        "n": len(source),
        "skipped": source.skipped,
        "pixels_sha256": pixels,
    }


def _mean(key: str, label: str, values: NDArray[np.float64], metric: str, seed: int) -> Number:
    """Returns the mean of values of images, with its interval where there are two of them."""
    from faceeval.metrics import bootstrap_mean

    if len(values) < 2:
        return Number(key, label, float(values.mean()), metric=metric)
    interval = bootstrap_mean(values, seed)
    return Number(key, label, interval.value, interval.low, interval.high, metric)


def _measured(
    command: str,
    numbers: list[Number],
    inputs: Mapping[str, Mapping[str, Any]],
    maker: Mapping[str, Any],
    seed: int,
    notes: list[str],
) -> Measured:
    source, edited = inputs["source"], inputs["edited"]
    title = f"{edited['path']} against its sources {source['path']} ({source['n']:,} pairs)"
    return Measured(command, title, numbers, inputs, maker, {"seed": seed}, notes)
