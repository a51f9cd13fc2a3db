# SPDX-License-Identifier: MIT
"""UNIT and the residual image GAN in the training loop; what all methods share is tested in ``test_model_training``."""

from __future__ import annotations

import json

import pytest
import torch
from configurations import MICRO_CHANGES
from drawn import drawn_faces
from safetensors.torch import load_file
from tiny_teacher import TinyTeacher

from faceeval.errors import CheckpointError, InputError
from faceeval.method import Critic, Editor
from reference_models import load_method, training
from reference_models.loop import Loop
from reference_models.recipe import Recipe, Training
from reference_models.training import module_of, train

FACES = drawn_faces(24, 16)
METHODS = ["unit", "residual_gan"]
IMAGES = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1])
# what the generic tests switch off belongs to the method
LOUD = {"unit": {"noise": 1.0}, "residual_gan": {"norm": "batch"}}


def run(method, out, **options):
    changes = {**MICRO_CHANGES[method], **options.pop("changes", {})}
    options = {"steps": 3, "sample_every": 0, "log_every": 1, **options}
    return train(method, FACES, "Eyeglasses", out=out, teacher=TinyTeacher(), overrides=changes, **options)


def weights_of(networks):
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("guided", [False, True])
def test_each_update_changes_its_own_networks_only_and_discriminators_go_first(method, guided, tmp_path, monkeypatch):
    descend, seen = Loop.descend, []

    def watch(self, networks, group, losses, terms):
        before = weights_of(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights_of(self.state.networks)
        seen.append((group, {name for name in before if not torch.equal(before[name], after[name])}, set(networks)))

    monkeypatch.setattr(Loop, "descend", watch)
    run(method, tmp_path, changes={"guided": guided})
    assert [group for group, _, _ in seen] == list(module_of(method).UPDATES) * 3  # one to one
    assert seen[0][0].startswith("discriminator")
    assert all(changed == own for _, changed, own in seen)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_run_that_was_cut_off_ends_in_the_same_bits(method, precision, tmp_path):
    def cut(step, editor):
        if step == 2:
            raise KeyboardInterrupt

    changes = {**LOUD[method], "precision": precision}
    whole = run(method, tmp_path / "whole", changes=changes, checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt):
        run(method, tmp_path / "cut", changes=changes, checkpoint_every=2, on_checkpoint=cut)
    again = run(method, tmp_path / "cut", changes=changes, checkpoint_every=2)
    assert again.read_bytes() == whole.read_bytes()
    one, other = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits_and_another_others(method, tmp_path):
    paths = [
        run(method, tmp_path / str(n), changes=LOUD[method], steps=1, seed=seed) for n, seed in enumerate((0, 0, 1))
    ]
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second
    assert first != third


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [{}, {"norm": "group"}, {"output": "residual"}, {"accumulate": 2}])
def test_every_term_is_logged_and_finite(method, changes, tmp_path):
    losses = []
    run(method, tmp_path, changes=changes, steps=2, progress=lambda step, total, terms: losses.append(terms))
    expected = {
        "unit": {"d_negative", "d_positive", "g_adversarial", "g_reconstruction", "g_cycle", "g_kl", "g_kl_cycle"},
        "residual_gan": {"d_real", "d_made", "g_adversarial", "g_dual", "g_residual", "g_features"},
    }[method]
    assert all(expected <= set(terms) for terms in losses)
    assert all(torch.tensor(list(terms.values())).isfinite().all() for terms in losses)


@pytest.mark.parametrize("method", METHODS)
def test_warm_up_trains_the_generators_alone_to_return_their_input(method, tmp_path):
    losses = []
    changes = {"warmup_steps": 2, "output": {"unit": "image", "residual_gan": "sum"}[method]}
    run(method, tmp_path, changes=changes, progress=lambda step, total, terms: losses.append(terms))
    assert [set(terms) == {"g_warmup"} for terms in losses] == [True, True, False]
    assert losses[1]["g_warmup"] < losses[0]["g_warmup"] + 0.2


