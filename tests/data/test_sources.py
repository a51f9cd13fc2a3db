# SPDX-License-Identifier: MIT
"""Folders, zip files and saved datasets give the same images, and say what is wrong with them."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceeval.data import sources
from faceeval.data.images import write_png
from faceeval.data.sources import ImageSource, batches, decoded, open_images, pairing_keys
from faceeval.errors import InputError, MissingFileError


def picture(seed: int, height: int = 20, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)


def fill(folder: Path, count: int = 5) -> Path:
    for index in range(count):
        write_png(folder / f"{index:03d}.png", picture(index))
    return folder


def pack(path: Path, folder: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, top + file.relative_to(folder).as_posix())
    return path


def in_memory(count: int, read: object = picture) -> ImageSource:
    return ImageSource("memory", "folder", tuple(f"{index}.png" for index in range(count)), read)  # type: ignore[arg-type]


def everything(source: ImageSource, batch_size: int = 2) -> tuple[list[np.ndarray], str]:
    digest, found = hashlib.sha256(), {}
    for indices, images in batches(source, batch_size, digest=digest):
        assert images.dtype == np.uint8
        found.update(zip(indices.tolist(), images, strict=True))
    assert sorted(found) == list(range(len(source)))
    return [found[index] for index in range(len(source))], digest.hexdigest()


def test_a_folder_is_read_to_its_depth_in_order_of_names_whatever_their_case(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/inner/1.JpEg", "a.png", "B.png"):
        write_png(tmp_path / name, picture(0))
    for name in ("notes.txt", "b/._2.PNG", ".cache/x.png", "labels", "__MACOSX/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    source = open_images(tmp_path)
    assert (source.kind, len(source), source.skipped) == ("folder", 4, 2)
    assert source.names == ("B.png", "a.png", "b/2.PNG", "b/inner/1.JpEg")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    fill(tmp_path / "real", 2)
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "a" / "back").symlink_to(tmp_path / "set")
    assert open_images(tmp_path / "set").names == ("linked/000.png", "linked/001.png")


@pytest.mark.parametrize("top", ["", "faces/"])
def test_a_zip_gives_what_its_folder_gives(tmp_path: Path, top: str) -> None:
    folder = fill(tmp_path / "faces")
    (folder / "notes.txt").write_text("made on Tuesday")
    from_folder, from_zip = open_images(folder), open_images(pack(tmp_path / "a.zip", folder, top))
    assert from_zip.kind == "zip"
    assert (from_zip.skipped, from_folder.skipped) == (1, 1)
    assert everything(from_zip)[1] == everything(from_folder)[1]
    assert pairing_keys(from_zip) == pairing_keys(from_folder) == [f"{index:03d}" for index in range(5)]


def test_members_that_lead_out_of_a_zip_are_not_read_and_nothing_is_unpacked(tmp_path: Path) -> None:
    folder = fill(tmp_path / "faces", 2)
    (tmp_path / "inside").mkdir()
    path = pack(tmp_path / "inside" / "a.zip", folder, "")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil.png", (folder / "000.png").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    source = open_images(path)
    assert source.names == ("000.png", "001.png")
    everything(source)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_saved_dataset_gives_what_its_folder_gives(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets.arrow_dataset")
    from datasets import DatasetDict, Features, Image, Value

    folder = fill(tmp_path / "faces")
    rows = {"face": [(folder / f"{i:03d}.png").read_bytes() for i in range(5)], "age": list(range(5))}
    rows["face"] = [{"bytes": content, "path": None} for content in rows["face"]]
    dataset = datasets.Dataset.from_dict(rows, features=Features(face=Image(), age=Value("int64")))
    dataset.save_to_disk(tmp_path / "one")
    source = open_images(tmp_path / "one")
    assert (source.kind, len(source)) == ("dataset", 5)
    assert everything(source)[1] == everything(open_images(folder))[1]
    with pytest.raises(InputError, match="without splits"):
        open_images(tmp_path / "one", split="test")
    with pytest.raises(InputError, match=r"image columns of .*: face"):
        open_images(tmp_path / "one", column="age")
    two = dataset.add_column("edited", rows["face"], feature=Image())
    DatasetDict(train=two, test=two.select([0, 1])).save_to_disk(tmp_path / "two")
    with pytest.raises(InputError, match="train, test"):
        open_images(tmp_path / "two")
    with pytest.raises(InputError, match="face, edited"):
        open_images(tmp_path / "two", split="test")
    assert len(open_images(tmp_path / "two", split="test", column="edited")) == 2
    dataset.remove_columns("face").save_to_disk(tmp_path / "none")
    with pytest.raises(InputError, match="column of images"):
        open_images(tmp_path / "none")
    dataset.select([]).save_to_disk(tmp_path / "empty")
    with pytest.raises(InputError, match="empty"):
        open_images(tmp_path / "empty")


def test_datasets_are_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (tmp_path / "dataset_info.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingFileError, match=r"faceeval\[hub\]"):
        open_images(tmp_path)


def test_images_of_several_sizes_are_batched_by_size() -> None:
    shapes = [(8, 8), (8, 9), (8, 8), (9, 8), (8, 9), (8, 8)]
    source = in_memory(6, lambda index: picture(index, *shapes[index]))
    found = [(indices.tolist(), images.shape) for indices, images in batches(source, 4)]
    assert found == [
        ([0, 2], (2, 3, 8, 8)), ([1], (1, 3, 8, 9)), ([3], (1, 3, 9, 8)), ([4], (1, 3, 8, 9)), ([5], (1, 3, 8, 8))
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 12))
def test_neither_batches_nor_threads_change_what_is_read(batch_size: int, workers: int, count: int) -> None:
    source, digest, found = in_memory(count), hashlib.sha256(), []
    for indices, images in batches(source, batch_size, workers=workers, digest=digest):
        assert len(indices) == len(images) <= batch_size
        found += indices.tolist()
    assert found == list(range(count))
    assert digest.hexdigest() == everything(source, 3)[1]


def test_few_images_are_held_at_a_time() -> None:
    alive, most, lock = 0, 0, threading.Lock()

    def read(index: int) -> np.ndarray:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return np.zeros((3, 8, 8), np.uint8)

    for _ in decoded(in_memory(500, read), workers=2):
        with lock:
            alive -= 1
    assert most <= sources.READ_AHEAD + 3


def test_large_images_are_not_read_far_ahead_and_come_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BYTES_AHEAD", 5000)
    monkeypatch.setattr(sources, "BATCH_BYTES", 3000)
    started: list[int] = []

    def read(index: int) -> np.ndarray:
        started.append(index)
        return picture(index)  # 1,200 bytes

    reader = decoded(in_memory(100, read), workers=2)
    for _ in range(10):
        next(reader)
    assert len(started) <= 10 + 4 + 2
    reader.close()
    assert len(started) < 20
    assert [len(indices) for indices, _ in batches(in_memory(7), 5)] == [3, 3, 1]


def test_an_order_of_ones_own() -> None:
    images = list(decoded(in_memory(5), [3, 0, 3]))
    np.testing.assert_array_equal(images, [picture(3), picture(0), picture(3)])


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_first_file_that_is_no_image_is_named(tmp_path: Path, kind: str) -> None:
    folder = fill(tmp_path / "faces", 9)
    (folder / "004.png").write_text("<html>404</html>")
    (folder / "007.png").write_bytes(b"")
    source = open_images(pack(tmp_path / "a.zip", folder, "x/") if kind == "zip" else folder)
    with pytest.raises(InputError, match=r"004\.png is text, starting '<html>404"):
        everything(source)


def test_a_cut_image_in_a_zip_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "faces", 1)
    (folder / "000.png").write_bytes((folder / "000.png").read_bytes()[:400])
    with pytest.raises(InputError, match=r"a\.zip/000\.png"):
        everything(open_images(pack(tmp_path / "a.zip", folder)))


def test_a_damaged_zip_member_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", fill(tmp_path / "faces", 3))
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"can be unpacked\ngot: .*002\.png"):
        everything(open_images(path))


def test_bombs_in_a_zip_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MEMBER", 100)
    with pytest.raises(InputError, match="attack"):
        everything(open_images(pack(tmp_path / "a.zip", fill(tmp_path / "faces", 1))))


def test_what_is_no_source_is_explained(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        open_images(tmp_path / "absent")
    (tmp_path / "a.tar").write_bytes(b"tar")
    with pytest.raises(InputError, match="unpacked first"):
        open_images(tmp_path / "a.tar")
    path = pack(tmp_path / "a.zip", fill(tmp_path / "faces", 3))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="damaged"):
        open_images(path)


def test_empty_sources_say_what_is_there_instead(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which is empty"):
        open_images(tmp_path)
    for name in ("a.heic", "b.HEIC", "c"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of \.heic, 1 of no suffix"):
        open_images(tmp_path)
    with pytest.raises(InputError, match=r"2 of \.heic"):
        open_images(pack(tmp_path / "a.zip", tmp_path))


def test_sixteen_bits_and_transparency_are_read_as_from_files(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.new("RGBA", (20, 20), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("deep.png", "clear.png"):
            archive.write(tmp_path / name, name)
    (tmp_path / "a.zip").write_bytes(packed.getvalue())
    clear, deep = everything(open_images(tmp_path / "a.zip"))[0]
    assert (clear == 255).all()
    np.testing.assert_array_equal(deep[0], grey >> 8)


def test_two_images_of_one_key_are_refused() -> None:
    source = ImageSource("set", "folder", ("a/1.png", "a/1.JPG", "a/2.png"), picture)
    with pytest.raises(InputError, match=r"several in set for 1 \(1\)"):
        pairing_keys(source)


def test_keys_keep_the_folders_that_tell_images_apart() -> None:
    assert pairing_keys(ImageSource("set", "zip", ("/x/a/1.png", "/x/b/1.png"), picture)) == ["a/1", "b/1"]
    assert pairing_keys(ImageSource("set", "zip", ("xa/1.png", "xb/1.png"), picture)) == ["xa/1", "xb/1"]
