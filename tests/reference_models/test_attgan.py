# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from configurations import TINY_ATTGAN
from torch import nn
from torch.nn import functional

from faceeval.errors import InputError
from faceeval.method import AidedEditor, Critic, Editor, MethodCard, StrengthEditor
from reference_models import attgan
from reference_models.blocks import count_parameters
from reference_models.recipe import Batch, override

MICRO = replace(TINY_ATTGAN, image_size=16, n_attrs=3, width=4, layers=3, d_width=4, d_layers=2, fc=6)
NAMES = ("Eyeglasses", "Young", "Male")


def make_batch(side=16, count=4, n_attrs=3, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 3, side, side, generator=chance) * 2 - 1
    labels = (torch.rand(count, n_attrs, generator=chance) > 0.5).float()
    return Batch(x, labels, torch.arange(count) % n_attrs, count // 2, chance)


def silence(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


# --- networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "decoder", "discriminator"),
    [
        ({}, 32_311_043, 44_718_990),
        ({"inject": 0}, 32_204_547, 44_718_990),
        ({"n_attrs": 7}, 32_163_587, 44_712_840),
    ],
)
def test_paper_networks_have_the_parameters_of_their_layer_tables(changes, decoder, discriminator):
    config = replace(attgan.Config(), **changes)
    with torch.device("meta"):
        generator = attgan.Generator(config)
        assert count_parameters(generator.encoder) == 11_148_160
        assert count_parameters(generator.decoder) == decoder
        assert count_parameters(generator) == 11_148_160 + decoder
        assert count_parameters(attgan.Discriminator(config)) == discriminator


def test_tiny_networks_have_the_parameters_of_their_layer_tables():
    networks = attgan.build(TINY_ATTGAN, 0)
    assert count_parameters(networks["generator"]) == 706_723
    assert count_parameters(networks["discriminator"]) == 699_630


def test_small_weights_stay_below_700_kilobytes():
    config = attgan.for_attribute(attgan.PRESETS["small"], tuple("abcde"))
    assert sum(map(count_parameters, attgan.build(config, 0).values())) * 2 < 700_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_their_tables(count):
    with torch.device("meta"):
        generator, discriminator = attgan.Generator(attgan.Config()), attgan.Discriminator(attgan.Config())
        x, labels = torch.empty(count, 3, 128, 128), torch.empty(count, 13)
        maps = generator.encode(x)
        assert generator.decode(maps, labels, labels, x).shape == x.shape
        source, classes = discriminator(x)
        drawn, inputs = [], [1024 + 13, 1024 + 512 + 13, 512, 256, 128]
        for layers, channels, side in zip(generator.decoder, inputs, [4, 8, 16, 32, 64], strict=True):
            drawn.append(layers(torch.empty(count, channels, side, side)).shape[1:])
    assert [tuple(entry.shape) for entry in maps] == [(count, 64 * 2**n, 64 // 2**n, 64 // 2**n) for n in range(5)]
    assert drawn == [(1024, 8, 8), (512, 16, 16), (256, 32, 32), (128, 64, 64), (3, 128, 128)]
    assert source.shape == (count,)
    assert classes.shape == (count, 13)


def test_layers_are_of_the_kinds_of_their_tables():
    with torch.device("meta"):
        generator, discriminator = attgan.Generator(attgan.Config()), attgan.Discriminator(attgan.Config())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in generator.encoder.modules()) == 5
    assert sum(isinstance(m, nn.BatchNorm2d) for m in generator.decoder.modules()) == 4
    norms = [m for m in discriminator.modules() if isinstance(m, nn.GroupNorm)]
    assert [(m.num_groups, m.affine) for m in norms] == [(64 * 2**n, True) for n in range(5)]
    assert not [m for m in discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    slopes = {
        m.negative_slope for net in (generator, discriminator) for m in net.modules() if isinstance(m, nn.LeakyReLU)
    }
    assert slopes == {0.2}
    convolutions = [m for m in generator.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert all((m.kernel_size, m.stride, m.padding) == ((4, 4), (2, 2), (1, 1)) for m in convolutions)
    assert [m.bias is not None for m in convolutions] == [False] * 9 + [True]
    assert [type(m) for m in discriminator.source] == [nn.Linear, nn.LeakyReLU, nn.Linear]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "config", [replace(TINY_ATTGAN, n_attrs=3), attgan.for_attribute(attgan.PRESETS["small"], NAMES)]
)
def test_pictures_are_finite_and_within_range(config, count):
    networks = attgan.build(config, 0)
    batch = make_batch(64, count)
    with torch.no_grad():
        edited = networks["generator"](batch.images, batch.targets, batch.attributes)
        source, classes = networks["discriminator"](batch.images)
    assert edited.shape == batch.images.shape
    assert edited.dtype == torch.float32
    assert edited.isfinite().all()
    assert edited.abs().max() <= 1
    assert source.shape == (count,)
    assert classes.shape == (count, 3)


@pytest.mark.parametrize("shortcut", [0, 1, 2])
def test_the_decoder_sees_the_code_and_as_many_maps_as_there_are_shortcuts(shortcut):
    generator = attgan.build(replace(MICRO, shortcut=shortcut), 0)["generator"].eval()
    batch = make_batch()
    with torch.no_grad():
        maps = generator.encode(batch.images)
        plain = generator.decode(maps, batch.targets, batch.attributes, batch.images)
        for level, entry in enumerate(maps):
            other = [*maps[:level], torch.randn_like(entry), *maps[level + 1 :]]
            seen = level >= len(maps) - 1 - shortcut
            assert (
                torch.equal(generator.decode(other, batch.targets, batch.attributes, batch.images), plain) is not seen
            )


@pytest.mark.parametrize(("told", "seen"), [("target", [-1, 1, 0]), ("difference", [-1, 0, 0.5])])
def test_the_decoder_s_labels_are_signed(told, seen):
    generator = attgan.build(replace(MICRO, inject=0, told=told), 0)["generator"].eval()
    batch, inputs = make_batch(), []
    generator.decoder[0].register_forward_pre_hook(lambda module, args: inputs.append(args[0][:, -3:]))
    wanted, own = (torch.tensor([labels]).expand(4, 3) for labels in ([0.0, 1.0, 0.5], [1.0, 1.0, 0.0]))
    with torch.no_grad():
        generator(batch.images, wanted, own)
    assert inputs[0].shape == (4, 3, 2, 2)
    assert inputs[0].amax((0, 2, 3)).tolist() == inputs[0].amin((0, 2, 3)).tolist() == seen


def test_small_pictures_start_close_to_their_input():
    batch = make_batch(64)
    config = attgan.for_attribute(attgan.PRESETS["small"], NAMES)
    with torch.no_grad():
        made = attgan.build(config, 0)["generator"](batch.images, batch.targets, batch.attributes)
    assert (made - batch.images).abs().mean() < 0.05


def test_a_look_at_some_faces_does_not_move_the_statistics_of_batch_norm():
    networks, batch = attgan.build(MICRO, 0), make_batch()
    before = {key: value.clone() for key, value in networks["generator"].state_dict().items()}
    with torch.no_grad():
        attgan.preview(networks, batch.images, batch.targets, batch.attributes)
    assert networks["generator"].training
    assert all(torch.equal(value, before[key]) for key, value in networks["generator"].state_dict().items())
    with torch.no_grad():
        attgan.translate(networks, batch)
    assert any(not torch.equal(value, before[key]) for key, value in networks["generator"].state_dict().items())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image_size": 12}, "12 pixels"),
        ({"shortcut": 3}, "shortcut 3"),
        ({"inject": 3}, "inject 3"),
        ({"n_d": -1}, "n_d -1"),
        ({"test_int": 0.0}, "test_int 0"),
        ({"targets": "permuted", "guided": True}, "'permuted'"),
    ],
)
def test_configurations_that_cannot_be_trained_are_refused(changes, named):
    with pytest.raises(InputError, match=named):
        attgan.build(override(MICRO, changes), 0)


# --- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_attrs", [3, 13])
def test_losses_of_a_silent_discriminator(n_attrs):
    config = replace(MICRO, n_attrs=n_attrs)
    networks, batch = attgan.build(config, 0), make_batch(n_attrs=n_attrs)
    silence(networks["discriminator"])
    fakes = attgan.translate(networks, batch)
    terms = attgan.discriminator_loss(networks, batch, fakes, config, {})
    assert set(terms) == {"d_adversarial", "d_class", "d_penalty"}
    assert sum(term.item() for term in terms.values()) == pytest.approx(10.693147, abs=2e-6)
    terms = attgan.generator_loss(networks, batch, fakes, config, {})
    assert set(terms) == {"g_adversarial", "g_class", "g_reconstruction"}
    assert terms["g_class"].item() == pytest.approx(6.931472, abs=1e-6)
    assert terms["g_adversarial"].item() == 0


class Echo(nn.Module):
    """Draws the code moved by the first label; the code is the image."""

    targets = "permuted"

    def __init__(self):
        super().__init__()
        self.encoded = 0

    def encode(self, x):
        self.encoded += 1
        return [x]

    def decode(self, maps, wanted, own, source):
        return maps[-1] + wanted[:, 0, None, None, None]


class Reader(nn.Module):
    """A discriminator that sees the mean of an image."""

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return mean, mean[:, None].expand(-1, 3)


def test_terms_compare_what_the_equations_compare(monkeypatch):
    monkeypatch.setattr(attgan, "Generator", Echo)
    batch, config = make_batch(8, 6), replace(attgan.Config(), layers=1)
    networks = {"generator": Echo(), "discriminator": Reader()}
    fakes = attgan.translate(networks, batch)
    targets, means = fakes["targets"], batch.images.mean((1, 2, 3))
    assert torch.equal(targets.sum(0), batch.attributes.sum(0))  # permuted
    terms = attgan.generator_loss(networks, batch, fakes, config, {})
    assert networks["generator"].encoded == 1  # one code, drawn twice
    assert terms["g_adversarial"].item() == pytest.approx(-(means + targets[:, 0]).mean().item(), abs=1e-5)
    assert terms["g_reconstruction"].item() == pytest.approx(100 * batch.attributes[:, 0].mean().item(), abs=1e-3)
    wanted = attgan.attribute_loss((means + targets[:, 0])[:, None].expand(-1, 3), targets)
    assert terms["g_class"].item() == pytest.approx(10 * wanted.item(), abs=1e-5)
    terms = attgan.discriminator_loss(networks, batch, fakes, config, {})
    assert terms["d_adversarial"].item() == pytest.approx(targets[:, 0].mean().item(), abs=1e-5)
    own = attgan.attribute_loss(means[:, None].expand(-1, 3), batch.attributes)  # real faces alone
    assert terms["d_class"].item() == pytest.approx(own.item(), abs=1e-5)
    # the slope of a mean is one over the root of how many values it is of
    assert terms["d_penalty"].item() == pytest.approx(10 * ((3 * 8 * 8) ** -0.5 - 1) ** 2, abs=1e-5)


def test_attribute_losses_are_means_over_images_and_attributes():
    logits, labels = torch.tensor([[0.0, 2.0], [-1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    expected = functional.softplus(torch.tensor([0.0, -2.0, -1.0, 0.0])).mean()
    assert attgan.attribute_loss(logits, labels).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_discriminator_s_loss_leaves_the_generator_alone():
    networks, batch = attgan.build(MICRO, 0), make_batch()
    terms = attgan.discriminator_loss(networks, batch, attgan.translate(networks, batch), MICRO, {})
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for p in networks["generator"].parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in networks["discriminator"].parameters())


# --- training ---------------------------------------------------------------------------------------------------


def test_five_steps_train_the_discriminator_and_the_sixth_the_generator():
    seen = [list(attgan.schedule(attgan.Config(), step)) for step in range(18)]
    assert seen == [*[["discriminator"]] * 5, ["generator"]] * 3
    assert list(attgan.schedule(attgan.PRESETS["small"], 3)) == ["discriminator", "generator"]


def test_step_sizes_stay_for_half_of_the_training_and_fall_to_zero():
    shares = [max(attgan.schedule(attgan.Config(), step).values()) for step in (0, 152_500, 228_750, 304_999)]
    assert shares == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=1e-4)


def test_paper_training_is_that_of_the_released_code():
    config = attgan.Config()
    training = config.training
    assert training.steps == pytest.approx(60 * 162_770 / 32, rel=1e-3)
    assert (training.batch_size, training.lr, training.lr_d, training.betas) == (32, 2e-4, None, (0.5, 0.999))
    assert (training.flip, training.sampling) == (True, "uniform")
    assert (config.lambda_rec, config.lambda_att_g, config.lambda_att_d, config.lambda_gp) == (100, 10, 1, 10)
    assert (config.targets, config.output, config.norm, config.refine) == ("permuted", "image", "batch", 0)
    assert config.test_int == 2 * config.train_int
    assert not config.guidance.guided
    assert config.told == "target"
    assert (attgan.PRESETS["small"].targets, attgan.PRESETS["small"].told) == ("flipped", "difference")


def test_four_images_can_be_learnt_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator, labels = attgan.build(TINY_ATTGAN, 0)["generator"], torch.eye(4, 13)
    optimiser, values = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999)), []
    for _ in range(60):
        loss = (generator(images, labels, labels) - images).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.4


