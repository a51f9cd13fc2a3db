# SPDX-License-Identifier: MIT
"""VGGFace2 in every layout, with and without its lists, boxes, landmarks and table of people; whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_photos import assert_equal_faces, photo

from faceeval.data.faces import FaceSet
from faceeval.data.manifest import Finding, Manifest, load_manifest
from faceeval.data.opening import Opening
from faceeval.data.readers.vggface2 import Person, check, find_files, load, read_people
from faceeval.errors import InputError, MissingFileError, UnknownNameError

# layout -> images of a split, lists, table of people, boxes and landmarks
LAYOUTS = {
    "official": ("{split}", "", "", "bb_landmark"),
    "data": ("data/{split}", "data", "meta", "meta/bb_landmark"),
    "archives": ("vggface2_{split}/{split}", "", "meta", ""),
}
PEOPLE = {"train": {"n000002": 2, "n000900": 3}, "test": {"n000001": 1, "n000901": 2}}
META = (
    "Class_ID, Name, Sample_Num, Flag, Gender\n"
    'n000001, "Jane_Roe", 1, 0, f\n'
    'n000002, "John, called ""Q""_Doe", 2, 1, m\n'
    'n000900, "Jos\u00e9e_Roe", 3, 1, f\n'
    'n000901, "John_Q._Doe", 2, 0, m\n'
)
POINTS = "NAME_ID," + ",".join(f"P{point}{axis}" for point in range(1, 6) for axis in "XY")


@dataclass(frozen=True)
class FakeVGGFace2:
    """What was written, for comparison."""

    root: Path
    folders: dict[str, Path]
    names: dict[str, list[str]]
    boxes: dict[str, np.ndarray]
    points: dict[str, np.ndarray]

    def file(self, name: str) -> Path:
        return next(self.root.rglob(name))

    def change(self, name: str, change: Callable[[str], str]) -> None:
        path = self.file(name)
        path.write_bytes(change(path.read_bytes().decode()).encode())


def write(
    root: Path, layout: str = "official", newline: str = "\n", quote: str = '"', old: bool = False, mark: str = ""
) -> FakeVGGFace2:
    images, lists, meta, labels = LAYOUTS[layout]
    fake = FakeVGGFace2(root, {}, {}, {}, {})

    def text(folder: str, name: str, lines: list[str]) -> None:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes((mark + "".join(line + newline for line in lines)).encode())

    for split, people in PEOPLE.items():
        fake.folders[split] = root / images.format(split=split)
        names = [f"{one}/{number:04d}_01" for one, count in people.items() for number in range(1, count + 1)]
        random = np.random.default_rng(len(names))
        fake.names[split] = [f"{name}.jpg" for name in names]
        fake.boxes[split] = np.stack([random.integers(low, low + 9, len(names)) for low in (-4, 6, 30, 40)], 1)
        fake.points[split] = random.uniform(10, 60, (len(names), 10)).astype(np.float32).round(4)
        for row, name in enumerate(fake.names[split]):
            (fake.folders[split] / name).parent.mkdir(parents=True, exist_ok=True)
            (fake.folders[split] / name).write_bytes(photo(row, 70 + row, 80))
        text(lists, f"{split}.txt" if old else f"{split}_list.txt", fake.names[split])
        table = zip(names, fake.boxes[split].tolist(), fake.points[split].tolist(), strict=True)
        rows = [(f"{quote}{name}{quote}", box, points) for name, box, points in table]
        lines = ["NAME_ID,X,Y,W,H", *(f"{name},{','.join(map(str, box))}" for name, box, _ in rows)]
        text(labels, f"loose_bb_{split}.csv", lines)
        lines = [POINTS, *(f"{name}," + ",".join(f"{value:.4f}" for value in points) for name, _, points in rows)]
        text(labels, f"loose_landmark_{split}.csv", lines)
    text(meta, "identity_meta.csv", META.splitlines())
    return fake


def open_split(root: Path, split: str = "train", **options: object) -> FaceSet:
    return load(root, split, Opening(**{"size": 32, **options}))  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", PEOPLE)
def test_every_layout_reads_the_same(tmp_path: Path, layout: str, split: str) -> None:
    fake = write(tmp_path / "VGGFace2", layout)
    faces = open_split(tmp_path, split)
    assert list(faces.names) == fake.names[split]
    assert faces.people == tuple(PEOPLE[split])
    assert [faces.people[number] for number in faces.identities] == [name[:7] for name in faces.names]
    males = {"n000001": 0, "n000002": 1, "n000900": 0, "n000901": 1}
    assert faces.attributes["Male"].tolist() == [males[name[:7]] for name in faces.names]
    assert faces.attributes["Male"].dtype == np.uint8
    assert_equal_faces(faces, open_split(write(tmp_path / "plain").root, split))


@pytest.mark.parametrize("dialect", [{"newline": "\r\n"}, {"quote": ""}, {"old": True}, {"mark": "\ufeff"}], ids=str)
def test_every_dialect_reads_the_same(tmp_path: Path, dialect: dict[str, str]) -> None:
    one, other = open_split(write(tmp_path / "a", **dialect).root), open_split(write(tmp_path / "b").root)  # type: ignore[arg-type]
    assert_equal_faces(one, other)
    np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_images_are_cut_around_their_boxes(tmp_path: Path) -> None:
    fake = write(tmp_path)
    faces = open_split(fake.root, size=40)
    for row, name in enumerate(fake.names["train"]):
        left, top, width, height = fake.boxes["train"][row].tolist()
        side = round(1.3 * max(width, height))
        corner = round(left + (width - side) / 2), round(top + (height - side) / 2)
        whole = Image.open(fake.folders["train"] / name)
        cut = whole.crop((*corner, corner[0] + side, corner[1] + side)).resize((40, 40), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(faces.read(np.array([row]))[0], np.asarray(cut).transpose(2, 0, 1))
        points = fake.points["train"][row].reshape(5, 2)
        expected = (points + 0.5 - corner) * (40 / side) - 0.5
        np.testing.assert_allclose(faces.landmarks[row], expected, atol=1e-4)


def test_boxes_that_are_cut_are_part_of_the_digest(tmp_path: Path) -> None:
    fake = write(tmp_path)
    boxed, square = open_split(fake.root).digest, open_split(fake.root, crop="square").digest
    fake.change("loose_bb_train.csv", lambda text: text.replace(",4", ",5"))
    assert open_split(fake.root).digest != boxed
    assert open_split(fake.root, crop="square").digest == square


def test_what_is_optional_may_be_absent(tmp_path: Path) -> None:
    fake = write(tmp_path)
    whole = open_split(fake.root, crop="square")
    for name in ("train_list.txt", "loose_landmark_train.csv", "loose_bb_train.csv"):
        fake.file(name).unlink()
    assert_equal_faces(open_split(fake.root, crop="square"), whole)
    with pytest.raises(InputError, match=r"face boxes, for the crop box1\.3"):
        open_split(fake.root)
    fake.file("identity_meta.csv").unlink()
    faces = open_split(fake.root, crop="square")
    assert faces.attributes == {}
    assert faces.landmarks is None


def test_lists_in_another_order_or_with_the_folder_before_are_understood(tmp_path: Path) -> None:
    fake = write(tmp_path)
    expected = open_split(fake.root)
    fake.change("train_list.txt", lambda text: "".join(f"train/{line}\n" for line in reversed(text.splitlines())))
    fake.change("loose_bb_train.csv", lambda text: "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])]))
    assert_equal_faces(open_split(fake.root), expected)


def test_a_list_shorter_than_the_folder_is_refused(tmp_path: Path) -> None:
    fake = write(tmp_path)
    fake.change("train_list.txt", lambda text: "".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"4 lines; images without one: 1 \(n000900/0003_01\.jpg\)"):
        open_split(fake.root)


def test_listed_images_that_are_not_there_stop_or_are_told(tmp_path: Path) -> None:
    fake = write(tmp_path)
    (fake.folders["train"] / "n000002/0002_01.jpg").unlink()
    with pytest.raises(MissingFileError, match=r"4 of them; not there: 1 \(n000002/0002_01\.jpg\)"):
        open_split(fake.root)
    faces = open_split(fake.root, skip_missing=True)
    assert faces.skipped == ("n000002/0002_01.jpg",)
    assert len(faces) == 4
    assert faces.attributes["Male"].tolist() == [1, 0, 0, 0]


def test_suffixes_in_capitals_and_png_are_found(tmp_path: Path) -> None:
    fake, other = write(tmp_path / "a"), write(tmp_path / "b")
    for path in list(other.root.rglob("*.jpg")):
        path.rename(path.with_suffix(".JPG"))
    assert_equal_faces(open_split(other.root), open_split(fake.root))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train_list.txt", lambda text: text + "n000900/0003_01.jpg\n", "again, the first n000900/0003_01"),
        ("train_list.txt", lambda text: text + "n9/a.jpg\n", "line 6"),
        ("train_list.txt", lambda text: "<html>" + text, "web page"),
        ("loose_bb_train.csv", lambda text: text[: text.rindex("\n", 0, -1) + 1], "n000900/0003_01"),
        ("loose_bb_train.csv", lambda text: text.rstrip()[:-3] + "\n", "values in line 6|cut short|integers"),
        ("loose_bb_train.csv", lambda text: text.replace(",3", ",-3"), "boxes of some width"),
        ("loose_bb_train.csv", lambda text: text + text.splitlines()[-1] + "\n", "names again"),
        ("loose_landmark_train.csv", lambda text: text.replace(".", "..", 1), "decimal numbers|column names"),
        ("loose_landmark_train.csv", lambda text: text + '"n000900/0004_01"' + ",nan" * 10, "'nan' in the row"),
        ("identity_meta.csv", lambda text: text.replace("2, 1, m", "2, 0, m"), r"Flag 1 .*\n.*n000002"),
        ("identity_meta.csv", lambda text: text.replace("n000900", "n000903"), r"not 1 \(n000900\)"),
        ("identity_meta.csv", lambda text: text.replace("1, f\n", "1, x\n"), "line 4"),
        ("identity_meta.csv", lambda text: text.replace("3, 1, f", "3, 1"), "4 in line 4"),
        ("identity_meta.csv", lambda text: text + text.splitlines()[-1], "n000901 again in line 6"),
        ("identity_meta.csv", lambda text: text.replace("Flag", "Flagge"), "no Flag"),
        ("identity_meta.csv", lambda text: "", "no Class_ID"),
    ],
)
def test_damaged_labels_are_named(tmp_path: Path, name: str, change: Callable[[str], str], message: str) -> None:
    fake = write(tmp_path)
    fake.change(name, change)
    with pytest.raises(InputError, match=message) as caught:
        open_split(fake.root)
    assert name in str(caught.value)


def test_the_table_of_people_is_read_through_its_quotes(tmp_path: Path) -> None:
    people = read_people(write(tmp_path).file("identity_meta.csv"))
    assert people["n000002"] == Person(images=2, flag=1, male=1)
    assert list(people) == ["n000001", "n000002", "n000900", "n000901"]
    with pytest.raises(MissingFileError, match="No such file"):
        read_people(tmp_path / "absent.csv")


def test_a_copy_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="train/n"):
        find_files(tmp_path)
    (tmp_path / "vggface2_test.tar.gz").write_bytes(b"")
    with pytest.raises(MissingFileError, match="only the archive"):
        find_files(tmp_path)
    with pytest.raises(MissingFileError, match="is not a folder"):
        find_files(tmp_path / "vggface2_test.tar.gz")
    fake = write(tmp_path / "a")
    fake.folders["train"].rename(tmp_path / "moved")
    assert len(open_split(fake.root, "test")) == 3
    with pytest.raises(MissingFileError, match="the folder train"):
        open_split(fake.root, "train")
    with pytest.raises(UnknownNameError, match="train"):
        open_split(fake.root, "validation")


@pytest.fixture
def described(tmp_path: Path) -> tuple[FakeVGGFace2, Manifest]:
    fake = write(tmp_path)
    return fake, load_manifest("vggface2").model_copy(update={"splits": {"train": 5, "test": 3}})


def test_the_published_data_raise_nothing(described: tuple[FakeVGGFace2, Manifest]) -> None:
    fake, manifest = described
    assert check(manifest, fake.root) == []


def test_other_data_are_noted(described: tuple[FakeVGGFace2, Manifest]) -> None:
    fake, manifest = described
    fake.change("identity_meta.csv", lambda text: text.replace("3, 1, f", "4, 1, f"))
    (finding,) = check(manifest, fake.root)
    assert str(finding) == "note: train: people with another number of images than identity_meta.csv says: 1 (n000900)"
    fake.folders["test"].rename(fake.root / "moved")
    said = [str(finding) for finding in check(load_manifest("vggface2"), fake.root)]
    assert said[:2] == ["note: test: no folder of this split", "note: train: 5 images, not the 3141890 published"]


def test_people_in_both_splits_are_an_error(described: tuple[FakeVGGFace2, Manifest]) -> None:
    fake, manifest = described
    for split in PEOPLE:
        fake.file(f"{split}_list.txt").unlink()
    for name in ("identity_meta.csv", "loose_bb_test.csv", "loose_landmark_test.csv"):
        fake.file(name).unlink()
    (fake.folders["test"] / "n000900").mkdir()
    (fake.folders["test"] / "n000900" / "0001_01.jpg").write_bytes(photo(0))
    errors = [finding for finding in check(manifest, fake.root) if finding.level == "error"]
    assert errors == [Finding("error", "identities", "people in more than one split: 1 (n000900)")]
