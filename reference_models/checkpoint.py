# SPDX-License-Identifier: MIT
"""Weights on disk: a safetensors file and, beside it, a JSON file with the configuration and the card.

Nothing here ever unpickles: a file that is not safetensors is refused unread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn

from faceeval.atomic import write_whole
from faceeval.errors import CheckpointError, InputError, MissingFileError, OutputError
from faceeval.method import MethodCard
from reference_models.quantised import quantise, restore
from reference_models.recipe import Networks, config_from_dict

FORMAT = 2
# a zip (torch.save since 1.6), a bare pickle of protocol 2 to 5, and a tar (torch.save before 0.4) begin so
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x80\x8a")
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".tar")


@dataclass(frozen=True)
class Weights:
    """Published weights, read and checked.

    Attributes:
        networks: In eval mode, without gradients, float32.
        config: The method's configuration.
        sha256: Digest of the weight file.
        stored: The whole JSON file.
    """

    networks: Networks
    config: Any
    sha256: str
    stored: Mapping[str, Any]

    def card(self, name: str, paper: str, year: int, parts: Sequence[str] = ()) -> MethodCard:
        """Returns the method's card, with the training notes of the JSON file."""
        return MethodCard(
            name=name,
            paper=paper,
            year=year,
            image_size=self.config.image_size,
            attributes=tuple(self.stored["attributes"]),
            parts=tuple(parts),
            licence=self.stored.get("licence", ""),
            weights_sha256=self.sha256,
            notes=self.stored.get("notes", {}),
        )


