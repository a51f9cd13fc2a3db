# SPDX-License-Identifier: MIT
"""MAD: Browatzki and Wallraven, "Robust Discrimination and Generation of Faces using Compact, Disentangled Embeddings",
ICCV Workshops 2019.

An adversarial autoencoder learns codes of 99 numbers without labels; two small networks then take a code apart into
pose, identity, expression and style, and put it together again. What makes the parts independent is that a part may be
exchanged between faces: the new faces are drawn, taken apart again, and must be what was asked for.

Networks stand in ``mad_networks``, losses in ``mad_losses`` and ``mad_factors``, batches in ``macro_batches``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from reference_models.blocks import at_rest
from reference_models.checkpoint import load_weights
from reference_models.images import EDIT_BATCH, check_images, in_batches, to_uint8
from reference_models.loop import rate
from reference_models.macro_batches import Turns, grouped, walked
from reference_models.mad_config import NAMES, Config, check, stage_lengths, stages
from reference_models.mad_factors import RADIANS
from reference_models.mad_losses import (
    autoencoder_loss,
    discriminator_x_loss,
    discriminator_z_loss,
    drawing_loss,
    exchanged,
    joint_loss,
    separate_loss,
    translate,
)
from reference_models.mad_networks import (
    Centres,
    CodeDiscriminator,
    Disentangler,
    Encoder,
    Generator,
    ImageDiscriminator,
    Inverse,
    columns,
    start,
    to_images,
    to_values,
)
from reference_models.recipe import Networks, Training, Update, override

__all__ = ["MAD", "PRESETS", "UPDATES", "Config", "build", "translate"]

PAPER, YEAR = (
    "Browatzki, Wallraven: Robust Discrimination and Generation of Faces using Compact, Disentangled Embeddings",
    2019,
)
SUBVECTORS = ("identity", "pose", "expression", "style")
PARTS: tuple[str, ...] = (*SUBVECTORS, *(f"not_{name}" for name in SUBVECTORS), "all")

SMALL = Config(
    image_size=64,
    width=12,
    max_width=96,
    stem="small",
    code_grid=2,
    d_width=6,
    d_stages=4,
    dz_hidden=64,
    phi_hidden=128,
    stage_lengths=(4.0, 5.0, 6.0),
    drawing_share=0.2105,
    w_adv=0.3,
    w_enc=2.0,
    w_phi=50.0,
    zrec_moves_encoder=False,
    w_identity=3.0,
    w_expression=0.75,
    w_cycle=0.1,
    w_augmented=0.1,
    exchange_from=0.7,
    tasks="known",
    first_negative=32,
    contrast=0.1,
    centres=16.0,
    w_affect=5.0,
    lr_phi=1e-3,
    lr_joint=2e-3,
    frame_step=1,
    ae_sources="all",
    max_shift=2,
    training=Training(
        steps=19000,
        batch_size=64,
        lr=2e-3,
        lr_d=5e-4,
        betas=(0.5, 0.999),
        constant_share=0.5,
        ema_decay=0.995,
        flip=True,
        sampling="uniform",
        precision="bf16",
        channels_last=True,
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 300, "ema_decay": 0.98}),
}


# An autoencoder and codes that do not pull at each other: all terms weigh as in the paper, next to the codes' ten.
SEPARATE = {
    "stage_lengths": (4.0, 5.0, 0.0),
    "drawing_share": 0.0,
    "w_adv": 1.0,
    "w_enc": 10.0,
    "w_phi": 10.0,
    "w_identity": 1.0,
    "w_expression": 1.0,
    "w_cycle": 1.0,
    "w_augmented": 1.0,
    "exchange_from": 0.0,
    "centres": 0.0,
    "w_affect": 0.0,
    "max_shift": 0,
    "steps": 9000,
}
OF_VARIANT = {"small": {"separate": SEPARATE}, "quick": {"separate": {**SEPARATE, "steps": 300}}}


def build(config: Config, seed: int) -> Networks:
    """Returns the six networks, freshly drawn, and after them the centres of expressions where there are any.

    Raises:
        InputError, UnknownNameError: As ``check``.
    """
    check(config)
    networks: Networks = {
        "encoder": Encoder(config),
        "generator": Generator(config),
        "discriminator_z": CodeDiscriminator(config),
        "discriminator_x": ImageDiscriminator(config),
        "disentangler": Disentangler(config),
        "inverse": Inverse(config),
        **({"centres": Centres(config)} if config.centres else {}),
    }
    start(networks, seed)
    return networks


# --- stages (sections 3.8 and 4.3) --------------------------------------------------------------------------------


def schedule(config: Config, step: int) -> dict[str, float]:
    """Returns the updates of a step, each with the share of its full step size, which falls within each stage."""
    name, steps = next((name, steps) for name, steps in stages(config).items() if step in steps)
    share = rate(step - steps.start, len(steps), config.training.constant_share)
    alone = {"separate": ("separate",), "drawing": ("discriminator_x", "drawing")}
    updates = alone.get(name, ("discriminator_z", "discriminator_x", name))
    every = {"discriminator_z": config.dz_every, "discriminator_x": config.d_every}
    return {update: share for update in updates if step % every.get(update, 1) == 0}


def adam(config: Config) -> dict[str, dict[str, Any]]:
    """Returns what the disentangling stages' optimisers have of their own."""
    return {
        "separate": {"lr": config.lr_phi, "betas": config.betas_phi},
        "joint": {"lr": config.lr_joint, "betas": config.betas_phi},
    }


