# SPDX-License-Identifier: MIT
"""How much is asked for, how much comes: an edit at many strengths, and what the judges see of each.

Sun et al., "Mask-aware photorealistic face attribute manipulation", section 4.3 and Figure 6, show faces over strengths
from -5 to 5. Here it is counted: the judge's probability of the attribute and the likeness to the source over the
strength, and how steadily the one rises. docs/sweeps.md tells the whole of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.method import StrengthEditor
from faceeval.protocols.chosen import Chosen, choose
from faceeval.protocols.clock import Clock
from faceeval.protocols.edits import check_edits
from faceeval.protocols.findings import Findings, Strips, image_curves, small_sample
from faceeval.protocols.panel import Panel
from faceeval.protocols.strength_values import (
    IDENTITY,
    STRENGTH_MEASURES,
    STRENGTH_WHOLES,
    Tables,
    curve,
    seen_values,
    stacked,
    written,
)
from faceeval.results.sweeps import Axis

N_PER_CLASS = 250
FEW = 50  # images of a class below which the numbers say nothing
STEPS = 11  # strengths, the ends and the middle among them


def run(
    method: StrengthEditor,
    faces: FaceSet,
    attribute: str,
    *,
    panel: Panel,
    strengths: Sequence[float] | None = None,
    n_per_class: int = N_PER_CLASS,
    batch_size: int,
    seed: int,
    clock: Clock,
    extra: FaceSet | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Edits the same faces at each strength.

    Args:
        method: The editor.
        faces: The split to edit.
        attribute: CelebA's name.
        panel: The judges.
        strengths: In the method's own units; eleven from end to end of its range by default.
        n_per_class: Images with the attribute, and images without it.
        batch_size: Images at a time.
        seed: Seed of the bootstrap.
        clock: Gets the seconds of each part.
        extra: Split that lends images to a class that is short.
        progress: Called with images done and images in all.

    Returns:
        The method's curve and that of ``identity``, which is flat.

    Raises:
        InputError: The method has no such knob, does not suit the images or the attribute, or returned something other
            than edits; a strength is outside its range, there is one only, or one twice.
        UnknownNameError: The data do not label the attribute.
    """
    places = check_strengths(method, faces, attribute, strengths)
    chosen = choose(faces, attribute, n_per_class, extra)
    ticks = tuple(f"{place:g}" for place in places)
    strips = Strips(chosen, (method.card.name,), ("source", *ticks))
    values = _stream(method, chosen, panel, places, strips, batch_size, clock, progress)
    grid, tiles = strips.drawn()
    with clock.part("statistics"):
        drawn = tuple(curve(name, tables, chosen, panel, len(places), seed) for name, tables in values.items())
    return Findings(
        chosen=chosen,
        attributes=(attribute,),
        cards={method.card.name: (method.card,)},
        axis=Axis(label="strength", unit="the method's own", ticks=ticks, places=places),
        measures=STRENGTH_MEASURES,
        wholes=STRENGTH_WHOLES,
        curves=drawn,
        matrices=(),
        images=image_curves(chosen.names, {name: written(tables) for name, tables in values.items()}),
        grid=grid,
        tiles=tiles,
        settings={"n_per_class": n_per_class, "batch_size": batch_size, "seed": seed, "confidence": 0.95},
        notices=tuple(_notices(chosen, n_per_class, panel)),
    )


