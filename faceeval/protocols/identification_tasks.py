# SPDX-License-Identifier: MIT
"""Whom to look for and where: the galleries of the identification experiment, and the pictures that ask in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.msceleb import gallery_and_queries
from faceeval.data.dialects.multipie import CONDITIONS, condition_rows
from faceeval.data.dialects.people import column_of, people_in_hash_order
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError

TAG = "faceeval/1/ipgan/conditions"
CONDITIONED = "conditions"
# whose faces they are, and the same in a word; of a set without splits nobody knows whether they were trained on
UNSEEN, TRAINED = ("unseen people", "unseen"), ("people of training", "trained on")
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Gallery:
    """One image of each of G people, and Q queries that look for them; rows of the task's set.

    Attributes:
        label: What the place on the axis is called.
        people: Their numbers, (G,).
        images: (G,).
        made: Which of the task's pictures ask, (Q,), a person's together.
        queries: Photographs that ask in their place, (Q,).
        wanted: Number of the person who is looked for, (Q,).
        kinds: Condition that the queries show, (Q,); 0 where there are no conditions.
    """

    label: str
    people: Rows
    images: Rows
    made: Rows
    queries: Rows
    wanted: Rows
    kinds: Rows


@dataclass(frozen=True, eq=False)
class Task:
    """M pictures to be made of the faces of one set, and the galleries in which they ask.

    Attributes:
        label: Whose faces these are.
        faces: The set.
        givers: Images whose people the pictures are to show, (M,).
        takers: Images of others, from which they take everything else, (M,).
        galleries: One, or one for each condition.
    """

    label: str
    faces: FaceSet
    givers: Rows
    takers: Rows
    galleries: tuple[Gallery, ...]

    @property
    def rows(self) -> Rows:
        """Every image that is used, ascending."""
        used = [side for gallery in self.galleries for side in (gallery.images, gallery.queries)]
        return np.unique(np.concatenate([self.givers, self.takers, *used]))

    @property
    def owners(self) -> Rows:
        """Number of the person on each image of the set."""
        return column_of(self.faces, "identities")


def make_tasks(given: Mapping[str, FaceSet], people: int) -> tuple[Task, ...]:
    """Returns a task for each set: in Multi-PIE's form where it is one, else in MS-Celeb-1M's.

    Args:
        given: ``"test"``, ``"train"``, and names of other sets -> their faces. People of training are as many as
            those of the first set, since accuracy falls with their number; beside a Multi-PIE they are left out.
        people: People of a set at most.

    Raises:
        InputError: A set does not know its people, or has fewer than two with images enough.
    """
    if people < 2:
        raise InputError("at least 2 people to be told apart", str(people), "give --count 2 or more")
    tasks = list[Task]()
    for key, faces in given.items():
        if _in_conditions(faces):
            several = any(task.label == CONDITIONED for task in tasks)
            tasks.append(_conditions(faces, people, f", {faces.name}" if several else ""))
        elif key != "train":
            called = "people" if key == "test" else f"people of {key}"
            tasks.append(_people(faces, people, UNSEEN if (key, faces.split) == ("test", "test") else (called, called)))
        elif tasks and tasks[0].label != CONDITIONED:
            tasks.append(_people(faces, len(tasks[0].galleries[0].people), TRAINED))
    return tuple(tasks)


def _in_conditions(faces: FaceSet) -> bool:
    return "multipie" in faces.name.split(":")


def _people(faces: FaceSet, people: int, called: tuple[str, str]) -> Task:
    """One gallery image and five queries of each person; of somebody else an image for each query (Bao, Table 2)."""
    chosen = gallery_and_queries(faces, people)
    queries, each = chosen.queries.reshape(-1), chosen.queries.shape[1]
    gallery = Gallery(
        label=called[1],
        people=chosen.people,
        images=chosen.gallery,
        made=np.arange(len(queries), dtype=np.int64),
        queries=queries,
        wanted=np.repeat(chosen.people, each),
        kinds=np.zeros(len(queries), np.int64),
    )
    return Task(called[0], faces, queries, chosen.attributes.reshape(-1), (gallery,))


def _conditions(faces: FaceSet, people: int, suffix: str) -> Task:
    """Each condition in turn is the gallery, and each person asks in the other five (Bao, Table 3).

    For a picture in one condition the person is taken from a photograph in the next of the five, and the condition
    from a photograph of somebody else: five photographs stand behind the five pictures, as behind the real queries.
    """
    table = condition_rows(faces)
    chosen = sorted(people_in_hash_order(faces, table.people.tolist(), f"{TAG}/id")[:people])
    if len(chosen) < 2:
        raise InputError(f"at least two people in {faces.name}", str(len(chosen)), "choose a larger dataset")
    persons = np.array(chosen, np.int64)
    rows = table.rows[np.searchsorted(table.people, persons)]
    kinds = range(len(CONDITIONS))
    asking = {shown: [kind for kind in kinds if kind != shown] for shown in kinds}
    pairs = {shown: list(zip([*rest[1:], rest[0]], rest, strict=True)) for shown, rest in asking.items()}
    distinct = list(dict.fromkeys(pair for found in pairs.values() for pair in found))
    place = {pair: number * len(persons) for number, pair in enumerate(distinct)}
    everybody = np.arange(len(persons))[:, None]
    galleries = tuple(
        Gallery(
            label=f"{CONDITIONS[shown].name}{suffix}",
            people=persons,
            images=rows[:, shown],
            made=(np.array([place[pair] for pair in pairs[shown]], np.int64) + everybody).reshape(-1),
            queries=rows[:, rest].reshape(-1),
            wanted=np.repeat(persons, len(rest)),
            kinds=np.tile(np.array(rest, np.int64), len(persons)),
        )
        for shown, rest in asking.items()
    )
    givers = np.concatenate([rows[:, giving] for giving, _ in distinct])
    takers = np.concatenate([rows[_others(faces, rows[:, giving], kind), kind] for giving, kind in distinct])
    return Task(f"{CONDITIONED}{suffix}", faces, givers, takers, galleries)


def _others(faces: FaceSet, givers: Rows, kind: int) -> Rows:
    """Returns, for each person's image, the place of another person: the digest of its name decides."""
    chosen = []
    for place, row in enumerate(givers.tolist()):
        digest = sha256(f"{TAG}/{CONDITIONS[kind].name}:{faces.names[row]}".encode()).hexdigest()
        other = int(digest, 16) % (len(givers) - 1)
        chosen.append(other if other < place else other + 1)
    return np.array(chosen, np.int64)
