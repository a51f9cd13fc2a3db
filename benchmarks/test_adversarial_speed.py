# SPDX-License-Identifier: MIT
"""Textures against a loop over scikit-image; the attack against foolbox, and where its time goes.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_adversarial_speed.py

All in CPU seconds, so that other work on the machine does not count, the peer in the same run.
"""

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from faceeval.metrics import AttackBudget, feature_attack, lbp_features, lbp_labels
from faceeval.metrics.texture import grey

N, SIDE, GRID, BINS = 6000, 128, 8, 59
PEER_N = 300  # of them, for the loop; it costs the same for each image


def cpu_seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def test_textures(capsys):
    local_binary_pattern = pytest.importorskip("skimage.feature").local_binary_pattern
    faces = np.random.default_rng(0).integers(0, 256, (N, 3, SIDE, SIDE), dtype=np.uint8)
    brightness = grey(faces)
    inside = np.arange(SIDE)[1:-1] * GRID // SIDE
    cells = (inside[:, None] * GRID + inside) * BINS
    sizes = np.bincount(cells.ravel() // BINS)[:, None]

    def one_by_one(image: np.ndarray) -> np.ndarray:
        labels = local_binary_pattern(image, 8, 1, "nri_uniform")[1:-1, 1:-1].astype(np.int64)
        counts = np.bincount((labels + cells).ravel(), minlength=GRID * GRID * BINS)
        return (counts.reshape(-1, BINS) / sizes).ravel()

    ours, rows = cpu_seconds(lambda: lbp_features(faces))
    theirs, wanted = cpu_seconds(lambda: np.array([one_by_one(image) for image in grey(faces[:PEER_N])]))
    assert np.array_equal(rows[:PEER_N], wanted)
    only_labels, _ = cpu_seconds(lambda: lbp_labels(brightness))
    their_labels, _ = cpu_seconds(
        lambda: [local_binary_pattern(image, 8, 1, "nri_uniform") for image in brightness[:PEER_N]]
    )
    theirs, their_labels = theirs * N / PEER_N, their_labels * N / PEER_N
    with capsys.disabled():
        print(f"\n{N} images of {SIDE} px, CPU seconds: faceeval, scikit-image")
        print(f"  labels {only_labels:6.2f} {their_labels:6.2f}   x {their_labels / only_labels:.1f}")
        print(f"  rows   {ours:6.2f} {theirs:6.2f}   x {theirs / ours:.1f}")
    assert their_labels / only_labels > 3
    assert theirs / ours > 2.5


class Timed(torch.nn.Module):
    """An embedder that knows how long it worked."""

    def __init__(self, embedder):
        super().__init__()
        self.embedder, self.seconds, self.images = embedder, 0.0, 0
        self.eval()

    def forward(self, images):
        start = time.process_time()
        features = self.embedder(images)
        self.seconds += time.process_time() - start
        self.images += len(images)
        return features


def convolutions() -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    widths = [3, 32, 64, 128, 128]
    layers: list[torch.nn.Module] = []
    for before, after in pairwise(widths):
        layers += [torch.nn.Conv2d(before, after, 3, 2, 1), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(128 * 16, 64))
    with torch.no_grad():
        for parameter in network.parameters():
            size = parameter[0].numel() if parameter.ndim > 1 else 1e4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2 / size) ** 0.5)
    return network.eval()


def inception() -> torch.nn.Module:
    facenet = pytest.importorskip("facenet_pytorch")
    torch.manual_seed(0)
    return facenet.InceptionResnetV1(pretrained=None).eval()


def smooth_faces(n: int, side: int) -> np.ndarray:
    small = torch.from_numpy(np.random.default_rng(1).random((n, 3, 8, 8)))
    large = torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic")
    return (large.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize(
    ("build", "side", "n", "share"),
    [(convolutions, 64, 8, 0.6), (inception, 128, 1, 0.9)],
    ids=["four layers", "Inception"],
)
def test_most_of_the_attack_is_the_embedder(build, side, n, share, monkeypatch, capsys):
    embedder, backward = Timed(build()), [0.0]
    gradients_of = torch.autograd.grad

    def timed(*arguments, **options):
        start = time.process_time()
        gradients = gradients_of(*arguments, **options)
        backward[0] += time.process_time() - start
        return gradients

    monkeypatch.setattr(torch.autograd, "grad", timed)
    faces = smooth_faces(n, side)
    with torch.no_grad():
        opposite = -embedder(torch.from_numpy(faces).float() / 255).numpy()
    feature_attack(embedder, faces, opposite, 0.4, budget=AttackBudget(1, 1), rounded=False)  # warms up
    embedder.seconds, embedder.images, backward[0] = 0.0, 0, 0.0
    budget = AttackBudget(search_steps=2, steps=20)
    total, found = cpu_seconds(lambda: feature_attack(embedder, faces, opposite, 0.4, budget=budget))
    working = (embedder.seconds + backward[0]) / total
    with capsys.disabled():
        print(f"\nattack of {n} images of {side} px: {total:.2f} CPU seconds, {embedder.images} images embedded")
        print(f"  forward {embedder.seconds / total:.0%}, backward {backward[0] / total:.0%}, rest {1 - working:.0%}")
    assert not found.already.any()
    assert working > share


def test_cheaper_than_foolbox_and_no_larger(capsys):
    foolbox = pytest.importorskip("foolbox")
    network, faces, n, threshold = convolutions(), smooth_faces(16, 64), 8, 0.4

    with torch.no_grad():
        mean = network(torch.from_numpy(faces).float() / 255).mean(0)

    def embed(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(network(images) - mean, dim=1)

    with torch.no_grad():
        wanted = embed(torch.from_numpy(faces[n:]).float() / 255)

    class TwoLogits(torch.nn.Module):
        def forward(self, images):
            room = threshold - (embed(images) - wanted).square().sum(1)
            return torch.stack([torch.zeros_like(room), room], dim=1)

    source = torch.from_numpy(faces[:n]).float() / 255
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=6, steps=200, initial_const=1.0)
    aim = foolbox.criteria.TargetedMisclassification(torch.ones(n, dtype=torch.long))
    model = foolbox.PyTorchModel(TwoLogits().eval(), bounds=(0, 1), device="cpu")
    ours, found = cpu_seconds(lambda: feature_attack(embed, faces[:n], wanted.numpy(), threshold, rounded=False))
    theirs, (raw, _, success) = cpu_seconds(lambda: attack(model, source, aim, epsilons=None))
    norms = (raw - source).flatten(1).norm(dim=1).numpy()
    with capsys.disabled():
        print(f"\nattack of {n} images: faceeval {ours:.2f} CPU seconds, foolbox {theirs:.2f} (x {theirs / ours:.1f})")
        print(
            f"  mean norm {found.norms.mean():.4f} and {norms.mean():.4f}; mean gradients {found.gradients.mean():.0f}"
        )
    assert found.success.all()
    assert success.all()
    assert found.norms.mean() <= norms.mean()
    assert theirs / ours > 1.5
