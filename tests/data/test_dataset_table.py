# SPDX-License-Identifier: MIT
"""The names ``--data`` takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from celeba_writer import FakeCelebA

from faceeval.benchmark import Benchmark
from faceeval.data.manifest import manifest_names
from faceeval.data.table import DATASETS, find_copy, load_faces, reader_of
from faceeval.errors import InputError, MissingFileError, UnknownNameError

Make = Callable[..., FakeCelebA]


def test_every_dataset_has_a_manifest() -> None:
    assert sorted(DATASETS) == manifest_names()


def test_celeba_opens_below_a_root(fake_celeba: Make) -> None:
    faces = load_faces("celeba", "validation", size=32, root=fake_celeba().root)
    assert (faces.name, faces.split, faces.size, len(faces)) == ("celeba", "validation", 32, 4)
    assert faces.provenance["crop"] == "center178"


def test_the_crop_can_be_chosen(fake_celeba: Make) -> None:
    root = fake_celeba().root
    assert load_faces("celeba", "test", root=root, crop="low148").provenance["crop_size"] == 148
    with pytest.raises(UnknownNameError, match="low148"):
        load_faces("celeba", "test", root=root, crop="low149")


def test_the_root_may_come_from_the_environment(fake_celeba: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_DATA", str(fake_celeba("torchvision").root))
    assert len(load_faces("celeba", "test")) == 4


def test_without_a_root_the_way_to_the_data_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEEVAL_DATA", raising=False)
    with pytest.raises(MissingFileError, match="--root DIR") as caught:
        load_faces("celeba", "test")
    assert "datasets/celeba/README.md" in caught.value.todo
    assert "procfaces" in caught.value.todo


def test_a_copy_is_found_where_it_is(fake_celeba: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEEVAL_DATA", raising=False)
    assert find_copy("celeba") is None
    root = fake_celeba().root
    assert find_copy("celeba", root) == root
    assert find_copy("celeba", tmp_path / "absent") is None
    monkeypatch.setenv("FACEEVAL_DATA", str(root))
    assert find_copy("celeba") == root
    with pytest.raises(UnknownNameError):
        find_copy("celeb-a")


@pytest.mark.parametrize("name", DATASETS)
def test_every_reader_has_the_same_functions(name: str) -> None:
    reader = reader_of(name)
    wanted = ["load", "check"] + (["find_files"] if DATASETS[name].needs_root else [])
    assert all(callable(getattr(reader, function)) for function in wanted)


def test_unknown_datasets_list_the_known() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'celeba'"):
        load_faces("celeb-a", "test")


def test_what_may_follow_the_colon_is_up_to_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="write --data celeba"):
        load_faces("celeba:small", "test", root=tmp_path)
    for kind, root, variant in (("root", Path("here"), ""), ("variant", tmp_path, "here")):
        monkeypatch.setitem(DATASETS, "celeba", replace(DATASETS["celeba"], after_colon=kind))
        monkeypatch.setattr("faceeval.data.readers.celeba.load", lambda root, split, opening: (root, opening.variant))
        given = tmp_path if kind == "variant" else None
        assert load_faces("celeba:here", "test", root=given, from_copy=False) == (root, variant)
        assert Benchmark.load("celeba:here").data == "celeba:here"
    monkeypatch.setitem(DATASETS, "celeba", replace(DATASETS["celeba"], after_colon="root"))
    with pytest.raises(InputError, match="leave out --root"):
        load_faces("celeba:here", "test", root=tmp_path)


def test_what_procfaces_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out --root"):
        load_faces("procfaces", "test", root=tmp_path)
    with pytest.raises(UnknownNameError, match="rendered"):
        load_faces("procfaces", "test", crop="center178")


def test_procfaces_opens_as_a_face_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def load(split: str, size: int, progress: object) -> str:
        asked.update(split=split, size=size, progress=progress)
        return "faces"

    monkeypatch.setattr("faceeval.data.procfaces.standard.load", load)
    assert load_faces("procfaces", "test", size=16, crop="rendered", progress=print) == "faces"
    assert asked == {"split": "test", "size": 16, "progress": print}


def test_the_table_brings_no_renderer_and_no_torch() -> None:
    code = "import sys, faceeval.data.table; print([m for m in ('torch', 'numba', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
