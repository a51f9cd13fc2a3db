# SPDX-License-Identifier: MIT
"""DIAT: Li, Zuo, Zhang, "Deep Identity-aware Transfer of Facial Attributes", arXiv:1610.05586, and its variant DIAT-A.

A transform network for each target label: its pictures should pass for real faces that have the label (the guided set)
and keep, on feature maps of a face recogniser (DIAT) or of the discriminator itself (DIAT-A), the identity of the face
they are made of. An enhancement network, trained last, repairs them. Equations 3, 7 and 14 are printed with
1 - log D(T(x)); for the transform network that is the non-saturating loss plus a constant, for the discriminator it is
unbounded, so log(1 - D(T(x))) is meant there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from faceeval.data.aids import GLOBAL
from faceeval.data.landmarks.masks import HULLS
from faceeval.data.splits.editing import DIAT_TASKS
from faceeval.errors import InputError
from faceeval.method import MethodCard
from reference_models.blocks import Output, Spread, initialise, start_as_identity
from reference_models.checkpoint import load_weights
from reference_models.diat_config import VARIANTS, Config, check, has_enhancer, stages
from reference_models.diat_losses import (
    denoiser_loss,
    discriminator_loss,
    discriminator_start_loss,
    enhancer_loss,
    mean_terms,
    of_kind,
    reconstructor_loss,
    sides,
    squared_error,
    transform_loss,
    transform_start_loss,
)
from reference_models.diat_networks import (
    Denoiser,
    Discriminator,
    GlobalEnhancer,
    LocalEnhancer,
    Transform,
    finished,
)
from reference_models.features import extractor
from reference_models.images import by_value, check_attribute, check_images, to_uint8
from reference_models.loop import rate
from reference_models.recipe import Batch, Guidance, Networks, Terms, Training, Update, override

NAME = "diat"
PAPER = "Li, Zuo, Zhang: Deep Identity-aware Transfer of Facial Attributes"

# What the small preset adds to the paper is there to learn in minutes what the paper learns in days: see each field.
SMALL = Config(
    image_size=64,
    width=12,
    n_blocks=2,
    norm="instance",
    d_width=10,
    fc=32,
    f_width=16,
    local_width=12,
    global_width=8,
    lambda_adv=0.5,
    lambda_id=2.0,  # beside guidance, 0.1 is not heard
    blur_sigma=0.6,  # as faint as the noise it is to take away
    adversarial_rate=1.0,
    share_transform=0.01,  # "blend" begins by returning its input
    share_discriminator=0.07,
    share_reconstructor=0.08,
    share_denoiser=0.04,
    share_enhancer=0.1,
    output="blend",
    e_output="residual",
    refine=True,
    upsampling="bilinear",
    guidance=Guidance(guided=True, lambda_features=2.0, lambda_same=0.8),
    training=Training(steps=3600, batch_size=16, lr=3e-4, lr_d=8e-4, ema_decay=0.998, flip=True, precision="bf16"),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}


def for_attribute(config: Config, attribute: str) -> Config:
    """Settles which target labels are trained and which enhancer, and reads the feature network where it is needed.

    Raises:
        InputError: A field is not what it should be.
        UnknownNameError: No such variant or enhancer.
        MissingFileError: The weights of the feature network are not there.
        CheckpointError: They are damaged, or something else.
    """
    check(config)
    values, enhancer = config.values, config.enhancer
    if values is None:
        values = tuple(value for name, value in DIAT_TASKS.values() if name == attribute) or (1, 0)
    if enhancer == "auto":
        kind: Literal["local", "global"] = "local" if attribute in set(HULLS) - GLOBAL else "global"
        enhancer = kind if VARIANTS[config.variant].enhanced else "none"
    settled = replace(config, values=tuple(values), enhancer=enhancer)
    if VARIANTS[config.variant].identity == "features" or (enhancer == "local" and any(config.betas_enh[1:])):
        extractor(config.features, channel_order=config.channel_order)  # for its errors
    return settled


def schedule(config: Config, step: int) -> dict[str, float]:
    """Algorithm 1: one stage after the other, each with an optimiser of its own.

    A round of the adversarial stage is max(dstep, tstep) steps, each with a fresh batch: the discriminator is updated
    in its first ``dstep`` steps, the transform network in its last ``tstep``.
    """
    name, steps = next((name, steps) for name, steps in stages(config).items() if step in steps)
    here = step - steps.start
    share = rate(here, len(steps), config.training.constant_share)
    if name != "adversarial":
        return {name: share}
    slower = config.adversarial_rate
    share *= VARIANTS[config.variant].rate if slower is None else slower
    length = max(config.dstep, config.tstep)
    turns = {
        "discriminator": here % length < config.dstep,
        "transform": here % length >= length - config.tstep,
    }
    return {update: share for update, turn in turns.items() if turn}


# --- networks (tables 1 and 2) ----------------------------------------------------------------------------------


def _transform(config: Config, width: int, output: Output) -> Transform:
    return Transform(width, config.n_blocks, config.norm, output, config.upsampling, refine=config.refine)


def _enhancer(config: Config) -> nn.Module:
    if config.enhancer == "global":
        return GlobalEnhancer(_transform(config, config.global_width, config.e_output), config.blur_sigma)
    return LocalEnhancer(config.local_width, config.e_output)


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks: by target label ``transform``, ``discriminator`` and ``enhancer``.

    ``reconstructor`` and ``denoiser`` serve all labels. What the variant lacks is empty.
    """
    check(config)
    values = sorted((1, 0) if config.values is None else config.values, reverse=True)
    variant = VARIANTS[config.variant]

    networks: Networks = {
        "transform": nn.ModuleDict({str(value): _transform(config, config.width, config.output) for value in values}),
        "discriminator": nn.ModuleDict(
            {str(value): Discriminator(config.d_width, config.fc, config.image_size) for value in values}
        ),
        "enhancer": nn.ModuleDict({str(value): _enhancer(config) for value in values} if has_enhancer(config) else {}),
        # it paints the whole picture: what it leaves as it is has none of the artefacts the denoiser is to know
        "reconstructor": _transform(config, config.width, "image") if variant.smooth else nn.Identity(),
        "denoiser": Denoiser(config.f_width) if variant.smooth else nn.Identity(),
    }
    spreads: dict[str, Spread] = {"discriminator": config.d_init, "denoiser": None}
    if config.enhancer != "global":
        spreads["enhancer"] = None  # without norms, as the discriminator
    for offset, (name, network) in enumerate(networks.items()):
        initialise(network, seed + offset, std=spreads.get(name, 0.02))
    for name, output in (("transform", config.output), ("enhancer", config.e_output)):
        for network in networks[name].children():
            start_as_identity(network, output)
    return networks


