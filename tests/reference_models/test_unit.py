# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from configurations import TINY_UNIT
from torch import nn
from torch.nn import functional

from faceeval.errors import InputError
from reference_models import unit
from reference_models.blocks import ResidualBlock, count_parameters
from reference_models.images import to_signed, to_uint8
from reference_models.recipe import Batch

MICRO = replace(TINY_UNIT, image_size=16, width=4, d_width=4, d_shared=1)
IMAGES = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([0.0, 1, 1, 0, 1])


def make_batch(side=64, count=2, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(2 * count, 3, side, side, generator=chance) * 2 - 1
    return Batch.of(x[:count], x[count:], chance)


def silence(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def shapes_of(layers, x):
    """Output shapes of those layers of a Sequential that convolve or add, without the batch."""
    shapes = []
    for layer in layers:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, ResidualBlock)):
            shapes.append(tuple(x.shape[1:]))
    return shapes, x


# --- networks ---------------------------------------------------------------------------------------------------


def test_paper_networks_have_the_parameters_of_their_layer_tables():
    with torch.device("meta"):
        generator, discriminator = unit.Generator(unit.Config()), unit.Discriminator(unit.Config())
    assert count_parameters(generator) == 18_017_286
    assert count_parameters(discriminator) == 25_240_065
    assert [count_parameters(one) for one in generator.encoders.values()] == [3_918_976] * 2
    assert [count_parameters(one) for one in generator.decoders.values()] == [3_909_507] * 2
    assert count_parameters(generator.shared_encoder) == count_parameters(generator.shared_decoder) == 1_180_160
    assert [count_parameters(one) for one in discriminator.fronts.values()] == [83_328] * 2
    assert count_parameters(discriminator.shared) == 25_073_409


def test_tiny_networks_have_the_parameters_of_their_layer_tables():
    networks = unit.build(TINY_UNIT, 0)
    assert {name: count_parameters(one) for name, one in networks.items()} == {
        "generator": 540_422,
        "discriminator": 401_793,
    }


def test_small_weights_stay_below_400_kilobytes():
    networks = unit.build(unit.PRESETS["small"], 0)
    assert sum(2 * value.numel() for one in networks.values() for value in one.state_dict().values()) < 400_000


@pytest.mark.parametrize("count", [1, 2])
def test_paper_layers_have_the_shapes_of_their_tables(count):
    with torch.device("meta"):
        generator, discriminator = unit.Generator(unit.Config()), unit.Discriminator(unit.Config())
        x = torch.empty(count, 3, 128, 128)
        for domain in unit.OTHER:
            down, code = shapes_of(generator.encoders[domain], x)
            assert down == [(64, 128, 128), (128, 64, 64), *[(256, 32, 32)] * 4]
            assert generator.encode(x, domain).shape == code.shape == (count, 256, 32, 32)
            up, picture = shapes_of(generator.decoders[domain], code)
            assert up == [*[(256, 32, 32)] * 3, (128, 64, 64), (64, 128, 128), (3, 128, 128)]
            assert picture.shape == x.shape
            front, maps = shapes_of(discriminator.fronts[domain], x)
            shared, _ = shapes_of(discriminator.shared, maps)
            assert front == [(64, 64, 64), (128, 32, 32)]
            assert shared == [(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2), (1, 2, 2)]
            assert discriminator(x, domain).shape == (count, 1, 2, 2)


def test_layers_are_of_the_kinds_of_their_tables():
    generator = unit.Generator(MICRO)
    convolutions = [layer for layer in generator.encoders["negative"] if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == [7, 3, 3]
    slopes = {layer.negative_slope for layer in generator.modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.01}
    block = generator.shared_encoder[0].body
    assert {layer.padding_mode for layer in block if isinstance(layer, nn.Conv2d)} == {"zeros"}
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.GroupNorm)]
    assert len(norms) == 2 * (2 * 2 * MICRO.n_res + 2 * MICRO.n_shared)
    assert not any(norm.affine for norm in norms)
    assert all(norm.num_groups == norm.num_channels for norm in norms)
    assert not [layer for layer in unit.Discriminator(MICRO).modules() if isinstance(layer, nn.GroupNorm)]


