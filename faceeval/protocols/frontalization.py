# SPDX-License-Identifier: MIT
"""Turned faces seen from the front: is the head turned, and is it still the person?

Bao and others show it on LFW (section 4.3, Figure 7): a frontal face of somebody else lends its attributes. Browatzki
and Wallraven hand over the pose alone (Figure 5, first row). Both are asked here, each method in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.mixed import true_transfers
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from faceeval.metrics.identification import identification_ranks
from faceeval.metrics.pose import pose_error
from faceeval.metrics.preservation import pixel_rmse
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import Images, check_methods, pictures
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.moved import (
    Array,
    Kind,
    Reading,
    Tables,
    curve_of,
    looked_short,
    people_wanted,
    read_faces,
    refuse_names,
    similarity,
)
from faceeval.protocols.posed import BIN_NAMES, FRONT, SIDE_LIT, TURNED, TURNED_SIDE_LIT, taken_in, turned_by_pose
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, FaceGrid, Measure

SHOWN = 4  # people in the strips
TAG = "faceeval/1/frontalization"
KINDS: dict[str, Kind] = {"identity": "identity", "lent": "control", "truth": "control"}
LIGHTS = ("turned", "turned, lit from the side")


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        by: The part that is handed over: the frontal face's ``"pose"`` to the turned one, or the turned one's
            ``"identity"`` to the frontal one. By default the pose where a method has that part.
        truth: Whether the right answers are rendered, where the data know them.
    """

    by: Literal["pose", "identity"] | None = None
    truth: bool = True


def _measure(
    question: str, label: str, unit: str, better: Literal["higher", "lower"], digits: int, metric: str, meaning: str,
    *, drawn: bool = False,
) -> Measure:  # fmt: skip
    return Measure(
        question=question, label=label, unit=unit, better=better, digits=digits, version=METRICS[metric].version,
        meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "yaw_error": _measure(
        "Is it seen from the front?", "yaw", "degrees", "lower", 2, "pose_error",
        "Error of yaw, as the judge reads it, to the frontal face that was lent.", drawn=True,
    ),
    "pose_error": _measure(
        "Is it seen from the front?", "pose", "degrees", "lower", 2, "pose_error",
        "The same for yaw, pitch and roll, mean of the three.",
    ),
    "rank_1_accuracy": _measure(
        "Is it still the person?", "rank 1", "share", "higher", 3, "rank_k_accuracy",
        "Share of pictures whose person is the most similar one among the frontal pictures of all people.", drawn=True,
    ),
    "identity_similarity": _measure(
        "Is it still the person?", "similarity", "cosine", "higher", 3, "identity_similarity",
        "Cosine to the person's own frontal picture.",
    ),
    "truth_error": _measure(
        "Is it the right picture?", "RMSE to the truth", "grey levels", "lower", 2, "pixel_rmse",
        "Root mean square difference to the person's picture from the front, all else as it was.",
    ),
}  # fmt: skip
SHARES = ("rank_1_accuracy",)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Turns faces to the front and asks the judges for pose and person.

    Args:
        methods: Swap; have the part ``"pose"`` or ``"identity"``.
        given: The split ``"test"``: faces named as Multi-PIE's, or faces whose pose is known or can be read; ``count``
            takes fewer people.
        options: See `Options`.

    Returns:
        A curve over the kinds of turned faces for each method, for the turned and the lent face, and for the truth.

    Raises:
        InputError: A method cannot swap, returns no picture, or has neither part; there are too few people, or nobody
            knows how they are turned.
        UnknownNameError: A method lacks the part that is asked for.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["frontalization"], faces.size)
    refuse_names(methods, tuple(KINDS))
    ways = {method.card.name: _way(method, options) for method in methods}
    task = _Task.of(faces, given)
    truth = task.true_answers() if options.truth else None
    made = {method.card.name: _made(method, ways[method.card.name], task, given) for method in methods}
    made |= {"identity": task.turned, "lent": task.lent}
    made |= {"truth": truth} if truth is not None else {}
    curves, tables = list[Curve](), dict[str, Tables]()
    for name, images in made.items():
        seen = read_faces(images, given)
        with given.clock.part("statistics"):
            tables[name] = task.tables(seen, images, truth)
            reason = partial(_reason, truth is not None)
            curves.append(curve_of(name, KINDS.get(name, "method"), tables[name], MEASURES, reason, given, SHARES))
    grid, tiles = _sheet(task, made, ways, truth)
    return Found(
        title="Frontalization: turned faces seen from the front",
        lead=_lead(curves),
        faces=faces,
        names=task.looked_at(),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("the picture that is turned", task.kinds),
        measures=MEASURES,
        curves=tuple(curves),
        settings={
            "people": task.people,
            **{f"by, {name}": way for name, way in ways.items()},
            "batch_size": given.batch_size,
        },
        images=image_curves(tuple(faces.names[row] for row in task.rows.tolist()), tables),
        grid=grid,
        tiles=tiles,
        notices=(*looked_short(given, task.people, "people"), *task.notices),
    )


