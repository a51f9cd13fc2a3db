# SPDX-License-Identifier: MIT
"""Holds a copy of CelebA, or of images in its layout, against the manifest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from faceeval.data.celeba import SPLITS, CelebAFiles, CelebALabels, find_files, read_labels
from faceeval.data.folder import quote_some
from faceeval.data.images import image_dimensions
from faceeval.data.manifest import FileEntry, Finding, Manifest, checksum
from faceeval.data.table import Progress
from faceeval.errors import FaceevalError

TAIL = 64  # bytes at the end of a file among which its end mark must be
END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # JPEG, PNG: how they start and end


def check_copy(manifest: Manifest, root: Path, progress: Progress | None = None) -> list[Finding]:
    """Checks files and checksums, headers, names and counts of the labels, and header and end of every image.

    Args:
        manifest: What the published dataset is.
        root: Folder of the copy.
        progress: Called with (done, total) images.

    Returns:
        What differs: errors where reading fails or would give wrong data, notes where the copy is not the published
        one (a subset, a conversion, other images in the layout), whose numbers compare with nobody else's.

    Raises:
        MissingFileError: The folder, the images, the attributes or the partition are not there.
    """
    files = find_files(root)
    findings = list(_check_files(manifest, files))
    try:
        labels = read_labels(files)
    except FaceevalError as error:
        return [*findings, Finding("error", "labels", f"expected {error.expected}; got {error.got}")]
    findings += _check_counts(manifest, labels)
    findings += _check_images(manifest, files, labels, progress)
    return findings


def _check_files(manifest: Manifest, files: CelebAFiles) -> Iterator[Finding]:
    """Compares each label file with what the manifest says of it."""
    found = {
        "attributes": files.attributes,
        "partition": files.partition,
        "identities": files.identities,
        "landmarks": files.landmarks,
    }
    for entry in manifest.files:
        if entry.role not in found:
            continue
        path, name = found[entry.role], PurePosixPath(entry.path).name
        if path is None:
            yield Finding("note", name, f"not there; {entry.role} will be unknown")
        elif path.name != name:
            yield Finding("note", path.name, f"a conversion of {name}, whose checksum cannot be compared")
        else:
            yield from _check_sum(entry, path)


def _check_sum(entry: FileEntry, path: Path) -> Iterator[Finding]:
    size = path.stat().st_size
    if entry.bytes is not None and size != entry.bytes:
        yield Finding("note", path.name, f"{size} bytes, not the {entry.bytes} of the published file")
    elif entry.md5 is not None and (found := checksum(path)) != entry.md5:
        yield Finding("note", path.name, f"MD5 {found}, not the {entry.md5} of the published file")


def _check_counts(manifest: Manifest, labels: CelebALabels) -> Iterator[Finding]:
    counts = Counter(labels.partition.tolist())
    for split, code in SPLITS.items():
        published, found = manifest.splits[split], counts[code]  # type: ignore[index]
        if found == 0:
            yield Finding("error", split, "no images in this split")
        elif found != published:
            yield Finding("note", split, f"{found} images, not the {published} published")
    unknown = [name for name in labels.attribute_names if name not in manifest.attributes]
    if unknown:
        yield Finding("note", "attributes", f"not among the published: {quote_some(unknown)}")
    lacking = [name for name in manifest.attributes if name not in labels.attribute_names]
    if lacking:
        yield Finding("note", "attributes", f"without labels for {quote_some(lacking)}")
    if labels.identities is None or not manifest.identity_disjoint:
        return
    parts = {(person, code) for person, code in zip(labels.identities.tolist(), labels.partition.tolist(), strict=True)}
    both = [str(person) for person, number in Counter(person for person, _ in parts).items() if number > 1]
    if both:
        yield Finding("error", "identities", f"people in more than one split: {quote_some(both)}")


def _check_images(
    manifest: Manifest, files: CelebAFiles, labels: CelebALabels, progress: Progress | None
) -> Iterator[Finding]:
    """Looks at the beginning and the end of every image; decoding them all would take ten times as long."""
    names, faults = labels.files.tolist(), []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        shapes = pool.map(lambda name: _image_fault(files.images / name, manifest.image_size), names)
        for done, (name, fault) in enumerate(zip(names, shapes, strict=True), start=1):
            if fault:
                faults.append(f"{name} {fault}")
            if progress and (done % 100 == 0 or done == len(names)):
                progress(done, len(names))
    if faults:
        yield Finding("error", files.images.name, f"bad images: {quote_some(faults)}")


def _image_fault(path: Path, shape: tuple[int, int] | None) -> str | None:
    """Says what is wrong with an image as far as a look at both its ends can tell; None where nothing is."""
    try:
        width, height = image_dimensions(path)
    except FaceevalError:
        return "cannot be opened"
    if shape is not None and (width, height) != shape:
        return f"is {width}x{height}, not {shape[0]}x{shape[1]}"
    with open(path, "rb") as file:
        mark = END_MARKS.get(file.read(2))
        file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return "is cut short" if mark and mark not in file.read() else None
