# SPDX-License-Identifier: MIT
"""One training loop for every method: one CPU, one GPU, or several processes under ``torchrun``.

Everything drawn by chance is a function of (seed, step, process), so the checkpoint need hold no generator's state and
a run that was killed goes on, on CPU, to the very same bits.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator

from faceeval.data.aids import read_aids
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, UnknownNameError, unknown_name
from reference_models import METHODS, UNTRAINED, target_of
from reference_models.checkpoint import append_line, fill, load_tensors, read_safe, save_weights
from reference_models.guidance import Teacher, guided
from reference_models.loop import Loop
from reference_models.meter import Meter
from reference_models.recipe import UNGUIDED, Recipe, override
from reference_models.run_state import RunState, interruptible, read_state, start_state, write_state
from reference_models.samples import write_grid
from reference_models.sampling import Drawer, Sampler

Preset = Literal["paper", "small", "quick"]
Progress = Callable[[int, int, dict[str, float]], None]


def module_of(method: str) -> ModuleType:
    """Imports the module that says how a method is trained.

    Raises:
        UnknownNameError: No such method, or one that needs no training.
    """
    trainable = [name for name in METHODS if name not in UNTRAINED]
    if method not in trainable:
        if method in UNTRAINED:
            raise UnknownNameError(
                "the name of a method to train", f"{method!r}, which is not trained", UNTRAINED[method]
            )
        raise unknown_name("method to train", method, trainable)
    return importlib.import_module(target_of(method)[0])


def configure(method: str, preset: str, *, steps: int | None = None, overrides: Mapping[str, Any] | None = None) -> Any:
    """Returns a method's configuration: a preset, with some fields changed.

    Raises:
        UnknownNameError: No such method, preset or field.
    """
    module = module_of(method)
    if preset not in module.PRESETS:
        raise unknown_name("preset", preset, module.PRESETS)
    variant = METHODS.get(method, "").partition("@")[2]
    own = getattr(module, "OF_VARIANT", {}).get(preset, {}).get(variant, {})
    changes = {**({"variant": variant} if variant else {}), **own, **(overrides or {})}
    changes |= {"steps": steps} if steps is not None else {}
    return override(module.PRESETS[preset], changes)


def train(
    method: str,
    faces: FaceSet,
    attributes: str | Sequence[str] = (),
    *,
    preset: str = "small",
    out: Path,
    steps: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    teacher: Teacher | None = None,
    start: Path | None = None,
    checkpoint_every: int = 500,
    sample_every: int = 500,
    log_every: int = 25,
    on_checkpoint: Callable[[int, Any], None] | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Trains a method for one attribute, for several where one model edits several, or for none, and publishes it.

    Args:
        method: Name of a trainable method.
        faces: Training split, at the image size of the configuration.
        attributes: CelebA's name of the attribute, or names of the attributes; none for a method that edits none.
        preset: ``"paper"``, ``"small"`` or ``"quick"``.
        out: Folder for ``log.jsonl``, ``samples/``, ``checkpoint/`` and the weights.
        steps: Iterations, instead of the preset's.
        overrides: Other configuration fields to change.
        seed: Decides everything that is drawn.
        teacher: Frozen classifier to train beside, where the configuration is guided; the judge ``procfaces-teacher``.
        start: Weight file of the same networks to begin from, such as those of an earlier stage.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between sample grids; 0 draws none.
        log_every: Steps between lines of the log.
        on_checkpoint: Called after each checkpoint with the step and the method as it stands, for scoring on the way.
        progress: Called every ``log_every`` steps with steps done, steps in all, and the losses.
        resume: Go on from the checkpoint in ``out`` where there is one; else start over.
        notes: More lines for the card, such as the command.

    Returns:
        Path of the weight file ``<out>/<method>-<attribute>.safetensors``, or ``<out>/<method>.safetensors`` where one
        model edits many attributes, or none; its card lies beside it.

    Raises:
        UnknownNameError: No such method, preset, field or attribute.
        InputError: Images of another size, only one class of them, several attributes for a method that edits one,
            some for a method that edits none, or no teacher for a guided training.
        CheckpointError: ``out`` holds the checkpoint of another run, or ``start`` is of other networks.
        OutputError: ``out`` cannot be written to.
        TrainingError: A loss or a weight is not finite; the last good checkpoint stands.
        KeyboardInterrupt: After the step at hand was finished and a checkpoint written.
    """
    config, out = configure(method, preset, steps=steps, overrides=overrides), Path(out)
    recipe, names = Recipe.of(module_of(method)), check_attributes(method, attributes)
    if recipe.for_attribute is not None:
        config = recipe.for_attribute(config, names if recipe.many else names[0])
    if recipe.for_data is not None:
        config = recipe.for_data(config, faces)
    if recipe.aids_for is not None:
        recipe = replace(recipe, aids=recipe.aids_for(config))
    sampler = _sampler(recipe, faces, names, config, seed)
    check_faces(faces, config, warms=recipe.warmup_loss is not None)
    read_aids(recipe.aids, faces, np.zeros(1, np.int64), names)  # for its errors
    guidance = getattr(config, "guidance", UNGUIDED)
    teacher = teacher if guidance.guided else None
    recipe = guided(recipe, guidance, names, teacher)
    # told so, accelerate also forms a group of several processes on CPUs
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    run = {
        "method": method,
        "attributes": list(names),
        "seed": seed,
        "data": faces.digest,
        "world": accelerator.num_processes,
        "teacher": teacher.weights_sha256 if teacher is not None else None,
        **({"start": hashlib.sha256(read_safe(start)).hexdigest()} if start is not None else {}),
    }
    state = start_state(recipe, config, seed, accelerator, run)
    if start is not None:
        begin_from(state, start, recipe.helpers)
    read_state(state, out, resume=resume)
    loop = Loop(recipe, config, faces, names, sampler, seed, state)
    total, started, already = config.training.steps, time.monotonic(), state.seconds
    meter = Meter(state.step, state.seconds, config.training.batch_size)
    with interruptible(accelerator) as interrupted:
        for drawn in loop.batches():
            losses = loop.step(drawn)
            state.seconds = already + time.monotonic() - started
            done = state.step
            stopping = interrupted()
            last = done == total or stopping
            if done % log_every == 0 or last:
                _report(state, out, losses, meter.read(state), total, progress)
            if sample_every and (done % sample_every == 0 or done == total):
                write_grid(state, recipe, faces, sampler.labels, out / "samples" / f"{done:07d}.png")
            if done % checkpoint_every == 0 or last:
                write_state(state, out)
                if on_checkpoint is not None and accelerator.is_main_process:
                    on_checkpoint(done, loop.method())
            if stopping:
                raise KeyboardInterrupt(f"stopped after step {done}; the checkpoint in {out} goes on from there")
    path = out / (f"{method}.safetensors" if recipe.many or not recipe.edits else f"{method}-{names[0]}.safetensors")
    if accelerator.is_main_process:
        told = {
            "preset": preset,
            "steps": total,
            "minutes": round(state.seconds / 60, 1),
            "seed": seed,
            **({"teacher_sha256": teacher.weights_sha256} if teacher is not None else {}),
            **(notes or {}),
        }
        save_weights(
            path,
            state.published(recipe.helpers),
            method=method,
            attributes=names,
            data=faces.name,
            config=config,
            notes=told,
        )
    accelerator.wait_for_everyone()
    return path


