# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from configurations import TINY_CYCLEGAN, TINY_FAI
from torch import nn
from torch.nn import functional

from reference_models import cyclegan, fai
from reference_models.blocks import compose, count_parameters, initialise, instance_norm, normalise, upsample


def sizes(networks):
    return {name: count_parameters(network) for name, network in networks.items()}


def test_fai_has_the_parameters_of_its_layer_tables():
    assert sizes(fai.build(fai.Config(), 0)) == {"generator": 36_508_467, "discriminator": 11_152_832}
    assert sizes(fai.build(TINY_FAI, 0)) == {"generator": 1_620_687, "discriminator": 436_976}


@pytest.mark.parametrize(
    ("change", "count"),
    [({"skip": "full"}, 41_829_571), ({"n_high_skips": 2}, 35_918_515), ({"n_high_skips": 4}, 36_655_987)],
)
def test_fai_skip_variants_have_their_parameters(change, count):
    with torch.device("meta"):
        assert count_parameters(fai.Generator(replace(fai.Config(), **change))) == count


def test_uncapped_fai_discriminator_has_its_parameters():
    with torch.device("meta"):
        assert count_parameters(fai.Discriminator(replace(fai.Config(), d_max_width=2048))) == 44_729_280


def test_cyclegan_has_the_parameters_of_its_layer_tables():
    with torch.device("meta"):
        full = cyclegan.Config()
        assert count_parameters(cyclegan.Generator(full)) == 7_837_699
        assert count_parameters(cyclegan.Generator(replace(full, n_blocks=9))) == 11_378_179
        assert count_parameters(cyclegan.Discriminator(full)) == 2_764_737
        assert count_parameters(cyclegan.Generator(TINY_CYCLEGAN)) == 198_659
        assert count_parameters(cyclegan.Discriminator(TINY_CYCLEGAN)) == 175_089
        assert count_parameters(cyclegan.Discriminator(replace(TINY_CYCLEGAN, n_layers=2))) == 42_865


def test_all_networks_of_paper_cyclegan_add_up():
    with torch.device("meta"):
        both = 2 * count_parameters(cyclegan.Generator(cyclegan.Config()))
        assert both + 2 * count_parameters(cyclegan.Discriminator(cyclegan.Config())) == 21_204_872


def test_fai_skips_keep_a_quarter_below_and_half_above():
    assert fai.skip_channels(fai.Config()) == [16, 32, 64, 256, 256, 256]
    assert fai.skip_channels(TINY_FAI) == [4, 8, 16, 64, 64]
    assert fai.skip_channels(replace(TINY_FAI, skip="full")) == [16, 32, 64, 128, 128]
    assert fai.skip_channels(replace(TINY_FAI, skip="none")) == [0] * 5


def test_a_message_that_is_the_same_all_over_a_map_passes_group_norm_and_not_instance_norm():
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, 4)
    message = torch.zeros(1, 8, 1, 1)
    message[0, 0] = 3.0
    instance, group = normalise(8, "instance"), normalise(8, "group")
    torch.testing.assert_close(instance(x + message), instance(x), atol=1e-5, rtol=0)
    assert (group(x + message) - group(x)).abs().amax((0, 2, 3))[0] > 0.5
    expected = functional.group_norm(x, 4, eps=1e-5)
    torch.testing.assert_close(group(x), expected)


def test_fai_s_norm_changes_no_count_and_its_paper_preset_has_instance_norm():
    assert fai.Config().norm == "instance"
    with torch.device("meta"):
        kinds = [fai.Generator(replace(TINY_FAI, norm=norm)) for norm in ("instance", "group")]
    assert count_parameters(kinds[0]) == count_parameters(kinds[1])
    groups = [{m.num_groups for m in kind.modules() if isinstance(m, nn.GroupNorm)} for kind in kinds]
    assert groups[1] == {4}
    assert groups[0] == {16, 32, 64, 128}


@pytest.mark.parametrize("count", [1, 2])
def test_fai_networks_have_the_shapes_of_their_tables(count):
    for config, side in ((fai.Config(), 128), (TINY_FAI, 64)):
        networks = fai.build(config, 1)
        generator, discriminator = networks["generator"], networks["discriminator"]
        with torch.no_grad():
            x = torch.rand(count, 3, side, side) * 2 - 1
            maps = generator.encode(x)
            made = generator(generator(x))
            source, attribute, features = discriminator(x)
        assert maps[-1].shape[1:] == (min(config.width * 2 ** (config.levels - 1), config.max_width), 1, 1)
        assert made.shape == x.shape
        assert made.dtype == torch.float32
        assert made.isfinite().all()
        assert made.abs().max() <= 1
        assert source.shape == (count, 1, 2, 2)
        assert attribute.shape == (count,)
        assert len(features) == config.d_stages


@pytest.mark.parametrize("count", [1, 2])
def test_cyclegan_networks_have_the_shapes_of_their_tables(count):
    for config, side, patches in ((cyclegan.Config(), 128, 14), (TINY_CYCLEGAN, 64, 6)):
        with torch.no_grad():
            x = torch.rand(count, 3, side, side) * 2 - 1
            made = cyclegan.Generator(config)(x)
            logits = cyclegan.Discriminator(config)(x)
        assert made.shape == x.shape
        assert made.abs().max() <= 1
        assert made.isfinite().all()
        assert logits.shape == (count, 1, patches, patches)


