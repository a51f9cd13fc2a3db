# SPDX-License-Identifier: MIT
"""VoxCeleb's role: video clips. What one wears and where one is changes from clip to clip, the face within a clip.

A clip has the background, light, clothes, camera, hair, beard, glasses and make-up of one of the person's standard
pictures; each frame has the pose and the expression of another one. So style tells clips apart and nothing else does.
Age, pale skin and baldness are the person's own here: clips of one person are of one time.

The triplets are those from which Browatzki and Wallraven learn style (section 3.7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.people import (
    column_of,
    dialect_folder,
    in_hash_order,
    people_in_hash_order,
    rows_of_people,
    standard_people,
)
from faceeval.data.faces import FaceSet
from faceeval.data.procfaces import standard
from faceeval.data.procfaces.draws import shuffled
from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.store import Population
from faceeval.errors import InputError

VERSION = 1
CLIPS, FRAMES = 4, 8
PEOPLE = {"train": 80, "validation": 10, "test": 40}  # the first of the standard set's split
MACRO_PEOPLE, MACRO_CLIPS = 5, 4  # the paper's macro-batch


@dataclass(frozen=True, eq=False)
class Triplets:
    """Three images each; indices into the set, int64 (N,).

    Attributes:
        anchor: The image.
        positive: One that should be near it.
        negative: One that should be further off.
    """

    anchor: NDArray[np.int64]
    positive: NDArray[np.int64]
    negative: NDArray[np.int64]

    def __len__(self) -> int:
        """Returns the number of triplets."""
        return len(self.anchor)


def load(
    split: str, size: int, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> FaceSet:
    """Opens a split of ``procfaces:clips``; see `faceeval.data.dialects.table.open_dialect`.

    Returns:
        The frames, clip after clip, with ``clips`` filled: four clips of eight frames of each person.
    """
    plan = rendered_split(split)
    clips = np.array([index // FRAMES for index in plan.indices], np.int64)
    return replace(standard.open_rendered(plan, size, workers, progress), clips=clips)


def rendered_split(split: str) -> standard.RenderedSplit:
    """Returns what a split is: the clips of some people of the standard set's split.

    Raises:
        UnknownNameError: There is no such split.
    """
    people = standard_people(split)[: PEOPLE.get(split)]
    indices = range(people.start * CLIPS * FRAMES, people.stop * CLIPS * FRAMES)
    return standard.RenderedSplit(
        "procfaces:clips",
        split,
        indices,
        tuple(f"{person_of(index):04d}/{index // FRAMES % CLIPS}/{index % FRAMES:04d}" for index in indices),
        dialect_folder("clips", __file__),
        Population("faceeval.data.dialects.clips:factors", person_of),
        {"dialect_version": VERSION},
    )


def person_of(index: int) -> int:
    """Returns the number of the person on a frame, as in the standard set."""
    return index // (CLIPS * FRAMES)


def factors(index: int) -> Factors:
    """Returns all that decides a frame."""
    person, clip, frame = person_of(index), index // FRAMES % CLIPS, index % FRAMES
    looks = shuffled(f"procfaces/clips/{VERSION}/{person}", range(IMAGES_PER_IDENTITY))
    moments = shuffled(f"procfaces/clips/{VERSION}/{person}/{clip}", range(IMAGES_PER_IDENTITY))
    slots = (looks[0], looks[clip], moments[frame])
    self_, look, moment = (sample_factors(person * IMAGES_PER_IDENTITY + slot) for slot in slots)
    return Factors(
        identity=look.identity,
        attributes=replace(
            look.attributes,
            young=self_.attributes.young,
            pale_skin=self_.attributes.pale_skin,
            bald=self_.attributes.bald,
            smiling=moment.attributes.smiling,
            mouth_open=moment.attributes.mouth_open,
        ),
        details=replace(
            look.details,
            age_young=self_.details.age_young,
            age_old=self_.details.age_old,
            mouth_gap=moment.details.mouth_gap,
        ),
        pose=moment.pose,
        mimic=moment.mimic,
        style=replace(look.style, shift=moment.style.shift, noise_seed=moment.style.noise_seed),
    )


def macro_batches(
    faces: FaceSet, people: int = MACRO_PEOPLE, clips: int = MACRO_CLIPS, epoch: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Deals the frames into macro-batches: so many people, so many clips of each, every frame of them.

    Args:
        faces: A set that knows people and clips.
        people: People in a batch; the last ones, if they are fewer, wait for another epoch.
        clips: Clips of each; people with fewer are never dealt.
        epoch: Deals people and clips anew.

    Yields:
        Indices of a batch, int64 (n,), person after person, clip after clip.

    Raises:
        InputError: The set does not know people or clips, or has not enough of them for one batch.
    """
    rows, numbers = rows_of_people(faces), column_of(faces, "clips")
    held = {person: np.unique(numbers[images]).tolist() for person, images in rows.items()}
    able = [person for person in rows if len(held[person]) >= clips]
    if len(able) < max(people, 1):
        got = f"{len(able)} of {len(rows)} people"
        raise InputError(f"{people} people with {clips} clips in {faces.name}", got, "ask for fewer people or clips")
    order = people_in_hash_order(faces, able, f"faceeval/1/bw/macro/{epoch}")
    for start in range(0, len(order) - people + 1, people):
        batch: list[int] = []
        for person in order[start : start + people]:
            first = {clip: next(row for row in rows[person] if numbers[row] == clip) for clip in held[person]}
            dealt = in_hash_order(faces, list(first.values()), f"faceeval/1/bw/macro/{epoch}/clips")[:clips]
            batch += [row for frame in dealt for row in rows[person] if numbers[row] == numbers[frame]]
        yield np.array(batch, np.int64)


