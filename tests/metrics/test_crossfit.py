# SPDX-License-Identifier: MIT
"""One judge for all editors: what theory says of it, nothing judged that it has seen, no order that shows."""

import numpy as np
import pytest
from scipy import stats

from faceeval.errors import InputError
from faceeval.metrics import SmallSampleWarning, cross_fitted_fidelity, cross_fitted_realness, realness


def faces(seed=0, n=300, dim=4):
    return np.random.default_rng(seed).standard_normal((n, dim))


def moved(features, *by):
    return features + np.array(by)


def ideal_for_a_shift(shift):
    """What the ideal judge gives edits whose features are normal like the real ones', but moved by ``shift``."""
    x = np.linspace(-12, 12, 20_001)
    p, q = stats.norm.pdf(x), stats.norm.pdf(x - shift)
    return np.trapezoid(q * p / (p + q), x)


@pytest.mark.parametrize("shift", [0.5, 1.5, 3.0])
def test_reaches_what_an_ideal_judge_would_give(shift):
    edited = faces(1, n=2000)
    edited[:, 0] += shift
    judged = cross_fitted_fidelity(faces(0, n=2000), {"m": edited})["m"]
    assert judged.summary.edited == pytest.approx(ideal_for_a_shift(shift), abs=0.02)
    assert judged.summary.total == pytest.approx(1, abs=0.02)
    assert judged.summary.auc == pytest.approx(stats.norm.cdf(shift / np.sqrt(2)), abs=0.02)
    assert judged.interval.low < judged.summary.edited == judged.interval.value < judged.interval.high


def test_perfect_edits_get_half():
    assert cross_fitted_realness(faces(), faces()) == pytest.approx(np.full(300, 0.5), abs=1e-9)
    other = cross_fitted_realness(faces(0, n=2000), faces(1, n=2000))
    assert other.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
def test_a_source_in_training_does_not_vouch_for_its_edit():
    # in so many dimensions a judge knows every image it was trained on, and calls near copies of them the same
    source = faces(2, n=60, dim=400)
    judged = cross_fitted_fidelity(source, {"m": source + 1e-3 * faces(3, n=60, dim=400)})["m"]
    assert judged.summary.edited == pytest.approx(0.5, abs=0.05)
    assert np.abs(judged.edited - judged.real).max() < 0.1


def test_same_as_scikit_learn():
    pipeline, linear_model = pytest.importorskip("sklearn.pipeline"), pytest.importorskip("sklearn.linear_model")
    preprocessing, selection = (
        pytest.importorskip("sklearn.preprocessing"),
        pytest.importorskip("sklearn.model_selection"),
    )
    source, edited = faces(4, n=100), faces(5, n=100) + 0.7
    judged = cross_fitted_fidelity(source, {"m": edited})["m"]
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(C=judged.penalty, tol=1e-8, max_iter=1000)
    )
    theirs = selection.cross_val_predict(
        model,
        np.concatenate([source, edited]),
        np.repeat([1, 0], 100),
        cv=selection.PredefinedSplit(np.tile(judged.fold, 2)),
        method="decision_function",
    )
    # both stop where the slope is small, from different sides
    assert np.concatenate([judged.real, judged.edited]) == pytest.approx(theirs, abs=1e-3)
    assert cross_fitted_realness(source, edited) == pytest.approx(1 / (1 + np.exp(-theirs[100:])), abs=1e-3)


class TestSeveralEditors:
    def judged(self, **options):
        source = faces(6, n=1000)
        good, bad = moved(faces(7, n=1000), 0.5, 0, 0, 0), moved(faces(8, n=1000), 2, 0, 0, 0)
        return cross_fitted_fidelity(source, {"good": good, "bad": bad}, **options)

    def test_one_scale(self):
        judged = self.judged()
        good, bad = judged["good"], judged["bad"]
        assert good.real.tolist() == bad.real.tolist()
        assert good.summary.edited > bad.summary.edited + 0.1
        together = (good.summary.edited + bad.summary.edited) / 2 + good.summary.real
        assert together == pytest.approx(1, abs=0.03)

    def test_the_best_of_bad_ones_gets_more_than_half(self):
        source = faces(9, n=1000)
        judged = cross_fitted_fidelity(source, {"nothing": source, "bad": faces(10, n=1000) + 5.0})
        assert 0.5 < judged["nothing"].summary.edited < 2 / 3 + 0.02

    def test_a_judge_that_never_saw_the_editor_misses_what_only_it_does(self):
        source = faces(11, n=600)
        edits = {"x": moved(source, 2, 0, 0, 0), "y": moved(source, 0, 2, 0, 0)}
        seen, unseen = (cross_fitted_fidelity(source, edits, leave_one_out=out)["x"].summary for out in (False, True))
        assert seen.auc > 0.8
        assert unseen.auc < 0.6
        assert unseen.edited > seen.edited + 0.1

    def test_names_come_back_in_their_order_and_do_not_matter(self):
        source, a, b = faces(12, n=80), faces(13, n=80) + 1, faces(14, n=80)
        one, other = cross_fitted_fidelity(source, {"a": a, "b": b}), cross_fitted_fidelity(source, {"b": b, "a": a})
        assert list(other) == ["b", "a"]
        assert all(one[name].edited.tolist() == other[name].edited.tolist() for name in "ab")