def test_patchgan_sees_patches_of_70_pixels():
    judge = cyclegan.Discriminator(replace(cyclegan.Config(), d_width=2))
    norms = [module for module in judge.modules() if isinstance(module, torch.nn.GroupNorm)]
    for norm in norms:  # a norm sees the whole picture, so it is taken out to measure the convolutions
        norm.forward = lambda x: x
    x = torch.rand(1, 3, 128, 128, requires_grad=True)
    judge(x)[0, 0, 7, 7].backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


def test_without_skips_only_the_bottleneck_decides():
    for skip, independent in (("none", True), ("1x1", False), ("full", False)):
        generator = fai.build(replace(TINY_FAI, skip=skip), 0)["generator"]
        with torch.no_grad():
            maps = generator.encode(torch.rand(1, 3, 64, 64))
            other = [torch.randn_like(entry) for entry in maps[:-1]] + maps[-1:]
            assert torch.equal(generator.decode(maps), generator.decode(other)) is independent


def test_decoding_leaves_the_maps_alone():
    generator = fai.build(TINY_FAI, 0)["generator"]
    with torch.no_grad():
        maps = generator.encode(torch.rand(1, 3, 64, 64))
        before = [entry.clone() for entry in maps]
        generator.decode(maps)
    assert all(torch.equal(one, other) for one, other in zip(maps, before, strict=True))


def test_source_head_by_class_reads_the_map_of_the_wanted_class():
    source = torch.arange(8.0).reshape(2, 2, 1, 2)
    assert fai.source_logits(source, torch.tensor([1.0, 0.0])).flatten().tolist() == [2, 3, 4, 5]
    assert torch.equal(fai.source_logits(source[:, :1], torch.tensor([1.0, 0.0])), source[:, :1])
    discriminator = fai.Discriminator(replace(TINY_FAI, source_by_class=True))
    assert discriminator(torch.rand(2, 3, 64, 64))[0].shape == (2, 2, 2, 2)


def test_bilinear_upsampling_leaves_no_checkerboard():
    flat = torch.ones(1, 4, 6, 6)
    for kind, even in (("bilinear", True), ("transposed", False)):
        layers = torch.nn.Sequential(*upsample(4, 3, 3, kind))
        initialise(layers, 0)
        with torch.no_grad():
            inner = layers(flat)[:, :, 2:-2, 2:-2]
        assert inner.shape == (1, 3, 8, 8)
        assert torch.allclose(inner, inner.mean((2, 3), keepdim=True), atol=1e-6) is even


def test_both_upsamplings_double_the_sides():
    for kernel in (3, 4):
        for kind in ("transposed", "bilinear"):
            assert torch.nn.Sequential(*upsample(2, 5, kernel, kind))(torch.rand(1, 2, 7, 9)).shape == (1, 5, 14, 18)


def test_instance_norm_is_instance_norm():
    x = torch.randn(3, 5, 7, 7) * 4 + 2
    norm = instance_norm(5, affine=True)
    torch.nn.init.normal_(norm.weight)
    expected = functional.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=1e-5)
    torch.testing.assert_close(norm(x), expected)


def test_outputs_are_made_from_the_raw_map_as_they_say():
    source = torch.rand(2, 3, 4, 4) * 2 - 1
    raw = torch.randn(2, 4, 4, 4)
    assert torch.equal(compose(raw[:, :3], source, "image"), raw[:, :3].tanh())
    assert torch.equal(compose(torch.zeros(2, 3, 4, 4), source, "residual"), source)
    covered = compose(torch.cat([raw[:, :3], torch.full((2, 1, 4, 4), 40.0)], 1), source, "blend")
    torch.testing.assert_close(covered, raw[:, :3].tanh())
    kept = compose(torch.cat([raw[:, :3], torch.full((2, 1, 4, 4), -40.0)], 1), source, "blend")
    assert torch.equal(kept, source)


@pytest.mark.parametrize("recipe", [fai, cyclegan])
def test_small_generators_start_close_to_returning_their_input(recipe):
    config = recipe.PRESETS["small"]
    network = recipe.build(config, 0)[recipe.AVERAGED[0]]
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert (network(x) - x).abs().mean() < 0.2


def test_initialisation_draws_what_it_says():
    layer = torch.nn.Conv2d(32, 64, 3)
    initialise(layer, 3)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.bias.abs().max() == 0
    first = layer.weight.clone()
    initialise(layer, 3)
    assert torch.equal(first, layer.weight)
    initialise(layer, 3, std=None)
    assert layer.weight.std().item() == pytest.approx((2 / 288) ** 0.5, rel=0.05)


def test_six_shipped_files_fit_into_eight_megabytes():
    total = 0
    for recipe in (fai, cyclegan):
        networks = recipe.build(recipe.PRESETS["small"], 0)
        values = sum(value.numel() for network in networks.values() for value in network.state_dict().values())
        total += 3 * 2 * values
    assert total < 8e6
