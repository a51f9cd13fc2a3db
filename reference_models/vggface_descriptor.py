# SPDX-License-Identifier: MIT
"""The VGG-Face descriptor that Browatzki and Wallraven compare their codes with (Table 3): 4096 numbers of a network
trained to name 2,622 people.

Parkhi et al., "Deep Face Recognition", BMVC 2015: the layer before the names, fc7. Its weights are not ours to ship.
With a file of them this is the descriptor; without, the pooled maps of the network that stands in for it, under a name
that says so. Nothing is trained here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.errors import CheckpointError, InputError, unknown_name
from faceeval.method import MethodCard
from reference_models.features import (
    BLOCKS,
    VGG_FACE_MEAN,
    ChannelOrder,
    FeatureExtractor,
    Normaliser,
    extractor,
    read_tensors,
)
from reference_models.images import in_batches

NAME = "vggface_descriptor"
PAPER = "Parkhi, Vedaldi, Zisserman: Deep Face Recognition"
PARTS = ("identity",)  # what the network was made for
POOLED = 7  # side of the last pooled map at 224 pixels, where the layers that see the whole picture begin
FULL_SIZE = 224
# fc6 and fc7 as files call them: the Caffe release's names and those of its ports, then torchvision's
FULLY_CONNECTED = (("fc6", "fc7"), ("fc_6", "fc_7"), ("classifier.0", "classifier.3"))


@dataclass(frozen=True)
class Config:
    """Where the descriptor is from.

    Attributes:
        features: Where the convolutions are from, see ``features.extractor``: ``"procfaces"``, the stand-in that is
            shipped; ``"random"``; or a file of VGG-Face, whose fc6 and fc7 are then used too.
        layer: ``"fc7"``, ``"pool5"``, or ``"auto"``: fc7 where the file has it.
        channel_order: As in ``features.extractor``.
        normaliser: As in ``features.extractor``.
        rectified: Whether fc7 is read after its ReLU, as the network's next layer reads it; the paper does not say.
        size: Side pictures are resized to for pool5; 0 leaves them as they are. For fc7 it is 224.
    """

    features: str = "procfaces"
    layer: Literal["auto", "fc7", "pool5"] = "auto"
    channel_order: ChannelOrder = "rgb"
    normaliser: Normaliser = "auto"
    rectified: bool = True
    size: int = 64


class VGGFaceDescriptor:
    """Embeds faces as VGG-Face, or what stands in for it, describes them.

    For weights of your own, derive a class without arguments and name it with ``--method my_module:MyDescriptor``.

    Args:
        config: Where the descriptor is from.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It holds other tensors, no fc6 and fc7 where they are asked for, or is not safe to read.
        InputError: A size that leaves nothing to pool.
    """

    def __init__(self, config: Config = Config()) -> None:
        if config.size and config.size < 2 ** len(BLOCKS):
            got, todo = f"size {config.size}", "give size=64, or 0 to leave pictures as they are"
            raise InputError(f"a size of {2 ** len(BLOCKS)} pixels at least, or 0", got, todo)
        self.config = config
        self.network: FeatureExtractor = extractor(
            config.features, channel_order=config.channel_order, normaliser=config.normaliser
        )
        self.head = None if config.layer == "pool5" else _head(self.network, needed=config.layer == "fc7")
        # torchvision's VGG-16 has layers of that form too, and never saw a face's name
        stands_in = self.head is None or self.network.layout.mean != VGG_FACE_MEAN
        source = Path(self.network.source).name
        self.card = MethodCard(
            name=f"{NAME} ({source})" if stands_in else NAME,
            paper=PAPER,
            year=2015,
            parts=PARTS,
            weights_sha256=self.network.weights_sha256,
            notes={
                "features": source,
                "layer": "pool5" if self.head is None else "fc7",
                **({"stands in for": "fc7 of VGG-Face, whose weights are not ours to ship"} if stands_in else {}),
            },
        )

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns the descriptor of each face, float32 (N, D): 4096 numbers of VGG-Face, 256 of the stand-in.

        Args:
            images: uint8, (N, 3, S, S), RGB, of any size.
            part: ``"identity"``; it has no other.

        Raises:
            InputError: Images of another form.
            UnknownNameError: Another part.
        """
        if part not in PARTS:
            raise unknown_name(f"part of {self.card.name}", part, PARTS)
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            got = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
            raise InputError("uint8 images of shape (N, 3, H, W)", got, "give RGB pictures, 0..255")
        return in_batches(self._describe, images)

    def _describe(self, images: Tensor) -> Tensor:
        side = self.config.size if self.head is None else FULL_SIZE
        if side and images.shape[2:] != (side, side):
            images = functional.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
        maps = self.network.features(images, ["pool5"])["pool5"].flatten(1)
        if self.head is None:
            return maps
        fc6, fc7 = self.head
        described: Tensor = fc7(functional.relu(fc6(maps)))
        return functional.relu(described) if self.config.rectified else described


def _head(network: FeatureExtractor, *, needed: bool) -> tuple[nn.Linear, nn.Linear] | None:
    """Returns fc6 and fc7 of the file the convolutions are from; None where there is no file, or it has none."""
    found = None
    if network.source not in ("procfaces", "random"):
        about = (path := Path(network.source)).stat()
        found = _read_head(path, (about.st_mtime_ns, about.st_size))
    if found is None:
        if needed:
            todo = "name a file of VGG-Face that has them, or choose layer='pool5'"
            raise CheckpointError("fully connected layers fc6 and fc7", f"none in {network.source}", todo)
        return None
    wanted = BLOCKS[-1][0] * network.layout.width * POOLED**2
    if found[0].in_features != wanted or found[1].in_features != found[0].out_features:
        got = f"fc6 of {found[0].in_features} to {found[0].out_features}, fc7 of {found[1].in_features}"
        raise CheckpointError(f"fc6 of {wanted} numbers, and fc7 of what it gives", got, "give the file of one network")
    return found


@functools.lru_cache(maxsize=2)
@torch.inference_mode(False)
def _read_head(path: Path, stamp: tuple[int, int]) -> tuple[nn.Linear, nn.Linear] | None:
    """Reads a user's file; ``stamp`` tells a changed file from the one that was read before."""
    tensors = read_tensors(path)
    for names in FULLY_CONNECTED:
        if all(f"{name}.{kind}" in tensors for name in names for kind in ("weight", "bias")):
            first, second = (_linear(tensors, name, path) for name in names)
            return first, second
    return None


def _linear(tensors: Mapping[str, Tensor], name: str, path: Path) -> nn.Linear:
    weight, bias = tensors[f"{name}.weight"].float(), tensors[f"{name}.bias"].float()
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        got = f"{name} of shapes {tuple(weight.shape)} and {tuple(bias.shape)} in {path.name}"
        raise CheckpointError("a matrix and a vector of a linear layer", got, "convert the file to that form")
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer.eval().requires_grad_(False)
