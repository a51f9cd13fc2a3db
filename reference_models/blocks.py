# SPDX-License-Identifier: MIT
"""Layers that several reference models share, and the way their weights start."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["instance", "group", "batch"]
Output = Literal["image", "residual", "blend", "sum"]
Upsampling = Literal["transposed", "bilinear"]
Spread = float | Literal["default"] | None  # of weights before training, see ``initialise``
# raw channels a generator must end with, by how its picture is made
OUTPUT_CHANNELS: dict[str, int] = {"image": 3, "residual": 3, "blend": 4, "sum": 3}


def instance_norm(channels: int, *, affine: bool) -> nn.GroupNorm:
    """Instance normalisation (Ulyanov et al., "Instance Normalization", arXiv:1607.08022).

    Written as group normalisation with one channel per group: the same function, whose CPU kernel works in
    channels-last memory and in bfloat16 without copies.

    Args:
        channels: Channels of the input.
        affine: Whether each channel has a learnt scale and shift.
    """
    return nn.GroupNorm(channels, channels, eps=1e-5, affine=affine)


GROUPS = 4  # of "group"


def normalise(channels: int, kind: Norm, *, affine: bool = True) -> nn.Module:
    """Normalisation, unless told otherwise with a learnt scale and shift per channel.

    Args:
        channels: Channels of the input.
        kind: ``"instance"``: each channel by itself, which takes from a map whatever is the same all over it, such as
            "this face is old". ``"group"``: four groups of channels (Wu and He, "Group Normalization", 2018), within
            which such a message survives. ``"batch"``: each channel over the whole batch, see ``batch_norm``.
        affine: Whether each channel has that scale and shift.
    """
    if kind == "batch":
        return batch_norm(channels, affine=affine)
    return nn.GroupNorm(channels if kind == "instance" else GROUPS, channels, eps=1e-5, affine=affine)


def batch_norm(channels: int, *, affine: bool = True) -> nn.BatchNorm2d:
    """Batch normalisation, unless told otherwise with a learnt scale and shift (Ioffe and Szegedy, ICML 2015).

    Its statistics move by a tenth of the way each time, so it needs no count of batches, which half precision could not
    hold. Each process keeps statistics of its own; those of the first are published.
    """
    norm = nn.BatchNorm2d(channels, affine=affine)
    norm.num_batches_tracked = None
    return norm


def reflect_conv(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    """A convolution of stride 1 that keeps the size, with the border mirrored (ReflectionPad2d and Conv2d in one)."""
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, padding_mode="reflect")


def upsample(
    channels_in: int, channels_out: int, kernel: int, kind: Upsampling, *, bias: bool = True
) -> tuple[nn.Module, ...]:
    """Layers that double height and width.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        kernel: Of the transposed convolution, 3 or 4.
        kind: ``"transposed"``: one transposed convolution of stride 2, as the papers have it. ``"bilinear"``:
            interpolation and a 3x3 convolution, which cannot leave the checkerboard that the uneven overlap of the
            former does after short training (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).
        bias: Whether the convolution has a bias.
    """
    if kind == "transposed":
        return (nn.ConvTranspose2d(channels_in, channels_out, kernel, 2, 1, 4 - kernel, bias=bias),)
    return nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=bias)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions beside an identity (He et al.; the order of Johnson et al. 2016).

    Args:
        channels: Of input and output.
        padding: What surrounds the map: its mirror image, or zeros.
        norm: Kind of both norms.
        affine: Whether the norms have a scale and a shift of their own.
        bias: Whether the convolutions have a bias; None: where the norms have no shift.
    """

    def __init__(
        self,
        channels: int,
        *,
        padding: Literal["reflect", "zeros"] = "reflect",
        norm: Norm = "instance",
        affine: bool = False,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        bias = not affine if bias is None else bias
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding, bias=bias),
            normalise(channels, norm, affine=affine),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding, bias=bias),
            normalise(channels, norm, affine=affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Returns a map of the input's shape (N, channels, H, W)."""
        result: Tensor = x + self.body(x)
        return result


def refiner(channels: int, norm: Norm, output: Output) -> nn.Sequential:
    """Two 3x3 convolutions at full size that see the source too, so that thin frames can be placed to the pixel.

    Args:
        channels: Of the map they refine; the source's three come on top.
        norm: Kind of the norm between them.
        output: As in ``compose``.
    """
    return nn.Sequential(
        nn.Conv2d(channels + 3, channels, 3, 1, 1),
        normalise(channels, norm),
        leaky(),
        nn.Conv2d(channels, OUTPUT_CHANNELS[output], 3, 1, 1),
    )


def compose(raw: Tensor, source: Tensor, output: Output) -> Tensor:
    """Turns a generator's last feature map into its picture.

    Args:
        raw: Last map, (N, 3 or 4, H, W), any real values.
        source: The picture the generator was given, (N, 3, H, W), in [-1, 1].
        output: ``"image"``: tanh of the map, as the papers have it. ``"residual"``: the source plus twice the tanh,
            clamped. ``"blend"``: a fourth channel says, pixel by pixel, how much of the new picture covers the source.
            ``"sum"``: the source plus the map, clamped only where it is shown.

    Returns:
        Picture in [-1, 1], but for ``"sum"``, (N, 3, H, W).
    """
    raw = raw.float()  # what the network leaves alone it must copy exactly, whatever it computes in
    if output == "sum":
        return source + raw
    if output == "image":
        return torch.tanh(raw)
    if output == "residual":
        return torch.clamp(source + 2.0 * torch.tanh(raw), -1.0, 1.0)
    return torch.lerp(source, torch.tanh(raw[:, :3]), torch.sigmoid(raw[:, 3:]))


def initialise(network: nn.Module, seed: int, *, std: Spread = 0.02, truncated: bool = False) -> None:
    """Draws every convolution's weight from N(0, std) and zeroes its bias; norms start as the identity.

    Args:
        network: Changed in place.
        seed: Decides the draw, in the order of ``network.modules()``.
        std: Standard deviation (0.02: Radford et al., "DCGAN", section 4). None keeps the size of the signal from
            layer to layer (He et al., ICCV 2015, eq. 14), which a narrow network without norms needs to start at all.
            ``"default"``: torch's own way, weights and biases uniform within one over the root of the inputs.
        truncated: Draw again whatever is more than two standard deviations from zero.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            inputs = module.weight[0].numel()
            if std == "default":
                for values in module.parameters():
                    nn.init.uniform_(values, -(inputs**-0.5), inputs**-0.5, generator=generator)
                continue
            spread = std if std is not None else (2.0 / inputs) ** 0.5
            if truncated:
                nn.init.trunc_normal_(module.weight, 0.0, spread, -2 * spread, 2 * spread, generator=generator)
            else:
                nn.init.normal_(module.weight, 0.0, spread, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def start_as_identity(head: nn.Module, output: Output) -> None:
    """Makes an untrained generator return nearly its input, where the form of its output allows that.

    Args:
        head: The generator, or the part of it that ends with its last convolution.
        output: As in ``compose``. ``"image"`` and ``"sum"`` are left alone; ``"residual"`` starts at zero; ``"blend"``
            starts with a mask of 0.02, which still lets gradients reach both the mask and the new picture.
    """
    last = [module for module in head.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))][-1]
    with torch.no_grad():
        if output == "residual":
            for values in last.parameters():
                values.zero_()
        elif output == "blend":
            assert last.bias is not None
            last.bias[3] = -4.0


def doubling(first: int, count: int, most: int | None = None) -> list[int]:
    """Returns channels that double from level to level, up to a cap."""
    return [min(first * 2**level, most or first * 2**level) for level in range(count)]


@contextmanager
def at_rest(*networks: nn.Module) -> Iterator[None]:
    """Lets networks look on without learning from it: batch norms use their running statistics, and keep them."""
    modes = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, mode in zip(networks, modes, strict=True):
            network.train(mode)


def count_parameters(network: nn.Module) -> int:
    """Returns the number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def some(count: int, generator: torch.Generator) -> Tensor:
    """Chooses each of ``count`` with probability one half: bool (count,), on the CPU, as the generator is."""
    return torch.rand(count, generator=generator) < 0.5


def mirror(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirrors some images (N, C, H, W) left to right: those where ``chosen`` (N,) is true."""
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(3), images)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blurs with a Gaussian, cut off at three standard deviations, the border mirrored.

    Args:
        images: (N, C, H, W), sides larger than three sigma.
        sigma: Standard deviation in pixels, above zero; 1.8 (section 5.1) makes a kernel of 11x11.

    Returns:
        Same shape, float32 whatever networks around compute in.
    """
    radius = round(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    weights = weights / weights.sum()
    blurred, sides = functional.pad(images.float(), (radius,) * 4, mode="reflect"), images.shape[2:]
    for axis, side in zip((2, 3), sides, strict=True):
        parts = (weight * blurred.narrow(axis, place, side) for place, weight in enumerate(weights.tolist()))
        blurred = functools.reduce(torch.add, parts)
    return blurred


def leaky(slope: float = 0.2) -> nn.LeakyReLU:
    """Leaky ReLU that overwrites its input, as no other layer reads it."""
    return nn.LeakyReLU(slope, inplace=True)
