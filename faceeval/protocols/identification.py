# SPDX-License-Identifier: MIT
"""Does a picture show the person it is to show? Closed-set identification of pictures that mix two faces.

Bao et al., section 4.1: of each person one photograph for the gallery and five queries; a picture takes the person from
a query and all else from somebody's photograph (Table 2, MS-Celeb-1M), or people are taken in six conditions, each of
which is the gallery once (Table 3, Multi-PIE). A judge that trained no method looks for the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError
from faceeval.metrics.identity import unit_rows
from faceeval.protocols.asked import Images, check_methods, embedded, parts_of, pictures
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.identification_tasks import TRAINED, Rows, Task, make_tasks
from faceeval.protocols.identification_values import (
    MEASURES,
    WHOLES,
    Answers,
    Seen,
    chance,
    match_curves,
    over_conditions,
    own_ranks,
    points,
    query_lines,
)
from faceeval.protocols.printed import BAO_TABLE_2, BAO_TABLE_2_SOURCE
from faceeval.protocols.sheets import Sheet
from faceeval.results import Value
from faceeval.results.sweeps import Axis, Curve, Point, PrintedTable

REAL, TAKER, CHANCE = "real queries", "attribute images", "chance"
IDENTITY = "identity"
SHOWN = 4  # pictures of each task in the strips

PRINTED = PrintedTable(
    source=BAO_TABLE_2_SOURCE,
    heads=("MS-Celeb-1M, rank 1", "Multi-PIE, rank 1"),
    rows={name: (f"{value:.2f} %", "") for name, value in BAO_TABLE_2.items()},
)


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        people: Of a set at most, 10,000 in the paper.
        part: What is taken from the person's photograph.
        own: Whether methods that embed an identity look as well; they were trained to please themselves.
    """

    people: int = 10_000
    part: str = IDENTITY
    own: bool = True


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Looks for the people in the pictures of each method.

    Args:
        methods: Swap.
        given: The split ``"test"``; ``"train"`` for people of training; Multi-PIE, or the like, beside it. The judge
            of identity. ``count`` takes fewer people.
        options: See `Options`.

    Returns:
        A curve over sets and conditions for each method, real photographs and chance; match curves; pictures.

    Raises:
        InputError: A method cannot swap or what it returns are no pictures; people are not known, or fewer than two
            of them have images enough.
        UnknownNameError: A method has no such part.
    """
    check_methods(methods, EXPERIMENTS["identification"], given.part("test").size)
    for method in methods:
        parts_of(method, (options.part,))
    tasks = make_tasks(given.faces, options.people if given.count is None else given.count)
    real = [_look(task, task.rows, given) for task in tasks]
    asked = {
        REAL: [_all(task, seen, lambda g, t: g.queries) for task, seen in zip(tasks, real, strict=True)],
        TAKER: [_all(task, seen, lambda g, t: t.takers[g.made]) for task, seen in zip(tasks, real, strict=True)],
    }
    sheet = Sheet(("in the gallery", "whose face", "whose attributes", "made", "found"), given.part("test").size)
    curves = dict[str, Curve]()
    for method in methods:
        name, own = method.card.name, []
        asked[name] = []
        for task, seen in zip(tasks, real, strict=True):
            drawn = _draw(method, task, given, options)
            asked[name].append([Answers.of(task, g, seen, drawn.seen.at(g.made)) for g in task.galleries])
            own.append(_own(method, task, drawn, given))
            _show(sheet, name, task, seen, drawn)
        curves[name] = _curve(name, asked[name], asked[REAL], own, given)
    for name in (REAL, TAKER):
        curves[name] = _curve(name, asked[name], None if name == REAL else asked[REAL], None, given)
    guesses = tuple(chance(gallery) for task in tasks for gallery in task.galleries)
    told = {name: found for name, found in asked.items() if name != TAKER}
    names, tables = query_lines(told, tasks)
    grid, tiles = sheet.drawn()
    places = tuple(gallery.label for task in tasks for gallery in task.galleries)
    return Found(
        title="Identification: whose face was made",
        lead=_lead(tasks, curves, [method.card.name for method in methods]),
        faces=tasks[0].faces,
        names=tuple(tasks[0].faces.names[row] for row in tasks[0].rows.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("people, or the condition their gallery shows", places),
        measures=MEASURES,
        wholes=WHOLES,
        curves=(*curves.values(), Curve(name=CHANCE, kind="control", points=guesses)),
        settings=_settings(tasks, given, options),
        plots=(match_curves(told, tasks),),
        images=image_curves(names, tables),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=_notices(tasks, given),
    )


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What became of a task's pictures.

    Attributes:
        seen: What the judge makes of them.
        own: The method's own identity codes of them, (M, D); None where it has none.
        kept: Number of a picture -> the picture, of those to be shown.
    """

    seen: Seen
    own: NDArray[np.float64] | None
    kept: Mapping[int, NDArray[np.uint8]]


