# SPDX-License-Identifier: MIT
"""User study: M-AAE's printed table, tie rules, agreement, Friedman's test, and raters that leave gaps."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import (
    SmallSampleWarning,
    bootstrap_mean,
    friedman_test,
    kendall_w,
    rank_score,
    rank_to_percent,
    study_summary,
    tied_ranks,
)

FEW = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)

# Sun et al., M-AAE, Table 3: percentages of seven methods (rows) for 1 to 4 manipulated attributes (columns)
TABLE = np.array(
    [
        [100, 95.8, 63.9, 33.3],
        [16.7, 87.5, 55.5, 22.9],
        [33.3, 62.5, 52.3, 75.0],
        [8.33, 83.3, 47.2, 75.0],
        [100, 91.7, 75.0, 75.0],
        [100, 70.8, 41.7, 62.5],
        [100, 95.8, 77.8, 77.1],
    ]
)
# the nearest multiples of 1/(12 k): how the table must have looked before it was rounded
GRID = np.round(TABLE / 100 * 12 * np.arange(1, 5)) / (12 * np.arange(1, 5)) * 100


def lists(seed, raters=12, methods=5, tied=False):
    rng = np.random.default_rng(seed)
    if tied:
        return stats.rankdata(rng.integers(0, 3, (raters, methods)), axis=1)
    return rng.permuted(np.tile(np.arange(1.0, methods + 1), (raters, 1)), axis=1)


def weak_orderings(methods):
    """Every way to order the methods with ties, as dense ranks 0..d-1."""
    every = np.zeros((1, 0), dtype=np.int8)
    for _ in range(methods):
        every = np.concatenate([np.insert(every, 0, place, axis=1) for place in range(methods)])
    used = (every[:, :, None] == np.arange(methods)).any(axis=1)
    return every[used.sum(axis=1) == every.max(axis=1) + 1]


class TestPrintedTable:
    def test_every_cell_but_one_is_on_the_grid(self):
        off = np.abs(GRID - TABLE)
        assert [tuple(cell) for cell in np.argwhere(off > 0.06)] == [(2, 2)]  # 52.3 is a misprint of 19/36
        assert GRID[2, 2] == pytest.approx(100 * 19 / 36)
        assert GRID[1, 2] == pytest.approx(100 * 20 / 36)  # printed 55.5: cut, not rounded

    def test_column_sums_of_mean_ranks_need_ties_that_share_the_better_rank(self):
        means = 7 - 6 * GRID / 100
        assert means.sum(axis=0) == pytest.approx([21.5, 13.75, 24.17, 23.75], abs=0.005)
        assert rank_to_percent(means, 7) == pytest.approx(GRID)
        assert lists(0, 3, 7, tied=True).sum(axis=1) == pytest.approx([28] * 3)  # what averaged ties always give

    def test_column_of_one_attribute_from_two_rankings(self):
        study = [(1, 7, 5, 6, 1, 1, 1), (1, 5, 5, 7, 1, 1, 1)]
        assert rank_score(study, ties="min") == pytest.approx(GRID[:, 0])
        assert rank_score(study, ties="min") == pytest.approx(TABLE[:, 0], abs=0.05)
        assert rank_score(study).sum() == pytest.approx(350)

    def test_which_tie_rules_can_have_made_the_table(self):
        dense = weak_orderings(7)
        assert len(dense) == 47_293
        best = 1 + (dense[:, None, :] < dense[:, :, None]).sum(axis=2)
        means = 7 - 6 * GRID / 100
        assert all(self.possible(best, column) for column in means.T)
        assert not self.possible(1 + dense, means[:, 0])
        worst = (dense[:, None, :] <= dense[:, :, None]).sum(axis=2)
        assert worst.sum(axis=1).min() == 28  # "max" and "average" cannot reach any column's sum
        assert (best + worst).sum(axis=1).min() == 56

    @staticmethod
    def possible(rankings, mean):
        """Whether shares of raters exist whose rankings have this mean."""
        unique = np.unique(rankings, axis=0)
        held = np.vstack([unique.T, np.ones(len(unique))])
        status = optimize.linprog(np.zeros(len(unique)), A_eq=held, b_eq=[*mean, 1.0], method="highs").status
        assert status in (0, 2)  # solved, or proved impossible
        return status == 0

    def test_conversions_that_cannot_have_made_it(self):
        ranks = np.arange(1, 8)
        for other in (100 * (8 - ranks) / 7, 100 / ranks):
            assert other.min() > 14.2  # so 8.33 is out of reach
        assert (100 * (1 - ranks / 7)).max() < 86  # and here 100


class TestPercent:
    def test_ends_and_middle(self):
        assert rank_to_percent([1, 4, 7], 7).tolist() == [100.0, 50.0, 0.0]
        assert rank_to_percent(1.5, 2) == 50.0

    @pytest.mark.parametrize(("mean", "methods"), [(1.0, 1), (1.0, 2.5), (0.5, 3), (3.5, 3), ([], 3), (np.nan, 3)])
    def test_refused(self, mean, methods):
        with pytest.raises(InputError):
            rank_to_percent(mean, methods)

    @FEW
    @given(SEEDS, st.booleans())
    def test_properties(self, seed, tied):
        ranks = lists(seed, tied=tied)
        score, generous = rank_score(ranks), rank_score(ranks, ties="min")
        assert score.sum() == pytest.approx(250)  # 50 for each of five
        assert (generous >= score - 1e-9).all()
        assert rank_score(6 - ranks) == pytest.approx(100 - score)
        order = np.random.default_rng(seed).permutation(5)
        assert rank_score(ranks[:, order]) == pytest.approx(score[order])
        assert rank_score(ranks[::-1]) == pytest.approx(score)
        for rule in ("average", "min"):
            again = tied_ranks(ranks, rule)
            assert np.array_equal(tied_ranks(again, rule), again)

    def test_min_is_the_share_of_rivals_not_put_before(self):
        ranks = lists(3, tied=True)
        ahead = (ranks[:, None, :] < ranks[:, :, None]).sum(axis=2)
        assert rank_score(ranks, ties="min") == pytest.approx(100 * (1 - ahead.mean(axis=0) / 4))

    @pytest.mark.parametrize("bad", [[[1, 2, 4]], [[0, 1, 2]], [[1]], [1, 2, 3], [[1, np.nan]], np.zeros((0, 3))])
    def test_malformed_lists(self, bad):
        for function in (rank_score, tied_ranks, kendall_w, friedman_test):
            with pytest.raises(InputError):
                function(bad)

    def test_unknown_tie_rule(self):
        with pytest.raises(UnknownNameError, match="did you mean 'average'"):
            rank_score([[1, 2]], ties="averge")


class TestAgreement:
    def test_extremes(self):
        assert kendall_w([[1, 2, 3, 4]] * 5) == 1.0
        assert kendall_w([[1, 2, 3, 4], [4, 3, 2, 1]]) == 0.0
        assert kendall_w([[1, 1, 3]] * 5) == pytest.approx(1.0)  # corrected for ties, else 0.75

    @FEW
    @given(SEEDS, st.booleans())
    def test_same_as_the_formula_with_its_correction(self, seed, tied):
        ranks = lists(seed, tied=tied)
        m, n = ranks.shape
        sums = ranks.sum(axis=0)
        ties = sum((c**3 - c).sum() for c in (np.unique(row, return_counts=True)[1] for row in ranks))
        expected = 12 * ((sums - sums.mean()) ** 2).sum() / (m**2 * (n**3 - n) - m * ties)
        assert kendall_w(ranks) == pytest.approx(expected)

    @FEW
    @given(SEEDS)
    def test_mean_rank_correlation_of_raters(self, seed):
        ranks = lists(seed)
        rho = stats.spearmanr(ranks, axis=1).statistic
        mean = rho[np.triu_indices(12, 1)].mean()
        assert kendall_w(ranks) == pytest.approx((1 + 11 * mean) / 12)

    @FEW
    @given(SEEDS, st.booleans(), st.integers(3, 8))
    def test_friedman_same_as_scipy(self, seed, tied, methods):
        ranks = lists(seed, methods=methods, tied=tied)
        theirs, ours = stats.friedmanchisquare(*ranks.T), friedman_test(ranks)
        assert ours.statistic == pytest.approx(theirs.statistic)
        assert ours.p_value == pytest.approx(theirs.pvalue)
        assert (ours.n_raters, ours.n_methods) == (12, methods)
        assert ours.statistic == pytest.approx(12 * (methods - 1) * kendall_w(ranks))

    def test_two_methods_are_enough(self):
        assert friedman_test([[1, 2]] * 10).statistic == pytest.approx(10)

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    @pytest.mark.parametrize("function", [kendall_w, friedman_test])
    @pytest.mark.parametrize("bad", [[[1, 2, 3]], [[2, 2, 2]] * 4])
    def test_no_agreement_to_speak_of(self, function, bad):
        with pytest.raises(InputError, match="at least two lists, one of which"):
            function(bad)

    def test_few_raters_are_warned_of_and_ten_are_not(self):
        for function in (friedman_test, study_summary):
            with pytest.warns(SmallSampleWarning, match="9 raters"):
                function(lists(0, 9))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                function(lists(0, 10))


class TestSummary:
    def test_one_list_a_rater(self):
        ranks = lists(1, 30, 7)
        study = study_summary(ranks, seed=4, n_resamples=200)
        assert [p.value for p in study.percent] == pytest.approx(rank_score(ranks))
        assert study.percent[2] == bootstrap_mean(100 * (7 - ranks[:, 2]) / 6, seed=4, n_resamples=200)
        assert study.mean_ranks == pytest.approx(ranks.mean(axis=0))
        assert (study.kendall_w, study.friedman) == (kendall_w(ranks), friedman_test(ranks))
        assert (study.n_raters, study.n_items, study.n_dropped, study.ties) == (30, 1, 0, "average")

    def test_lists_with_gaps_are_dropped_and_counted(self):
        ranks = lists(1, 30, 7)
        broken = ranks.copy()
        broken[[3, 8], 2] = 0
        study = study_summary(broken)
        assert (study.n_raters, study.n_dropped) == (28, 2)
        assert replace(study, n_dropped=0) == study_summary(np.delete(ranks, [3, 8], axis=0))

    def test_items_of_a_rater_count_together(self):
        ranks = np.stack([lists(s, 20, 4) for s in range(5)], axis=1)
        study = study_summary(ranks)
        assert (study.n_raters, study.n_items) == (20, 5)
        assert [p.value for p in study.percent] == pytest.approx(rank_score(ranks.reshape(-1, 4)))
        assert study.friedman.n_raters == 20
        # showing a rater the same list ten times is no new evidence
        copied = study_summary(np.repeat(ranks, 10, axis=1))
        assert (copied.friedman, copied.kendall_w) == (study.friedman, study.kendall_w)
        assert copied.percent[0].high - copied.percent[0].low == pytest.approx(
            study.percent[0].high - study.percent[0].low
        )

    def test_raters_count_alike_whatever_they_left_out(self):
        ranks = np.stack([lists(s, 12, 4) for s in range(3)], axis=1)
        ranks[0, 1:] = 0
        ranks[1] = 0
        study = study_summary(ranks)
        assert (study.n_raters, study.n_dropped) == (11, 5)
        means = [ranks[0, 0], *ranks[2:].mean(axis=1)]
        assert study.mean_ranks == pytest.approx(np.mean(means, axis=0))

    def test_equal_sums_of_items_tie(self):
        # 1 + 2 + 2.5 and 2 + 1 + 2.5 in another order: equal, though means of thirds need not be
        ranks = np.tile([[[1, 2, 3], [2, 1, 3], [1.5, 1.5, 3]]], (12, 1, 1))
        study = study_summary(ranks)
        assert study.kendall_w == pytest.approx(1.0)
        assert study.mean_ranks == pytest.approx((1.5, 1.5, 3.0))

    def test_tie_rule_moves_the_percentages_only(self):
        ranks = lists(5, 15, 5, tied=True)
        mean, best = study_summary(ranks), study_summary(ranks, ties="min")
        assert [p.value for p in best.percent] == pytest.approx(rank_score(ranks, "min"))
        assert best.friedman == mean.friedman

    def test_tie_rule_does_not_reach_the_test_through_the_items(self):
        ranks = np.stack([lists(s, 15, 5, tied=True) for s in range(3)], axis=1)
        mean, best = study_summary(ranks), study_summary(ranks, ties="min")
        assert mean.mean_ranks != best.mean_ranks
        assert (best.friedman, best.kendall_w) == (mean.friedman, mean.kendall_w)

    @pytest.mark.parametrize(
        "bad",
        [[1, 2, 3], np.ones((2, 2, 2, 2)), np.zeros((12, 3)), [[1, 2]], np.full((12, 3), 4.0), np.ones((0, 2, 2))],
    )
    def test_malformed(self, bad):
        with pytest.raises(InputError):
            study_summary(bad)

    def test_intervals_hold_the_truth(self):
        # raters who rank at random: the truth is 50 for everyone
        held = [
            interval.low <= 50 <= interval.high
            for seed in range(40)
            for interval in study_summary(lists(seed, 40, 4), n_resamples=200).percent
        ]
        assert 0.85 <= np.mean(held) <= 1.0


def test_all_orderings_are_counted():
    assert [len(weak_orderings(n)) for n in (1, 2, 3, 4)] == [1, 3, 13, 75]
