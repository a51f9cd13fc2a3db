# SPDX-License-Identifier: MIT
from __future__ import annotations

import math

import pytest
import torch
from configurations import TINY_CYCLEGAN, TINY_FAI
from torch import nn

from reference_models import cyclegan, fai, losses
from reference_models.recipe import Batch

ZERO = torch.zeros(2, 1, 3, 3)
ONE = torch.ones(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (losses.gan_bce_d(ZERO, ZERO), 2 * math.log(2)),
        (losses.gan_bce_g(ZERO), math.log(2)),
        (losses.lsgan_d(ZERO, ZERO), 0.5),
        (losses.lsgan_g(ZERO), 1.0),
        (losses.wgan_d(ONE, ZERO), -1.0),
        (losses.wgan_g(ONE), -1.0),
        (losses.content(ONE, ZERO[:, :, :1, :1]), 0.5),
        (losses.feature_match([ONE, ONE, ONE], [0 * ONE, 0 * ONE, 0 * ONE]), 3.0),
        (losses.l1(ONE, -ONE), 2.0),
        (losses.kl_unit(torch.ones(4)), 0.5),
        (losses.kl_logvar(torch.zeros(2, 3), torch.zeros(2, 3)), 0.0),
        (losses.kl_logvar(torch.ones(2, 3), torch.zeros(2, 3)), 1.5),
        (losses.kl_logvar(torch.zeros(2, 1), torch.ones(2, 1)), 0.359141),
        (losses.kl_logvar(torch.zeros(2, 1), torch.full((2, 1), 0.3)), 0.024929),
        (losses.changed_share(ONE, ONE), 0.0),
        (losses.changed_share(ONE, 0 * ONE), 1.0),
        (losses.changed_share(ONE, 0 * ONE, scale=4.0), 0.25),
        (losses.changed_share(ONE, 0 * ONE, scale=4.0, power=2.0), 0.0625),
        (losses.changed_share(ONE, 0 * ONE, power=2.0), 1.0),
        (losses.hinge_d(ZERO, ZERO), 2.0),
        (losses.hinge_d(2 * ONE, -2 * ONE), 0.0),
        (losses.hinge_d(-ONE, ONE), 4.0),
        (losses.hinge_g(ONE), -1.0),
    ],
)
def test_losses_have_their_known_values(value, expected):
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_feature_lists_of_different_length_are_refused():
    with pytest.raises(ValueError):
        losses.feature_match([ONE], [ONE, ONE])


def test_gradient_penalty_of_known_critics():
    real, fake, chance = torch.rand(3, 2, 4, 4), torch.rand(3, 2, 4, 4), torch.Generator().manual_seed(0)
    slope = torch.full((2, 4, 4), 3.0 / math.sqrt(32))
    linear = losses.gradient_penalty(lambda x: (x * slope).sum((1, 2, 3)), real, fake, chance)
    assert linear.item() == pytest.approx(4.0, abs=1e-5)
    assert losses.gradient_penalty(lambda x: torch.ones(3), real, fake, chance).item() == 1.0
    flat = nn.Conv2d(2, 1, 1)
    nn.init.zeros_(flat.weight)
    penalty = losses.gradient_penalty(flat, real, fake, chance)
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0, abs=1e-5)
    assert flat.weight.grad.isfinite().all()


def test_slope_penalty_of_known_critics():
    real, slope = torch.rand(3, 2, 4, 4), torch.full((2, 4, 4), 3.0 / math.sqrt(32))
    assert losses.real_slope_penalty(lambda x: (x * slope).sum((1, 2, 3)), real).item() == pytest.approx(4.5, abs=1e-5)
    assert losses.real_slope_penalty(lambda x: torch.ones(3), real).item() == 0.0
    curved = nn.Conv2d(2, 1, 1)
    losses.real_slope_penalty(lambda x: curved(x).square(), real).backward()
    assert curved.weight.grad.abs().sum() > 0


