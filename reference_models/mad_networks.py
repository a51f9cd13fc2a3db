# SPDX-License-Identifier: MIT
"""The networks of the disentangled autoencoder (Browatzki and Wallraven, section 4.1).

Pictures are what the networks compute with, "values": grey levels over 255, less the mean of each colour. Where the
paper says less than one needs, layers are those of the authors' released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.data.labels.expressions import EXPRESSIONS
from reference_models.blocks import batch_norm, doubling, initialise, leaky
from reference_models.mad_config import FACTORS, Config
from reference_models.resnet import BasicBlock, ResNet

MEAN = (0.518, 0.418, 0.361)  # of R, G, B over the released code's training faces, in 0..1
STAGES = (1, 2, 4, 8)  # channels of a ResNet18's four stages, as multiples of the first convolution's
DROPOUT = 0.2  # of the discriminator of codes (section 4.1)


def to_values(images: Tensor) -> Tensor:
    """Returns faces (N, 3, S, S) in [-1, 1] as values."""
    return (images + 1.0) / 2.0 - _mean(images)


def to_images(values: Tensor) -> Tensor:
    """Returns values as faces, [-1, 1] where they are colours that exist."""
    return (values + _mean(values)) * 2.0 - 1.0


def _mean(like: Tensor) -> Tensor:
    return torch.tensor(MEAN, dtype=like.dtype, device=like.device)[:, None, None]


# --- the autoencoder --------------------------------------------------------------------------------------------


class UpBlock(nn.Module):
    """ResNet18's block turned round: its first convolution is a transposed 4x4 one that doubles the size.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
            batch_norm(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            batch_norm(outputs),
        )
        self.shortcut = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), batch_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, inputs, H, W) to (N, outputs, 2 H, 2 W)."""
        return functional.relu(self.body(x) + self.shortcut(x), inplace=True)


class Encoder(ResNet):
    """E: a ResNet18, whose last layer gives the code."""

    def __init__(self, config: Config) -> None:
        # each doubling of the images beyond 128 pixels adds a stage of the first one's width, as in the released code
        more = max(0, config.image_size.bit_length() - 8)
        widths = [min(multiple * config.width, config.max_width) for multiple in (1,) * more + STAGES]
        super().__init__(widths, [config.e_blocks] * len(widths), config.z_dim, config.stem)
        self.grid, self.max_shift = config.code_grid, config.max_shift
        self.fc = nn.Linear(widths[-1] * self.grid**2, config.z_dim)

    def features(self, x: Tensor) -> Tensor:
        """Returns what the code is read from: the last map averaged over the fields of a grid."""
        return functional.adaptive_avg_pool2d(self.maps(x), self.grid).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps values (N, 3, S, S) to codes z (N, z_dim), float32."""
        return super().forward(x).float()


class Generator(nn.Module):
    """G: the ResNet18 turned round, from a code to a picture."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.samples, grid = config.w_gen > 0, config.code_grid
        doublings = config.image_size.bit_length() - 3  # of 4x4 pixels
        multiples = (*STAGES[::-1], *[1] * doublings)[:doublings]
        widths = [min(multiple * config.width, config.max_width) for multiple in multiples]
        layers: list[nn.Module] = [
            nn.Linear(config.z_dim, widths[0] * grid**2),
            nn.Unflatten(1, (widths[0], grid, grid)),
            nn.ConvTranspose2d(widths[0], widths[0], 4, grid, grid - 1, bias=False),
            batch_norm(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for inputs, outputs in pairwise(widths):
            layers.append(UpBlock(inputs, outputs))
            layers += [BasicBlock(outputs, outputs, 1) for _ in range(config.blocks_per_stage - 1)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False))

    def forward(self, code: Tensor) -> Tensor:
        """Maps codes (N, z_dim) to values (N, 3, S, S), float32, in [-1, 1], which covers all colours."""
        raw: Tensor = self.layers(code)
        return torch.tanh(raw.float())


class CodeDiscriminator(nn.Module):
    """D_z: tells codes drawn from the prior from those the encoder makes."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.z_dim, *[config.dz_hidden] * config.dz_layers]
        pairs = list(pairwise(widths))
        self.hidden = nn.ModuleList([nn.Linear(before, after) for before, after in pairs])
        self.norms = nn.ModuleList([_norm_of_rows(after) if config.dz_bn else nn.Identity() for _, after in pairs])
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, code: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """Maps codes (N, z_dim) to logits (N, 1); ``chance`` draws what drops out, and without it nothing does."""
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            code = norm(layer(code))
            if chance is not None:
                # torch's own dropout takes its chance from a generator that no checkpoint holds
                kept = (torch.rand(code.shape, generator=chance) >= DROPOUT).to(code)
                code = code * kept / (1.0 - DROPOUT)
            code = functional.relu(code)
        logits: Tensor = self.head(code)
        return logits


