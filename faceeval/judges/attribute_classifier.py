# SPDX-License-Identifier: MIT
"""The second attribute classifier of the embedded faces, which editors may train against.

It shares neither architecture nor seed with the main judge: an editor that learns to please this one is still judged by
a network it has never met.
"""

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


@dataclass(frozen=True)
class Config:
    """What the network is built from.

    Attributes:
        attribute_names: CelebA names of the head, in order.
        widths: Channels of the five convolutions.
        kernels: Their kernel sizes.
    """

    attribute_names: tuple[str, ...]
    widths: tuple[int, ...] = (24, 48, 80, 96, 96)
    kernels: tuple[int, ...] = (5, 3, 3, 5, 3)


class Block(nn.Module):
    """Convolution, batch normalisation, leaky rectifier; no shortcut."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return nn.functional.leaky_relu(self.bn(self.conv(x)), 0.1)


class Network(nn.Module):
    """Images in [-1, 1] (N, 3, 64, 64) -> attribute logits. Plain and wide-sighted, without shortcuts.

    Each attribute has a weight for every place of the last 4 x 4 map, where the main judge averages over places.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for index, (width, kernel) in enumerate(zip(config.widths, config.kernels, strict=True)):
            layers.append(Block(inputs, width, kernel, 2 if index == 0 else 1))
            if 0 < index < 4:
                layers.append(nn.MaxPool2d(2))
            inputs = width
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.attributes = nn.Linear(inputs * 16, len(config.attribute_names))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Float images (N, 3, 64, 64) in [-1, 1] -> ``"attributes"``, logits (N, A)."""
        return {"attributes": self.attributes(self.trunk(x))}

    def features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Float images (N, 3, 64, 64) in [-1, 1] -> the map of each block, finest first, and the logits (N, A)."""
        maps = []
        for layer in self.trunk:
            x = layer(x)
            if isinstance(layer, Block):
                maps.append(x)
        return maps, self.attributes(x)


class AttributeClassifier:
    """Reads attributes off faces of the kind ``procfaces`` renders; for training editors, never for scoring them.

    Made for 64 pixels; squares of any other size are resized to 64 by antialiased bilinear.

    Args:
        weights_dir: Folder looked in before the shipped weights.
        batch_size: Images a batch.
        device: Where to run.

    Attributes:
        network: Frozen; float images (N, 3, 64, 64) in [-1, 1] -> ``{"attributes": logits}``, for gradients.
        widths: Channels of the maps that :meth:`features` returns.
        card: How it was trained and what it reaches on the test split.

    Raises:
        MissingFileError: Its files are missing.
        CheckpointError: Its files are damaged.
    """

    name = "procfaces-teacher"
    outputs: tuple[str, ...] = ("attributes",)

    def __init__(self, *, weights_dir: Path | None = None, batch_size: int = 64, device: str = "cpu") -> None:
        self._batch_size, self._device = batch_size, check_device(device)
        network, config, file = load_network(self.name, weights_dir, Config, Network)
        self.attribute_names: tuple[str, ...] = config.attribute_names
        self.widths: tuple[int, ...] = config.widths
        self.weights_sha256, self.card = file.sha256, file.card
        self.settings: Mapping[str, str | int] = {"input_size": SIZE, "resize": "antialiased bilinear"}
        self.network = fold_batch_norms(network).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """Returns ``{"attributes": float32 (N, A)}`` logits; see :class:`faceeval.judges.Judge`."""
        return run_in_batches(images, self._batch_size, self._device, self._look)

    def features(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Looks at pictures in the making: nothing is rounded, and gradients reach the pixels.

        Args:
            images: float, (N, 3, S, S), in [-1, 1]; the network moves to their device. Sides other than 64 are
                resized to 64 by antialiased bilinear.

        Returns:
            The maps of its five blocks, (N, ``widths[i]``, h, w) with sides 32, 32, 16, 8 and 4, and logits (N, A).
        """
        if images.shape[-1] != SIZE:
            images = nn.functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
        network: Network = self.network.to(images.device)
        return network.features(images)

    def _look(self, batch: Tensor) -> dict[str, Tensor]:
        answers: dict[str, Tensor] = self.network(to_unit(batch, SIZE).contiguous(memory_format=torch.channels_last))
        return answers
