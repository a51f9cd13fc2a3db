# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from configurations import MICRO_CHANGES
from drawn import drawn_faces
from safetensors.torch import load_file
from tiny_teacher import TinyTeacher
from torch import nn

from faceeval.errors import CheckpointError, InputError
from faceeval.method import AidedEditor, Critic
from reference_models import inpainting, load_method
from reference_models.blocks import count_parameters
from reference_models.completion import VARIANTS
from reference_models.dcgan import Discriminator, Generator
from reference_models.inpainting import Config, as_method, build, completion_of, for_attribute
from reference_models.loop import Loop
from reference_models.recipe import Batch, override
from reference_models.training import configure, train

TINY = Config(image_size=64, width=16, max_width=128, d_width=16, d_max_width=128)
MICRO = override(configure("inpainting", "small"), MICRO_CHANGES["inpainting"])
FACES = drawn_faces(24, 16)
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
AWAY = torch.zeros(5)


def region(count=5, side=16):
    found = torch.zeros(count, 1, side, side)
    found[:, :, side // 4 : side // 2, side // 4 : 3 * side // 4] = 1
    return found


def micro(**changes):
    config = override(MICRO, changes)
    networks = {name: network.eval().requires_grad_(False) for name, network in build(config, 3).items()}
    return as_method(networks, config, "Eyeglasses")


def make_batch(count=2, side=16, seed=0):
    x = torch.rand(2 * count, 3, side, side, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return Batch.of(x[:count], x[count:], torch.Generator().manual_seed(seed))


def run(out, **options):
    changes = {**MICRO_CHANGES["inpainting"], **options.pop("changes", {})}
    options = {"steps": 3, "sample_every": 0, "log_every": 1, **options}
    return train("inpainting", FACES, "Eyeglasses", out=out, teacher=TinyTeacher(), overrides=changes, **options)


# --- networks ---------------------------------------------------------------------------------------------------


def test_networks_have_the_parameters_of_their_layer_tables():
    counts = [{name: count_parameters(one) for name, one in build(config, 0).items()} for config in (Config(), TINY)]
    assert counts[0] == {"generator": 5_135_363, "discriminator": 4_316_545}
    assert counts[1] == {"generator": 477_443, "discriminator": 272_737}


def test_a_dcgan_of_128_pixels_has_one_layer_more():
    with torch.device("meta"):
        generator, judge = Generator(100, 64, 512, 128, "transposed"), Discriminator(64, 512, 128)
        assert generator(torch.empty(2, 100)).shape == (2, 3, 128, 128)
        assert judge(torch.empty(2, 3, 128, 128)).shape == (2,)
    convolutions = [sum(isinstance(one, nn.ConvTranspose2d) for one in net.modules()) for net in (generator, judge)]
    assert convolutions == [5, 0]


def test_small_weights_stay_below_1100_kilobytes():
    networks = build(inpainting.PRESETS["small"], 0)
    del networks["encoder"]  # which is not published
    assert sum(2 * value.numel() for one in networks.values() for value in one.state_dict().values()) < 1_100_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_their_tables(count):
    with torch.device("meta"):
        generator, judge = build(Config(), 0).values()
        seen, y = [], generator.project(torch.empty(count, 100)).unflatten(1, (-1, 4, 4))
        assert y.shape == (count, 512, 4, 4)
        for layer in generator.layers:
            y = layer(y)
            seen += [tuple(y.shape[1:])] if isinstance(layer, nn.ConvTranspose2d) else []
        assert seen == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
        seen = []
        for layer in judge.layers:
            y = layer(y)
            seen += [tuple(y.shape[1:])] if isinstance(layer, (nn.Conv2d, nn.Linear)) else []
        assert seen == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1,)]


@pytest.mark.parametrize("config", [Config(), TINY, inpainting.PRESETS["small"]])
@pytest.mark.parametrize("count", [1, 2])
def test_faces_are_pictures_and_logits_are_numbers(config, count):
    networks = {name: network.eval() for name, network in build(config, 1).items()}
    with torch.no_grad():
        faces = networks["generator"](torch.rand(count, config.z_dim) * 2 - 1)
        logits = networks["discriminator"](faces)
    assert (faces.shape, faces.dtype) == ((count, 3, 64, 64), torch.float32)
    assert faces.isfinite().all()
    assert faces.abs().max() <= 1
    assert logits.shape == (count,)
    assert logits.isfinite().all()


