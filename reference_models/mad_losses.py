# SPDX-License-Identifier: MIT
"""What the disentangled autoencoder descends (Browatzki and Wallraven, section 3); see ``mad_factors`` for F_k."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from reference_models.blocks import at_rest, some
from reference_models.guidance import shifted
from reference_models.losses import gan_bce_d, gan_bce_g, l1
from reference_models.mad_config import FACTORS, Config, exchanges
from reference_models.mad_factors import Labels, feature_loss
from reference_models.mad_networks import (
    Centres,
    CodeDiscriminator,
    Disentangler,
    Encoder,
    Generator,
    Inverse,
    columns,
    to_values,
)
from reference_models.recipe import Batch, Networks, Terms
from reference_models.sampling import gaussian

GREY_LEVELS = 255.0  # the released code's scale of equation 1


# --- the autoencoder (equations 1 to 5) ---------------------------------------------------------------------------


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Encodes and decodes the batch, and draws faces from the prior, once for all updates of a step."""
    encoder, generator = cast(Encoder, networks["encoder"]), cast(Generator, networks["generator"])
    faces = to_values(shifted(batch.images, encoder.max_shift, batch.generator))
    if batch.kind != "drawing":
        return _made(generator, faces, encoder(faces), batch)
    # the generator alone learns, from what it will be given: a code, or one put together from parts; all batch norms
    # are at rest, its own too, so that it draws as it will after training
    with at_rest(encoder, generator):
        with torch.no_grad():
            codes = encoder(faces)
            again = networks["inverse"](networks["disentangler"](codes))
            codes = torch.where(some(len(codes), batch.generator).to(codes.device)[:, None], codes, again)
        return _made(generator, faces, codes, batch)


def _made(generator: Generator, faces: Tensor, codes: Tensor, batch: Batch) -> dict[str, Tensor]:
    drawn = gaussian(codes, batch.generator)
    made = {"faces": faces, "codes": codes, "reconstructed": generator(codes), "drawn": drawn}
    return {**made, "sampled": generator(drawn)} if generator.samples else made


def discriminator_z_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 2 as D_z sees it: codes drawn from the prior against those of faces."""
    judge = cast(CodeDiscriminator, networks["discriminator_z"])
    real, fake = judge(fakes["drawn"], batch.generator), judge(fakes["codes"].detach(), batch.generator)
    return {"d_codes": gan_bce_d(real, fake)}


def discriminator_x_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equations 3 and 4 as D_x sees them: faces against reconstructions, and against those drawn from the prior."""
    judge = networks["discriminator_x"]
    real = judge(fakes["faces"])
    made = judge(fakes["reconstructed"].detach())
    terms = {"d_reconstructed": config.lambda_ae * config.w_adv * gan_bce_d(real, made)}
    if "sampled" in fakes:
        terms["d_sampled"] = config.w_gen * gan_bce_d(real, judge(fakes["sampled"].detach()))
    return terms


def autoencoder_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 5 as encoder and generator see it."""
    judge_z = cast(CodeDiscriminator, networks["discriminator_z"])
    codes = config.w_enc * gan_bce_g(judge_z(fakes["codes"], batch.generator))
    return {**drawing_loss(networks, batch, fakes, config, memory), "ae_codes": codes}


def drawing_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 5 as the generator sees it: equations 1, 3 and 4."""
    judge_x = networks["discriminator_x"]
    missed = GREY_LEVELS * l1(fakes["reconstructed"], fakes["faces"])
    terms = {
        "ae_reconstruction": config.lambda_ae * missed,
        "ae_adversarial": config.lambda_ae * config.w_adv * gan_bce_g(judge_x(fakes["reconstructed"])),
    }
    if "sampled" in fakes:
        terms["ae_sampled"] = config.w_gen * gan_bce_g(judge_x(fakes["sampled"]))
    return terms


# --- the disentanglement (equations 6 to 14) ----------------------------------------------------------------------


def separate_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 14 for the disentangling networks alone: the autoencoder stands still and is only looked through."""
    encoder, generator = cast(Encoder, networks["encoder"]), networks["generator"]
    with at_rest(encoder, generator):
        with torch.no_grad():
            codes = encoder(to_values(shifted(batch.images, encoder.max_shift, batch.generator)))
        return disentangling_terms(networks, batch, codes, config)


def joint_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Section 3.8: both objectives for all networks."""
    own = autoencoder_loss(networks, batch, fakes, config, memory)
    return {**own, **disentangling_terms(networks, batch, fakes["codes"], config)}


def disentangling_terms(networks: Networks, batch: Batch, codes: Tensor, config: Config) -> Terms:
    """Equation 14, each term with its weight.

    The factor of the batch's turn is exchanged between faces, the new faces are drawn and taken apart again, and the
    result must be what was asked for (equation 8) and still obey the exchanged labels (equation 10).

    Args:
        networks: All of them.
        batch: Its ``kind`` is the factor whose turn it is.
        codes: Of the batch's faces, (N, z_dim).
        config: Weights and readings of the losses.
    """
    phi, inverse = cast(Disentangler, networks["disentangler"]), cast(Inverse, networks["inverse"])
    labels, turn, centres = Labels.of(batch), batch.kind, cast("Centres | None", networks.get("centres"))
    parts = phi(codes)
    wanted, told = (codes, parts) if config.zrec_moves_encoder else (codes.detach(), phi(codes.detach()))
    terms: Terms = {"phi_reconstruction": config.lambda_zrec * l1(inverse(told), wanted)}
    for factor in FACTORS if config.tasks == "known" else dict.fromkeys((turn, "pose")):
        loss = feature_loss(factor, parts[:, columns(factor, config.dims)], labels, config, batch.generator, centres)
        if loss is not None:
            terms[f"phi_{factor}"] = getattr(config, f"w_{factor}") * loss
    if exchanges(config, batch.done):
        # not back into the code they are from: the released code stops there
        order = torch.randperm(len(parts), generator=batch.generator).to(parts.device)
        asked = exchanged(parts.detach(), parts[order].detach(), turn, config.dims)
        with at_rest(networks["encoder"], networks["generator"]):
            found = phi(networks["encoder"](networks["generator"](inverse(asked))))
        compared = slice(0 if config.pose_in_cycle else columns("pose", config.dims).stop, None)
        terms["phi_cycle"] = config.w_cycle * l1(found[:, compared], asked[:, compared])
        own = columns(turn, config.dims)
        loss = feature_loss(turn, found[:, own], labels.rows(order), config, batch.generator, centres)
        if loss is not None:
            terms["phi_augmented"] = config.w_augmented * getattr(config, f"w_{turn}") * loss
    return {name: config.w_phi * value for name, value in terms.items()}


def exchanged(takers: Tensor, givers: Tensor, factor: str, dims: tuple[int, ...]) -> Tensor:
    """Returns the takers' f (N, D) with one factor of the givers'; equation 8's pi where these are the same, mixed."""
    own = columns(factor, dims)
    return torch.cat([takers[:, : own.start], givers[:, own], takers[:, own.stop :]], dim=1)
