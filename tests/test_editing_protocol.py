# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_faces import BAR, INSET, SIZE, Nothing, Painter, ToyJudge, Vandal, toy_faces
from toy_runs import run, toy_panel

from faceeval.data.faces import FaceSet, Truth
from faceeval.errors import InputError, UnknownNameError
from faceeval.method import MethodCard
from faceeval.metrics import bootstrap_statistic, frechet_distance, pixel_rmse
from faceeval.protocols import PROTOCOLS, load_protocol
from faceeval.protocols import stream as streaming
from faceeval.protocols.chosen import choose, leave_out
from faceeval.protocols.columns import EDITING_COLUMNS
from faceeval.protocols.edits import edit
from faceeval.protocols.intervals import set_distances
from faceeval.protocols.rows import TIMED
from faceeval.protocols.speed import throughput

NAMES = ("a", "b")
PAIR = np.zeros((2, 3, 8, 8), np.uint8)
BOTH = np.array([0, 1], np.uint8)


class Returns:
    """Returns what it was made with."""

    def __init__(self, output):
        self.card, self.output = MethodCard(name="returns"), output

    def edit(self, images, attribute, value):
        return self.output


def value(result, row, metric):
    return result.row(row).values[metric].value


@pytest.fixture(scope="module")
def painted():
    return run(Painter())


def test_every_protocol_loads():
    for name in PROTOCOLS:
        assert callable(load_protocol(name))
    with pytest.raises(UnknownNameError, match="editing"):
        load_protocol("editting")


def test_rows_are_the_method_then_doing_nothing_then_the_true_edit(painted):
    assert [(row.name, row.kind) for row in painted.summary.rows] == [
        ("painter", "method"),
        ("identity", "identity"),
        ("truth", "truth"),
    ]
    for row in painted.summary.rows:
        assert set(row.values) | set(row.absent) == set(EDITING_COLUMNS)
        assert not set(row.values) & set(row.absent)


def test_doing_nothing_is_perfect_at_keeping_and_flips_nothing(painted):
    perfect = {
        "frechet_distance_source": 0,
        "frechet_distance_source_pca": 0,
        "dfn_mean": 1,
        "dfn_iqr": 0,
        "identity_similarity": 1,
        "preservation_accuracy": 1,
        "pixel_rmse_error": 0,
        "background_error": 0,
        "flip_accuracy": 0,
    }
    for metric, best in perfect.items():
        assert value(painted, "identity", metric) == pytest.approx(best, abs=1e-8), metric
    assert value(painted, "identity", "frechet_distance_target") > value(painted, "truth", "frechet_distance_target")
    assert value(painted, "identity", "counterfactual_error") > 50
    assert "infinite" in painted.row("identity").absent["psnr"]


def test_the_true_edit_flips_everything_at_no_distance_from_itself(painted):
    assert value(painted, "truth", "flip_accuracy") == 1
    assert value(painted, "truth", "counterfactual_error") == 0
    assert value(painted, "truth", "background_error") == 0
    assert value(painted, "truth", "frechet_distance_source") > 0


def test_identity_as_the_method_makes_no_second_row():
    result = run(Nothing())
    assert [row.name for row in result.summary.rows] == ["identity", "truth"]
    assert result.method == "identity"
    assert TIMED not in result.row("identity").values


def test_the_name_identity_is_kept_for_returning_the_input():
    class Impostor(Painter):
        card = MethodCard(name="identity")

    with pytest.raises(InputError, match="return its input"):
        run(Impostor())


def test_both_directions_are_counted_apart(painted):
    class AddsOnly(Painter):
        card = MethodCard(name="adds")

        def edit(self, images, attribute, value):
            return torch.where((value == 1)[:, None, None, None], super().edit(images, attribute, value), images)

    result = run(AddsOnly())
    assert value(result, "adds", "flip_accuracy_add") == 1
    assert value(result, "adds", "flip_accuracy_remove") == 0
    assert value(result, "adds", "flip_accuracy") == 0.5
    # half the edits equal their sources: they have no finite PSNR, and the mean is over the rest
    assert result.row("adds").values["psnr"].n == 30
    assert result.row("adds").values["pixel_rmse_error"].n == 60