def test_batch_norm_averages_as_the_re_implementation_does():
    norms = [one for net in build(TINY, 0).values() for one in net.modules() if isinstance(one, nn.BatchNorm2d)]
    assert len(norms) == 4 + 3
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-5)}


# --- losses -----------------------------------------------------------------------------------------------------


def constant(value):
    return {"generator": None, "discriminator": lambda x: torch.full((len(x),), value)}


@pytest.mark.parametrize(("logit", "d", "g"), [(0.0, 2 * math.log(2), math.log(2)), (2.0, 2.253856, 0.126928)])
def test_losses_have_their_known_values(logit, d, g):
    batch, config = make_batch(), replace(MICRO, lambda_adv=1.0)
    fakes = {"faces": torch.zeros(2, 3, 16, 16)}
    seen = inpainting.discriminator_loss(constant(logit), batch, fakes, config, {})["d_adversarial"]
    made = inpainting.generator_loss(constant(logit), batch, fakes, config, {})["g_adversarial"]
    again = inpainting.generator_again_loss(constant(logit), batch, fakes, config, {})["g_again"]
    assert seen.item() == pytest.approx(d, abs=1e-6)
    assert made.item() == again.item() == pytest.approx(g, abs=1e-6)


def test_the_discriminator_sees_faces_moved_and_noisy_where_that_is_asked_for():
    faces = make_batch(8).images
    still = inpainting._disturbed(faces, make_batch(), MICRO)
    assert torch.equal(still, faces)
    moved = inpainting._disturbed(faces, make_batch(), replace(MICRO, d_shift=2))
    assert not torch.equal(moved, faces)
    rim = 0.2  # only pixels at the border are lost
    torch.testing.assert_close(moved.amin((2, 3)), faces.amin((2, 3)), atol=rim, rtol=0.0)
    noise = inpainting._disturbed(faces, make_batch(), replace(MICRO, d_noise=0.3)) - faces
    assert abs(noise.std().item() - 0.3) < 0.02
    assert abs(noise.mean().item()) < 0.02
    again = inpainting._disturbed(faces, make_batch(), replace(MICRO, d_noise=0.3)) - faces
    assert torch.equal(noise, again)


def test_a_slope_is_paid_for_where_that_is_asked_for():
    batch, config = make_batch(), replace(MICRO, d_norm="group", lambda_slope=2.0)
    networks = build(config, 0)
    fakes = inpainting.translate(networks, batch)
    terms = inpainting.discriminator_loss(networks, batch, fakes, config, {})
    assert set(terms) == {"d_adversarial", "d_slope"}
    once = inpainting.discriminator_loss(networks, batch, fakes, replace(config, lambda_slope=1.0), {})
    assert terms["d_slope"].item() == pytest.approx(2 * once["d_slope"].item(), rel=1e-5)
    assert terms["d_slope"].item() > 0
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in networks["discriminator"].modules())


def test_an_encoder_stands_beside_the_game_where_that_is_asked_for():
    assert "encoder" not in build(MICRO, 0)
    networks, batch, config = build(replace(MICRO, lambda_returned=3.0), 0), make_batch(4), MICRO
    codes = networks["encoder"](make_batch(64).negatives)
    assert codes.shape == (64, MICRO.z_dim)
    assert codes.abs().max() <= 1
    assert codes.mean().abs() < 0.05
    assert codes.std().item() == pytest.approx(3**-0.5, abs=0.05)  # as that of noise
    fakes = inpainting.translate(networks, batch)
    assert fakes["faces"].shape == (8, 3, 16, 16)
    assert fakes["edited"].shape == (4, 3, 16, 16)
    returned = fakes["faces"][4:]
    far = (returned - batch.negatives).abs().mean().item()
    with_encoder = inpainting.generator_loss(networks, batch, fakes, replace(config, lambda_returned=3.0), {})
    without = inpainting.generator_loss(networks, batch, fakes, config, {})
    assert with_encoder["g_returned"].item() == pytest.approx(3 * far, rel=1e-5)
    assert with_encoder["g_adversarial"].item() == pytest.approx(without["g_adversarial"].item(), rel=1e-5)
    with_encoder["g_returned"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in networks["encoder"].layers[-1].parameters())


