# SPDX-License-Identifier: MIT
"""Weights as bytes: each output channel of a kernel has a scale, and its weights are whole multiples of that.

Half the size of float16, for what a package ships. The error is at most half a step, 1/254 of the largest weight of the
channel; scores on the cards are of weights as they are shipped.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from faceeval.errors import InputError

STEPS = 127  # on each side of zero
SCALE = "#scale"  # follows the name of a tensor; no name of a parameter has it
SMALLEST = 1024  # weights of a kernel for which it is worth while


def quantise(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns kernels as int8 (C, ...) and, beside each, its scales float32 (C,); other tensors are what they were."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if not value.is_floating_point() or value.ndim < 2 or value.numel() < SMALLEST:
            found[name] = value
            continue
        rows = value.float().flatten(1)
        scales = rows.abs().amax(1) / STEPS
        steps = torch.where(scales > 0, scales, 1.0)
        found[name] = (rows / steps[:, None]).round().clamp(-STEPS, STEPS).to(torch.int8).view(value.shape)
        found[name + SCALE] = scales
    return found


def restore(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns tensors with each int8 kernel that has scales beside it as float32; undoes ``quantise`` up to rounding.

    Raises:
        InputError: Scales without their kernel, or not one for each of its channels.
    """
    found = {name: value for name, value in tensors.items() if not name.endswith(SCALE)}
    for name, scales in tensors.items():
        if not name.endswith(SCALE):
            continue
        kernel = found.get(name.removesuffix(SCALE))
        if kernel is None or kernel.dtype != torch.int8 or scales.shape != kernel.shape[:1]:
            got = "no such kernel" if kernel is None else f"{kernel.dtype} {tuple(kernel.shape)}"
            raise InputError(f"an int8 kernel of {len(scales)} channels for {name}", got, "fetch the weights again")
        found[name.removesuffix(SCALE)] = kernel.float() * scales.view(-1, *[1] * (kernel.ndim - 1))
    return found
