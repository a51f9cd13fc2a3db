# SPDX-License-Identifier: MIT
"""Identity leakage: what is planted is found, what is not is not, and the split keeps near-duplicates together."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.metrics import LEAKAGE_MLP, MLPSettings, identity_leakage, identity_probe
from faceeval.metrics.probes import PARTS, _dealt

QUICK = MLPSettings(hidden=(32,), epochs=15, batch=32, learning_rate=0.01)
PEOPLE = np.repeat(np.arange(8), 20)


def one_hot(noise=0.1, seed=0, people=PEOPLE):
    return np.eye(people.max() + 1)[people] + noise * np.random.default_rng(seed).standard_normal(
        (len(people), people.max() + 1)
    )


def nothing(seed=1, people=PEOPLE, dim=8):
    return np.random.default_rng(seed).standard_normal((len(people), dim))


class TestPlanted:
    def test_defaults_are_the_protocols(self):
        assert (LEAKAGE_MLP.hidden, LEAKAGE_MLP.dropout, LEAKAGE_MLP.learning_rate) == ((512, 512), 0.2, 1e-3)
        assert (LEAKAGE_MLP.epochs, LEAKAGE_MLP.batch) == (30, 256)
        summary = identity_leakage(one_hot(), PEOPLE)
        assert summary.accuracy == summary.train_accuracy == 1.0
        assert (summary.leakage, summary.ceiling_accuracy) == (None, None)
        assert (summary.n_identities, summary.n_held_out, summary.dimensions) == (8, 32, 8)

    def test_identity_and_noise_is_found_by_all_and_controls_are_at_chance(self):
        summary = identity_leakage(one_hot(), PEOPLE, one_hot(seed=5), settings=QUICK, folds=3)
        assert min(summary.accuracy, summary.linear_accuracy, summary.ceiling_accuracy) > 0.98
        assert summary.chance == summary.majority_accuracy == 1 / 8
        assert summary.standard_error == pytest.approx(np.sqrt(1 / 8 * 7 / 8 / 96))
        for control in (summary.shuffled_accuracy, summary.noise_accuracy):
            assert abs(control - summary.chance) < 3 * summary.standard_error

    def test_pure_noise_is_at_chance(self):
        summary = identity_leakage(nothing(), PEOPLE, one_hot(), settings=QUICK, folds=3)
        assert abs(summary.accuracy - summary.chance) < 3 * summary.standard_error
        assert abs(summary.leakage) < 0.1
        # it learns by heart, far beyond chance, which is why training images do not count
        assert summary.train_accuracy > summary.chance + 6 * summary.standard_error

    def test_the_ceiling_itself_leaks_exactly_one(self):
        rows = one_hot(noise=0.6)
        assert identity_leakage(rows, PEOPLE, rows, settings=QUICK).leakage == 1.0

    def test_more_signal_leaks_more(self):
        values = [
            identity_leakage(one_hot(noise, seed=3), PEOPLE, one_hot(), settings=QUICK, folds=2).leakage
            for noise in (0.1, 0.6, 3.0)
        ]
        assert values[0] > values[1] + 0.1 > values[2] + 0.2

    def test_what_a_line_cannot_see_the_perceptron_does(self):
        people = np.repeat([0, 1], 150)
        directions = nothing(dim=2, people=people)
        rows = (1.0 + 2.0 * people[:, None]) * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        summary = identity_leakage(rows, people, settings=QUICK)
        assert summary.accuracy > 0.95
        assert summary.linear_accuracy < 0.7

    def test_majority_is_what_constant_answers_reach(self):
        people = np.repeat([0, 1, 2], [60, 20, 20])
        summary = identity_leakage(nothing(people=people), people, settings=QUICK)
        assert (summary.majority_accuracy, summary.n_held_out) == (0.6, 20)


class TestSplit:
    def test_photos_of_one_event_feign_leakage_unless_grouped(self):
        events = np.arange(len(PEOPLE)) // 2
        rows = nothing(dim=16)[events] + 0.01 * nothing(seed=2, dim=16)
        apart = identity_leakage(rows, PEOPLE, settings=QUICK)
        together = identity_leakage(rows, PEOPLE, groups=events, settings=QUICK)
        assert apart.accuracy > 0.5
        assert abs(together.accuracy - together.chance) < 3 * together.standard_error

    def test_held_out_are_those_that_select_would_choose(self):
        _, parts = _dealt(PEOPLE, np.arange(len(PEOPLE)), 1)
        for person in range(8):
            names = [str(i) for i in np.flatnonzero(np.equal(PEOPLE, person))]
            chosen = select(4, names, f"faceeval/1/ipgan/leak/{person}")
            assert sorted(chosen, key=int) == [str(i) for i in np.flatnonzero(np.equal(PEOPLE, person) & (parts == 0))]

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(2, 13), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
    def test_every_person_is_in_training_and_groups_stay_whole(self, counts, seed):
        people = np.repeat(np.arange(len(counts)), 2 * np.array(counts))
        groups = np.concatenate([np.repeat(np.arange(n), 2) for n in counts])
        order = np.random.default_rng(seed).permutation(len(people))
        _, parts = _dealt(people[order], groups[order], 1)
        parts_as_before = np.empty_like(parts)
        parts_as_before[order] = parts
        assert np.array_equal(parts_as_before, _dealt(people, groups, 1)[1])
        assert np.array_equal(parts_as_before[::2], parts_as_before[1::2])
        for person, count in enumerate(counts):
            sizes = np.bincount(parts_as_before[people == person], minlength=PARTS) // 2
            assert sizes.sum() == count
            assert 1 <= sizes[0] == np.ceil(count / PARTS)
            assert sizes.max() - sizes.min() <= 1
            assert sizes.max() < count

    def test_order_and_unit_do_not_matter(self):
        rows, photos = one_hot(noise=0.7), np.arange(1000, 1160)
        wanted = identity_leakage(rows, PEOPLE, groups=photos, settings=QUICK)
        order = np.random.default_rng(4).permutation(len(PEOPLE))
        moved = identity_leakage(rows[order], PEOPLE[order], groups=photos[order], settings=QUICK)
        assert asdict(moved) == pytest.approx(asdict(wanted))
        scaled = identity_leakage(rows * np.geomspace(1e-3, 1e3, 8) + 5, PEOPLE, groups=photos, settings=QUICK)
        assert asdict(scaled) == pytest.approx(asdict(wanted))

    def test_seed_decides_everything(self):
        rows = one_hot(noise=0.7)
        first, again, other = (identity_leakage(rows, PEOPLE, settings=QUICK, seed=s) for s in (1, 1, 2))
        assert first == again
        assert first != other

    def test_all_folds_hold_out_every_image_once(self):
        assert identity_leakage(one_hot(), PEOPLE, settings=replace(QUICK, epochs=1), folds=5).n_held_out == 160


class TestOneProbe:
    """One classifier on a split of one's own."""

    HELD = np.arange(len(PEOPLE)) % 5 == 0

    def test_what_is_planted_is_found_and_the_last_epoch_is_the_answer(self):
        found = identity_probe(one_hot(), PEOPLE + 40, self.HELD, QUICK)
        assert len(found.accuracies) == len(found.train_accuracies) == QUICK.epochs
        assert found.accuracies[0] < found.accuracies[-1] == found.right.mean() == 1.0
        assert np.array_equal(found.named, PEOPLE[self.HELD] + 40)

    def test_a_line_is_fitted_once(self):
        found = identity_probe(one_hot(noise=0.5), PEOPLE, self.HELD, None)
        assert len(found.accuracies) == 1
        assert found.accuracies[0] == found.right.mean() > 0.6

    def test_it_is_what_the_leakage_is_made_of(self):
        order, parts = _dealt(PEOPLE, np.arange(len(PEOPLE)), 1)
        rows = one_hot(noise=0.7)
        whole = identity_leakage(rows, PEOPLE, settings=QUICK, seed=5)
        for probe, wanted in ((QUICK, whole.accuracy), (None, whole.linear_accuracy)):
            ours = identity_probe(rows[order], PEOPLE[order], parts[order] == 0, probe, seed=5)
            assert ours.accuracies[-1] == wanted

    def test_people_exchanged_are_learnt_by_heart_and_found_by_nobody(self):
        found = identity_probe(one_hot(), PEOPLE, self.HELD, replace(QUICK, epochs=60, dropout=0.0), shuffled=True)
        assert found.train_accuracies[-1] > 0.3
        assert abs(found.accuracies[-1] - 1 / 8) < 4 * np.sqrt(1 / 8 * 7 / 8 / self.HELD.sum())

    @pytest.mark.parametrize(
        ("people", "held", "said"),
        [
            (PEOPLE, np.zeros(160, bool), "0 of 160"),
            (PEOPLE, np.ones(160, bool), "160 of 160"),
            (PEOPLE, PEOPLE == 3, "such as person 3"),
            (PEOPLE * 0, np.arange(160) < 4, "two people"),
            (PEOPLE, np.arange(160) % 5, "some images held out"),
            (PEOPLE, np.arange(159) < 4, "of one shape"),
        ],
    )
    def test_splits_that_are_none_are_refused(self, people, held, said):
        with pytest.raises(InputError, match=said):
            identity_probe(one_hot(), people, held, QUICK)

    def test_codes_that_are_none_are_refused(self):
        with pytest.raises(InputError, match="160 equal rows"):
            identity_probe(np.ones((160, 3)), PEOPLE, self.HELD, QUICK)
        with pytest.raises(InputError, match="NaN"):
            identity_probe(np.full((160, 3), np.nan), PEOPLE, self.HELD, QUICK)


