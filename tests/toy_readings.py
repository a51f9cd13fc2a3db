# SPDX-License-Identifier: MIT
"""Small pictures that spell out what they express and which way they look, and methods that can read them or not."""

from __future__ import annotations

import numpy as np
import torch

from faceeval.data.faces import FaceSet
from faceeval.errors import UnknownNameError
from faceeval.method import MethodCard
from faceeval.protocols.experiments import Given
from faceeval.protocols.panel import Panel

SIZE = 16
STEP = 30  # grey levels from one expression to the next
HALF = 0.5  # degrees that one grey level stands for


def spelt_faces(split: str, people: int = 16, each: int = 16, first: int = 0) -> FaceSet:
    """People in every expression, each in two poses or more, on noise; angles are whole halves of a degree."""
    count = people * each
    rng = np.random.default_rng([count, first, len(split)])
    noise = rng.integers(0, 256, (count, 3, SIZE, SIZE), dtype=np.uint8)
    kinds = np.arange(count) % 8
    pose = (rng.integers(-60, 61, (count, 3)) * HALF).astype(np.float32)
    noise[:, :, :4, :4] = (kinds * STEP)[:, None, None, None]
    noise[:, :, 4:8, :4] = np.round(pose / HALF + 128)[:, :, None, None]
    names = tuple(f"{split}-{index:04d}" for index in range(count))
    who = np.arange(count) // each + first
    return FaceSet(
        "toy", split, SIZE, names, f"{split}{count}", lambda rows: noise[rows],
        identities=who, pose=pose, expression=kinds.astype(np.int64),
    )  # fmt: skip


def spelt_given(**changes) -> Given:
    """What an experiment on these faces is given; the people of the two splits are different ones."""
    faces = {"train": spelt_faces("train"), "test": spelt_faces("test", first=100)}
    return Given(**{"data": "toy", "faces": faces, "panel": Panel({}), "batch_size": 50, **changes})


def kinds_of(images: torch.Tensor) -> torch.Tensor:
    return images[:, 0, 0, 0].long() // STEP


def angles_of(images: torch.Tensor) -> torch.Tensor:
    return (images[:, :, 4, 0].float() - 128) * HALF


class Coder:
    """Has a code for the expression, one for the pose, one that is noise, and one that never changes."""

    def __init__(self, name: str = "coder", parts=("expression", "pose", "style"), size: int | None = None) -> None:
        self.card = MethodCard(name=name, parts=parts, image_size=size)

    def embed(self, images, part):
        if part == "expression":
            return torch.nn.functional.one_hot(kinds_of(images), 8).float()
        if part == "pose":
            return angles_of(images) @ torch.tensor([[1.0, 2.0, 0.5, 0.0], [0.0, 1.0, -1.0, 3.0], [2.0, 0.0, 1.0, 1.0]])
        if part == "constant":
            return torch.ones(len(images), 3)
        return images[:, 0, 12, 8:12].float()


class Reader:
    """Says what it sees, ``wrong`` degrees too much of yaw; has no code."""

    def __init__(self, name: str = "reader", wrong: float = 0.0) -> None:
        self.card, self.wrong = MethodCard(name=name), wrong

    def read_expression(self, images):
        return 5.0 * torch.nn.functional.one_hot(kinds_of(images), 8).float()

    def read_pose(self, images):
        return angles_of(images) + torch.tensor([self.wrong, 0.0, 0.0])


class Silent(Coder):
    """Has the calls, as a judge in the role of a method has, and cannot answer."""

    def read_expression(self, images):
        raise UnknownNameError("part of silent", "expression", "choose another")

    read_pose = read_expression


class SpeltJudge:
    """Reads both, perfectly."""

    name, weights_sha256, attribute_names = "spelt", "0" * 64, ()
    outputs = ("embedding", "expression", "pose")

    def __init__(self) -> None:
        self.settings: dict[str, str | int] = {}

    def __call__(self, images):
        kinds = torch.nn.functional.one_hot(kinds_of(images), 8).float()
        return {"embedding": kinds.numpy(), "expression": kinds.numpy(), "pose": angles_of(images).numpy()}
