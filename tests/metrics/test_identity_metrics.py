# SPDX-License-Identifier: MIT
"""Similarity of embeddings and the area under the ROC curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import identity_similarity, pair_similarity, verification_auc

FEW = settings(max_examples=25, deadline=None)


def embeddings(seed, n=9, dim=7):
    return np.random.default_rng(seed).standard_normal((n, dim))


class TestSimilarity:
    def test_by_hand(self):
        source = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [3.0, 4.0]])
        edited = np.array([[5.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [4.0, 3.0]])
        assert identity_similarity(source, edited) == pytest.approx([1, 0, -1, 24 / 25])

    def test_the_same_face_is_exactly_one(self):
        assert (identity_similarity(embeddings(0, 500), embeddings(0, 500)) == 1).all()

    @FEW
    @given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
    def test_length_side_and_rotation_do_not_matter(self, seed, scale):
        a, b, turn = embeddings(seed), embeddings(seed + 1), np.linalg.qr(embeddings(seed, 7))[0]
        value = identity_similarity(a, b)
        assert identity_similarity(b, a) == pytest.approx(value)
        assert identity_similarity(scale * a, b) == pytest.approx(value)
        assert identity_similarity(a @ turn, b @ turn) == pytest.approx(value)
        assert (np.abs(value) <= 1).all()

    @pytest.mark.parametrize("scale", [1e-200, 1e200])
    def test_extreme_lengths(self, scale):
        assert identity_similarity(scale * embeddings(1), embeddings(1)) == pytest.approx(np.ones(9))

    @pytest.mark.parametrize("dim", [1, 512, 200_000])  # many rows to a block, and one
    def test_blocks_and_layout_do_not_matter(self, dim):
        first, second = embeddings(5, 700 if dim < 1000 else 3, dim), embeddings(6, 700 if dim < 1000 else 3, dim)
        for measure in ("cosine", "euclidean"):
            whole = pair_similarity(first, second, measure)
            rows = [pair_similarity(first[i : i + 1], second[i : i + 1], measure)[0] for i in range(len(first))]
            assert np.array_equal(whole, rows)
            by_columns = pair_similarity(np.asfortranarray(first), np.asfortranarray(second), measure)
            assert by_columns == pytest.approx(whole, abs=1e-12)
            assert measure == "cosine" or np.array_equal(by_columns, whole)

    def test_same_as_scikit_learn(self):
        pairwise = pytest.importorskip("sklearn.metrics.pairwise")
        theirs = pairwise.cosine_similarity(embeddings(2), embeddings(3)).diagonal()
        assert identity_similarity(embeddings(2), embeddings(3)) == pytest.approx(theirs)

    def test_zero_embedding(self):
        broken = embeddings(4)
        broken[5] = 0
        with pytest.raises(InputError, match="zero vector at row 5"):
            identity_similarity(broken, embeddings(4))


class TestPairSimilarity:
    def test_by_hand(self):
        first, second = [[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]
        assert pair_similarity(first, second, "euclidean").tolist() == [-5.0, 0.0]
        assert pair_similarity(first, second, "squared_euclidean").tolist() == [-25.0, 0.0]
        assert pair_similarity([[3.0, 4.0]], [[4.0, 3.0]]).tolist() == [0.96]

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_scipy(self, seed):
        distance = pytest.importorskip("scipy.spatial.distance")
        first, second = embeddings(seed), embeddings(seed + 1)
        pairs = list(zip(first, second, strict=True))
        for name, theirs in {"euclidean": distance.euclidean, "squared_euclidean": distance.sqeuclidean}.items():
            assert pair_similarity(first, second, name) == pytest.approx([-theirs(*pair) for pair in pairs])
        cosines = [1 - distance.cosine(*pair) for pair in pairs]
        assert pair_similarity(first, second) == pytest.approx(cosines, abs=1e-12)
        assert np.array_equal(pair_similarity(first, second), identity_similarity(first, second))

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_on_unit_vectors_the_squared_distance_is_two_less_two_cosines(self, seed):
        first, second = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in (embeddings(seed), embeddings(seed + 1)))
        cosine, squared = pair_similarity(first, second), pair_similarity(first, second, "squared_euclidean")
        assert -squared == pytest.approx(2 - 2 * cosine)

    @pytest.mark.parametrize("measure", ["cosine", "euclidean", "squared_euclidean"])
    def test_half_precision_is_taken_as_it_is(self, measure):
        first, second = embeddings(1).astype(np.float16), embeddings(2).astype(np.float16)
        wide = pair_similarity(first.astype(np.float64), second.astype(np.float64), measure)
        assert np.array_equal(pair_similarity(first, second, measure), wide)

    def test_too_long_for_a_square(self):
        with pytest.raises(InputError, match="overflows at row 1"):
            pair_similarity([[1.0], [1e200]], [[1.0], [-1e200]], "squared_euclidean")

    def test_unknown_measure(self):
        with pytest.raises(UnknownNameError, match="did you mean 'euclidean'"):
            pair_similarity(embeddings(1), embeddings(2), "euclid")

    @pytest.mark.parametrize("measure", ["cosine", "euclidean"])
    def test_shapes_that_differ(self, measure):
        with pytest.raises(InputError, match="first and second of one shape"):
            pair_similarity(embeddings(1), embeddings(2)[1:], measure)


class TestVerification:
    def test_by_hand(self):
        assert verification_auc([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0]) == 1.0
        assert verification_auc([0.9, 0.8, 0.3, 0.1], [0, 0, 1, 1]) == 0.0
        assert verification_auc([0.9, 0.3, 0.8, 0.1], [1, 1, 0, 0]) == 0.75

    def test_ties_count_half(self):
        assert verification_auc(np.zeros(10), [0, 1] * 5) == 0.5

    @FEW
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_same_as_scikit_learn(self, seed, tied):
        metrics = pytest.importorskip("sklearn.metrics")
        rng = np.random.default_rng(seed)
        scores = rng.integers(0, 4, 50).astype(float) if tied else rng.standard_normal(50)
        same = np.concatenate([[0, 1], rng.integers(0, 2, 48)])
        assert verification_auc(scores, same) == pytest.approx(metrics.roc_auc_score(same, scores), abs=1e-12)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_only_the_order_counts(self, seed):
        rng = np.random.default_rng(seed)
        scores, same = rng.standard_normal(30), np.concatenate([[0, 1], rng.integers(0, 2, 28)])
        assert verification_auc(np.exp(scores), same) == verification_auc(scores, same)
        assert verification_auc(-scores, same) == pytest.approx(1 - verification_auc(scores, same))

    @pytest.mark.parametrize("same", [[1, 1, 1], [0, 0, 0]])
    def test_pairs_of_one_kind(self, same):
        with pytest.raises(InputError, match="pairs of both kinds"):
            verification_auc([0.1, 0.2, 0.3], same)