def video_triplets(
    faces: FaceSet, rows: NDArray[np.int64] | None = None, epoch: int = 0, *, as_printed: bool = False
) -> Triplets:
    """Draws a triplet for style around each frame.

    Style is what stays the same within a clip, so the positive is another frame of the anchor's clip, and the negative
    a frame of another clip of the same person. The paper's sentence takes the positive from another clip of the same
    person instead; then the negative, which has to be of another class, is of another person.

    Args:
        faces: A set that knows people and clips.
        rows: Frames to draw from, such as one of `macro_batches`; None takes all.
        epoch: Draws anew.
        as_printed: Follow the sentence instead of its sense.

    Returns:
        A triplet for each frame that has a positive and a negative among ``rows``, in their order.

    Raises:
        InputError: The set does not know people or clips, or no frame has both.
    """
    rows = np.arange(len(faces), dtype=np.int64) if rows is None else rows
    clips, people = column_of(faces, "clips")[rows], column_of(faces, "identities")[rows]
    order = np.argsort(people, kind="stable")
    borders = [0, *(np.flatnonzero(np.diff(people[order])) + 1).tolist(), len(order)]
    found: list[tuple[int, int, int]] = []
    for start, stop in pairwise(borders):
        own, others = order[start:stop], np.concatenate([order[:start], order[stop:]])
        for place in own.tolist():
            same_clip = clips[own] == clips[place]
            near, far = (own[~same_clip], others) if as_printed else (own[same_clip], own[~same_clip])
            near = near[near != place]
            if len(near) and len(far):
                draw = sha256(f"faceeval/1/bw/style/{epoch}:{faces.names[rows[place]]}".encode()).digest()
                found.append((place, near[_number(draw[:8]) % len(near)], far[_number(draw[8:16]) % len(far)]))
    if not found:
        todo = "give frames of several clips of each person, and several of each clip"
        raise InputError(f"triplets among {len(rows)} frames of {faces.name}", "none", todo)
    anchor, positive, negative = rows[np.array(sorted(found), np.int64)].T
    return Triplets(anchor, positive, negative)


def _number(draw: bytes) -> int:
    return int.from_bytes(draw, "big")
