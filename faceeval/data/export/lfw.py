# SPDX-License-Identifier: MIT
"""LFW's layout: a folder for each person, and the lists of people and pairs of both views.

The pairs are those of `faceeval.data.dialects.lfw`: 10 folds of 300 matched and 300 mismatched ones, and View 1. As
there, they need about twenty people with twenty images each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from faceeval.data.dialects.lfw import FOLDS, pair_lists
from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.rows import Rows, number_within
from faceeval.data.faces import FaceSet
from faceeval.data.folder import stem
from faceeval.data.labels.pairs import FacePairs, image_name

IMAGES = "lfw"
PART = {"train": "DevTrain", "test": "DevTest"}


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``lfw/NAME/NAME_0001.jpg``, ``pairs.txt``, ``people.txt``, and the lists of View 1."""
    lists = pair_lists(_one_set(rows))  # first, as it tells whether there are enough people
    images = dict(zip(rows.names, zip(rows.people, number_within(rows.people), strict=True), strict=True))
    for name, pairs in lists.items():
        write_lines(folder / name, _pair_lines(pairs, images))
    counts = Counter(rows.people)
    view2 = _folds(lists["pairs.txt"], images, counts)
    blocks = [[f"{len(fold)}", *fold] for fold in view2]
    write_lines(folder / "people.txt", [str(FOLDS), *(line for block in blocks for line in block)])
    tested = {images[name][0] for side in ("first", "second") for name in getattr(lists["pairsDevTest.txt"], side)}
    for part, people in (("DevTest", tested), ("DevTrain", set(counts) - tested)):
        listed = [f"{person}\t{counts[person]}" for person in sorted(people)]
        write_lines(folder / f"people{part}.txt", [str(len(listed)), *listed])
    stems = [f"{IMAGES}/{stem(image_name(*images[name]))}" for name in rows.names]
    return write_images(rows, folder, stems, encoding)


def _one_set(rows: Rows) -> FaceSet:
    """Returns all images as one set, for the rule that draws pairs, which looks at names and people only."""
    first = next(iter(rows.faces.values()))
    if len(rows.faces) == 1:
        return first
    return replace(first, names=tuple(rows.names), identities=rows.identities, people=tuple(dict.fromkeys(rows.people)))


def _pair_lines(pairs: FacePairs, images: Mapping[str, tuple[str, int]]) -> list[str]:
    """Returns the lines of a list of pairs: NAME 1 4 for one person, NAME 1 OTHER 2 for two."""
    folds = int(pairs.folds.max()) + 1
    count = str(len(pairs.first) // (2 * folds))
    lines = [count if folds == 1 else f"{folds}\t{count}"]
    for first, second, same in zip(pairs.first, pairs.second, pairs.same.tolist(), strict=True):
        (person, one), (other, two) = images[first], images[second]
        lines.append(f"{person}\t{one}\t{two}" if same else f"{person}\t{one}\t{other}\t{two}")
    return lines


def _folds(pairs: FacePairs, images: Mapping[str, tuple[str, int]], counts: Mapping[str, int]) -> list[list[str]]:
    """Returns the people of each fold with their numbers of images; whoever is in no pair joins the smallest one."""
    folds: list[set[str]] = [set() for _ in range(FOLDS)]
    for first, second, fold in zip(pairs.first, pairs.second, pairs.folds.tolist(), strict=True):
        folds[fold] |= {images[first][0], images[second][0]}
    for person in sorted(set(counts) - set().union(*folds)):
        min(folds, key=len).add(person)
    return [[f"{person}\t{counts[person]}" for person in sorted(fold)] for fold in folds]