@pytest.mark.parametrize(("config", "counts"), [(TINY_UNIT, (1, 2)), (unit.Config(), (1, 2))])
def test_pictures_are_finite_and_within_range(config, counts):
    generator = unit.build(config, 0)["generator"]
    with torch.no_grad():
        for count in counts:
            x = torch.rand(count, 3, config.image_size, config.image_size) * 2 - 1
            made = generator(x, "positive" if count == 1 else "negative")
            assert made.shape == x.shape
            assert made.dtype == torch.float32
            assert made.isfinite().all()
            assert made.abs().max() <= 1


def test_each_translation_uses_its_own_ends_and_the_shared_middle():
    generator, x = unit.build(MICRO, 0)["generator"], make_batch(16).images
    for domain, source in (("positive", "negative"), ("negative", "positive")):
        generator.zero_grad()
        generator(x, domain).square().sum().backward()
        reached = {name for name, p in generator.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        ends = {name.rsplit(".", 2)[0] for name in reached if not name.startswith("shared")}
        assert all(name.startswith((f"encoders.{source}", f"decoders.{domain}")) for name in ends)
        assert any(name.startswith("shared_encoder") for name in reached)
        assert any(name.startswith("shared_decoder") for name in reached)


def test_shared_parameters_stand_once_in_the_optimiser():
    networks = unit.build(MICRO, 0)
    for update in unit.UPDATES.values():
        parameters = [p for name in update.networks for p in networks[name].parameters()]
        assert len({id(p) for p in parameters}) == len(parameters)
        assert len({p.data_ptr() for p in parameters}) == len(parameters)
    total = sum(p.numel() for network in networks.values() for p in network.parameters())
    assert total == sum(count_parameters(network) for network in networks.values())


def test_noise_is_drawn_from_the_batch_s_chance_and_in_training_only():
    generator = unit.build(MICRO, 0)["generator"]
    mean = torch.zeros(4, 16, 40, 40)
    drawn = [generator.sample(mean, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert drawn[0].std().item() == pytest.approx(1.0, abs=0.01)
    quiet = unit.build(replace(MICRO, noise=0.0), 0)["generator"]
    assert quiet.sample(mean, torch.Generator()) is mean
    x = make_batch(16).images
    with torch.no_grad():
        assert torch.equal(generator(x, "positive"), quiet(x, "positive"))


def test_small_translations_start_close_to_their_input():
    generator, batch = unit.build(unit.PRESETS["small"], 0)["generator"], make_batch()
    with torch.no_grad():
        for domain in unit.OTHER:
            assert (generator(batch.images, domain) - batch.images).abs().mean() < 0.2


def test_sizes_that_do_not_come_back_are_refused():
    with pytest.raises(InputError, match="multiple of 4"):
        unit.build(replace(MICRO, image_size=18), 0)


# --- losses -----------------------------------------------------------------------------------------------------


def test_losses_of_a_silent_discriminator():
    networks, batch = unit.build(TINY_UNIT, 0), make_batch()
    silence(networks["discriminator"])
    fakes = unit.translate(networks, batch)
    d = unit.discriminator_loss(networks, batch, fakes, TINY_UNIT, {})
    g = unit.generator_loss(networks, batch, fakes, TINY_UNIT, {})
    assert set(d) == {"d_negative", "d_positive"}
    assert sum(d.values()).item() == pytest.approx(27.725887, abs=1e-5)
    assert g["g_adversarial"].item() == pytest.approx(13.862944, abs=1e-6)


class Plain:
    """An autoencoder whose code is the picture, brightened by ``more`` when it is decoded."""

    def __init__(self, more):
        self.more = more

    def encode(self, x, domain):
        return x

    def sample(self, mean, chance):
        return mean

    def decode(self, code, domain, source):
        return code + self.more


@pytest.mark.parametrize("more", [0.0, 0.1])
def test_terms_have_the_paper_s_weights(more):
    half = torch.full((2, 3, 8, 8), 0.5)
    batch = Batch.of(half, -half, torch.Generator())
    networks = {"generator": Plain(more), "discriminator": lambda x, domain: torch.zeros(len(x), 1, 2, 2)}
    terms = unit.generator_loss(networks, batch, unit.translate(networks, batch), unit.Config(), {})
    assert terms["g_reconstruction"].item() == pytest.approx(100 * 2 * more, abs=1e-4)
    assert terms["g_cycle"].item() == pytest.approx(100 * 2 * 2 * more, abs=1e-4)
    # the codes of both domains together, twice; then of each domain's translations
    assert terms["g_kl"].item() == pytest.approx(0.1 * 2 * 0.25, abs=1e-6)
    translated = (0.5 + more) ** 2 + (-0.5 + more) ** 2
    assert terms["g_kl_cycle"].item() == pytest.approx(0.1 * translated, abs=1e-6)


def test_divergence_is_the_mean_square_without_a_half():
    assert unit.divergence(torch.ones(2, 4, 3, 3)).item() == 1.0
    assert unit.divergence(torch.full((2, 4, 3, 3), 3.0)).item() == 9.0


def test_each_discriminator_compares_faces_of_its_own_domain():
    seen = {}

    def judge(x, domain):
        seen[domain] = x.flatten(1).mean(1).tolist()
        return torch.zeros(len(x), 1, 2, 2)

    flat = torch.ones(1, 3, 8, 8)
    batch = Batch.of(0.1 * flat, 0.2 * flat, torch.Generator())
    # the first half of what was edited was negative and became positive
    fakes = {"edited": torch.cat([0.3 * flat, 0.4 * flat])}
    unit.discriminator_loss({"discriminator": judge}, batch, fakes, unit.Config(), {})
    assert seen["negative"] == pytest.approx([0.1, 0.4])
    assert seen["positive"] == pytest.approx([0.2, 0.3])


def test_one_noisy_code_is_decoded_in_both_domains():
    codes = {}

    class Watched(unit.Generator):
        def decode(self, code, domain, source):
            codes.setdefault(float(source.sum()), []).append((domain, code))
            return super().decode(code, domain, source)

    generator, batch = Watched(MICRO), make_batch(16)
    fakes = unit.translate({"generator": generator}, batch)
    assert {name: len(value) for name, value in fakes.items()} == dict.fromkeys(("edited", "reconstructed", "means"), 4)
    assert len(codes) == 2
    for (first, one), (second, other) in codes.values():
        assert {first, second} == set(unit.OTHER)
        assert one is other
    assert not torch.equal(codes[float(batch.negatives.sum())][0][1], fakes["means"][:2])


def test_paper_training_is_that_of_the_released_code():
    training = unit.PRESETS["paper"].training
    assert (training.lr, training.lr_d, training.betas, training.weight_decay) == (1e-4, None, (0.5, 0.999), 1e-4)
    assert (training.batch_size, training.steps, training.constant_share, training.flip) == (2, 2_000_000, 1.0, True)
    assert list(unit.UPDATES) == ["discriminator", "generator"]


def test_four_images_can_be_learnt_by_heart():
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = functional.interpolate(noise, size=64, mode="bicubic").clamp(-1, 1)
    generator = unit.build(TINY_UNIT, 0)["generator"]
    optimiser = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.999))
    values = []
    for _ in range(80):
        loss = (generator.decode(generator.encode(images, "negative"), "negative", images) - images).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] / values[0] < 0.6


