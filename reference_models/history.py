# SPDX-License-Identifier: MIT
"""A history of made pictures for discriminators to look back at."""

from __future__ import annotations

import torch
from torch import Tensor


def from_history(memory: dict[str, Tensor], name: str, made: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Exchanges newly made pictures with a pool of older ones (Shrivastava et al. 2017; section 4).

    While the pool fills, every picture is stored and shown. Once it is full, with probability one half a random
    stored picture is shown and the new one takes its place, else the new one is shown.

    Args:
        memory: Holds the pool under ``name``, (n <= size, 3, S, S); changed in place.
        name: Which pool.
        made: New pictures without gradient, (N, 3, S, S).
        size: Most pictures kept; 0 shows the new ones.
        generator: Source of chance, on the CPU.

    Returns:
        Pictures to show, (N, 3, S, S).
    """
    if size == 0:
        return made
    pool = memory.get(name, made[:0]).clone()
    shown = []
    for picture in made:
        if len(pool) < size:
            pool = torch.cat([pool, picture[None]])
            shown.append(picture)
        elif torch.rand((), generator=generator) < 0.5:
            place = int(torch.randint(size, (), generator=generator))
            shown.append(pool[place].clone())
            pool[place] = picture
        else:
            shown.append(picture)
    memory[name] = pool
    return torch.stack(shown)
