# SPDX-License-Identifier: MIT
"""What some methods must know of a face beside its picture: masks, landmarks, labels. One table row each.

On rendered heads the renderer knows them; elsewhere they come from what the dataset has, or are guessed where a paper's
own network is not at hand, and a method's card says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.landmarks.masks import BEYOND_LANDMARKS, HULLS, landmark_masks
from faceeval.errors import InputError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]
HEAD = frozenset({"skin", "eyes", "brows", "lips", "mouth", "teeth", "hair", "beard", "glasses"})
# around head and hair, in shares of the side of a crop aligned as CelebA's is: centre (x, y) and half axes
HEAD_ELLIPSE = (0.50, 0.52, 0.36, 0.46)
# the hull of these is the whole face, or hair, where landmarks say nothing: the edit may reach everywhere
GLOBAL = frozenset(name for name, rule in HULLS.items() if rule.lifted) | BEYOND_LANDMARKS
MIRRORED_POINTS = [1, 0, 2, 4, 3]  # CelebA's five, seen in a mirror


def background(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns where neither head nor hair is: (n, 1, S, S), 0 or 1.

    Of the renderer's regions where they are known. Else outside a fixed ellipse, which fits faces aligned as CelebA's
    are; M-AAE segments faces with a network of its own.
    """
    if faces.masks is not None:
        from faceeval.data.procfaces.regions import REGIONS

        codes = [code for code, name in enumerate(REGIONS) if name in HEAD]
        return (~np.isin(faces.masks(indices), codes))[:, None].astype(np.float32)
    x, y, across, along = HEAD_ELLIPSE
    rows, columns = np.mgrid[: faces.size, : faces.size] / faces.size
    outside = ((columns - x) / across) ** 2 + ((rows - y) / along) ** 2 > 1
    return np.repeat(outside[None, None].astype(np.float32), len(indices), axis=0)


def region(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns where an attribute shows: (n, 1, S, S), 0 or 1; everywhere for those that concern the whole face.

    Raises:
        InputError: Several attributes, whose masks differ; or no landmarks, see ``landmark_masks``.
    """
    if len(attributes) != 1:
        todo = "ask for the mask of one attribute at a time"
        raise InputError("one attribute, to know where it shows", ", ".join(attributes), todo)
    if attributes[0] in GLOBAL:
        return np.ones((len(indices), 1, faces.size, faces.size), np.float32)
    return landmark_masks(faces, indices, attributes[0]).masks[:, None].astype(np.float32)


def landmarks(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns CelebA's five points (n, 5, 2), (x, y) in pixels.

    Raises:
        InputError: The data have none.
    """
    if faces.landmarks is None:
        todo = "choose data with landmarks, or detect them before: faceeval data align"
        raise InputError(f"five landmarks of {faces.name}", "none", todo)
    return faces.landmarks[indices].astype(np.float32)


def labels(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns the values of attributes (n, A), 0 or 1, NaN for those the data do not label."""
    found = np.full((len(indices), len(attributes)), np.nan, np.float32)
    for column, attribute in enumerate(attributes):
        if attribute in faces.attributes:
            found[:, column] = faces.attributes[attribute][indices]
    return found


def person(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns the place of each person among those of the set (n,), -1 where unknown; see ``FaceSet.person_places``.

    Raises:
        InputError: The data know nobody.
    """
    if faces.person_places is None:
        raise InputError(f"identities of {faces.name}", "none", "choose data that know who is shown")
    return faces.person_places[indices].astype(np.float32)


def clip(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns the number of each image's video clip (n,), -1 where it is from none."""
    if faces.clips is None:
        return np.full(len(indices), -1, np.float32)
    return faces.clips[indices].astype(np.float32)


def pose(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns yaw, pitch and roll in degrees (n, 3), NaN where unknown."""
    if faces.pose is None:
        return np.full((len(indices), 3), np.nan, np.float32)
    return faces.pose[indices].astype(np.float32)


def expression(faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]) -> Array:
    """Returns AffectNet's class, valence and arousal (n, 3); class -1 and NaN where unknown."""
    found = np.full((len(indices), 3), np.nan, np.float32)
    found[:, 0] = -1 if faces.expression is None else faces.expression[indices]
    if faces.valence_arousal is not None:
        found[:, 1:] = faces.valence_arousal[indices]
    return found


@dataclass(frozen=True)
class Aid:
    """One row of AIDS.

    Attributes:
        read: (faces, indices (n,), attributes) -> float32 (n, ...).
        kind: What a mirror does to it: it flips a ``"map"``, moves ``"points"``, turns yaw and roll of ``"angles"``
            round, and leaves ``"values"`` alone.
    """

    read: Callable[[FaceSet, NDArray[np.int64], Sequence[str]], Array]
    kind: Literal["map", "points", "angles", "values"]

    def mirrored(self, values: Tensor, chosen: Tensor, size: int) -> Tensor:
        """Returns the values (n, ...) of images of ``size`` pixels, those mirrored where ``chosen`` (n,) is true."""
        if self.kind == "values":
            return values
        if self.kind == "map":
            moved = values.flip(-1)
        elif self.kind == "angles":
            moved = values * values.new_tensor([-1.0, 1.0, -1.0])
        else:
            moved = values[:, MIRRORED_POINTS].clone()
            moved[..., 0] = size - 1 - moved[..., 0]
        return moved.where(chosen.to(values.device).view(-1, *[1] * (values.ndim - 1)), values)


AIDS: dict[str, Aid] = {
    "background": Aid(background, "map"),
    "region": Aid(region, "map"),
    "landmarks": Aid(landmarks, "points"),
    "labels": Aid(labels, "values"),
    "person": Aid(person, "values"),
    "clip": Aid(clip, "values"),
    "pose": Aid(pose, "angles"),
    "expression": Aid(expression, "values"),
}


def read_aids(
    names: Sequence[str], faces: FaceSet, indices: NDArray[np.int64], attributes: Sequence[str]
) -> dict[str, Array]:
    """Reads several aids of some faces.

    Args:
        names: Rows of AIDS.
        faces: The images' dataset.
        indices: Which of them, (n,).
        attributes: CelebA's names of what is edited, in the order the method knows them.

    Returns:
        Name -> float32 (n, ...).

    Raises:
        UnknownNameError: No such aid.
        InputError: The data cannot give one.
    """
    for name in names:
        if name not in AIDS:
            raise unknown_name("aid", name, AIDS)
    return {name: AIDS[name].read(faces, indices, attributes) for name in names}
