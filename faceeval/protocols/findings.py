# SPDX-License-Identifier: MIT
"""What a protocol found that varies one thing, before it is known where it ran; see `faceeval.results.sweeps`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.method import MethodCard
from faceeval.metrics.bootstrap import Interval, bootstrap_mean
from faceeval.protocols.chosen import Chosen
from faceeval.results import Value
from faceeval.results.sweeps import Axis, Curve, FaceGrid, FaceRow, ImageCurves, Matrix, Measure

GREY = 128  # where a strip has no image
SHOWN = 3  # faces of each class in the strips
Settings = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Findings:
    """What a protocol found.

    Attributes:
        chosen: The images.
        attributes: What was edited, in order.
        cards: Method -> the card of each editor that was at work.
        axis: What was varied.
        measures: What the keys of the points mean.
        wholes: What the keys of whole curves mean.
        curves: One for each method, and ``identity`` where it tells something.
        matrices: Who says what of whom.
        images: One record for each image or timed call.
        grid: What the strips show.
        tiles: The strips, uint8, (rows, columns, 3, S, S).
        settings: What else decided the numbers.
        notices: What a reader must know before believing them.
    """

    chosen: Chosen
    attributes: tuple[str, ...]
    cards: dict[str, tuple[MethodCard, ...]]
    axis: Axis
    measures: dict[str, Measure]
    wholes: dict[str, Measure]
    curves: tuple[Curve, ...]
    matrices: tuple[Matrix, ...]
    images: tuple[ImageCurves, ...]
    grid: FaceGrid
    tiles: NDArray[np.uint8]
    settings: Settings
    notices: tuple[str, ...]


class Strips:
    """Gathers faces to show while images stream by: the first few of each class, for every method and place.

    Args:
        chosen: The images.
        curves: Names of the curves, in order.
        columns: What the columns are called.
    """

    def __init__(self, chosen: Chosen, curves: tuple[str, ...], columns: tuple[str, ...]) -> None:
        size = chosen.splits[0].size
        members = [np.flatnonzero(chosen.targets == target)[:SHOWN] for target in (0, 1)]
        self._positions = np.concatenate(members)
        self._curves, self._columns, self._chosen = curves, columns, chosen
        shape = (len(self._positions), len(curves), len(columns), 3, size, size)
        self._tiles = np.full(shape, GREY, np.uint8)

    def put(self, positions: NDArray[np.int64], curve: str, column: int, images: NDArray[np.uint8]) -> None:
        """Keeps those of a batch that are to be shown; ``images`` (n, 3, S, S) are of ``positions``."""
        for row, position in enumerate(self._positions.tolist()):
            for place in np.flatnonzero(positions == position).tolist():
                self._tiles[row, self._curves.index(curve), column] = images[place]

    def drawn(self) -> tuple[FaceGrid, NDArray[np.uint8]]:
        """Returns the strips face by face, the curves of a face one below the other."""
        rows = [
            FaceRow(
                name=self._chosen.names[position],
                curve=curve,
                shown="without" if self._chosen.targets[position] else "with",
            )
            for position in self._positions.tolist()
            for curve in self._curves
        ]
        size = self._chosen.splits[0].size
        grid = FaceGrid(tile=size, columns=self._columns, rows=tuple(rows))
        return grid, self._tiles.reshape(len(rows), len(self._columns), 3, size, size)


def people(chosen: Chosen) -> NDArray[np.int64] | None:
    """Returns who is in each image, int64 (N,); None where the data do not say."""
    known = [faces.identities for faces in chosen.splits]
    if any(numbers is None for numbers in known):
        return None
    found = np.empty(len(chosen), np.int64)
    for number, numbers in enumerate(known):
        here = chosen.split == number
        found[here] = numbers[chosen.index[here]]  # type: ignore[index]
    return found


def mean_over(values: NDArray[np.float64], who: NDArray[np.int64] | None, seed: int) -> Value | None:
    """Mean over the images that have a value, people drawn whole for its interval; None where no image has one."""
    there = ~np.isnan(values)
    count = int(there.sum())
    if count == 0:
        return None
    groups = None if who is None else who[there]
    if count == 1 or (groups is not None and len(np.unique(groups)) == 1):
        return Value(value=float(values[there].mean()), n=count)
    return as_value(bootstrap_mean(values[there], seed, groups=groups), count)


def as_value(interval: Interval, n: int) -> Value:
    """Returns an interval as results hold it."""
    return Value(value=interval.value, low=interval.low, high=interval.high, n=n)


def image_curves(names: tuple[str, ...], values: dict[str, dict[str, NDArray[np.float64]]]) -> tuple[ImageCurves, ...]:
    """Returns the lines of a sweep.

    Args:
        names: Of the images.
        values: Curve -> measure -> float64 (N, P); NaN where there is none.
    """

    def one(row: NDArray[np.float64]) -> tuple[float | None, ...]:
        return tuple(float(value) if np.isfinite(value) else None for value in row)

    return tuple(
        ImageCurves(
            name=name,
            values={
                curve: {measure: one(table[i]) for measure, table in measures.items()}
                for curve, measures in values.items()
            },
        )
        for i, name in enumerate(names)
    )


def small_sample(chosen: Chosen, asked: int, few: int) -> list[str]:
    """Says where there are too few images to believe anything, or fewer than were asked for."""
    negatives = int(chosen.targets.sum())
    positives = len(chosen) - negatives
    counts = f"{positives} images with {chosen.attribute} and {negatives} without"
    notices = []
    if min(positives, negatives) < few:
        notices.append(f"{counts}: far too few, the numbers are meaningless except to show that everything runs")
    if chosen.short:
        notices.append(f"{asked} images of each class were asked for; the data have {counts}")
    return notices