def transfer(networks: Networks, value: int, images: Tensor) -> Tensor:
    """Transforms and enhances images (N, 3, S, S) in [-1, 1]; without networks for that label, returns them."""
    transforms, enhancers = of_kind(networks, "transform"), of_kind(networks, "enhancer")
    if value not in transforms:
        return images
    made = finished(transforms[value], images)
    return finished(enhancers[value], images, made) if value in enhancers else made


# --- what the loop asks for -------------------------------------------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Transforms the images without each target label; both adversarial updates share it."""
    transforms = of_kind(networks, "transform")
    made = {"edited": torch.cat([transforms[side.value](side.inputs) for side in sides(networks, batch, {})])}
    if len(transforms) == 1:
        rows = torch.arange(len(batch.images), device=batch.images.device)
        made["rows"] = rows[: batch.n_negatives] if 1 in transforms else rows[batch.n_negatives :]
    return made


def warmup_loss(networks: Networks, batch: Batch) -> Terms:
    """Makes the transform networks return their input, as their pre-training does too."""
    images, transforms = batch.images, of_kind(networks, "transform").values()
    return mean_terms([{"g_warmup": squared_error(one(images), images, "mean")} for one in transforms])


def preview(networks: Networks, images: Tensor, labels: Tensor) -> Tensor:
    """Returns edits of (N, 3, S, S) in [-1, 1] for the sample grids; images whose label has no network stay."""
    present = labels[:, None, None, None] > 0.5
    return torch.where(present, transfer(networks, 0, images), transfer(networks, 1, images))


