# SPDX-License-Identifier: MIT
"""Boxplots as coordinates; the page's template draws them, so that they follow its colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEIGHT, TOP, BOTTOM, LEFT = 250.0, 12.0, 26.0, 46.0
BOX, GAP, BETWEEN = 20.0, 10.0, 36.0
DOTS = 40  # outliers drawn of one box at most
LETTER = 7.2  # room for one letter of a group's name
SLANTED = 5.6  # height of one letter of a slanted name


@dataclass(frozen=True)
class Box:
    """One box in picture coordinates.

    Attributes:
        label: What it shows.
        colour: Its class of colour.
        x: Left edge.
        low: y of the lower whisker.
        p25: y of the lower quartile.
        median: y of the median.
        p75: y of the upper quartile.
        high: y of the upper whisker.
        dots: y of single images beyond the whiskers.
        text: The numbers, for tooltips and screen readers.
    """

    label: str
    colour: str
    x: float
    low: float
    p25: float
    median: float
    p75: float
    high: float
    dots: tuple[float, ...]
    text: str


@dataclass(frozen=True)
class Figure:
    """A boxplot.

    Attributes:
        width: Width of the picture.
        height: Its height.
        named: y of the names below their boxes; None where only colours tell them apart.
        boxes: The boxes.
        groups: Name and middle of each group.
        ticks: Text and y of each tick.
        reference: y of the line of the ideal value; None where it is off the axis.
    """

    width: float
    height: float
    named: float | None
    boxes: tuple[Box, ...]
    groups: tuple[tuple[str, float], ...]
    ticks: tuple[tuple[str, float], ...]
    reference: float | None


@dataclass(frozen=True)
class Sample:
    """Values of one box before it is drawn."""

    label: str
    colour: str
    values: NDArray[np.float64]


def figure(groups: Sequence[tuple[str, Sequence[Sample]]], ideal: float, *, named: bool = False) -> Figure:
    """Lays boxplots out in groups.

    Whiskers reach to the last value within 1.5 interquartile ranges of the box, as matplotlib's do.

    Args:
        groups: Name of each group (an attribute) and its samples, none of them empty.
        ideal: The value a line is drawn at.
        named: Leave room below the boxes for their names, where there are too many for colours alone.
    """
    stats = [[_stats(sample.values) for sample in samples] for _, samples in groups]
    ends = [value for group in stats for one in group for value in (one[0], one[4])] + [ideal]
    low, high = padded(min(ends), max(ends))
    ticks, digits = round_ticks(low, high)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 2)

    boxes: list[Box] = []
    names: list[tuple[str, float]] = []
    x = LEFT
    for (name, samples), group in zip(groups, stats, strict=True):
        taken = len(samples) * (BOX + GAP) - GAP
        width = max(LETTER * len(name), taken) + BETWEEN
        start = x + (width - taken) / 2
        for slot, (sample, one) in enumerate(zip(samples, group, strict=True)):
            beyond = sample.values[(sample.values < one[0]) | (sample.values > one[4])]
            dots = tuple(y(value) for value in _some(beyond) if low <= value <= high)
            text = f"{sample.label}: median {one[2]:.{digits}f}, quartiles {one[1]:.{digits}f} to {one[3]:.{digits}f}"
            bottom, p25, median, p75, top = (y(value) for value in one)
            left = round(start + slot * (BOX + GAP), 2)
            boxes.append(Box(sample.label, sample.colour, left, bottom, p25, median, p75, top, dots, text))
        names.append((name, round(x + width / 2, 2)))
        x += width
    marks = tuple((f"{tick:.{digits}f}", y(tick)) for tick in ticks)
    longest = max(len(box.label) for box in boxes) if named else 0
    below = HEIGHT - BOTTOM + 14 if named else None
    return Figure(round(x, 2), HEIGHT + round(SLANTED * longest), below, tuple(boxes), tuple(names), marks, y(ideal))


def _stats(values: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    p25, median, p75 = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = 1.5 * (p75 - p25)
    inside = values[(values >= p25 - reach) & (values <= p75 + reach)]
    return min(p25, float(inside.min())), p25, median, p75, max(p75, float(inside.max()))


def _some(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns at most DOTS of the values, spread evenly over their order."""
    ordered = np.sort(values)
    return (
        ordered[np.linspace(0, len(ordered) - 1, min(DOTS, len(ordered))).astype(np.int64)] if len(ordered) else ordered
    )


def padded(low: float, high: float) -> tuple[float, float]:
    """Returns the ends of an axis with some room beyond its least and greatest value."""
    room = 0.06 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - room, high + room


def round_ticks(low: float, high: float) -> tuple[list[float], int]:
    """Returns round values between the ends of an axis, about five, and the decimals they need."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    digits = max(0, -math.floor(math.log10(step)) + (1 if step / power == 2.5 else 0))
    return [number * step for number in range(first, math.floor(high / step) + 1)], digits
