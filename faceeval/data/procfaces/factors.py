# SPDX-License-Identifier: MIT
"""Everything that decides one rendered face, as plain frozen records.

Each attribute is one Boolean; the details it takes when it is on, and when it is off, stand beside it from the start
(``age_young`` and ``age_old``, ``glasses``, ``beard`` ...). So flipping an attribute toggles one Boolean and changes
nothing else, and the counterfactual of a face is as well defined as the face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from faceeval.errors import unknown_name

HairColour = Literal["black", "blond", "brown", "gray", "red"]
HairStyle = Literal["short", "crop", "side", "curly", "bob", "long", "bun"]
Expression = Literal["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"]

HAIR_COLOURS: tuple[HairColour, ...] = ("black", "blond", "brown", "gray", "red")
HAIR_STYLES: tuple[HairStyle, ...] = ("short", "crop", "side", "curly", "bob", "long", "bun")
# AffectNet's order: the class number is the position
EXPRESSIONS: tuple[Expression, ...] = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
SHAPE_CONTROLS = 24
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Identity:
    """What makes a person that person, at any age and with any hair.

    Attributes:
        seed: Names the person and seeds what is fixed about the skin (moles, freckles, blotches).
        shape: SHAPE_CONTROLS coefficients in [-1, 1] of the symmetric face controls.
        ancestry: Weights of the African, Asian and European head shapes, summing to 1.
        weight: Fullness of the face, 0 thin .. 1 full.
        skin: Albedo of the skin (sRGB, 0..1) when Pale_Skin is off.
        skin_pale: Albedo of the skin when Pale_Skin is on.
        eyes: Colour of the iris (sRGB, 0..1).
        brows: Natural brow thickness, 0..1, before Bushy_Eyebrows.
        hairline: 0 low .. 1 high and receding.
    """

    seed: int
    shape: tuple[float, ...]
    ancestry: tuple[float, float, float]
    weight: float
    skin: RGB
    skin_pale: RGB
    eyes: RGB
    brows: float
    hairline: float


@dataclass(frozen=True)
class Attributes:
    """The Booleans, in CelebA's sense; hair colour is one choice, from which four CelebA attributes follow."""

    eyeglasses: bool
    mouth_open: bool
    no_beard: bool
    young: bool
    male: bool
    smiling: bool
    bald: bool
    bangs: bool
    bushy_eyebrows: bool
    pale_skin: bool
    lipstick: bool
    heavy_makeup: bool
    hair_colour: HairColour


@dataclass(frozen=True)
class Details:
    """What each attribute looks like when it is on (or off), decided whether or not it is.

    Attributes:
        age_young: Age in years while Young (18..35).
        age_old: Age in years while not Young (60..85).
        mouth_gap: How far the jaw drops when Mouth_Slightly_Open, 0.35..1.
        glasses_shape: 0 round, 1 oval, 2 rectangular, 3 aviator.
        glasses_colour: Frame colour (sRGB, 0..1).
        glasses_thickness: 0 thin wire .. 1 thick plastic.
        beard_style: 0 stubble, 1 full, 2 goatee, 3 long full, 4 moustache and chin.
        beard_density: 0.5..1.
        hair_style: Cut, while not Bald.
        hair_colour_other: Hair colour taken when the present one is flipped away; differs from the present one.
        hair_seed: Seeds the strands, the edge of the hair and the bangs.
        lip_colour: Lipstick (sRGB, 0..1).
        makeup_colour: Eye shadow (sRGB, 0..1).
    """

    age_young: float
    age_old: float
    mouth_gap: float
    glasses_shape: int
    glasses_colour: RGB
    glasses_thickness: float
    beard_style: int
    beard_density: float
    hair_style: HairStyle
    hair_colour_other: HairColour
    hair_seed: int
    lip_colour: RGB
    makeup_colour: RGB


