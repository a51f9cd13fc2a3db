# SPDX-License-Identifier: MIT
"""A convolution and the rectifier after it in one pass over memory, where this build of torch can do that."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvRelu(nn.Module):
    """``relu(conv(x))``, in one pass on a CPU with oneDNN while no gradients are recorded.

    oneDNN rectifies each number before it is written: nothing is computed otherwise.

    Args:
        conv: With a bias, zero padding, and one group.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Float32 (N, C, H, W) -> (N, C', H', W')."""
        conv = self.conv
        if x.device.type != "cpu" or torch.is_grad_enabled() or not can_fuse():
            return functional.relu(conv(x), inplace=True)
        return _in_one_pass(x, conv)


@cache
def can_fuse() -> bool:
    """Returns whether oneDNN's fused operation, which torch has for its compiler, is there and does what it should."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        conv, x = nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.randn(2, 3, 9, 9)
        try:
            return torch.allclose(_in_one_pass(x, conv), functional.relu(conv(x)), atol=1e-5)
        except (RuntimeError, AttributeError, TypeError, NotImplementedError):
            return False


def fuse_rectifiers(network: nn.Module, block: type[nn.Module]) -> nn.Module:
    """Replaces, in place, each block that is a convolution, a folded normalisation and a rectifier.

    Args:
        network: Its normalisations are folded already.
        block: Class of the blocks; each holds its convolution as ``conv``.

    Returns:
        The same network.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is block:
                conv = child.conv
                assert isinstance(conv, nn.Conv2d)
                setattr(parent, name, ConvRelu(conv))
    return network


def _in_one_pass(x: Tensor, conv: nn.Conv2d) -> Tensor:
    shape = conv.padding, conv.stride, conv.dilation, conv.groups
    fused: Tensor = torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *shape, "relu", [], "")
    return fused
