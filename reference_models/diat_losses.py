# SPDX-License-Identifier: MIT
"""The losses of DIAT (Li, Zuo, Zhang 2016), equations 1 to 14, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference_models.diat_config import VARIANTS, Config
from reference_models.diat_networks import finished
from reference_models.features import CONVOLUTIONS, extractor
from reference_models.losses import content, gan_bce_d, gan_bce_g
from reference_models.recipe import Batch, Networks, Terms

# --- parts of a batch, and of a loss ----------------------------------------------------------------------------


def of_kind(networks: Networks, kind: str) -> dict[int, nn.Module]:
    """Returns the networks of one kind, by target label; 1, if there, comes first."""
    return {int(value): network for value, network in networks[kind].named_children()}


@dataclass(frozen=True)
class Side:
    """A target label's part of a batch.

    Attributes:
        value: The label.
        inputs: Images without it (X of algorithm 1).
        guided: Images with it (A).
        edited: What the transform network made of the inputs; empty in stages that translate nothing.
        region: Where the attribute shows on the inputs, (n, 1, S, S), 0 or 1; empty where nobody asked.
    """

    value: int
    inputs: Tensor
    guided: Tensor
    edited: Tensor
    region: Tensor


def sides(networks: Networks, batch: Batch, fakes: Mapping[str, Tensor]) -> Iterator[Side]:
    """Yields each target label's part of a batch, in the order of ``translate``."""
    negatives = batch.n_negatives
    halves, start = {1: slice(0, negatives), 0: slice(negatives, None)}, 0
    region, edited = batch.aids.get("region", batch.images[:0]), fakes.get("edited", batch.images[:0])
    for value in of_kind(networks, "transform"):
        inputs, guided = batch.images[halves[value]], batch.images[halves[1 - value]]
        yield Side(value, inputs, guided, edited[start : start + len(inputs)], region[halves[value]])
        start += len(inputs)


def mean_terms(parts: list[Terms]) -> Terms:
    """Averages terms over the target labels, whose networks have nothing in common."""
    return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}


