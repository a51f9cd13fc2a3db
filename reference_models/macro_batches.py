# SPDX-License-Identifier: MIT
"""Batches in which triplets can be found: a few people at a time, or a few people with a few of their video clips each.

Browatzki and Wallraven (sections 3.9 and 5.1) walk through macro-batches, so that the batches cut out of each show the
same people again and again: in one drawn from all of VGGFace2 hardly anybody would be seen twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from reference_models.mad_config import Config, stages
from reference_models.sampling import Draw, Sampler

Indices = NDArray[np.int64]
Groups = Mapping[int, Sequence[Indices]]


class MacroBatches:
    """Deals batches out of macro-batches: a function of the seed and of how many batches were dealt before.

    All people are dealt, some at a time, in an order drawn anew each epoch; their images, mixed, are a macro-batch, and
    batches are cut out of it one after the other until it was seen about once. People left over at the end of an epoch
    wait for another.

    Args:
        groups: Person -> groups of that person's images; one group of all of them, or one for each clip.
        people: How many people share a macro-batch; all, where there are fewer.
        most_groups: How many groups of a person it holds.
        most_images: How many images of a group.
        seed: Seed of the run.

    Raises:
        InputError: Fewer than one person, or nothing to be dealt of one.
    """

    def __init__(self, groups: Groups, *, people: int, most_groups: int, most_images: int, seed: int) -> None:
        if not groups or min(people, most_groups, most_images) < 1:
            got = f"{len(groups)} people; {people} at a time, {most_groups} groups of {most_images} images"
            raise InputError("at least one person, group and image for a macro-batch", got, "choose data with people")
        self.groups, self.order = groups, sorted(groups)
        self.people, self.most_groups, self.most_images = min(people, len(groups)), most_groups, most_images
        self.seed = seed
        held = [sorted(min(len(group), most_images) for group in own)[-most_groups:] for own in groups.values()]
        self.images_of_each = sum(map(sum, held)) / len(held)
        self._macro_batch = lru_cache(maxsize=4)(self._draw)

    def batch(self, number: int, size: int) -> Indices:
        """Returns the batch of a number, int64 (size,); ``size`` must be the same for all numbers."""
        macro, place = divmod(number, self.batches_of_each(size))
        return self._macro_batch(macro).take(range(place * size, (place + 1) * size), mode="wrap")

    def batches_of_each(self, size: int) -> int:
        """Returns how many batches a macro-batch of average size holds, and each gives; at least one."""
        return max(1, round(self.images_of_each * self.people / size))

    def _draw(self, macro: int) -> Indices:
        """Returns the images of a macro-batch, mixed."""
        epoch, place = divmod(macro, len(self.order) // self.people)
        dealt = np.random.default_rng([self.seed, epoch, 3]).permutation(self.order)
        rng = np.random.default_rng([self.seed, macro, 4])
        chosen: list[Indices] = []
        for person in dealt[place * self.people : (place + 1) * self.people].tolist():
            groups = self.groups[person]
            for group in rng.permutation(len(groups))[: self.most_groups].tolist():
                chosen.append(rng.permutation(groups[group])[: self.most_images])
        return rng.permutation(np.concatenate(chosen))


def people_of(people: Indices, rows: Indices) -> dict[int, list[Indices]]:
    """Returns the images of everybody of whom there are two or more.

    Args:
        people: Person of each image of the set, int64 (N,), below zero where unknown.
        rows: Images to choose from, (n,).

    Returns:
        Person -> one group of images.
    """
    rows = rows[people[rows] >= 0]
    rows = rows[np.argsort(people[rows], kind="stable")]
    found, starts = np.unique(people[rows], return_index=True)
    ends = [*starts[1:].tolist(), len(rows)]
    parts = [rows[first:end] for first, end in zip(starts.tolist(), ends, strict=False)]
    return {person: [part] for person, part in zip(found.tolist(), parts, strict=True) if len(part) > 1}


def clips_of(people: Indices, clips: Indices, rows: Indices, *, frame_step: int = 1) -> dict[int, list[Indices]]:
    """Returns the clips of everybody of whom there are two or more.

    Args:
        people: Person of each image of the set, int64 (N,), below zero where unknown.
        clips: Its clip, int64 (N,), below zero where it is from none.
        rows: Images to choose from, (n,), frames in their order.
        frame_step: Keep every n-th frame.

    Returns:
        Person -> one group of frames for each clip that has two or more.
    """
    found: dict[int, list[Indices]] = {}
    for person, (own,) in people_of(people, rows[clips[rows] >= 0]).items():
        numbers = clips[own]
        frames = [own[numbers == clip][::frame_step] for clip in np.unique(numbers).tolist()]
        found[person] = [one for one in frames if len(one) > 1]
    return {person: groups for person, groups in found.items() if len(groups) > 1}


# --- whose turn it is (section 3.9) --------------------------------------------------------------------------------


def walked(faces: FaceSet) -> dict[str, Indices]:
    """Returns the images that teach the factors for which any order of images will do.

    Frames of clips show the same few people again and again, so they teach expressions only where nothing else does.
    """
    still, found = _still(faces), dict[str, Indices]()
    if faces.expression is not None:
        shown = np.flatnonzero(faces.expression >= 0)
        found["expression"] = shown[still[shown]] if still[shown].any() else shown
    if faces.pose is not None:
        found["pose"] = np.flatnonzero(np.isfinite(faces.pose).all(1))
    return found


def grouped(faces: FaceSet, config: Config) -> dict[str, Groups]:
    """Returns the people, and those of video clips, among whom triplets are found."""
    if faces.identities is None:
        return {}
    still, people = _still(faces), faces.identities
    found: dict[str, Groups] = {
        "identity": people_of(people, np.flatnonzero(still)) or people_of(people, np.arange(len(faces)))
    }
    if faces.clips is not None:
        rows = np.arange(len(faces), dtype=np.int64)
        found["style"] = clips_of(people, faces.clips, rows, frame_step=config.frame_step)
    return found


def _still(faces: FaceSet) -> NDArray[np.bool_]:
    """Which images are from no clip."""
    return np.ones(len(faces), np.bool_) if faces.clips is None else np.asarray(faces.clips < 0)


class Turns:
    """Draws images for the autoencoder's stage, then batches for one factor after the other.

    Where a batch teaches all that is known of it, and the images of people who can be told apart have the labels of a
    turn too, that turn is drawn from these: triplets of people are hardly to be found in batches of any other kind.

    Args:
        faces: The training split, perhaps of several sets.
        config: Settled by ``for_data``.
        seed: Seed of the run.
    """

    def __init__(self, faces: FaceSet, config: Config, seed: int) -> None:
        self.labels = np.zeros((len(faces), 0), np.uint8)
        self.turns, self.stages = config.turns, stages(config)
        first_only = config.ae_sources == "first" and faces.sources is not None
        own = np.flatnonzero(faces.sources == 0) if first_only else np.arange(len(faces))
        self.rows = {"images": own, **walked(faces)}
        self.walks = {
            kind: Sampler(np.zeros(len(rows), np.uint8), seed=seed, oversampled=False, sampling="uniform")
            for kind, rows in self.rows.items()
        }
        sizes = {
            "identity": {"people": config.people, "most_groups": 1, "most_images": config.most_images},
            "style": {"people": config.clip_people, "most_groups": config.clips, "most_images": config.most_frames},
        }
        self.macros = {
            kind: MacroBatches(groups, seed=seed, **sizes[kind])
            for kind, groups in grouped(faces, config).items()
            if kind in self.turns and groups
        }

        self.sources = tuple(self._source(kind, config) for kind in self.turns)

    def _source(self, kind: str, config: Config) -> str:
        """Returns whose images a turn is drawn from: those of another that teaches more, where all labels count."""
        if config.tasks == "turn" or kind in self.macros or "identity" not in self.macros:
            return kind
        people = np.concatenate([group for groups in self.macros["identity"].groups.values() for group in groups])
        return "identity" if np.isin(people, self.rows[kind]).all() else kind

    def draw(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> Draw:
        """Returns what one process sees at a step; its kind is the turn's factor, ``"images"`` or ``"drawing"``."""
        first, drawing = self.stages["autoencoder"].stop, step in self.stages["drawing"]
        kind, source, visit = ("images", "images", step) if step < first or drawing else self.turn(step - first)
        if source in self.macros:
            indices = self.macros[source].batch(visit * world + rank, size)
        else:
            indices = self.rows[source][self.walks[source].draw(visit, size, rank=rank, world=world).indices]
        return Draw(indices, np.zeros(size, np.int64), size, "drawing" if drawing else kind)

    def turn(self, step: int) -> tuple[str, str, int]:
        """Returns whose turn a disentangling step is, whose images it sees, and how many batches these gave before."""
        rounds, place = divmod(step, len(self.turns))
        source = self.sources[place]
        return self.turns[place], source, rounds * self.sources.count(source) + self.sources[:place].count(source)
