# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from configurations import TINY_STARGAN
from torch import nn
from torch.nn import functional

from faceeval.errors import InputError
from faceeval.method import AidedEditor, Critic, Editor, MethodCard, StrengthEditor
from reference_models import stargan
from reference_models.blocks import ResidualBlock, count_parameters
from reference_models.recipe import Batch, override

MICRO = replace(TINY_STARGAN, image_size=16, width=4, n_blocks=1, d_width=4, d_stages=3)
NAMES = ("Eyeglasses", "Young", "Male")


def make_batch(side=64, count=4, c_dim=5, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 3, side, side, generator=chance) * 2 - 1
    labels = (torch.rand(count, c_dim, generator=chance) > 0.5).float()
    return Batch(x, labels, torch.arange(count) % c_dim, count // 2, chance)


def silence(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


# --- networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c_dim", "expected"), [(5, (8_430_528, 44_762_048)), (7, (8_436_800, 44_778_432))])
def test_paper_networks_have_the_parameters_of_their_layer_tables(c_dim, expected):
    config = replace(stargan.Config(), c_dim=c_dim)
    with torch.device("meta"):
        assert count_parameters(stargan.Generator(config)) == expected[0]
        assert count_parameters(stargan.Discriminator(config)) == expected[1]


def test_tiny_networks_have_the_parameters_of_their_layer_tables():
    networks = stargan.build(TINY_STARGAN, 0)
    assert count_parameters(networks["generator"]) == 238_832
    assert count_parameters(networks["discriminator"]) == 705_008


def test_small_weights_stay_below_700_kilobytes():
    assert sum(map(count_parameters, stargan.build(stargan.PRESETS["small"], 0).values())) * 2 < 700_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_their_tables(count):
    with torch.device("meta"):
        generator, discriminator = stargan.Generator(stargan.Config()), stargan.Discriminator(stargan.Config())
        x, shapes = torch.empty(count, 3 + 5, 128, 128), []
        for layer in generator.layers:
            x = layer(x)
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, ResidualBlock)):
                shapes.append(tuple(x.shape))
        source, classes = discriminator(torch.empty(count, 3, 128, 128))
        features = discriminator.trunk(torch.empty(count, 3, 128, 128))
        edited = generator(torch.empty(count, 3, 128, 128), torch.empty(count, 5), torch.empty(count, 5))
    down = [(64, 128), (128, 64), (256, 32)]
    table = [*down, *[(256, 32)] * 6, (128, 64), (64, 128), (3, 128)]
    assert shapes == [(count, channels, side, side) for channels, side in table]
    assert features.shape == (count, 2048, 2, 2)
    assert source.shape == (count, 1, 2, 2)
    assert classes.shape == (count, 5)
    assert edited.shape == (count, 3, 128, 128)


def test_layers_are_of_the_kinds_of_their_tables():
    with torch.device("meta"):
        generator, discriminator = stargan.Generator(stargan.Config()), stargan.Discriminator(stargan.Config())
    convolutions = [m for m in generator.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert [m.kernel_size[0] for m in convolutions] == [7, 4, 4, *[3] * 12, 4, 4, 7]
    assert all(m.bias is None and m.padding_mode == "zeros" for m in convolutions)
    norms = [m for m in generator.modules() if isinstance(m, nn.GroupNorm)]
    assert len(norms) == len(convolutions) - 1
    assert all(m.num_groups == m.num_channels and m.affine for m in norms)
    stages = [m for m in discriminator.trunk if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.bias is not None) for m in stages] == [(64 * 2**n, True) for n in range(6)]
    assert {m.negative_slope for m in discriminator.trunk if isinstance(m, nn.LeakyReLU)} == {0.01}
    assert discriminator.source.bias is None
    assert discriminator.classes.bias is None
    assert not [m for m in discriminator.modules() if isinstance(m, nn.GroupNorm)]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("config", [TINY_STARGAN, stargan.for_attribute(stargan.PRESETS["small"], NAMES)])
def test_pictures_are_finite_and_within_range(config, count):
    networks = stargan.build(config, 0)
    batch = make_batch(count=count, c_dim=config.c_dim)
    with torch.no_grad():
        edited = networks["generator"](batch.images, batch.targets, batch.attributes)
        source, classes = networks["discriminator"](batch.images)
    assert edited.shape == batch.images.shape
    assert edited.dtype == torch.float32
    assert edited.isfinite().all()
    assert edited.abs().max() <= 1
    assert source.shape[:2] == (count, 1)
    assert classes.shape == (count, config.c_dim)


