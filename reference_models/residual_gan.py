# SPDX-License-Identifier: MIT
"""Residual image GAN: Shen and Liu, "Learning Residual Images for Face Attribute Manipulation", CVPR 2017.

Two generators draw what has to be added to a face: ``to_positive`` (the paper's G0) to give it the attribute,
``to_negative`` (G1) to take it away. One discriminator tells three classes apart: faces without the attribute, faces
with it, and generated ones. What one generator has made, the other must be able to undo (dual learning).

The authors' code is not public. The generators' layers are those on which two independent re-implementations agree; of
their discriminators, which differ, this is the wider trunk, with the paper's three classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from faceeval.errors import InputError
from faceeval.method import MethodCard
from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Norm,
    Output,
    ResidualBlock,
    Upsampling,
    compose,
    doubling,
    initialise,
    leaky,
    normalise,
    start_as_identity,
    upsample,
)
from reference_models.checkpoint import load_weights
from reference_models.images import by_value, check_attribute, check_images, to_uint8
from reference_models.losses import l1
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "residual_gan"
PAPER = "Shen, Liu: Learning Residual Images for Face Attribute Manipulation"
NEGATIVE, POSITIVE, MADE = 0, 1, 2  # the discriminator's classes, in the paper's order
GENERATORS = ("to_positive", "to_negative")

# 40 epochs over CelebA's 162,770 training images, as FAI sees; neither paper nor re-implementations settle it
PAPER_TRAINING = Training(steps=406_000, batch_size=16, constant_share=1.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides a residual image GAN; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images, a multiple of 4 and of 2 to the power of ``d_stages``.
        width: Channels of the generators' first convolution.
        n_blocks: Residual blocks at the generators' coarsest scale. The paper has none, and a pixel of its residual
            image depends on a square of 22 pixels; each block adds 16 to its sides.
        d_width: Channels of the discriminator's first convolution.
        d_stages: Stride-2 convolutions of the discriminator.
        feature_layer: Which of them, from 1 on, makes the features phi of the perceptual loss (4).
        norm: Of all networks, see ``blocks.normalise``. The re-implementations replace batch norm, which the paper is
            said to have, by instance norm.
        lambda_adv: Weight of the cross-entropy of what a generator made (1).
        lambda_dual: Weight of the cross-entropy of what the other generator makes of that (1).
        alpha: Weight of the sum of absolute values of a residual image. The re-implementations have 5e-5, one of them
            on values of 0 to 255; the paper is said to have 5e-4 for local attributes and 1e-6 for global ones.
        beta: Weight of the sum of absolute differences of the features phi (a tenth of ``alpha``).
        output: Form of the generators' picture, see ``blocks.compose``; the paper's is the sum of face and residual.
        upsampling: How the generators enlarge, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: Adam at 2e-4 with momenta 0.5 and 0.999, between the two re-implementations; steps: see above.
    """

    image_size: int = 128
    width: int = 64
    n_blocks: int = 0
    d_width: int = 64
    d_stages: int = 5
    feature_layer: int = 4
    norm: Norm = "instance"
    lambda_adv: float = 1.0
    lambda_dual: float = 1.0
    alpha: float = 5e-5
    beta: float = 5e-6
    output: Output = "sum"
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
# alpha is a weight of a sum, so a quarter of the pixels takes four times as much.
SMALL = Config(
    image_size=64,
    width=12,
    n_blocks=1,
    d_width=6,
    d_stages=4,
    feature_layer=3,
    lambda_adv=0.5,
    lambda_dual=0.5,
    alpha=2e-4,
    beta=2e-5,
    output="blend",
    upsampling="bilinear",
    guidance=Guidance(guided=True, max_shift=4, lambda_features=2.0, lambda_same=1.3),
    training=Training(steps=4500, batch_size=16, lr=4e-4, lr_d=8e-4, ema_decay=0.998, flip=True, precision="bf16"),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


# --- networks (as re-implemented) --------------------------------------------------------------------------------


class Generator(nn.Module):
    """Two stride-2 convolutions down, two up, and a convolution that draws the residual image."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        self.output = config.output
        self.layers = nn.Sequential(
            *_normed(width, norm, nn.Conv2d(3, width, 5, 1, 2)),
            *_normed(2 * width, norm, nn.Conv2d(width, 2 * width, 4, 2, 1)),
            *_normed(4 * width, norm, nn.Conv2d(2 * width, 4 * width, 4, 2, 1)),
            *[ResidualBlock(4 * width, padding="zeros", norm=norm) for _ in range(config.n_blocks)],
            *_normed(2 * width, norm, *upsample(4 * width, 2 * width, 3, config.upsampling)),
            *_normed(width, norm, *upsample(2 * width, width, 3, config.upsampling)),
            nn.ZeroPad2d((1, 2, 1, 2)),  # an even kernel keeps the size only with one more on two sides
            nn.Conv2d(width, OUTPUT_CHANNELS[config.output], 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Adds its residual image to faces (N, 3, S, S) in [-1, 1]; the paper's sum is clamped for display only."""
        return compose(self.layers(x), x, self.output)


def _normed(channels: int, norm: Norm, *convolution: nn.Module) -> tuple[nn.Module, ...]:
    return *convolution, normalise(channels, norm), leaky()


class Discriminator(nn.Module):
    """Tells faces without the attribute, faces with it and generated faces apart; both generators share it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [3, *doubling(config.d_width, config.d_stages)]
        stages = []
        for stage in range(config.d_stages):
            before, width = widths[stage : stage + 2]
            norms = [normalise(width, config.norm)] if stage else []
            stages.append(nn.Sequential(nn.Conv2d(before, width, 4, 2, 1), *norms, leaky()))
        self.trunk = nn.Sequential(*stages[: config.feature_layer])
        self.top = nn.Sequential(*stages[config.feature_layer :])
        self.classes = nn.Conv2d(widths[-1], 3, config.image_size // 2**config.d_stages)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, 3, S, S) to logits (N, 3) of NEGATIVE, POSITIVE and MADE, and the features phi (N, C, h, w)."""
        features = self.trunk(x)
        return self.classes(self.top(features)).flatten(1), features


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks: two generators and ``discriminator``.

    Raises:
        InputError: Images that cannot be halved as often as the networks do, or a feature layer that there is not.
    """
    step = max(4, 2**config.d_stages)
    if config.image_size % step:
        raise InputError(f"an image_size that is a multiple of {step}", str(config.image_size), "lower d_stages")
    if not 1 <= config.feature_layer <= config.d_stages:
        expected = f"a feature_layer from 1 to d_stages, {config.d_stages}"
        raise InputError(expected, str(config.feature_layer), "choose one of them")
    networks: Networks = {name: Generator(config) for name in GENERATORS}
    networks["discriminator"] = Discriminator(config)
    for offset, network in enumerate(networks.values()):
        initialise(network, seed + offset, truncated=True)
    for name in GENERATORS:
        start_as_identity(networks[name], config.output)
    return networks


# --- losses (section 3 of the paper) -----------------------------------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Lets each half of the batch be changed by its generator once; both updates share it."""
    return {"edited": torch.cat([networks["to_positive"](batch.negatives), networks["to_negative"](batch.positives)])}


def class_loss(logits: Tensor, value: int) -> Tensor:
    """Cross-entropy of logits (N, 3) when every image should be of one class."""
    return functional.cross_entropy(logits.float(), logits.new_full((len(logits),), value, dtype=torch.int64))


def held(network: nn.Module) -> Callable[[Tensor], Any]:
    """Returns a network as a fixed function: gradients go through it to what it is given and stop at its weights.

    Statistics that a batch norm would gather on the way are gathered in a copy and forgotten.
    """
    fixed = {name: parameter.detach() for name, parameter in network.named_parameters()}
    gathered = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return partial(functional_call, network, {**fixed, **gathered})


def one_way(
    judge: Callable[[Tensor], tuple[Tensor, Tensor]],
    source: Tensor,
    made: Tensor,
    undone: Tensor,
    wanted: int,
    config: Config,
) -> Terms:
    """One generator's loss: game, dual learning, sparse residual image, features that stay.

    Args:
        judge: The discriminator.
        source: Faces of the other class, (N, 3, S, S).
        made: What the generator made of them.
        undone: What the other generator, held fixed, makes of that.
        wanted: Class the generator is to reach, POSITIVE or NEGATIVE.
        config: Weights.

    Returns:
        Weighted terms. The last two are sums over an image and means over the batch.
    """
    logits, features = judge(made)
    with torch.no_grad():
        target = judge(source)[1]
    back = POSITIVE if wanted == NEGATIVE else NEGATIVE
    return {
        "g_adversarial": config.lambda_adv * class_loss(logits, wanted),
        "g_dual": config.lambda_dual * class_loss(judge(undone)[0], back),
        "g_residual": config.alpha * l1(made, source) * made[0].numel(),
        "g_features": config.beta * l1(features, target) * features[0].numel(),
    }


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Both generators' losses at once. Each moves its own generator alone: the other is held fixed in the dual term."""
    judge = held(networks["discriminator"])
    positive, negative = torch.split(fakes["edited"], [len(batch.negatives), len(batch.positives)])
    undo_positive, undo_negative = held(networks["to_negative"]), held(networks["to_positive"])
    there = one_way(judge, batch.negatives, positive, undo_positive(positive), POSITIVE, config)
    back = one_way(judge, batch.positives, negative, undo_negative(negative), NEGATIVE, config)
    return {name: there[name] + back[name] for name in there}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Sum of four means of the cross-entropy: of real faces of either class, and of those either generator made."""
    judge, made = networks["discriminator"], fakes["edited"].detach().to(batch.images.dtype)
    positive, negative = torch.split(made, [len(batch.negatives), len(batch.positives)])
    # one pass for each, so that a batch norm does not mix them
    return {
        "d_real": class_loss(judge(batch.negatives)[0], NEGATIVE) + class_loss(judge(batch.positives)[0], POSITIVE),
        "d_made": class_loss(judge(positive)[0], MADE) + class_loss(judge(negative)[0], MADE),
    }


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes both generators return their input."""
    images = batch.images
    return {"g_warmup": l1(networks["to_positive"](images), images) + l1(networks["to_negative"](images), images)}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids, each image changed away from its label (N,)."""
    present = labels[:, None, None, None] > 0.5
    return torch.where(present, networks["to_negative"](images), networks["to_positive"](images))


# one step of the discriminator, then one of each generator, as the re-implementations have it; both generators move at
# once, so that neither sees the other's step of this iteration
UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generators": Update(GENERATORS, generator_loss),
}
AVERAGED: tuple[str, ...] = GENERATORS
OVERSAMPLED = False  # as many of each class in every batch, each class walked at its own pace


# --- the method -------------------------------------------------------------------------------------------------


class ResidualGAN:
    """A trained residual image GAN for one attribute.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute, self.card = networks, config, attribute, card

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> ResidualGAN:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        return cls(weights.networks, weights.config, attribute, weights.card(NAME, PAPER, 2017))

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Adds to each image the residual image of the generator of its wanted value.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.
        """
        self._check(images, attribute)
        to_positive, to_negative = (self.networks[name] for name in GENERATORS)
        return to_uint8(by_value(to_positive, to_negative, images, value))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the log-odds (N,) that the discriminator gives each image of being a real one of its wanted value."""
        self._check(images, attribute)
        judge = self.networks["discriminator"]

        def odds(part: Tensor, wanted: int) -> Tensor:
            chances = functional.log_softmax(judge(part)[0].float(), 1)
            others = [kind for kind in (NEGATIVE, POSITIVE, MADE) if kind != wanted]
            return chances[:, wanted] - torch.logsumexp(chances[:, others], 1)

        return by_value(partial(odds, wanted=POSITIVE), partial(odds, wanted=NEGATIVE), images, value)

    def _check(self, images: Tensor, attribute: str) -> None:
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)


def as_method(networks: Networks, config: Config, attribute: str) -> ResidualGAN:
    """Wraps networks in memory as a method, to be scored while it trains."""
    return ResidualGAN(
        networks,
        config,
        attribute,
        MethodCard(name=NAME, paper=PAPER, year=2017, image_size=config.image_size, attributes=(attribute,)),
    )
