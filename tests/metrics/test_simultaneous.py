# SPDX-License-Identifier: MIT
"""Differences of many methods at once: Tukey's range where it is exact, errors that stay rare, and odd input."""

import warnings

import numpy as np
import pytest
from scipy import stats

from faceeval.errors import InputError
from faceeval.metrics import SmallSampleWarning, bootstrap_difference, simultaneous_differences

RNG = np.random.default_rng


def methods(count, n=400, seed=0, gains=()):
    values = RNG(seed).standard_normal((count, n)) + RNG(seed + 1).standard_normal(n)
    for place, gain in enumerate(gains):
        values[place] += gain
    return {f"m{place}": row for place, row in enumerate(values)}


def width(pair, values):
    """Half the interval in standard errors of the pair."""
    gains = values[pair.first] - values[pair.second]
    return (pair.high - pair.low) / 2 / (gains.std(ddof=1) / np.sqrt(len(gains)))


@pytest.mark.parametrize("count", [2, 3, 12])
def test_as_wide_as_tukeys_range_makes_them_where_that_is_exact(count):
    values = methods(count, n=1000)
    exact = stats.studentized_range.ppf(0.95, count, np.inf) / np.sqrt(2)
    for pair in simultaneous_differences(values):
        assert width(pair, values) == pytest.approx(exact, rel=0.04)


def test_two_methods_have_the_interval_of_the_paired_t_test_and_nearly_its_p_value():
    values = methods(2, n=200, gains=[0.2])
    [pair] = simultaneous_differences(values, n_resamples=10_000)
    test = stats.ttest_rel(values["m0"], values["m1"])
    exact = test.confidence_interval(0.95)
    assert (pair.low, pair.high) == pytest.approx((exact.low, exact.high), abs=0.01)
    assert pair.p_value == pytest.approx(test.pvalue, abs=0.01)
    plain = bootstrap_difference(values["m0"], values["m1"])
    assert (pair.low, pair.high) == pytest.approx((plain.low, plain.high), abs=0.03)


def test_pairs_that_go_together_cost_less_than_bonferroni_asks():
    values = methods(12)
    close = {name: values["m0"] + 0.01 * column for name, column in values.items()}
    close["m1"] = values["m1"]
    bonferroni = stats.norm.ppf(1 - 0.025 / 66)
    assert width(simultaneous_differences(close)[0], close) < width(simultaneous_differences(values)[0], values)
    assert width(simultaneous_differences(values)[0], values) < bonferroni


def test_errors_stay_rare_however_many_pairs():
    wrong = 0
    for seed in range(120):
        values = {name: column > 0.5 for name, column in methods(5, n=100, seed=1000 + seed).items()}  # flips: 0 or 1
        wrong += any(pair.found for pair in simultaneous_differences(values, seed, n_resamples=200))
    assert wrong <= 13  # 6 expected; the chance of more than 13 is 0.3 %


def test_real_differences_are_found_among_many_pairs():
    pairs = simultaneous_differences(methods(12, gains=[0.0, 0.5]))
    assert {(pair.first, pair.second) for pair in pairs if pair.found} >= {("m0", "m1")}
    assert all("m1" in (pair.first, pair.second) for pair in pairs if pair.found)
    assert len(pairs) == 66


def test_the_interval_leaves_0_out_just_where_the_p_value_is_small():
    pairs = [
        pair
        for seed in range(10)
        for pair in simultaneous_differences(methods(6, n=100, seed=seed, gains=[0.4, -0.4]), n_resamples=399)
    ]
    assert 10 < sum(pair.found for pair in pairs) < len(pairs) - 10
    assert all(pair.found == (pair.p_value < 0.05) for pair in pairs)


def test_other_units_and_places_change_nothing_but_the_unit():
    values = methods(4, gains=[0.3])
    moved = {name: 1e6 + 1e-3 * column for name, column in values.items()}
    for plain, pair in zip(simultaneous_differences(values), simultaneous_differences(moved), strict=True):
        assert pair.p_value == pytest.approx(plain.p_value, abs=0.002)
        assert pair.low == pytest.approx(plain.low * 1e-3, abs=1e-8)


def test_methods_that_agree_on_every_image_or_differ_by_the_same():
    x = RNG(0).standard_normal(100)
    same, shifted, other = simultaneous_differences({"a": x, "b": x, "c": x + 0.1})
    assert (same.difference, same.low, same.high, same.p_value, same.found) == (0, 0, 0, 1, False)
    assert shifted.low == pytest.approx(-0.1)
    assert shifted.found
    assert other.p_value == pytest.approx(1 / 4001)
    ones = simultaneous_differences({"a": np.ones(50), "b": np.zeros(50)})[0]
    assert (ones.low, ones.high) == (1, 1)


def test_one_image_that_differs_neither_counts_nor_spoils_the_others():
    values = {name: (column > 0).astype(float) for name, column in methods(2, n=1000, gains=[1.0]).items()}
    twin = values["m0"].copy()
    twin[0] = 1 - twin[0]
    pairs = {(pair.first, pair.second): pair for pair in simultaneous_differences({**values, "twin": twin})}
    assert not pairs["m0", "twin"].found
    assert pairs["m0", "m1"].found


def test_the_same_seed_gives_the_same_bits_and_blocks_do_not_show(monkeypatch):
    values = methods(3, n=50)
    once = simultaneous_differences(values, seed=3)
    assert simultaneous_differences(values, seed=4) != once
    monkeypatch.setattr("faceeval.metrics.bootstrap.DRAWS_AT_ONCE", 70)
    again = simultaneous_differences(values, seed=3)
    assert [pair.p_value for pair in again] == [pair.p_value for pair in once]


def test_too_few_draws_find_nothing():
    [pair] = simultaneous_differences({"a": np.ones(40), "b": np.zeros(40)}, n_resamples=10)
    assert (pair.low, pair.high, pair.found) == (-np.inf, np.inf, False)


def test_few_images_are_warned_of():
    with pytest.warns(SmallSampleWarning, match="29 images"):
        simultaneous_differences(methods(2, n=29))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simultaneous_differences(methods(2, n=30))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least two methods"),
        ({"a": [1.0, 2.0]}, "at least two methods"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, "of one shape"),
        ({"a": [1.0], "b": [1.0]}, "at least 2 values"),
        ({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "values of a"),
    ],
)
def test_what_cannot_be_compared_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        simultaneous_differences(values)


@pytest.mark.parametrize("setting", [{"n_resamples": 0}, {"confidence": 1.0}])
def test_senseless_settings_are_refused(setting):
    with pytest.raises(InputError):
        simultaneous_differences(methods(2), **setting)