def test_values_are_those_of_the_metrics(painted):
    faces, judge = toy_faces(), ToyJudge()
    chosen = choose(faces, "Eyeglasses", 30)
    source = chosen.read(np.arange(60))
    edited = edit(Painter(), chosen.names, source, "Eyeglasses", chosen.targets)
    features, changed = (judge(torch.from_numpy(images))["embedding"] for images in (source, edited))
    assert value(painted, "painter", "pixel_rmse_error") == pytest.approx(pixel_rmse(source, edited).mean())
    assert value(painted, "painter", "frechet_distance_source") == pytest.approx(frechet_distance(features, changed))
    has, lacks = chosen.targets == 0, chosen.targets == 1
    target = (frechet_distance(features[has], changed[lacks]) + frechet_distance(features[lacks], changed[has])) / 2
    assert value(painted, "painter", "frechet_distance_target") == pytest.approx(target)
    sigmoid = 1 / (1 + np.exp(-np.where(chosen.targets == 1, 1.0, -1.0)))
    assert value(painted, "painter", "own_realness_score") == pytest.approx(sigmoid.mean())


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_numbers_do_not_depend_on_the_batch_size(painted, batch_size):
    result = run(Painter(), batch_size=batch_size)
    for row in painted.summary.rows:
        for metric, expected in row.values.items():
            if metric != TIMED:
                got = result.row(row.name).values[metric]
                assert (got.value, got.low, got.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert result.images == painted.images
    np.testing.assert_array_equal(result.tiles, painted.tiles)


def test_true_edits_are_asked_for_in_blocks_of_whole_batches(painted, monkeypatch):
    monkeypatch.setattr(streaming, "TRUTHS_AT_ONCE", 16)
    for batch_size in (7, 25):
        result = run(Painter(), batch_size=batch_size)
        assert result.images == painted.images


def test_one_batch_leaves_nothing_to_time():
    result = run(Painter(), batch_size=60)
    assert "warm-up" in result.row("painter").absent[TIMED]
    assert throughput([(10, 9.0), (10, 1.0), (10, 3.0)], seed=0).value == pytest.approx(5.0)
    assert throughput([(10, 9.0)], seed=0) is None


def test_an_editor_that_paints_into_its_input_is_found_out():
    result = run(Vandal())
    assert value(result, "vandal", "pixel_rmse_error") > 10
    assert value(result, "vandal", "identity_similarity") < 1
    assert value(result, "identity", "pixel_rmse_error") == 0


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(2, 3, 8, 8), r"torch.float32, values 0 to 0"),
        (torch.full((2, 3, 8, 8), float("nan")), r"not finite"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), r"shape \(2, 3, 4, 4\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), r"shape \(1, 3, 8, 8\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"ndarray"),
        (None, r"NoneType"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8, device="meta"), r"tensor on meta"),
        (torch.zeros(0), r"torch.float32"),
    ],
)
def test_what_is_no_edit_is_refused_by_name(output, message):
    with pytest.raises(InputError, match=message) as caught:
        edit(Returns(output), NAMES, PAIR, "Young", BOTH)
    assert "returns.edit" in str(caught.value)


@pytest.mark.parametrize("logits", [torch.zeros(16, 1), torch.zeros(3), np.zeros(16), torch.full((16,), float("nan"))])
def test_a_discriminator_that_gives_no_logit_for_each_image_is_refused(logits):
    class Patchy(Painter):
        def realness(self, images, attribute, value):
            return logits

    with pytest.raises(InputError, match=r"realness|logits"):
        run(Patchy())


def test_a_method_for_other_images_or_attributes_is_refused_before_any_work():
    def read(indices):
        raise AssertionError("work was done")

    faces = toy_faces()
    blind = FaceSet("toy", "test", SIZE, faces.names, faces.digest, read, attributes=faces.attributes)
    cards = [
        MethodCard(name="big", image_size=128),
        MethodCard(name="other", attributes=("Male",)),
        MethodCard(name="truth"),
    ]
    for card in cards:
        method = Painter()
        method.card = card
        with pytest.raises(InputError, match=card.name):
            run(method, faces=blind)
    with pytest.raises(InputError, match="lacks card or edit"):
        run(object(), faces=blind)
    with pytest.raises(UnknownNameError, match="Eyeglasses"):
        run(Nothing(), "Eyeglases", faces=blind)
    with pytest.raises(InputError, match="batch"):
        run(Painter(), batch_size=0)


