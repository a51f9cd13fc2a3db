# SPDX-License-Identifier: MIT
"""The head's mesh from the factors: a weighted sum of stored displacements, once for form and once for mimic."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.raster import MOUTH_WALL, TEETH_LOWER, TEETH_UPPER, TONGUE

F32 = NDArray[np.float32]
DATA = Path(__file__).with_name("head.npz")
OLD_FROM, OLD_TO = 25.0, 80.0  # ages of the source's young and old shapes
# how far each of the face controls goes at 1, in the data file's order: the skull varies less than the features
CONTROL_GAIN = np.array([
    0.40, 0.40, 0.75, 0.75, 0.9, 1.1, 0.9, 0.75, 1.3, 1.0, 1.15, 0.9,
    0.8, 1.2, 0.9, 1.1, 1.4, 1.2, 1.6, 1.4, 0.9, 1.1, 1.0, 0.8,
])  # fmt: skip
JAW_GAIN = 0.80
GENDER_GAIN = 1.25  # past the source's shapes, which differ little in the face

# expression -> share of each facial unit at intensity 1; none parts the lips much, for that is Mouth_Slightly_Open's
MIMIC: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"mouthSmileLeft": 1.15, "mouthSmileRight": 1.15, "cheekSquint": 0.8, "eyeSquint": 0.35},
    "sad": {"mouthFrown": 1.3, "browInnerUp": 1.3, "eyeBlink": 0.18, "mouthShrugLower": 0.5, "eyeSquint": 0.3},
    "surprise": {
        "browInnerUp": 1.7, "browOuterUpLeft": 1.7, "browOuterUpRight": 1.7, "eyeWide": 1.6, "mouthFunnel": 0.3,
    },
    "fear": {
        "browInnerUp": 1.4, "browDown": 0.4, "eyeWide": 1.3, "mouthStretch": 1.2, "mouthFrown": 0.5,
    },
    "disgust": {
        "noseSneerLeft": 1.3, "noseSneerRight": 1.3, "browDown": 0.7, "eyeSquint": 0.9, "mouthUpperUp": 0.4,
        "mouthFrown": 0.6, "cheekSquint": 0.5,
    },
    "anger": {"browDown": 1.5, "eyeSquint": 0.5, "mouthPress": 0.9, "noseSneerLeft": 0.5, "noseSneerRight": 0.5},
    "contempt": {
        "mouthSmileLeft": 0.75, "mouthDimpleLeft": 1.0, "browOuterUpLeft": 0.7, "mouthLeft": 0.35, "eyeSquint": 0.3,
    },
}  # fmt: skip


@dataclass(frozen=True)
class HeadData:
    """The data file, as the kernels want it. Lengths are in distances between the eyes of the base head.

    Attributes:
        rest: Base places (V, 3); painting uses them as the skin's coordinates.
        triangles: int32 (T, 3).
        parts: uint8 (T,), see ``raster``'s codes.
        attr: float32 (V, 6): base place, lips, open sky, inside of the mouth.
        follow: float32 (V,), 1 turns with the head .. 0 stays with the shoulders.
        names: Target name -> its number.
        start: int32 (targets + 1,) into index and delta.
        index: int32 (n,).
        delta: float32 (n, 3).
        scalp_corners: int32 (azimuths, polars, 3), vertices around each place of the scalp.
        scalp_weights: float32 (azimuths, polars, 3).
        eye_centre: float32 (3,), of the left eye.
        lid_radius: float32 (32,), distance of the lids around it.
        landmarks: int32 (68,).
        beard_triangles: int32 (B, 3) that may carry a beard.
        lips_sealed: Number of triangles before teeth and tongue, which closed lips hide.
    """

    rest: F32
    triangles: NDArray[np.int32]
    parts: NDArray[np.uint8]
    attr: F32
    follow: F32
    names: dict[str, int]
    start: NDArray[np.int32]
    index: NDArray[np.int32]
    delta: F32
    scalp_corners: NDArray[np.int32]
    scalp_weights: F32
    eye_centre: F32
    lid_radius: F32
    landmarks: NDArray[np.int32]
    beard_triangles: NDArray[np.int32]
    lips_sealed: int


def follow_weight(points: F32) -> F32:
    """Share of the head's turn that each place takes: all above the jaw, none at the shoulders."""
    height = points[:, 1] + 0.35 * (points[:, 2] - 0.6)
    share = np.clip((height + 2.6) / 1.2, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _beard_triangles(
    rest: F32, triangles: NDArray[np.int32], parts: NDArray[np.uint8], masks: F32
) -> NDArray[np.int32]:
    middle = rest[triangles].mean(1)
    inside = masks[triangles].max(1)[:, 3]
    near = (middle[:, 1] < 0.05) & (middle[:, 1] > -2.1) & (middle[:, 2] > 0.25) & (np.abs(middle[:, 0]) < 1.35)
    return np.asarray(triangles[near & (parts == 0) & (inside < 0.2)])


@functools.cache
def head_data() -> HeadData:
    """Reads the data file, once a process."""
    with np.load(DATA, allow_pickle=False) as stored:
        raw = {name: stored[name] for name in stored.files}
    rest = raw["rest"].astype(np.float32)
    rest[raw["vertex_part"] == TEETH_UPPER, 1] -= 0.06  # an open mouth shows the upper row, and little of the lower
    rest[raw["vertex_part"] == TEETH_LOWER, 1] -= 0.07
    rest[raw["vertex_part"] == TONGUE] -= np.array([0.0, 0.06, 0.10], np.float32)
    masks = raw["masks"].astype(np.float32) / 255
    attr = np.zeros((len(rest), 6), np.float32)
    attr[:, :3] = rest
    attr[:, 3] = masks[:, 0]
    attr[:, 4] = raw["occlusion"] / np.float32(255)
    attr[:, 5] = masks[:, 3]
    order = np.argsort(raw["parts"], kind="stable")  # the body first: the rasteriser lays teeth over the mouth's wall
    triangles, parts = raw["triangles"][order].astype(np.int32), raw["parts"][order]
    sealed = int(np.searchsorted(parts, TEETH_UPPER))
    parts[(parts == 0) & (masks[triangles, 3].min(1) > 0.5)] = MOUTH_WALL
    return HeadData(
        rest=rest, triangles=triangles, parts=parts, attr=attr, follow=follow_weight(rest),
        names={str(name): number for number, name in enumerate(raw["target_names"])},
        start=raw["target_start"], index=raw["target_index"].astype(np.int32),
        delta=raw["target_delta"].astype(np.float32), scalp_corners=raw["scalp_corners"].astype(np.int32),
        scalp_weights=raw["scalp_weights"], eye_centre=raw["eye_centre"], lid_radius=raw["lid_radius"],
        landmarks=raw["landmarks"], beard_triangles=_beard_triangles(rest, triangles, parts, masks), lips_sealed=sealed,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def displaced(base, coefficients, start, index, delta):  # type: ignore[no-untyped-def]
    """Adds the weighted targets to the base places; targets of weight 0 cost nothing."""
    points = base.copy()
    for target in range(coefficients.shape[0]):
        weight = coefficients[target]
        if weight != 0:
            for n in range(start[target], start[target + 1]):
                vertex = index[n]
                points[vertex, 0] += weight * delta[n, 0]
                points[vertex, 1] += weight * delta[n, 1]
                points[vertex, 2] += weight * delta[n, 2]
    return points


def oldness(factors: Factors) -> float:
    """How far the shape has gone from young (0) to old (1)."""
    years = factors.details.age_young if factors.attributes.young else factors.details.age_old
    share = float(np.clip((years - OLD_FROM) / (OLD_TO - OLD_FROM), 0, 1))
    return share if factors.attributes.young else 0.35 + 0.65 * share


def form_coefficients(factors: Factors, names: dict[str, int]) -> F32:
    """Weights of the targets that make the person: ancestry, gender, age, weight and the face controls."""
    result = np.zeros(len(names), np.float32)
    gender = "male" if factors.attributes.male else "female"
    other = "female" if factors.attributes.male else "male"
    old = oldness(factors)
    for ancestry, share in zip(("african", "asian", "caucasian"), factors.identity.ancestry, strict=True):
        for shape, gain in ((gender, GENDER_GAIN), (other, 1 - GENDER_GAIN)):
            result[names[f"{ancestry}-{shape}-young"]] = gain * share * (1 - old)
            result[names[f"{ancestry}-{shape}-old"]] = gain * share * old
    fullness = 2 * factors.identity.weight - 1
    result[names["full" if fullness > 0 else "thin"]] = 1.1 * abs(fullness)
    result[names["head_age"]] = old
    first = names["control:head_width"]
    result[first : first + len(factors.identity.shape)] = CONTROL_GAIN * np.asarray(factors.identity.shape)
    result[names["control:eye_opening"]] += 0.8 - 0.2 * old
    result[names["control:eye_size"]] += 0.9
    return result


def mimic_coefficients(factors: Factors, names: dict[str, int]) -> F32:
    """Weights of the facial units: expression, jaw, lids."""
    result = np.zeros(len(names), np.float32)
    smiling = factors.attributes.smiling
    label = "happy" if smiling else factors.mimic.label
    intensity = factors.mimic.smile_intensity if smiling else factors.mimic.intensity
    for unit, share in MIMIC[label].items():
        result[names[f"unit:{unit}"]] += share * intensity
    blink = names["unit:eyeBlink"]
    result[blink] = min(result[blink] * (1 - factors.mimic.blink) + factors.mimic.blink, 1.0)
    if factors.attributes.mouth_open:
        result[names["unit:jawOpen"]] = JAW_GAIN * factors.details.mouth_gap
    return result


def head_points(factors: Factors) -> tuple[F32, F32]:
    """Returns the person's head without and with its mimic, each float32 (V, 3), unposed."""
    data = head_data()
    form = displaced(data.rest, form_coefficients(factors, data.names), data.start, data.index, data.delta)
    return form, displaced(form, mimic_coefficients(factors, data.names), data.start, data.index, data.delta)


def turn_matrix(yaw: float, pitch: float, roll: float) -> F32:
    """Rotation of the head (3, 3) from degrees; signs as in ``factors.Pose``."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians([yaw, pitch, roll])), np.sin(np.radians([yaw, pitch, roll]))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)
