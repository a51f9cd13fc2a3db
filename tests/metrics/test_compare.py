# SPDX-License-Identifier: MIT
"""Does a beat b? The sign-flip test against SciPy's and its own law, Holm's correction, groups, and the sentence."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    SmallSampleWarning,
    bootstrap_difference,
    compare,
    compare_all,
    dfn_summary,
    holm,
    sign_flip_p_value,
)

FEW = settings(max_examples=20, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def pair(seed=0, n=200, gain=0.0):
    rng = np.random.default_rng(seed)
    hard = rng.standard_normal(n)
    return hard + 0.3 * rng.standard_normal(n) + gain, hard + 0.3 * rng.standard_normal(n)


def mean_difference(x, y, axis):
    # SciPy calls equal what differs by no more than 1e-14 of the statistic, which rounding exceeds near zero
    return np.round(x.mean(axis=axis) - y.mean(axis=axis), 12)


class TestSignFlips:
    @FEW
    @given(SEEDS, st.integers(2, 10))
    @example(295967, 9)
    def test_same_as_scipy_where_all_patterns_are_tried(self, seed, n):
        a, b = pair(seed, n)
        theirs = stats.permutation_test(
            (a, b), mean_difference, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert sign_flip_p_value(a - b) == pytest.approx(theirs.pvalue)

    @FEW
    @given(SEEDS)
    def test_same_as_scipy_with_ties(self, seed):
        # values 0 and 1, as flips are: many patterns make exactly the observed sum
        a, b = np.random.default_rng(seed).integers(0, 2, (2, 10)).astype(float)
        theirs = stats.permutation_test(
            (a, b), mean_difference, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert sign_flip_p_value(a - b) == pytest.approx(theirs.pvalue)

    def test_drawn_patterns_come_near_the_exact_value(self):
        differences = np.subtract(*pair(1, 12, gain=0.15))
        exact = sign_flip_p_value(differences)
        assert sign_flip_p_value(differences, n_resamples=4000) == pytest.approx(exact, abs=0.02)

    def test_drawn_values_of_zero_and_one_follow_the_sign_test(self):
        # 40 images that differ, 27 of them one way: twice the upper tail of a fair coin
        differences = np.repeat([1.0, -1.0, 0.0], [27, 13, 60])
        exact = stats.binomtest(27, 40).pvalue
        assert sign_flip_p_value(differences, n_resamples=50_000) == pytest.approx(exact, abs=0.004)

    def test_never_zero(self):
        assert sign_flip_p_value(np.ones(100), n_resamples=999) == 1 / 1000

    def test_no_difference(self):
        assert sign_flip_p_value(np.zeros(100)) == 1
        assert sign_flip_p_value([0.0]) == 1

    def test_blocks_do_not_show(self, monkeypatch):
        differences = np.subtract(*pair(2, 333))
        whole = sign_flip_p_value(differences, n_resamples=501)
        monkeypatch.setattr("faceeval.metrics.paired_tests.SIGNS_AT_ONCE", 1000)
        assert sign_flip_p_value(differences, n_resamples=501) == whole

    def test_seeds_and_the_global_state(self):
        differences = np.subtract(*pair(3, 100, gain=0.05))
        before = np.random.get_state()[1].tolist()  # noqa: NPY002 the global state is what must not move
        assert sign_flip_p_value(differences, seed=1) == sign_flip_p_value(differences, seed=1)
        assert sign_flip_p_value(differences, seed=1) != sign_flip_p_value(differences, seed=2)
        assert np.random.get_state()[1].tolist() == before  # noqa: NPY002

    @FEW
    @given(SEEDS, st.floats(1e-200, 1e200))
    def test_unit_and_sign_do_not_matter(self, seed, scale):
        differences = np.subtract(*pair(seed, 30))
        value = sign_flip_p_value(differences, n_resamples=200)
        assert sign_flip_p_value(differences * scale, n_resamples=200) == value
        assert sign_flip_p_value(-differences, n_resamples=200) == value

    def test_wrong_as_seldom_as_it_says(self):
        found = [sign_flip_p_value(np.subtract(*pair(seed, 25)), seed, 400) < 0.05 for seed in range(400)]
        assert 0.02 <= np.mean(found) <= 0.085

    @pytest.mark.parametrize("bad", [{"differences": []}, {"differences": [np.nan]}, {"n_resamples": 0}])
    def test_bad_input(self, bad):
        with pytest.raises(InputError):
            sign_flip_p_value(**{"differences": [1.0, 2.0], **bad})


class TestHolm:
    def test_by_hand(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
        assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
        assert holm([0.6, 0.7]).tolist() == [1, 1]
        assert holm([0.2]).tolist() == [0.2]

    @FEW
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def test_between_none_and_bonferroni(self, p):
        adjusted = holm(p)
        assert (adjusted >= p).all()
        assert (adjusted <= np.minimum(1, np.array(p) * len(p))).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
        assert holm(p[::-1])[::-1].tolist() == adjusted.tolist()

    @pytest.mark.parametrize("bad", [[], [1.5], [-0.1], [np.nan]])
    def test_no_p_values(self, bad):
        with pytest.raises(InputError):
            holm(bad)


class TestCompare:
    def test_a_clear_winner(self):
        a, b = pair(4, gain=0.2)
        result = compare(a, b, names=("fai", "cyclegan"))
        assert result.verdict == "first"
        assert result.difference == pytest.approx((a - b).mean())
        interval = bootstrap_difference(a, b, n_resamples=2000)
        assert (result.low, result.high) == (interval.low, interval.high)
        assert result.low > 0
        assert result.p_value == result.adjusted_p_value < 0.001
        assert result.effect_size == pytest.approx((a - b).mean() / (a - b).std(ddof=1))
        assert result.wins == (a > b).mean()
        assert result.n == result.n_groups == 200
        assert result.sentence.startswith("fai is better than cyclegan: mean ")
        assert result.sentence.endswith("% of 200 images.")

    def test_the_loser_is_named_second(self):
        a, b = pair(4, gain=-0.2)
        result = compare(a, b, names=("fai", "cyclegan"))
        assert result.verdict == "second"
        assert result.sentence.startswith("cyclegan is better than fai: ")
        assert f"cyclegan is better on {100 * (b > a).mean():.0f} %" in result.sentence

    def test_lower_may_be_better(self):
        a, b = pair(4, gain=0.2)
        assert compare(a, b, "lower").verdict == "second"
        assert compare(a, b, "lower").wins == (a < b).mean()

    def test_nearer_to_one_may_be_better(self):
        steady, wild = np.linspace(0.9, 1.0, 50), np.linspace(1.5, 1.0, 50)
        assert dfn_summary(wild).mean > dfn_summary(steady).mean
        result = compare(steady, wild, "near 1")
        assert result.verdict == "first"
        assert result.first_mean == pytest.approx(0.05)
        assert "mean distance from 1" in result.sentence

    def test_nothing_to_be_found(self):
        result = compare(*pair(5))
        assert result.verdict == "undecided"
        assert result.sentence.startswith("Neither a nor b is shown to be better: ")

    def test_a_method_and_itself(self):
        a, _ = pair(6)
        result = compare(a, a)
        assert (result.p_value, result.effect_size, result.wins, result.verdict) == (1, 0, 0.5, "undecided")
        assert (result.low, result.high) == (0, 0)

    def test_the_same_gain_everywhere(self):
        a = np.arange(20.0)
        assert compare(a + 1, a).effect_size == np.inf
        assert compare(a, a + 1).effect_size == -np.inf

    @FEW
    @given(SEEDS)
    def test_swapping_swaps_everything(self, seed):
        a, b = pair(seed, 40, gain=0.1)
        one, other = compare(a, b, n_resamples=300), compare(b, a, n_resamples=300)
        swapped = {"first": "second", "second": "first", "undecided": "undecided"}
        assert other.verdict == swapped[one.verdict]
        assert other.p_value == one.p_value
        assert other.effect_size == pytest.approx(-one.effect_size)
        assert other.wins == pytest.approx(1 - one.wins)
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low))

    def test_wrong_verdicts_are_rare(self):
        verdicts = [compare(*pair(seed, 30), seed=seed, n_resamples=300).verdict for seed in range(150)]
        assert np.mean([v != "undecided" for v in verdicts]) <= 0.09

    def test_flips_are_compared_as_well(self):
        a, b = np.repeat([1, 1, 0, 0], [60, 25, 5, 10]), np.repeat([1, 0, 1, 0], [60, 25, 5, 10])
        result = compare(a, b)
        assert result.verdict == "first"
        assert result.wins == pytest.approx((25 + 70 / 2) / 100)


class TestGroups:
    def test_copies_of_an_image_prove_nothing(self):
        a, b = pair(7, 20, gain=0.12)
        once = compare(a, b)
        copied = compare(np.repeat(a, 8), np.repeat(b, 8), groups=np.repeat(np.arange(20), 8))
        assert copied.p_value == once.p_value
        assert copied.effect_size == pytest.approx(once.effect_size)
        assert (copied.n, copied.n_groups) == (160, 20)
        assert "160 images of 20 groups" in copied.sentence
        assert compare(np.repeat(a, 8), np.repeat(b, 8)).p_value < once.p_value / 10

    def test_wrong_lengths_and_one_group(self):
        a, b = pair(8)
        with pytest.raises(InputError, match="groups of shape"):
            compare(a, b, groups=[1, 2])
        with pytest.raises(InputError, match="at least two groups"):
            compare(a, b, groups=np.zeros(200))


class TestSeveral:
    def test_every_pair_or_all_against_one(self):
        x = pair(9)[0]
        values = {"a": x, "b": x + 1, "c": x + 2}
        assert [(c.first, c.second) for c in compare_all(values)] == [("a", "b"), ("a", "c"), ("b", "c")]
        against = compare_all(values, against="b")
        assert [(c.first, c.second, c.verdict) for c in against] == [("a", "b", "second"), ("c", "b", "first")]

    def test_correction_takes_back_what_chance_may_have_made(self):
        rng = np.random.default_rng(10)
        base = rng.standard_normal(100)
        values = {f"m{i}": base + 0.5 * rng.standard_normal(100) for i in range(8)} | {"base": base}
        results = compare_all(values, against="base")
        assert [r.adjusted_p_value for r in results] == pytest.approx(holm([r.p_value for r in results]))
        assert min(r.p_value for r in results) < 0.05
        assert {r.verdict for r in results} == {"undecided"}
        assert "after correction for 8 comparisons" in results[0].sentence

    def test_too_few_or_unknown(self):
        with pytest.raises(InputError, match="at least two methods"):
            compare_all({"a": [1.0, 2.0]})
        with pytest.raises(UnknownNameError, match="did you mean 'fai'"):
            compare_all({"fai": [1.0, 2.0], "b": [1.0, 2.0]}, against="fia")


def test_so_few_images_that_nothing_can_be_shown():
    with pytest.warns(SmallSampleWarning, match=r"no p-value below 0\.0625"):
        result = compare(np.arange(5.0) + 1, np.arange(5.0))
    assert result.verdict == "undecided"
    assert compare(np.arange(6.0) + 1, np.arange(6.0)).verdict == "first"


@pytest.mark.parametrize(
    ("a", "b", "options"),
    [
        ([1.0], [2.0], {}),
        ([1.0, 2.0], [2.0], {}),
        ([1.0, np.inf], [2.0, 1.0], {}),
        ([1.0, 2.0], [2.0, 1.0], {"confidence": 95}),
        ([1.0, 2.0], [2.0, 1.0], {"n_resamples": 0}),
    ],
)
@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
def test_bad_input(a, b, options):
    with pytest.raises(InputError):
        compare(a, b, **options)


def test_unknown_direction():
    with pytest.raises(UnknownNameError, match="did you mean 'higher'"):
        compare([1.0, 2.0], [1.0, 2.0], "high")
