# SPDX-License-Identifier: MIT
"""Losses that several papers share. Logits and images come in any float type; values are float32 scalars."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def gan_bce_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's loss of Goodfellow et al. 2014: mean softplus(-real) + mean softplus(fake), on logits."""
    return functional.softplus(-real.float()).mean() + functional.softplus(fake.float()).mean()


def gan_bce_g(fake: Tensor) -> Tensor:
    """Generator's non-saturating loss of Goodfellow et al. 2014: mean softplus(-fake), on logits."""
    return functional.softplus(-fake.float()).mean()


def lsgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's loss of Mao et al., "LSGAN", ICCV 2017: half of mean (real - 1)^2 + mean fake^2."""
    return 0.5 * ((real.float() - 1.0).square().mean() + fake.float().square().mean())


def lsgan_g(fake: Tensor) -> Tensor:
    """Generator's loss of LSGAN: mean (fake - 1)^2."""
    return (fake.float() - 1.0).square().mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's hinge loss (Lim and Ye, "Geometric GAN", 2017): mean max(0, 1 - real) + mean max(0, 1 + fake)."""
    return functional.relu(1.0 - real.float()).mean() + functional.relu(1.0 + fake.float()).mean()


def hinge_g(fake: Tensor) -> Tensor:
    """Generator's part of the hinge loss: -mean fake."""
    return -fake.float().mean()


def wgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """Critic's loss of Arjovsky et al., "WGAN", ICML 2017: mean fake - mean real."""
    return fake.float().mean() - real.float().mean()


def wgan_g(fake: Tensor) -> Tensor:
    """Generator's loss of WGAN: -mean fake."""
    return -fake.float().mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """Penalty of Gulrajani et al., "WGAN-GP", NeurIPS 2017, eq. 3: how far the critic's slope is from one.

    Args:
        critic: Images -> logits, any shape that begins with N.
        real: Images, (N, C, H, W).
        fake: Images, same shape.
        generator: Draws one mixing weight per image, on the CPU.

    Returns:
        Mean over images of (norm of the gradient - 1)^2; 1 for a constant critic.
    """
    weight = torch.rand(len(real), 1, 1, 1, generator=generator).to(real.device, real.dtype)
    between = torch.lerp(real.detach(), fake.detach(), weight).requires_grad_(True)
    score = critic(between).float().sum()
    if not score.requires_grad:  # a constant critic is not connected to its input at all
        return torch.ones((), device=real.device)
    (slope,) = torch.autograd.grad(score, between, create_graph=True)
    # the epsilon keeps the gradient of the root finite where the slope is zero
    norm = (slope.float().square().flatten(1).sum(1) + 1e-16).sqrt()
    return (norm - 1.0).square().mean()


def real_slope_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Penalty of Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018, eq. 9 (R1).

    Args:
        critic: Images -> logits, each of its own image alone, any shape that begins with N.
        real: Images, (N, C, H, W).

    Returns:
        Half the mean over images of the squared norm of the gradient; 0 for a constant critic.
    """
    inputs = real.detach().requires_grad_(True)
    score = critic(inputs).float().sum()
    if not score.requires_grad:
        return torch.zeros((), device=real.device)
    (slope,) = torch.autograd.grad(score, inputs, create_graph=True)
    return slope.float().square().flatten(1).sum(1).mean() / 2


def content(features: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared difference of two feature maps (DIAT, eq. 1); features that differ by 1 give 0.5."""
    return 0.5 * (features.float() - target.float()).square().mean()


def feature_match(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean absolute difference (FAI, eq. 5; after pix2pixHD); T layers 1 apart give T."""
    return torch.stack([l1(one, other) for one, other in zip(features, target, strict=True)]).sum()


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (image.float() - target.float()).abs().mean()


def changed_share(image: Tensor, source: Tensor, scale: float = 0.2, power: float = 1.0) -> Tensor:
    """About the share of pixels that changed: mean of min(1, d / scale)^power, d the mean difference of a pixel.

    Unlike the L1 distance it saturates, so it asks that few pixels change, not that they change little: it leaves a
    black frame on pale skin alone and presses a faint tint of the whole picture to zero. A large scale and a power of 2
    ask the contrary: faint shading of many pixels is cheap, and a vivid patch is dear.

    Args:
        image: (N, 3, H, W), in [-1, 1].
        source: Same shape.
        scale: Difference from which on a pixel counts as changed.
        power: How much dearer large differences are than small ones.
    """
    difference = (image.float() - source.float()).abs().mean(1)
    return (difference / scale).clamp(max=1.0).pow(power).mean()


def ramped(weight: float, ramp: float, done: float) -> float:
    """Returns a weight that grows linearly from zero over the first ``ramp`` of the training; ``done`` is in 0..1."""
    return weight * min(1.0, done / ramp) if ramp else weight


def kl_unit(mean: Tensor) -> Tensor:
    """Divergence of a Gaussian of unit variance from the standard one: half the mean squared mean (UNIT)."""
    return 0.5 * mean.float().square().mean()


def kl_logvar(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence from the standard Gaussian, summed over dimensions and averaged over the batch.

    Args:
        mean: (N, D).
        log_variance: (N, D); zero means unit variance (OSIP, eq. 3).
    """
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1).mean()