# --- the method -------------------------------------------------------------------------------------------------


def test_images_are_translated_to_the_domain_of_their_wanted_value():
    networks = unit.build(MICRO, 3)
    method = unit.as_method(networks, MICRO, "Eyeglasses")
    edited, x = method.edit(IMAGES, "Eyeglasses", VALUES), to_signed(IMAGES)
    with torch.no_grad():
        on, off = (to_uint8(networks["generator"](x, domain)) for domain in ("positive", "negative"))
        scores = {domain: networks["discriminator"](x, domain).mean((1, 2, 3)) for domain in unit.OTHER}
    wanted = VALUES > 0.5
    assert (edited.int() - torch.where(wanted[:, None, None, None], on, off).int()).abs().max() <= 1
    assert torch.equal(edited, method.edit(IMAGES, "Eyeglasses", VALUES))
    expected = torch.where(wanted, scores["positive"], scores["negative"])
    torch.testing.assert_close(method.realness(IMAGES, "Eyeglasses", VALUES), expected)


def test_sample_grids_translate_away_from_the_label():
    networks, x = unit.build(MICRO, 3), to_signed(IMAGES)
    with torch.no_grad():
        shown = unit.preview(networks, x, VALUES)
        assert torch.equal(shown[0], networks["generator"](x, "positive")[0])
        assert torch.equal(shown[1], networks["generator"](x, "negative")[1])