def _sheet(
    task: _Task, made: dict[str, Images], ways: dict[str, str], truth: Images | None
) -> tuple[FaceGrid, NDArray[np.uint8]]:
    sheet = Sheet(("turned", "lent", "frontal", "truth"), task.faces.size)
    for place in range(min(SHOWN * len(task.kinds), len(task.rows))):
        right = None if truth is None else truth[place]
        for name, way in ways.items():
            strip = [task.turned[place], task.lent[place], made[name][place], right]
            sheet.add(task.faces.names[task.rows[place]], name, strip, f"{task.kinds[task.kind[place]]}, by {way}")
    return sheet.drawn()


def _way(method: Any, options: Options) -> str:
    """Returns the part a method hands over to turn a face."""
    parts, name = method.card.parts, method.card.name
    if options.by is not None:
        if options.by not in parts:
            raise unknown_name(f"part of {name}", options.by, parts)
        return options.by
    if found := [part for part in ("pose", "identity") if part in parts]:
        return found[0]
    got = f"{name} has {', '.join(parts) or 'none'}"
    raise InputError("a method with the part pose or identity", got, "name its parts so in its card")


def _made(method: Any, way: str, task: _Task, given: Given) -> Images:
    """Returns the turned people from the front."""
    sides = (task.lent, task.turned) if way == "pose" else (task.turned, task.lent)
    return pictures(method.swap, f"{method.card.name}.swap", given, *sides, beside=(way,))


