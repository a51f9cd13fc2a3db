# SPDX-License-Identifier: MIT
"""Where on a face an attribute shows: hulls around its landmarks, widened by a margin.

DIAT makes such masks for its local attributes and prints neither the landmarks nor the margin; those here are our
choice, after what the edit has to reach. A mask is always that of the *source* image, and is used for the edited one as
well: a mask of its own would let a method move the border it is judged at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.names import CELEBA_ATTRIBUTES, canonical_attribute

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)  # of the picture
BROWS = range(17, 27)
Rule = TypeVar("Rule")
BROW_LIFT = 0.6  # distances between the eyes: from the brows to about the hairline


@dataclass(frozen=True)
class HullRule:
    """How the mask of an attribute is made of 68 landmarks.

    Attributes:
        hulls: Zero-based numbers of the landmarks around which a convex hull is drawn, for each hull.
        margin: By how much they are widened, as a share of the distance between the eyes.
        lifted: Whether the brows count a second time, raised by BROW_LIFT, to take in the forehead.
    """

    hulls: tuple[tuple[int, ...], ...]
    margin: float
    lifted: bool = False


@dataclass(frozen=True)
class EllipseRule:
    """How a mask is guessed from five landmarks; lengths as shares of the distance between the eyes.

    Attributes:
        points: The two landmarks whose middle it is placed at.
        down: How far below that middle its centre lies.
        across: Half its width.
        along: Half its height.
    """

    points: tuple[int, int]
    down: float
    across: float
    along: float


_MOUTH, _BEARD = tuple(range(48, 68)), (*range(2, 15), *range(31, 36), *range(48, 60))
_GLASSES, _NOSE = (*BROWS, *range(36, 48), 27, 28), tuple(range(27, 36))
_FACE = HullRule((tuple(range(27)),), 0.15, lifted=True)

HULLS: dict[str, HullRule] = {
    "Mouth_Slightly_Open": HullRule(((*_MOUTH, 7, 8, 9),), 0.15),  # the chin goes down as the mouth opens
    "Smiling": HullRule((_MOUTH,), 0.15),
    "Eyeglasses": HullRule((_GLASSES,), 0.25),
    "No_Beard": HullRule((_BEARD,), 0.10),
    "Mustache": HullRule((_BEARD,), 0.10),
    "Goatee": HullRule((_BEARD,), 0.10),
    "Bushy_Eyebrows": HullRule((tuple(range(17, 22)), tuple(range(22, 27))), 0.10),
    "Pointy_Nose": HullRule((_NOSE,), 0.10),
    "Big_Nose": HullRule((_NOSE,), 0.10),
    "Male": _FACE,
    "Young": _FACE,
    "Pale_Skin": _FACE,
}
# those that overlap best with the hulls above on rendered heads: intersection over union 0.74, 0.73 and 0.83
ELLIPSES: dict[str, EllipseRule] = {
    "Mouth_Slightly_Open": EllipseRule((3, 4), 0.4, 0.6, 0.7),
    "Smiling": EllipseRule((3, 4), 0.1, 0.6, 0.35),
    "Eyeglasses": EllipseRule((0, 1), -0.2, 1.1, 0.7),
}
# landmarks end at the brows and the jaw; where hair begins they do not say
BEYOND_LANDMARKS = frozenset(
    name for name in CELEBA_ATTRIBUTES if "Hair" in name or name in ("Bald", "Bangs", "Wearing_Hat", "Sideburns")
)


@dataclass(frozen=True, eq=False)
class LandmarkMasks:
    """Masks of one attribute.

    Attributes:
        masks: bool (n, size, size), True where the attribute shows.
        approx: Whether they were guessed from five landmarks.
    """

    masks: NDArray[np.bool_]
    approx: bool


def landmark_masks(faces: FaceSet, indices: NDArray[np.int64], attribute: str) -> LandmarkMasks:
    """Makes the masks of an attribute for some faces: of 68 landmarks where they are known, else guessed from five.

    Args:
        faces: The source images.
        indices: Which of them, (n,).
        attribute: A key of HULLS, in any spelling of `faceeval.names`.

    Raises:
        UnknownNameError: No such attribute.
        InputError: The data have no landmarks; landmarks do not tell where this attribute shows, or five do not; or
            those of a face lie on a line or outside its image.
    """
    name = canonical_attribute(attribute)
    if faces.landmarks68 is not None:
        points, make = faces.landmarks68, attribute_mask
    elif faces.landmarks is not None:
        points, make = faces.landmarks, approximate_mask
    else:
        todo = "choose data with landmarks, or detect them before"
        raise InputError(f"landmarks of {faces.name}, for the mask of {name}", "none", todo)
    masks = np.zeros((len(indices), faces.size, faces.size), np.bool_)
    for place, index in enumerate(indices.tolist()):
        try:
            masks[place] = make(points[index], name, faces.size)
        except InputError as error:
            raise InputError(error.expected, f"{error.got} ({faces.names[index]})", error.todo) from error
    return LandmarkMasks(masks, faces.landmarks68 is None)


def attribute_mask(landmarks: ArrayLike, attribute: str, size: int) -> NDArray[np.bool_]:
    """Makes the mask of an attribute from 68 landmarks.

    Args:
        landmarks: The usual 68 points (x, y) in pixels, shape (68, 2); whole numbers are centres of pixels.
        attribute: A key of HULLS.
        size: Side of the image in pixels.

    Returns:
        bool (size, size), rows first; True where the attribute shows.

    Raises:
        InputError: As `landmark_masks`.
    """
    rule, points = _rule(attribute, HULLS, "68 landmarks"), _points(landmarks, 68)
    left, right = points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0)
    apart = right - left
    distance = float(np.hypot(*apart))
    mask = np.zeros((size, size), np.bool_)
    for hull in rule.hulls:
        corners = points[list(hull)]
        if rule.lifted:
            up = np.array([apart[1], -apart[0]])  # square to the line between the eyes, of its length
            corners = np.concatenate([corners, points[list(BROWS)] + BROW_LIFT * up])
        mask |= hull_mask(corners, size, round(rule.margin * distance))
    return mask


def approximate_mask(landmarks: ArrayLike, attribute: str, size: int) -> NDArray[np.bool_]:
    """Guesses the mask of an attribute from five landmarks: an ellipse around the mouth or the eyes.

    Args:
        landmarks: Eyes, nose and mouth corners, left ones of the picture first, (x, y) in pixels, shape (5, 2).
        attribute: A key of ELLIPSES.
        size: Side of the image in pixels.

    Returns:
        bool (size, size).

    Raises:
        InputError: As `landmark_masks`.
    """
    rule, points = _rule(attribute, ELLIPSES, "five landmarks"), _points(landmarks, 5)
    right = points[1] - points[0]
    distance = float(np.hypot(*right))
    if distance == 0:
        raise InputError("two eyes apart", "both in one place", "mend the landmarks, or leave the face out")
    right /= distance
    below = np.array([-right[1], right[0]])
    centre = points[list(rule.points)].mean(0) + rule.down * distance * below
    rows, columns = np.mgrid[:size, :size]
    away = np.stack([columns - centre[0], rows - centre[1]], -1) / distance
    mask: NDArray[np.bool_] = ((away @ right) / rule.across) ** 2 + ((away @ below) / rule.along) ** 2 <= 1
    return _not_empty(mask)


def hull_mask(points: ArrayLike, size: int, radius: int = 0) -> NDArray[np.bool_]:
    """Fills the convex hull of points, pixel centres on its edge included, and widens it by a disc.

    Args:
        points: (x, y) in pixels, shape (n, 2), in any order.
        size: Side of the image in pixels; what lies beyond is cut off last.
        radius: Of the disc, in pixels.

    Returns:
        bool (size, size). The pixel of every point is in it.

    Raises:
        InputError: The points lie on a line or are fewer than three, one is not finite, or all of it is outside.

    Example:
        >>> square = [(10, 10), (20, 10), (20, 20), (10, 20)]
        >>> int(hull_mask(square, 32).sum()), int(hull_mask(square, 32, 3).sum())
        (121, 269)
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import ConvexHull, QhullError
    from skimage.draw import polygon

    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1:] != (2,) or not np.isfinite(corners).all():
        raise InputError("finite points (x, y)", f"an array of shape {corners.shape}", "mend the landmarks")
    if not 0 <= radius <= size:
        raise InputError(f"a margin of 0 to {size} pixels", str(radius), "give landmarks in pixels of this image")
    try:
        edge = corners[ConvexHull(corners).vertices] + radius
    except (QhullError, ValueError) as error:
        todo = "mend the landmarks, or leave the face out"
        raise InputError("at least three points that are not on one line", f"{len(corners)} that are", todo) from error
    canvas = np.zeros((size + 2 * radius, size + 2 * radius), np.bool_)  # what lies outside may reach in
    canvas[polygon(edge[:, 1], edge[:, 0], canvas.shape)] = True
    column, row = np.floor(corners + radius + 0.5).astype(np.int64).T
    inside = (row >= 0) & (column >= 0) & (row < len(canvas)) & (column < len(canvas))
    canvas[row[inside], column[inside]] = True  # of slender hulls the filling may miss every centre
    if radius and canvas.any():
        canvas = distance_transform_edt(~canvas) <= radius
    return _not_empty(canvas[radius : radius + size, radius : radius + size])


def _rule(attribute: str, table: dict[str, Rule], source: str) -> Rule:
    name = canonical_attribute(attribute)
    if name in table:
        return table[name]
    if name in BEYOND_LANDMARKS:
        got, todo = f"{name}, which they do not reach", "use a face parser's regions (on procfaces, FaceSet.masks)"
    elif name in HULLS:
        got, todo = f"{name}, for which they are too few", "detect 68 landmarks"
    else:
        got, todo = f"{name}, for which no rule is known", f"choose one of {', '.join(table)}"
    raise InputError(f"an attribute that {source} can place", got, todo)


def _points(landmarks: ArrayLike, count: int) -> NDArray[np.float64]:
    points = np.asarray(landmarks, np.float64)
    if points.shape != (count, 2) or not np.isfinite(points).all():
        got = f"shape {points.shape}" + ("" if np.isfinite(points).all() else ", not all finite")
        raise InputError(f"{count} finite points (x, y)", got, "mend the landmarks, or leave the face out")
    return points


def _not_empty(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        raise InputError("landmarks inside the image", "a mask without a pixel", "leave the face out")
    return mask
