# SPDX-License-Identifier: MIT
"""The standard set before any pixel: counts, correlations, plausible ranges, and factors that never change."""

from __future__ import annotations

import colorsys
import hashlib
import itertools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import population as people
from faceeval.data.procfaces.factors import (
    ATTRIBUTE_NAMES,
    EXPRESSIONS,
    HAIR_COLOUR_NAMES,
    SHAPE_CONTROLS,
    Factors,
    attribute_value,
    flip,
)
from faceeval.data.selection import fai_split
from faceeval.errors import InputError, UnknownNameError

few = settings(max_examples=40, deadline=None)
INDEX = st.integers(0, 12_999)
GOLDEN = json.loads((Path(__file__).parent / "golden_population.json").read_text())
# what excludes what, or can only be together, in the world
WORLD = {frozenset({"No_Beard", "Male"}), frozenset({"Bald", "Bangs"})}
WORLD |= {frozenset(pair) for pair in itertools.combinations([*HAIR_COLOUR_NAMES, "Bald"], 2)}
HALF = set(ATTRIBUTE_NAMES) - {"No_Beard", "Bald", *HAIR_COLOUR_NAMES}


@pytest.fixture(scope="module")
def everybody() -> list[Factors]:
    return [people.sample_factors(index) for index in range(13_000)]


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, np.ndarray]]:
    return {split: people.attribute_table(split) for split in people.SPLITS}


