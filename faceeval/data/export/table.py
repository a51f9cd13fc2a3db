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
USUAL_SIZE = 64  # side where nobody published any: the one sets are opened at


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
        usual_splits: Those written where the user names none; None writes all that it can tell.
        dialect: The only role of procfaces that knows all it needs, where there is but one.
        needs: Columns of a set without which it cannot be written; attributes by their name.
        lists_names: Whether a file ``names.csv`` is added that says which image each file is.
    """

    title: str
    writer: str
    reader: str
    size: int = ANY_SIZE
    only_size: bool = False
    splits: tuple[str, ...] | None = None
    usual_splits: tuple[str, ...] | None = None
    dialect: str = ""
    needs: tuple[str, ...] = ()
    lists_names: bool = True

    def how_to_read(self, folder: Path) -> str:
        """Returns the command that holds what was written against the reader."""
        after = f"{self.reader}:{folder}" if self.reader == "hf" else f"{self.reader} --root {folder}"
        return f"faceeval data verify {after}"


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
    check_side(name, faces.size)


def check_side(name: str, size: int) -> None:
    """Refuses images of another side than the one a layout has, before any are made.

    Raises:
        UnknownNameError: There is no such layout.
        InputError: It has one, and this is another.
    """
    layout = layout_of(name)
    if layout.only_size and size != layout.size:
        got = f"{size} pixels"
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
        "CelebA: Img, Anno and Eval",
        "faceeval.data.export.celeba",
        "celeba",
        size=178,
        only_size=True,
        splits=("train", "validation", "test"),
        needs=("attributes",),
    ),
    "lfw": Layout(
        "LFW: a folder for each person, pairs and people of both views",
        "faceeval.data.export.lfw",
        "lfw",
        size=250,
        usual_splits=("test",),
        needs=("identities",),
    ),
    "vggface2": Layout(
        "VGGFace2: parts, lists, boxes and landmarks",
        "faceeval.data.export.vggface2",
        "vggface2",
        splits=("train", "test"),
        needs=("identities",),
    ),
    "facescrub": Layout(
        "FaceScrub: both lists, and the cropped faces",
        "faceeval.data.export.facescrub",
        "facescrub",
        needs=("identities", "Male"),
    ),
    "casia": Layout(
        "CASIA-WebFace: a numbered folder for each person",
        "faceeval.data.export.casia",
        "casia",
        size=250,
        needs=("identities",),
    ),
    "msceleb": Layout(
        "MS-Celeb-1M: a folder for each key", "faceeval.data.export.msceleb", "msceleb", needs=("identities",)
    ),
    "msceleb-tsv": Layout(
        "MS-Celeb-1M: one file of seven columns", "faceeval.data.export.msceleb_tsv", "msceleb", needs=("identities",)
    ),
    "affectnet": Layout(
        "AffectNet, first release: lists",
        "faceeval.data.export.affectnet",
        "affectnet",
        splits=("train", "validation"),
        needs=("expression", "valence_arousal"),
    ),
    "affectnet-npy": Layout(
        "AffectNet, second release: annotation files",
        "faceeval.data.export.affectnet_npy",
        "affectnet",
        splits=("train", "validation"),
        needs=("expression", "valence_arousal"),
    ),
    "voxceleb": Layout(
        "VoxCeleb1's frames: person, clip, frame, and the table of speakers",
        "faceeval.data.export.voxceleb",
        "voxceleb",
        splits=("train", "test"),
        dialect="clips",
        needs=("identities", "clips", "Male"),
    ),
    "multipie": Layout(
        "Multi-PIE: sessions, people, recordings and cameras",
        "faceeval.data.export.multipie",
        "multipie",
        usual_splits=("test",),
        dialect="multipie",
        needs=("identities",),
    ),
    "pubfig": Layout(
        "PubFig: lists of addresses, boxes, people and attributes",
        "faceeval.data.export.pubfig",
        "pubfig",
        splits=("train", "test"),
        needs=("identities",),
    ),
    "folder": Layout(
        "a plain folder of images with labels.csv",
        "faceeval.data.export.folder",
        "folder",
        size=USUAL_SIZE,
        lists_names=False,
    ),
    "hf": Layout(
        "a Hugging Face dataset: Parquet files and a card, ready to push",
        "faceeval.data.export.hub",
        "hf",
        size=USUAL_SIZE,
        lists_names=False,
    ),
}
