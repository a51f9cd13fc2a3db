# SPDX-License-Identifier: MIT
"""Semantic inpainting: Yeh et al., "Semantic Image Inpainting with Perceptual and Contextual Losses", 2016.

A DCGAN (Radford et al., ICLR 2016) learns to draw faces without the attribute. To take glasses off, their region is cut
out of the picture, a face is sought among those it can draw that agrees with what is left, and its eyes fill the hole
(``completion``). This is how the DIAT paper compares with it. The first version stands here as its best-known
re-implementation has it; the form of CVPR 2017 is ``variant="cvpr17"``, which asks for no other training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from faceeval.data.aids import GLOBAL
from faceeval.data.landmarks.masks import HULLS
from faceeval.errors import InputError
from faceeval.method import MethodCard
from reference_models.blending import poisson_blend
from reference_models.blocks import Norm, Upsampling, initialise
from reference_models.checkpoint import load_weights
from reference_models.completion import (
    VARIANTS,
    Blend,
    Completion,
    Context,
    best_of,
    complete,
    context_weights,
    first_noise,
)
from reference_models.dcgan import Discriminator, Encoder, Generator
from reference_models.guidance import shifted
from reference_models.images import check_aid, check_attribute, check_directions, check_images, in_batches, to_uint8
from reference_models.loop import rate
from reference_models.losses import gan_bce_d, gan_bce_g, l1, real_slope_penalty
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override
from reference_models.sampling import noisy

NAME = "inpainting"
PAPER = "Yeh, Chen, Lim, Hasegawa-Johnson, Do: Semantic Image Inpainting with Perceptual and Contextual Losses"

# 25 epochs over the some 152,000 faces without glasses in CelebA's training split, 64 of them a step; the other half of
# each batch has glasses and is not looked at
PAPER_TRAINING = Training(steps=59_500, batch_size=128, constant_share=1.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides semantic inpainting; the defaults are the paper's, pasted into 128 pixels.

    Attributes:
        image_size: Side of the images, ``network_size`` or a multiple of it.
        network_size: Side of the pictures the DCGAN draws (the paper's is a 64 pixel network); larger images are
            scaled down to it, and what fills the hole is scaled up again. 128 adds a convolution to each network.
        width: Channels of the generator's last map but one; each coarser map has twice as many.
        max_width: Most channels it has (512).
        z_dim: Numbers it draws a face from (100, uniform in [-1, 1]).
        d_width: Channels of the discriminator's first convolution, doubled by each further one.
        d_max_width: Most channels it has.
        d_norm: Its norm, see ``blocks.normalise``; DCGAN's is batch norm.
        upsampling: How the generator enlarges, see ``blocks.upsample``; the paper's are transposed 5x5 convolutions.
        g_steps: Steps of the generator for each of the discriminator: 2, on the same z, is the re-implementation's way
            to keep the discriminator from winning; the DCGAN paper takes 1.
        lambda_adv: Weight of the generator's adversarial term.
        lambda_returned: Weight of the L1 distance between a face and what is drawn from where an encoder puts it; above
            zero there is such an encoder beside the game, as in VAE-GAN (Larsen et al., ICML 2016), and the
            discriminator sees those drawings, too. Not in the paper: the game alone takes the paper's 25 epochs to
            draw faces among which one agrees with a given one.
        lambda_slope: Weight of the discriminator's slope at real faces, without which it wins (``real_slope_penalty``).
        d_shift: Pixels by which real and drawn faces are moved at random before the discriminator sees them, so that it
            cannot learn a few thousand faces by heart (Zhao et al., "Differentiable Augmentation", NeurIPS 2020).
        d_noise: Deviation of the noise they are given there, so that it cannot win by what no eye sees (Soenderby et
            al., "Amortised MAP Inference for Image Super-resolution", ICLR 2017).
        variant: ``"v1"`` as published in July 2016, which the DIAT paper compares with, or ``"cvpr17"``. It decides
            what is not set here: see ``completion.VARIANTS``.
        lam: Weight of the prior loss (equation 3); None leaves it to the variant: 0.1, or 0.2 for cvpr17.
        completion_lr: Step size of the descent in z; None: 0.01 for Adam, 3e-4 for Nesterov's momentum.
        context: How known pixels count; None: ``"plain"``, or ``"near"`` for cvpr17, by which pixels count the more
            the nearer they are to the hole, as recalled of the paper's equation 3. The released code does the
            contrary: ``"far"``.
        blend: ``"poisson"`` leads the colours at the seam over; None: ``"none"``, or ``"poisson"`` for cvpr17.
        completion_steps: Steps of the descent (v1: 1000; cvpr17: 1000 to 3000).
        starts: Draws of z of which each image goes on from the one that fits best. The papers take the first: 1.
        completion_seed: Decides these draws; all images have the same, so that none depends on its batch.
        widen: Pixels of the image by which the hole is made larger than the attribute's region, on all sides.
        guidance: What is added to the paper; nothing by default.
        training: Adam at 2e-4 with a first momentum of 0.5, 64 faces, 25 epochs.
    """

    image_size: int = 128
    network_size: int = 64
    width: int = 64
    max_width: int = 512
    z_dim: int = 100
    d_width: int = 64
    d_max_width: int = 512
    d_norm: Norm = "batch"
    upsampling: Upsampling = "transposed"
    g_steps: int = 2
    lambda_adv: float = 1.0
    lambda_returned: float = 0.0
    lambda_slope: float = 0.0
    d_shift: int = 0
    d_noise: float = 0.0
    variant: str = "v1"
    lam: float | None = None
    completion_lr: float | None = None
    context: Context | None = None
    blend: Blend | None = None
    completion_steps: int = 1000
    starts: int = 1
    completion_seed: int = 0
    widen: int = 0
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# Narrow, helped by an encoder to draw all kinds of faces, and completed in few but long steps from a good start. The
# prior weighs more than the paper's: the few pixels around a hole are easily met by what is no face.
SMALL = Config(
    image_size=64,
    width=24,
    max_width=192,
    z_dim=64,
    d_width=12,
    d_max_width=64,
    d_norm="group",
    upsampling="bilinear",
    g_steps=1,
    lambda_returned=100.0,
    lambda_slope=0.1,
    d_shift=4,
    lam=300.0,
    completion_lr=0.05,
    blend="poisson",
    completion_steps=40,
    starts=512,
    widen=2,
    training=Training(
        steps=6500,
        batch_size=48,
        lr=1e-3,
        constant_share=0.4,
        ema_decay=0.998,
        flip=True,
        precision="bf16",
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


def completion_of(config: Config) -> Completion:
    """Returns how holes are completed: as the variant has it, but for what the configuration sets."""
    own = {name: getattr(config, name) for name in ("lam", "completion_lr", "context", "blend")}
    return replace(VARIANTS[config.variant], **{name: value for name, value in own.items() if value is not None})


def for_attribute(config: Config, attribute: str) -> Config:
    """Refuses attributes that concern the whole face: with all of it cut out nothing is left to agree with.

    Raises:
        InputError: Such an attribute, or one of whose place landmarks say nothing.
    """
    local = sorted(set(HULLS) - GLOBAL)
    if attribute not in local:
        raise InputError(
            "an attribute that shows in one part of the face, which can be cut out",
            attribute,
            f"choose one of {', '.join(local)}",
        )
    return config


def _check(config: Config) -> None:
    """Refuses configurations that cannot be built.

    Raises:
        InputError: Sizes that do not fit each other, no such variant, or a batch in parts.
    """
    side, steps = config.network_size, config.g_steps
    if side < 8 or side & (side - 1) or config.image_size % side:
        raise InputError(
            "a network_size of 8, 16, 32, 64, ... of which image_size is a multiple",
            f"network_size {side}, image_size {config.image_size}",
            "set network_size=64, or both to the same power of two",
        )
    if config.variant not in VARIANTS or steps not in (1, 2) or config.starts < 1 or config.widen < 0:
        raise InputError(
            f"a variant of {', '.join(VARIANTS)}, g_steps 1 or 2, starts of at least 1 and widen of at least 0",
            f"variant {config.variant}, g_steps {steps}, starts {config.starts}, widen {config.widen}",
            "leave out what you set with --set, or set it so",
        )
    if config.training.accumulate > 1 or config.training.warmup_steps:
        raise InputError(
            "accumulate=1 and warmup_steps=0: batch norm sees whole batches, and noise cannot be returned",
            f"accumulate {config.training.accumulate}, warmup_steps {config.training.warmup_steps}",
            "lower batch_size instead of cutting batches, and leave warmup_steps alone",
        )


# --- networks ---------------------------------------------------------------------------------------------------


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, every weight from N(0, 0.02).

    Raises:
        InputError: The configuration cannot be built.
    """
    _check(config)
    side, kind = config.network_size, config.upsampling
    networks: Networks = {
        "generator": Generator(config.z_dim, config.width, config.max_width, side, kind),
        "discriminator": Discriminator(config.d_width, config.d_max_width, side, config.d_norm),
    }
    if config.lambda_returned:
        networks["encoder"] = Encoder(config.d_width, config.d_max_width, side, config.d_norm, config.z_dim)
    for offset, network in enumerate(networks.values()):
        initialise(network, seed + offset)
    return networks


# --- losses (equation 1, the game of Goodfellow et al.) ---------------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Draws faces without the attribute, one for each positive: ``"edited"`` for the guidance, at the images' size.

    Asked twice with one batch, it draws from the same z: all of a step's updates see one z. Where there is an encoder
    the batch's own faces without the attribute are drawn after them.
    """
    generator, count, device = _generator(networks), len(batch.positives), batch.images.device
    z = (torch.rand(count, generator.z_dim, generator=_again(batch.generator)) * 2.0 - 1.0).to(device)
    if "encoder" in networks:
        z = torch.cat([z, networks["encoder"](_scaled(batch.negatives, generator.side))])
    faces = generator(z)
    rows = torch.arange(batch.n_negatives, len(batch.images), device=device)
    return {"edited": _scaled(faces[:count], batch.images.shape[-1]), "faces": faces, "rows": rows}


def _generator(networks: Networks) -> Generator:
    generator = networks["generator"]
    assert isinstance(generator, Generator)
    return generator


def _again(generator: torch.Generator) -> torch.Generator:
    """A source of chance that is the same however much was drawn before."""
    return torch.Generator().manual_seed((generator.initial_seed() + 1) % 2**63)


def _scaled(pictures: Tensor, side: int) -> Tensor:
    """Scales pictures (N, C, S, S) by areas when down, between pixels when up."""
    if pictures.shape[-1] == side:
        return pictures
    if pictures.shape[-1] > side:
        return functional.interpolate(pictures, (side, side), mode="area")
    return functional.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)


def _disturbed(pictures: Tensor, batch: Batch, config: Config) -> Tensor:
    """Returns pictures (N, 3, S, S) as the discriminator gets them: moved and noisy, where that is asked for."""
    return noisy(shifted(pictures, config.d_shift, batch.generator), config.d_noise, batch.generator)


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Real faces without the attribute against drawn ones; each by itself, as batch norm would mix them."""
    judge, made = networks["discriminator"], fakes["faces"].detach()
    real = _scaled(batch.negatives, made.shape[-1])
    real, made = (_disturbed(faces, batch, config) for faces in (real, made))
    terms = {"d_adversarial": gan_bce_d(judge(real), judge(made))}
    if config.lambda_slope:
        terms["d_slope"] = config.lambda_slope * real_slope_penalty(judge, real)
    return terms


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """The form that does not saturate."""
    faces = fakes["faces"]
    terms = {
        "g_adversarial": config.lambda_adv * gan_bce_g(networks["discriminator"](_disturbed(faces, batch, config)))
    }
    if config.lambda_returned:
        returned = faces[len(batch.positives) :]
        given = _scaled(batch.negatives, faces.shape[-1])
        terms["g_returned"] = config.lambda_returned * l1(returned, given)
    return terms


def generator_again_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """The same against the same discriminator; the faces were drawn anew, of the same z."""
    return {"g_again": torch.stack(list(generator_loss(networks, batch, fakes, config, memory).values())).sum()}


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """There is none: what draws from noise has no input to return; ``build`` refuses to be asked for one."""
    return {}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns drawn faces for the sample grids, always of the same z, as many and as large as the images."""
    generator = _generator(networks)
    z = torch.rand(len(images), generator.z_dim, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    training = generator.training
    generator.eval()  # or looking on would move the running averages
    faces = generator(z.to(images.device))
    generator.train(training)
    return _scaled(faces, images.shape[-1])


# both steps of the generator are one Adam's
UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generator": Update(("generator", "encoder"), generator_loss),
    "generator_again": Update(("generator", "encoder"), generator_again_loss, optimiser="generator"),
}
AVERAGED: tuple[str, ...] = ("generator",)
HELPERS: tuple[str, ...] = ("encoder",)
OVERSAMPLED = False


def schedule(config: Config, step: int) -> dict[str, float]:
    """Leaves the generator's second step out where ``g_steps`` is 1."""
    share = rate(step, config.training.steps, config.training.constant_share)
    return dict.fromkeys(UPDATES if config.g_steps == 2 else ("discriminator", "generator"), share)


# --- the method -------------------------------------------------------------------------------------------------


class Inpainting:
    """A trained DCGAN that takes one attribute away.

    Args:
        networks: As ``build`` returns them, in eval mode.
        config: Their configuration.
        attribute: CelebA's name of the attribute its faces do not have.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute = networks, config, attribute
        self.card = replace(card, directions={attribute: (0,)}, needs=("region",))

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> Inpainting:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(
            path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build, helpers=HELPERS
        )
        return cls(weights.networks, weights.config, attribute, weights.card(NAME, PAPER, 2016))

    def edit_aided(self, images: Tensor, attribute: str, value: Tensor, aids: Mapping[str, Tensor]) -> Tensor:
        """Cuts the attribute's region out of each image and completes it.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); only 0 can be had.
            aids: ``region``, (N, 1, S, S), above one half where the attribute shows.

        Returns:
            Edited images, same shape and type, equal to the given ones outside the hole.

        Raises:
            InputError: Another attribute, size or direction, or no such region.
        """
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        check_directions(value, self.card.directions[attribute], attribute)
        region = check_aid(aids, "region", (len(images), 1, *images.shape[2:]))
        wide = 2 * self.config.widen + 1
        hole = functional.max_pool2d((region > 0.5).float(), wide, 1, self.config.widen)
        filled = to_uint8(in_batches(self._filled, images, 1.0 - hole, gradients=True))
        return torch.where(hole > 0.5, filled, images)

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the logit (N,) the discriminator gives images as faces without the attribute; ``value`` is 0."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        check_directions(value, self.card.directions[attribute], attribute)
        return in_batches(lambda x: self.networks["discriminator"](_scaled(x, self.config.network_size)), images)

    def changed(self, **changes: object) -> Inpainting:
        """Returns the same networks under other settings of the completion, such as ``variant="cvpr17"``."""
        return Inpainting(self.networks, override(self.config, changes), self.attribute, self.card)

    @cached_property
    def _candidates(self) -> tuple[Tensor, Tensor]:
        """First z, (starts, z_dim), and their faces."""
        config, completion = self.config, completion_of(self.config)
        with torch.inference_mode(False), torch.no_grad():
            z = first_noise(completion, config.starts, config.z_dim, config.completion_seed)
            return z, torch.cat([self.networks["generator"](part) for part in torch.split(z, 64)])

    def _filled(self, images: Tensor, known: Tensor) -> Tensor:
        """Completes float images (n, 3, S, S) whose pixels are known where ``known`` (n, 1, S, S) is 1."""
        config, completion = self.config, completion_of(self.config)
        small = _scaled(images, config.network_size)
        # a pixel of the small image is known where all that it was made of is
        pool = config.image_size // config.network_size
        weights = context_weights(1.0 - functional.max_pool2d(1.0 - known, pool), completion.context)
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        with torch.no_grad():
            start = best_of(*self._candidates, small, weights)
        z = complete(generator, discriminator, small, weights, start, completion, config.completion_steps)
        with torch.no_grad():
            made = _scaled(generator(z), config.image_size)
            return poisson_blend(images, made, known) if completion.blend == "poisson" else made


def as_method(networks: Networks, config: Config, attribute: str) -> Inpainting:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=2016, image_size=config.image_size, attributes=(attribute,))
    return Inpainting(networks, config, attribute, card)
