# SPDX-License-Identifier: MIT
"""Flat faces of people who are known, and embedders good and bad: a person is a colour, a background another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.method import MethodCard
from faceeval.protocols.experiments import Given
from faceeval.protocols.panel import Panel

SIZE = 16
EACH = 6  # images of each person


def people_faces(people: int = 20, split: str = "test", name: str = "toy") -> FaceSet:
    """People whose faces are of one colour each, before backgrounds of any."""
    rng = np.random.default_rng([people, len(split)])
    colours = rng.integers(0, 256, (people, 3))
    backgrounds = rng.integers(0, 256, (people * EACH, 3))
    who = np.repeat(np.arange(people), EACH)

    def read(indices):
        images = np.empty((len(indices), 3, SIZE, SIZE), np.uint8)
        images[:] = backgrounds[indices][:, :, None, None]
        images[:, :, 4:12, 4:12] = colours[who[indices]][:, :, None, None]
        return images

    turns = rng.uniform(-30, 30, (people * EACH, 3)).astype(np.float32)
    names = tuple(
        f"P{person:02d}/P{person:02d}_{place + 1:04d}.jpg" for person in range(people) for place in range(EACH)
    )
    return FaceSet(name, split, SIZE, names, f"{name}{people}{split}", read, identities=who, pose=turns)


def people_pairs(people: int = 20, folds: int = 4) -> dict[str, FacePairs]:
    """Pairs of consecutive images of a person, and of neighbours, as LFW's three files have them."""
    matched, mismatched, fold_of = [], [], []
    name = "P{:02d}/P{:02d}_{:04d}.jpg".format
    for person in range(people):
        fold = person * folds // people
        other = person + 1 if (person + 1) * folds // people == fold else person - 1
        for place in range(1, EACH):
            matched.append((name(person, person, place), name(person, person, place + 1)))
            mismatched.append((name(person, person, place), name(other, other, place + 1)))
            fold_of.append(fold)
    order = np.argsort(np.concatenate([fold_of, fold_of]), kind="stable")
    rows, same = [*matched, *mismatched], np.repeat([True, False], len(matched))
    parts = np.concatenate([fold_of, fold_of])
    first, second = (tuple(rows[row][side] for row in order.tolist()) for side in (0, 1))
    whole = FacePairs(Path("pairs.txt"), first, second, same[order], parts[order].astype(np.int64))
    view = FacePairs(Path("pairsDevTrain.txt"), first, second, same[order], np.zeros(len(rows), np.int64))
    return {"pairs.txt": whole, "pairsDevTrain.txt": view, "pairsDevTest.txt": view}


def people_given(**changes) -> Given:
    """What an experiment on these people is given."""
    options = {"data": "toy", "faces": {"test": people_faces()}, "panel": Panel({}), "pairs": people_pairs()}
    return Given(**{**options, "batch_size": 17, **changes})


class Eye:
    """Sees the person in the middle, and the place around; ``noise`` makes it see neither well."""

    def __init__(self, name: str = "eye", parts=("identity", "style"), noise: float = 0.0, size: int | None = None):
        self.card = MethodCard(name=name, parts=parts, image_size=size)
        self.noise = noise

    def embed(self, images, part):
        place = images[:, :, 8, 8] if part == "identity" else images[:, :, 0, 0]
        seen = place.float() / 127.5 - 0.9
        return seen + self.noise * torch.randn(
            seen.shape, generator=torch.Generator().manual_seed(int(seen.sum() * 99))
        )