class TestFolds:
    def test_order_of_images_does_not_show_in_a_single_bit(self):
        source, edited, order = faces(15, n=90), faces(16, n=90) + 0.5, np.random.default_rng(0).permutation(90)
        groups = np.arange(90) // 3
        for kind in (None, groups):
            moved = None if kind is None else kind[order]
            one = cross_fitted_realness(source, edited, kind)
            assert cross_fitted_realness(source[order], edited[order], moved).tolist() == one[order].tolist()

    def test_folds_are_of_one_size_and_follow_the_seed(self):
        one, other = (cross_fitted_fidelity(faces(), {"m": faces(1)}, seed=s)["m"].fold for s in (0, 1))
        assert np.bincount(one).tolist() == [60] * 5
        assert not np.array_equal(one, other)

    def test_images_of_one_person_are_left_out_together(self):
        groups = np.random.default_rng(1).integers(0, 40, 300)
        fold = cross_fitted_fidelity(faces(), {"m": faces(1)}, groups)["m"].fold
        assert all(len(np.unique(fold[groups == g])) == 1 for g in np.unique(groups))
        assert np.bincount(fold).min() > 40

    def test_equal_sources_are_left_out_together(self):
        source = np.repeat(faces(17, n=50), 4, axis=0)
        fold = cross_fitted_fidelity(source, {"m": faces(18, n=200)})["m"].fold
        assert (fold.reshape(50, 4) == fold.reshape(50, 4)[:, :1]).all()

    def test_people_who_look_always_the_same_way_are_not_held_against_the_editor(self):
        # an edit that moves each person by a step of their own tells nothing about other people's edits
        rng = np.random.default_rng(2)
        person = np.repeat(np.arange(30), 10)
        look, step = 5 * rng.standard_normal((30, 12)), 2 * rng.standard_normal((30, 12))
        source = look[person] + 0.1 * rng.standard_normal((300, 12))
        edited = source + step[person]
        apart = cross_fitted_fidelity(source, {"m": edited}, person)["m"].summary
        assert apart.auc == pytest.approx(0.5, abs=0.15)


class TestInput:
    @pytest.mark.parametrize(
        ("edits", "options", "message"),
        [
            ({}, {}, "at least 1 editors"),
            ({"m": faces(1)}, {"leave_one_out": True}, "at least 2 editors"),
            ({"m": faces(1)[:-1]}, {}, "of one shape"),
            ({"m": faces(1)[:, :2]}, {}, "of one shape"),
            ({"m": np.full((300, 4), np.nan)}, {}, "edited features of m without NaN"),
            ({"m": faces(1)}, {"folds": 1}, "at least two folds"),
            ({"m": faces(1)}, {"groups": np.arange(300) // 100}, "at least 5 groups"),
            ({"m": faces(1)}, {"groups": np.zeros(300)}, "at least two groups"),
            ({"m": faces(1)}, {"groups": [1, 2]}, "groups of shape"),
        ],
    )
    def test_refused(self, edits, options, message):
        with pytest.raises(InputError, match=message):
            cross_fitted_fidelity(faces(), edits, **options)

    def test_features_that_say_nothing(self):
        with pytest.raises(InputError, match="that differ between images"):
            cross_fitted_realness(np.ones((20, 3)), faces(0, 20, 3))

    def test_so_few_images_that_the_judge_is_weak(self):
        with pytest.warns(SmallSampleWarning, match="nearer to 0.5 than they should be"):
            cross_fitted_realness(faces(0, 20, 40), faces(1, 20, 40))


def test_realness_is_that_of_the_held_out_logits():
    source, edited = faces(19, n=50), faces(20, n=50) + 1
    judged = cross_fitted_fidelity(source, {"edits": edited})["edits"]
    assert cross_fitted_realness(source, edited).tolist() == realness(judged.edited).tolist()
