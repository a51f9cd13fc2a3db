# SPDX-License-Identifier: MIT
"""Bootstrap intervals: seeds, coverage, pairing, and settings that make no sense."""

import numpy as np
import pytest

from faceeval.errors import InputError
from faceeval.metrics import bootstrap_difference, bootstrap_mean, bootstrap_statistic


def values(seed=0, n=200):
    return np.random.default_rng(seed).standard_normal(n)


def test_same_seed_same_interval_and_global_state_untouched():
    np.random.seed(5)  # noqa: NPY002 the global state is what must not move
    before = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert bootstrap_mean(values(), seed=3) == bootstrap_mean(values(), seed=3)
    assert bootstrap_mean(values(), seed=3) != bootstrap_mean(values(), seed=4)
    assert np.random.random() == before  # noqa: NPY002


def test_blocks_do_not_show(monkeypatch):
    whole = bootstrap_mean(values(n=333), n_resamples=101)
    monkeypatch.setattr("faceeval.metrics.bootstrap.DRAWS_AT_ONCE", 1000)
    assert bootstrap_mean(values(n=333), n_resamples=101) == whole


def test_constant_values_have_no_width():
    interval = bootstrap_mean(np.full(50, 0.7))
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.7, 0.7, 0.7))


def test_width_is_that_of_the_normal_law():
    interval = bootstrap_mean(values(n=1000), n_resamples=4000)
    assert interval.value == pytest.approx(values(n=1000).mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / np.sqrt(1000), rel=0.1)
    assert interval.low < interval.value < interval.high


def test_covers_the_truth_as_often_as_it_says():
    held = [
        (i := bootstrap_mean(values(seed, 100), seed=seed, n_resamples=300)).low <= 0 <= i.high for seed in range(300)
    ]
    assert 0.90 <= np.mean(held) <= 0.98


def test_more_confidence_is_wider():
    narrow, wide = (bootstrap_mean(values(), confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_same_as_scipy_up_to_its_draws():
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.bootstrap((values(),), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1))
    ours = bootstrap_mean(values(), n_resamples=5000)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_any_statistic_draws_as_the_mean_does():
    by_index = bootstrap_statistic(lambda drawn: float(values()[drawn].mean()), n=200, seed=5, n_resamples=50)
    assert by_index == bootstrap_mean(values(), seed=5, n_resamples=50)


def test_every_image_is_drawn_equally_often():
    counts = np.zeros(7)

    def count(drawn):
        np.add.at(counts, drawn, 1)
        return 0.0

    bootstrap_statistic(count, n=7, n_resamples=1000)
    assert counts == pytest.approx(np.full(7, 1001), rel=0.1)


def test_pairing_sees_a_difference_that_separate_intervals_do_not():
    hard = 5 * values()
    better, worse = hard + 0.05 * values(1) + 0.1, hard + 0.05 * values(2)
    apart = bootstrap_mean(better), bootstrap_mean(worse)
    assert apart[0].low < apart[1].high
    difference = bootstrap_difference(better, worse)
    assert difference.low > 0
    assert difference.value == pytest.approx((better - worse).mean())
    swapped = bootstrap_difference(worse, better)
    assert (swapped.low, swapped.high) == pytest.approx((-difference.high, -difference.low))


@pytest.mark.parametrize("options", [{"n_resamples": 0}, {"n_resamples": 1.5}, {"confidence": 0.0}, {"confidence": 95}])
def test_senseless_settings(options):
    with pytest.raises(InputError):
        bootstrap_mean(values(), **options)


@pytest.mark.parametrize("bad", [[], [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_values_that_have_no_interval(bad):
    with pytest.raises(InputError):
        bootstrap_mean(bad)


def test_too_few_images_or_a_statistic_that_fails():
    with pytest.raises(InputError, match="at least two images"):
        bootstrap_statistic(lambda drawn: 0.0, n=1)
    with pytest.raises(InputError, match="values of fn without NaN"):
        bootstrap_statistic(lambda drawn: float("nan"), n=5, n_resamples=3)


def test_unpaired_lengths():
    with pytest.raises(InputError, match="of one shape"):
        bootstrap_difference(values(), values(n=100))


class TestGroups:
    def test_each_alone_is_no_grouping(self):
        assert bootstrap_mean(values(), seed=2, groups=np.arange(200)) == bootstrap_mean(values(), seed=2)

    def test_copies_of_an_image_add_nothing(self):
        once, copies = bootstrap_mean(values()), np.repeat(values(), 9)
        grouped = bootstrap_mean(copies, groups=np.repeat(np.arange(200), 9))
        assert (grouped.low, grouped.value, grouped.high) == pytest.approx((once.low, once.value, once.high))
        alone = bootstrap_mean(copies)
        assert alone.high - alone.low == pytest.approx((once.high - once.low) / 3, rel=0.1)

    def test_people_of_many_and_of_few_images(self):
        rng = np.random.default_rng(3)
        groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
        x = rng.standard_normal(40)[groups]
        interval = bootstrap_mean(x, groups=groups + 1000)
        assert interval.value == pytest.approx(x.mean())
        assert interval.low < x.mean() < interval.high

    def test_difference_takes_them_too(self):
        x, groups = np.repeat(values(), 2), np.repeat(np.arange(200), 2)
        assert bootstrap_difference(x, x - 0.5, groups=groups).low == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("groups", "message"),
        [([1] * 200, "at least two groups"), ([0.5] * 200, "whole numbers"), ([1, 2], r"groups of shape \(200,\)")],
    )
    def test_no_groups(self, groups, message):
        with pytest.raises(InputError, match=message):
            bootstrap_mean(values(), groups=groups)
