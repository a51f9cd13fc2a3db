# SPDX-License-Identifier: MIT
"""Rendered faces as a FaceSet, the standard set first: rendered once, kept in the cache, read by memory map ever after.

Other sets of rendered faces (`faceeval.data.dialects`) are opened, kept and checked by the same functions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import cache_dir, locked
from faceeval.data.faces import FaceSet, Truth
from faceeval.data.procfaces import population
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES
from faceeval.data.procfaces.store import STANDARD_SET, Labels, Population, Stored, build, checked, open_stored
from faceeval.data.procfaces.truths import landmarks68, region_masks, true_images
from faceeval.data.procfaces.workers import Workers, default_workers
from faceeval.errors import InputError, unknown_name

SIZES = range(16, 1025)
# what decides pixels; the rest of the folder only moves them about
_NOT_LOOKS = frozenset({"__init__.py", "standard.py", "store.py", "truths.py", "workers.py"})


@dataclass(frozen=True)
class RenderedSplit:
    """What a split of rendered faces is, before any is rendered.

    Attributes:
        name: The dataset, as ``FaceSet.name`` says it.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        indices: Its images, as indices into the population.
        names: Unique name of each image.
        folder: Folder of the cache, for this version of the set and of the renderer.
        population: Whose faces.
        about: What else defines the data, such as a version; goes into the digest and into the provenance.
    """

    name: str
    split: str
    indices: Sequence[int]
    names: tuple[str, ...]
    folder: Path
    population: Population = STANDARD_SET
    about: Mapping[str, str | int] = field(default_factory=dict)


def load(
    split: str,
    size: int = 64,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FaceSet:
    """Opens a split of the standard set, rendering it first where the cache does not hold it.

    The cache is keyed by set version, renderer and size, checked by digest, and safe under several processes at once.

    Args:
        split: ``"train"`` (8,000 images), ``"validation"`` (1,000) or ``"test"`` (4,000).
        size: Side of the images in pixels, 16..1024.
        workers: Processes that render; None takes every processor, 1 renders in this one.
        progress: Called with the images done and their total while rendering; not called when nothing is rendered.

    Returns:
        The faces, with every column known. ``truth`` and ``masks`` are rendered when asked for, and kept as well.

    Raises:
        UnknownNameError: There is no such split.
        InputError: The size or the number of workers is out of range.
        OutputError: The cache cannot be written.
    """
    return open_rendered(standard_split(split), size, workers, progress)


def standard_split(split: str) -> RenderedSplit:
    """Returns what a split of the standard set is.

    Raises:
        UnknownNameError: There is no such split.
    """
    indices = population.indices_of(split)
    names = tuple(f"procfaces-{index:05d}" for index in indices)
    return RenderedSplit("procfaces", split, indices, names, set_folder())


def open_rendered(
    plan: RenderedSplit,
    size: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FaceSet:
    """Opens a split of rendered faces; arguments, result and errors as those of `load`."""
    if not isinstance(size, int) or size not in SIZES:
        raise InputError(
            f"a size of {SIZES[0]}..{SIZES[-1]} pixels", repr(size), "choose 64, or the size your model takes"
        )
    count = default_workers() if workers is None else workers
    folder, stem, whose = plan.folder, f"{plan.split}-{size}", plan.population
    with Workers(count, whose.factors) as pool:
        stored = open_stored(folder, stem, len(plan.indices), size)
        if stored is None:
            with locked(folder / f"{stem}.lock"):
                stored = open_stored(folder, stem, len(plan.indices), size) or build(
                    folder, stem, plan.indices, size, pool, progress, whose
                )
    points = landmarks68(folder / f"{stem}-landmarks68.npz", plan.indices, size, whose.factors)
    return _face_set(plan, stored, size, points, _OnDemand(plan, stored, size, Workers(count, whose.factors)))


def set_folder() -> Path:
    """Returns the folder of the cache that belongs to this version of the set and of the renderer."""
    return cache_dir() / "procfaces" / f"v{population.SET_VERSION}-{renderer_digest()[:16]}"


def outdated_folders() -> list[Path]:
    """Returns the folders of the cache that belong to other versions of the set or of the renderer; none reads them."""
    current = set_folder()
    named = current.parent.glob("v*-*") if current.parent.is_dir() else ()
    return sorted(p for p in named if p.is_dir() and re.fullmatch(r"v\d+-[0-9a-f]{16}", p.name) and p != current)


def renderer_digest() -> str:
    """Returns the SHA-256 over the head data and every source file that decides pixels.

    A changed renderer therefore never reads images of the old one.
    """
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *here.glob("*.npz")]):
        if path.name not in _NOT_LOOKS:
            content = path.read_bytes()
            # a checkout with other line ends is the same renderer
            content = content.replace(b"\r\n", b"\n") if path.suffix == ".py" else content
            digest.update(f"{path.name}:{len(content)}\n".encode() + content)
    return digest.hexdigest()


class _OnDemand:
    """Renders true edits and regions of one split; see ``FaceSet.truth`` and ``FaceSet.masks``."""

    def __init__(self, plan: RenderedSplit, stored: Stored, size: int, workers: Workers) -> None:
        self._folder, self._indices = plan.folder, plan.indices
        self._stored, self._size, self._workers = stored, size, workers

    def truth(self, indices: NDArray[np.int64], attribute: str) -> Truth:
        """Returns the same faces with only ``attribute`` flipped, and where the pair may differ.

        Raises:
            UnknownNameError: The attribute is not one of ATTRIBUTE_NAMES.
            InputError: An index is out of range.
        """
        if attribute not in ATTRIBUTE_NAMES:
            raise unknown_name("attribute", attribute, ATTRIBUTE_NAMES)
        source = self._stored.read(indices)
        images = true_images(self._folder, self._numbers(indices), self._size, attribute, self._workers)
        return Truth(images, grown((images != source).any(axis=1)))

    def masks(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the region of each pixel, uint8 (n, size, size).

        Raises:
            InputError: An index is out of range.
        """
        return region_masks(self._folder, self._numbers(indices), self._size, self._workers)

    def _numbers(self, indices: NDArray[np.int64]) -> list[int]:
        return [self._indices[row] for row in checked(indices, len(self._indices)).tolist()]


