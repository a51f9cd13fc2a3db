# SPDX-License-Identifier: MIT
"""CASIA-WebFace as folders, with cleaned lists, and as insightface's records; whole and damaged."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rec_writer import write_insightface
from small_photos import assert_equal_faces, photo

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import checksum, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers.casia import check, find_files, load
from faceeval.data.table import load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError

PEOPLE = {"0000045": 2, "0000099": 1, "0000100": 3}
NAMES = [f"{person}/{number:03d}.jpg" for person, count in PEOPLE.items() for number in range(1, count + 1)]


def write(folder: Path, suffix: str = ".jpg", side: int = 250) -> Path:
    for index, name in enumerate(NAMES):
        path = folder / name.replace(".jpg", suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(index, side, side))
    return folder


def write_records(folder: Path, **options: bool) -> Path:
    rows = iter(range(len(NAMES)))
    write_insightface(folder, [[photo(next(rows)) for _ in range(count)] for count in PEOPLE.values()], **options)
    return folder


def open_all(root: Path, **options: object) -> FaceSet:
    return load(root, "all", Opening(**{"size": 32, **options}))  # type: ignore[arg-type]


def test_the_folder_is_the_person(tmp_path: Path) -> None:
    faces = open_all(write(tmp_path))
    assert (faces.name, faces.split, list(faces.names)) == ("casia", "all", NAMES)
    assert faces.people == tuple(PEOPLE)
    np.testing.assert_array_equal(faces.identities, [0, 0, 1, 2, 2, 2])
    assert faces.attributes == {}
    assert faces.landmarks is None
    cut = Image.open(tmp_path / NAMES[3]).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(faces.read(np.array([3]))[0], np.asarray(cut).transpose(2, 0, 1))
    assert_equal_faces(load_faces("casia", "all", size=32, root=tmp_path), faces)


@pytest.mark.parametrize("place", ["CASIA-WebFace", "casia", "CASIA-maxpy-clean"])
def test_the_folder_above_will_do(tmp_path: Path, place: str) -> None:
    assert_equal_faces(open_all(write(tmp_path / "a" / place).parent), open_all(write(tmp_path / "b")))


def test_suffixes_links_and_strangers_change_nothing(tmp_path: Path) -> None:
    expected = open_all(write(tmp_path / "a"))
    root = write(tmp_path / "b", ".JPEG")
    (root / "0000045" / "._001.jpg").write_bytes(b"\0")
    (root / "Thumbs.db").write_bytes(b"\0")
    (root / "__MACOSX" / "0000045").mkdir(parents=True)
    (root / "0000099").rename(tmp_path / "elsewhere")
    (root / "0000099").symlink_to(tmp_path / "elsewhere")
    assert_equal_faces(open_all(root), expected)


def test_records_are_the_same_people_by_number(tmp_path: Path) -> None:
    faces = open_all(write_records(tmp_path / "faces_webface_112x112").parent)
    assert faces.people == ()
    np.testing.assert_array_equal(faces.identities, [0, 0, 1, 2, 2, 2])
    assert faces.names[0] == "00000001"
    folders = open_all(write(tmp_path / "b", side=32))
    np.testing.assert_array_equal(faces.images(), folders.images())
    assert faces.digest != folders.digest
    copy = pickle.loads(pickle.dumps(faces))  # readable from other processes
    np.testing.assert_array_equal(copy.read(np.array([5, 1])), faces.read(np.array([5, 1])))


def test_records_open_with_and_without_what_lies_beside_them(tmp_path: Path) -> None:
    expected = open_all(write_records(tmp_path / "a"))
    root = write_records(tmp_path / "b", several=True)
    for name in ("train.idx", "train.lst", "property"):
        (root / name).unlink()
    assert_equal_faces(open_all(root), expected)


def test_a_damaged_image_in_a_record_is_named(tmp_path: Path) -> None:
    path = write_records(tmp_path) / "train.rec"
    path.write_bytes(path.read_bytes().replace(photo(2), b"<html>" + b" " * (len(photo(2)) - 6)))
    faces = open_all(tmp_path)
    faces.read(np.array([0, 1, 3]))
    with pytest.raises(InputError, match=r"00000003 in .*train\.rec is text"):
        faces.images()


@pytest.mark.parametrize(
    "text",
    [
        "0000045/001.jpg\n0000100/001.jpg\n0000100/003.jpg\n",
        "\ufeff0000100\\003.jpg 7\r\n0000045\\001.jpg 3\r\n\r\n0000100\\001.jpg 7\r\n",
        "./0000100/003.JPG\t1\n./0000100/001.png\t1\n./0000045/001\t0",
    ],
)
def test_a_cleaned_list_chooses(tmp_path: Path, text: str) -> None:
    (write(tmp_path) / "CASIA_clean_list.txt").write_bytes(text.encode())
    faces = open_all(tmp_path)
    assert list(faces.names) == [NAMES[0], NAMES[3], NAMES[5]]
    assert faces.people == ("0000045", "0000100")
    np.testing.assert_array_equal(faces.identities, [0, 1, 1])
    expected = open_all(write(tmp_path / "other"))
    assert faces.digest != expected.digest
    np.testing.assert_array_equal(faces.images(), expected.read(np.array([0, 3, 5])))


def test_a_list_that_mends_labels_is_believed(tmp_path: Path) -> None:
    (write(tmp_path) / "clean_list.txt").write_text("0000045/001.jpg 3\n0000045/002.jpg 9\n0000099/001.jpg 9\n")
    faces = open_all(tmp_path)
    np.testing.assert_array_equal(faces.identities, [3, 9, 9])
    assert faces.people == ()


def test_listed_images_that_are_not_there_stop_or_are_told(tmp_path: Path) -> None:
    listed = write(tmp_path) / "clean_list.txt"
    listed.write_text("0000100/002.jpg 1\n0000045/009.jpg 0\n0000045/001.jpg 0\n")
    with pytest.raises(MissingFileError, match=r"2 of them; not there: 1 \(0000045/009\.jpg\)") as caught:
        open_all(tmp_path)
    assert "--skip-missing" in caught.value.todo
    faces = open_all(tmp_path, skip_missing=True)
    assert faces.skipped == ("0000045/009.jpg",)
    assert list(faces.names) == [NAMES[0], NAMES[4]]
    listed.write_text("0000045/009.jpg 0\n")
    with pytest.raises(MissingFileError, match="0 of them"):
        open_all(tmp_path, skip_missing=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0000045/001.jpg 0\n0000045 001.jpg\n", "line 2"),
        ("../0000045/001.jpg\n", "line 1"),
        ("0000045/001.jpg 0 1\n", "line 1"),
        ("0000045/001.jpg x\n", "line 1"),
        ("0000045/001.jpg 0\n0000045/002.jpg\n", "1 in 2 lines"),
        ("0000045/001.jpg\n0000045/001.png\n", "again, the first 0000045/001.jpg"),
        ("\n", "at least one path"),
        ("<!DOCTYPE html>", "web page"),
        ("PK\0\0", "binary"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    (write(tmp_path) / "clean_list.txt").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_all(tmp_path)
    assert "clean_list.txt" in str(caught.value)


def test_what_is_ambiguous_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    for name in ("clean_list.txt", "Cleaned-List.txt"):
        (root / name).write_text(NAMES[0])
    with pytest.raises(InputError, match="one cleaned list"):
        open_all(root)
    (root / "clean_list.txt").unlink()
    (root / "Cleaned-List.txt").unlink()
    (root / "0000045" / "001.png").write_bytes(photo(0))
    with pytest.raises(InputError, match=r"both 001\.jpg and 001\.png"):
        open_all(root)
    (root / "0000045" / "001.png").unlink()
    (root / "extra").mkdir()
    (root / "extra" / "a.jpg").write_bytes(photo(0))
    with pytest.raises(InputError, match="the folder extra, with 1 images"):
        open_all(root)


def test_a_copy_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"train\.rec in "):
        find_files(tmp_path)
    (tmp_path / "CASIA-WebFace.zip").write_bytes(b"PK")
    with pytest.raises(MissingFileError, match="only the archive"):
        find_files(tmp_path)
    for root in (tmp_path / "absent", tmp_path / "CASIA-WebFace.zip"):
        with pytest.raises(MissingFileError, match="is not a folder"):
            find_files(root)
    (tmp_path / "0000045").mkdir()
    (tmp_path / "0000045" / "notes.txt").write_text("")
    with pytest.raises(InputError, match="none in"):
        open_all(tmp_path)


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Known: all"):
        load(tmp_path / "absent", "test")
    with pytest.raises(UnknownNameError, match="square"):
        open_all(tmp_path / "absent", crop="squared")
    with pytest.raises(InputError, match="image size"):
        open_all(tmp_path / "absent", size=0)


def test_the_published_data_raise_nothing(tmp_path: Path) -> None:
    manifest = load_manifest("casia").model_copy(update={"splits": {"all": 6}, "identities": 3})
    assert check(manifest, write(tmp_path / "a")) == []
    root = write_records(tmp_path / "b")
    files = tuple(
        entry.model_copy(update={"md5": checksum(root / Path(entry.path).name)})
        for entry in manifest.files
        if (root / Path(entry.path).name).is_file()
    )
    steps: list[tuple[int, int]] = []
    fitted = manifest.model_copy(update={"files": files})
    assert check(fitted, root, lambda done, total: steps.append((done, total))) == []
    assert steps[-1] == (6, 6)


def test_other_and_damaged_data_are_told(tmp_path: Path) -> None:
    root = write(tmp_path / "a")
    (root / NAMES[1]).write_bytes(photo(1, 250, 250)[:-40])
    (root / NAMES[2]).write_bytes(photo(2))
    said = [str(finding) for finding in check(load_manifest("casia"), root)]
    assert said == [
        "note: all: 6 images, not the 494414 published",
        "error: images: bad images: 2 (002.jpg is cut short, 001.jpg is 32x32, not 250x250)",
    ]
    path = write_records(tmp_path / "b") / "train.rec"
    path.write_bytes(path.read_bytes().replace(photo(2), photo(2)[:-30] + b"\0" * 30))
    path.with_name("property").write_text("10572,112,112")
    said = [str(finding) for finding in check(load_manifest("casia"), tmp_path / "b")]
    assert "error: images: bad images: 1 (00000003 is cut short)" in said
    assert "note: property: 10572 people, not the 3 of train.rec" in said
    path.with_suffix(".idx").write_text("0 0\n")
    assert [finding.level for finding in check(load_manifest("casia"), tmp_path / "b")] == ["error"]
