# SPDX-License-Identifier: MIT
"""OSIP: Bao, Chen, Wen, Li, Hua, "Towards Open-Set Identity Preserving Face Synthesis", CVPR 2018.

A recogniser I says who is on one face, an encoder A says everything else about another, and a generator G draws the
first person as the second face is: also people it was never shown. No attribute is labelled. A learns from
reconstruction under a divergence that makes it costly to say twice what I says already; G matches the features of the
recogniser C = I on the first face and those of a discriminator D on the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from reference_models.blocks import at_rest, initialise
from reference_models.checkpoint import load_weights
from reference_models.images import check_images, in_batches, to_signed, to_uint8
from reference_models.loop import rate
from reference_models.osip_batches import Pairs, labelled_classes
from reference_models.osip_config import PRESETS, VARIANTS, Config
from reference_models.osip_losses import discriminator_loss, identity_loss, synthesis_loss, translate
from reference_models.osip_networks import AttributeEncoder, Discriminator, Generator, Recogniser
from reference_models.osip_residual import ResidualGenerator
from reference_models.recipe import Networks, Update

__all__ = ["OSIP", "PRESETS", "VARIANTS", "Config", "translate"]

NAME = "osip"
PAPER = "Bao, Chen, Wen, Li, Hua: Towards Open-Set Identity Preserving Face Synthesis"
PARTS = ("identity", "attributes")


# --- training (section 3, algorithm 1) --------------------------------------------------------------------------


def for_data(config: Config, faces: FaceSet) -> Config:
    """Returns the configuration with its variant's changes and the number of labelled people.

    Raises:
        UnknownNameError: No such variant.
        InputError: The data do not know the people, too few are labelled, or batches hold a single pair.
    """
    if config.variant not in VARIANTS:
        raise unknown_name("variant of osip", config.variant, VARIANTS)
    config = replace(config, **VARIANTS[config.variant])
    if config.training.batch_size < 4 * config.training.accumulate:
        got = f"batch_size {config.training.batch_size}, accumulate {config.training.accumulate}"
        raise InputError("two pairs in each micro-batch, for batch norm", got, "raise batch_size or lower accumulate")
    return replace(config, n_ids=int(labelled_classes(faces, config).max()) + 1)


def sampler(faces: FaceSet, config: Config, seed: int) -> Pairs:
    """Returns who draws the batches."""
    return Pairs(faces, config, seed)


def build(config: Config, seed: int) -> Networks:
    """Returns freshly drawn networks: ``identity`` (I and C), ``attributes`` (A), ``generator``, ``discriminator``.

    Raises:
        InputError: A size that the stages do not halve to a whole map, or the discriminator not to 4x4; a single stage
            where maps of later ones are matched.
    """
    size = config.image_size
    stages = max(len(convs) for convs in (config.convs, config.a_convs or (), config.g_convs or ()))
    if size < 8 or size & (size - 1) or size >> stages < 1:
        raise InputError(f"an image_size that is a power of two, 8 and {2**stages} or more", str(size), "choose one")
    if config.w_maps and len(config.convs) < 2:
        raise InputError("two stages of convs or more, whose maps w_maps matches", str(config.convs), "set w_maps=0")
    recogniser = Recogniser(config)
    networks: Networks = {
        "identity": recogniser,
        "attributes": AttributeEncoder(config),
        "generator": (ResidualGenerator if config.shortcuts else Generator)(config, recogniser.dimensions),
        "discriminator": Discriminator(config),
    }
    for offset, (name, network) in enumerate(networks.items()):
        initialise(network, seed + offset, std=config.g_init if name == "generator" else config.init)
    return networks


def schedule(config: Config, step: int) -> dict[str, float]:
    """I and C alone at first, perhaps A and G next; then all once each step (algorithm 1), I at its own step size."""
    training, first = config.training, config.id_steps
    if step < first:
        return {"identity": rate(step, first, training.constant_share)}
    share = rate(step - first, training.steps - first, training.constant_share)
    if step < first + config.draw_steps:
        return {"synthesis": share}
    later = {"discriminator": share, "synthesis": share}
    return later | ({"identity": config.id_rate * share} if config.id_rate else {})


def adam(config: Config) -> dict[str, dict[str, Any]]:
    """I's own step size, momenta and weight decay: it plays no game."""
    lr = config.training.lr if config.id_lr is None else config.id_lr
    return {"identity": {"lr": lr, "betas": (0.9, 0.999), "weight_decay": config.id_decay}}


def sheet(networks: Networks, images: Tensor) -> list[Tensor]:
    """Draws faces (n, 3, S, S), who gives the next its identity, and both its swap and its reconstruction."""
    takers = images.roll(-1, 0)
    with at_rest(*networks.values()):
        return [images, takers, _drawn(networks, images, takers), _drawn(networks, takers, takers)]


