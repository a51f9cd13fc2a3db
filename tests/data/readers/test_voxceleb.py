# SPDX-License-Identifier: MIT
"""Frames of VoxCeleb1, in every dialect, whole and damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from voxceleb_writer import SPEAKERS, write_voxceleb

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers import voxceleb
from faceeval.data.table import find_copy, load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError


def load(root: Path, split: str = "train", **options: object) -> FaceSet:
    return voxceleb.load(root, split, Opening(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "dialect",
    [
        {},
        {"strip_dots": True},
        {"above": "VoxCeleb1", "newline": "\r\n", "mark": "\ufeff"},
        {"table": "meta"},
        {"table": "unzippedFaces", "rows": [[field.rstrip(".") for field in row] for row in SPEAKERS]},
        {"suffix": ".JPEG"},
    ],
)
def test_every_dialect_reads_the_same(tmp_path: Path, dialect: dict[str, object]) -> None:
    fake = write_voxceleb(tmp_path / "copy", **dialect)  # type: ignore[arg-type]
    faces = load(fake.root, size=32)
    assert faces.people == ("Ann_Roe_Jr", "Q._Doe")
    assert faces.names[:4] == (
        "Ann_Roe_Jr/1.6/zZ9/0000001.jpg",
        "Ann_Roe_Jr/1.6/zZ9/0000026.jpg",
        "Ann_Roe_Jr/1.6/zZ9/0000101.jpg",
        "Q._Doe/1.6/a-B_1/0000001.jpg",
    )
    assert faces.identities is not None
    assert faces.identities.tolist() == [0] * 3 + [1] * 6
    assert faces.clips is not None
    assert faces.clips.tolist() == [0] * 3 + [1] * 3 + [2] * 3  # the same clip with two people is two clips
    assert faces.attributes["Male"].tolist() == [0] * 3 + [1] * 6
    assert faces.attributes["Male"].dtype == np.uint8
    assert (faces.expression, faces.pose, faces.landmarks) == (None, None, None)
    plain = load(write_voxceleb(tmp_path / "plain").root, size=32)
    assert faces.digest == plain.digest
    np.testing.assert_array_equal(faces.images(), plain.images())
    test = load(fake.root, "test")
    assert test.people == ("Jane_Roe", "John_Doe")
    assert len(test) == 9


def test_frames_come_in_order_of_time(tmp_path: Path) -> None:
    fake = write_voxceleb(tmp_path)
    clip = fake.frames / "John_Doe" / "1.6" / "d"
    for old, new in (("0000001", "2"), ("0000026", "10"), ("0000101", "9")):
        (clip / f"{old}.jpg").rename(clip / f"{new}.jpg")
    assert [name.rpartition("/")[2] for name in load(fake.root, "test").names[-3:]] == ["2.jpg", "9.jpg", "10.jpg"]


def test_what_systems_leave_behind_is_nothing(tmp_path: Path) -> None:
    fake = write_voxceleb(tmp_path)
    digest = load(fake.root).digest
    (fake.frames / ".DS_Store").write_bytes(b"")
    (fake.frames / "readme.txt").write_bytes(b"")
    (fake.frames / "Q._Doe" / "1.6" / "zZ9" / "._0000001.jpg").write_bytes(b"")
    assert load(fake.root).digest == digest


def test_folders_may_be_links(tmp_path: Path) -> None:
    fake = write_voxceleb(tmp_path / "copy")
    digest = load(fake.root).digest
    person = fake.frames / "Q._Doe"
    shutil.move(person, tmp_path / "elsewhere")
    person.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert load(fake.root).digest == digest


@pytest.mark.parametrize(
    ("lost", "told"), [("Q._Doe", "Q._Doe"), ("Q._Doe/1.6", "Q._Doe"), ("Q._Doe/1.6/zZ9/*", "Q._Doe/1.6/zZ9")]
)
def test_people_and_clips_without_frames_stop_or_are_listed(tmp_path: Path, lost: str, told: str) -> None:
    fake = write_voxceleb(tmp_path)
    for path in list(fake.frames.glob(lost)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    with pytest.raises(MissingFileError, match=f"none for 1 \\({told}\\)") as caught:
        load(fake.root)
    assert "--skip-missing" in caught.value.todo
    faces = load(fake.root, skip_missing=True)
    assert faces.skipped == (told,)
    assert len(faces) == (6 if told.endswith("zZ9") else 3)
    shutil.rmtree(fake.frames / "Ann_Roe_Jr.")
    shutil.rmtree(fake.frames / "Q._Doe", ignore_errors=True)
    with pytest.raises(MissingFileError, match="none for 2"):
        load(fake.root, skip_missing=True)


def test_folders_of_nobody_are_refused(tmp_path: Path) -> None:
    fake = write_voxceleb(tmp_path)
    lines = fake.table.read_text().splitlines(keepends=True)
    fake.table.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"folders without: 1 \(John_Doe\)") as caught:
        load(fake.root)
    assert "cut short" in caught.value.todo
    (fake.frames / "Ann_Roe_Jr").mkdir()
    with pytest.raises(InputError, match=r"Ann_Roe_Jr and Ann_Roe_Jr\."):
        load(fake.root)


def test_a_frame_in_two_files_is_refused(tmp_path: Path) -> None:
    fake = write_voxceleb(tmp_path)
    clip = fake.frames / "Q._Doe" / "1.6" / "zZ9"
    shutil.copy(clip / "0000001.jpg", clip / "0000001.png")
    with pytest.raises(InputError, match=r"0000001\.jpg and 0000001\.png"):
        load(fake.root)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("id10002\t", ""), "4 in line 3"),
        (("\tf\tUSA", "\tw\tUSA"), "'w', 'test' in line 3"),
        (("USA\ttest", "USA\tvalidation"), "'f', 'validation' in line 3"),
        (("Jane_Roe", "Q._Doe"), "Q._Doe again in line 3"),
        (("Jane_Roe", "Q._Doe."), "Q._Doe again in line 3"),
        (("Jane_Roe", "../Jane_Roe"), r"'\.\./Jane_Roe' in line 3"),
        (("Jane_Roe", "..."), "'' in line 3"),
        (("\t", ","), "no VGGFace1 ID"),
        (("VoxCeleb1 ID", "<html>VoxCeleb1 ID"), None),
        (("VoxCeleb1 ID", "\0"), "binary"),
        (("dev", "test"), "nobody in"),
    ],
)
def test_damaged_tables_are_named_with_their_line(tmp_path: Path, change: tuple[str, str], words: str | None) -> None:
    fake = write_voxceleb(tmp_path)
    fake.table.write_text(fake.table.read_text().replace(*change))
    with pytest.raises(InputError, match=words or "a web page") as caught:
        load(fake.root)
    assert "vox1_meta.csv" in str(caught.value)


def test_the_copy_is_found_or_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="not a folder"):
        load(tmp_path / "absent")
    with pytest.raises(MissingFileError, match="no such file or folder"):
        load(tmp_path)
    (tmp_path / "zippedFaces.tar.gz").write_bytes(b"")
    with pytest.raises(MissingFileError, match="only the archive"):
        load(tmp_path)
    (tmp_path / "unzippedFaces").write_bytes(b"")
    with pytest.raises(MissingFileError, match="is a file"):
        load(tmp_path)
    (tmp_path / "unzippedFaces").unlink()
    assert find_copy("voxceleb", tmp_path) is None
    fake = write_voxceleb(tmp_path, above="VoxCeleb1")
    assert find_copy("voxceleb", tmp_path) == tmp_path
    fake.table.unlink()
    with pytest.raises(MissingFileError, match=r"vox1_meta\.csv"):
        load(tmp_path)
    with pytest.raises(UnknownNameError, match="test, train"):
        load(tmp_path / "absent", "dev")
    with pytest.raises(UnknownNameError):
        load(tmp_path / "absent", crop="1.6")


def test_the_published_data_raise_nothing(tmp_path: Path) -> None:
    manifest = load_manifest("voxceleb")
    fake = write_voxceleb(tmp_path)
    assert voxceleb.check(manifest, fake.root, None) == []
    assert manifest.count("train") is None  # nobody says how many frames there are
    shutil.rmtree(fake.frames / "John_Doe")
    (finding,) = voxceleb.check(manifest, fake.root, None)
    assert finding.level == "error"
    assert "John_Doe" in finding.message


def test_the_table_knows_it(tmp_path: Path) -> None:
    faces = load_faces("voxceleb", "test", size=32, root=write_voxceleb(tmp_path).root)
    assert (faces.name, faces.split, faces.provenance["crop"]) == ("voxceleb", "test", "square")
