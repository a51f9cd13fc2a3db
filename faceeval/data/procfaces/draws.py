# SPDX-License-Identifier: MIT
"""Chance that is a function of a name: the same number on every platform, in every order, in every release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")
_STANDARD = NormalDist()
_BLOCK = 64  # numbers per digest: most records need fewer
_DIGITS = 6  # rounding hides the last bits, in which mathematical libraries differ


class Draws:
    """An endless row of independent numbers that belongs to a key (NumPy does not promise its streams across releases).

    Args:
        key: Any text; each key has a row of its own.
    """

    def __init__(self, key: str) -> None:
        self._unit = _unit_numbers(key)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Returns a number evenly spread over [low, high]."""
        return round(low + (high - low) * next(self._unit), _DIGITS)

    def normal(self, mean: float, deviation: float, low: float, high: float) -> float:
        """Returns a number from a normal distribution cut off at low and high (``deviation`` is that of the uncut)."""
        below, above = (_STANDARD.cdf((bound - mean) / deviation) for bound in (low, high))
        unit = below + (above - below) * next(self._unit)
        value = mean + deviation * _STANDARD.inv_cdf(min(max(unit, 1e-12), 1 - 1e-12))
        return round(min(max(value, low), high), _DIGITS)

    def chance(self, probability: float) -> bool:
        """Returns True in that share of cases."""
        return next(self._unit) < probability

    def choice(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Returns one of the options, evenly or in proportion to the weights."""
        if weights is None:
            return options[int(next(self._unit) * len(options))]
        left = next(self._unit) * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]

    def seed(self) -> int:
        """Returns an integer of 31 bits for whoever makes more chance out of it."""
        return int(next(self._unit) * 2**31)


def _unit_numbers(key: str) -> Iterator[float]:
    for block in count():
        digest = hashlib.shake_256(f"{key}#{block}".encode()).digest(8 * _BLOCK)
        for start in range(0, len(digest), 8):
            yield (int.from_bytes(digest[start : start + 8], "little") >> 11) * 2.0**-53


def shuffled(key: str, items: Sequence[T]) -> list[T]:
    """Returns the items in an order that belongs to the key."""
    digest = hashlib.shake_256(key.encode()).digest(8 * len(items))
    order = sorted(range(len(items)), key=lambda position: digest[8 * position : 8 * position + 8])
    return [items[position] for position in order]
