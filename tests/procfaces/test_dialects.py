# SPDX-License-Identifier: MIT
"""procfaces in the roles of other datasets: whose faces, what changes among them, and how they are kept."""

from __future__ import annotations

import json
import pickle
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceeval.data.dialects import clips, multipie
from faceeval.data.dialects.people import view
from faceeval.data.dialects.table import DIALECTS, open_dialect, outdated_dialects, rendered_splits
from faceeval.data.faces import FaceSet
from faceeval.data.manifest import verify
from faceeval.data.procfaces import population, standard
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, Factors, attribute_value
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.population import SPLITS, sample_factors
from faceeval.data.procfaces.standard import load, set_folder
from faceeval.data.procfaces.workers import Workers
from faceeval.data.table import load_faces
from faceeval.errors import InputError, UnknownNameError

PEOPLE_OF = {"train": range(400), "validation": range(400, 450), "test": range(450, 650)}


@pytest.fixture
def two_people(monkeypatch: pytest.MonkeyPatch, stand_in: types.ModuleType) -> types.ModuleType:
    """Two people of each split, drawn by the stand-in."""
    splits = {"train": range(40), "validation": range(8000, 8040), "test": range(9000, 9040)}
    monkeypatch.setattr(population, "SPLITS", splits)
    monkeypatch.setattr(standard, "default_workers", lambda: 1)
    return stand_in


def no_rendering(*_: object) -> None:
    raise AssertionError("rendered although the cache has it")


def rows(faces: FaceSet) -> np.ndarray:
    return np.arange(len(faces))


