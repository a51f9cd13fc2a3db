# SPDX-License-Identifier: MIT
"""How far is the pose that a code says from the face's? Degrees of yaw, pitch and roll.

Browatzki and Wallraven, section 5.3.1: the pose of their code is three angles, compared with those of a detector. Here
methods that say a pose themselves are asked for it, and a linear probe, fitted on training images, reads it from every
part of a code. Where a code was taken apart well, its pose says it and no other part does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.metrics.pose import ANGLES, linear_pose, pose_error
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import Codes, check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given, Settings
from faceeval.protocols.findings import image_curves, mean_over
from faceeval.protocols.looked import QUICK, people_of
from faceeval.protocols.printed import BW_POSE, BW_POSE_SOURCE
from faceeval.protocols.readings import JUDGE, READING, Read, Sets, Subject, collect, curves_of, fewer, ranked
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, Measure, Plot, Point, PrintedTable

TAG = "faceeval/1/pose"
MEAN = "pose_error"
KEYS = {name: f"{name}_error" for name in ANGLES}
STILL = "always the same"  # the control that says the training faces' median pose
BIN = 10  # degrees of yaw that one point of the drawn errors stands for
SHOWN = 4  # faces read worst


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        parts: Which parts of the code; all by default.
        reading: Whether methods that say a pose themselves are asked for it.
        train_images: Training images the probe is fitted on, by hash; 0 takes all.
        ridge: Weight of its squared coefficients, see ``metrics.linear_pose``.
        thumbnail: Side in pixels of the small picture the probe is also fitted on, to compare with; 0 leaves it out.
    """

    parts: tuple[str, ...] | None = None
    reading: bool = True
    train_images: int = 4000
    ridge: float = 1e-3
    thumbnail: int = 16


