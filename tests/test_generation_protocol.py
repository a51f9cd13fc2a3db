# SPDX-License-Identifier: MIT
"""Faces of nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_people import SIZE, people_faces, people_given
from toy_runs import TOY

from faceeval.data.selection import select
from faceeval.errors import InputError
from faceeval.experiment import run_experiment
from faceeval.method import MethodCard
from faceeval.metrics import expected_coverage, frechet_distance
from faceeval.protocols.generation_values import cumulative, nearest
from faceeval.protocols.panel import Panel

TRAIN, TEST = people_faces(24, "train"), people_faces(30, "test")
N = len(TRAIN)
PLACES = ("training images", "test images")


class Glance:
    """Sees the colours of the face and of the place behind it."""

    name = "glance"
    weights_sha256 = "0" * 64
    outputs = ("embedding",)
    attribute_names = ()
    settings = {}  # noqa: RUF012  # as a judge has it

    def __call__(self, images):
        seen = torch.cat([images[:, :, 8, 8], images[:, :, 0, 0]], dim=1)
        return {"embedding": (seen.float() / 25.5).numpy()}


class Artist:
    """Draws faces as a function of their number and a generator says."""

    def __init__(self, paint, name: str = "artist"):
        self.card = MethodCard(name=name)
        self.paint = paint

    def sample(self, n, seed):
        return self.paint(n, np.random.default_rng(seed))


def faces_of(colours, places):
    images = np.empty((len(colours), 3, SIZE, SIZE), np.uint8)
    images[:] = places[:, :, None, None]
    images[:, :, 4:12, 4:12] = colours[:, :, None, None]
    return torch.from_numpy(images)


def honest(n, rng):
    return faces_of(rng.integers(0, 256, (n, 3)), rng.integers(0, 256, (n, 3)))


def thief(n, rng):
    return torch.from_numpy(TRAIN.images()[rng.permutation(N)[:n]])


def grey(n, rng):
    return faces_of(np.full((n, 3), 51), np.full((n, 3), 51))


def generate(*methods, **changes):
    options = changes.pop("options", {})
    panel = Panel({"realism": Glance()})
    given = people_given(**{"faces": {"train": TRAIN, "test": TEST}, "panel": panel, "pairs": {}, **changes})
    return run_experiment("generation", methods or (Artist(honest),), given, benchmark=TOY, options=options)


def value(sweep, key, curve="artist", place=0):
    return sweep.curve(curve).points[place].values[key].value


def seen(faces):
    return Glance()(torch.from_numpy(faces.images()))["embedding"]


def test_the_training_images_themselves_are_at_distance_0_and_are_found_out():
    sweep = generate(Artist(thief))
    assert sweep.summary.settings["images_of_each_set"] == N
    assert value(sweep, "frechet_distance") == pytest.approx(0, abs=1e-9)
    assert value(sweep, "manifold_coverage") == 1
    assert value(sweep, "frechet_distance", place=1) > 1
    apart = sweep.per_image("artist", "nearest_distance")
    assert apart.shape == (N, 2)
    assert apart[:, 0].max() < 1e-5 < apart[:, 1].min()
    lines = sweep.summary.plots[0].lines
    assert lines["artist"][-1][0] < lines["real images"][0][0]


def test_one_face_over_and_over_has_the_distance_of_a_point():
    sweep = generate(Artist(grey))
    rows = seen(TRAIN).astype(np.float64)
    expected = ((rows.mean(0) - 2.0) ** 2).sum() + rows.var(0, ddof=1).sum()
    assert value(sweep, "frechet_distance") == pytest.approx(expected, rel=1e-9)
    assert value(sweep, "manifold_recall") == 0
    assert value(sweep, "manifold_coverage") < 0.2
    assert any("others equal" in said for said in sweep.summary.notices)


def test_real_images_are_the_floor_and_the_same_both_ways():
    sweep = generate()
    between = value(sweep, "frechet_distance", "real images")
    assert between == pytest.approx(value(sweep, "frechet_distance", "real images", 1), rel=1e-9)
    assert value(sweep, "frechet_distance", "real images at half resolution") >= 0
    alone = sweep.curve("sample size alone").points[0]
    assert alone.values["manifold_coverage"].value == expected_coverage(N, N)
    assert alone.values["kernel_distance"].value == 0
    assert alone.absent["manifold_recall"] == "depends on the distribution"
    assert 0 < alone.values["frechet_distance"].value < between


def test_samples_of_one_distribution_are_apart_as_sample_size_says():
    images = honest(2000, np.random.default_rng(0)).numpy()
    strangers = [replace(people_faces(200, split), identities=None, read=lambda rows, at=at: images[at + rows])
                 for split, at in (("train", 0), ("test", 700))]  # fmt: skip
    sweep = generate(faces=dict(zip(("train", "test"), strangers, strict=True)), count=700)
    alone = value(sweep, "frechet_distance", "sample size alone")
    for curve in ("artist", "real images"):
        assert 0.4 < value(sweep, "frechet_distance", curve) / alone < 2.5
        point = sweep.curve(curve).points[0].values["frechet_distance"]
        assert point.low < point.value < point.high
        kernel = sweep.curve(curve).points[0].values["kernel_distance"]
        assert kernel.low < 0 < kernel.high


def test_the_distance_is_that_of_the_metric_on_the_features():
    sweep = generate(count=100)
    seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
    drawn = Glance()(honest(100, np.random.default_rng(seed)))["embedding"]
    rows = [TRAIN.names.index(name) for name in select(100, TRAIN.names, "faceeval/1/bw/toy/fid")]
    assert value(sweep, "frechet_distance") == pytest.approx(frechet_distance(seen(TRAIN)[rows], drawn), rel=1e-9)
    assert "quick look" in sweep.summary.notices[0]


def test_blocks_have_seeds_of_their_own_whatever_the_batch(monkeypatch):
    monkeypatch.setattr("faceeval.protocols.generation_values.DRAWN_AT_ONCE", 50)
    one, other = (generate(batch_size=size) for size in (7, 50))
    assert one.summary.curves == other.summary.curves
    assert one.images == other.images
    np.testing.assert_array_equal(one.tiles, other.tiles)
    again = generate(seed=1)
    assert again.summary.curves != one.summary.curves


def test_fewer_images_than_asked_for_are_said():
    assert generate().summary.notices == (
        "144 images of each set, where 10000 are asked for: the smaller split has no more",
    )
    assert generate(options={"images": 60}).summary.notices == ()
    for changes, said in (
        ({"count": 5}, "at least 6 images"),
        ({"options": {"neighbours": 0}}, "at least 1 neighbour"),
        ({"options": {"neighbours": 200}, "count": 500}, "train and test splits"),
    ):
        with pytest.raises(InputError, match=said):
            generate(**changes)


def test_faces_are_shown_beside_the_nearest_real_ones():
    sweep = generate(Artist(thief))
    names = [row.name for row in sweep.summary.grid.rows]
    assert names == [*(f"drawn, {number}" for number in range(1, 7)),
                     *(f"nearest to a training image, {number}" for number in (1, 2))]  # fmt: skip
    np.testing.assert_array_equal(sweep.tiles[:, 0], sweep.tiles[:, 1])
    assert (sweep.tiles[:, 0] != sweep.tiles[:, 2]).any((1, 2, 3)).all()


def test_the_nearest_is_found_whatever_the_tile(monkeypatch):
    rng = np.random.default_rng(0)
    rows, real = rng.standard_normal((30, 4)).astype(np.float32), rng.standard_normal((50, 4)).astype(np.float32)
    distances = np.sqrt(((rows[:, None].astype(float) - real) ** 2).sum(2))
    monkeypatch.setattr("faceeval.protocols.generation_values.TILE", 7)
    found, where = nearest(rows, real)
    np.testing.assert_allclose(found, distances.min(1))
    np.testing.assert_array_equal(where, distances.argmin(1))
    line = cumulative(found)
    assert line[0] == (round(found.min(), 4), 0.0)
    assert line[-1] == (round(found.max(), 4), 1.0)


@pytest.mark.parametrize(
    ("paint", "said"),
    [
        (lambda n, rng: honest(n, rng).float(), "float32"),
        (lambda n, rng: honest(n + 1, rng), "shape"),
        (lambda n, rng: honest(n, rng)[:, :, :8], "shape"),
        (lambda n, rng: honest(n, np.random.default_rng(0)), "the same faces from two seeds"),
        (lambda n, rng: honest(n, np.random.default_rng()), "other faces the second time"),
    ],
)
def test_what_is_no_sample_is_refused(paint, said):
    with pytest.raises(InputError, match=said):
        generate(Artist(paint))


def test_a_judge_and_a_training_split_are_needed():
    with pytest.raises(InputError, match="a judge of realism"):
        generate(panel=Panel({}))
    with pytest.raises(InputError, match="train split"):
        generate(faces={"test": TEST})
