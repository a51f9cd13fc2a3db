# SPDX-License-Identifier: MIT
"""Curves as coordinates; the page's template draws them, so that they follow its colours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faceeval.report.boxes import padded, round_ticks
from faceeval.results.sweeps import Axis, Curve, Measure, Plot, Point

WIDTH, HEIGHT = 500.0, 250.0
TOP, RIGHT, BOTTOM, LEFT = 12.0, 16.0, 44.0, 46.0
DODGE = 5.0  # between the marks of two curves at one place of an axis of counts
LETTERS = 14  # of a tick's name that fit below a place


@dataclass(frozen=True)
class Mark:
    """A value in picture coordinates, with the ends of its interval and the numbers as text."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: What it shows.
        colour: Number of its colour.
        path: Points of the line as SVG has them.
        band: Points round its intervals; empty where it is drawn with whiskers.
        marks: Its values.
    """

    label: str
    colour: str
    path: str
    band: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """Curves over one axis.

    Attributes:
        width: Width of the picture.
        height: Its height.
        left: Where the axis begins.
        right: Where it ends.
        lines: The curves.
        ticks: Text and y of each tick.
        places: Lines of text and x of each place.
    """

    width: float
    height: float
    left: float
    right: float
    lines: tuple[Line, ...]
    ticks: tuple[tuple[str, float], ...]
    places: tuple[tuple[tuple[str, ...], float], ...]


def chart(curves: Sequence[tuple[Curve, str]], key: str, measure: Measure, axis: Axis, counts: bool) -> Chart | None:
    """Lays one measure of several curves out over the axis.

    Args:
        curves: The curves and the numbers of their colours.
        key: The measure's key.
        measure: What it is.
        axis: What is varied.
        counts: Whether the places are counts or names, which stand at equal distances and where curves get whiskers
            beside each other; else they stand to scale and curves get a band. Names are joined by no line.

    Returns:
        The picture; None where no curve has a value.
    """
    there = [(curve, colour) for curve, colour in curves if any(key in point.values for point in curve.points)]
    ends = [end for curve, _ in there for point in curve.points if key in point.values for end in _ends(point, key)]
    if not ends:
        return None
    low, high = padded(min(ends), max(ends))
    ticks, digits = round_ticks(low, high)
    where = _where(axis, counts)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 2)

    lines = []
    for number, (curve, colour) in enumerate(there):
        shift = DODGE * (number - (len(there) - 1) / 2) if counts else 0.0
        marks = []
        for place, point in enumerate(curve.points):
            value = point.values.get(key)
            if value is None:
                continue
            text = f"{curve.name}, {axis.ticks[place]}: {value.value:.{measure.digits}f}"
            low_y, high_y = (None if end is None else y(end) for end in (value.low, value.high))
            marks.append(Mark(round(where[place] + shift, 2), y(value.value), low_y, high_y, text))
        path = "" if axis.named else " ".join(f"{mark.x},{mark.y}" for mark in marks)
        lines.append(Line(curve.name, colour, path, "" if counts else _band(marks), tuple(marks)))
    names = tuple((folded(tick), round(x, 2)) for tick, x in zip(axis.ticks, where, strict=True))
    shown = tuple((f"{tick:.{digits}f}", y(tick)) for tick in ticks)
    return Chart(WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, tuple(lines), shown, names)


@dataclass(frozen=True)
class Drawing:
    """Lines that stand for themselves, in picture coordinates.

    Attributes:
        title: Heading.
        x: What runs to the right.
        y: What runs upwards.
        width: Width of the picture.
        height: Its height.
        left: Where the horizontal axis begins.
        right: Where it ends.
        bottom: Where the vertical axis begins.
        lines: Name, number of the colour and points of each line; dashes tell lines of one colour apart.
        diagonal: Points of the line from (0, 0) to (1, 1); empty where there is none.
        diagonal_means: What that line is.
        ticks: Text and y of each tick.
        places: Text and x of each tick.
    """

    title: str
    x: str
    y: str
    width: float
    height: float
    left: float
    right: float
    bottom: float
    lines: tuple[tuple[str, str, str, str], ...]
    diagonal: str
    diagonal_means: str
    ticks: tuple[tuple[str, float], ...]
    places: tuple[tuple[str, float], ...]


DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 2 1 2")


def plot(drawn: Plot, colours: Mapping[str, str]) -> Drawing:
    """Lays out lines that are no curves over the axis, such as ROC curves.

    Args:
        drawn: The plot. A line is called after a method, or after one and more with a comma between.
        colours: Method -> number of its colour.
    """
    points = [point for line in drawn.lines.values() for point in line]
    (low_x, high_x), (low_y, high_y) = (_span([point[axis] for point in points]) for axis in (0, 1))

    def place(x: float, y: float) -> str:
        return f"{across(x)},{down(y)}"

    def across(x: float) -> float:
        return round(LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT), 2)

    def down(y: float) -> float:
        return round(TOP + (high_y - y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM), 2)

    seen: dict[str, int] = {}
    lines = []
    for name, line in drawn.lines.items():
        method = name.partition(", ")[0]
        seen[method] = seen.get(method, -1) + 1
        path = " ".join(place(x, y) for x, y in line)
        lines.append((name, colours.get(method, "ci"), DASHES[seen[method] % len(DASHES)], path))
    ticks, places = round_ticks(low_y, high_y), round_ticks(low_x, high_x)
    return Drawing(
        drawn.title, drawn.x, drawn.y, WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, tuple(lines),
        f"{place(0, 0)} {place(1, 1)}" if drawn.diagonal else "",
        drawn.diagonal_means,
        tuple((f"{tick:.{ticks[1]}f}", down(tick)) for tick in ticks[0]),
        tuple((f"{tick:.{places[1]}f}", across(tick)) for tick in places[0]),
    )  # fmt: skip


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ends(point: Point, key: str) -> list[float]:
    value = point.values[key]
    return [end for end in (value.low, value.value, value.high) if end is not None]


def _where(axis: Axis, counts: bool) -> list[float]:
    """Returns the x of each place."""
    room = WIDTH - LEFT - RIGHT
    if counts:
        step = room / len(axis.places)
        return [LEFT + step * (number + 0.5) for number in range(len(axis.places))]
    first, last = axis.places[0], axis.places[-1]
    inner = room - 24.0  # so that the names of the ends stay in the picture
    return [LEFT + 12.0 + inner * (place - first) / ((last - first) or 1.0) for place in axis.places]


def _band(marks: Sequence[Mark]) -> str:
    known = [mark for mark in marks if mark.low is not None and mark.high is not None]
    there = [f"{mark.x},{mark.high}" for mark in known]
    back = [f"{mark.x},{mark.low}" for mark in reversed(known)]
    return " ".join([*there, *back]) if len(known) > 1 else ""


def folded(tick: str) -> tuple[str, ...]:
    """Breaks the name of a place into lines that fit below it, at spaces and after colons."""
    lines = [""]
    for piece in re.findall(r"\s*(?:[^\s:]*:|[^\s:]+)", tick):
        if lines[-1] and len(lines[-1] + piece) > LETTERS:
            lines.append(piece.strip())
        else:
            lines[-1] = (lines[-1] + piece).lstrip()
    return tuple(lines[:3])
