# SPDX-License-Identifier: MIT
"""The reader that the documentation shows does what it says."""

from __future__ import annotations

import re
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceeval.data.manifest import Manifest, load_manifest
from faceeval.data.opening import Opening
from faceeval.errors import MissingFileError, UnknownNameError

PAGE = Path(__file__).parents[2] / "docs" / "add-a-dataset.md"


@pytest.fixture
def reader() -> types.ModuleType:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    module = types.ModuleType("myfaces")
    exec(compile(code[1], str(PAGE), "exec"), module.__dict__)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("a.jpg", "b.PNG", "c.jpg")):
        Image.new("RGB", (30, 40), (80 * number, 0, 0)).save(tmp_path / "images" / name)
    (tmp_path / "people.csv").write_text("a.jpg,Roe\nb.png,Doe\nc.jpg,Roe\n")
    return tmp_path


def test_it_reads_a_copy_and_the_folder_above_it(reader: types.ModuleType, copy: Path) -> None:
    faces = reader.load(copy, "all", Opening(size=16))
    assert faces.names == ("a.jpg", "b.png", "c.jpg")
    assert faces.people == ("Doe", "Roe")
    np.testing.assert_array_equal(faces.identities, [1, 0, 1])
    assert faces.images()[:, 0, 8, 8].tolist() == pytest.approx([0, 80, 160], abs=2)
    assert faces.attributes == {}
    assert faces.pose is None
    copy.rename(copy.with_name("myfaces"))
    assert reader.load(copy.parent, "all", Opening(size=16)).digest == faces.digest


def test_it_refuses_what_it_must_and_leaves_out_what_it_may(reader: types.ModuleType, copy: Path) -> None:
    with pytest.raises(UnknownNameError, match="split"):
        reader.load(copy, "test")
    (copy / "images" / "c.jpg").unlink()
    with pytest.raises(MissingFileError, match=r"c\.jpg"):
        reader.load(copy, "all")
    assert reader.load(copy, "all", Opening(skip_missing=True)).skipped == ("c.jpg",)
    with pytest.raises(MissingFileError, match="--root"):
        reader.load(copy / "images", "all")


def test_it_checks_a_copy(reader: types.ModuleType, copy: Path) -> None:
    fields = {"splits": {"all": 3}, "attributes": (), "files": (), "image_size": None, "identity_disjoint": False}
    manifest: Manifest = load_manifest("celeba").model_copy(update=fields)
    assert reader.check(manifest, copy) == []
    (copy / "images" / "a.jpg").write_bytes(b"text")
    assert [finding.level for finding in reader.check(manifest, copy)] == ["error"]