def _draw(method: Any, task: Task, given: Given, options: Options) -> _Drawn:
    """Makes the pictures, batch by batch, and keeps no more of them than is shown."""
    name, count = method.card.name, len(task.givers)
    advance, wanted = given.bar(f"{name}, {task.label}"), set(_shown(task))
    looks, own = list[Seen](), list[NDArray[np.float64]]()
    kept = dict[int, NDArray[np.uint8]]()
    for start in range(0, count, given.batch_size):
        block = slice(start, min(start + given.batch_size, count))
        with given.clock.part("data"):
            givers, takers = (task.faces.read(rows[block]) for rows in (task.givers, task.takers))
        made = pictures(method.swap, f"{name}.swap", given, givers, takers, beside=(options.part,))
        looks.append(_seen(made, given))
        if options.own and _embeds(method):
            own.append(embedded(method, made.__getitem__, len(made), IDENTITY, given))
            _refuse_width(name, own)
        kept |= {number: made[number - start] for number in wanted if block.start <= number < block.stop}
        advance(block.stop, count)
    return _Drawn(_joined(looks), np.concatenate(own) if own else None, kept)


def _refuse_width(name: str, codes: Sequence[NDArray[np.float64]]) -> None:
    """Refuses codes that are wider or narrower than those of the batches before."""
    before, now = codes[0].shape[1], codes[-1].shape[1]
    if before != now:
        todo = "return codes of one width, whatever the batch"
        raise InputError(f"from {name}.embed codes of {before} numbers, as before", str(now), todo)


def _embeds(method: Any) -> bool:
    return callable(getattr(method, "embed", None)) and IDENTITY in method.card.parts


def _look(task: Task, rows: Rows, given: Given) -> Seen:
    """Returns what the judge makes of photographs."""
    advance, looks = given.bar(f"photographs, {task.label}"), []
    for start in range(0, len(rows), given.batch_size):
        with given.clock.part("data"):
            images = task.faces.read(rows[start : start + given.batch_size])
        looks.append(_seen(images, given))
        advance(min(start + given.batch_size, len(rows)), len(rows))
    return _joined(looks)


def _seen(images: Images, given: Given) -> Seen:
    with given.clock.part("judges"):
        codes = given.panel.look(images)[IDENTITY].astype(np.float64)
        pose = given.panel.read(images, "pose").astype(np.float64) if given.panel.can_read("pose") else None
    return Seen(codes, pose)


def _joined(looks: Sequence[Seen]) -> Seen:
    poses = [seen.pose for seen in looks if seen.pose is not None]
    return Seen(np.concatenate([seen.codes for seen in looks]), np.concatenate(poses) if poses else None)


def _all(task: Task, real: Seen, probes: Any) -> list[Answers]:
    """Lets photographs ask in all galleries of a task; ``probes`` says which, given gallery and task."""
    return [
        Answers.of(task, gallery, real, real.at(np.searchsorted(task.rows, probes(gallery, task))))
        for gallery in task.galleries
    ]


def _own(method: Any, task: Task, drawn: _Drawn, given: Given) -> list[tuple[Rows, Rows]] | None:
    """Returns the ranks of pictures and of real queries in each gallery by the method's own code."""
    if drawn.own is None:
        return None
    rows = task.rows
    codes = embedded(method, lambda block: task.faces.read(rows[block]), len(rows), IDENTITY, given, task.faces, rows)
    return [
        (
            own_ranks(task, gallery, codes, drawn.own[gallery.made]),
            own_ranks(task, gallery, codes, codes[np.searchsorted(rows, gallery.queries)]),
        )
        for gallery in task.galleries
    ]


