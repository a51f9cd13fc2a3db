# SPDX-License-Identifier: MIT
"""What helps an editor of one attribute learn in minutes and stands in no paper; the paper presets leave all of it out.

A frozen classifier of attributes, the teacher, stands beside the training. Discriminators read its feature maps, where
glasses are something already, instead of learning from pixels what a face is (Sauer et al., "Projected GANs Converge
Faster", NeurIPS 2021); its logits say whether the attribute has changed and the others have not. The judge that scores
an editor is never its teacher.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.errors import InputError, unknown_name
from reference_models.blocks import initialise, leaky
from reference_models.losses import changed_share, hinge_d, hinge_g, ramped
from reference_models.recipe import Batch, Guidance, Networks, Recipe, Terms

HEADS = "feature_heads"  # trained, kept in checkpoints, not published: without the teacher they cannot be run
HEAD_WIDTH = 48


class Teacher(Protocol):
    """A frozen classifier of attributes with feature maps; the judge ``procfaces-teacher`` is one.

    Attributes:
        attribute_names: CelebA names of its logits, in order.
        weights_sha256: Digest of its weights; a checkpoint goes on beside the same teacher only.
        widths: Channels of its feature maps, finest map first.
    """

    attribute_names: tuple[str, ...]
    weights_sha256: str
    widths: tuple[int, ...]

    def features(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns maps (N, C, h, w) and logits (N, A) of float images (N, 3, S, S) in [-1, 1], with gradients."""


class FeatureHeads(nn.Module):
    """A small discriminator on each map of a teacher: 1x1, 3x3 and 1x1 convolutions, the last with a map per class.

    Args:
        widths: Channels of the teacher's maps.
        n_attributes: Attributes that are edited; each has two classes.
    """

    def __init__(self, widths: tuple[int, ...], n_attributes: int = 1) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, HEAD_WIDTH, 1),
                leaky(),
                nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, 1, 1),
                leaky(),
                nn.Conv2d(HEAD_WIDTH, 2 * n_attributes, 1),
            )
            for width in widths
        )

    def forward(self, maps: list[Tensor], classes: Tensor) -> list[Tensor]:
        """Returns for each map (N, C, h, w) the logits (N, h, w) of the class (N,) its image should have.

        A class is twice the attribute's column plus its value.
        """
        rows = torch.arange(len(classes), device=classes.device)
        return [head(entry)[rows, classes.long()] for head, entry in zip(self.heads, maps, strict=True)]


def guided(recipe: Recipe, guidance: Guidance, attributes: str | tuple[str, ...], teacher: Teacher | None) -> Recipe:
    """Adds to a method's recipe what its guidance asks for; without any, returns it as it is.

    Args:
        recipe: Of an editor.
        guidance: The ``guidance`` part of its configuration.
        attributes: CelebA's name of the attribute it edits, or of each of them in the order of its labels.
        teacher: Needed where ``guidance.guided``.

    Raises:
        InputError: Guidance needs a teacher and there is none.
        UnknownNameError: The teacher does not know an attribute.
    """
    if guidance.lambda_same:
        recipe = _with_generator_terms(recipe, _sparing(guidance))
    if not guidance.guided:
        return recipe
    if teacher is None:
        raise InputError(
            "a classifier of these faces to train beside, as this preset is guided",
            "none",
            "pass teacher=load_judge('procfaces-teacher') with procfaces, or train without one: --set guided=false",
        )
    names = (attributes,) if isinstance(attributes, str) else attributes
    for attribute in names:
        if attribute not in teacher.attribute_names:
            raise unknown_name("attribute of the teacher", attribute, teacher.attribute_names)
    guide = _Guide(guidance, teacher, tuple(teacher.attribute_names.index(attribute) for attribute in names))

    def build(config: Any, seed: int) -> Networks:
        heads = FeatureHeads(teacher.widths[: guidance.n_maps], len(names))
        initialise(heads, seed + 100, std=None)
        return {**recipe.build(config, seed), HEADS: heads}

    def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
        fakes = recipe.translate(networks, batch)
        return {**fakes, **guide.read(fakes["edited"], batch, fakes.get("rows"))}

    added = _with_generator_terms(recipe, guide.generator_terms)
    name = next(
        name for name, update in recipe.updates.items() if update.translates and not recipe.trains_generators(update)
    )
    update = recipe.updates[name]
    heads_too = replace(
        update, networks=(*update.networks, HEADS), loss=_joined(update.loss, guide.discriminator_terms)
    )
    return replace(
        added,
        build=build,
        translate=translate,
        updates={**added.updates, name: heads_too},
        helpers=(*recipe.helpers, HEADS),
    )


def _with_generator_terms(recipe: Recipe, more: Callable[..., Terms]) -> Recipe:
    """Adds terms to the losses that train the generators."""
    updates = {
        name: replace(update, loss=_joined(update.loss, more))
        if update.translates and recipe.trains_generators(update)
        else update
        for name, update in recipe.updates.items()
    }
    return replace(recipe, updates=updates)


