# SPDX-License-Identifier: MIT
"""Hugging Face datasets in every form, and columns of every kind."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hub_writer import COUNT, FORMS, faces, png, table, write
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from datasets import ClassLabel, Value
from faceeval.data.decode import Blob
from faceeval.data.faces import FaceSet
from faceeval.data.hub.labels import read_labels, wanted_columns
from faceeval.data.images import read_image
from faceeval.data.labels.expressions import EXPRESSIONS
from faceeval.data.manifest import verify
from faceeval.data.readers import hf
from faceeval.data.table import load_faces
from faceeval.errors import FaceevalError, InputError, MissingFileError, UnknownNameError
from faceeval.names import CELEBA_ATTRIBUTES

Open = Callable[..., FaceSet]


@pytest.fixture(autouse=True)
def _caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "hf")
    monkeypatch.setenv("FACEEVAL_CACHE", str(folder / "faceeval"))
    datasets.disable_progress_bars()


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Saves one dataset without splits and opens it."""

    def open_it(data: datasets.Dataset, columns: dict[str, str] | None = None, **options: object) -> FaceSet:
        place = tmp_path / "one"
        data.save_to_disk(str(place))
        return load_faces(f"hf:{place}", "all", size=20, columns=columns, **options)  # type: ignore[arg-type]

    return open_it


def codes(values: list[int], feature: object = None) -> tuple[object, list[int]]:
    return (feature or Value("int64"), values)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_faces(tmp_path: Path, form: str) -> None:
    splits = {"train": faces(), "test": faces(COUNT, 7)}
    found = load_faces(f"hf:{write(tmp_path, form, splits)}", "test", size=24)
    usual = load_faces(f"hf:{write(tmp_path / 'usual', 'arrow', splits)}", "test", size=24)
    assert (found.digest, found.name, found.split) == (usual.digest, "hf:people", "test")
    assert found.names == tuple(f"{row:08d}" for row in range(7))
    assert list(found.attributes) == ["Smiling", "Young"]
    assert found.attributes["Young"].tolist() == [0, 1, 1, 0, 1, 1, 0]
    assert found.identities.tolist() == [6, 6, 7, 7, 8, 8, 9]
    assert found.expression is None
    wanted = [read_image(Blob("", lambda row=row: png(COUNT + row)), crop="square", size=24) for row in range(7)]
    np.testing.assert_array_equal(found.images(), wanted)
    order = np.array([5, 1, 1, 6, 0])
    np.testing.assert_array_equal(found.read(order), np.stack(wanted)[order])
    if "stream" not in form:
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(found.read))(order), np.stack(wanted)[order])


def test_a_single_file_and_a_folder_above_are_read(tmp_path: Path) -> None:
    place = Path(write(tmp_path, "parquet", {"train": faces()}))
    one = next((place / "data").iterdir())
    assert len(load_faces(f"hf:memory:{one}", "train", size=16)) == COUNT // 2
    assert len(load_faces("hf", "train", size=16, root=place)) == COUNT


def test_splits_go_by_their_usual_names(tmp_path: Path) -> None:
    place = write(tmp_path, "saved", {"valid": faces(), "extra": faces(0, 4)})
    assert hf.splits(Path(place)) == ["validation"]
    assert len(load_faces(f"hf:{place}", "validation", size=16)) == COUNT
    assert len(load_faces(f"hf:{place}", "test", size=16, columns={"test": "extra"})) == 4
    with pytest.raises(InputError, match="the splits valid, extra") as caught:
        load_faces(f"hf:{place}", "test")
    assert "--column test=NAME" in caught.value.todo
    with pytest.raises(UnknownNameError, match="validation"):
        load_faces(f"hf:{place}", "valid")


