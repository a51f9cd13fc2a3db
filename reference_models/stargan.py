# SPDX-License-Identifier: MIT
"""StarGAN: Choi et al., "Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation", 2018.

One generator and one discriminator for all attributes. The generator sees a face and, as constant maps beside it, the
labels the face should have; the discriminator tells real from made and reads the labels. Layer sizes follow the paper's
appendix and the authors' released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.errors import InputError
from faceeval.method import MethodCard
from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Norm,
    Output,
    ResidualBlock,
    Spread,
    Upsampling,
    compose,
    doubling,
    initialise,
    instance_norm,
    leaky,
    normalise,
    start_as_identity,
    upsample,
)
from reference_models.checkpoint import load_weights
from reference_models.images import check_images, in_batches, to_uint8
from reference_models.label_vectors import (
    Targets,
    Told,
    check_strength,
    check_targets,
    column_of,
    own_labels,
    planes,
    target_labels,
    tell,
    with_attribute,
)
from reference_models.loop import rate
from reference_models.losses import gradient_penalty, l1, wgan_d, wgan_g
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "stargan"
PAPER = (
    "Choi, Choi, Kim, Ha, Kim, Choo: StarGAN: Unified Generative Adversarial Networks for Multi-Domain I2I Translation"
)

# section 5.3 and the released code; every image as often as any other, mirrored half the time
PAPER_TRAINING = Training(steps=200_000, batch_size=16, lr=1e-4, flip=True, sampling="uniform")
# of edit_strength, in labels: 1 takes a face from absent to present; twice that is beyond what was trained
STRENGTHS = (-2.0, 2.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides a StarGAN; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images (section 5.1: 128).
        c_dim: Attributes; settled by those that are trained (section 5.1: 5).
        width: Channels of the generator's first convolution (table 4: 64).
        n_blocks: Residual blocks (table 4: 6).
        norm: The generator's, see ``blocks.normalise`` (table 4: instance norm). That takes label maps out again but
            for what the zero padding leaves of them at the border; group norm keeps them.
        d_width: Channels of the discriminator's first convolution (table 5: 64).
        d_stages: Its stride-2 convolutions (table 5: 6, to 2x2).
        d_norm: Instance norm in it from its second stage on; the paper has none.
        lambda_adv: Weight of the adversarial terms (equations 5 and 6: 1).
        lambda_cls: lambda_cls of equation 6, the labels of made pictures (section 5.3: 1).
        lambda_cls_real: lambda_cls of equation 5, the labels of real ones (section 5.3: 1).
        lambda_rec: Weight of the cycle (equation 6; section 5.3: 10).
        lambda_gp: Weight of the gradient penalty (equation 8: 10).
        n_critic: The generator is updated at every n_critic-th step (section 5.3: 5).
        lr_every: Steps between changes of the step size (released code: 1000).
        targets: What the generator is asked for in training, see ``label_vectors.target_labels``; the released code
            permutes the labels of the batch.
        told: What the generator is told, see ``label_vectors.tell``; the paper's is told the labels it should reach.
        init: Spread of the generator's first weights, see ``blocks.initialise``; the released code takes torch's own.
        d_init: The same of the discriminator.
        output: Form of the generator's picture, see ``blocks.compose``; the paper's is the image itself.
        upsampling: How the generator enlarges, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: How long and how fast.
    """

    image_size: int = 128
    c_dim: int = 5
    width: int = 64
    n_blocks: int = 6
    norm: Norm = "instance"
    d_width: int = 64
    d_stages: int = 6
    d_norm: bool = False
    lambda_adv: float = 1.0
    lambda_cls: float = 1.0
    lambda_cls_real: float = 1.0
    lambda_rec: float = 10.0
    lambda_gp: float = 10.0
    n_critic: int = 5
    lr_every: int = 1000
    targets: Targets = "permuted"
    told: Told = "target"
    init: Spread = "default"
    d_init: Spread = "default"
    output: Output = "image"
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    width=16,
    n_blocks=2,
    norm="group",
    d_width=12,
    d_stages=4,
    d_norm=True,
    lambda_adv=0.5,
    lambda_cls=0.2,
    lambda_rec=5.0,
    n_critic=1,
    lr_every=1,
    targets="flipped",
    told="difference",
    d_init=None,
    output="blend",
    upsampling="bilinear",
    # between what glasses want and what age wants, as one generator paints both
    guidance=Guidance(
        guided=True,
        max_shift=4,
        lambda_features=2.0,
        lambda_teacher=0.2,
        lambda_same=1.6,
        same_scale=0.6,
        same_power=1.5,
    ),
    # no class of faces has a critic of its own, so without a head start nothing says at first what is missing
    training=Training(
        steps=4500,
        batch_size=16,
        lr=4e-4,
        lr_d=8e-4,
        head_start=200,
        ema_decay=0.998,
        flip=True,
        precision="bf16",
        channels_last=True,
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98, "head_start": 100}),
}


