# SPDX-License-Identifier: MIT
"""procfaces written in the layouts of the datasets they stand in for, and read back by those datasets' readers."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from faceeval.cli import main
from faceeval.data.procfaces import population, standard
from faceeval.data.table import load_faces

SIZE = 16


@pytest.fixture
def two_people(monkeypatch: pytest.MonkeyPatch, cache: Path, stand_in: types.ModuleType) -> None:
    """Two people of each split, drawn by the stand-in."""
    splits = {"train": range(40), "validation": range(8000, 8040), "test": range(9000, 9040)}
    monkeypatch.setattr(population, "SPLITS", splits)
    monkeypatch.setattr(standard, "default_workers", lambda: 1)


def export(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["faceeval", "data", "export", *map(str, arguments), "--lossless"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code


def test_clips_become_those_of_voxceleb(two_people: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    export(monkeypatch, "procfaces:clips", tmp_path / "out", "--layout", "voxceleb", "--size", SIZE)
    for split in ("train", "test"):
        source = load_faces("procfaces:clips", split, size=SIZE)
        back = load_faces("voxceleb", split, size=SIZE, root=tmp_path / "out")
        np.testing.assert_array_equal(back.images(), source.images())  # as both go by person, clip and time
        np.testing.assert_array_equal(back.attributes["Male"], source.attributes["Male"])
        assert back.clips is not None
        assert source.clips is not None
        np.testing.assert_array_equal(back.clips, source.clips - source.clips[0])
        assert source.identities is not None
        assert set(back.people) == {f"Person_{person:04d}" for person in source.identities.tolist()}


def test_conditions_become_multipies(two_people: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    export(monkeypatch, "procfaces:multipie", tmp_path / "out", "--layout", "multipie", "--size", SIZE)
    source = load_faces("procfaces:multipie", "test", size=SIZE)
    back = load_faces("multipie", "all", size=SIZE, root=tmp_path / "out")
    assert len(back) == len(source) == 12
    order = np.argsort(np.array(source.names))
    np.testing.assert_array_equal(back.images(), source.images()[order])
    assert source.expression is not None
    np.testing.assert_array_equal(back.attributes["smile"], (source.expression == 1)[order])
    np.testing.assert_array_equal(back.attributes["surprise"], (source.expression == 3)[order])


@pytest.mark.parametrize("split", ["train", "validation"])
def test_expressions_become_affectnets(
    two_people: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, split: str
) -> None:
    export(monkeypatch, "procfaces", tmp_path / "out", "--layout", "affectnet-npy", "--size", SIZE, "--split", split)
    source = load_faces("procfaces", split, size=SIZE)
    back = load_faces("affectnet", split, size=SIZE, root=tmp_path / "out")
    np.testing.assert_array_equal(back.images(), source.images())
    np.testing.assert_array_equal(back.expression, source.expression)
    np.testing.assert_array_equal(back.valence_arousal, source.valence_arousal)
    np.testing.assert_allclose(np.asarray(back.landmarks68), np.asarray(source.landmarks68), atol=1e-4)
