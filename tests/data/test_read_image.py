# SPDX-License-Identifier: MIT
"""Image files of every kind, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from faceeval.data import scaling
from faceeval.data.decode import MAX_PIXELS, Blob
from faceeval.data.images import (
    CROPS,
    MANY,
    MIN_SIDE,
    Crop,
    contact_sheet,
    image_dimensions,
    read_image,
    read_images,
    write_png,
)
from faceeval.errors import InputError, MissingFileError, OutputError, UnknownNameError


def picture(side: int = 32) -> np.ndarray:
    """An RGB picture (side, side, 3) without symmetry."""
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def channels_first(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def test_a_png_comes_back_pixel_for_pixel(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", Image.fromarray(picture())), size=32)
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(image, picture().transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_and_palette_images_become_rgb(tmp_path: Path, mode: str) -> None:
    source = Image.fromarray(picture()).convert(mode)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", source), size=32), channels_first(source))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = Image.new("RGB", (32, 32), (200, 30, 40)).convert("CMYK")
    image = read_image(save(tmp_path / "a.jpg", red, quality=100), size=32)
    np.testing.assert_allclose(image.mean((1, 2)), (200, 30, 40), atol=3)


def test_transparent_pixels_are_laid_on_white(tmp_path: Path) -> None:
    pixels = np.dstack([picture(), np.full((32, 32), 255, np.uint8)])
    pixels[:16, :, 3] = 0
    pixels[16:20, :, 3] = 128
    image = read_image(save(tmp_path / "a.png", Image.fromarray(pixels)), size=32)
    assert (image[:, :16] == 255).all()
    np.testing.assert_array_equal(image[:, 20:], picture().transpose(2, 0, 1)[:, 20:])
    half = (picture()[16:20].astype(float) * 128 + 255 * 127) / 255
    np.testing.assert_allclose(image[:, 16:20], half.transpose(2, 0, 1), atol=1)


def test_palette_and_grey_transparency_count_too(tmp_path: Path) -> None:
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    path = save(tmp_path / "p.png", palette, transparency=1)
    assert (read_image(path, size=32) == 255).all()
    grey = Image.new("LA", (32, 32), (10, 0))
    assert (read_image(save(tmp_path / "g.png", grey), size=32) == 255).all()


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    image = read_image(save(tmp_path / "a.png", Image.fromarray(ramp)), size=32)
    np.testing.assert_array_equal(image, np.broadcast_to((ramp >> 8).astype(np.uint8), (3, 32, 32)))
    assert (image == 255).mean() < 0.01
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.tif", Image.fromarray(ramp)), size=32), image)


def test_sixteen_bit_colour_agrees_with_sixteen_bit_grey(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(">u2")

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + np.repeat(row[:, None], 3, 1).tobytes() for row in ramp)
    header = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    path = tmp_path / "rgb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    grey = save(tmp_path / "grey.png", Image.fromarray(ramp.astype(np.uint16)))
    np.testing.assert_array_equal(read_image(path, size=32), read_image(grey, size=32))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(tmp_path: Path, dtype: type) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(np.full((32, 32), 7, dtype)))
    with pytest.raises(InputError, match="whose range is unknown"):
        read_image(path, size=32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    # how a viewer turns the stored picture, by the EXIF standard
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a),
    }[orientation](picture())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", Image.fromarray(picture()), exif=exif)
    np.testing.assert_array_equal(read_image(path, size=32), turned.transpose(2, 0, 1))


def test_exif_orientation_is_applied_before_the_crop(tmp_path: Path) -> None:
    portrait = np.random.default_rng(1).integers(0, 256, (218, 178, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(portrait)))
    path = save(tmp_path / "a.png", stored, exif=exif)
    image = read_image(path, crop="center178", size=178)
    np.testing.assert_array_equal(image, portrait[20:198].transpose(2, 0, 1))


@pytest.mark.parametrize("name", [name for name, cut in CROPS.items() if isinstance(cut, Crop)])
def test_every_crop_cuts_its_box(tmp_path: Path, name: str) -> None:
    box = CROPS[name]
    assert isinstance(box, Crop)
    pixels = np.random.default_rng(1).integers(0, 256, (218, 178, 3), np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(pixels))
    cut = pixels[box.top : box.top + box.size, box.left : box.left + box.size]
    assert cut.shape[:2] == (box.size, box.size)
    np.testing.assert_array_equal(read_image(path, crop=name, size=box.size), cut.transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width", "top", "left"), [(40, 60, 0, 10), (61, 40, 10, 0), (30, 30, 0, 0)])
def test_the_middle_square_is_cut_from_any_shape(tmp_path: Path, height: int, width: int, top: int, left: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(pixels))
    side = min(height, width)
    cut = pixels[top : top + side, left : left + side]
    np.testing.assert_array_equal(read_image(path, crop="square", size=side), cut.transpose(2, 0, 1))


def test_a_square_is_cut_around_the_box_and_is_black_beyond_the_border(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1, 256, (40, 50, 3), np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(pixels))
    inside = read_image(path, crop="box", size=20, box=np.array([10, 12, 16, 20], np.float32))
    np.testing.assert_array_equal(inside, pixels[12:32, 8:28].transpose(2, 0, 1))
    corner = read_image(path, crop="box1.3", size=26, box=np.array([0, 0, 20, 20], np.float32))
    np.testing.assert_array_equal(corner[:, 3:, 3:], pixels[:23, :23].transpose(2, 0, 1))
    assert not corner[:, :3].any()
    assert not corner[:, :, :3].any()
    with pytest.raises(InputError, match="the box of the face"):
        read_image(path, crop="box", size=20)


def test_centre_crops_are_in_the_centre() -> None:
    for name, box in CROPS.items():
        if box and name.startswith("center"):
            assert (box.top, box.left) == ((218 - box.size) // 2, (178 - box.size) // 2)


def test_scaling_down_is_antialiased_and_knows_nothing_outside_the_crop(tmp_path: Path) -> None:
    pixels = np.full((218, 178, 3), 255, np.uint8)
    pixels[20:198] = (np.indices((178, 178)).sum(0) % 2 * 200)[..., None]  # a fine chequerboard inside the box
    image = read_image(save(tmp_path / "a.png", Image.fromarray(pixels)), crop="center178", size=64)
    np.testing.assert_allclose(image, 100, atol=9)  # without antialiasing it would swing between 0 and 200


def test_an_image_of_another_size_than_the_crop_is_made_for_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (256, 256)))
    with pytest.raises(InputError, match="178x218") as caught:
        read_image(path, crop="center178", size=64)
    assert "256x256" in caught.value.got
    assert str(path) in caught.value.got


def test_nothing_is_stretched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="square"):
        read_image(save(tmp_path / "a.png", Image.new("RGB", (64, 48))), size=32)


def test_one_pixel_is_too_small(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (1, 1)))
    with pytest.raises(InputError, match=f"at least {MIN_SIDE}x{MIN_SIDE}") as caught:
        read_image(path, size=64)
    assert "1x1" in caught.value.got


@pytest.mark.parametrize("side", [8100, 30_000, 100_000])
def test_huge_images_are_refused_before_they_are_decoded(tmp_path: Path, side: int) -> None:
    assert side * side > MAX_PIXELS
    small = save(tmp_path / "a.png", Image.new("L", (16, 16))).read_bytes()
    header = struct.pack(">II", side, side) + small[24:29]
    path = tmp_path / "huge.png"
    path.write_bytes(small[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + small[33:])
    with pytest.raises(InputError, match="64 million pixels") as caught:
        read_image(path, size=64)
    assert str(path) in caught.value.got


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.6])
def test_truncated_files_are_named(tmp_path: Path, suffix: str, kept: float) -> None:
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(picture(64)))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError) as caught:
        read_image(path, size=64)
    assert str(path) in caught.value.got


def test_a_text_file_named_jpg_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")
    with pytest.raises(InputError, match="text, starting '<!DOCTYPE html>"):
        read_image(path, size=64)


def test_vector_files_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n")
    with pytest.raises(InputError, match="text"):
        read_image(path, size=64)


def test_what_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"absent\.jpg does not exist"):
        read_image(tmp_path / "absent.jpg", size=64)
    with pytest.raises(InputError, match=str(tmp_path)):
        read_image(tmp_path, size=64)


def test_unknown_crops_and_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="center178"):
        read_image(tmp_path / "a.png", crop="centre178", size=64)
    for size in (0, -1, 100_000):
        with pytest.raises(InputError, match="image size"):
            read_image(tmp_path / "a.png", size=size)


def test_a_batch_is_the_same_whatever_the_number_of_threads(tmp_path: Path, jpegs: list[bytes]) -> None:
    paths = [tmp_path / f"{index}.jpg" for index in range(len(jpegs))]
    for path, data in zip(paths, jpegs, strict=True):
        path.write_bytes(data)
    one = read_images(paths, crop="center178", size=48, workers=1)
    assert one.shape == (12, 3, 48, 48)
    np.testing.assert_array_equal(read_images(paths, crop="center178", size=48, workers=5), one)
    np.testing.assert_array_equal(read_images(paths[::-1], crop="center178", size=48)[::-1], one)
    np.testing.assert_array_equal(read_image(paths[4], crop="center178", size=48), one[4])


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(16, 90), height=st.integers(16, 90), size=st.integers(1, 120), seed=st.integers(0, 99),
    box=st.tuples(*[st.integers(-20, 80)] * 2, *[st.integers(2, 90)] * 2),
)  # fmt: skip
@example(width=16, height=16, size=1, seed=0, box=(0, -3, 2, 2))  # above the image
@example(width=16, height=20, size=9, seed=1, box=(-19, 4, 3, 5))
@example(width=16, height=16, size=9, seed=1, box=(70, 70, 9, 9))
def test_large_batches_are_scaled_as_pillow_does(
    width: int, height: int, size: int, seed: int, box: tuple[int, int, int, int]
) -> None:
    stored = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)).save(stored, "PNG")
    blob, boxes = Blob("an image", stored.getvalue), np.array([box] * MANY, np.float32)
    for crop in ("square", "box1.3"):
        one = read_image(blob, crop=crop, size=size, box=boxes[0] if crop != "square" else None)
        many = read_images([blob] * MANY, crop=crop, size=size, boxes=boxes if crop != "square" else None, workers=1)
        np.testing.assert_array_equal(many[[0, -1]], [one, one])


def test_where_the_kernel_would_differ_pillow_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(picture(40)))
    monkeypatch.setattr(scaling, "agrees_with_pillow", lambda: False)
    monkeypatch.setattr(scaling, "scale_square", None)
    np.testing.assert_array_equal(read_images([path] * MANY, size=32)[-1], read_image(path, size=32))
    monkeypatch.undo()
    assert scaling.agrees_with_pillow()


def test_a_batch_names_the_first_bad_file(tmp_path: Path, jpegs: list[bytes]) -> None:
    paths = [tmp_path / f"{index}.jpg" for index in range(len(jpegs))]
    for path, data in zip(paths, jpegs, strict=True):
        path.write_bytes(data)
    for bad in (3, 9):
        paths[bad].write_bytes(jpegs[bad][:900])
    with pytest.raises(InputError, match=r"3\.jpg"):
        read_images(paths, crop="center178", size=48, workers=3)


def test_an_empty_batch_is_empty() -> None:
    assert read_images([], size=64).shape == (0, 3, 64, 64)


def test_dimensions_come_from_the_header(tmp_path: Path, jpegs: list[bytes]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpegs[0][:900])
    assert image_dimensions(path) == (178, 218)


def test_written_images_read_back(tmp_path: Path) -> None:
    image = np.ascontiguousarray(picture().transpose(2, 0, 1))
    path = tmp_path / "new" / "a.png"
    write_png(path, image)
    write_png(path, image)  # and may be replaced
    np.testing.assert_array_equal(read_image(path, size=32), image)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("image", [np.zeros((3, 8, 8)), np.zeros((8, 8, 3), np.uint8), np.zeros((3, 0, 8), np.uint8)])
def test_only_uint8_channels_first_is_written(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8 array"):
        write_png(tmp_path / "a.png", image)


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_png(tmp_path / "file" / "a.png", np.zeros((3, 8, 8), np.uint8))

    def full(self: Image.Image, path: Path, format: str) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_png(tmp_path / "out" / "a.png", np.zeros((3, 8, 8), np.uint8))
    assert "another folder" in caught.value.todo
    assert not list((tmp_path / "out").iterdir())


def test_a_contact_sheet_lays_images_in_rows() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 2, 2), np.uint8)
    sheet = contact_sheet(images)
    assert sheet.shape == (3, 4, 6)
    np.testing.assert_array_equal(sheet[0, ::2, ::2], [[0, 1, 2], [3, 4, 255]])
    assert contact_sheet(images, columns=5).shape == (3, 2, 10)
    with pytest.raises(InputError, match="at least one image"):
        contact_sheet(images[:0])


def test_the_manual_lists_every_crop_as_it_is() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name, cut in CROPS.items():
        place = f"{cut.top}, {cut.left}, {cut.size}" if isinstance(cut, Crop) else ""
        assert f"| `{name}` | {place}" in manual
