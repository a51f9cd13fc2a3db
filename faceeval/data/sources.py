# SPDX-License-Identifier: MIT
"""Sets of images wherever they lie: a folder, a zip file, or a Hugging Face dataset saved to disk.

A source knows the order and the names of its images and decodes them when asked. `batches` and `decoded` read ahead
with a few threads and hold no more than a few images at a time, so that memory does not grow with the set.
"""

from __future__ import annotations

import os
import posixpath
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceeval.data.decode import SUFFIXES, decode
from faceeval.data.folder import quote_some, stem
from faceeval.errors import InputError, MissingFileError

READ_AHEAD = 64  # images decoded before they are asked for, at most
BYTES_AHEAD = 64_000_000  # and their size, beyond one image for each thread
BATCH_BYTES = 256_000_000  # a batch ends early where its images are that large
MAX_MEMBER = 512_000_000  # bytes of one unpacked zip member; more is a mistake or an attack on memory
DATASET_FILES = ("dataset_info.json", "dataset_dict.json")  # what `save_to_disk` leaves in its folder


class Hash(Protocol):
    """A running digest, as of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Takes more bytes in."""


@dataclass(frozen=True)
class ImageSource:
    """Images in a fixed order, decoded when they are asked for.

    Attributes:
        path: Where they are.
        kind: ``"folder"``, ``"zip"`` or ``"dataset"``.
        names: What each image is called inside the source, with ``/`` between folders; sorted, but for datasets, which
            keep their order.
        read: Index -> uint8, (3, H, W), RGB. Threads may call it at the same time.
        skipped: Files beside the images that are none.
    """

    path: str
    kind: str
    names: tuple[str, ...]
    read: Callable[[int], NDArray[np.uint8]]
    skipped: int = 0

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.names)


def open_images(path: Path | str, *, column: str | None = None, split: str | None = None) -> ImageSource:
    """Finds the images of a source, without decoding any.

    Folders are read with all folders inside them, suffixes in any case; hidden files are left out.

    Args:
        path: A folder of images, a zip file of images, or a folder written by ``datasets.save_to_disk``.
        column: The dataset's column of images; needed only where there are several.
        split: The dataset's split; needed only where there are several.

    Returns:
        The source, which holds at least one image.

    Raises:
        MissingFileError: There is nothing at the path, or the package `datasets` is needed and not installed.
        InputError: There is no image in it, or it is another kind of file.
    """
    path = Path(path)
    if path.is_dir():
        if any((path / name).is_file() for name in DATASET_FILES):
            from faceeval.data.hub.saved_dataset import open_dataset

            return open_dataset(path, column, split)
        return _open_folder(path)
    if not path.exists():
        raise MissingFileError("a folder, a zip file or a saved dataset", f"{path} does not exist", "check the path")
    if zipfile.is_zipfile(path):
        return _open_zip(path)
    todo = "give the folder that holds the images; other archives have to be unpacked first"
    if path.suffix.lower() == ".zip":
        todo = "get it again: it is damaged"
    got = f"{path}, which is none of these"
    raise InputError("a folder of images, a zip file of images, or a dataset saved to disk", got, todo)