def _measure(label: str, meaning: str, *, drawn: bool = False) -> Measure:
    return Measure(
        question="Which way does the face look?", label=label, unit="degrees", better="lower", digits=2,
        version=METRICS["pose_error"].version, meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    **{
        KEYS[name]: _measure(name, f"Mean absolute difference of {name}, {what}; people drawn whole for its interval.")
        for name, what in zip(ANGLES, ("turning left and right", "nodding", "tilting"), strict=True)
    },
    MEAN: _measure("mean of the three", "Mean over yaw, pitch and roll.", drawn=True),
}
PRINTED = PrintedTable(
    source=BW_POSE_SOURCE,
    heads=(*ANGLES, "mean of the three"),
    rows={name: (*(f"{value:.2f}°" for value in row), f"{sum(row) / 3:.2f}°") for name, row in BW_POSE.items()},
)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Reads the pose from each part of each method's code.

    Args:
        methods: Embed, say poses, or both.
        given: The splits ``"train"`` and ``"test"``; ``count`` takes fewer test images.
        options: See `Options`.

    Returns:
        A curve over the parts for each method and control, the error of yaw over yaw, and the faces read worst.

    Raises:
        InputError: The data know no poses, training and test images are the same, a method can neither embed nor read,
            or what it returns is no code.
        UnknownNameError: A method has no such part.
    """
    check_methods(methods, EXPERIMENTS["pose"], given.part("test").size)
    task = _Task.of(given, options)
    subject = Subject("read_pose", "pose", len(ANGLES), task.fit, lambda angles: angles)
    read = collect(
        methods, task.sets, subject, given, parts=options.parts, reading=options.reading, thumbnail=options.thumbnail
    )
    read.controls[STILL] = dict.fromkeys(read.places, task.median())
    with given.clock.part("statistics"):
        curves = curves_of(read, MEASURES, task.point)
    names = tuple(task.sets.test.names[row] for row in task.sets.asked.tolist())
    grid, tiles = _sheet(read, task, curves).drawn()
    everything = {**read.methods, **read.controls}
    return Found(
        title="Pose: degrees off, by each part of a code",
        lead=_lead(curves, read.places),
        faces=task.sets.test,
        names=names,
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("part of the code", read.places),
        measures=MEASURES,
        curves=curves,
        settings=_settings(task, options, given),
        plots=(_plot(read, task, curves),),
        images=image_curves(names, {name: task.tables(by_place, read.places) for name, by_place in everything.items()}),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=_notices(given, task),
    )


@dataclass(frozen=True)
class _Task:
    """What is to be read.

    Attributes:
        sets: The images.
        truth: Yaw, pitch and roll of the test images, degrees, (m, 3).
        taught: The same of the training images, (n, 3).
        who: Who is on each test image; None where nobody knows.
        ridge: Of the probe.
        seed: Of the run.
        dropped: Images of each split whose pose is not known.
    """

    sets: Sets
    truth: NDArray[np.float64]
    taught: NDArray[np.float64]
    who: NDArray[np.int64] | None
    ridge: float
    seed: int
    dropped: tuple[int, int]

    @classmethod
    def of(cls, given: Given, options: Options) -> _Task:
        """Chooses the images whose pose is known."""
        train, test = given.part("train"), given.part("test")
        if options.train_images < 0:
            todo = "give train_images=4000, or 0 for all"
            raise InputError("training images of 0 or more", str(options.train_images), todo)
        known = [_posed(faces) for faces in (train, test)]
        fitted = fewer(train, known[0], options.train_images or None, f"{TAG}/train")
        asked = fewer(test, known[1], given.count, f"{TAG}/test")
        assert train.pose is not None
        assert test.pose is not None
        return cls(
            sets=Sets(train, fitted, test, asked),
            truth=test.pose[asked].astype(np.float64),
            taught=train.pose[fitted].astype(np.float64),
            who=people_of(test, asked),
            ridge=options.ridge,
            seed=given.seed,
            dropped=(len(train) - len(known[0]), len(test) - len(known[1])),
        )

    def fit(self, train: Codes, test: Codes) -> Codes:
        """Fits the probe on codes and returns the poses it reads off the test images, (m, 3)."""
        return linear_pose(train, self.taught, test, self.ridge)

    def median(self) -> Codes:
        """Returns one pose for all: of all that never move, the one with the least absolute error, (m, 3)."""
        return np.repeat(np.median(self.taught, axis=0)[None], len(self.truth), axis=0)

    def point(self, angles: Codes) -> Point:
        """Returns the errors with their intervals."""
        errors = pose_error(self.truth, angles)
        columns = {KEYS[name]: errors[:, place] for place, name in enumerate(ANGLES)} | {MEAN: errors.mean(axis=1)}
        values = {key: mean_over(column, self.who, self.seed) for key, column in columns.items()}
        return Point(values={key: value for key, value in values.items() if value is not None})

    def tables(self, by_place: dict[str, Codes], places: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Returns the errors of each image at each place, (m, P) by measure; NaN where nothing was read."""
        nothing = np.full(self.truth.shape, np.nan)
        errors = [pose_error(self.truth, by_place[place]) if place in by_place else nothing for place in places]
        return {KEYS[name]: np.stack([one[:, column] for one in errors], 1) for column, name in enumerate(ANGLES)}


def _posed(faces: FaceSet) -> NDArray[np.int64]:
    """Returns the images whose pose is known; two at least."""
    if faces.pose is None:
        todo = "choose data that know them, such as procfaces, or give OpenFace's as columns"
        raise InputError(f"poses of {faces.name}", "none", todo)
    rows = np.flatnonzero(np.isfinite(faces.pose).all(axis=1))
    if len(rows) < 2:
        todo = "choose data that know more of them"
        raise InputError(f"two poses at least in the {faces.split} split of {faces.name}", str(len(rows)), todo)
    return rows


def _settings(task: _Task, options: Options, given: Given) -> Settings:
    return {
        "train_images": len(task.sets.fitted),
        "test_images": len(task.sets.asked),
        "ridge": options.ridge,
        "thumbnail": options.thumbnail,
        "batch_size": given.batch_size,
    }


