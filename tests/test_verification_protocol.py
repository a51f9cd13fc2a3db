# SPDX-License-Identifier: MIT
"""Verification by parts of a code."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from toy_people import Eye, people_faces, people_given, people_pairs
from toy_runs import TOY

from faceeval.errors import InputError
from faceeval.experiment import run_experiment


def verify(*methods, given=None, **options):
    return run_experiment("verification", methods, given or people_given(), benchmark=TOY, options=options)


def value(sweep, key, part, method="eye"):
    place = sweep.summary.axis.ticks.index(part)
    return sweep.curve(method).points[place].values[key].value


def test_a_part_that_is_the_person_decides_every_pair_and_another_none():
    sweep = verify(Eye())
    # not 1: a fold's strangers may be more alike than all others'
    assert value(sweep, "verification_accuracy", "identity") > 0.95
    assert value(sweep, "verification_auc", "identity") == 1.0
    assert value(sweep, "equal_error_rate", "identity") == 0.0
    assert value(sweep, "tar_at_far_1e-2", "identity") == 1.0
    assert value(sweep, "development_accuracy", "identity") == 1.0
    assert abs(value(sweep, "verification_accuracy", "style") - 0.5) < 0.15
    assert sweep.summary.lead.startswith("identity of eye decides 9")


def test_the_auc_is_that_of_the_similarities_written_down():
    sweep = verify(Eye(noise=0.4))
    similar, same = sweep.per_image("eye", "similarity"), people_pairs()["pairs.txt"].same
    for place, part in enumerate(("identity", "style")):
        assert value(sweep, "verification_auc", part) == pytest.approx(
            roc_auc_score(same, similar[:, place]), abs=1e-12
        )
    far, tar = np.array(sweep.summary.plots[0].lines["eye, identity"]).T
    assert np.trapezoid(tar, far) == pytest.approx(value(sweep, "verification_auc", "identity"), abs=0.01)


def test_methods_of_different_parts_share_a_table():
    sweep = verify(Eye(), Eye("other", parts=("pose", "identity")))
    assert sweep.summary.axis.ticks == ("identity", "style", "pose")
    assert "no part" in sweep.curve("eye").points[2].absent["verification_accuracy"]
    assert np.isnan(sweep.per_image("eye", "similarity")[:, 2]).all()
    assert value(sweep, "verification_accuracy", "pose", "other") < 1


def test_codes_of_unit_length_are_ranked_alike_by_every_measure():
    class Unit(Eye):
        def embed(self, images, part):
            codes = super().embed(images, part)
            return codes / codes.norm(dim=1, keepdim=True)

    found = {measure: verify(Unit(noise=0.3), measure=measure) for measure in ("cosine", "squared_euclidean")}
    one, other = (value(sweep, "verification_auc", "identity") for sweep in found.values())
    assert one == pytest.approx(other, abs=1e-9)


def test_fewer_pairs_are_the_first_of_each_kind_and_fold():
    sweep = verify(Eye(), given=people_given(count=3), development=False)
    assert sweep.summary.settings["pairs"] == 3 * 2 * 4
    assert "quick look" in sweep.summary.notices[0]
    assert sweep.curve("eye").points[0].absent["development_accuracy"] == "not asked"
    with pytest.raises(InputError, match="at least 1 pair"):
        verify(Eye(), given=people_given(count=0))


def test_the_hardest_pairs_are_shown():
    sweep = verify(Eye(noise=0.3))
    names = [row.name for row in sweep.summary.grid.rows]
    assert names == [f"hardest, {said}, {place}" for said in ("two people", "one person") for place in (1, 2, 3)]
    assert sweep.tiles.shape[:2] == (6, 2)


def test_a_pair_without_its_image_is_an_error():
    with pytest.raises(InputError, match="P19"):
        verify(Eye(), given=people_given(faces={"test": people_faces(19)}))
