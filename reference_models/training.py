# SPDX-License-Identifier: MIT
"""One training loop for every method: one CPU, one GPU, or several processes under ``torchrun``.

Everything drawn by chance is a function of (seed, step, process), so the checkpoint need hold no generator's state and
a run that was killed goes on, on CPU, to the very same bits.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from reference_models import METHODS
from reference_models.blocks import flip_some
from reference_models.checkpoint import append_line, save_weights
from reference_models.images import to_signed
from reference_models.recipe import Batch, Terms, Update, override
from reference_models.run_state import RunState, interruptible, read_state, start_state, write_state
from reference_models.samples import write_grid
from reference_models.sampling import Sampler, chance

Preset = Literal["paper", "small", "quick"]
Progress = Callable[[int, int, dict[str, float]], None]


def recipe_of(method: str) -> ModuleType:
    """Imports the module that says how a method is trained.

    Raises:
        UnknownNameError: No such method, or one that needs no training.
    """
    trainable = [name for name in METHODS if name != "identity"]
    if method not in trainable:
        raise unknown_name("method to train", method, trainable)
    return importlib.import_module(METHODS[method].partition(":")[0])


def configure(method: str, preset: str, *, steps: int | None = None, overrides: Mapping[str, Any] | None = None) -> Any:
    """Returns a method's configuration: a preset, with some fields changed.

    Raises:
        UnknownNameError: No such method, preset or field.
    """
    presets = recipe_of(method).PRESETS
    if preset not in presets:
        raise unknown_name("preset", preset, presets)
    changes = {**(overrides or {}), **({"steps": steps} if steps is not None else {})}
    return override(presets[preset], changes)


def train(
    method: str,
    faces: FaceSet,
    attribute: str,
    *,
    preset: str = "small",
    out: Path,
    steps: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    checkpoint_every: int = 500,
    sample_every: int = 500,
    log_every: int = 25,
    on_checkpoint: Callable[[int, Any], None] | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Trains a method for one attribute and publishes its weights.

    Args:
        method: Name of a trainable method.
        faces: Training split, at the image size of the configuration.
        attribute: CelebA's name of the attribute.
        preset: ``"paper"``, ``"small"`` or ``"quick"``.
        out: Folder for ``log.jsonl``, ``samples/``, ``checkpoint/`` and the weights.
        steps: Iterations, instead of the preset's.
        overrides: Other configuration fields to change.
        seed: Decides everything that is drawn.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between sample grids; 0 draws none.
        log_every: Steps between lines of the log.
        on_checkpoint: Called after each checkpoint with the step and the method as it stands, for scoring on the way.
        progress: Called every ``log_every`` steps with steps done, steps in all, and the losses.
        resume: Go on from the checkpoint in ``out`` where there is one; else start over.
        notes: More lines for the card, such as the command.

    Returns:
        Path of the weight file ``<out>/<method>-<attribute>.safetensors``; its card lies beside it.

    Raises:
        UnknownNameError: No such method, preset, field or attribute.
        InputError: Images of another size, or only one class of them.
        CheckpointError: ``out`` holds the checkpoint of another run.
        OutputError: ``out`` cannot be written to.
        KeyboardInterrupt: After the step at hand was finished and a checkpoint written.
    """
    recipe, config, out = recipe_of(method), configure(method, preset, steps=steps, overrides=overrides), Path(out)
    labels = faces.labels(attribute)
    check_faces(faces, config)
    # told so, accelerate also forms a group of several processes on CPUs
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    run = {
        "method": method,
        "attribute": attribute,
        "seed": seed,
        "data": faces.digest,
        "world": accelerator.num_processes,
    }
    state = start_state(recipe, config, seed, accelerator, run)
    read_state(state, out, resume=resume)
    loop = _Loop(recipe, config, faces, Sampler(labels, seed=seed, oversampled=recipe.OVERSAMPLED), seed, state)
    total, started, already = config.training.steps, time.monotonic(), state.seconds
    with interruptible(accelerator) as interrupted:
        for images in loop.batches():
            losses = loop.step(images)
            state.seconds = already + time.monotonic() - started
            done = state.step
            stopping = interrupted()
            last = done == total or stopping
            if done % log_every == 0 or last:
                _report(state, out, losses, total, progress)
            if sample_every and (done % sample_every == 0 or done == total):
                write_grid(state, recipe, faces, labels, out / "samples" / f"{done:07d}.png")
            if done % checkpoint_every == 0 or last:
                write_state(state, out)
                if on_checkpoint is not None and accelerator.is_main_process:
                    on_checkpoint(done, loop.method(attribute))
            if stopping:
                raise KeyboardInterrupt(f"stopped after step {done}; the checkpoint in {out} goes on from there")
    path = out / f"{method}-{attribute}.safetensors"
    if accelerator.is_main_process:
        told = {
            "preset": preset,
            "steps": total,
            "minutes": round(state.seconds / 60, 1),
            "seed": seed,
            **(notes or {}),
        }
        save_weights(
            path, state.published(), method=method, attribute=attribute, data=faces.name, config=config, notes=told
        )
    accelerator.wait_for_everyone()
    return path