@dataclass(frozen=True)
class Pose:
    """Head rotation in degrees: yaw +-45 (positive turns the nose to the right of the picture), pitch +-20
    (positive looks up), roll +-15 (positive tilts clockwise as seen).
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Mimic:
    """Facial expression.

    Attributes:
        label: Expression while not Smiling; never ``"happy"``. While Smiling the expression is ``"happy"``.
        intensity: 0..1; 0 leaves the face neutral whatever the label.
        valence: In [-1, 1], of the label at this intensity.
        arousal: In [-1, 1], likewise.
        smile_intensity: Intensity of the smile while Smiling, 0.5..1.
        blink: 0 eyes open .. 1 closed.
        gaze: Horizontal and vertical gaze in [-1, 1].
    """

    label: Expression
    intensity: float
    valence: float
    arousal: float
    smile_intensity: float
    blink: float
    gaze: tuple[float, float]


@dataclass(frozen=True)
class Style:
    """Everything about the picture that is not the person.

    Attributes:
        background: Two colours (sRGB, 0..1) the backdrop blends between.
        background_kind: 0 plain, 1 gradient, 2 soft blobs, 3 out-of-focus stripes.
        background_seed: Seeds the backdrop's shapes.
        clothes: Colour of the clothes (sRGB, 0..1).
        light: Direction of the key light as azimuth and elevation in degrees (0, 0 is from the camera).
        light_colour: Colour of the key light, about 1 in each channel.
        ambient: Share of light without direction, 0.25..0.6.
        zoom: Camera zoom, about 1.
        shift: Horizontal and vertical shift of the head, as a share of the image side.
        blur: Standard deviation of a Gaussian blur, as a share of the image side (0..0.008).
        noise: Standard deviation of sensor noise in grey levels (0..4).
        noise_seed: Seeds the noise.
    """

    background: tuple[RGB, RGB]
    background_kind: int
    background_seed: int
    clothes: RGB
    light: tuple[float, float]
    light_colour: RGB
    ambient: float
    zoom: float
    shift: tuple[float, float]
    blur: float
    noise: float
    noise_seed: int


@dataclass(frozen=True)
class Factors:
    """One face, completely."""

    identity: Identity
    attributes: Attributes
    details: Details
    pose: Pose
    mimic: Mimic
    style: Style


# CelebA's name -> field of Attributes; the hair colours are handled by name below
BOOLEAN_FIELDS: dict[str, str] = {
    "Eyeglasses": "eyeglasses",
    "Mouth_Slightly_Open": "mouth_open",
    "No_Beard": "no_beard",
    "Young": "young",
    "Male": "male",
    "Smiling": "smiling",
    "Bald": "bald",
    "Bangs": "bangs",
    "Bushy_Eyebrows": "bushy_eyebrows",
    "Pale_Skin": "pale_skin",
    "Wearing_Lipstick": "lipstick",
    "Heavy_Makeup": "heavy_makeup",
}
HAIR_COLOUR_NAMES: dict[str, HairColour] = {
    "Black_Hair": "black",
    "Blond_Hair": "blond",
    "Brown_Hair": "brown",
    "Gray_Hair": "gray",
}
ATTRIBUTE_NAMES: tuple[str, ...] = (*BOOLEAN_FIELDS, *HAIR_COLOUR_NAMES)


def attribute_value(factors: Factors, name: str) -> bool:
    """Tells whether the face shows an attribute, as a viewer would: a bald head has no hair colour and no bangs.

    Raises:
        UnknownNameError: The name is not one of ATTRIBUTE_NAMES.
    """
    attributes = factors.attributes
    if name in HAIR_COLOUR_NAMES:
        return attributes.hair_colour == HAIR_COLOUR_NAMES[name] and not attributes.bald
    if name not in BOOLEAN_FIELDS:
        raise unknown_name("attribute", name, ATTRIBUTE_NAMES)
    value = bool(getattr(attributes, BOOLEAN_FIELDS[name]))
    return value and not attributes.bald if name == "Bangs" else value


def flip(factors: Factors, name: str) -> Factors:
    """Returns the same face with one attribute inverted, and what belongs to it; nothing else changes.

    A hair colour that is flipped away becomes ``details.hair_colour_other``, and the other way round; giving a bald
    head a hair colour or bangs gives it hair, which is what belongs to them.

    Args:
        factors: The face.
        name: One of ATTRIBUTE_NAMES.

    Returns:
        The face after the flip; ``attribute_value`` of ``name`` is inverted.

    Raises:
        UnknownNameError: The name is not one of ATTRIBUTE_NAMES.
    """
    attributes, details = factors.attributes, factors.details
    shown = attribute_value(factors, name)
    if name in HAIR_COLOUR_NAMES:
        colour = details.hair_colour_other if shown else HAIR_COLOUR_NAMES[name]
        if colour != attributes.hair_colour:  # so that the next flip leads back, and never to the same colour
            details = replace(details, hair_colour_other=attributes.hair_colour)
        attributes = replace(attributes, hair_colour=colour, bald=attributes.bald and shown)
    elif name == "Bangs":
        attributes = replace(attributes, bangs=not shown, bald=attributes.bald and shown)
    else:
        change: dict[str, Any] = {BOOLEAN_FIELDS[name]: not shown}
        attributes = replace(attributes, **change)
    return replace(factors, attributes=attributes, details=details)
