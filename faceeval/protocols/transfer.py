# SPDX-License-Identifier: MIT
"""One part of a face, or all but one, given to another: what moved, and what stayed?

Browatzki and Wallraven show eight such transfers (section 5.4.1, Figure 5) and count nothing. Here the judges say of
each of four factors (identity, pose, expression, style) whose it is afterwards: the giver's or the taker's. On
procfaces the right answer is rendered, so that one sees what the judges would say of a perfect method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError, unknown_name
from faceeval.protocols.asked import Images, check_methods, parts_of, pictures
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.moved import Kind, Tables, curve_of, looked_short, read_faces, refuse_names
from faceeval.protocols.sheets import Sheet
from faceeval.protocols.transfer_values import MEASURES, MOVES, SHARES, Pairs
from faceeval.results.sweeps import Axis, Curve, FaceGrid

SHOWN = 4  # pairs in the strips
RETURNED = {"identity": "taker", "giver": "giver"}  # controls that return a picture as it is
KINDS: dict[str, Kind] = {"identity": "identity", "giver": "control", "truth": "control"}


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        parts: Which parts are handed over; all of a method's that are in MOVES by default.
        references: Further pictures of each person, whose mean embedding says what the person looks like.
        least_turn: Degrees; whose pose it is, is asked where giver and taker are turned by that much, in some angle.
        truth: Whether the right answers are rendered, where the data know them.
    """

    parts: tuple[str, ...] | None = None
    references: int = 4
    least_turn: float = 10.0
    truth: bool = True


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Hands parts of faces over and asks the judges whose each factor is.

    Args:
        methods: Swap.
        given: The split ``"test"``, whose people have three pictures or more; ``count`` takes fewer pairs.
        options: See `Options`.

    Returns:
        A curve over the parts for each method, for returning the taker and the giver, and for the truth.

    Raises:
        InputError: A method cannot swap, or returns no picture; no part is known; there are too few people.
        UnknownNameError: A method has no such part, or nobody knows what should move with it.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["transfer"], faces.size)
    refuse_names(methods, tuple(KINDS))
    asked = {method.card.name: _asked(method, options) for method in methods}
    parts = tuple(part for part in MOVES if any(part in found for found in asked.values()))
    pairs = Pairs.of(faces, given, options.references, options.least_turn)
    truth = pairs.true_answers(parts) if options.truth else {}
    made = {method.card.name: _made(method, asked[method.card.name], pairs, given) for method in methods}
    made |= {name: dict.fromkeys(parts, pairs.images[side]) for name, side in RETURNED.items()}
    made |= {"truth": truth} if truth else {}
    curves, tables = list[Curve](), dict[str, Tables]()
    for name, images in made.items():
        known = pairs.seen.get(RETURNED.get(name, ""))
        seen = {part: known or read_faces(pictured, given) for part, pictured in images.items()}
        with given.clock.part("statistics"):
            tables[name] = pairs.tables(parts, seen, images, truth)
            reason = partial(_reason, name, parts, tuple(images), bool(truth))
            kind = KINDS.get(name, "method")
            curves.append(curve_of(name, kind, tables[name], MEASURES, reason, given, SHARES))
    grid, tiles = _sheet(pairs, parts, {name: images for name, images in made.items() if name not in RETURNED})
    return Found(
        title="Transfer: what moved, and what stayed",
        lead=_lead(curves),
        faces=faces,
        names=pairs.looked_at(),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("what is the giver's", parts),
        measures=MEASURES,
        curves=tuple(curves),
        settings={
            "pairs": len(pairs.givers),
            "references": pairs.references.shape[1],
            "least_turn": options.least_turn,
            "style_attributes": len(pairs.style),
            "batch_size": given.batch_size,
        },
        images=image_curves(pairs.names(), tables),
        grid=grid,
        tiles=tiles,
        notices=(*looked_short(given, len(pairs.givers), "pairs"), *pairs.notices(), *_left_out(methods, options)),
    )


def _made(method: Any, asked: Sequence[str], pairs: Pairs, given: Given) -> dict[str, Images]:
    """Returns part -> the takers with the givers' part."""
    name, advance, made = method.card.name, given.bar(method.card.name), dict[str, Images]()
    for place, part in enumerate(asked, 1):
        ends = pairs.images["giver"], pairs.images["taker"]
        made[part] = pictures(method.swap, f"{name}.swap", given, *ends, beside=(part,))
        advance(place, len(asked))
    return made


def _asked(method: Any, options: Options) -> tuple[str, ...]:
    """Returns the parts a method is asked to hand over, in the order of MOVES."""
    for part in options.parts or ():
        if part not in MOVES:
            raise unknown_name("part of which it is known what should move with it", part, MOVES)
    have = parts_of(method, options.parts)
    found = tuple(part for part in MOVES if part in have)
    if not found:
        todo = "name parts so in its card, or score it by another protocol"
        raise InputError(f"one of the parts {', '.join(MOVES)}", f"{method.card.name} has {', '.join(have)}", todo)
    return found


def _left_out(methods: Sequence[Any], options: Options) -> tuple[str, ...]:
    if options.parts is not None:
        return ()
    odd = [f"{part} of {method.card.name}" for method in methods for part in method.card.parts if part not in MOVES]
    return (f"not handed over, as nobody knows what should move with it: {', '.join(odd)}",) if odd else ()


def _reason(name: str, parts: Sequence[str], asked: Sequence[str], truth: bool, key: str, place: int) -> str:
    if parts[place] not in asked:
        return f"{name} has no part of that name"
    if key == "truth_error" and not truth:
        return "nobody rendered the right answer"
    return "no judge says it, no label does, or no two faces of a pair differ in it"


def _sheet(
    pairs: Pairs, parts: Sequence[str], made: dict[str, dict[str, Images]]
) -> tuple[FaceGrid, NDArray[np.uint8]]:
    sheet = Sheet(("giver", "taker", *parts), pairs.faces.size)
    for pair, name in enumerate(pairs.names()[:SHOWN]):
        ends = [pairs.images[side][pair] for side in ("giver", "taker")]
        for curve, images in made.items():
            sheet.add(name, curve, [*ends, *(images[part][pair] if part in images else None for part in parts)])
    return sheet.drawn()


def _lead(curves: Sequence[Curve]) -> str:
    """Says how often what should move does, and nothing else, and how good the judges' answer can be."""
    said = []
    for curve in curves:
        found = [
            point.values["transfer_accuracy"].value for point in curve.points if "transfer_accuracy" in point.values
        ]
        if found and curve.name not in RETURNED:
            name = "the rendered right answers" if curve.name == "truth" else curve.name
            said.append(f"{name} {100 * np.mean(found):.1f} %")
    if not said:
        return "No judge says whose the factors are: there are only pictures to compare."
    return f"What should move does, and nothing else, by the judges: {', '.join(said)}. Chance is 50 %."
