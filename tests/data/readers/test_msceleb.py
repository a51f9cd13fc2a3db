# SPDX-License-Identifier: MIT
"""MS-Celeb-1M as folders, as tables of seven and six columns, as records, and with cleaned lists; whole and damaged."""

from __future__ import annotations

import base64
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rec_writer import write_insightface
from small_photos import assert_equal_faces, photo

from faceeval.data.cache import cache_dir
from faceeval.data.containers import tsv_index
from faceeval.data.containers.tsv_index import index_tsv, tsv_image
from faceeval.data.faces import FaceSet
from faceeval.data.manifest import load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers.msceleb import check, find_files, load
from faceeval.errors import InputError, MissingFileError, UnknownNameError

# MID, rank, face ID; in the order of a table, which is no order
FACES = [
    ("m.0xyz9", 3, "FaceId-1"),
    ("m.0abc1", 0, "FaceId-0"),
    ("m.0abc1", 17, "FaceId-0"),
    ("m.0abc1", 2, "FaceId-0"),
    ("m.0abc1_", 5, "FaceId-0"),
]
RECTANGLE = base64.b64encode(struct.pack("<4f", 0.1, 0.2, 0.6, 0.9)).decode()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path / "cache"))


def image(row: int) -> str:
    return base64.b64encode(photo(row, 40 + row, 36)).decode()


def face_line(row: int) -> str:
    mid, rank, face = FACES[row]
    url = f"http://example.org/{row}.jpg"
    return "\t".join([mid, str(rank), url, "http://example.org/a page", face, RECTANGLE, image(row)])


def whole_line(row: int) -> str:
    mid, rank, _ = FACES[row]
    return "\t".join([mid, '"Jane R\u00f6e"@en', str(rank), "http://example.org/i", "http://example.org/p", image(row)])


def write_table(path: Path, lines: Sequence[str], newline: str = "\n", start: str = "", end: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((start + newline.join(lines) + (newline if end is None else end)).encode())
    return path


def write_faces(folder: Path, **dialect: str) -> Path:
    name = "FaceImageCroppedWithAlignment.tsv"
    return write_table(folder / name, [face_line(row) for row in range(len(FACES))], **dialect)


def write_folders(folder: Path, *, whole: bool = False) -> Path:
    for row, (mid, rank, face) in enumerate(FACES):
        path = folder / mid / (f"{rank}.jpg" if whole else f"{rank}-{face}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(row, 40 + row, 36))
    return folder


def open_all(root: Path, **options: object) -> FaceSet:
    return load(root, "all", Opening(**{"size": 32, **options}))  # type: ignore[arg-type]


def test_folders_and_tables_are_one_set(tmp_path: Path) -> None:
    folders = open_all(write_folders(tmp_path / "folders"))
    assert folders.names == (
        "m.0abc1/0-FaceId-0.jpg",
        "m.0abc1/17-FaceId-0.jpg",
        "m.0abc1/2-FaceId-0.jpg",
        "m.0abc1_/5-FaceId-0.jpg",
        "m.0xyz9/3-FaceId-1.jpg",
    )
    assert folders.people == ("m.0abc1", "m.0abc1_", "m.0xyz9")
    np.testing.assert_array_equal(folders.identities, [0, 0, 0, 1, 2])
    write_faces(tmp_path / "table" / "MS-Celeb-1M")
    (tmp_path / "table" / "MS-Celeb-1M" / "Top1M_MidList.Name.tsv").write_text('m.0abc1\t"Jane Roe"@en\n')
    table = open_all(tmp_path / "table")
    assert_equal_faces(table, folders)
    copy = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(copy.read(np.array([4, 0])), folders.read(np.array([4, 0])))


@pytest.mark.parametrize(
    "dialect", [{"newline": "\r\n"}, {"start": "\ufeff"}, {"end": ""}, {"newline": "\n\n"}], ids=str
)
def test_every_dialect_reads_the_same(tmp_path: Path, dialect: dict[str, str]) -> None:
    expected = open_all(write_folders(tmp_path / "folders"))
    write_faces(tmp_path / "table", **dialect)
    assert_equal_faces(open_all(tmp_path / "table"), expected)


def test_whole_images_have_six_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "table" / "images.tsv", [whole_line(row) for row in range(len(FACES))])
    faces = open_all(tmp_path / "table")
    assert faces.names[:2] == ("m.0abc1/0.jpg", "m.0abc1/17.jpg")
    assert_equal_faces(faces, open_all(write_folders(tmp_path / "folders", whole=True)))


def test_a_table_is_gone_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv_index, "CHUNK", 2)
    steps: list[tuple[int, int]] = []
    path = write_faces(tmp_path / "table")
    expected = open_all(path.parent, progress=lambda done, total: steps.append((done, total)))
    assert len(steps) == 2
    with monkeypatch.context() as patch:
        patch.setattr(tsv_index, "_scan", None)
        assert_equal_faces(open_all(path.parent), expected)
    (kept,) = (cache_dir() / "indices").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])  # damaged: made again
    assert_equal_faces(open_all(path.parent), expected)
    with path.open("a") as file:
        file.write(face_line(0).replace("m.0xyz9", "m.0xyz8") + "\n")
    assert len(open_all(path.parent)) == len(FACES) + 1  # another file: gone through again


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    expected = open_all(write_folders(tmp_path / "folders"))
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert_equal_faces(open_all(write_faces(tmp_path / "table").parent), expected)


