# SPDX-License-Identifier: MIT
"""From one face's attributes to another's, step by step: does what is seen change steadily, and who is it meanwhile?

Bao and others morph pose, light and expression of Multi-PIE (section 4.4, Figure 8) and count nothing. Here each step
is read: degrees of the head, logits of expressions, light and shade of the picture. On procfaces the faces in between
are rendered, so that one sees how steady the readings of a perfect method are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.data.dialects.mixed import true_morphs
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.protocols.asked import Images, check_methods, pictures
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.morphing_values import MEASURES, Path, along
from faceeval.protocols.moved import (
    Array,
    Kind,
    Tables,
    curve_of,
    looked_short,
    people_wanted,
    read_faces,
    refuse_names,
)
from faceeval.protocols.posed import FRONT, SIDE_LIT, SMILE, TURNED, taken_in
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, FaceGrid, Plot

PEOPLE = 50
SHOWN = 2  # people in the strips
MOST_STEPS = 100
# what changes -> the condition it changes to, from the front
PATHS = {"pose": TURNED, "light": SIDE_LIT, "expression": SMILE}
KINDS: dict[str, Kind] = {"identity": "identity", "cross-fade": "control", "truth": "control"}


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        steps: Steps from the one to the other; there is one picture more.
        attributes_of: Whose pictures lend the attributes: another person's, or the same one's, as the paper does not
            say.
        truth: Whether the right answers are rendered, where the data know them.
    """

    steps: int = 8
    attributes_of: Literal["another", "same"] = "another"
    truth: bool = True


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Morphs faces and reads every step.

    Args:
        methods: Morph.
        given: The split ``"test"``, named as Multi-PIE's faces; ``count`` takes fewer people.
        options: See `Options`.

    Returns:
        A curve over what changes for each method, for a giver who never changes, for blended pixels and for the truth;
        how far along each step is, and how like the giver.

    Raises:
        InputError: A method cannot morph, or returns no picture; nobody was taken in the conditions; senseless steps.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["morphing"], faces.size)
    refuse_names(methods, tuple(KINDS))
    task = _Task.of(faces, given, options)
    truth = {kind: task.true_answers(kind) if options.truth else None for kind in PATHS}
    made = {method.card.name: task.morphs(method, given) for method in methods}
    made |= {"identity": dict.fromkeys(PATHS, task.still()), "cross-fade": task.blends(truth)}
    right = {kind: answer for kind, answer in truth.items() if answer is not None}
    made |= {"truth": right} if right else {}
    curves, tables, lines = list[Curve](), dict[str, Tables](), dict[str, dict[str, Array]]()
    for name, pictured in made.items():
        tables[name], lines[name] = task.tables(pictured, truth, given)
        reason = partial(_reason, bool(right))
        curves.append(curve_of(name, KINDS.get(name, "method"), tables[name], MEASURES, reason, given))
    grid, tiles = _sheet(task, {name: pictured for name, pictured in made.items() if KINDS.get(name) != "identity"})
    return Found(
        title="Morphing: from one face's attributes to another's",
        lead=_lead(curves),
        faces=faces,
        names=tuple(faces.names[row] for row in np.unique(np.concatenate([task.table, task.lenders])).tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("what changes", tuple(PATHS)),
        measures=MEASURES,
        curves=tuple(curves),
        settings={
            "people": len(task.table),
            "steps": options.steps,
            "attributes_of": options.attributes_of,
            "batch_size": given.batch_size,
        },
        plots=_plots(lines, task.shares),
        images=image_curves(tuple(faces.names[row] for row in task.table[:, 0].tolist()), tables),
        grid=grid,
        tiles=tiles,
        notices=looked_short(given, len(task.table), "people"),
    )


@dataclass(frozen=True)
class _Task:
    """Who is morphed between whose pictures.

    Attributes:
        faces: The set.
        table: Rows of it, int64 (N, 4): the givers from the front, side-lit, turned, smiling.
        lenders: The same of those who lend attributes.
        shares: Places of the path, float64 (P,), from 0 to 1.
        paths: What changes -> what is seen of the lenders' pictures at its ends, and of the givers.
    """

    faces: FaceSet
    table: NDArray[np.int64]
    lenders: NDArray[np.int64]
    shares: Array
    paths: dict[str, Path]

    @classmethod
    def of(cls, faces: FaceSet, given: Given, options: Options) -> _Task:
        """Chooses people, and looks at the pictures that are there."""
        if not 2 <= options.steps <= MOST_STEPS:
            raise InputError(f"2 to {MOST_STEPS} steps", str(options.steps), "leave steps at 8")
        table = taken_in(faces, (FRONT, *PATHS.values()), "faceeval/1/morphing")
        if len(table) == 0:
            todo = "choose procfaces:multipie, or a copy of Multi-PIE"
            raise InputError("faces taken in Multi-PIE's conditions, and named so", f"none in {faces.name}", todo)
        table = table[: people_wanted(given, PEOPLE, len(table))]
        lenders = np.roll(table, -1, axis=0) if options.attributes_of == "another" else table
        # the smile is the giver's other picture: the front is the one that was given
        reference = read_faces(faces.read(table[:, 1 + list(PATHS).index("expression")]), given)
        first = faces.read(lenders[:, 0])
        paths = {
            kind: Path.of(kind, first, faces.read(lenders[:, 1 + place]), reference.identity, given)
            for place, kind in enumerate(PATHS)
        }
        return cls(faces, table, lenders, np.linspace(0.0, 1.0, options.steps + 1), paths)

    def ends(self, kind: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
        """Returns givers, first and second pictures and shares of all steps, each (N * P,), person after person."""
        places, column = len(self.shares), 1 + list(PATHS).index(kind)
        rows = (self.table[:, 0], self.lenders[:, 0], self.lenders[:, column])
        givers, first, second = (np.repeat(side, places) for side in rows)
        return givers, first, second, np.tile(self.shares, len(self.table))

    def morphs(self, method: Any, given: Given) -> dict[str, Images]:
        """Returns what changes -> the method's pictures (N * P, 3, S, S)."""
        name, advance, made = method.card.name, given.bar(method.card.name), dict[str, Images]()
        for place, kind in enumerate(PATHS, 1):
            *rows, share = self.ends(kind)
            shares = torch.from_numpy(share.astype(np.float32))
            sides = [self.faces.read(side) for side in rows]
            made[kind] = pictures(method.morph, f"{name}.morph", given, *sides, beside=(shares,))
            advance(place, len(PATHS))
        return made

    def true_answers(self, kind: str) -> Images | None:
        """Returns the right answers (N * P, 3, S, S); None where nobody can know them."""
        return true_morphs(self.faces, *self.ends(kind))

    def still(self) -> Images:
        """Returns the givers' pictures, once for each step."""
        return np.repeat(self.faces.read(self.table[:, 0]), len(self.shares), axis=0)

    def blends(self, truth: dict[str, Images | None]) -> dict[str, Images]:
        """Returns the pixels of the first and the last right answer blended, else those of the lent pictures."""
        made, places = {}, len(self.shares)
        for kind in PATHS:
            _, first, second, share = self.ends(kind)
            if (right := truth[kind]) is not None:
                ends = [np.repeat(right[place::places], places, axis=0) for place in (0, places - 1)]
            else:
                ends = [self.faces.read(side) for side in (first, second)]
            weight = share[:, None, None, None]
            made[kind] = np.round((1 - weight) * ends[0] + weight * ends[1]).astype(np.uint8)
        return made

    def tables(
        self, made: dict[str, Images], truth: dict[str, Images | None], given: Given
    ) -> tuple[Tables, dict[str, Array]]:
        """Returns measure -> values (N, paths), and what changes -> mean progress and similarity by step (2, P)."""
        found, lines = [], {}
        for kind, path in self.paths.items():
            values, lines[kind] = along(path, made.get(kind), truth[kind], len(self.shares), given)
            found.append(values)
        return {key: np.stack([values[key] for values in found], axis=1) for key in MEASURES}, lines


def _reason(truth: bool, key: str, place: int) -> str:
    return "nobody knows the right answer" if key == "truth_error" and not truth else "no judge says it"


def _plots(lines: dict[str, dict[str, Array]], shares: Array) -> tuple[Plot, ...]:
    """Draws how far along each step is, and how like the giver."""

    def drawn(values: Array) -> tuple[tuple[float, float], ...]:
        return tuple((round(x, 5), round(y, 5)) for x, y in zip(shares.tolist(), values.tolist(), strict=True))

    found = []
    for kind in PATHS:
        own = {name: drawn(line[kind][0]) for name, line in lines.items() if np.isfinite(line[kind][0]).all()}
        if own:
            title = f"How far along by what is seen: {kind}"
            found.append(
                Plot(
                    title=title,
                    x="share of the way",
                    y="share seen",
                    lines=own,
                    diagonal=True,
                    diagonal_means="an even change",
                )
            )
    like = {
        f"{name}, {kind}": drawn(values[1])
        for name, line in lines.items()
        for kind, values in line.items()
        if np.isfinite(values[1]).all()
    }
    if like:
        found.append(Plot(title="How like the giver", x="share of the way", y="similarity, cosine", lines=like))
    return tuple(found)


def _sheet(task: _Task, made: dict[str, dict[str, Images]]) -> tuple[FaceGrid, NDArray[np.uint8]]:
    places = len(task.shares)
    sheet = Sheet(("giver", "from", *(f"{share:.2f}" for share in task.shares), "to"), task.faces.size)
    for person in range(min(SHOWN, len(task.table))):
        for place, kind in enumerate(PATHS):
            rows = np.array([task.table[person, 0], task.lenders[person, 0], task.lenders[person, 1 + place]])
            giver, first, second = task.faces.read(rows)
            for name, images in made.items():
                if kind in images:
                    steps = images[kind][person * places : (person + 1) * places]
                    title = f"{task.faces.names[rows[0]]}, {kind}"
                    sheet.add(title, name, [giver, first, *steps, second], f"the {kind} changes")
    return sheet.drawn()


def _lead(curves: Sequence[Curve]) -> str:
    """Says how steadily each method changes what it should, and how like the giver its faces are."""
    said = []
    for curve in curves:
        means = {}
        for key in ("path_monotonicity", "path_evenness", "identity_similarity"):
            values = [point.values[key].value for point in curve.points if key in point.values]
            means[key] = f"{np.mean(values):.2f}" if values else "unknown"
        if curve.kind != "identity":
            name = "the rendered right answers" if curve.name == "truth" else curve.name
            said.append(f"{name} {' / '.join(means.values())}")
    return f"Kendall's tau of what is seen, evenness of steps, similarity to the giver: {'; '.join(said)}."