def test_without_truth_its_columns_are_absent_with_the_reason():
    result = run(Painter(), faces=toy_faces(truth=False))
    assert [row.name for row in result.summary.rows] == ["painter", "identity"]
    row = result.row("painter")
    assert "not known" in row.absent["counterfactual_error"]
    assert "not known" in row.absent["background_error"]
    assert result.tiles.shape[1] == 2


def test_without_judges_only_pixels_are_measured_and_nothing_is_guessed():
    result = run(Painter(), judges={})
    row = result.row("painter")
    assert {"pixel_rmse_error", "psnr", "counterfactual_error", "own_realness_score"} <= set(row.values)
    for metric in ("flip_accuracy", "identity_similarity", "dfn_mean", "frechet_distance_source"):
        assert row.absent[metric].startswith("no judge")
    assert sum(notice.startswith("no judge of") for notice in result.summary.notices) == 3
    assert result.summary.grid.ordered_by == "pixel_rmse_error"


def test_an_attribute_the_judge_does_not_know_is_absent_not_guessed():
    class OneAttribute(ToyJudge):
        attribute_names = ("Smiling",)

        def __call__(self, images):
            seen = super().__call__(images)
            return seen | {"attributes": seen["attributes"][:, :1]}

    row = run(Painter(), judges=toy_panel(attributes=OneAttribute())).row("painter")
    assert "does not know Eyeglasses" in row.absent["flip_accuracy"]
    assert "does not know Eyeglasses" in row.absent["preservation_accuracy"]

    class OnlyThis(OneAttribute):
        attribute_names = ("Eyeglasses",)

    row = run(Painter(), judges=toy_panel(attributes=OnlyThis())).row("painter")
    assert row.values["flip_accuracy"].value == 1
    assert "should stay" in row.absent["preservation_accuracy"]


def test_a_judge_with_several_roles_looks_once():
    judge = ToyJudge()
    run(Painter(), judges={"attributes": judge, "identity": judge, "realism": judge})
    # 60 sources, edits and true edits, and the 60 images that nobody edits
    assert judge.seen == 240


def test_a_short_class_is_extended_and_said_so():
    extra = toy_faces(60, "validation", offset=1000)
    result = run(Painter(), faces=toy_faces(40), extra=extra, n_per_class=30)
    data = result.summary.data
    assert (data.positives, data.negatives, data.extended, data.short) == (30, 30, 20, False)
    assert any("validation" in notice for notice in result.summary.notices)
    assert {image.name.split("-")[1] for image in result.images} == {"test", "validation"}
    chosen = choose(toy_faces(40), "Eyeglasses", 30, extra)
    where = np.flatnonzero(chosen.split == 1)[:2]
    np.testing.assert_array_equal(chosen.read(where), extra.read(chosen.index[where]))
    np.testing.assert_array_equal(chosen.truth(where).images, extra.truth(chosen.index[where], "Eyeglasses").images)


def test_too_few_images_run_through_with_a_clear_notice():
    result = run(Painter(), faces=toy_faces(8), n_per_class=1000)
    data = result.summary.data
    assert (data.positives, data.negatives, data.short) == (4, 4, True)
    assert any("meaningless" in notice for notice in result.summary.notices)
    assert any("1000 images of each class were asked for" in notice for notice in result.summary.notices)
    assert "nobody edits" in result.row("painter").absent["frechet_distance_source_pca"]
    two = run(Painter(), faces=toy_faces(2), n_per_class=1)
    assert two.row("painter").values["flip_accuracy_add"].low is None
    assert "fewer than two" in two.row("painter").absent["frechet_distance_target"]


def test_an_image_without_region_has_no_value_there():
    faces = toy_faces()

    def partly(indices, attribute):
        true = faces.truth(indices, attribute)
        region = true.region.copy()
        region[indices % 4 == 0] = False
        region[indices % 4 == 1] = True
        return Truth(true.images, region)

    odd = FaceSet("toy", "test", SIZE, faces.names, "d", faces.read, faces.attributes, truth=partly)
    row = run(Painter(), faces=odd, n_per_class=60).row("painter")
    assert row.values["counterfactual_error"].n == 90
    assert row.values["background_error"].n == 90


