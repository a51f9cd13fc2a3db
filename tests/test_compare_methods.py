# SPDX-License-Identifier: MIT
"""Methods beside each other: who is better than whom, and what may not be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from toy_faces import Nothing, Painter, toy_faces
from toy_runs import run

from faceeval.errors import InputError
from faceeval.method import MethodCard
from faceeval.protocols.columns import EDITING_COLUMNS
from faceeval.protocols.compare import ONE_WAY, UNTESTED, compare_results
from faceeval.protocols.compared import LETTERS, images_of, shorten, values_of
from faceeval.protocols.rows import MEANS


class Lazy(Painter):
    """Leaves every second image as it was."""

    card = MethodCard(name="lazy")

    def edit(self, images, attribute, value):
        out = super().edit(images, attribute, value)
        out[::2] = images[::2]
        return out


class Remover(Painter):
    """Takes glasses off and cannot put them on."""

    card = MethodCard(name="remover", directions={"Eyeglasses": (0,)})


@pytest.fixture(scope="module")
def painter():
    return run(Painter())


@pytest.fixture(scope="module")
def lazy():
    return run(Lazy())


@pytest.fixture(scope="module")
def nothing():
    return run(Nothing())


@pytest.fixture(scope="module")
def remover():
    return run(Remover())


def changed(result, **fields):
    """The same run with another summary."""
    return replace(result, summary=result.summary.model_copy(update=fields))


def revalued(result, metric, change):
    """The same run with other values of a metric in the method's row."""
    images = []
    for place, image in enumerate(result.images):
        mine = dict(image.values[result.method])
        mine[metric] = change(place, mine[metric])
        images.append(image.model_copy(update={"values": {**image.values, result.method: mine}}))
    return replace(result, images=tuple(images))


def test_methods_stand_by_their_distance_from_the_truth_and_then_the_ends_of_the_scales(painter, lazy, nothing):
    found = compare_results([lazy, nothing, painter])
    assert [(entry.letter, entry.label) for entry in found.entries] == [
        ("a", "painter"),
        ("b", "lazy"),
        ("c", "identity"),
        ("", "truth"),
    ]
    assert [entry.label for entry in found.methods] == ["painter", "lazy"]
    assert found.labels == ("painter", "lazy", "identity")
    assert found.counts == {"add": 30, "remove": 30}
    assert found.attribute == "Eyeglasses"
    assert compare_results([painter, painter]).labels == ("painter", "painter (2)")


def test_letters_name_those_a_value_is_better_than(painter, lazy):
    found = compare_results([painter, lazy])
    assert found.beaten("flip_accuracy", "painter") == "bc"
    assert found.beaten("flip_accuracy", "lazy") == "c"
    assert found.beaten("flip_accuracy", "identity") == ""
    assert found.beaten("counterfactual_error", "painter") == "bc"  # lower is better
    assert found.beaten("pixel_rmse_error", "identity") == "ab"
    assert found.beaten("pixel_rmse_error", "lazy") == "a"
    assert found.beaten("background_error", "painter") == ""  # all of them are 0
    assert found.beaten("psnr", "lazy") == ""
    assert all(len(pairs.differences) == 3 for pairs in found.pairs.values())
    assert found.pairs["flip_accuracy"].n == 60
    assert found.pairs["flip_accuracy_add"].n == 30


def test_differences_are_those_of_the_printed_means(painter, lazy):
    found = compare_results([painter, lazy])
    for key, pairs in found.pairs.items():
        means = [entry.row.values[key].value for entry in found.entries[:3]]
        if found.columns[key].better == "near 1":
            means = [abs(mean - 1) for mean in means]
        assert pairs.differences[0].difference == pytest.approx(means[0] - means[1], abs=1e-12)
        assert pairs.differences[1].difference == pytest.approx(means[0] - means[2], abs=1e-12)


def test_the_distance_from_1_is_compared_on_either_side_of_it(painter, lazy):
    rng = np.random.default_rng(0)
    above, below = (
        revalued(result, "dfn", lambda place, _, middle=middle: middle + 0.01 * rng.standard_normal())
        for result, middle in ((painter, 1.2), (lazy, 0.9))
    )
    found = compare_results([above, below])
    assert "a" in found.beaten("dfn_mean", "lazy")
    level = compare_results([above, revalued(lazy, "dfn", lambda place, _: 0.8 + 0.01 * rng.standard_normal())])
    pair = level.pairs["dfn_mean"].differences[0]
    assert (pair.first, pair.second, pair.found) == ("painter", "lazy", False)


