# SPDX-License-Identifier: MIT
from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from configurations import TINY_RESIDUAL_GAN
from torch import nn
from torch.nn import functional

from faceeval.errors import InputError
from reference_models import residual_gan
from reference_models.blocks import count_parameters
from reference_models.images import to_signed, to_uint8
from reference_models.recipe import Batch
from reference_models.residual_gan import GENERATORS, MADE, NEGATIVE, POSITIVE

MICRO = replace(TINY_RESIDUAL_GAN, image_size=16, width=4, d_width=4, d_stages=3, feature_layer=2)
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1, 0, 1])


def make_batch(side=16, count=2):
    x = torch.rand(2 * count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch.of(x[:count], x[count:], torch.Generator().manual_seed(0))


def gradients_of(terms, network):
    """Gradients of a sum of terms with respect to a network's weights; None where there is no way to them."""
    parameters = list(network.parameters())
    return torch.autograd.grad(sum(terms.values()), parameters, retain_graph=True, allow_unused=True)


def changed(side, networks, batch, fakes, config):
    """One generator's loss as the paper has it: the other generator is a frozen copy."""
    other = copy.deepcopy(networks["to_negative" if side == "to_positive" else "to_positive"]).requires_grad_(False)
    positive, negative = fakes["edited"].chunk(2)
    source, made, wanted = (
        (batch.negatives, positive, POSITIVE) if side == "to_positive" else (batch.positives, negative, NEGATIVE)
    )
    return residual_gan.one_way(networks["discriminator"], source, made, other(made), wanted, config)


# --- networks ---------------------------------------------------------------------------------------------------


def test_networks_have_the_parameters_of_their_layer_tables():
    full = residual_gan.Config()
    with torch.device("meta"):
        generator, judge = residual_gan.Generator(full), residual_gan.Discriminator(full)
    assert count_parameters(generator) == 1_033_795
    assert count_parameters(judge) == 11_199_171
    assert 2 * count_parameters(generator) + count_parameters(judge) == 13_266_761
    tiny = residual_gan.build(TINY_RESIDUAL_GAN, 0)
    assert {name: count_parameters(one) for name, one in tiny.items()} == {
        "to_positive": 66_451,
        "to_negative": 66_451,
        "discriminator": 701_619,
    }


def test_small_weights_stay_below_400_kilobytes():
    networks = residual_gan.build(residual_gan.PRESETS["small"], 0)
    assert sum(2 * value.numel() for one in networks.values() for value in one.state_dict().values()) < 400_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_their_tables(count):
    with torch.device("meta"):
        generator = residual_gan.Generator(residual_gan.Config())
        judge = residual_gan.Discriminator(residual_gan.Config())
        x = torch.empty(count, 3, 128, 128)
        seen, y = [], x
        for layer in generator.layers:
            y = layer(y)
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.ZeroPad2d)):
                seen.append(tuple(y.shape[1:]))
        assert seen == [
            (64, 128, 128), (128, 64, 64), (256, 32, 32), (128, 64, 64), (64, 128, 128), (64, 131, 131), (3, 128, 128),
        ]  # fmt: skip
        assert generator(x).shape == x.shape
        logits, features = judge(x)
        stages, y = [], x
        for stage in [*judge.trunk, *judge.top]:
            y = stage(y)
            stages.append(tuple(y.shape[1:]))
    assert stages == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]
    assert features.shape == (count, 512, 8, 8)
    assert logits.shape == (count, 3)


def test_layers_are_of_the_kinds_of_their_tables():
    generator, judge = residual_gan.Generator(TINY_RESIDUAL_GAN), residual_gan.Discriminator(TINY_RESIDUAL_GAN)
    kinds = [(type(layer).__name__, layer.kernel_size[0], layer.stride[0]) for layer in generator.layers
             if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]  # fmt: skip
    assert kinds == [
        ("Conv2d", 5, 1), ("Conv2d", 4, 2), ("Conv2d", 4, 2), ("ConvTranspose2d", 3, 2), ("ConvTranspose2d", 3, 2),
        ("Conv2d", 4, 1),
    ]  # fmt: skip
    assert [layer.padding for layer in generator.layers if isinstance(layer, nn.ZeroPad2d)] == [(1, 2, 1, 2)]
    assert {layer.negative_slope for layer in generator.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}
    norms = [[layer for layer in one.modules() if isinstance(layer, nn.GroupNorm)] for one in (generator, judge)]
    assert [len(one) for one in norms] == [5, 4]  # none after the discriminator's first convolution
    assert all(norm.affine and norm.num_groups == norm.num_channels for one in norms for norm in one)


