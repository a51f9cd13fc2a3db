# SPDX-License-Identifier: MIT
"""Leaderboards: which results may stand in one table, and how their numbers are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.protocols.compare import ONE_WAY, compare_results
from faceeval.protocols.compared import (
    CONFIDENCE,
    DIRECTIONS,
    Direction,
    MethodComparison,
    best,
    held,
    images_of,
    values_of,
)
from faceeval.results import Column, Result, Row, Value, conditions

ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1"}
NOTHING = "–"
LEGEND = (
    "Letters at a value: what it is better than beyond chance (paired bootstrap over the images, all pairs of a column "
    f"together at {100 * CONFIDENCE:g} %)."
)


@dataclass(frozen=True)
class Board:
    """Results that differ in their method only, as they are printed.

    Attributes:
        comparison: The results, in the order of the table, and their differences.
    """

    comparison: MethodComparison

    @property
    def results(self) -> tuple[Result, ...]:
        """One for each method, in the order of the table."""
        return self.comparison.results

    @property
    def labels(self) -> tuple[str, ...]:
        """What each result is called in the table; a second run of a method carries a number."""
        return self.comparison.labels

    @property
    def columns(self) -> dict[str, Column]:
        """The metrics that some row has."""
        return self.comparison.columns

    @property
    def attribute(self) -> str:
        """The edited attribute."""
        return self.comparison.attribute

    @property
    def title(self) -> str:
        """The edited attribute, and the direction where it is one only."""
        ways = [way for way, count in self.comparison.counts.items() if count]
        name = self.attribute.replace("_", " ")
        return name if len(ways) == 2 else f"{name}, {DIRECTIONS[ways[0]]} only"

    @property
    def subtitle(self) -> str:
        """Data, size and number of images in a few words."""
        data, counts = self.results[0].summary.data, self.comparison.counts
        faces = {"add": "faces without it", "remove": "with it" if counts["add"] else "faces with it"}
        images = ", ".join(f"{count:,} {faces[way]}" for way, count in counts.items() if count)
        return f"{data.name} {data.split}, {data.size} px: {images}"

    @property
    def reference_rows(self) -> tuple[Row, ...]:
        """``identity`` and ``truth``, the ends of every scale."""
        return tuple(entry.row for entry in self.comparison.entries if entry.row.kind != "method")

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader must know, each notice once."""
        return self.comparison.notices

    def method_rows(self) -> list[tuple[str, Result, Row]]:
        """Returns label, result and row of each method; a run of ``identity`` itself adds none."""
        return [(entry.label, entry.result, entry.row) for entry in self.comparison.methods]

    def per_image(self, result: Result, row: str, metric: str) -> NDArray[np.float64]:
        """Returns a metric's values over the board's images that have one."""
        values = values_of(result, row, metric, self.comparison.direction)
        return values[~np.isnan(values)]

    def is_best(self, metric: str, value: Value) -> bool:
        """Tells whether a value is the best of the methods, as printed; nothing is where all print the same."""
        column = self.columns[metric]
        values = [row.values[metric].value for _, _, row in self.method_rows() if metric in row.values]
        if len({number(entry, column) for entry in values}) < 2:
            return False
        return number(value.value, column) == number(best(values, column), column)

    def absences(self) -> list[tuple[str, str]]:
        """Returns column and reason for what the methods' rows lack, each pair once."""
        found: dict[tuple[str, str], None] = {}
        for _, result, row in self.method_rows():
            for metric, reason in row.absent.items():
                if len(held(result)) == 2 or metric not in ONE_WAY:
                    found[(result.summary.columns[metric].label, reason)] = None
        return list(found)


def boards(results: Sequence[Result]) -> list[Board]:
    """Sorts results into boards: one for each attribute, benchmark, set of images and set of judges.

    Methods that edit in one direction only get a board of that direction, on which the others stand, too.
    """
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(conditions(result.summary).values()), []).append(result)
    made = []
    # by data, size, attribute, benchmark and protocol; boards of one direction after those of both
    for _, members in sorted(groups.items(), key=lambda group: (group[0][:5], -len(held(group[1][0])), group[0])):
        [*ways] = held(members[0])
        if len(ways) == 2:
            made.append(Board(compare_results(members)))
        else:
            others = _others(members[0], results, ways[0])
            made.append(Board(compare_results([*members, *others], ways[0] if others else None)))
    return made


def _others(one_way: Result, results: Sequence[Result], direction: Direction) -> list[Result]:
    """Returns the results of both directions that share the images of a one-way result, and all else."""

    def key(result: Result) -> tuple[dict[str, str], list[str]]:
        names = [image.name for image in images_of(result, direction)]
        return {**conditions(result.summary), "images": ""}, names

    wanted = key(one_way)
    return [result for result in results if len(held(result)) == 2 and key(result) == wanted]


def number(value: float, column: Column) -> str:
    """Prints a value as its column wants it."""
    return f"{value:,.{column.digits}f}"


def interval(value: Value, column: Column) -> str:
    """Prints an interval; empty where there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"{number(value.low, column)}–{number(value.high, column)}"
