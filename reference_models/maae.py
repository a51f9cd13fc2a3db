# SPDX-License-Identifier: MIT
"""M-AAE: Sun et al., "Mask-aware Photorealistic Face Attribute Manipulation", Computational Visual Media 2021.

An autoencoder whose code is a map. Adding a number to a sparse, fixed set of its positions, just enough for their
receptive fields to cover the picture, strengthens the attribute; taking it away weakens it. The code is a VAE's, the
pictures are judged by a GAN, and identity, cycle and mask losses keep what the edit is not about.

Two things the paper leaves open decide whether it works. Equation 3 knows one D, which rewards no change of the
attribute, so there is one for each class, as in UNIT, from which table 1 descends. And the decoder of table 1 ends with
64 channels, so UNIT's last layer, 1x1 and tanh, makes the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from reference_models.blocks import Output, Spread, Upsampling, initialise, start_as_identity
from reference_models.checkpoint import load_weights
from reference_models.features import ChannelOrder, extractor
from reference_models.images import by_value, check_aid, check_attribute, check_images, in_batches, to_uint8
from reference_models.label_vectors import check_strength
from reference_models.losses import gan_bce_d, gan_bce_g, kl_unit, l1
from reference_models.maae_networks import Generator, Judges
from reference_models.receptive_field import output_size
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "maae"
PAPER = "Sun, Huang, Zhu, Ma: Mask-aware Photorealistic Face Attribute Manipulation"
YEAR = 2021
AIDS = ("background",)

# section 4.1: batches of 64 pairs at a constant 1e-4; how many is not said
PAPER_TRAINING = Training(steps=100_000, batch_size=128, lr=1e-4, constant_share=1.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides an M-AAE; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images. Section 4.1 says 348, which CelebA's aligned images must be enlarged to; the
            methods it is compared with have 128.
        width: Channels of the first convolution (table 1: 64).
        n_blocks: Residual blocks at the end of the encoder and at the start of the decoder (table 1: 3).
        res_kernel: Of their convolutions (table 1: 1; in UNIT they are 3x3).
        strides: Of the encoder's first three convolutions, which table 1 does not print; UNIT's. The decoder mirrors
            them. With three of stride 2 the decoder would make 352 pixels of 348.
        slope: Of the leaky ReLUs, not printed.
        norm: After each convolution but the decoder's last, see ``blocks.normalise``; table 1 has none.
        init: Spread of the generator's first weights (section 4.1: 0.02), see ``blocks.initialise``.
        delta: What an edit adds to the code (section 3.2: about 5), or ``"auto"``: half the range of the code's values
            after the warm-up, as section 3.2 explains the 5.
        modify: ``"sparse"``: the fewest positions that together see the whole picture (section 3.2), or ``"all"``.
        modify_rule: How these are found: ``"cover"``, or ``"layerwise"``, which takes figure 2 by the word and needs
            more, see ``receptive_field``.
        d_width: Channels of D's first convolution (table 1: 64).
        d_stages: Its convolutions of stride 2 (table 1: 5).
        d_max_width: Most of its channels.
        d_norm: Instance norm in D from its second convolution on; table 1 has none.
        d_init: Spread of D's first weights.
        shared_d: One D for both classes, as equation 3 has it by the word.
        vae_noise: Draw the code from a Gaussian of unit variance around the encoder's output in training; table 1 has
            no layer for a variance, and UNIT has none either.
        mask_mode: What is done with the background's mask: ``"loss"`` (equation 1), ``"none"``, or one of the two
            forms figure 5 compares with: ``"concat_input"``, a fourth channel of the picture, ``"concat_feature"``,
            one more of the code.
        id_layer: Layer of equation 5's features. Section 4.1 says "the first 11 layers": conv5_1 where convolutions are
            counted, conv3_1 where ReLUs and pooling are too.
        features: Stand-in for VGG-Face, or the path of its weights, see ``features.extractor``.
        channel_order: Of the colours such a file expects.
        lambda1: Of the divergence in equation 2 (section 4.1: 0.1).
        lambda2: Of the reconstruction in equation 2 (section 4.1: 80).
        alpha_vae: alpha_1 of equation 6 (section 4.1: 0.1).
        alpha_gan: alpha_2 (10).
        alpha_id: alpha_3 (20); 0 leaves the term out.
        alpha_cycle: alpha_4 (80).
        alpha_mask: alpha_5 (80).
        cycle_strength: Strength of the two edits of the cycle: ``"delta"`` as in section 3.4, or ``"drawn"``, between 0
            and that for each face; section 3.2 speaks of changing "the value in the training process (when we apply the
            cycle consistency loss)", which may mean this or only its sign.
        variant: A row of VARIANTS, whose values the training takes over; None leaves all as it is.
        output: Form of the generator's picture, see ``blocks.compose``; the paper's is the image itself.
        upsampling: How the decoder enlarges, see ``blocks.upsample``.
        guidance: What is added to the paper; nothing by default.
        training: Section 4.1, and as many steps as fit a budget.
    """

    image_size: int = 128
    width: int = 64
    n_blocks: int = 3
    res_kernel: int = 1
    strides: tuple[int, int, int] = (1, 2, 2)
    slope: float = 0.2
    norm: Literal["none", "instance", "group"] = "none"
    init: Spread = 0.02
    delta: float | Literal["auto"] = 5.0
    modify: Literal["sparse", "all"] = "sparse"
    modify_rule: Literal["cover", "layerwise"] = "cover"
    d_width: int = 64
    d_stages: int = 5
    d_max_width: int = 1024
    d_norm: bool = False
    d_init: Spread = 0.02
    shared_d: bool = False
    vae_noise: bool = True
    mask_mode: Literal["loss", "none", "concat_input", "concat_feature"] = "loss"
    id_layer: str = "conv5_1"
    features: str = "procfaces"
    channel_order: ChannelOrder = "rgb"
    lambda1: float = 0.1
    lambda2: float = 80.0
    alpha_vae: float = 0.1
    alpha_gan: float = 10.0
    alpha_id: float = 20.0
    alpha_cycle: float = 80.0
    alpha_mask: float = 80.0
    cycle_strength: Literal["delta", "drawn"] = "delta"
    variant: Literal["a", "b", "c", "d", "e", "f"] | None = None
    output: Output = "image"
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# figure 5: what each of the paper's variants has in place of the defaults; f is the full method
VARIANTS: dict[str, dict[str, Any]] = {
    "a": {"modify": "all", "alpha_id": 0.0, "mask_mode": "none"},
    "b": {"modify": "sparse", "alpha_id": 0.0, "mask_mode": "none"},
    "c": {"modify": "sparse", "mask_mode": "none"},
    "d": {"modify": "sparse", "mask_mode": "concat_input"},
    "e": {"modify": "sparse", "mask_mode": "concat_feature"},
    "f": {"modify": "sparse", "mask_mode": "loss"},
}

# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
# The alphas are the paper's over 20, which is where the guidance's weights are made for.
SMALL = Config(
    image_size=64,
    width=8,
    n_blocks=2,
    norm="group",
    init=None,
    d_width=8,
    d_stages=4,
    d_max_width=32,
    d_norm=True,
    d_init=None,
    alpha_vae=0.005,
    alpha_gan=0.5,
    alpha_id=1.0,
    alpha_cycle=4.0,
    alpha_mask=4.0,
    output="blend",
    upsampling="bilinear",
    guidance=Guidance(guided=True, max_shift=4, lambda_features=2.0, lambda_teacher=0.2, lambda_same=1.3),
    # reconstruction, cycle and masks are all content with a shut blend, so the critics must know first what is missing
    training=Training(
        steps=4000,
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

CHOICES: dict[str, tuple[str, ...]] = {
    "norm": ("none", "instance", "group"),
    "modify": ("sparse", "all"),
    "modify_rule": ("cover", "layerwise"),
    "mask_mode": ("loss", "none", "concat_input", "concat_feature"),
    "cycle_strength": ("delta", "drawn"),
}


def for_attribute(config: Config, attribute: str) -> Config:
    """Takes over the fields of the variant that was asked for, and asks the feature network once, for its errors.

    Raises:
        UnknownNameError: No such variant, or no such layer.
        InputError: The images are too small for that layer.
        MissingFileError, CheckpointError: The feature network cannot be read.
    """
    if config.variant is not None:
        if config.variant not in VARIANTS:
            raise unknown_name("variant of M-AAE", str(config.variant), VARIANTS)
        config = replace(config, **VARIANTS[config.variant])
    if config.alpha_id:
        identity_features(torch.zeros(1, 3, config.image_size, config.image_size), config)
    return config


def aids_for(config: Config) -> tuple[str, ...]:
    """Returns what the training must know of each image: the background, unless masks are not used at all."""
    return () if config.mask_mode == "none" else AIDS


# --- networks (table 1; see maae_networks) ------------------------------------------------------------------------


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, ``generator`` and ``judges``.

    Raises:
        InputError: The sizes do not fit each other, or delta is not positive.
        UnknownNameError: A field names no choice it has.
    """
    _check(config)
    generator, judges = Generator(config), Judges(config)
    initialise(generator, seed, std=config.init)
    initialise(judges, seed + 1, std=config.d_init)
    start_as_identity(generator.decoder, config.output)
    return {"generator": generator, "judges": judges}


def _check(config: Config) -> None:
    """Refuses configurations that cannot be built, with what would do instead."""
    for name, known in CHOICES.items():
        if getattr(config, name) not in known:
            raise unknown_name(name, str(getattr(config, name)), known)
    step = prod(config.strides)
    if config.image_size % step:
        todo = f"choose an image_size that {step} divides"
        raise InputError(
            f"images whose side is a multiple of {step}, which the decoder returns to", f"{config.image_size}", todo
        )
    if output_size([(3, 2, 1)] * config.d_stages, config.image_size) < 2:
        got = f"d_stages {config.d_stages} at {config.image_size} pixels"
        raise InputError("a map of 2x2 or more before D's last convolution", got, "lower d_stages")
    if config.delta == "auto":
        if not config.training.warmup_steps:
            todo = "--set warmup_steps=500, or give delta a number"
            raise InputError("a warm-up, after which delta is measured", "warmup_steps 0", todo)
    elif not config.delta > 0:
        raise InputError("a delta above 0, or 'auto'", str(config.delta), "the paper's is --set delta=5")


# --- losses (section 3.4) ---------------------------------------------------------------------------------------


def _both(loss: Callable[[Tensor, Tensor], Tensor], made: Tensor, wanted: Tensor, count: int) -> Tensor:
    """Sums a loss over x1, the first ``count`` images, and x2, the rest, each with a mean of its own."""
    return loss(made[:count], wanted[:count]) + loss(made[count:], wanted[count:])


def away(generator: Generator, labels: Tensor) -> Tensor:
    """Returns the strengths (N,) that turn images of these labels (N,) into the other class: +delta for x1, -delta."""
    return generator.delta * (1.0 - 2.0 * labels)


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Encodes the batch once, draws its codes, and edits each image to the other class; all updates share it."""
    generator, background = cast(Generator, networks["generator"]), batch.aids.get("background")
    mean = generator.encode(batch.images, background)
    generator.measure(mean)
    code = generator.noisy(mean, batch.generator)
    edited = generator.decode(generator.shift(code, away(generator, batch.labels)), batch.images, background)
    return {"edited": edited, "mean": mean, "code": code}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 3 as D sees it: real x2 and made G+(x1) for the one of the positives, x1 and G-(x2) for the other."""
    judges, count = cast(Judges, networks["judges"]), batch.n_negatives
    made = fakes["edited"].detach().to(batch.images.dtype)
    terms: Terms = {}
    for name, judge, real, fake in (
        ("d_positive", judges.positive, batch.positives, made[:count]),
        ("d_negative", judges.negative, batch.negatives, made[count:]),
    ):
        # one pass over both: no layer mixes images
        real_map, fake_map = torch.split(judge(torch.cat([real, fake])), [len(real), len(fake)])
        terms[name] = config.alpha_gan * gan_bce_d(real_map, fake_map)
    return terms


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 6; each term is a sum over x1, without the attribute, and x2, with it."""
    generator, judges = cast(Generator, networks["generator"]), cast(Judges, networks["judges"])
    images, edited, count = batch.images, fakes["edited"], batch.n_negatives
    adversarial = gan_bce_g(judges.positive(edited[:count])) + gan_bce_g(judges.negative(edited[count:]))
    terms = {
        **vae_terms(generator, batch, fakes, config),
        "g_adversarial": config.alpha_gan * adversarial,
        "g_cycle": config.alpha_cycle * _both(l1, there_and_back(generator, batch, fakes, config), images, count),
    }
    if config.alpha_id:
        with torch.no_grad():
            wanted = identity_features(images, config)
        terms["g_identity"] = config.alpha_id * _both(
            functional.mse_loss, identity_features(edited, config), wanted, count
        )
    if config.mask_mode == "loss":
        background = batch.aids["background"]  # of the source, for both pictures
        terms["g_mask"] = config.alpha_mask * _both(l1, background * edited, background * images, count)
    return terms


def vae_terms(generator: Generator, batch: Batch, fakes: dict[str, Tensor], config: Config) -> Terms:
    """Equation 2: the divergence from the prior, and how far De(En(x)), with nothing added to the code, is from x."""
    mean, count = fakes["mean"], batch.n_negatives
    divergence = kl_unit(mean[:count]) + kl_unit(mean[count:])
    pictures = generator.reconstructions(fakes["code"], batch.images, batch.aids.get("background"))
    missed = torch.stack([_both(l1, picture, batch.images, count) for picture in pictures]).sum()
    return {
        "g_prior": config.alpha_vae * config.lambda1 * divergence,
        "g_reconstruction": config.alpha_vae * config.lambda2 * missed,
    }


def there_and_back(generator: Generator, batch: Batch, fakes: dict[str, Tensor], config: Config) -> Tensor:
    """Returns G-(G+(x1)) and G+(G-(x2)) of equation 4, (N, 3, S, S)."""
    background, strength, edited = batch.aids.get("background"), away(generator, batch.labels), fakes["edited"]
    if config.cycle_strength == "drawn":
        share = torch.rand(len(strength), generator=batch.generator).to(strength)
        strength = share * strength
        edited = generator.decode(generator.shift(fakes["code"], strength), batch.images, background)
    code = generator.noisy(generator.encode(edited, background), batch.generator)
    return generator.decode(generator.shift(code, -strength), edited, background)


def identity_features(images: Tensor, config: Config) -> Tensor:
    """Returns F(x) of equation 5 for pictures (N, 3, S, S) in [-1, 1], float32 (N, C, h, w)."""
    network = extractor(config.features, channel_order=config.channel_order)
    return network.features(images, [config.id_layer])[config.id_layer].float()


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes the autoencoder return its input."""
    generator, background = cast(Generator, networks["generator"]), batch.aids.get("background")
    pictures = generator.reconstructions(generator.encode(batch.images, background), batch.images, background)
    return {"g_warmup": torch.stack([l1(picture, batch.images) for picture in pictures]).sum()}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids; nothing is told to be background there."""
    generator = cast(Generator, networks["generator"])
    edited: Tensor = generator(images, away(generator, labels), torch.zeros_like(images[:, :1]))
    return edited


# section 3.4 says alternately: one step of the discriminators, then one of the generator
UPDATES: dict[str, Update] = {
    "discriminators": Update(("judges",), discriminator_loss),
    "generator": Update(("generator",), generator_loss),
}
AVERAGED: tuple[str, ...] = ("generator",)
OVERSAMPLED = False  # section 4.1: pairs of a positive and a negative, each list walked at its own pace


# --- the method -------------------------------------------------------------------------------------------------


class MAAE:
    """A trained M-AAE for one attribute.

    Args:
        networks: ``generator`` and ``judges``.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is; the range of its strengths and what its edits need are filled in.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute = networks, config, attribute
        self.generator, self.judges = cast(Generator, networks["generator"]), cast(Judges, networks["judges"])
        delta = self.generator.delta
        needs = AIDS if config.mask_mode.startswith("concat") else ()
        self.card = replace(card, name=variant_name(config), strengths=(-delta, delta), needs=needs)

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> MAAE:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        return cls(weights.networks, weights.config, attribute, weights.card(NAME, PAPER, YEAR))

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Adds delta to the codes of images that should get the attribute and takes it from those that should lose it.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: Another attribute or size; or a variant that is told the background, see ``edit_aided``.
        """
        return self.edit_aided(images, attribute, value, {})

    def edit_aided(self, images: Tensor, attribute: str, value: Tensor, aids: Mapping[str, Tensor]) -> Tensor:
        """Does the same, told where the background is; variants d and e need to know.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.
            aids: ``"background"``: (N, 1, S, S), 1 where neither head nor hair is. Others are left aside.

        Raises:
            InputError: As ``edit``; or the mask is missing, or of another size.
        """
        delta = self.generator.delta
        return self.edit_strength(images, attribute, torch.where(value > 0.5, delta, -delta), aids)

    def edit_strength(
        self, images: Tensor, attribute: str, strength: Tensor, aids: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Adds any strength to the codes.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            strength: (N,), within the card's ``strengths``; 0 returns De(En(x)).
            aids: As for ``edit_aided``.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: Another attribute or size, a strength outside its range, a mask that is missing or of another
                size.
        """
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        assert self.card.strengths is not None
        strength = check_strength(strength, len(images), self.card.strengths)
        shape = (len(images), 1, *images.shape[2:])
        told = [check_aid(aids or {}, name, shape) for name in self.card.needs]
        return to_uint8(in_batches(self.generator, images, strength, *told))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the mean logit (N,) of the D of the class each image should be of; higher is more real."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        return by_value(self.judges.positive, self.judges.negative, images, value).flatten(1).mean(1)


def variant_name(config: Config) -> str:
    """Returns the method's name, with the variant's letter where it is not the full method."""
    return NAME if config.variant in (None, "f") else f"{NAME}-{config.variant}"


def as_method(networks: Networks, config: Config, attribute: str) -> MAAE:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=YEAR, image_size=config.image_size, attributes=(attribute,))
    return MAAE(networks, config, attribute, card)
