# SPDX-License-Identifier: MIT
"""Faces written for the hub are read back equal, by faceeval and by the package itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import datasets
from faceeval.data.faces import FaceSet
from faceeval.data.hub.export import write_hub
from faceeval.data.labels.expressions import EXPRESSIONS
from faceeval.data.table import load_faces
from faceeval.errors import InputError, OutputError

COUNTS = {"train": 7, "test": 4}


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


def known(split: str, people: tuple[str, ...] = ()) -> FaceSet:
    count = COUNTS[split]
    random = np.random.default_rng(count)
    images = random.integers(0, 256, (count, 3, 20, 20), np.uint8)
    return FaceSet(
        name="procfaces",
        split=split,
        size=20,
        names=tuple(f"procfaces-{row:05d}" for row in range(count)),
        digest="0" * 64,
        read=lambda indices: images[indices],
        attributes={name: random.integers(0, 2, count).astype(np.uint8) for name in ("Young", "Eyeglasses")},
        identities=random.integers(0, len(people) or 99, count),
        people=people,
        pose=random.uniform(-30, 30, (count, 3)).astype(np.float32),
        expression=random.integers(0, 8, count),
        valence_arousal=random.uniform(-1, 1, (count, 2)).astype(np.float32),
        landmarks=random.uniform(0, 20, (count, 5, 2)).astype(np.float32),
        landmarks68=random.uniform(0, 20, (count, 68, 2)).astype(np.float32),
        clips=random.integers(0, 5, count),
    )


@pytest.mark.parametrize("mode", ["", "memory:", "stream:"])
def test_what_is_written_is_read_back_equal(tmp_path: Path, mode: str) -> None:
    parts, steps = {split: known(split) for split in COUNTS}, []
    write_hub(parts, tmp_path / "out", lambda done, total: steps.append((done, total)))
    assert steps[-1] == (11, 11)
    for split, faces in parts.items():
        found = load_faces(f"hf:{mode}{tmp_path / 'out'}", split, size=20)
        assert found.names == faces.names
        np.testing.assert_array_equal(found.images(), faces.images())
        assert list(found.attributes) == list(faces.attributes)
        for name, values in faces.attributes.items():
            np.testing.assert_array_equal(found.attributes[name], values)
        for name in ("identities", "pose", "expression", "valence_arousal", "clips"):
            np.testing.assert_array_equal(getattr(found, name), getattr(faces, name))
        for name in ("landmarks", "landmarks68"):
            np.testing.assert_allclose(getattr(found, name), getattr(faces, name), atol=1e-5)


def test_the_package_opens_the_folder_with_types(tmp_path: Path) -> None:
    write_hub({split: known(split) for split in COUNTS}, tmp_path / "out")
    data = datasets.load_dataset(str(tmp_path / "out"))
    assert {split: len(part) for split, part in data.items()} == COUNTS
    features = data["train"].features
    assert features["expression"] == datasets.ClassLabel(names=list(EXPRESSIONS))
    assert features["Young"] == datasets.Value("bool")
    np.testing.assert_array_equal(
        np.asarray(data["test"][1]["image"]).transpose(2, 0, 1), known("test").read(np.array([1]))[0]
    )
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert [entry["split"] for entry in head["configs"][0]["data_files"]] == list(COUNTS)
    assert "| test | 4 |" in card


def test_people_of_all_splits_share_one_list(tmp_path: Path) -> None:
    parts = {"train": known("train", ("Ann", "Eve")), "test": known("test", ("Bob",))}
    write_hub(parts, tmp_path / "out")
    assert datasets.load_dataset(str(tmp_path / "out"))["test"].features["identity"].names == ["Ann", "Bob", "Eve"]
    found = load_faces(f"hf:{tmp_path / 'out'}", "train", size=20)
    assert [found.people[n] for n in found.identities] == [parts["train"].people[n] for n in parts["train"].identities]


def test_splits_that_differ_and_full_folders_are_refused(tmp_path: Path) -> None:
    lacking = replace(known("test"), pose=None)
    with pytest.raises(InputError, match="know the same"):
        write_hub({"train": known("train"), "test": lacking}, tmp_path / "out")
    with pytest.raises(InputError, match="no split"):
        write_hub({}, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(OutputError, match="empty folder"):
        write_hub({"test": known("test")}, tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["full"]


def test_a_set_without_splits_is_called_train(tmp_path: Path) -> None:
    write_hub({"all": known("test")}, tmp_path / "out")
    assert list(datasets.load_dataset(str(tmp_path / "out"))) == ["train"]
    assert len(load_faces(f"hf:{tmp_path / 'out'}", "all", size=20)) == 4