def grown(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the regions (N, H, W) with every pixel added that touches them, corners included."""
    padded = np.pad(region, ((0, 0), (1, 1), (1, 1)))
    tall = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    wide: NDArray[np.bool_] = tall[:, :, :-2] | tall[:, :, 1:-1] | tall[:, :, 2:]
    return wide


def _face_set(
    plan: RenderedSplit, stored: Stored, size: int, points: NDArray[np.float32], on_demand: _OnDemand
) -> FaceSet:
    labels = stored.labels
    return FaceSet(
        name=plan.name,
        split=plan.split,
        size=size,
        names=plan.names,
        digest=_digest(plan, size, labels),
        read=stored.read,
        attributes={name: labels.attributes[:, column] for column, name in enumerate(ATTRIBUTE_NAMES)},
        identities=labels.identities,
        pose=labels.pose,
        expression=labels.expression,
        valence_arousal=labels.valence_arousal,
        landmarks=labels.landmarks,
        landmarks68=points,
        masks=on_demand.masks,
        truth=on_demand.truth,
        provenance={
            "set_version": population.SET_VERSION,
            **plan.about,
            "renderer_sha256": renderer_digest(),
            "images_sha256": stored.images_sha256,
        },
    )


def _digest(plan: RenderedSplit, size: int, labels: Labels) -> str:
    # Not the pixels: processors may round the last grey level differently. SET_VERSION stands for the looks.
    about = {"name": plan.name, "set_version": population.SET_VERSION, "split": plan.split, "size": size}
    about |= {"names": plan.names, **plan.about, "attributes": ATTRIBUTE_NAMES}
    digest = hashlib.sha256(json.dumps(about).encode())
    for column in (labels.attributes, labels.identities, labels.pose, labels.expression, labels.valence_arousal):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
