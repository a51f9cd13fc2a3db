# SPDX-License-Identifier: MIT
"""Colours people and pictures have, as sRGB in 0..1; every function draws from the chance it is given."""

from __future__ import annotations

import colorsys

from faceeval.data.procfaces.draws import Draws
from faceeval.data.procfaces.factors import RGB

# darkest and lightest usual skin of the African, Asian and European heads
SKIN_RANGES: tuple[tuple[RGB, RGB], ...] = (
    ((0.25, 0.155, 0.11), (0.54, 0.365, 0.27)),
    ((0.66, 0.475, 0.345), (0.83, 0.655, 0.515)),
    ((0.70, 0.50, 0.39), (0.85, 0.66, 0.55)),
)
PORCELAIN: RGB = (0.94, 0.845, 0.795)
PALENESS = 0.78  # so near to porcelain that every pale skin is lighter and greyer than anybody's usual one

# iris colour, and how often each ancestry has it
EYES: tuple[tuple[RGB, tuple[float, float, float]], ...] = (
    ((0.16, 0.09, 0.05), (5.0, 5.0, 1.0)),
    ((0.30, 0.17, 0.08), (4.0, 4.0, 2.0)),
    ((0.45, 0.28, 0.11), (1.0, 1.0, 1.5)),
    ((0.45, 0.38, 0.17), (0.4, 0.3, 1.5)),
    ((0.33, 0.45, 0.27), (0.2, 0.1, 1.5)),
    ((0.30, 0.47, 0.64), (0.2, 0.1, 2.5)),
    ((0.47, 0.54, 0.60), (0.1, 0.1, 1.2)),
)
PLASTIC_FRAMES: tuple[RGB, ...] = (
    (0.05, 0.05, 0.06), (0.05, 0.05, 0.06), (0.22, 0.12, 0.07), (0.40, 0.22, 0.10),
    (0.08, 0.10, 0.28), (0.38, 0.06, 0.10), (0.10, 0.25, 0.18), (0.62, 0.10, 0.12),
)  # fmt: skip
METAL_FRAMES: tuple[RGB, ...] = ((0.70, 0.71, 0.73), (0.72, 0.58, 0.28), (0.28, 0.28, 0.30), (0.62, 0.42, 0.33))
LIPSTICKS: tuple[RGB, ...] = (
    (0.76, 0.05, 0.10), (0.62, 0.03, 0.09), (0.85, 0.12, 0.30), (0.88, 0.25, 0.45),
    (0.86, 0.24, 0.18), (0.50, 0.05, 0.18), (0.55, 0.10, 0.35),
)  # fmt: skip
EYE_SHADOWS: tuple[RGB, ...] = (
    (0.16, 0.20, 0.55), (0.42, 0.14, 0.50), (0.10, 0.36, 0.38), (0.14, 0.12, 0.16),
    (0.50, 0.12, 0.32), (0.12, 0.34, 0.20), (0.38, 0.20, 0.10),
)  # fmt: skip


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Returns the colour that lies ``share`` of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share, 6) for a, b in zip(first, second, strict=True))
    return red, green, blue


def near(draws: Draws, colour: RGB, spread: float) -> RGB:
    """Returns a colour whose channels differ from the given one by at most ``spread``."""
    red, green, blue = (min(max(channel + draws.uniform(-spread, spread), 0.0), 1.0) for channel in colour)
    return round(red, 6), round(green, 6), round(blue, 6)


def skin_tones(draws: Draws, ancestry: tuple[float, float, float]) -> tuple[RGB, RGB]:
    """Returns a person's usual and pale skin; ancestry weighs the ranges, and people vary within them."""
    depth = draws.uniform()
    tones = [mix(dark, light, depth) for dark, light in SKIN_RANGES]
    red, green, blue = (sum(weight * tone[i] for weight, tone in zip(ancestry, tones, strict=True)) for i in range(3))
    usual = near(draws, (red, green, blue), 0.015)
    return usual, mix(usual, PORCELAIN, PALENESS)


def eye_colour(draws: Draws, ancestry: tuple[float, float, float]) -> RGB:
    """Returns the colour of somebody's irises."""
    weights = [sum(a * often for a, often in zip(ancestry, by_ancestry, strict=True)) for _, by_ancestry in EYES]
    return near(draws, draws.choice([colour for colour, _ in EYES], weights), 0.03)


def frame(draws: Draws) -> tuple[RGB, float]:
    """Returns the colour of a pair of glasses and how thick its frame is, 0..1; metal ones are thin."""
    if draws.chance(0.3):
        return near(draws, draws.choice(METAL_FRAMES), 0.03), draws.uniform(0.0, 0.35)
    return near(draws, draws.choice(PLASTIC_FRAMES), 0.03), draws.uniform(0.3, 1.0)


def cloth(draws: Draws, vivid: float) -> RGB:
    """Returns the colour of clothes or a wall; a share ``vivid`` of them is bright, the others are muted."""
    if draws.chance(vivid):
        hue, saturation, value = draws.uniform(), draws.uniform(0.4, 0.85), draws.uniform(0.35, 0.95)
    else:
        hue, saturation, value = draws.uniform(), draws.uniform(0.0, 0.25), draws.uniform(0.12, 0.95)
    red, green, blue = (round(channel, 6) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def backdrop(draws: Draws) -> tuple[RGB, RGB]:
    """Returns the two colours of a background: mostly a wall and its shade, sometimes two colours of their own."""
    first = cloth(draws, 0.4)
    if draws.chance(0.3):
        return first, cloth(draws, 0.4)
    shade: RGB = draws.choice(((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    return first, near(draws, mix(first, shade, draws.uniform(0.1, 0.45)), 0.06)
