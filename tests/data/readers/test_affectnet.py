# SPDX-License-Identifier: MIT
"""Copies of AffectNet, both releases, in every layout and dialect, whole and damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from affectnet_writer import FakeAffectNet, write_annotations, write_csv_release, write_lists, write_npy_release
from PIL import Image

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import Manifest, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers import affectnet
from faceeval.data.table import find_copy, load_faces
from faceeval.errors import InputError, MissingFileError, UnknownNameError

SPLITS = ("train", "validation")


def load(root: Path, split: str = "train", **options: object) -> FaceSet:
    return affectnet.load(root, split, Opening(**options))  # type: ignore[arg-type]


def assert_read_as_written(fake: FakeAffectNet, faces: FaceSet, split: str) -> None:
    rows = fake.shown(split)
    assert faces.expression is not None
    assert faces.expression.tolist() == [fake.codes[split][row] for row in rows]
    assert faces.valence_arousal is not None
    np.testing.assert_array_equal(faces.valence_arousal, fake.ratings[split][rows].astype(np.float32))
    assert (faces.identities, faces.pose, faces.landmarks, faces.clips) == (None, None, None, None)
    assert dict(faces.attributes) == {}
    sides = np.array([fake.side(row) for row in rows])[:, None, None]
    points = fake.points[split][rows].reshape(-1, 68, 2)
    assert faces.landmarks68 is not None
    np.testing.assert_allclose(faces.landmarks68, (points + 0.5) * faces.size / sides - 0.5, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "dialect"),
    [
        ("Manually_Annotated_Images", {}),
        ("Manually_Annotated_Images", {"header": False}),
        ("Manually_Annotated_Images", {"newline": "\r\n", "mark": "\ufeff"}),
        ("AffectNet/Manually_Annotated_Images", {"folder": "AffectNet"}),
        ("Manually_Annotated/Manually_Annotated_Images", {"folder": "Manually_Annotated_file_lists", "header": False}),
    ],
)
def test_every_dialect_of_the_lists_reads_the_same(tmp_path: Path, images: str, dialect: dict[str, object]) -> None:
    fake = write_csv_release(tmp_path / "copy", images, **dialect)
    plain = write_csv_release(tmp_path / "plain")
    for split in SPLITS:
        faces = load(fake.root, split, size=32)
        assert_read_as_written(fake, faces, split)
        assert faces.names == tuple(fake.path(split, row) for row in fake.shown(split))
        expected = load(plain.root, split, size=32)
        assert faces.digest == expected.digest
        np.testing.assert_array_equal(faces.images(), expected.images())


@pytest.mark.parametrize("strings", [True, False])
def test_annotations_may_be_strings_or_numbers(tmp_path: Path, strings: bool) -> None:
    fake = write_npy_release(tmp_path / "affectnet", strings=strings)
    digests = set()
    for split in SPLITS:
        for root in (fake.root, tmp_path):
            faces = load(root, split, size=32)
            assert_read_as_written(fake, faces, split)
            assert faces.names == tuple(f"{row}.jpg" for row in fake.shown(split))  # by number: 9 before 10
            assert faces.images().shape == (len(faces), 3, 32, 32)
            digests.add(faces.digest)
    assert len(digests) == 2
    other = write_npy_release(tmp_path / "other", strings=not strings)
    assert {load(other.root, split, size=32).digest for split in SPLITS} == digests


def test_images_without_an_expression_are_counted(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path / "csv")
    provenance = load(fake.root).provenance
    counts = {key: value for key, value in provenance.items() if key.startswith("left_out")}
    assert counts == {"left_out_none": 1, "left_out_uncertain": 1, "left_out_no_face": 2}
    assert provenance["release"] == "csv"
    (fake.images() / fake.path("train", 4)).unlink()  # of code 8: nobody asks for it
    assert len(load(fake.root)) == 8
    second = write_npy_release(tmp_path / "npy")
    counts = dict(load(second.root).provenance)
    assert [counts[f"left_out_{name}"] for name in ("none", "uncertain", "no_face")] == [0, 0, 0]
    assert counts["release"] == "npy"


def test_codes_beyond_the_eight_are_left_out_of_the_second_release_too(tmp_path: Path) -> None:
    fake = write_npy_release(tmp_path / "npy")
    fake.codes["train"][0], fake.ratings["train"][0] = 8, -2
    write_annotations(fake, "train", 0, strings=True, landmarks=True)
    faces = load(fake.root)
    assert faces.names[0] == "1.jpg"
    assert faces.provenance["left_out_none"] == 1


def test_landmarks_stay_on_what_they_mark(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path)
    fake.points["train"][1] = 20
    fake.points["train"][1, 60:62] = 50, 30
    write_lists(fake)
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[28:33, 48:53] = 255
    Image.fromarray(pixels).save(fake.images() / fake.path("train", 1), quality=100, subsampling=0)
    for crop in ("square", "box", "box1.3"):
        faces = load(fake.root, size=40, crop=crop)
        image = faces.read(np.array([1]))[0].astype(float).mean(0)
        rows, columns = np.indices(image.shape)
        assert faces.landmarks68 is not None
        centre = [(columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()]
        np.testing.assert_allclose(faces.landmarks68[1, 30], centre, atol=0.15)


def test_unknown_boxes_and_landmarks_are_not_guessed(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path)
    fake.boxes["train"][2] = ["NULL"] * 4
    fake.boxes["train"][3] = ["0", "0", "-1", "-1"]
    write_lists(fake)
    path = fake.root / "training.csv"
    lines = path.read_text().splitlines()
    lines[4] = ",".join("NULL" if ";" in part else part for part in lines[4].split(","))
    path.write_text("\n".join(lines))  # and no newline at the end
    faces = load(fake.root, size=32)
    assert faces.landmarks68 is not None
    assert np.isnan(faces.landmarks68).any((1, 2)).tolist() == [False, False, False, True] + [False] * 4
    with pytest.raises(InputError, match=r"none for 2 \(2/tr02\.jpg, 0/tr03\.jpg\)") as caught:
        load(fake.root, crop="box1.3")
    assert "square" in caught.value.todo
    fake.boxes["validation"] = [["NULL"] * 4] * 4
    write_lists(fake, only="validation")
    with pytest.raises(InputError, match="affectnet has none here"):
        load(fake.root, "validation", crop="box")
    with pytest.raises(InputError, match="affectnet has none here"):
        load(write_npy_release(tmp_path / "npy").root, crop="box")


def test_landmark_files_are_optional(tmp_path: Path) -> None:
    whole, without = write_npy_release(tmp_path / "a"), write_npy_release(tmp_path / "b", landmarks=False)
    assert load(without.root).landmarks68 is None
    assert load(without.root).digest == load(whole.root).digest


def test_images_are_found_by_other_suffixes_and_through_links(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path / "copy")
    digest = load(fake.root).digest
    first, second, third = (fake.images() / fake.path("train", row) for row in (0, 1, 2))
    first.rename(first.with_suffix(".JPG"))
    Image.open(second).save(second.with_suffix(".png"))
    second.unlink()
    third.rename(tmp_path / "elsewhere.jpg")
    third.symlink_to(tmp_path / "elsewhere.jpg")
    link = tmp_path / "link"
    link.symlink_to(fake.root, target_is_directory=True)
    faces = load(link)
    assert faces.digest == digest
    assert faces.names[0].endswith(".jpg")
    assert faces.images().shape[0] == 8


def test_missing_images_stop_or_are_listed(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path)
    (fake.images() / fake.path("train", 2)).unlink()
    with pytest.raises(MissingFileError, match=r"7 of them; not there: 1 \(2/tr02\.jpg\)"):
        load(fake.root)
    faces = load(fake.root, skip_missing=True)
    assert faces.skipped == ("2/tr02.jpg",)
    assert faces.provenance["skipped"] == 1
    assert faces.expression is not None
    assert faces.expression.tolist() == [0, 1, 3, 4, 5, 6, 7]
    for path in fake.images().rglob("*.jpg"):
        path.unlink()
    with pytest.raises(MissingFileError, match=r"rows of .*training\.csv"):
        load(fake.root, skip_missing=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("2/tr02.jpg,", "../tr02.jpg,"), r"'\.\./tr02\.jpg' in line 4"),
        (("2/tr02.jpg,", "1/tr01.jpg,"), r"1/tr01\.jpg in lines 3 and 4"),
        (("2/tr02.jpg,", "2/tr02.jpg,extra,"), r"10 in line 4"),
        ((",2,0.", ",11,0."), r"11 in line 4: 2/tr02\.jpg"),
        ((",2,0.", ",1.5,0."), r"1\.5 in line 4"),
        ((",2,0.", ",sad,0."), r"'sad' as expression in line 4"),
        ((",2,0.5,", ",2,nan,"), r"nan and .* in line 4"),
        ((",2,0.5,", ",2,-2,"), r"-2 and .* in line 4"),
        ((",2,0.5,", ",2,1.01,"), r"1\.01 and .* in line 4"),
        ((",2,0.5,", ",2,,"), r"'' as valence in line 4"),
        ((",12,", ",twelve,"), r"'twelve' as face_x in line 4"),
        ((";", ";x;"), r"68 landmarks as x;y;x;y.*\n.*line 4"),
        (("valence,arousal", "arousal"), r"no valence in "),
        (("valence,arousal", "arousal,arousal"), r"arousal twice"),
    ],
)
def test_damaged_lists_are_named_with_their_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    fake = write_csv_release(tmp_path)
    fake.ratings["train"][2] = 0.5, 0.25
    write_lists(fake)
    path = fake.root / "training.csv"
    lines = path.read_text().splitlines(keepends=True)
    place = 0 if change[0] in lines[0] else 3
    assert change[0] in lines[place]
    lines[place] = lines[place].replace(*change, 1)
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=words) as caught:
        load(fake.root)
    assert "training.csv" in str(caught.value)


def test_what_is_no_list_is_told(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path)
    path = fake.root / "training.csv"
    for content, words in (
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\x03\x04\x00\x00", "binary data"),
        (b"\xff\xfe1/a.jpg", "UTF-8"),
        (b"\n\n", "none"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            load(fake.root)
        assert "training.csv" in str(caught.value)


def test_a_missing_list_is_asked_for(tmp_path: Path) -> None:
    fake = write_csv_release(tmp_path)
    (fake.root / "validation.csv").unlink()
    assert len(load(fake.root)) == 8
    with pytest.raises(MissingFileError, match=r"validation\.csv"):
        load(fake.root, "validation")
    (fake.root / "training.csv").unlink()
    with pytest.raises(MissingFileError, match="put them beside"):
        load(fake.root)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("unlink", r"not there: 1 \(2_val\.npy\)"),
        ("pickle", r"2_val\.npy: pickled objects"),
        ("cut", r"2_val\.npy"),
        ("empty", r"2_val\.npy"),
        ("word", r"2_val\.npy: could not convert string"),
        ("nan", r"nan and .* in 2_\*\.npy"),
        ("two", r"1 values in .*2_val\.npy"),
        ("name", r"2_smile\.npy"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, damage: str, words: str) -> None:
    fake = write_npy_release(tmp_path)
    path = fake.root / "train_set" / "annotations" / "2_val.npy"
    if damage == "unlink":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "name":
        path.rename(path.with_name("2_smile.npy"))
    else:
        values = {"pickle": np.array({"a": 1}), "word": np.array("high"), "nan": np.array("nan"), "two": np.zeros(2)}
        np.save(path, values[damage], allow_pickle=True)
    with pytest.raises((InputError, MissingFileError), match=words):
        load(fake.root)


def test_images_and_annotations_must_be_of_each_other(tmp_path: Path) -> None:
    fake = write_npy_release(tmp_path)
    images = fake.root / "train_set" / "images"
    shutil.copy(images / "0.jpg", images / "77.jpg")
    with pytest.raises(InputError, match=r"images without: 1 \(77\)"):
        load(fake.root)
    (images / "77.jpg").unlink()
    (images / "2.jpg").unlink()
    with pytest.raises(MissingFileError, match=r"7 of them; not there: 1 \(2\.jpg\)"):
        load(fake.root)
    assert load(fake.root, skip_missing=True).skipped == ("2.jpg",)
    (fake.root / "train_set" / "annotations" / ".DS_Store").write_bytes(b"")
    shutil.copy(images / "0.jpg", images / "0.png")
    with pytest.raises(InputError, match=r"0\.jpg"):
        load(fake.root)


def test_the_copy_is_found_or_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="not a folder"):
        load(tmp_path / "absent")
    file = tmp_path / "training.csv"
    file.write_text("a")
    with pytest.raises(MissingFileError, match="not a folder"):
        load(file)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        load(tmp_path)
    (tmp_path / "train_set.tar").write_bytes(b"")
    with pytest.raises(MissingFileError, match=r"only the archive .*train_set\.tar") as caught:
        load(tmp_path)
    assert "unpack" in caught.value.todo
    assert find_copy("affectnet", tmp_path) is None
    write_csv_release(tmp_path / "affectnet")
    assert find_copy("affectnet", tmp_path) == tmp_path
    write_npy_release(tmp_path / "affectnet" / "more")
    for folder in ("train_set", "val_set"):
        os.rename(tmp_path / "affectnet" / "more" / folder, tmp_path / "affectnet" / folder)
    with pytest.raises(InputError, match="one release"):
        load(tmp_path)


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="train, validation"):
        load(tmp_path / "absent", "test")
    with pytest.raises(UnknownNameError):
        load(tmp_path / "absent", crop="boxes")
    with pytest.raises(InputError, match="image size"):
        load(tmp_path / "absent", size=0)


def fitting(**counts: int) -> Manifest:
    """A manifest of which the fake copies are the published data."""
    manifest = load_manifest("affectnet")
    files = [entry.model_copy(update={"rows": counts.get(entry.path.split("/")[0])}) for entry in manifest.files]
    return manifest.model_copy(update={"splits": {"train": 8, "validation": 3}, "files": tuple(files)})


def test_the_published_data_raise_nothing(tmp_path: Path) -> None:
    first, second = write_csv_release(tmp_path / "csv"), write_npy_release(tmp_path / "npy")
    steps: list[tuple[int, int]] = []
    assert affectnet.check(fitting(), first.root, lambda done, total: steps.append((done, total))) == []
    assert steps[-1] == (11, 11)
    assert affectnet.check(fitting(train_set=8, val_set=3), second.root, None) == []
    (finding,) = affectnet.check(fitting(train_set=8, val_set=4), second.root, None)
    assert str(finding) == "note: validation: 3 images, not the 4 published"
    (first.images() / first.path("train", 0)).write_text("<html>")
    (finding,) = affectnet.check(fitting(), first.root, None)
    assert finding.level == "error"


def test_the_table_knows_it(tmp_path: Path) -> None:
    faces = load_faces("affectnet", "validation", size=32, root=write_csv_release(tmp_path).root)
    assert (faces.name, faces.split, len(faces)) == ("affectnet", "validation", 3)
    manifest = load_manifest("affectnet")
    assert manifest.splits == {"train": 287_651, "validation": 4_000}
    assert {entry.rows for entry in manifest.files if entry.path.startswith("val_set")} == {3_999}
