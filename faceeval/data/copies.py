# SPDX-License-Identifier: MIT
"""Finding the folder of a copy of a dataset in what a user names, or in a folder inside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from faceeval.errors import MissingFileError


def find_copy_folder(
    root: Path | str, title: str, *, names: Sequence[str], holds: Sequence[str], archives: Sequence[str]
) -> Path:
    """Returns the folder of a copy: ``root``, or a folder in it that has a usual name.

    Args:
        root: What the user names.
        title: What messages call the dataset.
        names: Usual names of its folder.
        holds: Patterns, one of which something in the folder must match.
        archives: Patterns of the files it is passed on in, to tell one that is not unpacked from one that is not there.

    Raises:
        MissingFileError: There is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        got = f"{root} is not a folder"
        raise MissingFileError(f"the folder of a copy of {title}", got, "check the path given as --root")
    places = [root, *(root / name for name in names)]
    for place in places:
        if any(next(place.glob(pattern), None) is not None for pattern in holds):
            return place
    packed = sorted(file for place in places for pattern in archives for file in place.glob(pattern))
    raise MissingFileError(
        f"{' or '.join(holds)} in {root}" + "".join(f" or its {name}" for name in names),
        f"only the archive {packed[0]}" if packed else "no such file or folder",
        "unpack the archive beside itself" if packed else f"give the folder of the copy of {title} as --root",
    )
