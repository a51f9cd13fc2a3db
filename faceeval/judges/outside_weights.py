# SPDX-License-Identifier: MIT
"""Finds and reads weights that others publish. Nothing is downloaded: the error says where a missing file goes."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from faceeval.errors import CheckpointError, MissingFileError


@dataclass(frozen=True)
class WeightFile:
    """A published weight file.

    Attributes:
        filename: Its name.
        sha256: SHA-256 of its bytes.
        url: Where its authors publish it.
        licence: Under what terms.
    """

    filename: str
    sha256: str
    url: str
    licence: str


def search_folders(weights_dir: Path | None) -> list[Path]:
    """Returns where weights are looked for, first to last: the argument, ``FACEEVAL_WEIGHTS``, torch's caches."""
    folders = [] if weights_dir is None else [weights_dir]
    if named := os.environ.get("FACEEVAL_WEIGHTS"):
        folders.append(Path(named))
    hub = Path(torch.hub.get_dir())
    # pytorch-fid writes to hub/checkpoints, facenet-pytorch 2.5.3 to checkpoints beside hub
    return [folder.expanduser() for folder in (*folders, hub / "checkpoints", hub.parent / "checkpoints")]


def find_weights(file: WeightFile, weights_dir: Path | None) -> Path:
    """Returns the path of a published weight file on this machine.

    Raises:
        MissingFileError: It lies in none of the folders.
    """
    folders = search_folders(weights_dir)
    for folder in folders:
        if (folder / file.filename).is_file():
            return folder / file.filename
    raise MissingFileError(
        f"the weight file {file.filename} (SHA-256 {file.sha256[:16]}...)",
        f"no such file in {', '.join(str(folder) for folder in folders)}",
        f"download {file.url} and put it into a folder named by --weights-dir or FACEEVAL_WEIGHTS",
    )


def read_weights(file: WeightFile, weights_dir: Path | None) -> dict[str, Tensor]:
    """Finds a published weight file, checks its digest, and reads its tensors.

    Args:
        file: Which one.
        weights_dir: Folder looked in first.

    Returns:
        Name -> tensor.

    Raises:
        MissingFileError: The file is nowhere.
        CheckpointError: The file is not the published one, or holds something other than tensors.
    """
    path = find_weights(file, weights_dir)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise CheckpointError(
            f"{file.filename} with SHA-256 {file.sha256}",
            f"SHA-256 {digest.hexdigest()} at {path}",
            f"delete that file (it may be cut short) and download {file.url} again",
        )
    return read_tensors(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a torch file that holds tensors by name, refusing code.

    Raises:
        CheckpointError: It holds anything else, or cannot be read.
    """
    expected, todo = "a torch file of named tensors", "download it again from its authors"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(expected, f"{path}, which torch cannot read safely", todo) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(expected, f"{path}, which holds something else", todo)
    return state


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 over names, dtypes, shapes and values of tensors, for weights that come from no file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def missing_package(module: str, package: str) -> MissingFileError:
    """Builds the error for a network definition whose package is not installed."""
    return MissingFileError(
        f"the Python package {package}, which defines the network",
        f"no module named {module}",
        "pip install 'faceeval[outside]'",
    )
