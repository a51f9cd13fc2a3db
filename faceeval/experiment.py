# SPDX-License-Identifier: MIT
"""Runs the experiments about identity and embeddings, and writes down everything that made the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np

from faceeval.benchmark import Benchmark
from faceeval.errors import InputError
from faceeval.protocols.asked import check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Given, experiment_of, read_options
from faceeval.provenance import card_record, judge_record, looked_record, run_record
from faceeval.results import Named
from faceeval.results.sweeps import FaceGrid, Sweep, SweepSummary

__all__ = ["EXPERIMENTS", "Given", "run_experiment"]


def run_experiment(
    name: str,
    methods: Sequence[Any],
    given: Given,
    *,
    benchmark: Benchmark,
    options: Mapping[str, Any] | None = None,
    command: str = "",
    seconds: Mapping[str, float] | None = None,
) -> Sweep:
    """Runs an experiment on methods.

    Args:
        name: A key of EXPERIMENTS.
        methods: Objects with a card and the calls the experiment needs; see `faceeval.method`.
        given: Data and judges.
        benchmark: Recorded beside the numbers.
        options: Field of the experiment's ``Options`` -> value.
        command: Command line, for the record.
        seconds: Seconds already spent before this call, by part; counted into the total.

    Returns:
        What it found, with all provenance.

    Raises:
        UnknownNameError: No such experiment or option.
        InputError: The data or a judge it needs are not given, a method cannot do what it needs, or what a method
            returned is not what was asked for.
    """
    experiment, row = experiment_of(name), EXPERIMENTS[name]
    chosen = read_options(name, options or {})
    for role in row.judges:
        if reason := given.panel.missing(role):
            raise InputError(f"a judge of {role} for {name}", f"none: {reason}", "give its weights with --weights-dir")
    check_methods(methods, row, next(iter(given.faces.values())).size)
    given.clock.seconds.update(seconds or {})
    start, started = perf_counter(), datetime.now(UTC)
    found = experiment.run(methods, given, chosen)
    spent = sum((seconds or {}).values()) + perf_counter() - start
    run = run_record(started.isoformat(timespec="seconds"), command, {**given.clock.seconds, "total": spent})
    size = found.faces.size
    summary = SweepSummary(
        protocol=name,
        benchmark=Named(name=benchmark.name, version=benchmark.version),
        attributes=(),
        data=looked_record(found.faces, found.names),
        methods={method: (card_record(card),) for method, card in found.cards.items()},
        judges={role: judge_record(judge) for role, judge in given.panel.judges.items()},
        absent_judges=dict(given.panel.absent),
        settings={**found.settings, "seed": given.seed},
        axis=found.axis,
        measures=found.measures,
        wholes=found.wholes,
        curves=found.curves,
        title=found.title,
        lead=found.lead,
        plots=found.plots,
        printed=found.printed,
        grid=found.grid or FaceGrid(tile=size, columns=("",), rows=()),
        notices=found.notices,
        run=run,
    )
    tiles = np.zeros((0, 1, 3, size, size), np.uint8) if found.tiles is None else found.tiles
    return Sweep(summary, found.images, tiles)
