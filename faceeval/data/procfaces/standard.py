# SPDX-License-Identifier: MIT
"""The standard set ``procfaces`` as a FaceSet: rendered once, kept in the cache, read by memory map ever after."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import cache_dir, locked
from faceeval.data.faces import FaceSet, Truth
from faceeval.data.procfaces import population
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES
from faceeval.data.procfaces.store import Labels, Stored, build, open_stored
from faceeval.data.procfaces.truths import true_images
from faceeval.data.procfaces.workers import Workers, default_workers
from faceeval.errors import InputError, unknown_name

SIZES = range(16, 1025)
# what decides pixels; the rest of the folder only moves them about
_NOT_LOOKS = frozenset({"__init__.py", "standard.py", "store.py", "truths.py", "workers.py"})


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
        The faces, with every column known. ``truth`` renders true edits, and keeps them in the cache as well.

    Raises:
        UnknownNameError: There is no such split.
        InputError: The size or the number of workers is out of range.
        OutputError: The cache cannot be written.
    """
    indices = population.indices_of(split)
    if not isinstance(size, int) or size not in SIZES:
        raise InputError(
            f"a size of {SIZES[0]}..{SIZES[-1]} pixels", repr(size), "choose 64, or the size your model takes"
        )
    count = default_workers() if workers is None else workers
    folder, stem = set_folder(), f"{split}-{size}"
    with Workers(count) as pool:
        stored = open_stored(folder, stem, len(indices), size)
        if stored is None:
            with locked(folder / f"{stem}.lock"):
                stored = open_stored(folder, stem, len(indices), size) or build(
                    folder, stem, indices, size, pool, progress
                )
    return _face_set(stored, split, indices, size, _Truths(folder, stored, indices, size, Workers(count)))


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


class _Truths:
    """Renders true edits of one split on demand; see ``FaceSet.truth``."""

    def __init__(self, folder: Path, stored: Stored, indices: range, size: int, workers: Workers) -> None:
        self._folder, self._stored, self._indices = folder, stored, indices
        self._size, self._workers = size, workers

    def __call__(self, indices: NDArray[np.int64], attribute: str) -> Truth:
        """Returns the same faces with only ``attribute`` flipped, and where the pair may differ.

        Raises:
            UnknownNameError: The attribute is not one of ATTRIBUTE_NAMES.
            InputError: An index is out of range.
        """
        if attribute not in ATTRIBUTE_NAMES:
            raise unknown_name("attribute", attribute, ATTRIBUTE_NAMES)
        source = self._stored.read(indices)
        numbers = [self._indices[index] for index in np.asarray(indices).tolist()]
        images = true_images(self._folder, numbers, self._size, attribute, self._workers)
        return Truth(images, grown((images != source).any(axis=1)))


def grown(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the regions (N, H, W) with every pixel added that touches them, corners included."""
    padded = np.pad(region, ((0, 0), (1, 1), (1, 1)))
    tall = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    wide: NDArray[np.bool_] = tall[:, :, :-2] | tall[:, :, 1:-1] | tall[:, :, 2:]
    return wide


def _face_set(stored: Stored, split: str, indices: Sequence[int], size: int, truth: _Truths) -> FaceSet:
    names, labels = tuple(f"procfaces-{index:05d}" for index in indices), stored.labels
    return FaceSet(
        name="procfaces",
        split=split,
        size=size,
        names=names,
        digest=_digest(split, size, names, labels),
        read=stored.read,
        attributes={name: labels.attributes[:, column] for column, name in enumerate(ATTRIBUTE_NAMES)},
        identities=labels.identities,
        pose=labels.pose,
        expression=labels.expression,
        valence_arousal=labels.valence_arousal,
        landmarks=labels.landmarks,
        truth=truth,
        provenance={
            "set_version": population.SET_VERSION,
            "renderer_sha256": renderer_digest(),
            "images_sha256": stored.images_sha256,
        },
    )


def _digest(split: str, size: int, names: Sequence[str], labels: Labels) -> str:
    # Not the pixels: processors may round the last grey level differently. SET_VERSION stands for the looks.
    about = {"name": "procfaces", "set_version": population.SET_VERSION, "split": split, "size": size, "names": names}
    digest = hashlib.sha256(json.dumps({**about, "attributes": ATTRIBUTE_NAMES}).encode())
    for column in (labels.attributes, labels.identities, labels.pose, labels.expression, labels.valence_arousal):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
