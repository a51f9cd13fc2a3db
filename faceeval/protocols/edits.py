# SPDX-License-Identifier: MIT
"""Asking an editor for its edits, and believing nothing about what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.method import AidedEditor, Critic, Editor, MethodCard
from faceeval.metrics.arrays import vector
from faceeval.metrics.fidelity import realness


@runtime_checkable
class NamedEditor(Protocol):
    """An editor that must know which image it is given, such as a folder of images made elsewhere."""

    card: MethodCard

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Checks, before the first edit, that it has an edit of ``size`` pixels for each of ``names``."""

    def edit_named(self, names: tuple[str, ...], images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Does what ``Editor.edit`` does, told the name of each image."""


AnyEditor = Editor | AidedEditor | NamedEditor


def check_fit(method: AnyEditor, faces: FaceSet, attribute: str) -> None:
    """Refuses a method that was not made for these images or this attribute, before any work is done.

    Raises:
        InputError: It cannot edit, or its card names another image size, or other attributes.
    """
    if not isinstance(method, AnyEditor):
        todo = "give it card and edit(images, attribute, value); docs/add-a-method.md shows how"
        raise InputError("a method that can edit", f"{type(method).__name__}, which lacks card or edit", todo)
    card = method.card
    if card.name == "truth":
        raise InputError("a method with a name of its own", "'truth', the row of true edits", "rename it in its card")
    if card.image_size is not None and card.image_size != faces.size:
        todo = f"score it with --size {card.image_size}, or train it at {faces.size}"
        raise InputError(f"a method for {faces.size} px images", f"{card.name}, made for {card.image_size} px", todo)
    if card.attributes and attribute not in card.attributes:
        got = f"{card.name}, made for {', '.join(card.attributes)}"
        raise InputError(
            f"a method that edits {attribute}", got, "choose one of its attributes, or train it for this one"
        )


def directions(method: AnyEditor, attribute: str) -> tuple[int, ...]:
    """Returns the values of an attribute a method can set, greatest first: 1 adds it, 0 takes it away.

    Raises:
        InputError: Its card names none, or something other than 0 and 1.
    """
    found = tuple(sorted({int(value) for value in method.card.directions.get(attribute, (0, 1))}, reverse=True))
    if not found or not set(found) <= {0, 1}:
        todo = "leave the attribute out of directions where both can be set"
        raise InputError(f"values 0, 1 or both in {method.card.name}'s directions of {attribute}", f"{found}", todo)
    return found


def edit(
    method: AnyEditor,
    names: tuple[str, ...],
    source: NDArray[np.uint8],
    attribute: str,
    targets: NDArray[np.uint8],
    aids: Mapping[str, NDArray[np.float32]] | None = None,
) -> NDArray[np.uint8]:
    """Returns checked edits of one batch.

    The method gets a copy of the images: one that paints into its input would otherwise change what it is compared
    with, and look as if it had kept everything.

    Args:
        method: The editor.
        names: Name of each image.
        source: uint8, (n, 3, S, S).
        attribute: CelebA's name.
        targets: Wanted values 0 or 1, (n,).
        aids: What the method's card asks for, (n, ...) each.

    Returns:
        uint8, the shape of ``source``.

    Raises:
        InputError: The method returned anything but a uint8 tensor of that shape on the CPU.
    """
    images, value = torch.from_numpy(source.copy()), torch.from_numpy(targets.astype(np.float32))
    with torch.inference_mode():
        if isinstance(method, NamedEditor):
            edited = method.edit_named(names, images, attribute, value)
        elif isinstance(method, AidedEditor):
            told = {name: torch.from_numpy(values.copy()) for name, values in (aids or {}).items()}
            edited = method.edit_aided(images, attribute, value, told)
        else:
            edited = method.edit(images, attribute, value)
    return check_edits(edited, source.shape, method.card.name)


def own_realness(
    method: Critic, edited: NDArray[np.uint8], attribute: str, targets: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Returns the probability of being real, float64 (n,), that a method's own discriminator gives its edits.

    Arguments and errors as in `own_logits`.
    """
    return realness(own_logits(method, edited, attribute, targets))


def own_logits(
    method: Critic, images: NDArray[np.uint8], attribute: str, shown: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Returns the logits, float64 (n,), that a method's own discriminator gives images.

    Args:
        method: Has the discriminator.
        images: uint8, (n, 3, S, S).
        attribute: CelebA's name.
        shown: Value 0 or 1 of the attribute that each image should show, (n,).

    Raises:
        InputError: It did not return one finite logit for each image.
    """
    with torch.inference_mode():
        value = torch.from_numpy(shown.astype(np.float32))
        logits = method.realness(torch.from_numpy(images.copy()), attribute, value)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(images),):
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        todo = "return one logit an image; the mean over the patches where the discriminator has many"
        raise InputError(f"from {method.card.name}.realness a tensor of shape ({len(images)},)", got, todo)
    return vector(f"logits of {method.card.name}.realness", logits.detach().double().cpu().numpy())


def check_edits(edited: object, shape: tuple[int, ...], name: str) -> NDArray[np.uint8]:
    """Returns what an editor made as an array of its own.

    Args:
        edited: What came back.
        shape: What its shape should be, (n, 3, S, S).
        name: The editor's, for messages.

    Raises:
        InputError: It is anything but a uint8 tensor of that shape on the CPU.
    """
    expected = f"from {name}.edit a uint8 tensor of shape {shape} on the CPU"
    if not isinstance(edited, Tensor):
        raise InputError(expected, f"{type(edited).__name__}", "return a torch tensor, such as torch.from_numpy(array)")
    if edited.dtype != torch.uint8:
        values = edited.detach().float()
        known = torch.isfinite(values).all() and values.numel() > 0
        spread = f"values {values.min():.3g} to {values.max():.3g}" if known else "values that are not finite"
        todo = "scale to 0..255, clip, round and convert: images.clamp(0, 255).round().to(torch.uint8)"
        raise InputError(expected, f"{edited.dtype}, {spread}", todo)
    if tuple(edited.shape) != shape:
        todo = "return one image for each given one, of the size given"
        raise InputError(expected, f"shape {tuple(edited.shape)}", todo)
    if edited.device.type != "cpu":
        raise InputError(expected, f"a tensor on {edited.device}", "return edited.cpu()")
    return np.ascontiguousarray(edited.numpy())