def test_names_of_files_tell_all_splits_or_none(tmp_path: Path) -> None:
    place = Path(write(tmp_path, "arrow", {"train": faces()}))
    files = sorted((place / "data").iterdir())
    files[0].rename(files[0].with_name("attest-0.arrow"))  # "test" inside a word is no split
    with pytest.raises(InputError, match=r"attest-0\.arrow beside train"):
        load_faces(f"hf:{place}", "train")
    files[1].rename(files[1].with_name("contest-1.arrow"))
    assert len(load_faces(f"hf:{place}", "all", size=16)) == COUNT
    (place / "data" / "more.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="of one kind"):
        load_faces(f"hf:{place}", "all")


def test_folders_of_several_datasets_are_not_mixed(tmp_path: Path) -> None:
    place = Path(write(tmp_path, "arrow", {"train": faces()}))
    shutil.copytree(place / "data", place / "small")
    with pytest.raises(InputError, match="files in data, small"):
        load_faces(f"hf:{place}", "train")
    assert len(load_faces(f"hf:{place / 'small'}", "train", size=16)) == COUNT
    (place / "data").rename(place / "train")
    (place / "small").rename(place / "test")
    for file in (*(place / "train").iterdir(), *(place / "test").iterdir()):
        file.rename(file.with_name(file.name.replace("train-", "")))
    assert len(load_faces(f"hf:{place}", "test", size=16)) == COUNT


def test_the_cache_of_the_package_is_read_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(tmp_path, "parquet", {"train": faces()})
    with pytest.raises(MissingFileError, match="downloads nothing"):
        load_faces("hf:someone/people", "train")
    cached = datasets.config.HF_DATASETS_CACHE / "someone___people" / "default" / "0.0.0" / "0123456789abcdef"
    data = datasets.load_dataset("parquet", data_files={"train": f"{place}/data/*.parquet"}, cache_dir=tmp_path / "c")
    cached.parent.mkdir(parents=True)
    made = next((tmp_path / "c").rglob("dataset_info.json")).parent
    info = (made / "dataset_info.json").read_text()
    cached.mkdir()
    for file in made.iterdir():
        (cached / file.name.replace("parquet-", "people-")).write_bytes(file.read_bytes())
    name = data["train"].info.config_name
    (cached / "dataset_info.json").write_text(info.replace(f'"{name}"', '"default"'))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    for text in ("someone/people", "someone/people#default", "memory:someone/people", "stream:someone/people"):
        found = load_faces(f"hf:{text}", "train", size=16)
        assert (len(found), found.name.split("#")[0]) == (COUNT, "hf:someone/people")
        assert found.read(np.array([3])).shape == (1, 3, 16, 16)
    with pytest.raises(InputError, match="small"):
        load_faces("hf:someone/people#small", "train")


def test_a_copy_of_celeba_gets_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hf.CELEBA_NUMBERS["test"][0] + hf.CELEBA_NUMBERS["test"][1] - 1 == 202_599
    booleans = {name: (Value("bool"), [True, False, True]) for name in CELEBA_ATTRIBUTES}
    copy = table(0, 3, celeb_id=codes([9, 9, 4]), **booleans)
    place = write(tmp_path, "parquet", {"test": copy})
    assert load_faces(f"hf:{place}", "test", size=16).names[0] == "00000000"  # not as many as the official split
    monkeypatch.setitem(hf.CELEBA_NUMBERS, "test", (182_638, 3))
    found = load_faces(f"hf:{place}", "test", size=16)
    assert found.names == ("182638.jpg", "182639.jpg", "182640.jpg")
    assert found.identities.tolist() == [9, 9, 4]
    assert tuple(found.attributes) == CELEBA_ATTRIBUTES


@pytest.mark.parametrize(
    ("feature", "values", "text"),
    [
        (Value("bool"), [True, False, True], "c"),
        (Value("int8"), [1, 0, 1], "c"),
        (Value("float32"), [1, -1, 1], "c"),
        (ClassLabel(names=["no", "yes"]), [1, 0, 1], "c"),
        (ClassLabel(names=["true", "false"]), [0, 1, 0], "c"),
        (ClassLabel(names=["Female", "Male"]), [1, 0, 1], "c"),
        (ClassLabel(names=["not_male", "male"]), [1, 0, 1], "c"),
        (ClassLabel(names=["m", "f", "unknown"]), [0, 2, 0], "c:m"),
        (Value("string"), ["m", "f", "m"], "c:m"),
        (Value("string"), ["yes", "no", "yes"], "c"),
    ],
)
def test_columns_of_every_kind_are_attributes(opened: Open, feature: object, values: list[object], text: str) -> None:
    assert opened(table(0, 3, c=(feature, values)), {"Male": text}).attributes["Male"].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("feature", "values", "text", "message"),
    [
        (Value("int64"), [1, 0, 2], "c", "got: 2"),
        (Value("int64"), [1, 0, -1], "c", "0 and 1, or -1 and 1"),
        (Value("bool"), [True, None, False], "c", "none in 1 rows"),
        (ClassLabel(names=["f", "m"]), [1, 0, 1], "c", "which class"),
        (ClassLabel(names=["f", "m"]), [1, 0, 1], "c:x", "class of"),
        (Value("int64"), [1, 0, 1], "c:1", "classes with names"),
        (Value("int64"), [1, 0, 1], "d", "column of"),
    ],
)
def test_what_is_no_attribute_is_refused(
    opened: Open, feature: object, values: list[object], text: str, message: str
) -> None:
    with pytest.raises(FaceevalError, match=message):
        opened(table(0, 3, c=(feature, values)), {"Male": text})


