# SPDX-License-Identifier: MIT
"""The smallest change of an image that brings a distance below a limit: Carlini and Wagner's descent, batched.

Each image has its own weight, step size and end: what happens to it does not depend on the others in its batch, beyond
the rounding of the network. Images that are done leave the batch, so the network works for the others only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

RIM = 0.49 / 255  # the box reaches so far beyond black and white: they can move, and still round to black and white
FACTOR = 10.0  # of the weight, until both a weight that suffices and one that does not are known
CLOSE = 1.5  # ratio of these two at which the search ends
CHECK = 10  # steps between two looks at the progress
STALLED = 0.99  # an image whose loss fell by less than 1 % since the last look halves its step
SMALLEST_STEP = 1 / 64  # of the first step: where an image stops
DECAY, DECAY_SQUARED, EPS = 0.9, 0.999, 1e-8  # Adam's usual constants
PLANES = 24  # tangent planes the nearest point is sought on, one after another
TURN = 0.2  # share of the way to the nearest point of a plane; all of it would overshoot where the limit is curved
CLIPPINGS = 4  # rounds in which the other pixels make up for those that reached black or white
REACH = 1.25  # that point may have to be moved so much farther from the source to lie below the limit
HALVINGS = 16  # of the interval of this last move: leaves 2e-5 of the length


@dataclass(frozen=True)
class AttackBudget:
    """How much work an image may cost. An image stops earlier where nothing more is gained, as most do.

    Attributes:
        search_steps: Most weights of the constraint tried, at least 1.
        steps: Most gradients taken for one weight, at least 1.
        step_size: First step, above 0, in units of the hyperbolic arc tangent of a pixel (0.01 is 1.3 grey levels).
    """

    search_steps: int = 9
    steps: int = 50
    step_size: float = 0.01


@dataclass
class Search:
    """What is known of each image, one row in every tensor; ``smallest_change`` returns it.

    Attributes:
        index: Row in the batch, (N,).
        origin: Source image, (N, 3, H, W), 0..1.
        limit: What the distance must stay below, (N,).
        best: Nearest image found below the limit, or the source.
        norm: Its squared distance in pixels from the source, infinite where none was found.
        spent: Gradients taken.
        point: Where the descent stands, before the hyperbolic tangent.
        first: Adam's mean of the gradients.
        second: Adam's mean of their squares.
        weight: Weight of the constraint now.
        low: Largest weight that did not suffice.
        high: Smallest that did.
        found: Whether this weight has sufficed.
        step: Step size now.
        loss: Loss at the last look.
    """

    index: Tensor
    origin: Tensor
    limit: Tensor
    best: Tensor
    norm: Tensor
    spent: Tensor
    point: Tensor
    first: Tensor
    second: Tensor
    weight: Tensor
    low: Tensor
    high: Tensor
    found: Tensor
    step: Tensor
    loss: Tensor

    def take(self, rows: Tensor) -> Search:
        """Returns the rows of some images."""
        return Search(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def put(self, rows: Search) -> None:
        """Writes rows back to where ``take`` found them."""
        for field in fields(self):
            getattr(self, field.name)[rows.index] = getattr(rows, field.name)


def smallest_change(
    distance: Callable[[Tensor, Tensor], Tensor], source: Tensor, limit: Tensor, budget: AttackBudget
) -> Search:
    """Searches for each image the smallest change, in L2, that brings its distance below its limit.

    Minimises ``|r|^2 + c * max(0, distance - limit)`` by Adam, with the image as a hyperbolic tangent so that it stays
    in its box, and searches c: too small a weight never gets below the limit, too large a one oscillates around it.
    Each weight starts where the last one ended. ``nearest_point`` then removes what the oscillation left.

    Args:
        distance: Takes images (B, 3, H, W), 0..1, and their rows (B,), returns (B,), differentiable in the images.
        source: Source images, (N, 3, H, W), 0..1.
        limit: What each distance must stay below, (N,).
        budget: How much work to spend.

    Returns:
        All rows; ``norm`` is infinite where nothing was found.
    """
    import torch

    search = _start(source, limit, budget)
    under_way = search.index
    for _ in range(budget.search_steps):
        _descend(distance, search, search.take(under_way), budget)
        under_way = under_way[_next_weight(search, under_way, budget.step_size)]
        if not len(under_way):
            break
    # where no weight brought it below the limit, the tangent planes may still lead there
    start = torch.where(_wide(search.norm.isfinite()), search.best, _to_box(search.point))
    images, met = nearest_point(distance, search.index, source, start, limit)
    norm = (images - source).square().flatten(1).sum(1)
    better = met & (norm < search.norm)
    search.best = torch.where(_wide(better), images, search.best)
    search.norm = torch.where(better, norm, search.norm)
    search.spent += PLANES
    return search


def nearest_point(
    distance: Callable[[Tensor, Tensor], Tensor], index: Tensor, source: Tensor, start: Tensor, limit: Tensor
) -> tuple[Tensor, Tensor]:
    """Moves images to the nearest point to their sources that lies below the limit, as far as the start lets see.

    The surface of the limit is taken for its tangent plane again and again; at the end the point is moved along the
    straight line from its source to where the limit really is.

    Args:
        distance: As for smallest_change.
        index: Rows of these images, (B,), for ``distance``.
        source: Source images, (B, 3, H, W), 0..1.
        start: Images to start from, near the limit.
        limit: What each distance must stay below, (B,).

    Returns:
        The images, and whether they are below the limit, (B,); ``PLANES`` gradients were taken.
    """
    import torch

    change = start - source
    turn, last = torch.full_like(limit, TURN), torch.full_like(limit, torch.inf)
    for _ in range(PLANES):
        images = (source + change).requires_grad_()
        value = distance(images, index)
        (normal,) = torch.autograd.grad(value.sum(), images)
        with torch.no_grad():
            ahead = _nearest_on_plane(source, change, normal, value - limit) - change
            size = ahead.flatten(1).norm(dim=1)
            turn, last = torch.where(size > last, turn / 2, turn), size
            change = change + _wide(turn) * ahead
    with torch.no_grad():
        near, far = torch.zeros_like(limit), torch.full_like(limit, REACH)
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            below = distance((source + _wide(middle) * change).clamp(0, 1), index) < limit
            near, far = torch.where(below, near, middle), torch.where(below, middle, far)
        images = (source + _wide(far) * change).clamp(0, 1)
        return images, distance(images, index) < limit


def _nearest_on_plane(source: Tensor, change: Tensor, normal: Tensor, excess: Tensor) -> Tensor:
    """Returns the smallest change that leads onto the limit's tangent plane and stays in the box."""
    import torch

    square = normal.square()
    total = square.flatten(1).sum(1).clamp(min=torch.finfo(square.dtype).tiny)
    wanted = (normal * change).flatten(1).sum(1) - excess
    share = wanted / total
    for _ in range(CLIPPINGS):
        moved = source + _wide(share) * normal
        free = (square * (moved == moved.clamp(0, 1))).flatten(1).sum(1)
        missing = wanted - (normal * (moved.clamp(0, 1) - source)).flatten(1).sum(1)
        share = share + missing / torch.maximum(free, 1e-3 * total)
    return (source + _wide(share) * normal).clamp(0, 1) - source