def _norm_of_rows(width: int) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(width)
    norm.num_batches_tracked = None  # as ``blocks.batch_norm``
    return norm


class ImageDiscriminator(nn.Module):
    """D_x: DCGAN's discriminator; tells faces from what the generator draws."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.d_stages, STAGES[-1] * config.d_width)
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), leaky()]
        for before, channels in pairwise(widths):
            layers += [nn.Conv2d(before, channels, 4, 2, 1, bias=False), batch_norm(channels), leaky()]
        head = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)
        self.layers = nn.Sequential(*layers, head, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, values: Tensor) -> Tensor:
        """Maps values (N, 3, S, S) to logits (N, 1)."""
        logits: Tensor = self.layers(values)
        return logits


# --- the disentanglement ----------------------------------------------------------------------------------------


class Disentangler(nn.Module):
    """Phi: takes a code apart into pose, identity, style and expression."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dims = config.dims
        self.hidden = nn.Sequential(nn.Linear(config.z_dim, config.phi_hidden), leaky(0.01))
        self.heads = nn.ModuleList([nn.Linear(config.phi_hidden, width) for width in config.dims])

    def forward(self, code: Tensor) -> Tensor:
        """Maps codes z (N, z_dim) to f (N, z_dim): the sub-vectors side by side, all but the pose of unit length."""
        with torch.autocast(code.device.type, enabled=False):  # a matter of small differences, and of little work
            hidden = self.hidden(code)
            pose, *others = [head(hidden) for head in self.heads]
        return torch.cat([pose, *(functional.normalize(one, dim=1) for one in others)], dim=1)


class Inverse(nn.Module):
    """The inverse of Phi: puts a code together again."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(sum(config.dims), config.phi_hidden), leaky(0.01), nn.Linear(config.phi_hidden, config.z_dim)
        )

    def forward(self, parts: Tensor) -> Tensor:
        """Maps f (N, z_dim) to codes z (N, z_dim), float32."""
        with torch.autocast(parts.device.type, enabled=False):
            code: Tensor = self.layers(parts)
        return code


class Centres(nn.Module):
    """Where each class of expression lies, and how valence and arousal are read; not in the paper, helps to learn."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, self.scale = config.dims[FACTORS.index("expression")], config.centres
        self.classes = nn.Linear(width, len(EXPRESSIONS), bias=False)
        self.affect = nn.Linear(width, 2)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Maps expressions (N, d) of unit length to logits of the classes (N, 8), and to valence and arousal (N, 2)."""
        with torch.autocast(codes.device.type, enabled=False):
            cosines = functional.linear(codes, functional.normalize(self.classes.weight))
            affect: Tensor = self.affect(codes)
        return self.scale * cosines, affect


def columns(factor: str, dims: Sequence[int]) -> slice:
    """Returns where a factor's sub-vector stands in f."""
    place = FACTORS.index(factor)
    return slice(sum(dims[:place]), sum(dims[: place + 1]))


def start(networks: dict[str, nn.Module], seed: int) -> None:
    """Draws the first weights, as the released code does: torch's own way, but for the convolutions.

    Those of encoder and generator that are not transposed start from N(0, 2 / (k k C')), of the discriminator from
    N(0, 0.02), as DCGAN's.
    """
    for offset, (name, network) in enumerate(networks.items()):
        initialise(network, seed + offset, std=0.02 if name == "discriminator_x" else "default")
        if name not in ("encoder", "generator"):
            continue
        generator = torch.Generator().manual_seed(seed + len(networks) + offset)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                outputs = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
                nn.init.normal_(module.weight, 0.0, (2.0 / outputs) ** 0.5, generator=generator)