# --- the method -------------------------------------------------------------------------------------------------


class Painter(nn.Module):
    """Paints the labels it is asked for: each channel has the value of one, 0 dark and 1 light grey."""

    def forward(self, x, wanted, own):
        return ((wanted - 0.5) / 2)[:, :, None, None].expand_as(x)


class Knower(nn.Module):
    """Reads as present whatever is lighter than grey in the channel of the same number."""

    def forward(self, x):
        return x.mean((1, 2, 3)), x.mean((2, 3))


@pytest.fixture
def editor():
    card = MethodCard(name="attgan", image_size=16, attributes=NAMES)
    return attgan.AttGAN({"generator": Painter(), "discriminator": Knower()}, MICRO, NAMES, card)


# as Knower sees them: Eyeglasses and Male; Young
SOURCES = torch.tensor([[255, 0, 255], [0, 255, 0]], dtype=torch.uint8)[:, :, None, None].expand(2, 3, 16, 16)


def painted(edited):
    """The labels the generator was given."""
    return (((edited.float()[:, :, 0, 0] / 127.5 - 1) * 2 + 0.5) / 0.05).round().mul(0.05).round(decimals=2).tolist()


def test_the_method_offers_what_it_can(editor):
    for protocol in (Editor, AidedEditor, StrengthEditor, Critic):
        assert isinstance(editor, protocol)
    assert editor.card.needs == ("labels",)
    assert editor.card.strengths == (-3.0, 3.0)


