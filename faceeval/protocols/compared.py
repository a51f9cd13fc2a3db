# SPDX-License-Identifier: MIT
"""What a comparison of methods found: its lines, the differences of all pairs, and who is better than whom."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.simultaneous import PairDifference
from faceeval.results import Column, ImageRow, Result, Row

Direction = Literal["add", "remove"]
DIRECTIONS: dict[Direction, str] = {"add": "adding", "remove": "removing"}
CONFIDENCE, RESAMPLES = 0.95, 4000
LETTERS = string.ascii_lowercase + string.ascii_uppercase


@dataclass(frozen=True)
class Entry:
    """One line of a comparison.

    Attributes:
        letter: What other lines call it; empty for ``truth``, which is not compared.
        label: What it is called; a second run of a method carries a number.
        row: Its numbers, of the images that are compared.
        result: The run it is from.
    """

    letter: str
    label: str
    row: Row
    result: Result


@dataclass(frozen=True)
class Pairs:
    """The differences in one column.

    Attributes:
        n: Images on which all that are compared have a value.
        differences: One for each pair, in the column's unit; of the distances from 1 where nearer to 1 is better.
    """

    n: int
    differences: tuple[PairDifference, ...]


@dataclass(frozen=True)
class MethodComparison:
    """Methods on the same images.

    Attributes:
        direction: The direction looked at alone; None for all there are.
        conditions: What all runs were made under.
        results: The runs, nearest to the true edit first.
        labels: What each is called.
        entries: The methods in that order, then ``identity``, then ``truth`` where it is known.
        columns: What the numbers mean, of the columns that some line has.
        pairs: Column -> differences of all pairs, ``identity`` among them.
        untested: Column -> why there are none.
        notices: What a reader must know.
    """

    direction: Direction | None
    conditions: dict[str, str]
    results: tuple[Result, ...]
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    columns: dict[str, Column]
    pairs: dict[str, Pairs]
    untested: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def attribute(self) -> str:
        """The edited attribute."""
        return self.results[0].summary.attribute

    @property
    def methods(self) -> tuple[Entry, ...]:
        """The lines of methods."""
        return tuple(entry for entry in self.entries if entry.row.kind == "method")

    @property
    def counts(self) -> dict[Direction, int]:
        """How many images were edited in each direction."""
        ways = [image.direction for image in images_of(self.results[0], self.direction)]
        return {direction: ways.count(direction) for direction in DIRECTIONS}

    def beaten(self, column: str, label: str) -> str:
        """Returns the letters of those that a line is better than beyond chance in a column, in the order of lines."""
        letters = {entry.label: entry.letter for entry in self.entries}
        losers = {
            letters[loser]
            for winner, loser in _verdicts(self.pairs.get(column), self.columns[column])
            if winner == label
        }
        return "".join(letter for letter in letters.values() if letter in losers)

    def record(self) -> dict[str, Any]:
        """Returns everything as JSON holds it; docs/results.md describes every field."""
        return {
            "attribute": self.attribute,
            "direction": self.direction,
            "images": self.counts,
            "conditions": self.conditions,
            "confidence": CONFIDENCE,
            "n_resamples": RESAMPLES,
            "columns": {key: column.model_dump() for key, column in self.columns.items()},
            "entries": [self._entry_record(entry) for entry in self.entries],
            "pairs": {
                key: {
                    "n": pairs.n,
                    "n_pairs": len(pairs.differences),
                    "differences": [_pair_record(pair, self.columns[key]) for pair in pairs.differences],
                }
                for key, pairs in self.pairs.items()
            },
            "untested": self.untested,
            "notices": list(self.notices),
        }

    def _entry_record(self, entry: Entry) -> dict[str, Any]:
        beaten = {key: self.beaten(key, entry.label) for key in self.pairs if entry.letter}
        letters = {other.letter: other.label for other in self.entries}
        own = entry.row.kind == "method"
        return {
            "letter": entry.letter,
            "label": entry.label,
            "kind": entry.row.kind,
            "method": entry.row.name,
            "weights_sha256": entry.result.summary.method.get("weights_sha256", "") if own else "",
            "file": str(entry.result.path) if entry.result.path and own else None,
            "values": {key: value.model_dump() for key, value in entry.row.values.items()},
            "absent": entry.row.absent,
            "better_than": {key: [letters[letter] for letter in found] for key, found in beaten.items()},
        }


def images_of(result: Result, direction: Direction | None) -> list[ImageRow]:
    """Returns the images of a run that were edited in a direction; all of them for None."""
    return [image for image in result.images if direction in (None, image.direction)]


def values_of(result: Result, row: str, metric: str, direction: Direction | None = None) -> NDArray[np.float64]:
    """Returns a metric's value of each of these images, (n,), NaN where there is none."""
    found = [image.values.get(row, {}).get(metric) for image in images_of(result, direction)]
    return np.array(found, dtype=np.float64)


def held(result: Result) -> set[Direction]:
    """Returns the directions in which a run's method edited."""
    return {image.direction for image in result.images}


def shorten(letters: str) -> str:
    """Writes letters with runs of three and more drawn together.

    Example:
        >>> shorten("acdegh")
        'a c–e g h'
    """
    runs: list[str] = []
    for letter in letters:
        if runs and LETTERS.index(letter) == LETTERS.index(runs[-1][-1]) + 1:
            runs[-1] += letter
        else:
            runs.append(letter)
    return " ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else " ".join(run) for run in runs)


def best(values: Sequence[float], column: Column) -> float:
    """Returns the best of some values."""
    if column.better == "near 1":
        return min(values, key=lambda entry: abs(entry - 1))
    return max(values) if column.better == "higher" else min(values)


def _verdicts(pairs: Pairs | None, column: Column) -> Iterator[tuple[str, str]]:
    """Yields winner and loser of every pair that differs by more than chance."""
    for pair in pairs.differences if pairs is not None else ():
        if pair.found:
            first_wins = (pair.difference > 0) == (column.better == "higher")
            yield (pair.first, pair.second) if first_wins else (pair.second, pair.first)


def _pair_record(pair: PairDifference, column: Column) -> dict[str, Any]:
    better = next((winner for winner, _ in _verdicts(Pairs(0, (pair,)), column)), None)
    return {**asdict(pair), "better": better}
