# SPDX-License-Identifier: MIT
"""What methods may know of a face beside its picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from faceeval.data.aids import AIDS, GLOBAL, read_aids
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces.standard import load
from faceeval.errors import InputError, UnknownNameError

ROWS = np.arange(4)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return load("test", 64)


def test_the_background_of_a_rendered_head_is_what_is_neither_head_nor_hair(faces: FaceSet) -> None:
    outside = read_aids(["background"], faces, ROWS, ["Young"])["background"]
    assert outside.shape == (4, 1, 64, 64)
    assert outside.dtype == np.float32
    assert set(np.unique(outside)) == {0.0, 1.0}
    assert (outside[:, :, 0, 0] == 1).all()
    assert faces.landmarks is not None
    for row in ROWS:
        for x, y in faces.landmarks[row].round().astype(int):
            assert outside[row, 0, y, x] == 0


def test_without_regions_the_head_is_an_ellipse_that_mostly_agrees_with_them(faces: FaceSet) -> None:
    known = read_aids(["background"], faces, np.arange(100), ["Young"])["background"]
    guessed = read_aids(["background"], replace(faces, masks=None), np.arange(100), ["Young"])["background"]
    assert guessed.shape == known.shape
    assert (guessed[0] == guessed[1]).all()
    assert (guessed == known).mean() > 0.75


def test_the_region_is_where_the_attribute_shows_and_everything_for_global_ones(faces: FaceSet) -> None:
    glasses = read_aids(["region"], faces, ROWS, ["Eyeglasses"])["region"]
    assert 0.05 < glasses.mean() < 0.4
    assert faces.landmarks is not None
    for row in ROWS:
        for x, y in faces.landmarks[row, :2].round().astype(int):
            assert glasses[row, 0, y, x] == 1
    assert {"Young", "Male", "Bald"} <= GLOBAL
    assert "Eyeglasses" not in GLOBAL
    assert (read_aids(["region"], faces, ROWS, ["Male"])["region"] == 1).all()


def test_labels_come_in_the_order_asked_for_and_unknown_ones_are_nan(faces: FaceSet) -> None:
    found = read_aids(["labels"], faces, ROWS, ["Young", "Attractive", "Male"])["labels"]
    np.testing.assert_array_equal(found[:, 0], faces.attributes["Young"][:4])
    np.testing.assert_array_equal(found[:, 2], faces.attributes["Male"][:4])
    assert np.isnan(found[:, 1]).all()


def test_what_cannot_be_had_is_said(faces: FaceSet) -> None:
    with pytest.raises(UnknownNameError, match="landmarks"):
        read_aids(["landmark"], faces, ROWS, ["Young"])
    with pytest.raises(InputError, match="five landmarks"):
        read_aids(["landmarks"], replace(faces, landmarks=None), ROWS, ["Young"])
    with pytest.raises(InputError, match="one attribute"):
        read_aids(["region"], faces, ROWS, ["Young", "Male"])


@pytest.mark.parametrize("name", AIDS)
def test_a_mirror_twice_is_no_mirror_and_touches_the_chosen_only(faces: FaceSet, name: str) -> None:
    values = torch.from_numpy(read_aids([name], faces, ROWS, ["Eyeglasses"])[name])
    chosen = torch.tensor([True, False, True, False])
    once = AIDS[name].mirrored(values, chosen, 64)
    assert torch.equal(once[~chosen], values[~chosen])
    torch.testing.assert_close(AIDS[name].mirrored(once, chosen, 64), values)
    if AIDS[name].kind == "map":
        assert torch.equal(once[chosen], values[chosen].flip(-1))


def test_a_mirrored_left_eye_is_the_left_eye_of_the_mirrored_picture(faces: FaceSet) -> None:
    points = torch.from_numpy(read_aids(["landmarks"], faces, ROWS, ["Young"])["landmarks"])
    mirrored = AIDS["landmarks"].mirrored(points, torch.ones(4, dtype=torch.bool), 64)
    assert (mirrored[:, 0, 0] < mirrored[:, 1, 0]).all()
    torch.testing.assert_close(mirrored[:, 2, 0], 63 - points[:, 2, 0])
    torch.testing.assert_close(mirrored[:, 3, 1], points[:, 4, 1])
