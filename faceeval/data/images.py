# SPDX-License-Identifier: MIT
"""Image files to uint8 RGB arrays and back, with every surprise a file can hold named rather than passed on.

What is decided here, for every reader: greyscale, palette and CMYK become RGB; transparent pixels are laid on white;
16-bit files keep their high byte; the EXIF orientation is applied; colour profiles are ignored; files of several
frames give their first. Nothing is stretched: an image that is neither square nor under a crop box is an error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from faceeval.data.cache import replacing
from faceeval.errors import FaceevalError, InputError, MissingFileError, OutputError, unknown_name

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")  # never EPS and the like, which run other programs
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
MIN_SIDE = 16  # pixels; nobody recognises a face below that
MAX_PIXELS = 64_000_000  # about 8000 x 8000; more is a mistake or an attack on memory
MAX_SIZE = 4096  # largest side an image is scaled to
SIXTEEN_BIT_FORMATS = ("PNG", "PPM")  # their mode "I" holds 0..65535; elsewhere its range is unknown
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
WHITE = (255, 255, 255, 255)
FILTER = "PIL bilinear, antialiased"


@dataclass(frozen=True)
class Crop:
    """A square cut from images of one known size.

    Attributes:
        top: First row.
        left: First column.
        size: Side in pixels.
        image_size: Width and height of the images the box was made for.
        source: Who cuts so.
    """

    top: int
    left: int
    size: int
    image_size: tuple[int, int] = (178, 218)  # CelebA's aligned images
    source: str = ""


CROPS: dict[str, Crop | None] = {
    "center178": Crop(20, 0, 178, source="StarGAN, Fader Networks"),
    "center170": Crop(24, 4, 170, source="AttGAN in PyTorch"),
    "center108": Crop(55, 35, 108, source="the DCGAN family"),
    "low170": Crop(26, 3, 170, source="STGAN in TensorFlow"),
    "low148": Crop(40, 15, 148, source="VAE-GAN, STGAN at 64 pixels"),
    "low128": Crop(60, 25, 128, source="rows 60:-30, columns 25:-25"),
    "none": None,  # square images, taken whole
}


def crop_box(name: str) -> Crop | None:
    """Returns the box of a crop preset; None takes square images whole.

    Raises:
        UnknownNameError: No such preset in CROPS.
    """
    if name not in CROPS:
        raise unknown_name("crop", name, CROPS)
    return CROPS[name]


def check_size(size: int) -> None:
    """Refuses a side in pixels that no image can be scaled to.

    Raises:
        InputError: It is not in 1..MAX_SIZE.
    """
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"an image size of 1..{MAX_SIZE} pixels", str(size), "choose a size such as 64 or 128")


def read_image(path: Path | str, *, crop: str = "none", size: int) -> NDArray[np.uint8]:
    """Reads one image, cuts it, and scales it with an antialiased bilinear filter.

    Args:
        path: Any of FORMATS, whatever its suffix says.
        crop: Name of a preset in CROPS.
        size: Side of the result in pixels.

    Returns:
        uint8, (3, size, size), RGB, 0..255.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, is damaged, too small or too large, not of the size the crop is made for, or not
            square where nothing is cropped.
        UnknownNameError: The crop is in no table.
    """
    path, box = Path(path), crop_box(crop)
    check_size(size)
    with _opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)
        _check_shape(path, image.size, crop, box)
        rgb = _to_rgb(path, image)
    if box is not None:
        rgb = rgb.crop((box.left, box.top, box.left + box.size, box.top + box.size))
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))


def read_images(
    paths: Sequence[Path | str], *, crop: str = "none", size: int, workers: int | None = None
) -> NDArray[np.uint8]:
    """Reads many images with a few threads (the decoders release the interpreter's lock).

    Args:
        paths: Files, in the order wanted.
        crop: Name of a preset in CROPS.
        size: Side of the results in pixels.
        workers: Threads; by default one per core, at most 8.

    Returns:
        uint8, (N, 3, size, size), RGB, 0..255, in the order of ``paths`` whatever the number of threads.

    Raises:
        FaceevalError: As `read_image`, for the first file in order that fails.
    """
    crop_box(crop)
    check_size(size)
    images = np.empty((len(paths), 3, size, size), np.uint8)

    def fill(index: int) -> None:
        images[index] = read_image(paths[index], crop=crop, size=size)

    workers = min(workers or min(8, os.cpu_count() or 1), max(1, len(paths)))
    if workers == 1:
        for index in range(len(paths)):
            fill(index)
        return images
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(fill, range(len(paths))):  # the first failure in order is raised and the rest given up
            pass
    return images


def image_dimensions(path: Path | str) -> tuple[int, int]:
    """Returns width and height as stored, from the header alone.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, or its header is damaged.
    """
    with _opened(Path(path)) as image:
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


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Opens an image and turns whatever goes wrong with it, then or while it is used, into an error naming the file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")
            yield image
    except FaceevalError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(
            "an image file", f"{path} does not exist", "check the path, or unpack the data again"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"an image of at most {MAX_PIXELS // 1_000_000} million pixels",
            f"{path}: {error}",
            "scale it down before, or remove it: a small file that claims so many pixels may be an attack",
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"an image ({', '.join(FORMATS)})",
            f"{path} is {_describe(path)}",
            "remove the file, or get it again: a failed download often leaves a page of text",
        ) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and more
        raise InputError("an image that can be decoded", f"{path}: {error}", "get it again: it is damaged") from error


def _describe(path: Path) -> str:
    """Says in a few words what a file that is no image is."""
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        return "empty"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return f"text, starting {start[:24].decode('utf-8', 'replace')!r}"
    return "none of these, or its beginning is damaged"


def _check_shape(path: Path, shape: tuple[int, int], crop: str, box: Crop | None) -> None:
    """Refuses what cannot be cut or scaled without stretching."""
    got = f"{path} is {shape[0]}x{shape[1]}"
    if box is not None and shape != box.image_size:
        raise InputError(
            f"an image of {box.image_size[0]}x{box.image_size[1]} pixels, for the crop {crop}",
            got,
            "use CelebA's aligned images (img_align_celeba); for square images of other origin, the crop 'none'",
        )
    if min(shape) < MIN_SIDE:
        raise InputError(f"an image of at least {MIN_SIDE}x{MIN_SIDE} pixels", got, "remove it, or get a larger one")
    if box is None and shape[0] != shape[1]:
        raise InputError("a square image, as nothing is cropped", got, "crop it to a square before, or name a crop")


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    """Returns the image in mode RGB; see the head of this module for what is decided."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in SIXTEEN_BIT_FORMATS):
        # Pillow's own conversion clips at 255, which turns nearly every pixel white. The high byte, and not a rounded
        # value / 257, because that is what it keeps of 16-bit colour: grey and colour files then agree.
        high = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.mode in ("I", "F"):
        raise InputError(
            "8 or 16 bits per channel",
            f"{path} holds {'32-bit integers' if image.mode == 'I' else 'floats'}, whose range is unknown",
            "clip, round and save as PNG",
        )
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
    return image.convert("RGB")
