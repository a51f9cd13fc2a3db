# SPDX-License-Identifier: MIT
"""Multi-PIE's role: each person in the same six conditions of pose, light and expression, everything else held still.

IPGAN (section 4.1) takes "6 kinds of attributes" of Multi-PIE: each kind in turn is the gallery and the others ask.
It does not say which; ours are two poses by two lights, and two expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import column_of, dialect_folder, standard_people
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import standard
from faceeval.data.procfaces.draws import Draws, shuffled
from faceeval.data.procfaces.factors import Expression, Factors, Mimic, Pose, Style
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.population import AFFECT, sample_factors
from faceeval.data.procfaces.store import Population
from faceeval.errors import InputError

VERSION = 1
INTENSITY = 0.9
BACKDROP = ((0.60, 0.63, 0.66), (0.47, 0.50, 0.54))  # the same grey wall behind everybody


@dataclass(frozen=True)
class Condition:
    """One way in which everybody is taken.

    Attributes:
        name: In words.
        session: As in Multi-PIE's file names.
        recording: Likewise; with the session it says the expression.
        camera: Likewise, ``"051"`` is in front.
        illumination: Likewise, 7 is the flash in front.
        yaw: Turn of the head in degrees, as in `faceeval.data.procfaces.factors.Pose`.
        light: Azimuth and elevation of the light in degrees.
        expression: What the face shows.
    """

    name: str
    session: int
    recording: int
    camera: str
    illumination: int
    yaw: float
    light: tuple[float, float]
    expression: Expression


FRONT_LIGHT, SIDE_LIGHT = (0.0, 15.0), (-60.0, 15.0)
CONDITIONS = (
    Condition("front", 1, 1, "051", 7, 0.0, FRONT_LIGHT, "neutral"),
    Condition("front, lit from the side", 1, 1, "051", 2, 0.0, SIDE_LIGHT, "neutral"),
    Condition("turned", 1, 1, "041", 7, 30.0, FRONT_LIGHT, "neutral"),
    Condition("turned, lit from the side", 1, 1, "041", 2, 30.0, SIDE_LIGHT, "neutral"),
    Condition("smile", 1, 2, "051", 7, 0.0, FRONT_LIGHT, "happy"),
    Condition("surprise", 2, 2, "051", 7, 0.0, FRONT_LIGHT, "surprise"),
)


@dataclass(frozen=True, eq=False)
class ConditionRows:
    """P people, each in the C conditions; indices into the set.

    Attributes:
        people: Their numbers, int64 (P,), ascending.
        rows: int64 (P, C); a column is one condition, in the order of CONDITIONS.
    """

    people: NDArray[np.int64]
    rows: NDArray[np.int64]


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens a split of ``procfaces:multipie``; see `faceeval.data.dialects.table.open_dialect`.

    Images are called as Multi-PIE calls them: person, session, recording, camera and illumination.
    """
    return standard.open_rendered(rendered_split(split), size, workers, progress)


def rendered_split(split: str) -> standard.RenderedSplit:
    """Returns what a split is: six images of each person of the standard set's split.

    Raises:
        UnknownNameError: There is no such split.
    """
    people = standard_people(split)
    indices = range(people.start * len(CONDITIONS), people.stop * len(CONDITIONS))
    return standard.RenderedSplit(
        "procfaces:multipie",
        split,
        indices,
        tuple(map(image_name, indices)),
        dialect_folder("multipie", __file__),
        Population("faceeval.data.dialects.multipie:factors", person_of),
        {"dialect_version": VERSION},
    )


def condition_rows(faces: FaceSet) -> ConditionRows:
    """Finds the images of every person in every condition.

    Args:
        faces: A split of ``procfaces:multipie``, or images called like them that know the people.

    Raises:
        InputError: A name is none of Multi-PIE's, or somebody was not taken in every condition.
    """
    kinds = {_kind(condition): column for column, condition in enumerate(CONDITIONS)}
    people, persons = np.unique(column_of(faces, "identities"), return_inverse=True)
    rows = np.full((len(people), len(CONDITIONS)), -1, np.int64)
    for row, (name, person) in enumerate(zip(faces.names, persons.tolist(), strict=True)):
        kind = name.rpartition("/")[2].partition(".")[0].partition("_")[2]
        if kind in kinds:
            rows[person, kinds[kind]] = row
    if (rows < 0).any():
        person, column = np.argwhere(rows < 0)[0]
        wanted = f"an image PERSON_{_kind(CONDITIONS[column])} of everybody in {faces.name}"
        raise InputError(wanted, f"none of person {people[person]}", "leave out people who were not taken in all six")
    return ConditionRows(people, rows)


def person_of(index: int) -> int:
    """Returns the number of the person on an image, as in the standard set."""
    return index // len(CONDITIONS)


def image_name(index: int) -> str:
    """Returns what Multi-PIE would call an image.

    Example:
        >>> image_name(2702)
        '450_01_01_041_07'
    """
    return f"{person_of(index):03d}_{_kind(CONDITIONS[index % len(CONDITIONS)])}"


def factors(index: int) -> Factors:
    """Returns all that decides an image: one of the person's standard pictures, put before the wall in a condition."""
    person, condition = person_of(index), CONDITIONS[index % len(CONDITIONS)]
    slot = shuffled(f"procfaces/multipie/{VERSION}/{person}", range(IMAGES_PER_IDENTITY))[0]
    base = sample_factors(person * IMAGES_PER_IDENTITY + slot)
    smiling, surprised = condition.expression == "happy", condition.expression == "surprise"
    draws = Draws(f"procfaces/multipie/{VERSION}/{index}")
    pose = Pose(condition.yaw + draws.normal(0, 2, -4, 4), draws.normal(0, 3, -6, 6), draws.normal(0, 2, -4, 4))
    return replace(
        base,
        attributes=replace(base.attributes, smiling=smiling, mouth_open=surprised),
        pose=pose,
        mimic=_mimic("neutral" if smiling else condition.expression),
        style=_style(base.style, condition, draws),
    )


def _kind(condition: Condition) -> str:
    return f"{condition.session:02d}_{condition.recording:02d}_{condition.camera}_{condition.illumination:02d}"


def _mimic(label: Expression) -> Mimic:
    intensity = 0.0 if label == "neutral" else INTENSITY
    valence, arousal = (round(axis * intensity, 6) for axis in AFFECT[label])
    return Mimic(label, intensity, valence, arousal, smile_intensity=INTENSITY, blink=0.05, gaze=(0.0, 0.0))


def _style(worn: Style, condition: Condition, draws: Draws) -> Style:
    return Style(
        background=BACKDROP,
        background_kind=0,
        background_seed=0,
        clothes=worn.clothes,
        light=condition.light,
        light_colour=(0.97, 0.97, 0.97),
        ambient=0.25,
        zoom=1.0,
        shift=(draws.uniform(-0.01, 0.01), draws.uniform(-0.01, 0.01)),
        blur=0.002,
        noise=1.0,
        noise_seed=draws.seed(),
    )
