# SPDX-License-Identifier: MIT
"""What each network of OSIP descends (equations 1 to 7, algorithm 1).

Sums over elements and means over images, as the equations have it: that is what balances L_GR against L_KL.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from reference_models.blocks import at_rest
from reference_models.guidance import shifted
from reference_models.losses import gan_bce_d, kl_logvar
from reference_models.osip_config import Config, Reparametrisation
from reference_models.osip_networks import AttributeEncoder, Discriminator, Recogniser
from reference_models.recipe import Batch, Networks, Terms
from reference_models.sampling import noisy


def half_square(one: Tensor, other: Tensor) -> Tensor:
    """Half the squared distance of (N, ...), summed over elements and averaged over N (equations 2, 5 and 7)."""
    return 0.5 * (one.float() - other.float()).square().flatten(1).sum(1).mean()


def divergence(mean: Tensor, spread: Tensor, reparam: Reparametrisation) -> Tensor:
    """L_KL: equation 3, which is exact for the logarithm of a variance; ``"logstd"`` is that of a deviation."""
    return kl_logvar(mean, 2.0 * spread if reparam == "logstd" else spread)


def unlike_maps(
    recogniser: Recogniser, made: Tensor, wanted: Tensor, config: Config, chance: torch.Generator
) -> Tensor:
    """Mean over C's maps of their mean square difference, over the variance of the wanted from face to face.

    Both pictures are moved alike and given the same noise, as I learnt: what C sees in a pattern that only fits to the
    pixel is gone then.
    """
    faces = shifted(torch.cat([made, wanted], 1), config.id_shift, chance)
    noise = noisy(torch.zeros_like(wanted), config.id_noise, chance)
    made, wanted = faces[:, :3] + noise, faces[:, 3:] + noise
    with at_rest(recogniser):
        with torch.no_grad():
            asked = [one.float() for one in recogniser.maps(wanted)]
        found = recogniser.maps(made)
    missed = [(one.float() - other).square().mean() for one, other in zip(found, asked, strict=True)]
    varied = [other.var(0).mean().clamp_min(1e-12) for other in asked]
    return (torch.stack(missed) / torch.stack(varied)).mean()


def pairs_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns the subjects x_s and the attribute images x_a, which are the same where the batch brings no others."""
    return batch.negatives, batch.positives if len(batch.positives) else batch.negatives


def unsteady(faces: Tensor, config: Config, chance: torch.Generator) -> Tensor:
    """Moves faces (N, 3, S, S) by some pixels, blurs them and adds noise, as much as the configuration has of each."""
    moved = shifted(faces, config.id_shift, chance)
    if config.id_blur:
        small = functional.avg_pool2d(moved, 2)
        soft = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        share = config.id_blur * torch.rand(len(moved), 1, 1, 1, generator=chance).to(moved)
        moved = torch.lerp(moved, soft, share)
    return noisy(moved, config.id_noise, chance)


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Draws x' of each pair.

    Returns:
        ``"edited"`` the pictures; ``"identity"`` f_I(x_s), a constant; ``"mean"`` and ``"spread"`` as A says them;
        ``"code"`` the vector drawn from these and ``"given"`` the one G was given: the same numbers, but cut off from A
        where the routing is the paper's.
    """
    subjects, takers = pairs_of(batch)
    recogniser, encoder = cast(Recogniser, networks["identity"]), cast(AttributeEncoder, networks["attributes"])
    with torch.no_grad(), at_rest(recogniser):
        identity = recogniser(subjects)
    mean, spread = encoder(takers)
    code = encoder.sample(mean, spread, batch.generator)
    # while they learn to draw, all that G descends is A's as well: to cut it off and add it again would cost a pass
    cut = encoder.routing == "paper" and batch.kind != "drawing"
    given = code.detach().requires_grad_(torch.is_grad_enabled()) if cut else code
    made = networks["generator"](identity, given)
    return {"edited": made, "identity": identity, "mean": mean, "spread": spread, "code": code, "given": given}


def identity_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """L_I, which is L_C (equations 1 and 6), of the subjects with a label; without any, nothing is learnt."""
    recogniser = cast(Recogniser, networks["identity"])
    classes = batch.places[: batch.n_negatives]
    known = classes >= 0
    if not known.any():
        return {"i_classes": 0.0 * next(recogniser.parameters()).sum()}
    faces = unsteady(batch.negatives[known], config, batch.generator)
    scores = recogniser.classify(recogniser.read(faces), classes[known])
    return {"i_classes": functional.cross_entropy(scores.float(), classes[known])}


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """L_D (equation 4)."""
    discriminator, chance = networks["discriminator"], batch.generator
    real, fake = (
        discriminator(noisy(faces, config.d_noise, chance))
        for faces in (pairs_of(batch)[1], fakes["edited"].detach().float())
    )
    return {"d_adversarial": gan_bce_d(real, fake)}


def synthesis_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """What G and A descend: lambda (L_GR + L_KL) both, L_GD and L_GC G alone where the routing is the paper's.

    Two more values are constants, for the log: how alike f_C(x') and f_C(x_s) are (``identity_cosine``) and, of those
    with a label, how often x' is taken for its subject (``identity_accuracy``).
    """
    made, takers = fakes["edited"], pairs_of(batch)[1]
    share = config.lambda_t if batch.kind == "transformation" else 1.0
    terms = {"g_reconstruction": share * config.w_gr * half_square(made, takers)}
    if config.w_maps and batch.kind != "transformation":
        terms["g_maps"] = config.w_maps * unlike_maps(
            cast(Recogniser, networks["identity"]), made, takers, config, batch.generator
        )
    if config.routing == "paper" and batch.kind != "drawing":
        same = torch.stack(list(terms.values())).sum()
        (slope,) = torch.autograd.grad(same, fakes["given"], retain_graph=True)
        to_a = (slope * fakes["code"]).sum()
        # only its gradient, and only into A
        terms["g_reconstruction"] = terms["g_reconstruction"] + to_a - to_a.detach()
    if config.w_kl:
        apart = divergence(fakes["mean"], fakes["spread"], config.reparam)
        terms["a_divergence"] = share * config.w_kl * apart
    if batch.kind == "drawing":
        return terms
    if config.w_gd:
        discriminator = cast(Discriminator, networks["discriminator"])
        with torch.no_grad():
            real = discriminator.features(noisy(takers, config.d_noise, batch.generator))
        terms["g_discriminator"] = config.w_gd * half_square(
            discriminator.features(noisy(made, config.d_noise, batch.generator)), real
        )
    return terms | _identity_terms(networks, batch, fakes, config)


def _identity_terms(networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config) -> Terms:
    """L_GC (equation 7), and what C makes of the pictures."""
    recogniser, wanted = cast(Recogniser, networks["identity"]), fakes["identity"]
    weight = config.identity_weight(batch.done)
    with torch.set_grad_enabled(weight > 0), at_rest(recogniser):
        seen = recogniser(unsteady(fakes["edited"], config, batch.generator))
    terms = {"g_identity": weight * half_square(seen, wanted)} if weight else {}
    with torch.no_grad():
        terms["identity_cosine"] = functional.cosine_similarity(seen, wanted).mean()
        classes = batch.places[: batch.n_negatives]
        known = classes >= 0
        if known.any():
            guesses = recogniser.classify(seen[known]).argmax(1)
            terms["identity_accuracy"] = (guesses == classes[known]).float().mean()
    return terms
