# SPDX-License-Identifier: MIT
"""The attack beside foolbox's Carlini-Wagner attack, to which it is a classifier of two logits, (0, theta - distance).

Ours spends a fraction of the gradients and then moves to the nearest point of the limit, so its norms must not be
larger than foolbox's by more than what the last decimals of two descents differ.
"""

import numpy as np
import pytest
import torch

from faceeval.metrics import feature_attack

pytestmark = pytest.mark.parity


class TwoLogits(torch.nn.Module):
    def __init__(self, embedder, wanted, threshold):
        super().__init__()
        self.embedder, self.wanted, self.threshold = embedder, wanted, threshold
        self.eval()

    def forward(self, images):
        room = self.threshold - (self.embedder(images) - self.wanted).square().sum(1)
        return torch.stack([torch.zeros_like(room), room], dim=1)


def foolbox_norms(embedder, source, wanted, threshold, search_steps, steps):
    foolbox = pytest.importorskip("foolbox")
    images = torch.from_numpy(source).float() / 255
    model = foolbox.PyTorchModel(TwoLogits(embedder, wanted, threshold), bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.L2CarliniWagnerAttack(search_steps, steps, initial_const=1.0)
    aim = foolbox.criteria.TargetedMisclassification(torch.ones(len(source), dtype=torch.long))
    found, _, success = attack(model, images, aim, epsilons=None)
    assert success.all()
    return (found - images).flatten(1).norm(dim=1).numpy()


@pytest.fixture
def source():
    return np.random.default_rng(0).integers(96, 160, (3, 3, 8, 8), dtype=np.uint8)


def test_linear_extractor_where_both_have_a_closed_form(source):
    weight = np.linalg.qr(np.random.default_rng(1).standard_normal((192, 8)))[0].T.astype(np.float32)
    away = np.random.default_rng(2).standard_normal((3, 8))
    away *= 1.17 / np.linalg.norm(away, axis=1, keepdims=True)
    wanted = ((source / 255.0).reshape(3, -1) @ weight.T - away).astype(np.float32)
    embedder = lambda images: images.flatten(1) @ torch.from_numpy(weight).T  # noqa: E731
    exact = (1.17 - np.sqrt(0.4)) ** 2
    ours = feature_attack(embedder, source, wanted, 0.4, unit=False, rounded=False).norms ** 2
    theirs = foolbox_norms(embedder, source, torch.from_numpy(wanted), 0.4, 9, 300) ** 2
    # float32 features, an aim 1e-5 below the threshold, and what the polish leaves
    assert ours == pytest.approx(np.full(3, exact), rel=1e-3)
    # a descent at a constant step stops within a few thousandths (3e-5 with 12 searches of 2,000 steps)
    assert theirs == pytest.approx(np.full(3, exact), rel=2e-2)
    assert (ours <= theirs * 1.001).all()


@pytest.mark.parametrize("threshold", [1.0, 0.4])
def test_a_network_with_unit_features(source, threshold):
    generator = torch.Generator().manual_seed(4)
    first, second = (torch.randn(s, generator=generator) for s in ((16, 3, 3, 3), (12, 16 * 9)))

    def embedder(images):
        hidden = torch.nn.functional.conv2d((images - 0.5) * 4, first, stride=2).tanh()
        return torch.nn.functional.normalize(hidden.flatten(1) @ second.T, dim=1)

    with torch.no_grad():
        wanted = embedder(torch.from_numpy(source[::-1].copy()).float() / 255)
    ours = feature_attack(embedder, source, source[::-1], threshold, rounded=False)
    theirs = foolbox_norms(embedder, source[:2], wanted[:2], threshold, 6, 200)
    # not convex: two descents may end in neighbouring hollows, ours must not be the clearly worse one
    assert ours.success.all()
    assert (ours.norms[:2] <= theirs * 1.03).all()
