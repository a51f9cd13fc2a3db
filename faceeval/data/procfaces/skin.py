# SPDX-License-Identifier: MIT
"""The colours and amounts that paint one face, from its factors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.head import F32, HeadData

BROW_BROWN = (0.13, 0.085, 0.06)
BEARD_LIGHT, BEARD_DARK = (0.30, 0.205, 0.145), (0.12, 0.095, 0.085)
MOLES = 5


# colours (linear light) and amounts the kernels read; one record, because a record costs a call one pointer
PAINT = np.dtype(
    [
        *((name, np.float32, 3) for name in ("skin", "lips", "lip_colour", "iris", "hair", "clothes", "shadow")),
        ("brow", np.float32, 3), ("beard_colour", np.float32, 3), ("moles", np.float32, (MOLES, 3)),
        ("lid_radius", np.float32, 32), ("eye_centre", np.float32, 3),
        ("gaze", np.float32, 2), ("hairline", np.float32, 64), ("offset", np.float32, 4),
        *((name, np.float64) for name in ("lipstick", "makeup", "old", "bushy", "freckles", "haired", "stubble")),
        *((name, np.float64) for name in ("warmth", "female", "mouth_open")), ("beard_style", np.int64),
    ]
)  # fmt: skip


def linear(colour: Any) -> F32:
    """SRGB in 0..1 to linear light."""
    return np.asarray(np.clip(np.asarray(colour, np.float64), 0, 1) ** 2.2, np.float32)


def moles_of(seed: int) -> tuple[F32, float, F32]:
    """Places and sizes of an identity's moles (MOLES, 3), its freckles 0..1, and its place in the noise table."""
    rng = np.random.Generator(np.random.PCG64(seed))
    moles = np.stack(
        [rng.uniform(-0.95, 0.95, MOLES), rng.uniform(-1.5, 1.2, MOLES), rng.uniform(0.018, 0.042, MOLES)], 1
    )
    moles[rng.random(MOLES) < 0.45, 2] = 0.0
    freckles = float(max(0.0, rng.uniform(-1.4, 1.0)))
    return moles.astype(np.float32), freckles, rng.uniform(0, 250, 4).astype(np.float32)


def _colours(factors: Factors, offset: F32) -> dict[str, F32]:
    """Colours of a face in linear light."""
    identity, details = factors.identity, factors.details
    skin = linear(identity.skin_pale if factors.attributes.pale_skin else identity.skin)
    skin = np.asarray(skin * (1.03 - 0.20 * skin.mean()), np.float32)  # keeps pale skin from burning out
    dark = _darkness(skin)
    brow = linear(BROW_BROWN) * (1.2 - dark) + skin * 0.04
    beard = linear(BEARD_LIGHT) * (1 - dark) + linear(BEARD_DARK) * dark
    tone = 0.6 + 0.9 * float(offset[3]) / 250
    lips = skin * np.array([0.86, 0.52, 0.52], np.float32) + np.array([0.035, 0.0, 0.004], np.float32)
    return {
        "skin": skin, "lips": lips, "lip_colour": linear(details.lip_colour), "iris": linear(identity.eyes),
        "clothes": linear(factors.style.clothes), "shadow": linear(details.makeup_colour),
        "brow": np.asarray(brow * tone, np.float32), "beard_colour": np.asarray(beard * tone, np.float32),
    }  # fmt: skip


def _darkness(skin: F32) -> float:
    return float(np.clip(1.0 - skin.mean() * 2.2, 0, 1))


def paint_of(factors: Factors, data: HeadData, hair: F32, hairline: F32) -> NDArray[np.void]:
    """Collects the colours and amounts of one face, as an array (1,) of PAINT."""
    attributes, details = factors.attributes, factors.details
    moles, freckles, offset = moles_of(factors.identity.seed)
    colours = _colours(factors, offset)
    dark = _darkness(colours["skin"])
    thickness = (1.0 if attributes.bushy_eyebrows else 0.4) + 0.33 * factors.identity.brows + 0.14 * attributes.male
    values: dict[str, Any] = {
        **colours, "hair": hair, "hairline": hairline, "moles": moles, "offset": offset,
        "lid_radius": data.lid_radius, "eye_centre": data.eye_centre, "gaze": factors.mimic.gaze,
        "lipstick": attributes.lipstick, "makeup": attributes.heavy_makeup, "bushy": thickness,
        "old": 0.0 if attributes.young else np.clip(0.7 + 0.3 * (details.age_old - 60) / 20, 0.6, 1.0),
        "freckles": freckles * (1 - dark), "haired": not attributes.bald, "warmth": 1.0 - 0.5 * dark,
        "stubble": 0.0 if attributes.no_beard else details.beard_density, "beard_style": details.beard_style,
        "female": not attributes.male, "mouth_open": attributes.mouth_open,
    }  # fmt: skip
    paint = np.zeros(1, PAINT)
    for name, value in values.items():
        paint[name] = value
    return paint