class TestRefused:
    @pytest.mark.parametrize(
        ("people", "text"), [(np.zeros(160), "1 people"), (np.arange(160), "1 group for person 0")]
    )
    def test_too_few_people_or_images(self, people, text):
        with pytest.raises(InputError, match=text):
            identity_leakage(one_hot(), people, settings=QUICK)

    def test_all_photos_of_one_event(self):
        with pytest.raises(InputError, match="1 group for person 0"):
            identity_leakage(one_hot(), PEOPLE, groups=PEOPLE, settings=QUICK)

    def test_constant_embeddings(self):
        with pytest.raises(InputError, match="160 equal rows"):
            identity_leakage(np.ones((160, 3)), PEOPLE, settings=QUICK)

    def test_a_ceiling_that_is_none(self):
        with pytest.raises(InputError, match="identity_embeddings that tell people apart"):
            identity_leakage(one_hot(), PEOPLE, nothing(), settings=QUICK)

    @pytest.mark.parametrize("folds", [0, 6, 1.5])
    def test_senseless_folds(self, folds):
        with pytest.raises(InputError, match="1 to 5 folds"):
            identity_leakage(one_hot(), PEOPLE, settings=QUICK, folds=folds)

    def test_folds_without_images(self):
        with pytest.raises(InputError, match="none of them empty"):
            identity_leakage(one_hot()[::10], PEOPLE[::10], settings=QUICK, folds=5)

    def test_lengths_that_do_not_pair(self):
        for broken in ({"identity_embeddings": one_hot()[:-1]}, {"groups": PEOPLE[:-1]}):
            with pytest.raises(InputError, match="of one shape"):
                identity_leakage(one_hot(), PEOPLE, settings=QUICK, **broken)
