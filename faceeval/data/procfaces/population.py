# SPDX-License-Identifier: MIT
"""Who is in the standard set: the factors of each of its 13,000 faces, as a function of set version and index.

Attributes are not thrown independently: each person has exactly half of the pictures with eyeglasses, half of them
smiling and so on, in an order of its own for each attribute. So classes are balanced in every split, no attribute
tells the person, and attributes correlate only as much as the world demands: women have no beard, a head has one hair
colour, and a bald head has neither colour nor bangs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces import palette, plan
from faceeval.data.procfaces.draws import Draws
from faceeval.data.procfaces.factors import (
    ATTRIBUTE_NAMES,
    EXPRESSIONS,
    HAIR_COLOURS,
    SHAPE_CONTROLS,
    Details,
    Expression,
    Factors,
    HairColour,
    HairStyle,
    Identity,
    Mimic,
    Pose,
    Style,
    attribute_value,
)
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY, key, person_of
from faceeval.errors import InputError, unknown_name

SET_VERSION = plan.SET_VERSION
SPLITS: dict[str, range] = {"train": range(8000), "validation": range(8000, 9000), "test": range(9000, 13000)}
_COUNT = 13_000
# valence and arousal at full intensity, in the plane in which AffectNet annotates
AFFECT: dict[Expression, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.7, 0.3),
    "sad": (-0.6, -0.3),
    "surprise": (0.1, 0.7),
    "fear": (-0.6, 0.7),
    "disgust": (-0.6, 0.4),
    "anger": (-0.6, 0.6),
    "contempt": (-0.4, 0.1),
}


def identity_of(index: int) -> int:
    """Returns the number of the person on an image, 0..649.

    Raises:
        InputError: The index is not in 0..12999.
    """
    if not 0 <= index < _COUNT:
        raise InputError(f"an image index in 0..{_COUNT - 1}", str(index), "the standard set has 13,000 images")
    return index // IMAGES_PER_IDENTITY


def split_of(index: int) -> str:
    """Returns ``"train"``, ``"validation"`` or ``"test"``; no person is in two splits.

    Raises:
        InputError: The index is not in 0..12999.
    """
    identity_of(index)
    return next(name for name, indices in SPLITS.items() if index in indices)


def indices_of(split: str) -> range:
    """Returns the image indices of a split.

    Raises:
        UnknownNameError: The split is not one of SPLITS.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    return SPLITS[split]


def sample_factors(index: int) -> Factors:
    """Returns all that decides image ``index`` of the standard set.

    A function of SET_VERSION and the index alone: no order, batch, process, platform or library version enters.

    Args:
        index: 0..12999; 0..7999 are the train split, 8000..8999 validation, 9000..12999 test.

    Returns:
        The factors to render.

    Raises:
        InputError: The index is out of range.
    """
    number = identity_of(index)
    slot = index % IMAGES_PER_IDENTITY
    attributes = plan.attributes_of(number)[slot]
    return Factors(
        identity=_identity(number),
        attributes=attributes,
        details=_details(index, attributes.hair_colour, plan.hair_styles_of(number)[slot]),
        pose=_pose(index),
        mimic=_mimic(index, plan.expressions_of(number)[slot]),
        style=_style(index),
    )


def attribute_table(split: str) -> dict[str, NDArray[np.uint8]]:
    """Returns CelebA's attributes of a split: name -> uint8 (N,), 1 present, 0 absent, without rendering anything.

    Raises:
        UnknownNameError: The split is not one of SPLITS.
    """
    faces = [sample_factors(index) for index in indices_of(split)]
    return {name: np.array([attribute_value(face, name) for face in faces], np.uint8) for name in ATTRIBUTE_NAMES}


def affect_of(factors: Factors) -> tuple[int, float, float]:
    """Returns AffectNet's class (0..7), valence and arousal of what the face shows: happy while Smiling."""
    if factors.attributes.smiling:
        valence, arousal = AFFECT["happy"]
        strength = factors.mimic.smile_intensity
        return EXPRESSIONS.index("happy"), round(valence * strength, 6), round(arousal * strength, 6)
    return EXPRESSIONS.index(factors.mimic.label), factors.mimic.valence, factors.mimic.arousal


