# SPDX-License-Identifier: MIT
"""Each preset against the tool it is named after, on pictures with every grey level and hard edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from faceeval.judges.resize import PRESETS

SHAPES = [(8, 8), (32, 32), (64, 64), (218, 178), (299, 299), (512, 300)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")


def pictures(shape: tuple[int, int]) -> Tensor:
    """Noise, and black beside white, where filters overshoot."""
    chance = np.random.default_rng(shape)
    images = chance.integers(0, 256, (2, 3, *shape), dtype=np.uint8)
    images[1] = 255 * (chance.random(shape) > 0.5)
    return torch.from_numpy(images).contiguous(memory_format=torch.channels_last)  # as the judge hands them on


@each_shape
def test_pytorch_fid_to_the_last_bit(shape: tuple[int, int]) -> None:
    from pytorch_fid.inception import InceptionV3
    from torchvision.transforms.functional import to_tensor

    network = InceptionV3.__new__(InceptionV3)  # what it does before its first layer; building it takes seconds
    torch.nn.Module.__init__(network)
    network.resize_input, network.normalize_input = True, True
    network.blocks, network.output_blocks, network.last_needed_block = [torch.nn.Identity()], [0], 0
    images = pictures(shape)
    theirs = network(torch.stack([to_tensor(image.permute(1, 2, 0).numpy()) for image in images]))[0]
    assert torch.equal(PRESETS["pytorch-fid"](images), theirs)


@pytest.mark.parity
@each_shape
def test_torch_fidelity_to_the_last_bit(shape: tuple[int, int]) -> None:
    resizer = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    images = pictures(shape)
    resize = resizer.interpolate_bilinear_2d_like_tensorflow1x
    theirs = (resize(images.float(), size=(299, 299), align_corners=False) - 128) / 128
    assert torch.equal(PRESETS["tf1"](images), theirs)


@pytest.mark.parity
@each_shape
def test_clean_fid_to_the_last_bit(shape: tuple[int, int]) -> None:
    resize = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    images = pictures(shape)
    theirs = np.stack([resize(image.permute(1, 2, 0).numpy()).transpose(2, 0, 1) for image in images])
    assert torch.equal(PRESETS["clean"](images), (torch.from_numpy(theirs) - 128) / 128)
