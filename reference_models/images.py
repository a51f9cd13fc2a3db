# SPDX-License-Identifier: MIT
"""Between the pictures rooms exchange (uint8, 0..255) and the values these networks compute with ([-1, 1])."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from faceeval.errors import InputError

EDIT_BATCH = 50


def to_signed(images: Tensor) -> Tensor:
    """Returns uint8 images as float32 in [-1, 1]: value / 127.5 - 1."""
    return images.float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """Returns float images in [-1, 1] as uint8; values outside are clipped, values between levels rounded."""
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_images(images: Tensor, size: int) -> None:
    """Refuses anything but uint8 images (N, 3, size, size).

    Raises:
        InputError: Another type or shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != (3, size, size):
        raise InputError(
            f"uint8 images of shape (N, 3, {size}, {size})",
            f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}",
            f"read the faces at {size} pixels, or load weights trained for the size you have",
        )


def check_attribute(attribute: str, trained: str) -> None:
    """Refuses an attribute the weights were not trained for.

    Raises:
        InputError: Another attribute.
    """
    if attribute != trained:
        raise InputError(
            f"the attribute these weights were trained for, {trained}", attribute, f"load the weights for {attribute}"
        )


def check_directions(value: Tensor, allowed: tuple[int, ...], attribute: str) -> None:
    """Refuses wanted values (N,) a method cannot set.

    Raises:
        InputError: One of them.
    """
    wanted = {int(entry) for entry in (value > 0.5).tolist()}
    if not wanted <= set(allowed):
        raise InputError(
            f"{attribute} set to {' or '.join(map(str, allowed))}, all this method can do",
            " and ".join(map(str, sorted(wanted))),
            "ask for that value only, or choose a method that edits both ways",
        )


def check_aid(aids: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    """Returns what an edit needs beside the images, as float32.

    Args:
        aids: What the method was given.
        name: What it needs, as ``faceeval.data.aids.AIDS`` names it.
        shape: Its shape.

    Raises:
        InputError: It is missing, of another shape, or not finite.
    """
    if name not in aids:
        got = ", ".join(aids) or "none"
        raise InputError(f"the aid {name}, as the method's card needs it", got, f"give aids={{{name!r}: ...}}")
    found = aids[name]
    if tuple(found.shape) != shape or not found.isfinite().all():
        odd = "" if tuple(found.shape) != shape else ", not all of it finite"
        got, todo = f"shape {tuple(found.shape)}{odd}", f"give one {name} for each image, in pixels of the images given"
        raise InputError(f"{name} of shape {shape}", got, todo)
    return found.float()


def in_batches(function: Callable[..., Tensor], images: Tensor, *beside: Tensor, gradients: bool = False) -> Tensor:
    """Applies a function of float images to uint8 images, EDIT_BATCH at a time.

    Args:
        function: (n, 3, S, S) in [-1, 1] -> any (n, ...); further arguments follow where there are any.
        images: uint8, (N, 3, S, S).
        beside: What else the function is given of each image, (N, ...) each.
        gradients: Whether the function takes gradients, as methods do that optimise each image; also within
            ``torch.inference_mode``.

    Returns:
        Float results, (N, ...), on the CPU.
    """
    batches = zip(*(torch.split(values, EDIT_BATCH) for values in (images, *beside)), strict=True)
    with torch.inference_mode(not gradients), torch.set_grad_enabled(gradients):
        # copies, as what was made within inference_mode would let no gradient through
        parts = [function(to_signed(part), *(one.clone() for one in rest)).float().cpu() for part, *rest in batches]
    return torch.cat(parts)


def by_value(
    positive: Callable[[Tensor], Tensor], negative: Callable[[Tensor], Tensor], images: Tensor, value: Tensor
) -> Tensor:
    """Applies one function to images that should have the attribute and another to the rest, as ``in_batches`` does.

    Args:
        positive: For wanted values above one half: (n, 3, S, S) in [-1, 1] -> any (n, ...).
        negative: For the others; its results have the same shape.
        images: uint8, (N, 3, S, S).
        value: Wanted values, (N,).

    Returns:
        Float results in the order of the images, (N, ...), on the CPU.
    """
    wanted = value > 0.5
    if bool(wanted.all()) or not bool(wanted.any()):
        return in_batches(positive if wanted.all() else negative, images)
    made = torch.cat([in_batches(positive, images[wanted]), in_batches(negative, images[~wanted])])
    result = torch.empty_like(made)
    result[torch.cat([wanted.nonzero(), (~wanted).nonzero()])[:, 0]] = made
    return result
