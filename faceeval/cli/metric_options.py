# SPDX-License-Identifier: MIT
"""Options that the commands of ``faceeval metric`` share, and what they open."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceeval.errors import InputError, OutputError, unknown_name

if TYPE_CHECKING:
    from faceeval.protocols.sets import Look, Set

IMAGES = "A folder, zip file or saved Hugging Face dataset of images"

JudgeName = Annotated[
    str, typer.Option("--judge", help="Network that looks: inception, facenet, procfaces or procfaces-teacher.")
]
Resize = Annotated[
    str | None,
    typer.Option("--resize", help="How images get inception's size: tf1 (default), pytorch-fid or clean."),
]
WeightsDir = Annotated[Path | None, typer.Option("--weights-dir", help="Where the weights of outside networks are.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, ...; the accelerator if there is one.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")]
Column = Annotated[str | None, typer.Option("--column", help="Image column of a dataset that has several.")]
Split = Annotated[str | None, typer.Option("--split", help="Split of a dataset that has several.")]
Seed = Annotated[int, typer.Option("--seed", help="Seeds what is drawn; nothing else is left to chance.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, no notes.")]


@dataclass(frozen=True)
class How:
    """How sets are read and looked at.

    Attributes:
        judge: Name of the judge.
        resize: Resize preset, for inception only; None is its default.
        weights_dir: Folder looked in first for weights.
        column: Image column of datasets with several.
        split: Split of datasets with several.
        batch_size: Images at a time.
        device: Where the judge runs; None takes the accelerator if there is one.
        quiet: No progress bars.
    """

    judge: str
    resize: str | None
    weights_dir: Path | None
    column: str | None
    split: str | None
    batch_size: int
    device: str | None
    quiet: bool


def open_sets(paths: Sequence[Path], how: How) -> list[Set]:
    """Opens every set before any is looked at, so that a wrong path costs no time."""
    from faceeval.protocols.sets import open_set

    return [open_set(path, column=how.column, split=how.split) for path in paths]


def load_look(sets: Sequence[Set], how: How, outputs: tuple[str, ...] | None = None) -> Look | None:
    """Loads the judge that has to look at images; None where all sets are features or statistics already.

    Args:
        sets: What is compared.
        how: Which judge, and where.
        outputs: Outputs that serve, best first; None takes any that can stand for an image.
    """
    from faceeval.judges import JUDGES, load_judge

    if how.judge not in JUDGES:
        raise unknown_name("judge", how.judge, JUDGES)
    if how.resize is not None and how.judge != "inception":
        got = f"--resize {how.resize} with {how.judge}"
        raise InputError("--resize with the judge inception", got, "leave one of them out")
    from faceeval.data.sources import ImageSource
    from faceeval.protocols.sets import SERVES, Look, serving_output

    if not any(isinstance(given, ImageSource) for given in sets):
        return None
    device = how.device
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    options: dict[str, Any] = {"resize": how.resize} if how.resize is not None else {}
    judge = load_judge(how.judge, weights_dir=how.weights_dir, device=device, batch_size=how.batch_size, **options)
    return Look(judge, serving_output(judge, outputs or SERVES), how.batch_size, device)


def check_writable(path: Path | None) -> None:
    """Refuses a file that cannot be written, before any work is done for it."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        got = f"{path}: {error.strerror or type(error).__name__}"
        raise OutputError("a file that can be written", got, "name another place") from error
    if path.is_dir() or path.suffix.lower() != ".npz":
        raise OutputError("the name of an .npz file", str(path), "name one, such as real.npz")
