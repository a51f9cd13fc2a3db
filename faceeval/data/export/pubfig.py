# SPDX-License-Identifier: MIT
"""PubFig's layout: lists of addresses with boxes, lists of people, attributes, and images where its reader looks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.face_box import face_box
from faceeval.data.export.rows import Rows, number_within
from faceeval.data.folder import stem
from faceeval.data.labels.pairs import image_name

PARTS = {"train": "dev", "test": "eval"}
URLS = ("person", "imagenum", "url", "rect", "md5sum")


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``images/NAME/NAME_0001.jpg``, ``dev_urls.txt`` and so on; addresses are nobody's (example.org).

    The scores of the attributes, which are those of classifiers in PubFig, are 1 and -1.
    """
    keys = list(zip(rows.people, number_within(rows.people), strict=True))
    files = write_images(rows, folder, [f"images/{stem(image_name(*key))}" for key in keys], encoding)
    left, top, width, height = face_box(rows.size)
    rect = f"{left},{top},{left + width},{top + height}"
    first = [f"{person.replace('_', ' ')}\t{number}" for person, number in keys]
    lines = []
    for row, ((person, number), file) in enumerate(zip(keys, files, strict=True)):
        digest = hashlib.md5((folder / file).read_bytes(), usedforsecurity=False).hexdigest()
        lines.append(f"{first[row]}\thttp://example.org/{person}/{number}.jpg\t{rect}\t{digest}")
    for split in rows.faces:
        here = np.flatnonzero(rows.splits == split).tolist()
        people = sorted({rows.people[row].replace("_", " ") for row in here})
        _write(folder / f"{PARTS[split]}_urls.txt", URLS, [lines[row] for row in here])
        _write(folder / f"{PARTS[split]}_people.txt", ("person",), people)
    if rows.attributes:
        scores = np.where(np.stack(list(rows.attributes.values()), axis=1) > 0, "1", "-1")
        said = [f"{key}\t" + "\t".join(row) for key, row in zip(first, scores.tolist(), strict=True)]
        names = [name.replace("_", " ") for name in rows.attributes]
        _write(folder / "pubfig_attributes.txt", (*URLS[:2], *names), said)
    return files


def _write(path: Path, fields: tuple[str, ...], lines: list[str]) -> None:
    head = f"# PubFig Dataset v1.2 - {path.name} - http://example.org/"
    write_lines(path, [head, "\t".join(("#", *fields)), *lines])
