# SPDX-License-Identifier: MIT
"""Small drawn faces whose every edit is known, a judge that reads them by eye, and editors good and bad."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from faceeval.data.faces import FaceSet, Truth
from faceeval.method import MethodCard

SIZE = 32
BAR = slice(10, 14)  # rows of the dark bar that stands for eyeglasses
MOUTH = slice(24, 27)  # rows of the red bar that stands for an open mouth
INSET = slice(6, 26)
ATTRIBUTES = ("Eyeglasses", "Mouth_Slightly_Open")


def _draw(index: int, glasses: bool, mouth: bool) -> np.ndarray:
    generator = np.random.default_rng(index)
    colour = generator.integers(90, 220, (3, 1, 1))
    image = np.broadcast_to(colour, (3, SIZE, SIZE)).astype(np.int64)
    image = image + generator.integers(-25, 26, (3, SIZE, SIZE))
    if glasses:
        image[:, BAR, INSET] = 20
    if mouth:
        image[0, MOUTH, INSET], image[1:, MOUTH, INSET] = 200, 10
    return image.clip(0, 255).astype(np.uint8)


def toy_faces(n: int = 120, split: str = "test", truth: bool = True, offset: int = 0) -> FaceSet:
    """Faces of which every second wears glasses and every third has its mouth open."""
    labels = {"Eyeglasses": np.arange(n) % 2 == 0, "Mouth_Slightly_Open": np.arange(n) % 3 == 0}

    def one(index: int, flipped: str | None) -> np.ndarray:
        values = [bool(labels[name][index]) != (name == flipped) for name in ATTRIBUTES]
        return _draw(offset + index, *values)

    def read(indices: np.ndarray) -> np.ndarray:
        return np.stack([one(int(i), None) for i in indices])

    def true_edit(indices: np.ndarray, attribute: str) -> Truth:
        region = np.zeros((len(indices), SIZE, SIZE), bool)
        region[:, BAR if attribute == "Eyeglasses" else MOUTH, INSET] = True
        return Truth(np.stack([one(int(i), attribute) for i in indices]), region)

    names = tuple(f"toy-{split}-{i:04d}" for i in range(n))
    return FaceSet(
        name="toy",
        split=split,
        size=SIZE,
        names=names,
        digest=hashlib.sha256(f"{n} {split} {offset}".encode()).hexdigest(),
        read=read,
        attributes={name: values.astype(np.uint8) for name, values in labels.items()},
        truth=true_edit if truth else None,
        provenance={"drawn": "tests/toy_faces.py"},
    )


class ToyJudge:
    """Reads both attributes off their bars; its embedding is the picture itself, made small."""

    name = "toy-judge"
    weights_sha256 = "0" * 64
    outputs = ("attributes", "embedding")
    attribute_names = ATTRIBUTES

    def __init__(self) -> None:
        self.settings, self.seen = {"resize": "none"}, 0

    def __call__(self, images: torch.Tensor) -> dict[str, np.ndarray]:
        self.seen += len(images)
        x = images.numpy().astype(np.float32)
        glasses = 60 - x[:, :, BAR, INSET].mean((1, 2, 3))
        mouth = x[:, 0, MOUTH, INSET].mean((1, 2)) - x[:, 1:, MOUTH, INSET].mean((1, 2, 3)) - 100
        small = x.reshape(len(x), 3, 4, 8, 4, 8).mean((3, 5)).reshape(len(x), -1)[:, ::4]
        return {"attributes": np.stack([glasses, mouth], 1), "embedding": small}


class Nothing:
    card = MethodCard(name="identity")

    def edit(self, images, attribute, value):
        return images


class Painter:
    """Paints glasses where they are wanted, takes them away by blurring; has an opinion on its own work."""

    card = MethodCard(name="painter", image_size=SIZE, attributes=("Eyeglasses",), notes={"steps": 3})

    def edit(self, images, attribute, value):
        out = images.clone()
        out[value == 1, :, BAR, INSET] = 25
        out[value == 0, :, BAR, INSET] = images[value == 0, :, 0:4, INSET]
        return out

    def realness(self, images, attribute, value):
        return torch.where(value == 1, 1.0, -1.0)


class Vandal(Painter):
    """The same, painted into the images it was given."""

    card = MethodCard(name="vandal")

    def edit(self, images, attribute, value):
        images[:, :, BAR, INSET] = torch.where(value == 1, 25, 200).to(torch.uint8)[:, None, None, None]
        return images
