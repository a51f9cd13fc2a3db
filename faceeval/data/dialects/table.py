# SPDX-License-Identifier: MIT
"""DIALECTS: the roles procfaces can play, and where each is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from faceeval.data.faces import FaceSet
from faceeval.data.procfaces.population import SPLITS
from faceeval.data.procfaces.standard import RenderedSplit, set_folder
from faceeval.errors import unknown_name


@dataclass(frozen=True)
class DialectRow:
    """One role.

    Attributes:
        title: One line for listings.
        module: Imported when it is needed; see `Dialect`.
        rendered: Whether it has images of its own; the others show those of the standard set.
    """

    title: str
    module: str
    rendered: bool = False


class Dialect(Protocol):
    """What a module of this folder defines."""

    def load(self, split: str, size: int, workers: int | None, progress: Callable[[int, int], None] | None) -> FaceSet:
        """Opens one split, rendering it where the cache does not hold it."""

    def rendered_split(self, split: str) -> RenderedSplit:
        """Returns what a split is; only where ``DialectRow.rendered`` says so."""


DIALECTS: dict[str, DialectRow] = {
    "lfw": DialectRow("LFW: pairs for verification, View 1 and View 2", "faceeval.data.dialects.lfw"),
    "msceleb": DialectRow("MS-Celeb-1M: one gallery image and five queries a person", "faceeval.data.dialects.msceleb"),
    "multipie": DialectRow("Multi-PIE: each person in six conditions", "faceeval.data.dialects.multipie", True),
    "facescrub": DialectRow("FaceScrub: many images a person, parted in two", "faceeval.data.dialects.facescrub"),
    "affectnet": DialectRow("AffectNet: eight classes, valence and arousal", "faceeval.data.dialects.affectnet"),
    "clips": DialectRow("VoxCeleb: several video clips a person", "faceeval.data.dialects.clips", True),
}


def open_dialect(
    name: str,
    split: str,
    size: int = 64,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FaceSet:
    """Opens a split of procfaces in a role, as ``load_faces("procfaces:<name>", split)`` does.

    Args:
        name: A key of DIALECTS.
        split: ``"train"``, ``"validation"`` or ``"test"``: people of the standard set's split of that name.
        size: Side of the images in pixels, 16..1024.
        workers: Processes that render; None takes every processor, 1 renders in this one.
        progress: Called with the images done and their total while rendering.

    Raises:
        UnknownNameError: There is no such dialect or split.
        InputError: The size or the number of workers is out of range.
        OutputError: The cache cannot be written.
    """
    return _module(name).load(split, size, workers, progress)


def rendered_splits() -> list[RenderedSplit]:
    """Returns every split that has images of its own."""
    names = [name for name, row in DIALECTS.items() if row.rendered]
    return [_module(name).rendered_split(split) for name in names for split in SPLITS]


def outdated_dialects() -> list[Path]:
    """Returns the folders of the cache that hold other versions of a dialect; none reads them."""
    current = {plan.folder for plan in rendered_splits()}
    named = set_folder().glob("*-*") if set_folder().is_dir() else ()
    ours = re.compile(f"({'|'.join(DIALECTS)})-[0-9a-f]{{16}}")
    return sorted(path for path in named if path.is_dir() and ours.fullmatch(path.name) and path not in current)


def _module(name: str) -> Dialect:
    if name not in DIALECTS:
        raise unknown_name("dialect of procfaces", name, DIALECTS)
    return cast("Dialect", import_module(DIALECTS[name].module))