def test_splits_hold_the_people_of_the_standard_split() -> None:
    sizes = {}
    for plan in rendered_splits():
        people = {plan.population.person(index) for index in plan.indices}
        assert people <= set(PEOPLE_OF[plan.split])
        assert len(set(plan.names)) == len(plan.names) == len(plan.indices)
        sizes[plan.name, plan.split] = len(plan.indices), len(people)
    assert sizes == {
        ("procfaces:multipie", "train"): (2400, 400),
        ("procfaces:multipie", "validation"): (300, 50),
        ("procfaces:multipie", "test"): (1200, 200),
        ("procfaces:clips", "train"): (2560, 80),
        ("procfaces:clips", "validation"): (320, 10),
        ("procfaces:clips", "test"): (1280, 40),
    }
    assert {
        split: range(r.start // IMAGES_PER_IDENTITY, r.stop // IMAGES_PER_IDENTITY) for split, r in SPLITS.items()
    } == (PEOPLE_OF)


def test_each_role_says_whether_it_renders() -> None:
    assert {plan.name for plan in rendered_splits()} == {
        f"procfaces:{n}" for n, row in DIALECTS.items() if row.rendered
    }


def clip_of(person: int, clip: int) -> list[Factors]:
    start = (person * clips.CLIPS + clip) * clips.FRAMES
    return [clips.factors(index) for index in range(start, start + clips.FRAMES)]


def still(face: Factors) -> object:
    """Everything about a frame but what the face does."""
    plain = replace(face.attributes, smiling=False, mouth_open=False)
    return plain, replace(face.details, mouth_gap=0.5), replace(face.style, shift=(0.0, 0.0), noise_seed=0)


@pytest.mark.parametrize("person", [0, 79, 401, 489])
def test_clips_change_style_across_and_faces_within(person: int) -> None:
    whole = [clip_of(person, clip) for clip in range(clips.CLIPS)]
    assert {face.identity for frames in whole for face in frames} == {sample_factors(20 * person).identity}
    for frames in whole:
        assert len({still(face) for face in frames}) == 1
        assert len({face.pose for face in frames}) == len({face.mimic for face in frames}) == clips.FRAMES
    firsts = [frames[0].style for frames in whole]
    for field in ("background", "light", "clothes", "zoom"):
        assert len({getattr(style, field) for style in firsts}) == clips.CLIPS
    times = {(f.attributes.young, f.attributes.bald, f.details.age_old) for frames in whole for f in frames}
    assert len(times) == 1


def test_style_tells_nothing_about_the_face_within_a_clip() -> None:
    frames = [clip_of(person, clip) for person in range(12) for clip in range(clips.CLIPS)]
    yaw = np.array([[face.pose.yaw for face in clip] for clip in frames])
    assert yaw.mean(axis=1).std() < 1.3 * yaw.std() / np.sqrt(clips.FRAMES)  # what chance leaves
    smiling = np.array([[face.attributes.smiling for face in clip] for clip in frames])
    assert 0.45 < smiling.mean() < 0.55


@pytest.mark.parametrize("person", [3, 449, 600])
def test_conditions_change_what_they_name_and_nothing_else(person: int) -> None:
    count = len(multipie.CONDITIONS)
    faces = [multipie.factors(person * count + column) for column in range(count)]
    for face, condition in zip(faces, multipie.CONDITIONS, strict=True):
        assert abs(face.pose.yaw - condition.yaw) <= 4
        assert face.style.light == condition.light
        shown = "happy" if face.attributes.smiling else face.mimic.label
        assert shown == condition.expression
        label, valence, arousal = population.affect_of(face)
        assert (label == 0) == (condition.expression == "neutral") == (valence == arousal == 0.0)
    fixed = {
        (f.identity, replace(f.attributes, smiling=False, mouth_open=False), f.details, f.style.clothes) for f in faces
    }
    assert len(fixed) == 1
    assert len({f.style.noise_seed for f in faces}) == count
    assert len({(f.style.background, f.style.zoom, f.style.ambient) for f in faces}) == 1


def test_conditions_are_two_poses_by_two_lights_and_two_expressions() -> None:
    neutral = {(c.yaw, c.light) for c in multipie.CONDITIONS if c.expression == "neutral"}
    assert len(neutral) == 4
    assert len({yaw for yaw, _ in neutral}) == len({light for _, light in neutral}) == 2
    assert [c.expression for c in multipie.CONDITIONS if c.expression != "neutral"] == ["happy", "surprise"]
    names = [multipie.image_name(7 * 6 + column) for column in range(6)]
    assert names[0] == "007_01_01_051_07"
    assert len(set(names)) == 6


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("dialect", "module"), [("clips", clips), ("multipie", multipie)])
def test_rendered_roles_are_kept_like_the_standard_set(
    two_people: types.ModuleType, dialect: str, module: types.ModuleType
) -> None:
    steps: list[tuple[int, int]] = []
    faces = open_dialect(dialect, "test", 16, 1, lambda done, total: steps.append((done, total)))
    plan = module.rendered_split("test")
    assert (faces.name, faces.split, faces.names) == (f"procfaces:{dialect}", "test", plan.names)
    assert steps[-1] == (len(faces), len(faces))
    wanted = [module.factors(index) for index in plan.indices]
    np.testing.assert_array_equal(faces.images(), np.stack([two_people.render(face, 16).image for face in wanted]))
    for name in ATTRIBUTE_NAMES:
        assert faces.attributes[name].tolist() == [int(attribute_value(face, name)) for face in wanted]
    assert faces.pose is not None
    np.testing.assert_allclose(faces.pose[:, 0], [face.pose.yaw for face in wanted], rtol=1e-5)
    assert faces.identities is not None
    assert set(faces.identities.tolist()) == {450, 451}
    two_people.render = no_rendering
    again = load_faces(f"procfaces:{dialect}", "test", size=16)
    assert again.digest == faces.digest
    assert faces.digest != open_dialect(dialect, "test", 16, 1).name
    assert len(outdated_dialects()) == 0


@pytest.mark.usefixtures("cache", "two_people")
def test_children_render_the_same_roles() -> None:
    plan = clips.rendered_split("train")
    with Workers(2, plan.population.factors) as pool:
        sent = np.concatenate([batch.masks for batch in pool.render(plan.indices, 16)])
        other = pickle.loads(pickle.dumps(pool))
    here = np.concatenate([batch.masks for batch in Workers(1, plan.population.factors).render(plan.indices, 16)])
    np.testing.assert_array_equal(sent, here)
    np.testing.assert_array_equal(next(iter(other.render(plan.indices[:3], 16))).masks, here[:3])


