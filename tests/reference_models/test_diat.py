# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import drawn_faces
from scipy.ndimage import gaussian_filter
from tiny_teacher import TinyTeacher
from torch import nn
from torch.nn import functional

from faceeval.errors import InputError, MissingFileError, UnknownNameError
from reference_models import diat, diat_losses, load_method
from reference_models.blocks import count_parameters
from reference_models.diat_config import Config, stages
from reference_models.diat_networks import Transform, blur, finished
from reference_models.loop import Loop
from reference_models.recipe import Batch, Training, override
from reference_models.training import train

PAPER = diat.PRESETS["paper"]
TINY = replace(
    PAPER,
    image_size=64,
    width=8,
    n_blocks=2,
    d_width=8,
    fc=100,
    values=(1, 0),
    training=Training(steps=4, batch_size=4),
)
MICRO = {
    "image_size": 16,
    "width": 4,
    "n_blocks": 1,
    "d_width": 2,
    "fc": 4,
    "f_width": 4,
    "local_width": 4,
    "global_width": 4,
    "batch_size": 4,
    "guided": False,
    "lambda_id": 0.1,
    "lambda_same": 0.0,
    "ema_decay": 0.0,
    "precision": "no",
    "features": "random",
}
# every stage has two steps of twelve
ALL_STAGES = {
    f"share_{name}": 1 / 6 for name in ("transform", "discriminator", "reconstructor", "denoiser", "enhancer")
}
POINTS = np.array([[5, 7], [11, 7], [8, 9], [6, 11], [10, 11]], np.float32)
FACES = replace(drawn_faces(24, 16), landmarks=np.tile(POINTS, (24, 1, 1)))


def batch_of(side=16, count=2, region=True):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2 * count, 3, side, side, generator=generator) * 2 - 1
    batch = Batch.of(x[:count], x[count:], generator)
    mask = torch.zeros(2 * count, 1, side, side)
    mask[..., : side // 2, :] = 1
    return replace(batch, aids={"region": mask} if region else {})


def micro(**changes):
    return override(diat.SMALL, {**MICRO, "values": (1, 0), **changes})


class Silent(nn.Module):
    """A discriminator that says zero to everything and sees the picture itself on every layer."""

    def forward(self, x):
        return x.new_zeros(len(x)), [x] * 6


def silent(values=(1, 0), transform=nn.Identity):
    return {
        "transform": nn.ModuleDict({str(value): transform() for value in values}),
        "discriminator": nn.ModuleDict({str(value): Silent() for value in values}),
        "enhancer": nn.ModuleDict(),
        "reconstructor": nn.Identity(),
        "denoiser": nn.Identity(),
    }


# --- networks ---------------------------------------------------------------------------------------------------


def test_networks_have_the_parameters_of_their_tables():
    with torch.device("meta"):
        networks = diat.build(replace(PAPER, variant="DIAT", values=(0,), enhancer="local"), 0)
        found = {name: count_parameters(network) for name, network in networks.items()}
        assert found == {
            "transform": 1_681_059,
            "discriminator": 8_672_657,
            "enhancer": 79_107,
            "reconstructor": 1_681_059,
            "denoiser": 3_523,
        }
        judge = networks["discriminator"]["0"]
        assert sum(count_parameters(layer) for layer in judge.convolutions) == 478_656
        both = diat.build(replace(PAPER, values=(0, 1), enhancer="global"), 0)
        assert count_parameters(both["enhancer"]) == count_parameters(both["transform"]) == 2 * 1_681_059
        assert count_parameters(both["reconstructor"]) == 0


def test_the_tiny_form_and_the_four_blocks_that_are_printed_have_theirs():
    with torch.device("meta"):
        tiny = diat.build(replace(TINY, values=(1,), enhancer="none"), 0)
        assert {name: count_parameters(network) for name, network in tiny.items() if count_parameters(network)} == {
            "transform": 53_355,
            "discriminator": 82_553,
        }
        for blocks, whole, convolutions in ((5, 1_681_059, 1_677_859), (4, 1_385_379, 1_382_691)):
            network = Transform(32, blocks, "batch", "image", "transposed")
            norms = sum(m.weight.numel() + m.bias.numel() for m in network.modules() if isinstance(m, nn.BatchNorm2d))
            assert count_parameters(network) == whole
            assert whole - norms == convolutions


@pytest.mark.parametrize("count", [1, 2])
def test_layers_have_the_sizes_of_tables_1_and_2(count):
    with torch.device("meta"):
        networks = diat.build(replace(PAPER, values=(0,), enhancer="none"), 0)
        x = torch.empty(count, 3, 128, 128)
        shapes, maps = [], x
        for stage in networks["transform"]["0"].stages:
            maps = stage(maps)
            shapes.append(tuple(maps.shape[1:]))
        wide, half, deep = (32, 128, 128), (64, 64, 64), (128, 32, 32)
        assert shapes == [wide, half, deep, *[deep] * 5, half, (32, 127, 127), (3, 128, 128)]
        judge = networks["discriminator"]["0"]
        logits, maps = judge(x)
        sizes = [(32, 64), (32, 64), (64, 32), (64, 32), (128, 16), (128, 8)]
        assert [tuple(entry.shape) for entry in maps] == [(count, c, s, s) for c, s in sizes]
        assert judge.hidden[0].weight.shape == (1000, 8192)
        assert judge.logit.weight.shape == (1, 1000)
        assert logits.shape == (count,)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["local", "global"])
