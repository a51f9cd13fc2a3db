# SPDX-License-Identifier: MIT
"""What can be read off faces: by a probe on each part of a code, and by methods that say it themselves.

A probe is fitted on codes of training images and asked about test images; what it finds means something beside its
controls: the same probe on noise of the same width, the same probe on the picture made small, and the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError, UnknownNameError
from faceeval.protocols.asked import Codes, Indices, embeddings, parts_of, readings
from faceeval.protocols.experiments import Given
from faceeval.protocols.thumbnails import thumbnail_codes
from faceeval.results.sweeps import Curve, Point

READING = "own reading"  # the place of what a method says itself
NOISE, JUDGE = "noise", "judge"
Answers = dict[str, dict[str, Codes]]  # curve -> place -> what was read, (n, K)


@dataclass(frozen=True)
class Sets:
    """Which images a probe is fitted on, and which it is asked about.

    Attributes:
        train: The training split.
        fitted: Rows of it.
        test: The test split.
        asked: Rows of it.
    """

    train: FaceSet
    fitted: Indices
    test: FaceSet
    asked: Indices

    def __post_init__(self) -> None:
        train, test = set(self.train.names), set(self.test.names)
        if train <= test or test <= train:
            got = f"the {self.test.split} split of {self.test.name}, whose images are those of {self.train.split}"
            raise InputError("test images nothing was fitted on", got, "choose data with a train and a test split")


@dataclass(frozen=True)
class Subject:
    """What is to be read.

    Attributes:
        call: How a method says it itself, such as ``"read_pose"``.
        output: What judges call it.
        width: Numbers a method or a judge says of each image.
        fit: Codes of ``fitted`` (n, D), codes of ``asked`` (m, D) -> what a probe reads off the latter (m, K).
        turn: What a method or a judge says (m, width) -> the same form (m, K).
    """

    call: str
    output: str
    width: int
    fit: Callable[[Codes, Codes], Codes]
    turn: Callable[[Codes], Codes]


@dataclass(frozen=True)
class Read:
    """What was read.

    Attributes:
        places: Parts of codes, and `READING` where somebody says it himself.
        methods: What was read off each method's codes, or said by it.
        controls: The same of noise, small pictures and the judge.
        absent: (curve, place) -> why there is nothing, where more is to say than that there is no such part.
    """

    places: tuple[str, ...]
    methods: Answers
    controls: Answers
    absent: dict[tuple[str, str], str]

    def why(self, curve: str, place: str) -> str:
        """Returns why nothing was read."""
        if (curve, place) in self.absent:
            return self.absent[curve, place]
        if place == READING:
            return f"{curve} says nothing itself"
        return f"{curve} has no part of that name" if curve in self.methods else "a control of what is said"


def fewer(faces: FaceSet, rows: Indices, count: int | None, tag: str) -> Indices:
    """Takes so many of some images by the hash rule; all of them where there are no more, or none are asked for.

    Raises:
        InputError: Fewer than two are asked for.
    """
    if count is None or count >= len(rows):
        return rows
    if count < 2:
        raise InputError("at least 2 images", str(count), "give --count 2 or more")
    chosen = set(select(count, [faces.names[row] for row in rows.tolist()], tag))
    return np.array([row for row in rows.tolist() if faces.names[row] in chosen], np.int64)


def collect(
    methods: Sequence[Any],
    sets: Sets,
    subject: Subject,
    given: Given,
    *,
    parts: Sequence[str] | None,
    reading: bool,
    thumbnail: int,
) -> Read:
    """Fits the probe on each part of each method's code and on the controls, and has those read that can.

    Args:
        methods: Embed, read, or both.
        sets: The images.
        subject: What is to be read.
        given: Batch size, clock, judges and seed.
        parts: Which parts are asked; None asks all.
        reading: Whether methods and the judge are asked what they say themselves.
        thumbnail: Side in pixels of the small picture; 0 leaves it out.

    Raises:
        InputError: A method can do neither, or what it returns is no code.
        UnknownNameError: It has no such part.
    """
    readers = [method for method in methods if reading and _reads(method, subject.call, sets)]
    asked = {method.card.name: _parts(method, parts, method in readers) for method in methods}
    judged = reading and given.panel.can_read(subject.output)
    places = list(dict.fromkeys(part for found in asked.values() for part in found))
    widths: dict[str, int] = {}
    found: Answers = {method.card.name: {} for method in methods}
    absent: dict[tuple[str, str], str] = {}
    for method in methods:
        name = method.card.name
        for part in asked[name]:
            train = embeddings(method, sets.train, sets.fitted, part, given)
            test = embeddings(method, sets.test, sets.asked, part, given)
            widths.setdefault(part, train.shape[1])
            if (train == train[0]).all():
                absent[name, part] = "the code is the same for all training images"
                continue
            with given.clock.part("probe"):
                found[name][part] = subject.fit(train, test)
        if method in readers:
            said = readings(method, subject.call, sets.test, sets.asked, subject.width, given)
            found[name][READING] = subject.turn(said)
    controls = _controls(sets, subject, given, widths, thumbnail)
    if judged:
        controls[JUDGE] = {READING: subject.turn(_judge(sets, subject, given))}
    return Read((*places, *([READING] if readers or judged else [])), found, controls, absent)


def curves_of(read: Read, measures: Iterable[str], point: Callable[[Codes], Point]) -> tuple[Curve, ...]:
    """Returns a curve over the places for each method, then for each control.

    Args:
        read: What was read.
        measures: Keys of the measures, to say why they are absent.
        point: What was read at one place -> what is measured of it; asked once of what several places share.
    """
    known: dict[int, Point] = {}

    def at(name: str, by_place: dict[str, Codes], place: str) -> Point:
        if place not in by_place:
            return Point(values={}, absent=dict.fromkeys(measures, read.why(name, place)))
        said = by_place[place]
        if id(said) not in known:
            known[id(said)] = point(said)
        return known[id(said)]

    kinds: tuple[tuple[Literal["method", "control"], Answers], ...] = (
        ("method", read.methods),
        ("control", read.controls),
    )
    return tuple(
        Curve(name=name, kind=kind, points=tuple(at(name, by_place, place) for place in read.places))
        for kind, answers in kinds
        for name, by_place in answers.items()
    )


def ranked(curve: Curve, places: Sequence[str], key: str, *, falling: bool) -> dict[str, float]:
    """Returns a measure at each place that has it, best first: the largest, or, rising, the smallest."""
    found = {p: point.values[key].value for p, point in zip(places, curve.points, strict=True) if key in point.values}
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=falling))


def thumbnail_name(side: int) -> str:
    """Returns what the control is called."""
    return f"picture of {side} pixels"


def _reads(method: Any, call: str, sets: Sets) -> bool:
    """Whether a method says it itself: a judge in the role of a method may have the call and not the output."""
    if not callable(getattr(method, call, None)):
        return False
    try:
        with torch.inference_mode():
            getattr(method, call)(torch.from_numpy(sets.test.read(sets.asked[:1]).copy()))
    except UnknownNameError:
        return False
    return True


def _parts(method: Any, wanted: Sequence[str] | None, reads: bool) -> tuple[str, ...]:
    """Returns the parts a method is asked about; none of one that only says it itself."""
    embeds = callable(getattr(method, "embed", None))
    if reads and not (embeds and method.card.parts):
        return ()
    if not embeds:
        todo = "leave reading=true, or choose a method that embeds"
        raise InputError("a method with codes to read", f"{method.card.name}, which has none", todo)
    return parts_of(method, wanted)


def _controls(sets: Sets, subject: Subject, given: Given, widths: dict[str, int], thumbnail: int) -> Answers:
    """Fits the probe where there is nothing to find, and where no code is needed; nothing where there is no part."""
    if not widths:
        return {}
    counts = len(sets.fitted), len(sets.asked)
    by_width = {}
    for width in sorted(set(widths.values())):
        rng = np.random.default_rng([given.seed, width])
        noise = [rng.standard_normal((count, width)) for count in counts]
        with given.clock.part("probe"):
            by_width[width] = subject.fit(*noise)
    found: Answers = {NOISE: {part: by_width[width] for part, width in widths.items()}}
    if thumbnail:
        side = min(thumbnail, sets.test.size)
        small = [_thumbnails(*one, side, given) for one in ((sets.train, sets.fitted), (sets.test, sets.asked))]
        with given.clock.part("probe"):
            found[thumbnail_name(side)] = dict.fromkeys(widths, subject.fit(*small))
    return found


def _thumbnails(faces: FaceSet, rows: Indices, side: int, given: Given) -> Codes:
    with given.clock.part("data"):
        blocks = [rows[start : start + given.batch_size] for start in range(0, len(rows), given.batch_size)]
        return np.concatenate([thumbnail_codes(faces.read(block), side) for block in blocks])


def _judge(sets: Sets, subject: Subject, given: Given) -> Codes:
    """Returns what the judge says of the test images, (m, width)."""
    said, advance = [], given.bar(f"judge, {subject.output}")
    for start in range(0, len(sets.asked), given.batch_size):
        block = sets.asked[start : start + given.batch_size]
        with given.clock.part("judges"):
            said.append(given.panel.read(sets.test.read(block), subject.output))
        advance(start + len(block), len(sets.asked))
    return np.concatenate(said).astype(np.float64)
