# SPDX-License-Identifier: MIT
"""The loop with methods that edit no attribute: a sampler of their own, several datasets, weights to begin from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import reference_models
from faceeval.data.faces import FaceSet
from faceeval.data.joined import join
from faceeval.errors import CheckpointError, InputError, MissingFileError, UnknownNameError
from reference_models import load_method, shipped_weights, target_of, training
from reference_models.blocks import initialise
from reference_models.checkpoint import load_weights
from reference_models.recipe import Training, Update
from reference_models.sampling import Draw
from reference_models.training import check_attributes, configure, train


@dataclass(frozen=True)
class Config:
    image_size: int = 8
    variant: str = "whole"
    n_people: int = 0
    training: Training = field(default_factory=lambda: Training(steps=4, batch_size=6, lr=0.01))


class Turns:
    """Draws three of each of two kinds of batches in turn."""

    def __init__(self, faces, config, seed):
        self.labels = np.zeros((len(faces), 0), np.uint8)
        self.count, self.seed = len(faces), seed

    def draw(self, step, size, *, rank=0, world=1):
        rng = np.random.default_rng([self.seed, step, rank])
        indices = rng.integers(self.count, size=size // 2)
        return Draw(indices, np.zeros(len(indices), np.int64), len(indices), ("odd", "even")[step % 2])


def build(config, seed):
    net = torch.nn.Linear(3 * config.image_size**2, max(config.n_people, 1))
    initialise(net, seed)
    return {"net": net}


def module(log):
    def loss(networks, batch, fakes, config, memory):
        log.append((batch.kind, batch.aids["person"].tolist(), tuple(batch.attributes.shape)))
        return {"classes": torch.nn.functional.cross_entropy(networks["net"](batch.images.flatten(1)),
                                                             batch.aids["person"].long())}  # fmt: skip

    def as_method(networks, config, attributes):
        log.append(("method", attributes))

    return SimpleNamespace(
        PRESETS={"small": Config(), "paper": Config(image_size=16)},
        build=build,
        translate=lambda networks, batch: {},
        UPDATES={"net": Update(("net",), loss, translates=False)},
        AVERAGED=(),
        as_method=as_method,
        sampler=Turns,
        for_data=lambda config, faces: replace(config, n_people=int(faces.person_places.max()) + 1),
        sheet=lambda networks, images: [images, -images],
        adam=lambda config: {"net": {"betas": (0.9, 0.99), "lr": 0.02}},
        AIDS=("person",),
        BESIDE={"toy": ("other",)},
    )


def people(count=12, name="toy"):
    pixels = np.random.default_rng(count).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    names = tuple(map(str, range(count)))
    return FaceSet(name, "train", 8, names, name, lambda rows: pixels[rows], identities=np.arange(count) % 4 + 10)


@pytest.fixture
def log(monkeypatch):
    entries = []
    monkeypatch.setattr(training, "module_of", lambda method: module(entries))
    monkeypatch.setitem(reference_models.METHODS, "toy", "toy_module:Toy")
    monkeypatch.setitem(reference_models.METHODS, "toy_half", "toy_module:Toy@half")
    return entries


def test_a_method_without_attributes_is_trained_on_its_own_draws(log, tmp_path):
    path = train("toy", people(), out=tmp_path, log_every=2, sample_every=4, on_checkpoint=lambda step, method: None)
    assert path == tmp_path / "toy.safetensors"
    assert [kind for kind, *_ in log[:4]] == ["odd", "even", "odd", "even"]
    assert all(shape == (3, 0) for _, _, shape in log[:4])
    assert ("method", ()) in log
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["attributes"] == []
    assert card["config"]["n_people"] == 4
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(line["images_per_second"] > 0 and line["peak_mb"] > 10 for line in lines)
    assert Image.open(tmp_path / "samples" / "0000004.png").size == (12 * 8, 2 * 8)


def test_it_goes_on_to_the_same_bits(log, tmp_path):
    whole = train("toy", people(), out=tmp_path / "whole", steps=6, sample_every=0)
    part = tmp_path / "part"
    with pytest.raises(ZeroDivisionError):
        train("toy", people(), out=part, steps=6, checkpoint_every=2, sample_every=0, log_every=1,
              progress=lambda step, *_: step < 5 or 1 / 0)  # fmt: skip
    assert train("toy", people(), out=part, steps=6, sample_every=0).read_bytes() == whole.read_bytes()


def test_several_sets_are_trained_on_together(log, tmp_path):
    train("toy", join([people(), people(8, "other")]), out=tmp_path, sample_every=0)
    assert max(max(drawn) for kind, drawn, _ in log if kind in ("odd", "even")) > 3


def test_weights_to_begin_from_are_taken_and_named(log, tmp_path):
    first = train("toy", people(), out=tmp_path / "first", sample_every=0)
    still = train("toy", people(), out=tmp_path / "still", start=first, sample_every=0, overrides={"lr": 0.0}, steps=1)
    moved = train("toy", people(), out=tmp_path / "moved", steps=1, sample_every=0)
    assert still.read_bytes() != moved.read_bytes()
    with pytest.raises(MissingFileError, match="nowhere"):
        train("toy", people(), out=tmp_path / "x", start=tmp_path / "nowhere.safetensors")
    with pytest.raises(CheckpointError, match="start"):
        train("toy", people(), out=tmp_path / "first", start=first, steps=9)
    with pytest.raises(CheckpointError, match="misshapen"):
        train("toy", join([people(), people(8, "other")]), out=tmp_path / "y", start=first)


def test_attributes_and_a_warm_up_are_refused(log, tmp_path):
    with pytest.raises(InputError, match="edits none"):
        check_attributes("toy", "Young")
    with pytest.raises(InputError, match="no warm-up"):
        train("toy", people(), out=tmp_path, overrides={"warmup_steps": 2})


def test_a_variant_is_a_row_of_its_own(log):
    assert target_of("toy_half") == ("toy_module", "Toy", "half")
    assert target_of("toy") == ("toy_module", "Toy", "")
    assert configure("toy_half", "small").variant == "half"
    assert configure("toy", "small").variant == "whole"
    with pytest.raises(UnknownNameError, match="toy_half"):
        target_of("toy_hlf")


def test_weights_without_attributes_are_found_and_read_by_name(log, tmp_path, monkeypatch):
    seen = {}

    class Toy:
        @classmethod
        def from_file(cls, path, *, name, size):
            seen.update(name=name, size=size)
            return load_weights(path, method=name, size=size, config_class=Config, build=build)

    monkeypatch.setattr(reference_models, "method_class", lambda name: Toy)
    path = train("toy_half", people(), out=tmp_path / "toys-8", sample_every=0)
    monkeypatch.setattr(reference_models, "WEIGHTS", tmp_path)
    assert shipped_weights("toy_half", data="toys", size=8) == {"": path}
    weights = load_method("toy_half", data="toys", size=8)
    assert (seen["name"], weights.config.variant) == ("toy_half", "half")
    assert weights.card("toy_half", "a paper", 2020, ("identity",)).parts == ("identity",)
    assert load_method("toy_half", size=8, checkpoint=tmp_path / "toys-8").sha256 == weights.sha256
    with pytest.raises(MissingFileError, match="faceeval train --method toy --data toys"):
        load_method("toy", data="toys", size=8)
    with pytest.raises(CheckpointError, match="weights for Young"):
        load_weights(path, method="toy_half", attribute="Young", size=8, config_class=Config, build=build)
