# SPDX-License-Identifier: MIT
"""Training in stages, for several attributes, in micro-batches, and until a loss is no number."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from configurations import MICRO_CHANGES
from drawn import drawn_faces
from tiny_teacher import TinyTeacher

from faceeval.errors import InputError, TrainingError
from reference_models import cyclegan, fai, training
from reference_models.guidance import HEADS, guided
from reference_models.recipe import Batch, Guidance, Recipe, Update
from reference_models.sampling import Sampler
from reference_models.training import check_attributes, train

FACES = drawn_faces(24, 16)
LABELS = np.stack([np.arange(12) % 2, np.arange(12) // 9], axis=1).astype(np.uint8)  # 6 and 6; 9 and 3


def many_batch(aids=None):
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 2)
    attributes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    return Batch(images, attributes, torch.tensor([0, 1, 0, 1]), 2, torch.Generator(), aids=aids or {})


def test_a_batch_knows_what_each_image_was_drawn_for_and_what_an_edit_aims_at():
    batch = many_batch()
    assert batch.labels.tolist() == [0, 0, 1, 1]
    assert batch.targets.tolist() == [[1, 1], [1, 1], [0, 0], [1, 0]]
    assert batch.negatives[:, 0, 0, 0].tolist() == [0, 1]
    assert batch.positives[:, 0, 0, 0].tolist() == [2, 3]


def test_a_part_of_a_batch_keeps_its_halves_and_its_aids():
    part = many_batch({"landmarks": torch.arange(4.0)[:, None]}).only(torch.tensor([1, 2, 3]))
    assert part.n_negatives == 1
    assert part.labels.tolist() == [0, 1, 1]
    assert part.aids["landmarks"][:, 0].tolist() == [1, 2, 3]


def test_the_batch_of_one_attribute_aims_at_its_contrary():
    batch = Batch.of(torch.zeros(1, 3, 2, 2), torch.ones(2, 3, 2, 2), torch.Generator())
    assert batch.labels.tolist() == [0, 1, 1]
    assert batch.targets[:, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("oversampled", [True, False])
def test_attributes_take_turns_and_every_image_is_of_the_class_it_was_drawn_for(oversampled):
    sampler = Sampler(LABELS, seed=0, oversampled=oversampled)
    seen = np.zeros(2, int)
    for step in range(6):
        draw = sampler.draw(step, 6)
        values = LABELS[draw.indices, draw.places]
        assert draw.n_negatives == 3
        assert values.tolist() == [0, 0, 0, 1, 1, 1]
        seen += np.bincount(draw.places, minlength=2)
    assert seen.tolist() == [18, 18]


def test_two_processes_share_the_walk_of_one():
    sampler = Sampler(LABELS, seed=3, oversampled=False)
    alone = sampler.draw(0, 8)
    parts = [sampler.draw(0, 4, rank=rank, world=2) for rank in (0, 1)]
    both = np.concatenate([part.indices[:2] for part in parts] + [part.indices[2:] for part in parts])
    np.testing.assert_array_equal(both, alone.indices)


def test_uniform_sampling_shows_every_image_once_an_epoch_negatives_first():
    sampler = Sampler(LABELS, seed=1, oversampled=False, sampling="uniform")
    seen = []
    for step in range(3):
        draw = sampler.draw(step, 4)
        values = LABELS[draw.indices, draw.places]
        assert values.tolist() == sorted(values)
        assert draw.n_negatives == (values == 0).sum()
        assert sorted(draw.places.tolist()) == [0, 0, 1, 1]
        seen += draw.indices.tolist()
    assert sorted(seen) == list(range(12))
    assert sampler.draw(3, 4).indices.tolist() != sampler.draw(0, 4).indices.tolist()


def one_weight(seed):
    return {"generator": torch.nn.Conv2d(3, 3, 1), "judge": torch.nn.Conv2d(3, 1, 1)}


def module_in_stages(log):
    """A method whose generator first learns alone, then beside a judge that descends twice as often."""

    def stage(networks, batch, fakes, config, memory):
        assert fakes == {}
        log.append("stage")
        return {"g_stage": networks["generator"](batch.images).square().mean()}

    def judge(networks, batch, fakes, config, memory):
        log.append("judge")
        return {"d": networks["judge"](fakes["edited"].detach()).square().mean()}

    def generate(networks, batch, fakes, config, memory):
        log.append("generate")
        return {"g": networks["judge"](fakes["edited"]).square().mean()}

    def translate(networks, batch):
        log.append("translate")
        return {"edited": networks["generator"](batch.images)}

    def schedule(config, step):
        if step < 2:
            return {"stage": 1.0}
        return {"judge": 1.0, "generate": 0.5} if step % 2 else {"judge": 1.0}

    return SimpleNamespace(
        PRESETS={"small": replace(cyclegan.SMALL, image_size=16, guidance=Guidance())},
        build=lambda config, seed: one_weight(seed),
        translate=translate,
        UPDATES={
            "stage": Update(("generator",), stage, translates=False),
            "judge": Update(("judge",), judge),
            "generate": Update(("generator",), generate),
        },
        AVERAGED=("generator",),
        OVERSAMPLED=False,
        warmup_loss=stage,
        preview=lambda networks, images, labels: images,
        as_method=lambda networks, config, attribute: None,
        schedule=schedule,
    )


def test_a_schedule_decides_which_updates_run_and_stages_are_not_translated_for(tmp_path, monkeypatch):
    log = []
    monkeypatch.setattr(training, "module_of", lambda method: module_in_stages(log))
    train("staged", FACES, "Eyeglasses", out=tmp_path, steps=6, sample_every=0, overrides={"batch_size": 4})
    with_generator, without = ["translate", "judge", "generate"], ["translate", "judge"]
    assert log == ["stage"] * 2 + without + with_generator + without + with_generator


def test_guidance_joins_what_translates_only():
    recipe = Recipe.of(module_in_stages([]))
    added = guided(recipe, Guidance(guided=True, lambda_same=1.0), "Eyeglasses", TinyTeacher())
    assert added.updates["stage"] == recipe.updates["stage"]
    assert added.updates["judge"].networks == ("judge", HEADS)
    batch = Batch.of(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.Generator())
    networks = added.build(None, 0)
    fakes = added.translate(networks, batch)
    terms = added.updates["generate"].loss(networks, batch, fakes, None, {})
    assert {"g", "g_same", "g_teacher_class"} <= set(terms)


def test_guidance_of_a_part_of_the_batch_looks_at_that_part():
    plain = Recipe.of(module_in_stages([]))
    rows = torch.tensor([2, 3])
    part = replace(plain, translate=lambda networks, batch: {"edited": batch.images[rows], "rows": rows})
    recipe = guided(part, Guidance(guided=True, lambda_same=1.0, max_shift=2), "Eyeglasses", TinyTeacher())
    batch = Batch.of(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.Generator().manual_seed(0))
    networks = recipe.build(None, 0)
    fakes = recipe.translate(networks, batch)
    assert fakes["teacher.fake"].shape[0] == 2
    assert fakes["teacher.real"].shape[0] == 4
    torch.testing.assert_close(fakes["teacher.fake"], fakes["teacher.real"][rows])  # moved alike
    terms = recipe.updates["generate"].loss(networks, batch, fakes, None, {})
    assert terms["g_same"] == 0
    assert terms["g_teacher_keep"] == 0


def test_guidance_of_several_attributes_asks_each_image_about_its_own():
    recipe = guided(Recipe.of(fai), Guidance(guided=True), ("Eyeglasses", "Young"), TinyTeacher())
    teacher, images = TinyTeacher(), torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    places, labels = torch.tensor([0, 1, 0, 1]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    attributes = labels[:, None].expand(4, 2)
    batch = Batch(images, attributes, places, 2, torch.Generator().manual_seed(0))
    networks = recipe.build(replace(fai.SMALL, image_size=16, levels=3, d_stages=3), 0)
    networks["generator"] = torch.nn.Identity()
    fakes = recipe.translate(networks, batch)
    columns = [teacher.attribute_names.index(name) for name in ("Eyeglasses", "Young")]
    logits = teacher.features(images)[1]
    own = torch.stack([logits[row, columns[place]] for row, place in enumerate(places.tolist())])
    config = replace(fai.SMALL, image_size=16)
    terms = recipe.updates["generator"].loss(networks, batch, fakes, config, {})
    expected = torch.nn.functional.binary_cross_entropy_with_logits(own, 1 - labels)
    assert terms["g_teacher_class"].item() == pytest.approx(0.1 * expected.item(), rel=1e-5)
    assert networks[HEADS].heads[0][-1].out_channels == 4


def test_a_method_of_one_attribute_is_given_one():
    assert check_attributes("fai", "Young") == ("Young",)
    for wrong in ((), ("Young", "Male"), ("Young", "Young")):
        with pytest.raises(InputError, match="one attribute"):
            check_attributes("fai", wrong)


def poisoned(monkeypatch, at):
    """Makes the loss of the generator NaN at one step."""
    plain, calls = fai.generator_loss, []

    def loss(*arguments):
        calls.append(1)
        terms = plain(*arguments)
        return {**terms, "g_cycle": terms["g_cycle"] * float("nan")} if len(calls) == at else terms

    monkeypatch.setitem(fai.UPDATES, "generator", Update(("generator",), loss))


def test_training_stops_at_a_loss_that_is_no_number_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    options = {"steps": 8, "sample_every": 0, "checkpoint_every": 2, "teacher": TinyTeacher()}
    options["overrides"] = {**MICRO_CHANGES["fai"]}
    whole = train("fai", FACES, "Eyeglasses", out=tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        poisoned(patch, at=5)
        with pytest.raises(TrainingError, match=r"step 5\n.*g_cycle = nan"):
            train("fai", FACES, "Eyeglasses", out=tmp_path / "broken", **options)
    assert not list((tmp_path / "broken").glob("*.safetensors"))
    again = train("fai", FACES, "Eyeglasses", out=tmp_path / "broken", **options)
    assert again.read_bytes() == whole.read_bytes()


def test_weights_that_are_no_numbers_never_reach_a_checkpoint(tmp_path, monkeypatch):
    def steps_into_nothing(networks, batch, fakes, config, memory):
        weight = next(networks["discriminator"].parameters())
        return {"d": (weight * 0).sqrt().sum()}  # finite, with an infinite slope

    monkeypatch.setitem(fai.UPDATES, "discriminator", Update(("discriminator",), steps_into_nothing))
    with pytest.raises(TrainingError, match="finite"):
        train(
            "fai",
            FACES,
            "Eyeglasses",
            out=tmp_path,
            steps=1,
            sample_every=0,
            overrides={**MICRO_CHANGES["fai"], "guided": False},
        )
    assert not (tmp_path / "checkpoint").exists()
