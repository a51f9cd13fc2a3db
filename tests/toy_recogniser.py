# SPDX-License-Identifier: MIT
"""A judge of toy people that sees who is in the middle of a picture, and takes the place around for a pose."""

from __future__ import annotations

from toy_people import Eye

from faceeval.protocols.panel import Panel


class Recogniser:
    """Embeds the colour in the middle; told to look elsewhere, it tells nobody apart."""

    name = "toy-recogniser"
    weights_sha256 = "1" * 64
    attribute_names = ()

    def __init__(self, part: str = "identity", pose: bool = False) -> None:
        self.settings, self.part = {"part": part}, part
        self.outputs = ("embedding", "pose") if pose else ("embedding",)

    def __call__(self, images):
        seen = {"embedding": Eye().embed(images, self.part).numpy()}
        return seen | {"pose": 40 * Eye().embed(images, "style").numpy()} if "pose" in self.outputs else seen


def judged(judge=None) -> Panel:
    """A panel with a judge of identity alone."""
    return Panel({"identity": judge or Recogniser()})