def test_pictures_are_finite_and_in_range(kind, count):
    paper = [replace(PAPER, values=(1,))] if kind == "local" else []  # the other one is a second transform network
    for config in (*paper, TINY, diat.SMALL):
        networks = diat.build(replace(config, enhancer=kind), 1)
        x = torch.rand(count, 3, config.image_size, config.image_size) * 2 - 1
        made = diat.transfer(networks, 1, x)
        assert made.shape == x.shape
        assert made.dtype == torch.float32
        assert made.isfinite().all()
        assert made.abs().max() <= 1


def test_the_transform_network_takes_any_side_that_four_divides():
    network = diat.build(TINY, 0)["transform"]["1"]
    for side in (16, 36, 64):
        assert network(torch.rand(2, 3, side, side)).shape == (2, 3, side, side)


def test_refined_pictures_see_the_source_to_the_pixel():
    with torch.device("meta"):
        plain, refined = (Transform(12, 2, "instance", "blend", "bilinear", refine=refine) for refine in (False, True))
        head = 12 * 4 * 81 + 4
        assert count_parameters(plain) - head == count_parameters(refined) - (15 * 12 + 12 * 4) * 9 - 12 - 24 - 4
    network = diat.build(replace(diat.SMALL, values=(0,)), 0)["transform"]["0"]
    for stage in network.stages:
        for parameter in stage.parameters():
            nn.init.zeros_(parameter)
    x = torch.zeros(1, 3, 64, 64)
    dot = x.clone()
    dot[..., 32, 32] = 1
    with torch.no_grad():
        assert not torch.equal(network(x), network(dot))


def test_small_networks_begin_by_returning_their_input():
    for kind in ("none", "local"):
        networks = diat.build(replace(diat.SMALL, enhancer=kind), 0)
        x = torch.rand(2, 3, 64, 64) * 2 - 1
        assert (diat.transfer(networks, 0, x) - x).abs().mean() < 0.2
        covered = 1 / (1 + math.exp(4))
        last = networks["transform"]["0"].refiner[-1]
        assert last.bias.tolist() == [0, 0, 0, -4]
        assert (finished(networks["transform"]["0"], x) - x).abs().max() < 2 * 1.5 * covered
    assert set(diat_losses.of_kind(networks, "transform")) == {0, 1}


def test_a_finished_network_is_run_as_when_faces_are_edited_and_left_as_it_was():
    network = diat.build(TINY, 0)["transform"]["1"]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.rand(2, 3, 64, 64)
    made = finished(network, x)
    assert not made.requires_grad
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not torch.equal(made, network(x))  # which took the statistics of these two images
    network.eval()
    torch.testing.assert_close(finished(network, x[:1]), finished(network, x)[:1])