@pytest.mark.parametrize(("blocks", "side"), [(0, 22), (1, 38)])
def test_a_residual_pixel_depends_on_the_square_that_the_configuration_says(blocks, side):
    generator = residual_gan.build(replace(MICRO, image_size=128, n_blocks=blocks), 0)["to_positive"]
    for norm in [module for module in generator.modules() if isinstance(module, nn.GroupNorm)]:
        norm.forward = lambda x: x  # a norm sees the whole picture, so it is taken out to measure the convolutions
    seen = []
    for place in range(60, 64):  # pixels differ by where they stand between the strides
        x = torch.rand(1, 3, 128, 128, requires_grad=True)
        generator.layers(x)[0, 0, place, place].backward()
        rows = x.grad.abs().sum((0, 1, 3)).nonzero()
        seen.append(int(rows.max() - rows.min()) + 1)
    assert max(seen) == side


@pytest.mark.parametrize("config", [residual_gan.Config(), TINY_RESIDUAL_GAN])
def test_pictures_and_logits_are_finite(config):
    networks = residual_gan.build(config, 0)
    with torch.no_grad():
        for count in (1, 2):
            x = torch.rand(count, 3, config.image_size, config.image_size) * 2 - 1
            made, (logits, features) = networks["to_positive"](x), networks["discriminator"](x)
            assert made.shape == x.shape
            assert made.dtype == torch.float32
            assert all(values.isfinite().all() for values in (made, logits, features))
            assert logits.shape == (count, 3)


def test_an_empty_residual_image_gives_the_exact_input():
    generator, x = residual_gan.build(MICRO, 0)["to_positive"], make_batch().images
    with torch.no_grad():
        assert not torch.equal(generator(x), x)
        for values in generator.layers[-1].parameters():
            values.zero_()
        assert torch.equal(generator(x), x)
        # the residual image is added as it is; only what is shown is clamped
        generator.layers[-1].bias.fill_(0.75)
        assert torch.equal(generator(x), x + 0.75)
    networks = {"to_positive": generator, "to_negative": generator, "discriminator": nn.Identity()}
    shown = residual_gan.as_method(networks, MICRO, "Eyeglasses").edit(IMAGES, "Eyeglasses", VALUES)
    assert torch.equal(shown, to_uint8(to_signed(IMAGES) + 0.75))
    assert shown.max() == 255


def test_weights_start_truncated_at_two_standard_deviations():
    weight = residual_gan.build(TINY_RESIDUAL_GAN, 0)["discriminator"].classes.weight
    assert 0.035 < weight.abs().max() <= 0.04
    assert weight.std().item() == pytest.approx(0.02 * 0.8796, rel=0.05)  # of a normal cut at two


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"image_size": 20}, "multiple of 8"), ({"feature_layer": 4}, "feature_layer"), ({"feature_layer": 0}, "from 1")],
)
def test_configurations_that_cannot_be_built_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        residual_gan.build(replace(MICRO, **changes), 0)


def test_small_generators_start_close_to_their_input():
    networks, x = residual_gan.build(residual_gan.PRESETS["small"], 0), make_batch(64).images
    with torch.no_grad():
        for name in GENERATORS:
            assert (networks[name](x) - x).abs().mean() < 0.2


# --- losses -----------------------------------------------------------------------------------------------------


class Silent(nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 3), x.new_zeros(len(x), 5, 2, 2)


def test_losses_of_a_silent_discriminator_and_empty_residual_images():
    networks = {name: nn.Identity() for name in GENERATORS} | {"discriminator": Silent()}
    batch = make_batch()
    fakes = residual_gan.translate(networks, batch)
    d = residual_gan.discriminator_loss(networks, batch, fakes, MICRO, {})
    assert sum(d.values()).item() == pytest.approx(4.394449, abs=1e-6)
    one = residual_gan.one_way(Silent(), batch.negatives, batch.negatives, batch.negatives, POSITIVE, MICRO)
    assert sum(one.values()).item() == pytest.approx(2.197225, abs=1e-6)
    both = residual_gan.generator_loss(networks, batch, fakes, MICRO, {})
    assert both.keys() == one.keys()
    assert sum(both.values()).item() == pytest.approx(2 * 2.197225, abs=1e-6)


