# SPDX-License-Identifier: MIT
"""``faceeval score --protocol verification|...``: the experiments about identity and embeddings."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceeval.cli.console import Advance, interruptible, note, progress, stdout
from faceeval.cli.faces import say_skipped
from faceeval.cli.sweeps import show_sweep
from faceeval.errors import InputError, MissingFileError, UnknownNameError

if TYPE_CHECKING:
    from faceeval.data.faces import FaceSet
    from faceeval.data.labels.pairs import FacePairs
    from faceeval.protocols.experiments import ExperimentRow


@dataclass(frozen=True)
class Asked:
    """What the command line asks for.

    Attributes:
        protocol: A key of EXPERIMENTS.
        methods: Names, with commas; None takes every method with weights that can.
        load: Name and image side -> method.
        data: Dataset; None takes the protocol's.
        root: Folder that holds it.
        columns: What its columns are called.
        also: Datasets read beside it, with their folders.
        skip_missing: Whether rows without an image are left out.
        size: Image side; None takes the benchmark's.
        count: What the protocol counts; None takes its number.
        options: Field of the protocol's options -> value.
        batch_size: Images at a time.
        seed: Seeds what is left to chance.
        weights_dir: Where the weights of judges for photographs are.
        out: Folder for results.
        as_json: Whether to print JSON.
        quiet: Whether to keep bars and notes back.
    """

    protocol: str
    methods: str | None
    load: Callable[[str, int], Any]
    data: str | None
    root: Path | None
    columns: dict[str, str]
    also: list[tuple[str, Path | None]]
    skip_missing: bool
    size: int | None
    count: int | None
    options: dict[str, Any]
    batch_size: int
    seed: int
    weights_dir: Path | None
    out: Path
    as_json: bool
    quiet: bool


def score_experiment(asked: Asked) -> None:
    """Runs an experiment, writes its result and prints it.

    Raises:
        FaceevalError: What the experiment, the data or the weights object to.
    """
    began = time.perf_counter()
    from faceeval.benchmark import Benchmark
    from faceeval.experiment import EXPERIMENTS, Given, run_experiment
    from faceeval.protocols.experiments import read_options
    from faceeval.results import prepare_output
    from faceeval.results.sweeps import write_sweep
    from faceeval.score import load_panel

    row = EXPERIMENTS[asked.protocol]
    read_options(asked.protocol, asked.options)  # for its errors
    data = asked.data or row.data
    benchmark = Benchmark.load(data.partition(":")[0])
    prepare_output(asked.out)
    side = asked.size or benchmark.size
    methods = [_loaded(asked, name, row, side) for name in wanted_methods(asked, row, side)]
    panel = load_panel(benchmark, weights_dir=asked.weights_dir)
    loaded = time.perf_counter()
    with interruptible("no result was written"), progress(asked.quiet) as bar:
        opened = {name: _open_split(asked, data, asked.root, name, side, bar(f"reading {name}")) for name in row.splits}
        for name in row.optional:
            with suppress(UnknownNameError):  # data without splits, all of which is its test
                opened[name] = _open_split(asked, data, asked.root, name, side, bar(f"reading {name}"))
        beside = [(name, None) for name in row.beside] if asked.data is None else []
        for name, root in asked.also or beside:
            opened[name] = _open_split(asked, name, root, "test", side, bar(f"reading {name}"))
        given = Given(
            data=data,
            faces=opened,
            panel=panel,
            pairs=_open_pairs(data, asked.root, row),
            count=asked.count,
            batch_size=asked.batch_size,
            seed=asked.seed,
            bar=bar,
        )
        sweep = run_experiment(
            asked.protocol,
            methods,
            given,
            benchmark=benchmark,
            options=asked.options,
            command=shlex.join(["faceeval", *sys.argv[1:]]),
            seconds={"load": loaded - began, "faces": time.perf_counter() - loaded},
        )
    path = write_sweep(sweep, asked.out)
    if asked.as_json:
        stdout.print_json(path.read_text(encoding="utf-8"))
    else:
        show_sweep(sweep)
    if not asked.quiet:
        note(sweep.summary.lead)
        for notice in sweep.summary.notices:
            note(f"note: {notice}")
        note(f"{sweep.summary.run.seconds['total']:.1f} s; result: {path}")


def wanted_methods(asked: Asked, row: ExperimentRow, size: int) -> tuple[str, ...]:
    """Reads ``--method``; where it is not given, every method with weights that offers what the experiment needs.

    Raises:
        MissingFileError: There is none.
    """
    if asked.methods is not None:
        return tuple(dict.fromkeys(name.strip() for name in asked.methods.split(",") if name.strip()))
    from reference_models import METHODS, method_class, shipped_weights

    found = [name for name in METHODS if "" in shipped_weights(name, size=size) and not row.lacking(method_class(name))]
    if not found:
        raise MissingFileError(
            f"methods with weights at {size} pixels that can {' and '.join(row.needs)}",
            "none",
            f"name one with --method, such as {row.such_as}; `faceeval list methods` shows what is shipped",
        )
    return tuple(found)


def _loaded(asked: Asked, name: str, row: ExperimentRow, side: int) -> Any:
    """Loads a method; a reference model that cannot do what is needed is refused for that, not for lack of weights."""
    from reference_models import METHODS, method_class

    plain = name.lower().replace("-", "_")
    if plain in METHODS and (lacking := row.lacking(method_class(plain))):
        todo = f"choose one that does, such as {row.such_as}"
        raise InputError(f"a method that can {' and '.join(row.needs)}", f"{plain}, which lacks {lacking}", todo)
    return asked.load(name, side)


def _open_split(asked: Asked, data: str, root: Path | None, split: str, side: int, advance: Advance) -> FaceSet:
    """Opens a split, cut as the dataset's benchmark says.

    ``"test"`` is the validation split of data that have no other (AffectNet), and all of data without splits.
    """
    from faceeval.benchmark import Benchmark
    from faceeval.data.table import load_faces

    def opened(name: str) -> FaceSet:
        faces = load_faces(
            data,
            name,
            size=side,
            root=root,
            crop=Benchmark.load(data.partition(":")[0]).crop,
            skip_missing=asked.skip_missing,
            columns=asked.columns if data == asked.data else None,
            progress=advance,
        )
        say_skipped(faces)
        return faces

    for name in (split, "validation", "all") if split == "test" else ():
        with suppress(UnknownNameError):
            return opened(name)
    return opened(split)


def _open_pairs(data: str, root: Path | None, row: ExperimentRow) -> dict[str, FacePairs]:
    """Reads the lists of pairs an experiment needs."""
    if not row.pairs:
        return {}
    from faceeval.data.splits.inputs import open_pairs

    return open_pairs(data, root, row.pairs)


def load_judge_method(name: str, weights_dir: Path | None) -> Any:
    """Loads ``judge:NAME`` as a method.

    Raises:
        UnknownNameError: No such judge.
        MissingFileError: Its weights are not on this machine.
    """
    from faceeval.judges import load_judge
    from faceeval.protocols.judged import JudgeMethod

    return JudgeMethod(load_judge(name, weights_dir=weights_dir))


def refuse_attribute(protocol: str, attr: str | None) -> None:
    """Refuses ``--attr`` where nothing is edited.

    Raises:
        InputError: One is named.
    """
    if attr is not None:
        raise InputError(f"no attribute for --protocol {protocol}, which edits none", attr, "leave out --attr")
