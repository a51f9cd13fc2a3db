# SPDX-License-Identifier: MIT
"""ResNet18: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, as wide as a configuration says.

Layers have the names torchvision gives them, so that its weights fit where the width is the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from reference_models.blocks import batch_norm

Stem = Literal["imagenet", "small"]


class BasicBlock(nn.Module):
    """Two normalised 3x3 convolutions beside a shortcut, which is convolved 1x1 where the form changes.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: 2 halves height and width.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = batch_norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = batch_norm(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), batch_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        inner = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(inner)) + self.downsample(x), inplace=True)


class ResNet(nn.Module):
    """Stem, stages of basic blocks, mean over places, one linear layer.

    Args:
        widths: Channels of each stage; each after the first halves height and width.
        blocks: Basic blocks of each stage; (2, 2, 2, 2) makes it ResNet18.
        outputs: What the linear layer gives.
        stem: ``"imagenet"``: 7x7 of stride 2 and a maximum of stride 2, as the paper has it. ``"small"``: 3x3 of stride
            2 and no maximum, for pictures of 64 pixels, in which a mouth is three pixels high.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], outputs: int, stem: Stem = "imagenet") -> None:
        super().__init__()
        kernel = 7 if stem == "imagenet" else 3
        self.conv1 = nn.Conv2d(3, widths[0], kernel, 2, kernel // 2, bias=False)
        self.bn1 = batch_norm(widths[0])
        self.maxpool: nn.Module = nn.MaxPool2d(3, 2, 1) if stem == "imagenet" else nn.Identity()
        inputs, self.n_stages = widths[0], len(widths)
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
            layers = []
            for place in range(count):
                layers.append(BasicBlock(inputs, width, 2 if stage > 1 and place == 0 else 1))
                inputs = width
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, outputs)

    def maps(self, x: Tensor) -> Tensor:
        """Returns the last stage's map, (N, 3, H, W) -> (N, widths[-1], h, w)."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        for stage in range(1, self.n_stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        """Returns what the linear layer reads: the last map averaged over places, (N, 3, H, W) -> (N, widths[-1])."""
        return self.maps(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> (N, outputs)."""
        outputs: Tensor = self.fc(self.features(x))
        return outputs