def squared_error(picture: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Squared Frobenius norm of the difference, averaged over the batch; with ``"mean"`` over its values too."""
    squares = (picture.float() - target.float()).square()
    return squares.flatten(1).sum(1).mean() if reduction == "sum" else squares.mean()


def perceptual(config: Config, picture: Tensor, target: Tensor, weights: Mapping[int, float]) -> Tensor:
    """Weighted content losses (equation 1) on layers of the feature network, counted from one."""
    network = extractor(config.features, channel_order=config.channel_order)
    names = [CONVOLUTIONS[layer - 1] for layer in weights]
    with torch.no_grad():
        wanted = network.features(target, names)
    found = network.features(picture, names)
    parts = [weight * content(found[name], wanted[name]) for name, weight in zip(names, weights.values(), strict=True)]
    return torch.stack(parts).sum()


def adaptive(discriminator: nn.Module, config: Config, maps: list[Tensor], source: Tensor) -> Tensor:
    """The adaptive identity loss of equation 13: content losses on the discriminator's own maps."""
    with torch.no_grad():
        wanted = discriminator(source)[1]
    pairs = zip(config.layers, config.layer_weights, strict=True)
    return torch.stack([weight * content(maps[layer - 1], wanted[layer - 1]) for layer, weight in pairs]).sum()


# --- before the game (section 3.1) ------------------------------------------------------------------------------


def transform_start_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 8: the transform networks reconstruct all images."""
    images, transforms = batch.images, of_kind(networks, "transform").values()
    return mean_terms([{"t_same": squared_error(one(images), images, config.reduction)} for one in transforms])


def discriminator_start_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 9: the discriminators tell images with their label from those without."""
    parts: list[Terms] = []
    for value, discriminator in of_kind(networks, "discriminator").items():
        told = (batch.labels == value).float()
        parts.append({"d_label": (discriminator(batch.images)[0].float().sigmoid() - told).square().mean()})
    return mean_terms(parts)


def reconstructor_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 4: a network like T that sees identity losses alone, to know what artefacts they leave."""
    weights = dict(zip(config.layers, config.layer_weights, strict=True))
    return {"r_features": perceptual(config, networks["reconstructor"](batch.images), batch.images, weights)}


def denoiser_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 5: the denoiser takes these artefacts away and leaves clean images alone."""
    denoiser, images = networks["denoiser"], batch.images
    noisy = finished(networks["reconstructor"], images)
    return {
        "f_noisy": squared_error(denoiser(noisy), images, config.reduction),
        "f_clean": squared_error(denoiser(images), images, config.reduction),
    }


# --- the game (sections 3.1 and 4), and enhancement (section 3.2) ----------------------------------------------


def discriminator_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equations 7 and 14 as the discriminators see them: the guided set against transformed images."""
    discriminators, parts = of_kind(networks, "discriminator"), list[Terms]()
    for side in sides(networks, batch, fakes):
        # one pass over both: no layer mixes images
        both = torch.cat([side.guided, side.edited.detach().to(side.guided.dtype)])
        real, fake = discriminators[side.value](both)[0].split([len(side.guided), len(side.edited)])
        parts.append({"d_adversarial": gan_bce_d(real, fake)})
    return mean_terms(parts)


def transform_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equations 7 and 14 as the transform networks see them, with the terms the variant has.

    The identity loss reaches the transform network alone, though the equations nest it inside the maximum over D.
    """
    discriminators, variant, parts = of_kind(networks, "discriminator"), VARIANTS[config.variant], list[Terms]()
    for side in sides(networks, batch, fakes):
        logits, maps = discriminators[side.value](side.edited)
        terms = {"g_adversarial": config.lambda_adv * gan_bce_g(logits)}
        if variant.identity == "features":
            weights = dict(zip(config.layers, config.layer_weights, strict=True))
            terms["g_identity"] = config.lambda_id * perceptual(config, side.edited, side.inputs, weights)
        elif variant.identity == "discriminator":
            kept = adaptive(discriminators[side.value], config, maps, side.inputs)
            terms["g_identity"] = config.lambda_id * kept
        if variant.smooth:
            cleaned = networks["denoiser"](side.edited)
            terms["g_smooth"] = config.gamma * squared_error(cleaned, side.edited, config.reduction)
        parts.append(terms)
    return mean_terms(parts)


def enhancer_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Equation 10 for local attributes, equation 11 for global ones; the transform network is finished."""
    transforms, enhancers, parts = of_kind(networks, "transform"), of_kind(networks, "enhancer"), list[Terms]()
    for side in sides(networks, batch, fakes):
        enhancer = enhancers[side.value]
        if config.enhancer == "global":
            # it learns to sharpen all faces that are there
            sharpened = enhancer(batch.images, batch.images)
            parts.append({"e_sharpen": squared_error(sharpened, batch.images, config.reduction)})
        else:
            made = finished(transforms[side.value], side.inputs)
            parts.append(local_terms(config, side, made, enhancer(side.inputs, made)))
    return mean_terms(parts)


def local_terms(config: Config, side: Side, made: Tensor, better: Tensor) -> Terms:
    """Equation 10: as the source where the attribute does not show, and as T's picture where it does.

    It is printed with one argument of E where the text has two, and with 1 - m outside the norm. Its first term is
    taken on average over the pixels, as the others are.
    """
    outside, (pixels, *weights) = 1.0 - side.region, config.betas_enh
    drawn, wanted = side.region * better, side.region * made
    terms = {
        "e_outside": squared_error(outside * better, outside * side.inputs, "mean"),
        "e_inside": pixels * content(drawn, wanted),
    }
    if any(weights):
        terms["e_features"] = perceptual(config, drawn, wanted, dict(enumerate(weights, 1)))
    return terms
