# SPDX-License-Identifier: MIT
"""The probes' classifier: it learns what it should, from its seed alone, and leaves the caller's torch as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from faceeval.errors import InputError
from faceeval.metrics import MLPSettings, class_weights
from faceeval.metrics.mlp import _logits, class_probabilities, standardised, whole_numbers

SMALL = MLPSettings(hidden=(12,), epochs=3, batch=16)


def blobs(seed=0, n=60, counts=(0.5, 0.3, 0.2)):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), (n * np.array(counts)).round().astype(int))
    return rng.standard_normal((len(labels), 4)) + 1.2 * np.eye(4)[labels], labels


def test_equal_seeds_equal_bits_and_global_state_untouched():
    rows, labels = blobs()
    before = torch.get_rng_state()
    first, again = (class_probabilities(rows, labels, [rows], SMALL, seed=3)[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, class_probabilities(rows, labels, [rows], SMALL, seed=4)[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_whoever_listens_after_each_epoch_hears_what_a_shorter_training_gives():
    rows, labels = blobs()
    heard: list[np.ndarray] = []
    whole = class_probabilities(rows, labels, [rows], SMALL, seed=3, after_epoch=lambda found: heard.append(found[0]))
    assert len(heard) == SMALL.epochs
    assert np.array_equal(whole[0], class_probabilities(rows, labels, [rows], SMALL, seed=3)[0])
    for epochs, found in enumerate(heard, 1):
        assert np.array_equal(
            found, class_probabilities(rows, labels, [rows], replace(SMALL, epochs=epochs), seed=3)[0]
        )


@pytest.mark.parametrize("inside", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")])
def test_trains_wherever_it_is_called(inside):
    rows, labels = blobs()
    outside = class_probabilities(rows, labels, [rows], SMALL, seed=0)[0]
    with inside():
        assert np.array_equal(class_probabilities(rows, labels, [rows], SMALL, seed=0)[0], outside)


@pytest.mark.parametrize("weighted", [False, True])
def test_without_hidden_layers_it_becomes_logistic_regression(weighted):
    linear_model = pytest.importorskip("sklearn.linear_model")
    rows, labels = blobs()
    settings = MLPSettings(hidden=(), epochs=700, batch=len(rows), learning_rate=0.05)
    weights = class_weights(labels) if weighted else None
    ours = class_probabilities(rows, labels, [rows], settings, seed=0, weights=weights)[0]
    model = linear_model.LogisticRegression(C=1e9, class_weight="balanced" if weighted else None, max_iter=5000)
    theirs = model.fit(rows, labels).predict_proba(rows)
    # two optimisers at the same minimum: theirs stops at a gradient of 1e-4, ours after a number of steps
    assert np.abs(ours - theirs).max() < 2e-3


def test_scale_of_the_weights_does_not_matter():
    rows, labels = blobs()
    weights = class_weights(labels)
    one, other = (class_probabilities(rows, labels, [rows], SMALL, 0, w)[0] for w in (weights, 64 * weights))
    assert one == pytest.approx(other, abs=1e-12)


def test_probabilities_sum_to_one_and_blocks_do_not_show(monkeypatch):
    rows, labels = blobs()
    whole = class_probabilities(rows, labels, [rows, rows[:7]], SMALL, seed=0)
    assert whole[0].shape == (60, 3)
    assert whole[0].sum(axis=1) == pytest.approx(np.ones(60))
    assert whole[1] == pytest.approx(whole[0][:7], abs=1e-14)  # another batch size sums in another order
    monkeypatch.setattr("faceeval.metrics.mlp.ROWS_AT_ONCE", 11)
    assert class_probabilities(rows, labels, [rows], SMALL, seed=0)[0] == pytest.approx(whole[0], abs=1e-14)


def test_no_dropout_is_another_training():
    rows, labels = blobs()
    dry = MLPSettings(hidden=(12,), epochs=3, batch=16, dropout=0.0)
    values = [class_probabilities(rows, labels, [rows], s, seed=0)[0] for s in (SMALL, dry)]
    assert np.abs(values[0] - values[1]).max() > 1e-4


def test_standardised_by_training_images_only():
    train = np.array([[1.0, 0.1, 5.0], [3.0, 0.1, 5.0]])
    first, other = standardised(train, np.array([[5.0, 0.2, 4.0]]))
    assert first.tolist() == [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert other == pytest.approx(np.array([[3.0, 0.1, -1.0]]))


@pytest.mark.parametrize(
    "bad",
    [
        {"hidden": (0,)},
        {"hidden": (2.5,)},
        {"linear": (-1,)},
        {"epochs": 0},
        {"batch": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
    ],
)
def test_senseless_settings(bad):
    with pytest.raises(InputError):
        MLPSettings(**{"hidden": (4,), "epochs": 1, "batch": 1, **bad})


@pytest.mark.parametrize("bad", [[0.5], [], [np.nan], [[1, 2]], [2.0**60]])
def test_no_whole_numbers(bad):
    with pytest.raises(InputError):
        whole_numbers("labels", bad)


def test_dropout_keeps_the_mean_and_is_left_out_of_verdicts():
    layers = [(torch.eye(50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)) for _ in range(2)]
    rows, wide = torch.ones(400, 50, dtype=torch.float64), MLPSettings(hidden=(50,), epochs=1, batch=1, dropout=0.2)
    dropped = _logits(rows, layers, wide, torch.Generator().manual_seed(0))
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.015)  # four standard errors of 20,000 draws
    assert torch.equal(_logits(rows, layers, wide), rows)
