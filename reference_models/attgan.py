# SPDX-License-Identifier: MIT
"""AttGAN: He et al., "Facial Attribute Editing by Only Changing What You Want", IEEE Trans. Image Processing 2019.

An encoder, a decoder that is given the labels the face should have, and a discriminator that tells real from made and
reads the labels. What makes it keep the rest is the reconstruction: decoded with its own labels, a face must come back.
Layer sizes follow the paper's table 2 and the authors' released code.
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
    Spread,
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

NAME = "attgan"
PAPER = "He, Zuo, Kan, Shan, Chen: AttGAN: Facial Attribute Editing by Only Changing What You Want"

# released code: 60 epochs of CelebA's 162,770 training images in batches of 32, the step size falling from half on
PAPER_TRAINING = Training(steps=305_000, batch_size=32, lr=2e-4, flip=True, sampling="uniform")
# of edit_strength, in units of the decoder's labels, -1 absent and 1 present: 2 takes a face from one to the other, and
# 3 as far as the released code goes when it edits
STRENGTHS = (-3.0, 3.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides an AttGAN; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images (section 4: 128).
        n_attrs: Attributes; settled by those that are trained (section 4: 13).
        width: Channels of the encoder's first convolution (table 2: 64).
        layers: Stride-2 convolutions of the encoder (table 2: 5).
        max_width: Most channels of any convolution (table 2: 1024).
        norm: Of encoder and decoder, see ``blocks.normalise`` (table 2: batch norm).
        slope: Of the leaky ReLUs (released code: 0.2).
        shortcut: Stages of the decoder followed by the encoder's map of their size (released code: 1).
        inject: Stages of the decoder followed by the labels once more (released code: 1).
        d_width: Channels of the discriminator's first convolution (table 2: 64).
        d_layers: Its stride-2 convolutions (table 2: 5).
        fc: Units of the hidden layer of both its heads (table 2: 1024).
        lambda_adv: Weight of the adversarial terms (equations 9 and 10: 1).
        lambda_rec: lambda_1 of equation 9, the reconstruction (section 4: 100).
        lambda_att_g: lambda_2 of equation 9, the labels of made pictures (section 4: 10).
        lambda_att_d: lambda_3 of equation 10, the labels of real ones (section 4: 1).
        lambda_gp: Weight of the gradient penalty (released code: 10).
        n_d: Steps that train the discriminator before each that trains the generator (released code: 5); 0 trains both
            at every step, on what was made once.
        train_int: Size of the decoder's labels in training (released code: 1).
        test_int: Size of the edited attribute's label in an edit, on the same scale (released code: 2).
        targets: What the decoder is asked for in training, see ``label_vectors.target_labels``; the released code
            permutes the labels of the batch.
        told: What the decoder is told, see ``label_vectors.tell``; the paper's is told the labels it should reach.
        init: Spread of the first weights of encoder and decoder, see ``blocks.initialise``; torch's own by default, as
            the paper does not say.
        d_init: The same of the discriminator.
        output: Form of the decoder's picture, see ``blocks.compose``; the paper's is the image itself.
        refine: Channels of two more convolutions at full size, see ``blocks.refiner``; 0, as in the paper, leaves them
            out.
        upsampling: How the decoder enlarges, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: How long and how fast. The released code also moves its crops by up to 15 pixels.
    """

    image_size: int = 128
    n_attrs: int = 13
    width: int = 64
    layers: int = 5
    max_width: int = 1024
    norm: Norm = "batch"
    slope: float = 0.2
    shortcut: int = 1
    inject: int = 1
    d_width: int = 64
    d_layers: int = 5
    fc: int = 1024
    lambda_adv: float = 1.0
    lambda_rec: float = 100.0
    lambda_att_g: float = 10.0
    lambda_att_d: float = 1.0
    lambda_gp: float = 10.0
    n_d: int = 5
    train_int: float = 1.0
    test_int: float = 2.0
    targets: Targets = "permuted"
    told: Told = "target"
    init: Spread = "default"
    d_init: Spread = "default"
    output: Output = "image"
    refine: int = 0
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    width=20,
    layers=3,
    max_width=80,
    norm="group",
    d_width=10,
    d_layers=4,
    fc=20,
    lambda_adv=0.5,
    lambda_rec=20.0,
    lambda_att_g=1.0,
    n_d=0,
    test_int=1.0,
    targets="flipped",
    told="difference",
    d_init=None,
    output="blend",
    refine=16,
    upsampling="bilinear",
    # between what glasses want and what age wants, as one decoder paints both
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
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98, "head_start": 100}),
}


def for_attribute(config: Config, attributes: tuple[str, ...]) -> Config:
    """Makes room for the labels of the attributes that are trained."""
    return replace(config, n_attrs=len(attributes))