@dataclass(frozen=True)
class _Task:
    """Which faces are turned, by whose frontal face, and what the judges say of frontal faces.

    Attributes:
        faces: The set.
        kinds: What the kinds of turned faces are called.
        kind: Of each turned face, int64 (N,).
        rows: The turned faces, rows of the set (N,).
        lenders: Frontal faces of other people (N,).
        fronts: The person's own frontal picture (N,).
        lights: The same under the light of the turned face (N,); None where nobody knows the light.
        turned: Pictures of ``rows``.
        lent: Pictures of ``lenders``.
        gallery: What the judges say of the frontal pictures of all people, person after person.
        place: Where each turned face's person is in the gallery, int64 (N,).
        aim: Pose that is asked for, degrees (N, 3); None where nobody knows it.
        notices: What is to be said of the poses.
    """

    faces: FaceSet
    kinds: tuple[str, ...]
    kind: NDArray[np.int64]
    rows: NDArray[np.int64]
    lenders: NDArray[np.int64]
    fronts: NDArray[np.int64]
    lights: NDArray[np.int64] | None
    turned: Images
    lent: Images
    gallery: Reading
    place: NDArray[np.int64]
    aim: Array | None
    notices: tuple[str, ...]

    @classmethod
    def of(cls, faces: FaceSet, given: Given) -> _Task:
        """Takes the conditions of Multi-PIE where faces are named so, and turned faces of any kind elsewhere."""
        wanted = (TURNED, TURNED_SIDE_LIT, FRONT, SIDE_LIT)
        kinds, notices = LIGHTS, tuple[str, ...]()
        table = taken_in(faces, wanted, TAG)
        if not (by_condition := len(table) > 0):
            kinds, (table, notices) = BIN_NAMES, turned_by_pose(faces, given, TAG)
        table = table[: people_wanted(given, None, len(table))]
        owner, kind = np.nonzero(table[:, :2] >= 0)
        other = (owner + 1) % len(table)  # somebody else's frontal face, in the same light where that is known
        rows, lenders, fronts = table[owner, kind], table[other, 2 + kind], table[:, 2]
        with given.clock.part("data"):
            turned, lent = faces.read(rows), faces.read(lenders)
        aim = read_faces(lent, given).pose if faces.pose is None else faces.pose[lenders].astype(np.float64)
        gallery = read_faces(faces.read(fronts), given)
        lights = table[owner, 2 + kind] if by_condition else None
        return cls(faces, kinds, kind, rows, lenders, fronts[owner], lights, turned, lent, gallery, owner, aim, notices)

    @property
    def people(self) -> int:
        """How many people are turned."""
        return len(np.unique(self.fronts))

    def looked_at(self) -> tuple[str, ...]:
        """Returns the names of all pictures."""
        return tuple(self.faces.names[row] for row in np.unique([self.rows, self.lenders, self.fronts]).tolist())

    def true_answers(self) -> Images | None:
        """Returns what the turned faces should look like: rendered, or else the picture that was taken so."""
        made = true_transfers(self.faces, self.lenders, self.rows, [("pose",)] * len(self.rows))
        if made is None and self.lights is not None:
            return self.faces.read(self.lights)
        return made

    def tables(self, seen: Reading, made: Images, truth: Images | None) -> Tables:
        """Returns measure -> value of each turned face, in the column of its kind (N, kinds)."""
        count, values = len(self.rows), dict[str, Array]()
        if self.aim is not None and seen.pose is not None:
            errors = pose_error(self.aim, seen.pose)
            values |= {"yaw_error": errors[:, 0], "pose_error": errors.mean(axis=1)}
        if seen.identity is not None and self.gallery.identity is not None:
            people = np.arange(len(self.gallery.identity))
            ranks = identification_ranks(seen.identity, self.place, self.gallery.identity, people)
            values["rank_1_accuracy"] = (ranks == 1).astype(np.float64)
            values["identity_similarity"] = similarity(seen.identity, self.gallery.identity[self.place], count)
        if truth is not None:
            values["truth_error"] = pixel_rmse(truth, made)
        tables = {}
        for key in MEASURES:
            tables[key] = np.full((count, len(self.kinds)), np.nan)
            tables[key][np.arange(count), self.kind] = values.get(key, np.nan)
        return tables


def _reason(truth: bool, key: str, place: int) -> str:
    if key == "truth_error" and not truth:
        return "nobody knows the right answer"
    return "no judge says it, or nobody is turned so"


def _lead(curves: Sequence[Curve]) -> str:
    """Says for each method how far off the front its faces are, and how often the person is found."""

    def mean(curve: Curve, key: str) -> float | None:
        found = [point.values[key].value for point in curve.points if key in point.values]
        return float(np.mean(found)) if found else None

    said, named = [], {"identity": "the turned face itself", "truth": "the right answer"}
    for curve in curves:
        yaw, rank = mean(curve, "yaw_error"), mean(curve, "rank_1_accuracy")
        if curve.name == "lent" or (yaw is None and rank is None):
            continue
        parts = [f"{yaw:.1f} degrees of yaw off"] if yaw is not None else []
        parts += [f"{100 * rank:.0f} % found at rank 1"] if rank is not None else []
        said.append(f"{named.get(curve.name, curve.name)}: {', '.join(parts)}")
    return f"{'; '.join(said)}." if said else "No judge says anything of poses or people: there are only pictures."
