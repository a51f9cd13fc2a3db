# SPDX-License-Identifier: MIT
"""The network that ships as a feature extractor: how it is trained, and that it is what its card says."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from faceeval.data.procfaces.standard import load
from reference_models.features import SHIPPED, Layout, extractor
from reference_models.losses import content

TOOL = Path(__file__).parents[2] / "tools" / "train_perceptual.py"
CARD = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
NARROW = Layout(width=2, spread=(64.0, 64.0, 64.0), image_size=16)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_perceptual", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def two_people() -> tuple[np.ndarray, np.ndarray]:
    """A dark and a bright person, in noise."""
    identities = np.array([7, 9] * 16)
    rng = np.random.default_rng(0)
    pixels = np.where(identities == 7, 80, 170)[:, None, None, None] + rng.integers(-40, 41, (32, 3, 16, 16))
    return pixels.astype(np.uint8), identities


def test_the_same_training_gives_the_same_bits(tool: ModuleType) -> None:
    settings = tool.Settings(epochs=2, batch_size=8)
    one, other = (tool.train(*two_people(), settings, NARROW) for _ in range(2))
    changed = tool.train(*two_people(), tool.Settings(epochs=2, batch_size=8, seed=1), NARROW)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.conv1_1.weight, changed.conv1_1.weight)


def test_it_learns_and_is_frozen_at_the_end(tool: ModuleType) -> None:
    losses = []
    settings = tool.Settings(epochs=12, batch_size=8, learning_rate=1e-2)
    network = tool.train(*two_people(), settings, NARROW, progress=lambda done, total, loss: losses.append(loss))
    assert losses[-1] < 0.5 * losses[0]
    assert not network.training
    assert all(not parameter.requires_grad for parameter in network.parameters())


def test_folding_changes_no_map(tool: ModuleType) -> None:
    network = tool.build(NARROW, 0)["vgg"]
    model = tool.Classifier(network, 2, 0).train()
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for _ in range(3):
        model(images)  # moves the statistics
    model.eval()
    torch.testing.assert_close(model.folded()(images), network(images), rtol=1e-4, atol=1e-5)


# --- the shipped weights ----------------------------------------------------------------------------------------


def test_the_shipped_network_is_the_small_layout_and_small() -> None:
    network = extractor()
    assert network is extractor("procfaces")
    assert network.source == "procfaces"
    assert network.weights_sha256 == CARD["sha256"]
    assert sum(parameter.numel() for parameter in network.parameters()) == 230_568
    assert SHIPPED.stat().st_size < 500_000
    assert all(not parameter.requires_grad for parameter in network.parameters())


def test_its_card_says_what_made_it_and_what_it_reaches() -> None:
    notes = CARD["notes"]
    assert CARD["licence"] == "MIT"
    assert notes["command"].endswith("tools/train_perceptual.py")
    assert notes["verification"]["split"] == "test"
    assert notes["verification"]["people"] == 200  # none of whom it was trained on
    assert notes["verification"]["pairs"] == 6000
    assert notes["data_digest"] == load("train", 64).digest


def test_it_tells_unseen_people_apart_as_its_card_says(tool: ModuleType) -> None:
    found = tool.verification(extractor(), load("test", 64))
    for key in ("accuracy", "auc"):
        assert found[key] == pytest.approx(CARD["notes"]["verification"][key], abs=0.005)
    assert found["auc"] > 0.9


def test_its_maps_stay_near_one_and_see_more_between_people_than_in_noise_of_the_last_grey_level() -> None:
    faces = load("test", 64)
    pixels = torch.from_numpy(faces.read(np.arange(0, 400, 20)))
    noisy = (pixels.int() + torch.randint(-1, 2, pixels.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 255
    )
    images, near = pixels.float() / 127.5 - 1, noisy.float() / 127.5 - 1
    for layer in ("conv1_2", "conv2_2", "conv3_1", "conv5_1"):
        maps = extractor().features(images, [layer])[layer]
        assert 0.2 < float(maps.square().mean().sqrt()) < 5
        people = content(maps, maps.roll(1, 0))
        assert float(content(maps, extractor().features(near, [layer])[layer])) < 0.05 * float(people)
