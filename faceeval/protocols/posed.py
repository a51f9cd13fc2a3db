# SPDX-License-Identifier: MIT
"""Faces by how they are taken: in Multi-PIE's conditions, or turned by so many degrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.multipie import CONDITIONS, image_name
from faceeval.data.dialects.people import column_of, in_hash_order, people_in_hash_order, rows_of_people
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.protocols.experiments import Given

FRONT, SIDE_LIT, TURNED, TURNED_SIDE_LIT, SMILE, SURPRISE = range(len(CONDITIONS))
# session, recording, camera and light, as they stand in a name after the person
_KINDS = {image_name(condition).partition("_")[2]: condition for condition in range(len(CONDITIONS))}
BINS = ((15.0, 30.0), (30.0, 180.0))  # degrees of yaw; below the first a face counts as frontal
BIN_NAMES = ("turned by 15 to 30 degrees", "turned by 30 degrees and more")


def taken_in(faces: FaceSet, wanted: Sequence[int], tag: str) -> NDArray[np.int64]:
    """Finds everybody who was taken in some of Multi-PIE's conditions; the real set took few people in all six.

    Args:
        faces: Faces called as Multi-PIE calls them, which may go on after the light; others are in no condition.
        wanted: Places in `faceeval.data.dialects.multipie.CONDITIONS`.
        tag: Names the order.

    Returns:
        Rows of the set, int64 (P, len(wanted)), people in hash order; of several such pictures the first.

    Raises:
        InputError: The set does not know who is on its images.
    """
    found: dict[int, dict[int, int]] = {}
    for row, (name, person) in enumerate(zip(faces.names, column_of(faces, "identities").tolist(), strict=True)):
        kind = "_".join(name.rpartition("/")[2].partition(".")[0].split("_")[1:5])
        if kind in _KINDS and person >= 0:
            found.setdefault(person, {}).setdefault(_KINDS[kind], row)
    people = [person for person, rows in found.items() if set(wanted) <= rows.keys()]
    order = people_in_hash_order(faces, people, tag)
    return np.array([[found[person][column] for column in wanted] for person in order], np.int64).reshape(
        -1, len(wanted)
    )


def turned_by_pose(faces: FaceSet, given: Given, tag: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Finds turned faces by their poses, of whoever has one and a frontal one.

    Args:
        faces: Faces whose poses are known, or can be read.
        given: The judges.
        tag: Names the order.

    Returns:
        Rows of the set, int64 (P, 4), people in hash order: a face of each of BINS, or -1, and twice the most frontal
        one; and what is to be said of the poses.

    Raises:
        InputError: Nobody knows the people or the poses, and no judge reads them.
    """
    poses, notices = faces.pose, tuple[str, ...]()
    if poses is None:
        if not given.panel.can_read("pose"):
            todo = "choose data that know poses, such as procfaces:multipie"
            raise InputError(f"poses of {faces.name}, or a judge that reads them", "neither", todo)
        with given.clock.part("judge"):
            poses = given.panel.read(faces.images(), "pose")
        notices = (f"{faces.name} has no poses: what the judge reads of the pictures stands for them",)
    furthest, yaw = np.abs(poses).max(axis=1), np.abs(poses[:, 0])
    everybody = rows_of_people(faces)
    table = []
    for person in people_in_hash_order(faces, [one for one in everybody if one >= 0], tag):
        own = np.array([row for row in everybody[person] if np.isfinite(furthest[row])], np.int64)
        inside = [own[(yaw[own] >= low) & (yaw[own] < high)].tolist() for low, high in BINS]
        first = [in_hash_order(faces, rows, f"{tag}/{person}")[0] if rows else -1 for rows in inside]
        front = int(own[furthest[own].argmin()]) if len(own) else -1
        if max(first) >= 0 and front >= 0 and furthest[front] < BINS[0][0]:
            table.append([*first, front, front])
    return np.array(table, np.int64).reshape(-1, 4), notices
