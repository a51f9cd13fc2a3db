# SPDX-License-Identifier: MIT
"""Several sets of faces as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from faceeval.data.aids import AIDS, read_aids
from faceeval.data.faces import FaceSet
from faceeval.data.joined import join
from faceeval.errors import InputError


def faces(name, count, grey, **columns):
    def read(indices):
        return np.full((len(indices), 3, 4, 4), grey, np.uint8) + np.asarray(indices, np.uint8)[:, None, None, None]

    names = tuple(f"{place}.png" for place in range(count))
    return FaceSet(name, "train", 4, names, f"digest of {name}", read, **columns)


ONE = faces("one", 3, 0, identities=np.array([5, 9, 5]), attributes={"Young": np.array([1, 0, 1], np.uint8)})
TWO = faces("two", 2, 100, identities=np.array([5, 5]), clips=np.array([1, 2]), pose=np.ones((2, 3), np.float32),
            attributes={"Young": np.array([0, 1], np.uint8), "Male": np.array([0, 1], np.uint8)})  # fmt: skip
THREE = faces("three", 2, 200, expression=np.array([1, 7]))


def test_one_set_stays_itself():
    assert join([ONE]) is ONE


def test_people_of_different_sets_are_different_people():
    both = join([ONE, TWO, THREE])
    assert both.identities.tolist() == [0, 1, 0, 2, 2, -1, -1]
    assert both.person_places.tolist() == [0, 1, 0, 2, 2, -1, -1]
    assert both.clips.tolist() == [-1, -1, -1, 0, 1, -1, -1]
    assert both.expression.tolist() == [-1] * 5 + [1, 7]
    assert both.sources.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert np.isnan(both.pose[:3]).all()
    assert (both.pose[3:5] == 1).all()
    assert both.landmarks is None


def test_images_are_read_from_their_own_set_in_any_order():
    both = join([ONE, TWO, THREE])
    assert both.read(np.array([6, 0, 3, 2, 4]))[:, 0, 0, 0].tolist() == [201, 0, 100, 2, 101]
    for wrong in ([7], [-1]):
        with pytest.raises(InputError, match="0 to 6"):
            both.read(np.array(wrong))


def test_only_attributes_that_all_label_are_kept():
    assert list(join([ONE, TWO]).attributes) == ["Young"]
    assert join([ONE, TWO]).attributes["Young"].tolist() == [1, 0, 1, 0, 1]
    assert join([ONE, TWO, THREE]).attributes == {}


def test_the_digest_depends_on_every_set_and_their_order():
    assert join([ONE, TWO]).digest != join([TWO, ONE]).digest
    assert join([ONE, TWO]).digest != join([ONE, replace(TWO, digest="other")]).digest
    assert join([ONE, TWO]).names[:4] == ("one/0.png", "one/1.png", "one/2.png", "two/0.png")


@pytest.mark.parametrize(
    ("sets", "said"), [([], "none"), ([ONE, ONE], "one, one"), ([ONE, replace(TWO, size=8)], "4, 8 pixels")]
)
def test_sets_that_do_not_fit_are_refused(sets, said):
    with pytest.raises(InputError, match=said):
        join(sets)


def test_aids_say_what_nobody_knows():
    both, rows = join([ONE, TWO, THREE]), np.array([0, 3, 5])
    found = read_aids(("person", "clip", "pose", "expression"), both, rows, ())
    assert found["person"].tolist() == [0, 2, -1]
    assert found["clip"].tolist() == [-1, 0, -1]
    assert np.isnan(found["pose"][[0, 2]]).all()
    assert found["expression"][:, 0].tolist() == [-1, -1, 1]
    assert np.isnan(found["expression"][:, 1:]).all()
    assert read_aids(("clip",), ONE, rows[:1], ())["clip"].tolist() == [-1]
    with pytest.raises(InputError, match="identities of three"):
        read_aids(("person",), THREE, rows[:1], ())


def test_a_mirror_turns_yaw_and_roll_round():
    angles, chosen = torch.tensor([[10.0, 5.0, -3.0], [10.0, 5.0, -3.0]]), torch.tensor([True, False])
    turned = AIDS["pose"].mirrored(angles, chosen, 64)
    assert turned.tolist() == [[-10.0, 5.0, 3.0], [10.0, 5.0, -3.0]]
    assert AIDS["person"].mirrored(angles, chosen, 64) is angles
