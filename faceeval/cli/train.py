# SPDX-License-Identifier: MIT
"""``faceeval train``: reference models and judges."""

from __future__ import annotations

import json
import re
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from faceeval.cli.console import interruptible, note, progress, stdout
from faceeval.cli.faces import Columns, SkipMissing, parse_columns, say_skipped
from faceeval.errors import InputError
from faceeval.names import canonical_attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faceeval.data.faces import FaceSet
    from faceeval.judges.training import JudgeLabels
    from reference_models.guidance import Teacher

SPLITS = ("train", "validation", "test")
TEACHERS = {"procfaces": "procfaces-teacher"}  # dataset -> the judge that reference models may train beside


class Preset(StrEnum):
    """Sizes a method comes in."""

    paper = "paper"
    small = "small"
    quick = "quick"


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Reads ``key=value`` pairs; values are JSON where they parse as JSON, else text.

    Raises:
        InputError: A pair has no ``=``.

    Example:
        >>> parse_overrides(["batch_size=4", "skip=full"])
        {'batch_size': 4, 'skip': 'full'}
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise InputError("--set KEY=VALUE", repr(pair), "name a field of the method's Config, such as batch_size=8")
        try:
            overrides[key] = json.loads(value)
        except json.JSONDecodeError:
            overrides[key] = value
    return overrides


def _labels(faces: FaceSet) -> JudgeLabels:
    """Gathers the columns a judge learns from; procfaces has them all."""
    import numpy as np

    from faceeval.judges.training import JudgeLabels

    assert faces.identities is not None
    assert faces.expression is not None
    assert faces.pose is not None
    attributes = np.stack(list(faces.attributes.values()), axis=1)
    return JudgeLabels(faces.identities, attributes, tuple(faces.attributes), faces.expression, faces.pose)


def _train_judge(name: str, out: Path | None, seed: int, quiet: bool) -> Path:
    from faceeval.data.procfaces.standard import load
    from faceeval.judges.training import train_judge

    with progress(quiet) as bar:
        splits = {split: load(split, 64, progress=bar(f"rendering {split}")) for split in SPLITS}
        given = {split: (faces.images(), _labels(faces)) for split, faces in splits.items()}
        return train_judge(
            name,
            *given["train"],
            seed,
            out or Path("runs") / "judges",
            bar(f"training {name}"),
            validation=given["validation"],
            test=given["test"],
            command=shlex.join(["faceeval", *sys.argv[1:]]),
        )