def test_a_method_is_never_better_than_itself(painter):
    found = compare_results([painter, painter, painter])
    for key in found.pairs:
        for entry in found.methods:
            assert not set("abc") & set(found.beaten(key, entry.label))


def test_every_column_is_tested_or_says_why_not(painter, lazy):
    for key in EDITING_COLUMNS:
        assert key in UNTESTED or key in MEANS or key in ONE_WAY, key
    found = compare_results([painter, lazy])
    assert found.pairs.keys() | found.untested.keys() == found.columns.keys()
    assert not found.pairs.keys() & found.untested.keys()


def test_images_without_a_value_are_left_out_of_the_pairs(painter, lazy):
    gaps = revalued(lazy, "identity_similarity", lambda place, value: None if place < 7 else value)
    assert compare_results([painter, gaps]).pairs["identity_similarity"].n == 53
    many = revalued(lazy, "identity_similarity", lambda place, value: None if place < 31 else value)
    assert "29 images" in compare_results([painter, many]).untested["identity_similarity"]
    none = revalued(lazy, "identity_similarity", lambda place, value: None)
    pairs = compare_results([painter, none]).pairs["identity_similarity"]
    assert [(pair.first, pair.second) for pair in pairs.differences] == [("painter", "identity")]


def test_too_few_images_are_compared_without_a_verdict():
    found = compare_results([run(Painter(), n_per_class=10), run(Lazy(), n_per_class=10)])
    assert found.pairs == {}
    assert found.untested["flip_accuracy"].startswith("20 images")
    assert found.beaten("flip_accuracy", "painter") == ""
    assert any("far too few" in notice for notice in found.notices)


def other_judge(result, **fields):
    judges = dict(result.summary.judges)
    judges["identity"] = judges["identity"].model_copy(update=fields)
    return changed(result, judges=judges)


def other_data(result, **fields):
    return changed(result, data=result.summary.data.model_copy(update=fields))


def other_version(result):
    columns = dict(result.summary.columns)
    columns["dfn_mean"] = columns["dfn_mean"].model_copy(update={"version": 9})
    return changed(result, columns=columns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: changed(one, attribute="Young"), ["attribute: Eyeglasses / Young"]),
        (lambda one: other_data(one, size=64), ["size: 32 px / 64 px"]),
        (lambda one: other_data(one, digest="f" * 64), ["digest of the data", "ffffffffffff;", "ffffffffffff"]),
        (lambda one: other_data(one, split="validation"), ["data: toy test / toy validation"]),
        (
            lambda one: changed(one, benchmark=one.summary.benchmark.model_copy(update={"version": 2})),
            ["toy version 2"],
        ),
        (lambda one: changed(one, protocol="another"), ["protocol: editing / another"]),
        (lambda one: other_judge(one, weights_sha256="1" * 64), ["judge of identity: toy-judge 0000", "111111111111"]),
        (lambda one: other_judge(one, settings={"resize": "half"}), ["(resize none)", "(resize half)"]),
        (lambda one: changed(one, judges={}), ["judge of identity", "/ none"]),
        (other_version, ["metric dfn_mean: version", "version 9"]),
        (lambda one: replace(one, images=one.images[1:]), ["30 with the attribute, 30 without", "29 with"]),
        (lambda one: replace(one, images=one.images[::-1]), ["images: 30 with the attribute, 30 without"]),
    ],
)
def test_results_made_under_other_conditions_are_refused_by_name(painter, lazy, change, words):
    with pytest.raises(InputError) as caught:
        compare_results([painter, change(lazy)])
    for word in ("painter / lazy with", *words):
        assert word in caught.value.got + ";"
    assert "f" * 13 not in caught.value.got


def test_other_numbers_of_images_are_refused(painter):
    with pytest.raises(InputError, match=r"30 with the attribute.*20 with the attribute"):
        compare_results([painter, run(Lazy(), n_per_class=20)])
    with pytest.raises(InputError, match="at least one result"):
        compare_results([])


