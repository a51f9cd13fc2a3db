# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_models.blocks import mirror, some
from reference_models.cyclegan import from_history
from reference_models.images import in_batches, to_signed, to_uint8
from reference_models.sampling import Sampler, chance, oversample

LABELS = np.array([0] * 7 + [1] * 3, np.uint8)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_oversampling_balances_and_loses_nothing(zeros, ones, epoch):
    labels = np.array([0] * zeros + [1] * ones, np.uint8)
    negatives, positives = oversample(labels, seed=3, epoch=epoch)
    assert len(negatives) == len(positives) == max(zeros, ones)
    for value, drawn, size in ((0, negatives, zeros), (1, positives, ones)):
        assert (labels[drawn] == value).all()
        copies = np.unique(drawn, return_counts=True)[1]
        assert len(copies) == size
        assert copies.max() - copies.min() <= 1


def test_oversampling_is_a_function_of_seed_and_epoch():
    first = oversample(LABELS, seed=1, epoch=0)
    assert all((a == b).all() for a, b in zip(first, oversample(LABELS, seed=1, epoch=0), strict=True))
    assert any((a != b).any() for a, b in zip(first, oversample(LABELS, seed=1, epoch=1), strict=True))
    assert any((a != b).any() for a, b in zip(first, oversample(LABELS, seed=2, epoch=0), strict=True))


def halves(sampler, *step, **processes):
    draw = sampler.draw(*step, **processes)
    return draw.indices[: draw.n_negatives], draw.indices[draw.n_negatives :]


@pytest.mark.parametrize("oversampled", [True, False])
def test_batches_hold_both_classes_and_an_epoch_holds_everything(oversampled):
    sampler = Sampler(LABELS, seed=0, oversampled=oversampled)
    drawn = [halves(sampler, step, 2) for step in range(7)]
    negatives, positives = (np.concatenate([pair[side] for pair in drawn]) for side in (0, 1))
    assert sorted(negatives) == list(range(7))
    assert set(positives) == {7, 8, 9}
    again = halves(Sampler(LABELS, seed=0, oversampled=oversampled), 5, 2)
    assert all((a == b).all() for a, b in zip(again, drawn[5], strict=True))


def test_processes_share_one_walk_without_overlap():
    sampler = Sampler(LABELS, seed=0, oversampled=True)
    alone = [halves(sampler, step, 4)[0] for step in range(3)]
    together = [halves(sampler, 0, 4, rank=rank, world=3)[0] for rank in range(3)]
    assert np.array_equal(np.concatenate(alone), np.concatenate(together))


def test_chance_differs_between_steps_and_processes():
    values = {torch.rand((), generator=chance(*key)).item() for key in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0))}
    assert len(values) == 4
    assert torch.equal(torch.rand(3, generator=chance(5, 6, 7)), torch.rand(3, generator=chance(5, 6, 7)))


def test_history_returns_only_what_was_made_and_stays_small():
    memory, generator = {}, torch.Generator().manual_seed(0)
    shown = []
    for step in range(40):
        made = torch.full((3, 1, 2, 2), 0.0) + torch.arange(3 * step, 3 * step + 3)[:, None, None, None]
        result = from_history(memory, "positive", made, 10, generator)
        assert result.shape == made.shape
        assert len(memory["positive"]) <= 10
        assert result.max() <= 3 * step + 2
        shown.append(result)
    values = torch.stack(shown)[:, :, 0, 0, 0]
    assert torch.equal(values, values.round())
    late, newest = values[10:], torch.arange(30, 120).reshape(30, 3)
    old = (late != newest).float().mean()
    assert 0.3 < old < 0.7  # shown from the history with probability one half


def test_history_shows_the_newest_while_it_fills_and_when_off():
    memory, made = {}, torch.rand(4, 3, 2, 2)
    assert torch.equal(from_history(memory, "a", made, 4, torch.Generator()), made)
    assert torch.equal(memory["a"], made)
    assert torch.equal(from_history({}, "a", made, 0, torch.Generator()), made)


def test_every_grey_level_survives_the_trip():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(to_signed(levels)), levels)
    assert to_signed(levels).aminmax() == (-1, 1)


def test_floats_are_clipped_and_rounded_never_truncated():
    values = torch.tensor([-9.0, -1.0, 0.999 / 127.5 - 1, 0.49 / 127.5 - 1, 0.51 / 127.5 - 1, 1.0, 9.0])
    assert to_uint8(values).tolist() == [0, 0, 1, 0, 1, 255, 255]


def test_batched_application_equals_one_batch():
    images = torch.randint(0, 256, (123, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(to_uint8(in_batches(lambda x: x, images)), images)


def test_mirroring_mirrors_about_half():
    images = torch.rand(200, 1, 2, 3)
    mirrored = mirror(images, some(len(images), torch.Generator().manual_seed(0)))
    changed = (mirrored != images).flatten(1).any(1)
    assert 70 < changed.sum() < 130
    assert torch.equal(mirrored[changed], images[changed].flip(3))
