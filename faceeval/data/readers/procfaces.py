# SPDX-License-Identifier: MIT
"""The embedded faces: rendered here, kept in the cache, and held against their own records and the renderer."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faceeval.data.dialects.table import open_dialect, rendered_splits
from faceeval.data.faces import FaceSet
from faceeval.data.manifest import Finding, Manifest
from faceeval.data.opening import Opening, Progress
from faceeval.data.procfaces import standard
from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
from faceeval.data.procfaces.population import SET_VERSION
from faceeval.data.procfaces.standard import RenderedSplit
from faceeval.data.procfaces.store import Stored, open_stored
from faceeval.data.procfaces.workers import factors_of, render_batch
from faceeval.errors import unknown_name

BLOCK = 500  # images hashed at once
RENDERED_AGAIN = 8  # images of each set compared with the renderer
TOLERANCE = 1  # grey levels; processors may round the last one differently


def load(root: Path | None, split: str, opening: Opening) -> FaceSet:
    """Opens one split, rendering it where the cache does not hold it; see `faceeval.data.procfaces.standard.load`.

    Raises:
        UnknownNameError: The split, the crop or the dialect is not known.
    """
    if opening.crop not in (None, "rendered"):
        raise unknown_name("crop of procfaces", opening.crop, ["rendered"])
    if opening.variant:
        return open_dialect(opening.variant, split, size=opening.size, progress=opening.progress)
    return standard.load(split, size=opening.size, progress=opening.progress)


def check(manifest: Manifest, root: Path | None, progress: Progress | None = None) -> list[Finding]:
    """Checks every set that has been rendered: whole, as recorded, as many as published, and as the renderer makes it.

    Args:
        manifest: What the standard set is.
        root: None; the cache is where it is.
        progress: Called with (done, total) images.

    Returns:
        What differs; a note where nothing has been rendered yet.
    """
    findings = []
    if manifest.version != str(SET_VERSION) or manifest.attributes != ATTRIBUTE_NAMES:
        findings.append(Finding("error", "manifest", f"is not of version {SET_VERSION} of the set"))
    plans = [standard.standard_split(split) for split in manifest.splits]
    for plan, published in zip(plans, manifest.splits.values(), strict=True):
        if len(plan.indices) != published:
            findings.append(Finding("error", "manifest", f"is wrong about the number of images in {plan.split}"))
    found = [
        (plan, path)
        for plan in [*plans, *rendered_splits()]
        for path in sorted(plan.folder.glob(f"{plan.split}-*.json"))
        if path.stem.removeprefix(f"{plan.split}-").isdigit()
    ]
    if not found:
        return [
            *findings,
            Finding("note", "cache", "nothing rendered yet; `faceeval data build` renders the whole set"),
        ]
    total = sum(len(plan.indices) for plan, _ in found)
    done = 0
    for plan, record in found:
        findings += _check_set(plan, record)
        done += len(plan.indices)
        if progress:
            progress(done, total)
    return findings


def _check_set(plan: RenderedSplit, record: Path) -> Iterator[Finding]:
    """Checks one split at one size."""
    size, count = int(record.stem.removeprefix(f"{plan.split}-")), len(plan.indices)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stored = open_stored(record.parent, record.stem, count, size)
    if stored is None:
        said = "; ".join(str(warning.message) for warning in caught) or "cannot be opened"
        yield Finding("error", record.name, said)
        return
    if _digest(stored, count) != stored.images_sha256:
        yield Finding("error", record.stem, "other pixels than were written; delete the file to render it again")
    faces = list(map(factors_of(plan.population.factors), plan.indices))
    for column, name in enumerate(ATTRIBUTE_NAMES):
        if stored.labels.attributes[:, column].tolist() != [int(attribute_value(face, name)) for face in faces]:
            yield Finding("error", record.stem, f"labels of {name} differ from those of set version {SET_VERSION}")
    rows = np.linspace(0, count - 1, RENDERED_AGAIN).astype(np.int64)
    again = render_batch([plan.indices[row] for row in rows], size, population=plan.population.factors).images
    apart = int(np.abs(again.astype(np.int16) - stored.read(rows)).max())
    if apart > TOLERANCE:
        yield Finding("error", record.stem, f"differs by up to {apart} grey levels from what is rendered here now")


def _digest(stored: Stored, count: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, count, BLOCK):
        digest.update(stored.read(np.arange(start, min(start + BLOCK, count))).data)
    return digest.hexdigest()
