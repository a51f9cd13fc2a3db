# SPDX-License-Identifier: MIT
"""Poisson blending: paste a picture into the hole of another so that no seam shows.

Pérez, Gangnet and Blake, "Poisson Image Editing", SIGGRAPH 2003. The blended picture has the gradients of the pasted
one inside the hole and the values of the other at its rim. Written as pasted picture plus correction, the correction is
harmonic inside the hole and is the difference of the two pictures around it: a membrane spanned over the hole.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def poisson_blend(image: Tensor, pasted: Tensor, known: Tensor, steps: int | None = None) -> Tensor:
    """Fills the holes of images with pasted pictures, their colours led over to those at the rim.

    The linear system of each image and channel is solved by conjugate gradients, all of a batch at once, and none
    depends on what else is in the batch. Where a hole reaches the border of the picture it is free there.

    Args:
        image: (N, 3, H, W), any range; only its known pixels are read.
        pasted: What goes into the holes, same shape.
        known: (N, 1, H, W), 1 where ``image`` stays and 0 inside the hole.
        steps: Steps of the solver; by default twice the longer side, which is beyond what float32 can tell.

    Returns:
        (N, 3, H, W), equal to ``image`` on known pixels. An image without any known pixel takes the pasted picture.
    """
    hole = 1.0 - known
    rim = known * (image - pasted)
    degree = _neighbours(torch.ones_like(known[:1]))
    unknown = torch.zeros_like(rim)
    residual = hole * _neighbours(rim)
    direction, size = residual, _dot(residual, residual)
    # the residual falls over many orders: below this, going on would divide rounding errors by each other
    floor = 1e-12 * size
    for _ in range(2 * max(image.shape[-2:]) if steps is None else steps):
        spread = hole * (degree * direction - _neighbours(direction))
        going = size > floor
        length = torch.where(going, size / _dot(direction, spread).clamp(min=1e-30), 0.0)
        unknown = unknown + length * direction
        residual = residual - length * spread
        old, size = size, _dot(residual, residual)
        direction = residual + torch.where(going, size / old.clamp(min=1e-30), 0.0) * direction
    return torch.where(known > 0.5, image, pasted + unknown)


def _neighbours(values: Tensor) -> Tensor:
    """Sum over the four neighbours of each pixel; there are none beyond the border."""
    wide = functional.pad(values, (1, 1, 1, 1))
    return wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:] + wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1]


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((2, 3), keepdim=True)
