# SPDX-License-Identifier: MIT
"""What our training loop costs: a step of the paper presets beside the same step written by hand.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_training_speed.py

The steps by hand, ``plain_steps.py``, are filled with our weights and given the same images, labels and chance, so both
must report the same losses before either is timed. Batches are small, as the loop costs the same whatever their size.
Rounds alternate, in CPU seconds, and the quickest of each counts, so that other work on the machine does not.
"""

import runpy
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from faceeval.data.faces import FaceSet
from reference_models import attgan, cyclegan, stargan
from reference_models.loop import Loop
from reference_models.recipe import Recipe, override
from reference_models.run_state import start_state
from reference_models.sampling import Sampler, chance

PLAIN = runpy.run_path(str(Path(__file__).parent / "plain_steps.py"))
ROUNDS = 4
MOST = 1.05  # times the CPU seconds of the step by hand
SIZE, IMAGES = 128, 32
# module, step by hand, attributes, batch, numbers of the steps that make a round: every update once
CASES = {
    "cyclegan": (cyclegan, "CycleGAN", 1, 2, (0,)),
    "stargan": (stargan, "StarGAN", 5, 4, (4,)),
    "attgan": (attgan, "AttGAN", 13, 4, (4, 5)),
}


def random_faces(attributes: int) -> FaceSet:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, 3, SIZE, SIZE), dtype=np.uint8)
    labels = rng.permuted(np.tile([0, 1], (attributes, IMAGES // 2)), axis=1).astype(np.uint8)
    return FaceSet(
        name="random",
        split="train",
        size=SIZE,
        names=tuple(map(str, range(IMAGES))),
        digest="random",
        read=lambda rows: pixels[rows],
        attributes={str(column): values for column, values in enumerate(labels)},
    )


class Ours:
    """Our loop at the paper preset, which reads, draws and steps."""

    def __init__(self, module, attributes: int, batch_size: int):
        config = override(module.PRESETS["paper"], {"batch_size": batch_size, "flip": False})
        names = tuple(map(str, range(attributes)))
        recipe, faces = Recipe.of(module), random_faces(attributes)
        config = config if recipe.for_attribute is None else recipe.for_attribute(config, names)
        labels = np.stack([faces.labels(name) for name in names], axis=1)
        sampler = Sampler(labels, seed=0, oversampled=recipe.oversampled, sampling=config.training.sampling)
        self.state = start_state(recipe, config, 0, Accelerator(cpu=True), {})
        self.loop = Loop(recipe, config, faces, names, sampler, 0, self.state)
        self.batches = self.loop.batches()

    def step(self, number: int) -> float:
        self.state.step = number
        return sum(self.loop.step(next(self.batches)).values())


class ByHand:
    """The step by hand, on the batches our sampler draws for the same steps."""

    def __init__(self, name: str, ours: Ours, batch_size: int, first: int):
        self.model, self.batch_size = PLAIN[name](), batch_size
        self.faces, self.sampler, self.reads = ours.loop.faces, ours.loop.sampler, first
        for mine, theirs in zip(self.model.networks, ours.state.networks.values(), strict=True):
            for own, given in zip(mine.parameters(), theirs.parameters(), strict=True):
                own.data.copy_(given.data)

    def step(self, number: int) -> float:
        draw = self.sampler.draw(self.reads, self.batch_size)
        self.reads += 1
        images = torch.from_numpy(self.faces.read(draw.indices)).float() / 127.5 - 1
        labels = torch.from_numpy(self.sampler.labels[draw.indices].astype(np.float32))
        return self.model.step(images, labels, draw.n_negatives, number, chance(0, number, 0))


def cpu_seconds(one: Ours | ByHand, numbers: tuple[int, ...]) -> tuple[float, float]:
    start = time.process_time()
    loss = sum(one.step(number) for number in numbers)
    return time.process_time() - start, loss


@pytest.mark.parametrize("name", CASES)
def test_the_loop_costs_next_to_nothing(name, capsys):
    module, by_hand, attributes, batch_size, numbers = CASES[name]
    torch.set_num_threads(1)
    ours = Ours(module, attributes, batch_size)
    plain = ByHand(by_hand, ours, batch_size, numbers[0])
    (_, our_loss), (_, their_loss) = cpu_seconds(ours, numbers), cpu_seconds(plain, numbers)  # and warms up
    assert our_loss == pytest.approx(their_loss, rel=1e-3)
    rounds = [[cpu_seconds(one, numbers)[0] for one in (ours, plain)] for _ in range(ROUNDS)]
    mine, theirs = np.min(rounds, axis=0)
    ratio = mine / theirs
    with capsys.disabled():
        print(f"\n{name}, paper preset, {batch_size} images of {SIZE} px, CPU seconds of every update once")
        print(f"  by hand {theirs:6.2f}   faceeval {mine:6.2f}   x {ratio:.3f}")
    assert ratio < MOST
