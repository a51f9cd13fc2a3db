# SPDX-License-Identifier: MIT
"""Plain folders of images, with labels in every dialect, whole and damaged."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from folder_writer import COLUMNS, FILES, POINTS, csv_bytes, picture, write_folder, write_images
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceeval.cli import main
from faceeval.cli.faces import parse_columns
from faceeval.data.faces import FaceSet
from faceeval.data.labels import label_csv
from faceeval.data.labels.own_labels import read_own_labels
from faceeval.data.manifest import load_manifest, verify
from faceeval.data.opening import Opening
from faceeval.data.readers import folder
from faceeval.data.table import load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError

Table = Mapping[str, Sequence[object]]


def load(root: Path, split: str = "all", **options: object) -> FaceSet:
    return folder.load(root, split, Opening(**options))  # type: ignore[arg-type]


def without(*names: str) -> dict[str, Sequence[object]]:
    return {name: values for name, values in COLUMNS.items() if name not in names}


def changed(name: str, row: int, value: object) -> dict[str, Sequence[object]]:
    values = list(COLUMNS[name])
    values[row] = value
    return {**COLUMNS, name: values}


def test_a_folder_without_labels_is_images_and_nothing_more(tmp_path: Path) -> None:
    faces = load(write_images(tmp_path), size=32)
    assert (faces.name, faces.split, len(faces)) == ("folder", "all", 6)
    assert list(faces.names) == sorted(FILES)
    assert dict(faces.attributes) == {}
    known = (faces.identities, faces.pose, faces.expression, faces.valence_arousal, faces.landmarks, faces.clips)
    assert all(column is None for column in known)
    assert faces.images().shape == (6, 3, 32, 32)


def test_images_are_cut_in_the_middle_and_not_stretched(tmp_path: Path) -> None:
    faces = load(write_images(tmp_path), size=40)
    tall = faces.images()[faces.names.index("ben.png")]
    np.testing.assert_array_equal(tall, picture(2)[10:50].transpose(2, 0, 1))
    with pytest.raises(InputError, match="square image"):
        load(tmp_path, crop="none").images()


def test_labels_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    faces = load(write_folder(tmp_path))
    assert faces.names == FILES
    assert faces.identities is not None
    assert [faces.people[number] for number in faces.identities] == list(COLUMNS["identity"])
    assert list(faces.attributes) == ["Eyeglasses", "Young"]  # CelebA's order
    np.testing.assert_array_equal(faces.attributes["Young"], COLUMNS["Young"])
    np.testing.assert_array_equal(faces.attributes["Eyeglasses"], np.array(COLUMNS["Eyeglasses"]) == 1)
    assert faces.expression is not None
    assert faces.expression.tolist() == [0, 1, 2, 0, 6, 7]
    np.testing.assert_allclose(faces.valence_arousal, np.stack([COLUMNS["valence"], COLUMNS["arousal"]], 1), rtol=1e-6)
    assert faces.pose is None


def test_splits_come_from_the_column(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    assert load(root, "train").names == (FILES[0], FILES[1], FILES[3])
    assert load(root, "validation").names == (FILES[2],)
    assert load(root, "test").people == ("anna", "ben", "cleo", "dora", "ümit")


def test_splits_come_from_the_outermost_folders(tmp_path: Path) -> None:
    for part, names in (("Train", ("a.png", "x/b.png")), ("val", ("a.png",)), ("loose", ("c.png",))):
        for name in names:
            path = tmp_path / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32)).save(path)
    assert load(tmp_path, "train").names == ("Train/a.png", "Train/x/b.png")
    assert load(tmp_path, "validation").names == ("val/a.png",)
    assert len(load(tmp_path)) == 4
    with pytest.raises(InputError, match="test split"):
        load(tmp_path, "test")


def test_a_split_that_nothing_tells_is_refused_with_the_ways_to_tell_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing that says") as caught:
        load(write_folder(tmp_path, without("split")), "train")
    assert "--column split=NAME" in caught.value.todo
    with pytest.raises(UnknownNameError, match="did you mean 'validation'"):
        load(tmp_path, "valid")


@given(
    delimiter=st.sampled_from(",;\t"),
    newline=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    order=st.permutations(list(COLUMNS)),
)
@settings(max_examples=12, deadline=None)
def test_every_dialect_says_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    delimiter: str,
    newline: str,
    mark: str,
    quoting: int,
    order: list[str],
) -> None:
    path = tmp_path_factory.mktemp("dialect") / "labels.csv"
    path.write_bytes(csv_bytes(COLUMNS))
    plain = read_own_labels(path, path.parent, {})
    table = {name: COLUMNS[name] for name in order}
    path.write_bytes(csv_bytes(table, delimiter=delimiter, newline=newline, mark=mark, quoting=quoting))
    other = read_own_labels(path, path.parent, {})
    assert other.records.files == plain.records.files
    assert list(other.records.attributes) == list(plain.records.attributes)
    for name, values in plain.records.attributes.items():
        np.testing.assert_array_equal(other.records.attributes[name], values)
    np.testing.assert_array_equal(other.records.identities, plain.records.identities)
    np.testing.assert_array_equal(other.records.valence_arousal, plain.records.valence_arousal)
    np.testing.assert_array_equal(other.splits, plain.splits)
    assert other.unread == ("remark",)


def test_files_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path)
    whole = load(root)
    monkeypatch.setattr(label_csv, "CHUNK", 4)
    assert load(root).digest == whole.digest
    (root / "labels.csv").write_bytes(csv_bytes(changed("Young", 5, "old")))
    with pytest.raises(InputError, match="'old' in line 8"):  # the last row has two lines
        load(root)


def test_columns_of_other_names_are_told(tmp_path: Path) -> None:
    plain = write_folder(tmp_path / "a")
    renamed = {"image": "file", "identity": "who", "Young": "is young", "valence": "V"}
    table = {renamed.get(name, name): values for name, values in COLUMNS.items()}
    other = write_folder(tmp_path / "b", table)
    assert load(other, columns=renamed).digest == load(plain).digest
    assert load_faces("folder", "test", root=other, columns=renamed).digest == load(plain, "test").digest
    with pytest.raises(InputError, match="a column of images") as caught:
        load(other)
    assert "--column image=NAME" in caught.value.todo
    with pytest.raises(InputError, match="a column persons, for identity"):
        load(other, columns=renamed | {"identity": "persons"})
    with pytest.raises(InputError, match="none for valence") as caught:
        load(other, columns={"image": "file"})
    assert "--column valence=NAME" in caught.value.todo


def test_attributes_celeba_does_not_have_can_be_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {**COLUMNS, "frecks": (True, False, "true", "FALSE", "1", 0.0)})
    assert "Freckles" not in load(root).attributes
    assert load(root, columns={"Freckles": "frecks"}).attributes["Freckles"].tolist() == [1, 0, 1, 0, 1, 0]


def test_folders_name_people_and_clips_only_where_that_is_asked_for(tmp_path: Path) -> None:
    root = write_images(tmp_path)
    faces = load(root, columns={"identity": "@folder", "clip": "@folder"})
    assert faces.people == (".", "a", "c/deep")
    assert faces.identities is not None
    assert faces.identities.tolist() == [1, 1, 0, 2, 0, 0]
    assert faces.clips is not None
    write_folder(root, without("identity"))
    assert load(root, columns={"identity": "@folder"}).people == faces.people
    assert load(root).identities is None


def test_clips_keep_their_numbers_and_are_numbered_by_name(tmp_path: Path) -> None:
    numbered = load(write_folder(tmp_path, {"image": FILES, "clip": (7, 7, 10, 9, 9, 7)}))
    assert numbered.clips is not None
    assert numbered.clips.tolist() == [7, 7, 10, 9, 9, 7]
    named = load(write_folder(tmp_path, {"image": FILES, "clip": ("b", "b", "a", 9, 9, "b")}))
    assert named.clips is not None
    assert named.clips.tolist() == [2, 2, 1, 0, 0, 2]


def test_a_folder_says_which_splits_it_has(tmp_path: Path) -> None:
    assert folder.splits(write_images(tmp_path)) == ["all"]
    assert folder.splits(write_folder(tmp_path)) == ["train", "validation", "test"]
    assert folder.splits(write_folder(tmp_path, changed("split", 0, "?"))) == ["all"]


def test_boxes_pose_and_landmarks(tmp_path: Path) -> None:
    points = np.arange(60).reshape(6, 10) % 37
    table = {
        "image": FILES,
        **dict(zip(POINTS.split(), points.T.tolist(), strict=True)),
        **dict(zip(("yaw", "pitch", "roll"), np.arange(18).reshape(3, 6).tolist(), strict=True)),
        **dict(
            zip(("box_left", "box_top", "box_width", "box_height"), ([5] * 6, [6] * 6, [20] * 6, [16] * 6), strict=True)
        ),
    }
    root = write_folder(tmp_path, table)
    faces = load(root, size=40)
    assert faces.pose is not None
    assert faces.pose[1].tolist() == [1, 7, 13]
    assert faces.landmarks is not None
    np.testing.assert_allclose(faces.landmarks[2], points[2].reshape(5, 2) - [0, 10], atol=1e-5)  # 40 x 60
    wide = points[1].reshape(5, 2) - [5, 0]  # 50 x 40
    np.testing.assert_allclose(faces.landmarks[1], wide, atol=1e-5)
    boxed = load(root, size=20, crop="box")
    np.testing.assert_array_equal(boxed.images()[2], picture(2)[4:24, 5:25].transpose(2, 0, 1))
    assert boxed.landmarks is not None
    np.testing.assert_allclose(boxed.landmarks[2], points[2].reshape(5, 2) - [5, 4], atol=1e-5)


def test_other_suffixes_cases_and_separators_are_found(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    whole = load(root)
    files = ["a\\anna 1.png", "./a/anna2.jpg", "ben.jpg", "c/deep/Cleo.png", "dora.jpeg", "ümit.png"]
    (root / "labels.csv").write_bytes(csv_bytes({**COLUMNS, "image": files}))
    faces = load(root)
    assert faces.names == ("a/anna 1.png", "a/anna2.jpg", "ben.jpg", "c/deep/Cleo.png", "dora.jpeg", "ümit.png")
    np.testing.assert_array_equal(faces.images(), whole.images())


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    root = write_images(tmp_path / "images")
    whole = load(root)
    (tmp_path / "links").mkdir()
    for entry in root.iterdir():
        (tmp_path / "links" / entry.name).symlink_to(entry)
    (tmp_path / "links" / "again").symlink_to(tmp_path / "links")
    assert load(tmp_path / "links").digest == whole.digest


def test_another_folder_of_the_same_names_has_another_digest(tmp_path: Path) -> None:
    one, two = write_images(tmp_path / "a"), write_images(tmp_path / "b")
    assert load(one).digest == load(two).digest
    Image.new("RGB", (40, 40)).save(two / "ben.png")
    assert load(one).digest != load(two).digest


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed("Young", 2, ""), "'' in line 4"),
        (changed("Young", 2, -1), "0 in line 3 beside -1"),
        (changed("Young", 2, 2), "2 in line 4"),
        (changed("identity", 3, " "), "column identity.*\n.*nothing in line 5"),
        (changed("image", 3, "ben.png"), r"ben\.png in lines 4 and 5"),
        (changed("image", 3, "../ben.png"), r"'\.\./ben\.png' in line 5"),
        (changed("image", 3, "/ben.png"), "by their path below"),
        (changed("image", 3, "C:\\ben.png"), "by their path below"),
        (changed("split", 0, "trian"), "'trian' in line 2"),
        (changed("expression", 0, 8), "'8' in line 2"),
        (changed("expression", 0, "bored"), "neutral, happy.*\n.*'bored' in line 2"),
        (changed("valence", 1, "nan"), "'nan' in line 3"),
        (changed("valence", 1, -2), "-2, 0 in line 3"),
        ({**COLUMNS, "yaw": [0] * 6}, "none for pitch, roll"),
        ({name: values[:0] for name, values in COLUMNS.items()}, "rows below the names"),
    ],
)
def test_cells_that_cannot_be_are_refused(tmp_path: Path, table: Table, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load(write_folder(tmp_path, table))
    assert "labels.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.replace(b"ben.png,ben", b"ben.png"), "9 fields.*\n.*8 in line 4"),
        (lambda data: data.replace(b'"a, b"', b'"a, b'), "quotes in pairs"),
        (lambda data: b"<html>", "web page"),
        (lambda data: data.decode().encode("latin-1"), "UTF-8"),
        (lambda data: data.decode().encode("utf-16"), "binary data"),
        (lambda data: b"", "an empty file"),
        (lambda data: data.replace(b"remark", b"Young"), "Young twice"),
    ],
)
def test_damaged_label_files_are_named(tmp_path: Path, change: Callable[[bytes], bytes], words: str) -> None:
    path = write_folder(tmp_path) / "labels.csv"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=words) as caught:
        load(tmp_path)
    assert "labels.csv" in str(caught.value)


def test_labels_and_images_have_to_fit(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    whole = load(root)
    (root / "ben.png").rename(root / "more.png")
    with pytest.raises(MissingFileError, match=r"not there: 1 \(ben\.png\)"):
        load(root)
    with pytest.raises(InputError, match=r"6 rows; images without one: 1 \(more\.png\)"):
        load(root, skip_missing=True)
    (root / "more.png").unlink()
    faces = load(root, skip_missing=True)
    assert faces.skipped == ("ben.png",)
    assert faces.names == tuple(name for name in whole.names if name != "ben.png")
    assert load(root, "test", skip_missing=True).skipped == ()
    (root / "labels.csv").write_bytes(csv_bytes(changed("image", 2, "Dora.JPG")))
    with pytest.raises(InputError, match=r"are both dora\.jpeg"):
        load(root)


def test_what_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none in"):
        load(tmp_path)
    root = write_images(tmp_path)
    with pytest.raises(MissingFileError, match=r"labels\.csv, for Young=young"):
        load(root, columns={"Young": "young"})
    (root / "mine.csv").write_bytes(csv_bytes(COLUMNS))
    with pytest.raises(MissingFileError) as caught:
        load(root, columns={"Young": "young"})
    assert caught.value.todo == "rename mine.csv to labels.csv, if it is that"
    for wrong in (root / "absent", root / "mine.csv"):
        with pytest.raises(MissingFileError, match="not a folder"):
            load(wrong)


def test_verify_says_nothing_of_a_sound_folder(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    root = write_folder(tmp_path, without("remark"))
    assert verify("folder", root, progress=lambda done, total: steps.append((done, total))) == []
    assert steps[-1] == (6, 6)
    (root / "labels.csv").unlink()
    assert folder.check(load_manifest("folder"), root) == []


def test_what_verify_finds(tmp_path: Path) -> None:
    root = write_folder(tmp_path, changed("identity", 2, "anna"))
    (root / "dora.jpeg").write_bytes((root / "dora.jpeg").read_bytes()[:-200])
    assert [str(finding) for finding in verify("folder", root, columns={"split": "split"})] == [
        "error: identities: people in more than one split: 1 (anna)",
        "error: images: bad images: 1 (dora.jpeg is cut short)",
        "note: labels.csv: columns not read: 1 (remark); --column WHAT=NAME says what one holds",
    ]
    (finding,) = verify("folder", root, columns={"split": "part"})
    assert (finding.level, finding.subject) == ("error", "labels")


# the command line


@pytest.mark.parametrize("pair", ["image", "=file", "image=", " = "])
def test_pairs_without_both_sides_are_refused(pair: str) -> None:
    with pytest.raises(InputError, match="--column WHAT=NAME"):
        parse_columns([pair])


def test_no_column_is_named_twice() -> None:
    assert parse_columns(None) == {}
    assert parse_columns(["Young = is young", "image=a=b"]) == {"Young": "is young", "image": "a=b"}
    with pytest.raises(InputError, match="one column for image"):
        parse_columns(["image=a", "image=b"])


def test_datasets_with_columns_of_their_own_take_no_names(tmp_path: Path) -> None:
    for ask in (
        lambda: load_faces("celeba", "test", root=tmp_path, columns={"image": "file"}),
        lambda: verify("celeba", tmp_path, columns={"image": "file"}),
    ):
        with pytest.raises(InputError, match="leave out --column"):
            ask()


def test_show_and_verify_take_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"file" if name == "image" else name: values for name, values in without("remark").items()}
    root = write_folder(tmp_path, table)
    where = ["folder", "--root", str(root), "--column", "image=file"]
    monkeypatch.setattr(sys, "argv", ["faceeval", "data", "show", *where])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert "folder all: 6 images" in capsys.readouterr().out
    (root / "ben.png").unlink()
    monkeypatch.setattr(sys, "argv", ["faceeval", "data", "show", *where, "--skip-missing"])
    with pytest.raises(SystemExit):
        main()
    assert "1 (ben.png)" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr(sys, "argv", ["faceeval", "data", "verify", *where])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert "ben.png" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["score", "train"])
def test_score_and_train_take_columns(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {}

    def load_faces(name: str, split: str, **options: object) -> None:
        asked.update(options, name=name, split=split)
        raise InputError("no more than this", "this", "go on")

    monkeypatch.setattr("faceeval.data.table.load_faces", load_faces)
    monkeypatch.setattr("faceeval.score.load_panel", lambda *args, **options: None)
    method = ["--method", "identity" if command == "score" else "fai", "--attr", "young"]
    data = ["--data", "folder", "--root", str(tmp_path), "--column", "Young=jung", "--skip-missing"]
    monkeypatch.setattr(sys, "argv", ["faceeval", command, *method, *data, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "no more than this" in capsys.readouterr().err
    assert (asked["name"], asked["columns"], asked["skip_missing"]) == ("folder", {"Young": "jung"}, True)
    assert asked["split"] == ("test" if command == "score" else "train")
