# SPDX-License-Identifier: MIT
"""Adversarial faces: attacks whose success is known, detectors that must and must not find them, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import SIZE, people_faces, people_given, people_pairs
from toy_recogniser import judged
from toy_runs import TOY

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.data.procfaces import population
from faceeval.data.procfaces.render import render
from faceeval.errors import InputError
from faceeval.experiment import run_experiment
from faceeval.judges import load_judge
from faceeval.method import MethodCard
from faceeval.protocols.adversarial_trial import CONTROLS, Task
from faceeval.protocols.adversarial_values import MEASURES, PRINTED
from faceeval.protocols.panel import Panel

PLACES = (0.05, 0.2)
MIDDLE = 115  # colour of nobody, to toy judges and recognisers
FAST = {"thresholds": PLACES, "search_steps": 4, "steps": 30, "cell": 8}


def speckled(people=20):
    """Toy people who are not far apart, and whose skin has a grain: flat faces all have one texture."""
    faces = people_faces(people)
    grain = np.random.default_rng(5).integers(-2, 3, (len(faces), 3, SIZE, SIZE))

    def read(rows):
        return (MIDDLE + (faces.read(rows).astype(np.int64) - MIDDLE) // 4 + grain[rows]).astype(np.uint8)

    return replace(faces, read=read)


class Brow(torch.nn.Module):
    """Sees the upper half of a face only, and the judge the middle: one can be misled and not the other."""

    def forward(self, images):
        return images[:, :, 4:8, 4:12].mean((2, 3)) * 2 - 0.9


class Painter:
    """Draws people by what its recogniser takes for their colour, so that the misled draw somebody else."""

    def __init__(self, name="painter", draw="seen", see=None, size=None):
        self.card = MethodCard(name=name, parts=("identity",), image_size=size)
        self.draw, self.see = draw, see or Brow().eval()

    def recogniser(self):
        return self.see

    def reconstruct(self, images):
        if self.draw == "input":
            return images.clone()
        if self.draw == "grey":
            return torch.full_like(images, 128)
        drawn = images.clone()
        colour = (Brow()(images / 255.0) + 0.9) / 2 * 255
        drawn[:, :, 4:12, 4:12] = colour.round().clamp(0, 255).byte()[:, :, None, None]
        return drawn


def attack(*methods, given=None, **options):
    methods = methods or (Painter(),)
    given = given or people_given(panel=judged(), count=3, faces={"test": speckled()})
    return run_experiment("adversarial", methods, given, benchmark=TOY, options=FAST | options)


@pytest.fixture(scope="module")
def swept():
    return attack()


def value(sweep, key, curve="painter", place=0):
    return sweep.curve(curve).points[place].values[key].value


def test_attacks_succeed_and_cost_more_the_closer_they_must_come(swept):
    assert [value(swept, "attack_success_rate", place=place) for place in (0, 1)] == [1.0, 1.0]
    norms = swept.per_image("painter", "norm")
    assert np.subtract(*norms[~np.isnan(norms).any(axis=1)].T).mean() > 0
    assert value(swept, "attack_norm") == pytest.approx(np.nanmean(norms[:, 0]), abs=1e-12)
    after, before = (swept.per_image("painter", key) for key in ("distance", "distance_before"))
    assert (after < np.array(PLACES)).all()
    assert np.array_equal(np.isnan(norms), before < np.array(PLACES))
    share = np.isnan(norms[:, 1]).mean()
    assert value(swept, "already_below_rate", place=1) == pytest.approx(share)


def test_a_generator_that_draws_what_is_seen_draws_the_misled_as_somebody_else(swept):
    assert value(swept, "turned_rate") > 0.9
    assert value(swept, "honest_turned_rate") == 0.0
    assert value(swept, "judge_misled_rate") < 0.5
    assert value(swept, "judge_detection_auc") > 0.9
    assert value(swept, "adversarial_reconstruction_distance") > 5 * value(swept, "honest_reconstruction_distance")
    assert swept.summary.lead.startswith("painter, threshold 0.05: texture of picture and reconstruction tells ")


def test_controls(swept):
    assert [curve.name for curve in swept.summary.curves] == [
        "painter", *(f"painter, {control}" for control in CONTROLS), "chance",
    ]  # fmt: skip
    returned = "painter, input returned"
    assert swept.curve(returned).kind == "identity"
    assert value(swept, "judge_detection_accuracy", returned) == 0.5
    assert value(swept, "adversarial_reconstruction_distance", returned) == 0.0
    assert value(swept, "turned_rate", returned) == value(swept, "judge_misled_rate")
    assert value(swept, "turned_rate", "painter, target returned") == 1.0
    assert value(swept, "honest_turned_rate", "painter, target returned") == 0.0
    assert value(swept, "attack_success_rate", "painter, shuffled change") < 0.2
    assert value(swept, "detection_accuracy", "chance") == 0.5


def test_a_generator_that_returns_its_input_is_its_own_control():
    sweep = attack(Painter("copy", draw="input"))
    for key in ("detection_accuracy", "judge_detection_accuracy", "turned_rate"):
        assert value(sweep, key, "copy") == value(sweep, key, "copy, input returned")
    assert value(sweep, "detection_accuracy_image", "copy") == value(sweep, "detection_accuracy_reconstruction", "copy")


def test_pictures_that_are_all_alike_tell_nothing_and_stop_nobody():
    point = attack(Painter("blind", draw="grey")).curve("blind").points[0]
    assert "no row in two folds" in point.absent["detection_accuracy_reconstruction"]
    assert "detection_accuracy" in point.values


def test_every_key_has_a_number_or_a_reason(swept):
    for curve in swept.summary.curves:
        for point in curve.points:
            assert set(point.values) | set(point.absent) == set(MEASURES)
            assert not set(point.values) & set(point.absent)
            assert all(point.absent.values())


def test_the_same_run_gives_the_same_numbers(swept):
    again = attack()
    assert again.summary.curves == swept.summary.curves
    assert again.images == swept.images
    assert np.array_equal(again.tiles, swept.tiles)


def test_pairs_are_attacked_both_ways_and_chosen_by_hash(swept):
    task = Task.of(speckled(), people_given(count=3))
    assert len(task.source) == 2 * 3 * 4 == swept.summary.settings["attacks"]
    half = len(task.source) // 2
    assert np.array_equal(task.source[:half], task.target[half:])
    assert len(set(task.names)) == len(task.names)
    shuffled = people_pairs()["pairs.txt"]
    order = np.random.default_rng(0).permutation(len(shuffled.same))
    first, second = (tuple(side[row] for row in order) for side in (shuffled.first, shuffled.second))
    turned = FacePairs(shuffled.path, first, second, shuffled.same[order], shuffled.folds[order])
    other = Task.of(speckled(), people_given(count=3, pairs={"pairs.txt": turned}))
    assert other.names == task.names


def test_what_is_shown_and_said(swept):
    rows = swept.summary.grid.rows
    assert len(rows) == 3 * len(PLACES)
    assert rows[0].name == rows[1].name
    assert rows[0].shown.startswith("threshold 0.05, norm ")
    assert swept.tiles.shape == (6, 7, 3, SIZE, SIZE)
    assert "quick look" in swept.summary.notices[0]
    assert PRINTED.rows == {"OSIP": ("82.58 %", "", "87.18 %", "92.41 %")}


def test_a_threshold_nobody_reaches_is_counted_and_left_out():
    class Constant(torch.nn.Module):
        """Says nearly the same of every face, but of faces with a bright left upper corner."""

        def forward(self, images):
            side = (images[:, 0, 0, 0] > 0.5).to(images.dtype)
            return torch.stack([1 - side, side], 1) + 0 * images.sum((1, 2, 3))[:, None]

    sweep = attack(Painter("stubborn", see=Constant().eval()))
    points = sweep.curve("stubborn").points
    assert [point.values["attack_success_rate"].value for point in points] == [0.0, 0.0]
    assert points[0].absent["detection_accuracy"] == "no attack got below 0.05"
    assert "could not be brought below it" in " ".join(sweep.summary.notices)
    assert "too few attacks succeeded" in sweep.summary.lead
    assert len(sweep.summary.grid.rows) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"thresholds": ()}, "different thresholds"),
        ({"thresholds": (0.4, 0.4)}, "different thresholds"),
        ({"thresholds": (4.0,)}, "below 4"),
        ({"thresholds": (float("nan"),)}, "below 4"),
        ({"steps": 0}, "at least one step"),
        ({"radius": 3}, "radius of 1 or 2"),
        ({"cell": 17}, "no larger than the image"),
        ({"cell": 1}, "cells larger"),
    ],
)
def test_senseless_options(options, said):
    with pytest.raises(InputError, match=said):
        attack(**options)


def test_pairs_that_cannot_be_used():
    pairs = people_pairs()["pairs.txt"]

    def given(pairs=pairs, **changes):
        return people_given(
            **{"panel": judged(), "pairs": {"pairs.txt": pairs}, "faces": {"test": speckled()}} | changes
        )

    with pytest.raises(InputError, match="P19"):
        attack(given=given(faces={"test": speckled(19)}, count=99))
    with pytest.raises(InputError, match="at least 1 pair"):
        attack(given=given(count=0))
    with pytest.raises(InputError, match="at least two folds"):
        attack(given=given(replace(pairs, folds=np.zeros_like(pairs.folds))))
    with pytest.raises(InputError, match="two people in at least two folds"):
        attack(given=given(replace(pairs, same=np.ones_like(pairs.same))))
    with pytest.raises(InputError, match="share people"):
        attack(given=given(replace(pairs, folds=np.arange(len(pairs.folds)) % 2), count=99))
    with pytest.raises(InputError, match="judge of identity"):
        attack(given=people_given(faces={"test": speckled()}))


def test_one_fold_left_is_no_test_of_a_detector():
    pairs = people_pairs()["pairs.txt"]
    # the recogniser takes everybody of the other folds for one person, so only one fold has anybody to attack
    alike = {name for name, fold in zip(pairs.first + pairs.second, (*pairs.folds, *pairs.folds), strict=True) if fold}
    faces = speckled()
    same = np.array([name in alike for name in faces.names])

    def read(rows):
        images = faces.read(rows)
        images[same[rows]] = 90
        return images

    sweep = attack(given=people_given(panel=judged(), count=3, faces={"test": replace(faces, read=read)}))
    point = sweep.curve("painter").points[0]
    assert "one fold only" in point.absent["detection_accuracy"]
    assert "turned_rate" in point.values
    assert value(sweep, "already_below_rate") == 0.75


def test_recognisers_that_cannot_be_attacked():
    class Odd(torch.nn.Module):
        def __init__(self, change):
            super().__init__()
            self.change = change

        def forward(self, images):
            return self.change(Brow()(images), images)

    changes = {
        "finite codes": lambda codes, images: codes * float("nan"),
        "codes of 3 numbers, as before": lambda codes, images: codes if len(images) > 9 else codes[:, :2],
        "features of shape": lambda codes, images: codes[0],
        "with a gradient": lambda codes, images: codes.detach(),
    }
    for said, change in changes.items():
        with pytest.raises(InputError, match=said):
            attack(Painter(see=Odd(change).eval()))
    with pytest.raises(InputError, match="eval mode"):
        attack(Painter(see=Brow().train()))
    with pytest.raises(InputError, match="can be called"):
        attack(Painter(see=3))
    with pytest.raises(InputError, match="lacks reconstruct"):
        attack(type("Half", (), {"card": MethodCard(name="half"), "recogniser": lambda self: Brow().eval()})())


class Judged:
    """The judge's network as the recogniser of a generator that blurs."""

    def __init__(self, judge):
        self.card = MethodCard(name="blur", weights_sha256=judge.weights_sha256)
        self.network = judge.network

    def recogniser(self):
        return lambda images: self.network(images * 2 - 1)["embedding"]

    def reconstruct(self, images):
        return torch.nn.functional.avg_pool2d(images.float(), 3, 1, 1, count_include_pad=False).round().byte()


