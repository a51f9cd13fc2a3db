# SPDX-License-Identifier: MIT
"""The methods of one attribute beside each other, and which of their differences are more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faceeval.data.selection import names_sha256
from faceeval.errors import InputError
from faceeval.metrics.simultaneous import FEW, simultaneous_differences
from faceeval.protocols.compared import (
    CONFIDENCE,
    DIRECTIONS,
    LETTERS,
    RESAMPLES,
    Direction,
    Entry,
    MethodComparison,
    Pairs,
    held,
    images_of,
    values_of,
)
from faceeval.protocols.intervals import mean_value, statistic_value
from faceeval.protocols.rows import MEANS, STATISTICS, TIMED
from faceeval.results import Column, Result, Row, conditions, require_alike

# column -> why its differences are not tested; the other means over images are
UNTESTED: dict[str, str] = {
    "psnr": "infinite where an edit equals its source; RMSE tells the same differences",
    "own_realness_score": "each method's own discriminator has a scale of its own",
    "dfn_median": "a quantile; the mean of DFN is tested",
    "dfn_p25": "a quantile; the mean of DFN is tested",
    "dfn_p75": "a quantile; the mean of DFN is tested",
    "dfn_iqr": "a difference of quantiles; the mean of DFN is tested",
    "frechet_distance_target": "a number of the whole set, whose features results do not keep",
    "frechet_distance_source": "a number of the whole set, whose features results do not keep",
    "frechet_distance_source_pca": "a number of the whole set, whose features results do not keep",
    TIMED: "a number of the machine and the hour, not of the images",
}
# column -> the value of each image it is the mean of, where that is over one direction only
ONE_WAY: dict[str, tuple[str, Direction]] = {
    "flip_accuracy_add": ("flip_accuracy", "add"),
    "flip_accuracy_remove": ("flip_accuracy", "remove"),
}
NOT_ONE_WAY = "a number of both directions together"


def compare_results(results: Sequence[Result], direction: Direction | None = None, seed: int = 0) -> MethodComparison:
    """Puts runs of several methods beside each other and tests all their differences.

    A method that edits in one direction only is left out, with a notice, where others edit in both.

    Args:
        results: The runs: of one attribute, on the same images, under the same benchmark and judges.
        direction: Compare on the faces that gain the attribute (``"add"``) or lose it (``"remove"``) only; numbers of
            a whole set then stand only beside methods that edit in no other direction.
        seed: Seed of the draws.

    Returns:
        The comparison; without methods (runs of ``identity`` only) nothing is tested.

    Raises:
        InputError: There are no results, none edits in that direction, or two differ in more than their method; the
            message says which and in what.
    """
    if not results:
        raise InputError("at least one result", "none", "run `faceeval score` first")
    kept, notices = _of_direction(results, direction)
    made_under = [(_name(result), _conditions(result, direction)) for result in kept]
    require_alike(made_under)
    rows = [{row.name: _restricted(result, row, direction, seed) for row in result.summary.rows} for result in kept]
    order = sorted(range(len(kept)), key=lambda i: _rank(kept[i], rows[i]))
    runs, lines = [kept[i] for i in order], [rows[i] for i in order]
    labels = _labels([run.method for run in runs])
    entries = _entries(runs, labels, lines)
    there = {key for entry in entries for key in entry.row.values}
    if any(len(held(run)) == 1 for run in runs) or direction is not None:
        there -= ONE_WAY.keys()  # they would say what the column of all says
    columns = {key: column for key, column in runs[0].summary.columns.items() if key in there}
    pairs, untested = _tested(entries, columns, direction, seed)
    notices += dict.fromkeys(notice for run in runs for notice in run.summary.notices)
    return MethodComparison(
        direction, made_under[0][1], tuple(runs), labels, entries, columns, pairs, untested, tuple(notices)
    )


def _of_direction(results: Sequence[Result], direction: Direction | None) -> tuple[list[Result], list[str]]:
    """Returns the results that can be compared, and notices about those that are left out."""
    ways = [held(result) for result in results]
    if direction is not None:
        kept = [result for result, way in zip(results, ways, strict=True) if direction in way]
    elif any(len(way) == 2 for way in ways):
        kept = [result for result, way in zip(results, ways, strict=True) if len(way) == 2]
    else:
        kept = list(results)
    if not kept:
        got = f"{len(results)} that edit in the other only"
        raise InputError(f"results of {DIRECTIONS[direction or 'add']}", got, "leave --direction out")
    notices = []
    for result, way in zip(results, ways, strict=True):
        if not any(result is one for one in kept):
            [only] = way
            todo = f"; --direction {only} compares it" if direction is None else ""
            notices.append(f"{result.method} is left out: it knows {DIRECTIONS[only]} {_attribute(result)} only{todo}")
    return kept, notices


def _attribute(result: Result) -> str:
    return result.summary.attribute


def _name(result: Result) -> str:
    return str(result.path) if result.path is not None else result.method


def _conditions(result: Result, direction: Direction | None) -> dict[str, str]:
    """Returns the conditions of a run, with the images that its lines hold, of one direction or both."""
    images = images_of(result, direction)
    added = sum(image.direction == "add" for image in images)
    digest = names_sha256(image.name for image in images)
    shown = f"{len(images) - added} with the attribute, {added} without, {digest}"
    return {**conditions(result.summary), "images": shown}


def _restricted(result: Result, row: Row, direction: Direction | None, seed: int) -> Row:
    """Returns a row's numbers over one direction; those of the file where it holds no other."""
    if direction is None or held(result) == {direction}:
        return row
    found = {column: mean_value(values_of(result, row.name, key, direction), seed) for column, key in MEANS.items()}
    for column, (key, statistic) in STATISTICS.items():
        found[column] = statistic_value(statistic, values_of(result, row.name, key, direction), seed)
    values = {key: value for key in row.values if (value := found.get(key)) is not None}
    lost = [key for key in row.values if key not in values and key not in ONE_WAY]
    absent = row.absent | dict.fromkeys(lost, NOT_ONE_WAY)
    return row.model_copy(update={"values": values, "absent": absent})


