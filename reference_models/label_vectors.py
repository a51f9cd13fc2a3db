# SPDX-License-Identifier: MIT
"""Vectors of labels: how one network that edits many attributes is told what each face should have.

A label is 0 where an attribute is absent and 1 where it is present; values between and beyond are intensities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from faceeval.errors import InputError
from reference_models.images import in_batches
from reference_models.recipe import Batch

Targets = Literal["permuted", "flipped"]
Told = Literal["target", "difference"]
# what no face has at once; who is given one loses the others (StarGAN, section 5.1; AttGAN's released code)
EXCLUSIVE: tuple[frozenset[str], ...] = (
    frozenset({"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}),
    frozenset({"Straight_Hair", "Wavy_Hair"}),
    frozenset({"Bald", "Bangs"}),
    frozenset({"Receding_Hairline", "Bangs"}),
)


def target_labels(batch: Batch, kind: Targets) -> Tensor:
    """Chooses what the faces of a batch are edited to.

    Args:
        batch: The batch; its generator draws.
        kind: ``"permuted"``: each face gets all labels of some face of the batch, perhaps its own (both papers).
            ``"flipped"``: the attribute it was drawn for is inverted and the others stay, as the test has it.

    Returns:
        Labels (N, A).
    """
    if kind == "flipped":
        return batch.targets
    order = torch.randperm(len(batch.images), generator=batch.generator)
    return batch.attributes[order.to(batch.attributes.device)]


def check_targets(kind: str, guided: bool) -> None:
    """Refuses an unknown choice of targets, and permuted ones beside a teacher, which looks at the flipped attribute.

    Raises:
        InputError: One of these.
    """
    if kind not in ("permuted", "flipped"):
        raise InputError("targets 'permuted' or 'flipped'", repr(kind), "choose one: --set targets=flipped")
    if guided and kind != "flipped":
        todo = "train with --set targets=flipped, or without a teacher: --set guided=false"
        raise InputError("targets 'flipped', as a teacher asks for the one attribute that changes", repr(kind), todo)


def tell(wanted: Tensor, own: Tensor, told: Told) -> Tensor:
    """Chooses what a generator is told of its task.

    Args:
        wanted: Labels the faces should have, (N, A).
        own: Labels they have, (N, A).
        told: ``"target"``: the wanted labels, as in the papers, so that it must see for itself what is to change.
            ``"difference"``: what is to change, 1 to give, -1 to take, 0 to leave alone (Lin et al., "RelGAN", ICCV
            2019; Liu et al., "STGAN", CVPR 2019).

    Returns:
        (N, A).
    """
    return wanted if told == "target" else wanted - own


def planes(labels: Tensor, like: Tensor) -> Tensor:
    """Spreads labels (N, A) over maps (N, A, H, W) of the size, type and device of ``like`` (N, C, H, W)."""
    return labels.to(like)[:, :, None, None].expand(-1, -1, *like.shape[2:])


def column_of(attribute: str, attributes: Sequence[str]) -> int:
    """Returns an attribute's column.

    Raises:
        InputError: The weights were not trained for it.
    """
    if attribute not in attributes:
        trained = ", ".join(attributes)
        todo = f"train weights that include {attribute}, or choose one of these"
        raise InputError(f"an attribute these weights were trained for: {trained}", attribute, todo)
    return list(attributes).index(attribute)


def own_labels(
    discriminator: Callable[[Tensor], tuple[Tensor, Tensor]],
    images: Tensor,
    attributes: Sequence[str],
    aids: Mapping[str, Tensor],
) -> Tensor:
    """Returns what the source faces have: as the aid ``"labels"`` says, else as the method's discriminator sees it.

    Args:
        discriminator: (n, 3, S, S) in [-1, 1] -> anything, and logits of the attributes (n, A).
        images: uint8, (N, 3, S, S).
        attributes: The method's attributes, in the order of its labels.
        aids: May hold ``"labels"``, (N, A) in that order, NaN where unknown.

    Returns:
        float32 (N, A).

    Raises:
        InputError: The aid has another shape, or values that are neither in 0..1 nor NaN.
    """
    shape = (len(images), len(attributes))
    given = aids.get("labels", torch.full(shape, torch.nan))
    labels = given.detach().cpu().float().clone()
    unknown = labels.isnan()
    if tuple(labels.shape) != shape or not ((labels >= 0) & (labels <= 1) | unknown).all():
        got = f"shape {tuple(labels.shape)}, values {_span(labels[~unknown])}"
        todo = f"give one column for each of {', '.join(attributes)}, NaN where unknown"
        raise InputError(f"labels of shape {shape}, 0 to 1 or NaN", got, todo)
    rows = unknown.any(1)
    if rows.any():
        seen = in_batches(lambda part: discriminator(part)[1], images[rows]) > 0
        labels[rows] = torch.where(unknown[rows], seen.float(), labels[rows])
    return labels


def with_attribute(
    labels: Tensor, attributes: Sequence[str], attribute: str, value: Tensor, intensity: float = 1.0
) -> Tensor:
    """Sets one attribute in vectors of labels and clears what no face has beside it.

    Args:
        labels: (N, A).
        attributes: Names of its columns.
        attribute: The one to set.
        value: Wanted values (N,); above one half means present.
        intensity: How far from one half the new label is, in halves; 1 gives 0 or 1.

    Returns:
        New labels (N, A).
    """
    column, present = column_of(attribute, attributes), value.detach().cpu() > 0.5
    changed = labels.clone()
    for other, name in enumerate(attributes):
        if name != attribute and any({name, attribute} <= group for group in EXCLUSIVE):
            changed[present, other] = 0.0
    changed[:, column] = 0.5 + (present.float() - 0.5) * intensity
    return changed


def check_strength(strength: Tensor, count: int, bounds: tuple[float, float]) -> Tensor:
    """Returns strengths as float32 on the CPU.

    Args:
        strength: (N,).
        count: How many there should be.
        bounds: Least and greatest.

    Raises:
        InputError: Another shape, or one that is outside or not a number.
    """
    strength = strength.detach().cpu().float()
    low, high = bounds
    if tuple(strength.shape) != (count,) or not ((strength >= low) & (strength <= high)).all():
        expected = f"{count} strengths in [{low:g}, {high:g}], shape ({count},)"
        got = f"shape {tuple(strength.shape)}, values {_span(strength)}"
        raise InputError(expected, got, "keep to the range that the method's card names")
    return strength


def _span(values: Tensor) -> str:
    """Range of some values, in words."""
    if not values.numel():
        return "none"
    return f"{values.min().item():g} to {values.max().item():g}"