def check_faces(faces: FaceSet, config: Any) -> None:
    """Refuses images of another size than the configuration's, and batches too small to hold both classes.

    Raises:
        InputError: One of these.
    """
    if faces.size != config.image_size:
        raise InputError(
            f"faces of {config.image_size} pixels, as this preset has them",
            f"{faces.size} pixels",
            f"load the data at {config.image_size} pixels, or choose the preset for {faces.size}",
        )
    training = config.training
    if training.batch_size < 2 * training.accumulate or training.steps < 1:
        raise InputError(
            "at least one step, and a batch of at least two images for each micro-batch",
            f"steps {training.steps}, batch_size {training.batch_size}, accumulate {training.accumulate}",
            "raise steps or batch_size, or lower accumulate",
        )


class _Loop:
    """The parts of one run that do not change, and what one step does with the part that does."""

    def __init__(
        self, recipe: ModuleType, config: Any, faces: FaceSet, sampler: Sampler, seed: int, state: RunState
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
            self.descend(self.recipe.AVERAGED, self.generators_group(), warmups, terms)
        else:
            self.updates(batches, terms, alone=state.step < training.warmup_steps + training.head_start)
        state.step += 1
        state.average(self.recipe.AVERAGED, training.ema_decay)
        return {name: float(value) for name, value in terms.items()}

    def generators_group(self) -> str:
        """Name of the update that trains the generators."""
        for name, update in self.recipe.UPDATES.items():
            if set(update.networks) & set(self.recipe.AVERAGED):
                return str(name)
        raise AssertionError("a recipe trains its generators")

    def updates(self, batches: list[Batch], terms: Terms, *, alone: bool) -> None:
        """Runs the method's updates in its own order on the same batch; ``alone`` leaves the generators' out."""
        state = self.state
        made: list[dict[str, Tensor] | None] = [None] * len(batches)
        if len(batches) == 1:
            # the graph of the one translation serves every update
            with self.precision(), torch.set_grad_enabled(not alone):
                made[0] = self.recipe.translate(state.networks, batches[0])
        for name, update in self.recipe.UPDATES.items():
            if alone and set(update.networks) & set(self.recipe.AVERAGED):
                continue
            losses = [self.loss_of(update, batch, made, place) for place, batch in enumerate(batches)]
            self.descend(update.networks, name, losses, terms)

    def loss_of(
        self, update: Update, batch: Batch, made: list[dict[str, Tensor] | None], place: int
    ) -> Callable[[], Terms]:
        """Puts off one micro-batch's loss, so that only one graph is alive at a time."""
        state, trains_generator = self.state, bool(set(update.networks) & set(self.recipe.AVERAGED))

        def loss() -> Terms:
            fakes = made[place]
            if fakes is None or (trains_generator and not any(fake.requires_grad for fake in fakes.values())):
                with torch.set_grad_enabled(trains_generator):
                    fakes = self.recipe.translate(state.networks, batch)
                made[place] = {name: fake.detach() for name, fake in fakes.items()}
            result: Terms = update.loss(state.networks, batch, fakes, self.config, state.memory)
            return result

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


def _report(state: RunState, out: Path, losses: dict[str, float], total: int, progress: Progress | None) -> None:
    """Appends a line to the log and tells the caller."""
    if not state.accelerator.is_main_process:
        return
    line = {"step": state.step, "seconds": round(state.seconds, 2), **{k: round(v, 6) for k, v in losses.items()}}
    append_line(out / "log.jsonl", json.dumps(line))
    if progress is not None:
        progress(state.step, total, losses)
