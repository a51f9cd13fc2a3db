# SPDX-License-Identifier: MIT
"""The same precision, recall, density and coverage as prdc and torch-fidelity."""

import contextlib
import io

import numpy as np
import pytest

from faceeval.metrics import (
    manifold_coverage,
    manifold_density,
    manifold_precision,
    manifold_recall,
    manifold_scores,
)

pytestmark = pytest.mark.parity


def features(seed, n, shift=0.0, dim=16):
    return np.random.default_rng(seed).standard_normal((n, dim)) + shift


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize(("n", "m", "shift"), [(200, 200, 0.0), (250, 120, 0.3), (90, 300, 1.0)])
def test_prdc(n, m, shift, k):
    prdc = pytest.importorskip("prdc")
    real, generated = features(1, n), features(2, m, shift)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        theirs = prdc.compute_prdc(real, generated, nearest_k=k)
    # counts of the same comparisons; none of these distances is a tie
    scores = manifold_scores(real, generated, k)
    assert {name: getattr(scores, name) for name in theirs} == pytest.approx(theirs, abs=1e-12)
    assert manifold_precision(real, generated, k) == pytest.approx(theirs["precision"], abs=1e-12)
    assert manifold_recall(real, generated, k) == pytest.approx(theirs["recall"], abs=1e-12)
    assert manifold_density(real, generated, k) == pytest.approx(theirs["density"], abs=1e-12)
    assert manifold_coverage(real, generated, k) == pytest.approx(theirs["coverage"], abs=1e-12)


def test_prdc_of_equal_images():
    prdc = pytest.importorskip("prdc")
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = prdc.compute_prdc(np.ones((10, 3)), np.ones((10, 3)), nearest_k=5)
    assert set(theirs.values()) == {0.0}
    with pytest.warns(UserWarning, match="empty ball"):
        scores = manifold_scores(np.ones((10, 3)), np.ones((10, 3)))
    assert (scores.precision, scores.recall, scores.density, scores.coverage) == (0, 0, 0, 0)


@pytest.mark.parametrize("k", [3, 5])
def test_torch_fidelity(k):
    metric, torch = pytest.importorskip("torch_fidelity.metric_prc"), pytest.importorskip("torch")
    real, generated = features(1, 250), features(2, 200, 0.3)
    sets = torch.from_numpy(generated), torch.from_numpy(real)
    theirs = metric.prc_features_to_metric(*sets, prc_neighborhood=k, verbose=False)
    # theirs counts ties as inside; there are none
    ours = manifold_precision(real, generated, k), manifold_recall(real, generated, k)
    assert ours == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)  # theirs are float32 means
