# SPDX-License-Identifier: MIT
"""``faceeval score``: how good is a method at editing one attribute."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.cli.console import interruptible, note, progress, stdout, table
from faceeval.cli.experiments import Asked, load_judge_method, refuse_attribute, score_experiment
from faceeval.cli.faces import Columns, SkipMissing, benchmark_faces, parse_columns
from faceeval.cli.sweeps import SWEEPS, Request, check_protocol, score_sweep
from faceeval.cli.train import parse_also, parse_overrides
from faceeval.errors import InputError, MissingFileError
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from faceeval.results import Result

ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1"}


def score(
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="A reference model, or package.module:Class of your own.")
    ] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="editing, chain, strength, ...; `faceeval list protocols`.")
    ] = "editing",
    attr: Annotated[
        str | None, typer.Option("--attr", "-a", help="The attribute, such as young or eyeglasses.")
    ] = None,
    edited: Annotated[
        Path | None, typer.Option("--edited", help="Score images made elsewhere: a folder, paired by file name.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="Dataset, such as celeba; procfaces by default.")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder that holds the dataset.")] = None,
    columns: Columns = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", help="NAME or NAME=FOLDER: data a protocol reads beside it.")
    ] = None,
    skip_missing: SkipMissing = False,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image side; the benchmark's by default.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", "-c", help="Weights of your own training, or the run's folder.")
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="Train the small preset first where no weights are.")] = False,
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=2, help="Images per class; the benchmark's by default.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Seeds the bootstrap; nothing else is left to chance.")] = 0,
    strengths: Annotated[
        str | None, typer.Option("--strengths", help="With -p strength: numbers, with commas; else over all its range.")
    ] = None,
    runs: Annotated[int | None, typer.Option("--runs", min=1, help="With -p timing: timed calls; else 100.")] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="With -p timing: time reading the images, too.")
    ] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE, an option of a protocol about identity or codes.")
    ] = None,
    weights_dir: Annotated[
        Path | None, typer.Option("--weights-dir", help="Where the weights of judges for photographs are.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for results.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no notes.")] = False,
) -> None:
    """Score how well a method edits one attribute, beside `identity` and, where it is known, the true edit.

    With --protocol, several methods or attributes may be named, with commas; docs/sweeps.md tells what each one does.

    Example: faceeval score --method cyclegan --attr young
    """
    plain, named = check_protocol(protocol), parse_columns(columns)
    if plain != "editing" and edited is not None:
        raise InputError(f"a method that works here for --protocol {plain}", "--edited", "name it with --method")
    options: dict[str, Any] = {"data": data or "procfaces", "root": root, "train": train, "quiet": quiet}
    options |= {"columns": named, "skip_missing": skip_missing}
    if plain != "editing" and plain not in SWEEPS:
        refuse_attribute(plain, attr)
        score_experiment(
            Asked(
                protocol=plain,
                methods=method,
                load=lambda name, side: _any_method(name, checkpoint, weights_dir, {**options, "size": side}),
                data=data,
                root=root,
                columns=named,
                also=parse_also(also or []),
                skip_missing=skip_missing,
                size=size or _checkpoint_size(checkpoint),
                count=count,
                options=parse_overrides(settings or []),
                batch_size=batch_size,
                seed=seed,
                weights_dir=weights_dir,
                out=out,
                as_json=as_json,
                quiet=quiet,
            )
        )
        return
    if settings:
        raise InputError(f"no --set for --protocol {plain}, which has no such options", settings[0], "leave it out")
    data = data or "procfaces"
    if plain == "editing" and (method is None) == (edited is None):
        got = "both" if method else "neither"
        raise InputError("one of --method NAME and --edited DIR", got, "`faceeval list methods` shows the names")
    if attr is None:
        raise InputError("--attr NAME", "no attribute", "name one; `faceeval list attributes` has them all")
    if plain in SWEEPS:
        score_sweep(
            Request(
                protocol=plain,
                methods=method,
                attr=attr,
                load=lambda name, wanted, side: _method(name, wanted, checkpoint, {**options, "size": side}),
                data=data,
                root=root,
                columns=named,
                skip_missing=skip_missing,
                size=size or _checkpoint_size(checkpoint),
                count=count,
                batch_size=batch_size,
                seed=seed,
                strengths=strengths,
                runs=runs,
                end_to_end=end_to_end,
                weights_dir=weights_dir,
                out=out,
                as_json=as_json,
                quiet=quiet,
            )
        )
        return
    attribute = canonical_attribute(attr)
    began = time.perf_counter()
    from faceeval.benchmark import Benchmark
    from faceeval.results import prepare_output, write
    from faceeval.score import load_panel
    from faceeval.score import score as run_score

    imported = time.perf_counter()
    benchmark = Benchmark.load(data)
    prepare_output(out)
    side = size or _checkpoint_size(checkpoint) or benchmark.size
    options["size"] = side
    editor = _edited_folder(edited) if edited is not None else _method(str(method), attribute, checkpoint, options)
    panel = load_panel(benchmark, weights_dir=weights_dir)
    loaded = time.perf_counter()
    with interruptible("no result was written"), progress(quiet) as bar:
        faces, extra = benchmark_faces(benchmark, root, side, bar("reading faces"), named, skip_missing)
        result = run_score(
            editor,
            faces,
            attribute,
            benchmark=benchmark,
            judges=panel,
            n_per_class=count,
            batch_size=batch_size,
            seed=seed,
            extra=extra,
            progress=bar(f"scoring {editor.card.name}"),
            command=shlex.join(["faceeval", *sys.argv[1:]]),
            seconds={
                "import": imported - began,
                "load": loaded - imported,
                "faces": time.perf_counter() - loaded,
            },
        )
    path = write(result, out)
    if as_json:
        stdout.print_json(path.read_text(encoding="utf-8"))
    else:
        show_result(result)
    if not quiet:
        _say_where(result, path)


def _edited_folder(folder: Path) -> Any:
    from faceeval.score import EditedFolder

    return EditedFolder(folder)


def _checkpoint_size(checkpoint: Path | None) -> int | None:
    """Reads the image side off the card of a checkpoint; None where there is none, or it does not say."""
    if checkpoint is None:
        return None
    cards = sorted(checkpoint.glob("*.json")) if checkpoint.is_dir() else [checkpoint.with_suffix(".json")]
    try:
        side = json.loads(cards[0].read_text(encoding="utf-8"))["config"]["image_size"]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # loading the weights will say what is wrong with them
    return side if isinstance(side, int) else None


def _method(name: str, attribute: str, checkpoint: Path | None, options: dict[str, Any]) -> Any:
    """Loads a reference model, or a class of the user's own; trains first where asked and needed."""
    if ":" in name:
        from faceeval.score import load_user_method

        return load_user_method(name, attribute=attribute)
    from reference_models import load_method

    plain = name.strip().lower().replace("-", "_")
    wanted = {"attribute": attribute, "data": options["data"], "size": options["size"]}
    try:
        return load_method(plain, **wanted, checkpoint=checkpoint)
    except MissingFileError:
        if not options["train"] or checkpoint is not None:
            raise
    from faceeval.cli.train import edits_many, named_attributes, train_method

    weights = train_method(
        plain,
        named_attributes(plain, None if edits_many(plain) else attribute or None, options["data"]),
        preset="small",
        data=options["data"],
        root=options["root"],
        columns=options["columns"],
        skip_missing=options["skip_missing"],
        size=options["size"],
        out=None,
        steps=None,
        seed=0,
        overrides={},
        quiet=options["quiet"],
    )
    return load_method(plain, **wanted, checkpoint=weights)


