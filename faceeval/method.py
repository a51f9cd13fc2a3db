# SPDX-License-Identifier: MIT
"""What a method can do: plain protocols, no base class. A method offers the calls it can honour and no others.

Images cross every border as ``uint8`` tensors of shape (N, 3, H, W), RGB, 0..255, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        directions: Attribute -> values it can set, of those it cannot set both ways; ``{"Eyeglasses": (0,)}`` takes
            glasses off and cannot put them on.
        strengths: Least and greatest strength of ``edit_strength``; None where it has no such knob.
        needs: What an edit needs beside the images, names in ``faceeval.data.aids.AIDS``.
        parts: What ``embed`` and ``swap`` take a face apart into, such as ``"identity"`` and ``"attributes"``.
        licence: Licence of its weights.
        weights_sha256: Digest of its weight file; empty where it has none.
        notes: Anything else worth keeping: training command, steps, minutes, seed, departures from the paper.
    """

    name: str
    paper: str = ""
    year: int | None = None
    image_size: int | None = None
    attributes: tuple[str, ...] = ()
    directions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    strengths: tuple[float, float] | None = None
    needs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
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
class AidedEditor(Protocol):
    """Changes one attribute of faces, told more of each than its picture; its card's ``needs`` say what."""

    card: MethodCard

    def edit_aided(self, images: Tensor, attribute: str, value: Tensor, aids: Mapping[str, Tensor]) -> Tensor:
        """Does what ``Editor.edit`` does.

        Args:
            images: uint8, (N, 3, H, W), RGB.
            attribute: CelebA's name.
            value: Wanted value of each image, shape (N,), float32, 0 or 1.
            aids: What the card asks for, float32 (N, ...) each: masks ``background`` and ``region`` (N, 1, H, W),
                ``landmarks`` (N, 5, 2), ``labels`` (N, A) of the card's attributes, NaN where unknown.

        Returns:
            Edited images, same shape and dtype.
        """


@runtime_checkable
class StrengthEditor(Protocol):
    """Changes one attribute by as much as is asked for."""

    card: MethodCard

    def edit_strength(self, images: Tensor, attribute: str, strength: Tensor) -> Tensor:
        """Returns the faces with more, or less, of an attribute.

        Args:
            images: uint8, (N, 3, H, W), RGB.
            attribute: CelebA's name.
            strength: Of each image, float32 (N,), within the card's ``strengths``. Positive strengthens the attribute,
                negative weakens it, 0 asks for the image as it is, as well as the method can draw it.

        Returns:
            Edited images, same shape and dtype.
        """


@runtime_checkable
class Critic(Protocol):
    """Has a discriminator of its own."""

    card: MethodCard

    def realness(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the logits (N,) its own discriminator gives images that should show ``attribute`` at ``value``."""


@runtime_checkable
class Embedder(Protocol):
    """Turns faces into vectors, one for each part of a face that its card names."""

    card: MethodCard

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns the part's code of each face.

        Args:
            images: uint8, (N, 3, H, W), RGB.
            part: One of the card's ``parts``.

        Returns:
            float32 (N, D) on the CPU, as the network gives it: of unit length only where the method makes it so.
        """


@runtime_checkable
class Swapper(Protocol):
    """Puts a part of one face into another."""

    card: MethodCard

    def swap(self, givers: Tensor, takers: Tensor, part: str) -> Tensor:
        """Returns the takers with the givers' ``part``; everything else stays the takers'.

        Args:
            givers: uint8, (N, 3, H, W), RGB.
            takers: The same shape.
            part: One of the card's ``parts``; ``"identity"`` gives the takers the givers' faces.

        Returns:
            uint8, the same shape.
        """


@runtime_checkable
class Reconstructor(Protocol):
    """Draws a face again from its own code."""

    card: MethodCard

    def reconstruct(self, images: Tensor) -> Tensor:
        """Returns faces (N, 3, H, W), uint8, as the method draws them from what it makes of them."""


@runtime_checkable
class Recognising(Protocol):
    """Has a recogniser of its own, whose gradients an attack may take."""

    card: MethodCard

    def recogniser(self) -> Callable[[Tensor], Tensor]:
        """Returns a differentiable function: RGB faces (N, 3, S, S), float in 0..1 -> identity codes (N, D)."""


@runtime_checkable
class Generator(Protocol):
    """Draws faces of nobody."""

    card: MethodCard

    def sample(self, n: int, seed: int) -> Tensor:
        """Returns ``n`` faces, uint8 (n, 3, S, S), that depend on ``seed`` alone."""


@runtime_checkable
class Morpher(Protocol):
    """Moves from the attributes of one face to those of another."""

    card: MethodCard

    def morph(self, givers: Tensor, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
        """Returns the givers' people with what lies between two faces' attributes.

        Args:
            givers: uint8, (N, 3, H, W), RGB: whose identity.
            first: The same shape: whose attributes at share 0.
            second: The same shape: whose attributes at share 1.
            share: float32 (N,), in 0..1.

        Returns:
            uint8, the same shape.
        """


@runtime_checkable
class PoseReader(Protocol):
    """Says how heads are turned."""

    card: MethodCard

    def read_pose(self, images: Tensor) -> Tensor:
        """Returns yaw, pitch and roll of faces uint8 (N, 3, H, W), float32 (N, 3), in degrees."""


@runtime_checkable
class ExpressionReader(Protocol):
    """Says what faces express."""

    card: MethodCard

    def read_expression(self, images: Tensor) -> Tensor:
        """Returns logits of AffectNet's eight classes of faces uint8 (N, 3, H, W), float32 (N, 8)."""
