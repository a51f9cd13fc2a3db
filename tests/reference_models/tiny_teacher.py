# SPDX-License-Identifier: MIT
"""A classifier with random, frozen weights for trainings at 16 pixels to stand beside."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TinyTeacher:
    """Two maps and two attributes; random, but the same in every process."""

    attribute_names = ("Young", "Eyeglasses")
    weights_sha256 = "tiny"
    widths = (4, 6)

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1), nn.Linear(6, 2)])
        for parameter in self.layers.parameters():
            nn.init.normal_(parameter, 0.0, 0.3, generator=generator).requires_grad_(False)

    def features(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        first = self.layers[0](images).relu()
        second = self.layers[1](first).relu()
        return [first, second], self.layers[2](second.mean((2, 3)))
