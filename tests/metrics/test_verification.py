# SPDX-License-Identifier: MIT
"""Every number of a verification table at once, in the protocol's mode and in facenet's."""

import dataclasses
import json

import numpy as np
import pytest
from published_loop import pairs_of_people
from sklearn.metrics import roc_auc_score

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    FacenetSummary,
    consecutive_folds,
    equal_error_rate,
    facenet_summary,
    operating_point,
    pair_similarity,
    verification_auc,
    verification_folds,
    verification_summary,
    verify_embeddings,
)


def lfw(noise=0.9):
    return (*pairs_of_people(0, 2000, 16, noise), consecutive_folds(2000))


class TestSummary:
    def test_holds_what_its_parts_give(self):
        first, second, same, folds = lfw()
        scores = pair_similarity(first, second)
        summary = verification_summary(scores, same, folds)
        assert summary.folds == verification_folds(scores, same, folds)
        assert summary.auc == verification_auc(scores, same)
        assert summary.auc == pytest.approx(roc_auc_score(same, scores), abs=1e-12)
        assert summary.equal_error_rate == equal_error_rate(scores, same)
        assert summary.operating_points == tuple(operating_point(scores, same, far) for far in (1e-2, 1e-3))
        assert (summary.n_same, summary.n_different) == (1000, 1000)

    def test_rates_the_pairs_cannot_show_are_left_out_or_refused(self):
        scores, same, folds = np.arange(400.0), np.arange(400) % 2, np.arange(400) // 40
        assert [point.target for point in verification_summary(scores, same, folds).operating_points] == [0.01]
        with pytest.raises(InputError, match="at least 1000 pairs of two people"):
            verification_summary(scores, same, folds, fars=[1e-3])

    def test_separable(self):
        summary = verify_embeddings(*lfw(noise=0.01))
        assert (summary.folds.mean, summary.folds.standard_error) == (1.0, 0.0)
        assert (summary.auc, summary.equal_error_rate) == (1.0, 0.0)
        assert [point.tar.value for point in summary.operating_points] == [1.0, 1.0]

    def test_constant(self):
        summary = verification_summary(np.ones(200), [0, 1] * 100, consecutive_folds(200))
        assert (summary.folds.mean, summary.auc, summary.equal_error_rate) == (0.5, 0.5, 0.5)

    def test_can_be_written_as_json(self):
        for mode, folds in (("exact", lfw()[3]), ("facenet", None)):
            found = verify_embeddings(*lfw()[:3], folds, mode=mode)
            assert json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))


class TestModes:
    def test_exact(self):
        first, second, same, folds = lfw()
        for measure in ("cosine", "euclidean", "squared_euclidean"):
            scores = pair_similarity(first, second, measure)
            found = verify_embeddings(first, second, same, folds, measure=measure)
            assert found == verification_summary(scores, same, folds)
        assert verify_embeddings(3 * first, second, same, folds).auc == pytest.approx(found.auc, abs=1e-12)

    def test_unit_vectors_give_the_same_under_every_measure(self):
        first, second, same, folds = lfw()
        cosine = verify_embeddings(first, second, same, folds)
        squared = verify_embeddings(first, second, same, folds, measure="squared_euclidean")
        assert squared.folds.accuracies == cosine.folds.accuracies
        assert squared.auc == pytest.approx(cosine.auc, abs=1e-12)
        assert [point.tar for point in squared.operating_points] == [point.tar for point in cosine.operating_points]

    def test_facenet(self):
        first, second, same, _ = lfw()
        found = verify_embeddings(first, second, same, mode="facenet")
        assert isinstance(found, FacenetSummary)
        assert found == facenet_summary(first, second, same)
        turned = verify_embeddings(first, second, same, mode="facenet", measure="cosine")
        assert turned == facenet_summary(first, second, same, measure="cosine") != found

    def test_the_modes_agree_but_for_the_grid(self):
        first, second, same, folds = lfw()
        exact, grid = verify_embeddings(first, second, same, folds), facenet_summary(first, second, same)
        assert exact.folds.mean == pytest.approx(grid.mean, abs=0.01)
        assert exact.auc == pytest.approx(grid.auc, abs=0.005)
        assert exact.equal_error_rate == pytest.approx(grid.equal_error_rate, abs=0.005)

    def test_folds_belong_to_the_exact_mode(self):
        first, second, same, folds = lfw()
        with pytest.raises(InputError, match="the fold of each pair"):
            verify_embeddings(first, second, same)
        with pytest.raises(InputError, match="no folds in facenet's mode"):
            verify_embeddings(first, second, same, folds, mode="facenet")

    def test_unknown_names(self):
        with pytest.raises(UnknownNameError, match="did you mean 'facenet'"):
            verify_embeddings(*lfw(), mode="face_net")
        with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
            verify_embeddings(*lfw(), measure="cosin")
