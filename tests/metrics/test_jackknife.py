# SPDX-License-Identifier: MIT
"""The jackknife: closed forms for means and variances, parts of unequal size, coverage, and a distance between sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from faceeval.errors import InputError
from faceeval.metrics import frechet_distance, jackknife_statistic

FEW = settings(max_examples=25, deadline=None)


def values(seed=0, n=60):
    return np.random.default_rng(seed).standard_normal(n)


def mean_of(x):
    return lambda kept: float(x[kept].mean())


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_standard_error_of_a_mean_is_scipys(seed, n):
    x = values(seed, n)
    found = jackknife_statistic(mean_of(x), n=n)
    assert found.value == pytest.approx(x.mean())
    assert found.standard_error == pytest.approx(stats.sem(x))
    assert found.bias == pytest.approx(0, abs=1e-12)
    low, high = stats.t.interval(0.95, n - 1, x.mean(), stats.sem(x))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_bias_of_a_variance_is_removed():
    x = values(1)
    found = jackknife_statistic(lambda kept: float(x[kept].var()), n=60)
    assert found.value - found.bias == pytest.approx(x.var(ddof=1))


def test_parts_of_one_size_are_observations():
    x = values(2)
    found = jackknife_statistic(mean_of(x), n=60, n_blocks=20)
    parts = x.reshape(3, 20).mean(axis=0)  # image i is in part i modulo 20
    assert found.n_blocks == 20
    assert found.standard_error == pytest.approx(stats.sem(parts))
    assert found.standard_error == pytest.approx(stats.sem(x), rel=0.5)


def test_people_as_parts_of_unequal_size():
    x, groups = values(3, 7), np.array([5, 5, 9, 9, 9, 2, 2])
    found = jackknife_statistic(mean_of(x), n=7, groups=groups)
    # for a mean, every pseudo-value is the mean of its part, whatever its size: the weighted form written out
    shares = np.array([2, 2, 3]) / 7
    means = np.array([x[groups == g].mean() for g in (2, 5, 9)])
    variance = ((means - x.mean()) ** 2 * shares / (1 - shares)).mean()
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    assert found.bias == pytest.approx(0, abs=1e-12)
    assert found.n_blocks == 3


def test_covers_the_truth_as_often_as_it_says():
    held = []
    for seed in range(300):
        x = values(seed, 30)
        found = jackknife_statistic(lambda kept, x=x: float(np.exp(x[kept].mean())), n=30)
        held.append(found.low <= 1 <= found.high)
    assert 0.91 <= np.mean(held) <= 0.98


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
def test_distance_between_two_samples_of_one_distribution_is_bias():
    rng = np.random.default_rng(4)
    one, two = rng.standard_normal((400, 8)), rng.standard_normal((400, 8))
    found = jackknife_statistic(lambda kept: frechet_distance(one[kept], two[kept]), n=400, n_blocks=20)
    assert found.value > 0.05
    assert abs(found.value - found.bias) < found.value / 3
    assert found.low < found.value < found.high


def test_confidence_and_constants():
    x = values(5)
    narrow, wide = (jackknife_statistic(mean_of(x), n=60, confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert jackknife_statistic(lambda kept: 3.0, n=5).standard_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 1}, "at least two images"),
        ({"n": 5, "n_blocks": 1}, "2 to 5 parts"),
        ({"n": 5, "n_blocks": 6}, "2 to 5 parts"),
        ({"n": 5, "confidence": 95}, "a confidence between 0 and 1"),
        ({"n": 5, "groups": [1, 1, 1, 1, 1]}, "at least two groups"),
        ({"n": 5, "groups": [1, 2, 1]}, "groups of shape"),
        ({"n": 3, "groups": [1, 2, 1], "n_blocks": 2}, "n_blocks or groups"),
    ],
)
def test_senseless_settings(options, message):
    with pytest.raises(InputError, match=message):
        jackknife_statistic(lambda kept: 0.0, **options)


def test_a_statistic_that_fails():
    with pytest.raises(InputError, match="values of fn without NaN"):
        jackknife_statistic(lambda kept: float("nan") if len(kept) < 4 else 0.0, n=4)
