# SPDX-License-Identifier: MIT
"""How far apart samples of one distribution are, foretold from one of them."""

import re

import numpy as np
import pytest

from faceeval.errors import InputError
from faceeval.metrics import GaussianStats, SmallSampleWarning, frechet_distance, frechet_distance_bias
from faceeval.metrics.bias import _expected

RANKS = np.arange(1.0, 65)
SPECTRA = {
    "flat": np.ones(64),
    "1 / k": 1 / RANKS,
    "a knee": np.minimum(RANKS**-0.5, 8**1.5 * RANKS**-2),
    "twenty directions": np.where(RANKS <= 20, 1.0, 0.0),
}


def sample(seed, n, spectrum):
    return np.random.default_rng(seed).standard_normal((n, len(spectrum))) * np.sqrt(spectrum)


def simulated(n, m, spectrum, draws=12):
    pairs = ((sample(2 * i, n, spectrum), sample(2 * i + 1, m, spectrum)) for i in range(draws))
    return np.mean([frechet_distance(*pair) for pair in pairs])


@pytest.mark.parametrize(("n", "expected"), [(500, 47.1), (1000, 31.1), (2000, 17.4), (5000, 6.9)])
def test_as_measured_at_2048_dimensions(n, expected):
    spectrum = 1 / np.arange(1.0, 2049)
    # the measured values are of one draw each
    assert _expected(100 * spectrum / spectrum.sum(), 10**8, n, n) == pytest.approx(expected, rel=0.01)


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize(("n", "m"), [(20, 20), (64, 64), (40, 200), (300, 300)])
def test_as_simulated(name, n, m):
    spectrum = SPECTRA[name]
    truth = simulated(n, m, spectrum)
    known = GaussianStats(10**8, np.zeros(64), np.diag(spectrum))
    assert frechet_distance_bias(known, n, m) == pytest.approx(truth, rel=0.05)
    # one sample scatters: so does what it tells
    assert frechet_distance_bias(sample(99, max(n, m), spectrum), n, m) == pytest.approx(truth, rel=0.1)
    assert frechet_distance_bias(sample(98, 500, spectrum), m, n) == pytest.approx(truth, rel=0.08)


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
@pytest.mark.parametrize("name", ["flat", "1 / k", "a knee"])
def test_a_quarter_of_the_images_is_enough(name):
    known = [frechet_distance_bias(sample(seed, 25, SPECTRA[name]), 100, 100) for seed in range(8)]
    assert np.mean(known) == pytest.approx(simulated(100, 100, SPECTRA[name]), rel=0.15)


def test_one_dimension_in_closed_form():
    # means: 1 / n + 1 / m; deviations: 1 / (2 (n - 1)) + 1 / (2 (m - 1))
    known = GaussianStats(10**8, np.zeros(1), np.eye(1))
    assert frechet_distance_bias(known, 101, 201) == pytest.approx(1 / 101 + 1 / 201 + 0.005 + 0.0025, rel=0.01)


def test_falls_with_the_number_of_images_and_scales():
    x = sample(1, 200, SPECTRA["1 / k"])
    values = [frechet_distance_bias(x, n, n) for n in (2, 10, 50, 100, 500, 5000, 10**6)]
    assert (np.diff(values) < 0).all()
    assert values[-1] == pytest.approx(0, abs=1e-3 * values[0])
    assert frechet_distance_bias(3 * x, 50, 70) == pytest.approx(9 * frechet_distance_bias(x, 70, 50), rel=1e-9)


@pytest.mark.parametrize("as_statistics", [False, True])
def test_the_warning_foretells_it(as_statistics):
    spectrum = np.concatenate([SPECTRA["1 / k"], SPECTRA["1 / k"] / 100])
    sets = [sample(seed, 50, spectrum) for seed in (1, 2)]
    if as_statistics:
        sets = [GaussianStats.from_features(s) for s in sets]
    with pytest.warns(SmallSampleWarning) as caught:
        value = frechet_distance(*sets)
    foretold = float(re.search(r"about ([\d.]+) apart", str(caught[0].message)).group(1))
    assert foretold == pytest.approx(value, rel=0.15)


@pytest.mark.parametrize("as_statistics", [False, True])
@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
def test_the_warning_looks_at_some_combinations_only(as_statistics, monkeypatch):
    spectrum = np.concatenate([SPECTRA["1 / k"], SPECTRA["1 / k"] / 100])
    sets = [sample(seed, 120, spectrum) for seed in (1, 2)]
    if as_statistics:
        sets = [GaussianStats.from_features(s) for s in sets]
    monkeypatch.setattr("faceeval.metrics.bias.SEEN", 60)
    with pytest.warns(SmallSampleWarning) as caught:
        value = frechet_distance(*sets)
    foretold = float(re.search(r"about ([\d.]+) apart", str(caught[0].message)).group(1))
    assert foretold == pytest.approx(value, rel=0.2)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("shape", [(2, 1), (2, 2), (2, 9), (3, 2), (9, 9)])
def test_the_smallest_sets(shape):
    x = np.random.default_rng(3).normal(size=shape)
    assert np.isfinite(frechet_distance_bias(x, 2, 2))
    with pytest.warns(SmallSampleWarning) if shape[0] <= shape[1] else pytest.MonkeyPatch.context():
        frechet_distance(x, np.vstack([x, x + 1]))


def test_refused():
    x = sample(1, 20, SPECTRA["flat"])
    for n, m in ((1, 20), (20, 1), (2.5, 20)):
        with pytest.raises(InputError, match="two samples of at least two images"):
            frechet_distance_bias(x, n, m)
    with pytest.raises(InputError, match="at least two images"):
        frechet_distance_bias(x[:1], 5, 5)
    with pytest.raises(InputError, match="features that vary"):
        frechet_distance_bias(np.ones((5, 3)), 5, 5)
    with pytest.raises(InputError, match="without NaN"):
        frechet_distance_bias(x * np.nan, 5, 5)
    with pytest.warns(SmallSampleWarning, match="about 0 apart"):
        frechet_distance(np.ones((3, 4)), np.ones((3, 4)))
