# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from configurations import MICRO_CHANGES, QUICK
from drawn import drawn_faces
from torch import nn
from torch.nn import functional

from faceeval.errors import CheckpointError, InputError, UnknownNameError
from faceeval.method import AidedEditor, Critic, Editor, StrengthEditor
from reference_models import maae
from reference_models.blocks import count_parameters
from reference_models.checkpoint import save_weights
from reference_models.images import to_signed, to_uint8
from reference_models.maae_networks import Generator, Judge, Judges, Residual, positions
from reference_models.recipe import Batch, Recipe, config_from_dict, override
from reference_models.training import train

PAPER = maae.Config()
TINY = replace(PAPER, image_size=64, width=16, n_blocks=2, d_width=16, features="random", training=QUICK)
MICRO = replace(TINY, image_size=16, width=4, n_blocks=1, d_width=4, d_stages=3)
CHANGES = {name: value for name, value in MICRO_CHANGES["maae"].items() if name != "vae_noise"}
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1, 0, 1])
MASKS = (torch.arange(16 * 16).view(1, 1, 16, 16) < 100).float().expand(5, -1, -1, -1)


def make_batch(side=16, count=2, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(2 * count, 3, side, side, generator=chance) * 2 - 1
    background = (torch.rand(2 * count, 1, side, side, generator=chance) < 0.4).float()
    return replace(Batch.of(x[:count], x[count:], chance), aids={"background": background})


def silence(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def losses_of(networks, batch, config, fakes=None):
    fakes = maae.translate(networks, batch) if fakes is None else fakes
    d = maae.discriminator_loss(networks, batch, fakes, config, {})
    g = maae.generator_loss(networks, batch, fakes, config, {})
    return {name: value.item() for name, value in {**d, **g}.items()}


def method_of(config, seed=5):
    return maae.as_method(maae.build(config, seed), config, "Eyeglasses")


# --- networks ---------------------------------------------------------------------------------------------------


def test_paper_networks_have_the_parameters_of_their_table():
    with torch.device("meta"):
        assert count_parameters(Generator(PAPER).encoder) == 1_954_944
        assert count_parameters(Generator(PAPER).decoder) == 3_452_547
        assert count_parameters(Judge(PAPER)) == 6_274_689
        assert count_parameters(Judges(PAPER)) == 2 * 6_274_689
        assert count_parameters(Judges(replace(PAPER, shared_d=True))) == 6_274_689
        assert count_parameters(Generator(replace(PAPER, mask_mode="concat_input")).encoder) == 1_958_080
        assert count_parameters(Generator(replace(PAPER, mask_mode="concat_feature")).decoder) == 3_452_547 + 263_680
        wide = Generator(replace(PAPER, res_kernel=3))
        assert (count_parameters(wide.encoder), count_parameters(wide.decoder)) == (13_489_280, 16_035_459)


def test_tiny_networks_have_the_parameters_of_their_table():
    networks = maae.build(TINY, 0)
    generator, judges = networks["generator"], networks["judges"]
    assert (count_parameters(generator.encoder), count_parameters(generator.decoder)) == (91_680, 183_459)
    assert [count_parameters(judge) for judge in judges.own] == [393_633] * 2


def test_small_weights_stay_below_four_tenths_of_a_megabyte():
    networks = maae.build(maae.SMALL, 0)
    values = sum(value.numel() for network in networks.values() for value in network.state_dict().values())
    assert 2 * values < 0.4e6


def shapes_of(layers, x):
    shapes = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, Residual)):
            shapes.append(tuple(x.shape[1:]))
    return shapes, x


@pytest.mark.parametrize("count", [1, 2])
def test_paper_networks_have_the_shapes_of_their_table(count):
    with torch.device("meta"):
        generator, judge = Generator(PAPER), Judge(PAPER)
        encoded, code = shapes_of(generator.encoder, torch.empty(count, 3, 128, 128))
        decoded, raw = shapes_of(generator.decoder, code)
        judged, logits = shapes_of(judge.layers, torch.empty(count, 3, 128, 128))
    assert encoded == [(64, 128, 128), (128, 64, 64), (256, 32, 32)] + [(512, 32, 32)] * 3
    assert decoded == [(512, 32, 32)] * 3 + [(256, 64, 64), (128, 128, 128), (64, 128, 128), (3, 128, 128)]
    assert judged == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4), (1, 3, 3)]
    assert raw.shape == (count, 3, 128, 128)
    assert logits.shape == (count, 1, 3, 3)


