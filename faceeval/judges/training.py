# SPDX-License-Identifier: MIT
"""Trains the judges of the embedded faces from scratch, in minutes on a CPU, the same way each time."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from faceeval.atomic import write_whole
from faceeval.errors import InputError, OutputError, unknown_name
from faceeval.judges import attribute_classifier, load_judge, procfaces
from faceeval.judges.augmentation import augment, ruin
from faceeval.judges.checkpoint import save_judge
from faceeval.judges.evaluation import JudgeLabels, evaluate_judge, evaluate_outputs
from faceeval.judges.inputs import run_in_batches, to_unit
from faceeval.judges.objectives import TrainingSettings, judge_loss, multiplies_in_bfloat16

__all__ = ["JudgeLabels", "TrainingSettings", "evaluate_judge", "train_judge"]

Faces = tuple[NDArray[np.uint8], JudgeLabels]
KINDS: dict[str, tuple[Callable[..., Any], Callable[..., nn.Module]]] = {
    "procfaces": (procfaces.Config, procfaces.Network),
    "procfaces-teacher": (attribute_classifier.Config, attribute_classifier.Network),
}


def _check(kind: str, images: NDArray[np.uint8], labels: JudgeLabels, settings: TrainingSettings) -> None:
    if kind not in KINDS:
        raise unknown_name("kind of judge that can be trained", kind, KINDS)
    size = procfaces.SIZE
    if images.dtype != np.uint8 or images.shape[1:] != (3, size, size) or len(images) != len(labels):
        raise InputError(
            f"uint8 faces ({len(labels)}, 3, {size}, {size}), one for each label",
            f"{images.dtype} {images.shape}",
            f"load the set at {size} pixels, with the labels of the same split",
        )
    if settings.batch_size < 2 or settings.epochs < 1:
        got = f"{settings.batch_size} and {settings.epochs}"
        raise InputError("at least 2 faces a step and 1 epoch", got, "raise them: batch statistics need two faces")


def _epoch_batches(count: int, batch_size: int, generator: Generator) -> Iterator[NDArray[np.int64]]:
    """Shuffled indices in full batches; the faces left over come in another epoch, as a batch of one has no spread."""
    order = torch.randperm(count, generator=generator).numpy()
    size = min(batch_size, count)
    for start in range(0, count - size + 1, size):
        yield np.sort(order[start : start + size])


def _rate(step: int, total: int, settings: TrainingSettings) -> float:
    """Learning rate at a step: a linear rise, then a cosine to 0."""
    rise = max(1, round(settings.warmup * total))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def _optimiser(modules: nn.ModuleList, settings: TrainingSettings) -> torch.optim.Optimizer:
    kernels = [parameter for parameter in modules.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in modules.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": kernels}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _truth(
    labels: JudgeLabels, classes: NDArray[np.int64], index: NDArray[np.int64], pose: Tensor
) -> dict[str, Tensor]:
    return {
        "identity": torch.from_numpy(classes[index]),
        "attributes": torch.from_numpy(labels.attributes[index].astype(np.float32)),
        "expression": torch.from_numpy(labels.expression[index].astype(np.int64)),
        "pose": pose,
    }


def _validate(network: nn.Module, faces: Faces) -> dict[str, Any]:
    """Looks at held-out faces with the network as it stands, in float32."""
    network.eval()
    look = run_in_batches(
        torch.from_numpy(np.array(faces[0])),
        128,
        torch.device("cpu"),
        lambda batch: network(to_unit(batch, procfaces.SIZE).contiguous(memory_format=torch.channels_last)),
    )
    network.train()
    return evaluate_outputs(look, faces[1], n_pairs=1000)


@dataclass
class _Run:
    """What one training holds on to."""

    network: nn.Module
    head: nn.Module
    images: NDArray[np.uint8]
    labels: JudgeLabels
    classes: NDArray[np.int64]
    settings: TrainingSettings
    chance: Generator
    optimiser: torch.optim.Optimizer


def _step(run: _Run, index: NDArray[np.int64], rate: float) -> float:
    """One step on the faces at ``index``; returns the loss."""
    pose = torch.from_numpy(run.labels.pose[index].astype(np.float32))
    batch, turned = augment(torch.from_numpy(np.array(run.images[index])), pose, run.chance)
    count = min(run.settings.ruined, len(batch)) if hasattr(run.network, "embedding") else 0
    degrees = torch.empty(0)
    if count:
        ruined, degrees = ruin(batch, count, run.chance)
        batch = torch.cat([batch, ruined])
    scaled = (batch / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=run.settings.precision == "bfloat16"):
        answers = run.network(scaled)
    answers = {key: value.float() for key, value in answers.items()}
    truth = _truth(run.labels, run.classes, index, turned)
    loss = judge_loss(answers, run.head, truth, degrees, run.settings)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimiser.step()
    return float(loss.detach())


def _fit(
    run: _Run, validation: Faces | None, log: Path, progress: Callable[[int, int], None] | None
) -> list[dict[str, Any]]:
    """Trains network and head in place; writes down and returns what was seen on the way, one row an epoch."""
    settings, count = run.settings, len(run.images)
    total = count // min(settings.batch_size, count) * settings.epochs
    step, rows = 0, []
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for index in _epoch_batches(count, settings.batch_size, run.chance):
            losses.append(_step(run, index, _rate(step, total, settings)))
            step += 1
            if progress is not None:
                progress(step, total)
        row: dict[str, Any] = {"epoch": epoch, "loss": float(np.mean(losses))}
        if validation is not None and (epoch % settings.validate_every == 0 or epoch == settings.epochs):
            row["validation"] = _validate(run.network, validation)
        rows.append(row)
        write_whole(log, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return rows


def _start(kind: str, faces: Faces, seed: int, settings: TrainingSettings) -> tuple[_Run, dict[str, Any]]:
    """Draws the first weights from the global source; returns the run and the configuration of its network."""
    make_config, make_network = KINDS[kind]
    images, labels = faces
    config = make_config(attribute_names=labels.attribute_names)
    people, classes = np.unique(labels.identities, return_inverse=True)
    network = make_network(config)
    head = nn.Linear(getattr(config, "embedding", 1), len(people), bias=False)
    modules = nn.ModuleList([network, head]).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chance = Generator().manual_seed(seed)
    optimiser = _optimiser(modules, settings)
    run = _Run(network, head, images, labels, classes.astype(np.int64), settings, chance, optimiser)
    return run, dataclasses.asdict(config)


def train_judge(
    kind: str,
    images: NDArray[np.uint8],
    labels: JudgeLabels,
    seed: int,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    validation: Faces | None = None,
    test: Faces | None = None,
    settings: TrainingSettings | None = None,
    command: str = "",
) -> Path:
    """Trains a judge from scratch and writes its weights, its card and the log of its training.

    The same arguments give the same bytes on the same processor, torch and number of threads. The threads are torch's
    own setting; one is nearly as fast as two, and is not slowed down by other processes.

    Args:
        kind: ``"procfaces"`` or ``"procfaces-teacher"``.
        images: Training faces, uint8, (N, 3, 64, 64); may be memory-mapped.
        labels: What is known about them.
        seed: Source of all chance: first weights, order, augmentation.
        out: Folder for ``<kind>.safetensors``, ``<kind>.json`` and ``<kind>.log.jsonl``.
        progress: Called with the steps done and the steps in all.
        validation: Faces and labels looked at while training; they decide nothing.
        test: Faces and labels for the card, looked at once, with the weights as written (half precision).
        settings: How long and how hard; the kind's own where None.
        command: The command line, for the card.

    Returns:
        Path of the weight file.

    Raises:
        UnknownNameError: No such kind.
        InputError: Images or labels are malformed.
        OutputError: ``out`` cannot be written.
    """
    chosen = settings or TrainingSettings()
    _check(kind, images, labels, chosen)
    _writable(out)
    if chosen.precision == "auto":
        chosen = dataclasses.replace(chosen, precision="bfloat16" if multiplies_in_bfloat16() else "float32")
    started, worked = time.perf_counter(), time.process_time()
    with torch.random.fork_rng(devices=[]):  # first weights and dropout draw from the global source; it is put back
        torch.manual_seed(seed)
        run, config = _start(kind, (images, labels), seed, chosen)
        rows = _fit(run, validation, out / f"{kind}.log.jsonl", progress)
    card: dict[str, Any] = {
        "command": command,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - worked, 1),  # what it would take had the machine been quiet
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "training": {"faces": len(images), "people": run.head.out_features, **dataclasses.asdict(chosen)},
    }
    if validation is not None:
        card["validation"] = rows[-1]["validation"]
    path = save_judge(kind, run.network.state_dict(), config, card, out)
    if test is not None:
        card["test"] = evaluate_judge(load_judge(kind, weights_dir=out), *test)
        path = save_judge(kind, run.network.state_dict(), config, card, out)
    return path


def _writable(out: Path) -> None:
    """Refuses a folder that cannot be written before minutes are spent on training."""
    probe = out / ".writable"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            "a folder the trained judge can be written to", str(error), "choose another folder"
        ) from error
