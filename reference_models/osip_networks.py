# SPDX-License-Identifier: MIT
"""The networks of OSIP (section 4): one VGG three times, its inverse, and DCGAN's discriminator.

The paper has no layer tables; parameter counts follow from configuration D of Simonyan and Zisserman.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_models.blocks import batch_norm, doubling, leaky
from reference_models.osip_config import Config, Reparametrisation
from reference_models.osip_residual import ResidualTrunk
from reference_models.sampling import gaussian


def _convolution(inputs: int, outputs: int, kernel: int, bn: bool) -> list[nn.Module]:
    """A convolution that keeps the size, and what follows it.

    G's transposed convolutions have stride 1, and such a one is this with its kernel turned round.
    """
    norm: list[nn.Module] = [batch_norm(outputs)] if bn else []
    return [nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2), *norm, nn.ReLU(inplace=True)]


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each ended by a pooling (Simonyan and Zisserman, ICLR 2015).

    Args:
        config: Sizes.
        convs: Convolutions of each stage.
        width: Channels of the first stage.
        places: Channels kept of the last map; 0 keeps all.

    Attributes:
        channels: Of the last map.
        side: Of the last map.
    """

    def __init__(self, config: Config, convs: tuple[int, ...], width: int, places: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for count, outputs in zip(convs, doubling(width, len(convs), config.max_width), strict=True):
            for _ in range(count):
                layers += _convolution(inputs, outputs, 3, config.bn)
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        if places:
            layers += _convolution(inputs, places, 1, config.bn)
            inputs = places
        self.layers = nn.Sequential(*layers)
        self.channels, self.side = inputs, config.image_size >> len(convs)

    def forward(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) to maps (N, channels, side, side)."""
        maps: Tensor = self.layers(x)
        return maps


class Recogniser(nn.Module):
    """I and C, which are one network: the identity vector of a face, and which of the labelled people that is.

    Attributes:
        dimensions: Length of the identity vector.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pool, self.scale, self.margin = config.id_pool, config.id_scale, config.id_margin
        self.unit = config.id_unit or self.scale > 0
        self.trunk, self.stages = VGG(config, config.convs, config.width, config.id_places), len(config.convs)
        flat = self.trunk.channels * self.trunk.side**2
        self.dimensions = {"gap": self.trunk.channels, "flatten": flat, "fc": config.id_dim}[config.id_pool]
        self.fc = nn.Linear(flat, self.dimensions) if config.id_pool == "fc" else None
        self.norm = batch_norm(self.dimensions, affine=False) if self.scale else None
        self.head = nn.Linear(self.dimensions, max(config.n_ids, 1), bias=not self.unit)

    def read(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) in [-1, 1] to what class scores are made of, float32 (N, dimensions)."""
        maps = self.trunk(x)
        found: Tensor = maps.mean((2, 3)) if self.pool == "gap" else maps.flatten(1)
        found = (found if self.fc is None else self.fc(found)).float()
        return found if self.norm is None else self.norm(found[:, :, None, None]).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) in [-1, 1] to identity vectors (N, dimensions), float32."""
        found = self.read(x)
        return functional.normalize(found) if self.unit else found

    def maps(self, x: Tensor) -> list[Tensor]:
        """Maps faces (N, 3, S, S) in [-1, 1] to the first map of each stage but the first."""
        found, wanted, starts = list[Tensor](), self.stages - 1, False
        for layer in self.trunk.layers:
            if len(found) == wanted:
                break
            x = layer(x)
            if starts and isinstance(layer, nn.ReLU):
                found.append(x)
                starts = False
            starts = starts or isinstance(layer, nn.MaxPool2d)
        return found

    def classify(self, found: Tensor, classes: Tensor | None = None) -> Tensor:
        """Returns a score for each labelled person, (N, n_ids).

        Args:
            found: What ``read`` returned (N, dimensions). Identity vectors will do where only the order counts: scores
                of vectors that were brought to unit length have no bias.
            classes: Who each is (N,), int64, where the network learns: the margin is taken off the right cosine.
        """
        if not self.scale:
            scores: Tensor = self.head(found)
            return scores
        cosines = functional.linear(functional.normalize(found), functional.normalize(self.head.weight.float()))
        if classes is not None:
            cosines = cosines - self.margin * functional.one_hot(classes, cosines.shape[1])
        return self.scale * cosines


class AttributeEncoder(nn.Module):
    """A: where the attribute vector of a face lies, and how far it may be from there.

    Attributes:
        routing: What it learns from, see ``Config``.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.reparam, self.routing, self.samples = config.reparam, config.routing, config.w_kl > 0
        width = config.a_width or config.width
        plain = not config.shortcuts
        self.trunk = (
            VGG(config, config.a_convs or config.convs, width, config.places) if plain else ResidualTrunk(config)
        )
        self.fc = nn.Linear(self.trunk.channels * self.trunk.side**2, 2 * config.attr_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps faces (N, 3, S, S) in [-1, 1] to the paper's mu and epsilon, float32 (N, attr_dim) each."""
        mean, spread = self.fc(self.trunk(x).flatten(1)).float().chunk(2, 1)
        return mean, spread

    def sample(self, mean: Tensor, spread: Tensor, chance: torch.Generator) -> Tensor:
        """Draws an attribute vector (N, attr_dim) around each mean; only training does, and not without divergence."""
        if not self.samples:
            return mean
        return mean + deviation(spread, self.reparam) * gaussian(mean, chance)


def deviation(spread: Tensor, reparam: Reparametrisation) -> Tensor:
    """Returns the standard deviation that A's second vector stands for."""
    return torch.exp(spread / 2) if reparam == "logvar" else torch.exp(spread)


class Generator(nn.Module):
    """G: a linear layer to the coarsest map, then the encoders' stages backwards, poolings replaced by doublings."""

    def __init__(self, config: Config, id_dim: int) -> None:
        super().__init__()
        convs: tuple[int, ...] = config.g_convs or config.convs
        widths = doubling(config.g_width or config.width, len(convs), config.max_width)
        self.side, coarse = config.image_size >> len(convs), config.places or widths[-1]
        self.project = nn.Linear(id_dim + config.attr_dim, coarse * self.side**2)
        self.norm = batch_norm(coarse * self.side**2) if config.bn else nn.Identity()
        layers = _convolution(coarse, widths[-1], 1, config.bn) if config.places else []
        for level in reversed(range(len(convs))):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
            for place in range(convs[level]):
                last = place == convs[level] - 1
                if last and level == 0:
                    layers.append(nn.Conv2d(widths[0], 3, 3, 1, 1))
                else:
                    layers += _convolution(widths[level], widths[level - last], 3, config.bn)
        self.layers = nn.Sequential(*layers)

    def forward(self, identity: Tensor, attributes: Tensor) -> Tensor:
        """Draws faces (N, 3, S, S) in [-1, 1] of identity vectors (N, id_dim) with attribute vectors (N, attr_dim)."""
        code = self.project(torch.cat([identity, attributes], 1))
        maps = functional.relu(self.norm(code[:, :, None, None])).reshape(len(code), -1, self.side, self.side)
        return torch.tanh(self.layers(maps).float())


class Discriminator(nn.Module):
    """D: 4x4 convolutions of stride 2 down to a 4x4 map, which is the paper's f_D, and a linear layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.image_size.bit_length() - 3, config.d_max_width)
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), leaky()]
        for before, after in pairwise(widths):
            norm: list[nn.Module] = [batch_norm(after)] if config.bn else []
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=not config.bn), *norm, leaky()]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.last = nn.Linear(widths[-1] * 16, 1)

    def features(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) in [-1, 1] to what the last layer reads, float32 (N, D)."""
        found: Tensor = self.layers(x)
        return found.float()

    def forward(self, x: Tensor) -> Tensor:
        """Maps faces (N, 3, S, S) in [-1, 1] to logits (N,), high for real ones."""
        return self.last(self.features(x))[:, 0]  # type: ignore[no-any-return]