def check_attributes(method: str, attributes: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the attributes as a tuple; refuses none, one twice, and several for a method that edits one.

    Raises:
        InputError: One of these; or any for a method that edits none.
    """
    names = (attributes,) if isinstance(attributes, str) else tuple(attributes)
    recipe = Recipe.of(module_of(method))
    many = recipe.many
    if not recipe.edits:
        if names:
            got = ", ".join(names)
            raise InputError(f"no attribute, as {method} edits none", got, "train it without naming one")
        return ()
    if not names or len(set(names)) < len(names) or (len(names) > 1 and not many):
        expected = "one attribute, or several different ones" if many else f"one attribute, as {method} edits one"
        todo = "name each once" if many else "train it once for each attribute"
        raise InputError(expected, ", ".join(names) or "none", todo)
    return names


def _sampler(recipe: Recipe, faces: FaceSet, names: tuple[str, ...], config: Any, seed: int) -> Drawer:
    """Returns who draws the batches."""
    if recipe.sampler is not None:
        return recipe.sampler(faces, config, seed)
    labels = np.stack([faces.labels(attribute) for attribute in names], axis=1)
    return Sampler(labels, seed=seed, oversampled=recipe.oversampled, sampling=config.training.sampling)


def begin_from(state: RunState, path: Path, helpers: tuple[str, ...] = ()) -> None:
    """Copies published weights into the networks, and into their averages.

    Args:
        state: A run that is to begin.
        path: Weight file.
        helpers: Networks that are never published; those that the file lacks stay as they were drawn.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is of other networks, damaged, or a pickle.
    """
    tensors = load_tensors(path)
    told = {key.partition(".")[0] for key in tensors}
    fill({name: net for name, net in state.networks.items() if name in told or name not in helpers}, tensors)
    averages = tuple(f"{name}." for name in state.averaged)
    fill(state.averaged, {key: value for key, value in tensors.items() if key.startswith(averages)} if averages else {})


def check_faces(faces: FaceSet, config: Any, *, warms: bool = True) -> None:
    """Refuses images of another size than the configuration's, and batches too small to hold both classes.

    ``warms`` says whether the method has a warm-up; without one, steps for it are refused too.

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
    if training.warmup_steps and not warms:
        raise InputError("warmup_steps=0, as this method has no warm-up", str(training.warmup_steps), "leave it at 0")
    if training.batch_size < 2 * training.accumulate or training.steps < 1:
        raise InputError(
            "at least one step, and a batch of at least two images for each micro-batch",
            f"steps {training.steps}, batch_size {training.batch_size}, accumulate {training.accumulate}",
            "raise steps or batch_size, or lower accumulate",
        )


def _report(
    state: RunState,
    out: Path,
    losses: Mapping[str, float],
    measured: Mapping[str, float],
    total: int,
    progress: Progress | None,
) -> None:
    """Appends losses, speed and memory to the log, and tells the caller the losses."""
    if not state.accelerator.is_main_process:
        return
    line = {"step": state.step, "seconds": round(state.seconds, 2), **{k: round(v, 6) for k, v in losses.items()}}
    append_line(out / "log.jsonl", json.dumps({**line, **measured}))
    if progress is not None:
        progress(state.step, total, dict(losses))
