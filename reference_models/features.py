# SPDX-License-Identifier: MIT
"""Frozen networks whose feature maps losses compare: the convolutional part of VGG-Face, and what stands in for it.

VGG-Face is configuration D of Simonyan and Zisserman (ICLR 2015) trained on faces by Parkhi et al., "Deep Face
Recognition", BMVC 2015. Its weights are not ours to ship. A user who has them names the file; without them there is
the same layout, an eighth as wide, trained to tell the people of procfaces apart, and the layout with random weights.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor, nn
from torch.nn import functional

from faceeval.errors import CheckpointError, InputError, MissingFileError, unknown_name
from reference_models import WEIGHTS
from reference_models.blocks import initialise
from reference_models.checkpoint import load_weights
from reference_models.recipe import Networks

ChannelOrder = Literal["rgb", "bgr"]
Normaliser = Literal["auto", "vggface", "imagenet"]

# of each block: channels, as a multiple of the first block's, and convolutions (Parkhi et al., table 3)
BLOCKS: tuple[tuple[int, int], ...] = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
# the l-th convolutional layer of a paper is CONVOLUTIONS[l - 1]
CONVOLUTIONS: tuple[str, ...] = tuple(
    f"conv{block}_{place}" for block, (_, count) in enumerate(BLOCKS, 1) for place in range(1, count + 1)
)
LAYERS: tuple[str, ...] = tuple(
    name
    for block, (_, count) in enumerate(BLOCKS, 1)
    for name in (*(f"conv{block}_{place}" for place in range(1, count + 1)), f"pool{block}")
)
# places of the convolutions in torchvision's vgg16().features
TORCHVISION_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)

VGG_FACE_MEAN = (129.1863, 104.7624, 93.5940)  # R, G, B of the released network, in 0..255
ONE = (1.0, 1.0, 1.0)
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)  # torchvision's, which are shares of 255
IMAGENET_SPREAD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
FACE_SPREAD = (64.0, 64.0, 64.0)  # about the standard deviation of a face's pixels: maps of our networks stay near one


@dataclass(frozen=True)
class Layout:
    """What a feature network is built from.

    Attributes:
        width: Channels of the first block (64).
        mean: What is taken from the pixels, 0..255, in R, G, B.
        spread: What they are then divided by.
        image_size: Side of the pictures it was trained on; it takes any from 16 up.
    """

    width: int = 64
    mean: tuple[float, float, float] = VGG_FACE_MEAN
    spread: tuple[float, float, float] = ONE
    image_size: int = 224


SMALL = Layout(width=8, spread=FACE_SPREAD, image_size=64)


class FeatureExtractor(nn.Module):
    """The thirteen convolutions of VGG-16, each 3x3 with a bias and a ReLU, and a 2x2 maximum after each block.

    Args:
        layout: Its width and how it likes its input.

    Attributes:
        source: Where the weights are from: ``"procfaces"``, ``"random"`` or a path.
        weights_sha256: Digest of the weight file; empty for random weights.
    """

    gain: Tensor
    lift: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, self.source, self.weights_sha256 = layout, "", ""
        channels = 3
        for block, (multiple, count) in enumerate(BLOCKS, 1):
            for place in range(1, count + 1):
                self.add_module(f"conv{block}_{place}", nn.Conv2d(channels, multiple * layout.width, 3, 1, 1))
                channels = multiple * layout.width
        # (x + 1) * 127.5 gives grey levels; less the mean, over the spread, that is x * gain + lift
        mean, spread = (torch.tensor(value)[None, :, None, None] for value in (layout.mean, layout.spread))
        self.register_buffer("gain", 127.5 / spread, persistent=False)
        self.register_buffer("lift", (127.5 - mean) / spread, persistent=False)

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Returns feature maps after the ReLU (or the maximum, for ``"pool1"`` ... ``"pool5"``), with gradients.

        Args:
            images: Float, (N, 3, H, W), RGB in [-1, 1]; any size that leaves a pixel to the deepest map.
            names: Names in LAYERS, in any order; nothing beyond the deepest is computed.

        Returns:
            Name -> map (N, C, h, w), in the order of ``names``. Block b has h = H / 2^(b - 1).

        Raises:
            UnknownNameError: No such layer.
            InputError: Other than float colour images, or too small ones.
        """
        last = self._last(images, names)
        if self.gain.device != images.device:
            with torch.inference_mode(False):
                self.to(images.device)
        found: dict[str, Tensor] = {}
        x = torch.addcmul(self.lift, images, self.gain)
        for name in LAYERS[: last + 1]:
            if name.startswith("pool"):
                x = functional.max_pool2d(x, 2)
            else:
                x = functional.relu(self.get_submodule(name)(x), inplace=True)
            if name in names:
                found[name] = x
        return {name: found[name] for name in names}

    def forward(self, images: Tensor) -> Tensor:
        """Returns the last convolution's maps averaged over the picture, (N, 8 * width), from which people are told."""
        return self.features(images, ["conv5_3"])["conv5_3"].mean((2, 3))

    @staticmethod
    def _last(images: Tensor, names: Sequence[str]) -> int:
        """Returns the place of the deepest layer asked for, once the arguments are what they should be."""
        for name in names:
            if name not in LAYERS:
                raise unknown_name("layer of VGG-16", name, LAYERS)
        if not names:
            raise InputError("the name of at least one layer", "none", f"name some of {', '.join(LAYERS)}")
        if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(
                "float images of shape (N, 3, H, W) in [-1, 1]",
                f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}",
                "scale uint8 images by images.to_signed first",
            )
        last = max(LAYERS.index(name) for name in names)
        least = 2 ** sum(name.startswith("pool") for name in LAYERS[: last + 1])
        if min(images.shape[2:]) < least:
            got = "x".join(map(str, images.shape[2:]))
            raise InputError(f"images of {least} pixels or more for {LAYERS[last]}", got, "choose an earlier layer")
        return last


