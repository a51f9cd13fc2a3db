# SPDX-License-Identifier: MIT
"""Asking an editor for its edits, and believing nothing about what comes back."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.method import Critic, Editor, MethodCard
from faceeval.metrics.fidelity import realness


@runtime_checkable
class NamedEditor(Protocol):
    """An editor that must know which image it is given, such as a folder of images made elsewhere."""

    card: MethodCard

    def prepare(self, names: tuple[str, ...], size: int) -> None:
        """Checks, before the first edit, that it has an edit of ``size`` pixels for each of ``names``."""

    def edit_named(self, names: tuple[str, ...], images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Does what ``Editor.edit`` does, told the name of each image."""


def check_fit(method: Editor | NamedEditor, faces: FaceSet, attribute: str) -> None:
    """Refuses a method that was not made for these images or this attribute, before any work is done.

    Raises:
        InputError: It cannot edit, or its card names another image size, or other attributes.
    """
    if not isinstance(method, Editor | NamedEditor):
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


def edit(
    method: Editor | NamedEditor,
    names: tuple[str, ...],
    source: NDArray[np.uint8],
    attribute: str,
    targets: NDArray[np.uint8],
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

    Returns:
        uint8, the shape of ``source``.

    Raises:
        InputError: The method returned anything but a uint8 tensor of that shape on the CPU.
    """
    images, value = torch.from_numpy(source.copy()), torch.from_numpy(targets.astype(np.float32))
    with torch.inference_mode():
        if isinstance(method, NamedEditor):
            edited = method.edit_named(names, images, attribute, value)
        else:
            edited = method.edit(images, attribute, value)
    _check(edited, source.shape, method.card.name)
    return np.ascontiguousarray(edited.numpy())


def own_realness(
    method: Critic, edited: NDArray[np.uint8], attribute: str, targets: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Returns the probability of being real, float64 (n,), that a method's own discriminator gives its edits.

    Args:
        method: Has the discriminator.
        edited: uint8, (n, 3, S, S).
        attribute: CelebA's name.
        targets: Wanted values 0 or 1, (n,).

    Raises:
        InputError: It did not return one finite logit for each image.
    """
    with torch.inference_mode():
        value = torch.from_numpy(targets.astype(np.float32))
        logits = method.realness(torch.from_numpy(edited.copy()), attribute, value)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(edited),):
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        todo = "return one logit an image; the mean over the patches where the discriminator has many"
        raise InputError(f"from {method.card.name}.realness a tensor of shape ({len(edited)},)", got, todo)
    return realness(logits.detach().float().cpu().numpy())


def _check(edited: object, shape: tuple[int, ...], name: str) -> None:
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