def test_without_zero_padding_instance_norm_takes_the_labels_out_again():
    batch = make_batch()

    def answers(config, mirrored):
        generator = stargan.build(config, 0)["generator"].double()
        for module in generator.modules():
            if mirrored and isinstance(module, nn.Conv2d):
                module.padding_mode = "reflect"
                module._reversed_padding_repeated_twice = [module.padding[0]] * 4
        with torch.no_grad():
            images, own = batch.images.double(), batch.attributes.double()
            return [generator(images, wanted.double(), own) for wanted in (batch.attributes, batch.targets)]

    # bilinear enlarging, as transposed convolutions cannot be padded with a mirror image
    config = replace(TINY_STARGAN, upsampling="bilinear")
    heard, deaf = answers(config, mirrored=False), answers(config, mirrored=True)
    grouped = answers(replace(config, norm="group"), mirrored=True)
    assert (heard[0] - heard[1]).abs().max() > 1e-3
    assert (deaf[0] - deaf[1]).abs().max() < 1e-6
    assert (grouped[0] - grouped[1]).abs().max() > 1e-3


def test_a_generator_that_is_told_the_difference_hears_nothing_else():
    batch = make_batch(16)
    own, wanted = batch.attributes, batch.targets
    target, difference = (stargan.build(replace(MICRO, told=told), 0)["generator"] for told in ("target", "difference"))
    with torch.no_grad():
        assert torch.equal(target(batch.images, wanted, own), target(batch.images, wanted, wanted))
        same = [difference(batch.images, labels, labels) for labels in (own, wanted)]
        assert torch.equal(same[0], same[1])
        assert not torch.equal(difference(batch.images, wanted, own), same[0])


def test_first_weights_are_torch_s_own():
    networks = stargan.build(TINY_STARGAN, 0)
    for network in networks.values():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                bound = module.weight[0].numel() ** -0.5
                for values in module.parameters():
                    assert values.abs().max() <= bound
                assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)
    assert not torch.equal(*(stargan.build(MICRO, seed)["generator"].layers[0].weight for seed in (0, 1)))


def test_small_pictures_start_close_to_their_input():
    batch = make_batch()
    with torch.no_grad():
        made = stargan.build(stargan.PRESETS["small"], 0)["generator"](batch.images, batch.targets, batch.attributes)
    assert (made - batch.images).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image_size": 12}, "12 pixels"),
        ({"n_critic": 0}, "n_critic 0"),
        ({"targets": "all"}, "'all'"),
        ({"targets": "permuted", "guided": True}, "'permuted'"),
    ],
)
def test_configurations_that_cannot_be_trained_are_refused(changes, named):
    with pytest.raises(InputError, match=named):
        stargan.build(override(MICRO, changes), 0)


# --- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c_dim", "total"), [(5, 13.465736), (7, 14.852030)])
def test_losses_of_a_silent_discriminator(c_dim, total):
    config = replace(MICRO, c_dim=c_dim)
    networks, batch = stargan.build(config, 0), make_batch(16, c_dim=c_dim)
    silence(networks["discriminator"])
    fakes = stargan.translate(networks, batch)
    terms = stargan.discriminator_loss(networks, batch, fakes, config, {})
    assert set(terms) == {"d_adversarial", "d_class", "d_penalty"}
    assert sum(term.item() for term in terms.values()) == pytest.approx(total, abs=2e-6)
    assert terms["d_penalty"].item() == pytest.approx(10, abs=1e-6)
    assert terms["d_class"].item() == pytest.approx(0.693147 * c_dim, abs=1e-5)
    terms = stargan.generator_loss(networks, batch, fakes, config, {})
    assert terms["g_adversarial"].item() == 0
    assert terms["g_class"].item() == pytest.approx(0.693147 * c_dim, abs=1e-5)


def test_class_losses_are_summed_over_attributes_and_averaged_over_images():
    logits = torch.tensor([[0.0, 2.0], [-1.0, 0.0]])
    labels = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    expected = functional.softplus(torch.tensor([0.0, -2.0, -1.0, 0.0])).sum() / 2
    assert stargan.class_loss(logits, labels).item() == pytest.approx(expected.item(), abs=1e-6)