def _notices(given: Given, task: _Task) -> tuple[str, ...]:
    said = [f"only {given.count} test images: {QUICK}"] if given.count else []
    for split, count in zip(("train", "test"), task.dropped, strict=True):
        if count:
            said.append(f"{count} images of the {split} split are left out, as their pose is not known")
    return tuple(said)


def _plot(read: Read, task: _Task, curves: Sequence[Curve]) -> Plot:
    """Draws the error of yaw by how far the face is turned, at each method's best place and of two controls."""
    shown = {f"{one.name}, {place}": read.methods[one.name][place] for one, place in _best_places(read, curves)}
    shown |= {f"{name}, {place}": read.controls[name][place] for name, place in _ends(read)}
    bins = np.round(task.truth[:, 0] / BIN).astype(np.int64)
    lines = {}
    for name, angles in shown.items():
        errors = pose_error(task.truth, angles)[:, 0]
        lines[name] = tuple((float(BIN * one), round(float(errors[bins == one].mean()), 4)) for one in np.unique(bins))
    return Plot(title="Error of yaw by how far the face is turned", x="yaw, degrees", y="error, degrees", lines=lines)


def _best_places(read: Read, curves: Sequence[Curve]) -> list[tuple[Curve, str]]:
    """Returns each method with the place that errs least; none where nothing was read."""
    found = [(one, ranked(one, read.places, MEAN, falling=False)) for one in curves if one.kind == "method"]
    return [(one, next(iter(places))) for one, places in found if places]


def _ends(read: Read) -> list[tuple[str, str]]:
    """Returns the controls that are drawn, each with a place."""
    return [(STILL, read.places[0]), *([(JUDGE, READING)] if JUDGE in read.controls else [])]


def _sheet(read: Read, task: _Task, curves: Sequence[Curve]) -> Sheet:
    """Shows the faces that each method's best place reads worst."""
    sheet = Sheet(("face",), task.sets.test.size)
    for curve, place in _best_places(read, curves):
        angles = read.methods[curve.name][place]
        worst = np.argsort(-pose_error(task.truth, angles).mean(axis=1), kind="stable")[:SHOWN]
        images = task.sets.test.read(task.sets.asked[worst])
        for rank, (row, image) in enumerate(zip(worst.tolist(), images, strict=True), 1):
            said = f"is {_degrees(task.truth[row])}; by {place} {_degrees(angles[row])}"
            sheet.add(f"farthest off, {rank}", curve.name, [image], said)
    return sheet


def _degrees(angles: NDArray[np.float64]) -> str:
    return ", ".join(f"{name} {round(float(angle)):+d}°" for name, angle in zip(ANGLES, angles, strict=True))


def _lead(curves: Sequence[Curve], places: Sequence[str]) -> str:
    """Says where each method's pose is, and what the controls reach."""
    said = []
    for curve in (one for one in curves if one.kind == "method"):
        found = ranked(curve, places, MEAN, falling=False)
        if not found:
            said.append(f"nothing could be read from {curve.name}")
            continue
        best = next(iter(found))
        rest = [place for place in found if place not in (best, READING)]
        angles = [curve.points[places.index(best)].values[KEYS[name]].value for name in ANGLES]
        line = (
            f"{best} of {curve.name} is off by {angles[0]:.1f}° of yaw, {angles[1]:.1f}° of pitch and {angles[2]:.1f}°"
        )
        line += f" of roll, {found[best]:.1f}° on average"
        said.append(line + (f", the next best part, {rest[0]}, by {found[rest[0]]:.1f}°" if rest else ""))
    ends = {one.name: next(iter(ranked(one, places, MEAN, falling=False).values())) for one in curves
            if one.kind == "control"}  # fmt: skip
    judged = f"; the judge is off by {ends[JUDGE]:.1f}°" if JUDGE in ends else ""
    return f"{'; '.join(said)}. Who always says the same pose is off by {ends[STILL]:.1f}°{judged}."
