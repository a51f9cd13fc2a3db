# SPDX-License-Identifier: MIT
"""Masks from landmarks: measured areas, what they must contain, how they move, and where landmarks do not suffice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.faces import FaceSet
from faceeval.data.landmarks.masks import (
    BEYOND_LANDMARKS,
    ELLIPSES,
    HULLS,
    approximate_mask,
    attribute_mask,
    hull_mask,
    landmark_masks,
)
from faceeval.errors import InputError, UnknownNameError
from faceeval.names import CELEBA_ATTRIBUTES

few = settings(max_examples=25, deadline=None)
SIZE = 96
SQUARE = [(10, 10), (20, 10), (20, 20), (10, 20)]


def ring(count: int, x: float, y: float, width: float, height: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x - width * np.cos(angle), y - height * np.sin(angle)], 1)


def drawn_face() -> np.ndarray:
    """68 landmarks of a frontal face whose eyes lie 32 pixels apart."""
    jaw = np.linspace(np.pi, 0, 17)
    return np.concatenate([
        np.stack([48 + 34 * np.cos(jaw), 44 + 40 * np.sin(jaw)], 1),
        [(20 + 5 * step, 30 - abs(2 - step) * -1) for step in range(5)],
        [(56 + 5 * step, 30 - abs(2 - step) * -1) for step in range(5)],
        [(48, 40 + 5 * step) for step in range(4)],
        [(40 + 4 * step, 59 + (step == 2)) for step in range(5)],
        ring(6, 32, 40, 5, 2),
        ring(6, 64, 40, 5, 2),
        ring(12, 48, 70, 12, 5),
        ring(8, 48, 70, 8, 2),
    ])  # fmt: skip


def five(points: np.ndarray) -> np.ndarray:
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])


def test_the_measured_areas() -> None:
    assert hull_mask(SQUARE, 32).sum() == 121  # the edge included: the polygon's area is 100
    assert hull_mask(SQUARE, 32, 3).sum() == 269
    assert hull_mask(SQUARE, 32)[10:21, 10:21].all()


@few
@given(st.permutations(range(6)), st.integers(0, 5))
def test_the_order_of_the_points_does_not_matter(order: list[int], radius: int) -> None:
    points = np.array([(10.3, 11.2), (30.7, 9.9), (33.1, 25.4), (12.8, 28.6), (20.2, 20.2), (21.9, 8.1)])
    np.testing.assert_array_equal(hull_mask(points[order], 48, radius), hull_mask(points, 48, radius))


@few
@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from(sorted(HULLS)))
def test_shifted_points_give_the_shifted_mask(right: int, down: int, attribute: str) -> None:
    points = drawn_face()
    wide = attribute_mask(points + 40, attribute, SIZE + 80)
    moved = attribute_mask(points + np.array([40 + right, 40 + down]), attribute, SIZE + 80)
    np.testing.assert_array_equal(np.roll(wide, (down, right), (0, 1)), moved)


@pytest.mark.parametrize("attribute", HULLS)
def test_masks_hold_their_landmarks_and_their_margin(attribute: str) -> None:
    points, rule = drawn_face(), HULLS[attribute]
    mask = attribute_mask(points, attribute, SIZE)
    assert mask.shape == (SIZE, SIZE)
    assert mask.dtype == np.bool_
    radius = round(rule.margin * 32)
    assert radius >= 3
    for number in {number for hull in rule.hulls for number in hull}:
        column, row = np.floor(points[number] + 0.5).astype(int)
        assert mask[row, column]
        assert mask[max(row - radius, 0) : row + radius + 1, column].all() or rule.lifted
    assert 0.01 < mask.mean() < 0.6


def test_rows_are_not_columns() -> None:
    mask = attribute_mask(drawn_face(), "Smiling", SIZE)
    rows, columns = np.nonzero(mask)
    assert (round(rows.mean()), round(columns.mean())) == (70, 48)


def test_brows_are_two_hulls_and_the_face_reaches_above_them() -> None:
    from scipy.ndimage import label

    points = drawn_face()
    assert label(attribute_mask(points, "Bushy_Eyebrows", SIZE))[1] == 2
    face = attribute_mask(points, "Young", SIZE)
    top = np.flatnonzero(face.any(1))[0]
    assert top == pytest.approx(30 - 0.6 * 32 - round(0.15 * 32), abs=1)
    np.testing.assert_array_equal(face, attribute_mask(points, "male", SIZE))


def test_a_tilted_head_has_its_forehead_where_it_is() -> None:
    points = drawn_face()
    upright = attribute_mask(points, "Young", SIZE)
    quarter = np.stack([SIZE - 1 - points[:, 1], points[:, 0]], 1)
    assert (attribute_mask(quarter, "Young", SIZE) != np.rot90(upright, -1)).sum() <= 8


def test_an_open_mouth_takes_in_the_chin() -> None:
    points = drawn_face()
    opened, smiling = (attribute_mask(points, name, SIZE) for name in ("Mouth_Slightly_Open", "Smiling"))
    assert (opened | ~smiling).all()
    column, row = np.rint(points[8]).astype(int)
    assert opened[row, column]
    assert not smiling[row, column]


def test_what_lies_beyond_the_image_is_cut_off_last() -> None:
    points = np.array(SQUARE) - [14, 0]
    whole, cut = hull_mask(points + 20, 64, 3), hull_mask(points, 40, 3)
    np.testing.assert_array_equal(cut, whole[20:60, 20:60])
    outside = np.array(SQUARE) + np.array([24, 0])  # its hull begins two pixels right of the image
    assert hull_mask(outside, 32, 3).sum() > 0
    with pytest.raises(InputError, match="inside the image"):
        hull_mask(outside, 32, 1)


def test_slender_hulls_are_not_lost() -> None:
    points = np.array([(4.4, 9.4), (30.4, 9.45), (17.0, 9.42)])
    mask = hull_mask(points, 40)
    for x, y in points:
        assert mask[int(y + 0.5), int(x + 0.5)]


@pytest.mark.parametrize(
    "points",
    [[(1, 1), (2, 2)], [(1, 1), (2, 2), (3, 3), (9, 9)], [(5, 5)] * 4, [(1, 1), (2, 5), (np.nan, 3)], [1, 2, 3]],
)
def test_points_without_an_area_are_refused(points: list[object]) -> None:
    with pytest.raises(InputError):
        hull_mask(points, 16)


def test_a_margin_larger_than_the_image_is_a_mistake() -> None:
    with pytest.raises(InputError, match="pixels of this image"):
        attribute_mask(drawn_face() * 50, "Smiling", SIZE)
    with pytest.raises(InputError):
        hull_mask(SQUARE, 32, -1)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.zeros((68, 3)), np.full((68, 2), np.inf)])
def test_other_shapes_are_refused(points: np.ndarray) -> None:
    with pytest.raises(InputError, match="68 finite points"):
        attribute_mask(points, "Smiling", SIZE)


@pytest.mark.parametrize("attribute", ["Bangs", "Black_Hair", "Gray_Hair", "Bald", "Wearing_Hat", "Wavy_Hair"])
def test_what_landmarks_do_not_reach_needs_a_parser(attribute: str) -> None:
    assert attribute in BEYOND_LANDMARKS
    with pytest.raises(InputError, match="face parser"):
        attribute_mask(drawn_face(), attribute, SIZE)


def test_every_attribute_has_a_rule_or_a_reason() -> None:
    assert not BEYOND_LANDMARKS & set(HULLS)
    assert set(ELLIPSES) <= set(HULLS) <= set(CELEBA_ATTRIBUTES)
    with pytest.raises(InputError, match="no rule is known"):
        attribute_mask(drawn_face(), "Attractive", SIZE)
    with pytest.raises(InputError, match="detect 68 landmarks"):
        approximate_mask(five(drawn_face()), "Young", SIZE)
    with pytest.raises(UnknownNameError):
        attribute_mask(drawn_face(), "Nose_Ring", SIZE)


@pytest.mark.parametrize("attribute", ELLIPSES)
def test_five_landmarks_give_about_the_same_mask(attribute: str) -> None:
    points = drawn_face()
    exact, guessed = attribute_mask(points, attribute, SIZE), approximate_mask(five(points), attribute, SIZE)
    assert (exact & guessed).sum() / (exact | guessed).sum() > 0.55
    quarter = np.stack([SIZE - 1 - points[:, 1], points[:, 0]], 1)
    turned = approximate_mask(five(quarter), attribute, SIZE)
    assert (turned != np.rot90(guessed, -1)).sum() <= 8


def faces_with(**columns: object) -> FaceSet:
    return FaceSet("drawn", "all", SIZE, ("a.png", "b.png"), "", lambda rows: rows, **columns)


def test_a_face_set_serves_what_it_knows_and_says_what_is_guessed() -> None:
    points = np.stack([drawn_face(), drawn_face() + 3]).astype(np.float32)
    coarse = np.stack([five(face) for face in points]).astype(np.float32)
    rows = np.array([1, 0])
    exact = landmark_masks(faces_with(landmarks68=points, landmarks=coarse), rows, "mouth-open")
    assert (exact.approx, exact.masks.shape) == (False, (2, SIZE, SIZE))
    np.testing.assert_array_equal(exact.masks[0], attribute_mask(points[1], "Mouth_Slightly_Open", SIZE))
    guessed = landmark_masks(faces_with(landmarks=coarse), rows, "mouth-open")
    assert guessed.approx
    np.testing.assert_array_equal(guessed.masks[1], approximate_mask(coarse[0], "Mouth_Slightly_Open", SIZE))
    with pytest.raises(InputError, match="landmarks of drawn"):
        landmark_masks(faces_with(), rows, "Smiling")
    points[1] = 0
    with pytest.raises(InputError, match=r"b\.png"):
        landmark_masks(faces_with(landmarks68=points), rows, "Smiling")
    coarse[0, 0] = coarse[0, 1]
    with pytest.raises(InputError, match=r"a\.png"):
        landmark_masks(faces_with(landmarks=coarse), rows, "Smiling")