# in each step first both discriminators, then the rest, all on one encoding of the batch
UPDATES: dict[str, Update] = {
    "discriminator_z": Update(("discriminator_z",), discriminator_z_loss),
    "discriminator_x": Update(("discriminator_x",), discriminator_x_loss),
    "autoencoder": Update(("encoder", "generator"), autoencoder_loss),
    "separate": Update(("disentangler", "inverse", "centres"), separate_loss, translates=False),
    "joint": Update(("encoder", "generator", "disentangler", "inverse", "centres"), joint_loss),
    "drawing": Update(("generator",), drawing_loss),
}
AVERAGED: tuple[str, ...] = ("encoder", "generator", "disentangler", "inverse")
HELPERS: tuple[str, ...] = ("centres",)
AIDS: tuple[str, ...] = ("pose", "expression", "clip", "person")
BESIDE: Mapping[str, tuple[str, ...]] = {"procfaces": ("procfaces:clips",)}


def aids_for(config: Config) -> tuple[str, ...]:
    """Returns what must be known of each image: who it is only where people are told apart."""
    return AIDS if {"identity", "style"} & set(config.turns) else AIDS[:-1]


# --- batches (sections 3.9 and 5.1) -------------------------------------------------------------------------------


def for_data(config: Config, faces: FaceSet) -> Config:
    """Leaves out the turns of factors that the data cannot teach.

    Raises:
        InputError: There is none left, and a disentangling stage is to be trained; or identities are known and nobody
            has two images.
    """
    check(config)
    if not any(stage_lengths(config)[1:]):
        return config
    rows, groups = walked(faces), grouped(faces, config)
    turns = tuple(turn for turn in config.turns if len(rows.get(turn, ())) > 1 or groups.get(turn))
    if not turns:
        todo = "join data that know people, expressions, poses or clips, or train the autoencoder alone"
        raise InputError(f"labels of {faces.name} for one of {', '.join(config.turns)}", "none that will do", todo)
    if "identity" in config.turns and "identity" not in turns and faces.identities is not None:
        todo = "give two images at least of some people, or leave identity out of turns"
        raise InputError(f"two images of somebody in {faces.name}", "one of each person", todo)
    return replace(config, turns=turns)


def sampler(faces: FaceSet, config: Config, seed: int) -> Turns:
    """Returns who draws the batches."""
    return Turns(faces, config, seed)


# --- the method ---------------------------------------------------------------------------------------------------


class Codec:
    """The four networks that are used after training, as functions of pictures in [-1, 1].

    Args:
        networks: All six.
    """

    def __init__(self, networks: Networks) -> None:
        self.encoder, self.generator = cast(Encoder, networks["encoder"]), cast(Generator, networks["generator"])
        self.phi, self.inverse = cast(Disentangler, networks["disentangler"]), cast(Inverse, networks["inverse"])
        self.dims = self.phi.dims

    def reconstruct(self, images: Tensor) -> Tensor:
        """Returns G(E(x)), (N, 3, S, S)."""
        return to_images(self.generator(self.encoder(to_values(images))))

    def take_apart(self, images: Tensor) -> Tensor:
        """Returns f, (N, z_dim)."""
        parts: Tensor = self.phi(self.encoder(to_values(images)))
        return parts

    def draw(self, parts: Tensor) -> Tensor:
        """Returns the faces (N, 3, S, S) of f."""
        return to_images(self.generator(self.inverse(parts)))

    def part(self, parts: Tensor, name: str) -> Tensor:
        """Returns one of PARTS of f, (N, d)."""
        if name == "all":
            return parts
        own = columns(name.removeprefix("not_"), self.dims)
        return torch.cat([parts[:, : own.start], parts[:, own.stop :]], 1) if name.startswith("not_") else parts[:, own]

    def swapped(self, givers: Tensor, takers: Tensor, name: str) -> Tensor:
        """Returns the takers' f with one of PARTS of the givers'."""
        if name == "all":
            return givers
        if name.startswith("not_"):
            return self.swapped(takers, givers, name.removeprefix("not_"))
        return exchanged(takers, givers, name, self.dims)


