# SPDX-License-Identifier: MIT
"""What the protocols that move faces share: what the judges say of a picture, each asked once, and curves of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.errors import InputError
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.roc import wilson_interval
from faceeval.protocols.asked import Images
from faceeval.protocols.experiments import Given
from faceeval.protocols.findings import as_value, mean_over
from faceeval.results import Value
from faceeval.results.sweeps import Curve, Measure, Point

Array = NDArray[np.float64]
Kind = Literal["method", "identity", "control"]
Tables = dict[str, Array]  # measure -> value of each face at each place (N, P); NaN where there is none


@dataclass(frozen=True)
class Reading:
    """What the judges say of N pictures; what no judge says is None.

    Attributes:
        identity: Un-normalised embeddings (N, D).
        attributes: Logits (N, A), in the order of the judge's ``attribute_names``.
        pose: Yaw, pitch and roll, degrees (N, 3).
        expression: Logits of AffectNet's classes (N, 8).
    """

    identity: Array | None = None
    attributes: Array | None = None
    pose: Array | None = None
    expression: Array | None = None


def read_faces(images: Images, given: Given) -> Reading:
    """Shows pictures, uint8 (N, 3, S, S), to every judge of a run once; equal pictures get equal answers, to the bit.

    A network's last bits depend on who else is in the batch, and would make a face move that holds still.
    """
    places: dict[bytes, int] = {}
    back = np.array([places.setdefault(image.tobytes(), len(places)) for image in images], np.int64)
    first = np.unique(back, return_index=True)[1]
    batch, judges = torch.from_numpy(images[first]), given.panel.judges
    with given.clock.part("judge"):
        seen = {id(judge): judge(batch) for judge in {id(judge): judge for judge in judges.values()}.values()}

    def said(output: str, role: str = "") -> Array | None:
        asked = [judges[role]] if role in judges else [] if role else list(judges.values())
        answers = (seen[id(judge)][output] for judge in asked if output in judge.outputs)
        return next((answer[back].astype(np.float64) for answer in answers), None)

    return Reading(said("embedding", "identity"), said("attributes", "attributes"), said("pose"), said("expression"))


def similarity(found: Array | None, reference: Array | None, count: int) -> Array:
    """Returns cosines of embeddings (N,); NaN where nobody judges identity."""
    if found is None or reference is None:
        return np.full(count, np.nan)
    return identity_similarity(reference, found)


def curve_of(
    name: str,
    kind: Kind,
    tables: Mapping[str, Array],
    measures: Mapping[str, Measure],
    reason: Callable[[str, int], str],
    given: Given,
    shares: Collection[str] = (),
) -> Curve:
    """Returns a curve of means over faces of different people.

    Args:
        name: The method, or the control.
        kind: Which of them.
        tables: Measure -> value of each face at each place (N, P).
        measures: What may be measured.
        reason: Measure, place -> why there is no number.
        given: Seed of the intervals.
        shares: Measures whose values are 0 and 1, which get Wilson's interval where no tie is among them.
    """
    points = []
    for place in range(next(iter(tables.values())).shape[1]):
        values, absent = dict[str, Value](), dict[str, str]()
        for key in measures:
            column = tables[key][:, place] if key in tables else np.empty(0)
            value = _share(column) if key in shares else None
            value = value or mean_over(column, None, given.seed)
            if value is None:
                absent[key] = reason(key, place)
            else:
                values[key] = value
        points.append(Point(values=values, absent=absent))
    return Curve(name=name, kind=kind, points=tuple(points))


def _share(column: Array) -> Value | None:
    there = column[~np.isnan(column)]
    if len(there) == 0 or not np.isin(there, (0.0, 1.0)).all():
        return None
    return as_value(wilson_interval(int(there.sum()), len(there)), len(there))


def refuse_names(methods: Sequence[Any], controls: Sequence[str]) -> None:
    """Refuses methods that are called like a control.

    Raises:
        InputError: One is.
    """
    for method in methods:
        if method.card.name in controls:
            got = f"{method.card.name!r}, which is a row of every table"
            raise InputError("a method with a name of its own", got, "rename it in its card")


def people_wanted(given: Given, default: int | None, there: int) -> int:
    """Returns how many people (or pairs) are asked for, of those there.

    Args:
        given: Its ``count``, where the user says one.
        default: The protocol's number; None takes all.
        there: How many the data have.

    Raises:
        InputError: Fewer than two are asked for, or there: somebody else has to lend a face.
    """
    wanted = given.count if given.count is not None else default or there
    if wanted < 2:
        raise InputError("at least 2 people", str(wanted), "give --count 2 or more: somebody else has to lend a face")
    if there < 2:
        todo = "choose data with more pictures of each person, such as procfaces"
        raise InputError(f"at least 2 people of {given.data} with all the pictures that are needed", str(there), todo)
    return min(wanted, there)


def looked_short(given: Given, count: int, what: str) -> tuple[str, ...]:
    """Returns the notice that a smaller number than the protocol's was asked for."""
    return (f"only {count} {what}: a quick look, no result",) if given.count else ()