def test_the_transform_network_can_learn_four_images_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    network = diat.build(TINY, 0)["transform"]["1"]
    optimiser = torch.optim.Adam(network.parameters(), 2e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(60):
        loss = (network(images) - images).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.2


# --- blur -------------------------------------------------------------------------------------------------------


def test_blur_leaves_constant_images_and_is_a_gaussian():
    flat = torch.full((1, 3, 20, 24), 0.3)
    torch.testing.assert_close(blur(flat, 1.8), flat, atol=1e-6, rtol=0)
    image = torch.rand(1, 3, 20, 24)
    expected = gaussian_filter(image[0, 1].double().numpy(), 1.8, mode="mirror", radius=5)
    np.testing.assert_allclose(blur(image, 1.8)[0, 1].numpy(), expected, atol=1e-6)
    point = torch.zeros(1, 3, 31, 31)
    point[..., 15, 15] = 1
    seen = blur(point, 1.8)[0, 0].nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [11, 11]
    assert blur(image.bfloat16(), 0.6).dtype == torch.float32


# --- losses -----------------------------------------------------------------------------------------------------


def test_losses_of_silent_discriminators_and_a_transform_network_that_changes_nothing():
    networks, batch = silent(), batch_of()
    fakes = diat.translate(networks, batch)
    config = micro(lambda_adv=1.0)
    d = diat.discriminator_loss(networks, batch, fakes, config, {})
    g = diat.transform_loss(networks, batch, fakes, config, {})
    assert {name: value.item() for name, value in d.items()} == pytest.approx({"d_adversarial": 2 * math.log(2)})
    assert {name: value.item() for name, value in g.items()} == pytest.approx(
        {"g_adversarial": math.log(2), "g_identity": 0.0}, abs=1e-6
    )
    start = diat.discriminator_start_loss(networks, batch, {}, config, {})
    assert start["d_label"].item() == pytest.approx(0.25)
    assert diat.transform_start_loss(networks, batch, {}, config, {})["t_same"].item() == 0
    assert diat.warmup_loss(networks, batch)["g_warmup"].item() == 0


@pytest.mark.parametrize(
    ("variant", "terms"),
    [
        ("DIAT1", {"g_adversarial"}),
        ("DIAT2", {"g_adversarial", "g_identity"}),
        ("DIAT3", {"g_adversarial", "g_identity", "g_smooth"}),
        ("DIAT", {"g_adversarial", "g_identity", "g_smooth"}),
        ("DIAT-A0", {"g_adversarial", "g_identity"}),
        ("DIAT-A", {"g_adversarial", "g_identity"}),
    ],
)
def test_variants_have_their_terms_and_their_networks(variant, terms):
    config, batch = micro(variant=variant), batch_of()
    networks = diat.build(config, 0)
    found = diat.transform_loss(networks, batch, diat.translate(networks, batch), config, {})
    assert set(found) == terms
    trained = {name for name, network in networks.items() if count_parameters(network)}
    assert ("enhancer" in trained) is (variant in ("DIAT", "DIAT-A"))
    assert ({"reconstructor", "denoiser"} <= trained) is ("g_smooth" in terms)
    assert diat.VARIANTS[variant].rate == (0.1 if "-A" in variant else 1.0)


def test_only_variants_that_want_the_feature_network_ask_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr(diat, "extractor", lambda *a, **k: asked.append(a))
    monkeypatch.setattr(diat_losses, "extractor", lambda *a, **k: pytest.fail("the feature network was asked for"))
    for variant in ("DIAT1", "DIAT-A0", "DIAT-A"):
        config, batch = diat.for_attribute(micro(variant=variant), "Young"), batch_of()
        networks = diat.build(config, 0)
        diat.transform_loss(networks, batch, diat.translate(networks, batch), config, {})
        if variant == "DIAT-A":
            diat.enhancer_loss(networks, batch, {}, config, {})
    assert asked == []
    diat.for_attribute(micro(variant="DIAT2"), "Young")
    diat.for_attribute(micro(), "Eyeglasses")  # whose enhancer compares features
    assert len(asked) == 2
    diat.for_attribute(micro(betas_enh=(1.0, 0.0, 0.0)), "Eyeglasses")
    assert len(asked) == 2
    monkeypatch.undo()
    with pytest.raises(MissingFileError):
        diat.for_attribute(micro(variant="DIAT2", features="nowhere.pth"), "Young")


def test_identity_losses_see_what_their_equations_say():
    class Darker(nn.Module):
        def forward(self, x):
            return x - 1.0

    networks, batch = silent(transform=Darker), batch_of()
    fakes = diat.translate(networks, batch)
    adaptive = diat.transform_loss(networks, batch, fakes, micro(layer_weights=(1.0, 3.0)), {})
    assert adaptive["g_identity"].item() == pytest.approx(0.1 * (0.5 + 3 * 0.5), abs=1e-6)
    config = micro(variant="DIAT2")
    x = batch.images
    maps, shifted = (diat_losses.extractor("random").features(y, ["conv2_2", "conv3_1"]) for y in (x, x - 1.0))
    expected = sum(0.5 * (maps[name] - shifted[name]).square().mean() for name in maps)
    found = diat.transform_loss(networks, batch, fakes, config, {})["g_identity"]
    assert found.item() == pytest.approx(0.1 * expected.item(), rel=1e-5)


def test_the_regulariser_is_the_squared_change_of_the_denoiser_and_reaches_the_transform_network():
    config, batch = micro(variant="DIAT3"), batch_of()
    networks = diat.build(config, 0)
    networks["transform"] = silent()["transform"]
    x = batch.images
    change = (networks["denoiser"](x) - x).square().flatten(1).sum(1).mean()
    fakes = diat.translate(networks, batch)
    g = diat.transform_loss(networks, batch, fakes, config, {})
    assert g["g_smooth"].item() == pytest.approx(0.001 * change.item(), rel=1e-5)
    mean = diat.transform_loss(networks, batch, fakes, replace(config, reduction="mean"), {})
    assert g["g_smooth"].item() == pytest.approx(mean["g_smooth"].item() * 3 * 16 * 16, rel=1e-5)


def test_stages_before_the_game_descend_their_equations():
    config, batch = micro(variant="DIAT"), batch_of()
    networks, x = diat.build(config, 0), batch.images
    start = diat.transform_start_loss(networks, batch, {}, config, {})["t_same"]
    each = [(network(x) - x).square().flatten(1).sum(1).mean() for network in networks["transform"].values()]
    assert start.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)
    told = diat.discriminator_start_loss(networks, batch, {}, config, {})["d_label"]
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    wants = {"1": labels, "0": 1 - labels}
    errors = [
        (judge(x)[0].sigmoid() - wants[name]).square().mean() for name, judge in networks["discriminator"].items()
    ]
    assert told.item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-5)
    noise = diat.denoiser_loss(networks, batch, {}, config, {})
    clean = (networks["denoiser"](x) - x).square().flatten(1).sum(1).mean()
    assert noise["f_clean"].item() == pytest.approx(clean.item(), rel=1e-5)
    noisy = (networks["denoiser"](finished(networks["reconstructor"], x)) - x).square().flatten(1).sum(1).mean()
    assert noise["f_noisy"].item() == pytest.approx(noisy.item(), rel=1e-5)
    networks["reconstructor"] = nn.Identity()
    assert diat.reconstructor_loss(networks, batch, {}, config, {})["r_features"].item() == 0


