# SPDX-License-Identifier: MIT
"""One step of training, whatever the method: batch, forward, the method's updates in its own order, average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from faceeval.data.aids import AIDS, read_aids
from faceeval.data.faces import FaceSet
from faceeval.errors import TrainingError
from reference_models.blocks import mirror, some
from reference_models.images import to_signed
from reference_models.recipe import Batch, Recipe, Terms, Update
from reference_models.run_state import RunState
from reference_models.sampling import Draw, Drawer, chance


@dataclass(frozen=True)
class Drawn:
    """What one step will see, as it was read.

    Attributes:
        draw: Which images, and for which attribute.
        images: uint8, (N, 3, S, S).
        aids: What else the method asked for.
    """

    draw: Draw
    images: Tensor
    aids: Mapping[str, NDArray[np.float32]]


class Loop:
    """The parts of one run that do not change, and what one step does with the part that does."""

    def __init__(
        self,
        recipe: Recipe,
        config: Any,
        faces: FaceSet,
        attributes: tuple[str, ...],
        sampler: Drawer,
        seed: int,
        state: RunState,
    ) -> None:
        self.recipe, self.config, self.faces, self.sampler = recipe, config, faces, sampler
        self.attributes = attributes
        self.seed, self.state, self.accelerator = seed, state, state.accelerator

    def batches(self) -> Iterator[Drawn]:
        """Yields what the steps still to do will see, each read while the last one is used."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        size, total = self.config.training.batch_size, self.config.training.steps

        def read(step: int) -> Drawn:
            draw = self.sampler.draw(step, size, rank=rank, world=world)
            images = torch.from_numpy(np.array(self.faces.read(draw.indices)))
            return Drawn(draw, images, read_aids(self.recipe.aids, self.faces, draw.indices, self.attributes))

        first = self.state.step
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(read, first) if first < total else None
            for step in range(first, total):
                assert waiting is not None
                drawn = waiting.result()
                waiting = reader.submit(read, step + 1) if step + 1 < total else None
                yield drawn

    def micro_batches(self, drawn: Drawn) -> list[Batch]:
        """Normalises, augments and cuts a batch."""
        training, device, draw = self.config.training, self.accelerator.device, drawn.draw
        generator = chance(self.seed, self.state.step, self.accelerator.process_index)
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        images, count = to_signed(drawn.images.to(device)), draw.n_negatives
        aids = {name: torch.from_numpy(values).to(device) for name, values in drawn.aids.items()}
        if training.flip:
            mirrored = torch.cat([some(count, generator), some(len(images) - count, generator)])
            images = mirror(images, mirrored)
            aids = {name: AIDS[name].mirrored(values, mirrored, images.shape[-1]) for name, values in aids.items()}
        labels = torch.from_numpy(self.sampler.labels[draw.indices].astype(np.float32)).to(device)
        places = torch.from_numpy(draw.places).to(device)
        done = self.state.step / training.steps
        images = images.contiguous(memory_format=layout)
        whole = Batch(images, labels, places, count, generator, done, aids, draw.kind)
        if training.accumulate == 1:
            return [whole]
        halves = [torch.arange(count, device=device), torch.arange(count, len(images), device=device)]
        parts = zip(*[half.tensor_split(training.accumulate) for half in halves], strict=True)
        return [whole.only(torch.cat(part)) for part in parts]

    def step(self, drawn: Drawn) -> dict[str, float]:
        """Updates the networks whose turn it is and returns the losses.

        Raises:
            TrainingError: A loss is not finite; nothing was changed by it.
        """
        state, training = self.state, self.config.training
        batches = self.micro_batches(drawn)
        shares = self.shares(state.step)
        for name, optimiser in state.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = group["full_lr"] * shares.get(name, 0.0)
        terms: Terms = {}
        if state.step < training.warmup_steps:
            assert self.recipe.warmup_loss is not None  # checked before the first step
            warmups = [partial(self.recipe.warmup_loss, state.networks, batch) for batch in batches]
            self.descend(self.recipe.averaged, self.generators_group(), warmups, terms)
        else:
            updates = {name: update for name, update in self.recipe.updates.items() if shares.get(name)}
            if state.step < training.warmup_steps + training.head_start:
                updates = {name: one for name, one in updates.items() if not self.recipe.trains_generators(one)}
            self.updates(updates, batches, terms)
        state.step += 1
        state.average(self.recipe.averaged, training.ema_decay)
        return {name: float(value) for name, value in terms.items()}

    def shares(self, step: int) -> Mapping[str, float]:
        """Updates of a step, each with the share of its full step size."""
        training = self.config.training
        if self.recipe.schedule is not None and step >= training.warmup_steps + training.head_start:
            return self.recipe.schedule(self.config, step)
        return dict.fromkeys(self.recipe.updates, rate(step, training.steps, training.constant_share))

    def generators_group(self) -> str:
        """Name of the update that trains the generators."""
        for name, update in self.recipe.updates.items():
            if self.recipe.trains_generators(update):
                return name
        raise AssertionError("a recipe trains its generators")

    def updates(self, updates: Mapping[str, Update], batches: list[Batch], terms: Terms) -> None:
        """Runs updates in the method's own order on the same batch."""
        state = self.state
        made: list[dict[str, Tensor] | None] = [None] * len(batches)
        reading = [update for update in updates.values() if update.translates]
        if len(batches) == 1 and reading:
            # the graph of the one translation serves the first update of generators
            with self.precision(), torch.set_grad_enabled(any(map(self.recipe.trains_generators, reading))):
                made[0] = self.recipe.translate(state.networks, batches[0])
        for name, update in updates.items():
            losses = [self.loss_of(update, batch, made, place) for place, batch in enumerate(batches)]
            self.descend(update.networks, update.optimiser or name, losses, terms)
            if update in reading and self.recipe.trains_generators(update):
                made = [{key: one.detach() for key, one in fakes.items()} if fakes else None for fakes in made]

    def loss_of(
        self, update: Update, batch: Batch, made: list[dict[str, Tensor] | None], place: int
    ) -> Callable[[], Terms]:
        """Puts off one micro-batch's loss, so that only one graph is alive at a time."""
        state, trains_generator = self.state, self.recipe.trains_generators(update)

        def loss() -> Terms:
            if not update.translates:
                return update.loss(state.networks, batch, {}, self.config, state.memory)
            fakes = made[place]
            if fakes is None or (trains_generator and not any(fake.requires_grad for fake in fakes.values())):
                with torch.set_grad_enabled(trains_generator):
                    fakes = self.recipe.translate(state.networks, batch)
                made[place] = {name: fake.detach() for name, fake in fakes.items()}
            return update.loss(state.networks, batch, fakes, self.config, state.memory)

        return loss

    def descend(
        self, networks: tuple[str, ...], group: str, losses: Sequence[Callable[[], Terms]], terms: Terms
    ) -> None:
        """One optimiser step of some networks on the mean of micro-batch losses, all other networks frozen."""
        state = self.state
        for name, network in state.networks.items():
            network.requires_grad_(name in networks)
        optimiser = state.optimisers[group]
        optimiser.zero_grad(set_to_none=True)
        for loss in losses:
            with self.precision():
                parts = loss()
            self.check(parts)
            torch.autograd.backward(torch.stack(list(parts.values())).sum() / len(losses))
            for name, part in parts.items():
                terms[name] = terms.get(name, torch.zeros(())) + part.detach().cpu() / len(losses)
        parameters = [p for name in networks if name in state.networks for p in state.networks[name].parameters()]
        average_gradients(parameters, self.accelerator)
        if self.config.training.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, self.config.training.clip_norm)
        optimiser.step()
        for network in state.networks.values():
            network.requires_grad_(True)

    def check(self, parts: Terms) -> None:
        """Refuses losses that are not finite, before anything descends them."""
        for name, value in parts.items():
            if not torch.isfinite(value).all():
                raise TrainingError(
                    f"finite losses at step {self.state.step + 1}",
                    f"{name} = {float(value.detach().mean())}",
                    "the last checkpoint was written before; go on from it with a lower step size (--set lr=...) or "
                    "with --set clip_norm=1, or look at the images it was given",
                )

    def precision(self) -> torch.autocast:
        """Context in which convolutions run at the configured precision."""
        enabled = self.config.training.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=enabled)

    def method(self) -> Any:
        """The method as it stands."""
        attributes = self.attributes if self.recipe.many or not self.recipe.edits else self.attributes[0]
        return self.recipe.as_method(self.state.published(self.recipe.helpers), self.config, attributes)


def rate(step: int, steps: int, constant_share: float) -> float:
    """Returns the share of the full step size at a step: one at first, then falling linearly to (almost) zero."""
    constant = int(steps * constant_share)
    return 1.0 if step < constant else (steps - step) / max(1, steps - constant)


def average_gradients(parameters: list[torch.nn.Parameter], accelerator: Accelerator) -> None:
    """Replaces each process's gradients by their mean over processes, in one message.

    Done by hand because a network is called several times, and frozen in turn, within one step.
    """
    if accelerator.num_processes == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
    place = 0
    for parameter in parameters:
        parameter.grad = flat[place : place + parameter.numel()].view_as(parameter).clone()
        place += parameter.numel()