@lru_cache(maxsize=1024)
def _identity(number: int) -> Identity:
    person, draws = person_of(number), Draws(key("identity", number, "body"))
    # a tenth to four tenths of other ancestries, and now and then somebody from everywhere
    other = draws.uniform(0.35, 0.6) if draws.chance(0.12) else draws.uniform(0.02, 0.3)
    share = draws.uniform()
    parts = [0.0, 0.0, 0.0]
    parts[person.dominant] = 1.0 - other
    parts[(person.dominant + 1) % 3] = other * share
    parts[(person.dominant + 2) % 3] = other * (1.0 - share)
    ancestry = (parts[0], parts[1], parts[2])
    skin, skin_pale = palette.skin_tones(draws, ancestry)
    return Identity(
        seed=draws.seed(),
        ancestry=ancestry,
        weight=draws.normal(0.45, 0.25, 0.0, 1.0),
        skin=skin,
        skin_pale=skin_pale,
        eyes=palette.eye_colour(draws, ancestry),
        brows=draws.uniform(0.1, 0.9),
        hairline=draws.uniform(0.0, 1.0),
        shape=tuple(draws.normal(0.0, 0.6, -1.0, 1.0) for _ in range(SHAPE_CONTROLS)),
    )


def _details(index: int, hair_colour: HairColour, hair_style: HairStyle) -> Details:
    draws = Draws(key("image", index, "details"))
    glasses_colour, glasses_thickness = palette.frame(draws)
    others = [colour for colour in HAIR_COLOURS if colour != hair_colour]
    return Details(
        age_young=draws.uniform(18, 35),
        age_old=draws.uniform(60, 85),
        mouth_gap=draws.uniform(0.35, 1.0),
        glasses_shape=draws.choice(range(4)),
        glasses_colour=glasses_colour,
        glasses_thickness=glasses_thickness,
        beard_style=draws.choice(range(5)),
        beard_density=draws.uniform(0.5, 1.0),
        hair_style=hair_style,
        hair_colour_other=draws.choice(others, [4 if colour == "red" else 9 for colour in others]),
        hair_seed=draws.seed(),
        lip_colour=palette.near(draws, draws.choice(palette.LIPSTICKS), 0.04),
        makeup_colour=palette.near(draws, draws.choice(palette.EYE_SHADOWS), 0.04),
    )


def _pose(index: int) -> Pose:
    draws = Draws(key("image", index, "pose"))
    return Pose(draws.normal(0, 16, -45, 45), draws.normal(0, 8, -20, 20), draws.normal(0, 6, -15, 15))


def _mimic(index: int, label: Expression) -> Mimic:
    draws = Draws(key("image", index, "mimic"))
    intensity = draws.uniform(0.55, 1.0) if label != "neutral" else 0.0
    valence, arousal = (round(axis * intensity + draws.normal(0.0, 0.06, -0.15, 0.15), 6) for axis in AFFECT[label])
    return Mimic(
        label=label,
        intensity=intensity,
        valence=valence,
        arousal=arousal,
        smile_intensity=draws.uniform(0.5, 1.0),
        blink=draws.uniform(0.15, 0.6) if draws.chance(0.1) else draws.uniform(0.0, 0.15),
        gaze=(draws.normal(0.0, 0.3, -1.0, 1.0), draws.normal(0.0, 0.2, -0.6, 0.6)),
    )


def _style(index: int) -> Style:
    draws = Draws(key("image", index, "style"))
    return Style(
        background=palette.backdrop(draws),
        background_kind=draws.choice(range(4), (3, 3, 3, 1)),
        background_seed=draws.seed(),
        clothes=palette.cloth(draws, 0.35),
        light=(draws.normal(0.0, 28.0, -60.0, 60.0), draws.normal(20.0, 15.0, -10.0, 50.0)),
        light_colour=palette.near(draws, (0.97, 0.97, 0.97), 0.06),
        ambient=draws.uniform(0.25, 0.6),
        zoom=draws.normal(1.0, 0.04, 0.92, 1.08),
        shift=(draws.uniform(-0.03, 0.03), draws.uniform(-0.03, 0.03)),
        blur=draws.uniform(0.0, 0.006),
        noise=draws.uniform(0.0, 3.0),
        noise_seed=draws.seed(),
    )