def test_an_edit_asks_for_the_attribute_twice_as_strongly_as_training_did(editor):
    made = editor.edit(SOURCES, "Young", torch.tensor([1.0, 0.0]))
    assert painted(made) == [[1, 1.5, 1], [0, -0.5, 0]]  # signed: 2 and -2, beside 1 and -1
    editor.config = replace(MICRO, test_int=1.0)
    assert painted(editor.edit(SOURCES, "Young", torch.tensor([1.0, 0.0]))) == [[1, 1, 1], [0, 0, 0]]


def test_an_aided_edit_believes_the_labels_and_reads_what_they_leave_open(editor):
    labels = torch.tensor([[0.0, torch.nan, torch.nan], [1.0, 1.0, 1.0]])
    made = editor.edit_aided(SOURCES, "Young", torch.tensor([1.0, 0.0]), {"labels": labels})
    assert painted(made) == [[0, 1.5, 1], [1, -0.5, 1]]
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        editor.edit_aided(SOURCES, "Young", torch.ones(2), {"labels": labels[:1]})


def test_strength_moves_one_of_the_decoder_s_labels_from_where_it_is(editor):
    assert painted(editor.edit_strength(SOURCES, "Young", torch.zeros(2))) == [[1, 0, 1], [0, 1, 0]]
    assert painted(editor.edit_strength(SOURCES, "Young", torch.tensor([2.0, -1.0]))) == [[1, 1, 1], [0, 0.5, 0]]
    assert painted(editor.edit_strength(SOURCES, "Young", torch.tensor([3.0, -3.0]))) == [[1, 1.5, 1], [0, -0.5, 0]]


def test_realness_is_the_source_logit(editor):
    torch.testing.assert_close(editor.realness(SOURCES, "Male", torch.ones(2)), torch.tensor([1 / 3, -1 / 3]))


def test_what_the_method_cannot_do_is_refused(editor):
    ones = torch.ones(2)
    for call in (editor.edit, editor.edit_strength, editor.realness):
        with pytest.raises(InputError, match="Smiling"):
            call(SOURCES, "Smiling", ones)
        with pytest.raises(InputError, match="16, 16"):
            call(SOURCES[:, :, :8], "Young", ones)
        with pytest.raises(InputError, match="float32"):
            call(SOURCES.float(), "Young", ones)
    for odd in (torch.tensor([0.0, 3.5]), torch.tensor([0.0, torch.nan]), torch.zeros(3)):
        with pytest.raises(InputError, match=r"\[-3, 3\]"):
            editor.edit_strength(SOURCES, "Young", odd)
