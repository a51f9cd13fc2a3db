# SPDX-License-Identifier: MIT
"""The same kernel distances as torch-fidelity, torchmetrics and clean-fid, all pairs in one subset."""

import numpy as np
import pytest

from faceeval.metrics import kernel_distance, kernel_distance_subsets

pytestmark = pytest.mark.parity


def features(seed, n=300, dim=64, shift=0.0):
    """Like a network's: not negative, with a falling spectrum; float64."""
    noise = np.random.default_rng(seed).standard_normal((n, dim)) * np.arange(1, dim + 1) ** -0.5
    return np.maximum(noise + 0.1 + shift, 0)


def torch_fidelity_kid(real, generated, **settings):
    metric = pytest.importorskip("torch_fidelity.metric_kid")
    torch = pytest.importorskip("torch")
    sets = torch.from_numpy(generated), torch.from_numpy(real)
    found = metric.kid_features_to_metric(*sets, verbose=False, **settings)
    return found[metric.KEY_METRIC_KID_MEAN], found[metric.KEY_METRIC_KID_STD]


def test_torch_fidelity():
    real, generated = features(1), features(2, shift=0.05)
    mean, std = torch_fidelity_kid(real, generated, kid_subsets=1, kid_subset_size=300)
    assert kernel_distance(real, generated) == pytest.approx(mean, rel=1e-9)
    # a subset of all images scatters not at all
    assert std == 0


def test_torch_fidelity_subsets():
    real, generated = features(1), features(2, shift=0.1)
    mean, std = torch_fidelity_kid(real, generated, kid_subsets=400, kid_subset_size=100)
    found = kernel_distance_subsets(real, generated, subsets=400, subset_size=100)
    # other draws: two means of 400, two deviations of 400 (good to a thirtieth each)
    assert found.mean == pytest.approx(mean, abs=4 * std * np.sqrt(2 / 400))
    assert found.std == pytest.approx(std, rel=0.2)


def test_torchmetrics():
    kid, torch = pytest.importorskip("torchmetrics.image.kid"), pytest.importorskip("torch")
    real, generated = features(1), features(2, shift=0.05)
    for settings in ({}, {"degree": 2, "gamma": 0.1, "coef": 0.5}):
        theirs = float(kid.poly_mmd(torch.from_numpy(real), torch.from_numpy(generated), **settings))
        assert kernel_distance(real, generated, **settings) == pytest.approx(theirs, rel=1e-9)


def test_clean_fid():
    cleanfid = pytest.importorskip("cleanfid.fid")
    real, generated = features(1), features(2, shift=0.05)
    theirs = cleanfid.kernel_distance(real, generated, num_subsets=1, max_subset_size=300)
    assert kernel_distance(real, generated) == pytest.approx(theirs, rel=1e-9)
