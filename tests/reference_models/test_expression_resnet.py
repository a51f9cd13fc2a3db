# SPDX-License-Identifier: MIT
"""The ResNet18 that names expressions: its layers, its loss, its training, and what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from faceeval.data.faces import FaceSet
from faceeval.errors import CheckpointError, InputError, MissingFileError, UnknownNameError
from faceeval.method import Embedder, ExpressionReader
from reference_models import expression_resnet
from reference_models.blocks import count_parameters
from reference_models.expression_resnet import SMALL, Config, ExpressionResNet, build, class_loss, for_data, sampler
from reference_models.recipe import Batch, Training
from reference_models.resnet import ResNet
from reference_models.training import train

MICRO = replace(
    SMALL, image_size=16, width=4, max_width=8, blocks=(1, 1), places=4, max_shift=2,
    training=Training(steps=4, batch_size=6, lr=1e-3, flip=True, ema_decay=0.9, constant_share=1.0),
)  # fmt: skip
CHANGES = {"image_size": 16, "width": 4, "max_width": 8, "blocks": (1, 1), "places": 4, "max_shift": 2, "batch_size": 6,
           "precision": "no", "ema_decay": 0.9}  # fmt: skip


def shown(count=40, size=16):
    """Faces whose expression is how bright they are; each ninth shows none of the eight."""
    kinds = np.arange(count) % 9
    rng = np.random.default_rng(count)
    pixels = (rng.integers(0, 30, (count, 3, size, size)) + 25 * kinds[:, None, None, None]).astype(np.uint8)
    affect = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return FaceSet(
        "toy", "train", size, tuple(map(str, range(count))), digest, lambda rows: pixels[rows],
        expression=kinds.astype(np.int64), valence_arousal=affect,
    )  # fmt: skip


def batch_of(count=8, size=16, classes=None, affect=None):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, size, size, generator=generator) * 2 - 1
    labels = torch.full((count, 3), float("nan"))
    labels[:, 0] = torch.arange(count) % 8 if classes is None else torch.tensor(classes)
    if affect is not None:
        labels[:, 1:] = torch.tensor(affect)
    zeros = torch.zeros(count, dtype=torch.int64)
    return Batch(images, torch.zeros(count, 0), zeros, count, generator, aids={"expression": labels})


# --- network ----------------------------------------------------------------------------------------------------


def test_the_paper_network_has_the_parameters_of_resnet18():
    network = build(Config(), 0)["resnet"]
    assert count_parameters(network) == 11_180_616
    assert count_parameters(network) == 11_689_512 - 513_000 + 4_104  # eight classes in place of a thousand
    with torch.no_grad():
        for count in (1, 2):
            logits = network.eval()(torch.rand(count, 3, 128, 128) * 2 - 1)
            assert (logits.shape, logits.dtype) == ((count, 8), torch.float32)
            assert logits.isfinite().all()


def test_layers_are_named_as_torchvisions():
    names = set(build(Config(), 0)["resnet"].state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.1.conv2.weight", "layer4.0.downsample.1.weight"} <= names
    assert {"fc.weight", "layer2.0.downsample.0.weight", "layer3.1.bn2.bias"} <= names
    assert len(names) == 62 + 40  # weights, and two statistics of each of twenty norms


def test_stages_have_the_sizes_of_the_papers_table():
    network = ResNet((64, 128, 256, 512), (2, 2, 2, 2), 8)
    sizes = []
    for stage in ("maxpool", "layer1", "layer2", "layer3", "layer4"):
        network.get_submodule(stage).register_forward_hook(lambda *seen: sizes.append(tuple(seen[2].shape[1:])))
    with torch.no_grad():
        network.eval()(torch.rand(1, 3, 224, 224))
    assert sizes == [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_the_small_network_reads_places_and_stays_small():
    network = build(SMALL, 0)["resnet"]
    assert count_parameters(network) == 334_042
    assert sum(2 * value.numel() for value in network.state_dict().values()) < 900_000
    with torch.no_grad():
        assert network.eval().features(torch.zeros(2, 3, 64, 64)).shape == (2, 32 * 4 * 4)
        assert build(replace(SMALL, places=0), 0)["resnet"].eval().features(torch.zeros(2, 3, 64, 64)).shape == (2, 64)
        odd = replace(MICRO, image_size=19)
        assert build(odd, 0)["resnet"].eval()(torch.zeros(1, 3, 19, 19)).shape == (1, 8)


def test_pictures_are_normalised_as_imagenets():
    network = build(MICRO, 0)["resnet"]
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 2 - 1
    seen = []
    network.conv1.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    network.eval()(grey.expand(1, 3, 16, 16))
    assert seen[0].abs().max() < 1e-5


def test_with_torchvisions_weights_it_is_torchvisions_network(tmp_path):
    models = pytest.importorskip("torchvision.models")
    theirs = models.resnet18(weights=None).eval()
    save_file(dict(theirs.state_dict()), tmp_path / "resnet18.safetensors")
    ours = build(Config(imagenet=str(tmp_path / "resnet18.safetensors")), 0)["resnet"].eval()
    theirs.fc = nn.Identity()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, spread = (torch.tensor(three).view(1, 3, 1, 1) for three in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        assert torch.allclose(ours.features(images * 2 - 1), theirs((images - mean) / spread), atol=1e-4)


def test_a_configuration_without_blocks_is_refused():
    with pytest.raises(InputError, match="every stage"):
        build(replace(MICRO, blocks=()), 0)
    with pytest.raises(InputError, match="every stage"):
        build(replace(MICRO, blocks=(1, 0)), 0)


def test_imagenets_weights_are_taken_but_for_what_reads_the_last_map(tmp_path):
    config = replace(MICRO, places=0, lambda_affect=0.0, stem="imagenet")
    theirs = {key: value + 1 for key, value in build(config, 5)["resnet"].state_dict().items()}
    theirs["fc.weight"], theirs["fc.bias"] = torch.zeros(1000, 8), torch.zeros(1000)
    theirs["bn1.num_batches_tracked"] = torch.tensor(7)
    save_file(theirs, tmp_path / "resnet18.safetensors")
    for reader in ({}, {"places": 4}, {"lambda_affect": 1.0}):
        fresh = replace(config, **reader)
        network = build(replace(fresh, imagenet=str(tmp_path / "resnet18.safetensors")), 0)["resnet"]
        own = build(fresh, 0)["resnet"].state_dict()
        for key, value in network.state_dict().items():
            last = key.startswith(("fc.", "reduce.", "affect."))
            assert torch.equal(value, own[key] if last else theirs[key]), key
    with pytest.raises(MissingFileError):
        build(replace(config, imagenet=str(tmp_path / "nowhere.safetensors")), 0)
    with pytest.raises(CheckpointError, match="misshapen"):
        build(replace(config, blocks=(1,), imagenet=str(tmp_path / "resnet18.safetensors")), 0)


# --- loss and data ----------------------------------------------------------------------------------------------


def silent(config):
    networks = build(config, 0)
    for name, value in networks["resnet"].named_parameters():
        if name.startswith(("fc.", "affect.")):
            nn.init.zeros_(value)
    return networks


def test_a_network_that_says_nothing_pays_the_logarithm_of_eight():
    terms = class_loss(silent(MICRO), batch_of(), {}, MICRO, {})
    assert terms["cross_entropy"].item() == pytest.approx(np.log(8), abs=1e-6)
    assert terms["affect"].item() == 0.0  # where it is not labelled
    known = class_loss(silent(MICRO), batch_of(affect=[0.5, -0.3]), {}, MICRO, {})
    assert known["affect"].item() == pytest.approx(2.0 * (0.25 + 0.09) / 2, abs=1e-6)
    assert set(class_loss(build(replace(MICRO, lambda_affect=0.0), 0), batch_of(), {}, MICRO, {})) == {"cross_entropy"}


def test_rare_expressions_count_as_much_as_frequent_ones():
    networks, batch = build(MICRO, 0), batch_of(4, classes=[0, 0, 0, 1])
    weights = (0.5, 1.5, 0, 0, 0, 0, 0, 0)
    config = replace(MICRO, class_weights=weights, lambda_affect=0.0, max_shift=0)
    networks["resnet"].eval()
    each = functional.cross_entropy(networks["resnet"](batch.images), torch.tensor([0, 0, 0, 1]), reduction="none")
    wanted = (0.5 * each[:3].sum() + 1.5 * each[3]) / 3.0
    found = class_loss(networks, batch, {}, config, {})["cross_entropy"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_weights_of_the_classes_are_settled_by_the_data():
    kinds = np.repeat([0, 1, 7, 8], [10, 30, 5, 3])
    faces = replace(shown(48), expression=kinds)
    found = for_data(MICRO, faces).class_weights
    assert found == pytest.approx((45 / 80, 45 / 240, 0, 0, 0, 0, 0, 45 / 40))
    assert for_data(replace(MICRO, weighted=False), faces).class_weights == ()
    with pytest.raises(InputError, match="expressions of toy"):
        for_data(MICRO, replace(faces, expression=None))
    with pytest.raises(InputError, match="two expressions"):
        for_data(MICRO, replace(faces, expression=np.full(48, 8)))


def test_each_face_with_an_expression_is_drawn_once_a_round():
    faces = shown(40)
    drawer = sampler(faces, MICRO, 3)
    known = np.flatnonzero(faces.expression < 8)
    drawn = np.concatenate([drawer.draw(step, 3, rank=rank, world=2).indices for step in range(6) for rank in (0, 1)])
    assert sorted(drawn.tolist()) == known.tolist()
    again = sampler(faces, MICRO, 3).draw(5, 3, rank=1, world=2)
    assert np.array_equal(again.indices, drawn[-3:])
    assert (again.n_negatives, drawer.labels.shape) == (3, (40, 0))
    assert not np.array_equal(sampler(faces, MICRO, 4).draw(0, 30).indices, drawn[:30])


# --- training ---------------------------------------------------------------------------------------------------


def test_one_batch_is_learnt():
    networks, batch = build(replace(MICRO, max_shift=0), 0), batch_of()
    adam, losses = torch.optim.Adam(networks["resnet"].parameters(), 5e-3), []
    for _ in range(60):
        loss = sum(class_loss(networks, batch, {}, replace(MICRO, max_shift=0), {}).values())
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def run(out, **options):
    changes = {**CHANGES, **options.pop("overrides", {})}
    return train("expression_resnet", shown(), out=out, overrides=changes, sample_every=0, log_every=1, **options)


def test_training_is_repeatable_goes_on_to_the_same_bits_and_publishes_a_method(tmp_path):
    whole = run(tmp_path / "whole", steps=6)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "part", steps=6, checkpoint_every=2, progress=lambda step, *_: step < 5 or 1 / 0)
    assert run(tmp_path / "part", steps=6).read_bytes() == whole.read_bytes()
    assert run(tmp_path / "other", steps=6, seed=1).read_bytes() != whole.read_bytes()
    card = json.loads(whole.with_suffix(".json").read_text())
    assert card["attributes"] == []
    assert card["config"]["class_weights"] == pytest.approx([36 / (8 * count) for count in (5, 5, 5, 5, 4, 4, 4, 4)])
    method = ExpressionResNet.from_file(whole, size=16)
    assert isinstance(method, Embedder)
    assert isinstance(method, ExpressionReader)
    assert (method.card.parts, method.card.image_size, method.card.attributes) == (("expression",), 16, ())


def test_a_sheet_shows_faces_and_bars_and_moves_nothing(tmp_path):
    train("expression_resnet", shown(), out=tmp_path, overrides=CHANGES, steps=2, sample_every=2)
    assert Image.open(tmp_path / "samples" / "0000002.png").size == (12 * 16, 2 * 16)
    networks = build(MICRO, 0)
    before = {key: value.clone() for key, value in networks["resnet"].state_dict().items()}
    faces, bars = expression_resnet.sheet(networks, torch.rand(3, 3, 16, 16) * 2 - 1)
    assert faces.shape == bars.shape
    assert set(bars.unique().tolist()) <= {-1.0, 1.0}
    assert networks["resnet"].training
    assert all(torch.equal(value, before[key]) for key, value in networks["resnet"].state_dict().items())


def test_weights_that_began_from_a_file_are_read_without_it(tmp_path):
    file = tmp_path / "resnet18.safetensors"
    save_file(build(replace(MICRO, lambda_affect=0.0), 5)["resnet"].state_dict(), file)
    path = run(tmp_path / "run", steps=2, overrides={"imagenet": str(file)})
    file.unlink()
    assert ExpressionResNet.from_file(path, size=16).config.imagenet == str(file)


# --- the method -------------------------------------------------------------------------------------------------


def test_it_says_the_same_alone_and_in_a_batch():
    networks = build(MICRO, 0)
    method = expression_resnet.as_method({"resnet": networks["resnet"].eval()}, MICRO, ())
    images = torch.from_numpy(shown(5).images())
    logits, codes = method.read_expression(images), method.embed(images, "expression")
    assert (logits.shape, codes.shape) == ((5, 8), (5, 4 * 4 * 4))
    assert logits.dtype == codes.dtype == torch.float32
    assert torch.allclose(method.read_expression(images[2:3]), logits[2:3], atol=1e-5)
    weight, bias = networks["resnet"].fc.weight, networks["resnet"].fc.bias
    assert torch.allclose(functional.linear(codes, weight, bias), logits, atol=1e-5)


def test_bad_input_is_refused():
    method = expression_resnet.as_method({"resnet": build(MICRO, 0)["resnet"].eval()}, MICRO, ())
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(UnknownNameError, match="expresion"):
        method.embed(images, "expresion")
    for bad in (images.float(), images[:, :, :8, :8], images[0]):
        with pytest.raises(InputError, match="uint8 images"):
            method.read_expression(bad)
        with pytest.raises(InputError, match="uint8 images"):
            method.embed(bad, "expression")
