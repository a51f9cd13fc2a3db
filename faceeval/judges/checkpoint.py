# SPDX-License-Identifier: MIT
"""The judges' own files: tensors as safetensors, and beside them one JSON with configuration, digest and card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from faceeval.atomic import write_whole
from faceeval.errors import CheckpointError, MissingFileError

SHIPPED = Path(__file__).parent / "weights"
FORMAT = 1
RETRAIN = "take the file that is shipped with faceeval, or train the judge again with `faceeval train --judge NAME`"
ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class JudgeFile:
    """What the two files of a judge hold.

    Attributes:
        state: Name -> float32 tensor.
        config: What its network is built from.
        card: How it was trained, and what it reaches on faces it never saw.
        sha256: Digest of the weight file.
    """

    state: dict[str, Tensor]
    config: Mapping[str, Any]
    card: Mapping[str, Any]
    sha256: str


def _halve(tensor: Tensor) -> Tensor:
    """Half precision for kernels; float32 for the vectors, which weigh nothing and whose range may not fit."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor


def save_judge(
    name: str, state: Mapping[str, Tensor], config: Mapping[str, Any], card: Mapping[str, Any], folder: Path
) -> Path:
    """Writes ``<name>.safetensors`` (kernels in half precision) and ``<name>.json`` into a folder, atomically.

    Args:
        name: The judge's name in ``JUDGES``.
        state: Tensors of its network.
        config: What the network is built from; must go into JSON.
        card: How it was made and what it reaches; must go into JSON.
        folder: Made if need be.

    Returns:
        Path of the weight file.

    Raises:
        OutputError: The folder cannot be written.
    """
    content = save({key: _halve(tensor) for key, tensor in state.items()})
    record = {
        "judge": name,
        "format": FORMAT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "config": dict(config),
        "card": dict(card),
    }
    path = folder / f"{name}.safetensors"
    write_whole(path, content)
    write_whole(path.with_suffix(".json"), (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def read_judge(name: str, weights_dir: Path | None) -> JudgeFile:
    """Reads the two files of a judge, from ``weights_dir`` where it has them, else as shipped.

    Raises:
        MissingFileError: A file is not there.
        CheckpointError: The files belong to another judge, disagree, or are damaged.
    """
    folder = SHIPPED
    if weights_dir is not None and (weights_dir / f"{name}.safetensors").is_file():
        folder = weights_dir
    path, beside = folder / f"{name}.safetensors", folder / f"{name}.json"
    for wanted in (path, beside):
        if not wanted.is_file():
            raise MissingFileError(f"the judge's file {wanted.name}", f"no such file in {wanted.parent}", RETRAIN)
    content = path.read_bytes()
    record = _read_record(beside, name)
    digest = hashlib.sha256(content).hexdigest()
    if record["sha256"] != digest:
        raise CheckpointError(
            f"{path.name} with SHA-256 {record['sha256']}, as {beside.name} says", f"SHA-256 {digest}", RETRAIN
        )
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise CheckpointError("a safetensors file", f"{path}: {error}", RETRAIN) from error
    state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    return JudgeFile(state, record["config"], record["card"], digest)


def _read_record(path: Path, name: str) -> Mapping[str, Any]:
    """Reads the JSON beside the weights and refuses another judge's."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found = (record["judge"], record["format"], record["sha256"], record["config"], record["card"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "JSON with judge, format, sha256, config and card", f"{path}: {error}", RETRAIN
        ) from error
    if found[:2] != (name, FORMAT):
        raise CheckpointError(f"files of judge {name!r}, format {FORMAT}", f"{path}: {found[:2]}", RETRAIN)
    return dict(record)


def load_network(
    name: str, weights_dir: Path | None, config_class: type[ConfigT], build: Callable[[ConfigT], nn.Module]
) -> tuple[nn.Module, ConfigT, JudgeFile]:
    """Builds a judge's network from its files: strict, float32, eval mode, frozen.

    Args:
        name: The judge's name.
        weights_dir: Folder looked in before the shipped weights.
        config_class: The frozen dataclass its configuration fits.
        build: Configuration -> network.

    Returns:
        The network, its configuration, and what the files hold.

    Raises:
        MissingFileError: A file is not there.
        CheckpointError: The files are damaged or belong to another judge or architecture.
    """
    file = read_judge(name, weights_dir)
    fields = {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    if set(file.config) != fields:
        raise CheckpointError(f"a configuration of {sorted(fields)}", f"{sorted(file.config)}", RETRAIN)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in file.config.items()}
    config = config_class(**values)
    network = build(config)
    try:
        network.load_state_dict(file.state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"weights of {config}", str(error).split("\n")[0], RETRAIN) from error
    return network.to(torch.float32).eval().requires_grad_(False), config, file