def _rank(result: Result, rows: Mapping[str, Row]) -> tuple[float, float, str]:
    """Nearest to the true edit first; where that is not known, the most flips first."""
    values = rows[result.method].values
    error, flips = values.get("counterfactual_error"), values.get("flip_accuracy")
    return (error.value if error else 0.0, -flips.value if flips else 0.0, result.method)


def _labels(methods: Sequence[str]) -> tuple[str, ...]:
    """Returns the methods' names, numbered from the second run of one on."""
    return tuple(
        name if (number := methods[: place + 1].count(name)) == 1 else f"{name} ({number})"
        for place, name in enumerate(methods)
    )


def _entries(runs: Sequence[Result], labels: Sequence[str], lines: Sequence[Mapping[str, Row]]) -> tuple[Entry, ...]:
    """Gives the methods letters in order, then ``identity``; a run of ``identity`` adds no line."""
    found = [
        (label, row, run)
        for label, run, rows in zip(labels, runs, lines, strict=True)
        for row in rows.values()
        if row.kind == "method"
    ]
    # whichever run knows most of the ends of the scales: over one direction, sets are known to a few runs only
    full = max(range(len(runs)), key=lambda i: sum(len(row.values) for row in lines[i].values()))
    found += [(row.name, row, runs[full]) for row in lines[full].values() if row.kind != "method"]
    compared = sum(row.kind != "truth" for _, row, _ in found)
    if compared > len(LETTERS):
        raise InputError(f"at most {len(LETTERS) - 1} methods", f"{compared - 1}", "compare fewer at once")
    letters = iter(LETTERS)
    return tuple(Entry("" if row.kind == "truth" else next(letters), label, row, run) for label, row, run in found)


def _tested(
    entries: Sequence[Entry], columns: Mapping[str, Column], direction: Direction | None, seed: int
) -> tuple[dict[str, Pairs], dict[str, str]]:
    """Returns the differences of every column that can be tested, and why the others cannot."""
    pairs: dict[str, Pairs] = {}
    untested = {key: reason for key, reason in UNTESTED.items() if key in columns}
    compared = [entry for entry in entries if entry.letter]
    for key, column in columns.items():
        if key in untested:
            continue
        metric, way = ONE_WAY.get(key, (MEANS.get(key, key), direction))
        values = {entry.label: values_of(entry.result, entry.row.name, metric, way) for entry in compared}
        values = {label: found for label, found in values.items() if not np.isnan(found).all()}
        if len(values) < 2:
            untested[key] = "fewer than two methods have a value"
            continue
        there = ~np.isnan(np.stack(list(values.values()))).any(axis=0)
        if there.sum() < FEW:
            untested[key] = f"{there.sum()} images on which all methods have a value; {FEW} are needed"
            continue
        sided = {label: _sided(found[there], column) for label, found in values.items()}
        found = simultaneous_differences(sided, seed, RESAMPLES, CONFIDENCE)
        pairs[key] = Pairs(int(there.sum()), found)
    return pairs, untested


def _sided(values: NDArray[np.float64], column: Column) -> NDArray[np.float64]:
    """Returns values whose mean is what is compared: where nearer to 1 is better, the distance of their mean from 1."""
    if column.better != "near 1":
        return values
    return (values - 1.0) * (1.0 if values.mean() >= 1.0 else -1.0)