def _curve(
    name: str,
    asked: Sequence[Sequence[Answers]],
    real: Sequence[Sequence[Answers]] | None,
    own: Sequence[list[tuple[Rows, Rows]] | None] | None,
    given: Given,
) -> Curve:
    """Returns the curve over the galleries of all tasks."""
    found, whole = list[Point](), dict[str, Value]()
    for number, answers in enumerate(asked):
        beside = None if real is None else real[number]
        found += points(answers, beside, None if own is None else own[number], given.seed)
        over = over_conditions(answers, given.seed)
        if over is not None:
            whole["conditions_accuracy"] = over
    control = name in (REAL, TAKER)
    return Curve(name=name, kind="control" if control else "method", points=tuple(found), whole=whole)


def _shown(task: Task) -> list[int]:
    """Returns the numbers of the pictures to be shown: of the first few people in the first gallery, one each."""
    return [int(number) for number in task.galleries[0].made[_asking(task)]]


def _asking(task: Task) -> Rows:
    gallery = task.galleries[0]
    each = len(gallery.made) // len(gallery.people)
    persons = np.arange(min(SHOWN, len(gallery.people)))
    return persons * each + persons % each


def _show(sheet: Sheet, name: str, task: Task, real: Seen, drawn: _Drawn) -> None:
    """Adds pictures beside what they were made of, and whom the judge takes them for."""
    gallery, codes = task.galleries[0], real.codes[np.searchsorted(task.rows, task.galleries[0].images)]
    known = unit_rows("gallery", codes)
    for place in _asking(task).tolist():
        number, person = int(gallery.made[place]), gallery.wanted[place]
        nearest = gallery.images[(known @ drawn.seen.codes[number]).argmax()]
        right = gallery.images[np.flatnonzero(gallery.people == person)[0]]
        rows = np.array([right, task.givers[number], task.takers[number], nearest], np.int64)
        *before, found = task.faces.read(rows)
        sheet.add(task.faces.names[rows[1]], name, [*before, drawn.kept[number], found], task.label)


def _settings(tasks: Sequence[Task], given: Given, options: Options) -> dict[str, str | int | float | bool]:
    settings: dict[str, str | int | float | bool] = {"part": options.part, "batch_size": given.batch_size}
    for task in tasks:
        settings[f"people, {task.label}"] = len(task.galleries[0].people)
        settings[f"pictures, {task.label}"] = len(task.givers)
        settings[f"data, {task.label}"] = f"{task.faces.name} {task.faces.split} {task.faces.digest[:16]}"
    return settings


def _lead(tasks: Sequence[Task], curves: Mapping[str, Curve], methods: Sequence[str]) -> str:
    """Says how often the right person is found, beside what real photographs get."""
    names, people = (*methods, REAL), len(tasks[0].galleries[0].people)
    over = {name: value for name in names if (value := curves[name].whole.get("conditions_accuracy")) is not None}
    if len(tasks[0].galleries) > 1:
        return f"Over all conditions, {people} people in each gallery, {_found(over)}; chance is {100 / people:.1f} %."
    first = {name: curves[name].points[0].values["rank_1_accuracy"] for name in names}
    lead = f"{tasks[0].label.capitalize()}, {people} in the gallery: {_found(first)}; chance is {100 / people:.1f} %."
    return f"{lead} Over all conditions {_found(over)}." if over else lead


def _found(accuracies: Mapping[str, Value]) -> str:
    *made, real = (f"{100 * value.value:.1f} %" for value in accuracies.values())
    said = ", ".join(f"in {share} of {name}'s pictures" for share, name in zip(made, accuracies, strict=False))
    return f"the judge finds the right one {said}, and in {real} of real queries"


def _notices(tasks: Sequence[Task], given: Given) -> tuple[str, ...]:
    notices = []
    if given.count is not None:
        notices.append(f"only {given.count} people of each set: a quick look, no result")
    if any(task.label == TRAINED[0] for task in tasks):
        said = "are asked by photographs that may have been trained on; the paper took others of them"
        notices.append(f"{TRAINED[0]} {said}")
    return tuple(notices)
