# SPDX-License-Identifier: MIT
"""One step of training, whatever the method: batch, forward, the method's updates in its own order, average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from faceeval.data.faces import FaceSet
from reference_models.blocks import flip_some
from reference_models.images import to_signed
from reference_models.recipe import Batch, Recipe, Terms, Update
from reference_models.run_state import RunState
from reference_models.sampling import Sampler, chance


class Loop:
    """The parts of one run that do not change, and what one step does with the part that does."""

    def __init__(
        self, recipe: Recipe, config: Any, faces: FaceSet, sampler: Sampler, seed: int, state: RunState
    ) -> None:
        self.recipe, self.config, self.faces, self.sampler = recipe, config, faces, sampler
        self.seed, self.state, self.accelerator = seed, state, state.accelerator

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the negatives and positives, uint8, of the steps still to do, each read while the last one is used."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        size, total = self.config.training.batch_size, self.config.training.steps

        def read(step: int) -> tuple[Tensor, Tensor]:
            negatives, positives = self.sampler.batch(step, size, rank=rank, world=world)
            images = torch.from_numpy(np.array(self.faces.read(np.concatenate([negatives, positives]))))
            return images[: len(negatives)], images[len(negatives) :]

        first = self.state.step
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(read, first) if first < total else None
            for step in range(first, total):
                assert waiting is not None
                images = waiting.result()
                waiting = reader.submit(read, step + 1) if step + 1 < total else None
                yield images

    def micro_batches(self, images: tuple[Tensor, Tensor]) -> list[Batch]:
        """Normalises, augments and cuts a batch."""
        training = self.config.training
        generator = chance(self.seed, self.state.step, self.accelerator.process_index)
        layout = torch.channels_last if training.channels_last else torch.contiguous_format
        halves = []
        for half in images:
            half = to_signed(half.to(self.accelerator.device))
            half = flip_some(half, generator) if training.flip else half
            halves.append(half.contiguous(memory_format=layout).chunk(training.accumulate))
        done = self.state.step / training.steps
        return [Batch(negatives, positives, generator, done) for negatives, positives in zip(*halves, strict=True)]

    def step(self, images: tuple[Tensor, Tensor]) -> dict[str, float]:
        """Updates every network once and returns the losses."""
        state, training = self.state, self.config.training
        batches = self.micro_batches(images)
        for optimiser in state.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group["full_lr"] * rate(state.step, training.steps, training.constant_share)
        terms: Terms = {}
        if state.step < training.warmup_steps:
            warmups = [partial(self.recipe.warmup_loss, state.networks, batch) for batch in batches]
            self.descend(self.recipe.averaged, self.generators_group(), warmups, terms)
        else:
            self.updates(batches, terms, alone=state.step < training.warmup_steps + training.head_start)
        state.step += 1
        state.average(self.recipe.averaged, training.ema_decay)
        return {name: float(value) for name, value in terms.items()}

    def generators_group(self) -> str:
        """Name of the update that trains the generators."""
        for name, update in self.recipe.updates.items():
            if self.recipe.trains_generators(update):
                return name
        raise AssertionError("a recipe trains its generators")

    def updates(self, batches: list[Batch], terms: Terms, *, alone: bool) -> None:
        """Runs the method's updates in its own order on the same batch; ``alone`` leaves the generators' out."""
        state = self.state
        made: list[dict[str, Tensor] | None] = [None] * len(batches)
        if len(batches) == 1:
            # the graph of the one translation serves every update
            with self.precision(), torch.set_grad_enabled(not alone):
                made[0] = self.recipe.translate(state.networks, batches[0])
        for name, update in self.recipe.updates.items():
            if alone and self.recipe.trains_generators(update):
                continue
            losses = [self.loss_of(update, batch, made, place) for place, batch in enumerate(batches)]
            self.descend(update.networks, name, losses, terms)

    def loss_of(
        self, update: Update, batch: Batch, made: list[dict[str, Tensor] | None], place: int
    ) -> Callable[[], Terms]:
        """Puts off one micro-batch's loss, so that only one graph is alive at a time."""
        state, trains_generator = self.state, self.recipe.trains_generators(update)

        def loss() -> Terms:
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
            torch.autograd.backward(torch.stack(list(parts.values())).sum() / len(losses))
            for name, part in parts.items():
                terms[name] = terms.get(name, torch.zeros(())) + part.detach().cpu() / len(losses)
        parameters = [p for name in networks for p in state.networks[name].parameters()]
        average_gradients(parameters, self.accelerator)
        if self.config.training.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, self.config.training.clip_norm)
        optimiser.step()
        for network in state.networks.values():
            network.requires_grad_(True)

    def precision(self) -> torch.autocast:
        """Context in which convolutions run at the configured precision."""
        enabled = self.config.training.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=enabled)

    def method(self, attribute: str) -> Any:
        """The method as it stands."""
        return self.recipe.as_method(self.state.published(), self.config, attribute)


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
