# SPDX-License-Identifier: MIT
"""Editors of toy faces for chains, strengths and times: one network for each attribute, a knob, and a slow one."""

from __future__ import annotations

import time

import torch
from toy_faces import BAR, INSET, MOUTH, SIZE, Painter

from faceeval.method import MethodCard
from faceeval.protocols.links import Links


class MouthPainter:
    """Opens mouths where they are wanted open, shuts them by repeating the rows above; no discriminator."""

    card = MethodCard(name="painter", image_size=SIZE, attributes=("Mouth_Slightly_Open",))

    def edit(self, images, attribute, value):
        out = images.clone()
        out[value == 1, 0, MOUTH, INSET] = 200
        out[value == 1, 1:, MOUTH, INSET] = 10
        out[value == 0, :, MOUTH, INSET] = images[value == 0, :, 20:23, INSET]
        return out


class Marred:
    """Does either edit and leaves a bright corner behind that grows with each call; believes in itself."""

    def __init__(self, name="marred", attribute=""):
        self.card = MethodCard(name=name, attributes=(attribute,) if attribute else ())
        self.asked = []

    def edit(self, images, attribute, value):
        self.asked.append(value.tolist())
        editor = Painter() if attribute == "Eyeglasses" else MouthPainter()
        out = editor.edit(images, attribute, value)
        out[:, :, :4, :4] = (out[:, :, :4, :4].int() + 60).clamp(max=255).to(torch.uint8)
        return out

    def realness(self, images, attribute, value):
        return images[:, :, :4, :4].float().mean((1, 2, 3)) / 64


class Dial:
    """Darkens the bar of the glasses by as much as is asked for; strength 0 gives the image back."""

    card = MethodCard(name="dial", image_size=SIZE, attributes=("Eyeglasses",), strengths=(-2.0, 2.0))

    def edit(self, images, attribute, value):
        return self.edit_strength(images, attribute, 4 * value - 2)

    def edit_strength(self, images, attribute, strength):
        out = images.clone()
        bar = out[:, :, BAR, INSET].float() - 40 * strength[:, None, None, None]
        out[:, :, BAR, INSET] = bar.clamp(0, 255).to(torch.uint8)
        return out


class Sleeper:
    """Takes at least ten milliseconds a call and returns its input."""

    card = MethodCard(name="sleeper")

    def __init__(self, seconds=0.01):
        self.seconds, self.calls = seconds, []

    def edit(self, images, attribute, value):
        self.calls.append((len(images), float(value.mean())))
        time.sleep(self.seconds)
        return images


def painter():
    """Both links of a chain of two, by two networks of which the first alone has a discriminator."""
    return Links("painter", {"Eyeglasses": Painter(), "Mouth_Slightly_Open": MouthPainter()})


def marred():
    """Both links by one model."""
    editor = Marred()
    return Links("marred", {"Eyeglasses": editor, "Mouth_Slightly_Open": editor})
