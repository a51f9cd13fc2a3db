# SPDX-License-Identifier: MIT
"""Which faces a step of OSIP sees: subjects, whose people are known or not, and attribute images (algorithm 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError
from reference_models.osip_config import Config
from reference_models.sampling import Draw, Indices

WITHHELD = "faceeval/1/osip/unlabelled"  # names the choice of people who go without a label


def kind_of(config: Config, step: int) -> str:
    """Returns what a step is about: ``"identity"``, ``"drawing"``, then ``"reconstruction"``, ``"transformation"``."""
    if step < config.id_steps:
        return "identity"
    if step < config.id_steps + config.draw_steps:
        return "drawing"
    odd = (step - config.id_steps - config.draw_steps) % 2 == 0  # the paper counts iterations from 1
    return "reconstruction" if odd or not config.use_transform else "transformation"


def labelled_classes(faces: FaceSet, config: Config) -> Indices:
    """Returns the class of each image's person among the labelled people (N,); -1 for an unlabelled image.

    Unlabelled are images of nobody known, people with fewer than ``min_images``, and those withheld.

    Raises:
        InputError: The set does not know the people, or fewer than two are labelled.
    """
    places = faces.person_places
    if faces.identities is None or places is None:
        raise InputError(f"identities of {faces.name}", "none", "choose data that know who is shown")
    counts = np.bincount(places[places >= 0])
    withheld = select(round(config.unlabelled_share * len(counts)), map(str, range(len(counts))), WITHHELD)
    labelled = counts >= config.min_images
    labelled[[int(place) for place in withheld]] = False
    if labelled.sum() < 2:
        got = f"{int(labelled.sum())} of {len(counts)} people of {faces.name}"
        raise InputError(
            f"two labelled people with {config.min_images} images or more", got, "lower min_images or unlabelled_share"
        )
    # the last entry is what the place -1 of images of nobody finds
    return np.append(np.where(labelled, np.cumsum(labelled) - 1, -1), -1).astype(np.int64)[places]


class Pairs:
    """Draws the batches: for a step on identity as many subjects as a batch has images, else half as many pairs.

    A ``Draw`` has the subjects first and then the attribute images; none where each subject is its own. ``places``
    say the class of each, -1 for the unlabelled.

    Args:
        faces: The training split.
        config: Who is labelled, and what kinds of steps there are.
        seed: Seed of the run.

    Raises:
        InputError: As ``labelled_classes``.
    """

    def __init__(self, faces: FaceSet, config: Config, seed: int) -> None:
        self.labels: NDArray[np.uint8] = np.zeros((len(faces), 0), np.uint8)
        self.classes = labelled_classes(faces, config)
        self._config, self._seed = config, seed
        self._labelled = np.flatnonzero(self.classes >= 0)
        self._pool = np.arange(len(faces)) if config.use_unlabelled else self._labelled
        assert faces.person_places is not None  # or there were no classes
        self._people = faces.person_places
        self._known = np.unique(self._people[self._labelled])
        order = np.argsort(self._people, kind="stable")
        self._by_person = order[self._people[order] >= 0]
        counts = np.bincount(self._people[self._by_person])
        self._counts, self._starts = counts, np.concatenate([[0], np.cumsum(counts)[:-1]])

    def draw(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> Draw:
        """Returns what one process sees at a step; ``size`` is the configured number of images."""
        rng = np.random.default_rng([self._seed, step, rank])
        kind = kind_of(self._config, step)
        if kind == "identity":
            return self._of(self._subjects(rng, size, self._labelled), np.empty(0, np.int64), kind)
        subjects = self._subjects(rng, size // 2, self._pool)
        if kind == "transformation":
            return self._of(subjects, self._pool[rng.integers(len(self._pool), size=len(subjects))], kind)
        if not self._config.same_person:
            return self._of(subjects, np.empty(0, np.int64), kind)
        return self._of(self._same_person(rng, subjects), subjects, kind)

    def _of(self, subjects: Indices, takers: Indices, kind: str) -> Draw:
        indices = np.concatenate([subjects, takers]).astype(np.int64)
        return Draw(indices, self.classes[indices], len(subjects), kind)

    def _subjects(self, rng: np.random.Generator, count: int, pool: Indices) -> Indices:
        """Images of ``pool``; where the draw is balanced, each labelled person as often as any other."""
        chosen = pool[rng.integers(len(pool), size=count)]
        if not self._config.balanced:
            return chosen
        drawn = self._of_people(rng, self._known[rng.integers(len(self._known), size=count)])
        return np.where(self.classes[chosen] >= 0, drawn, chosen)

    def _of_people(self, rng: np.random.Generator, people: Indices) -> Indices:
        """An image of each person."""
        return self._by_person[self._starts[people] + rng.integers(self._counts[people])]

    def _same_person(self, rng: np.random.Generator, images: Indices) -> Indices:
        """Some image of the person on each, for a share of them; images of nobody known stay what they are."""
        people = self._people[images]
        wanted = (rng.random(len(images)) < self._config.same_person) & (people >= 0) & (self.classes[images] >= 0)
        found = images.copy()
        found[wanted] = self._of_people(rng, people[wanted])
        return found
