# SPDX-License-Identifier: MIT
"""Adversarial images that survive being saved: the fewest and smallest steps of a grey level that keep a distance low.

A perturbation is often less than half a grey level in most pixels; rounding wipes it out there. Aiming lower before
rounding brings it back at the price of a larger change everywhere. Moving single pixels by whole levels, those first
that gain most for what they cost, costs less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

WHITE = 255
ROUNDS = 16  # of moving pixels; three to ten are usual
GREED = 1.5  # how much more than a linear view asks for is aimed at
PUSH = 0.002  # of the limit, added each round: ends the approach from above


def round_to_levels(
    distance: Callable[[Tensor, Tensor], Tensor], source: Tensor, images: Tensor, limit: Tensor
) -> tuple[Tensor, Tensor]:
    """Rounds images to 256 levels and moves pixels by whole levels until the distance is below the limit again.

    A pixel ``k`` levels from its source costs ``2k + 1`` in the squared norm to move on; it gains what the gradient
    says. The best ratios come first, as many as needed, in rounds of one gradient. Moving back saves norm, but counts
    no better than the cheapest move: taken first, the many pixels whose gradient is next to nothing would go home all
    at once, and in a curved network the distance rises with every such round.

    Args:
        distance: Takes images (B, 3, H, W), 0..1, and their rows (B,), returns (B,), differentiable in the images.
        source: Source images, whole levels divided by 255, (N, 3, H, W).
        images: Images to round, (N, 3, H, W), 0..1.
        limit: What each distance must stay below, (N,).

    Returns:
        The rounded images, and how many gradients each took, (N,), int64. Some may still be above their limit.
    """
    import torch

    levels = (images * WHITE).round()
    spent = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    rows = torch.arange(len(images), device=images.device)
    for count in range(1, ROUNDS + 1):
        point = (levels[rows] / WHITE).requires_grad_()
        value = distance(point, rows)
        above = value >= limit[rows]
        rows, value = rows[above], value[above]
        if not len(rows):
            break
        (gradient,) = torch.autograd.grad(value.sum(), point)
        spent[rows] += 1
        need = GREED * (value.detach() - limit[rows]) + PUSH * count * limit[rows]
        levels[rows] = _moved(levels[rows], (source[rows] * WHITE).round(), gradient[above], need)
    return levels / WHITE, spent


def _moved(levels: Tensor, source: Tensor, gradient: Tensor, need: Tensor) -> Tensor:
    """Moves in each image the pixels that lower the distance by ``need`` at the least cost, as the gradient sees it."""
    import torch

    way = -gradient.sign()
    moved = levels + way
    gain = (gradient.abs() / WHITE) * ((moved >= 0) & (moved <= WHITE))
    cost = (moved - source).square() - (levels - source).square()
    order = (gain / cost.clamp(min=1)).flatten(1).argsort(dim=1, descending=True, stable=True)
    gains = gain.flatten(1).gather(1, order)
    before = gains.cumsum(1) - gains
    chosen = torch.zeros_like(gains).scatter(1, order, ((before < need[:, None]) & (gains > 0)).to(gains.dtype))
    return levels + way * chosen.view_as(levels)