def test_one_direction_has_its_own_numbers(painter, lazy):
    found = compare_results([painter, lazy], "remove")
    assert found.counts == {"add": 0, "remove": 30}
    assert not ONE_WAY.keys() & found.columns.keys()
    row = found.entries[1].row
    assert found.entries[1].label == "lazy"
    half = [image for image in lazy.images if image.direction == "remove"]
    flips = np.mean([image.values["lazy"]["flip_accuracy"] for image in half])
    assert row.values["flip_accuracy"].value == pytest.approx(flips)
    assert row.values["flip_accuracy"].value == lazy.row("lazy").values["flip_accuracy_remove"].value
    assert row.values["flip_accuracy"].n == 30
    assert "frechet_distance_target" not in found.columns
    assert "both directions" in row.absent["frechet_distance_target"]
    assert found.pairs["flip_accuracy"].n == 30
    np.testing.assert_array_equal(
        values_of(lazy, "lazy", "dfn", "remove"), [image.values["lazy"]["dfn"] for image in images_of(lazy, "remove")]
    )


def test_a_method_of_one_direction_is_compared_in_it_and_else_left_out(painter, lazy, remover):
    both = compare_results([painter, remover, lazy])
    assert both.labels == ("painter", "lazy")
    assert any("remover is left out" in notice and "--direction remove" in notice for notice in both.notices)
    found = compare_results([painter, remover, lazy], "remove")
    assert set(found.labels) == {"painter", "remover", "lazy"}
    # it paints as painter does: no difference, but its sets are known
    assert "remover" not in found.record()["entries"][0]["better_than"]["flip_accuracy"]
    rows = {entry.label: entry.row for entry in found.entries}
    assert "frechet_distance_source" in rows["remover"].values
    assert "frechet_distance_source" not in rows["painter"].values
    assert "frechet_distance_source" in rows["identity"].values
    alone = compare_results([remover, remover])
    assert alone.counts == {"add": 0, "remove": 30}
    assert "frechet_distance_source" in alone.columns
    with pytest.raises(InputError, match="results of adding"):
        compare_results([remover], "add")
    adding = compare_results([painter, remover], "add")
    assert adding.labels == ("painter",)
    assert any("knows removing Eyeglasses only" in notice for notice in adding.notices)


def test_the_record_holds_everything_and_is_the_same_again(painter, lazy):
    record = compare_results([painter, lazy]).record()
    text = json.dumps(record, allow_nan=False)
    assert text == json.dumps(compare_results([painter, lazy]).record())
    assert text != json.dumps(compare_results([painter, lazy], seed=1).record())
    assert [entry["method"] for entry in record["entries"]] == ["painter", "lazy", "identity", "truth"]
    assert record["entries"][0]["better_than"]["flip_accuracy"] == ["lazy", "identity"]
    assert record["entries"][3]["better_than"] == {}
    pairs = record["pairs"]["counterfactual_error"]
    assert (pairs["n"], pairs["n_pairs"]) == (60, 3)
    assert pairs["differences"][0]["better"] == "painter"
    assert pairs["differences"][0]["low"] < pairs["differences"][0]["high"] < 0
    assert record["conditions"]["images"].startswith("30 with the attribute, 30 without")
    assert record["untested"]["psnr"]
    assert record["images"] == {"add": 30, "remove": 30}


def test_faces_without_a_truth_are_ordered_by_flips():
    faces = toy_faces(truth=False)
    found = compare_results([run(Lazy(), faces=faces), run(Painter(), faces=faces)])
    assert found.labels == ("painter", "lazy")
    assert [entry.label for entry in found.entries] == ["painter", "lazy", "identity"]


def test_runs_of_identity_alone_have_nothing_to_test(nothing):
    found = compare_results([nothing])
    assert found.methods == ()
    assert found.pairs == {}


def test_more_methods_than_letters_are_refused(painter):
    assert len(compare_results([painter] * (len(LETTERS) - 1)).methods) == 51
    with pytest.raises(InputError, match="at most 51 methods"):
        compare_results([painter] * len(LETTERS))


def test_letters_are_drawn_together_where_three_follow_each_other():
    assert shorten("") == ""
    assert shorten("ab") == "a b"
    assert shorten("abc") == "a–c"
    assert shorten("acdegh") == "a c–e g h"
    assert shorten("yzAB") == "y–B"
