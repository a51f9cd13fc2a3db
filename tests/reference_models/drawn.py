# SPDX-License-Identifier: MIT
"""Faces painted from ellipses and rings: enough to see whether training adds and removes glasses."""

from __future__ import annotations

import hashlib

import numpy as np

from faceeval.data.faces import FaceSet


def draw(index: int, size: int = 64, *, glasses: bool | None = None) -> tuple[np.ndarray, bool]:
    """Paints one face, uint8 (3, size, size); whether it wears glasses is drawn too unless given."""
    rng = np.random.default_rng([7, index])
    v = rng.uniform(0, 1, 32)
    wears = bool(v[0] < 0.5) if glasses is None else glasses
    y, x = np.mgrid[0:size, 0:size].astype(np.float64) / size - 0.5
    soft = 0.7 / size

    def inside(distance: np.ndarray) -> np.ndarray:
        return np.clip(0.5 - distance / (2 * soft), 0, 1)[None]

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return (np.hypot((x - cx) / rx, (y - cy) / ry) - 1) * min(rx, ry)

    def paint(picture: np.ndarray, colour: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return picture * (1 - mask) + np.asarray(colour)[:, None, None] * mask

    shade = 0.5 + (x * (v[1] - 0.5) + y * (v[2] - 0.5))
    image = np.stack([v[3 + c] * (1 - shade) + v[6 + c] * shade for c in range(3)])
    cx, cy, turn = 0.1 * (v[9] - 0.5), 0.1 * (v[10] - 0.5), 0.16 * (v[11] - 0.5)
    skin = np.array([0.95, 0.75, 0.6]) * (0.35 + 0.65 * v[12]) * (0.8 + 0.4 * (shade.mean()))
    hair = np.array([v[13], v[13] * v[14], v[13] * v[14] * v[15]]) * 0.7
    wide, high = 0.28 + 0.06 * v[16], 0.36 + 0.06 * v[17]
    image = paint(image, hair, inside(ellipse(cx, cy - 0.05, wide * 1.2, high * 1.12)))
    image = paint(image, skin, inside(ellipse(cx, cy + 0.03, wide, high)))
    image = image * (0.75 + 0.5 * (0.5 + x * (v[18] - 0.5) * 2))
    apart, level = 0.11 + 0.03 * v[19], cy - 0.04 + 0.04 * (v[20] - 0.5)
    for side in (-1, 1):
        ex = cx + turn + side * apart
        image = paint(image, np.array([0.95, 0.95, 0.95]), inside(ellipse(ex, level, 0.055, 0.028)))
        image = paint(image, v[21:24] * 0.5, inside(ellipse(ex, level, 0.024, 0.024)))
        image = paint(image, hair, inside(ellipse(ex, level - 0.08, 0.07, 0.014)))
    image = paint(image, skin * 0.75, inside(ellipse(cx + turn * 1.2, cy + 0.07, 0.03, 0.06)))
    image = paint(image, np.array([0.7, 0.25, 0.25]), inside(ellipse(cx + turn, cy + 0.2, 0.1, 0.015 + 0.05 * v[24])))
    if wears:
        frame, radius, thick = v[25:28] * 0.25, 0.085 + 0.02 * v[28], 0.012
        for side in (-1, 1):
            ring = np.abs(ellipse(cx + turn + side * (apart + 0.005), level + 0.01, radius, radius * 0.85)) - thick
            image = paint(image, frame, inside(ring))
        bridge = np.maximum(np.abs(x - cx - turn) - (apart - radius), np.abs(y - level) - thick)
        image = paint(image, frame, inside(bridge))
    noise = rng.normal(0, 0.01, image.shape)
    return (np.clip(image + noise, 0, 1) * 255).round().astype(np.uint8), wears


def drawn_faces(count: int, size: int = 64, *, start: int = 0) -> FaceSet:
    """A data set of painted faces that labels Eyeglasses."""
    pictures, wears = zip(*(draw(start + index, size) for index in range(count)), strict=True)
    stack, labels = np.stack(pictures), np.array(wears, np.uint8)
    return FaceSet(
        name="drawn",
        split="train",
        size=size,
        names=tuple(f"drawn-{start + index:05d}" for index in range(count)),
        digest=hashlib.sha256(stack.tobytes()).hexdigest(),
        read=lambda chosen: stack[chosen],
        attributes={"Eyeglasses": labels},
    )
