# SPDX-License-Identifier: MIT
"""What is decided about a person's twenty pictures together, so that attributes are balanced and hardly correlate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import prod

from faceeval.data.procfaces.draws import Draws, shuffled
from faceeval.data.procfaces.factors import (
    EXPRESSIONS,
    HAIR_COLOURS,
    HAIR_STYLES,
    Attributes,
    Expression,
    HairColour,
    HairStyle,
)

SET_VERSION = 1
IMAGES_PER_IDENTITY = 20
_PEOPLE = 10  # planned together: five women and five men, one of each sex with each habitual hair colour

_HALF = ("eyeglasses", "mouth_open", "young", "smiling", "bushy_eyebrows", "pale_skin", "lipstick", "heavy_makeup")
_BEARDED = 11  # of a man's 20 pictures: 1,100 in the test split, so that 1,000 can be chosen
_BALD = 2
_BANGS = 10  # of the 18 with hair
_DOMINANT = (0, 0, 0, 1, 1, 1, 2, 2, 2, 2)  # ancestries of the ten
# how likely each ancestry (African, Asian, European) has black, blond, brown, gray, red hair
_NATURAL_HAIR = ((1.0, 0.08, 0.5, 0.4, 0.04), (1.0, 0.08, 0.5, 0.4, 0.06), (0.25, 1.0, 0.8, 0.4, 1.0))
# short, crop, side, curly, bob, long, bun: 50 % of women and 35 % of men wear it long, so that length hardly tells sex
_CUTS = {True: (24, 15, 16, 10, 10, 14, 11), False: (15, 6, 16, 13, 17, 21, 12)}


@dataclass(frozen=True)
class Person:
    """What is decided about a person together with nine others."""

    male: bool
    dominant: int
    hair_colour: HairColour


def key(kind: str, number: int, what: str) -> str:
    """Returns the name of one row of chance of this version of the set."""
    return f"procfaces/{SET_VERSION}/{kind}/{number}/{what}"


@lru_cache(maxsize=128)
def _people(block: int) -> tuple[Person, ...]:
    draws = Draws(key("block", block, "people"))
    males = [first == sex for first in (draws.chance(0.5) for _ in range(_PEOPLE // 2)) for sex in (True, False)]
    dominant = shuffled(key("block", block, "ancestry"), _DOMINANT)
    colours: dict[int, HairColour] = {}
    for sex in (True, False):
        members = [person for person in range(_PEOPLE) if males[person] == sex]
        orders = list(permutations(range(len(HAIR_COLOURS))))
        natural = [
            prod([_NATURAL_HAIR[dominant[m]][c] for m, c in zip(members, order, strict=True)]) for order in orders
        ]
        order = draws.choice(orders, natural)
        colours |= {member: HAIR_COLOURS[colour] for member, colour in zip(members, order, strict=True)}
    return tuple(Person(males[person], dominant[person], colours[person]) for person in range(_PEOPLE))


def person_of(number: int) -> Person:
    """Returns the sex, dominant ancestry and habitual hair colour of a person."""
    return _people(number // _PEOPLE)[number % _PEOPLE]


def _places(number: int, what: str, count: int) -> set[int]:
    """Returns which of the person's pictures are the ``count`` that have something."""
    return set(shuffled(key("identity", number, what), range(IMAGES_PER_IDENTITY))[:count])


@lru_cache(maxsize=1024)
def attributes_of(number: int) -> tuple[Attributes, ...]:
    """Returns the attributes of a person's twenty pictures."""
    person = person_of(number)
    halves = {name: _places(number, name, IMAGES_PER_IDENTITY // 2) for name in _HALF}
    bearded = _places(number, "beard", _BEARDED if person.male else 0)
    bald = _places(number, "bald", _BALD)
    order = shuffled(key("identity", number, "bangs"), range(IMAGES_PER_IDENTITY))
    bangs = {*[slot for slot in order if slot not in bald][:_BANGS], *[slot for slot in order if slot in bald][:1]}
    colours = _hair_colours(number, person.hair_colour)
    return tuple(
        Attributes(
            **{name: slot in places for name, places in halves.items()},
            no_beard=slot not in bearded,
            male=person.male,
            bald=slot in bald,
            bangs=slot in bangs,
            hair_colour=colours[slot],
        )
        for slot in range(IMAGES_PER_IDENTITY)
    )


def _hair_colours(number: int, habitual: HairColour) -> list[HairColour]:
    # Counts make each common colour 0.225 of all pictures and red 0.1; with a tenth of the heads bald, 0.2 and 0.09.
    common = shuffled(key("identity", number, "dyes"), [c for c in HAIR_COLOURS if c not in (habitual, "red")])
    own, others = (10, (3, 3, 2, 2)) if habitual == "red" else (12, (3, 3, 2))
    worn = [habitual] * own + [colour for colour, times in zip(common, others, strict=True) for _ in range(times)]
    return shuffled(key("identity", number, "hair colour"), worn)


@lru_cache(maxsize=1024)
def hair_styles_of(number: int) -> list[HairStyle]:
    """Returns the cut on each of a person's twenty pictures: mostly the one that is habitual."""
    draws, cuts = Draws(key("identity", number, "hair style")), _CUTS[person_of(number).male]
    habitual = draws.choice(HAIR_STYLES, cuts)
    return [habitual if draws.chance(0.65) else draws.choice(HAIR_STYLES, cuts) for _ in range(IMAGES_PER_IDENTITY)]


@lru_cache(maxsize=1024)
def expressions_of(number: int) -> list[Expression]:
    """Returns the expressions while not Smiling, as even over the ten such pictures as ten over seven can be."""
    labels: list[Expression] = [label for label in EXPRESSIONS if label != "happy"]
    smiling = _places(number, "smiling", IMAGES_PER_IDENTITY // 2)
    shown: list[Expression] = ["neutral"] * IMAGES_PER_IDENTITY
    for half in (smiling, set(range(IMAGES_PER_IDENTITY)) - smiling):
        again = [labels[(3 * number + extra) % len(labels)] for extra in range(len(half) - len(labels))]
        order = shuffled(key("identity", number, f"expression of {min(half)}"), labels + again)
        for slot, label in zip(sorted(half), order, strict=True):
            shown[slot] = label
    return shown
