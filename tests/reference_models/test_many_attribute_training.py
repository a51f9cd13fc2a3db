# SPDX-License-Identifier: MIT
"""StarGAN and AttGAN in the training loop; what all methods share is tested in ``test_model_training``."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from configurations import MICRO_CHANGES
from drawn import drawn_faces
from safetensors.torch import load_file
from tiny_teacher import TinyTeacher

from faceeval.errors import CheckpointError, InputError, MissingFileError
from faceeval.method import AidedEditor, Critic, StrengthEditor
from reference_models import load_method, training
from reference_models.loop import Loop
from reference_models.recipe import Training
from reference_models.training import module_of, train

NAMES = ("Eyeglasses", "Young")
DRAWN = drawn_faces(24, 16)
FACES = replace(DRAWN, attributes={**DRAWN.attributes, "Young": (np.arange(24) % 3 == 0).astype(np.uint8)})
METHODS = ["stargan", "attgan"]
IMAGES = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1])
# the paper's own way, with all that is drawn by chance
LITERAL = {
    "targets": "permuted",
    "told": "target",
    "sampling": "uniform",
    "guided": False,
    "lambda_same": 0.0,
    "lambda_gp": 10.0,
    "precision": "no",
}
PAPERS = {
    "stargan": {**LITERAL, "norm": "instance", "n_critic": 2},
    "attgan": {**LITERAL, "norm": "batch", "n_d": 1},
}


def run(method, out, **options):
    changes = {**MICRO_CHANGES[method], **options.pop("changes", {})}
    options = {"steps": 4, "sample_every": 0, "log_every": 1, **options}
    return train(
        method, FACES, options.pop("names", NAMES), out=out, teacher=TinyTeacher(), overrides=changes, **options
    )


def weights_of(networks):
    return {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("literal", [False, True])
def test_each_update_changes_its_own_networks_only_and_waits_for_its_turn(method, literal, tmp_path, monkeypatch):
    descend, seen = Loop.descend, []

    def watch(self, networks, group, losses, terms):
        before = weights_of(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights_of(self.state.networks)
        seen.append((group, {name for name in before if not torch.equal(before[name], after[name])}, set(networks)))

    monkeypatch.setattr(Loop, "descend", watch)
    run(method, tmp_path, changes=PAPERS[method] if literal else {})
    both = ["discriminator", "generator"]
    turns = {"stargan": ["discriminator", *both] * 2, "attgan": both * 2}[method] if literal else both * 4
    assert [group for group, _, _ in seen] == turns
    assert all(changed == own for _, changed, own in seen)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("literal", [False, True])
def test_a_run_that_was_cut_off_ends_in_the_same_bits(method, literal, tmp_path):
    def cut(step, editor):
        if step == 2:
            raise KeyboardInterrupt

    changes = PAPERS[method] if literal else {"lambda_gp": 10.0, "max_shift": 2}
    whole = run(method, tmp_path / "whole", changes=changes, checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt):
        run(method, tmp_path / "cut", changes=changes, checkpoint_every=2, on_checkpoint=cut)
    # sample grids are looked at on the way and must not matter
    again = run(method, tmp_path / "cut", changes=changes, checkpoint_every=2, sample_every=3)
    assert again.read_bytes() == whole.read_bytes()
    one, other = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert (tmp_path / "cut" / "samples" / "0000003.png").is_file()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits_and_another_others(method, tmp_path):
    paths = [
        run(method, tmp_path / str(n), changes=PAPERS[method], steps=2, seed=seed) for n, seed in enumerate((0, 0, 1))
    ]
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second
    assert first != third


@pytest.mark.parametrize("method", METHODS)
def test_two_micro_batches_descend_the_gradient_of_one(method, tmp_path, monkeypatch):
    def gradients(name, **changes):
        caught = []
        step = Loop.step

        def watch(self, drawn):
            losses = step(self, drawn)
            caught.append((losses, [p.grad.clone() for net in self.state.networks.values() for p in net.parameters()]))
            return losses

        with monkeypatch.context() as patch:
            patch.setattr(Loop, "step", watch)
            # a discriminator that stays, as Adam's first step makes a whole step of a rounding error
            plain = {"precision": "no", "flip": False, "lambda_same": 0.0, "lr_d": 0.0}
            run(method, tmp_path / name, steps=1, changes={**plain, **changes})
        return caught[0]

    whole, cut = gradients("whole"), gradients("cut", accumulate=2)
    assert whole[0].keys() == cut[0].keys()
    # two micro-batches draw other weights between real and made
    for name in whole[0].keys() - {"d_penalty"}:
        assert whole[0][name] == pytest.approx(cut[0][name], rel=1e-4, abs=1e-5), name
    for one, other in zip(whole[1], cut[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [{"output": "residual"}, {"output": "image"}, {"accumulate": 2}, {"guided": False}])
def test_every_term_is_logged_and_finite(method, changes, tmp_path):
    losses = []
    run(method, tmp_path, changes=changes, steps=2, progress=lambda step, total, terms: losses.append(terms))
    back = {"stargan": "g_cycle", "attgan": "g_reconstruction"}[method]
    expected = {"d_adversarial", "d_class", "d_penalty", "g_adversarial", "g_class", back, "g_same"}
    assert all(expected <= set(terms) for terms in losses)
    assert all("g_teacher_class" in terms for terms in losses) is not (changes == {"guided": False})
    assert all(torch.tensor(list(terms.values())).isfinite().all() for terms in losses)


@pytest.mark.parametrize("method", METHODS)
def test_warm_up_and_head_start_train_one_side_alone(method, tmp_path):
    losses = []
    changes = {"warmup_steps": 1, "head_start": 1, "output": "image"}
    run(method, tmp_path, changes=changes, steps=3, progress=lambda step, total, terms: losses.append(set(terms)))
    assert losses[0] == {"g_warmup"}
    assert all(name.startswith("d_") for name in losses[1])
    assert {"g_class", "d_class"} <= losses[2]


@pytest.mark.parametrize("method", METHODS)
def test_one_file_edits_every_attribute_it_was_trained_for(method, tmp_path):
    editors = []
    path = run(method, tmp_path, on_checkpoint=lambda step, made: editors.append(made), notes={"command": "here"})
    assert path.name == f"{method}.safetensors"
    assert json.loads(path.with_suffix(".json").read_text())["attributes"] == list(NAMES)
    labels = torch.tensor([[0.0, 1.0], [1.0, torch.nan], [torch.nan, torch.nan]])
    for attribute in NAMES:
        loaded = load_method(method, attribute=attribute, size=16, checkpoint=tmp_path)
        assert (loaded.card.name, loaded.card.attributes, loaded.card.image_size) == (method, NAMES, 16)
        assert loaded.card.needs == ("labels",)
        assert loaded.card.notes["command"] == "here"
        for protocol in (AidedEditor, StrengthEditor, Critic):
            assert isinstance(loaded, protocol)
        for edit in (
            lambda made, name=attribute: made.edit(IMAGES, name, VALUES),
            lambda made, name=attribute: made.edit_aided(IMAGES, name, VALUES, {"labels": labels}),
            lambda made, name=attribute: made.edit_strength(IMAGES, name, VALUES - 0.5),
        ):
            edited = edit(loaded)
            assert edited.dtype == torch.uint8
            assert edited.shape == IMAGES.shape
            assert torch.equal(edited, edit(loaded))
            # half precision on disk moves a grey level or two
            assert (edited.int() - edit(editors[-1]).int()).abs().max() <= 2
        assert loaded.realness(IMAGES, attribute, VALUES).shape == (3,)
    config = loaded.config
    assert {"stargan": "c_dim", "attgan": "n_attrs"}[method] in vars(config)
    assert 2 in (getattr(config, "c_dim", None), getattr(config, "n_attrs", None))


@pytest.mark.parametrize("method", METHODS)
def test_one_attribute_alone_can_be_trained_too(method, tmp_path):
    path = run(method, tmp_path, names="Young", steps=1)
    loaded = load_method(method, attribute="Young", size=16, checkpoint=path)
    assert loaded.card.attributes == ("Young",)
    assert loaded.edit(IMAGES, "Young", VALUES).shape == IMAGES.shape


@pytest.mark.parametrize("method", METHODS)
def test_what_the_weights_cannot_edit_is_refused(method, tmp_path):
    path = run(method, tmp_path, steps=1)
    loaded = load_method(method, attribute="Young", size=16, checkpoint=path)
    with pytest.raises(InputError, match="Male"):
        loaded.edit(IMAGES, "Male", VALUES)
    with pytest.raises(CheckpointError, match="Male"):
        load_method(method, attribute="Male", size=16, checkpoint=path)
    with pytest.raises(CheckpointError, match="image_size"):
        load_method(method, attribute="Young", size=64, checkpoint=path)
    other = METHODS[1 - METHODS.index(method)]
    with pytest.raises(CheckpointError, match="method"):
        load_method(other, attribute="Young", size=16, checkpoint=path)
    with pytest.raises(MissingFileError):
        load_method(method, attribute="Young", size=16, checkpoint=tmp_path / "elsewhere")


@pytest.mark.parametrize("method", METHODS)
def test_requests_that_cannot_be_trained_are_refused_before_anything_is_written(method, tmp_path):
    out = tmp_path / "out"
    for options, named in [
        ({"names": ()}, "several"),
        ({"names": ("Young", "Young")}, "Young, Young"),
        ({"changes": {"targets": "permuted"}}, "permuted"),
        ({"changes": {"image_size": 10}}, "10 pixels"),
    ]:
        with pytest.raises(InputError, match=named):
            run(method, out, **options)
    assert not out.exists()


@pytest.mark.parametrize("method", METHODS)
def test_presets_depart_from_the_paper_only_where_they_say(method):
    module = module_of(method)
    paper, small, quick = (module.PRESETS[name] for name in ("paper", "small", "quick"))
    assert set(module.PRESETS) == {"paper", "small", "quick"}
    assert paper == module.Config()
    assert (paper.image_size, paper.upsampling, paper.output, paper.lambda_adv) == (128, "transposed", "image", 1.0)
    assert (paper.guidance.guided, paper.guidance.lambda_same) == (False, 0.0)
    plain = Training(steps=1, batch_size=2)
    for name in ("warmup_steps", "head_start", "ema_decay", "clip_norm", "accumulate", "precision", "constant_share"):
        assert getattr(paper.training, name) == getattr(plain, name)
    assert (small.image_size, small.guidance.guided, small.training.ema_decay) == (64, True, 0.998)
    assert quick.training.steps < small.training.steps


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.train
def test_two_steps_at_paper_size(method, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "write_state", lambda state, out: None)  # half a gigabyte
    drawn = drawn_faces(8, 128)
    faces = replace(drawn, attributes={**drawn.attributes, "Young": (np.arange(8) % 2).astype(np.uint8)})
    turns, losses = {"stargan": {"n_critic": 2}, "attgan": {"n_d": 1}}[method], []
    train(
        method, faces, NAMES, preset="paper", out=tmp_path, steps=2, overrides={"batch_size": 2, **turns},
        sample_every=0, log_every=1, progress=lambda step, total, terms: losses.append(terms),
    )  # fmt: skip
    assert "d_penalty" in losses[0]
    assert "g_class" in losses[1]
    assert all(torch.tensor(list(terms.values())).isfinite().all() for terms in losses)