# by stage; in the adversarial one first the discriminator, then the transform network (algorithm 1)
UPDATES: dict[str, Update] = {
    "transform_start": Update(("transform",), transform_start_loss, translates=False),
    "discriminator_start": Update(("discriminator",), discriminator_start_loss, translates=False),
    "reconstructor": Update(("reconstructor",), reconstructor_loss, translates=False),
    "denoiser": Update(("denoiser",), denoiser_loss, translates=False),
    "discriminator": Update(("discriminator",), discriminator_loss),
    "transform": Update(("transform",), transform_loss),
    "enhancer": Update(("enhancer",), enhancer_loss, translates=False),
}
AVERAGED: tuple[str, ...] = ("transform", "enhancer")
OVERSAMPLED = False  # the input set and the guided set are separate lists
AIDS: tuple[str, ...] = ("region",)


def aids_for(config: Config) -> tuple[str, ...]:
    """Returns what a batch must bring: the local enhancer's loss needs masks of the attribute. Edits need nothing."""
    return AIDS if config.enhancer == "local" else ()


# --- the method -------------------------------------------------------------------------------------------------


class DIAT:
    """A trained DIAT for one attribute, of any variant.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        attribute: CelebA's name of the attribute they were trained for.
        card: Who it is; its ``directions`` say which values it can set.
    """

    def __init__(self, networks: Networks, config: Config, attribute: str, card: MethodCard) -> None:
        self.networks, self.config, self.attribute, self.card = networks, config, attribute, card

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> DIAT:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        card = _told(weights.card(NAME, PAPER, 2016), weights.networks, attribute)
        return cls(weights.networks, weights.config, attribute, card)

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Transforms and enhances each image towards its wanted value.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: The attribute of these weights.
            value: Wanted values (N,); above one half means present.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: Another attribute or size, or a wanted value there is no transform network for.
        """
        self._check(images, attribute, value)
        add, remove = (partial(transfer, self.networks, label) for label in (1, 0))
        return to_uint8(by_value(add, remove, images, value))

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the logit (N,) of the discriminator of the value each image should show; higher is more real."""
        self._check(images, attribute, value)

        def judge(label: int, part: Tensor) -> Tensor:
            logits: Tensor = of_kind(self.networks, "discriminator")[label](part)[0]
            return logits

        return by_value(partial(judge, 1), partial(judge, 0), images, value)

    def _check(self, images: Tensor, attribute: str, value: Tensor) -> None:
        """Refuses what these weights cannot do, before anything is computed."""
        check_attribute(attribute, self.attribute)
        check_images(images, self.config.image_size)
        known = of_kind(self.networks, "transform")
        lacking = {int(wanted) for wanted in (value > 0.5).tolist()} - set(known)
        if lacking:
            raise InputError(
                f"images whose {attribute} is to become {' or '.join(map(str, known))}, which these weights aim at",
                f"some whose {attribute} is to become {lacking.pop()}",
                "leave those out, or train both directions: "
                f"faceeval train --method {NAME} --attr {attribute} --set values=[0,1]",
            )


def _told(card: MethodCard, networks: Networks, attribute: str) -> MethodCard:
    """Adds to a card which values can be set, where that is one, and the names of the paper's tasks that are solved."""
    values = tuple(of_kind(networks, "transform"))
    tasks = [task for task, (name, value) in DIAT_TASKS.items() if name == attribute and value in values]
    directions = {attribute: values} if len(values) == 1 else {}
    return replace(card, directions=directions, notes={**card.notes, "tasks": tasks})


def as_method(networks: Networks, config: Config, attribute: str) -> DIAT:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=2016, image_size=config.image_size, attributes=(attribute,))
    return DIAT(networks, config, attribute, _told(card, networks, attribute))
