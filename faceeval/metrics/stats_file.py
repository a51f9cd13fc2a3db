# SPDX-License-Identifier: MIT
"""Files of means and covariances: ours, and the ``.npz`` of pytorch-fid and of tools that follow it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceeval.atomic import replacing
from faceeval.errors import InputError, MissingFileError

KEYS = (("mean", "cov"), ("mu", "sigma"))  # ours; those of pytorch-fid, clean-fid and guided-diffusion
WANTED = "an .npz of n, mean and cov, or of mu and sigma"


class Stored(NamedTuple):
    """What a file of statistics holds, unchecked; ``n`` is None where it does not say of how many images."""

    n: Any
    mean: NDArray[Any]
    cov: NDArray[Any]


def read_stats(path: str | os.PathLike[str]) -> Stored:
    """Reads statistics of either kind. Nothing in the file is executed.

    Args:
        path: An ``.npz`` file.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is cut short, holds something else, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            for mean, cov in KEYS:
                if mean in file.files and cov in file.files:
                    return Stored(file["n"] if "n" in file.files else None, file[mean], file[cov])
            held = ", ".join(file.files) or "nothing"
    except FileNotFoundError as error:
        raise MissingFileError(f"a file of statistics at {path}", "none", "make it with GaussianStats.save") from error
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(WANTED, f"{path}: {error}", "make it again: it is damaged, or something else") from error
    raise InputError(WANTED, f"{path} of {held}", "make it with GaussianStats.save, or with pytorch-fid")


def write_stats(path: str | os.PathLike[str], n: int | None, mean: NDArray[Any], cov: NDArray[Any]) -> Path:
    """Writes statistics, whole or not at all: as ``n``, ``mean``, ``cov``, or without n as ``mu`` and ``sigma``.

    Args:
        path: File to write; its folder is made where it is missing.
        n: Number of images, None where it is unknown.
        mean: Shape (D,).
        cov: Shape (D, D).

    Returns:
        The path.

    Raises:
        OutputError: It cannot be written.
    """
    target = Path(path)
    fields: dict[str, Any] = {"mu": mean, "sigma": cov} if n is None else {"n": n, "mean": mean, "cov": cov}
    with replacing(target) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **fields)
    return target
