# SPDX-License-Identifier: MIT
"""The true answers of transfers and morphs: faces that have some of another's factors, or lie between two, rendered.

Who owns what is decided as the clips decide it: a person has a shape, a skin and a sex; an expression the mouth, the
eyes and their gaze; the pose is the head's; everything else, from glasses, hair and age to light and backdrop, is
style, "image content that is not represented by any of the other components" (Browatzki and Wallraven, section 3.7.1).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects import multipie
from faceeval.data.dialects.people import dialect_folder
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces.factors import Factors, Mimic, Pose, Style
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.truths import true_images
from faceeval.data.procfaces.workers import Workers, default_workers
from faceeval.errors import InputError

FACTORS = ("identity", "pose", "expression", "style")
STANDARD = 13_000  # pictures of the standard set; those of Multi-PIE's role are numbered after them
PICTURES = STANDARD + STANDARD // IMAGES_PER_IDENTITY * len(multipie.CONDITIONS)
STEPS = 1000  # of a path, as its places are numbered
_STANDARD_NAME = re.compile(r"procfaces-(\d{5})", re.ASCII)
# what follows the person in a name -> which condition
_KINDS = {multipie.image_name(condition).partition("_")[2]: condition for condition in range(len(multipie.CONDITIONS))}


def true_transfers(
    faces: FaceSet,
    givers: NDArray[np.int64],
    takers: NDArray[np.int64],
    taken: Sequence[Collection[str]],
    workers: int | None = None,
) -> NDArray[np.uint8] | None:
    """Renders takers with some of the givers' factors; kept, like other true answers.

    Args:
        faces: A split of the standard set, of a role that shows its pictures, or of ``procfaces:multipie``.
        givers: Rows of it, int64 (n,).
        takers: The same shape.
        taken: Of each pair the factors, out of FACTORS, that are the giver's.
        workers: Processes that render; None takes every processor.

    Returns:
        uint8 (n, 3, size, size); None for other faces, whose factors nobody knows.

    Raises:
        OutputError: The cache cannot be written.
    """
    numbers = _numbers(faces, givers), _numbers(faces, takers)
    if numbers[0] is None or numbers[1] is None:
        return None
    masks = [sum(1 << place for place, factor in enumerate(FACTORS) if factor in factors) for factors in taken]
    coded = (np.array(masks, np.int64) * PICTURES + numbers[0]) * PICTURES + numbers[1]
    return _rendered("transferred", coded, faces.size, workers)


def true_morphs(
    faces: FaceSet,
    givers: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    share: NDArray[np.float64],
    workers: int | None = None,
) -> NDArray[np.uint8] | None:
    """Renders the givers' people with all else on the way from one picture to another of one person.

    Args:
        faces: As for `true_transfers`.
        givers: Rows of it, int64 (n,).
        first: Pictures at share 0, the same shape.
        second: Pictures at share 1.
        share: How far along, float64 (n,), in 0..1, in whole thousandths.
        workers: Processes that render; None takes every processor.

    Returns:
        uint8 (n, 3, size, size); None for other faces.

    Raises:
        InputError: Two pictures show expressions, or mouths, between which there is no face to render.
        OutputError: The cache cannot be written.
    """
    found = [_numbers(faces, rows) for rows in (givers, first, second)]
    coded = np.zeros(len(givers), np.int64)
    for numbers in found:
        if numbers is None:
            return None
        coded = coded * PICTURES + numbers
    places = coded * (STEPS + 1) + np.round(share * STEPS).astype(np.int64)
    for ends in {tuple(pair) for pair in np.stack([found[1], found[2]], axis=1).tolist()}:  # type: ignore[list-item]
        between(_picture(ends[0]), _picture(ends[1]), 0.5)  # for its errors, before children render
    return _rendered("morphed", places, faces.size, workers)


def mixed(giver: Factors, taker: Factors, taken: Collection[str]) -> Factors:
    """Returns the taker with some of the giver's factors; a woman's face has no beard, whoever lends it.

    Args:
        giver: Whose factors are taken.
        taker: Whose the others are.
        taken: Out of FACTORS.
    """
    who, posed, mien, look = (giver if factor in taken else taker for factor in FACTORS)
    male = who.attributes.male
    return Factors(
        identity=who.identity,
        attributes=replace(
            look.attributes,
            male=male,
            no_beard=look.attributes.no_beard or not male,
            smiling=mien.attributes.smiling,
            mouth_open=mien.attributes.mouth_open,
        ),
        details=replace(look.details, mouth_gap=mien.details.mouth_gap),
        pose=posed.pose,
        mimic=mien.mimic,
        style=look.style,
    )


def between(first: Factors, second: Factors, share: float) -> Factors:
    """Returns what lies between two pictures of one person: pose, expression, light and camera at a share of the way.

    All else, such as hair and backdrop, is the first picture's, also at share 1.

    Args:
        first: At share 0.
        second: At share 1.
        share: In 0..1.

    Raises:
        InputError: One mouth is open and the other shut, or the two show different expressions, none of them neutral.
    """
    smiling = first.attributes.smiling or second.attributes.smiling
    shown = [(_shown(picture), picture.attributes.mouth_open) for picture in (first, second)]
    labels = {label for (label, intensity), _ in shown if intensity > 0}
    if len(labels) > 1 or shown[0][1] != shown[1][1]:
        got = " and ".join(f"{label}, mouth {'open' if is_open else 'shut'}" for (label, _), is_open in shown)
        raise InputError("two expressions between which lies a face", got, "take neutral and another, mouths alike")
    one, other = first.mimic, second.mimic
    intensity = _lerp(shown[0][0][1], shown[1][0][1], share)
    mimic = Mimic(
        label=one.label if smiling or one.intensity > 0 else other.label,
        intensity=one.intensity if smiling else intensity,
        valence=_lerp(one.valence, other.valence, share),
        arousal=_lerp(one.arousal, other.arousal, share),
        smile_intensity=intensity if smiling else one.smile_intensity,
        blink=_lerp(one.blink, other.blink, share),
        gaze=(_lerp(one.gaze[0], other.gaze[0], share), _lerp(one.gaze[1], other.gaze[1], share)),
    )
    turns = zip(vars(first.pose).items(), vars(second.pose).values(), strict=True)
    return replace(
        first,
        attributes=replace(first.attributes, smiling=smiling),
        pose=Pose(**{name: _lerp(a, b, share) for (name, a), b in turns}),
        mimic=mimic,
        style=_style(first.style, second.style, share),
    )


def transferred(index: int) -> Factors:
    """Returns the factors of a transfer, as `true_transfers` numbers them; child processes call it by name."""
    rest, taker = divmod(index, PICTURES)
    mask, giver = divmod(rest, PICTURES)
    taken = [factor for place, factor in enumerate(FACTORS) if mask >> place & 1]
    return mixed(_picture(giver), _picture(taker), taken)


def morphed(index: int) -> Factors:
    """Returns the factors of a place of a path, as `true_morphs` numbers them; child processes call it by name."""
    rest, place = divmod(index, STEPS + 1)
    rest, second = divmod(rest, PICTURES)
    giver, first = divmod(rest, PICTURES)
    return mixed(_picture(giver), between(_picture(first), _picture(second), place / STEPS), ("identity",))


def _picture(number: int) -> Factors:
    return sample_factors(number) if number < STANDARD else multipie.factors(number - STANDARD)


def _numbers(faces: FaceSet, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Returns the number of each picture; None where one is no picture whose factors are known."""
    if faces.name.partition(":")[0] != "procfaces":
        return None
    found = np.empty(len(rows), np.int64)
    for place, row in enumerate(rows.tolist()):
        person, _, kind = faces.names[row].partition("_")
        if (match := _STANDARD_NAME.fullmatch(faces.names[row])) is not None:
            found[place] = int(match[1])
        elif faces.name == "procfaces:multipie" and kind in _KINDS:
            found[place] = STANDARD + int(person) * len(_KINDS) + _KINDS[kind]
        else:
            return None
    return found


