# SPDX-License-Identifier: MIT
"""CycleGAN: Zhu et al., "Unpaired Image-to-Image Translation Using Cycle-Consistent Adversarial Networks", ICCV 2017.

Two generators and two discriminators. A is the faces without the attribute, B those with it: ``to_positive`` maps
A to B and ``to_negative`` maps B to A. Layer sizes follow section 7.2 of the paper and the authors' released code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from faceeval.method import MethodCard
from reference_models.blocks import (
    OUTPUT_CHANNELS,
    Output,
    ResidualBlock,
    Upsampling,
    compose,
    initialise,
    instance_norm,
    leaky,
    reflect_conv,
    start_as_identity,
    upsample,
)
from reference_models.checkpoint import load_weights
from reference_models.history import from_history
from reference_models.images import by_value, check_attribute, check_images, to_uint8
from reference_models.losses import l1, lsgan_d, lsgan_g
from reference_models.recipe import UNGUIDED, Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "cyclegan"
PAPER = "Zhu, Park, Isola, Efros: Unpaired Image-to-Image Translation Using Cycle-Consistent Adversarial Networks"

# 200 epochs over the smaller domain would be far more; this shows the network as many images as FAI sees
PAPER_TRAINING = Training(steps=3_248_000, batch_size=2)


@dataclass(frozen=True)
class Config:
    """Everything that decides a CycleGAN; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images.
        width: Channels of the generator's first convolution (section 7.2: 64).
        n_blocks: Residual blocks (section 7.2: 6 for 128 pixels, 9 from 256 on).
        d_width: Channels of the discriminator's first convolution.
        n_layers: Convolutions after it but for the last; 3 give patches of 70x70 pixels (section 7.2), 2 of 34x34.
        lambda_adv: Weight of the generators' adversarial terms (equation 3: 1).
        lambda_cyc: Weight of the cycle (section 4: 10).
        lambda_idt: Weight of the identity mapping, as a share of ``lambda_cyc`` (section 5.2.5: 0.5); 0 leaves it out.
        pool: Made pictures kept from which the discriminators are shown some (section 4: 50); 0 shows the newest only.
        output: Form of the generators' picture, see ``blocks.compose``; the paper's is the image itself.
        upsampling: How the generators enlarge, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: Section 4: Adam at 2e-4, one image of each domain, half of the steps at full step size; the steps of
            200 epochs over the smaller domain are left to the user, so as many images are seen as FAI sees.
    """

    image_size: int = 128
    width: int = 64
    n_blocks: int = 6
    d_width: int = 64
    n_layers: int = 3
    lambda_adv: float = 1.0
    lambda_cyc: float = 10.0
    lambda_idt: float = 0.5
    pool: int = 50
    output: Output = "image"
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    width=16,
    n_blocks=2,
    d_width=12,
    lambda_adv=0.5,
    lambda_cyc=5.0,
    lambda_idt=0.0,
    pool=0,
    output="blend",
    upsampling="bilinear",
    guidance=Guidance(guided=True, lambda_features=2.0, lambda_same=0.8),
    training=Training(steps=3000, batch_size=16, lr=3e-4, lr_d=8e-4, ema_decay=0.998, flip=True, precision="bf16"),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


# --- networks (section 7.2) -------------------------------------------------------------------------------------


class Generator(nn.Module):
    """c7s1-64, d128, d256, residual blocks, u128, u64, c7s1-3, in the paper's notation."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.output = config.output
        self.layers = nn.Sequential(
            *_normed(width, reflect_conv(3, width, 7)),
            *_normed(2 * width, nn.Conv2d(width, 2 * width, 3, 2, 1)),
            *_normed(4 * width, nn.Conv2d(2 * width, 4 * width, 3, 2, 1)),
            *[ResidualBlock(4 * width) for _ in range(config.n_blocks)],
            *_normed(2 * width, *upsample(4 * width, 2 * width, 3, config.upsampling)),
            *_normed(width, *upsample(2 * width, width, 3, config.upsampling)),
            reflect_conv(width, OUTPUT_CHANNELS[config.output], 7),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) in [-1, 1] to the same; S is any multiple of 4."""
        return compose(self.layers(x), x, self.output)


def _normed(channels: int, *convolution: nn.Module) -> tuple[nn.Module, ...]:
    """A convolution with instance norm and ReLU; the norm has no scale of its own, so the convolution has a bias."""
    return *convolution, instance_norm(channels, affine=False), nn.ReLU(inplace=True)


class Discriminator(nn.Module):
    """PatchGAN: C64-C128-C256-C512 and a map of logits, one for each patch."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.d_width * min(2**layer, 8) for layer in range(config.n_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), leaky()]
        for layer in range(1, config.n_layers + 1):
            stride = 2 if layer < config.n_layers else 1
            layers += [
                nn.Conv2d(widths[layer - 1], widths[layer], 4, stride, 1),
                instance_norm(widths[layer], affine=False),
                leaky(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 3, S, S) to logits (N, 1, h, w); 14x14 at 128 pixels with 3 layers."""
        logits: Tensor = self.layers(x)
        return logits


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks: two generators, and ``judge_positive`` and ``judge_negative``."""
    networks: Networks = {
        "to_positive": Generator(config),
        "to_negative": Generator(config),
        "judge_positive": Discriminator(config),
        "judge_negative": Discriminator(config),
    }
    for offset, network in enumerate(networks.values()):
        initialise(network, seed + offset)
    for name in ("to_positive", "to_negative"):
        start_as_identity(networks[name], config.output)
    return networks


# --- losses (section 3, with least squares as section 4 has it) -------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Maps each half of the batch to the other domain once; both updates share it."""
    return {"edited": torch.cat([networks["to_positive"](batch.negatives), networks["to_negative"](batch.positives)])}


def generator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 3 as the generators see it, with the identity mapping of section 5.2.5; one sum over both directions."""
    to_positive, to_negative = networks["to_positive"], networks["to_negative"]
    positive, negative = torch.split(fakes["edited"], [len(batch.negatives), len(batch.positives)])
    back, forth = to_negative(positive), to_positive(negative)
    terms = {
        "g_adversarial": config.lambda_adv
        * (lsgan_g(networks["judge_positive"](positive)) + lsgan_g(networks["judge_negative"](negative))),
        "g_cycle": config.lambda_cyc * (l1(back, batch.negatives) + l1(forth, batch.positives)),
    }
    if config.lambda_idt:
        same = l1(to_positive(batch.positives), batch.positives) + l1(to_negative(batch.negatives), batch.negatives)
        terms["g_identity"] = config.lambda_idt * config.lambda_cyc * same
    return terms


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Least squares against pictures from the history, for both discriminators."""
    made = fakes["edited"].detach().float()
    positive, negative = torch.split(made, [len(batch.negatives), len(batch.positives)])
    terms: Terms = {}
    for name, real, newest in (("positive", batch.positives, positive), ("negative", batch.negatives, negative)):
        shown = from_history(memory, name, newest, config.pool, batch.generator)
        judge = networks[f"judge_{name}"]
        # one pass over both: instance norm does not mix images
        real_map, fake_map = torch.split(judge(torch.cat([real, shown])), [len(real), len(shown)])
        terms[f"d_{name}"] = lsgan_d(real_map, fake_map)
    return terms


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes both generators return their input."""
    images = batch.images
    return {"g_warmup": l1(networks["to_positive"](images), images) + l1(networks["to_negative"](images), images)}


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids, each image mapped away from its label (N,)."""
    present = labels[:, None, None, None] > 0.5
    return torch.where(present, networks["to_negative"](images), networks["to_positive"](images))


# one step of the generators, then one of the discriminators
UPDATES: dict[str, Update] = {
    "generators": Update(("to_positive", "to_negative"), generator_loss),
    "discriminators": Update(("judge_positive", "judge_negative"), discriminator_loss),
}
AVERAGED: tuple[str, ...] = ("to_positive", "to_negative")
OVERSAMPLED = False  # the domains are separate lists, each walked at its own pace


# --- the method -------------------------------------------------------------------------------------------------


class CycleGAN:
    """A trained CycleGAN for one attribute.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute, self.card = networks, config, attribute, card

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> CycleGAN:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        return cls(weights.networks, weights.config, attribute, weights.card(NAME, PAPER, 2017))

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Maps each image to the domain of its wanted value.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.
        """
        return to_uint8(self._by_value(images, attribute, value, "to_"))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the mean patch logit (N,) of the discriminator of the domain each image should be in."""
        return self._by_value(images, attribute, value, "judge_").flatten(1).mean(1)

    def _by_value(self, images: Tensor, attribute: str, value: Tensor, prefix: str) -> Tensor:
        """Sends the images with value 1 through one network and those with value 0 through its twin."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        return by_value(self.networks[prefix + "positive"], self.networks[prefix + "negative"], images, value)


def as_method(networks: Networks, config: Config, attribute: str) -> CycleGAN:
    """Wraps networks in memory as a method, to be scored while it trains."""
    return CycleGAN(
        networks,
        config,
        attribute,
        MethodCard(name=NAME, paper=PAPER, year=2017, image_size=config.image_size, attributes=(attribute,)),
    )