# --- networks (table 2) -----------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Encoder and decoder; the decoder sees the labels as constant maps beside the code and after its first stages."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output, self.targets, self.told, self.scale = config.output, config.targets, config.told, config.train_int
        self.shortcut, self.inject, self.refine = config.shortcut, config.inject, config.refine
        widths = doubling(config.width, config.layers, config.max_width)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for before, width in zip([3, *widths], widths, strict=False):
            convolution = nn.Conv2d(before, width, 4, 2, 1, bias=False)
            self.encoder.append(nn.Sequential(convolution, normalise(width, config.norm), leaky(config.slope)))
        inputs, drawn = widths[-1] + config.n_attrs, doubling(2 * config.width, config.layers - 1, config.max_width)
        for stage in range(config.layers - 1):
            width = drawn[-1 - stage]
            up = upsample(inputs, width, 4, config.upsampling, bias=False)
            self.decoder.append(nn.Sequential(*up, normalise(width, config.norm), nn.ReLU(inplace=True)))
            skipped = widths[-2 - stage] if stage < config.shortcut else 0
            inputs = width + skipped + (config.n_attrs if stage < config.inject else 0)
        last = config.refine or OUTPUT_CHANNELS[config.output]
        after = [normalise(last, config.norm), nn.ReLU(inplace=True)] if config.refine else []
        self.decoder.append(nn.Sequential(*upsample(inputs, last, 4, config.upsampling), *after))
        if config.refine:
            self.head = refiner(config.refine, config.norm, config.output)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Returns the maps of every layer, finest first; the last is the code."""
        maps = []
        for layer in self.encoder:
            x = layer(x)
            maps.append(x)
        return maps

    def decode(self, maps: list[Tensor], wanted: Tensor, own: Tensor, source: Tensor) -> Tensor:
        """Draws faces.

        Args:
            maps: As ``encode`` returns them.
            wanted: Labels the faces should have, (N, A): 0 absent, 1 present; the decoder's layers see them signed.
            own: Labels they have, (N, A).
            source: What was encoded, (N, 3, S, S).

        Returns:
            (N, 3, S, S) in [-1, 1].
        """
        labels = tell(wanted, own, self.told)
        signed = self.scale * (2.0 * labels - 1.0 if self.told == "target" else labels)
        x = torch.cat([maps[-1], planes(signed, maps[-1])], 1)
        for stage, layers in enumerate(self.decoder):
            x = layers(x)
            if stage < self.shortcut:
                x = torch.cat([x, maps[-2 - stage]], 1)
            if stage < self.inject:
                x = torch.cat([x, planes(signed, x)], 1)
        if self.refine:
            x = self.head(torch.cat([x, source.to(x.dtype)], 1))
        return compose(x, source, self.output)

    def forward(self, x: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
        """Maps (N, 3, S, S) in [-1, 1] with ``own`` labels (N, A) to faces of that shape that have the wanted ones."""
        return self.decode(self.encode(x), wanted, own, x)


class Discriminator(nn.Module):
    """Stride-2 convolutions with instance norm, then two heads: real or made, and the attributes."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = doubling(config.d_width, config.d_layers, config.max_width)
        layers: list[nn.Module] = []
        for before, width in zip([3, *widths], widths, strict=False):
            convolution = nn.Conv2d(before, width, 4, 2, 1, bias=False)
            layers += [convolution, instance_norm(width, affine=True), leaky(config.slope)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        features = widths[-1] * (config.image_size // 2**config.d_layers) ** 2
        self.source, self.classes = (
            nn.Sequential(nn.Linear(features, config.fc), leaky(config.slope), nn.Linear(config.fc, count))
            for count in (1, config.n_attrs)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns source logits (N,) and logits of the attributes (N, A) of images (N, 3, S, S)."""
        features = self.trunk(x)
        return self.source(features)[:, 0], self.classes(features)


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, ``generator`` and ``discriminator``.

    Raises:
        InputError: A configuration that cannot be built or trained.
    """
    _check(config)
    generator = Generator(config)
    networks: Networks = {"generator": generator, "discriminator": Discriminator(config)}
    initialise(generator, seed, std=config.init)
    initialise(networks["discriminator"], seed + 1, std=config.d_init)
    start_as_identity(generator.head if config.refine else generator.decoder[-1], config.output)
    return networks


def _check(config: Config) -> None:
    check_targets(config.targets, config.guidance.guided)
    side = 2 ** max(config.layers, config.d_layers)
    if config.image_size % side:
        todo = f"choose a size that {side} divides, or fewer layers and d_layers"
        raise InputError("images that every layer can halve", f"{config.image_size} pixels", todo)
    if not (0 <= config.shortcut < config.layers and 0 <= config.inject < config.layers):
        got = f"shortcut {config.shortcut}, inject {config.inject}"
        raise InputError(f"shortcut and inject below {config.layers}, the layers of the decoder", got, "lower them")
    if config.n_d < 0 or config.n_attrs < 1 or config.train_int <= 0 or config.test_int <= 0:
        got = f"n_d {config.n_d}, n_attrs {config.n_attrs}, train_int {config.train_int}, test_int {config.test_int}"
        raise InputError("n_d of at least 0, n_attrs of at least 1 and intensities above 0", got, "raise what is below")


# --- losses (section 3) -----------------------------------------------------------------------------------------


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Equations 3 and 7, as the released code has them: mean binary cross-entropy of logits (N, A) against labels."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels)


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Encodes and edits the batch once; both updates share the maps, the pictures and the labels they were given."""
    generator = networks["generator"]
    assert isinstance(generator, Generator)
    targets, maps = target_labels(batch, generator.targets), generator.encode(batch.images)
    edited = generator.decode(maps, targets, batch.attributes, batch.images)
    return {"edited": edited, "targets": targets} | {f"map.{level}": entry for level, entry in enumerate(maps)}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 10: Wasserstein's adversarial loss with a gradient penalty, and the labels of real faces."""
    discriminator, images = networks["discriminator"], batch.images
    edited = fakes["edited"].detach().to(images.dtype)
    # one pass over both: no layer mixes images
    source, classes = discriminator(torch.cat([images, edited]))
    real, fake = source.chunk(2)
    penalty = gradient_penalty(lambda x: discriminator(x)[0], images, edited, batch.generator)
    return {
        "d_adversarial": config.lambda_adv * wgan_d(real, fake),
        "d_class": config.lambda_att_d * attribute_loss(classes[: len(images)], batch.attributes),
        "d_penalty": config.lambda_adv * config.lambda_gp * penalty,
    }


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 9: adversarial, labels as asked for, and the same code decoded with the labels the faces have."""
    generator = networks["generator"]
    assert isinstance(generator, Generator)
    maps = [fakes[f"map.{level}"] for level in range(config.layers)]
    same = generator.decode(maps, batch.attributes, batch.attributes, batch.images)
    source, classes = networks["discriminator"](fakes["edited"])
    return {
        "g_adversarial": config.lambda_adv * wgan_g(source),
        "g_class": config.lambda_att_g * attribute_loss(classes, fakes["targets"]),
        "g_reconstruction": config.lambda_rec * l1(same, batch.images),
    }


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes the generator return its input where it is asked for what the face has."""
    same = networks["generator"](batch.images, batch.attributes, batch.attributes)
    return {"g_warmup": l1(same, batch.images)}


def preview(networks: Networks, images: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids, with wanted and own labels (N, A)."""
    generator = networks["generator"]
    training = generator.training
    generator.eval()  # a look at some faces must not move the statistics of batch norm
    edited: Tensor = generator(images, wanted, own)
    generator.train(training)
    return edited


def schedule(config: Config, step: int) -> dict[str, float]:
    """Section 4 of the released code: n_d steps of the discriminator, then one of the generator, and so on."""
    share = rate(step, config.training.steps, config.training.constant_share)
    if not config.n_d:
        return dict.fromkeys(UPDATES, share)
    return {"generator" if step % (config.n_d + 1) == config.n_d else "discriminator": share}


UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generator": Update(("generator",), generator_loss),
}
AVERAGED: tuple[str, ...] = ("generator",)
OVERSAMPLED = False
MANY = True


# --- the method -------------------------------------------------------------------------------------------------


class AttGAN:
    """A trained AttGAN: one model for all attributes of its card.

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
    def from_file(cls, path: Path, *, attribute: str, size: int) -> AttGAN:
        """Reads published weights strictly; they edit ``attribute`` among others.

        Raises:
            CheckpointError: The file holds another method, other attributes or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        card = weights.card(NAME, PAPER, 2019)
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
        """Sets one attribute, at ``test_int``, and asks for all others as the source has them.

        What no face has at once, such as two hair colours, excludes each other.

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
        intensity = self.config.test_int / self.config.train_int
        own = self._own(images, attribute, aids)
        return self._draw(images, with_attribute(own, self.attributes, attribute, value, intensity), own)

    def edit_strength(self, images: Tensor, attribute: str, strength: Tensor) -> Tensor:
        """Adds to one of the decoder's labels of each face, as the discriminator reads it.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: One of the card's.
            strength: (N,), in [-3, 3], in units in which the decoder's labels are -1 and 1: 0 reconstructs the face, 2
                takes it from absent to present.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: As ``edit_aided``, or a strength outside its range.
        """
        own = self._own(images, attribute, {})
        wanted = own.clone()
        wanted[:, column_of(attribute, self.attributes)] += 0.5 * check_strength(strength, len(images), STRENGTHS)
        return self._draw(images, wanted, own)

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the source logit (N,) of each image; higher is more real, whatever the attribute."""
        column_of(attribute, self.attributes)
        check_images(images, self.config.image_size)
        return in_batches(lambda part: self.networks["discriminator"](part)[0], images)

    def _own(self, images: Tensor, attribute: str, aids: Mapping[str, Tensor]) -> Tensor:
        """Labels (N, A) of the source faces; refuses what cannot be edited first."""
        column_of(attribute, self.attributes)
        check_images(images, self.config.image_size)
        return own_labels(self.networks["discriminator"], images, self.attributes, aids)

    def _draw(self, images: Tensor, wanted: Tensor, own: Tensor) -> Tensor:
        return to_uint8(in_batches(self.networks["generator"], images, wanted, own))


def as_method(networks: Networks, config: Config, attributes: tuple[str, ...]) -> AttGAN:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=2019, image_size=config.image_size, attributes=attributes)
    return AttGAN(networks, config, attributes, card)
