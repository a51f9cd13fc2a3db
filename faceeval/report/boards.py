# SPDX-License-Identifier: MIT
"""Leaderboards: which results may stand in one table, in what order, and which value is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from faceeval.results import Column, Result, Row, Value

ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1"}
NOTHING = "–"


@dataclass(frozen=True)
class Board:
    """Results that differ in their method only.

    Attributes:
        results: One for each method, in the order of the table.
        labels: What each is called in the table; a second run of a method carries a number.
        columns: The metrics that some row has.
    """

    results: tuple[Result, ...]
    labels: tuple[str, ...]
    columns: dict[str, Column]

    @property
    def attribute(self) -> str:
        """The edited attribute."""
        return self.results[0].summary.attribute

    @property
    def subtitle(self) -> str:
        """Data, size and number of images in a few words."""
        data = self.results[0].summary.data
        images = f"{data.negatives:,} faces without it, {data.positives:,} with it"
        return f"{data.name} {data.split}, {data.size} px: {images}"

    @property
    def reference_rows(self) -> tuple[Row, ...]:
        """``identity`` and ``truth``, the ends of every scale."""
        return tuple(row for row in self.results[0].summary.rows if row.kind != "method")

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader must know, each notice once."""
        return tuple(dict.fromkeys(notice for result in self.results for notice in result.summary.notices))

    def method_rows(self) -> list[tuple[str, Result, Row]]:
        """Returns label, result and row of each method; a run of ``identity`` itself adds none."""
        rows: list[tuple[str, Result, Row]] = []
        for label, result in zip(self.labels, self.results, strict=True):
            rows.extend((label, result, row) for row in result.summary.rows if row.kind == "method")
        return rows

    def is_best(self, metric: str, value: Value) -> bool:
        """Tells whether a value is the best of the methods, as printed; nothing is where all print the same."""
        column = self.columns[metric]
        values = [row.values[metric].value for _, _, row in self.method_rows() if metric in row.values]
        if len({number(entry, column) for entry in values}) < 2:
            return False
        if column.better == "near 1":
            best = min(values, key=lambda entry: abs(entry - 1))
        else:
            best = max(values) if column.better == "higher" else min(values)
        return number(value.value, column) == number(best, column)

    def absences(self) -> list[tuple[str, str]]:
        """Returns column and reason for what the methods' rows lack, each pair once."""
        found: dict[tuple[str, str], None] = {}
        for _, _, row in self.method_rows():
            for metric, reason in row.absent.items():
                found[(self._column(metric).label, reason)] = None
        return list(found)

    def _column(self, metric: str) -> Column:
        return self.results[0].summary.columns[metric]


def boards(results: Sequence[Result]) -> list[Board]:
    """Sorts results into boards: one for each attribute, benchmark, set of images and set of judges."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(_key(result), []).append(result)
    return [_board(groups[key]) for key in sorted(groups, key=str)]


def _key(result: Result) -> tuple[object, ...]:
    summary = result.summary
    judges = tuple(sorted((role, judge.name, judge.weights_sha256) for role, judge in summary.judges.items()))
    data, benchmark = summary.data, summary.benchmark
    versions = tuple((metric, column.version) for metric, column in summary.columns.items())
    return (
        *(data.name, data.split, data.size, summary.attribute),
        *(benchmark.name, benchmark.version, summary.protocol, data.digest, data.names_sha256, judges, versions),
    )


def _board(results: list[Result]) -> Board:
    ordered = sorted(results, key=_rank)
    seen: dict[str, count[int]] = {}
    labels = []
    for result in ordered:
        number = next(seen.setdefault(result.method, count(1)))
        labels.append(result.method if number == 1 else f"{result.method} ({number})")
    everything = ordered[0].summary.columns
    there = {metric for result in ordered for row in result.summary.rows for metric in row.values}
    return Board(tuple(ordered), tuple(labels), {key: column for key, column in everything.items() if key in there})


def _rank(result: Result) -> tuple[float, float, str]:
    """Nearest to the true edit first; where that is not known, the most flips first."""
    values = result.summary.rows[0].values
    error, flips = values.get("counterfactual_error"), values.get("flip_accuracy")
    return (error.value if error else 0.0, -flips.value if flips else 0.0, result.method)


def number(value: float, column: Column) -> str:
    """Prints a value as its column wants it."""
    return f"{value:,.{column.digits}f}"


def interval(value: Value, column: Column) -> str:
    """Prints an interval; empty where there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"{number(value.low, column)}–{number(value.high, column)}"
