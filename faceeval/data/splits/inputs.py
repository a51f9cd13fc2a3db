# SPDX-License-Identifier: MIT
"""Opens what a split's rule needs of a dataset, and no more: no image is read, and of procfaces none is rendered."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from faceeval.data.cache import cache_dir
from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs
from faceeval.data.landmarks.filter import (
    THRESHOLD,
    fit_centroids,
    frame_landmarks,
    hidden_by_cluster,
    hidden_by_score,
    read_centroids,
    write_centroids,
)
from faceeval.data.manifest import load_manifest, manifests_folder
from faceeval.data.opening import Progress
from faceeval.data.splits.named_lists import SplitInput
from faceeval.data.splits.rules import SPLIT_RULES
from faceeval.data.table import load_faces, part_name, root_of
from faceeval.errors import InputError, UnknownNameError

Filter = Literal["clusters", "score"]
CENTROIDS = "diat_centroids.txt"  # below datasets/<name>
_LOG = logging.getLogger(__name__)
PARTS = ("train", "validation", "test")


def open_split_input(
    protocol: str,
    data: str,
    root: Path | str | None = None,
    *,
    filter_by: Filter = "clusters",
    threshold: float = THRESHOLD,
    centroids: Path | None = None,
    progress: Progress | None = None,
) -> SplitInput:
    """Opens what a protocol needs of a dataset.

    Args:
        protocol: A key of `faceeval.data.splits.rules.SPLIT_RULES`.
        data: Name of the dataset, as in `faceeval.data.table.load_faces`.
        root: Folder of the user's copy.
        filter_by: How DIAT's filter tells hidden faces: ``"clusters"`` as the paper, or ``"score"``, without any.
        threshold: Of the score.
        centroids: File of the clusters' centroids: read where it is there, else written once they are fitted. None
            takes those that come with the dataset, else keeps them in the cache.
        progress: As in `load_faces`.

    Raises:
        UnknownNameError: No such dataset, or it has none of the splits.
        InputError: It lacks pairs or landmarks.
        FaceevalError: As `load_faces`.
    """
    rule, base = SPLIT_RULES[protocol], part_name(data)[0]
    if rule.pairs:
        return SplitInput(data, pairs=open_pairs(data, root, rule.pairs))
    size = _landmark_size(base) if rule.landmarks else 64
    faces = {part: _open_part(data, part, size, root, rule.landmarks, progress) for part in rule.parts}
    for part in rule.optional:
        try:  # the same label files have just been read
            faces[part] = _open_part(data, part, size, root, rule.landmarks, progress)
        except (InputError, UnknownNameError):
            continue
    given = SplitInput(data, faces)
    if not rule.landmarks:
        return given
    ordered = {part: frame_landmarks(faces[part]) for part in PARTS if part in faces}
    if filter_by == "score":
        return replace(
            given,
            hidden=hidden_by_score(ordered["train"], threshold),
            filtered=f"yaw asymmetry up to {threshold:g}",
        )
    found, said = _centroids(base, faces, ordered, centroids)
    return replace(given, hidden=hidden_by_cluster(ordered["train"], found), filtered=said)


def _landmark_size(base: str) -> int:
    """The side at which images are cut and not scaled, so that landmarks are those of the file."""
    shape = load_manifest(base).image_size
    return min(shape) if shape else 64


def _open_part(
    data: str, part: str, size: int, root: Path | str | None, landmarks: bool, progress: Progress | None
) -> FaceSet:
    """Opens a split; of a dataset without splits, ``"test"`` is all of it."""
    if data == "procfaces" and root is None and not landmarks:
        return _unrendered(part, size)
    try:
        return load_faces(data, part, size=size, root=root, progress=progress)
    except UnknownNameError as error:
        if part != "test":
            raise
        try:
            return load_faces(data, "all", size=size, root=root, progress=progress)
        except UnknownNameError:
            raise error from None


def _unrendered(split: str, size: int) -> FaceSet:
    """The labels of a split of procfaces from the plan of the set; images are rendered only if they are asked for."""
    from faceeval.data.procfaces import population, standard
    from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, EXPRESSIONS, attribute_value
    from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY, attributes_of, expressions_of

    indices = population.indices_of(split)
    face = population.sample_factors(indices[0])
    rows, expressions = [], []
    for index in indices:
        person, slot = divmod(index, IMAGES_PER_IDENTITY)
        shown = attributes_of(person)[slot]
        face = replace(face, attributes=shown)
        rows.append([attribute_value(face, name) for name in ATTRIBUTE_NAMES])
        expressions.append(EXPRESSIONS.index("happy" if shown.smiling else expressions_of(person)[slot]))
    table = np.array(rows, np.uint8)
    names = tuple(f"procfaces-{index:05d}" for index in indices)
    return FaceSet(
        name="procfaces",
        split=split,
        size=size,
        names=names,
        digest="",
        read=lambda chosen: standard.load(split, size=size).read(chosen),
        attributes={name: table[:, column] for column, name in enumerate(ATTRIBUTE_NAMES)},
        identities=np.array([population.identity_of(index) for index in indices], np.int64),
        expression=np.array(expressions, np.int64),
    )


def open_pairs(data: str, root: Path | str | None, files: tuple[str, ...]) -> dict[str, FacePairs]:
    """Reads lists of pairs from a copy of LFW, or draws those of procfaces in LFW's role.

    Args:
        data: Name of the dataset, as in `faceeval.data.table.load_faces`.
        root: Folder of the user's copy.
        files: ``"pairs.txt"``, ``"pairsDevTrain.txt"``, ``"pairsDevTest.txt"``.

    Returns:
        File -> what it says.

    Raises:
        InputError: The dataset has no pairs.
        MissingFileError: A list is not there.
    """
    base, variant = part_name(data)
    if base == "lfw":
        from faceeval.data.readers.lfw import LISTS, read_view

        folder = cast("Path", root_of(data, root))
        splits = {pairs: split for split, (_, pairs) in LISTS.items()}
        return {file: read_view(folder, splits[file], variant) for file in files}
    if base == "procfaces" and variant in ("", "lfw"):
        from faceeval.data.dialects.lfw import pair_lists

        root_of(data, root)  # for its error: there is no folder
        lists = pair_lists(_unrendered("test", 64))
        return {file: lists[file] for file in files}
    raise InputError(f"a dataset with pairs, as in {files[0]}", f"{data}, which has none", "choose lfw or procfaces")


def _centroids(
    base: str, faces: Mapping[str, FaceSet], landmarks: Mapping[str, NDArray[np.float64]], path: Path | None
) -> tuple[NDArray[np.float64], str]:
    """Reads the centroids, or fits them on all splits and keeps them; says which those are."""
    shipped = manifests_folder() / base / CENTROIDS
    rows = np.concatenate(list(landmarks.values()))
    if path is None and shipped.is_file():
        path = shipped
    if path is None:
        path = cache_dir() / "diat" / f"{base}-{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}.txt"
    if not path.exists():
        _LOG.warning("clustering the landmarks of %d faces takes minutes; kept as %s", len(rows), path)
        names = [name for part in landmarks for name in faces[part].names]
        write_centroids(path, fit_centroids(names, rows))
    found = read_centroids(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return found, f"{len(found)} clusters of landmarks, centroids {digest}"