def _joined(loss: Callable[..., Terms], more: Callable[..., Terms]) -> Callable[..., Terms]:
    """One loss with the terms of both; ``more`` takes the first three arguments."""

    def joined(
        networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Any, memory: dict[str, Tensor]
    ) -> Terms:
        return {**loss(networks, batch, fakes, config, memory), **more(networks, batch, fakes)}

    return joined


def _sparing(guidance: Guidance) -> Callable[..., Terms]:
    """Terms that ask that few pixels change."""

    def terms(networks: Networks, batch: Batch, fakes: dict[str, Tensor]) -> Terms:
        weight = ramped(guidance.lambda_same, guidance.same_ramp, batch.done)
        sources = edited_part(batch, fakes).images
        changed = changed_share(fakes["edited"], sources, guidance.same_scale, guidance.same_power)
        return {"g_same": weight * changed}

    return terms


def edited_part(batch: Batch, fakes: dict[str, Tensor]) -> Batch:
    """Returns the part of a batch that was edited: all of it, unless ``translate`` said which rows."""
    return batch.only(fakes["rows"]) if "rows" in fakes else batch


def shifted(pictures: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Moves each picture, or stack of pictures, by a whole number of pixels; what comes in is mirrored at the border.

    Args:
        pictures: (N, ..., 3, S, S), S larger than ``most``.
        most: Largest move in each direction; 0 returns the pictures as they are.
        generator: Source of chance, on the CPU.
    """
    if not most:
        return pictures
    flat = functional.pad(pictures.flatten(1, -3), (most,) * 4, mode="reflect")
    side, corners = pictures.shape[-1], torch.randint(0, 2 * most + 1, (len(pictures), 2), generator=generator).tolist()
    moved = [one[:, top : top + side, left : left + side] for one, (top, left) in zip(flat, corners, strict=True)]
    return torch.stack(moved).view_as(pictures)


class _Guide:
    """The terms that need the teacher. What it saw is computed once a batch, beside the pictures, and named so too.

    Args:
        guidance: Weights.
        teacher: The frozen classifier.
        columns: Which of its logits are the edited attributes.
    """

    def __init__(self, guidance: Guidance, teacher: Teacher, columns: tuple[int, ...]) -> None:
        self._guidance, self._teacher = guidance, teacher
        self._count = min(guidance.n_maps, len(teacher.widths))
        self._columns = torch.tensor(columns)
        known = range(len(teacher.attribute_names))
        self._others = torch.tensor([[other for other in known if other != column] for column in columns])

    def read(self, edited: Tensor, batch: Batch, rows: Tensor | None) -> dict[str, Tensor]:
        """Shows the teacher the edited pictures, with gradients to them, and all images of the batch."""
        pictures = edited if rows is None else batch.images.index_copy(0, rows, edited.to(batch.images.dtype))
        both = shifted(torch.stack([pictures, batch.images], 1), self._guidance.max_shift, batch.generator)
        maps, logits = self._teacher.features(both[:, 0] if rows is None else both[rows, 0])
        with torch.no_grad():
            real_maps, real_logits = self._teacher.features(both[:, 1])
        seen = {"teacher.fake": logits, "teacher.real": real_logits}
        for level in range(self._count):
            seen[f"teacher.fake.{level}"], seen[f"teacher.real.{level}"] = maps[level], real_maps[level]
        return seen

    def _maps(self, fakes: dict[str, Tensor], kind: str) -> list[Tensor]:
        return [fakes[f"teacher.{kind}.{level}"] for level in range(self._count)]

    def generator_terms(self, networks: Networks, batch: Batch, fakes: dict[str, Tensor]) -> Terms:
        """The edited pictures should pass for the other class, be read as it, and keep every other attribute."""
        part, real = edited_part(batch, fakes), fakes["teacher.real"].float()
        real = real[fakes["rows"]] if "rows" in fakes else real
        wanted, fake = 1 - part.labels, fakes["teacher.fake"].float()
        passed = networks[HEADS](self._maps(fakes, "fake"), 2 * part.places + wanted)
        others = self._others.to(fake.device)[part.places]
        logits = fake.gather(1, self._columns.to(fake.device)[part.places][:, None])[:, 0]
        read = functional.binary_cross_entropy_with_logits(logits, wanted)
        kept = functional.mse_loss(fake.gather(1, others).sigmoid(), real.gather(1, others).sigmoid())
        return {
            "g_teacher_features": self._guidance.lambda_features * torch.stack([hinge_g(one) for one in passed]).mean(),
            "g_teacher_class": self._guidance.lambda_teacher * read,
            "g_teacher_keep": self._guidance.lambda_keep * kept,
        }

    def discriminator_terms(self, networks: Networks, batch: Batch, fakes: dict[str, Tensor]) -> Terms:
        """Each head tells real images of a class from pictures edited to be of it."""
        part = edited_part(batch, fakes)
        real = networks[HEADS](self._maps(fakes, "real"), 2 * batch.places + batch.labels)
        made = [entry.detach() for entry in self._maps(fakes, "fake")]
        fake = networks[HEADS](made, 2 * part.places + 1 - part.labels)
        each = [hinge_d(one, other) for one, other in zip(real, fake, strict=True)]
        return {"d_teacher_features": torch.stack(each).mean()}