def append_line(path: Path, line: str) -> None:
    """Appends a line to a log.

    Raises:
        OutputError: It cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write(line + "\n")
    except OSError as error:
        todo = "free some space or choose another output folder"
        raise OutputError("a log that can be written to", f"{path}: {error.strerror or error}", todo) from error


def save_weights(
    path: Path,
    networks: Mapping[str, nn.Module],
    *,
    method: str,
    attributes: Sequence[str],
    data: str,
    config: Any,
    notes: Mapping[str, Any],
    half: bool = True,
) -> Path:
    """Publishes weights: ``path`` and the JSON file beside it, which is written last and makes the pair valid.

    Args:
        path: Ends in ``.safetensors``.
        networks: Name -> network.
        method: Name in the table of methods.
        attributes: CelebA's names of the attributes it edits; none for a method that edits none.
        data: Dataset it was trained on.
        config: The method's configuration dataclass.
        notes: Command, steps, minutes, seed, scores, departures from the paper.
        half: Store float16; read back as float32.

    Raises:
        OutputError: The folder cannot be written to.
    """
    kind = torch.float16 if half else torch.float32
    tensors = {
        f"{name}.{key}": value.detach().cpu().to(kind if value.is_floating_point() else value.dtype).contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    # one entry only: the format does not keep entries in order, and equal weights must be equal files
    content = safetensors.save(tensors, {"weights": _whose(method, attributes)})
    card = {
        "format": FORMAT,
        "method": method,
        "attributes": list(attributes),
        "data": data,
        "image_size": config.image_size,
        "half": half,
        "licence": "MIT",
        "sha256": hashlib.sha256(content).hexdigest(),
        "config": asdict(config),
        "notes": dict(notes),
    }
    write_whole(path, content)
    write_whole(path.with_suffix(".json"), _json(card))
    return path


def compact(path: Path) -> None:
    """Stores published weights as bytes, see ``quantised``; the card says so, and the digest of the new file.

    Raises:
        MissingFileError: One of the two files is not there.
        CheckpointError: One of them is not what it should be.
    """
    card = _read_card(path.with_suffix(".json"))
    try:
        tensors = safetensors.load(read_safe(path))
        content = safetensors.save(quantise(tensors), {"weights": _whose(card["method"], card["attributes"])})
    except (SafetensorError, KeyError) as error:
        raise CheckpointError("a whole .safetensors file and its card", f"{path.name}: {error}", _HINT) from error
    card |= {"stored": "int8", "sha256": hashlib.sha256(content).hexdigest()}
    write_whole(path, content)
    write_whole(path.with_suffix(".json"), _json(card))


def _whose(method: str, attributes: Sequence[str]) -> str:
    return f"{method} for {', '.join(attributes)}" if attributes else method


def annotate(path: Path, **notes: Any) -> None:
    """Adds notes, such as scores, to the card beside a weight file; the weights stay as they are.

    Raises:
        MissingFileError: There is no card.
        CheckpointError: It is not a card.
    """
    card = _read_card(path.with_suffix(".json"))
    card["notes"] = {**card.get("notes", {}), **notes}
    write_whole(path.with_suffix(".json"), _json(card))


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def load_weights(
    path: Path,
    *,
    method: str,
    attribute: str = "",
    size: int,
    config_class: type[Any],
    build: Callable[[Any, int], Networks],
    helpers: tuple[str, ...] = (),
) -> Weights:
    """Reads published weights strictly: every tensor must be there, of the right shape, and none more.

    Args:
        path: The safetensors file; its JSON file lies beside it.
        method: Method the weights must be of.
        attribute: Attribute they must be for, perhaps among others; empty where they are to be for none.
        size: Image side they must be for.
        config_class: The method's configuration.
        build: (configuration, seed) -> networks.
        helpers: Names of those that are not published.

    Raises:
        MissingFileError: One of the two files is not there.
        CheckpointError: Another method, attribute or size, cut short, damaged, or a pickle.
    """
    content = read_safe(path)
    card = _read_card(path.with_suffix(".json"))
    for key, wanted in (("format", FORMAT), ("method", method), ("image_size", size)):
        if card.get(key) != wanted:
            raise CheckpointError(f"weights with {key} {wanted!r}", f"{card.get(key)!r} in {path.name}", _HINT)
    if attribute not in ((known := card.get("attributes", ())) or [""]):
        got = f"weights for {', '.join(known) or 'none'} in {path.name}"
        raise CheckpointError(f"weights for {attribute or 'no attribute'}", got, _HINT)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.get("sha256"):
        raise CheckpointError(
            f"{path.name} with SHA-256 {str(card.get('sha256'))[:12]}..., as its card says",
            f"{digest[:12]}... ({len(content)} bytes)",
            "the file was cut short or changed; fetch or train it again",
        )
    try:
        tensors = restore(safetensors.load(content))
        config = config_from_dict(config_class, card["config"])
        networks = {name: network for name, network in build(config, 0).items() if name not in helpers}
        fill(networks, tensors)
    except (SafetensorError, InputError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"weights of {method}", f"{path.name}: {error}", _HINT) from error
    for network in networks.values():
        network.eval().requires_grad_(False)
    return Weights(networks, config, digest, card)


_HINT = "choose the file that fits, or train one: faceeval train --method NAME --attr ATTRIBUTE"


def fill(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors named ``network.parameter`` into networks.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape.
    """
    own = {f"{name}.{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
    odd = sorted(own.keys() ^ tensors.keys())
    odd = odd or [key for key, value in own.items() if value.shape != tensors[key].shape]
    if odd:
        raise CheckpointError(
            f"{len(own)} tensors of these networks", f"{len(odd)} missing, unknown or misshapen, first {odd[0]}", _HINT
        )
    with torch.no_grad():
        for key, value in own.items():
            value.copy_(tensors[key])


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a weight file, in float32, by the names of networks and parameters.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, or a pickle.
    """
    try:
        tensors = restore(safetensors.load(read_safe(path)))
    except (SafetensorError, InputError) as error:
        raise CheckpointError("a whole .safetensors file", f"{path.name}: {error}", _HINT) from error
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def read_safe(path: Path) -> bytes:
    """Reads a safetensors file's bytes; refuses anything that could be a pickle without looking further.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is cut short, of another kind, or a pickle.
    """
    if not path.is_file():
        raise MissingFileError(f"a weight file at {path}", "no such file", "check the path, or train the method first")
    content = path.read_bytes()
    if content.startswith(PICKLE_STARTS) or path.suffix.lower() in PICKLE_SUFFIXES:
        raise CheckpointError(
            "a .safetensors file, which can hold nothing but numbers",
            f"{path.name}, which looks like a pickle and could run code; it was not opened",
            "convert it to safetensors with the program that made it",
        )
    header = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header > len(content) - 8:
        raise CheckpointError(
            "a whole .safetensors file",
            f"{path.name} with {len(content)} bytes, cut short or of another kind",
            "fetch or train it again",
        )
    return content


def _read_card(path: Path) -> dict[str, Any]:
    """Reads the JSON file beside a weight file."""
    if not path.is_file():
        raise MissingFileError(
            f"the card {path.name} beside the weights", "no such file", "keep the two files together"
        )
    try:
        card = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(f"a JSON card in {path.name}", str(error), "fetch or train the weights again") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"a JSON card in {path.name}", type(card).__name__, "fetch or train the weights again")
    return card