def check_strengths(
    method: StrengthEditor, faces: FaceSet, attribute: str, strengths: Sequence[float] | None
) -> tuple[float, ...]:
    """Returns the strengths in ascending order, and refuses what cannot be run, before any work is done.

    Raises:
        InputError: See `run`.
    """
    name = getattr(getattr(method, "card", None), "name", type(method).__name__)
    if not isinstance(method, StrengthEditor):
        todo = "choose a method with edit_strength(images, attribute, strength), such as M-AAE"
        raise InputError("a method that edits by as much as is asked for", f"{name}, which has no such knob", todo)
    card = method.card
    if card.image_size is not None and card.image_size != faces.size:
        todo = f"score it with --size {card.image_size}, or train it at {faces.size}"
        raise InputError(f"a method for {faces.size} px images", f"{name}, made for {card.image_size} px", todo)
    if card.attributes and attribute not in card.attributes:
        todo = "choose one of its attributes, or train it for this one"
        raise InputError(f"a method that edits {attribute}", f"{name}, made for {', '.join(card.attributes)}", todo)
    if strengths is None:
        if card.strengths is None:
            todo = "name them: --strengths=-1,0,1"
            raise InputError("strengths to try", f"none, and the card of {name} names no range", todo)
        strengths = np.linspace(*card.strengths, STEPS).round(6).tolist()
    places = tuple(sorted(float(strength) for strength in strengths))
    low, high = card.strengths or (-math.inf, math.inf)
    wrong = [place for place in places if not (math.isfinite(place) and low <= place <= high)]
    if wrong:
        got = ", ".join(f"{place:g}" for place in wrong)
        raise InputError(f"strengths within {low:g} .. {high:g}, the range of {name}", got, "leave those out")
    if len(set(places)) < 2 or len(set(places)) < len(places):
        got = ", ".join(f"{place:g}" for place in places) or "none"
        raise InputError("two strengths or more, each once", got, "name them: --strengths=-5,0,5")
    return places


def _stream(
    method: StrengthEditor,
    chosen: Chosen,
    panel: Panel,
    places: tuple[float, ...],
    strips: Strips,
    batch_size: int,
    clock: Clock,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Tables]:
    """Edits and looks, batch by batch, and returns the values of each image at each strength, row by row."""
    if batch_size < 1:
        raise InputError("a batch of at least 1 image", str(batch_size), "give --batch-size 1 or more")
    name, total = method.card.name, len(chosen)
    parts: dict[str, list[Tables]] = {row: [] for row in dict.fromkeys((name, IDENTITY))}
    for start in range(0, total, batch_size):
        if progress is not None:
            progress(start, total)
        positions = np.arange(start, min(start + batch_size, total))
        with clock.part("data"):
            source = chosen.read(positions)
        with clock.part("judge"):
            before = panel.look(source)
        strips.put(positions, name, 0, source)
        columns = []
        for column, place in enumerate(places, start=1):
            with clock.part("edit"):
                edited = edit_by(method, source, chosen.attribute, place)
            with clock.part("judge"):
                columns.append(seen_values(source, edited, before, panel.look(edited), chosen.attribute, panel))
            strips.put(positions, name, column, edited)
        parts[name].append(stacked(columns))
        if name != IDENTITY:
            unchanged = seen_values(source, source, before, before, chosen.attribute, panel)
            parts[IDENTITY].append(stacked([unchanged] * len(places)))
    if progress is not None:
        progress(total, total)
    return {
        row: {measure: np.concatenate([table[measure] for table in tables]) for measure in tables[0]}
        for row, tables in parts.items()
    }


def edit_by(method: StrengthEditor, source: NDArray[np.uint8], attribute: str, strength: float) -> NDArray[np.uint8]:
    """Returns checked edits of one batch, uint8 of the shape of ``source``, (n, 3, S, S), of which it gets a copy.

    Raises:
        InputError: The method returned anything but a uint8 tensor of that shape on the CPU.
    """
    with torch.inference_mode():
        asked = torch.full((len(source),), strength, dtype=torch.float32)
        edited = method.edit_strength(torch.from_numpy(source.copy()), attribute, asked)
    return check_edits(edited, source.shape, method.card.name)


def _notices(chosen: Chosen, n_per_class: int, panel: Panel) -> list[str]:
    notices = small_sample(chosen, n_per_class, FEW)
    if chosen.extended:
        notices.append(f"{chosen.extended} images come from the {chosen.splits[1].split} split: a class was short")
    for role in ("attributes", "identity"):
        if reason := panel.missing(role):
            notices.append(f"no judge of {role}: {reason}")
    return notices
