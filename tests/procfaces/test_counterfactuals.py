# SPDX-License-Identifier: MIT
"""The real renderer under the standard set: one flip is seen, stays where it belongs, and depends on nothing else."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.standard import grown, load
from faceeval.data.procfaces.workers import Workers, render_batch

FACES = (9002, 9105, 9507, 10_301)
# largest share of the picture that may change; what is not named may change the whole head
SHARE = {
    "Eyeglasses": 0.25,
    "Mouth_Slightly_Open": 0.35,
    "Smiling": 0.35,
    "Bangs": 0.3,
    "Bushy_Eyebrows": 0.1,
    "Wearing_Lipstick": 0.1,
    "Heavy_Makeup": 0.3,
}


@lru_cache
def faces(attribute: str | None) -> NDArray[np.uint8]:
    return render_batch(FACES, 64, attribute)[0]


@pytest.mark.parametrize("attribute", ATTRIBUTE_NAMES)
def test_a_flip_is_seen_and_stays_in_its_place(attribute: str) -> None:
    difference = np.abs(faces(attribute).astype(int) - faces(None)).max(axis=1)
    for pair in difference:
        assert (pair > 24).sum() >= 3  # grey levels: pixels that anybody sees change
        assert (pair > 0).mean() <= SHARE.get(attribute, 0.8)
        assert not pair[:, 0].any() or attribute in ("Bald", "Young", "Male")  # the backdrop beside the head stays


def test_pictures_depend_on_their_index_only() -> None:
    images, landmarks, _ = render_batch(FACES, 64)
    back, points, _ = render_batch(FACES[::-1], 64)
    np.testing.assert_array_equal(back[::-1], images)
    np.testing.assert_array_equal(points[::-1], landmarks)
    np.testing.assert_array_equal(render_batch(FACES[1:2], 64)[0][0], images[1])


def test_child_processes_render_the_same_bytes() -> None:
    indices = range(9000, 9052)
    with Workers(2) as workers:
        sent = [np.concatenate(parts) for parts in zip(*workers.render(indices, 32), strict=True)]
    for parts, here in zip(sent, render_batch(indices, 32), strict=True):
        np.testing.assert_array_equal(parts, here)


@pytest.mark.usefixtures("cache", "few_faces")
def test_truth_equals_the_source_outside_its_region() -> None:
    split = load("test", 64, 1)
    assert split.truth is not None
    rows = np.array([4, 1, 9])
    source = split.read(rows)
    truth = split.truth(rows, "Eyeglasses")
    outside = np.broadcast_to(~truth.region[:, None], source.shape)
    np.testing.assert_array_equal(truth.images[outside], source[outside])
    assert (truth.region.mean(axis=(1, 2)) < 0.3).all()
    assert [attribute_value(sample_factors(9000 + row), "Eyeglasses") for row in rows] == list(
        split.attributes["Eyeglasses"][rows]
    )


@pytest.mark.usefixtures("cache", "few_faces")
def test_landmarks_lie_on_the_face() -> None:
    split = load("test", 64, 1)
    assert split.landmarks is not None
    left, right, nose, left_mouth, right_mouth = np.moveaxis(split.landmarks, 1, 0)
    assert (left[:, 0] < right[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (nose[:, 1] > np.minimum(left[:, 1], right[:, 1])).all()
    assert ((split.landmarks > 4) & (split.landmarks < 60)).all()


def test_regions_grow_by_one_pixel() -> None:
    region = np.zeros((1, 5, 6), np.bool_)
    region[0, 0, 0] = region[0, 3, 4] = True
    expected = np.zeros((5, 6), np.bool_)
    expected[:2, :2] = expected[2:5, 3:6] = True
    np.testing.assert_array_equal(grown(region)[0], expected)