def test_the_local_enhancer_keeps_the_source_outside_the_mask_and_the_picture_inside():
    batch = batch_of()
    side = next(diat_losses.sides(silent(), batch, {}))
    config = micro(betas_enh=(0.1, 0.0, 0.0))
    source, made = side.inputs, side.inputs + 1.0
    inside = side.region * made + (1 - side.region) * source
    for better, outside, within in ((inside, 0.0, 0.0), (made, 0.5, 0.0), (source, 0.0, 0.1 * 0.5 * 0.5)):
        terms = diat_losses.local_terms(config, side, made, better)
        assert terms["e_outside"].item() == pytest.approx(outside, abs=1e-6)
        assert terms["e_inside"].item() == pytest.approx(within, abs=1e-6)
        assert set(terms) == {"e_outside", "e_inside"}
    both = diat_losses.local_terms(micro(), side, made, source)
    found = diat_losses.extractor("random").features
    maps, wanted = (found(side.region * y, ["conv1_1", "conv1_2"]) for y in (source, made))
    expected = sum(
        beta * 0.5 * (maps[name] - wanted[name]).square().mean() for name, beta in zip(maps, (0.5, 1.0), strict=True)
    )
    assert both["e_features"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_global_enhancer_sharpens_every_face():
    config, batch = micro(enhancer="global"), batch_of(region=False)
    networks = diat.build(config, 0)
    for network in networks["enhancer"].values():
        network.network = nn.Identity()
    expected = (blur(batch.images, 0.6) - batch.images).square().flatten(1).sum(1).mean()
    found = diat.enhancer_loss(networks, batch, {}, config, {})["e_sharpen"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    made = diat.transfer({**networks, "transform": silent()["transform"]}, 1, batch.images)
    torch.testing.assert_close(made, blur(batch.images, 0.6))


# --- directions -------------------------------------------------------------------------------------------------


def test_attributes_have_the_directions_and_enhancers_of_the_papers_tasks():
    settled = {
        name: diat.for_attribute(replace(diat.SMALL, features="random"), name)
        for name in ("Mouth_Slightly_Open", "Eyeglasses", "Male", "Young", "Smiling", "Attractive")
    }
    assert {name: (config.values, config.enhancer) for name, config in settled.items()} == {
        "Mouth_Slightly_Open": ((1, 0), "local"),
        "Eyeglasses": ((0,), "local"),
        "Male": ((0,), "global"),
        "Young": ((1,), "global"),
        "Smiling": ((1, 0), "local"),
        "Attractive": ((1, 0), "global"),
    }
    assert diat.for_attribute(micro(values=[1]), "Eyeglasses").values == (1,)
    assert diat.for_attribute(micro(variant="DIAT-A0"), "Eyeglasses").enhancer == "none"
    assert diat.for_attribute(micro(enhancer="global"), "Eyeglasses").enhancer == "global"
    assert diat.aids_for(settled["Eyeglasses"]) == ("region",)
    assert diat.aids_for(settled["Young"]) == ()


@pytest.mark.parametrize(("values", "rows"), [((1, 0), None), ((1,), [0, 1]), ((0,), [2, 3])])
def test_each_target_label_edits_the_images_without_it(values, rows):
    networks, batch = silent(values), batch_of()
    fakes = diat.translate(networks, batch)
    assert (fakes["rows"].tolist() if "rows" in fakes else None) == rows
    assert torch.equal(fakes["edited"], batch.images if rows is None else batch.images[rows])
    for side in diat_losses.sides(networks, batch, fakes):
        mine, others = (batch.negatives, batch.positives) if side.value else (batch.positives, batch.negatives)
        assert torch.equal(side.inputs, mine)
        assert torch.equal(side.edited, mine)
        assert torch.equal(side.guided, others)
        assert len(side.region) == len(mine)


def test_directions_do_not_touch_each_other():
    config, batch = micro(), batch_of()
    networks = diat.build(config, 0)
    fakes = diat.translate(networks, batch)
    networks["transform"]["0"].requires_grad_(False)
    grown = batch.images[:2].clone().requires_grad_(True)
    judge = networks["discriminator"]["1"]
    judge(grown)[0].sum().backward()
    assert not torch.equal(
        diat.transfer(networks, 1, batch.images), diat.transfer(networks, 0, batch.images)
    )  # drawn apart
    terms = diat.discriminator_loss(networks, batch, fakes, config, {})
    networks["discriminator"].zero_grad()
    terms["d_adversarial"].backward()
    assert all(p.grad is None for p in networks["transform"].parameters())


def test_a_direction_without_networks_is_refused_and_the_card_says_so():
    config = diat.for_attribute(micro(values=None), "Eyeglasses")
    method = diat.as_method(diat.build(config, 0), config, "Eyeglasses")
    assert method.card.directions == {"Eyeglasses": (0,)}
    assert method.card.notes["tasks"] == ["eyeglasses_remove"]
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    assert method.edit(images, "Eyeglasses", torch.zeros(3)).shape == images.shape
    assert method.realness(images, "Eyeglasses", torch.zeros(3)).shape == (3,)
    for call in (method.edit, method.realness):
        with pytest.raises(InputError, match=r"--set values=\[0,1\]"):
            call(images, "Eyeglasses", torch.tensor([0.0, 1.0, 0.0]))
        with pytest.raises(InputError, match="attribute these weights"):
            call(images, "Young", torch.zeros(3))
        with pytest.raises(InputError, match="uint8 images"):
            call(images[..., :8], "Eyeglasses", torch.zeros(3))
    both = diat.for_attribute(micro(values=None), "Mouth_Slightly_Open")
    card = diat.as_method(diat.build(both, 0), both, "Mouth_Slightly_Open").card
    assert card.directions == {}
    assert card.notes["tasks"] == ["mouth_open", "mouth_close"]


def test_each_wanted_value_goes_through_its_own_network():
    config = micro(enhancer="none")
    networks = {name: network.eval() for name, network in diat.build(config, 0).items()}
    method = diat.as_method(networks, config, "Eyeglasses")
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    mixed = method.edit(images, "Eyeglasses", torch.tensor([1.0, 0.0, 1.0]))
    for value in (0.0, 1.0):
        whole = method.edit(images, "Eyeglasses", torch.full((3,), value))
        chosen = [1] if value == 0 else [0, 2]
        assert torch.equal(mixed[chosen], whole[chosen])
    shown = diat.preview(networks, images.float() / 127.5 - 1, torch.tensor([0.0, 1.0, 0.0]))
    assert ((shown + 1) * 127.5 - mixed).abs().max() < 1
    one = diat.build(micro(enhancer="none", values=(0,)), 0)
    x = images.float() / 127.5 - 1
    assert torch.equal(diat.preview(one, x, torch.zeros(3)), x)


# --- stages -----------------------------------------------------------------------------------------------------


def test_stages_follow_each_other_and_the_game_has_the_rest():
    paper = stages(replace(PAPER, variant="DIAT", enhancer="local"))
    assert {name: (steps.start, steps.stop) for name, steps in paper.items()} == {
        "transform_start": (0, 20_000),
        "discriminator_start": (20_000, 30_000),
        "reconstructor": (30_000, 45_000),
        "denoiser": (45_000, 50_000),
        "adversarial": (50_000, 85_000),
        "enhancer": (85_000, 100_000),
    }
    for variant in diat.VARIANTS:
        for steps in (1, 4, 7, 300):
            config = override(diat.SMALL, {"variant": variant, "steps": steps})
            found = [step for part in stages(config).values() for step in part]
            assert found == list(range(steps))
            assert all(set(diat.schedule(config, step)) <= set(diat.UPDATES) for step in range(steps))


def test_the_papers_step_sizes():
    full = replace(PAPER, enhancer="local")
    assert diat.schedule(full, 0) == {"transform_start": 1.0}
    assert diat.schedule(full, 29_999) == {"discriminator_start": 1.0}
    assert diat.schedule(full, 84_999) == pytest.approx({"discriminator": 0.1, "transform": 0.1})  # of 1e-4
    assert diat.schedule(full, 85_000) == {"enhancer": 1.0}
    assert diat.schedule(replace(full, variant="DIAT1"), 40_000) == {"discriminator": 1.0, "transform": 1.0}
    assert diat.schedule(replace(full, adversarial_rate=0.5), 84_999) == {"discriminator": 0.5, "transform": 0.5}
    assert full.training.lr == 1e-4


@pytest.mark.parametrize(("dstep", "tstep"), [(1, 1), (5, 1), (1, 3), (4, 3)])
def test_rounds_have_their_updates(dstep, tstep):
    config = replace(PAPER, dstep=dstep, tstep=tstep)
    length = max(dstep, tstep)
    ran = [list(diat.schedule(config, 30_000 + step)) for step in range(6 * length)]
    assert sum("discriminator" in names for names in ran) == 6 * dstep
    assert sum("transform" in names for names in ran) == 6 * tstep
    assert ran[:length] == ran[length : 2 * length]
    assert all(ran)
    assert ran[0][0] == "discriminator"


def test_every_stage_changes_its_own_networks_and_nothing_else(tmp_path, monkeypatch):
    descend, seen = Loop.descend, []

    def weights(networks):
        return {name: [p.detach().clone() for p in network.parameters()] for name, network in networks.items()}

    def watch(self, networks, group, losses, terms):
        before = weights(self.state.networks)
        descend(self, networks, group, losses, terms)
        after = weights(self.state.networks)
        changed = [n for n in before if not all(map(torch.equal, before[n], after[n]))]
        seen.append((self.state.step, group, changed, sorted(terms)))

    monkeypatch.setattr(Loop, "descend", watch)
    run(tmp_path, variant="DIAT")
    assert [(step, group) for step, group, *_ in seen] == [
        *[(step, "transform_start") for step in (0, 1)],
        *[(step, "discriminator_start") for step in (2, 3)],
        *[(step, "reconstructor") for step in (4, 5)],
        *[(step, "denoiser") for step in (6, 7)],
        *[(step, group) for step in (8, 9) for group in ("discriminator", "transform")],
        *[(step, "enhancer") for step in (10, 11)],
    ]
    assert all(changed == [group.removesuffix("_start")] for _, group, changed, _ in seen)
    assert seen[-1][3] == ["e_features", "e_inside", "e_outside"]


def run(out, *, attribute="Eyeglasses", faces=FACES, steps=12, progress=None, every=4, **changes):
    overrides = {**MICRO, **ALL_STAGES, **changes}
    return train(
        "diat", faces, attribute, out=out, steps=steps, overrides=overrides, checkpoint_every=every, sample_every=4,
        log_every=1, progress=progress,
    )  # fmt: skip


def test_a_run_stopped_in_any_stage_ends_in_the_same_bits(tmp_path):
    whole = run(tmp_path / "whole", variant="DIAT", norm="batch", ema_decay=0.9)

    for stop in (6, 11):
        out = tmp_path / str(stop)

        def interrupt(step, total, losses, stop=stop):
            if step == stop:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(out, variant="DIAT", norm="batch", ema_decay=0.9, progress=interrupt)
        again = run(out, variant="DIAT", norm="batch", ema_decay=0.9)
        assert again.read_bytes() == whole.read_bytes()


def test_sample_grids_leave_no_trace_in_the_weights(tmp_path):
    one = run(tmp_path / "one", norm="batch")
    two = train(
        "diat", FACES, "Eyeglasses", out=tmp_path / "two", steps=12, overrides={**MICRO, **ALL_STAGES, "norm": "batch"},
        checkpoint_every=4, sample_every=1, log_every=1,
    )  # fmt: skip
    assert one.read_bytes() == two.read_bytes()


def test_weights_come_back_as_the_method_that_was_trained(tmp_path):
    path = run(tmp_path, values=[0, 1])
    method = load_method("diat", attribute="Eyeglasses", size=16, checkpoint=path)
    assert method.config.values == (0, 1)
    assert method.config.enhancer == "local"
    assert method.card.directions == {}
    assert method.card.notes["steps"] == 12
    assert method.card.weights_sha256
    images = torch.from_numpy(np.array(FACES.read(np.arange(6))))
    value = torch.tensor([0.0, 1, 0, 1, 0, 1])
    edited = method.edit(images, "Eyeglasses", value)
    assert edited.shape == images.shape
    assert torch.equal(edited, method.edit(images, "Eyeglasses", value))
    one = torch.cat([method.edit(images[i : i + 1], "Eyeglasses", value[i : i + 1]) for i in range(6)])
    assert (edited.int() - one.int()).abs().max() <= 1
    assert method.realness(edited, "Eyeglasses", value).isfinite().all()


def test_masks_are_read_for_the_local_enhancer_only(tmp_path):
    bare = replace(FACES, landmarks=None)
    with pytest.raises(InputError, match="landmarks"):
        run(tmp_path / "local", faces=bare)
    assert not (tmp_path / "local").exists()
    run(tmp_path / "global", faces=bare, enhancer="global", steps=6)
    run(tmp_path / "none", faces=bare, variant="DIAT-A0", steps=6)


@pytest.mark.parametrize("values", [[0], [0, 1]])
def test_guidance_joins_the_game_and_no_other_stage(values, tmp_path):
    told = []
    train(
        "diat", FACES, "Eyeglasses", out=tmp_path, steps=12, sample_every=0, log_every=1, teacher=TinyTeacher(),
        overrides={**MICRO, **ALL_STAGES, "guided": True, "lambda_same": 0.5, "values": values},
        progress=lambda step, total, losses: told.append(set(losses)),
    )  # fmt: skip
    game = {"d_adversarial", "d_teacher_features", "g_adversarial", "g_identity", "g_same"}
    game |= {"g_teacher_features", "g_teacher_class", "g_teacher_keep"}
    assert told == [{"t_same"}] * 2 + [{"d_label"}] * 2 + [game] * 6 + [{"e_outside", "e_inside", "e_features"}] * 2


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"variant": "DIAT4"}, UnknownNameError, "DIAT3"),
        ({"enhancer": "both"}, UnknownNameError, "global"),
        ({"values": 1}, InputError, "values="),
        ({"values": []}, InputError, "values="),
        ({"values": [0, 2]}, InputError, "values="),
        ({"share_transform": 0.9, "share_enhancer": 0.2}, InputError, "shares"),
        ({"share_denoiser": -0.1}, InputError, "shares"),
        ({"image_size": 20}, InputError, "multiple of 16"),
        ({"dstep": 0}, InputError, "dstep"),
        ({"layers": [4, 5, 6]}, InputError, "layer_weights"),
        ({"layers": [6, 7]}, InputError, "layers"),
        ({"betas_enh": [0.1]}, InputError, "betas_enh"),
        ({"blur_sigma": 0}, InputError, "blur_sigma"),
        ({"upsampling": "transposed"}, InputError, "bilinear"),
        ({"sampling": "uniform"}, InputError, "sampling"),
        ({"head_start": 5}, InputError, "share_discriminator"),
    ],
)
def test_fields_that_make_no_diat_are_refused(changes, error, words, tmp_path):
    with pytest.raises(error, match=words):
        run(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


# --- paper size -------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize("variant", ["DIAT", "DIAT-A"])
def test_the_paper_preset_takes_two_steps_of_every_stage(variant, tmp_path):
    shares = {f"share_{name}": 1 / 6 for name in ("transform", "discriminator", "enhancer")}
    shares |= {"share_reconstructor": 1 / 6, "share_denoiser": 1 / 6}
    faces = replace(drawn_faces(12, 128), landmarks=np.tile(POINTS * 8, (12, 1, 1)))
    losses = []
    path = train(
        "diat", faces, "Eyeglasses", preset="paper", out=tmp_path, steps=12,
        overrides={"variant": variant, "batch_size": 4, "features": "random", **shares}, sample_every=0, log_every=1,
        progress=lambda step, total, found: losses.append(found),
    )  # fmt: skip
    assert path.is_file()
    assert len(losses) == 12
    assert all(math.isfinite(value) for found in losses for value in found.values())


def test_presets_are_what_the_docstring_says():
    assert Config() == PAPER
    assert PAPER.guidance.guided is False
    assert PAPER.norm == "batch"
    assert diat.PRESETS["quick"].training.steps < diat.SMALL.training.steps
    assert set(diat.PRESETS) == {"paper", "small", "quick"}
