# SPDX-License-Identifier: MIT
"""InceptionResnetV1 trained on VGGFace2 by softmax (facenet-pytorch): identity of photographed faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceeval.errors import CheckpointError
from faceeval.judges.folding import fold_batch_norms
from faceeval.judges.inputs import check_device, run_in_batches, to_unit
from faceeval.judges.outside_weights import WeightFile, missing_package, read_weights, state_sha256

WEIGHTS = WeightFile(
    filename="20180402-114759-vggface2.pt",
    sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
    url="https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
    licence="MIT; trained on VGGFace2, whose terms allow research only",
)
PEOPLE = 8631  # of VGGFace2's training part, the width of the published classification layer
SIZE = 160


def build_network() -> nn.Module:
    """Builds the network with its classification layer, so that the published file loads strictly.

    Raises:
        MissingFileError: facenet-pytorch is not installed.
    """
    try:
        from facenet_pytorch import InceptionResnetV1
    except ImportError as error:
        raise missing_package("facenet_pytorch", "facenet-pytorch==2.5.3") from error
    network: nn.Module = InceptionResnetV1(pretrained=None, classify=True, num_classes=PEOPLE)
    return network


class FacenetJudge:
    """Raw 512-d embedding of InceptionResnetV1: the output of ``last_bn``, before the normalisation that DFN forbids.

    Images are taken as they come: crop faces as the data set's reader does, and the same crop for source and edit.
    Squares of any size are resized to 160 pixels by antialiased bilinear and scaled by (x - 127.5) / 128.

    Args:
        weights_dir: Folder looked in first for the weight file.
        batch_size: Images a batch.
        device: Where to run.
        state: Weights to use in place of the published file; their digest is taken over the tensors.

    Raises:
        MissingFileError: The weight file or facenet-pytorch is missing.
        CheckpointError: The weights do not belong to this network.

    References:
        Schroff et al., "FaceNet", CVPR 2015; Szegedy et al., "Inception-v4, Inception-ResNet", AAAI 2017.
    """

    name = "facenet"
    outputs: tuple[str, ...] = ("embedding",)
    attribute_names: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        weights_dir: Path | None = None,
        batch_size: int = 32,
        device: str = "cpu",
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._batch_size, self._device = batch_size, check_device(device)
        network = build_network()
        tensors = read_weights(WEIGHTS, weights_dir) if state is None else state
        self.weights_sha256 = WEIGHTS.sha256 if state is None else state_sha256(state)
        self.settings: Mapping[str, str | int] = {"input_size": SIZE, "layer": "last_bn"}
        try:
            network.load_state_dict(dict(tensors), strict=True)
        except RuntimeError as error:
            todo = f"use {WEIGHTS.filename} as published"
            raise CheckpointError("weights of InceptionResnetV1", str(error).split("\n")[0], todo) from error
        # in classify mode the network hands last_bn's output to this layer and skips the normalisation
        network.logits = nn.Identity()
        network.eval().requires_grad_(False)
        self.network = fold_batch_norms(network).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """Returns ``{"embedding": float32 (N, 512)}``; see :class:`faceeval.judges.Judge`."""
        return run_in_batches(images, self._batch_size, self._device, self._look)

    def _look(self, batch: Tensor) -> dict[str, Tensor]:
        # (x - 127.5) / 128 in terms of x / 127.5 - 1
        scaled = to_unit(batch, SIZE) * (127.5 / 128.0)
        return {"embedding": self.network(scaled.contiguous(memory_format=torch.channels_last))}
