# SPDX-License-Identifier: MIT
"""Features and their statistics in ``.npz`` files: ours, pytorch-fid's, and any array of features.

| arrays in the file | what it is |
| --- | --- |
| ``n``, ``mean``, ``cov`` | statistics, as ``GaussianStats.save`` and ``faceeval metric --save-stats`` write them |
| ``mu``, ``sigma`` | statistics, as pytorch-fid writes them; the number of images is unknown |
| ``features`` or ``embeddings``, or one matrix of any name | features, one row for each image |

``names`` may hold the name of each row. ``made_with`` may hold, as JSON, what made the features (judge, digest of its
weights, resizing), so that features of two networks are never compared.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import replacing
from faceeval.errors import InputError, MissingFileError

FEATURE_KEYS = ("features", "embeddings", "embedding")
MADE_WITH = "made_with"


@dataclass(frozen=True, eq=False)
class StoredStatistics:
    """Statistics of a set of features, as they stand in a file; nothing about them has been checked.

    Attributes:
        path: The file.
        mean: Shape (D,).
        cov: Shape (D, D).
        n: Number of images; None where the file does not say.
        made_with: What made the features; empty where the file does not say.
    """

    path: str
    mean: NDArray[Any]
    cov: NDArray[Any]
    n: int | None
    made_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Features of a set of images, as they stand in a file.

    Attributes:
        path: The file.
        rows: Shape (N, D).
        names: What each row is called; empty where the file does not say.
        made_with: What made the features; empty where the file does not say.
    """

    path: str
    rows: NDArray[Any]
    names: tuple[str, ...] = ()
    made_with: Mapping[str, Any] = field(default_factory=dict)


def read_npz(path: Path | str) -> StoredStatistics | StoredFeatures:
    """Reads statistics or features, whichever the file holds. Nothing in it is executed.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is cut short, holds pickled objects, or neither statistics nor features.
    """
    path = Path(path)
    arrays = _arrays(path)
    made_with = _made_with(path, arrays)
    if "mean" in arrays and "cov" in arrays:
        return StoredStatistics(str(path), arrays["mean"], arrays["cov"], _count(path, arrays), made_with)
    if "mu" in arrays and "sigma" in arrays:
        return StoredStatistics(str(path), arrays["mu"], arrays["sigma"], None, made_with)
    matrices = [key for key, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiu"]
    keys = [key for key in FEATURE_KEYS if key in matrices] or matrices
    if len(keys) != 1:
        found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        todo = "name the matrix of features (N, D) features, or give statistics as mu and sigma"
        raise InputError("an .npz of features or of statistics", f"{path} with {found}", todo)
    rows, names = arrays[keys[0]], tuple(str(name) for name in arrays.get("names", ()))
    if names and len(names) != len(rows):
        got = f"{len(names)} names and {len(rows)} rows in {path}"
        raise InputError("one name for each row of features", got, "write both for the same images")
    return StoredFeatures(str(path), rows, names, made_with)


def write_npz(path: Path | str, arrays: Mapping[str, NDArray[Any]], made_with: Mapping[str, Any]) -> None:
    """Writes arrays and what made them; the file is there whole or not at all.

    Args:
        path: File to write, replaced if it exists; its folder is made where it is missing.
        arrays: Name -> numbers or text.
        made_with: Anything JSON can hold.

    Raises:
        OutputError: It cannot be written.
    """
    provenance = np.array(json.dumps(dict(made_with), sort_keys=True))
    with replacing(Path(path)) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{**arrays, MADE_WITH: provenance})  # type: ignore[arg-type]


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"features": loaded}
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except FileNotFoundError as error:
        raise MissingFileError(
            "an .npz of features or of statistics", f"{path} does not exist", "check the path"
        ) from (error)
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        todo = "write it again with numpy.savez, of plain numbers and text"
        raise InputError("an .npz of plain arrays", f"{path}: {error}", todo) from error


def _count(path: Path, arrays: dict[str, NDArray[Any]]) -> int:
    count = arrays.get("n", np.zeros(1))
    if count.ndim == 0 and count.dtype.kind in "iuf" and float(count).is_integer():
        return int(count)
    todo = "write it with GaussianStats.save"
    raise InputError("the number of images as n beside mean and cov", f"{path} without it", todo)


def _made_with(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if MADE_WITH not in arrays:
        return {}
    try:
        found = json.loads(str(arrays.pop(MADE_WITH)))
    except ValueError as error:
        raise InputError("made_with as JSON", f"{path}: {error}", "write the file again") from error
    return found if isinstance(found, dict) else {}
