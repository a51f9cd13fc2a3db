# SPDX-License-Identifier: MIT
"""Seeded changes to training faces that leave their labels true, so that judges also read generated images."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

SHIFT = 4  # pixels, of 64
BRIGHTNESS, CONTRAST, TINT = 10.0, 0.10, 0.03  # grey levels; shares. Small: hair and skin colour are labels
NOISE = 6.0  # grey levels
BLURRED, NOISY = 0.35, 0.5  # shares of the images


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def flip(images: Tensor, pose: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mirrors half of the images; a mirrored head turns (yaw) and tilts (roll) the other way.

    Args:
        images: (N, 3, S, S).
        pose: (N, 3), yaw, pitch, roll in degrees.
        generator: Source of chance.

    Returns:
        Images and pose after mirroring.
    """
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    sign = torch.tensor([-1.0, 1.0, -1.0])
    turned = torch.where(mirrored[:, None], pose * sign, pose)
    return torch.where(mirrored[:, None, None, None], images.flip(3), images), turned


def shift(images: Tensor, generator: Generator) -> Tensor:
    """Moves each image by up to ``SHIFT`` pixels each way, repeating the edge.

    Args:
        images: Float, (N, 3, S, S).
        generator: Source of chance.

    Returns:
        Same shape.
    """
    count, _, side, _ = images.shape
    padded = functional.pad(images, (SHIFT,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * SHIFT + 1, (2, count), generator=generator).tolist()
    moved = [padded[index, :, y : y + side, x : x + side] for index, (y, x) in enumerate(zip(*offsets, strict=True))]
    return torch.stack(moved)


def blur(images: Tensor, generator: Generator) -> Tensor:
    """Blends some images with their 3 x 3 binomial blur, by a random share."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    # the kernel (1 2 1) / 4 along rows, then along columns; many times faster than a grouped convolution
    rows = (padded[:, :, :-2] + padded[:, :, 2:]).add_(padded[:, :, 1:-1], alpha=2.0)
    soft = (rows[..., :-2] + rows[..., 2:]).add_(rows[..., 1:-1], alpha=2.0).mul_(1.0 / 16.0)
    chosen = torch.rand(len(images), generator=generator) < BLURRED
    share = torch.where(chosen, torch.rand(len(images), generator=generator), 0.0)
    return torch.lerp(images, soft, share[:, None, None, None])


def augment(images: Tensor, pose: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mirrors, shifts, blurs, brightens, tints and roughens a batch.

    Args:
        images: uint8, (N, 3, S, S).
        pose: float32, (N, 3), degrees.
        generator: Source of all chance.

    Returns:
        Images as float32 in 0..255, same shape, and the pose after mirroring.
    """
    faces, turned = flip(images.to(torch.float32), pose, generator)
    faces = blur(shift(faces, generator), generator)
    count = len(images)
    gain = 1.0 + _uniform((count, 1, 1, 1), -CONTRAST, CONTRAST, generator)
    gain = gain * (1.0 + _uniform((count, 3, 1, 1), -TINT, TINT, generator))
    lift = _uniform((count, 1, 1, 1), -BRIGHTNESS, BRIGHTNESS, generator)
    faces = (faces - 127.5) * gain + (127.5 + lift)
    noisy = torch.rand(count, generator=generator) < NOISY
    sigma = torch.where(noisy, torch.rand(count, generator=generator) * NOISE, 0.0)
    faces = faces + torch.randn(faces.shape, generator=generator) * sigma[:, None, None, None]
    return faces.clamp_(0.0, 255.0), turned


def _noise(face: Tensor, other: Tensor, share: float, generator: Generator) -> Tensor:
    return face + 80.0 * share * torch.randn(face.shape, generator=generator)


def _soften(face: Tensor, other: Tensor, share: float, generator: Generator) -> Tensor:
    side = face.shape[-1]
    small = max(4, round(side * 0.5 ** (0.5 + 2.5 * share)))
    shrunk = functional.interpolate(face[None], size=(small, small), mode="bilinear", antialias=True)
    return functional.interpolate(shrunk, size=(side, side), mode="bilinear")[0]


def _scatter(face: Tensor, other: Tensor, share: float, generator: Generator) -> Tensor:
    side = face.shape[-1]
    pieces = functional.unfold(face[None], 8, stride=8)[0]
    moved = torch.randperm(pieces.shape[1], generator=generator)[: max(2, round(share * pieces.shape[1]))]
    pieces[:, moved] = pieces[:, moved.roll(1)]
    return functional.fold(pieces[None], (side, side), 8, stride=8)[0]


def _blend(face: Tensor, other: Tensor, share: float, generator: Generator) -> Tensor:
    return torch.lerp(face, other, 0.5 * share)


def _invert(face: Tensor, other: Tensor, share: float, generator: Generator) -> Tensor:
    channels = torch.rand(3, generator=generator) < 0.7
    channels[int(torch.randint(0, 3, (1,), generator=generator))] = True
    return torch.lerp(face, 255.0 - face, share * channels.float()[:, None, None])


RUINS = (_noise, _soften, _scatter, _blend, _invert)


def ruin(images: Tensor, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Ruins copies of the first ``count`` faces of a batch, each in one way and to a degree of its own.

    Noise, lost detail, pieces out of place, a second face, inverted colours: what failed edits look like. A judge
    that is to be the less sure of the person the worse the picture (entropic open-set loss: Dhamija et al., "Reducing
    Network Agnostophobia", NeurIPS 2018) gives such pictures short embeddings.

    Args:
        images: Float, (N, 3, S, S), 0..255.
        count: At most N.
        generator: Source of all chance.

    Returns:
        Ruined faces (count, 3, S, S), float in 0..255, and how far each is ruined (count,), 0 not at all .. 1 wholly.
    """
    degrees = torch.rand(count, generator=generator)
    ways = torch.randint(0, len(RUINS), (count,), generator=generator).tolist()
    made = [
        RUINS[way](images[index], images[index - 1], degree, generator)
        for index, (way, degree) in enumerate(zip(ways, degrees.tolist(), strict=True))
    ]
    return torch.stack(made).clamp_(0.0, 255.0), degrees