def test_the_reference_of_the_components_is_disjoint_from_the_edits():
    chosen = choose(toy_faces(), "Eyeglasses", 30)
    indices = leave_out(chosen, 40)
    assert len(indices) == 40
    assert not {toy_faces().names[i] for i in indices} & set(chosen.names)
    assert len(leave_out(chosen, 1000)) == 60


@pytest.mark.filterwarnings("ignore::faceeval.metrics.realism.SmallSampleWarning")
def test_intervals_of_set_distances_hold_the_value_where_percentiles_would_not():
    generator = np.random.default_rng(0)
    source = generator.normal(size=(1000, 16))
    edited = source + 0.3 * generator.normal(size=source.shape)
    targets = np.repeat([0, 1], 500).astype(np.uint8)
    values = set_distances(source, edited, targets, None, seed=0)
    for entry in values.values():
        assert 0 <= entry.low < entry.value < entry.high
    fresh = []
    for seed in range(30):
        new = np.random.default_rng(100 + seed)
        x = new.normal(size=(1000, 16))
        fresh.append(frechet_distance(x, x + 0.3 * new.normal(size=x.shape)))
    half = (values["frechet_distance_source"].high - values["frechet_distance_source"].low) / 2
    assert half == pytest.approx(1.96 * np.std(fresh), rel=0.4)
    # two sets of one distribution: the percentiles of the resamples leave the value itself out
    first, second = generator.normal(size=(2, 300, 32))
    plain = bootstrap_statistic(lambda drawn: frechet_distance(first[drawn], second[drawn]), 300, 0, n_resamples=60)
    assert plain.low > plain.value
    wide = set_distances(generator.normal(size=(40, 64)), generator.normal(size=(40, 64)), targets[480:520], None, 0)
    assert all(entry.low is None for entry in wide.values())


def test_the_grid_shows_best_median_and_worst_as_they_were_judged(painted):
    grid = painted.summary.grid
    assert grid.columns == ("source", "edited", "true")
    assert [row.rank for row in grid.rows[:15]] == ["shared"] * 6 + ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
    assert {row.direction for row in grid.rows} == {"add", "remove"}
    similarity = {image.name: image.values["painter"]["identity_similarity"] for image in painted.images}
    added = [image.name for image in painted.images if image.direction == "add"]
    best = max(added, key=lambda name: similarity[name])
    assert grid.rows[6].name == best
    faces = toy_faces()
    index = np.array([faces.names.index(best)])
    np.testing.assert_array_equal(painted.tiles[6, 0], faces.read(index)[0])
    assert (painted.tiles[6, 1][:, BAR, INSET] == 25).all()
    np.testing.assert_array_equal(painted.tiles[6, 2], faces.truth(index, "Eyeglasses").images[0])


def test_every_method_is_shown_on_the_same_faces_whatever_it_made_of_them(painted):
    nothing = run(Nothing())
    shared = [
        {(row.name, row.direction) for row in result.summary.grid.rows if row.rank == "shared"}
        for result in (painted, nothing)
    ]
    assert shared[0] == shared[1]
    assert len(shared[0]) == 12
    added = [image.name for image in painted.images if image.direction == "add"]
    assert [row.name for row in painted.summary.grid.rows[:6]] == added[:6]  # in the order of the hash rule
    few = run(Painter(), n_per_class=3)
    assert [row.rank for row in few.summary.grid.rows].count("shared") == 6


def test_an_editor_with_noise_is_shown_as_it_was_judged():
    class Noisy(Painter):
        card = MethodCard(name="noisy")

        def __init__(self):
            self.made = {}

        def edit(self, images, attribute, value):
            out = (images.float() + torch.randn(images.shape) * 9).clamp(0, 255).round().to(torch.uint8)
            self.made |= {image.numpy().tobytes(): edited.numpy() for image, edited in zip(images, out, strict=True)}
            return out

    noisy = Noisy()
    result = run(noisy)
    for source, edited in result.tiles[:, :2]:
        np.testing.assert_array_equal(noisy.made[source.tobytes()], edited)
