# SPDX-License-Identifier: MIT
"""Fused rectifiers change no number, and stand aside where gradients are wanted or torch cannot fuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from faceeval.judges import fusing
from faceeval.judges.fusing import ConvRelu, can_fuse, fuse_rectifiers


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, **options: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, **options)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(Block(3, 8, stride=2), nn.Sequential(Block(8, 8, padding=1), nn.MaxPool2d(2))).eval()


def test_every_block_is_replaced_and_no_number_moves() -> None:
    plain, fused = network(), fuse_rectifiers(network(), Block)
    assert sum(isinstance(module, ConvRelu) for module in fused.modules()) == 2
    assert not any(isinstance(module, Block) for module in fused.modules())
    x = torch.randn(4, 3, 33, 21)
    for layout in (torch.contiguous_format, torch.channels_last):
        with torch.inference_mode():
            given = x.contiguous(memory_format=layout)
            torch.testing.assert_close(fused(given), plain(given), rtol=1e-6, atol=1e-6)


def test_gradients_still_flow() -> None:
    x = torch.randn(2, 3, 17, 17, requires_grad=True)
    fuse_rectifiers(network(), Block)(x).sum().backward()
    found = x.grad
    assert found is not None
    x.grad = None
    network()(x).sum().backward()
    torch.testing.assert_close(found, x.grad)


def test_asking_leaves_chance_alone() -> None:
    can_fuse.cache_clear()
    before = torch.get_rng_state()
    can_fuse()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_torch_that_cannot_fuse_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Tensor:
        raise AttributeError("no such operation")

    can_fuse.cache_clear()
    monkeypatch.setattr(fusing, "_in_one_pass", missing)
    x = torch.randn(2, 3, 17, 17)
    with torch.inference_mode():
        assert not can_fuse()
        torch.testing.assert_close(fuse_rectifiers(network(), Block)(x), network()(x))
    can_fuse.cache_clear()
