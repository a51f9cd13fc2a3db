# SPDX-License-Identifier: MIT
"""How a rendered split lies on disk: images to be memory-mapped, a table of labels, and a record that makes both valid.

The record is written last and holds the digests of the two others, so a set that was cut short, damaged or made by
another version is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import replacing
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
from faceeval.data.procfaces.population import affect_of, identity_of
from faceeval.data.procfaces.workers import STANDARD, Workers, factors_of
from faceeval.errors import InputError

_WHOLE = 1 << 28  # bytes of images up to which every load checks all of them: 0.2 s; larger sets are sampled
_SAMPLES = 64


@dataclass(frozen=True)
class Population:
    """Whose faces are rendered.

    Attributes:
        factors: ``module:function``, index -> Factors; see `faceeval.data.procfaces.workers.factors_of`.
        person: Index -> the person's number, the same for the same person in every population.
    """

    factors: str = STANDARD
    person: Callable[[int], int] = identity_of


STANDARD_SET = Population()


@dataclass(frozen=True)
class Labels:
    """The columns of FaceSet for one split; attributes uint8 (N, A) in the order of ATTRIBUTE_NAMES."""

    attributes: NDArray[np.uint8]
    identities: NDArray[np.int64]
    pose: NDArray[np.float32]
    expression: NDArray[np.int64]
    valence_arousal: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class Stored:
    """A rendered split that was found whole.

    Args:
        path: The ``.npy`` file of the images.
        labels: What is known about them.
        images_sha256: Digest of the pixels.
    """

    def __init__(self, path: Path, labels: Labels, images_sha256: str) -> None:
        self.labels, self.images_sha256 = labels, images_sha256
        self._path, self._images = path, np.load(path, mmap_mode="r")

    def __reduce__(self) -> tuple[type[Stored], tuple[Path, Labels, str]]:
        return Stored, (self._path, self.labels, self.images_sha256)  # the map, not the pixels, goes to other processes

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns images as FaceSet.read does: indices (n,) -> uint8 (n, 3, size, size), a copy.

        Raises:
            InputError: An index is not in 0..N-1.
        """
        pixels: NDArray[np.uint8] = self._images[checked(indices, len(self._images))]
        return pixels


def checked(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns the indices, which must be one row of integers in 0..count-1.

    Raises:
        InputError: They are not.
    """
    rows = np.asarray(indices)
    if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= count)):
        got = f"{rows.dtype} of shape {rows.shape}" + (f", {rows.min()}..{rows.max()}" if rows.size else "")
        raise InputError(f"one row of indices in 0..{count - 1}", got, "index within the split")
    return rows.astype(np.int64)


def open_stored(folder: Path, stem: str, count: int, size: int) -> Stored | None:
    """Opens a rendered split, or returns None, with a warning where there is one that is damaged.

    Args:
        folder: Folder of this version of the set.
        stem: Name of the split at this size.
        count: Number of images it must have.
        size: Their side in pixels.
    """
    record_path = folder / f"{stem}.json"
    if not record_path.exists():
        return None
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        images = np.load(folder / f"{stem}.npy", mmap_mode="r")
        if images.shape != (count, 3, size, size) or images.dtype != np.uint8:
            raise ValueError(f"images of shape {images.shape}")
        if _check(images) != record["check_sha256"]:
            raise ValueError("other pixels than were written")
        table = (folder / f"{stem}-labels.npz").read_bytes()
        if hashlib.sha256(table).hexdigest() != record["labels_sha256"]:
            raise ValueError("other labels than were written")
        with np.load(folder / f"{stem}-labels.npz") as columns:
            labels = Labels(**{name: columns[name] for name in columns.files})
        return Stored(folder / f"{stem}.npy", labels, str(record["images_sha256"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"the faces kept as {record_path} are damaged ({error}); rendering them again", stacklevel=3)
        return None


def _check(images: NDArray[np.uint8]) -> str:
    """Returns the digest a load compares: of all pixels, or of evenly spaced images where all would take seconds."""
    rows = images if images.nbytes <= _WHOLE else images[np.linspace(0, len(images) - 1, _SAMPLES).astype(np.int64)]
    return hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()


def build(
    folder: Path,
    stem: str,
    indices: Sequence[int],
    size: int,
    workers: Workers,
    progress: Callable[[int, int], None] | None,
    population: Population = STANDARD_SET,
) -> Stored:
    """Renders a split into the folder and opens it.

    Args:
        folder: Folder of this version of the set.
        stem: Name of the split at this size.
        indices: Indices of its images in the population.
        size: Side in pixels.
        workers: Who renders.
        progress: Called with the images done and their total.
        population: Whose faces the workers render.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    images_path, labels_path = folder / f"{stem}.npy", folder / f"{stem}-labels.npz"
    landmarks, digest = [], hashlib.sha256()
    (folder / f"{stem}.json").unlink(missing_ok=True)
    with replacing(images_path) as temporary, temporary.open("wb") as file:
        shape = (len(indices), 3, size, size)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        done = 0
        # written in order and not through a map: on a full disk a map kills the process
        for batch in workers.render(indices, size):
            pixels = batch.images.tobytes()
            file.write(pixels)
            digest.update(pixels)
            landmarks.append(batch.landmarks)
            done += len(batch.images)
            if progress is not None:
                progress(done, len(indices))
    labels = _labels(population, indices, np.concatenate(landmarks))
    with replacing(labels_path) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(labels))
    record = {
        "images": len(indices),
        "size": size,
        "images_sha256": digest.hexdigest(),
        "check_sha256": _check(np.load(images_path, mmap_mode="r")),
        "labels_sha256": hashlib.sha256(labels_path.read_bytes()).hexdigest(),
    }
    with replacing(folder / f"{stem}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return Stored(images_path, labels, digest.hexdigest())


def _labels(population: Population, indices: Sequence[int], landmarks: NDArray[np.float32]) -> Labels:
    faces = list(map(factors_of(population.factors), indices))
    affect = [affect_of(face) for face in faces]
    return Labels(
        attributes=np.array([[attribute_value(face, name) for name in ATTRIBUTE_NAMES] for face in faces], np.uint8),
        identities=np.array([population.person(index) for index in indices], np.int64),
        pose=np.array([tuple(asdict(face.pose).values()) for face in faces], np.float32),
        expression=np.array([label for label, _, _ in affect], np.int64),
        valence_arousal=np.array([(valence, arousal) for _, valence, arousal in affect], np.float32),
        landmarks=landmarks,
    )
