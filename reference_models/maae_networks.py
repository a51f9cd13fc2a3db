# SPDX-License-Identifier: MIT
"""The networks of M-AAE (Sun et al. 2021, table 1), and where in the code an edit adds its strength (section 3.2)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Upsampling,
    compose,
    doubling,
    instance_norm,
    leaky,
    normalise,
)
from reference_models.receptive_field import Layer, cover, layerwise_cover, output_size
from reference_models.sampling import gaussian

if TYPE_CHECKING:
    from reference_models.maae import Config

KERNELS = (7, 3, 3)  # of the encoder's first three convolutions; the decoder's last three have them in reverse


def encoder_layers(config: Config) -> list[Layer]:
    """Returns kernel, stride and padding of each of the encoder's convolutions; shortcuts see no more than these."""
    front = [(kernel, stride, kernel // 2) for kernel, stride in zip(KERNELS, config.strides, strict=True)]
    return front + [(config.res_kernel, 1, config.res_kernel // 2)] * (2 * config.n_blocks)


def positions(config: Config) -> Tensor:
    """Returns the mask of the code's positions that an edit changes: (N, N), 0 or 1, N the side of the code."""
    layers, size = encoder_layers(config), config.image_size
    axis = torch.ones(output_size(layers, size))
    if config.modify == "sparse":
        found = cover(layers, size) if config.modify_rule == "cover" else layerwise_cover(layers, size)
        axis = torch.tensor([float(index in found) for index in range(len(axis))])
    return torch.outer(axis, axis)


def _after(channels: int, config: Config) -> list[nn.Module]:
    """What follows a convolution within a network: norm, where there is one, and leaky ReLU."""
    return [*_norm(channels, config), leaky(config.slope)]


def _norm(channels: int, config: Config) -> list[nn.Module]:
    return [] if config.norm == "none" else [normalise(channels, config.norm)]


class Residual(nn.Module):
    """Two convolutions with a leaky ReLU between them, beside a shortcut: the identity, or 1x1 to other channels."""

    def __init__(self, inputs: int, channels: int, config: Config) -> None:
        super().__init__()
        kernel = config.res_kernel
        self.body = nn.Sequential(
            nn.Conv2d(inputs, channels, kernel, padding=kernel // 2),
            *_after(channels, config),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2),
            *_norm(channels, config),
        )
        self.shortcut = nn.Identity() if inputs == channels else nn.Conv2d(inputs, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) to (N, channels, H, W)."""
        result: Tensor = self.shortcut(x) + self.body(x)
        return result


def _blocks(inputs: int, channels: int, config: Config) -> list[nn.Module]:
    widths = [inputs] + [channels] * config.n_blocks
    return [Residual(before, after, config) for before, after in pairwise(widths)]


def encoder(config: Config) -> nn.Sequential:
    """Builds En: pictures (N, 3, S, S), in variant d with the mask as a fourth channel, to codes (N, 8w, S/4, S/4)."""
    width = config.width
    widths = (4 if config.mask_mode == "concat_input" else 3, width, 2 * width, 4 * width)
    layers: list[nn.Module] = []
    for place, (kernel, stride) in enumerate(zip(KERNELS, config.strides, strict=True)):
        layers += [nn.Conv2d(widths[place], widths[place + 1], kernel, stride, kernel // 2)]
        layers += _after(widths[place + 1], config)
    return nn.Sequential(*layers, *_blocks(4 * width, 8 * width, config))


def decoder(config: Config) -> nn.Sequential:
    """Builds De: codes (N, 8w, S/4, S/4), in variant e with the mask as one more channel, to the maps of pictures."""
    width = config.width
    code = 8 * width + (config.mask_mode == "concat_feature")
    layers = _blocks(code, 8 * width, config)
    widths = (8 * width, 4 * width, 2 * width, width)
    for place, (kernel, stride) in enumerate(zip(KERNELS[::-1], config.strides[::-1], strict=True)):
        layers += _enlarge(widths[place], widths[place + 1], kernel, stride, config.upsampling)
        layers += _after(widths[place + 1], config)
    return nn.Sequential(*layers, nn.Conv2d(width, OUTPUT_CHANNELS[config.output], 1))


def _enlarge(inputs: int, channels: int, kernel: int, stride: int, kind: Upsampling) -> list[nn.Module]:
    """The mirror image of a convolution of some stride; see ``blocks.upsample``, which has 3x3 and stride 2 only."""
    if stride > 1 and kind == "transposed":
        return [nn.ConvTranspose2d(inputs, channels, kernel, stride, kernel // 2, stride - 1)]
    first = [nn.Upsample(scale_factor=stride, mode="bilinear")] if stride > 1 else []
    return [*first, nn.Conv2d(inputs, channels, kernel, 1, kernel // 2)]


class Generator(nn.Module):
    """De(En(x) + strength M), M the mask of positions.

    Where the picture is composed with the source (``output`` other than ``"image"``), the decoder is given a way around
    the code, and the code could be empty. It is not, as ``reconstructions`` asks what was painted to be the source too.
    """

    positions: Tensor
    measured: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = encoder(config), decoder(config)
        self.register_buffer("positions", positions(config), persistent=False)
        if config.delta == "auto":
            # hundredths, so that averaging weights copies it and half precision keeps it; 0 is not measured yet
            self.register_buffer("measured", torch.zeros((), dtype=torch.int16))

    @property
    def delta(self) -> float:
        """Strength of a whole edit."""
        return float(self.measured) / 100 if self.config.delta == "auto" else self.config.delta

    def encode(self, images: Tensor, background: Tensor | None = None) -> Tensor:
        """Returns the code of pictures (N, 3, S, S) in [-1, 1]: (N, 8 width, S/4, S/4); the mean of the posterior."""
        if self.config.mask_mode == "concat_input":
            assert background is not None
            images = torch.cat([images, background.to(images.dtype)], 1)
        code: Tensor = self.encoder(images)
        return code

    def shift(self, code: Tensor, strength: Tensor) -> Tensor:
        """Adds each image's strength (N,) to all channels of the code's chosen positions."""
        return code + strength[:, None, None, None] * self.positions

    def noisy(self, code: Tensor, generator: torch.Generator) -> Tensor:
        """Draws from the posterior around the code."""
        return code + gaussian(code, generator) if self.config.vae_noise else code

    def paint(self, code: Tensor, background: Tensor | None = None) -> Tensor:
        """Returns the map (N, 3 or 4, S, S) from which a picture is composed."""
        if self.config.mask_mode == "concat_feature":
            assert background is not None
            small = functional.adaptive_avg_pool2d(background.to(code.dtype), code.shape[-1])
            code = torch.cat([code, small], 1)
        raw: Tensor = self.decoder(code)
        return raw

    def decode(self, code: Tensor, source: Tensor, background: Tensor | None = None) -> Tensor:
        """Returns the picture of a code; the source is looked at where ``output`` says so."""
        return compose(self.paint(code, background), source, self.config.output)

    def reconstructions(self, code: Tensor, source: Tensor, background: Tensor | None = None) -> tuple[Tensor, ...]:
        """Returns what should equal the source if nothing was added to its code.

        That is the picture. Where it is a blend it could be so with the mask shut and anything behind it, so what was
        painted must be the source as well: it is what De makes of the code alone, as in the paper.
        """
        raw = self.paint(code, background)
        picture = compose(raw, source, self.config.output)
        return (picture, compose(raw[:, :3], source, "image")) if self.config.output == "blend" else (picture,)

    def forward(self, images: Tensor, strength: Tensor, background: Tensor | None = None) -> Tensor:
        """Edits pictures (N, 3, S, S) by strengths (N,), without noise."""
        return self.decode(self.shift(self.encode(images, background), strength), images, background)

    def measure(self, code: Tensor) -> None:
        """Sets delta to half the range of a code's values, over all processes, the first time it is called."""
        if self.config.delta != "auto" or self.measured:
            return
        low, high = code.detach().float().aminmax()
        ends = torch.stack([-low, high])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(ends, torch.distributed.ReduceOp.MAX)
        self.measured.fill_(max(1, round(50 * float(ends.sum()))))


class Judge(nn.Module):
    """D: convolutions of stride 2 and a last one of 2x2; the sigmoid of table 1 is left to the losses."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.d_stages, config.d_max_width)
        layers: list[nn.Module] = []
        for before, width in zip([3, *widths], widths, strict=False):
            norm = [instance_norm(width, affine=False)] if config.d_norm and before > 3 else []
            layers += [nn.Conv2d(before, width, 3, 2, 1), *norm, leaky(config.slope)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) to logits (N, 1, h, w); 3x3 at 128 pixels."""
        logits: Tensor = self.layers(x)
        return logits


class Judges(nn.Module):
    """D for pictures that show the attribute, and D for those that do not, or one for both."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.own = nn.ModuleList(Judge(config) for _ in range(1 if config.shared_d else 2))

    def positive(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of pictures that should show the attribute."""
        logits: Tensor = self.own[0](x)
        return logits

    def negative(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of pictures that should not."""
        logits: Tensor = self.own[-1](x)
        return logits