def test_nothing_is_guessed(opened: Open) -> None:
    data = table(
        0,
        3,
        label=codes([0, 1, 2], ClassLabel(names=["a", "b", "c"])),
        glasses=codes([0, 1, 0]),
        expression=codes([0, 1, 0], ClassLabel(names=["anger", "happy"])),
        pose=codes([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], datasets.Sequence(Value("float32"), length=2)),
    )
    found = opened(data)
    assert not found.attributes
    for part in (found.identities, found.expression, found.pose, found.landmarks, found.clips):
        assert part is None


def test_expressions_need_an_order_that_is_beyond_doubt(tmp_path: Path, opened: Open) -> None:
    ours = table(0, 3, expression=codes([0, 3, 7], ClassLabel(names=list(EXPRESSIONS))))
    assert opened(ours).expression.tolist() == [0, 3, 7]
    alphabet = table(0, 3, label=codes([0, 1, 2], ClassLabel(names=["anger", "contempt", "disgust"])))
    alphabet.save_to_disk(str(tmp_path / "alphabet"))
    name = f"hf:{tmp_path / 'alphabet'}"
    with pytest.raises(InputError, match="AffectNet's order"):
        load_faces(name, "all", columns={"expression": "label"})
    order = {"expression": "label:anger, contempt, disgust"}
    assert load_faces(name, "all", columns=order).expression.tolist() == [6, 7, 5]


