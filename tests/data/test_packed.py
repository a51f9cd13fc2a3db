# SPDX-License-Identifier: MIT
"""Images that are no files of their own: read, cut and checked as files are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import smooth_image
from PIL import Image

from faceeval.data import check
from faceeval.data.containers.packed import Packed
from faceeval.data.crops import Around
from faceeval.data.decode import Blob
from faceeval.data.images import image_dimensions, read_image, read_images
from faceeval.data.manifest import load_manifest
from faceeval.data.opening import Opening
from faceeval.data.records import Records, face_set
from faceeval.errors import InputError, MissingFileError


def reverse(data: bytes, name: str) -> bytes:
    return data[::-1]


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Packed, list[Path]]:
    """Five images in one file, each written backwards, and the same as files."""
    data, offsets, lengths, files = b"head", [], [], []
    for index in range(5):
        buffer = io.BytesIO()
        Image.fromarray(smooth_image(index, 40 + index, 50)).save(buffer, "JPEG")
        offsets.append(len(data))
        lengths.append(len(buffer.getvalue()))
        data += buffer.getvalue()[::-1] + b"between"
        files.append(tmp_path / f"{index}.jpg")
        files[-1].write_bytes(buffer.getvalue())
    (tmp_path / "all.bin").write_bytes(data)
    return Packed(tmp_path / "all.bin", np.array(offsets), np.array(lengths), reverse), files


def records_of(packed: Packed) -> Records:
    boxes = np.array([[row, 2 * row, 20, 30] for row in range(5)], np.float32)
    names = tuple(f"p/{row}.jpg" for row in range(5))
    return Records(packed.path, names, boxes=boxes, identities=np.arange(5), packed=packed)


@pytest.mark.parametrize("crop", ["square", "box", "box1.3"])
def test_packed_images_are_read_as_files_are(packed: tuple[Packed, list[Path]], crop: str) -> None:
    records, files = records_of(packed[0]), packed[1]
    rows = np.array([4, 1, 1])
    faces = face_set("a", "all", records, Opening(size=16, crop=crop), usual_crop="square", version=1)
    boxes = None if crop == "square" else records.boxes[rows]  # type: ignore[index]
    np.testing.assert_array_equal(
        faces.read(rows), read_images([files[row] for row in rows], crop=crop, size=16, boxes=boxes)
    )
    some = face_set("a", "all", records.take(rows[:2]), Opening(size=16), usual_crop="square", version=1)
    np.testing.assert_array_equal(some.images()[1], read_image(files[1], crop="square", size=16))
    assert image_dimensions(packed[0].blob(3, "three")) == (43, 50)


def test_messages_name_image_and_file(packed: tuple[Packed, list[Path]]) -> None:
    path = packed[0].path
    path.write_bytes(path.read_bytes()[: int(packed[0].offsets[3])] + b"x" * 9999)
    with pytest.raises(InputError, match=r"p/3\.jpg in .*all\.bin"):
        read_image(packed[0].blob(3, "p/3.jpg"), crop="square", size=16)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"all\.bin does not exist"):
        packed[0].blob(0, "p/0.jpg").load()
    path.mkdir()
    with pytest.raises(InputError, match=r"p/0\.jpg in"):
        packed[0].blob(0, "p/0.jpg").load()


def test_packed_images_are_checked_by_both_ends(
    packed: tuple[Packed, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "AT_ONCE", 2)
    manifest = load_manifest("msceleb").model_copy(update={"splits": {"all": 5}})
    steps: list[tuple[int, int]] = []
    whole = records_of(packed[0])
    assert check.check_copy(manifest, {}, lambda: {"all": whole}, lambda *step: steps.append(step)) == []
    assert steps[-1] == (5, 5)
    short = Packed(packed[0].path, packed[0].offsets + 90, packed[0].lengths - 90, reverse)
    (finding,) = check.check_copy(manifest, {}, lambda: {"all": records_of(short)})
    assert finding.message == ("bad images: 5 (0.jpg is cut short, 1.jpg is cut short, 2.jpg is cut short, ...)")


def test_an_image_of_several_faces_is_cut_inside_the_box_of_each(packed: tuple[Packed, list[Path]]) -> None:
    file = packed[1][0]
    image = read_image(file, crop="square", size=20, box=np.array([3, 5, 20, 31], np.float32))
    expected = Image.open(file).crop((3, 10, 23, 30))
    np.testing.assert_array_equal(image, np.asarray(expected).transpose(2, 0, 1))
    with pytest.raises(InputError, match=r"15x31 in .*0\.jpg"):
        read_image(file, crop="square", size=20, box=np.array([3, 5, 15, 31], np.float32))


def test_squares_around_many_boxes_are_those_around_each() -> None:
    boxes = np.random.default_rng(5).uniform(-20, 200, (50, 4)).astype(np.float32)
    boxes[:, 2:] = np.abs(boxes[:, 2:])
    cut = Around(1.3)
    assert [tuple(square) for square in cut.squares(boxes).tolist()] == [cut.square(box) for box in boxes]
    left, top, width, height = (float(value) for value in boxes[7])
    side = round(1.3 * max(width, height))
    assert cut.square(boxes[7]) == (round(left + (width - side) / 2), round(top + (height - side) / 2), side)


def test_a_blob_is_loaded_when_it_is_read() -> None:
    loads = []

    def load() -> bytes:
        loads.append(1)
        return b"<html>"

    blob = Blob("a thing", load)
    assert not loads
    with pytest.raises(InputError, match="a thing is text"):
        read_image(blob, size=16)
