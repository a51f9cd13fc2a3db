# SPDX-License-Identifier: MIT
"""Runs the protocols that vary one thing, and writes down everything that made the numbers.

Chains of edits (M-AAE), strengths of an edit (M-AAE), images at a time (DIAT); docs/sweeps.md tells what each does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter

from faceeval.benchmark import Benchmark
from faceeval.data.faces import FaceSet
from faceeval.method import StrengthEditor
from faceeval.protocols import load_protocol
from faceeval.protocols.clock import Clock
from faceeval.protocols.edits import AnyEditor
from faceeval.protocols.findings import Findings
from faceeval.protocols.links import Links
from faceeval.protocols.panel import Panel
from faceeval.provenance import card_record, data_record, judge_record, run_record
from faceeval.results import Named
from faceeval.results.sweeps import Sweep, SweepSummary

__all__ = ["Links", "score_chain", "score_strength", "score_timing"]

BATCH_SIZE = 100
Progress = Callable[[int, int], None]


def score_chain(
    methods: Sequence[Links],
    faces: FaceSet,
    chain: Sequence[str],
    *,
    benchmark: Benchmark,
    judges: Panel,
    n_per_class: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    progress: Progress | None = None,
    command: str = "",
    seconds: Mapping[str, float] | None = None,
) -> Sweep:
    """Scores methods on attributes inverted one after the other; see `faceeval.protocols.chain.run`.

    Args:
        methods: The methods with their editors.
        faces: The split to edit.
        chain: Attributes in the order they are inverted.
        benchmark: Recorded beside the numbers.
        judges: From `faceeval.score.load_panel`.
        n_per_class: Images with the first attribute, and images without it; 500 by default, as in the paper.
        batch_size: Images at a time.
        seed: Seed of the bootstrap and of the judge's folds.
        progress: Called with images done and images in all.
        command: Command line, for the record.
        seconds: Seconds already spent before this call, by part; counted into the total.

    Returns:
        Curves over the number of edits, with all provenance.

    Raises:
        InputError: As `faceeval.protocols.chain.run`.
        UnknownNameError: The data do not label the first attribute.
    """
    options = {} if n_per_class is None else {"n_per_class": n_per_class}

    def run(clock: Clock) -> Findings:
        found: Findings = load_protocol("chain")(
            methods, faces, chain, panel=judges, batch_size=batch_size, seed=seed, clock=clock, progress=progress,
            **options,
        )  # fmt: skip
        return found

    return _recorded("chain", run, faces, benchmark, judges, command, seconds)


def score_strength(
    method: StrengthEditor,
    faces: FaceSet,
    attribute: str,
    *,
    benchmark: Benchmark,
    judges: Panel,
    strengths: Sequence[float] | None = None,
    n_per_class: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    extra: FaceSet | None = None,
    progress: Progress | None = None,
    command: str = "",
    seconds: Mapping[str, float] | None = None,
) -> Sweep:
    """Scores a method at many strengths of one edit; see `faceeval.protocols.strength.run`.

    Args:
        method: The editor.
        faces: The split to edit.
        attribute: CelebA's name.
        benchmark: Recorded beside the numbers.
        judges: From `faceeval.score.load_panel`.
        strengths: In the method's own units; eleven over its range by default.
        n_per_class: Images with the attribute, and images without it; 250 by default.
        batch_size: Images at a time.
        seed: Seed of the bootstrap.
        extra: Split that lends images to a class that is short.
        progress: Called with images done and images in all.
        command: Command line, for the record.
        seconds: Seconds already spent before this call, by part; counted into the total.

    Returns:
        Curves over the strength, with all provenance.

    Raises:
        InputError: As `faceeval.protocols.strength.run`.
        UnknownNameError: The data do not label the attribute.
    """
    options = {} if n_per_class is None else {"n_per_class": n_per_class}

    def run(clock: Clock) -> Findings:
        found: Findings = load_protocol("strength")(
            method, faces, attribute, panel=judges, strengths=strengths, batch_size=batch_size, seed=seed, clock=clock,
            extra=extra, progress=progress, **options,
        )  # fmt: skip
        return found

    return _recorded("strength", run, faces, benchmark, judges, command, seconds)


def score_timing(
    methods: Sequence[AnyEditor],
    faces: FaceSet,
    attribute: str,
    *,
    benchmark: Benchmark,
    timed: int | None = None,
    end_to_end: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    command: str = "",
    seconds: Mapping[str, float] | None = None,
) -> Sweep:
    """Times methods with 1 and 32 images at a time; see `faceeval.protocols.timing.run`.

    Args:
        methods: The editors.
        faces: Lends the images.
        attribute: CelebA's name.
        benchmark: Recorded beside the numbers.
        timed: Calls that count, 100 by default.
        end_to_end: Whether reading the images counts.
        seed: Seed of the bootstrap.
        progress: Called with batch sizes done and batch sizes in all.
        command: Command line, for the record.
        seconds: Seconds already spent before this call, by part; counted into the total.

    Returns:
        Curves over the number of images at a time, with all provenance.

    Raises:
        InputError: As `faceeval.protocols.timing.run`.
        UnknownNameError: The data do not label the attribute.
    """
    options = {} if timed is None else {"timed": timed}

    def run(clock: Clock) -> Findings:
        found: Findings = load_protocol("timing")(
            methods, faces, attribute, end_to_end=end_to_end, seed=seed, clock=clock, progress=progress, **options
        )
        return found

    return _recorded("timing", run, faces, benchmark, Panel({}), command, seconds)


def _recorded(
    protocol: str,
    run: Callable[[Clock], Findings],
    faces: FaceSet,
    benchmark: Benchmark,
    panel: Panel,
    command: str,
    seconds: Mapping[str, float] | None,
) -> Sweep:
    clock, start, started = Clock(dict(seconds or {})), perf_counter(), datetime.now(UTC)
    findings = run(clock)
    spent = sum((seconds or {}).values()) + perf_counter() - start
    summary = SweepSummary(
        protocol=protocol,
        benchmark=Named(name=benchmark.name, version=benchmark.version),
        attributes=findings.attributes,
        data=data_record(faces, findings.chosen),
        methods={name: tuple(map(card_record, cards)) for name, cards in findings.cards.items()},
        judges={role: judge_record(judge) for role, judge in panel.judges.items()},
        absent_judges=dict(panel.absent),
        settings=findings.settings,
        axis=findings.axis,
        measures=findings.measures,
        wholes=findings.wholes,
        curves=findings.curves,
        matrices=findings.matrices,
        grid=findings.grid,
        notices=findings.notices,
        run=run_record(started.isoformat(timespec="seconds"), command, {**clock.seconds, "total": spent}),
    )
    return Sweep(summary, findings.images, findings.tiles)
