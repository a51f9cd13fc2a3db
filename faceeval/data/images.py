# SPDX-License-Identifier: MIT
"""Image files to uint8 RGB arrays of one size and back.

How a file becomes RGB is decided in `faceeval.data.decode`. Nothing is stretched: an image that is neither square nor
under a crop box is an error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceeval.data.cache import replacing
from faceeval.data.crops import CROPS, Around, Crop, Cut, Square, crop_box
from faceeval.data.decode import Blob, opened, small_file, to_rgb, upright
from faceeval.errors import InputError, OutputError

__all__ = [
    "CROPS", "FILTER", "MAX_SIZE", "MIN_SIDE", "Around", "Crop", "Cut", "Square", "check_size", "contact_sheet",
    "crop_box", "image_dimensions", "read_image", "read_images", "write_png",
]  # fmt: skip

MIN_SIDE = 16  # pixels; nobody recognises a face below that
MAX_SIZE = 4096  # largest side an image is scaled to
FILTER = "PIL bilinear, antialiased"
MANY = 64  # images from which on it pays to load the kernel that scales as Pillow does
CHUNK = 16  # images a thread takes at once


def check_size(size: int) -> None:
    """Refuses a side in pixels that no image can be scaled to.

    Raises:
        InputError: It is not in 1..MAX_SIZE.
    """
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"an image size of 1..{MAX_SIZE} pixels", str(size), "choose a size such as 64 or 128")


def read_image(
    path: Path | str | Blob, *, crop: str = "none", size: int, box: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """Reads one image, cuts it, and scales it with an antialiased bilinear filter.

    Args:
        path: Any of `faceeval.data.decode.FORMATS`, whatever its suffix says; a Blob where it is no file of its own.
        crop: Name of a preset in CROPS.
        size: Side of the result in pixels.
        box: Left, top, width and height of the face in pixels of the stored image, (4,), for crops around it or in it.

    Returns:
        uint8, (3, size, size), RGB, 0..255.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, is damaged, too small or too large, not of the size the crop is made for, or not
            square where nothing is cropped.
        UnknownNameError: The crop is in no table.
    """
    check_size(size)
    rgb, (left, top, side) = _open_square(path, crop, box)
    if (left, top, side, side) != (0, 0, *rgb.size):
        rgb = rgb.crop((left, top, left + side, top + side))
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))


def read_images(
    paths: Sequence[Path | str | Blob],
    *,
    crop: str = "none",
    size: int,
    boxes: NDArray[np.float32] | None = None,
    workers: int | None = None,
) -> NDArray[np.uint8]:
    """Reads many images with a few threads (the decoders release the interpreter's lock).

    Args:
        paths: Files or Blobs, in the order wanted.
        crop: Name of a preset in CROPS.
        size: Side of the results in pixels.
        boxes: Box of the face of each image, (N, 4), for crops around it or in it.
        workers: Threads; by default one per core, at most 8.

    Returns:
        uint8, (N, 3, size, size), RGB, 0..255, in the order of ``paths`` whatever the number of threads.

    Raises:
        FaceevalError: As `read_image`, for the first file in order that fails.
    """
    crop_box(crop)
    check_size(size)
    images = np.empty((len(paths), 3, size, size), np.uint8)
    make = _quick() if len(paths) >= MANY else _slow

    def fill(start: int) -> None:
        for index in range(start, min(start + CHUNK, len(paths))):
            make(paths[index], crop, None if boxes is None else boxes[index], images[index])

    starts = range(0, len(paths), CHUNK)
    workers = min(workers or min(8, os.cpu_count() or 1), max(1, len(starts)))
    if workers == 1:
        for start in starts:
            fill(start)
        return images
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(fill, starts):  # the first failure in order is raised and the rest given up
            pass
    return images


_Make = Callable[[Path | str | Blob, str, NDArray[np.float32] | None, NDArray[np.uint8]], None]


def _slow(path: Path | str | Blob, crop: str, box: NDArray[np.float32] | None, out: NDArray[np.uint8]) -> None:
    out[:] = read_image(path, crop=crop, size=out.shape[1], box=box)


def _quick() -> _Make:
    """Returns what reads as `read_image` does, in half the time, where it would give the same pixels."""
    from faceeval.data.jpeg import fast_decoder, plain_size
    from faceeval.data.scaling import agrees_with_pillow, scale_square

    if not agrees_with_pillow():
        return _slow
    decode_jpeg = fast_decoder()

    def make(path: Path | str | Blob, crop: str, box: NDArray[np.float32] | None, out: NDArray[np.uint8]) -> None:
        source, name = _open(path)
        data = source if isinstance(source, bytes) else _content(source)
        size = plain_size(data) if decode_jpeg and data else None
        pixels = decode_jpeg(data) if decode_jpeg and data and size else None
        if size is None or pixels is None:
            rgb, square = _open_square(Blob(name, lambda: data) if data else path, crop, box)
            scale_square(rgb, square, out)
        else:
            _check_shape(name, size, crop, crop_box(crop))
            scale_square(pixels, _square_of(name, size, crop, box), out)

    return make


def _content(path: Path) -> bytes | None:
    """Returns what stands in a small file; of others, and where there is none, `_open_square` knows what to do."""
    try:
        return small_file(path)
    except OSError:
        return None


def image_dimensions(path: Path | str | Blob) -> tuple[int, int]:
    """Returns width and height as stored, from the header alone.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, or its header is damaged.
    """
    with opened(*_open(path)) as image:
        return image.size


def write_png(path: Path | str, image: NDArray[np.uint8]) -> None:
    """Writes an image so that the file is there whole or not at all; folders on the way are made.

    Args:
        path: Where to; replaced if it exists.
        image: uint8, (3, H, W), RGB.

    Raises:
        InputError: The array is not of that form.
        OutputError: The place cannot be written to, or the disk is full.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise InputError(
            "a uint8 array of shape (3, height, width)",
            f"{image.dtype} of shape {image.shape}",
            "clip to 0..255, round and cast floats; put the channels first",
        )
    try:
        with replacing(Path(path)) as temporary:
            Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(temporary, format="PNG")
    except OutputError as error:
        raise OutputError(error.expected, error.got, "choose another folder, or free space on its disk") from error


def contact_sheet(images: NDArray[np.uint8], columns: int | None = None) -> NDArray[np.uint8]:
    """Lays images side by side, row by row, with white where the last row ends early.

    Args:
        images: uint8, (N, 3, H, W), at least one.
        columns: Images per row; by default as many as there are rows, or one more.

    Returns:
        One image, uint8, (3, rows * H, columns * W).

    Raises:
        InputError: There is no image, or no column.
    """
    if images.ndim != 4 or len(images) == 0 or (columns is not None and columns < 1):
        raise InputError("at least one image and one column", f"{images.shape}, {columns} columns", "give some images")
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    _, channels, height, width = images.shape
    grid = np.full((rows * columns, channels, height, width), 255, np.uint8)
    grid[: len(images)] = images
    grid = grid.reshape(rows, columns, channels, height, width)
    return grid.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def _open(path: Path | str | Blob) -> tuple[Path | bytes, str]:
    """Returns what is to be decoded and what messages call it."""
    return (path.load(), path.name) if isinstance(path, Blob) else (Path(path), str(path))


def _open_square(
    path: Path | str | Blob, crop: str, box: NDArray[np.float32] | None
) -> tuple[Image.Image, tuple[int, int, int]]:
    """Decodes an image, turned upright, and says which square of it is wanted: left, top and side."""
    cut = crop_box(crop)
    source, name = _open(path)
    with opened(source, name, whole=True) as image:
        upright(image)
        _check_shape(name, image.size, crop, cut)
        rgb = to_rgb(image, name)
    return rgb, _square_of(name, rgb.size, crop, box)


def _square_of(name: str, shape: tuple[int, int], crop: str, box: NDArray[np.float32] | None) -> tuple[int, int, int]:
    """Returns left, top and side of the square to cut, or the whole of a square image."""
    cut = crop_box(crop)
    return (0, 0, shape[0]) if cut is None else _square(name, cut, shape, crop, box)


def _square(
    name: str, cut: Crop | Square | Around, shape: tuple[int, int], crop: str, box: NDArray[np.float32] | None
) -> tuple[int, int, int]:
    """Returns left, top and side of the square to cut."""
    if isinstance(cut, Crop):
        return cut.left, cut.top, cut.size
    if isinstance(cut, Square):
        left, top, width, height = (0, 0, *shape) if box is None else (int(value) for value in box)
        side = min(width, height)
        if side < MIN_SIDE:
            got = f"{width}x{height} in {name}"
            raise InputError(f"a face of at least {MIN_SIDE}x{MIN_SIDE} pixels", got, "leave it out")
        return left + (width - side) // 2, top + (height - side) // 2, side
    if box is None:
        raise InputError(f"the box of the face, for the crop {crop}", "none", "choose the crop square or none")
    return cut.square(box)


def _check_shape(name: str, shape: tuple[int, int], crop: str, cut: Cut) -> None:
    """Refuses what cannot be cut or scaled without stretching."""
    got = f"{name} is {shape[0]}x{shape[1]}"
    if isinstance(cut, Crop) and shape != cut.image_size:
        raise InputError(
            f"an image of {cut.image_size[0]}x{cut.image_size[1]} pixels, for the crop {crop}",
            got,
            "use CelebA's aligned images (img_align_celeba); for square images of other origin, the crop 'none'",
        )
    if min(shape) < MIN_SIDE:
        raise InputError(f"an image of at least {MIN_SIDE}x{MIN_SIDE} pixels", got, "remove it, or get a larger one")
    if cut is None and shape[0] != shape[1]:
        raise InputError("a square image, as nothing is cropped", got, "crop it to a square before, or name a crop")