def build(layout: Layout, seed: int) -> Networks:
    """Returns a network with random weights that keep the size of the signal (He et al., ICCV 2015)."""
    network = FeatureExtractor(layout)
    initialise(network, seed, std=None)
    return {"vgg": network}


# --- where weights come from ------------------------------------------------------------------------------------

SHIPPED = WEIGHTS / "perceptual" / "procfaces-64.safetensors"


def extractor(
    source: str | Path = "procfaces",
    *,
    channel_order: ChannelOrder = "rgb",
    normaliser: Normaliser = "auto",
    width: int = SMALL.width,
    seed: int = 0,
) -> FeatureExtractor:
    """Returns a feature network: frozen, in eval mode, and the same object for the same arguments.

    Args:
        source: ``"procfaces"``: the shipped network of width 8, which knows the people of the embedded faces apart.
            ``"random"``: random weights. Else the path of a ``.safetensors``, ``.pth`` or ``.pt`` file with the
            convolutions of VGG-Face (``conv1_1.weight`` or ``conv_1_1.weight``) or of torchvision's VGG16
            (``features.0.weight``); fully connected layers in it are left aside.
        channel_order: Order in which the file's first convolution expects the colours. The Caffe release of VGG-Face
            expects ``"bgr"``, and ports differ: where a file does not say, compare features of a known image.
        normaliser: What the file's network expects of its input. ``"vggface"``: 0..255 less VGG_FACE_MEAN.
            ``"imagenet"``: torchvision's. ``"auto"``: the latter where the tensors are named as torchvision's.
        width: Channels of the first block of random weights; files have their own.
        seed: Decides random weights.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It holds other tensors, is damaged, or is not safe to read.
        UnknownNameError: No such channel order or normaliser.
    """
    for kind, value, known in (
        ("channel order", channel_order, ("rgb", "bgr")),
        ("normaliser", normaliser, ("auto", "vggface", "imagenet")),
    ):
        if value not in known:
            raise unknown_name(kind, value, known)
    if str(source) == "procfaces":
        return _shipped()
    if str(source) == "random":
        return _random(width, seed)
    path = Path(source).expanduser().resolve()
    if not path.is_file():
        raise MissingFileError(
            f"'procfaces', 'random', or the path of a file with the weights of VGG-Face or VGG-16 (got {source})",
            f"no such file as {path}",
            "check the path, or use the network that is shipped: 'procfaces'",
        )
    about = path.stat()
    return _from_file(path, channel_order, normaliser, (about.st_mtime_ns, about.st_size))


def _frozen(network: FeatureExtractor, source: str, sha256: str) -> FeatureExtractor:
    network.source, network.weights_sha256 = source, sha256
    return network.eval().requires_grad_(False)


