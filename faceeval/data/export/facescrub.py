# SPDX-License-Identifier: MIT
"""FaceScrub's layout: two lists of addresses, and the cropped faces downloaders make of them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from faceeval.data.export.encode import Encoding, write_images, write_lines
from faceeval.data.export.rows import Rows

HEADER = "name\timage_id\tface_id\turl\tbbox\tsha256"
LISTS = {1: "facescrub_actors.txt", 0: "facescrub_actresses.txt"}  # by Male


def write(rows: Rows, folder: Path, encoding: Encoding) -> list[str]:
    """Writes ``faces/NAME/NAME_<image_id>_<face_id>.jpg`` and both lists; addresses are nobody's (example.org).

    Images and faces are numbered alike, as each image shows one face, which fills it. The sum is the written file's.
    """
    males = rows.per_person(rows.attributes["Male"], "Male")
    stems = [f"faces/{person}/{person}_{row}_{row}" for row, person in enumerate(rows.people, start=1)]
    files = write_images(rows, folder, stems, encoding)
    lines: dict[int, list[str]] = {1: [HEADER], 0: [HEADER]}
    box = f"0,0,{rows.size},{rows.size}"
    for number, (person, file) in enumerate(zip(rows.people, files, strict=True), start=1):
        digest = sha256((folder / file).read_bytes()).hexdigest()
        name, url = person.replace("_", " "), f"http://example.org/{number}.jpg"
        lines[males[person]].append(f"{name}\t{number}\t{number}\t{url}\t{box}\t{digest}")
    for male, name in LISTS.items():
        write_lines(folder / name, lines[male])
    return files