def test_records_are_found_where_nothing_else_is(tmp_path: Path) -> None:
    write_insightface(tmp_path / "faces_emore", [[photo(0), photo(1)], [photo(2)]])
    faces = open_all(tmp_path)
    np.testing.assert_array_equal(faces.identities, [0, 0, 1])
    np.testing.assert_array_equal(faces.images()[2], open_all(tmp_path / "faces_emore").read(np.array([2]))[0])
    write_folders(tmp_path / "faces_emore")
    assert find_files(tmp_path).records is None


@pytest.mark.parametrize("layout", ["table", "folders"])
def test_a_cleaned_list_chooses(tmp_path: Path, layout: str) -> None:
    root = write_folders(tmp_path) if layout == "folders" else write_faces(tmp_path).parent
    listed = root / "MS-Celeb-1M_clean_list.txt"
    listed.write_text("m.0xyz9/3-FaceId-1.jpg 1\nm.0abc1/2-FaceId-0.jpg 0\nm.0abc1/0-FaceId-0.jpg 0\n")
    faces = open_all(root)
    assert faces.names == ("m.0abc1/0-FaceId-0.jpg", "m.0abc1/2-FaceId-0.jpg", "m.0xyz9/3-FaceId-1.jpg")
    assert faces.people == ("m.0abc1", "m.0xyz9")
    listed.write_text("m.0xyz9/3-FaceId-1.jpg\nm.0xyz9/4-FaceId-1.jpg\n")
    with pytest.raises(MissingFileError, match="4-FaceId-1"):
        open_all(root)
    assert open_all(root, skip_missing=True).skipped == ("m.0xyz9/4-FaceId-1.jpg",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines: [lines[0], lines[1].rpartition("\t")[0], *lines[2:]],
            "7 columns, as in line 1, .*\n.*6 in line 2",
        ),
        (lambda lines: ["a\tb", *lines], "6 or 7 columns"),
        (lambda lines: [lines[0], lines[1][:-1]], "letters in line 2"),
        (lambda lines: [lines[0].rpartition("\t")[0] + "\t"], "0 letters in line 1"),
        (lambda lines: [lines[0].replace("m.0xyz9", "../..")], "line 1"),
        (lambda lines: [lines[0].replace("FaceId-1", "a/b")], "line 1"),
        (lambda lines: [lines[0].replace("\t3\t", "\tthree\t")], "line 1"),
        (lambda lines: [*lines, lines[0]], "again, the first m.0xyz9/3-FaceId-1.jpg"),
        (lambda lines: ["<html>"], "web page"),
        (lambda lines: ["PK\0"], "binary"),
        (lambda lines: [""], "it has none"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, change: object, message: str) -> None:
    lines = [face_line(row) for row in range(len(FACES))]
    path = write_table(tmp_path / "faces.tsv", change(lines))  # type: ignore[operator]
    with pytest.raises(InputError, match=message) as caught:
        open_all(tmp_path)
    assert str(path) in str(caught.value)


def test_an_image_that_is_no_base64_is_named_when_it_is_read(tmp_path: Path) -> None:
    lines = [face_line(row) for row in range(len(FACES))]
    lines[1] = lines[1][:-8] + "????!!!!"
    write_table(tmp_path / "faces.tsv", lines)
    faces = open_all(tmp_path)
    faces.read(np.array([1, 2, 3, 4]))
    with pytest.raises(InputError, match=r"m\.0abc1/0-FaceId-0\.jpg in .*faces\.tsv"):
        faces.images()
    with pytest.raises(InputError, match="no tab before it"):
        tsv_image(b"AAAA", "an image")
    (tmp_path / "faces.tsv").unlink()
    with pytest.raises(MissingFileError, match="does not exist"):
        faces.images()


def test_what_is_ambiguous_or_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"train\.rec in "):
        find_files(tmp_path)
    with pytest.raises(MissingFileError, match="No such file"):
        index_tsv(tmp_path / "absent.tsv")
    write_faces(tmp_path)
    write_table(tmp_path / "other.tsv", [face_line(0)])
    with pytest.raises(InputError, match="one table of images"):
        find_files(tmp_path)
    with pytest.raises(MissingFileError, match="is not a folder"):
        find_files(tmp_path / "other.tsv")
    with pytest.raises(UnknownNameError, match="all"):
        load(tmp_path, "train")


@pytest.mark.parametrize("layout", ["table", "folders", "records"])
def test_the_published_data_raise_nothing(tmp_path: Path, layout: str) -> None:
    if layout == "records":
        write_insightface(tmp_path, [[photo(0), photo(1), photo(2)], [photo(3), photo(4)]])
    elif layout == "table":
        write_faces(tmp_path)
    else:
        write_folders(tmp_path)
    manifest = load_manifest("msceleb").model_copy(update={"splits": {"all": 5}})
    assert check(manifest, tmp_path) == []


def test_damaged_data_are_told(tmp_path: Path) -> None:
    lines = [face_line(row) for row in range(len(FACES))]
    lines[3] = lines[3].rpartition("\t")[0] + "\t" + base64.b64encode(photo(3)[:300]).decode()
    write_table(tmp_path / "faces.tsv", lines)
    said = [str(finding) for finding in check(load_manifest("msceleb"), tmp_path)]
    assert said[0] == "note: all: 5 images, not the 10490534 published"
    assert "2-FaceId-0.jpg" in said[1]
    assert said[1].startswith("error: images: bad images: 1 (")