def sheet(networks: Networks, images: Tensor) -> list[Tensor]:
    """Returns rows for the sample grids, all (n, 3, S, S).

    Faces, G(E(x)), the same by way of f, each with the pose, identity, expression and style of its neighbour, and faces
    drawn from the prior.
    """
    codec = Codec(networks)
    with at_rest(*(networks[name] for name in AVERAGED)):
        parts = codec.take_apart(images)
        drawn = torch.randn(len(images), parts.shape[1], generator=torch.Generator().manual_seed(0)).to(parts.device)
        swapped = [codec.draw(codec.swapped(parts.roll(1, 0), parts, name)) for name in SUBVECTORS]
        return [images, codec.reconstruct(images), codec.draw(parts), *swapped, to_images(codec.generator(drawn))]


class MAD:
    """A trained autoencoder whose codes are taken apart.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, card: MethodCard) -> None:
        self.networks, self.config, self.card = networks, config, card
        self.codec = Codec(networks)

    @classmethod
    def from_file(cls, path: Path, *, name: str = "mad", size: int) -> MAD:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=name, size=size, config_class=Config, build=build, helpers=HELPERS)
        return cls(weights.networks, weights.config, weights.card(name, PAPER, YEAR, PARTS))

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns a sub-vector of each face's f, float32 (N, d).

        Identity, expression and style are of unit length; the pose is yaw, pitch and roll in radians.

        Args:
            images: uint8, (N, 3, S, S).
            part: One of the card's ``parts``; ``"not_identity"`` is all but the identity.

        Raises:
            UnknownNameError: Another part.
            InputError: Images of another form.
        """
        self._check(part, images)
        return self.codec.part(in_batches(self.codec.take_apart, images), part)

    def swap(self, givers: Tensor, takers: Tensor, part: str) -> Tensor:
        """Draws the takers with a part of the givers (section 5.4.1).

        Args:
            givers: uint8, (N, 3, S, S).
            takers: The same shape.
            part: One of the card's ``parts``; ``"not_pose"`` gives the takers everything of the givers but the pose.

        Returns:
            uint8, the same shape.

        Raises:
            UnknownNameError: Another part.
            InputError: Images of another form, or not as many of both.
        """
        self._check(part, givers, takers)
        if len(givers) != len(takers):
            got = f"{len(givers)} and {len(takers)}"
            raise InputError("as many givers as takers", got, "repeat the images of the smaller set")
        given, taken = (in_batches(self.codec.take_apart, images) for images in (givers, takers))
        return self._drawn(self.codec.draw, self.codec.swapped(given, taken, part))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Returns G(E(x)) of faces uint8 (N, 3, S, S), which is what the paper's Table 1 measures."""
        self._check("all", images)
        return to_uint8(in_batches(self.codec.reconstruct, images))

    def sample(self, n: int, seed: int) -> Tensor:
        """Returns ``n`` faces drawn from the prior, uint8 (n, 3, S, S)."""
        codes = torch.randn(n, self.config.z_dim, generator=torch.Generator().manual_seed(seed))
        return self._drawn(lambda part: to_images(self.codec.generator(part)), codes)

    def read_pose(self, images: Tensor) -> Tensor:
        """Returns yaw, pitch and roll of faces uint8 (N, 3, S, S), float32 (N, 3), in degrees."""
        return self.embed(images, "pose") / RADIANS

    def _check(self, part: str, *images: Tensor) -> None:
        if part not in PARTS:
            raise unknown_name(f"part of {self.card.name}", part, PARTS)
        for one in images:
            check_images(one, self.config.image_size)

    def _drawn(self, draw: Any, codes: Tensor) -> Tensor:
        """Pictures of codes (N, z_dim), EDIT_BATCH at a time."""
        with torch.inference_mode():
            return torch.cat([to_uint8(draw(part)) for part in torch.split(codes, EDIT_BATCH)])


def as_method(networks: Networks, config: Config, attributes: tuple[str, ...]) -> MAD:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAMES[config.variant], paper=PAPER, year=YEAR, image_size=config.image_size, parts=PARTS)
    return MAD(networks, config, card)
