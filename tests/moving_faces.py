# SPDX-License-Identifier: MIT
"""Flat faces whose every factor can be read off the picture, a judge that reads them, and methods that move them.

The picture is four quarters: who it is, how the head is turned, what it expresses, and what else there is to see.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from faceeval.data.faces import FaceSet
from faceeval.method import MethodCard
from faceeval.protocols.experiments import Given
from faceeval.protocols.panel import Panel

SIZE, HALF = 16, 8
STYLE = ("Eyeglasses", "Bald", "Young")
QUARTERS = {  # factor -> rows and columns
    "identity": (slice(0, HALF), slice(0, HALF)),
    "pose": (slice(0, HALF), slice(HALF, SIZE)),
    "expression": (slice(HALF, SIZE), slice(0, HALF)),
    "style": (slice(HALF, SIZE), slice(HALF, SIZE)),
}
SIX = ("01_01_051_07", "01_01_051_02", "01_01_041_07", "01_01_041_02", "01_02_051_07", "02_02_051_07")


def paint(who, pose, expression, style):
    """Pictures (n, 3, 16, 16) of people (n, 3) 0..255, poses (n, 3) in degrees, classes (n,), and style (n, 3)."""
    images = np.zeros((len(who), 3, SIZE, SIZE), np.uint8)
    colours = (who, np.round(pose * 2 + 128), expression[:, None] * np.array([[30, 10, 20]]), style * 200 + 20)
    for (rows, columns), colour in zip(QUARTERS.values(), colours, strict=True):
        images[:, :, rows, columns] = np.asarray(colour).astype(np.uint8)[:, :, None, None]
    return images


def people(count):
    """Unlike people, uint8 (count, 3)."""
    return np.random.default_rng(count).integers(20, 236, (count, 3))


def moving_faces(count=12, each=5, name="moving") -> FaceSet:
    """Pictures of people in which everything else is thrown."""
    rng = np.random.default_rng([count, each])
    who, total = np.repeat(np.arange(count), each), count * each
    pose = np.round(rng.uniform(-45, 45, (total, 3)) * 2) / 2
    return _face_set(name, who, people(count)[who], pose, rng.integers(0, 8, total), rng.integers(0, 2, (total, 3)))


def posed_faces(count=10, name="moving") -> FaceSet:
    """Everybody in Multi-PIE's six conditions; the light is the first attribute of style."""
    who, total = np.repeat(np.arange(count), 6), count * 6
    condition = np.tile(np.arange(6), count)
    pose = np.zeros((total, 3))
    pose[:, 0] = np.where((condition == 2) | (condition == 3), 30.0, 0.0)
    expression = np.array([0, 0, 0, 0, 1, 3])[condition]
    style = np.zeros((total, 3), np.int64)
    style[:, 0] = (condition == 1) | (condition == 3)
    names = tuple(f"{100 + person:03d}_{kind}" for person in range(count) for kind in SIX)
    return _face_set(name, who, people(count)[who], pose, expression, style, names)


def _face_set(name, who, colours, pose, expression, style, names=()) -> FaceSet:
    images = paint(colours, pose, expression, style)
    names = names or tuple(f"{person:02d}-{row:04d}" for row, person in enumerate(who.tolist()))
    return FaceSet(
        name, "test", SIZE, names, hashlib.sha256(images.tobytes()).hexdigest(), lambda rows: images[rows].copy(),
        attributes={label: style[:, column].astype(np.uint8) for column, label in enumerate(STYLE)},
        identities=who.astype(np.int64), pose=pose.astype(np.float32), expression=expression.astype(np.int64),
    )  # fmt: skip


class Reader:
    """Reads every factor off its quarter; ``outputs`` leaves some out."""

    name, weights_sha256, attribute_names = "reader", "0" * 64, (*STYLE, "Smiling")

    def __init__(self, outputs=("embedding", "attributes", "pose", "expression")):
        self.outputs, self.settings = outputs, {"resize": "none"}

    def __call__(self, images):
        pixels = images.numpy().astype(np.float32)
        seen = {factor: pixels[:, :, rows, columns].mean((2, 3)) for factor, (rows, columns) in QUARTERS.items()}
        smiling = seen["expression"][:, :1] - 15.0
        said = {
            "embedding": seen["identity"] - 128.5,
            "attributes": np.concatenate([seen["style"] - 120.0, smiling], axis=1),
            "pose": (seen["pose"] - 128.0) / 2,
            "expression": -np.abs(seen["expression"][:, :1] / 30 - np.arange(8, dtype=np.float32)),
        }
        return {output: said[output] for output in self.outputs}


def moving_given(faces=None, judge=None, **changes) -> Given:
    """What an experiment on such faces is given."""
    judge = Reader() if judge is None else judge
    roles = {"identity": "embedding", "realism": "embedding", "attributes": "attributes"}
    panel = Panel({role: judge for role, output in roles.items() if output in judge.outputs})
    return Given(
        **{"data": "moving", "faces": {"test": faces or moving_faces()}, "panel": panel, "batch_size": 7} | changes
    )


class Mover:
    """Moves the quarters it should; ``spills`` are factors it moves beside them, ``parts`` what its card names."""

    def __init__(self, name="mover", parts=("identity", "pose", "expression", "style", "not_pose"), spills=()):
        self.card, self.spills = MethodCard(name=name, parts=parts), spills

    def swap(self, givers, takers, part):
        moved = {factor for factor in QUARTERS if (factor != part[4:] if part[:4] == "not_" else factor == part)}
        moved = set(QUARTERS) - {"identity"} if part == "attributes" else moved
        out = takers.clone()
        for factor in moved | set(self.spills):
            rows, columns = QUARTERS[factor]
            out[:, :, rows, columns] = givers[:, :, rows, columns]
        return out

    def morph(self, givers, first, second, share):
        weight = share[:, None, None, None]
        between = torch.round(first.float() * (1 - weight) + second.float() * weight).to(torch.uint8)
        return self.swap(givers, between, "identity")
