# SPDX-License-Identifier: MIT
"""What a method can do: plain protocols, no base class. A method offers the calls it can honour and no others.

Images cross every border as ``uint8`` tensors of shape (N, 3, H, W), RGB, 0..255, on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class MethodCard:
    """Who a method is; copied whole into every result it produces.

    Attributes:
        name: Name in the table of methods, or ``package.module:Class``.
        paper: Authors, title, venue.
        year: Year of the paper.
        image_size: Side in pixels of the images it edits; None where any size will do.
        attributes: Attribute names it was made for; empty where it takes any.
        licence: Licence of its weights.
        weights_sha256: Digest of its weight file; empty where it has none.
        notes: Anything else worth keeping: training command, steps, minutes, seed, departures from the paper.
    """

    name: str
    paper: str = ""
    year: int | None = None
    image_size: int | None = None
    attributes: tuple[str, ...] = ()
    licence: str = ""
    weights_sha256: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Editor(Protocol):
    """Changes one attribute of faces."""

    card: MethodCard

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the faces with ``attribute`` set to ``value``.

        Args:
            images: uint8, (N, 3, H, W), RGB.
            attribute: CelebA's name, such as ``"Young"``.
            value: Wanted value of each image, shape (N,), float32, 0 or 1 (or a strength where the method has one).

        Returns:
            Edited images, same shape and dtype.
        """


@runtime_checkable
class Critic(Protocol):
    """Has a discriminator of its own."""

    card: MethodCard

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the logits (N,) its own discriminator gives images that should show ``attribute`` at ``value``."""
