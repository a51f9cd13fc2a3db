# SPDX-License-Identifier: MIT
"""What is written in each layout is what the reader of that layout reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from known_faces import known_faces, rows_in, through_jpeg

from faceeval.data.export.table import LAYOUTS, export_faces
from faceeval.data.faces import FaceSet
from faceeval.data.manifest import verify
from faceeval.data.table import DATASETS, load_faces
from faceeval.errors import InputError, OutputError, UnknownNameError

SIZE = 64  # such that the crop box1.3 gives the whole image back
SIZES = {"casia": 250}  # of images that have a size of their own


def sources(*splits: str, size: int = SIZE) -> dict[str, FaceSet]:
    return {split: known_faces(split, 3, size, first_person=3 * number) for number, split in enumerate(splits)}


def read_back(layout: str, split: str, root: Path) -> FaceSet:
    return load_faces(LAYOUTS[layout].reader, split, size=SIZES.get(layout, SIZE), root=root)


def people_of(faces: FaceSet) -> list[str]:
    assert faces.identities is not None
    return [faces.people[person] for person in faces.identities.tolist()]


def errors(layout: str, root: Path) -> list[str]:
    return [str(finding) for finding in verify(LAYOUTS[layout].reader, root) if finding.level == "error"]


def compare(source: FaceSet, back: FaceSet, root: Path, columns: tuple[str, ...]) -> np.ndarray:
    """Compares pixels, number and columns; returns the rows of the source in the order of what was read."""
    rows = rows_in(source, back, root)
    assert sorted(rows.tolist()) == list(range(len(source)))
    np.testing.assert_array_equal(back.images(), source.images()[rows])
    for column in columns:
        slack = 0.001 if "landmarks" in column else 0.0  # which the crop moves, and some files round
        np.testing.assert_allclose(getattr(back, column), getattr(source, column)[rows], rtol=0, atol=slack)
    return rows


def invented(source: FaceSet, rows: np.ndarray, pattern: str = "Person_{:04d}") -> list[str]:
    assert source.identities is not None
    return [pattern.format(person) for person in source.identities[rows].tolist()]


# layout -> splits, columns that are read back as they were, what people are called
READ_BACK: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "vggface2": (("train", "test"), ("landmarks",), ""),
    "affectnet": (("train", "validation"), ("expression", "valence_arousal", "landmarks68"), ""),
    "affectnet-npy": (("train", "validation"), ("expression", "valence_arousal", "landmarks68"), ""),
    "voxceleb": (("train", "test"), (), "Person_{:04d}"),
    "casia": (("all",), (), "{:07d}"),
    "msceleb": (("all",), (), "m.0{:06d}"),
    "msceleb-tsv": (("all",), (), "m.0{:06d}"),
    "facescrub": (("all",), (), "Person {:04d}"),
    "pubfig": (("train", "test"), (), "Person {:04d}"),
}


@pytest.mark.parametrize("layout", READ_BACK)
def test_what_is_written_is_read_back_equal(tmp_path: Path, layout: str) -> None:
    splits, columns, pattern = READ_BACK[layout]
    faces, root = sources(*splits, size=SIZES.get(layout, SIZE)), tmp_path / "copy"
    export_faces(layout, faces, root, lossless=True)
    for split, source in faces.items():
        back = read_back(layout, split, root)
        rows = compare(source, back, root, columns)
        if pattern:
            assert people_of(back) == invented(source, rows, pattern)
        for name in back.attributes:
            np.testing.assert_array_equal(back.attributes[name], source.attributes[name][rows])
    assert errors(layout, root) == []


def test_a_plain_folder_is_read_back_equal(tmp_path: Path) -> None:
    faces, root = sources("train", "test"), tmp_path / "copy"
    export_faces("folder", faces, root, lossless=True)
    for split, source in faces.items():
        back = read_back("folder", split, root)
        assert [Path(name).stem for name in back.names] == list(source.names)
        np.testing.assert_array_equal(back.images(), source.images())
        for column in ("expression", "valence_arousal", "pose", "clips"):
            np.testing.assert_array_equal(getattr(back, column), getattr(source, column))
        np.testing.assert_allclose(np.asarray(back.landmarks), np.asarray(source.landmarks), atol=1e-4)
        assert people_of(back) == invented(source, np.arange(len(source)))
        for name in source.attributes:
            np.testing.assert_array_equal(back.attributes[name], source.attributes[name])
    assert errors("folder", root) == []


def test_a_hugging_face_dataset_is_read_back_equal(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    source, root = replace(known_faces("test", 2, SIZE), name="procfaces"), tmp_path / "copy"
    export_faces("hf", {"test": source}, root)
    back = load_faces(f"hf:{root}", "test", size=SIZE)
    assert back.names == source.names
    np.testing.assert_array_equal(back.images(), source.images())
    for column in ("identities", "expression", "valence_arousal", "pose", "clips"):
        np.testing.assert_array_equal(getattr(back, column), getattr(source, column))
    assert [entry.name for entry in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("names", [("a.jpg", "a.png"), ("../a", "b"), ("/a", "b"), ("..\\a", "b")])
def test_names_that_are_no_files_of_one_folder_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    source = replace(known_faces("test", 1, SIZE, each=2), names=names)
    with pytest.raises(InputError, match="files of one folder"):
        export_faces("folder", {"test": source}, tmp_path / "copy")


@pytest.mark.parametrize("layout", ["casia", "msceleb-tsv", "affectnet"])
def test_jpeg_is_what_pillow_makes_of_it(tmp_path: Path, layout: str) -> None:
    faces, root = sources(READ_BACK[layout][0][0], size=SIZES.get(layout, SIZE)), tmp_path / "copy"
    export_faces(layout, faces, root)
    ((split, source),) = faces.items()
    back = read_back(layout, split, root)
    np.testing.assert_array_equal(back.images(), through_jpeg(source.images())[rows_in(source, back, root)])


def test_clips_stay_together(tmp_path: Path) -> None:
    faces, root = sources("train", "test"), tmp_path / "copy"
    export_faces("voxceleb", faces, root, lossless=True)
    for split, source in faces.items():
        back = read_back("voxceleb", split, root)
        assert back.clips is not None
        assert source.clips is not None
        kept = source.clips[rows_in(source, back, root)]
        np.testing.assert_array_equal(back.clips, kept - kept.min())  # numbered from 0 in each split
        np.testing.assert_array_equal(back.attributes["Male"], source.attributes["Male"])


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceSet, Path]:
    source, root = known_faces("all", 20, 16, each=20), tmp_path_factory.mktemp("lfw") / "copy"
    export_faces("lfw", {"all": source}, root, lossless=True)
    return source, root


def test_lfw_is_read_back_with_its_lists(lfw: tuple[FaceSet, Path]) -> None:
    from faceeval.data.readers.lfw import read_view

    source, root = lfw
    back = load_faces("lfw", "all", size=16, root=root)
    rows = compare(source, back, root, ())
    assert people_of(back) == invented(source, rows)
    views = {split: read_view(root, split) for split in ("all", "train", "test")}
    assert {split: len(view.first) for split, view in views.items()} == {"all": 6000, "train": 2200, "test": 1000}
    assert np.bincount(views["all"].folds).tolist() == [600] * 10
    tested = load_faces("lfw", "test", size=16, root=root)
    trained = load_faces("lfw", "train", size=16, root=root)
    assert set(tested.names) >= {*views["test"].first, *views["test"].second}
    assert set(tested.names).isdisjoint(trained.names)
    assert len(tested) + len(trained) == len(source)


def test_the_pairs_are_those_of_the_dialect(lfw: tuple[FaceSet, Path]) -> None:
    from faceeval.data.dialects.lfw import pair_lists
    from faceeval.data.readers.lfw import read_view

    source, root = lfw
    back = load_faces("lfw", "all", size=16, root=root)
    named = dict(zip(back.names, (source.names[row] for row in rows_in(source, back, root)), strict=True))
    written, drawn = read_view(root, "all"), pair_lists(source)["pairs.txt"]
    assert [named[name] for name in written.first] == list(drawn.first)
    assert [named[name] for name in written.second] == list(drawn.second)
    np.testing.assert_array_equal(written.same, drawn.same)


def test_lfw_of_several_splits_is_one_set(tmp_path: Path) -> None:
    halves = {split: known_faces(split, 10, 16, 10 * part, 20) for part, split in enumerate(("train", "test"))}
    export_faces("lfw", halves, tmp_path / "copy")
    assert len(load_faces("lfw", "all", size=16, root=tmp_path / "copy")) == 400


def test_too_few_people_for_pairs_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="matched pairs"):
        export_faces("lfw", {"all": known_faces("all", 12)}, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_multipie_is_read_back_by_its_names(tmp_path: Path) -> None:
    names = [f"{person:03d}_{kind}" for person in (0, 470) for kind in ("01_01_051_07", "01_02_051_07", "02_02_041_02")]
    source = replace(
        known_faces("test", 2, SIZE, each=3), names=tuple(names), identities=np.repeat(np.array([0, 470]), 3)
    )
    export_faces("multipie", {"test": source}, tmp_path / "copy")
    back = read_back("multipie", "all", tmp_path / "copy")
    compare(source, back, tmp_path / "copy", ())
    assert back.names[3] == "002_01_01_051_07.png"
    assert back.identities is not None
    assert back.identities.tolist() == [1, 1, 1, 2, 2, 2]
    assert back.attributes["smile"].tolist() == [0, 1, 0, 0, 1, 0]
    assert errors("multipie", tmp_path / "copy") == []


def test_multipie_needs_names_that_tell_camera_and_light(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="procfaces:multipie"):
        export_faces("multipie", sources("test"), tmp_path / "copy")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_table_is_true(layout: str) -> None:
    row = LAYOUTS[layout]
    assert callable(import_module(row.writer).write)
    assert row.reader in DATASETS
    known = {*vars(known_faces("test", 1)), "Male"}
    assert set(row.needs) <= known


@pytest.mark.parametrize(
    ("layout", "lacking"),
    [("celeba", "attributes"), ("casia", "identities"), ("affectnet", "valence_arousal"), ("voxceleb", "clips")],
)
def test_layouts_that_need_more_than_is_known_are_refused(tmp_path: Path, layout: str, lacking: str) -> None:
    source = replace(
        known_faces("train", 1, LAYOUTS[layout].size), **{lacking: {} if lacking == "attributes" else None}
    )
    with pytest.raises(InputError, match=f"no {lacking}") as caught:
        export_faces(layout, {"train": source}, tmp_path / "copy")
    assert "another dataset" in caught.value.todo
    assert list(tmp_path.iterdir()) == []


def test_sex_must_be_the_persons_own_where_a_table_of_people_has_it(tmp_path: Path) -> None:
    source = known_faces("train", 2, SIZE)
    source.attributes["Male"][0] ^= 1
    with pytest.raises(InputError, match="Person_0000"):
        export_faces("vggface2", {"train": source}, tmp_path / "copy")
    unknown = replace(source, attributes={})
    with pytest.raises(InputError, match="no Male"):
        export_faces("facescrub", {"train": unknown}, tmp_path / "copy")
    export_faces("vggface2", {"train": unknown}, tmp_path / "copy")
    assert not (tmp_path / "copy" / "identity_meta.csv").exists()


def test_unknown_layouts_and_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'celeba'"):
        export_faces("celba", sources("train"), tmp_path / "copy")
    with pytest.raises(UnknownNameError, match="split of the layout vggface2"):
        export_faces("vggface2", sources("validation"), tmp_path / "copy")


def test_whatever_goes_wrong_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_faces("casia", sources("train"), tmp_path / "copy", progress=stop)
    assert list(tmp_path.iterdir()) == []

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            export_faces("casia", sources("train"), tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_bytes(b"")
    with pytest.raises(OutputError, match="new or empty"):
        export_faces("casia", sources("train"), tmp_path / "copy")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["copy", "mine"]


def contents(root: Path) -> Mapping[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_faces_give_the_same_bytes(tmp_path: Path) -> None:
    for layout in ("vggface2", "affectnet-npy"):
        for name in ("one", "two"):
            export_faces(layout, sources("train"), tmp_path / layout / name)
        assert contents(tmp_path / layout / "one") == contents(tmp_path / layout / "two")


def test_people_keep_the_names_they_have(tmp_path: Path) -> None:
    source = replace(known_faces("train", 2, SIZE), people=("Jane Roe", "Al Bo"))
    export_faces("voxceleb", {"train": source}, tmp_path / "copy", lossless=True)
    back = read_back("voxceleb", "train", tmp_path / "copy")
    assert sorted(set(people_of(back))) == ["Al_Bo", "Jane_Roe"]
    rows = rows_in(source, back, tmp_path / "copy")
    assert people_of(back) == [("Jane_Roe", "Al_Bo")[row // 4] for row in rows]


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    for name in ("../x", "a/b", ".hidden", "a\tb"):
        source = replace(known_faces("train", 1, SIZE), people=(name,))
        with pytest.raises(InputError, match="file name"):
            export_faces("voxceleb", {"train": source}, tmp_path / "copy")


def test_splits_must_fit_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one size"):
        export_faces("casia", {"a": known_faces("a", 1, 32), "b": known_faces("b", 1, 64)}, tmp_path / "copy")
    with pytest.raises(InputError, match="images in every split"):
        export_faces("casia", {}, tmp_path / "copy")
