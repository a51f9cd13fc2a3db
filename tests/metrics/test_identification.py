# SPDX-License-Identifier: MIT
"""Closed-set identification: ranks, the cumulative match curve, what happens at ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import NearestNeighbors

from faceeval.errors import InputError
from faceeval.metrics import (
    cumulative_match,
    identification,
    identification_ranks,
    identification_summary,
    rank_k_accuracy,
    wilson_interval,
)

FEW = settings(max_examples=20, deadline=None)


def people(seed, identities=12, probes=40, dim=6, noise=0.8):
    rng = np.random.default_rng(seed)
    gallery, ids = rng.standard_normal((identities, dim)), rng.permutation(1000)[:identities]
    who = rng.integers(0, identities, probes)
    return gallery[who] + noise * rng.standard_normal((probes, dim)), ids[who], gallery, ids


class TestRanks:
    def test_by_hand(self):
        gallery = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        probe = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]
        assert identification_ranks(probe, [7, 8, 9], gallery, [7, 8, 9]).tolist() == [1, 2, 3]

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_scikit_learn(self, seed):
        probe, probe_ids, gallery, ids = people(seed)
        neighbours = NearestNeighbors(n_neighbors=len(ids), metric="cosine").fit(gallery)
        listed = ids[neighbours.kneighbors(probe, return_distance=False)]
        ranks = identification_ranks(probe, probe_ids, gallery, ids)
        assert np.array_equal(ranks, (listed == probe_ids[:, None]).argmax(axis=1) + 1)

    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(1, 11))
    def test_accuracy_is_that_of_scikit_learn(self, seed, k):
        probe, probe_ids, gallery, ids = people(seed)
        unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (probe, gallery)]
        order = np.argsort(ids)
        theirs = top_k_accuracy_score(probe_ids, (unit[0] @ unit[1].T)[:, order], k=k, labels=ids[order])
        assert rank_k_accuracy(probe, probe_ids, gallery, ids, k) == theirs

    @FEW
    @given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
    def test_order_of_the_gallery_and_lengths_do_not_matter(self, seed, scale):
        probe, probe_ids, gallery, ids = people(seed)
        order = np.random.default_rng(seed).permutation(len(ids))
        ranks = identification_ranks(probe, probe_ids, gallery, ids)
        assert np.array_equal(identification_ranks(probe, probe_ids, gallery[order], ids[order]), ranks)
        assert np.array_equal(identification_ranks(scale * probe, probe_ids, gallery, ids), ranks)
        assert np.array_equal(identification_ranks(probe[::-1], probe_ids[::-1], gallery, ids), ranks[::-1])

    @pytest.mark.parametrize("cells", [1, 100])
    def test_blocks_do_not_matter(self, monkeypatch, cells):
        arguments = people(3)
        ranks = identification_ranks(*arguments)
        monkeypatch.setattr(identification, "CELLS", cells)
        assert np.array_equal(identification_ranks(*arguments), ranks)

    def test_several_gallery_images_are_one_direction(self):
        probe, probe_ids, gallery, ids = people(4)
        rng = np.random.default_rng(4)
        more = gallery[rng.permutation(np.repeat(np.arange(len(ids)), 3))]
        names = ids[[int(np.flatnonzero((gallery == row).all(axis=1))[0]) for row in more]]
        many = identification_ranks(probe, probe_ids, more * rng.uniform(0.1, 9, (len(more), 1)), names)
        assert np.array_equal(many, identification_ranks(probe, probe_ids, gallery, ids))

    def test_a_mean_of_unit_vectors(self):
        # the long image of person 1 counts no more than the short one, so the mean points to 45 degrees
        gallery, ids = [[100.0, 0.0], [0.0, 1.0], [1.0, 0.2]], [1, 1, 2]
        assert identification_ranks([[1.0, 1.0], [1.0, 0.3]], [1, 1], gallery, ids).tolist() == [1, 2]


class TestKnownValues:
    def test_identical_features(self):
        features = np.random.default_rng(0).standard_normal((50, 8))
        assert rank_k_accuracy(features, np.arange(50), features, np.arange(50)) == 1.0

    def test_random_features_get_one_in_the_size_of_the_gallery(self):
        rng = np.random.default_rng(1)
        probe, gallery = rng.standard_normal((5000, 16)), rng.standard_normal((50, 16))
        accuracy = rank_k_accuracy(probe, np.arange(5000) % 50, gallery, np.arange(50))
        assert accuracy == pytest.approx(1 / 50, abs=0.006)  # three standard errors

    def test_everybody_is_among_all(self):
        assert rank_k_accuracy(*people(2), k=12) == 1.0

    @pytest.mark.parametrize("dim", [2, 3, 127, 512])
    def test_constant_features_find_nobody(self, dim):
        same = np.tile(np.random.default_rng(dim).standard_normal(dim), (40, 1))
        ids = np.arange(40)
        assert rank_k_accuracy(same, ids, same, ids) == 0.0
        assert identification_ranks(same, ids, same, ids).tolist() == [40] * 40

    def test_a_double_of_the_right_one_stands_before_it(self):
        assert identification_ranks([[1.0, 0.0]], [1], [[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1, 2, 3]).tolist() == [2]


class TestSummaryAndCurve:
    def test_holds_what_its_parts_give(self):
        arguments = people(5)
        ranks, summary = identification_ranks(*arguments), identification_summary(*arguments, ks=(5, 1, 5))
        assert summary.ranks == (1, 5)
        assert summary.accuracies == tuple(wilson_interval(int((ranks <= k).sum()), 40) for k in (1, 5))
        assert summary.chance == (1 / 12, 5 / 12)
        assert (summary.gallery_size, summary.n_probes) == (12, 40)

    def test_curve(self):
        arguments = people(6)
        curve = cumulative_match(identification_ranks(*arguments), 12)
        assert curve.tolist() == [rank_k_accuracy(*arguments, k=k) for k in range(1, 13)]
        assert (np.diff(curve) >= 0).all()
        assert curve[-1] == 1.0

    @pytest.mark.parametrize("ranks", [[0, 1], [1, 13], [1.5], []])
    def test_ranks_that_are_none(self, ranks):
        with pytest.raises(InputError):
            cumulative_match(ranks, 12)


class TestRefusals:
    def test_a_probe_from_outside(self):
        probe, probe_ids, gallery, ids = people(7)
        probe_ids = np.where(np.arange(40) == 3, 5000, probe_ids)
        with pytest.raises(InputError, match="1 probes of other people, the first at row 3"):
            identification_ranks(probe, probe_ids, gallery, ids)

    @pytest.mark.parametrize("k", [0, 13, -1])
    def test_k_out_of_range(self, k):
        with pytest.raises(InputError, match="k from 1 to 12"):
            rank_k_accuracy(*people(7), k=k)

    def test_a_gallery_of_one(self):
        with pytest.raises(InputError, match="at least two identities"):
            identification_ranks([[1.0]], [1], [[1.0], [2.0]], [1, 1])

    def test_images_that_cancel_out(self):
        with pytest.raises(InputError, match="cancel out for 1 of 2"):
            identification_ranks([[1.0, 0.0]], [1], [[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]], [1, 1, 2])

    def test_things_that_do_not_fit(self):
        probe, probe_ids, gallery, ids = people(7)
        for broken in (
            (probe[1:], probe_ids, gallery, ids),
            (probe, probe_ids, gallery, ids[1:]),
            (probe[:, 1:], probe_ids, gallery, ids),
            (probe * 0, probe_ids, gallery, ids),
            (probe, probe_ids + 0.5, gallery, ids),
        ):
            with pytest.raises(InputError):
                identification_ranks(*broken)
