# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from configurations import MICRO_CYCLEGAN, MICRO_FAI
from drawn import drawn_faces
from tiny_teacher import TinyTeacher

from faceeval.errors import CheckpointError, InputError, UnknownNameError
from faceeval.judges import load_judge
from reference_models import cyclegan, fai
from reference_models.blocks import count_parameters
from reference_models.guidance import HEADS, FeatureHeads, guided, shifted
from reference_models.recipe import Batch, Guidance, Recipe, override
from reference_models.training import train

RECIPES = {"fai": (fai, MICRO_FAI), "cyclegan": (cyclegan, MICRO_CYCLEGAN)}
GUIDANCE = Guidance(guided=True, lambda_same=0.5)
TERMS = {"g_teacher_features", "g_teacher_class", "g_teacher_keep", "g_same"}


def make_batch(count: int = 2) -> Batch:
    x = torch.rand(2 * count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch.of(x[:count], x[count:], torch.Generator().manual_seed(0))


def losses_of(name, guidance=GUIDANCE):
    module, config = RECIPES[name]
    recipe = guided(Recipe.of(module), guidance, "Eyeglasses", TinyTeacher())
    networks, batch = recipe.build(config, 0), make_batch()
    fakes = recipe.translate(networks, batch)
    kinds = {recipe.trains_generators(update): update for update in recipe.updates.values()}
    terms = {kind: update.loss(networks, batch, fakes, config, {}) for kind, update in kinds.items()}
    return recipe, networks, terms[True], terms[False]


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_added_where_nothing_is_asked_for(name):
    recipe = Recipe.of(RECIPES[name][0])
    assert guided(recipe, Guidance(), "Eyeglasses", None) is recipe
    assert guided(recipe, Guidance(), "Eyeglasses", TinyTeacher()) is recipe
    assert RECIPES[name][0].Config().guidance == Guidance()


@pytest.mark.parametrize("name", RECIPES)
def test_terms_are_added_to_those_of_the_paper(name):
    module, config = RECIPES[name]
    plain = Recipe.of(module)
    batch, networks = make_batch(), module.build(config, 0)
    fakes = plain.translate(networks, batch)
    recipe, guided_networks, generator, discriminator = losses_of(name)
    assert set(guided_networks) == {*networks, HEADS}
    assert fakes["edited"].shape == batch.images.shape
    for update in plain.updates.values():
        generators = plain.trains_generators(update)
        terms, added = (generator, TERMS) if generators else (discriminator, {"d_teacher_features"})
        own = update.loss(networks, batch, fakes, config, {})
        assert set(terms) == set(own) | added
        assert all(torch.equal(terms[key], own[key]) for key in own)
    heads = [HEADS in update.networks for update in recipe.updates.values()]
    assert sum(heads) == 1


def test_gradients_reach_generators_through_the_teacher_and_leave_it_alone():
    teacher = TinyTeacher()
    recipe = guided(Recipe.of(fai), GUIDANCE, "Eyeglasses", teacher)
    networks, batch = recipe.build(MICRO_FAI, 0), make_batch()
    fakes = recipe.translate(networks, batch)
    terms = recipe.updates["generator"].loss(networks, batch, fakes, MICRO_FAI, {})
    for name in sorted(TERMS):
        networks["generator"].zero_grad()
        terms[name].backward(retain_graph=True)
        slopes = [p.grad.abs().sum().item() for p in networks["generator"].parameters() if p.grad is not None]
        assert sum(slopes) > 0, name
    assert all(parameter.grad is None for parameter in teacher.layers.parameters())


def test_heads_descend_without_touching_the_generators():
    _, networks, _, discriminator = losses_of("cyclegan")
    discriminator["d_teacher_features"].backward()
    assert all(parameter.grad is not None for parameter in networks[HEADS].parameters())
    for name in ("to_positive", "to_negative"):
        assert all(parameter.grad is None for parameter in networks[name].parameters())


def test_known_values_with_silent_heads_and_an_unchanged_picture():
    recipe = guided(Recipe.of(fai), GUIDANCE, "Eyeglasses", TinyTeacher())
    networks, batch = recipe.build(MICRO_FAI, 0), make_batch()
    networks["generator"] = torch.nn.Identity()
    for parameter in networks[HEADS].parameters():
        torch.nn.init.zeros_(parameter)
    fakes = recipe.translate(networks, batch)
    terms = recipe.updates["generator"].loss(networks, batch, fakes, MICRO_FAI, {})
    assert terms["g_teacher_features"] == 0
    assert terms["g_teacher_keep"] == 0
    assert terms["g_same"] == 0
    logits = TinyTeacher().features(batch.images)[1][:, 1]
    signs = torch.where(batch.labels > 0, 1.0, -1.0)  # the wanted value is the other one
    expected = 0.1 * torch.nn.functional.softplus(signs * logits).mean()
    assert terms["g_teacher_class"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert recipe.updates["discriminator"].loss(networks, batch, fakes, MICRO_FAI, {})["d_teacher_features"] == 2.0


def test_the_share_of_changed_pixels_needs_no_teacher_and_grows_over_the_ramp():
    recipe = guided(Recipe.of(fai), replace(Guidance(), lambda_same=2.0, same_ramp=0.5), "Eyeglasses", None)
    networks, batch = fai.build(MICRO_FAI, 0), make_batch()
    fakes = {"edited": batch.images + 0.1}
    values = [
        recipe.updates["generator"].loss(networks, replace(batch, done=done), fakes, MICRO_FAI, {})["g_same"].item()
        for done in (0.0, 0.25, 0.5, 1.0)
    ]
    assert values == pytest.approx([0.0, 0.5, 1.0, 1.0])
    coarse = guided(Recipe.of(fai), replace(Guidance(), lambda_same=2.0, same_scale=1.0), "Eyeglasses", None)
    terms = coarse.updates["generator"].loss(networks, batch, fakes, MICRO_FAI, {})
    assert terms["g_same"].item() == pytest.approx(0.2)


def test_heads_read_the_class_an_image_should_have():
    heads = FeatureHeads((4,))
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.zero_()
        heads.heads[0][-1].bias.copy_(torch.tensor([-1.0, 3.0]))
        (logits,) = heads([torch.rand(2, 4, 5, 5)], torch.tensor([1.0, 0.0]))
    assert logits.shape == (2, 5, 5)
    assert [entry.unique().tolist() for entry in logits] == [[3.0], [-1.0]]


def test_heads_have_the_parameters_of_their_layers():
    widths = (24, 48, 80, 96, 96)
    each = [width * 48 + 48 + 48 * 48 * 9 + 48 + 48 * 2 + 2 for width in widths]
    assert count_parameters(FeatureHeads(widths)) == sum(each) == 121_162


def test_a_guided_preset_needs_a_teacher_that_knows_the_attribute(tmp_path):
    with pytest.raises(InputError, match="teacher"):
        guided(Recipe.of(fai), GUIDANCE, "Eyeglasses", None)
    with pytest.raises(UnknownNameError, match="Bald"):
        guided(Recipe.of(fai), GUIDANCE, "Bald", TinyTeacher())
    with pytest.raises(InputError, match="guided=false"):
        train("fai", drawn_faces(8, 64), "Eyeglasses", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_goes_on_beside_its_own_teacher_only(tmp_path):
    other = TinyTeacher()
    other.weights_sha256 = "another"
    changes = {"image_size": 16, "levels": 4, "width": 4, "max_width": 8, "d_width": 4, "d_stages": 3, "batch_size": 4}
    run = {"steps": 2, "out": tmp_path, "sample_every": 0, "overrides": changes}
    train("fai", drawn_faces(24, 16), "Eyeglasses", teacher=TinyTeacher(), **run)
    with pytest.raises(CheckpointError, match="teacher"):
        train("fai", drawn_faces(24, 16), "Eyeglasses", teacher=other, **run)


def test_the_shipped_classifier_is_a_teacher():
    teacher = load_judge("procfaces-teacher")
    images = (torch.rand(2, 3, 64, 64) * 2 - 1).requires_grad_(True)
    maps, logits = teacher.features(images)
    assert [(entry.shape[1], entry.shape[2]) for entry in maps] == list(
        zip(teacher.widths, (32, 32, 16, 8, 4), strict=True)
    )
    torch.testing.assert_close(logits, teacher.network(images)["attributes"])
    logits.sum().backward()
    assert images.grad.abs().sum() > 0
    large = teacher.features(torch.rand(1, 3, 128, 128))
    assert large[1].shape == (1, len(teacher.attribute_names))


@pytest.mark.parametrize("name", RECIPES)
def test_small_presets_are_guided_and_paper_presets_are_not(name):
    presets = RECIPES[name][0].PRESETS
    assert presets["small"].guidance.guided
    assert presets["quick"].guidance.guided
    assert not presets["paper"].guidance.guided
    assert override(presets["small"], {"guided": False}).guidance == replace(presets["small"].guidance, guided=False)
    assert math.isclose(override(presets["small"], {"lambda_keep": 0.25}).guidance.lambda_keep, 0.25)


def test_pictures_are_moved_by_whole_pixels_within_the_limit_and_mirrored_at_the_border():
    x = torch.arange(2 * 2 * 3 * 64, dtype=torch.float32).view(2, 2, 3, 8, 8)
    moved = shifted(x, 2, torch.Generator().manual_seed(3))
    assert moved.shape == x.shape
    for one, source in zip(moved, x, strict=True):
        wide = torch.nn.functional.pad(source, (2, 2, 2, 2), mode="reflect")
        places = [wide[..., top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
        assert sum(torch.equal(one, place) for place in places) == 1  # a stack moves as one
    assert torch.equal(moved, shifted(x, 2, torch.Generator().manual_seed(3)))
    assert shifted(x, 0, torch.Generator()) is x


def test_what_the_teacher_sees_moves_with_its_source_and_sends_gradients_back():
    teacher = TinyTeacher()
    recipe = guided(Recipe.of(cyclegan), replace(GUIDANCE, max_shift=3), "Eyeglasses", teacher)
    batch = make_batch()
    networks = recipe.build(MICRO_CYCLEGAN, 0)
    fakes = recipe.translate(networks, batch)
    again = shifted(torch.stack([fakes["edited"], batch.images], 1), 3, torch.Generator().manual_seed(0))
    for kind, pictures in (("fake", again[:, 0]), ("real", again[:, 1])):
        torch.testing.assert_close(fakes[f"teacher.{kind}"], teacher.features(pictures)[1])
    fakes["teacher.fake"].sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in networks["to_positive"].parameters())