def _any_method(name: str, checkpoint: Path | None, weights_dir: Path | None, options: dict[str, Any]) -> Any:
    """Loads a method that edits no attribute: a reference model, a judge, or a class of the user's own."""
    if name.startswith("judge:"):
        return load_judge_method(name.removeprefix("judge:"), weights_dir)
    if ":" in name:
        from faceeval.score import load_user_method

        return load_user_method(name, attribute=None)
    return _method(name, "", checkpoint, options)


def show_result(result: Result) -> None:
    """Prints the table of a result: questions down, rows of the result across."""
    summary = result.summary
    columns = ["", *[row.name for row in summary.rows], "95 % interval"]
    lines = []
    question = ""
    for key, column in summary.columns.items():
        if not any(key in row.values for row in summary.rows):
            continue
        if column.question != question:
            question = column.question
            lines.append([f"[bold]{question}[/bold]", *[""] * (len(columns) - 1)])
        cells = [f"{row.values[key].value:,.{column.digits}f}" if key in row.values else "–" for row in summary.rows]
        first = summary.rows[0].values.get(key)
        known = first is not None and first.low is not None and first.high is not None
        span = f"{first.low:,.{column.digits}f} .. {first.high:,.{column.digits}f}" if known and first else ""
        unit = f" [dim]{column.unit}[/dim]" if column.unit else ""
        lines.append([f"  {column.label} {ARROWS[column.better]}{unit}", *cells, span])
    data = summary.data
    title = (
        f"{summary.rows[0].name}, {summary.attribute}, on {data.name} {data.split} at {data.size} px: "
        f"{data.positives} images with the attribute and {data.negatives} without, each inverted"
    )
    table(title, columns, lines, right=range(1, len(columns)))


def _say_where(result: Result, path: Path) -> None:
    from faceeval.protocols.printed import FAI_TABLE_1_SOURCE, printed

    summary = result.summary
    for notice in summary.notices:
        note(f"note: {notice}")
    paper = printed(summary.rows[0].name, summary.attribute)
    if paper is not None:
        note(
            f"printed by the paper, on other data and by other judges, not comparable: FID {paper.fid}, "
            f"mean DFN {paper.dfn} ({FAI_TABLE_1_SOURCE})"
        )
    seconds = summary.run.seconds
    parts = ", ".join(f"{part} {spent:.1f}" for part, spent in seconds.items() if part != "total" and spent >= 0.05)
    note(f"{seconds['total']:.1f} s ({parts}); result: {path}")
