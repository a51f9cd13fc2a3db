# SPDX-License-Identifier: MIT
"""LAYOUTS: the published layouts faces can be written in, and how one is written whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from faceeval.atomic import new_folder
from faceeval.errors import InputError, unknown_name

if TYPE_CHECKING:
    from faceeval.data.export.encode import Encoding
    from faceeval.data.export.rows import Rows
    from faceeval.data.faces import FaceSet
    from faceeval.data.opening import Progress

ANY_SIZE = 112  # side where the published images have no size of their own: the one recognisers take


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes:
        title: One line for listings.
        writer: Its module, imported when it is needed; see `Writer`.
        reader: The dataset that reads it back.
        size: Side of the images in pixels where the user names none.
        only_size: Whether no other side fits.
        splits: The splits it can tell apart; None where all images go in one.
        needs: Columns of a set without which it cannot be written; attributes by their name.
        lists_names: Whether a file ``names.csv`` is added that says which image each file is.
    """

    title: str
    writer: str
    reader: str
    size: int = ANY_SIZE
    only_size: bool = False
    splits: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    lists_names: bool = True

    def how_to_read(self, folder: Path) -> str:
        """Returns the command that holds what was written against the reader."""
        return f"faceeval data verify {self.reader} --root {folder}"


class Writer(Protocol):
    """What the module of a layout defines."""

    def write(self, rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
        """Writes everything into an empty folder; returns the file of each image below it."""


def layout_of(name: str) -> Layout:
    """Returns a row of LAYOUTS.

    Raises:
        UnknownNameError: There is no such layout.
    """
    if name not in LAYOUTS:
        raise unknown_name("layout", name, LAYOUTS)
    return LAYOUTS[name]


def check_needs(name: str, faces: FaceSet) -> None:
    """Refuses faces of which too little is known, or of another size, for a layout.

    Raises:
        UnknownNameError: There is no such layout.
        InputError: A column is missing, or the size is not the one the layout has.
    """
    layout = layout_of(name)
    columns = [need for need in layout.needs if need in vars(faces)]
    lacking = [need for need in columns if getattr(faces, need) is None or len(getattr(faces, need)) == 0]
    lacking += [need for need in layout.needs if need not in columns and need not in faces.attributes]
    if lacking:
        raise InputError(
            f"faces with known {' and '.join(layout.needs)}, for the layout {name}",
            f"{faces.name}, of which no {' and no '.join(lacking)} is known",
            "choose another layout or another dataset",
        )
    if layout.only_size and faces.size != layout.size:
        got = f"{faces.size} pixels"
        raise InputError(f"images of {layout.size} pixels, for the layout {name}", got, "leave out --size")


def export_faces(
    layout: str,
    faces: Mapping[str, FaceSet],
    folder: Path | str,
    *,
    lossless: bool = False,
    progress: Progress | None = None,
) -> None:
    """Writes faces in the layout of a published dataset; after any failure nothing of it is left.

    Args:
        layout: A key of LAYOUTS.
        faces: Split -> its faces, all of one size.
        folder: A folder that is new or empty.
        lossless: PNG instead of JPEG.
        progress: Called with (done, total) images.

    Raises:
        UnknownNameError: There is no such layout.
        InputError: The faces lack a column the layout needs, or it cannot tell their splits.
        OutputError: The folder is not empty or cannot be written, or the disk is full.
    """
    from faceeval.data.export.encode import Encoding
    from faceeval.data.export.rows import join

    row = layout_of(layout)
    for split, part in faces.items():
        check_needs(layout, part)
        if row.splits is not None and split not in row.splits:
            raise unknown_name(f"split of the layout {layout}", split, row.splits)
    rows = join(faces)
    writer = cast("Writer", import_module(row.writer))
    with new_folder(Path(folder)) as place:
        files = writer.write(rows, place, Encoding(lossless, progress))
        if row.lists_names:
            stream = io.StringIO()
            named = zip(files, rows.splits.tolist(), rows.names, strict=True)
            csv.writer(stream, lineterminator="\n").writerows([("file", "split", "name"), *named])
            (place / "names.csv").write_bytes(stream.getvalue().encode())


LAYOUTS: dict[str, Layout] = {
    "celeba": Layout(
        "CelebA's: Img, Anno and Eval as their owners pack them",
        "faceeval.data.export.celeba",
        "celeba",
        size=178,
        only_size=True,
        splits=("train", "validation", "test"),
        needs=("attributes",),
    ),
}
