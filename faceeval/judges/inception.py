# SPDX-License-Identifier: MIT
"""InceptionV3 as Fréchet distances use it: pytorch-fid's network and the weights of the 2015 TensorFlow graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceeval.errors import CheckpointError, unknown_name
from faceeval.judges.folding import fold_batch_norms
from faceeval.judges.fusing import fuse_rectifiers
from faceeval.judges.inputs import check_device, run_in_batches
from faceeval.judges.outside_weights import WeightFile, missing_package, read_weights, state_sha256
from faceeval.judges.resize import PRESETS

WEIGHTS = WeightFile(
    filename="pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    licence="Apache-2.0",
)
CLASSES = 1008  # of the 2015 graph; torchvision's has 1000
# where the 2015 graph differs from torchvision's: block -> class of pytorch_fid.inception and its arguments
PATCHES: dict[str, tuple[str, tuple[int, ...]]] = {
    "Mixed_5b": ("FIDInceptionA", (192, 32)),
    "Mixed_5c": ("FIDInceptionA", (256, 64)),
    "Mixed_5d": ("FIDInceptionA", (288, 64)),
    "Mixed_6b": ("FIDInceptionC", (768, 128)),
    "Mixed_6c": ("FIDInceptionC", (768, 160)),
    "Mixed_6d": ("FIDInceptionC", (768, 160)),
    "Mixed_6e": ("FIDInceptionC", (768, 192)),
    "Mixed_7b": ("FIDInceptionE_1", (1280,)),
    "Mixed_7c": ("FIDInceptionE_2", (2048,)),
}


def build_network() -> nn.Module:
    """Builds the network of the 2015 graph with whatever numbers are in memory; its weights come from a state dict.

    Raises:
        MissingFileError: pytorch-fid is not installed.
    """
    try:
        from pytorch_fid import inception as blocks
        from torchvision.models import inception_v3
    except ImportError as error:
        raise missing_package("pytorch_fid", "pytorch-fid") from error
    network: nn.Module = inception_v3(weights=None, num_classes=CLASSES, aux_logits=False, init_weights=False)
    for name, (block, arguments) in PATCHES.items():
        setattr(network, name, getattr(blocks, block)(*arguments))
    return network


def rectified_convolution() -> type[nn.Module]:
    """Returns torchvision's class of convolution, normalisation and rectifier, which the network is made of."""
    from torchvision.models.inception import BasicConv2d

    block: type[nn.Module] = BasicConv2d
    return block


class InceptionJudge:
    """Pool3 features (2048-d) of InceptionV3, for the Fréchet distance.

    Images of any size are resized to 299 x 299 pixels by the preset, which stretches what is not square. The network
    runs in float32, channels last, with its batch normalisations folded and its rectifiers fused: the same features to
    2e-5, in little more than half the time.

    Args:
        weights_dir: Folder looked in first for the weight file.
        resize: ``"tf1"`` (as the original), ``"pytorch-fid"`` or ``"clean"``.
        batch_size: Images a batch.
        device: Where to run.
        state: Weights to use in place of the published file; their digest is taken over the tensors.

    Raises:
        UnknownNameError: No such preset.
        MissingFileError: The weight file or pytorch-fid is missing.
        CheckpointError: The weights do not belong to this network.

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017; Szegedy et al., CVPR 2016.
    """

    name = "inception"
    outputs: tuple[str, ...] = ("features",)
    attribute_names: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        weights_dir: Path | None = None,
        resize: str = "tf1",
        batch_size: int = 32,
        device: str = "cpu",
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        if resize not in PRESETS:
            raise unknown_name("resize preset", resize, PRESETS)
        self._prepare, self._batch_size, self._device = PRESETS[resize], batch_size, check_device(device)
        network = build_network()
        tensors = read_weights(WEIGHTS, weights_dir) if state is None else state
        self.weights_sha256 = WEIGHTS.sha256 if state is None else state_sha256(state)
        self.settings: Mapping[str, str | int] = {"resize": resize, "input_size": 299, "layer": "pool3"}
        try:
            network.load_state_dict(dict(tensors), strict=True)
        except RuntimeError as error:
            todo = f"use {WEIGHTS.filename} as published"
            raise CheckpointError("weights of the 2015 InceptionV3", str(error).split("\n")[0], todo) from error
        network.fc = nn.Identity()
        network.eval().requires_grad_(False)
        fused = fuse_rectifiers(fold_batch_norms(network), rectified_convolution())
        self.network = fused.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        """Returns ``{"features": float32 (N, 2048)}``; see :class:`faceeval.judges.Judge`."""
        return run_in_batches(images, self._batch_size, self._device, self._look, square=False)

    def _look(self, batch: Tensor) -> dict[str, Tensor]:
        # channels last before the resizing, where there are fewer pixels to move
        prepared = self._prepare(batch.contiguous(memory_format=torch.channels_last))
        return {"features": self.network(prepared.contiguous(memory_format=torch.channels_last))}
