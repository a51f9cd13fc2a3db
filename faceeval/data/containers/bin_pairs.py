# SPDX-License-Identifier: MIT
"""Pairs of faces in insightface's ``.bin`` files (``lfw.bin``, ``agedb_30.bin``, ``cfp_fp.bin``, ...).

Such a file is a pickle of two lists: image files, two for each pair, and whether a pair shows one person. A pickle may
run any program when it is loaded. Here nothing in it can name a function or a class of Python: the few names such files
need stand for stand-ins below, which make bytes and numbers and nothing else; every other name is refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import Blob
from faceeval.data.images import read_images
from faceeval.errors import InputError, MissingFileError

BYTES, FLAGS = ("|u1", "uint8", "u1"), ("|b1", "bool", "b1")
TRUTH = (bool, int, np.bool_)


@dataclass(frozen=True, eq=False)
class BinPairs:
    """What such a file holds, in its own order.

    Attributes:
        path: The file.
        images: Image files, (2N,): those of a pair follow each other.
        same: bool (N,), whether both show one person.
    """

    path: Path
    images: tuple[bytes, ...]
    same: NDArray[np.bool_]

    def read(self, indices: NDArray[np.int64], size: int, crop: str = "none") -> NDArray[np.uint8]:
        """Decodes images of the list ``images``, uint8 (n, 3, size, size), RGB; see `faceeval.data.images.read_images`.

        The images of pair p are 2p and 2p + 1.
        """
        names = [f"image {index} in {self.path}" for index in indices.tolist()]
        loads = [partial(bytes, self.images[index]) for index in indices.tolist()]
        return read_images([Blob(*pair) for pair in zip(names, loads, strict=True)], size=size, crop=crop)


def read_bin_pairs(path: Path | str) -> BinPairs:
    """Reads pairs of faces; nothing in the file is run.

    Args:
        path: A ``.bin`` file of insightface, written by Python 2 or 3, its images as bytes or as arrays of bytes.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is damaged, names anything but what such files need, or does not hold two images for each pair.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingFileError("a .bin file of pairs", f"{path}: {error.strerror}", "check the path") from error
    found = _load(path, data)
    if not isinstance(found, list | tuple) or len(found) != 2:
        _refuse(path, "two lists, of images and of whether pairs are of one person", type(found).__name__)
    images, same = found
    if not isinstance(images, list | tuple) or not all(_is_image(image) for image in images):
        _refuse(path, "a list of image files", "something else")
    if isinstance(same, _Array):
        same = same.values.tolist() if same.values.dtype == np.bool_ else None
    if not isinstance(same, list | tuple) or not all(isinstance(flag, TRUTH) and flag in (0, 1) for flag in same):
        _refuse(path, "a list of true and false", "something else")
    if not same or len(images) != 2 * len(same):
        _refuse(path, "two images for each pair", f"{len(images)} images and {len(same)} pairs")
    files = tuple(image if isinstance(image, bytes) else image.values.tobytes() for image in images)
    return BinPairs(path, files, np.array(same, np.bool_))


def _is_image(image: object) -> bool:
    return isinstance(image, bytes) or (isinstance(image, _Array) and image.values.dtype == np.uint8)


class _Array:
    """Stands in for `numpy.ndarray`; takes the state that numpy writes, if it is one of bytes or of flags."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], object, bool, bytes]) -> None:
        _, shape, kind, _, data = state
        self.fill(data, kind, shape)

    def fill(self, data: object, kind: object, shape: object) -> None:
        if not (isinstance(kind, _Kind) and isinstance(data, bytes | bytearray) and shape == (len(data),)):
            raise pickle.UnpicklingError("an array that is no row of bytes or of true and false")
        self.values = np.frombuffer(bytes(data), np.bool_ if kind.flags else np.uint8)


class _Kind:
    """Stands in for `numpy.dtype`: bytes, or true and false."""

    __slots__ = ("flags",)

    def __init__(self, flags: bool) -> None:
        self.flags = flags

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, which bytes do not have."""


class _Name:
    """Stands in for whatever a pickle may name; can be called, and changed by nothing in the pickle."""

    __slots__ = ("_make",)
    _make: Callable[..., Any]

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise pickle.UnpicklingError("a change of what it has no business with")

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError("a change of what it has no business with")


def _make_array(*arguments: object) -> _Array:
    return _Array()


def _make_from_buffer(data: object, kind: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.fill(data, kind, shape)
    return array


def _make_kind(code: object, *arguments: object) -> _Kind:
    text = code.decode("latin-1") if isinstance(code, bytes) else code
    if text in BYTES + FLAGS:
        return _Kind(text in FLAGS)
    raise pickle.UnpicklingError(f"an array of {text!r}")


def _make_scalar(kind: object, data: object) -> bool:
    if isinstance(kind, _Kind) and kind.flags and data in (b"\0", b"\1"):
        return data == b"\1"
    raise pickle.UnpicklingError("a number that is neither true nor false")


def _make_encoded(text: object, encoding: object) -> bytes:
    """Bytes as Python 3 writes them for Python 2."""
    if isinstance(text, str) and encoding in ("latin1", b"latin1"):
        return text.encode("latin-1")
    raise pickle.UnpicklingError("text in another encoding")


def _make_bytes(*arguments: object) -> bytes:
    if arguments:
        raise pickle.UnpicklingError("bytes made of something else")
    return b""


MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _make_array,
    ("numpy", "dtype"): _make_kind,
    **{(module, "_reconstruct"): _make_array for module in MULTIARRAY},
    **{(module, "scalar"): _make_scalar for module in MULTIARRAY},
    **{(module, "_frombuffer"): _make_from_buffer for module in NUMERIC},
    ("_codecs", "encode"): _make_encoded,
    **{(module, "bytes"): _make_bytes for module in ("builtins", "__builtin__")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Name:
        make = STAND_INS.get((module, name))
        if make is None:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which such files have no need of")
        return _Name(make)


def _load(path: Path, data: bytes) -> Any:
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        _refuse(path, "images, and true or false", str(error))
    except Exception as error:  # damaged pickles raise nearly everything, from IndexError to MemoryError
        _refuse(path, "images, and true or false", f"{type(error).__name__}: {error}")


def _refuse(path: Path, expected: str, got: str) -> NoReturn:
    todo = "get the file again from somebody you trust: it is damaged, or made to do harm"
    raise InputError(f"a pickle of {expected}, in {path}", got, todo)