def _start(source: Tensor, limit: Tensor, budget: AttackBudget) -> Search:
    import torch

    point = torch.atanh((source - 0.5) / (0.5 + RIM))
    one = torch.ones_like(limit)
    return Search(
        index=torch.arange(len(source), device=source.device),
        origin=source,
        limit=limit,
        best=source.clone(),
        norm=one * torch.inf,
        spent=torch.zeros(len(source), dtype=torch.int64, device=source.device),
        point=point,
        first=torch.zeros_like(point),
        second=torch.zeros_like(point),
        weight=one.clone(),
        low=0 * one,
        high=one * torch.inf,
        found=torch.zeros(len(source), dtype=torch.bool, device=source.device),
        step=one * budget.step_size,
        loss=one * torch.inf,
    )


def _descend(distance: Callable[[Tensor, Tensor], Tensor], search: Search, rows: Search, budget: AttackBudget) -> None:
    """Descends for each image at its weight until it stalls, and writes what came of it back to the search."""
    import torch

    for count in range(1, budget.steps + 1):
        point = rows.point.requires_grad_()
        images = _to_box(point)
        change = (images - rows.origin).square().flatten(1).sum(1)
        excess = distance(images, rows.index) - rows.limit
        loss = (change + rows.weight * excess.clamp(min=0)) / (1 + rows.weight)
        (gradient,) = torch.autograd.grad(loss.sum(), point)
        with torch.no_grad():
            rows.point = point.detach()
            _keep_best(rows, images.detach(), change, excess)
            _adam(rows, gradient)
            if count % CHECK == 0:
                stalled = ~(loss < STALLED * rows.loss)
                rows.step = torch.where(stalled, rows.step / 2, rows.step)
                rows.loss = loss
                going = rows.step > SMALLEST_STEP * budget.step_size
                if not going.all():
                    search.put(rows.take(~going))
                    rows = rows.take(going)
        if not len(rows.index):
            return
    search.put(rows)


def _to_box(point: Tensor) -> Tensor:
    """Returns images in 0..1; a pixel in the rim counts as black or white, and keeps its gradient to come back."""
    images = 0.5 + (0.5 + RIM) * point.tanh()
    return images + (images.clamp(0, 1) - images).detach()


def _keep_best(rows: Search, images: Tensor, change: Tensor, excess: Tensor) -> None:
    import torch

    below = excess < 0
    better = below & (change < rows.norm)
    rows.found = rows.found | below
    rows.norm = torch.where(better, change, rows.norm)
    rows.best = torch.where(_wide(better), images, rows.best)


def _adam(rows: Search, gradient: Tensor) -> None:
    import torch

    rows.spent += 1
    rows.first.lerp_(gradient, 1 - DECAY)
    rows.second.lerp_(gradient.square(), 1 - DECAY_SQUARED)
    spent = rows.spent.to(gradient.dtype)
    rate = rows.step * torch.sqrt(1 - DECAY_SQUARED**spent) / (1 - DECAY**spent)
    rows.point = rows.point - _wide(rate) * rows.first / (rows.second.sqrt() + EPS)


def _next_weight(search: Search, rows: Tensor, first_step: float) -> Tensor:
    """Moves the weight of each image between those known; returns which images have another one to try."""
    import torch

    weight, found = search.weight[rows], search.found[rows]
    low = torch.where(found, search.low[rows], weight)
    high = torch.where(found, weight, search.high[rows])
    search.low[rows], search.high[rows] = low, high
    known = torch.where(low > 0, (low * high).sqrt(), high / FACTOR)
    search.weight[rows] = torch.where(high.isinf(), low * FACTOR, known)
    # an image that stalled far above its limit has a long way to go under a larger weight
    search.step[rows] = torch.where(high.isinf(), first_step, search.step[rows])
    search.found[rows] = False
    search.loss[rows] = torch.inf
    return high > CLOSE * low


def _wide(values: Tensor) -> Tensor:
    """Returns one value an image, (N,), in a shape that multiplies images."""
    return values[:, None, None, None]
