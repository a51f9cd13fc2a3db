# SPDX-License-Identifier: MIT
"""What the nearest faces share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import EACH, Eye, people_faces, people_given
from toy_runs import TOY

from faceeval.errors import InputError, UnknownNameError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.metrics import chance_angle_error, chance_precision, retrieval_angle_error, retrieval_attribute_accuracy

PLAIN = people_faces()
RNG = np.random.default_rng(0)
FACES = replace(
    PLAIN,
    expression=np.arange(120) % 8,
    attributes={"Young": (np.arange(120) % 2).astype(np.uint8), "Male": RNG.integers(0, 2, 120).astype(np.uint8)},
)


class Oracle:
    """Knows each face, and what the data say of it."""

    def __init__(self, faces=FACES, name="oracle"):
        self.card = MethodCard(name=name, parts=("identity", "pose", "expression", "style", "chaos"))
        self.rows = {image.tobytes(): row for row, image in enumerate(faces.images())}
        style = np.stack(list(faces.attributes.values()), axis=1) if faces.attributes else np.eye(len(faces))
        self.codes = {
            "identity": faces.identities[:, None] * 10.0,
            "pose": faces.pose,
            "expression": np.zeros((len(faces), 1)) if faces.expression is None else faces.expression[:, None] * 10.0,
            "style": style * 10.0,
            "chaos": np.random.default_rng(1).standard_normal((len(faces), 8)),
        }

    def embed(self, images, part):
        rows = [self.rows[image.numpy().tobytes()] for image in images]
        return torch.tensor(self.codes[part][rows], dtype=torch.float32)


def search(*methods, faces=FACES, **changes):
    options = {"k": 5, **changes.pop("options", {})}
    given = people_given(**{"faces": {"test": faces}, **changes})
    return run_experiment("retrieval", methods or (Oracle(),), given, benchmark=TOY, options=options)


def value(sweep, key, part, curve="oracle"):
    return sweep.curve(curve).points[sweep.summary.axis.ticks.index(part)].values[key].value


def test_each_part_finds_what_it_stands_for():
    sweep = search()
    assert value(sweep, "identity_precision", "identity") == 1
    assert value(sweep, "expression_precision", "expression") == 1
    assert value(sweep, "attribute_accuracy", "style") == 1
    best = retrieval_angle_error(FACES.pose, FACES.pose, 5).mean()
    assert value(sweep, "angle_error", "pose") == pytest.approx(best, abs=1e-6)
    assert sweep.summary.lead.startswith(
        "Among the 5 nearest faces, identity of oracle finds the same person in 100.0% of the places (chance 4.2%)"
    )


def test_a_code_that_knows_nothing_is_at_chance():
    sweep = search()
    for key, far in (("identity_precision", 0.03), ("expression_precision", 0.04), ("attribute_accuracy", 0.05),
                     ("angle_error", 1.0)):  # fmt: skip
        assert abs(value(sweep, key, "chaos") - value(sweep, key, "chaos", "chance")) < far
    assert value(sweep, "identity_precision", "pose", "chance") == pytest.approx(
        chance_precision(FACES.identities).mean()
    )
    assert value(sweep, "angle_error", "pose", "chance") == pytest.approx(chance_angle_error(FACES.pose).mean())


def test_pixels_find_the_same_place_or_person_and_do_not_depend_on_the_part():
    sweep = search(faces=PLAIN)
    pixels, chance = sweep.curve("pixels"), sweep.curve("chance")
    assert len(set(map(repr, pixels.points))) == 1 == len(set(map(repr, chance.points)))
    assert value(sweep, "identity_precision", "pose", "pixels") > 2 * value(
        sweep, "identity_precision", "pose", "chance"
    )


def test_neighbours_are_asked_once_and_every_image_is_written_down():
    sweep = search()
    table = sweep.per_image("oracle", "attribute_accuracy")
    parts = sweep.summary.axis.ticks
    assert table.shape == (120, 5)
    marks = np.stack(list(FACES.attributes.values()), axis=1)
    own = retrieval_attribute_accuracy(Oracle().codes["chaos"].astype(np.float32), marks, 5)
    np.testing.assert_allclose(table[:, parts.index("chaos")], own)
    assert value(sweep, "attribute_accuracy", "chaos") == pytest.approx(own.mean())


def test_parts_may_be_asked_together():
    sweep = search(options={"parts": ["pose", "pose+identity"]})
    assert sweep.summary.axis.ticks == ("pose", "pose+identity")
    assert value(sweep, "identity_precision", "pose+identity") > 2 * value(sweep, "identity_precision", "pose")
    with pytest.raises(UnknownNameError, match="did you mean 'identity'"):
        search(options={"parts": ["pose+identiy"]})


def test_methods_of_different_parts_share_a_table():
    sweep = search(Oracle(), Eye())
    assert sweep.summary.axis.ticks == ("identity", "pose", "expression", "style", "chaos")
    assert "no part" in sweep.curve("eye").points[1].absent["identity_precision"]
    assert value(sweep, "identity_precision", "identity", "eye") == 1
    assert np.isnan(sweep.per_image("eye", "angle_error")[:, 1]).all()


def test_people_with_too_few_images_are_not_asked_about():
    sweep = search(options={"k": EACH})
    assert sweep.curve("oracle").points[0].absent["identity_precision"] == f"no person has {EACH + 1} images"
    some = replace(FACES, identities=np.where(np.arange(120) < 10, 500 + np.arange(120), FACES.identities))
    sweep = search(faces=some)
    assert "same person: 108 of 120 images" in sweep.summary.notices[0]
    assert value(sweep, "identity_precision", "identity", "oracle") == 1
    assert np.isnan(sweep.per_image("oracle", "identity_precision")[:12]).all()


def test_what_the_data_do_not_say_is_not_asked():
    bare = replace(PLAIN, identities=None, pose=None)
    with pytest.raises(InputError, match="something known"):
        search(Eye(), faces=bare)
    sweep = search(Eye(), faces=PLAIN)
    absent = sweep.curve("eye").points[0].absent
    assert absent["expression_precision"] == "toy does not say the expression"
    assert absent["attribute_accuracy"] == "toy labels no attributes"
    half = PLAIN.pose.copy()
    half[:60] = np.nan
    sweep = search(Eye(), faces=replace(PLAIN, pose=half))
    assert sweep.curve("eye").points[0].values["angle_error"].n == 60
    with pytest.raises(UnknownNameError, match="did you mean 'Young'"):
        search(options={"attributes": ["young"]})


def test_queries_are_shown_with_their_neighbours():
    sweep = search(options={"queries": 3})
    rows = sweep.summary.grid.rows
    assert len(rows) == 3 * 5
    assert sweep.tiles.shape[:2] == (15, 6)
    shown = next(row for row in rows if row.name == "query 1, identity")
    assert shown.shown.startswith("5 of 5 the same person")
    middle = sweep.tiles[rows.index(shown), :, :, 8, 8]
    assert (middle == middle[0]).all()


def test_fewer_images_are_whole_people():
    sweep = search(count=13)
    assert sweep.summary.data.images == 18
    assert sweep.summary.notices == ("only 18 of 120 images: a quick look, no result",)
    with pytest.raises(InputError, match="at least 6 images"):
        search(count=5)
    with pytest.raises(InputError, match="at least 1 neighbour"):
        search(options={"k": 0})
    with pytest.raises(InputError, match="at least 121 images"):
        search(options={"k": 120})


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (lambda images: torch.ones(len(images), 3), "identity of eye: 120 equal rows"),
        (lambda images: torch.full((len(images), 3), torch.nan), "finite codes"),
        (lambda images: torch.zeros(len(images), len(images)), "as before"),
    ],
)
def test_codes_that_say_nothing_are_refused(codes, said):
    blind = Eye()
    blind.embed = lambda images, part: codes(images)
    with pytest.raises(InputError, match=said):
        search(blind)


def test_the_length_of_codes_counts_unless_the_cosine_is_asked_for():
    class Stretched(Oracle):
        def embed(self, images, part):
            who = FACES.identities[[self.rows[image.numpy().tobytes()] for image in images]]
            angle = torch.tensor(who * 0.3)
            length = 1 + images[:, :, 0, 0].sum(1).double()
            return torch.stack([angle.cos() * length, angle.sin() * length], dim=1).float()

    cosine, plain = (search(Stretched(), options={"measure": one, "parts": ["identity"]})
                     for one in ("cosine", "euclidean"))  # fmt: skip
    assert value(cosine, "identity_precision", "identity") == 1
    assert value(plain, "identity_precision", "identity") < 0.9
    black = Eye()
    black.embed = lambda images, part: torch.zeros(len(images), 2)
    with pytest.raises(InputError, match="identity of eye"):
        search(black, options={"measure": "cosine"})


def test_nothing_depends_on_the_batch_size():
    one, other = (search(batch_size=size) for size in (7, 50))
    assert one.summary.curves == other.summary.curves
    assert one.images == other.images
