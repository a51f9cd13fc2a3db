# SPDX-License-Identifier: MIT
"""The networks of DIAT (Li, Zuo, Zhang 2016): transform, discriminator, denoiser and the two enhancers.

Table 1 prints four residual blocks where the text has five and counts sixteen layers, which five make. It prints
neither norms nor activations; those of Johnson et al., "Perceptual Losses", ECCV 2016, whose layout it is, are used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Norm,
    Output,
    ResidualBlock,
    Upsampling,
    blur,
    compose,
    leaky,
    normalise,
    refiner,
    upsample,
)

# kernel, stride, padding and multiple of the width of each convolution (table 2)
DISCRIMINATOR_LAYERS: tuple[tuple[int, int, int, int], ...] = (
    (8, 2, 3, 1),
    (3, 1, 1, 1),
    (4, 2, 1, 2),
    (3, 1, 1, 2),
    (4, 2, 1, 4),
    (4, 2, 1, 4),
)
SHRINKS = 16  # sides of the pictures over sides of its last map


class Transform(nn.Module):
    """The transform network T of table 1; the reconstructor and the global enhancer are built alike.

    Args:
        width: Channels of the first convolution (32).
        n_blocks: Residual blocks (5).
        norm: After every convolution but the last, with a learnt scale.
        output: Form of its picture, see ``blocks.compose``; the paper's is ``"image"``.
        upsampling: See ``blocks.upsample``; the paper's is ``"transposed"``.
        refine: End with ``blocks.refiner``, which sees the source too, in place of the last convolution; not with
            ``"transposed"``, which is a row short before it.
    """

    def __init__(
        self, width: int, n_blocks: int, norm: Norm, output: Output, upsampling: Upsampling, *, refine: bool = False
    ) -> None:
        super().__init__()
        self.output = output
        channels = OUTPUT_CHANNELS[output]
        # Table 1 goes from 64 to 127 and from there by 10x10 to 128: the first step up adds a row, the second does not.
        last_up: tuple[nn.Module, ...] = (nn.ConvTranspose2d(2 * width, width, 3, 2, 1),)
        head: nn.Module = nn.ConvTranspose2d(width, channels, 10, 1, 4)
        if upsampling == "bilinear":
            last_up, head = upsample(2 * width, width, 3, upsampling), nn.Conv2d(width, channels, 9, 1, 4)

        def normed(channels: int, *convolution: nn.Module) -> nn.Module:
            return nn.Sequential(*convolution, normalise(channels, norm), nn.ReLU(inplace=True))

        self.stages = nn.Sequential(
            normed(width, nn.Conv2d(3, width, 9, 1, 4)),
            normed(2 * width, nn.Conv2d(width, 2 * width, 3, 2, 1)),
            normed(4 * width, nn.Conv2d(2 * width, 4 * width, 3, 2, 1)),
            *[ResidualBlock(4 * width, padding="zeros", norm=norm, affine=True, bias=True) for _ in range(n_blocks)],
            normed(2 * width, *upsample(4 * width, 2 * width, 3, upsampling)),
            normed(width, *last_up),
            *([] if refine else [head]),
        )
        self.refiner = refiner(width, norm, output) if refine else None

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) in [-1, 1] to the same; S is any multiple of 4."""
        raw = self.stages(x)
        if self.refiner is not None:
            raw = self.refiner(torch.cat([raw, x.to(raw.dtype)], 1))
        return compose(raw, x, self.output)


class Discriminator(nn.Module):
    """Says whether an image is a real one of the guided set (table 2); its maps serve the adaptive identity loss.

    Args:
        width: Channels of the first convolution (32).
        fc: Units of the hidden fully connected layer (1000).
        image_size: Side of the images, a multiple of 16.
    """

    def __init__(self, width: int, fc: int, image_size: int) -> None:
        super().__init__()
        channels = [3, *(width * multiple for *_, multiple in DISCRIMINATOR_LAYERS)]
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, kernel, stride, padding), leaky())
            for before, after, (kernel, stride, padding, _) in zip(
                channels, channels[1:], DISCRIMINATOR_LAYERS, strict=False
            )
        )
        self.hidden = nn.Sequential(nn.Linear(channels[-1] * (image_size // SHRINKS) ** 2, fc), leaky())
        self.logit = nn.Linear(fc, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Returns logits (N,) of images (N, 3, S, S), and the maps of the six convolutions after their activation."""
        maps = []
        for convolution in self.convolutions:
            x = convolution(x)
            maps.append(x)
        return self.logit(self.hidden(x.flatten(1))).flatten(), maps


class Denoiser(nn.Module):
    """The denoising network f of section 3.1.1: two 3x3 convolutions; their width (64) and the ReLU are our choice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(width, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps pictures (N, 3, S, S) to cleaner ones of the same shape, any real values."""
        cleaned: Tensor = self.layers(x)
        return cleaned


class LocalEnhancer(nn.Module):
    """The enhancer of local attributes (section 3.2): four convolutions that see the source beside T's picture.

    Args:
        width: Channels of its convolutions; the paper gives none.
        output: Form of its picture, with T's as what is composed upon.
    """

    def __init__(self, width: int, output: Output) -> None:
        super().__init__()
        self.output = output
        layers: list[nn.Module] = []
        for before in (6, width, width):
            layers += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, OUTPUT_CHANNELS[output], 3, 1, 1))

    def forward(self, source: Tensor, made: Tensor) -> Tensor:
        """Returns an enhanced picture of what T made of a source, each (N, 3, S, S) in [-1, 1]."""
        return compose(self.layers(torch.cat([source, made.to(source.dtype)], 1)), made, self.output)


class GlobalEnhancer(nn.Module):
    """The enhancer of global attributes (section 3.2): blurs T's picture, and with it its noise, and sharpens it again.

    Args:
        network: Built as T is.
        sigma: Standard deviation of the blur in pixels.
    """

    def __init__(self, network: Transform, sigma: float) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, source: Tensor, made: Tensor) -> Tensor:
        """Returns an enhanced picture of what T made, (N, 3, S, S) in [-1, 1]; the source is not looked at."""
        sharpened: Tensor = self.network(blur(made, self.sigma))
        return sharpened


def finished(network: nn.Module, *inputs: Tensor) -> Tensor:
    """Runs a network that is trained no more: no gradients, and batch norm as it is when faces are edited."""
    training = network.training
    network.eval()
    with torch.no_grad():
        made: Tensor = network(*inputs)
    network.train(training)
    return made
