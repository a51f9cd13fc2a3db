# SPDX-License-Identifier: MIT
"""The rendered set: what it holds, and that nothing but the index decides it."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceeval.data.procfaces import population, truths
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, flip
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.render import render
from faceeval.data.procfaces.standard import load
from faceeval.data.procfaces.workers import Workers, render_batch
from faceeval.errors import InputError, UnknownNameError

everything = np.arange(12)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def no_rendering(*_: object) -> None:
    raise AssertionError("rendered although the cache has it")


def test_first_load_renders_and_later_ones_read(cache: Path, stand_in: types.ModuleType) -> None:
    steps: list[tuple[int, int]] = []
    faces = load("test", 32, 1, lambda done, total: steps.append((done, total)))
    assert steps == [(12, 12)]
    assert files(cache) == ["test-32-labels.npz", "test-32-landmarks68.npz", "test-32.json", "test-32.npy"]
    expected = np.stack([stand_in.render(sample_factors(index), 32).image for index in range(9000, 9012)])
    np.testing.assert_array_equal(faces.read(everything), expected)
    stand_in.render = no_rendering
    again = load("test", 32, 1, no_rendering)
    np.testing.assert_array_equal(again.read(np.array([3, 3, 0])), expected[[3, 3, 0]])
    assert again.digest == faces.digest
    assert again.provenance["images_sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()


@pytest.mark.usefixtures("cache", "stand_in")
def test_columns_are_those_of_the_population() -> None:
    faces = load("validation", 32, 1)
    factors = [sample_factors(index) for index in range(8000, 8004)]
    assert faces.names == ("procfaces-08000", "procfaces-08001", "procfaces-08002", "procfaces-08003")
    table = population.attribute_table("validation")
    assert list(faces.attributes) == list(table)
    assert all(np.array_equal(faces.attributes[name], table[name]) for name in table)
    assert faces.identities is not None
    assert faces.identities.tolist() == [400] * 4
    assert faces.pose is not None
    np.testing.assert_allclose(faces.pose, [[f.pose.yaw, f.pose.pitch, f.pose.roll] for f in factors], rtol=1e-6)
    assert faces.expression is not None
    assert faces.valence_arousal is not None
    affect = [population.affect_of(face) for face in factors]
    assert faces.expression.tolist() == [label for label, _, _ in affect]
    np.testing.assert_allclose(faces.valence_arousal, [pair for _, *pair in affect], rtol=1e-6)
    assert faces.landmarks is not None
    assert faces.landmarks.shape == (4, 5, 2)
    assert faces.landmarks.dtype == faces.valence_arousal.dtype == faces.pose.dtype == np.float32


@pytest.mark.usefixtures("stand_in")
def test_number_of_processes_does_not_matter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for workers in (1, 2):
        monkeypatch.setenv("FACEEVAL_CACHE", str(cache / str(workers)))
        faces = load("train", 24, workers)
        assert faces.landmarks is not None
        digests.add((faces.provenance["images_sha256"], faces.landmarks.tobytes(), faces.digest))
    assert len(digests) == 1


@pytest.mark.parametrize("attribute", ATTRIBUTE_NAMES)
@pytest.mark.usefixtures("cache")
def test_truth_is_the_render_of_the_flipped_face(stand_in: types.ModuleType, attribute: str) -> None:
    faces = load("test", 32, 1)
    assert faces.truth is not None
    rows = np.array([7, 0, 7, 11])
    truth = faces.truth(rows, attribute)
    expected = [stand_in.render(flip(sample_factors(9000 + row), attribute), 32).image for row in rows]
    np.testing.assert_array_equal(truth.images, expected)
    differs = (truth.images != faces.read(rows)).any(axis=1)
    assert differs.any(axis=(1, 2)).all()
    assert truth.region.dtype == np.bool_
    assert truth.region[differs].all()
    column = ATTRIBUTE_NAMES.index(attribute)
    assert truth.region[:, 1:6, max(column - 1, 0) : column + 2].all()  # the bar and one pixel around it
    assert not truth.region[:, 6:].any()


def test_truths_are_rendered_once(cache: Path, stand_in: types.ModuleType) -> None:
    faces = load("test", 32, 1)
    assert faces.truth is not None
    first = faces.truth(np.array([5, 1]), "Male")
    faces.truth(np.array([2, 1]), "Male")
    stand_in.render = no_rendering
    again = load("test", 32, 1).truth
    assert again is not None
    np.testing.assert_array_equal(again(np.array([1, 2, 5]), "Male").images[[2, 0]], first.images)
    assert len(list(cache.rglob("Male/*.npz"))) == 2
    empty = again(np.empty(0, np.int64), "Male")
    assert empty.images.shape == (0, 3, 32, 32)
    assert empty.region.shape == (0, 32, 32)


def test_masks_are_rendered_once(cache: Path, stand_in: types.ModuleType) -> None:
    faces = load("test", 32, 1)
    assert faces.masks is not None
    first = faces.masks(np.array([5, 1]))
    np.testing.assert_array_equal(first[0], stand_in.render(sample_factors(9005), 32).mask)
    faces.masks(np.array([2, 1]))
    stand_in.render = no_rendering
    again = load("test", 32, 1).masks
    assert again is not None
    np.testing.assert_array_equal(again(np.array([1, 2, 5]))[[2, 0]], first)
    assert len(list(cache.rglob("masks-32/*.npz"))) == 2
    assert again(np.empty(0, np.int64)).shape == (0, 32, 32)
    with pytest.raises(InputError):
        again(np.array([12]))


@pytest.mark.usefixtures("stand_in")
def test_68_landmarks_are_worked_out_once_beside_a_set_without_them(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load("test", 32, 1).landmarks68
    path = next(cache.rglob("test-32-landmarks68.npz"))
    before = {file: file.stat().st_mtime_ns for file in path.parent.iterdir() if file != path}
    path.unlink()
    np.testing.assert_array_equal(load("test", 32, 1).landmarks68, first)
    assert path.exists()
    monkeypatch.setattr(truths, "_points", no_rendering)
    np.testing.assert_array_equal(load("test", 32, 1).landmarks68, first)
    assert all(file.stat().st_mtime_ns == time for file, time in before.items() if file.suffix != ".lock")


@pytest.mark.parametrize("harm", [lambda c: c[:-30], lambda c: c[:900] + bytes([c[900] ^ 1]) + c[901:], lambda _: b""])
@pytest.mark.usefixtures("stand_in")
def test_damaged_landmarks_are_made_again(cache: Path, harm: Callable[[bytes], bytes]) -> None:
    first = load("test", 32, 1).landmarks68
    path = next(cache.rglob("test-32-landmarks68.npz"))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.warns(UserWarning, match="damaged"):
        np.testing.assert_array_equal(load("test", 32, 1).landmarks68, first)
    np.testing.assert_array_equal(load("test", 32, 1).landmarks68, first)


@pytest.mark.usefixtures("cache", "few_faces")
def test_68_landmarks_and_masks_are_those_of_the_rendering() -> None:
    faces = load("validation", 32, 1)
    assert faces.masks is not None
    assert faces.landmarks68 is not None
    renderings = [render(sample_factors(index), 32) for index in range(8000, 8004)]
    np.testing.assert_array_equal(faces.landmarks68, [rendering.landmarks68 for rendering in renderings])
    np.testing.assert_array_equal(faces.masks(np.arange(4)), [rendering.mask for rendering in renderings])


@pytest.mark.usefixtures("cache", "stand_in")
def test_a_pickled_set_reads_the_same() -> None:
    faces = load("test", 32, 1)
    content = pickle.dumps(faces)
    assert len(content) < 30_000  # the map goes along, not the pixels
    other = pickle.loads(content)
    np.testing.assert_array_equal(other.read(everything), faces.read(everything))
    assert faces.truth is not None
    np.testing.assert_array_equal(other.truth(everything, "Bald").images, faces.truth(everything, "Bald").images)


@pytest.mark.usefixtures("cache", "stand_in")
def test_bad_arguments() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        load("valid")
    for size in (15, 1025, 0, -64, 64.0, "64"):
        with pytest.raises(InputError, match=r"16\.\.1024"):
            load("test", size)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="worker"):
        load("test", 32, 0)
    faces = load("test", 32, 1)
    for rows in (np.array([12]), np.array([-1]), np.array([[0]]), np.array([0.5]), np.array([True])):
        with pytest.raises(InputError):
            faces.read(rows)
    assert faces.read(np.empty(0, np.int64)).shape == (0, 3, 32, 32)
    assert faces.truth is not None
    with pytest.raises(UnknownNameError, match="Eyeglasses"):
        faces.truth(np.array([0]), "Eyeglass")
    with pytest.raises(InputError):
        faces.truth(np.array([12]), "Young")


@pytest.mark.usefixtures("stand_in")
def test_a_dead_or_failing_child_is_told_and_replaced() -> None:
    with Workers(2) as workers:
        good = np.concatenate([batch.images for batch in workers.render(range(60), 32)])
        np.testing.assert_array_equal(good, render_batch(range(60), 32)[0])
        for child in workers._children:
            child.kill()
            child.wait()
        with pytest.raises(RuntimeError, match="ended early"):
            list(workers.render(range(60), 32))
        with pytest.raises(RuntimeError, match="12999"):
            list(workers.render([*range(60), 13_000], 32))
        again = np.concatenate([batch.images for batch in workers.render(range(60), 32)])
        np.testing.assert_array_equal(again, good)
        children = list(workers._children)
    assert all(child.poll() is not None for child in children)


def test_importing_data_loads_no_compiler() -> None:
    code = (
        "import sys, faceeval.data, faceeval.data.procfaces; from faceeval.data.procfaces import load, sample_factors;"
        "sample_factors(3); assert not {'numba', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
