# SPDX-License-Identifier: MIT
"""What metrics accept: every argument passes through here once, so that nothing malformed becomes a number."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError


def numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Returns an argument as an array of real numbers, unchanged in type where numpy has that type.

    Torch tensors are welcome on any device, with a gradient or without; bfloat16 and the 8-bit floats, which numpy
    lacks, become float32, which holds each of their values.

    Args:
        name: The argument's name, for the message.
        values: Array, tensor or nested list of booleans, integers or floats, all finite.

    Returns:
        The array; no copy where none is needed.

    Raises:
        InputError: It cannot be read as an array of real numbers, or holds NaN or infinity.
    """
    try:
        array = np.asarray(_to_host(values))
    except (TypeError, ValueError, RuntimeError) as error:
        todo = "give a numpy array or one dense torch tensor; torch.stack joins a list of tensors"
        raise InputError(f"{name} as an array of numbers", f"{type(values).__name__} ({error})", todo) from error
    if array.dtype.kind not in "buif":
        todo = "give plain numbers: booleans, integers or floats"
        raise InputError(f"{name} as an array of real numbers", f"dtype {array.dtype}", todo)
    if array.dtype.kind == "f":
        _refuse_not_finite(name, array)
    return array


def _to_host(values: Any) -> Any:
    """Returns a torch tensor as an array in main memory, and anything else as it is."""
    torch = sys.modules.get("torch")  # whoever made a tensor has loaded torch; nobody else should have to
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    tensor = values.detach()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.to(torch.float32)
    return tensor.cpu().numpy()


def _refuse_not_finite(name: str, array: NDArray[Any]) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    bad = np.argwhere(~finite)
    where = f"the first at index {tuple(int(i) for i in bad[0])}" if array.ndim else "the only one"
    raise InputError(
        f"{name} without NaN or infinity",
        f"{len(bad)} such values, {where}",
        "find what made them (an empty image, a division by zero, an overflow in half precision) and leave it out",
    )


def matrix(name: str, values: ArrayLike, *, rows: int = 1) -> NDArray[Any]:
    """Returns an argument as a matrix (N, D) of finite numbers, unchanged in type.

    Args:
        name: The argument's name, for the message.
        values: What was given.
        rows: Least number of rows.

    Returns:
        The array; no copy where none is needed.

    Raises:
        InputError: It is no matrix, has fewer rows or no columns, or holds NaN or infinity.
    """
    array = numbers(name, values)
    if array.ndim != 2 or array.shape[1] == 0:
        todo = "flatten what belongs to one image into one row"
        raise InputError(f"{name} of shape (N, D), one row for each image", f"shape {array.shape}", todo)
    if len(array) < rows:
        raise InputError(f"at least {rows} rows in {name}", f"{len(array)}", "give more images")
    return array


def vector(name: str, values: ArrayLike, *, least: int = 1) -> NDArray[np.float64]:
    """Returns an argument as a vector (N,) of finite float64.

    Args:
        name: The argument's name, for the message.
        values: What was given.
        least: Least number of values.

    Returns:
        Shape (N,), float64.

    Raises:
        InputError: It is no vector, has fewer values, or holds NaN or infinity.
    """
    array = numbers(name, values)
    if array.ndim != 1:
        todo = "pick one column, or flatten it"
        raise InputError(f"{name} of shape (N,), one value for each image", f"shape {array.shape}", todo)
    if len(array) < least:
        raise InputError(f"at least {least} values in {name}", f"{len(array)}", "give more images")
    return array.astype(np.float64)


def binary(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Returns an argument of zeros and ones, of any shape, as bool.

    Args:
        name: The argument's name, for the message.
        values: What was given: booleans, or numbers that are 0 or 1.

    Returns:
        Same shape, bool.

    Raises:
        InputError: A value is neither 0 nor 1 (CelebA's files say -1 and 1).
    """
    array = numbers(name, values)
    if not np.isin(array, (0, 1)).all():
        seen = ", ".join(str(v) for v in np.unique(array)[:5])
        todo = "turn the values into 0 and 1 (CelebA's -1 means 0)"
        raise InputError(f"only 0 and 1 in {name}", f"the values {seen}", todo)
    return array.astype(np.bool_)


def images(name: str, values: ArrayLike) -> NDArray[np.uint8]:
    """Returns an argument as a batch of images (N, 3, H, W), uint8.

    Args:
        name: The argument's name, for the message.
        values: What was given.

    Returns:
        The array; no copy where none is needed.

    Raises:
        InputError: It is not uint8 (a range is never guessed), not (N, 3, H, W), or empty.
    """
    array = numbers(name, values)
    if array.dtype != np.uint8:
        todo = "clip floats to [0, 1], multiply by 255, round, and convert to uint8"
        raise InputError(f"{name} as uint8, 0..255", f"dtype {array.dtype}", todo)
    if array.ndim != 4 or array.shape[1] != 3:
        todo = "put the three colours first: images.transpose(0, 3, 1, 2)"
        raise InputError(f"{name} of shape (N, 3, H, W), RGB", f"shape {array.shape}", todo)
    if array.size == 0:
        raise InputError(f"at least one image in {name}", f"shape {array.shape}", "give more images")
    return array


def same_shape(first: str, a: NDArray[Any], second: str, b: NDArray[Any]) -> None:
    """Refuses two arguments that should pair up and do not.

    Args:
        first: Name of the one.
        a: The one.
        second: Name of the other.
        b: The other.

    Raises:
        InputError: The shapes differ.
    """
    if a.shape != b.shape:
        todo = "give both for the same images, in the same order"
        raise InputError(f"{first} and {second} of one shape", f"{a.shape} and {b.shape}", todo)