def test_an_encoder_is_trained_and_kept_but_not_published(tmp_path):
    changes = {"lambda_returned": 5.0, "g_steps": 2}
    path = run(tmp_path, changes=changes)
    kept = load_file(tmp_path / "checkpoint" / "state.safetensors")
    first = build(override(MICRO, changes), 0)["encoder"].state_dict()
    assert not torch.equal(kept["networks/encoder.layers.0.weight"], first["layers.0.weight"])
    assert {key.split(".")[0] for key in load_file(path)} == {"generator", "discriminator"}
    loaded = load_method("inpainting", attribute="Eyeglasses", size=16, checkpoint=path)
    assert loaded.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": region()}).shape == IMAGES.shape


def test_both_steps_of_a_generator_see_one_z_and_other_batches_other_ones():
    networks, batch = build(MICRO, 0), make_batch()
    first = inpainting.translate(networks, batch)
    torch.rand(7, generator=batch.generator)  # whatever else a loss draws
    assert torch.equal(inpainting.translate(networks, batch)["faces"], first["faces"])
    assert not torch.equal(inpainting.translate(networks, make_batch(seed=1))["faces"], first["faces"])
    assert first["rows"].tolist() == [2, 3]  # drawn without the attribute, as the positives should become
    assert first["edited"].shape == (2, 3, 16, 16)


def test_faces_are_scaled_to_the_images_and_images_to_the_faces():
    config = replace(MICRO, image_size=32)
    networks, batch = build(config, 0), make_batch(side=32)
    fakes = inpainting.translate(networks, batch)
    assert fakes["faces"].shape == (2, 3, 16, 16)
    assert fakes["edited"].shape == (2, 3, 32, 32)
    assert inpainting.discriminator_loss(networks, batch, fakes, config, {})["d_adversarial"].isfinite()
    assert inpainting.preview(networks, batch.images, batch.labels).shape == batch.images.shape


def test_a_preview_leaves_the_running_averages_alone_and_shows_the_same_faces():
    networks, batch = build(MICRO, 0), make_batch()
    before = {key: value.clone() for key, value in networks["generator"].state_dict().items()}
    first = inpainting.preview(networks, batch.images, batch.labels)
    assert torch.equal(inpainting.preview(networks, batch.images, batch.labels), first)
    assert all(torch.equal(value, before[key]) for key, value in networks["generator"].state_dict().items())
    assert networks["generator"].training


# --- training ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("g_steps", [1, 2])
def test_one_step_of_the_discriminator_then_the_generators(guided, g_steps, tmp_path, monkeypatch):
    descend, seen = Loop.descend, []

    def watch(self, networks, group, losses, terms):
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in self.state.networks.items()}
        descend(self, networks, group, losses, terms)
        changed = {
            name
            for name, network in self.state.networks.items()
            if not all(torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True))
        }
        seen.append((group, changed == set(networks) & set(self.state.networks)))

    monkeypatch.setattr(Loop, "descend", watch)
    run(tmp_path, changes={"guided": guided, "g_steps": g_steps})
    order = ["discriminator"] + ["generator"] * g_steps
    assert [group for group, _ in seen] == order * 3
    assert all(right for _, right in seen)


def test_both_steps_of_the_generator_are_one_adams(tmp_path):
    run(tmp_path, changes={"g_steps": 2})
    state = load_file(tmp_path / "checkpoint" / "state.safetensors")
    assert {key.split("/")[1] for key in state if key.startswith("adam/")} == {"discriminator", "generator"}
    assert {float(value) for key, value in state.items() if key.startswith("adam/generator/") and "step" in key} == {6}


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_run_that_was_cut_off_ends_in_the_same_bits(precision, tmp_path):
    def cut(step, editor):
        if step == 2:
            raise KeyboardInterrupt

    options = {"changes": {"precision": precision, "g_steps": 2}, "checkpoint_every": 2}
    whole = run(tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", on_checkpoint=cut, **options)
    again = run(tmp_path / "cut", **options)
    assert again.read_bytes() == whole.read_bytes()
    one, other = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]