def without_teacher(method: str, preset: str, data: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Turns guidance off, and says so, where there is no teacher for the data and nobody asked for one."""
    from reference_models.recipe import UNGUIDED
    from reference_models.training import configure

    config = configure(method, preset, overrides=overrides)
    if data in TEACHERS or "guided" in overrides or not getattr(config, "guidance", UNGUIDED).guided:
        return overrides
    note(f"the {preset} preset trains beside a classifier, and there is none of {data}: trained without one")
    return {**overrides, "guided": False}


def edits_many(method: str) -> bool:
    """Whether one model of a method edits several attributes."""
    from reference_models.recipe import Recipe
    from reference_models.training import module_of

    return Recipe.of(module_of(method)).many


def named_attributes(method: str, attr: str | None, data: str) -> tuple[str, ...]:
    """Reads ``--attr``; a method for many attributes is trained for those of the benchmark where none is named.

    Returns:
        The attributes; none where the method edits none.

    Raises:
        UnknownNameError: No such method or attribute.
        InputError: None was named, and the method edits one.
    """
    from faceeval.benchmark import Benchmark
    from reference_models.recipe import Recipe
    from reference_models.training import module_of

    recipe = Recipe.of(module_of(method))
    many = recipe.many
    if not recipe.edits and attr is None:
        return ()
    if attr is not None:
        return tuple(canonical_attribute(name.strip()) for name in attr.split(","))
    found = Benchmark.load(data).attributes if many else ()
    if not found:
        raise InputError("--attr NAME beside --method", "no attribute", "`faceeval list attributes` shows them")
    return found


def parse_also(pairs: list[str]) -> list[tuple[str, Path | None]]:
    """Reads ``NAME`` and ``NAME=FOLDER``.

    Raises:
        InputError: One has no name.

    Example:
        >>> parse_also(["procfaces:clips", "affectnet=/data/affectnet"])
        [('procfaces:clips', None), ('affectnet', PosixPath('/data/affectnet'))]
    """
    found: list[tuple[str, Path | None]] = []
    for pair in pairs:
        name, separator, folder = pair.partition("=")
        if not name or (separator and not folder):
            raise InputError(
                "--also NAME or --also NAME=FOLDER", repr(pair), "such as --also affectnet=/data/affectnet"
            )
        found.append((name, Path(folder) if folder else None))
    return found


def train_method(
    method: str,
    attributes: Sequence[str],
    *,
    preset: str,
    data: str,
    root: Path | None,
    columns: dict[str, str] | None = None,
    skip_missing: bool = False,
    size: int | None,
    out: Path | None,
    steps: int | None,
    seed: int,
    overrides: dict[str, Any],
    also: Sequence[tuple[str, Path | None]] = (),
    start: Path | None = None,
    resume: bool = True,
    quiet: bool = False,
) -> Path:
    """Trains a reference model and returns the path of its weights; ``score --train`` calls it too."""
    from faceeval.data.joined import join
    from faceeval.data.table import load_faces
    from faceeval.judges import load_judge
    from reference_models.recipe import UNGUIDED, Recipe
    from reference_models.training import configure, module_of
    from reference_models.training import train as train_model

    overrides = without_teacher(method, preset, data, overrides)
    config = configure(method, preset, overrides=overrides)
    side = size or config.image_size
    guided = getattr(config, "guidance", UNGUIDED).guided
    where = re.sub(r"[^A-Za-z0-9_.-]+", ".", "+".join([data, *(name for name, _ in also)]))
    what = "" if edits_many(method) or not attributes else f"{attributes[0]}-"
    folder = out or Path("runs") / f"{method}-{what}{where}-{preset}"
    teacher = load_judge(TEACHERS[data]) if guided and data in TEACHERS else None
    beside = [(name, None) for name in Recipe.of(module_of(method)).beside.get(data, ())]
    with progress(quiet) as bar:
        opened = []
        for name, place in [(data, root), *(also or beside)]:
            opened.append(
                load_faces(
                    name,
                    "train",
                    size=side,
                    root=place,
                    skip_missing=skip_missing,
                    columns=columns if name == data else None,
                    progress=bar(f"reading {name}"),
                )
            )
            say_skipped(opened[-1])
        faces = join(opened)
        advance = bar(f"training {method} {', '.join(attributes)}".rstrip())
        weights = train_model(
            method,
            faces,
            attributes,
            preset=preset,
            out=folder,
            steps=steps,
            seed=seed,
            overrides=overrides,
            teacher=cast("Teacher | None", teacher),
            start=start,
            resume=resume,
            notes={"command": shlex.join(["faceeval", *sys.argv[1:]]), "data_digest": faces.digest},
            progress=lambda done, total, losses: advance(done, total),
        )
    return weights


def train(
    method: Annotated[str | None, typer.Option("--method", "-m", help="A reference model: cyclegan, stargan.")] = None,
    attr: Annotated[
        str | None,
        typer.Option("--attr", "-a", help="The attribute; several, with commas, where one model edits several."),
    ] = None,
    judge: Annotated[str | None, typer.Option("--judge", help="Train a judge instead: procfaces, ...")] = None,
    preset: Annotated[
        Preset, typer.Option("--preset", help="paper, small (64 px, CPU), or quick (minutes).")
    ] = Preset.small,
    data: Annotated[str, typer.Option("--data", "-d", help="Dataset to train on.")] = "procfaces",
    root: Annotated[Path | None, typer.Option("--root", help="Folder that holds the dataset.")] = None,
    columns: Columns = None,
    skip_missing: SkipMissing = False,
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image side; the preset's by default.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the run.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps; the preset's by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seeds initialisation, sampling and augmentation.")] = 0,
    settings: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, a field of Config.")] = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", help="NAME or NAME=FOLDER: another dataset to train on beside it.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Weights to begin from, such as an earlier stage's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume/--restart", help="Go on from the last checkpoint.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a reference model, or a judge. A run that was stopped goes on where its last checkpoint stands."""
    if (method is None) == (judge is None):
        raise InputError("one of --method and --judge", "both" if method else "neither", "name what to train")
    if judge is not None:
        with interruptible("a judge is trained in one go; nothing was written"):
            weights = _train_judge(judge, out, seed, quiet)
    else:
        assert method is not None
        method = method.strip().lower().replace("-", "_")
        attributes = named_attributes(method, attr, data)
        with interruptible("the last checkpoint goes on from there"):
            weights = train_method(
                method,
                attributes,
                preset=preset.value,
                data=data,
                root=root,
                columns=parse_columns(columns),
                skip_missing=skip_missing,
                size=size,
                out=out,
                steps=steps,
                seed=seed,
                overrides=parse_overrides(settings or []),
                also=parse_also(also or []),
                start=start,
                resume=resume,
                quiet=quiet,
            )
    stdout.print(str(weights), markup=False, soft_wrap=True)
    if method is not None:
        where = "" if data == "procfaces" else f" --data {data}"
        where += f" --root {root}" if root else ""
        where += "".join(f" --column {shlex.quote(pair)}" for pair in columns or [])
        what = f" --attr {attributes[0]}{where}" if attributes else " --protocol NAME"
        note(f"score it: faceeval score --method {method}{what} --checkpoint {weights}")