def test_the_shipped_judge_attacked_on_drawn_faces():
    people = [0, 1, 2, 3]
    rows = [300 + person * population.IMAGES_PER_IDENTITY for person in people]
    images = np.stack([render(population.sample_factors(row), 64).image for row in rows])
    names = tuple(f"P{person}/P{person}_0001.jpg" for person in people)
    faces = FaceSet("drawn", "test", 64, names, "drawn", lambda rows: images[rows], identities=np.array(people))
    path = people_pairs()["pairs.txt"].path
    pairs = FacePairs(path, names[::2], names[1::2], np.zeros(2, bool), np.array([0, 1]))
    judge = load_judge("procfaces")
    given = people_given(panel=Panel({"identity": judge}), faces={"test": faces}, pairs={"pairs.txt": pairs}, count=1)
    sweep = attack(Judged(judge), given=given, thresholds=(0.6,), search_steps=1, steps=12, cell=16)
    assert value(sweep, "attack_success_rate", "blur") == 1.0
    # the network that is attacked is misled itself; as a judge it is useless, and the run says so
    assert value(sweep, "judge_misled_rate", "blur") == 1.0
    assert "proves nothing" in " ".join(sweep.summary.notices)
    assert value(sweep, "attack_success_rate", "blur, shuffled change") == 0.0
