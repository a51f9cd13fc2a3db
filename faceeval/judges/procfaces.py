# SPDX-License-Identifier: MIT
"""The main judge of the embedded faces: one small network reads identity, attributes, expression and pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceeval.judges.checkpoint import load_network
from faceeval.judges.folding import fold_batch_norms
from faceeval.judges.inputs import check_device, run_in_batches, to_unit

SIZE = 64
EXPRESSIONS = 8  # AffectNet's classes
POSE_SCALE = 30.0  # degrees that one unit of the pose head stands for: about the spread of yaw


@dataclass(frozen=True)
class Config:
    """What the network is built from.

    Attributes:
        attribute_names: CelebA names of the attribute head, in order.
        widths: Channels of each stage; each stage after the first halves the resolution, which starts at 32.
        blocks: Residual blocks of each stage.
        places: Channels kept at each place of the last map, which all heads read place by place: where something is in
            the face matters, and averaging over places would lose it.
        embedding: Length of the identity embedding.
    """

    attribute_names: tuple[str, ...]
    widths: tuple[int, ...] = (32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    places: int = 64
    embedding: int = 128


class ConvNorm(nn.Module):
    """A convolution and its batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        normalised: Tensor = self.bn(self.conv(x))
        return normalised


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016) that averages where it halves the resolution.

    A strided shortcut drops three places of four, and eyes of three pixels with them (ResNet-D: He et al., CVPR 2019).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride)
        self.second = ConvNorm(outputs, outputs, 3, 1)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), ConvNorm(inputs, outputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class Network(nn.Module):
    """Images in [-1, 1] (N, 3, 64, 64) -> embedding, attribute logits, expression logits, pose in degrees.

    The embedding is a linear map of the last features with no normalisation after it. In training a softmax over
    identities reads its raw length, so the length carries confidence, which is what DFN measures.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        stages: list[nn.Module] = [ConvNorm(3, config.widths[0], 3, 2), nn.ReLU()]
        inputs = config.widths[0]
        for stage, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            for block in range(count):
                stages.append(Residual(inputs, width, 2 if stage > 0 and block == 0 else 1))
                inputs = width
        self.trunk = nn.Sequential(*stages, ConvNorm(inputs, config.places, 1, 1), nn.ReLU(), nn.Flatten())
        inputs = config.places * (SIZE >> len(config.widths)) ** 2
        self.embedding = nn.Linear(inputs, config.embedding)
        self.attributes = nn.Linear(inputs, len(config.attribute_names))
        self.expression = nn.Linear(inputs, EXPRESSIONS)
        self.pose = nn.Linear(inputs, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Float images (N, 3, 64, 64) in [-1, 1] -> ``"embedding"``, ``"attributes"``, ``"expression"``, ``"pose"``."""
        features = self.trunk(x)
        return {
            "embedding": self.embedding(features),
            "attributes": self.attributes(features),
            "expression": self.expression(features),
            "pose": self.pose(features) * POSE_SCALE,
        }


class ProcfacesJudge:
    """Reads identity, attributes, expression and pose off faces of the kind ``procfaces`` renders.

    Made for 64 pixels; squares of any other size are resized to 64 by antialiased bilinear. On photographs its answers
    mean nothing.

    Args:
        weights_dir: Folder looked in before the shipped weights.
        batch_size: Images a batch.
        device: Where to run.

    Attributes:
        network: Frozen; float images (N, 3, 64, 64) in [-1, 1] -> dict of tensors, for whoever needs gradients.
        card: How it was trained and what it reaches on the test split.

    Raises:
        MissingFileError: Its files are missing.
        CheckpointError: Its files are damaged.
    """

    name = "procfaces"
    outputs: tuple[str, ...] = ("embedding", "attributes", "expression", "pose")

    def __init__(self, *, weights_dir: Path | None = None, batch_size: int = 64, device: str = "cpu") -> None:
        self._batch_size, self._device = batch_size, check_device(device)
        network, config, file = load_network(self.name, weights_dir, Config, Network)
        self.attribute_names: tuple[str, ...] = config.attribute_names
        self.weights_sha256, self.card = file.sha256, file.card
        self.settings: Mapping[str, str | int] = {"input_size": SIZE, "resize": "antialiased bilinear"}
        self.network = fold_batch_norms(network).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """Returns embedding, attribute logits, expression logits and pose; see :class:`faceeval.judges.Judge`."""
        return run_in_batches(images, self._batch_size, self._device, self._look)

    def _look(self, batch: Tensor) -> dict[str, Tensor]:
        answers: dict[str, Tensor] = self.network(to_unit(batch, SIZE).contiguous(memory_format=torch.channels_last))
        return answers
