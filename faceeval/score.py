# SPDX-License-Identifier: MIT
"""Scores a method: runs the benchmark's protocol and writes down everything that made the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from faceeval.benchmark import Benchmark
from faceeval.data.faces import FaceSet
from faceeval.errors import MissingFileError
from faceeval.judges import Judge, load_judge
from faceeval.method import MethodCard
from faceeval.protocols import load_protocol
from faceeval.protocols.clock import Clock
from faceeval.protocols.editing import Outcome
from faceeval.protocols.edits import AnyEditor
from faceeval.protocols.outside import EditedFolder, load_user_method
from faceeval.protocols.panel import Panel
from faceeval.provenance import card_record, data_record, git_commit, judge_record, run_record
from faceeval.results import Named, Result, RunRecord, Summary

__all__ = ["EditedFolder", "git_commit", "load_panel", "load_user_method", "score"]

BATCH_SIZE = 100


def load_panel(benchmark: Benchmark, *, weights_dir: Path | None = None) -> Panel:
    """Loads the judges a benchmark names, each once.

    Args:
        benchmark: Names them by role.
        weights_dir: Folder looked in first for their weights.

    Returns:
        The judges. A judge whose weights are not on this machine is left out with the reason; its metrics are then
        reported as absent. The judges of procfaces come with the package, so there a missing one is an error.

    Raises:
        MissingFileError: A judge that comes with the package is missing.
        CheckpointError: A weight file is damaged.
    """
    loaded: dict[str, Judge] = {}
    absent: dict[str, str] = {str(role): reason for role, reason in benchmark.absent.items()}
    for role, name in benchmark.judges.items():
        if name in loaded:
            continue
        try:
            loaded[name] = load_judge(name, weights_dir=weights_dir)
        except MissingFileError as error:
            if name.startswith("procfaces"):
                raise
            absent[role] = f"{name}: its weight file is not on this machine; {error.todo}"
    judges: dict[str, Judge] = {role: loaded[name] for role, name in benchmark.judges.items() if name in loaded}
    return Panel(judges, absent)


def score(
    method: AnyEditor,
    faces: FaceSet,
    attribute: str,
    *,
    benchmark: Benchmark,
    judges: Panel | Mapping[str, Judge],
    n_per_class: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    extra: FaceSet | None = None,
    progress: Callable[[int, int], None] | None = None,
    command: str = "",
    seconds: Mapping[str, float] | None = None,
) -> Result:
    """Scores a method on one attribute.

    Args:
        method: The editor.
        faces: The split to edit; its size is the size of the images.
        attribute: CelebA's name.
        benchmark: Protocol and settings.
        judges: From ``load_panel``, or role -> judge.
        n_per_class: Images with the attribute, and images without it; the benchmark's number by default.
        batch_size: Images at a time.
        seed: Seed of the bootstrap; nothing else is left to chance.
        extra: Split that lends images to a class that is short.
        progress: Called with images done and images in all.
        command: Command line, for the record.
        seconds: Seconds already spent before this call, by part (``import``, ``data`` ...); counted into the total.

    Returns:
        Rows for the method, ``identity``, and ``truth`` where the true edits are known, with all provenance.

    Raises:
        InputError: The method does not suit the images or the attribute, or returned something other than edits.
        UnknownNameError: The data do not label the attribute, or the benchmark names an unknown protocol.
    """
    clock, start, started = Clock(dict(seconds or {})), perf_counter(), datetime.now(UTC)
    panel = judges if isinstance(judges, Panel) else Panel(judges)
    outcome = load_protocol(benchmark.protocol)(
        method,
        faces,
        attribute,
        benchmark=benchmark,
        panel=panel,
        n_per_class=benchmark.n_per_class if n_per_class is None else n_per_class,
        batch_size=batch_size,
        seed=seed,
        clock=clock,
        extra=extra,
        progress=progress,
    )
    spent = sum((seconds or {}).values()) + perf_counter() - start
    run = run_record(started.isoformat(timespec="seconds"), command, {**clock.seconds, "total": spent})
    summary = _summary(method.card, faces, attribute, benchmark, panel, outcome, run)
    return Result(summary, outcome.images, outcome.grid.tiles)


def _summary(
    card: MethodCard,
    faces: FaceSet,
    attribute: str,
    benchmark: Benchmark,
    panel: Panel,
    outcome: Outcome,
    run: RunRecord,
) -> Summary:
    return Summary(
        protocol=benchmark.protocol,
        benchmark=Named(name=benchmark.name, version=benchmark.version),
        attribute=attribute,
        data=data_record(faces, outcome.chosen),
        method=card_record(card),
        judges={role: judge_record(judge) for role, judge in panel.judges.items()},
        absent_judges=dict(panel.absent),
        settings=outcome.settings,
        columns=outcome.columns,
        rows=outcome.rows,
        grid=outcome.grid.record,
        notices=outcome.notices,
        run=run,
    )
