# SPDX-License-Identifier: MIT
"""UNIT: Liu, Breuel, Kautz, "Unsupervised Image-to-Image Translation Networks", NeurIPS 2017.

Two variational autoencoders, for faces without the attribute and for faces with it, share the blocks around their
code, so that one code means one face in both domains: a face is edited by being encoded in its own domain and decoded
in the other. Layer sizes and weights are those of the authors' configuration for CelebA at 128 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

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
    leaky,
    start_as_identity,
    upsample,
)
from reference_models.checkpoint import load_weights
from reference_models.images import by_value, check_attribute, check_images, to_uint8
from reference_models.losses import gan_bce_d, gan_bce_g, kl_unit, l1
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "unit"
PAPER = "Liu, Breuel, Kautz: Unsupervised Image-to-Image Translation Networks"
OTHER = {"negative": "positive", "positive": "negative"}  # the domains, and what each is translated to
SLOPE = 0.01  # of every leaky ReLU

# The authors' trainer stops after at most two million steps. It also cuts 128 pixels at random out of 132; faces come
# to this loop at their final size, so that they are only mirrored.
PAPER_TRAINING = Training(
    steps=2_000_000, batch_size=2, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4, constant_share=1.0, flip=True
)


@dataclass(frozen=True)
class Config:
    """Everything that decides a UNIT; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images, a multiple of 4.
        width: Channels of the first convolution of each encoder; doubled by each of the next two.
        max_width: Most channels of the generator; 256 caps nothing at the paper's width.
        n_res: Residual blocks of each domain's own, in the encoder and again in the decoder.
        n_shared: Residual blocks that both domains share on either side of the code.
        d_width: Channels of the first convolution of each discriminator; doubled by every further one.
        d_front: First convolutions of a discriminator, which each domain has for itself.
        d_shared: Further convolutions, which the discriminators share.
        lambda_adv: The paper's lambda_0 (10), of both sides of the game, as in the released trainer.
        lambda_kl: The paper's lambda_1 (0.1): how far the codes may be from the standard Gaussian.
        lambda_rec: The paper's lambda_2 (100), of decoding a face in its own domain.
        lambda_kl_cyc: The paper's lambda_3 (0.1), as ``lambda_kl`` for the codes of translated faces.
        lambda_cyc: The paper's lambda_4 (100), of translating a face there and back.
        kl_copies: How often the divergence of the codes of both domains together counts; the released trainer adds it
            once for each domain (2).
        noise: Standard deviation of what is added to the codes in training (section 3: 1); 0 leaves it out.
        norm: Of the residual blocks, see ``blocks.normalise``; the released code has instance norm.
        init: Spread of the first weights, see ``blocks.initialise``; the released code's is 0.02.
        output: Form of the decoders' picture, see ``blocks.compose``; the paper's is the image itself.
        upsampling: How the decoders enlarge, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: The released trainer: Adam at 1e-4 throughout, weight decay 1e-4, one image of each domain.
    """

    image_size: int = 128
    width: int = 64
    max_width: int = 256
    n_res: int = 3
    n_shared: int = 1
    d_width: int = 64
    d_front: int = 2
    d_shared: int = 4
    lambda_adv: float = 10.0
    lambda_kl: float = 0.1
    lambda_rec: float = 100.0
    lambda_kl_cyc: float = 0.1
    lambda_cyc: float = 100.0
    kl_copies: int = 2
    noise: float = 1.0
    norm: Norm = "instance"
    init: Spread = 0.02
    output: Output = "image"
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    width=16,
    max_width=32,
    n_res=1,
    d_width=6,
    d_shared=2,
    lambda_adv=0.5,
    lambda_kl=0.005,
    lambda_rec=5.0,
    lambda_kl_cyc=0.005,
    lambda_cyc=5.0,
    init=None,
    output="blend",
    upsampling="bilinear",
    guidance=Guidance(guided=True, max_shift=4, lambda_features=2.0, lambda_same=1.3),
    training=Training(steps=4000, batch_size=16, lr=4e-4, lr_d=8e-4, ema_decay=0.998, flip=True, precision="bf16"),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


# --- networks (appendix of the paper, released configuration) ----------------------------------------------------


class Generator(nn.Module):
    """Both autoencoders: an encoder and a decoder for each domain, and the blocks they share around the code."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output, self.noise = config.output, config.noise
        widths = doubling(config.width, 3, config.max_width)
        self.encoders = nn.ModuleDict({domain: _encoder(config, widths) for domain in OTHER})
        self.shared_encoder = nn.Sequential(*_blocks(config, widths[2], config.n_shared))
        self.shared_decoder = nn.Sequential(*_blocks(config, widths[2], config.n_shared))
        self.decoders = nn.ModuleDict({domain: _decoder(config, widths) for domain in OTHER})

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Returns the mean of the code, (N, C, S / 4, S / 4), of faces (N, 3, S, S) in [-1, 1] of one domain."""
        mean: Tensor = self.shared_encoder(self.encoders[domain](x))
        return mean

    def sample(self, mean: Tensor, chance: torch.Generator) -> Tensor:
        """Draws a code around its mean; only training does."""
        if not self.noise:
            return mean
        return mean + self.noise * torch.randn(mean.shape, generator=chance).to(mean.device)

    def decode(self, code: Tensor, domain: str, source: Tensor) -> Tensor:
        """Returns faces (N, 3, S, S) of one domain; ``source`` is what was encoded (the paper's form ignores it)."""
        return compose(self.decoders[domain](self.shared_decoder(code)), source, self.output)

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Translates faces of the other domain to this one, without noise."""
        return self.decode(self.encode(x, OTHER[domain]), domain, x)


def _blocks(config: Config, channels: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(channels, padding="zeros", norm=config.norm) for _ in range(count)]


def _encoder(config: Config, widths: list[int]) -> nn.Sequential:
    """One domain's own part of the way to the code."""
    return nn.Sequential(
        nn.Conv2d(3, widths[0], 7, 1, 3),
        leaky(SLOPE),
        nn.Conv2d(widths[0], widths[1], 3, 2, 1),
        leaky(SLOPE),
        nn.Conv2d(widths[1], widths[2], 3, 2, 1),
        leaky(SLOPE),
        *_blocks(config, widths[2], config.n_res),
    )


def _decoder(config: Config, widths: list[int]) -> nn.Sequential:
    """One domain's own part of the way back; the paper's last layer is a transposed 1x1 convolution, which is this."""
    return nn.Sequential(
        *_blocks(config, widths[2], config.n_res),
        *upsample(widths[2], widths[1], 3, config.upsampling),
        leaky(SLOPE),
        *upsample(widths[1], widths[0], 3, config.upsampling),
        leaky(SLOPE),
        nn.Conv2d(widths[0], OUTPUT_CHANNELS[config.output], 1),
    )


class Discriminator(nn.Module):
    """A discriminator for each domain; they differ in their first convolutions and share the others."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        last = config.d_front + config.d_shared
        widths = [3, *doubling(config.d_width, last)]

        def stages(first: int, end: int) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for level in range(first, end):
                kernel = 7 if level == 0 else 3
                layers += [nn.Conv2d(widths[level], widths[level + 1], kernel, 2, kernel // 2), leaky(SLOPE)]
            return layers

        self.fronts = nn.ModuleDict({domain: nn.Sequential(*stages(0, config.d_front)) for domain in OTHER})
        self.shared = nn.Sequential(*stages(config.d_front, last), nn.Conv2d(widths[last], 1, 1))

    def forward(self, x: Tensor, domain: str) -> Tensor:
        """Maps faces (N, 3, S, S) of, or made for, a domain to logits (N, 1, h, w); 2x2 at 128 pixels."""
        logits: Tensor = self.shared(self.fronts[domain](x))
        return logits


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks, ``generator`` and ``discriminator``.

    Raises:
        InputError: Images that two halvings and two doublings do not give back.
    """
    if config.image_size % 4:
        raise InputError("an image_size that is a multiple of 4", str(config.image_size), "choose such a size")
    generator = Generator(config)
    networks: Networks = {"generator": generator, "discriminator": Discriminator(config)}
    for offset, network in enumerate(networks.values()):
        initialise(network, seed + offset, std=config.init)
    for decoder in generator.decoders.values():
        start_as_identity(decoder, config.output)
    return networks


# --- losses (section 3) -----------------------------------------------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Encodes each half of the batch and decodes one noisy code of each face in both domains."""
    generator = cast(Generator, networks["generator"])
    edited, reconstructed, means = [], [], []
    for faces, domain in ((batch.negatives, "negative"), (batch.positives, "positive")):
        mean = generator.encode(faces, domain)
        code = generator.sample(mean, batch.generator)
        edited.append(generator.decode(code, OTHER[domain], faces))
        reconstructed.append(generator.decode(code, domain, faces))
        means.append(mean)
    return {"edited": torch.cat(edited), "reconstructed": torch.cat(reconstructed), "means": torch.cat(means)}


def _by_domain(batch: Batch, edited: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Domain -> its real faces, and the faces made of them, which are of the other domain."""
    positive, negative = torch.split(edited, [len(batch.negatives), len(batch.positives)])
    return {"negative": (batch.negatives, positive), "positive": (batch.positives, negative)}


def divergence(mean: Tensor) -> Tensor:
    """How far codes of unit variance are from the standard Gaussian: the mean of mu^2, without the half of a KL."""
    return 2.0 * kl_unit(mean)


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Both autoencoders' losses: game, reconstruction, cycle, and the divergence of the codes met on the way."""
    generator, discriminator = cast(Generator, networks["generator"]), networks["discriminator"]
    halves = torch.split(fakes["reconstructed"], [len(batch.negatives), len(batch.positives)])
    game, rec, cycle, kl_cycle = [], [], [], []
    for (domain, (faces, made)), same in zip(_by_domain(batch, fakes["edited"]).items(), halves, strict=True):
        mean = generator.encode(made, OTHER[domain])
        returned = generator.decode(generator.sample(mean, batch.generator), domain, made)
        game.append(gan_bce_g(discriminator(made, OTHER[domain])))
        rec.append(l1(same, faces))
        cycle.append(l1(returned, faces))
        kl_cycle.append(divergence(mean))
    return {
        "g_adversarial": config.lambda_adv * torch.stack(game).sum(),
        "g_reconstruction": config.lambda_rec * torch.stack(rec).sum(),
        "g_cycle": config.lambda_cyc * torch.stack(cycle).sum(),
        "g_kl": config.lambda_kl * config.kl_copies * divergence(fakes["means"]),
        "g_kl_cycle": config.lambda_kl_cyc * torch.stack(kl_cycle).sum(),
    }


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """The game as both discriminators see it: the domain's own faces against those translated to it."""
    discriminator = networks["discriminator"]
    sides = _by_domain(batch, fakes["edited"].detach().float())
    terms: Terms = {}
    for domain, (real, _) in sides.items():
        fake = sides[OTHER[domain]][1]
        # one pass over both: no layer mixes images
        real_map, fake_map = torch.split(discriminator(torch.cat([real, fake]), domain), [len(real), len(fake)])
        terms[f"d_{domain}"] = config.lambda_adv * gan_bce_d(real_map, fake_map)
    return terms


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes both translations return their input."""
    generator = networks["generator"]
    there, back = generator(batch.negatives, "positive"), generator(batch.positives, "negative")
    return {"g_warmup": l1(there, batch.negatives) + l1(back, batch.positives)}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids, each image translated away from its label (N,)."""
    present = labels[:, None, None, None] > 0.5
    generator = networks["generator"]
    return torch.where(present, generator(images, "negative"), generator(images, "positive"))


# one step of the discriminators, then one of the generators, as the released trainer has it
UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "generator": Update(("generator",), generator_loss),
}
AVERAGED: tuple[str, ...] = ("generator",)
OVERSAMPLED = False  # the domains are separate lists, each walked at its own pace


# --- the method -------------------------------------------------------------------------------------------------


class UNIT:
    """A trained UNIT for one attribute.

    Args:
        networks: ``generator`` and ``discriminator``.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute, self.card = networks, config, attribute, card

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> UNIT:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        return cls(weights.networks, weights.config, attribute, weights.card(NAME, PAPER, 2017))

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Encodes each image in the domain it should leave and decodes it, without noise, in that of its wanted value.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.
        """
        return to_uint8(self._in_domain("generator", images, attribute, value))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the mean logit (N,) of the discriminator of the domain each image should be in."""
        return self._in_domain("discriminator", images, attribute, value).flatten(1).mean(1)

    def _in_domain(self, name: str, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """What a network makes of each image for the domain of its wanted value."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        network = self.networks[name]
        return by_value(partial(network, domain="positive"), partial(network, domain="negative"), images, value)


def as_method(networks: Networks, config: Config, attribute: str) -> UNIT:
    """Wraps networks in memory as a method, to be scored while it trains."""
    return UNIT(
        networks,
        config,
        attribute,
        MethodCard(name=NAME, paper=PAPER, year=2017, image_size=config.image_size, attributes=(attribute,)),
    )
