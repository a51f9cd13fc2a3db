# SPDX-License-Identifier: MIT
"""Completion: find the noise whose picture fits around a hole, and fill the hole with that picture.

Yeh et al., "Semantic Image Inpainting with Perceptual and Contextual Losses", arXiv:1607.07539v1 (July 2016), and its
form at CVPR 2017, "Semantic Image Inpainting with Deep Generative Models". Both networks are frozen; the noise z is all
that moves, and each image's moves by itself: a batch gives what its images give one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Context = Literal["plain", "near", "far"]
Optimiser = Literal["adam", "nesterov"]
Prior = Literal["uniform", "normal"]
Blend = Literal["none", "poisson"]
BOX = 7  # side of the window that the context's weights look at


@dataclass(frozen=True)
class Completion:
    """How a hole is completed.

    Attributes:
        lam: Weight of the prior loss beside the sum of the context loss over all pixels.
        optimiser: ``"adam"`` with momenta 0.9 and 0.999, or ``"nesterov"``: gradient descent with a momentum of 0.9.
        completion_lr: Its step size.
        prior: What the first z is drawn from; either way it stays in [-1, 1].
        context: How known pixels count, see ``context_weights``.
        blend: What is done to the seam.
    """

    lam: float
    optimiser: Optimiser
    completion_lr: float
    prior: Prior
    context: Context
    blend: Blend


# v1 as its best-known re-implementation runs it; the other from the paper and its co-author's code
VARIANTS: dict[str, Completion] = {
    "v1": Completion(0.1, "adam", 0.01, "uniform", "plain", "none"),
    "cvpr17": Completion(0.2, "nesterov", 3e-4, "normal", "near", "poisson"),
}


def context_weights(known: Tensor, kind: Context) -> Tensor:
    """Returns how much each pixel of the context counts.

    Args:
        known: (N, 1, S, S), 1 where the image is known and 0 inside the hole.
        kind: ``"plain"`` counts every known pixel alike (v1). ``"near"`` counts it by the share of its 7x7
            neighbourhood that is missing, so most at the rim (CVPR 2017, equation 3). ``"far"`` counts it by the share
            that is known, as the released code does.

    Returns:
        (N, 1, S, S), in [0, 1], and 0 inside the hole.
    """
    if kind == "plain":
        return known
    around = known if kind == "far" else 1.0 - known
    padded = functional.pad(around, (BOX // 2,) * 4, mode="reflect")
    return known * functional.avg_pool2d(padded, BOX, stride=1)


def first_noise(completion: Completion, count: int, z_dim: int, seed: int) -> Tensor:
    """Draws z, (count, z_dim), in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    if completion.prior == "uniform":
        return torch.rand(count, z_dim, generator=generator) * 2.0 - 1.0
    return torch.randn(count, z_dim, generator=generator).clamp(-1.0, 1.0)


def completion_loss(
    faces: Tensor, logits: Tensor, images: Tensor, weights: Tensor, lam: float
) -> tuple[Tensor, Tensor]:
    """Returns the two losses of each image: the context's, and the prior's with its weight.

    Args:
        faces: What the generator made of z, (N, 3, S, S).
        logits: What the discriminator says of it, (N,).
        images: The images with holes, same shape as ``faces``.
        weights: How each pixel counts, (N, 1, S, S).
        lam: Weight of the prior.

    Returns:
        (N,) each: the sum over pixels and channels of weighted absolute differences (v1, equation 4), and ``lam`` times
        softplus(-logit), the generator's loss of the training (v1, equation 6, not saturating).
    """
    context = (weights * (faces - images)).abs().sum((1, 2, 3))
    return context, lam * functional.softplus(-logits)


def best_of(candidates: Tensor, faces: Tensor, images: Tensor, weights: Tensor) -> Tensor:
    """Chooses for each image the candidate whose picture fits its context best, by squared differences.

    Args:
        candidates: (K, z_dim).
        faces: Their pictures, (K, 3, S, S).
        images: (N, 3, S, S).
        weights: (N, 1, S, S).

    Returns:
        (N, z_dim).
    """
    # of w (f - y)^2 = w f^2 - 2 w f y + w y^2 the last is the same for all candidates, the others are matrix products
    squares = weights.flatten(1) @ faces.square().sum(1).flatten(1).T
    products = (weights * images).flatten(1) @ faces.flatten(1).T
    return candidates[(squares - 2.0 * products).argmin(1)]


def complete(
    generator: Callable[[Tensor], Tensor],
    discriminator: Callable[[Tensor], Tensor],
    images: Tensor,
    weights: Tensor,
    start: Tensor,
    completion: Completion,
    steps: int,
    trace: list[Tensor] | None = None,
) -> Tensor:
    """Descends the loss in z.

    Args:
        generator: Frozen and in eval mode, z (N, z_dim) -> pictures (N, 3, S, S).
        discriminator: Likewise, pictures -> logits (N,).
        images: Float images with holes, (N, 3, S, S) in [-1, 1].
        weights: How each pixel counts, (N, 1, S, S).
        start: First z, (N, z_dim).
        completion: The variant.
        steps: Steps of the optimiser.
        trace: Gets the loss of each image, (N,), before each step.

    Returns:
        The last z, (N, z_dim), in [-1, 1].
    """
    z = start.clone().requires_grad_(True)
    if completion.optimiser == "adam":
        optimiser: torch.optim.Optimizer = torch.optim.Adam([z], completion.completion_lr, betas=(0.9, 0.999))
    else:
        optimiser = torch.optim.SGD([z], completion.completion_lr, momentum=0.9, nesterov=True)
    for _ in range(steps):
        faces = generator(z)
        losses = sum(completion_loss(faces, discriminator(faces), images, weights, completion.lam))
        assert isinstance(losses, Tensor)
        if trace is not None:
            trace.append(losses.detach())
        (z.grad,) = torch.autograd.grad(losses.sum(), z)
        optimiser.step()
        with torch.no_grad():
            z.clamp_(-1.0, 1.0)
    return z.detach()
