# SPDX-License-Identifier: MIT
"""``faceeval metric verification`` and ``study``: pairs of faces, and what people prefer."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli import metric_options as options
from faceeval.cli.measured import Measured, Number, heard, show
from faceeval.errors import InputError

if TYPE_CHECKING:
    from faceeval.metrics.facenet_loop import FacenetSummary
    from faceeval.metrics.verification import VerificationSummary


def verification(
    embeddings: Annotated[
        Path, typer.Argument(metavar="EMBEDDINGS.npz", help="embeddings (N, D) and names (N,) of the images.")
    ],
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="LFW's pairs.txt, or a CSV of first,second,same and perhaps fold.")
    ],
    measure: Annotated[
        str | None, typer.Option("--measure", help="How embeddings are compared: cosine, squared_euclidean, ...")
    ] = None,
    mode: Annotated[
        str, typer.Option("--mode", help="exact, the protocol; or facenet, its script's digits.")
    ] = "exact",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """How well do embeddings tell whether two faces are of one person? LFW's protocol over folds, ROC, TAR at FAR.

    Example: faceeval metric verification embeddings.npz pairs.txt
    """
    began, notes = time.perf_counter(), list[str]()
    from faceeval.data.labels.pair_table import read_pair_table
    from faceeval.data.labels.pairs import pair_rows, read_pairs
    from faceeval.data.npz import StoredStatistics, read_npz
    from faceeval.metrics.verification import verify_embeddings

    wanted = read_pair_table(pairs) if pairs.suffix.lower() == ".csv" else read_pairs(pairs)
    stored = read_npz(embeddings)
    if isinstance(stored, StoredStatistics) or not stored.names:
        got = f"{embeddings} without {'names' if not isinstance(stored, StoredStatistics) else 'embeddings'}"
        todo = "make it with `faceeval metric features FACES --judge facenet -o embeddings.npz`"
        raise InputError("an .npz of embeddings and the names of their images", got, todo)
    first, second = pair_rows(wanted, stored.names)
    folds = wanted.folds if mode != "facenet" else None
    with heard(notes):
        chosen: Any = {"measure": measure, "mode": mode}
        found = verify_embeddings(stored.rows[first], stored.rows[second], wanted.same, folds, **chosen)
    exact = mode != "facenet"
    numbers = _exact_numbers(found) if exact else _facenet_numbers(found)  # type: ignore[arg-type]
    answer = Measured(
        "verification",
        f"{embeddings} on {pairs} ({len(wanted.same):,} pairs)",
        numbers,
        {
            "embeddings": {"path": stored.path, "n": len(stored.rows), "sha256": _sha256(embeddings)},
            "pairs": {"path": str(pairs), "n": len(wanted.same), "sha256": _sha256(pairs)},
        },
        stored.made_with,
        {"measure": measure or ("cosine" if exact else "squared_euclidean"), "mode": mode},
        notes,
        _details(found),
    )
    show(answer, as_json=as_json, quiet=quiet, began=began)


def study(
    ranks: Annotated[
        Path, typer.Argument(metavar="RANKS.csv", help="A column for each method, 1 is best; rater and item, if known.")
    ],
    ties: Annotated[
        str, typer.Option("--ties", help="What tied ranks are worth: average, or min as in M-AAE.")
    ] = "average",
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """What did people prefer, and did they agree? Ranks to percent, Kendall's W, Friedman's test.

    Example: faceeval metric study ranks.csv
    """
    began, notes = time.perf_counter(), list[str]()
    from faceeval.data.labels.rank_sheet import read_ranks
    from faceeval.metrics.study import study_summary

    sheet = read_ranks(ranks)
    rule: Any = ties
    with heard(notes):
        found = study_summary(sheet.ranks, rule, seed)
    if found.n_dropped:
        notes.append(f"{found.n_dropped} lists with a missing rank were dropped")
    numbers = [
        Number(f"percent {method}", method, interval.value, interval.low, interval.high, "rank_score", digits=1)
        for method, interval in zip(sheet.methods, found.percent, strict=True)
    ]
    numbers += [
        Number("kendall_w", "Kendall's W", found.kendall_w),
        Number("friedman_p", "Friedman's p", found.friedman.p_value, digits=6),
    ]
    answer = Measured(
        "study",
        f"{ranks}: {found.n_raters} raters",
        numbers,
        {"ranks": {"path": str(ranks), "n_raters": found.n_raters, "n_items": found.n_items, "sha256": _sha256(ranks)}},
        settings={"ties": ties, "seed": seed},
        notes=notes,
        details={
            "mean_ranks": dict(zip(sheet.methods, found.mean_ranks, strict=True)),
            "friedman": dataclasses.asdict(found.friedman),
            "n_dropped": found.n_dropped,
        },
    )
    show(answer, as_json=as_json, quiet=quiet, began=began)


def _exact_numbers(found: VerificationSummary) -> list[Number]:
    rates = [
        Number(
            f"tar_at_far_{point.target:g}",
            f"TAR at FAR {point.target:g}",
            point.tar.value,
            point.tar.low,
            point.tar.high,
            "tar_at_far",
        )
        for point in found.operating_points
    ]
    return [
        Number("verification_accuracy", "accuracy over folds", found.folds.mean),
        Number("standard_error", "its standard error", found.folds.standard_error),
        Number("verification_auc", "AUC", found.auc),
        Number("equal_error_rate", "equal error rate", found.equal_error_rate),
        *rates,
    ]


def _facenet_numbers(found: FacenetSummary) -> list[Number]:
    numbers = [
        Number("verification_accuracy", "accuracy, facenet's folds", found.mean),
        Number("std", "its standard deviation, divisor F", found.std),
        Number("standard_error", "its standard error", found.standard_error),
        Number("validation_rate", f"validation rate at FAR {found.far:g}", found.validation_rate),
        Number("verification_auc", "AUC, averaged over folds", found.auc),
    ]
    if found.equal_error_rate is not None:
        numbers.append(Number("equal_error_rate", "equal error rate", found.equal_error_rate))
    return numbers


def _details(found: VerificationSummary | FacenetSummary) -> dict[str, Any]:
    return dataclasses.asdict(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