@pytest.mark.parametrize("method", METHODS)
def test_published_weights_come_back_and_edit(method, tmp_path):
    editor = []
    run(method, tmp_path, on_checkpoint=lambda step, made: editor.append(made))
    loaded = load_method(method, attribute="Eyeglasses", size=16, checkpoint=tmp_path)
    assert isinstance(loaded, Editor)
    assert isinstance(loaded, Critic)
    assert (loaded.card.name, loaded.card.attributes, loaded.card.image_size) == (method, ("Eyeglasses",), 16)
    edited = loaded.edit(IMAGES, "Eyeglasses", VALUES)
    assert edited.dtype == torch.uint8
    assert edited.shape == IMAGES.shape
    assert torch.equal(edited, loaded.edit(IMAGES, "Eyeglasses", VALUES))
    # half precision on disk moves a grey level or two
    assert (edited.int() - editor[-1].edit(IMAGES, "Eyeglasses", VALUES).int()).abs().max() <= 2
    for wanted in (torch.zeros(3), torch.ones(3), VALUES):
        logits = loaded.realness(IMAGES, "Eyeglasses", wanted)
        assert logits.shape == (3,)
        assert logits.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_cannot_edit_is_refused(method, tmp_path):
    path = run(method, tmp_path, steps=1)
    loaded = load_method(method, attribute="Eyeglasses", size=16, checkpoint=path)
    for call in (loaded.edit, loaded.realness):
        with pytest.raises(InputError, match="Young"):
            call(IMAGES, "Young", VALUES)
        with pytest.raises(InputError, match="16, 16"):
            call(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "Eyeglasses", VALUES[:1])
        with pytest.raises(InputError, match="float32"):
            call(IMAGES.float(), "Eyeglasses", VALUES)
    with pytest.raises(CheckpointError, match="Young"):
        load_method(method, attribute="Young", size=16, checkpoint=path)
    with pytest.raises(CheckpointError, match="image_size"):
        load_method(method, attribute="Eyeglasses", size=64, checkpoint=path)
    other = METHODS[1 - METHODS.index(method)]
    with pytest.raises(CheckpointError, match="method"):
        load_method(other, attribute="Eyeglasses", size=16, checkpoint=path)


@pytest.mark.parametrize("method", METHODS)
def test_presets_depart_from_the_paper_only_where_they_say(method):
    module = module_of(method)
    paper, small, quick = (module.PRESETS[name] for name in ("paper", "small", "quick"))
    assert set(module.PRESETS) == {"paper", "small", "quick"}
    assert paper == module.Config()
    assert (paper.image_size, paper.upsampling, paper.norm) == (128, "transposed", "instance")
    assert paper.output == {"unit": "image", "residual_gan": "sum"}[method]
    assert (paper.guidance.guided, paper.guidance.lambda_same) == (False, 0.0)
    plain = Training(steps=1, batch_size=2)
    for name in ("warmup_steps", "head_start", "ema_decay", "clip_norm", "accumulate", "precision"):
        assert getattr(paper.training, name) == getattr(plain, name)
    assert (small.image_size, small.guidance.guided, small.training.ema_decay) == (64, True, 0.998)
    assert quick.training.steps < small.training.steps
    assert Recipe.of(module).averaged == module.AVERAGED


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.train
def test_two_steps_at_paper_size(method, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "write_state", lambda state, out: None)  # half a gigabyte
    losses = []
    train(
        method, drawn_faces(8, 128), "Eyeglasses", preset="paper", out=tmp_path, steps=2, overrides={"batch_size": 2},
        sample_every=0, log_every=1, progress=lambda step, total, terms: losses.append(terms),
    )  # fmt: skip
    assert len(losses) == 2
    assert all(torch.tensor(list(terms.values())).isfinite().all() for terms in losses)
