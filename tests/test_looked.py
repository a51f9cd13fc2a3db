# SPDX-License-Identifier: MIT
"""Which images are looked at, who is on them, and what a few of their pixels keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_people import EACH, SIZE, people_faces

from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.protocols.looked import chosen_rows, people_of, rows_of_whole_people
from faceeval.protocols.thumbnails import thumbnail_codes, thumbnails

FACES = people_faces(20)


def test_images_are_chosen_by_the_hash_of_their_names():
    rows = chosen_rows(FACES, 7, "tag")
    assert (np.diff(rows) > 0).all()
    assert {FACES.names[row] for row in rows} == set(select(7, FACES.names, "tag"))
    assert chosen_rows(FACES, None, "tag").tolist() == list(range(120)) == chosen_rows(FACES, 999, "tag").tolist()
    assert set(rows) < set(chosen_rows(FACES, 8, "tag"))


@pytest.mark.parametrize("choose", [chosen_rows, rows_of_whole_people])
def test_too_few_images_are_refused(choose):
    with pytest.raises(InputError, match="at least 5 images"):
        choose(FACES, 4, "tag", 5)
    with pytest.raises(InputError, match="at least 121 images"):
        choose(FACES, None, "tag", 121)


@pytest.mark.parametrize("count", [2, 6, 7, 60, 119])
def test_people_are_taken_whole(count):
    rows = rows_of_whole_people(FACES, count, "tag", 2)
    people, images = np.unique(FACES.identities[rows], return_counts=True)
    assert (images == EACH).all()
    assert len(people) == -(-count // EACH)


def test_where_nobody_is_known_images_are_taken():
    unknown = replace(FACES, identities=None)
    assert rows_of_whole_people(unknown, 7, "tag", 2).tolist() == chosen_rows(FACES, 7, "tag").tolist()
    assert people_of(unknown, np.arange(3)) is None


def test_whom_nobody_knows_is_somebody_else_each_time():
    some = replace(FACES, identities=np.where(np.arange(120) < 3, -1, FACES.identities))
    assert people_of(some, np.arange(5)).tolist() == [-1, -2, -3, 0, 0]
    assert people_of(some, np.arange(3)) is None


def test_a_thumbnail_of_every_pixel_is_the_image():
    images = np.random.default_rng(0).integers(0, 256, (3, 3, SIZE, SIZE)).astype(np.uint8)
    np.testing.assert_array_equal(thumbnails(images, SIZE), images)
    np.testing.assert_array_equal(thumbnail_codes(images, 1), np.rint(images.mean((2, 3))))


def test_a_thumbnail_keeps_flat_images_and_means():
    flat = np.full((2, 3, SIZE, SIZE), 77, np.uint8)
    np.testing.assert_array_equal(thumbnails(flat, 5), flat)
    rows = np.arange(SIZE, dtype=np.uint8)[:, None] * np.ones((2, 3, SIZE, SIZE), np.uint8)
    codes = thumbnail_codes(rows, 4).reshape(2, 3, 4, 4)
    assert codes[0, 0, :, 0].tolist() == np.rint([1.5, 5.5, 9.5, 13.5]).tolist()


@pytest.mark.parametrize("side", [0, SIZE + 1])
def test_a_thumbnail_is_no_larger_than_the_image(side):
    with pytest.raises(InputError, match=f"1 to {SIZE} pixels"):
        thumbnails(FACES.read(np.arange(2)), side)