class Bright(nn.Module):
    """Its features are the mean brightness, five times; its logits say nothing."""

    def forward(self, x):
        return x.new_zeros(len(x), 3), x.mean((1, 2, 3), keepdim=True).expand(-1, 5, 2, 2)


def test_residual_image_and_features_count_as_sums_over_an_image():
    x = torch.zeros(3, 3, 16, 16)
    terms = residual_gan.one_way(Bright(), x, x + 0.5, x, POSITIVE, residual_gan.Config())
    assert terms["g_residual"].item() == pytest.approx(5e-5 * 0.5 * 3 * 16 * 16, rel=1e-6)
    assert terms["g_features"].item() == pytest.approx(5e-6 * 0.5 * 5 * 2 * 2, rel=1e-6)
    full = residual_gan.Config()
    assert full.beta == pytest.approx(full.alpha / 10)


class Sorting(nn.Module):
    """Knows dark faces as negative, bright ones as positive and grey ones as made."""

    def forward(self, x):
        level = x.mean((1, 2, 3))
        kinds = torch.where(level < -0.5, NEGATIVE, torch.where(level > 0.5, POSITIVE, MADE))
        return 40.0 * functional.one_hot(kinds, 3).float(), x.new_zeros(len(x), 1, 2, 2)


def test_classes_stand_in_the_paper_s_order():
    assert (NEGATIVE, POSITIVE, MADE) == (0, 1, 2)
    dark, grey, bright = (torch.full((2, 3, 8, 8), level) for level in (-1.0, 0.0, 1.0))
    batch, networks = Batch.of(dark, bright, torch.Generator()), {"discriminator": Sorting()}
    right = residual_gan.discriminator_loss(networks, batch, {"edited": torch.cat([grey, grey])}, MICRO, {})
    assert {name: value.item() for name, value in right.items()} == pytest.approx({"d_real": 0.0, "d_made": 0.0})
    fooled = residual_gan.discriminator_loss(networks, batch, {"edited": torch.cat([bright, dark])}, MICRO, {})
    assert fooled["d_real"].item() == pytest.approx(0.0)
    assert fooled["d_made"].item() == pytest.approx(80.0)
    # who adds the attribute wants the positive class, and the negative one back; who removes it, the contrary
    for wanted, made, undone in ((POSITIVE, bright, dark), (NEGATIVE, dark, bright)):
        good = residual_gan.one_way(Sorting(), grey, made, undone, wanted, MICRO)
        poor = residual_gan.one_way(Sorting(), grey, undone, made, wanted, MICRO)
        assert (good["g_adversarial"].item(), good["g_dual"].item()) == pytest.approx((0.0, 0.0))
        assert (poor["g_adversarial"].item(), poor["g_dual"].item()) == pytest.approx((40.0, 40.0))


def test_each_generator_s_gradient_is_that_of_its_own_loss_alone():
    networks, batch = residual_gan.build(MICRO, 0), make_batch()
    fakes = residual_gan.translate(networks, batch)
    both = residual_gan.generator_loss(networks, batch, fakes, MICRO, {})
    for side, other in (GENERATORS, GENERATORS[::-1]):
        own = changed(side, networks, batch, fakes, MICRO)
        # the paper's loss of this generator moves the other by exactly nothing
        assert not any(gradient.any() for gradient in gradients_of(own, networks[other]))
        expected = gradients_of(own, networks[side])
        found = gradients_of(both, networks[side])
        assert all(gradient.any() for gradient in expected)
        assert all(torch.equal(one, another) for one, another in zip(found, expected, strict=True))


def test_without_holding_the_other_generator_gradients_would_be_others():
    networks, batch = residual_gan.build(MICRO, 0), make_batch()
    fakes = residual_gan.translate(networks, batch)
    positive, _ = fakes["edited"].chunk(2)
    undone = networks["to_negative"](positive)
    loose = residual_gan.one_way(networks["discriminator"], batch.negatives, positive, undone, POSITIVE, MICRO)
    assert any(gradient.any() for gradient in gradients_of(loose, networks["to_negative"]))


def test_the_dual_term_teaches_through_the_other_generator():
    networks, batch = residual_gan.build(MICRO, 0), make_batch()
    config = replace(MICRO, lambda_adv=0.0, alpha=0.0, beta=0.0)
    fakes = residual_gan.translate(networks, batch)
    dual = residual_gan.generator_loss(networks, batch, fakes, config, {})["g_dual"]
    for name in GENERATORS:
        assert all(gradient.any() for gradient in gradients_of({"dual": dual}, networks[name]))


