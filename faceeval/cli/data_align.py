# SPDX-License-Identifier: MIT
"""``faceeval data align``: photographs of faces brought to where a network or a dataset expects them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceeval.cli.console import interruptible, progress, stdout
from faceeval.errors import InputError


def align(
    images: Annotated[Path, typer.Argument(help="Folder of images, zip file of images, or saved dataset.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; new, empty, or begun by this command.")],
    preset: Annotated[
        str, typer.Option("--preset", "-p", help="celeba, arcface, arcface128, sphereface, dlib or facenet.")
    ],
    size: Annotated[int | None, typer.Option("--size", min=16, help="Image width; the preset's by default.")] = None,
    choose: Annotated[
        str | None, typer.Option("--choose", help="Which of several faces: largest (the default), central, confident.")
    ] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option("--landmarks", help="CelebA's label file or a CSV of five points, instead of looking for faces."),
    ] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Least probability of a face; 0.9.")] = None,
    min_face: Annotated[
        int | None, typer.Option("--min-face", min=12, help="Side of the smallest face looked for, in pixels; 40.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")] = 32,
    device: Annotated[str, typer.Option("--device", help="Where faces are looked for, such as cuda.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Align photographs by the landmarks of their faces. Run again, it goes on where it was stopped.

    Example: faceeval data align photos/ aligned/ --preset celeba
    """
    asked = {"--choose": choose, "--threshold": threshold, "--min-face": min_face}
    chosen = [name for name, value in asked.items() if value is not None]
    if landmarks is not None and chosen:
        got = f"{chosen[0]} and --landmarks"
        raise InputError("options of the detector, or landmarks without it", got, "leave one of them out")
    from faceeval.data.landmarks.align_folder import AlignJob, align_images
    from faceeval.data.landmarks.align_record import ABSENT

    usual = AlignJob(preset)
    job = AlignJob(
        preset,
        size,
        choose or usual.choose,
        usual.threshold if threshold is None else threshold,
        min_face or usual.min_face,
        landmarks,
        device,
        batch_size,
    )
    with interruptible(f"{out} holds whole images only; the same command goes on"), progress(quiet) as bar:
        counts = align_images(images, out, job, bar("aligning"))
    stdout.print(f"{counts.aligned} of {counts.images} images aligned in {out}, {counts.new} of them now",
                 markup=False, soft_wrap=True)  # fmt: skip
    if counts.not_found or counts.unreadable:
        stdout.print(
            f"{counts.not_found} without a usable face, {counts.unreadable} unreadable: see {out / ABSENT}",
            markup=False,
            soft_wrap=True,
        )