# Kept for later trainings too: made under inference_mode, the weights would let no gradient through for ever.
@functools.lru_cache(maxsize=1)
@torch.inference_mode(False)
def _shipped() -> FeatureExtractor:
    read = load_weights(
        SHIPPED, method="perceptual", attribute="identity", size=SMALL.image_size, config_class=Layout, build=build
    )
    network = read.networks["vgg"]
    assert isinstance(network, FeatureExtractor)
    return _frozen(network, "procfaces", read.sha256)


@functools.lru_cache(maxsize=4)
@torch.inference_mode(False)
def _random(width: int, seed: int) -> FeatureExtractor:
    network = build(replace(SMALL, width=width), seed)["vgg"]
    assert isinstance(network, FeatureExtractor)
    return _frozen(network, "random", "")


@functools.lru_cache(maxsize=2)
@torch.inference_mode(False)
def _from_file(
    path: Path, channel_order: ChannelOrder, normaliser: Normaliser, stamp: tuple[int, int]
) -> FeatureExtractor:
    """Reads a user's file; ``stamp`` tells a changed file from the one that was read before."""
    state, torchvisions = _renamed(read_tensors(path), path)
    imagenet = torchvisions if normaliser == "auto" else normaliser == "imagenet"
    mean, spread = (IMAGENET_MEAN, IMAGENET_SPREAD) if imagenet else (VGG_FACE_MEAN, ONE)
    network = FeatureExtractor(Layout(len(state["conv1_1.bias"]), mean, spread))
    if channel_order == "bgr":
        state["conv1_1.weight"] = state["conv1_1.weight"].flip(1)
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        got = f"{path.name}: {str(error).splitlines()[-1].strip()}"
        raise CheckpointError("the thirteen convolutions of VGG-16", got, _FITTING) from error
    return _frozen(network, str(path), hashlib.sha256(path.read_bytes()).hexdigest())


_FITTING = "give a file of VGG-Face or of torchvision's vgg16 (without batch norm), or use 'procfaces'"


def _renamed(tensors: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], bool]:
    """Returns the convolutions' tensors under our names, and whether theirs were torchvision's."""
    schemes = (
        CONVOLUTIONS,
        tuple(name.replace("conv", "conv_") for name in CONVOLUTIONS),
        tuple(f"features.{place}" for place in TORCHVISION_PLACES),
    )
    scheme = next((names for names in schemes if f"{names[0]}.weight" in tensors), None)
    if scheme is None:
        got = f"{path.name} with {', '.join(sorted(tensors)[:3]) or 'no tensors'}, ..."
        raise CheckpointError("tensors conv1_1.weight, conv_1_1.weight or features.0.weight", got, _FITTING)
    kinds = ("weight", "bias")
    pairs = zip(scheme, CONVOLUTIONS, strict=True)
    wanted = {f"{name}.{kind}": f"{own}.{kind}" for name, own in pairs for kind in kinds}
    of_other_nets = {key for key in tensors if key.startswith(("conv", "features."))} - set(wanted)
    odd = sorted(of_other_nets | (set(wanted) - set(tensors)))
    if odd:
        got = f"{path.name}, in which {odd[0]} is {'too much' if odd[0] in tensors else 'missing'}"
        raise CheckpointError("the thirteen convolutions of VGG-16 and no more", got, _FITTING)
    return {own: tensors[name].float() for name, own in wanted.items()}, scheme is schemes[-1]


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Reads a file of named tensors, as it has them; refuses whatever could run code.

    Args:
        path: A ``.safetensors``, ``.pth`` or ``.pt`` file that is there.

    Raises:
        CheckpointError: It is damaged, holds more than tensors, or is of another kind.
    """
    expected = "named tensors in a .safetensors, .pth or .pt file"
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise CheckpointError(expected, path.name, "convert it with the program that made it")
    try:
        if path.suffix == ".safetensors":
            tensors: dict[str, Tensor] = safetensors.load_file(path)
            return tensors
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        got = f"{path.name}, which is damaged, or holds more than numbers and was not run"
        raise CheckpointError(expected, got, "fetch it again, or convert it to .safetensors") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(expected, f"{path.name}, which holds something else", "save the network's state_dict()")
    return state