def for_attribute(config: Config, attributes: tuple[str, ...]) -> Config:
    """Makes room for the labels of the attributes that are trained."""
    return replace(config, c_dim=len(attributes))


# --- networks (tables 4 and 5) ----------------------------------------------------------------------------------


class Generator(nn.Module):
    """Down twice, residual blocks, up twice, padded with zeros; no convolution of the paper's has a bias."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        self.output, self.targets, self.told = config.output, config.targets, config.told
        self.layers = nn.Sequential(
            *_normed(width, norm, nn.Conv2d(3 + config.c_dim, width, 7, 1, 3, bias=False)),
            *_normed(2 * width, norm, nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)),
            *_normed(4 * width, norm, nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False)),
            *[ResidualBlock(4 * width, padding="zeros", norm=norm, affine=True) for _ in range(config.n_blocks)],
            *_normed(2 * width, norm, *upsample(4 * width, 2 * width, 4, config.upsampling, bias=False)),
            *_normed(width, norm, *upsample(2 * width, width, 4, config.upsampling, bias=False)),
            nn.Conv2d(width, OUTPUT_CHANNELS[config.output], 7, 1, 3, bias=config.output != "image"),
        )

    def forward(self, x: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
        """Draws faces with other labels.

        Args:
            x: (N, 3, S, S) in [-1, 1]; S is a multiple of 4.
            wanted: Labels the faces should have, (N, A): 0 absent, 1 present.
            own: Labels they have, (N, A).

        Returns:
            (N, 3, S, S) in [-1, 1].
        """
        labels = planes(tell(wanted, own, self.told), x)
        return compose(self.layers(torch.cat([x, labels], 1)), x, self.output)


def _normed(channels: int, norm: Norm, *convolution: nn.Module) -> tuple[nn.Module, ...]:
    """A convolution with norm and ReLU."""
    return *convolution, normalise(channels, norm), nn.ReLU(inplace=True)


class Discriminator(nn.Module):
    """Stride-2 convolutions, then a map that tells real from made and one logit for each attribute."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.d_stages)
        layers: list[nn.Module] = []
        for before, width in zip([3, *widths], widths, strict=False):
            normed = [instance_norm(width, affine=False)] if config.d_norm and before > 3 else []
            layers += [nn.Conv2d(before, width, 4, 2, 1), *normed, leaky(0.01)]
        self.trunk = nn.Sequential(*layers)
        self.source = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.classes = nn.Conv2d(widths[-1], config.c_dim, config.image_size // 2**config.d_stages, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns source logits (N, 1, h, w), 2x2 at 128 pixels, and logits of the attributes (N, A)."""
        features = self.trunk(x)
        return self.source(features), self.classes(features).flatten(1)


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, ``generator`` and ``discriminator``.

    Raises:
        InputError: A configuration that cannot be built or trained.
    """
    _check(config)
    networks: Networks = {"generator": Generator(config), "discriminator": Discriminator(config)}
    initialise(networks["generator"], seed, std=config.init)
    initialise(networks["discriminator"], seed + 1, std=config.d_init)
    start_as_identity(networks["generator"], config.output)
    return networks


def _check(config: Config) -> None:
    check_targets(config.targets, config.guidance.guided)
    side = 2**config.d_stages
    if config.image_size % max(side, 4):
        todo = f"choose a size that {max(side, 4)} divides, or fewer d_stages"
        raise InputError(f"images that {config.d_stages} stages can halve", f"{config.image_size} pixels", todo)
    if config.n_critic < 1 or config.lr_every < 1 or config.c_dim < 1:
        got = f"n_critic {config.n_critic}, lr_every {config.lr_every}, c_dim {config.c_dim}"
        raise InputError("n_critic, lr_every and c_dim of at least 1", got, "raise what is below 1")


# --- losses (section 3) -----------------------------------------------------------------------------------------


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Equations 2 and 3: binary cross-entropies of logits (N, A) against labels, summed over A, averaged over N."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum") / len(labels)


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Edits the batch once; both updates share it, and the labels it was edited to."""
    generator = networks["generator"]
    assert isinstance(generator, Generator)
    targets = target_labels(batch, generator.targets)
    return {"edited": generator(batch.images, targets, batch.attributes), "targets": targets}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 5, with the adversarial loss of equation 8: Wasserstein's, with a gradient penalty."""
    discriminator, images = networks["discriminator"], batch.images
    edited = fakes["edited"].detach().to(images.dtype)
    # one pass over both: no layer mixes images
    source, classes = discriminator(torch.cat([images, edited]))
    real, fake = source.chunk(2)
    penalty = gradient_penalty(lambda x: discriminator(x)[0], images, edited, batch.generator)
    return {
        "d_adversarial": config.lambda_adv * wgan_d(real, fake),
        "d_class": config.lambda_cls_real * class_loss(classes[: len(images)], batch.attributes),
        "d_penalty": config.lambda_adv * config.lambda_gp * penalty,
    }


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 6: adversarial, labels as asked for, and back again with the labels the faces had."""
    returned = networks["generator"](fakes["edited"], batch.attributes, fakes["targets"])
    source, classes = networks["discriminator"](fakes["edited"])
    return {
        "g_adversarial": config.lambda_adv * wgan_g(source),
        "g_class": config.lambda_cls * class_loss(classes, fakes["targets"]),
        "g_cycle": config.lambda_rec * l1(returned, batch.images),
    }


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes the generator return its input where it is asked for what the face has."""
    same = networks["generator"](batch.images, batch.attributes, batch.attributes)
    return {"g_warmup": l1(same, batch.images)}


def preview(networks: Networks, images: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids, with wanted and own labels (N, A)."""
    edited: Tensor = networks["generator"](images, wanted, own)
    return edited


def schedule(config: Config, step: int) -> dict[str, float]:
    """Section 5.3: the discriminator at every step, the generator at every n_critic-th; both slow down from half on."""
    training = config.training
    share = rate(step // config.lr_every * config.lr_every, training.steps, training.constant_share)
    shares = {"discriminator": share}
    return shares | {"generator": share} if (step + 1) % config.n_critic == 0 else shares


UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generator": Update(("generator",), generator_loss),
}
AVERAGED: tuple[str, ...] = ("generator",)
OVERSAMPLED = False
MANY = True


# --- the method -------------------------------------------------------------------------------------------------


class StarGAN:
    """A trained StarGAN: one model for all attributes of its card.

    Args:
        networks: ``generator`` and ``discriminator``.
        config: Their configuration.
        attributes: CelebA's names of the attributes they were trained for, in the order of the labels.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attributes: tuple[str, ...], card: MethodCard) -> None:
        self.networks, self.config, self.attributes = networks, config, attributes
        self.card = replace(card, strengths=STRENGTHS, needs=("labels",))

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> StarGAN:
        """Reads published weights strictly; they edit ``attribute`` among others.

        Raises:
            CheckpointError: The file holds another method, other attributes or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        card = weights.card(NAME, PAPER, 2018)
        return cls(weights.networks, weights.config, card.attributes, card)

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Sets one attribute and asks for all others as the discriminator reads them from the images.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: One of the card's.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.
        """
        return self.edit_aided(images, attribute, value, {})

    def edit_aided(self, images: Tensor, attribute: str, value: Tensor, aids: Mapping[str, Tensor]) -> Tensor:
        """Sets one attribute and asks for all others as the source has them; hair colours exclude each other.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: One of the card's.
            value: Wanted values (N,); above one half means present.
            aids: ``"labels"``: what the source faces have, (N, A) in the order of the card's attributes; where it is
                NaN or missing, the discriminator reads it from the image.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: An attribute that was not trained, images of another size, or labels of another shape.
        """
        own = self._own(images, attribute, aids)
        return self._draw(images, with_attribute(own, self.attributes, attribute, value), own)

    def edit_strength(self, images: Tensor, attribute: str, strength: Tensor) -> Tensor:
        """Adds to one label of each face, as the discriminator reads it.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: One of the card's.
            strength: (N,), in [-2, 2]: 0 asks for what the face has, 1 takes a face from absent to present.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: As ``edit_aided``, or a strength outside its range.
        """
        own = self._own(images, attribute, {})
        wanted = own.clone()
        wanted[:, column_of(attribute, self.attributes)] += check_strength(strength, len(images), STRENGTHS)
        return self._draw(images, wanted, own)

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the mean source logit (N,) of each image; higher is more real, whatever the attribute."""
        column_of(attribute, self.attributes)
        check_images(images, self.config.image_size)
        return in_batches(lambda part: self.networks["discriminator"](part)[0], images).flatten(1).mean(1)

    def _own(self, images: Tensor, attribute: str, aids: Mapping[str, Tensor]) -> Tensor:
        """Labels (N, A) of the source faces; refuses what cannot be edited first."""
        column_of(attribute, self.attributes)
        check_images(images, self.config.image_size)
        return own_labels(self.networks["discriminator"], images, self.attributes, aids)

    def _draw(self, images: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
        return to_uint8(in_batches(self.networks["generator"], images, wanted, own))


def as_method(networks: Networks, config: Config, attributes: tuple[str, ...]) -> StarGAN:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=2018, image_size=config.image_size, attributes=attributes)
    return StarGAN(networks, config, attributes, card)