@pytest.mark.parametrize(("side", "code", "patches"), [(64, 16, 1), (348, 87, 10)])
def test_other_sizes_fit_together_too(side, code, patches):
    config = replace(PAPER, image_size=side)
    with torch.device("meta"):
        generator, judge = Generator(config), Judge(config)
        x, strength = torch.empty(1, 3, side, side), torch.empty(1)
        assert generator.encode(x).shape == (1, 512, code, code)
        assert generator(x, strength).shape == x.shape
        assert judge(x).shape == (1, 1, patches, patches)


@pytest.mark.parametrize("changes", [{}, {"strides": (2, 2, 1)}, {"strides": (2, 1, 2), "upsampling": "bilinear"}])
@pytest.mark.parametrize("side", [16, 20, 36])
def test_decoding_returns_to_the_size_that_was_encoded(changes, side):
    generator = maae.build(replace(MICRO, **changes), 0)["generator"]
    x = torch.rand(1, 3, side, side) * 2 - 1
    assert generator.reconstructions(generator.encode(x), x)[0].shape == x.shape


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("output", ["image", "residual", "blend"])
def test_pictures_are_pictures(count, output):
    networks = maae.build(replace(TINY, output=output), 1)
    x = torch.rand(count, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        made = networks["generator"](x, torch.tensor([5.0, -5.0])[:count])
        logits = networks["judges"].positive(x)
    assert made.shape == x.shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert made.abs().max() <= 1
    assert logits.shape == (count, 1, 1, 1)


@pytest.mark.parametrize(
    ("side", "chosen", "total"), [(64, 36, 256), (128, 121, 1024), (256, 484, 4096), (348, 900, 7569)]
)
def test_sparse_edits_touch_as_many_positions_as_the_table_says(side, chosen, total):
    mask = positions(replace(PAPER, image_size=side))
    assert (int(mask.sum()), mask.numel()) == (chosen, total)
    assert positions(replace(PAPER, image_size=side, modify="all")).sum() == total
    axis = mask[1]
    assert torch.equal(mask, torch.outer(axis, axis))
    assert axis.nonzero()[:3, 0].tolist() == [1, 4, 7]


def test_the_layerwise_rule_touches_more():
    assert positions(replace(PAPER, modify_rule="layerwise")).sum() == 18**2


# --- edits of the code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modify", ["sparse", "all"])
def test_an_edit_adds_its_strength_to_the_chosen_positions_and_to_nothing_else(modify):
    generator = maae.build(replace(TINY, modify=modify), 0)["generator"]
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        code = generator.encode(x)
        shifted = generator.shift(code, torch.tensor([5.0, -2.5]))
        back = generator.shift(shifted, torch.tensor([-5.0, 2.5]))
    changed = (shifted - code).abs() > 0
    assert changed[0].sum() == (36 if modify == "sparse" else 256) * 128
    added = torch.tensor([5.0, -2.5])[:, None, None, None] * changed
    torch.testing.assert_close(shifted - code, added, atol=1e-5, rtol=0)
    torch.testing.assert_close(back, code, atol=1e-6, rtol=0)


def test_strength_zero_is_the_autoencoder():
    generator = maae.build(TINY, 0)["generator"]
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.equal(generator(x, torch.zeros(2)), generator.decode(generator.encode(x), x))


def test_every_pixel_of_the_picture_depends_on_the_strength():
    for output in ("image", "blend"):
        config = replace(TINY, output=output, init=None, upsampling="transposed" if output == "image" else "bilinear")
        generator = maae.build(config, 0)["generator"]
        x = torch.rand(1, 3, 64, 64) * 2 - 1
        with torch.no_grad():
            raw = [generator.paint(generator.shift(generator.encode(x), torch.tensor([s]))) for s in (0.0, 5.0)]
        assert ((raw[1] - raw[0]).abs().amax(1) > 0).all()


@pytest.mark.parametrize("modify", ["sparse", "all"])
def test_small_networks_hear_the_strength_at_once(modify):
    generator = maae.build(replace(maae.SMALL, modify=modify), 0)["generator"]
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        raw = [generator.paint(generator.shift(generator.encode(x), torch.tensor([s]))) for s in (-5.0, 0.0, 5.0)]
    for made in (raw[0], raw[2]):
        assert (made - raw[1]).abs().mean() > 0.1


def test_small_networks_begin_by_returning_nearly_their_input():
    generator = maae.build(maae.SMALL, 0)["generator"]
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        for strength in (0.0, 5.0, -5.0):
            assert (generator(x, torch.full((2,), strength)) - x).abs().mean() < 0.2


def test_a_shut_blend_still_asks_the_code_to_hold_the_face():
    generator = maae.build(replace(MICRO, output="blend", init=None), 0)["generator"]
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        generator.decoder[-1].bias[3] = -60.0
        generator.decoder[-1].weight[3] = 0.0
    picture, painted = generator.reconstructions(generator.encode(x), x)
    assert torch.equal(picture, x)
    assert (painted - x).abs().mean() > 0.1
    painted.sub(x).abs().mean().backward()
    assert generator.encoder[0].weight.grad.abs().max() > 0


def test_noise_has_unit_variance_and_comes_from_the_batch_alone():
    generator = maae.build(TINY, 0)["generator"]
    code = torch.zeros(4, 128, 16, 16)
    first, again = (generator.noisy(code, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.std().item() == pytest.approx(1.0, abs=0.01)
    assert not torch.equal(first, generator.noisy(code, torch.Generator().manual_seed(4)))
    assert maae.build(replace(TINY, vae_noise=False), 0)["generator"].noisy(code, torch.Generator()) is code


# --- losses -----------------------------------------------------------------------------------------------------


def test_losses_of_silent_networks_are_known():
    networks, batch = {name: silence(network) for name, network in maae.build(MICRO, 0).items()}, make_batch()
    terms = losses_of(networks, batch, MICRO)
    x1, x2 = batch.negatives.abs().mean().item(), batch.positives.abs().mean().item()
    kept = batch.aids["background"]
    b1, b2 = ((kept * batch.images)[part].abs().mean().item() for part in (slice(2), slice(2, 4)))
    assert terms["d_positive"] == pytest.approx(13.862944, abs=1e-5)
    assert terms["d_negative"] == pytest.approx(13.862944, abs=1e-5)
    assert terms["g_adversarial"] == pytest.approx(2 * 6.931472, abs=1e-5)
    assert terms["g_prior"] == 0
    assert terms["g_reconstruction"] == pytest.approx(8 * (x1 + x2), rel=1e-6)  # made pictures are grey: zero
    assert terms["g_cycle"] == pytest.approx(80 * (x1 + x2), rel=1e-6)
    assert terms["g_mask"] == pytest.approx(80 * (b1 + b2), rel=1e-6)


def test_pictures_that_come_back_as_they_went_cost_nothing():
    config = replace(MICRO, output="residual")
    networks, batch = maae.build(config, 0), make_batch()
    terms = losses_of({**networks, "judges": silence(networks["judges"])}, batch, config)
    assert [terms[name] for name in ("g_reconstruction", "g_cycle", "g_identity", "g_mask")] == [0.0] * 4


def test_the_prior_weighs_a_unit_code_half():
    networks, batch = maae.build(MICRO, 0), make_batch()
    fakes = {**maae.translate(networks, batch), "mean": torch.ones(4, 32, 4, 4)}
    assert losses_of(networks, batch, MICRO, fakes)["g_prior"] == pytest.approx(0.1 * 0.1 * 2 * 0.5, abs=1e-7)


def test_the_mask_loss_looks_at_the_source_s_background_only():
    networks, batch = maae.build(MICRO, 0), make_batch()
    fakes, background = maae.translate(networks, batch), batch.aids["background"]
    elsewhere = {**fakes, "edited": batch.images + (1 - background) * torch.rand(4, 3, 16, 16)}
    assert losses_of(networks, batch, MICRO, elsewhere)["g_mask"] == 0
    there = {**fakes, "edited": batch.images + 0.1 * background}
    share = background[:2].mean().item() + background[2:].mean().item()
    assert losses_of(networks, batch, MICRO, there)["g_mask"] == pytest.approx(80 * 0.1 * share, rel=1e-4)


def test_the_identity_loss_is_the_mean_squared_difference_of_features(monkeypatch):
    class Pixels:
        def features(self, images, names):
            return dict.fromkeys(names, images)

    monkeypatch.setattr(maae, "extractor", lambda source, channel_order: Pixels())
    networks, batch = maae.build(MICRO, 0), make_batch()
    fakes = {**maae.translate(networks, batch), "edited": batch.images + 0.2}
    assert losses_of(networks, batch, MICRO, fakes)["g_identity"] == pytest.approx(20 * 2 * 0.04, rel=1e-4)


def test_each_direction_has_a_judge_of_its_own():
    networks, batch = maae.build(MICRO, 0), make_batch()
    judges = networks["judges"]
    with torch.no_grad():
        for judge, bias in zip(judges.own, (2.0, -1.0), strict=True):
            silence(judge).layers[-1].bias.fill_(bias)
    terms = losses_of(networks, batch, MICRO)
    soft = functional.softplus
    assert terms["d_positive"] == pytest.approx(
        10 * float(soft(torch.tensor(-2.0)) + soft(torch.tensor(2.0))), abs=1e-4
    )
    assert terms["d_negative"] == pytest.approx(
        10 * float(soft(torch.tensor(1.0)) + soft(torch.tensor(-1.0))), abs=1e-4
    )
    expected = 10 * float(soft(torch.tensor(-2.0)) + soft(torch.tensor(1.0)))
    assert terms["g_adversarial"] == pytest.approx(expected, abs=1e-4)
    shared = maae.build(replace(MICRO, shared_d=True), 0)["judges"]
    assert torch.equal(shared.positive(batch.images), shared.negative(batch.images))


def test_edits_go_away_from_the_label_and_the_cycle_comes_back():
    networks, batch = maae.build(MICRO, 0), make_batch()
    generator, seen = networks["generator"], []
    generator.shift = lambda code, strength: seen.append(strength.tolist()) or code
    maae.generator_loss(networks, batch, maae.translate(networks, batch), MICRO, {})
    assert seen == [[5.0, 5.0, -5.0, -5.0], [-5.0, -5.0, 5.0, 5.0]]


def test_drawn_strengths_go_there_and_back_by_the_same_share():
    config, batch = replace(MICRO, cycle_strength="drawn"), make_batch()
    networks = maae.build(config, 0)
    fakes, seen = maae.translate(networks, batch), []
    networks["generator"].shift = lambda code, strength: seen.append(strength) or code
    maae.generator_loss(networks, batch, fakes, config, {})
    there, back = seen
    assert torch.equal(there, -back)
    assert (there[:2] > 0).all()
    assert (there[2:] < 0).all()
    assert there.abs().max() < 5
    assert there.abs().unique().numel() == 4


def test_discriminators_learn_nothing_about_the_generator_and_the_other_way_round():
    networks, batch = maae.build(MICRO, 0), make_batch()
    fakes = maae.translate(networks, batch)
    sum(maae.discriminator_loss(networks, batch, fakes, MICRO, {}).values()).backward()
    assert all(p.grad is None for p in networks["generator"].parameters())
    networks["judges"].requires_grad_(False).zero_grad()
    sum(maae.generator_loss(networks, batch, fakes, MICRO, {}).values()).backward()
    assert all(p.grad is None for p in networks["judges"].parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in networks["generator"].parameters())
    assert all(p.grad is None for p in maae.extractor("random").parameters())


def test_the_warm_up_asks_for_the_input_back():
    networks, batch = maae.build(MICRO, 0), make_batch()
    assert maae.warmup_loss({"generator": silence(networks["generator"])}, batch)["g_warmup"].item() == pytest.approx(
        batch.images.abs().mean().item(), rel=1e-6
    )


# --- variants of figure 5 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "terms", "aids"),
    [
        ("a", set(), ()),
        ("b", set(), ()),
        ("c", {"g_identity"}, ()),
        ("d", {"g_identity"}, ("background",)),
        ("e", {"g_identity"}, ("background",)),
        ("f", {"g_identity", "g_mask"}, ("background",)),
    ],
)
def test_variants_differ_as_figure_5_says(letter, terms, aids):
    config = maae.for_attribute(replace(MICRO, variant=letter), "Eyeglasses")
    networks, batch = maae.build(config, 0), make_batch()
    always = {"d_positive", "d_negative", "g_adversarial", "g_prior", "g_reconstruction", "g_cycle"}
    assert set(losses_of(networks, batch, config)) == always | terms
    assert maae.aids_for(config) == aids
    assert networks["generator"].positions.sum() == (16 if letter == "a" else 4)
    assert networks["generator"].encoder[0].in_channels == (4 if letter == "d" else 3)
    assert networks["generator"].decoder[0].body[0].in_channels == (33 if letter == "e" else 32)
    card = maae.as_method(networks, config, "Eyeglasses").card
    assert card.name == ("maae" if letter == "f" else f"maae-{letter}")
    assert card.needs == (("background",) if letter in "de" else ())
    assert maae.preview(networks, batch.images, batch.labels).shape == batch.images.shape


def test_the_full_variant_is_the_default_and_without_one_fields_stay_as_they_are():
    full = maae.for_attribute(replace(MICRO, variant="f"), "Young")
    assert replace(full, variant=None) == MICRO
    own = replace(MICRO, modify="all", mask_mode="none")
    assert maae.for_attribute(own, "Young") == own


@pytest.mark.parametrize("letter", ["d", "e"])
def test_the_mask_reaches_the_picture_where_it_is_concatenated(letter):
    config = maae.for_attribute(replace(MICRO, variant=letter, init=None), "Eyeglasses")
    generator, x = maae.build(config, 0)["generator"], to_signed(IMAGES)
    with torch.no_grad():
        made = [generator(x, torch.zeros(5), mask) for mask in (MASKS, 1 - MASKS)]
    assert not torch.allclose(made[0], made[1])


# --- delta that is measured -------------------------------------------------------------------------------------


def test_a_measured_delta_is_half_the_range_of_the_first_code_and_stays():
    config = override(replace(MICRO, delta="auto", init=None), {"warmup_steps": 1})
    networks, batch = maae.build(config, 0), make_batch()
    generator = networks["generator"]
    assert generator.delta == 0
    assert maae.as_method(networks, config, "Young").card.strengths == (0, 0)
    fakes = maae.translate(networks, batch)
    half = (fakes["mean"].max() - fakes["mean"].min()).item() / 2
    assert generator.delta == pytest.approx(half, abs=0.005)
    before = generator.delta
    with torch.no_grad():
        generator.encoder[-1].shortcut.weight.mul_(3)
    maae.translate(networks, batch)
    assert generator.delta == before
    assert maae.as_method(networks, config, "Young").card.strengths == (-before, before)


def test_a_measured_delta_is_published_as_it_was_measured(tmp_path):
    changes = {**CHANGES, "guided": False, "delta": "auto", "warmup_steps": 2}
    told = []
    path = run(tmp_path, 5, overrides=changes, on_checkpoint=lambda step, method: told.append(method))
    loaded = maae.MAAE.from_file(path, attribute="Eyeglasses", size=16)
    assert loaded.generator.delta == told[-1].generator.delta > 0
    assert loaded.card.strengths == (-loaded.generator.delta, loaded.generator.delta)


# --- the method -------------------------------------------------------------------------------------------------


def publish(folder, config):
    facts = {"method": "maae", "attributes": ("Eyeglasses",), "data": "drawn", "config": config, "notes": {}}
    return save_weights(folder / "maae-Eyeglasses.safetensors", maae.build(config, 5), **facts)


def test_saved_weights_edit_as_the_networks_they_were_saved_from(tmp_path):
    config = replace(MICRO, output="blend", norm="group", init=None)
    loaded = maae.MAAE.from_file(publish(tmp_path, config), attribute="Eyeglasses", size=16)
    assert all(isinstance(loaded, kind) for kind in (Editor, AidedEditor, StrengthEditor, Critic))
    edited = loaded.edit(IMAGES, "Eyeglasses", VALUES)
    assert edited.dtype == torch.uint8
    assert (edited.int() - method_of(config).edit(IMAGES, "Eyeglasses", VALUES).int()).abs().max() <= 1
    alone = torch.cat([loaded.edit(x[None], "Eyeglasses", v[None]) for x, v in zip(IMAGES, VALUES, strict=True)])
    assert (alone.int() - edited.int()).abs().max() <= 1
    assert loaded.card.strengths == (-5.0, 5.0)
    with pytest.raises(CheckpointError, match="Young"):
        maae.MAAE.from_file(tmp_path / "maae-Eyeglasses.safetensors", attribute="Young", size=16)


def test_an_edit_is_a_strength_of_delta_and_strength_zero_is_the_autoencoder():
    method = method_of(replace(MICRO, init=None, delta=3.0))
    strengths = torch.where(VALUES > 0.5, 3.0, -3.0)
    edited = method.edit(IMAGES, "Eyeglasses", VALUES)
    assert torch.equal(edited, method.edit_strength(IMAGES, "Eyeglasses", strengths))
    assert torch.equal(edited, method.edit_aided(IMAGES, "Eyeglasses", VALUES, {"background": MASKS}))
    assert not torch.equal(edited, method.edit(IMAGES, "Eyeglasses", 1 - VALUES))
    x = to_signed(IMAGES)
    with torch.no_grad():
        same = to_uint8(method.generator.reconstructions(method.generator.encode(x), x)[0])
    assert torch.equal(method.edit_strength(IMAGES, "Eyeglasses", torch.zeros(5)), same)
    assert method.card.strengths == (-3.0, 3.0)


def test_more_strength_changes_more():
    method = method_of(replace(MICRO, init=None))
    zero = method.edit_strength(IMAGES, "Eyeglasses", torch.zeros(5)).int()
    steps = [
        (method.edit_strength(IMAGES, "Eyeglasses", torch.full((5,), s)).int() - zero).abs().float().mean().item()
        for s in (0.0, 1.25, 2.5, 5.0)
    ]
    assert steps == sorted(steps)
    assert steps[0] == 0 < steps[-1]


def test_realness_asks_the_judge_of_the_wanted_value():
    method = method_of(replace(MICRO, init=None, d_init=None))
    x = to_signed(IMAGES)
    with torch.no_grad():
        positive, negative = (judge(x).flatten(1).mean(1) for judge in method.judges.own)
    torch.testing.assert_close(
        method.realness(IMAGES, "Eyeglasses", VALUES), torch.where(VALUES > 0.5, positive, negative)
    )
    shared = method_of(replace(MICRO, shared_d=True, d_init=None))
    assert torch.equal(shared.realness(IMAGES, "Eyeglasses", VALUES), shared.realness(IMAGES, "Eyeglasses", 1 - VALUES))


def test_edits_that_cannot_be_made_are_refused():
    method = method_of(MICRO)
    for error, call in [
        ("Young", lambda: method.edit(IMAGES, "Young", VALUES)),
        ("Young", lambda: method.realness(IMAGES, "Young", VALUES)),
        ("16, 16", lambda: method.edit(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "Eyeglasses", VALUES[:1])),
        ("float32", lambda: method.edit(IMAGES.float(), "Eyeglasses", VALUES)),
        (r"\[-5, 5\]", lambda: method.edit_strength(IMAGES, "Eyeglasses", torch.full((5,), 5.1))),
        (r"\[-5, 5\]", lambda: method.edit_strength(IMAGES, "Eyeglasses", torch.full((5,), float("nan")))),
        (r"\(5,\)", lambda: method.edit_strength(IMAGES, "Eyeglasses", torch.zeros(3))),
    ]:
        with pytest.raises(InputError, match=error):
            call()


@pytest.mark.parametrize("letter", ["d", "e"])
def test_variants_that_are_told_the_background_ask_for_it(letter):
    method = method_of(maae.for_attribute(replace(MICRO, variant=letter, init=None), "Eyeglasses"))
    edited = method.edit_aided(IMAGES, "Eyeglasses", VALUES, {"background": MASKS})
    strengths = torch.where(VALUES > 0.5, 5.0, -5.0)
    assert torch.equal(edited, method.edit_strength(IMAGES, "Eyeglasses", strengths, {"background": MASKS.bool()}))
    with pytest.raises(InputError, match="background"):
        method.edit(IMAGES, "Eyeglasses", VALUES)
    with pytest.raises(InputError, match="background"):
        method.edit_strength(IMAGES, "Eyeglasses", strengths)
    with pytest.raises(InputError, match="8, 8"):
        method.edit_aided(IMAGES, "Eyeglasses", VALUES, {"background": torch.zeros(5, 1, 8, 8)})


# --- configurations and training --------------------------------------------------------------------------------


def test_the_paper_s_numbers_are_the_defaults():
    config = maae.PRESETS["paper"]
    assert config == PAPER
    assert (config.lambda1, config.lambda2) == (0.1, 80)
    weights = (config.alpha_vae, config.alpha_gan, config.alpha_id, config.alpha_cycle, config.alpha_mask)
    assert weights == (0.1, 10, 20, 80, 80)
    assert (config.output, config.norm, config.init, config.delta) == ("image", "none", 0.02, 5.0)
    training = config.training
    assert (training.lr, training.lr_d, training.betas, training.batch_size) == (1e-4, None, (0.5, 0.999), 128)
    assert (training.constant_share, training.ema_decay, training.warmup_steps) == (1.0, 0.0, 0)
    assert (config.guidance.guided, config.guidance.lambda_same) == (False, 0.0)


def test_small_alphas_are_in_the_paper_s_proportion():
    for name in ("alpha_vae", "alpha_gan", "alpha_id", "alpha_cycle", "alpha_mask"):
        assert getattr(maae.SMALL, name) == pytest.approx(getattr(PAPER, name) / 20)


@pytest.mark.parametrize("changes", [{}, {"delta": "auto", "warmup_steps": 3}, {"variant": "d"}])
def test_configurations_survive_json(changes):
    for preset in maae.PRESETS.values():
        config = override(preset, changes)
        assert config_from_dict(maae.Config, json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"image_size": 18}, InputError, "multiple of 4"),
        ({"d_stages": 5}, InputError, "d_stages 5"),
        ({"delta": 0.0}, InputError, "delta"),
        ({"delta": "auto"}, InputError, "warm-up"),
        ({"modify": "sprase"}, UnknownNameError, "'sparse'"),
        ({"mask_mode": "los"}, UnknownNameError, "'loss'"),
        ({"norm": "batch"}, UnknownNameError, "norm"),
    ],
)
def test_configurations_that_cannot_be_built_are_refused(changes, error, told):
    with pytest.raises(error, match=told):
        maae.build(replace(MICRO, **changes), 0)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"variant": "g"}, UnknownNameError),
        ({"id_layer": "conv6_1"}, UnknownNameError),
        ({"image_size": 8}, InputError),
    ],
)
def test_variants_and_layers_that_do_not_exist_are_refused_before_anything_is_trained(changes, error):
    with pytest.raises(error):
        maae.for_attribute(replace(MICRO, **changes), "Eyeglasses")


