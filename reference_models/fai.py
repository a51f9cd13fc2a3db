# SPDX-License-Identifier: MIT
"""FAI: Tu et al., "Face Attribute Inversion". One generator, no condition: it perceives the attribute and inverts it.

Where the paper is silent (layer sizes, optimiser) the choices are pix2pix's U-Net for 128 pixels and StarGAN's
discriminator, the two works it builds on. Equation 1 is printed with 1 - log D(G(x)); for the generator that is the
non-saturating loss plus a constant, for the discriminator it is unbounded, so log(1 - D(G(x))) is meant there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.method import MethodCard
from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Norm,
    Output,
    Upsampling,
    compose,
    doubling,
    initialise,
    instance_norm,
    leaky,
    normalise,
    refiner,
    start_as_identity,
    upsample,
)
from reference_models.checkpoint import load_weights
from reference_models.images import check_attribute, check_images, in_batches, to_uint8
from reference_models.losses import feature_match, gan_bce_d, gan_bce_g, l1
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "fai"
PAPER = "Tu, Luo, Zhang, Ai, Ma, Xie: Face Attribute Inversion"

# 40 epochs over CelebA's 162,770 training images; the paper does not say
PAPER_TRAINING = Training(steps=406_000, batch_size=16)


@dataclass(frozen=True)
class Config:
    """Everything that decides a FAI; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images (section 3.1).
        levels: Stride-2 convolutions of the encoder; 7 take 128 pixels to one.
        width: Channels of the first convolution.
        max_width: Most channels of any convolution.
        n_high_skips: How many of the deepest skips count as high-level.
        keep_high: Share of channels a high-level skip keeps (section 2.2: half).
        keep_low: Share of channels a low-level skip keeps (section 2.2: a quarter).
        skip: ``"1x1"`` as in figure 1(b) below, ``"full"`` as above (the original U-Net), or ``"none"``.
        norm: The generator's, see ``blocks.normalise``; the paper names none, pix2pix's is instance norm.
        d_width: Channels of the discriminator's first convolution.
        d_stages: Stride-2 convolutions of the discriminator.
        d_max_width: Most channels of the discriminator.
        lambda_adv: Weight of the generator's adversarial term (equation 6: 1).
        lambda_cls: lambda_1 of equation 6 (section 3.1: 1).
        lambda_rec: lambda_2 of equation 6 (section 3.1: 10).
        lambda_fm: lambda_3 of equation 6 (section 3.1: 1).
        lambda_cls_real: lambda_4 of equation 7 (section 3.1: 1).
        output: Form of the generator's picture, see ``blocks.compose``; the paper's is the image itself.
        refine: Channels of two more 3x3 convolutions at full size, which also see the source, so that thin frames can
            be placed to the pixel; 0, as in the paper, leaves them out.
        source_by_class: Judge realness within the class the image should have, one map per class; not in the paper.
        d_norm: Instance norm in the discriminator from its second stage on; StarGAN has none.
        d_init: Spread of the discriminator's first weights, see ``blocks.initialise``; the usual one by default.
        upsampling: How the generator enlarges, see ``blocks.upsample``; pix2pix has transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: How long and how fast; the paper does not say, so 40 epochs of CelebA's 162,770 training images.
    """

    image_size: int = 128
    levels: int = 7
    width: int = 64
    max_width: int = 512
    n_high_skips: int = 3
    keep_high: float = 0.5
    keep_low: float = 0.25
    skip: Literal["1x1", "full", "none"] = "1x1"
    norm: Norm = "instance"
    d_width: int = 64
    d_stages: int = 6
    d_max_width: int = 512
    lambda_adv: float = 1.0
    lambda_cls: float = 1.0
    lambda_rec: float = 10.0
    lambda_fm: float = 1.0
    lambda_cls_real: float = 1.0
    output: Output = "image"
    refine: int = 0
    source_by_class: bool = False
    d_norm: bool = False
    d_init: float | None = 0.02
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    levels=4,
    width=40,
    max_width=96,
    n_high_skips=1,
    d_width=20,
    d_stages=4,
    d_max_width=64,
    lambda_cls=0.2,
    lambda_rec=5.0,
    lambda_fm=0.25,
    output="blend",
    refine=16,
    source_by_class=True,
    d_norm=True,
    d_init=None,
    upsampling="bilinear",
    guidance=Guidance(guided=True, lambda_teacher=0.05, lambda_keep=0.5, lambda_same=0.4),
    training=Training(steps=3000, batch_size=16, lr=4e-4, lr_d=1e-3, ema_decay=0.998, flip=True, precision="bf16"),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


# --- networks (section 2.2) -------------------------------------------------------------------------------------


class Generator(nn.Module):
    """U-Net whose skips pass through 1x1 convolutions that keep a share of the channels (figure 1(b), below)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.width, config.levels, config.max_width)
        kept = skip_channels(config)
        last = config.levels - 1
        self.output, self.skip, self.refine = config.output, config.skip, config.refine
        self.encoder, self.decoder, self.skips = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            # the first map is not normalised, the last cannot be (one pixel); only those two have a bias
            plain = level in (0, last)
            conv = nn.Conv2d(3 if level == 0 else widths[level - 1], width, 4, 2, 1, bias=plain)
            before = [] if level == 0 else [nn.LeakyReLU(0.2)]
            self.encoder.append(nn.Sequential(*before, conv, *([] if plain else [normalise(width, config.norm)])))
            if level < last and config.skip == "1x1":
                self.skips.append(nn.Conv2d(width, kept[level], 1))
            inputs = width + (kept[level] if level < last else 0)
            out = (config.refine or OUTPUT_CHANNELS[config.output]) if level == 0 else widths[level - 1]
            up = upsample(inputs, out, 4, config.upsampling, bias=level == 0)
            after = [normalise(out, config.norm)] if level or config.refine else []
            self.decoder.append(nn.Sequential(nn.ReLU(inplace=True), *up, *after))
        if config.refine:
            self.head = refiner(config.refine, config.norm, config.output)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Returns the maps of every level, finest first; the last is the bottleneck."""
        maps = []
        for stage in self.encoder:
            x = stage(x)
            maps.append(x)
        return maps

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Returns the last feature map (N, 3 or 4, S, S) from the maps of ``encode``."""
        x = maps[-1].clone()  # the decoder's ReLU overwrites its input
        for level in reversed(range(len(maps))):
            if level < len(maps) - 1:
                if self.skip == "1x1":
                    x = torch.cat([x, self.skips[level](maps[level])], 1)
                elif self.skip == "full":
                    x = torch.cat([x, maps[level]], 1)
            x = self.decoder[level](x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Inverts the attribute: (N, 3, S, S) in [-1, 1] -> the same."""
        raw = self.decode(self.encode(x))
        if self.refine:
            raw = self.head(torch.cat([raw, x.to(raw.dtype)], 1))
        return compose(raw, x, self.output)


def skip_channels(config: Config) -> list[int]:
    """Returns how many channels each skip hands to the decoder, finest first."""
    widths = doubling(config.width, config.levels - 1, config.max_width)
    if config.skip == "none":
        return [0] * len(widths)
    if config.skip == "full":
        return widths
    first_high = len(widths) - config.n_high_skips
    return [
        int(width * (config.keep_high if level >= first_high else config.keep_low))
        for level, width in enumerate(widths)
    ]


class Discriminator(nn.Module):
    """Tells real from made, and which value the attribute has; its maps serve feature matching (figure 1(a), below)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.d_stages, config.d_max_width)
        stages = [
            nn.Sequential(
                nn.Conv2d(before, width, 4, 2, 1),
                *([instance_norm(width, affine=False)] if config.d_norm and before > 3 else []),
                leaky(),
            )
            for before, width in zip([3, *widths], widths, strict=False)
        ]
        self.trunk = nn.ModuleList(stages)
        self.source = nn.Conv2d(widths[-1], 2 if config.source_by_class else 1, 3, 1, 1, bias=False)
        side = config.image_size // 2**config.d_stages
        self.attribute = nn.Conv2d(widths[-1], 1, side, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Returns source logits (N, 1 or 2, h, w), attribute logits (N,), and the map of every stage."""
        maps = []
        for stage in self.trunk:
            x = stage(x)
            maps.append(x)
        return self.source(x), self.attribute(x).flatten(), maps


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, ``generator`` and ``discriminator``."""
    networks: Networks = {"generator": Generator(config), "discriminator": Discriminator(config)}
    initialise(networks["generator"], seed)
    initialise(networks["discriminator"], seed + 1, std=config.d_init)
    last = "head" if config.refine else "decoder.0"
    start_as_identity(networks["generator"].get_submodule(last), config.output)
    return networks


# --- losses (section 2.1) ---------------------------------------------------------------------------------------


def source_logits(source: Tensor, labels: Tensor) -> Tensor:
    """Picks the map of the class each image should have; with one map there is nothing to pick.

    Args:
        source: (N, 1 or 2, h, w).
        labels: Class each image should have, (N,), 0 or 1.

    Returns:
        (N, 1, h, w).
    """
    if source.shape[1] == 1:
        return source
    return source.gather(1, labels.long()[:, None, None, None].expand(-1, 1, *source.shape[2:]))


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Inverts the batch once; the discriminator's and the generator's update share it."""
    return {"edited": networks["generator"](batch.images)}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 7: L_D = -L_adv + lambda_4 L_cls_real, on logits."""
    discriminator, labels = networks["discriminator"], batch.labels
    # one pass over both halves: no layer mixes images
    source, attribute, _ = discriminator(torch.cat([batch.images, fakes["edited"].detach().to(batch.images.dtype)]))
    real, fake = source.chunk(2)
    return {
        "d_adversarial": gan_bce_d(source_logits(real, labels), source_logits(fake, 1 - labels)),
        "d_class": config.lambda_cls_real
        * functional.binary_cross_entropy_with_logits(attribute[: len(labels)].float(), labels),
    }


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 6: L_G = L_adv + lambda_1 L_cls_fake + lambda_2 L_rec + lambda_3 L_fm."""
    generator, discriminator = networks["generator"], networks["discriminator"]
    images, wanted, inverted = batch.images, 1 - batch.labels, fakes["edited"]
    returned = generator(inverted)
    source, attribute, _ = discriminator(inverted)
    terms = {
        "g_adversarial": config.lambda_adv * gan_bce_g(source_logits(source, wanted)),
        "g_class": config.lambda_cls * functional.binary_cross_entropy_with_logits(attribute.float(), wanted),
        "g_cycle": config.lambda_rec * l1(returned, images),
    }
    if config.lambda_fm:
        with torch.no_grad():
            target = discriminator(images)[2]
        terms["g_features"] = config.lambda_fm * feature_match(discriminator(returned)[2], target)
    return terms


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes the generator return its input, so that it does not start by inverting colours (a cycle allows that)."""
    images = batch.images
    return {"g_warmup": l1(networks["generator"](images), images)}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids; the labels are not needed."""
    edited: Tensor = networks["generator"](images)
    return edited


# one step of the discriminator, then one of the generator
UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generator": Update(("generator",), generator_loss),
}
AVERAGED: tuple[str, ...] = ("generator",)
OVERSAMPLED = True  # section 3.1: the minority class is repeated until the classes are equal


# --- the method -------------------------------------------------------------------------------------------------


class FAI:
    """A trained FAI for one attribute.

    Args:
        networks: ``generator`` and ``discriminator``.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute, self.card = networks, config, attribute, card

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> FAI:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        card = weights.card(NAME, PAPER, 2019)
        return cls(weights.networks, weights.config, attribute, card)

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Inverts the attribute in one pass.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); not used, as the generator itself perceives what to invert.

        Returns:
            Edited images, same shape and type.
        """
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        return to_uint8(in_batches(self.networks["generator"], images))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the discriminator's mean source logit of each image, (N,); higher is more real."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        source = in_batches(lambda part: self.networks["discriminator"](part)[0], images)
        return source_logits(source, value).flatten(1).mean(1)


def as_method(networks: Networks, config: Config, attribute: str) -> FAI:
    """Wraps networks in memory as a method, to be scored while it trains."""
    return FAI(
        networks,
        config,
        attribute,
        MethodCard(name=NAME, paper=PAPER, year=2019, image_size=config.image_size, attributes=(attribute,)),
    )
