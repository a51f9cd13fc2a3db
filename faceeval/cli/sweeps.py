# SPDX-License-Identifier: MIT
"""``faceeval score --protocol chain|strength|timing``: what several edits, more strength or more images at once do."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceeval.cli.console import interruptible, note, progress, stdout, table
from faceeval.cli.faces import benchmark_faces
from faceeval.errors import InputError, MissingFileError, unknown_name
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from faceeval.benchmark import Benchmark
    from faceeval.data.faces import FaceSet
    from faceeval.protocols.links import Links
    from faceeval.protocols.panel import Panel
    from faceeval.results.sweeps import Matrix, Measure, Sweep

SWEEPS = ("chain", "strength", "timing")
ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1", "neither": ""}


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        protocol: One of SWEEPS.
        methods: Names, with commas; None takes every method that has weights.
        attr: An attribute; for chains the first of a published one, or all of one's own, with commas.
        load: Method, attribute and image side -> editor.
        data: Dataset.
        root: Folder that holds it.
        columns: What its columns are called.
        skip_missing: Whether rows without an image are left out.
        size: Image side; None takes the benchmark's.
        count: Images of each class; None takes the protocol's.
        batch_size: Images at a time.
        seed: Seeds what is left to chance.
        strengths: With commas; None takes eleven over the method's range.
        runs: Timed calls; None takes 100.
        end_to_end: Whether reading images is timed, too.
        weights_dir: Where the weights of judges for photographs are.
        out: Folder for results.
        as_json: Whether to print JSON.
        quiet: Whether to keep bars and notes back.
    """

    protocol: str
    methods: str | None
    attr: str
    load: Callable[[str, str, int], Any]
    data: str
    root: Path | None
    columns: dict[str, str]
    skip_missing: bool
    size: int | None
    count: int | None
    batch_size: int
    seed: int
    strengths: str | None
    runs: int | None
    end_to_end: bool
    weights_dir: Path | None
    out: Path
    as_json: bool
    quiet: bool


def check_protocol(name: str) -> str:
    """Returns a protocol's name as tables have it.

    Raises:
        UnknownNameError: There is none of that name.
    """
    from faceeval.protocols import PROTOCOLS

    plain = name.strip().lower()
    if plain not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return plain


def score_sweep(request: Request) -> None:
    """Runs one of the protocols, writes its results and prints them.

    Raises:
        FaceevalError: What the protocol, the data or the weights object to.
    """
    began = time.perf_counter()
    from faceeval.benchmark import Benchmark
    from faceeval.protocols.panel import Panel
    from faceeval.results import prepare_output
    from faceeval.results.sweeps import write_sweep
    from faceeval.score import load_panel

    benchmark = Benchmark.load(request.data)
    prepare_output(request.out)
    attributes = wanted_attributes(request)
    strengths = parse_strengths(request.strengths)
    side = request.size or benchmark.size
    names = wanted_methods(request, attributes[0], side)
    timed = request.protocol == "timing"
    editors = {name: _links(request, name, attributes, side) for name in names}
    panel = Panel({}) if timed else load_panel(benchmark, weights_dir=request.weights_dir)
    loaded = time.perf_counter()
    with interruptible("no result was written"), progress(request.quiet) as bar:
        faces, extra = benchmark_faces(
            benchmark, request.root, side, bar("reading faces"), request.columns, request.skip_missing
        )
        spent = {"load": loaded - began, "faces": time.perf_counter() - loaded}
        made = _run(request, benchmark, editors, faces, extra, attributes, panel, strengths, bar, spent)
    for sweep in made:
        path = write_sweep(sweep, request.out)
        if request.as_json:
            stdout.print_json(path.read_text(encoding="utf-8"))
        else:
            show_sweep(sweep)
        if not request.quiet:
            for notice in sweep.summary.notices:
                note(f"note: {notice}")
            note(f"{sweep.summary.run.seconds['total']:.1f} s; result: {path}")


def wanted_attributes(request: Request) -> tuple[str, ...]:
    """Reads ``--attr``: a published chain by its first attribute, one of one's own by all, else one attribute.

    Raises:
        UnknownNameError: No such attribute, or no published chain begins with it.
        InputError: Several attributes for a protocol that takes one.
    """
    from faceeval.data.splits.editing import LONGEST_CHAIN, maae_chain

    named = tuple(canonical_attribute(name) for name in request.attr.split(",") if name.strip())
    if request.protocol == "chain":
        return named if len(named) > 1 else maae_chain(named[0] if named else request.attr, LONGEST_CHAIN)
    if len(named) != 1:
        todo = "name one; only --protocol chain takes several"
        raise InputError(f"one attribute for the protocol {request.protocol}", request.attr, todo)
    return named


def wanted_methods(request: Request, attribute: str, size: int) -> tuple[str, ...]:
    """Reads ``--method``; where it is not given, every method with weights for the attribute that suits the protocol.

    Raises:
        MissingFileError: No method has weights for it.
    """
    if request.methods is not None:
        return tuple(dict.fromkeys(name.strip() for name in request.methods.split(",") if name.strip()))
    from reference_models import METHODS, method_class, shipped_weights

    found = [name for name in METHODS if attribute in shipped_weights(name, data=request.data, size=size)]
    if request.protocol == "strength":
        found = [name for name in found if hasattr(method_class(name), "edit_strength")]
    if not found:
        knob = " and a strength to choose" if request.protocol == "strength" else ""
        raise MissingFileError(
            f"methods with weights for {attribute}, trained on {request.data} at {size} pixels{knob}",
            "none",
            "name one with --method and its weights with --checkpoint; `faceeval list methods` shows what is shipped",
        )
    return (*found, "identity") if request.protocol == "timing" else tuple(found)