def _rendered(kind: str, numbers: NDArray[np.int64], size: int, workers: int | None) -> NDArray[np.uint8]:
    """Renders what ``kind``, a function of this module, says of each number; the shelf is named for what decides it."""
    roles = dialect_folder("multipie", str(multipie.__file__)) / dialect_folder("mixed", __file__).name
    count = default_workers() if workers is None else workers
    with Workers(count, f"{__name__}:{kind}") as pool:
        return true_images(roles / kind, numbers.tolist(), size, None, pool)


def _shown(factors: Factors) -> tuple[str, float]:
    smiling = factors.attributes.smiling
    return ("happy", factors.mimic.smile_intensity) if smiling else (factors.mimic.label, factors.mimic.intensity)


def _style(first: Style, second: Style, share: float) -> Style:
    return replace(
        first,
        light=(_lerp(first.light[0], second.light[0], share), _lerp(first.light[1], second.light[1], share)),
        ambient=_lerp(first.ambient, second.ambient, share),
        zoom=_lerp(first.zoom, second.zoom, share),
        shift=(_lerp(first.shift[0], second.shift[0], share), _lerp(first.shift[1], second.shift[1], share)),
        blur=_lerp(first.blur, second.blur, share),
        noise=_lerp(first.noise, second.noise, share),
    )


def _lerp(first: float, second: float, share: float) -> float:
    return (1 - share) * first + share * second