def test_the_training_is_told_where_it_reads_masks():
    recipe = Recipe.of(maae)
    assert recipe.aids == ("background",)
    assert list(recipe.updates) == ["discriminators", "generator"]
    assert recipe.averaged == ("generator",)
    assert not recipe.oversampled


def run(out, steps, **options):
    changes = {**CHANGES, "guided": False, "cycle_strength": "drawn"}
    options = {"sample_every": 0, "checkpoint_every": 3, "overrides": changes, **options}
    return train("maae", drawn_faces(24, 16), "Eyeglasses", out=out, steps=steps, **options)


def test_a_run_with_noise_that_was_stopped_ends_in_the_same_bits(tmp_path):
    whole = run(tmp_path / "whole", 6)

    def stop(step, losses):
        if step == 4:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run(tmp_path / "cut", 6, log_every=1, progress=lambda step, total, losses: stop(step, losses))
    assert run(tmp_path / "cut", 6).read_bytes() == whole.read_bytes()


def ratio(config, steps):
    """Loss after so many steps over loss before them, of the autoencoder alone on four images."""
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator = maae.build(config, 0)["generator"]
    optimiser = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(steps):
        loss = (generator.reconstructions(generator.encode(images), images)[0] - images).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    return values[-1] / values[0]


def test_an_autoencoder_can_learn_four_images_by_heart():
    assert ratio(replace(TINY, init=None), 20) < 0.5


@pytest.mark.train
@pytest.mark.parametrize(
    ("changes", "steps", "bound"),
    [({"init": "default"}, 120, 0.5), ({}, 120, 0.85), ({}, 300, 0.6), ({"norm": "instance"}, 120, 0.6)],
)
def test_autoencoders_learn_four_images_as_well_as_was_measured(changes, steps, bound):
    assert ratio(replace(TINY, **changes), steps) < bound


@pytest.mark.train
def test_two_steps_at_paper_size_are_finite():
    config = replace(PAPER, features="random")
    networks = maae.build(config, 0)
    for step in range(2):
        batch = make_batch(128, 1, step)
        for names, loss in (("judges", maae.discriminator_loss), ("generator", maae.generator_loss)):
            optimiser = torch.optim.Adam(networks[names].parameters(), 1e-4, betas=(0.5, 0.999))
            optimiser.zero_grad()
            value = sum(loss(networks, batch, maae.translate(networks, batch), config, {}).values())
            value.backward()
            optimiser.step()
            assert value.isfinite()
    assert all(p.isfinite().all() for network in networks.values() for p in network.parameters())
