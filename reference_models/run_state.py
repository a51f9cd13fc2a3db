# SPDX-License-Identifier: MIT
"""What a training run is at a step, and its checkpoint: one safetensors file, replaced whole."""

from __future__ import annotations

import copy
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor

from faceeval.atomic import write_whole
from faceeval.errors import CheckpointError, TrainingError
from reference_models.checkpoint import fill
from reference_models.recipe import Networks, Recipe

CHECKPOINT = Path("checkpoint") / "state.safetensors"


@dataclass
class RunState:
    """Everything that changes while a run goes on.

    Attributes:
        networks: The networks in training.
        averaged: Moving averages of the generators' weights; empty where the configuration asks for none.
        optimisers: Name of an update -> its Adam.
        memory: What the method's losses keep from step to step, such as a history of pictures.
        step: Steps done.
        seconds: Time spent on them, over all starts.
        run: What must be the same for a checkpoint to be this run's: method, attribute, seed, data, configuration.
        accelerator: Device and processes.
    """

    networks: Networks
    averaged: Networks
    optimisers: dict[str, torch.optim.Adam]
    accelerator: Accelerator
    run: dict[str, Any]
    memory: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0

    def average(self, names: tuple[str, ...], decay: float) -> None:
        """Moves the averages towards the weights; early averages forget faster, so the start does not linger."""
        if not decay:
            return
        share = 1.0 - min(decay, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            for name in names:
                for slow, fast in zip(
                    self.averaged[name].state_dict().values(), self.networks[name].state_dict().values(), strict=True
                ):
                    slow.lerp_(fast, share) if slow.is_floating_point() else slow.copy_(fast)

    def published(self, helpers: tuple[str, ...] = ()) -> Networks:
        """Copies of the networks as they would be published, averages in place of what they average, on the CPU."""
        chosen = {name: self.averaged.get(name, net) for name, net in self.networks.items() if name not in helpers}
        return {
            name: copy.deepcopy(network)
            .to("cpu")
            .to(memory_format=torch.contiguous_format)
            .eval()
            .requires_grad_(False)
            for name, network in chosen.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Everything above as named tensors: ``networks/..``, ``averaged/..``, ``memory/..``, ``adam/..``."""
        named: dict[str, Tensor] = {f"memory/{name}": value for name, value in self.memory.items()}
        for kind, group in (("networks", self.networks), ("averaged", self.averaged)):
            for name, network in group.items():
                named |= {f"{kind}/{name}.{key}": value for key, value in network.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            for place, entry in optimiser.state_dict()["state"].items():
                named |= {f"adam/{name}/{place}/{key}": value for key, value in entry.items()}
        return {key: value.detach().cpu().contiguous().clone() for key, value in named.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes everything back from ``tensors``."""
        fill(self.networks, _below(tensors, "networks/"))
        fill(self.averaged, _below(tensors, "averaged/"))
        self.memory = {name: value.to(self.accelerator.device) for name, value in _below(tensors, "memory/").items()}
        for name, optimiser in self.optimisers.items():
            stored: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"adam/{name}/").items():
                place, _, entry = key.partition("/")
                stored.setdefault(int(place), {})[entry] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": stored})


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def start_state(recipe: Recipe, config: Any, seed: int, accelerator: Accelerator, run: Mapping[str, Any]) -> RunState:
    """Returns a run before its first step; every process draws the same networks."""
    training = config.training
    layout = torch.channels_last if training.channels_last else torch.contiguous_format
    networks = recipe.build(config, seed)
    for network in networks.values():
        network.to(accelerator.device).to(memory_format=layout)
    slow = recipe.averaged if training.ema_decay else ()
    averaged = {name: copy.deepcopy(networks[name]).requires_grad_(False) for name in slow}
    optimisers, own = {}, recipe.adam(config) if recipe.adam is not None else {}
    for name, update in recipe.updates.items():
        if update.optimiser:
            continue
        lr = training.lr if recipe.trains_generators(update) or training.lr_d is None else training.lr_d
        options = {"lr": lr, "betas": training.betas, "weight_decay": training.weight_decay, **own.get(name, {})}
        parameters = [
            one for network in update.networks if network in networks for one in networks[network].parameters()
        ]
        # the step is kept as a tensor and the loop sets lr, so full_lr remembers what it scales
        optimisers[name] = torch.optim.Adam([{"params": parameters, "full_lr": options["lr"]}], **options)
    config_text = json.loads(json.dumps(asdict(config)))
    return RunState(networks, averaged, optimisers, accelerator, {**run, "config": config_text})


def write_state(state: RunState, out: Path) -> None:
    """Replaces the checkpoint in ``out``; the previous one stands until the new one is whole.

    Raises:
        OutputError: It cannot be written.
        TrainingError: A weight is not finite.
    """
    odd = [
        f"{name}.{key}"
        for name, net in state.networks.items()
        for key, value in net.state_dict().items()
        if not value.isfinite().all()
    ]
    if odd:
        todo = f"what stands in {out} is the last good checkpoint; go on from it with a lower step size or clip_norm"
        raise TrainingError(f"finite weights after step {state.step}", f"{len(odd)} that are not, first {odd[0]}", todo)
    # each process has a memory of its own
    gathered = _gather_memory(state) if state.accelerator.num_processes > 1 else {}
    if state.accelerator.is_main_process:
        header = {"run": json.dumps({"run": state.run, "step": state.step, "seconds": state.seconds})}
        write_whole(out / CHECKPOINT, safetensors.save({**state.tensors(), **gathered}, header))
    state.accelerator.wait_for_everyone()


def _gather_memory(state: RunState) -> dict[str, Tensor]:
    """Every process's memory, under ``rank/``; the memories are of one shape, as all processes take the same steps."""
    gathered: dict[str, Tensor] = {}
    for name in sorted(state.memory):
        every = state.accelerator.gather(state.memory[name][None].contiguous()).cpu()
        gathered |= {f"rank/{rank}/{name}": value.clone() for rank, value in enumerate(every)}
    return gathered


def read_state(state: RunState, out: Path, *, resume: bool) -> None:
    """Takes up the checkpoint in ``out``, if there is one and it is wanted, and cuts the log back to it.

    Raises:
        CheckpointError: It is another run's, or damaged.
    """
    path, log = out / CHECKPOINT, out / "log.jsonl"
    if not (resume and path.is_file()):
        if state.accelerator.is_main_process:
            _remove(path, log)
        state.accelerator.wait_for_everyone()
        return
    try:
        with safe_open(path, "pt") as stream:
            header = json.loads(stream.metadata()["run"])
            tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118 - not a mapping
        stored, step, seconds = dict(header["run"]), int(header["step"]), float(header["seconds"])
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise CheckpointError("a whole checkpoint", f"{path}: {error}", "remove it to start over") from error
    different = [key for key in state.run if stored.get(key) != state.run[key]]
    if different:
        raise CheckpointError(
            f"a checkpoint of this run in {out}",
            f"one with another {', '.join(different)}",
            "choose another output folder, or start over without resuming",
        )
    state.restore(tensors)
    rank = state.accelerator.process_index
    state.memory |= {k: v.to(state.accelerator.device) for k, v in _below(tensors, f"rank/{rank}/").items()}
    state.step, state.seconds = step, seconds
    if state.accelerator.is_main_process and log.is_file():
        lines = [line for line in log.read_text().splitlines() if _step_of(line) <= state.step]
        write_whole(log, "".join(f"{line}\n" for line in lines).encode())


def _remove(*paths: Path) -> None:
    """Removes what an earlier run left; the error of a folder that is none comes with the first file written."""
    for path in paths:
        with suppress(NotADirectoryError):
            path.unlink(missing_ok=True)


def _step_of(line: str) -> float:
    """Step of a line of the log; a line that was cut short counts as later than any."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


@contextmanager
def interruptible(accelerator: Accelerator) -> Iterator[Callable[[], bool]]:
    """Lets Ctrl-C wait for the end of the step; a second Ctrl-C does not wait.

    Several processes could stop at different steps and wait for each other for ever, so there Ctrl-C acts at once and
    the last checkpoint stands.
    """
    stop = threading.Event()

    def handler(signum: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    alone = accelerator.num_processes == 1 and threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, handler) if alone else None
    try:
        yield stop.is_set
    finally:
        if alone:
            signal.signal(signal.SIGINT, previous)
