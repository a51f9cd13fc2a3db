# SPDX-License-Identifier: MIT
"""Plain folders of images: listing them, and pairing edits made elsewhere with their sources by file stem."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import SUFFIXES
from faceeval.data.images import image_dimensions, read_images
from faceeval.errors import InputError, MissingFileError

EXAMPLES = 3  # names quoted in a message


def list_images(folder: Path | str) -> list[Path]:
    """Lists the images directly in a folder, sorted by name; suffixes in any case, hidden files left out.

    Raises:
        MissingFileError: There is no such folder.
        InputError: It is a file, or holds no image.
    """
    folder = Path(folder)
    names = image_names(folder)
    if not names:
        inner = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())[:3]
        found = f"none in {folder}" + (f", but folders: {', '.join(inner)}" if inner else "")
        raise InputError(
            f"images ({' '.join(SUFFIXES)})",
            found,
            "give the folder that holds the images itself: folders inside it are not read",
        )
    return [folder / name for name in names]


def image_names(folder: Path) -> list[str]:
    """Returns the sorted names of the image files directly in a folder, without looking at each file.

    Raises:
        MissingFileError: There is no such folder.
        InputError: It is a file.
    """
    if not folder.exists():
        raise MissingFileError("a folder of images", f"{folder} does not exist", "check the path")
    if not folder.is_dir():
        raise InputError("a folder of images", f"{folder} is a file", "give the folder that holds the images")
    # macOS leaves hidden "._000001.jpg" beside every image it packs
    return sorted(name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES) and name[0] != ".")


def stem(name: str) -> str:
    """Returns a file name without its image suffix; names without one (``procfaces-00001``, ``v1.2``) stay whole."""
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in SUFFIXES if lower.endswith(suffix)), name)


def by_stem(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Maps stem -> file name.

    Args:
        folder: For the message.
        names: File names in it.

    Raises:
        InputError: Two files have the same stem, so that it is open which is meant.
    """
    table: dict[str, str] = {}
    for name in names:
        other = table.setdefault(stem(name), name)
        if other != name:
            raise InputError(
                f"one image for each name in {folder}", f"both {other} and {name}", "remove the one that is not meant"
            )
    return table


def edited_images(
    folder: Path | str, names: Sequence[str], size: int
) -> Callable[[NDArray[np.int64]], NDArray[np.uint8]]:
    """Finds the edit of each source image in a folder, and checks all their sizes before the first is scored.

    Files beside the wanted ones are left alone, so that the edits of a whole split serve any choice from it.

    Args:
        folder: Edited images, each named as its source up to the suffix (``000001.png`` for ``000001.jpg``).
            Lossless files: what a JPEG loses would count as the method's doing.
        names: Source images, as in ``FaceSet.names``; of paths the last part counts.
        size: Side the edits must have in pixels; they are not scaled, as that would be part of the method.

    Returns:
        Positions in ``names`` (n,) int64 -> images uint8 (n, 3, size, size), RGB.

    Raises:
        MissingFileError: There is no such folder, or it lacks the edit of some source.
        InputError: Two files could be the edit of one source, one of two sources, or a file is no image or of another
            size.
    """
    folder = Path(folder)
    found = by_stem(folder, image_names(folder))
    wanted = [stem(name.rpartition("/")[2]) for name in names]
    if len(set(wanted)) < len(set(names)):
        got = "names that differ in their folder or suffix only"
        raise InputError("source images whose edits can lie in one folder", got, "give the images names of their own")
    missing = sorted(set(wanted) - set(found))
    if missing:
        extra = sorted(set(found) - set(wanted))
        beside = f"; beside the wanted ones it holds {quote_some([found[key] for key in extra])}" if extra else ""
        raise MissingFileError(
            f"an edited image for each of the {len(wanted)} source images, of the same name up to the suffix",
            f"{folder} lacks {quote_some(missing)}{beside}",
            "edit the images that lack, or rename the edits after their sources",
        )
    files = tuple(str(folder / found[key]) for key in wanted)
    _check_sizes(folder, files, size)

    def read(indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return read_images([files[index] for index in indices], size=size)

    return read


def quote_some(names: Sequence[str]) -> str:
    """Returns how many names there are and the first few of them, for a message."""
    return f"{len(names)} ({', '.join(names[:EXAMPLES])}{', ...' if len(names) > EXAMPLES else ''})"


def _check_sizes(folder: Path, files: Sequence[str], size: int) -> None:
    """Reads every header; the images themselves are decoded when they are scored."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        shapes = list(pool.map(image_dimensions, files))
    wrong = [
        f"{Path(file).name} is {width}x{height}"
        for file, (width, height) in zip(files, shapes, strict=True)
        if (width, height) != (size, size)
    ]
    if wrong:
        raise InputError(
            f"edited images of {size}x{size} pixels, the size of their sources",
            f"in {folder}: {quote_some(wrong)}",
            f"edit the sources at {size} pixels, or score with a benchmark of the size of the edits",
        )
