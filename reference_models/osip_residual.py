# SPDX-License-Identifier: MIT
"""OSIP's A and G with shortcuts (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016).

The paper's are plain VGGs. At 64 pixels, and in the same time, these learn more of where things are in a face.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_models.blocks import batch_norm, doubling, upsample
from reference_models.osip_config import Config
from reference_models.resnet import BasicBlock

FIRST_SHARE = 0.3  # how much of what a block finds counts at first: it begins near the identity (Goyal et al., 2017)


def _blocks(channels: int, count: int) -> list[nn.Module]:
    blocks = [BasicBlock(channels, channels, 1) for _ in range(count)]
    for block in blocks:
        nn.init.constant_(block.bn2.weight, FIRST_SHARE)
    return list[nn.Module](blocks)


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, batch_norm(channels), nn.ReLU(inplace=True)]


class ResidualTrunk(nn.Module):
    """What A reads faces with: each stage halves them by a 4x4 convolution, and then has its blocks.

    Attributes:
        channels: Of the last map.
        side: Of the last map.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        counts = config.a_convs or config.convs
        layers: list[nn.Module] = []
        inputs = 3
        for count, width in zip(
            counts, doubling(config.a_width or config.width, len(counts), config.max_width), strict=True
        ):
            layers += _normed(nn.Conv2d(inputs, width, 4, 2, 1, bias=False), width) + _blocks(width, count)
            inputs = width
        if config.places:
            layers += _normed(nn.Conv2d(inputs, config.places, 1, bias=False), config.places)
            inputs = config.places
        self.layers = nn.Sequential(*layers)
        self.channels, self.side = inputs, config.image_size >> len(counts)

    def forward(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) to maps (N, channels, side, side)."""
        maps: Tensor = self.layers(x)
        return maps


class ResidualGenerator(nn.Module):
    """G: a linear layer to the coarsest map, then stages backwards: blocks, and a transposed convolution that doubles.

    Args:
        config: Sizes; ``g_convs`` counts blocks, from the finest map to the coarsest.
        id_dim: Length of identity vectors.
    """

    def __init__(self, config: Config, id_dim: int) -> None:
        super().__init__()
        counts = config.g_convs or config.convs
        widths = doubling(config.g_width or config.width, len(counts), config.max_width)
        self.side, self.width = config.image_size >> len(counts), widths[-1]
        # vectors of unit length would be faint beside attribute vectors, each number of which is about one
        self.loudness = id_dim**0.5 if config.id_unit or config.id_scale else 1.0
        self.project = nn.Linear(id_dim + config.attr_dim, self.width * self.side**2, bias=False)
        self.norm = batch_norm(self.width)
        layers = _blocks(widths[-1], counts[-1])
        for level in reversed(range(len(counts) - 1)):
            (up,) = upsample(widths[level + 1], widths[level], 4, "transposed", bias=False)
            layers += _normed(up, widths[level]) + _blocks(widths[level], counts[level])
        self.layers = nn.Sequential(*layers, *upsample(widths[0], 3, 4, "transposed"))

    def forward(self, identity: Tensor, attributes: Tensor) -> Tensor:
        """Draws faces (N, 3, S, S) in [-1, 1] of identity vectors (N, id_dim) with attribute vectors (N, attr_dim)."""
        code = self.project(torch.cat([identity * self.loudness, attributes], 1))
        maps = functional.relu(self.norm(code.reshape(len(code), self.width, self.side, self.side)))
        return torch.tanh(self.layers(maps).float())
