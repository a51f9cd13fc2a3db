# SPDX-License-Identifier: MIT
"""What every judge asks of its images, and how it goes through them in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from faceeval.errors import InputError

SMALLEST, LARGEST = 8, 4096


def check_images(images: Tensor, square: bool = True) -> None:
    """Refuses anything that is not uint8 (N, 3, H, W) with N at least 1 and sides in 8..4096.

    Args:
        images: What was given.
        square: Whether H must be W: a face must not be stretched.

    Raises:
        InputError: Wrong type, dtype, shape or size. A value range is never guessed, so floats are refused.
    """
    form = "square RGB images, shape (N, 3, S, S)" if square else "RGB images, shape (N, 3, H, W)"
    expected = f"a uint8 tensor of {form}"
    if not isinstance(images, Tensor):
        raise InputError(expected, type(images).__name__, "wrap the array with torch.from_numpy")
    if images.dtype != torch.uint8:
        raise InputError(expected, f"dtype {images.dtype}", "scale to 0..255, clip, round, then cast to torch.uint8")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 3 or (square and shape[2] != shape[3]):
        todo = "put channels second" + (" and crop or pad the images to squares" if square else "")
        raise InputError(expected, f"shape {shape}", todo)
    if shape[0] == 0:
        raise InputError(expected, "no images", "pass at least one image")
    wrong = [side for side in shape[2:] if not SMALLEST <= side <= LARGEST]
    if wrong:
        raise InputError(f"images of {SMALLEST} to {LARGEST} pixels a side", f"{wrong[0]} pixels", "resize them first")


def check_device(device: str) -> torch.device:
    """Returns the torch device of that name.

    Raises:
        InputError: torch knows no such device, or this machine has none.
    """
    todo = "use device='cpu', or see that torch finds the accelerator"
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError("a device torch can use here", repr(device), todo) from error
    return found


def to_unit(images: Tensor, size: int) -> Tensor:
    """Returns uint8 images as float32 in [-1, 1] at ``size`` pixels, resized by antialiased bilinear where they differ.

    Args:
        images: uint8, (N, 3, S, S).
        size: Side wanted.

    Returns:
        float32, (N, 3, size, size).
    """
    scaled = images.to(torch.float32)
    if images.shape[-1] != size:
        scaled = functional.interpolate(scaled, size=(size, size), mode="bilinear", antialias=True)
    return scaled / 127.5 - 1.0


def run_in_batches(
    images: Tensor,
    batch_size: int,
    device: torch.device,
    look: Callable[[Tensor], Mapping[str, Tensor]],
    square: bool = True,
) -> dict[str, NDArray[np.float32]]:
    """Checks the images and calls ``look`` on one batch after another, without gradients.

    Args:
        images: uint8, (N, 3, H, W), RGB.
        batch_size: Images a batch.
        device: Where the network stands.
        look: uint8 images (n, 3, H, W) on ``device`` -> tensors (n, ...).
        square: Whether H must be W.

    Returns:
        The tensors of all batches joined, as float32 arrays.

    Raises:
        InputError: The images are malformed.
    """
    check_images(images, square)
    parts: dict[str, list[NDArray[np.float32]]] = {}
    with torch.inference_mode():
        for batch in torch.split(images, batch_size):
            for key, value in look(batch.to(device)).items():
                parts.setdefault(key, []).append(value.to("cpu", torch.float32).numpy())
    return {key: np.concatenate(arrays) for key, arrays in parts.items()}