def decoded(
    source: ImageSource, order: Sequence[int] | None = None, workers: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Decodes images in order, a few of them ahead of the one asked for.

    Args:
        source: The images.
        order: Which ones, as indices; all by default.
        workers: Threads; by default one per core, at most 8. The images do not depend on it.

    Yields:
        uint8, (3, H, W), RGB, one image after the other.

    Raises:
        FaceevalError: The first image in order that cannot be read, by name.
    """
    workers = workers or min(8, os.cpu_count() or 1)
    ahead, waiting = workers, deque[Future[NDArray[np.uint8]]]()
    pool = ThreadPoolExecutor(workers)
    try:
        for index in range(len(source)) if order is None else order:
            waiting.append(pool.submit(source.read, int(index)))
            while len(waiting) > ahead:
                image = waiting.popleft().result()
                ahead = max(workers, min(READ_AHEAD, BYTES_AHEAD // image.nbytes))
                yield image
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batches(
    source: ImageSource, batch_size: int, *, workers: int | None = None, digest: Hash | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Reads a whole source in batches of images of one size.

    Args:
        source: The images; they may differ in size.
        batch_size: Images at a time, at least 1; fewer where they are large or differ in size.
        workers: Threads, as in `decoded`.
        digest: Told the shape and pixels of each image in order: equal for equal images, however they are stored.

    Yields:
        Indices (n,) int64 and images uint8 (n, 3, H, W), RGB. Every index comes once. They ascend where all images
        are of one size, and else within a batch.

    Raises:
        FaceevalError: The first image in order that cannot be read, by name.
    """
    held: list[NDArray[np.uint8]] = []
    start = size = 0
    for image in decoded(source, workers=workers):
        if digest is not None:
            digest.update(repr(image.shape).encode())
            digest.update(image.tobytes())
        held.append(image)
        size += image.nbytes
        if len(held) == batch_size or size >= BATCH_BYTES:
            yield from _by_size(held, start)
            start, size, held = start + len(held), 0, []
    yield from _by_size(held, start)


def pairing_keys(source: ImageSource) -> list[str]:
    """Returns what pairs an image with its edit: the path inside the source, without suffix and folder shared by all.

    Raises:
        InputError: Two images of the source have the same key.

    Example:
        >>> pairing_keys(ImageSource("a.zip", "zip", ("all/1.JPG", "all/x/2.png"), read=lambda index: ...))
        ['1', 'x/2']
    """
    names = [name.lstrip("/") for name in source.names]
    top = posixpath.commonpath([posixpath.dirname(name) for name in names])
    keys = [stem(name[len(top) :].lstrip("/")) for name in names]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InputError(
            "one image for each name, whatever its suffix",
            f"several in {source.path} for {quote_some(twice)}",
            "remove the ones that are not meant",
        )
    return keys


def _by_size(held: list[NDArray[np.uint8]], start: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Yields images of equal size together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(held):
        groups.setdefault(image.shape, []).append(place)
    for places in groups.values():
        yield np.array(places, np.int64) + start, np.stack([held[place] for place in places])


def _open_folder(folder: Path) -> ImageSource:
    names, skipped, visited = list[str](), Counter[str](), set[str]()
    for place, inner, files in os.walk(folder, onerror=_refuse_unreadable, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:  # a link back to a folder above
            inner.clear()
            continue
        visited.add(real)
        inner[:] = sorted(name for name in inner if not _hidden(name))
        for file in files:
            name = Path(place, file).relative_to(folder).as_posix()
            if not _hidden(file):
                _sort_out(name, names, skipped)
    names.sort()
    _refuse_empty(folder, names, skipped)

    def read(index: int) -> NDArray[np.uint8]:
        path = folder / names[index]
        return decode(path, str(path))

    return ImageSource(str(folder), "folder", tuple(names), read, skipped.total())


def _open_zip(path: Path) -> ImageSource:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError("a zip file of images", f"{path}: {error}", "get it again: it is damaged") from error
    members: dict[str, zipfile.ZipInfo] = {}
    names, skipped = list[str](), Counter[str]()
    for member in archive.infolist():
        if not member.is_dir() and not any(_hidden(part) for part in member.filename.split("/")):
            members[member.filename] = member  # of two members of one name the later counts, as in unpacking
    for name in sorted(members):
        _sort_out(name, names, skipped)
    _refuse_empty(path, names, skipped)

    def read(index: int) -> NDArray[np.uint8]:
        member, name = members[names[index]], f"{path}/{names[index]}"
        if member.file_size > MAX_MEMBER:
            got = f"{name} of {member.file_size >> 20} MB"
            raise InputError(f"images of at most {MAX_MEMBER >> 20} MB", got, "remove it: it may be an attack")
        try:
            content = archive.read(member)
        except (OSError, RuntimeError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            todo = "pack the images again, without a password"
            raise InputError("a zip member that can be unpacked", f"{name}: {error}", todo) from error
        return decode(content, name)

    return ImageSource(str(path), "zip", tuple(names), read, skipped.total())


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"  # what macOS leaves beside every image it packs


def _sort_out(name: str, names: list[str], skipped: Counter[str]) -> None:
    """Puts a file among the images, or counts its suffix among those that are none."""
    if name.lower().endswith(SUFFIXES):
        names.append(name)
    else:
        skipped[posixpath.splitext(name)[1].lower() or "no suffix"] += 1


def _refuse_unreadable(error: OSError) -> None:
    raise InputError("folders that can be read", str(error), "change its permissions, or take it away") from error


def _refuse_empty(path: Path, names: list[str], skipped: Counter[str]) -> None:
    if names:
        return
    beside = ", ".join(f"{count} of {suffix}" for suffix, count in skipped.most_common(3))
    raise InputError(
        f"images ({' '.join(SUFFIXES)})",
        f"none in {path}" + (f", but other files: {beside}" if beside else ", which is empty"),
        "give the folder or zip file that holds the images, in one of these formats",
    )
