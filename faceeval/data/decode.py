# SPDX-License-Identifier: MIT
"""The bytes of one image to uint8 RGB, with every surprise a file can hold named rather than passed on.

What is decided here, for every reader: greyscale, palette and CMYK become RGB; transparent pixels are laid on white;
16-bit files keep their high byte; the EXIF orientation is applied; colour profiles are ignored; files of several
frames give their first.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from faceeval.errors import FaceevalError, InputError, MissingFileError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")  # never EPS and the like, which run other programs
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
MAX_PIXELS = 64_000_000  # about 8000 x 8000; more is a mistake or an attack on memory
SIXTEEN_BIT_FORMATS = ("PNG", "PPM")  # their mode "I" holds 0..65535; elsewhere its range is unknown
SMALL = 1 << 20  # bytes; a file below that is read at once, which spares a sixth of the time of a face
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
WHITE = (255, 255, 255, 255)


@dataclass(frozen=True)
class Blob:
    """An image that is no file of its own, but lies inside a larger one.

    Attributes:
        name: What messages call it.
        load: Brings its bytes, those of an image file.
    """

    name: str
    load: Callable[[], bytes]


def decode(source: Path | bytes, name: str) -> NDArray[np.uint8]:
    """Decodes one image as it is, whatever its size.

    Args:
        source: The file, or what stands in it: any of FORMATS.
        name: What messages call it.

    Returns:
        uint8, (3, H, W), RGB, 0..255.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, is damaged, or too large.
    """
    with opened(source, name, whole=True) as image:
        upright(image)
        rgb = to_rgb(image, name)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))


@contextmanager
def opened(source: Path | bytes, name: str, *, whole: bool = False) -> Iterator[Image.Image]:
    """Opens an image and turns whatever goes wrong with it, then or while it is used, into an error naming it.

    Args:
        source: The file, or what stands in it.
        name: What messages call it.
        whole: Whether the pixels will be wanted, and not only the header.

    Yields:
        The image; nothing but its header has been decoded.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no image, is damaged, or too large.
    """
    try:
        with Image.open(_stream(source, whole), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")
            yield image
    except FaceevalError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(
            "an image file", f"{name} does not exist", "check the path, or unpack the data again"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"an image of at most {MAX_PIXELS // 1_000_000} million pixels",
            f"{name}: {error}",
            "scale it down before, or remove it: a small file that claims so many pixels may be an attack",
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"an image ({', '.join(FORMATS)})",
            f"{name} is {_describe(source)}",
            "remove the file, or get it again: a failed download often leaves a page of text",
        ) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and more
        raise InputError("an image that can be decoded", f"{name}: {error}", "get it again: it is damaged") from error


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Returns the image in mode RGB; see the head of this module for what is decided.

    Args:
        image: Opened, and turned upright.
        name: What messages call it.

    Raises:
        InputError: Its pixels are of an unknown range.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in SIXTEEN_BIT_FORMATS):
        # Pillow's own conversion clips at 255, which turns nearly every pixel white. The high byte, and not a rounded
        # value / 257, because that is what it keeps of 16-bit colour: grey and colour files then agree.
        high = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.mode in ("I", "F"):
        raise InputError(
            "8 or 16 bits per channel",
            f"{name} holds {'32-bit integers' if image.mode == 'I' else 'floats'}, whose range is unknown",
            "clip, round and save as PNG",
        )
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
    if image.mode == "RGB":
        image.load()
        return image  # converted, it would be copied
    return image.convert("RGB")


def small_file(path: Path) -> bytes | None:
    """Returns what stands in a file, if that is little enough to be read at once.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        content = file.read(SMALL)
    return content if len(content) < SMALL else None


def upright(image: Image.Image) -> None:
    """Turns an image as its EXIF orientation says, in place."""
    if image.format != "JPEG" or "exif" in image.info or "xmp" in image.info:  # others may hold it elsewhere
        ImageOps.exif_transpose(image, in_place=True)


def _stream(source: Path | bytes, whole: bool) -> io.BytesIO | Path:
    content = source if isinstance(source, bytes) else small_file(source) if whole else None
    return source if isinstance(source, Path) and content is None else io.BytesIO(content or b"")


def _describe(source: Path | bytes) -> str:
    """Says in a few words what a file that is no image is."""
    if isinstance(source, bytes):
        start = source[:64]
    else:
        with open(source, "rb") as file:
            start = file.read(64)
    if not start:
        return "empty"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return f"text, starting {start[:24].decode('utf-8', 'replace')!r}"
    return "none of these, or its beginning is damaged"