def test_sample_grids_do_not_change_what_is_trained(tmp_path):
    with_grids, without = run(tmp_path / "a", sample_every=1), run(tmp_path / "b")
    assert with_grids.read_bytes() == without.read_bytes()
    assert len(list((tmp_path / "a" / "samples").iterdir())) == 3


def test_published_weights_come_back_and_edit(tmp_path):
    editor = []
    path = run(tmp_path, on_checkpoint=lambda step, made: editor.append(made))
    loaded = load_method("inpainting", attribute="Eyeglasses", size=16, checkpoint=tmp_path)
    assert isinstance(loaded, AidedEditor)
    assert isinstance(loaded, Critic)
    card = loaded.card
    assert (card.name, card.attributes, card.image_size) == ("inpainting", ("Eyeglasses",), 16)
    assert (dict(card.directions), card.needs) == ({"Eyeglasses": (0,)}, ("region",))
    assert card.notes["steps"] == 3
    stored = load_file(path)
    assert (
        stored["discriminator.layers.3.num_batches_tracked"].item() == 9
    )  # real and made faces, and those the generator is judged by
    edited = loaded.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": region()})
    assert (edited.dtype, edited.shape) == (torch.uint8, IMAGES.shape)
    assert torch.equal(edited, loaded.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": region()}))
    assert loaded.realness(IMAGES, "Eyeglasses", AWAY).shape == (5,)
    with pytest.raises(CheckpointError, match="Young"):
        load_method("inpainting", attribute="Young", size=16, checkpoint=path)


def test_four_images_can_be_learnt_by_heart():
    images = torch.nn.functional.interpolate(
        torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1, size=64, mode="bicubic"
    ).clamp(-1, 1)
    generator = build(TINY, 0)["generator"]
    z = torch.rand(4, 100, generator=torch.Generator().manual_seed(1)) * 2 - 1
    adam, values = torch.optim.Adam(generator.parameters(), 2e-3, betas=(0.5, 0.999)), []
    for _ in range(60):
        loss = (generator(z) - images).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.4


@pytest.mark.train
def test_two_steps_at_paper_size(tmp_path):
    faces = drawn_faces(24, 128)
    losses = []
    path = train(
        "inpainting", faces, "Eyeglasses", out=tmp_path, preset="paper", steps=2, sample_every=0, log_every=1,
        overrides={"batch_size": 4}, progress=lambda step, total, terms: losses.append(terms),
    )  # fmt: skip
    assert len(losses) == 2
    assert {"d_adversarial", "g_adversarial", "g_again"} == set(losses[0])
    loaded = load_method("inpainting", attribute="Eyeglasses", size=128, checkpoint=path)
    images = torch.from_numpy(faces.read(range(2)).copy())
    edited = loaded.changed(completion_steps=2).edit_aided(
        images, "Eyeglasses", torch.zeros(2), {"region": region(2, 128)}
    )
    assert torch.equal(edited.where(region(2, 128) == 0, 0), images.where(region(2, 128) == 0, 0))


# --- editing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"blend": "none"}, {"variant": "cvpr17"}, {"widen": 0}])
def test_known_pixels_stay_exactly_and_holes_are_filled(changes):
    method = micro(**changes)
    edited = method.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": region()})
    hole = nn.functional.max_pool2d(region(), 2 * method.config.widen + 1, 1, method.config.widen) > 0
    assert torch.equal(edited.where(~hole, 0), IMAGES.where(~hole, 0))
    assert (edited != IMAGES)[hole.expand_as(IMAGES)].float().mean() > 0.5


def test_an_image_comes_out_alike_alone_and_in_a_batch():
    method, told = micro(completion_steps=5), region()
    told[2, :, 8:12, 8:12] = 1
    whole = method.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": told})
    for place in range(5):
        part = slice(place, place + 1)
        alone = method.edit_aided(IMAGES[part], "Eyeglasses", AWAY[part], {"region": told[part]})
        assert (alone.int() - whole[part].int()).abs().max() <= 1


def test_edits_are_made_within_inference_mode_too_and_leave_no_gradients():
    method, other = micro(), micro()
    outside = method.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": region()})
    with torch.inference_mode():
        inside = other.edit_aided(IMAGES.clone(), "Eyeglasses", torch.zeros(5), {"region": region()})
    assert torch.equal(inside, outside)
    assert all(p.grad is None for network in method.networks.values() for p in network.parameters())


def test_a_hole_that_is_empty_changes_nothing_and_one_that_is_everything_is_drawn():
    method = micro()
    assert torch.equal(method.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": torch.zeros(5, 1, 16, 16)}), IMAGES)
    drawn = method.edit_aided(IMAGES, "Eyeglasses", AWAY, {"region": torch.ones(5, 1, 16, 16)})
    assert drawn.shape == IMAGES.shape


def test_larger_images_are_completed_small_and_pasted_large():
    method = micro(image_size=32, widen=0)
    images = IMAGES.repeat_interleave(2, 2).repeat_interleave(2, 3)
    edited = method.edit_aided(images, "Eyeglasses", AWAY, {"region": region(5, 32)})
    assert torch.equal(edited.where(region(5, 32) == 0, 0), images.where(region(5, 32) == 0, 0))
    assert method.realness(images, "Eyeglasses", AWAY).shape == (5,)


def test_what_it_cannot_do_is_refused():
    method = micro()
    told = {"region": region()}
    for aids, match in [
        ({}, "region"),
        ({"region": region(4)}, "shape"),
        ({"region": region(5, 32)}, "shape"),
        ({"region": region() * torch.nan}, "finite"),
    ]:
        with pytest.raises(InputError, match=match):
            method.edit_aided(IMAGES, "Eyeglasses", AWAY, aids)
    with pytest.raises(InputError, match="Young"):
        method.edit_aided(IMAGES, "Young", AWAY, told)
    with pytest.raises(InputError, match="16, 16"):
        method.edit_aided(torch.zeros(5, 3, 32, 32, dtype=torch.uint8), "Eyeglasses", AWAY, told)
    for value in (torch.ones(5), torch.tensor([0.0, 0, 1, 0, 0])):
        with pytest.raises(InputError, match="Eyeglasses set to 0"):
            method.edit_aided(IMAGES, "Eyeglasses", value, told)
        with pytest.raises(InputError, match="Eyeglasses set to 0"):
            method.realness(IMAGES, "Eyeglasses", value)


@pytest.mark.parametrize(
    "changes",
    [
        {"network_size": 12}, {"network_size": 64}, {"variant": "v2"}, {"g_steps": 3}, {"starts": 0}, {"widen": -1},
        {"accumulate": 2}, {"warmup_steps": 1},
    ],
)  # fmt: skip
def test_configurations_that_cannot_be_are_refused(changes):
    with pytest.raises(InputError):
        build(override(MICRO, changes), 0)


def test_attributes_of_the_whole_face_are_refused_before_training(tmp_path):
    assert for_attribute(MICRO, "Eyeglasses") == MICRO
    for attribute in ("Young", "Male", "Black_Hair", "Chubby"):
        with pytest.raises(InputError, match="Eyeglasses"):
            for_attribute(MICRO, attribute)


def test_a_variant_decides_what_is_not_set():
    assert completion_of(Config()) == VARIANTS["v1"]
    assert completion_of(Config(variant="cvpr17")) == VARIANTS["cvpr17"]
    own = completion_of(Config(variant="cvpr17", lam=0.5, context="far"))
    assert own == replace(VARIANTS["cvpr17"], lam=0.5, context="far")


def test_the_paper_preset_departs_from_the_paper_in_nothing():
    config = inpainting.PRESETS["paper"]
    assert config == Config()
    assert (config.network_size, config.z_dim, config.upsampling, config.g_steps) == (64, 100, "transposed", 2)
    assert (config.variant, config.completion_steps, config.starts, config.widen) == ("v1", 1000, 1, 0)
    assert (config.guidance.guided, config.guidance.lambda_same) == (False, 0.0)
    training = config.training
    assert (training.lr, training.betas, training.batch_size, training.ema_decay) == (2e-4, (0.5, 0.999), 128, 0.0)