def test_ratings_poses_landmarks_boxes_and_people(opened: Open) -> None:
    points = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    numbers = {"v": [0.5, -1.0, 0.0], "a": [1.0, 0.25, 0.0]}
    data = table(
        0,
        3,
        **{name: (Value("float64"), values) for name, values in numbers.items()},
        pose=(datasets.Sequence(Value("float32"), length=3), [[1, 2, 3]] * 3),
        landmarks=(datasets.Array2D((5, 2), "float32"), points.tolist()),
        box=(datasets.Sequence(Value("float32"), length=4), [[4, 4, 20, 20]] * 3),
        who=(Value("string"), ["Roe", "Doe", "Roe"]),
        file=(Value("string"), ["c", "a", "b"]),
        clip=codes([3, 3, 4]),
    )
    columns = {"valence": "v", "arousal": "a", "identity": "who", "name": "file"}
    found = opened(data, columns)
    np.testing.assert_array_equal(found.valence_arousal, np.array([[0.5, 1], [-1, 0.25], [0, 0]], np.float32))
    assert found.pose.tolist() == [[1, 2, 3]] * 3
    assert (found.identities.tolist(), found.people) == ([1, 0, 1], ("Doe", "Roe"))
    assert found.names == ("c", "a", "b")
    assert found.clips.tolist() == [3, 3, 4]
    scale = 20 / 36  # of 36 x 44 pixels, the middle 36 x 36
    np.testing.assert_allclose(found.landmarks, (points + 0.5 - [0, 4]) * scale - 0.5, atol=1e-4)
    boxed = opened(data, columns, crop="box")
    wanted = read_image(Blob("", lambda: png(1)), crop="box", size=20, box=np.array([4, 4, 20, 20], np.float32))
    np.testing.assert_array_equal(boxed.read(np.array([1]))[0], wanted)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("valence", [0.5, np.nan, 0.0], r"\[-1, 1\].*nan in row 1"),
        ("valence", [0.5, 0.0, -2.0], "-2 in row 2"),
        ("arousal", [0.5, 0.0, None], "none in 1 rows"),
    ],
)
def test_ratings_out_of_range_are_named(opened: Open, column: str, values: list[float], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        opened(table(0, 3, c=(Value("float32"), values)), {column: "c"})


def test_names_that_come_twice_are_refused(opened: Open) -> None:
    with pytest.raises(InputError, match="comes twice"):
        opened(table(0, 3, name=(Value("string"), ["a", "b", "a"])))


def test_the_column_of_images_is_named_where_there_are_several(opened: Open, tmp_path: Path) -> None:
    blobs = [{"bytes": png(20 + row), "path": None} for row in range(3)]
    data = table(0, 3, other=(datasets.Image(), blobs), raw=(Value("binary"), [png(30 + row) for row in range(3)]))
    with pytest.raises(InputError, match="image, other"):
        opened(data)
    for name, first in (("other", 20), ("raw", 30)):
        found = opened(data, {"image": name}).read(np.array([2]))[0]
        np.testing.assert_array_equal(found, read_image(Blob("", lambda f=first: png(f + 2)), crop="square", size=20))
    with pytest.raises(UnknownNameError, match="othr"):
        opened(data, {"image": "othr"})
    with pytest.raises(InputError, match="bytes of images"):
        opened(table(0, 3, c=codes([1, 2, 3])), {"image": "c"})


def test_what_is_no_dataset_is_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png(0))
    with pytest.raises(InputError, match="--data folder"):
        load_faces(f"hf:{tmp_path / 'pictures'}", "all")
    with pytest.raises(MissingFileError, match="absent"):
        load_faces(f"hf:{tmp_path / 'absent'}", "all")
    place = tmp_path / "damaged"
    place.mkdir()
    (place / "train.parquet").write_bytes(b"<!DOCTYPE html>")
    for mode in ("", "memory:", "stream:"):
        with pytest.raises(InputError, match="damaged"):
            load_faces(f"hf:{mode}{place}", "train")


def test_verifying_reads_all_labels_and_headers(tmp_path: Path) -> None:
    place = write(tmp_path, "saved", {"train": faces(), "test": faces(40, 5)})
    assert verify(f"hf:{place}") == []
    broken = [{"bytes": png(0), "path": None}, {"bytes": b"<html>", "path": None}, {"bytes": None, "path": "no.png"}]
    bad = table(0, 3, Smiling=codes([0, 1, 5])).remove_columns("image")
    pictures = datasets.Dataset.from_dict({"image": broken}, features=datasets.Features({"image": datasets.Image()}))
    place = write(tmp_path / "bad", "memory:arrow", {"train": pictures, "test": bad.add_column("x", [1, 2, 3])})
    findings = {finding.subject: finding.message for finding in verify(f"hf:{place}")}
    assert "00000001, 00000002" in findings["train"]
    assert "one column of images" in findings["test"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=9), st.sampled_from([Value("bool"), Value("int8"), Value("int64")]))
def test_labels_survive_every_type(values: list[bool], feature: Value) -> None:
    signed = feature.dtype == "int64"
    held = [value if feature.dtype == "bool" else 2 * value - 1 if signed else int(value) for value in values]
    data = datasets.Dataset.from_dict({"Young": held}, features=datasets.Features({"Young": feature}))
    labels = read_labels(wanted_columns(data.features, {}, ""), lambda names: data.with_format("arrow")[:], "")
    assert labels.attributes["Young"].tolist() == values