@pytest.mark.usefixtures("cache", "two_people")
def test_clips_are_numbered() -> None:
    faces = load_faces("procfaces:clips", "validation", size=16)
    assert faces.clips is not None
    assert faces.identities is not None
    numbers, counts = np.unique(faces.clips, return_counts=True)
    assert counts.tolist() == [clips.FRAMES] * (2 * clips.CLIPS)
    assert numbers.tolist() == list(range(400 * clips.CLIPS, 402 * clips.CLIPS))
    assert (faces.clips // clips.CLIPS == faces.identities).all()
    assert faces.names[9] == "0400/1/0001"


@pytest.mark.usefixtures("cache", "two_people")
def test_truth_and_masks_of_a_role_are_those_of_its_faces() -> None:
    faces = load_faces("procfaces:multipie", "test", size=16)
    assert faces.truth is not None
    assert faces.masks is not None
    chosen = np.array([5, 0])
    assert faces.truth(chosen, "Young").images.shape == (2, 3, 16, 16)
    np.testing.assert_array_equal(faces.masks(chosen), faces.masks(chosen[::-1])[::-1])
    with pytest.raises(InputError, match="within the split"):
        faces.masks(np.array([len(faces)]))


@pytest.mark.usefixtures("cache", "two_people")
def test_roles_over_the_standard_set_show_its_images() -> None:
    whole = load("test", 16, 1)
    for dialect, count in (("lfw", 40), ("facescrub", 40), ("msceleb", 12), ("affectnet", None)):
        faces = load_faces(f"procfaces:{dialect}", "test", size=16)
        places = np.array([whole.names.index(name) for name in faces.names])
        assert len(places) == count or (count is None and 8 <= len(places) < 40)
        np.testing.assert_array_equal(faces.images(), whole.read(places))
        assert faces.landmarks68 is not None
        assert whole.landmarks68 is not None
        np.testing.assert_array_equal(faces.landmarks68, whole.landmarks68[places])
        assert faces.name == f"procfaces:{dialect}"
        assert faces.digest != whole.digest
        assert faces.truth is not None
        assert whole.truth is not None
        last = np.array([len(faces) - 1])
        np.testing.assert_array_equal(faces.truth(last, "Bald").images, whole.truth(places[last], "Bald").images)
    assert len(load_faces("procfaces:msceleb", "train", size=16)) == 40


@pytest.mark.usefixtures("cache", "two_people")
def test_affectnet_is_even_but_for_training() -> None:
    faces = load_faces("procfaces:affectnet", "test", size=16)
    assert faces.expression is not None
    assert faces.valence_arousal is not None
    counts = np.bincount(faces.expression, minlength=8)
    assert counts.min() == counts.max() > 0
    assert np.abs(faces.valence_arousal).max() <= 1
    train = load_faces("procfaces:affectnet", "train", size=16)
    assert train.expression is not None
    assert np.bincount(train.expression)[1] == 20


@pytest.mark.usefixtures("cache", "two_people")
def test_a_view_reads_checks_and_pickles() -> None:
    faces = view(load("test", 16, 1), "some", np.array([7, 3]))
    assert faces.names == ("procfaces-09007", "procfaces-09003")
    other = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(other.images(), faces.images())
    for wrong in (np.array([2]), np.array([-1]), np.array([0.0])):
        with pytest.raises(InputError):
            faces.read(wrong)
    assert faces.digest != view(load("test", 16, 1), "some", np.array([3, 7])).digest


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'clips'"):
        load_faces("procfaces:clip", "test")
    for dialect in DIALECTS:
        with pytest.raises(UnknownNameError, match="test"):
            open_dialect(dialect, "tests")


@pytest.mark.usefixtures("two_people")
def test_what_was_rendered_can_be_verified_and_cleared(cache: Path) -> None:
    open_dialect("multipie", "validation", 16, 1)
    record = next(cache.rglob("multipie-*/validation-16.json"))
    record.write_text(json.dumps({**json.loads(record.read_text()), "images_sha256": "0" * 64}))
    messages = [finding.message for finding in verify("procfaces") if finding.subject == "validation-16"]
    assert messages == ["other pixels than were written; delete the file to render it again"]
    old = set_folder() / f"clips-{'0' * 16}"
    old.mkdir()
    assert outdated_dialects() == [old]
