# SPDX-License-Identifier: MIT
"""What reconstructions are compared with: the mean face, a thumbnail, and a linear code, none of which learned much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.protocols.asked import Images, Indices
from faceeval.protocols.experiments import Given
from faceeval.protocols.looked import chosen_rows, people_of
from faceeval.protocols.thumbnails import thumbnails

IDENTITY, MEAN = "identity", "mean face"
MEAN_OF = 1000  # images; the mean of more looks the same
FITTED_ON = 1500  # images a linear code is fitted on; twice as many make it better by a few per cent
TAG = "faceeval/1/bw/reconstruction"


def thumbnail_name(side: int) -> str:
    """Returns what the control is called that keeps so many pixels a side."""
    return f"thumbnail of {side} x {side} pixels"


def linear_name(components: int) -> str:
    """Returns what the control is called that keeps so many principal components."""
    return f"{components} principal components"


@dataclass(frozen=True, eq=False)
class LinearCode:
    """Images as a mean and a few principal components.

    Attributes:
        mean: float32, (P,), of P grey levels an image.
        basis: float32, (P, K), orthonormal columns.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]

    @classmethod
    def fitted(cls, images: Images, components: int) -> LinearCode:
        """Fits the directions of largest variance, exactly.

        Args:
            images: uint8, (N, 3, S, S), more than components.
            components: K.
        """
        rows = images.reshape(len(images), -1).astype(np.float32)
        mean = rows.mean(axis=0)
        rows -= mean
        # fewer images than grey levels: their products with each other have the same directions, and are fewer
        products = (rows @ rows.T).astype(np.float64)
        largest = [len(rows) - components, len(rows) - 1]
        values, vectors = scipy.linalg.eigh(products, subset_by_index=largest, overwrite_a=True)
        known = values > len(rows) * np.finfo(np.float32).eps * values[-1]  # beyond, it is rounding and no direction
        basis = rows.T @ (vectors[:, known] / np.sqrt(values[known])).astype(np.float32)
        return cls(mean, basis)

    def drawn(self, images: Images) -> Images:
        """Returns images as their codes have them, uint8, the same shape."""
        rows = images.reshape(len(images), len(self.mean)).astype(np.float32) - self.mean
        again = (rows @ self.basis) @ self.basis.T + self.mean
        return np.rint(np.clip(again, 0, 255)).astype(np.uint8).reshape(images.shape)


@dataclass(frozen=True, eq=False)
class Controls:
    """What is compared with on one set.

    Attributes:
        mean: The mean face, uint8 (1, 3, S, S).
        thumbnail: Side of the reduced image.
        components: Of the linear code.
        half: Which half of the people each image of the set is in, 0 or 1, (N,).
        codes: Half -> the linear code for it, fitted on the other half; empty where that has too few images.
    """

    mean: Images
    thumbnail: int
    components: int
    half: Indices
    codes: Sequence[LinearCode]

    @classmethod
    def of(cls, faces: FaceSet, rows: Indices, thumbnail: int, components: int, given: Given) -> Controls:
        """Prepares the controls of a set.

        Args:
            faces: The set.
            rows: The images that are drawn again; the mean face is theirs.
            thumbnail: Side of the reduced image.
            components: Of the linear code.
            given: Batch size and clock.

        Raises:
            InputError: Less than one component.
        """
        if components < 1:
            raise InputError("at least 1 principal component", str(components), "give --set components=99")
        who = people_of(faces, np.arange(len(faces)))
        place = np.arange(len(faces)) if who is None else np.unique(who, return_inverse=True)[1]
        half = place.astype(np.int64) % 2
        with given.clock.part("data"):
            fitted = [_some(faces, np.flatnonzero(half != one)) for one in (0, 1)]
        with given.clock.part("statistics"):
            enough = min(map(len, fitted)) > components
            codes = [LinearCode.fitted(faces.read(one), components) for one in fitted] if enough else []
        return cls(_mean_face(faces, rows, given), thumbnail, components, half, codes)

    def drawn(self, source: Images, rows: Indices) -> dict[str, Images]:
        """Returns what each control makes of some images.

        Args:
            source: uint8, (n, 3, S, S).
            rows: Which images of the set they are, (n,).
        """
        made = {}
        if self.codes:
            made[linear_name(self.components)] = linear = np.empty_like(source)
            for half, code in enumerate(self.codes):
                mine = self.half[rows] == half
                linear[mine] = code.drawn(source[mine])
        made[thumbnail_name(self.thumbnail)] = thumbnails(source, self.thumbnail)
        made[MEAN] = np.broadcast_to(self.mean, source.shape)
        return made


def _some(faces: FaceSet, rows: Indices) -> Indices:
    """Returns so many of some images that a linear code can be fitted on, by the hash rule."""
    names = {faces.names[row]: row for row in rows.tolist()}
    return np.array(sorted(names[name] for name in select(FITTED_ON, names, f"{TAG}/linear")), np.int64)


def _mean_face(faces: FaceSet, rows: Indices, given: Given) -> Images:
    """Returns the mean of the images, uint8 (1, 3, S, S); its sums are exact, however they are cut."""
    chosen = rows if len(rows) <= MEAN_OF else chosen_rows(faces, MEAN_OF, f"{TAG}/mean")
    sums = np.zeros((3, faces.size, faces.size), np.int64)
    with given.clock.part("data"):
        for start in range(0, len(chosen), given.batch_size):
            sums += faces.read(chosen[start : start + given.batch_size]).sum(axis=0, dtype=np.int64)
    return np.rint(sums / len(chosen)).astype(np.uint8)[None]
