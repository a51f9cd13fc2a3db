# SPDX-License-Identifier: MIT
"""Copies of Multi-PIE, whose labels are the names of its images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multipie_writer import LAYOUTS, SHOTS, SHOWN, write_multipie
from PIL import Image

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers import multipie
from faceeval.data.readers.multipie import CAMERAS, EXPRESSIONS, RECORDINGS, Shot, camera_yaw, read_name
from faceeval.data.table import find_copy, load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError


def load(root: Path, split: str = "all", **options: object) -> FaceSet:
    return multipie.load(root, split, Opening(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("append", "suffix"), [("", ".png"), ("_crop_128", ".PNG")])
def test_every_layout_reads_the_same(tmp_path: Path, layout: str, append: str, suffix: str) -> None:
    if layout == "published" and append:
        append = ""  # other names would not be the owners'
    faces = load(write_multipie(tmp_path / "copy", layout, append, suffix), size=32)
    assert faces.identities is not None
    assert faces.identities.tolist() == [shot[0] for shot in SHOTS]
    assert faces.names[1] == "001_01_02_140_07.png"
    shown = np.array([faces.attributes[name] for name in EXPRESSIONS])
    assert shown.sum(0).tolist() == [1] * len(SHOTS)
    assert [EXPRESSIONS[kind] for kind in shown.argmax(0)] == list(SHOWN)
    assert (faces.expression, faces.pose, faces.people) == (None, None, ())
    assert faces.provenance["expressions_disputed"] == 2
    plain = load(write_multipie(tmp_path / "plain"), size=32)
    assert faces.digest == plain.digest
    np.testing.assert_array_equal(faces.images(), plain.images())
    middle = Image.open(next((tmp_path / "plain").rglob("001_01_01*"))).crop((8, 0, 56, 48))
    small = np.asarray(middle.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(faces.read(np.array([0]))[0], small)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 346),
    st.sampled_from(sorted(RECORDINGS)),
    st.sampled_from(sorted(CAMERAS)),
    st.integers(0, 19),
    st.sampled_from(["", "_crop_128", "_cropped"]),
    st.sampled_from([".png", ".PNG", ".jpg", ""]),
)
def test_a_name_says_what_it_was_made_of(
    person: int, recording: tuple[int, int], camera: str, light: int, append: str, suffix: str
) -> None:
    shot = Shot(person, *recording, camera, light)
    assert read_name(f"{shot.folder}/{shot.name}{append}{suffix}") == shot
    assert shot.folder.endswith(f"/{camera[:2]}_{camera[2]}")


@pytest.mark.parametrize(
    "name",
    [
        "000_01_01_051_07.png",
        "347_01_01_051_07.png",
        "001_05_01_051_07.png",
        "001_01_03_051_07.png",
        "001_01_01_052_07.png",
        "001_01_01_051_20.png",
        "001_01_01_051_07x.png",
        "1_01_01_051_07.png",
        "001_01_01_051.png",
        "frame.png",
    ],
)
def test_names_beyond_the_codes_are_refused(tmp_path: Path, name: str) -> None:
    root = write_multipie(tmp_path, "flat")
    shutil.copy(root / "001_01_01_051_07.png", root / name)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load(root)


def test_cameras_stand_where_published_code_says() -> None:
    assert len(CAMERAS) == 15
    known = [yaw for yaw in CAMERAS.values() if yaw is not None]
    assert known == list(range(-90, 91, 15))
    assert camera_yaw("051") == 0
    assert camera_yaw("081") is None
    assert camera_yaw("191") is None
    with pytest.raises(UnknownNameError):
        camera_yaw("05_1")


def test_only_the_views_of_the_published_layout_are_read(tmp_path: Path) -> None:
    root = write_multipie(tmp_path / "Multi-Pie" / "data")
    digest = load(root).digest
    (root / "session01" / "highres" / "001").mkdir(parents=True)
    (root / "session01" / "highres" / "001" / "001_01_01.png").write_bytes(b"")
    (root / "calibration.jpg").write_bytes(b"")
    first = next(root.rglob("001_01_01*"))
    (first.parent / f"._{first.name}").write_bytes(b"")
    (first.parent / "Thumbs.db").write_bytes(b"")
    assert load(tmp_path).digest == digest  # from the folder above, too


def test_a_name_must_agree_with_its_folder(tmp_path: Path) -> None:
    root = write_multipie(tmp_path)
    first = next(root.rglob("001_01_01*"))
    first.rename(first.with_name("001_01_01_050_07.png"))
    with pytest.raises(InputError, match=r"belongs in session01/multiview/001/01/05_0"):
        load(root)


def test_an_image_in_two_files_is_refused(tmp_path: Path) -> None:
    root = write_multipie(tmp_path, "flat")
    shutil.copy(root / "001_01_01_051_07.png", root / "001_01_01_051_07_crop_128.png")
    with pytest.raises(InputError, match=r"each image once.*\n.*001_01_01_051_07"):
        load(root)


def test_folders_and_files_may_be_links(tmp_path: Path) -> None:
    root = write_multipie(tmp_path / "copy", "by person")
    digest = load(root).digest
    shutil.move(root / "001", tmp_path / "elsewhere")
    (root / "001").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert load(root).digest == digest


def test_the_copy_is_found_or_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="not a folder"):
        load(tmp_path / "absent")
    file = tmp_path / "001_01_01_051_07.png"
    file.write_bytes(b"")
    with pytest.raises(MissingFileError, match="not a folder"):
        load(file)
    file.unlink()
    with pytest.raises(MissingFileError, match="no such file or folder"):
        load(tmp_path)
    (tmp_path / "session01.tar.gz").write_bytes(b"")
    with pytest.raises(MissingFileError, match="only the archive"):
        load(tmp_path)
    assert find_copy("multipie", tmp_path) is None
    write_multipie(tmp_path / "multipie", "flat")
    assert find_copy("multipie", tmp_path) == tmp_path
    with pytest.raises(UnknownNameError, match="Known: all"):
        load(tmp_path, "test")
    with pytest.raises(UnknownNameError):
        load(tmp_path, crop="crop_128")


def test_the_published_data_raise_nothing(tmp_path: Path) -> None:
    manifest = load_manifest("multipie")
    root = write_multipie(tmp_path)
    assert manifest.attributes == EXPRESSIONS
    assert multipie.check(manifest, root, None) == []
    next(root.rglob("001_01_01*")).write_bytes(b"<html>")
    (finding,) = multipie.check(manifest, root, None)
    assert "001_01_01_051_07.png cannot be opened" in finding.message


def test_the_table_knows_it(tmp_path: Path) -> None:
    faces = load_faces("multipie", "all", size=32, root=write_multipie(tmp_path))
    assert (faces.name, faces.split, len(faces)) == ("multipie", "all", len(SHOTS))
