# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_chains import Dial
from toy_faces import Painter, ToyJudge, toy_faces
from toy_runs import TOY, toy_panel

from faceeval.errors import InputError, UnknownNameError
from faceeval.metrics import identity_similarity, pixel_rmse, strength_monotonicity
from faceeval.protocols.chosen import choose
from faceeval.protocols.panel import Panel
from faceeval.protocols.strength import STEPS
from faceeval.protocols.strength_values import STRENGTH_MEASURES, STRENGTH_WHOLES
from faceeval.sweep import score_strength

PLACES = (-2.0, 0.0, 1.0, 2.0)


def dial(method=None, attribute="Eyeglasses", faces=None, judges=None, **options):
    options = {"benchmark": TOY, "n_per_class": 15, "batch_size": 8, "strengths": PLACES} | options
    judges = Panel(toy_panel()) if judges is None else judges
    faces = toy_faces() if faces is None else faces
    return score_strength(Dial() if method is None else method, faces, attribute, judges=judges, **options)


@pytest.fixture(scope="module")
def made():
    return dial()


def by_hand(strength):
    faces = toy_faces()
    source = choose(faces, "Eyeglasses", 15).read(np.arange(30))
    edited = Dial().edit_strength(torch.from_numpy(source), "Eyeglasses", torch.full((30,), strength))
    return source, edited.numpy()


def look(images):
    return ToyJudge()(torch.from_numpy(images))


def test_each_point_is_what_the_judges_see_at_that_strength(made):
    logits = []
    for place, strength in enumerate(PLACES):
        source, edited = by_hand(strength)
        before, after = look(source), look(edited)
        values = made.curve("dial").points[place].values
        probability = 1 / (1 + np.exp(-after["attributes"][:, 0].astype(np.float64)))
        assert values["attribute_probability"].value == pytest.approx(probability.mean())
        assert values["attribute_probability_with"].value == pytest.approx(probability[:15].mean())
        assert values["attribute_probability_without"].value == pytest.approx(probability[15:].mean())
        similarity = identity_similarity(before["embedding"], after["embedding"])
        assert values["identity_similarity"].value == pytest.approx(similarity.mean())
        assert values["pixel_rmse_error"].value == pytest.approx(pixel_rmse(source, edited).mean())
        assert made.per_image("dial", "attribute_probability")[:, place] == pytest.approx(probability)
        logits.append(after["attributes"][:, 0])
    tau = strength_monotonicity(np.stack(logits, axis=1))
    assert made.curve("dial").whole["strength_monotonicity"].value == pytest.approx(tau.mean())


def test_a_dial_that_turns_one_way_is_told_from_one_that_does_not(made):
    whole = made.curve("dial").whole
    assert set(whole) == set(STRENGTH_WHOLES)
    assert whole["strength_monotonicity"].value > 0.8
    assert whole["probability_span"].value > 0.5
    assert whole["curve_fall"].value == pytest.approx(0, abs=1e-6)

    class Broken(Dial):
        def edit_strength(self, images, attribute, strength):
            return super().edit_strength(images, attribute, -strength)

    turned = (-2.0, -1.0, 0.0, 1.0, 2.0)
    whole, broken = (dial(method, strengths=turned).curve("dial").whole for method in (Dial(), Broken()))
    assert broken["strength_monotonicity"].value == pytest.approx(-whole["strength_monotonicity"].value)
    assert broken["curve_fall"].value == pytest.approx(whole["probability_span"].value)


def test_doing_nothing_is_a_flat_line_at_strength_nought(made):
    identity, method = made.curve("identity"), made.curve("dial")
    assert identity.kind == "identity"
    assert identity.points[0].values == identity.points[-1].values
    assert identity.whole["strength_monotonicity"].value == 0
    zero = PLACES.index(0.0)
    for measure, value in identity.points[zero].values.items():
        assert method.points[zero].values[measure].value == pytest.approx(value.value), measure


def test_eleven_strengths_over_the_range_by_default():
    axis = dial(strengths=None, n_per_class=2).summary.axis
    assert len(axis.places) == STEPS
    assert (axis.places[0], axis.places[5], axis.places[-1]) == (-2.0, 0.0, 2.0)
    assert axis.ticks[:2] == ("-2", "-1.6")
    assert dial(strengths=(1.0, -1.0), n_per_class=2).summary.axis.places == (-1.0, 1.0)


def test_numbers_do_not_depend_on_the_batch_size(made):
    other = dial(batch_size=1000)
    for one, two in zip(made.summary.curves, other.summary.curves, strict=True):
        for first, second in zip(one.points, two.points, strict=True):
            assert first.values.keys() == second.values.keys()
            assert all(first.values[key].value == pytest.approx(second.values[key].value) for key in first.values)
    np.testing.assert_array_equal(made.tiles, other.tiles)


def test_strips_show_the_source_and_every_strength(made):
    grid = made.summary.grid
    assert grid.columns == ("source", "-2", "0", "1", "2")
    assert [row.shown for row in grid.rows] == ["with"] * 3 + ["without"] * 3
    np.testing.assert_array_equal(made.tiles[:, 0], made.tiles[:, 2])


@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        ((-3.0, 0.0), "within -2 .. 2"),
        ((0.0, float("nan")), "within"),
        ((0.0,), "two strengths"),
        ((), "two strengths"),
        ((1.0, 1.0), "each once"),
    ],
)
def test_strengths_that_make_no_curve_are_refused(strengths, message):
    with pytest.raises(InputError, match=message):
        dial(strengths=strengths)


def test_methods_that_do_not_suit_are_refused():
    with pytest.raises(InputError, match="no such knob"):
        dial(Painter())
    with pytest.raises(InputError, match="Mouth_Slightly_Open"):
        dial(attribute="Mouth_Slightly_Open")
    any_attribute = Dial()
    any_attribute.card = replace(Dial.card, attributes=())
    with pytest.raises(UnknownNameError):
        dial(any_attribute, attribute="Young")
    for change, message in (({"image_size": 64}, "64 px"), ({"strengths": None}, "--strengths")):
        changed = Dial()
        changed.card = replace(Dial.card, **change)
        with pytest.raises(InputError, match=message):
            dial(changed, strengths=None)

    class Halves(Dial):
        def edit_strength(self, images, attribute, strength):
            return images.float() / 255

    with pytest.raises(InputError, match="uint8"):
        dial(Halves())


def test_a_method_cannot_change_what_it_is_compared_with():
    class Vandal(Dial):
        def edit_strength(self, images, attribute, strength):
            images[:] = super().edit_strength(images, attribute, strength)
            return images

    assert dial(Vandal()).summary.curves == dial().summary.curves


def test_without_judges_the_reasons_are_given():
    found = dial(judges=Panel({}, {"attributes": "not today"}))
    point = found.curve("dial").points[0]
    assert set(point.values) | set(point.absent) == set(STRENGTH_MEASURES)
    assert "not today" in point.absent["attribute_probability"]
    assert found.curve("dial").whole == {}
    assert any("not today" in notice for notice in found.summary.notices)
