# SPDX-License-Identifier: MIT
"""What do the nearest faces share? Asked of each part of a code, and of combinations of parts.

Browatzki and Wallraven's Figure 4 shows the seven nearest faces by each part and no number. Here every face asks, and
is compared with its neighbours: the same person, the same expression, the same attributes, the same pose. A part should
find what it stands for and be at chance for the rest. Faces near by a few pixels show what can be had without a code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.metrics.identity import unit_rows
from faceeval.metrics.retrieval import TOP
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import Codes, check_methods, embeddings, parts_of
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.looked import QUICK, rows_of_whole_people
from faceeval.protocols.retrieval_values import MEASURED, Asked, Search, asked_of
from faceeval.protocols.sheets import Sheet
from faceeval.protocols.thumbnails import thumbnail_codes
from faceeval.results.sweeps import Axis, Curve, Measure, Point

CHANCE, PIXELS = "chance", "pixels"
TAG = "faceeval/1/bw/retrieval"
JOIN = "+"  # between parts that are asked together


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        parts: Which parts of the code; all by default. ``"identity+expression"`` asks two together.
        k: How many of the nearest.
        measure: How near is told: by Euclidean distance, as the paper does, or by cosine, at which codes whose length
            says nothing of the face are better.
        attributes: Which attributes are compared; all by default.
        thumbnail: Side in pixels of the reduced images whose grey levels are the control.
        queries: How many faces are shown with their neighbours.
    """

    parts: tuple[str, ...] | None = None
    k: int = TOP
    measure: Literal["euclidean", "cosine"] = "euclidean"
    attributes: tuple[str, ...] | None = None
    thumbnail: int = 8
    queries: int = 2


def _measure(
    key: str, metric: str, better: Literal["higher", "lower"], unit: str, digits: int, meaning: str
) -> Measure:
    return Measure(
        question="What do the nearest faces share?", label=MEASURED[key], unit=unit, better=better, digits=digits,
        version=METRICS[metric].version, meaning=meaning, drawn=True,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "identity_precision": _measure(
        "identity_precision", "retrieval_precision", "higher", "share", 3,
        "Share of the nearest that are the same person, among people with enough images to fill all places.",
    ),
    "expression_precision": _measure(
        "expression_precision", "retrieval_precision", "higher", "share", 3,
        "Share of the nearest that show the same of AffectNet's eight expressions.",
    ),
    "attribute_accuracy": _measure(
        "attribute_accuracy", "retrieval_attribute_accuracy", "higher", "share", 3,
        "Share of attribute values that agree with those of the nearest; rare ones agree by chance.",
    ),
    "angle_error": _measure(
        "angle_error", "retrieval_angle_error", "lower", "degrees", 2,
        "Mean absolute difference of yaw, pitch and roll to the nearest.",
    ),
}  # fmt: skip
FOUND = {
    "identity_precision": "{part} of {name} finds the same person in {value:.1%} of the places (chance {chance:.1%})",
    "expression_precision": "{part} the same expression in {value:.1%} ({chance:.1%})",
    "angle_error": "{part} heads {value:.1f} degrees apart ({chance:.1f})",
}


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Compares every face with its nearest ones by each part of each method's code.

    Args:
        methods: Embed.
        given: The split ``"test"``; ``count`` takes about so many images, every image of each person that is taken.
        options: See `Options`.

    Returns:
        A curve over the parts for each method, chance, and what pixels find; strips of queries and their neighbours.

    Raises:
        InputError: A method cannot embed, what it returns is no code, or all its codes are equal; there are no more
            images than neighbours; the data know nothing of the faces.
        UnknownNameError: A method has no such part, or the data no such attribute.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["retrieval"], faces.size)
    wanted = {method.card.name: _wanted(method, options.parts) for method in methods}
    parts = tuple(dict.fromkeys(part for found in wanted.values() for part in found))
    if options.k < 1:
        raise InputError("at least 1 neighbour", str(options.k), "give --set k=7")
    rows = rows_of_whole_people(faces, given.count, TAG, options.k + 1)
    asked = asked_of(faces, rows, options.k, options.attributes)
    task = _Task(given, asked, rows, parts, options)
    pixels, _ = task.point(Search(PIXELS, _pixel_codes(task), options.k))
    at_random = {key: question.by_chance(given.seed) for key, question in asked.questions.items()}
    chance = Point(values=at_random, absent=dict(asked.absent))
    sheet = Sheet(("query", *(str(place) for place in range(1, options.k + 1))), faces.size)
    curves, tables = [], {}
    for method in methods:
        curve, tables[method.card.name] = task.method(method, wanted[method.card.name], sheet)
        curves.append(curve)
    for name, point in ((CHANCE, chance), (PIXELS, pixels)):
        curves.append(Curve(name=name, kind="control", points=(point,) * len(parts)))
    grid, tiles = sheet.drawn()
    names = tuple(faces.names[row] for row in rows.tolist())
    return Found(
        title="Retrieval: what the nearest faces share",
        lead=_lead(curves, parts, chance, options.k),
        faces=faces,
        names=names,
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("part of the code", parts),
        measures=MEASURES,
        curves=tuple(curves),
        settings={
            "neighbours": options.k,
            "measure": options.measure,
            "thumbnail": options.thumbnail,
            "attributes": ", ".join(asked.attributes),
            "batch_size": given.batch_size,
        },
        images=image_curves(names, tables),
        grid=grid,
        tiles=tiles,
        notices=(*_notices(given, len(rows), len(faces)), *asked.notices),
    )


