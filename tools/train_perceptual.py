# SPDX-License-Identifier: MIT
"""Trains the small feature network that ships with the package, and writes what it reaches into its card.

    OMP_NUM_THREADS=1 python tools/train_perceptual.py

VGG-Face's layout, an eighth as wide, learns to name the 400 people of the training split from the averaged maps of its
last convolution. While it learns, a batch normalisation stands behind each convolution, without which thirteen layers
hardly start; afterwards each is folded into its convolution, so that the layout is VGG-Face's to the letter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from faceeval.data.faces import FaceSet
from faceeval.data.procfaces.standard import load
from faceeval.judges.augmentation import augment
from faceeval.judges.evaluation import PAIRS, verification_pairs
from faceeval.metrics import verify_embeddings
from reference_models.checkpoint import annotate, load_weights, save_weights
from reference_models.features import CONVOLUTIONS, SHIPPED, SMALL, FeatureExtractor, Layout, build
from reference_models.images import in_batches
from reference_models.losses import content

FOLDS = 10
SHOWN = ("conv1_2", "conv2_2", "conv3_1", "conv4_1", "conv5_1", "conv5_3")  # those that papers compare, and the last
EDITS = ("Eyeglasses", "Mouth_Slightly_Open", "No_Beard", "Young", "Male")
EDITED = 100  # faces whose true edits are looked at


@dataclass(frozen=True)
class Settings:
    """How long and how hard it trains; AdamW under one rise and fall of the step size."""

    seed: int = 0
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    rise: float = 0.1


class Classifier(nn.Module):
    """The feature network with its batch normalisations and a logit for each person."""

    def __init__(self, network: FeatureExtractor, people: int, seed: int) -> None:
        super().__init__()
        self.network = network
        self.norms = nn.ModuleDict({name: nn.BatchNorm2d(self.conv(name).out_channels) for name in CONVOLUTIONS})
        # averages of maps after a ReLU are all positive; people are told apart by what is left without their mean
        size = 8 * network.layout.width
        self.head = nn.Sequential(nn.BatchNorm1d(size, affine=False), nn.Linear(size, people, bias=False))
        nn.init.normal_(self.head[1].weight, 0.0, 0.1, generator=torch.Generator().manual_seed(seed + 1))
        for name, norm in self.norms.items():
            self.conv(name).register_forward_hook(_through(norm))

    def conv(self, name: str) -> nn.Conv2d:
        """A convolution of the feature network by its name."""
        module = self.network.get_submodule(name)
        assert isinstance(module, nn.Conv2d)
        return module

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (N, people) of images (N, 3, S, S) in [-1, 1]."""
        embedding: Tensor = self.network(images)
        logits: Tensor = self.head(embedding)
        return logits

    def folded(self) -> FeatureExtractor:
        """A copy of the feature network that computes the same in eval mode and has no normalisations left."""
        copy = FeatureExtractor(self.network.layout)
        for name, norm in self.norms.items():
            assert isinstance(norm, nn.BatchNorm2d)
            copy.get_submodule(name).load_state_dict(
                fuse_conv_bn_eval(self.conv(name).eval(), norm.eval()).state_dict()
            )
        return copy.eval().requires_grad_(False)


def _through(norm: nn.Module) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        normalised: Tensor = norm(output)
        return normalised

    return hook