class Echo(nn.Module):
    """Returns the image moved by the first wanted label and a little by the second own one."""

    output, targets = "image", "flipped"

    def forward(self, x, wanted, own):
        return x + wanted[:, 0, None, None, None] + 0.1 * own[:, 1, None, None, None]


class Reader(nn.Module):
    """A discriminator that sees the mean of an image."""

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return mean[:, None, None, None], mean[:, None].expand(-1, 5)


def test_terms_compare_what_the_equations_compare(monkeypatch):
    monkeypatch.setattr(stargan, "Generator", Echo)
    batch = make_batch(8)
    networks = {"generator": Echo(), "discriminator": Reader()}
    fakes = stargan.translate(networks, batch)
    torch.testing.assert_close(fakes["targets"], batch.targets)
    moved = batch.targets[:, 0] + 0.1 * batch.attributes[:, 1]
    back = batch.attributes[:, 0] + 0.1 * batch.targets[:, 1]  # asked for what it had, told what it was given
    means = batch.images.mean((1, 2, 3))
    terms = stargan.generator_loss(networks, batch, fakes, stargan.Config(), {})
    assert terms["g_adversarial"].item() == pytest.approx(-(means + moved).mean().item(), abs=1e-5)
    assert terms["g_cycle"].item() == pytest.approx(10 * (moved + back).mean().item(), abs=1e-4)
    wanted = stargan.class_loss((means + moved)[:, None].expand(-1, 5), batch.targets)
    assert terms["g_class"].item() == pytest.approx(wanted.item(), abs=1e-5)
    terms = stargan.discriminator_loss(networks, batch, fakes, stargan.Config(), {})
    assert terms["d_adversarial"].item() == pytest.approx(moved.mean().item(), abs=1e-5)
    own = stargan.class_loss(means[:, None].expand(-1, 5), batch.attributes)  # real faces alone
    assert terms["d_class"].item() == pytest.approx(own.item(), abs=1e-5)
    # the slope of a mean is one over the root of how many values it is of
    slope = (3 * 8 * 8) ** -0.5
    assert terms["d_penalty"].item() == pytest.approx(10 * (slope - 1) ** 2, abs=1e-5)


def test_the_discriminator_s_loss_leaves_the_generator_alone():
    networks, batch = stargan.build(MICRO, 0), make_batch(16)
    terms = stargan.discriminator_loss(networks, batch, stargan.translate(networks, batch), MICRO, {})
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for p in networks["generator"].parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in networks["discriminator"].parameters())


# --- training ---------------------------------------------------------------------------------------------------


def test_the_generator_waits_for_five_steps_of_the_discriminator():
    seen = [set(stargan.schedule(stargan.Config(), step)) for step in range(20)]
    assert sum("discriminator" in names for names in seen) == 20
    assert [step for step, names in enumerate(seen) if "generator" in names] == [4, 9, 14, 19]
    assert set(stargan.schedule(stargan.PRESETS["small"], 0)) == {"discriminator", "generator"}


def test_step_sizes_stay_for_half_of_the_training_and_fall_each_thousand_steps():
    shares = [
        stargan.schedule(stargan.Config(), step)["discriminator"] for step in (0, 99_999, 100_999, 101_000, 199_999)
    ]
    assert shares == pytest.approx([1.0, 1.0, 1.0, 0.99, 0.01])


def test_paper_training_is_that_of_the_released_code():
    config = stargan.Config()
    training = config.training
    assert (training.steps, training.batch_size, training.lr, training.lr_d) == (200_000, 16, 1e-4, None)
    assert (training.betas, training.flip, training.sampling) == ((0.5, 0.999), True, "uniform")
    assert (config.lambda_cls, config.lambda_cls_real, config.lambda_rec, config.lambda_gp) == (1, 1, 10, 10)
    assert (config.targets, config.output, config.norm) == ("permuted", "image", "instance")
    assert not config.guidance.guided
    assert config.told == "target"
    assert (stargan.PRESETS["small"].targets, stargan.PRESETS["small"].told) == ("flipped", "difference")


def test_four_images_can_be_learnt_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator, labels = stargan.build(TINY_STARGAN, 0)["generator"], torch.eye(4, 5)
    optimiser, values = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999)), []
    for _ in range(40):
        loss = (generator(images, labels, labels) - images).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.4