def parse_strengths(text: str | None) -> tuple[float, ...] | None:
    """Reads strengths, with commas.

    Raises:
        InputError: One is no number.

    Example:
        >>> parse_strengths("-5, 0, 2.5")
        (-5.0, 0.0, 2.5)
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError("numbers with commas between, such as --strengths=-5,0,5", repr(text), str(error)) from error


def _links(request: Request, name: str, attributes: tuple[str, ...], size: int) -> Links:
    """Loads a method for each attribute; the first it must have, what else it lacks is noted."""
    from faceeval.protocols.links import Links

    editors, missing = {}, {}
    for attribute in attributes:
        try:
            editors[attribute] = request.load(name, attribute, size)
        except MissingFileError as error:
            if attribute == attributes[0]:
                raise
            missing[attribute] = f"no {error.expected} ({error.got})"
    return Links(editors[attributes[0]].card.name, editors, missing)


def _run(
    request: Request,
    benchmark: Benchmark,
    editors: dict[str, Links],
    faces: FaceSet,
    extra: FaceSet | None,
    attributes: tuple[str, ...],
    panel: Panel,
    strengths: tuple[float, ...] | None,
    bar: Callable[[str], Callable[[int, int], None]],
    seconds: dict[str, float],
) -> list[Sweep]:
    from faceeval.sweep import score_chain, score_strength, score_timing

    command = shlex.join(["faceeval", *sys.argv[1:]])
    links, attribute = list(editors.values()), attributes[0]
    shared: dict[str, Any] = {"benchmark": benchmark, "seed": request.seed, "command": command, "seconds": seconds}
    looked: dict[str, Any] = {"judges": panel, "n_per_class": request.count, "batch_size": request.batch_size}
    if request.protocol == "chain":
        advance = bar(f"chains of {', '.join(editors)}")
        return [score_chain(links, faces, attributes, **shared, **looked, progress=advance)]
    if request.protocol == "timing":
        timing: dict[str, Any] = {"timed": request.runs, "end_to_end": request.end_to_end}
        methods = [one.editors[attribute] for one in links]
        return [score_timing(methods, faces, attribute, **shared, **timing, progress=bar("timing"))]
    found = []
    for one in links:
        method: Any = one.editors[attribute]
        options = {**shared, **looked, "strengths": strengths, "extra": extra}
        found.append(score_strength(method, faces, attribute, **options, progress=bar(f"strengths of {one.name}")))
        shared["seconds"] = {}  # spent once
    return found


def show_sweep(sweep: Sweep) -> None:
    """Prints a table: measures and methods down, places of the axis across."""
    summary = sweep.summary
    data = summary.data
    what = ", ".join((summary.protocol, *summary.attributes))
    title = f"{what}, on {data.name} {data.split} at {data.size} px"
    if data.images is not None:
        title += f": {data.images} images"
    elif summary.protocol != "timing":
        title += f": {data.positives} images with {summary.attributes[0]} and {data.negatives} without"
    lines: list[list[str]] = []
    for key, measure in summary.measures.items():
        if not any(key in point.values for curve in summary.curves for point in curve.points):
            continue
        lines.append([_heading(measure), *[""] * len(summary.axis.ticks)])
        for curve in summary.curves:
            values = [point.values.get(key) for point in curve.points]
            cells = ["–" if value is None else f"{value.value:,.{measure.digits}f}" for value in values]
            lines.append([f"  {curve.name}", *cells])
    table(title, [summary.axis.label, *summary.axis.ticks], lines, right=range(1, len(summary.axis.ticks) + 1))
    if summary.wholes:
        _show_wholes(sweep)
    for matrix in summary.matrices:
        _show_matrix(matrix)


def _heading(measure: Measure) -> str:
    unit = f" [dim]{measure.unit}[/dim]" if measure.unit else ""
    return f"[bold]{measure.label}[/bold] {ARROWS[measure.better]}{unit}".replace("  ", " ")


def _show_wholes(sweep: Sweep) -> None:
    summary = sweep.summary
    lines = []
    for key, measure in summary.wholes.items():
        values = [curve.whole.get(key) for curve in summary.curves]
        cells = ["–" if value is None else f"{value.value:.{measure.digits}f}" for value in values]
        first = values[0]
        known = first is not None and first.low is not None and first.high is not None
        span = f"{first.low:.{measure.digits}f} .. {first.high:.{measure.digits}f}" if first and known else ""
        lines.append([_heading(measure), *cells, span])
    names: Sequence[str] = [curve.name for curve in summary.curves]
    table("Over the whole curve", ["", *names, "95 % interval"], lines, right=range(1, len(names) + 2))


def _show_matrix(matrix: Matrix) -> None:
    rows = zip(matrix.judges, matrix.scores, strict=True)
    lines = [[f"by {judge}'s", *(f"{score:.3f}" for score in scores)] for judge, scores in rows]
    table(f"Realness {matrix.title}", ["", *matrix.methods], lines, right=range(1, len(matrix.methods) + 1))
