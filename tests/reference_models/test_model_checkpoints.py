# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
import os
import pickle
from dataclasses import asdict, replace

import pytest
import torch
from configurations import MICRO_CYCLEGAN, MICRO_FAI

import reference_models
from faceeval.errors import (
    CheckpointError,
    FaceevalError,
    InputError,
    MissingFileError,
    UnknownNameError,
)
from faceeval.method import Critic, Editor
from reference_models import cyclegan, fai, load_method
from reference_models.checkpoint import annotate, compact, load_weights, save_weights
from reference_models.quantised import SMALLEST
from reference_models.recipe import config_from_dict, override

RECIPES = {"fai": (fai, MICRO_FAI), "cyclegan": (cyclegan, MICRO_CYCLEGAN)}
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1, 0, 1])


def publish(folder, method="fai", **changes):
    recipe, config = RECIPES[method]
    networks = recipe.build(config, 5)
    facts = {"method": method, "attributes": ["Eyeglasses"], "data": "drawn", "config": config, "notes": {"steps": 4}}
    path = folder / f"{method}-Eyeglasses.safetensors"
    return save_weights(path, networks, **{**facts, **changes}), networks


@pytest.mark.parametrize("method", ["fai", "cyclegan"])
@pytest.mark.parametrize("half", [False, True])
def test_saved_weights_come_back(tmp_path, method, half):
    path, networks = publish(tmp_path, method, half=half)
    recipe, config = RECIPES[method]
    weights = load_weights(
        path, method=method, attribute="Eyeglasses", size=16, config_class=recipe.Config, build=recipe.build
    )
    assert weights.config == config
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            expected = value.half().float() if half else value
            assert torch.equal(weights.networks[name].state_dict()[key], expected)
        assert not weights.networks[name].training


@pytest.mark.parametrize("method", ["fai", "cyclegan"])
def test_compact_weights_are_nearly_the_same_in_half_the_room(tmp_path, method):
    path, networks = publish(tmp_path, method, half=False)
    before = path.stat().st_size
    compact(path)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["stored"] == "int8"
    recipe, _ = RECIPES[method]
    weights = load_weights(
        path, method=method, attribute="Eyeglasses", size=16, config_class=recipe.Config, build=recipe.build
    )
    assert weights.sha256 == card["sha256"]
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            found = weights.networks[name].state_dict()[key]
            if value.ndim < 2 or value.numel() < SMALLEST:
                assert torch.equal(found, value)
            else:
                most = value.flatten(1).abs().amax(1).view(-1, *[1] * (value.ndim - 1))
                assert ((found - value).abs() <= most / 253).all()
                assert not torch.equal(found, value)
    assert path.stat().st_size < before
    content = path.read_bytes()
    compact(path)  # what is stored so already stays as it is
    assert path.read_bytes() == content


@pytest.mark.parametrize("method", ["fai", "cyclegan"])
def test_loaded_method_edits_and_judges(tmp_path, method):
    path, _ = publish(tmp_path, method)
    loaded = load_method(method, attribute="Eyeglasses", size=16, checkpoint=path)
    assert isinstance(loaded, Editor)
    assert isinstance(loaded, Critic)
    edited = loaded.edit(IMAGES, "Eyeglasses", VALUES)
    assert edited.dtype == torch.uint8
    assert edited.shape == IMAGES.shape
    logits = loaded.realness(IMAGES, "Eyeglasses", VALUES)
    assert logits.shape == (5,)
    assert logits.isfinite().all()
    alone = torch.cat([loaded.edit(x[None], "Eyeglasses", v[None]) for x, v in zip(IMAGES, VALUES, strict=True)])
    assert (alone.int() - edited.int()).abs().max() <= 1
    assert loaded.card.name == method
    assert loaded.card.notes["steps"] == 4
    assert len(loaded.card.weights_sha256) == 64
    same = load_method(method, attribute="Eyeglasses", size=16, checkpoint=tmp_path)
    assert torch.equal(same.edit(IMAGES, "Eyeglasses", VALUES), edited)


def test_cyclegan_sends_each_image_to_the_generator_of_its_value(tmp_path):
    path, _ = publish(tmp_path, "cyclegan")
    loaded = load_method("cyclegan", attribute="Eyeglasses", size=16, checkpoint=path)
    on, off = (loaded.edit(IMAGES, "Eyeglasses", torch.full((5,), v)) for v in (1.0, 0.0))
    mixed = loaded.edit(IMAGES, "Eyeglasses", VALUES)
    assert not torch.equal(on, off)
    expected = torch.where(VALUES[:, None, None, None] > 0.5, on, off)
    assert (mixed.int() - expected.int()).abs().max() <= 1