def luminance(colour: tuple[float, float, float]) -> float:
    return float(np.dot(colour, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(("split", "size"), [("train", 8000), ("validation", 1000), ("test", 4000)])
def test_counts(tables: dict[str, dict[str, np.ndarray]], split: str, size: int) -> None:
    table = tables[split]
    assert tuple(table) == ATTRIBUTE_NAMES
    assert all(column.shape == (size,) and column.dtype == np.uint8 for column in table.values())
    shares = {name: float(column.mean()) for name, column in table.items()}
    assert all(shares[name] == 0.5 for name in HALF)
    assert shares["No_Beard"] == pytest.approx(0.725)
    assert shares["Bald"] == pytest.approx(0.1)
    assert all(0.19 < shares[colour] < 0.22 for colour in HAIR_COLOUR_NAMES)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_attributes_correlate_only_where_the_world_demands_it(
    tables: dict[str, dict[str, np.ndarray]], split: str
) -> None:
    table = tables[split]
    for first, second in itertools.combinations(ATTRIBUTE_NAMES, 2):
        r = np.corrcoef(table[first], table[second])[0, 1]
        assert abs(r) <= 0.15 or {first, second} in WORLD, f"{first}, {second}: {r:.3f}"
    assert not (table["Male"] == 0)[table["No_Beard"] == 0].any()
    assert not table["Bangs"][table["Bald"] == 1].any()
    assert sum(table[name].astype(int) for name in [*HAIR_COLOUR_NAMES, "Bald"]).max() == 1


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_table_is_the_golden_one(tables: dict[str, dict[str, np.ndarray]], split: str) -> None:
    digest = hashlib.sha256(b"".join(tables[split][name].tobytes() for name in ATTRIBUTE_NAMES)).hexdigest()
    assert digest == GOLDEN["attribute_table_sha256"][split], "SET_VERSION must rise with the population"


def test_factors_are_the_golden_ones(everybody: list[Factors]) -> None:
    for index, digest in GOLDEN["factors_sha256"].items():
        text = json.dumps(asdict(everybody[int(index)]), sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == digest, "SET_VERSION must rise with the population"


def test_every_person_is_in_one_split_with_twenty_images() -> None:
    seen: dict[int, set[str]] = {}
    for index in range(13_000):
        seen.setdefault(people.identity_of(index), set()).add(people.split_of(index))
    assert all(len(splits) == 1 for splits in seen.values())
    assert Counter(next(iter(splits)) for splits in seen.values()) == {"train": 400, "validation": 50, "test": 200}
    assert set(Counter(map(people.identity_of, range(13_000))).values()) == {20}


def test_a_person_stays_the_same(everybody: list[Factors]) -> None:
    for number in range(0, 650, 13):
        faces = everybody[20 * number : 20 * number + 20]
        assert len({face.identity for face in faces}) == 1
        assert len({face.attributes.male for face in faces}) == 1
        assert Counter(face.attributes.hair_colour for face in faces).most_common(1)[0][1] >= 10
        assert len({face.style for face in faces}) == 20
    assert len({face.identity for face in everybody}) == 650


@few
@given(INDEX)
def test_order_does_not_matter(index: int) -> None:
    first = people.sample_factors(index)
    people.sample_factors((index * 7919) % 13_000)
    assert people.sample_factors(index) == first


def test_another_process_samples_the_same() -> None:
    code = (
        "from faceeval.data.procfaces import sample_factors as s; print(hash(0) or [s(i) for i in (12999, 31, 8000)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr([people.sample_factors(index) for index in (12_999, 31, 8000)])


@few
@given(INDEX, st.sampled_from(ATTRIBUTE_NAMES))
def test_flipping_inverts_one_attribute_and_flipping_back_restores_it(index: int, name: str) -> None:
    face = people.sample_factors(index)
    other = flip(face, name)
    assert attribute_value(other, name) is not attribute_value(face, name)
    assert attribute_value(flip(other, name), name) is attribute_value(face, name)
    same = replace(other.details, hair_colour_other=face.details.hair_colour_other)
    assert replace(other, attributes=face.attributes, details=same) == face
    changed = {n for n in ATTRIBUTE_NAMES if attribute_value(face, n) is not attribute_value(other, n)}
    if name not in HAIR_COLOUR_NAMES and name not in ("Bald", "Bangs"):
        assert changed == {name}
        assert flip(other, name) == face


def test_values_are_in_their_ranges(everybody: list[Factors]) -> None:
    for face in everybody:
        who, how, pose, mimic, style = face.identity, face.details, face.pose, face.mimic, face.style
        assert len(who.shape) == SHAPE_CONTROLS
        assert all(-1 <= value <= 1 for value in who.shape)
        assert sum(who.ancestry) == pytest.approx(1)
        assert min(who.ancestry) >= 0
        assert abs(pose.yaw) <= 45
        assert abs(pose.pitch) <= 20
        assert abs(pose.roll) <= 15
        assert 18 <= how.age_young <= 35
        assert 60 <= how.age_old <= 85
        assert 0.35 <= how.mouth_gap <= 1
        assert how.hair_colour_other != face.attributes.hair_colour
        assert mimic.label != "happy"
        assert abs(mimic.valence) <= 1
        assert abs(mimic.arousal) <= 1
        assert abs(style.light[0]) <= 60
        assert -10 <= style.light[1] <= 50
        assert 0.92 <= style.zoom <= 1.08
        assert max(map(abs, style.shift)) <= 0.03
        assert 0 <= style.blur <= 0.006
        assert 0 <= style.noise <= 3
        colours = (who.skin, who.skin_pale, who.eyes, how.glasses_colour, how.lip_colour, how.makeup_colour)
        assert all(0 <= c <= 1 for colour in (*colours, *style.background, style.clothes) for c in colour)


def test_poses_are_mostly_frontal_with_tails(everybody: list[Factors]) -> None:
    yaw = np.array([face.pose.yaw for face in everybody])
    assert 0.02 < (np.abs(yaw) > 30).mean() < 0.1
    assert np.abs(yaw).max() > 43
    assert abs(yaw.mean()) < 0.5


def test_pale_skin_is_lighter_and_greyer_than_anybodys_usual_skin(everybody: list[Factors]) -> None:
    persons = [face.identity for face in everybody[::20]]
    saturation = [[colorsys.rgb_to_hsv(*tone)[1] for tone in (who.skin, who.skin_pale)] for who in persons]
    usual, pale = np.array(saturation).T
    assert pale.max() < usual.min()
    assert all(luminance(who.skin_pale) - luminance(who.skin) > 0.08 for who in persons)
    assert len({who.skin for who in persons}) == 650


def test_skin_follows_ancestry(everybody: list[Factors]) -> None:
    persons = [face.identity for face in everybody[::20]]
    light = np.array([luminance(who.skin) for who in persons])
    weights = np.array([who.ancestry for who in persons])
    assert np.corrcoef(light, weights[:, 0])[0, 1] < -0.7
    assert (weights.max(axis=1) > 0.65).mean() > 0.8
    assert np.bincount(weights.argmax(axis=1)).min() > 150


def test_expressions_are_balanced_and_carry_their_affect(everybody: list[Factors]) -> None:
    for indices in people.SPLITS.values():
        shown = Counter(people.affect_of(everybody[index])[0] for index in indices)
        assert shown[EXPRESSIONS.index("happy")] == len(indices) // 2
        others = [times for label, times in shown.items() if label != EXPRESSIONS.index("happy")]
        assert len(others) == 7
        assert max(others) - min(others) <= 1
    affect = np.array([people.affect_of(face) for face in everybody])
    for label, name in enumerate(EXPRESSIONS):
        valence, arousal = affect[affect[:, 0] == label, 1:].mean(axis=0)
        full = people.AFFECT[name]
        assert valence == pytest.approx(0.77 * full[0], abs=0.03)
        assert arousal == pytest.approx(0.77 * full[1], abs=0.03)


def test_an_open_mouth_says_nothing_about_the_expression(everybody: list[Factors]) -> None:
    opened = np.array([face.attributes.mouth_open for face in everybody])
    labels = np.array([people.affect_of(face)[0] for face in everybody])
    assert all(0.45 < opened[labels == label].mean() < 0.55 for label in range(8))


@pytest.mark.parametrize("name", sorted(set(ATTRIBUTE_NAMES) - {"Bald"}))
def test_the_test_split_has_enough_of_both_classes(tables: dict[str, dict[str, np.ndarray]], name: str) -> None:
    test, validation = (as_faces(tables[split], split) for split in ("test", "validation"))
    split = fai_split(test, name, extra=validation)
    assert not split.short
    assert split.extended == (name in HAIR_COLOUR_NAMES)
    assert not fai_split(test, "No_Beard").short


def as_faces(table: dict[str, np.ndarray], split: str) -> FaceSet:
    names = tuple(f"procfaces-{index:05d}" for index in people.SPLITS[split])
    return FaceSet("procfaces", split, 64, names, "", lambda rows: np.zeros((len(rows), 3, 4, 4), np.uint8), table)


def test_smiling_overrules_the_label() -> None:
    face = people.sample_factors(0)
    smile = replace(face, attributes=replace(face.attributes, smiling=True))
    label, valence, arousal = people.affect_of(smile)
    assert label == 1
    assert (valence, arousal) == pytest.approx(
        (0.7 * face.mimic.smile_intensity, 0.3 * face.mimic.smile_intensity), abs=1e-5
    )


@pytest.mark.parametrize("index", [-1, 13_000])
def test_indices_out_of_range_are_refused(index: int) -> None:
    for function in (people.sample_factors, people.identity_of, people.split_of):
        with pytest.raises(InputError, match="12999"):
            function(index)


def test_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="validation"):
        people.attribute_table("valid")
