# SPDX-License-Identifier: MIT
"""Limited-memory BFGS for many small problems at once, each with a memory and a step length of its own.

Nocedal and Wright, "Numerical Optimization", 2nd edition: algorithm 7.4 for the direction, algorithm 3.1 for the
length. torch's own takes a batch for one problem, so that an image would come out otherwise beside other images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ENOUGH = 1e-4  # share of the decrease that the slope promises which a step must bring (Armijo)
HALVINGS = 12  # of a step before an image is left where it is
Function = Callable[[Tensor, Tensor], Tensor]


def minimise(
    function: Function,
    start: Tensor,
    steps: int,
    *,
    history: int = 10,
    first_move: float = 0.1,
    trace: list[Tensor] | None = None,
) -> Tensor:
    """Descends N functions together; no value ever grows.

    Args:
        function: (x (n, ...), rows int64 (n,)) -> values (n,), differentiable; a value depends on its own row alone.
        start: Where each begins, (N, ...).
        steps: Steps of each; one gradient a step, and one more for each time a step is halved.
        history: Pairs of differences that are remembered.
        first_move: Largest change of any number in the first step, which no curvature is known for.
        trace: Gets the values (N,) at the start and after each step.

    Returns:
        The last x, (N, ...).
    """
    shape, x = start.shape, start.flatten(1)
    rows = torch.arange(len(x), device=x.device)

    def slope_of(point: Tensor, these: Tensor) -> tuple[Tensor, Tensor]:
        moved = point.view(-1, *shape[1:]).detach().requires_grad_(True)
        values = function(moved, these)
        (slope,) = torch.autograd.grad(values.sum(), moved)
        return values.detach(), slope.flatten(1)

    values, slope = slope_of(x, rows)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    scale = first_move / slope.abs().amax(1, keepdim=True).clamp(min=1e-12)
    for _ in range(steps):
        if trace is not None:
            trace.append(values)
        way = -_times_inverse(slope, pairs, scale)
        promise = _dot(way, slope)
        uphill = promise >= 0  # only rounding can make it so
        way = torch.where(uphill, -scale * slope, way)
        new_x, new_values, new_slope = _search(
            slope_of, x, values, slope, way, torch.where(uphill, _dot(way, slope), promise)
        )
        moved, turned = new_x - x, new_slope - slope
        bend = _dot(moved, turned)
        # without positive curvature, as across a kink of a ReLU, the pair is kept with no weight
        known = bend > 1e-10 * _dot(turned, turned).clamp(min=1e-20)
        inverse = torch.where(known, 1.0 / torch.where(known, bend, 1.0), 0.0)
        scale = torch.where(known, bend / _dot(turned, turned).clamp(min=1e-20), scale)
        pairs = [*pairs, (moved, turned, inverse)][-history:]
        x, values, slope = new_x, new_values, new_slope
    if trace is not None:
        trace.append(values)
    return x.view(shape)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(1, keepdim=True)


def _times_inverse(slope: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], scale: Tensor) -> Tensor:
    """Multiplies slopes (N, D) by the inverse Hessians that the pairs tell of (algorithm 7.4)."""
    way, weights = slope, []
    for moved, turned, inverse in reversed(pairs):
        weights.append(inverse * _dot(moved, way))
        way = way - weights[-1] * turned
    way = scale * way
    for (moved, turned, inverse), weight in zip(pairs, reversed(weights), strict=True):
        way = way + moved * (weight - inverse * _dot(turned, way))
    return way


def _search(
    slope_of: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    values: Tensor,
    slope: Tensor,
    way: Tensor,
    promise: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Halves each step until it brings enough (algorithm 3.1); only those still too long are asked again."""
    new_x, new_values, new_slope = x.clone(), values.clone(), slope.clone()
    waiting, length = torch.arange(len(x), device=x.device), 1.0
    for _ in range(HALVINGS):
        trial = x[waiting] + length * way[waiting]
        found, bent = slope_of(trial, waiting)
        good = found <= values[waiting] + ENOUGH * length * promise[waiting, 0]
        done = waiting[good]
        new_x[done], new_values[done], new_slope[done] = trial[good], found[good], bent[good]
        waiting, length = waiting[~good], length / 2.0
        if not len(waiting):
            break
    return new_x, new_values, new_slope
