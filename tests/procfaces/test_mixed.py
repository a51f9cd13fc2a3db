# SPDX-License-Identifier: MIT
"""True transfers and morphs: whose every factor is, that the ends are the pictures themselves, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faceeval.data.dialects import mixed as module
from faceeval.data.dialects import multipie
from faceeval.data.dialects.mixed import FACTORS, between, mixed, morphed, transferred, true_morphs, true_transfers
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces.population import SPLITS, sample_factors
from faceeval.data.procfaces.render import render
from faceeval.errors import InputError

SIZE = 24
ONE, OTHER = sample_factors(9000), sample_factors(9405)
FRONT, SIDE_LIT, TURNED, SMILE, SURPRISE = (multipie.factors(450 * 6 + condition) for condition in (0, 1, 2, 4, 5))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keeps what is rendered in a folder of the test's own."""
    monkeypatch.setattr(module, "dialect_folder", lambda dialect, source: tmp_path / dialect)
    return tmp_path


def named(*names, data="procfaces"):
    """Faces of which nothing is known but their names."""
    return FaceSet(data, "test", SIZE, names, "0" * 64, lambda rows: np.zeros((len(rows), 3, SIZE, SIZE), np.uint8))


def rows(*values):
    return np.array(values, np.int64)


def test_all_factors_make_the_giver_and_none_the_taker():
    assert mixed(ONE, OTHER, FACTORS) == ONE
    assert mixed(ONE, OTHER, ()) == OTHER


@pytest.mark.parametrize("factor", FACTORS)
def test_one_factor_and_all_others_make_up_both_faces(factor):
    taken, rest = mixed(ONE, OTHER, (factor,)), mixed(OTHER, ONE, [other for other in FACTORS if other != factor])
    assert taken == rest
    assert taken not in (ONE, OTHER)
    assert (taken.identity == ONE.identity) == (factor == "identity")
    assert (taken.pose == ONE.pose) == (factor == "pose")
    assert (taken.mimic == ONE.mimic) == (factor == "expression")
    assert (taken.style == ONE.style) == (factor == "style")
    assert taken.attributes.male == (ONE if factor == "identity" else OTHER).attributes.male


def test_a_woman_has_no_beard_whoever_lends_it():
    pictures = [sample_factors(index) for index in range(9000, 9400)]
    bearded = next(picture for picture in pictures if not picture.attributes.no_beard)
    woman = next(picture for picture in pictures if not picture.attributes.male)
    assert mixed(woman, bearded, ("identity",)).attributes.no_beard
    assert not mixed(bearded, bearded, ("identity",)).attributes.no_beard


def test_rendered_transfers_are_those_of_the_factors_and_are_kept(kept):
    faces = named("procfaces-09000", "procfaces-09405")
    made = true_transfers(faces, rows(0, 1, 0), rows(1, 0, 1), [FACTORS, ("pose",), ("identity", "style")], workers=1)
    assert made.shape == (3, 3, SIZE, SIZE)
    np.testing.assert_array_equal(made[0], render(ONE, SIZE).image)
    np.testing.assert_array_equal(made[1], render(mixed(OTHER, ONE, ("pose",)), SIZE).image)
    np.testing.assert_array_equal(made[2], render(mixed(ONE, OTHER, ("identity", "style")), SIZE).image)
    assert len(list(kept.rglob("*.npz"))) == 1
    again = true_transfers(faces, rows(1), rows(0), [("pose",)], workers=1)
    np.testing.assert_array_equal(again[0], made[1])
    assert len(list(kept.rglob("*.npz"))) == 1


def test_pictures_of_the_role_of_multipie_are_known_too(kept):
    faces = named("450_01_01_051_07", "450_01_01_041_07", "451_01_01_051_07", data="procfaces:multipie")
    made = true_transfers(faces, rows(1), rows(0), [("pose",)], workers=1)
    np.testing.assert_array_equal(made[0], render(replace(FRONT, pose=TURNED.pose), SIZE).image)


@pytest.mark.parametrize("faces", [named("procfaces-09000", data="celeba"), named("face-1"), named("0450/1/0003")])
def test_other_faces_have_no_known_answer(faces):
    assert true_transfers(faces, rows(0), rows(0), [("pose",)], workers=1) is None
    assert true_morphs(faces, rows(0), rows(0), rows(0), np.array([0.5]), workers=1) is None


def test_a_path_begins_and_ends_with_the_pictures_themselves():
    quiet = replace(FRONT.style, noise=0.0)
    first = replace(FRONT, style=quiet)
    for end in (SIDE_LIT, TURNED, SMILE):
        second = replace(end, style=replace(end.style, noise=0.0))
        np.testing.assert_array_equal(render(between(first, second, 0.0), 32).image, render(first, 32).image)
        np.testing.assert_array_equal(render(between(first, second, 1.0), 32).image, render(second, 32).image)


def test_half_way_is_half_of_each():
    assert between(FRONT, TURNED, 0.5).pose.yaw == pytest.approx((FRONT.pose.yaw + TURNED.pose.yaw) / 2)
    assert between(FRONT, SIDE_LIT, 0.25).style.light == (-15.0, 15.0)
    smiling = between(FRONT, SMILE, 0.5)
    assert smiling.attributes.smiling
    assert smiling.mimic.smile_intensity == pytest.approx(multipie.INTENSITY / 2)
    anger = replace(FRONT, mimic=replace(FRONT.mimic, label="anger", intensity=0.8))
    assert between(FRONT, anger, 0.5).mimic.label == between(anger, FRONT, 0.5).mimic.label == "anger"
    assert between(FRONT, anger, 0.25).mimic.intensity == pytest.approx(0.2)


@pytest.mark.parametrize("pair", [(FRONT, SURPRISE), (SMILE, SURPRISE)])
def test_between_some_expressions_there_is_no_face(pair):
    with pytest.raises(InputError, match="between which lies a face"):
        between(*pair, 0.5)


def test_rendered_morphs_have_the_giver_s_person(kept):
    names = [f"{person}_{kind}" for person in (450, 451) for kind in ("01_01_051_07", "01_01_041_07", "02_02_051_07")]
    faces = named(*names, data="procfaces:multipie")
    made = true_morphs(faces, rows(3, 3), rows(0, 0), rows(1, 1), np.array([0.0, 0.5]), workers=1)
    giver = multipie.factors(451 * 6)
    for image, share in zip(made, (0.0, 0.5), strict=True):
        wanted = mixed(giver, between(FRONT, TURNED, share), ("identity",))
        np.testing.assert_array_equal(image, render(wanted, SIZE).image)
    with pytest.raises(InputError, match="between which lies a face"):
        true_morphs(faces, rows(3), rows(0), rows(2), np.array([0.5]), workers=1)
    assert len(list(kept.rglob("*.npz"))) == 1


def test_numbers_lead_back_to_the_factors():
    size, giver, taker = module.PICTURES, 9000, module.STANDARD + 450 * 6
    assert transferred((0b1001 * size + giver) * size + taker) == mixed(ONE, FRONT, ("identity", "style"))
    path = ((giver * size + taker) * size + taker + 2) * (module.STEPS + 1) + 250
    assert morphed(path) == mixed(ONE, between(FRONT, TURNED, 0.25), ("identity",))
    assert (size**3 + 1) * (module.STEPS + 1) < 2**63
    assert max(indices.stop for indices in SPLITS.values()) == module.STANDARD
    assert max(multipie.rendered_split(split).indices.stop for split in SPLITS) + module.STANDARD == size
