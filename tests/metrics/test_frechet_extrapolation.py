# SPDX-License-Identifier: MIT
"""The distance infinitely many images would have."""

import numpy as np
import pytest
from scipy.stats import linregress

from faceeval.errors import InputError
from faceeval.metrics import (
    GaussianStats,
    SmallSampleWarning,
    frechet_distance,
    frechet_distance_bias,
    frechet_distance_extrapolation,
    frechet_distance_infinity,
)

KNOWN = GaussianStats(10**7, np.zeros(20), np.eye(20))


def generated(seed, n=1500, shift=0.5):
    return np.random.default_rng(seed).standard_normal((n, 20)) + shift


def test_takes_away_the_bias_of_the_generated_side():
    sets = [generated(seed) for seed in range(12)]
    taken = [frechet_distance(KNOWN, x) - frechet_distance_infinity(KNOWN, x, least=150) for x in sets]
    # of two sets of 1,500 images each has half of the bias; of these, one has millions
    assert np.mean(taken) == pytest.approx(frechet_distance_bias(KNOWN, 1500, 1500) / 2, rel=0.25)


def test_is_near_the_truth_where_the_distance_is_not():
    sets = [generated(seed, shift=0.0) for seed in range(12)]
    near = [frechet_distance_infinity(KNOWN, x, least=200) for x in sets]
    far = [frechet_distance(KNOWN, x) for x in sets]
    assert abs(np.mean(near)) < 0.2 * np.mean(far)
    assert min(near) < 0  # kept as it is


def test_error_is_of_the_size_of_the_scatter():
    lines = [frechet_distance_extrapolation(KNOWN, generated(7), points=8, least=150, seed=seed) for seed in range(12)]
    scatter = np.std([line.value for line in lines])
    assert 0.4 < np.mean([line.error for line in lines]) / scatter < 2.5
    assert all(line.slope > 0 for line in lines)


def test_the_line_is_through_the_distances():
    line = frechet_distance_extrapolation(KNOWN, generated(1), points=6, least=300, seed=4)
    assert line.sizes == (300, 540, 780, 1020, 1260, 1500)
    assert line.distances[-1] == pytest.approx(frechet_distance(KNOWN, generated(1)), rel=1e-12)
    fitted = linregress(1 / np.array(line.sizes), line.distances)
    assert (line.value, line.slope, line.error) == (fitted.intercept, fitted.slope, fitted.intercept_stderr)
    assert line == frechet_distance_extrapolation(KNOWN, generated(1), points=6, least=300, seed=4)
    assert line.value != frechet_distance_infinity(KNOWN, generated(1), points=6, least=300, seed=5)
    assert line.value == frechet_distance_infinity(KNOWN, generated(1), points=6, least=300, seed=4)


def test_real_features_are_as_good_as_their_statistics():
    real, x = generated(1, shift=0), generated(2)
    value = frechet_distance_infinity(real, x, least=300)
    assert frechet_distance_infinity(GaussianStats.from_features(real), x, least=300) == pytest.approx(value, rel=1e-10)


def test_sizes_by_default(monkeypatch):
    x = np.random.default_rng(0).standard_normal((12_000, 2))
    known = GaussianStats(10**7, np.zeros(2), np.eye(2))
    assert frechet_distance_extrapolation(known, x).sizes[::14] == (5000, 12_000)
    assert len(frechet_distance_extrapolation(known, x).sizes) == 15
    assert frechet_distance_extrapolation(known, x[:9999]).sizes[0] == 4999


def test_equal_images_are_no_distance_apart():
    assert frechet_distance_infinity(np.ones((40, 3)), np.ones((40, 3))) == 0


def test_small_subsets_are_warned_of():
    with pytest.warns(SmallSampleWarning, match="subsets from 20 images and 10000000 real ones for 20") as caught:
        frechet_distance_infinity(KNOWN, generated(1), least=20)
    with pytest.warns(SmallSampleWarning, match="and 15 real ones"):
        frechet_distance_extrapolation(generated(2, n=15), generated(1))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("n", "points", "least"),
    [(1500, 2, 100), (1500, 5, 1), (1500, 5, 1497), (20, 15, None), (1500, 5, 99.5), (1500, 4.5, 99)],
)
def test_too_few_images_or_subsets(n, points, least):
    with pytest.raises(InputError, match="at least 3 subsets"):
        frechet_distance_infinity(KNOWN, generated(1, n), points, least)


def test_malformed():
    with pytest.raises(InputError, match=r"20 \(real\) and 19 \(generated\)"):
        frechet_distance_infinity(KNOWN, generated(1)[:, 1:])
    with pytest.raises(InputError, match="without NaN"):
        frechet_distance_infinity(KNOWN, generated(1) * np.nan)
    with pytest.raises(InputError, match="array of"):
        frechet_distance_infinity(KNOWN, KNOWN)
