# SPDX-License-Identifier: MIT
"""DCGAN: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional GANs", ICLR 2016.

The networks that semantic inpainting draws with: 5x5 kernels, batch norm, 64 pixels, as its re-implementation has them.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from reference_models.blocks import Norm, Upsampling, batch_norm, leaky, normalise, upsample


def widths_of(first: int, most: int, side: int) -> list[int]:
    """Channels of the maps of a network for pictures of ``side`` pixels, from side / 2 down to 4.

    Example:
        >>> widths_of(64, 512, 64)
        [64, 128, 256, 512]
    """
    return [min(first * 2**level, most) for level in range(side.bit_length() - 3)]


class Generator(nn.Module):
    """A linear layer to a 4x4 map, then layers that double its side; batch norm and ReLU after all but the last.

    Args:
        z_dim: Numbers a picture is drawn from.
        width: Channels of the map of half the picture's side; each coarser one has twice as many.
        max_width: Most channels.
        side: Of the pictures, a power of two.
        upsampling: Transposed 5x5 convolutions, or interpolation and 3x3 ones.
    """

    def __init__(self, z_dim: int, width: int, max_width: int, side: int, upsampling: Upsampling) -> None:
        super().__init__()
        widths = widths_of(width, max_width, side)[::-1]
        self.z_dim, self.side = z_dim, side
        self.project = nn.Linear(z_dim, widths[0] * 16)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [*_enlarge(before, after, upsampling), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, *_enlarge(widths[-1], 3, upsampling))

    def forward(self, z: Tensor) -> Tensor:
        """Maps z (N, z_dim) in [-1, 1] to pictures (N, 3, S, S) in [-1, 1]."""
        return torch.tanh(self.layers(self.project(z).unflatten(1, (-1, 4, 4))).float())


def _norm(channels: int, kind: Norm) -> nn.Module:
    """A norm; batch norm is torch's own, which counts batches as the generator's does and published files hold it."""
    return nn.BatchNorm2d(channels) if kind == "batch" else normalise(channels, kind)


def _enlarge(before: int, after: int, kind: Upsampling) -> tuple[nn.Module, ...]:
    """Layers that double height and width."""
    if kind == "transposed":
        return (nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1),)
    return upsample(before, after, 3, kind)


class Discriminator(nn.Module):
    """5x5 convolutions that halve the side down to 4, a norm in all but the first, and a linear layer.

    Args:
        width: Channels of the first map; each coarser one has twice as many.
        max_width: Most channels.
        side: Of the pictures, a power of two.
        norm: Batch norm is DCGAN's.
        outputs: Numbers the linear layer says: 1, or of an encoder more.
    """

    def __init__(self, width: int, max_width: int, side: int, norm: Norm = "batch", outputs: int = 1) -> None:
        super().__init__()
        widths = widths_of(width, max_width, side)
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, 2, 2), leaky()]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 5, 2, 2), _norm(after, norm), leaky()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * 16, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) in [-1, 1] to logits (N,)."""
        logits: Tensor = self.layers(x)[:, 0]
        return logits


class Encoder(Discriminator):
    """The same layers, which say where the noise is that a picture could be drawn from.

    Each number is batch-normed and taken through the normal distribution function, so that a batch's are spread over
    [-1, 1] much as noise is: what lies between pictures is then where noise is drawn, too.
    """

    def __init__(self, width: int, max_width: int, side: int, norm: Norm, z_dim: int) -> None:
        super().__init__(width, max_width, side, norm, z_dim)
        self.spread = batch_norm(z_dim, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) in [-1, 1] to z (N, z_dim) in [-1, 1]."""
        found = self.spread(self.layers(x).float()[:, :, None, None]).flatten(1)
        return torch.erf(found / math.sqrt(2.0))
