# SPDX-License-Identifier: MIT
"""Drawn faces: an ellipse, eyes, a mouth, perhaps glasses. Enough for a judge to learn from, and made at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceeval.judges.training import JudgeLabels, TrainingSettings

NAMES = ("Eyeglasses", "Mouth_Slightly_Open", "Blond_Hair")
Faces = tuple[NDArray[np.uint8], JudgeLabels]


def _draw_one(skin: NDArray[np.float64], gap: float, shown: NDArray[np.uint8], yaw: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:64, 0:64]
    image = np.full((64, 64, 3), 90.0)
    image[((rows - 26) / 24) ** 2 + ((columns - 32) / 22) ** 2 < 1] = (220, 190, 90) if shown[2] else (40, 30, 25)
    image[((rows - 34) / 24) ** 2 + ((columns - 32) / 18) ** 2 < 1] = skin
    for side in (-1, 1):
        distance = np.hypot(rows - 30, columns - (32 + yaw / 6 + side * gap))
        image[distance < 2.5] = (20, 20, 60)
        if shown[0]:
            image[(distance > 5) & (distance < 6.5)] = 10
    height = 4.0 if shown[1] else 1.0
    image[((rows - 48) / height) ** 2 + ((columns - 32 - yaw / 6) / 7) ** 2 < 1] = (120, 20, 30)
    return image.transpose(2, 0, 1).astype(np.uint8)


def draw_faces(n: int, seed: int, people: int = 8) -> Faces:
    """n faces of a few people who differ in skin and eye distance, with noise."""
    chance = np.random.default_rng(seed)
    persons = np.random.default_rng(0)  # the same people whatever the seed
    skins, gaps = persons.uniform((150, 100, 70), (250, 200, 170), (people, 3)), persons.uniform(6, 12, people)
    identities = np.arange(n) % people
    attributes = chance.integers(0, 2, (n, len(NAMES)), dtype=np.uint8)
    pose = chance.uniform(-30, 30, (n, 3)).astype(np.float32) * np.float32([1, 0, 0])
    drawn = [_draw_one(skins[i], gaps[i], attributes[k], float(pose[k, 0])) for k, i in enumerate(identities)]
    noisy = np.stack(drawn) + chance.normal(0, 4, (n, 3, 64, 64))
    images = np.clip(noisy, 0, 255).round().astype(np.uint8)
    expression = np.where(attributes[:, 1] > 0, 3, 0).astype(np.int64)
    return images, JudgeLabels(identities.astype(np.int64), attributes, NAMES, expression, pose)


QUICK = TrainingSettings(epochs=10, batch_size=32, validate_every=6)


def seeded_state(network: nn.Module, seed: int) -> Mapping[str, Tensor]:
    """Random weights of the right shapes that keep activations in a sane range."""
    chance = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            fan_in = tensor[0].numel()
            state[name] = torch.randn(tensor.shape, generator=chance) * (2.0 / fan_in) ** 0.5
        elif name.endswith(("running_var", "weight")):
            state[name] = torch.rand(tensor.shape, generator=chance) * 0.5 + 0.75
        elif tensor.is_floating_point():
            state[name] = torch.randn(tensor.shape, generator=chance) * 0.1
        else:
            state[name] = tensor.clone()
    return state
