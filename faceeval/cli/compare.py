# SPDX-License-Identifier: MIT
"""``faceeval compare``: all methods of one attribute beside each other, and which differences are more than chance."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli.compare_table import show_comparison
from faceeval.cli.console import interruptible, note, progress, stdout
from faceeval.cli.faces import benchmark_faces
from faceeval.cli.report import result_files
from faceeval.errors import InputError, MissingFileError, unknown_name
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from faceeval.protocols.compared import Direction
    from faceeval.results import Result

# columns printed unless others are asked for: an answer to every question, in as many as a wide terminal holds
HEADLINES = (
    "flip_accuracy",
    "flip_accuracy_add",
    "flip_accuracy_remove",
    "counterfactual_error",
    "preservation_accuracy",
    "background_error",
    "identity_similarity",
    "frechet_distance_target",
    "dfn_mean",
)


@dataclass(frozen=True)
class Scoring:
    """How methods are scored where no results are given.

    Attributes:
        data: Dataset.
        root: Folder that holds it.
        count: Images of each class; None takes the benchmark's.
        batch_size: Images at a time.
        seed: Seeds the bootstrap.
        weights_dir: Where the weights of judges for photographs are.
        out: Folder for results.
        quiet: Whether to keep bars and notes back.
    """

    data: str
    root: Path | None
    count: int | None
    batch_size: int
    seed: int
    weights_dir: Path | None
    out: Path
    quiet: bool


def compare(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RESULTS", help="Result files, or folders of them; none: score first."),
    ] = None,
    attr: Annotated[
        str | None, typer.Option("--attr", "-a", help="The attribute; may be left out where the results are of one.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--method", "-m", help="Only these, with commas; by default all with weights.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option("--direction", help="add or remove: only the faces that gain or lose the attribute.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metric", help="Columns to print, with commas, or all; --json has all of them.")
    ] = None,
    data: Annotated[str, typer.Option("--data", "-d", help="Dataset to score on.")] = "procfaces",
    root: Annotated[Path | None, typer.Option("--root", help="Folder that holds the dataset.")] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", "--count", min=2, help="Images per class to score; the benchmark's by default."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Seeds the bootstrap; nothing else is left to chance.")] = 0,
    weights_dir: Annotated[
        Path | None, typer.Option("--weights-dir", help="Where the weights of judges for photographs are.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for results of scoring.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, with all pairs.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no notes.")] = False,
) -> None:
    """Compare methods on one attribute, and mark the differences that are more than chance.

    Takes results that are there, or scores every method that has weights for the attribute.

    Example: faceeval compare results --attr eyeglasses
    """
    if as_json and markdown:
        raise InputError("one of --json and --markdown", "both", "leave one of them out")
    wanted = parse_metrics(metrics)
    way = parse_direction(direction)
    names = tuple(dict.fromkeys(name.strip() for name in (methods or "").split(",") if name.strip()))
    attribute = canonical_attribute(attr) if attr is not None else None
    if sources:
        if count is not None:
            raise InputError("results, or -n to score afresh", "both", "leave one of them out")
        results = read_results(sources, attribute, names)
    elif attribute is None:
        raise InputError("--attr NAME, or results", "neither", "name one; `faceeval list attributes` has them all")
    else:
        scoring = Scoring(data, root, count, batch_size, seed, weights_dir, out, quiet)
        results = score_methods(attribute, names, scoring)
    from faceeval.protocols.compare import compare_results
    from faceeval.report import Board, comparison_markdown

    board = Board(compare_results(results, way, seed))
    if not board.comparison.methods:
        raise InputError("results of at least one method", "runs of `identity` only", "score a method first")
    keys = [key for key in wanted or board.columns if key in board.columns]
    if not keys:
        raise InputError("columns that some result has", ", ".join(wanted), f"there are {', '.join(board.columns)}")
    if as_json:
        stdout.print_json(json.dumps(board.comparison.record(), allow_nan=False), ensure_ascii=False)
    elif markdown:
        stdout.print(comparison_markdown(board, keys), markup=False, soft_wrap=True)
    else:
        show_comparison(board, keys)
    if not quiet and not markdown:
        for notice in board.notices:
            note(f"note: {notice}")


def parse_metrics(text: str | None) -> tuple[str, ...]:
    """Reads ``--metric``; empty for all columns.

    Raises:
        UnknownNameError: No column has that name.
    """
    from faceeval.protocols.columns import EDITING_COLUMNS

    if text is None:
        return HEADLINES
    names = [name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return ()
    for name in names:
        if name not in EDITING_COLUMNS:
            raise unknown_name("column", name, (*EDITING_COLUMNS, "all"))
    return tuple(dict.fromkeys(names)) or HEADLINES


def parse_direction(text: str | None) -> Direction | None:
    """Reads ``--direction``.

    Raises:
        UnknownNameError: It is neither ``add`` nor ``remove``.
    """
    from faceeval.protocols.compared import DIRECTIONS

    if text is None:
        return None
    for direction in DIRECTIONS:
        if direction == text.strip().lower():
            return direction
    raise unknown_name("direction", text, DIRECTIONS)


def read_results(sources: Sequence[Path], attribute: str | None, names: Sequence[str]) -> list[Result]:
    """Reads the results of one attribute.

    Args:
        sources: Result files, or folders of them.
        attribute: CelebA's name; None where all results are of one.
        names: Methods to keep; none keeps all.

    Returns:
        The results, no file twice. Those of other attributes and of other protocols are passed over.

    Raises:
        MissingFileError: There is none of that attribute.
        InputError: They are of several attributes and none is named, or a file is no result.
        UnknownNameError: A method is not among them.
    """
    from faceeval.results import read

    found: dict[str, list[Path]] = {}
    paths: dict[Path, Path] = {}
    for path in result_files(list(sources)):
        paths.setdefault(path.resolve(), path)
    for path in paths.values():
        for one in _attributes(path):
            found.setdefault(one, []).append(path)
    if attribute is None:
        if len(found) > 1:
            got = f"results of {', '.join(sorted(found))}"
            raise InputError("results of one attribute, or --attr NAME", got, "say which one with --attr")
        attribute = next(iter(found), "")
    places = ", ".join(map(str, sources))
    if attribute not in found:
        got = f"in {places} results of {', '.join(sorted(found)) or 'none'}"
        raise MissingFileError(f"results of {attribute or 'an attribute'}", got, "run `faceeval score` for it first")
    results = [read(path) for path in found[attribute]]
    known = sorted({result.method for result in results})
    for name in names:
        if name not in known:
            raise unknown_name(f"method with a result of {attribute}", name, known)
    return [result for result in results if not names or result.method in names]


def _attributes(path: Path) -> list[str]:
    """Returns the attribute of a result; none where the file is of a protocol that varies something else."""
    from faceeval.results import read
    from faceeval.results.sweeps import is_sweep

    if path.is_file() and is_sweep(path):
        return []
    try:
        attribute = json.loads(path.read_bytes())["attribute"]
    except (OSError, ValueError, LookupError, TypeError):
        attribute = None
    # `read` says what is wrong with a file that names none
    return [attribute if isinstance(attribute, str) else read(path).summary.attribute]


def score_methods(attribute: str, names: Sequence[str], scoring: Scoring) -> list[Result]:
    """Scores methods on the same images and writes their results.

    Args:
        attribute: CelebA's name.
        names: Reference models, or ``package.module:Class``; none takes every reference model with weights.
        scoring: How.

    Raises:
        MissingFileError: There are no weights for the attribute.
        FaceevalError: What the data, the weights or the protocol object to.
    """
    from faceeval.benchmark import Benchmark
    from faceeval.results import prepare_output, write
    from faceeval.score import load_panel, score

    benchmark = Benchmark.load(scoring.data)
    prepare_output(scoring.out)
    # all are loaded before the first is scored: a missing weight file should not be found after an hour
    editors = list(_editors(attribute, names, scoring.data, benchmark.size))
    panel = load_panel(benchmark, weights_dir=scoring.weights_dir)
    results = []
    with interruptible("the results written so far stand"), progress(scoring.quiet) as bar:
        faces, extra = benchmark_faces(benchmark, scoring.root, benchmark.size, bar("reading faces"))
        for editor in editors:
            result = score(
                editor,
                faces,
                attribute,
                benchmark=benchmark,
                judges=panel,
                n_per_class=scoring.count,
                batch_size=scoring.batch_size,
                seed=scoring.seed,
                extra=extra,
                progress=bar(f"scoring {editor.card.name}"),
                command=shlex.join(["faceeval", *sys.argv[1:]]),
            )
            results.append(replace(result, path=write(result, scoring.out)))
            if not scoring.quiet:
                note(f"{result.summary.run.seconds['total']:.1f} s; result: {results[-1].path}")
    return results


def _editors(attribute: str, names: Sequence[str], data: str, size: int) -> Iterator[Any]:
    from faceeval.score import load_user_method
    from reference_models import METHODS, load_method, shipped_weights

    chosen = names or [name for name in METHODS if attribute in shipped_weights(name, data=data, size=size)]
    if not chosen:
        raise MissingFileError(
            f"methods with weights for {attribute}, trained on {data} at {size} pixels",
            "none",
            "give result files instead, or name methods of yours with --method; `faceeval list methods` shows what is "
            "shipped",
        )
    for name in chosen:
        if ":" in name:
            yield load_user_method(name, attribute=attribute)
        else:
            yield load_method(name.lower().replace("-", "_"), attribute=attribute, data=data, size=size)
