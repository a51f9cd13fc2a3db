# SPDX-License-Identifier: MIT
"""The one form every dataset takes: images read on demand, and columns of what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError, unknown_name


@dataclass(frozen=True)
class Truth:
    """The true answer of an edit, which only a renderer can know.

    Attributes:
        images: The same faces with only the attribute changed, uint8, (N, 3, H, W), RGB.
        region: Where source and truth may differ, bool, (N, H, W).
    """

    images: NDArray[np.uint8]
    region: NDArray[np.bool_]


@dataclass(frozen=True)
class FaceSet:
    """Images of one split, with what is known about each. A column nobody knows is None, never guessed.

    Attributes:
        name: Dataset, such as ``"procfaces"`` or ``"celeba"``.
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``.
        size: Side of the square images in pixels.
        names: Unique name of each image, in the dataset's own order.
        digest: SHA-256 over what defines the data (names, labels, version, crop); goes into every result.
        read: Indices (n,) int64 -> images uint8 (n, 3, size, size), RGB.
        attributes: Attribute name -> uint8 (N,), 1 present, 0 absent.
        identities: int64 (N,), the person's number; -1 where only other images of the set have one.
        pose: float32 (N, 3), yaw, pitch, roll in degrees.
        expression: int64 (N,), AffectNet's class 0..7.
        valence_arousal: float32 (N, 2), each in [-1, 1].
        landmarks: float32 (N, 5, 2), CelebA's five points (x, y) in pixels of the returned images.
        landmarks68: float32 (N, 68, 2), the usual 68 points, likewise.
        boxes: float32 (N, 4), left, top, width and height of the face in pixels of the stored image, which says how
            large the face was before it was scaled.
        people: What the numbers 0, 1, ... in ``identities`` are called; empty where they are the dataset's own numbers.
        clips: int64 (N,), the video clip an image is a frame of.
        masks: Indices (n,) int64 -> region of each pixel, uint8 (n, size, size), as `faceeval.data.procfaces.REGIONS`
            numbers them.
        sources: int64 (N,), which of several datasets an image is from, where they were joined.
        skipped: Names of rows that were left out because their image is not there, where that was asked for.
        truth: Indices, attribute -> Truth; None where the true edit cannot be known.
        provenance: How the images came to be (crop box, filter, version); goes into every result.
    """

    name: str
    split: str
    size: int
    names: tuple[str, ...]
    digest: str
    read: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
    attributes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    identities: NDArray[np.int64] | None = None
    pose: NDArray[np.float32] | None = None
    expression: NDArray[np.int64] | None = None
    valence_arousal: NDArray[np.float32] | None = None
    landmarks: NDArray[np.float32] | None = None
    landmarks68: NDArray[np.float32] | None = None
    boxes: NDArray[np.float32] | None = None
    people: tuple[str, ...] = ()
    clips: NDArray[np.int64] | None = None
    sources: NDArray[np.int64] | None = None
    masks: Callable[[NDArray[np.int64]], NDArray[np.uint8]] | None = None
    skipped: tuple[str, ...] = ()
    truth: Callable[[NDArray[np.int64], str], Truth] | None = None
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def person_places(self) -> NDArray[np.int64] | None:
        """Place of each image's person among all people of the set by ascending number, int64 (N,).

        -1 where the number is below zero, which stands for nobody knows; None where the set knows nobody.
        """
        if self.identities is None:
            return None
        known = self.identities >= 0
        places = np.full(len(self), -1, np.int64)
        places[known] = np.unique(self.identities[known], return_inverse=True)[1]
        return places

    def images(self) -> NDArray[np.uint8]:
        """Returns every image, uint8, (N, 3, size, size); N * 3 * size^2 bytes of memory."""
        return self.read(np.arange(len(self), dtype=np.int64))

    def labels(self, attribute: str) -> NDArray[np.uint8]:
        """Returns the labels (N,), 0 or 1, of an attribute.

        Raises:
            UnknownNameError: The dataset does not label that attribute.
            InputError: Every image has the same value, so there is nothing to edit from or to.
        """
        if attribute not in self.attributes:
            raise unknown_name("attribute of this dataset", attribute, self.attributes)
        values = self.attributes[attribute]
        if len(values) == 0 or values.min() == values.max():
            has = "no images" if len(values) == 0 else f"only {'positives' if values[0] else 'negatives'}"
            raise InputError(
                f"images with and without {attribute} in the {self.split} split of {self.name}",
                f"{has} ({len(values)} images)",
                "choose another attribute or split, or give a label file that has both classes",
            )
        return values
