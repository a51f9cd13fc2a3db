# SPDX-License-Identifier: MIT
"""Asking methods for codes and pictures, batch by batch, and believing nothing about what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from faceeval.protocols.edits import check_edits
from faceeval.protocols.experiments import ExperimentRow, Given

Indices = NDArray[np.int64]
Images = NDArray[np.uint8]
Codes = NDArray[np.float64]


def check_methods(methods: Sequence[Any], row: ExperimentRow, size: int) -> None:
    """Refuses methods an experiment cannot use, before any work is done.

    Args:
        methods: The methods.
        row: The experiment's.
        size: Side of the images.

    Raises:
        InputError: There is none, one lacks a card or a call, two have one name, or one takes images of another size.
    """
    if not methods:
        raise InputError("at least one method", "none", f"name one with --method, such as {row.such_as}")
    names = []
    for method in methods:
        card = getattr(method, "card", None)
        if not isinstance(card, MethodCard):
            todo = "give it a faceeval.method.MethodCard as card"
            raise InputError("a method with a card", type(method).__name__, todo)
        if lacking := row.lacking(method):
            wanted = " and ".join(need.replace("|", " or ") for need in row.needs)
            todo = f"choose one that does, such as {row.such_as}"
            raise InputError(f"a method that can {wanted}", f"{card.name}, which lacks {lacking}", todo)
        if card.image_size is not None and card.image_size != size:
            todo = f"use --size {card.image_size}, or train it at {size}"
            raise InputError(f"a method for {size} px images", f"{card.name}, made for {card.image_size} px", todo)
        names.append(card.name)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError("methods of different names", f"{', '.join(sorted(twice))} twice", "name each once")


def parts_of(method: Any, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Returns the parts a method is asked about: those wanted, in that order, or all it has.

    Raises:
        UnknownNameError: It has no such part.
        InputError: Its card names none.
    """
    have = tuple(method.card.parts)
    if not have:
        todo = "name them in MethodCard.parts, the identity's as 'identity'"
        raise InputError(f"parts of a code in the card of {method.card.name}", "none", todo)
    for part in wanted or ():
        if part not in have:
            raise unknown_name(f"part of {method.card.name}", part, have)
    return tuple(wanted) if wanted else have


def embeddings(method: Any, faces: FaceSet, rows: Indices, part: str, given: Given) -> Codes:
    """Returns the codes of some images, float64 (n, D).

    Args:
        method: Embeds.
        faces: The set.
        rows: Images of it, (n,).
        part: One of the method's.
        given: Batch size, clock and progress.

    Raises:
        InputError: What came back is no float tensor (n, D) on the CPU, changes its width, or is not finite.
    """
    advance = given.bar(f"{method.card.name}, {part}")
    return embedded(method, lambda block: faces.read(rows[block]), len(rows), part, given, faces, rows, advance)


def embedded(
    method: Any,
    read: Callable[[slice], Images],
    count: int,
    part: str,
    given: Given,
    faces: FaceSet | None = None,
    rows: Indices | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Codes:
    """Returns the codes of images that are read block by block; the rest as in `embeddings`.

    Args:
        method: Embeds.
        read: Block of 0..count-1 -> its images, uint8 (n, 3, S, S).
        count: Images in all.
        part: One of the method's.
        given: Batch size and clock.
        faces: Where the images are from, for messages.
        rows: Which of it they are, for messages.
        advance: Told images done and images in all.
    """
    found: list[Codes] = []
    for start in range(0, count, given.batch_size):
        block = slice(start, min(start + given.batch_size, count))
        with given.clock.part("data"):
            images = read(block)
        with given.clock.part("embed"), torch.inference_mode():
            codes = method.embed(torch.from_numpy(images.copy()), part)
        name = "" if faces is None or rows is None else faces.names[rows[start]]
        found.append(_codes(codes, len(images), found, f"{method.card.name}.embed({part!r})", name))
        advance(block.stop, count)
    return np.concatenate(found)


def _codes(codes: object, count: int, before: list[Codes], call: str, first: str) -> Codes:
    """Returns what an embedder made of one batch."""
    expected = f"from {call} a float tensor of shape ({count}, D) on the CPU"
    if not isinstance(codes, Tensor) or not codes.is_floating_point() or codes.ndim != 2 or len(codes) != count:
        got = f"{codes.dtype}, shape {tuple(codes.shape)}" if isinstance(codes, Tensor) else type(codes).__name__
        raise InputError(expected, got, "return one row of numbers for each image")
    if codes.device.type != "cpu":
        raise InputError(expected, f"a tensor on {codes.device}", "return codes.cpu()")
    if before and before[0].shape[1] != codes.shape[1]:
        todo = "return codes of one width, whatever the batch"
        raise InputError(f"codes of {before[0].shape[1]} numbers, as before", str(codes.shape[1]), todo)
    values = codes.detach().double().numpy()
    odd = ~np.isfinite(values).all(axis=1)
    if odd.any():
        where = f", in the batch that begins with {first}" if first else ""
        todo = "look at what the network makes of those images; nothing was scored"
        raise InputError(f"finite codes from {call}", f"{int(odd.sum())} of {count} that are not{where}", todo)
    return np.ascontiguousarray(values)


def pictures(
    call: Callable[..., Tensor], name: str, given: Given, *sources: Images, beside: tuple[Any, ...] = ()
) -> Images:
    """Returns pictures a method makes of others, batch by batch, checked as edits are.

    Args:
        call: Such as ``method.swap``; takes uint8 tensors, then what is beside them.
        name: Of the method and its call, for messages.
        given: Batch size and clock.
        sources: Images (N, 3, S, S), uint8, as many of each.
        beside: Further arguments: tensors (N,) are cut into the same batches, all else is passed on.

    Returns:
        uint8 (N, 3, S, S).

    Raises:
        InputError: What came back are no pictures of that shape.
    """
    made = []
    for start in range(0, len(sources[0]), given.batch_size):
        block = slice(start, start + given.batch_size)
        parts = [torch.from_numpy(source[block].copy()) for source in sources]
        rest = [value[block] if isinstance(value, Tensor) else value for value in beside]
        with given.clock.part("images"), torch.inference_mode():
            drawn = call(*parts, *rest)
        made.append(check_edits(drawn, tuple(parts[0].shape), name))
    return np.concatenate(made) if made else np.empty_like(sources[0])


def readings(method: Any, call: str, faces: FaceSet, rows: Indices, width: int, given: Given) -> Codes:
    """Returns what a method itself says of some images, float64 (n, width).

    Args:
        method: Reads.
        call: ``"read_pose"`` or ``"read_expression"``.
        faces: The set.
        rows: Images of it, (n,).
        width: Numbers it says of each image.
        given: Batch size, clock and progress.

    Raises:
        InputError: What came back is no float tensor (n, width) on the CPU, or is not finite.
    """
    name, advance = f"{method.card.name}.{call}", given.bar(f"{method.card.name}, {call}")
    found: list[Codes] = []
    for start in range(0, len(rows), given.batch_size):
        block = rows[start : start + given.batch_size]
        with given.clock.part("data"):
            images = faces.read(block)
        with given.clock.part("embed"), torch.inference_mode():
            said = getattr(method, call)(torch.from_numpy(images.copy()))
        found.append(_codes(said, len(images), found, name, faces.names[block[0]]))
        if found[-1].shape[1] != width:
            got = f"{found[-1].shape[1]} numbers for each"
            raise InputError(f"from {name} {width} numbers for each image", got, "see faceeval.method")
        advance(min(start + given.batch_size, len(rows)), len(rows))
    return np.concatenate(found)
