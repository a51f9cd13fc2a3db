# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from faceeval.errors import CheckpointError, InputError
from reference_models.checkpoint import load_tensors
from reference_models.quantised import SCALE, SMALLEST, quantise, restore


def kernel(seed=0, spread=1.0):
    return spread * torch.randn(8, SMALLEST // 8, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 1000), st.floats(1e-6, 1e4))
def test_weights_come_back_within_half_a_step(seed, spread):
    value = kernel(seed, spread)
    found = restore(quantise({"a.weight": value}))["a.weight"]
    assert ((found - value).abs() <= value.abs().amax(1, keepdim=True) / 253).all()


def test_whole_multiples_come_back_in_every_bit():
    value = torch.arange(-127, 128).repeat(8, 40)[:, :4096].float() * torch.arange(1, 9)[:, None] / 8
    assert torch.equal(restore(quantise({"a": value}))["a"], value)
    empty = torch.zeros(8, SMALLEST // 8)
    assert torch.equal(restore(quantise({"a": empty}))["a"], empty)


def test_small_and_flat_tensors_and_counts_stay_as_they_are():
    tensors = {"bias": torch.rand(9000), "small": torch.rand(3, 3), "count": torch.ones(80, 80, dtype=torch.int64)}
    stored = quantise(tensors)
    assert stored.keys() == tensors.keys()
    assert all(torch.equal(stored[name], value) for name, value in tensors.items())
    assert quantise(quantise({"a": kernel()})).keys() == {"a", "a" + SCALE}


def test_torn_pairs_are_refused(tmp_path):
    stored = quantise({"a": kernel()})
    for torn in (
        {"a" + SCALE: stored["a" + SCALE]},
        {**stored, "a" + SCALE: torch.ones(3)},
        {**stored, "a": kernel()},
    ):
        with pytest.raises(InputError, match="int8 kernel"):
            restore(torn)
        save_file(torn, tmp_path / "torn.safetensors")
        with pytest.raises(CheckpointError, match="int8 kernel"):
            load_tensors(tmp_path / "torn.safetensors")