def train(
    images: NDArray[np.uint8],
    identities: NDArray[np.int64],
    settings: Settings,
    layout: Layout = SMALL,
    progress: Callable[[int, int, float], None] | None = None,
) -> FeatureExtractor:
    """Trains from scratch; the same arguments give the same bits on the same processor, torch and number of threads.

    Args:
        images: uint8, (N, 3, S, S).
        identities: (N,), who they show.
        settings: How.
        layout: Of the network.
        progress: Called after each epoch with epochs done, epochs in all, and the mean loss.

    Returns:
        The network, frozen, without normalisations.
    """
    people, classes = np.unique(identities, return_inverse=True)
    network = build(layout, settings.seed)["vgg"]
    assert isinstance(network, FeatureExtractor)
    model = Classifier(network, len(people), settings.seed).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = len(images) // settings.batch_size
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, settings.epochs * steps, pct_start=settings.rise, cycle_momentum=False
    )
    chance = torch.Generator().manual_seed(settings.seed)
    for epoch in range(settings.epochs):
        order, total = torch.randperm(len(images), generator=chance), 0.0
        for rows in order[: steps * settings.batch_size].split(settings.batch_size):
            batch, _ = augment(torch.from_numpy(images[rows.numpy()]), torch.zeros(len(rows), 3), chance)
            batch = (batch / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(batch)
            loss = functional.cross_entropy(logits.float(), torch.from_numpy(classes[rows.numpy()]))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
            total += float(loss.detach())
        if progress is not None:
            progress(epoch + 1, settings.epochs, total / steps)
    return model.folded()


def verification(network: FeatureExtractor, faces: FaceSet) -> dict[str, Any]:
    """How well the averaged maps tell, of two faces of unseen people, whether they show the same one."""
    assert faces.identities is not None
    embedding = in_batches(network, torch.from_numpy(faces.images())).numpy()
    pairs, same = verification_pairs(faces.identities, PAIRS)
    # pairs of one person come first; taken in turn, each fold holds as many of either kind
    folds = np.arange(len(pairs)) % FOLDS
    found = verify_embeddings(embedding[pairs[:, 0]], embedding[pairs[:, 1]], same, folds)
    return {
        "split": faces.split,
        "people": len(np.unique(faces.identities)),
        "pairs": len(pairs),
        "accuracy": round(found.folds.mean, 4),
        "auc": round(found.auc, 4),
        "equal_error_rate": round(found.equal_error_rate, 4),
    }


def distances(network: FeatureExtractor, faces: FaceSet) -> dict[str, dict[str, float]]:
    """What each layer makes of a change: the mean content distance of two people, and of true edits as shares of it."""
    rows = np.linspace(0, len(faces) - 1, EDITED).astype(np.int64)
    assert faces.truth is not None
    assert faces.identities is not None
    assert (faces.identities[rows] != np.roll(faces.identities[rows], 1)).all()
    sources = faces.read(rows)
    pictures = {"people": np.roll(sources, 1, axis=0)}
    pictures |= {name: faces.truth(rows, name).images for name in EDITS}
    table: dict[str, dict[str, float]] = {}
    for layer in SHOWN:
        maps = {kind: _maps(network, pixels, layer) for kind, pixels in pictures.items()}
        between = {kind: float(content(found, _maps(network, sources, layer))) for kind, found in maps.items()}
        shares = {kind: round(value / between["people"], 3) for kind, value in between.items() if kind != "people"}
        table[layer] = {"two_people": round(between["people"], 4), **shares}
    return table


def _maps(network: FeatureExtractor, images: NDArray[np.uint8], layer: str) -> Tensor:
    return in_batches(lambda batch: network.features(batch, [layer])[layer], torch.from_numpy(images))


def main() -> None:
    """Trains, saves, reads back what was saved, and measures that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the weight file to write")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    arguments = parser.parse_args()
    settings, faces = Settings(seed=arguments.seed, epochs=arguments.epochs), load("train", SMALL.image_size)
    assert faces.identities is not None
    started, worked = time.monotonic(), time.process_time()
    network = train(
        faces.images(),
        faces.identities,
        settings,
        progress=lambda done, total, loss: print(f"epoch {done}/{total}: {loss:.3f}", flush=True),
    )
    notes = {
        "purpose": "feature maps that losses compare; it scores nothing",
        "command": "OMP_NUM_THREADS=1 python tools/train_perceptual.py",
        "minutes": round((time.monotonic() - started) / 60, 1),
        "cpu_minutes": round((time.process_time() - worked) / 60, 1),
        "people": len(np.unique(faces.identities)),
        "faces": len(faces),
        "data_digest": faces.digest,
        "training": asdict(settings),
    }
    about = {"method": "perceptual", "data": faces.name, "config": network.layout}
    save_weights(arguments.out, {"vgg": network}, attributes=("identity",), notes=notes, **about)
    read = load_weights(
        arguments.out,
        method="perceptual",
        attribute="identity",
        size=SMALL.image_size,
        config_class=Layout,
        build=build,
    )
    saved, test = read.networks["vgg"], load("test", SMALL.image_size)
    assert isinstance(saved, FeatureExtractor)
    annotate(arguments.out, verification=verification(saved, test), content_distance=distances(saved, test))


if __name__ == "__main__":
    main()