def test_one_update_of_both_generators_is_one_of_each():
    networks, batch = residual_gan.build(MICRO, 0), make_batch()
    apart = copy.deepcopy(networks)
    together = torch.optim.Adam([p for name in GENERATORS for p in networks[name].parameters()], 1e-2)
    fakes = residual_gan.translate(networks, batch)
    sum(residual_gan.generator_loss(networks, batch, fakes, MICRO, {}).values()).backward()
    together.step()
    fakes = residual_gan.translate(apart, batch)
    own = {side: gradients_of(changed(side, apart, batch, fakes, MICRO), apart[side]) for side in GENERATORS}
    for side in GENERATORS:
        for parameter, gradient in zip(apart[side].parameters(), own[side], strict=True):
            parameter.grad = gradient
        torch.optim.Adam(apart[side].parameters(), 1e-2).step()
        for one, other in zip(networks[side].parameters(), apart[side].parameters(), strict=True):
            assert torch.equal(one, other)


def test_generators_leave_the_discriminator_and_its_statistics_alone():
    config = replace(MICRO, norm="batch")
    networks, batch = residual_gan.build(config, 0), make_batch()
    assert count_parameters(networks["discriminator"]) == count_parameters(residual_gan.Discriminator(MICRO))
    fakes = residual_gan.translate(networks, batch)
    before = {name: copy.deepcopy(network.state_dict()) for name, network in networks.items()}
    terms = residual_gan.generator_loss(networks, batch, fakes, config, {})
    sum(terms.values()).backward()
    assert all(p.grad is None for p in networks["discriminator"].parameters())
    for name, network in networks.items():  # held networks gather their statistics in a copy
        assert any("running" in key for key in before[name])
        assert all(torch.equal(value, before[name][key]) for key, value in network.state_dict().items())


def test_the_discriminator_s_loss_does_not_reach_the_generators():
    networks, batch = residual_gan.build(MICRO, 0), make_batch()
    fakes = residual_gan.translate(networks, batch)
    sum(residual_gan.discriminator_loss(networks, batch, fakes, MICRO, {}).values()).backward()
    assert all(p.grad is not None for p in networks["discriminator"].parameters())
    assert all(p.grad is None for name in GENERATORS for p in networks[name].parameters())


def test_four_images_can_be_inverted_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator = residual_gan.build(TINY_RESIDUAL_GAN, 0)["to_positive"]
    optimiser = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(60):
        loss = (generator(images) + images).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.5


def test_paper_training_is_that_of_the_re_implementations():
    training = residual_gan.PRESETS["paper"].training
    assert (training.lr, training.lr_d, training.betas, training.batch_size) == (2e-4, None, (0.5, 0.999), 16)
    assert list(residual_gan.UPDATES) == ["discriminator", "generators"]


# --- the method -------------------------------------------------------------------------------------------------


def test_images_are_sent_to_the_generator_of_their_wanted_value():
    networks = residual_gan.build(MICRO, 3)
    method, x = residual_gan.as_method(networks, MICRO, "Eyeglasses"), to_signed(IMAGES)
    edited = method.edit(IMAGES, "Eyeglasses", VALUES)
    with torch.no_grad():
        on, off = (to_uint8(networks[name](x)) for name in GENERATORS)
        shown = residual_gan.preview(networks, x, VALUES)
        assert torch.equal(shown[0], networks["to_positive"](x)[0])
        assert torch.equal(shown[1], networks["to_negative"](x)[1])
    expected = torch.where(VALUES[:, None, None, None] > 0.5, on, off)
    assert (edited.int() - expected.int()).abs().max() <= 1


def test_realness_is_the_log_odds_of_a_real_face_of_the_wanted_value():
    logits = torch.tensor([2.0, -1.0, 0.5])

    class Fixed(nn.Module):
        def forward(self, x):
            return logits.expand(len(x), 3), x

    networks = {**{name: nn.Identity() for name in GENERATORS}, "discriminator": Fixed()}
    found = residual_gan.as_method(networks, MICRO, "Eyeglasses").realness(IMAGES, "Eyeglasses", VALUES)
    chances = logits.softmax(0)
    wanted = [chances[int(value)].item() for value in VALUES]
    assert found.tolist() == pytest.approx([math.log(p / (1 - p)) for p in wanted], abs=1e-5)