def _drawn(networks: Networks, givers: Tensor, takers: Tensor) -> Tensor:
    """Draws the givers as the takers are, by the means of the attribute vectors; all in [-1, 1]."""
    made: Tensor = networks["generator"](networks["identity"](givers), networks["attributes"](takers)[0])
    return made


# I comes last, so that all of a step sees it as it was
UPDATES: dict[str, Update] = {
    "discriminator": Update(("discriminator",), discriminator_loss),
    "synthesis": Update(("attributes", "generator"), synthesis_loss),
    "identity": Update(("identity",), identity_loss, translates=False),
}
AVERAGED: tuple[str, ...] = ("attributes", "generator")


# --- the method -------------------------------------------------------------------------------------------------


class OSIP:
    """A trained OSIP.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, card: MethodCard) -> None:
        self.networks, self.config, self.card = networks, config, card

    @classmethod
    def from_file(cls, path: Path, *, name: str = NAME, size: int) -> OSIP:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method, variant or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=name, size=size, config_class=Config, build=build)
        return cls(weights.networks, weights.config, weights.card(name, PAPER, 2018, PARTS))

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns identity vectors f_I, or the means of the attribute vectors.

        Args:
            images: uint8, (N, 3, S, S).
            part: One of PARTS.

        Returns:
            float32, (N, D).

        Raises:
            UnknownNameError: No such part.
            InputError: Images of another type or size.
        """
        self._check(images, part=part)
        if part == "identity":
            return in_batches(self.networks["identity"], images)
        return in_batches(lambda x: self.networks["attributes"](x)[0], images)

    def swap(self, givers: Tensor, takers: Tensor, part: str) -> Tensor:
        """Draws the takers with the givers' part: of ``"identity"`` the givers' people, of ``"attributes"`` the rest.

        Args:
            givers: uint8, (N, 3, S, S).
            takers: The same shape.
            part: One of PARTS.

        Returns:
            uint8, the same shape.

        Raises:
            UnknownNameError: No such part.
            InputError: Images of another type or size, or different numbers of them.
        """
        self._check(givers, takers, part=part)
        people, others = (givers, takers) if part == "identity" else (takers, givers)
        return to_uint8(in_batches(lambda x, y: _drawn(self.networks, x, to_signed(y)), people, others))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Draws faces (N, 3, S, S), uint8, from their own two vectors.

        Raises:
            InputError: Images of another type or size.
        """
        return self.swap(images, images, "identity")

    def morph(self, givers: Tensor, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
        """Draws the givers' people with a point of the line between two attribute vectors (section 4.4).

        Args:
            givers: uint8, (N, 3, S, S).
            first: The same shape: whose attributes at share 0.
            second: The same shape: whose attributes at share 1.
            share: float32 (N,), in 0..1.

        Returns:
            uint8, the same shape.

        Raises:
            InputError: Images of another type or size, different numbers of them, or a share outside 0..1.
        """
        self._check(givers, first, second)
        if share.shape != (len(givers),) or not bool(((share >= 0) & (share <= 1)).all()):
            got = f"shape {tuple(share.shape)}, values {share.flatten()[:4].tolist()}"
            raise InputError(f"shares of shape ({len(givers)},) in 0..1", got, "give one for each image")

        def between(x: Tensor, one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
            encoder = self.networks["attributes"]
            code = torch.lerp(encoder(to_signed(one))[0], encoder(to_signed(other))[0], weight[:, None].float())
            made: Tensor = self.networks["generator"](self.networks["identity"](x), code)
            return made

        return to_uint8(in_batches(between, givers, first, second, share))

    def recogniser(self) -> Callable[[Tensor], Tensor]:
        """Returns I as a differentiable function: RGB faces (N, 3, S, S) in 0..1 -> identity vectors (N, D)."""
        network = self.networks["identity"]
        return lambda faces: network(2.0 * faces - 1.0)

    def _check(self, *images: Tensor, part: str = PARTS[0]) -> None:
        """Refuses unknown parts, images of another form than the networks', and different numbers of them."""
        if part not in PARTS:
            raise unknown_name(f"part of {self.card.name}", part, PARTS)
        for one in images:
            check_images(one, self.config.image_size)
        counts = [len(one) for one in images]
        if len(set(counts)) > 1:
            todo = "give as many of one as of the other"
            raise InputError("the same number of images each", " and ".join(map(str, counts)), todo)


def as_method(networks: Networks, config: Config, attributes: tuple[str, ...]) -> OSIP:
    """Wraps networks in memory as a method, to be scored while it trains."""
    name = NAME if config.variant == "full" else f"{NAME}_{config.variant}"
    card = MethodCard(name=name, paper=PAPER, year=2018, image_size=config.image_size, parts=PARTS)
    return OSIP(networks, config, card)
