# SPDX-License-Identifier: MIT
"""Nearest neighbours, what they share with the query, and what chance shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from faceeval.errors import InputError
from faceeval.metrics import (
    chance_angle_error,
    chance_attribute_accuracy,
    chance_precision,
    nearest_neighbours,
    retrieval,
    retrieval_angle_error,
    retrieval_attribute_accuracy,
    retrieval_precision,
)

FEW = settings(max_examples=20, deadline=None)


def codes(seed, n=30, dim=4):
    return np.random.default_rng(seed).standard_normal((n, dim))


def truths(seed, n=30):
    rng = np.random.default_rng(seed)
    return np.arange(n) % 3, rng.integers(0, 2, (n, 5)), rng.uniform(-180, 180, (n, 3))


class TestNeighbours:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(1, 29))
    def test_same_as_scikit_learn(self, seed, k):
        theirs = NearestNeighbors(n_neighbors=k).fit(codes(seed)).kneighbors(return_distance=False)
        assert np.array_equal(nearest_neighbours(codes(seed), k), theirs)

    def test_duplicates_of_the_query_come_first(self):
        rows = codes(0)
        rows[[4, 17, 22]] = rows[9]
        near = nearest_neighbours(rows, 5)
        assert near[9, :3].tolist() == [4, 17, 22]
        assert near[17, :3].tolist() == [4, 9, 22]

    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(1, 19))
    def test_equally_near_ones_come_by_row(self, seed, k):
        rows = np.random.default_rng(seed).integers(0, 3, (20, 2)).astype(float)
        rows[0] = 9.0
        distances = ((rows[:, None] - rows) ** 2).sum(axis=2)
        for query, near in enumerate(nearest_neighbours(rows, k)):
            others = [i for i in range(20) if i != query]
            assert near.tolist() == sorted(others, key=lambda i: (distances[query, i], i))[:k]

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_rotation_and_shift_do_not_matter(self, seed):
        turn = np.linalg.qr(codes(seed, 4))[0]
        assert np.array_equal(nearest_neighbours(codes(seed) @ turn + 3, 3), nearest_neighbours(codes(seed), 3))

    @pytest.mark.parametrize("cells", [1, 100])
    def test_blocks_do_not_matter(self, monkeypatch, cells):
        near = nearest_neighbours(codes(1))
        monkeypatch.setattr(retrieval, "CELLS", cells)
        assert np.array_equal(nearest_neighbours(codes(1)), near)

    @pytest.mark.parametrize("k", [0, 30, 1.5, -1])
    def test_k_out_of_range(self, k):
        with pytest.raises(InputError, match="1 to 29 neighbours"):
            nearest_neighbours(codes(0), k)

    def test_codes_that_say_nothing(self):
        with pytest.raises(InputError, match="30 equal rows"):
            nearest_neighbours(np.ones((30, 4)), 7)


class TestScores:
    def test_clusters(self):
        labels = np.repeat([3, 5, 8], 10)
        rows = codes(2) + 100 * labels[:, None]
        assert (retrieval_precision(rows, labels) == 1).all()
        assert (retrieval_attribute_accuracy(rows, np.eye(9)[labels]) == 1).all()
        assert (retrieval_angle_error(rows, np.outer(labels, [1.0, 2.0])) == 0).all()

    def test_by_hand(self):
        rows = [[0.0], [1.0], [10.0], [12.0]]
        assert retrieval_precision(rows, [1, 2, 2, 1], k=1).tolist() == [0, 0, 0, 0]
        assert retrieval_attribute_accuracy(rows, [[0, 1], [0, 0], [1, 1], [1, 1]], k=1).tolist() == [0.5, 0.5, 1, 1]
        assert retrieval_angle_error(rows, [[179.0], [-179.0], [0.0], [180.0]], k=1).tolist() == [2, 2, 180, 180]

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_all_others_are_chance(self, seed):
        _, attributes, angles = truths(seed)
        shares, degrees = chance_attribute_accuracy(attributes), chance_angle_error(angles)
        assert retrieval_attribute_accuracy(codes(seed), attributes, 29) == pytest.approx(shares)
        assert retrieval_angle_error(codes(seed), angles, 29) == pytest.approx(degrees)

    def test_random_codes_get_chance(self):
        labels, attributes, angles = truths(3, n=600)
        rows = codes(3, n=600)
        assert retrieval_precision(rows, labels).mean() == pytest.approx(chance_precision(labels).mean(), abs=0.03)
        assert retrieval_attribute_accuracy(rows, attributes).mean() == pytest.approx(
            chance_attribute_accuracy(attributes).mean(), abs=0.03
        )
        assert retrieval_angle_error(rows, angles).mean() == pytest.approx(chance_angle_error(angles).mean(), abs=5)

    def test_neighbours_found_before_give_the_same(self):
        near = nearest_neighbours(codes(5), 4)
        for function, truth in zip(
            (retrieval_precision, retrieval_attribute_accuracy, retrieval_angle_error), truths(5), strict=True
        ):
            assert np.array_equal(function(codes(5), truth, 4, near), function(codes(5), truth, 4))

    @pytest.mark.parametrize("change", [lambda near: near[1:], lambda near: near[:, 1:], lambda near: near + 27,
                                        lambda near: near - 30, lambda near: near / 1.0])  # fmt: skip
    def test_neighbours_of_other_codes(self, change):
        with pytest.raises(InputError, match="4 row numbers for each of 30 codes"):
            retrieval_angle_error(codes(5), truths(5)[2], 4, change(nearest_neighbours(codes(5), 4)))

    @pytest.mark.parametrize("cells", [1, 100])
    def test_blocks_do_not_matter_to_chance(self, monkeypatch, cells):
        value = chance_angle_error(truths(4)[2])
        monkeypatch.setattr(retrieval, "CELLS", cells)
        assert np.array_equal(chance_angle_error(truths(4)[2]), value)

    def test_precision_of_chance(self):
        assert chance_precision([1, 1, 1, 2]).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0])

    def test_labels_with_too_few_images(self):
        labels = np.repeat([1, 2, 3], [14, 9, 7])
        with pytest.raises(InputError, match="1 labels have fewer, such as 3 with 7"):
            retrieval_precision(codes(0), labels, k=7)

    def test_things_that_do_not_fit(self):
        labels, attributes, angles = truths(0)
        for function, truth in (
            (retrieval_precision, labels),
            (retrieval_attribute_accuracy, attributes),
            (retrieval_angle_error, angles),
        ):
            with pytest.raises(InputError):
                function(codes(0), truth[1:])
            with pytest.raises(InputError):
                function(codes(0), truth, k=30)
        with pytest.raises(InputError, match="only 0 and 1"):
            retrieval_attribute_accuracy(codes(0), 2 * attributes)

    @pytest.mark.parametrize(
        ("function", "one"),
        [(chance_precision, [1]), (chance_attribute_accuracy, [[1]]), (chance_angle_error, [[1.0]])],
    )
    def test_one_image_has_no_chance(self, function, one):
        with pytest.raises(InputError, match="at least two images"):
            function(one)