def test_methods_refuse_what_they_cannot_edit(tmp_path):
    path, _ = publish(tmp_path)
    loaded = load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)
    with pytest.raises(InputError, match="Young"):
        loaded.edit(IMAGES, "Young", VALUES)
    with pytest.raises(InputError, match="16, 16"):
        loaded.edit(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "Eyeglasses", VALUES[:1])
    with pytest.raises(InputError, match="float32"):
        loaded.edit(IMAGES.float(), "Eyeglasses", VALUES)


def test_identity_returns_a_copy_of_its_input():
    method = load_method("identity", attribute="Anything")
    edited = method.edit(IMAGES, "Anything", VALUES)
    assert torch.equal(edited, IMAGES)
    assert edited.data_ptr() != IMAGES.data_ptr()
    assert isinstance(method, Editor)
    assert not hasattr(method, "realness")


def test_every_method_in_the_table_can_be_imported():
    for name in reference_models.METHODS:
        kind = reference_models.method_class(name)
        assert any(hasattr(kind, call) for call in ("edit", "edit_aided", "embed")), name


def test_unknown_method_lists_near_names():
    with pytest.raises(UnknownNameError, match="cyclegan"):
        load_method("cyclgan", attribute="Young")


def test_absent_weights_name_those_that_exist_and_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(reference_models, "WEIGHTS", tmp_path)
    publish(tmp_path / "procfaces-64")
    with pytest.raises(MissingFileError) as caught:
        load_method("fai", attribute="Young")
    assert "Eyeglasses" in caught.value.got
    assert "faceeval train --method fai --attr Young" in caught.value.todo
    with pytest.raises(MissingFileError, match="no such file"):
        load_method("fai", attribute="Young", checkpoint=tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"name": "cyclegan"}, "method"),
        ({"attribute": "Young"}, "weights for Young"),
        ({"size": 64}, "image_size"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path, wanted, told):
    path, _ = publish(tmp_path)
    facts = {"name": "fai", "attribute": "Eyeglasses", "size": 16, **wanted}
    with pytest.raises(CheckpointError, match=told):
        load_method(facts.pop("name"), checkpoint=path, **facts)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_weights_cut_short_are_refused(tmp_path, keep):
    path, _ = publish(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match="cut short"):
        load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)


def test_changed_weights_are_refused(tmp_path):
    path, _ = publish(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


@pytest.mark.parametrize("name", ["fai-Eyeglasses.safetensors", "weights.pth"])
@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_is_refused_without_running_its_code(tmp_path, monkeypatch, name, writer):
    monkeypatch.chdir(tmp_path)
    publish(tmp_path)
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb())) if writer == "pickle" else torch.save({"x": Bomb()}, path)
    with pytest.raises(CheckpointError, match="not opened"):
        load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)
    assert not (tmp_path / "exploded").exists()


def test_missing_and_broken_cards_are_refused(tmp_path):
    path, _ = publish(tmp_path)
    card = path.with_suffix(".json")
    whole = card.read_text()
    for broken in ("{", "[1]", json.dumps({**json.loads(whole), "config": {"width": 3}})):
        card.write_text(broken)
        with pytest.raises(CheckpointError):
            load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)
    card.unlink()
    with pytest.raises(MissingFileError):
        load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    path, _ = publish(tmp_path, config=replace(MICRO_FAI, width=8))
    with pytest.raises(CheckpointError, match="misshapen"):
        load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path)


def test_notes_can_be_added_to_a_card(tmp_path):
    path, _ = publish(tmp_path)
    annotate(path, scores={"flip_accuracy": 0.5})
    card = load_method("fai", attribute="Eyeglasses", size=16, checkpoint=path).card
    assert card.notes == {"steps": 4, "scores": {"flip_accuracy": 0.5}}


@pytest.mark.parametrize("recipe", [fai, cyclegan])
def test_configurations_survive_json(recipe):
    for config in recipe.PRESETS.values():
        assert config_from_dict(recipe.Config, json.loads(json.dumps(asdict(config)))) == config


def test_overrides_reach_both_parts_and_refuse_unknown_fields():
    changed = override(MICRO_FAI, {"lr": 1.0, "lambda_rec": 2.0})
    assert (changed.training.lr, changed.lambda_rec) == (1.0, 2.0)
    with pytest.raises(UnknownNameError, match="lambda_rec"):
        override(MICRO_FAI, {"lamda_rec": 2.0})
    assert issubclass(UnknownNameError, FaceevalError)


@pytest.mark.parametrize("recipe", [fai, cyclegan])
def test_paper_preset_departs_from_the_paper_in_nothing(recipe):
    config = recipe.PRESETS["paper"]
    assert config == recipe.Config()
    assert (config.image_size, config.output, config.upsampling, config.lambda_adv) == (128, "image", "transposed", 1.0)
    assert (config.guidance.guided, config.guidance.lambda_same) == (False, 0.0)
    assert (config.training.warmup_steps, config.training.ema_decay, config.training.clip_norm) == (0, 0.0, 0.0)