@dataclass(frozen=True)
class _Task:
    """Who is asked about what.

    Attributes:
        given: Data, batch size, clock and progress.
        asked: The questions.
        rows: Images that ask, and are asked for.
        parts: Of all methods, in order.
        options: See `Options`.
    """

    given: Given
    asked: Asked
    rows: NDArray[np.int64]
    parts: tuple[str, ...]
    options: Options

    def method(self, method: Any, wanted: tuple[str, ...], sheet: Sheet) -> tuple[Curve, dict[str, Codes]]:
        """Returns a method's curve, and what each image has at each part, measure -> (N, P)."""
        name, faces = method.card.name, self.given.part("test")
        single: dict[str, Codes] = {}
        table = {key: np.full((len(self.rows), len(self.parts)), np.nan) for key in self.asked.questions}
        points = []
        for place, part in enumerate(self.parts):
            if part not in wanted:
                points.append(Point(values={}, absent=dict.fromkeys(MEASURES, f"{name} has no part of that name")))
                continue
            for one in part.split(JOIN):
                if one not in single:
                    single[one] = embeddings(method, faces, self.rows, one, self.given)
            codes = np.concatenate([single[one] for one in part.split(JOIN)], axis=1)
            search = self.search(f"{part} of {name}", codes)
            point, column = self.point(search)
            points.append(point)
            for key, values in column.items():
                table[key][:, place] = values
            self.show(sheet, name, part, search)
        return Curve(name=name, kind="method", points=tuple(points)), table

    def search(self, what: str, codes: Codes) -> Search:
        """Returns the search by codes, or by their directions."""
        return Search(what, unit_rows(what, codes) if self.options.measure == "cosine" else codes, self.options.k)

    def point(self, search: Search) -> tuple[Point, dict[str, Codes]]:
        """Returns the measures of one code, and each image's value, measure -> (N,)."""
        with self.given.clock.part("statistics"):
            found = self.asked.values(search)
            values = {key: self.asked.questions[key].mean(each, self.given.seed) for key, each in found.items()}
        return Point(values=values, absent=dict(self.asked.absent)), found

    def show(self, sheet: Sheet, name: str, part: str, search: Search) -> None:
        """Adds a few queries with what is nearest to them."""
        faces = self.given.part("test")
        names = [faces.names[row] for row in self.rows.tolist()]
        near = search.nearest()
        for number, query in enumerate(select(self.options.queries, names, f"{TAG}/shown"), 1):
            place = names.index(query)
            images = faces.read(self.rows[np.concatenate([[place], near[place]])])
            sheet.add(f"query {number}, {part}", name, list(images), self.asked.said(place, near[place]))


def _wanted(method: Any, parts: tuple[str, ...] | None) -> tuple[str, ...]:
    """Returns the parts a method is asked about, each of which may be several joined.

    Raises:
        UnknownNameError: It has no such part.
    """
    if parts is None:
        return parts_of(method)
    parts_of(method, [one for part in parts for one in part.split(JOIN)])
    return parts


def _pixel_codes(task: _Task) -> Codes:
    faces, size = task.given.part("test"), task.given.batch_size
    found = []
    for start in range(0, len(task.rows), size):
        with task.given.clock.part("data"):
            images = faces.read(task.rows[start : start + size])
        found.append(thumbnail_codes(images, task.options.thumbnail))
    return np.concatenate(found)


def _lead(curves: Sequence[Curve], parts: tuple[str, ...], chance: Point, k: int) -> str:
    """Says of each method which part finds the most of what."""
    said = []
    for curve in curves:
        if curve.kind != "method":
            continue
        lines = []
        for key, text in FOUND.items():
            found = {part: one.values[key].value for part, one in zip(parts, curve.points, strict=True)
                     if key in one.values}  # fmt: skip
            if found:
                best = (max if MEASURES[key].better == "higher" else min)(found, key=found.__getitem__)
                about: Mapping[str, Any] = {"part": best, "name": curve.name, "value": found[best]}
                lines.append(text.format(**about, chance=chance.values[key].value))
        said.append(", ".join(lines))
    return f"Among the {k} nearest faces, {'; '.join(filter(None, said))}." if any(said) else ""


def _notices(given: Given, taken: int, there: int) -> tuple[str, ...]:
    return (f"only {taken} of {there} images: {QUICK}",) if given.count is not None and taken < there else ()
