# SPDX-License-Identifier: MIT
"""Arrow copies: the same faces, never of another set, whole or gone on with."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from celeba_writer import FakeCelebA
from typer.testing import CliRunner

import datasets
from faceeval.cli import app
from faceeval.data.faces import FaceSet
from faceeval.data.hub import arrow_copy
from faceeval.data.hub.arrow_copy import build_copy, place_of, with_copy
from faceeval.data.hub.mapped_images import MappedImages
from faceeval.data.table import load_faces
from faceeval.errors import InputError, OutputError

Make = Callable[..., FakeCelebA]
COUNT = 11


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path / "cache"))
    image = 3 * 16 * 16
    monkeypatch.setattr(arrow_copy, "BATCH_BYTES", 2 * image)
    monkeypatch.setattr(arrow_copy, "SHARD_BYTES", 4 * image)


@pytest.fixture
def known() -> FaceSet:
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (COUNT, 3, 16, 16), np.uint8)
    return FaceSet(
        name="made/up:set",
        split="test",
        size=16,
        names=tuple(f"{row}.png" for row in range(COUNT)),
        digest="ab" * 32,
        read=lambda indices: images[indices],
        attributes={"Young": random.integers(0, 2, COUNT).astype(np.uint8)},
        identities=np.arange(COUNT) % 3,
        people=("Ann", "Bob", "Eve"),
        expression=np.arange(COUNT) % 8,
        valence_arousal=random.uniform(-1, 1, (COUNT, 2)).astype(np.float32),
        landmarks=random.uniform(0, 16, (COUNT, 5, 2)).astype(np.float32),
    )


def test_a_copy_holds_the_same_pixels(known: FaceSet) -> None:
    steps: list[tuple[int, int]] = []
    folder = build_copy(known, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (COUNT, COUNT)
    assert len(sorted(folder.glob("*.arrow"))) == 3
    found = with_copy(known)
    assert isinstance(found.read, MappedImages)
    np.testing.assert_array_equal(found.images(), known.images())
    order = np.array([10, 0, 3, 3, 7])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found.read))(order), known.read(order))
    assert found.digest == known.digest
    assert found.read(np.empty(0, np.int64)).shape == (0, 3, 16, 16)
    with pytest.raises(InputError, match=r"0\.\.10"):
        found.read(np.array([COUNT]))


def test_a_copy_is_a_dataset_with_typed_columns(known: FaceSet) -> None:
    data = datasets.load_from_disk(str(build_copy(known)))
    assert data.features["expression"].names[1] == "happy"
    row = data.with_format("numpy")[4]
    np.testing.assert_array_equal(row["image"], known.read(np.array([4]))[0])
    np.testing.assert_array_equal(row["landmarks"], known.landmarks[4])
    assert (data[4]["name"], data[4]["Young"]) == ("4.png", bool(known.attributes["Young"][4]))
    assert data.features["identity"].int2str(data[4]["identity"]) == "Bob"


def test_another_set_never_gets_the_copy(known: FaceSet) -> None:
    build_copy(known)
    other = replace(known, digest="ab" * 8 + "cd" * 24)  # begins alike
    assert place_of(other).folder == place_of(known).folder
    assert with_copy(other) is other


def test_other_pixels_than_the_source_gives_make_a_copy_useless(known: FaceSet) -> None:
    build_copy(known)
    changed = replace(known, read=lambda indices: 255 - known.read(indices))
    with pytest.warns(UserWarning, match="other pixels"):
        assert with_copy(changed) is changed
    build_copy(changed)
    np.testing.assert_array_equal(with_copy(changed).images(), changed.images())


def test_a_stopped_build_goes_on(known: FaceSet) -> None:
    asked: list[int] = []

    def read(indices: np.ndarray) -> np.ndarray:
        asked.extend(indices.tolist())
        if 6 in indices and len(asked) < 12:
            raise KeyboardInterrupt
        return known.read(indices)

    with pytest.raises(KeyboardInterrupt):
        build_copy(replace(known, read=read))
    folder = place_of(known).folder
    assert [path.name for path in folder.glob("*.arrow")] == ["data-00000-of-00003.arrow"]
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]
    assert with_copy(known) is known
    asked.clear()
    asked.extend(range(100))
    build_copy(replace(known, read=read))
    assert sorted(asked[100:])[:2] == [0, 4]  # one image of the file that was there, to see that it is still right
    np.testing.assert_array_equal(with_copy(known).images(), known.images())


@pytest.mark.parametrize("damage", ["flipped", "short", "gone"])
def test_damaged_files_are_written_again(known: FaceSet, damage: str) -> None:
    folder = build_copy(known)
    path = folder / "data-00001-of-00003.arrow"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "short" else content[:-200] + b"\7" + content[-199:])
    if damage != "flipped":
        with pytest.warns(UserWarning, match="of no use"):
            assert with_copy(known) is known
    others = (folder / "data-00000-of-00003.arrow").stat().st_mtime_ns
    build_copy(known)
    assert path.read_bytes() == content
    assert (folder / "data-00000-of-00003.arrow").stat().st_mtime_ns == others


def test_a_damaged_record_is_none(known: FaceSet) -> None:
    record = build_copy(known) / "copy.json"
    for text in ("", "{}", json.dumps({**json.loads(record.read_text()), "files": [{}]})):
        record.write_text(text)
        assert with_copy(known) is known


def test_too_small_a_disk_is_noticed_before(known: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(OutputError, match="GB of free space"):
        build_copy(known)


def test_the_command_builds_and_loading_maps(fake_celeba: Make, tmp_path: Path) -> None:
    root = fake_celeba().root
    arguments = ["data", "build", "celeba", "--root", str(root), "--size", "16"]
    for _ in range(2):  # the second finds all there
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert done.output.count("images of 16 px") == 3
    mapped = load_faces("celeba", "test", size=16, root=root, crop="center178")
    plain = load_faces("celeba", "test", size=16, root=root, crop="center178", from_copy=False)
    assert isinstance(mapped.read, MappedImages)
    assert (mapped.digest, mapped.names) == (plain.digest, plain.names)
    np.testing.assert_array_equal(mapped.images(), plain.images())
    for column in ("identities", "landmarks"):
        np.testing.assert_array_equal(getattr(mapped, column), getattr(plain, column))
    assert not isinstance(load_faces("celeba", "test", size=20, root=root).read, MappedImages)