def test_half_precision_logits_are_judged_in_single_precision():
    assert losses.gan_bce_d(ZERO.bfloat16(), ZERO.bfloat16()).dtype == torch.float32
    assert losses.lsgan_g(ZERO.bfloat16()).dtype == torch.float32


def make_batch(side: int = 64, count: int = 2) -> Batch:
    x = torch.rand(2 * count, 3, side, side) * 2 - 1
    return Batch.of(x[:count], x[count:], torch.Generator().manual_seed(0))


class Silent(nn.Module):
    """A FAI discriminator that says zero to everything."""

    def forward(self, x):
        return x.new_zeros(len(x), 1, 2, 2), x.new_zeros(len(x)), [x.new_zeros(len(x), 4, 2, 2)] * 3


class Nothing(nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 1, 6, 6)


def test_fai_losses_of_silent_discriminator_and_perfect_cycle():
    networks, batch = {"generator": nn.Identity(), "discriminator": Silent()}, make_batch()
    fakes = fai.translate(networks, batch)
    d = fai.discriminator_loss(networks, batch, fakes, TINY_FAI, {})
    g = fai.generator_loss(networks, batch, fakes, TINY_FAI, {})
    assert sum(d.values()).item() == pytest.approx(2.079442, abs=1e-6)
    assert sum(g.values()).item() == pytest.approx(1.386294, abs=1e-6)
    assert set(g) == {"g_adversarial", "g_class", "g_cycle", "g_features"}


def test_fai_asks_for_the_inverted_class():
    class Honest(Silent):
        def forward(self, x):
            source, _, maps = super().forward(x)
            return source, 40 * x.mean((1, 2, 3)).sign(), maps

    dark, light = -torch.ones(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    batch = Batch.of(dark, light, torch.Generator())
    networks = {"generator": nn.Identity(), "discriminator": Honest()}
    unchanged = fai.generator_loss(networks, batch, {"edited": batch.images}, TINY_FAI, {})
    inverted = fai.generator_loss(networks, batch, {"edited": -batch.images}, TINY_FAI, {})
    assert unchanged["g_class"].item() == pytest.approx(40)
    assert inverted["g_class"].item() == pytest.approx(0, abs=1e-6)


def test_fai_ablations_leave_their_term_out():
    networks, batch = fai.build(TINY_FAI, 0), make_batch()
    fakes = fai.translate(networks, batch)
    changed = fai.override(TINY_FAI, {"lambda_fm": 0.0, "lambda_rec": 0.0, "lambda_cls": 0.0})
    terms = fai.generator_loss(networks, batch, fakes, changed, {})
    assert "g_features" not in terms
    assert terms["g_cycle"] == 0
    assert terms["g_class"] == 0


def test_cyclegan_losses_of_silent_discriminators_and_perfect_generators():
    same = {name: nn.Identity() for name in ("to_positive", "to_negative")}
    networks, batch = {**same, "judge_positive": Nothing(), "judge_negative": Nothing()}, make_batch()
    fakes = cyclegan.translate(networks, batch)
    d = cyclegan.discriminator_loss(networks, batch, fakes, TINY_CYCLEGAN, {})
    g = cyclegan.generator_loss(networks, batch, fakes, TINY_CYCLEGAN, {})
    assert {name: value.item() for name, value in d.items()} == {"d_positive": 0.5, "d_negative": 0.5}
    assert g["g_adversarial"].item() == 2.0
    assert g["g_cycle"].item() == g["g_identity"].item() == 0.0


def test_cyclegan_weighs_cycle_and_identity_as_the_paper():
    class Plus(nn.Module):
        def forward(self, x):
            return x + 0.1

    networks = {"to_positive": Plus(), "to_negative": Plus(), "judge_positive": Nothing(), "judge_negative": Nothing()}
    batch = make_batch()
    g = cyclegan.generator_loss(networks, batch, cyclegan.translate(networks, batch), TINY_CYCLEGAN, {})
    assert g["g_cycle"].item() == pytest.approx(10 * 2 * 0.2, rel=1e-5)
    assert g["g_identity"].item() == pytest.approx(0.5 * 10 * 2 * 0.1, rel=1e-5)