# --- the method -------------------------------------------------------------------------------------------------


class Painter(nn.Module):
    """Paints the labels it is asked for: each channel has the value of one, 0 black and 1 grey."""

    def forward(self, x, wanted, own):
        return (wanted - 1.0)[:, :, None, None].expand_as(x)


class Knower(nn.Module):
    """Reads as present whatever is lighter than grey in the channel of the same number."""

    def forward(self, x):
        return x.mean(1, keepdim=True), x.mean((2, 3))


@pytest.fixture
def editor():
    card = MethodCard(name="stargan", image_size=16, attributes=NAMES)
    return stargan.StarGAN({"generator": Painter(), "discriminator": Knower()}, MICRO, NAMES, card)


# as Knower sees them: Eyeglasses and Male; Young
SOURCES = torch.tensor([[255, 0, 255], [0, 255, 0]], dtype=torch.uint8)[:, :, None, None].expand(2, 3, 16, 16)


def painted(edited):
    return ((edited.float()[:, :, 0, 0] / 127.5 - 1) + 1).round(decimals=1).tolist()


def test_the_method_offers_what_it_can(editor):
    for protocol in (Editor, AidedEditor, StrengthEditor, Critic):
        assert isinstance(editor, protocol)
    assert editor.card.needs == ("labels",)
    assert editor.card.strengths == (-2.0, 2.0)
    assert editor.card.attributes == NAMES


def test_an_edit_sets_one_label_and_asks_for_the_others_as_they_are(editor):
    made = editor.edit(SOURCES, "Young", torch.tensor([1.0, 0.0]))
    assert made.dtype == torch.uint8
    assert painted(made) == [[1, 1, 1], [0, 0, 0]]
    unchanged = editor.edit(SOURCES, "Young", torch.tensor([0.0, 1.0]))
    assert painted(unchanged) == [[1, 0, 1], [0, 1, 0]]


def test_an_aided_edit_believes_the_labels_and_reads_what_they_leave_open(editor):
    labels = torch.tensor([[0.0, torch.nan, torch.nan], [1.0, 1.0, 1.0]])
    made = editor.edit_aided(SOURCES, "Young", torch.tensor([1.0, 0.0]), {"labels": labels})
    assert painted(made) == [[0, 1, 1], [1, 0, 1]]
    with pytest.raises(InputError, match=r"\(2, 2\)"):
        editor.edit_aided(SOURCES, "Young", torch.ones(2), {"labels": labels[:, :2]})


def test_strength_moves_one_label_from_where_it_is(editor):
    half = editor.edit_strength(SOURCES, "Eyeglasses", torch.tensor([-0.5, 0.5]))
    assert painted(half) == [[0.5, 0, 1], [0.5, 1, 0]]
    assert painted(editor.edit_strength(SOURCES, "Eyeglasses", torch.zeros(2))) == [[1, 0, 1], [0, 1, 0]]
    beyond = editor.edit_strength(SOURCES, "Young", torch.tensor([2.0, 0.0]))
    assert painted(beyond) == [[1, 2, 1], [0, 1, 0]]


def test_realness_is_the_mean_source_logit(editor):
    logits = editor.realness(SOURCES, "Male", torch.ones(2))
    torch.testing.assert_close(logits, torch.tensor([1 / 3, -1 / 3]))


def test_what_the_method_cannot_do_is_refused(editor):
    ones = torch.ones(2)
    for call in (editor.edit, editor.edit_strength, editor.realness):
        with pytest.raises(InputError, match="Smiling"):
            call(SOURCES, "Smiling", ones)
        with pytest.raises(InputError, match="16, 16"):
            call(SOURCES[:, :, :8], "Young", ones)
        with pytest.raises(InputError, match="float32"):
            call(SOURCES.float(), "Young", ones)
    for odd in (torch.tensor([0.0, 2.5]), torch.tensor([0.0, torch.nan]), torch.zeros(3)):
        with pytest.raises(InputError, match=r"\[-2, 2\]"):
            editor.edit_strength(SOURCES, "Young", odd)


def test_sample_grids_show_the_wanted_labels():
    labels = torch.tensor([[0.0, 1.0, 0.5]])
    made = stargan.preview({"generator": Painter()}, torch.zeros(1, 3, 4, 4), labels, 1 - labels)
    assert made[0, :, 0, 0].tolist() == [-1.0, 0.0, -0.5]
