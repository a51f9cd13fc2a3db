# SPDX-License-Identifier: MIT
"""Holds a copy of a dataset, or of images in its layout, against the manifest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from faceeval.data.decode import Blob
from faceeval.data.folder import quote_some
from faceeval.data.headers import dimensions_in
from faceeval.data.images import image_dimensions
from faceeval.data.manifest import FileEntry, Finding, Manifest, checksum
from faceeval.data.opening import Progress
from faceeval.data.records import Records, image_source
from faceeval.errors import FaceevalError

AT_ONCE = 10_000  # images handed to the threads at a time; sets have millions
SAMPLED = 64  # images whose sizes are compared to tell that of all
CHUNK = 100  # images a thread looks at before it is asked for more
HEAD = 4096  # bytes at the beginning of a file, among which nearly always its width and height are
TAIL = 64  # bytes at the end of a file among which its end mark must be
END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # JPEG, PNG: how they start and end


def check_copy(
    manifest: Manifest,
    files: Mapping[str, Path | None],
    read: Callable[[], Mapping[str, Records]],
    progress: Progress | None = None,
    *,
    any_one_size: bool = False,
) -> list[Finding]:
    """Checks files and checksums, headers, names and counts of the labels, and header and end of every image.

    Args:
        manifest: What the published dataset is.
        files: Path of an entry of the manifest -> where it lies in the copy; None where an optional one is not there.
        read: Reads all label files and finds every image; split -> its records. What it raises becomes an error.
        progress: Called with (done, total) images.
        any_one_size: Only note another size than the published one, where all images have it; for sets that are cut in
            the same way whatever their size.

    Returns:
        What differs: errors where reading fails or would give wrong data, notes where the copy is not the published
        one (a subset, a conversion, other images in the layout), whose numbers compare with nobody else's.
    """
    findings = list(_check_files(manifest, files))
    try:
        splits = read()
    except FaceevalError as error:
        return [*findings, Finding("error", "labels", f"expected {error.expected}; got {error.got}")]
    findings += _check_counts(manifest, splits)
    shape = manifest.image_size
    if shape and any_one_size and (found := _usual_size(splits)) not in (None, shape):
        findings.append(Finding("note", "images", f"of {_times(found)} pixels, not the {_times(shape)} published"))
        shape = found
    findings += _check_images(shape, splits, progress)
    return findings


def _check_files(manifest: Manifest, files: Mapping[str, Path | None]) -> Iterator[Finding]:
    """Compares each file with what the manifest says of it."""
    for entry in manifest.files:
        if entry.path not in files:
            continue
        path, name = files[entry.path], PurePosixPath(entry.path).name
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


def _check_counts(manifest: Manifest, splits: Mapping[str, Records]) -> Iterator[Finding]:
    for split, records in splits.items():
        published = manifest.count(split)
        if len(records) == 0:
            yield Finding("error", split, "no images in this split")
        elif published is not None and len(records) != published:
            yield Finding("note", split, f"{len(records)} images, not the {published} published")
    labelled = next((list(records.attributes) for records in splits.values() if len(records)), [])
    unknown = [name for name in labelled if name not in manifest.attributes]
    if unknown:
        yield Finding("note", "attributes", f"not among the published: {quote_some(unknown)}")
    lacking = [name for name in manifest.attributes if name not in labelled]
    if lacking:
        yield Finding("note", "attributes", f"without labels for {quote_some(lacking)}")
    if manifest.identity_disjoint:
        yield from _check_people(splits)


def _check_people(splits: Mapping[str, Records]) -> Iterator[Finding]:
    parts = [records for split, records in splits.items() if split != "all"]  # which everybody else is in, too
    known = [(records, records.identities) for records in parts if records.identities is not None]
    people = Counter(person for records, numbers in known for person in records.people_of(np.unique(numbers)))
    both = [str(person) for person, number in people.items() if number > 1]
    if both:
        yield Finding("error", "identities", f"people in more than one split: {quote_some(both)}")


def _usual_size(splits: Mapping[str, Records]) -> tuple[int, int] | None:
    """Returns the size most of some images have, spread over the first split; None where none can be opened."""
    records = next((records for records in splits.values() if len(records)), None)
    if records is None:
        return None
    sizes: Counter[tuple[int, int]] = Counter()
    for row in np.linspace(0, len(records) - 1, min(SAMPLED, len(records)), dtype=np.int64).tolist():
        with suppress(FaceevalError):
            sizes[image_dimensions(image_source(records.folder, records.files[row], records.packed, row))] += 1
    return sizes.most_common(1)[0][0] if sizes else None


def _times(shape: tuple[int, int] | None) -> str:
    return f"{shape[0]}x{shape[1]}" if shape else ""


def _check_images(
    shape: tuple[int, int] | None, splits: Mapping[str, Records], progress: Progress | None
) -> Iterator[Finding]:
    """Looks at the beginning and the end of every image; decoding them all would take ten times as long."""
    total = sum(len(records) for records in splits.values())
    faults: dict[str, str] = {}  # an image of several faces has several rows
    done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for records, rows in _batches(splits):
            parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
            found = pool.map(partial(_image_faults, records, shape=shape), parts)
            for part, wrong in zip(parts, found, strict=True):
                faults |= wrong
                done += len(part)
                if progress:
                    progress(done, total)
    if faults:
        yield Finding("error", "images", f"bad images: {quote_some(list(faults.values()))}")


def _batches(splits: Mapping[str, Records]) -> Iterator[tuple[Records, range]]:
    for records in splits.values():
        for start in range(0, len(records), AT_ONCE):
            yield records, range(start, min(start + AT_ONCE, len(records)))


def _image_faults(records: Records, rows: range, shape: tuple[int, int] | None) -> dict[str, str]:
    """Returns the files of some rows with which something is wrong, and what."""
    faults = {}
    for row in rows:
        fault = _image_fault(image_source(records.folder, records.files[row], records.packed, row), shape)
        if fault:
            faults[records.files[row]] = f"{PurePosixPath(records.files[row]).name} {fault}"
    return faults


def _image_fault(source: Path | Blob, shape: tuple[int, int] | None) -> str | None:
    """Says what is wrong with an image as far as a look at both its ends can tell; None where nothing is."""
    try:
        head, tail = _ends(source)
        width, height = dimensions_in(head) or image_dimensions(source)
    except (FaceevalError, OSError):
        return "cannot be opened"
    if shape is not None and (width, height) != shape:
        return f"is {width}x{height}, not {_times(shape)}"
    mark = END_MARKS.get(head[:2])
    return "is cut short" if mark and mark not in tail else None


def _ends(source: Path | Blob) -> tuple[bytes, bytes]:
    if isinstance(source, Blob):
        data = source.load()
        return data[:HEAD], data[-TAIL:]
    with open(source, "rb", buffering=0) as file:
        head = file.read(HEAD)
        file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return head, file.read()
