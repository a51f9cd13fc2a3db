# SPDX-License-Identifier: MIT
"""Triplets of expression and style, as meant and as printed, and how often an embedding agrees with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import (
    expression_distance,
    expression_triplets,
    style_triplets,
    triplet_accuracy,
    triplet_outcomes,
    unit_affect,
)

FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def faces(seed, n=12):
    rng = np.random.default_rng(seed)
    return rng.random((n, 2)), rng.integers(0, 8, n)


class TestDistance:
    same = [[0.3, 0.6]], [1], [[0.3, 0.6]], [1]
    other = [[0.3, 0.6]], [1], [[0.3, 0.6]], [2]

    def test_as_printed_sets_like_faces_apart(self):
        assert expression_distance(*self.same, as_printed=True).tolist() == [0.25]
        assert expression_distance(*self.other, as_printed=True).tolist() == [0.0]

    def test_as_meant(self):
        assert expression_distance(*self.same).tolist() == [0.0]
        assert expression_distance(*self.other).tolist() == [0.25]

    @FEW
    @given(SEEDS, st.floats(0, 3))
    def test_properties(self, seed, weight):
        a, b = faces(seed), faces(seed + 1)
        value = expression_distance(*a, *b, weight)
        assert np.array_equal(expression_distance(*b, *a, weight), value)
        assert ((value >= 0) & (value <= 2 + weight)).all()
        assert (expression_distance(*a, *a, weight) == 0).all()
        printed = expression_distance(*a, *b, weight, as_printed=True)
        assert value + printed == pytest.approx(2 * ((a[0] - b[0]) ** 2).sum(axis=1) + weight)

    def test_native_range_weighs_affect_four_times(self):
        native = np.array([[-0.4, 0.2]]), np.array([[0.6, -0.8]])
        squared = ((native[0] - native[1]) ** 2).sum()
        mapped = expression_distance(unit_affect(native[0]), [0], unit_affect(native[1]), [0])
        assert squared == pytest.approx(4 * mapped[0])

    def test_range_of_affect(self):
        assert unit_affect([[-1, 1], [0, 0.5]]).tolist() == [[0.0, 1.0], [0.5, 0.75]]
        with pytest.raises(InputError, match="classes 8, 9, 10"):
            unit_affect([[-2.0, -2.0]])
        with pytest.raises(InputError, match="unit_affect first"):
            expression_distance([[-0.5, 0.0]], [0], [[0.5, 0.0]], [0])

    def test_malformed(self):
        with pytest.raises(InputError, match="valence, arousal"):
            expression_distance([[0.1, 0.2, 0.3]], [0], [[0.1, 0.2, 0.3]], [0])
        with pytest.raises(InputError, match="whole numbers in second_labels"):
            expression_distance([[0.1, 0.2]], [0], [[0.1, 0.2]], [0.5])
        with pytest.raises(InputError, match="weight"):
            expression_distance(*self.same, weight=-1)


class TestExpression:
    @FEW
    @given(SEEDS, st.booleans(), st.integers(3, 30))
    def test_closest_and_one_of_the_far_half(self, seed, printed, n):
        affect, labels = faces(seed, n)
        triplets = expression_triplets(affect, labels, seed=seed, as_printed=printed)
        assert triplets[:, 0].tolist() == list(range(n))
        for anchor, positive, negative in triplets:
            others = [i for i in range(n) if i != anchor]
            apart = {
                i: expression_distance([affect[anchor]], [labels[anchor]], [affect[i]], [labels[i]], 0.25, printed)[0]
                for i in others
            }
            ordered = sorted(others, key=lambda i: (apart[i], i))
            assert positive == ordered[0]
            assert negative in ordered[n // 2 :]

    def test_every_far_face_is_drawn(self):
        affect, labels = np.linspace(0, 1, 20).reshape(10, 2), np.zeros(10)
        negatives = {int(expression_triplets(affect, labels, 6, seed)[0, 2]) for seed in range(60)}
        assert negatives == {7, 8, 9}

    def test_as_printed_prefers_another_category(self):
        affect, labels = np.full((4, 2), 0.5), [0, 0, 1, 1]
        assert expression_triplets(affect, labels, 1)[0, 1] == 1
        assert expression_triplets(affect, labels, 1, as_printed=True)[0, 1] == 2

    def test_blocks_do_not_show_and_seeds_do(self, monkeypatch):
        affect, labels = faces(0, 40)
        whole = expression_triplets(affect, labels, seed=1)
        assert not np.array_equal(whole, expression_triplets(affect, labels, seed=2))
        monkeypatch.setattr("faceeval.metrics.triplet.DISTANCES_AT_ONCE", 100)
        assert np.array_equal(expression_triplets(affect, labels, seed=1), whole)

    @pytest.mark.parametrize("place", [0, 11, -1, 1.5])
    def test_senseless_place(self, place):
        with pytest.raises(InputError, match="a place between 1 and 10"):
            expression_triplets(*faces(0), first_negative=place)

    def test_too_few_faces(self):
        with pytest.raises(InputError, match="at least three faces"):
            expression_triplets(*faces(0, 2))


class TestStyle:
    people, clips = np.repeat([0, 1, 2], [6, 6, 2]), np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 2, 5, 6])

    def test_as_meant_the_clip_decides(self):
        triplets = style_triplets(self.people, self.clips)
        assert triplets[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]  # frames that are alone in a clip drop out
        a, p, n = triplets.T
        assert (a != p).all()
        for like in (p, n):
            assert (self.people[a] == self.people[like]).all()
        assert (self.clips[a] == self.clips[p]).all()
        assert (self.clips[a] != self.clips[n]).all()

    def test_as_printed_it_is_the_person(self):
        a, p, n = style_triplets(self.people, self.clips, as_printed=True).T
        assert a.tolist() == list(range(14))
        assert (self.people[a] == self.people[p]).all()
        assert (self.clips[a] != self.clips[p]).all()
        assert (self.people[a] != self.people[n]).all()

    def test_seed(self):
        draws = [style_triplets(self.people, self.clips, seed=s) for s in (1, 1, 2)]
        assert np.array_equal(draws[0], draws[1])
        assert not np.array_equal(draws[0], draws[2])

    def test_none_to_be_had(self):
        with pytest.raises(InputError, match="none among 3"):
            style_triplets([0, 0, 0], [0, 0, 0])
        with pytest.raises(InputError, match="none among 2"):
            style_triplets([0, 0], [0, 1], as_printed=True)
        with pytest.raises(InputError, match="of one shape"):
            style_triplets([0, 0], [0, 1, 1])


class TestAccuracy:
    def test_by_hand(self):
        assert triplet_accuracy(
            [[0.0, 0.0]] * 4, [[1, 0], [0, 2], [3, 0], [1, 1]], [[0, 2], [1, 0], [0, 3], [2, 0]]
        ) == (0.625)

    def test_constant_embedding_is_chance(self):
        assert triplet_accuracy(np.ones((5, 3)), np.ones((5, 3)), np.ones((5, 3))) == 0.5

    def test_affect_agrees_with_its_own_triplets(self):
        affect, labels = faces(3, 30)
        a, p, n = expression_triplets(affect, labels, weight=0.0).T
        assert triplet_accuracy(affect[a], affect[p], affect[n]) == 1.0

    @FEW
    @given(SEEDS, st.floats(0.1, 10))
    def test_rotation_scale_and_order(self, seed, scale):
        rng = np.random.default_rng(seed)
        rows, turn = rng.standard_normal((3, 15, 4)), np.linalg.qr(rng.standard_normal((4, 4)))[0]
        value = triplet_accuracy(*rows)
        assert triplet_accuracy(*(scale * rows @ turn + 1)) == value
        assert triplet_accuracy(*rows[:, ::-1]) == value
        assert triplet_accuracy(rows[0], rows[2], rows[1]) == pytest.approx(1 - value)


def test_outcomes_are_what_the_accuracy_is_the_mean_of():
    anchor, positive, negative = np.random.default_rng(5).integers(0, 3, (3, 40, 2)).astype(float)
    outcomes = triplet_outcomes(anchor, positive, negative)
    assert set(outcomes.tolist()) == {0.0, 0.5, 1.0}
    assert triplet_accuracy(anchor, positive, negative) == pytest.approx(outcomes.mean(), abs=1e-12)
    assert triplet_outcomes(anchor, negative, positive) == pytest.approx(1 - outcomes)
    with pytest.raises(InputError):
        triplet_outcomes(anchor, positive[:3], negative)
