# SPDX-License-Identifier: MIT
"""What a set knows of its faces, as questions to the neighbours that a code finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from faceeval.metrics.retrieval import (
    chance_angle_error,
    chance_attribute_accuracy,
    chance_precision,
    nearest_neighbours,
    retrieval_angle_error,
    retrieval_attribute_accuracy,
    retrieval_precision,
)
from faceeval.protocols.asked import Codes, Indices
from faceeval.protocols.findings import mean_over
from faceeval.protocols.looked import people_of
from faceeval.protocols.sets import naming
from faceeval.results import Value

# measure -> what is asked
MEASURED = {
    "identity_precision": "same person",
    "expression_precision": "same expression",
    "attribute_accuracy": "same attributes",
    "angle_error": "pose apart",
}
Score = Callable[[Codes, NDArray[np.generic], int, Indices], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Question:
    """One thing that neighbours may share.

    Attributes:
        places: Which of the images can be asked, ascending.
        truth: What is known of these, (n, ...).
        score: Codes, truth, number of neighbours and the neighbours -> a value for each.
        chance: What each gets where neighbours are drawn at random, (n,).
        who: Who is on each; None where nobody knows.
    """

    places: Indices
    truth: NDArray[np.generic]
    score: Score
    chance: NDArray[np.float64]
    who: NDArray[np.int64] | None

    def mean(self, values: NDArray[np.float64], seed: int) -> Value:
        """Returns the mean over the images that can be asked; ``values`` (N,) are of all."""
        found = mean_over(values[self.places], self.who, seed)
        assert found is not None  # a question without images is not asked
        return found

    def by_chance(self, seed: int) -> Value:
        """Returns what neighbours drawn at random would get."""
        found = mean_over(self.chance, self.who, seed)
        assert found is not None
        return found


class Search:
    """The neighbours that one code finds, each set of images searched once.

    Args:
        what: What the code is called in messages.
        codes: Codes of all images, (N, D).
        k: Number of neighbours.
    """

    def __init__(self, what: str, codes: Codes, k: int) -> None:
        self.codes, self.k = codes, k
        self._what = what
        self._found: dict[bytes, Indices] = {}

    def nearest(self, places: Indices | None = None) -> Indices:
        """Returns the neighbours of each image among all, or of some among themselves, (n, k).

        Raises:
            InputError: All codes are equal.
        """
        chosen = np.arange(len(self.codes)) if places is None else places
        key = chosen.tobytes()
        if key not in self._found:
            with naming(self._what):
                self._found[key] = nearest_neighbours(self.codes[chosen], self.k)
        return self._found[key]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of each code.

    Attributes:
        questions: Measure -> question.
        absent: Measure -> why it is not asked.
        attributes: The attributes that are compared.
        labels: What to say of a neighbour in words: name of a thing -> each image's, (N,).
        notices: What a reader must know.
    """

    questions: dict[str, Question]
    absent: dict[str, str]
    attributes: tuple[str, ...]
    labels: dict[str, NDArray[np.int64]]
    notices: tuple[str, ...]

    def values(self, search: Search) -> dict[str, NDArray[np.float64]]:
        """Returns measure -> value of each image, float64 (N,); NaN for those that cannot be asked."""
        found = {}
        for key, question in self.questions.items():
            places = question.places
            found[key] = np.full(len(search.codes), np.nan)
            found[key][places] = question.score(search.codes[places], question.truth, search.k, search.nearest(places))
        return found

    def said(self, query: int, near: Indices) -> str:
        """Says how many of a query's neighbours (k,) are like it."""
        said = []
        for name, labels in self.labels.items():
            if labels[query] >= 0:
                said.append(f"{int((labels[near] == labels[query]).sum())} of {len(near)} the same {name}")
        return ", ".join(said)


def asked_of(faces: FaceSet, rows: Indices, k: int, attributes: tuple[str, ...] | None) -> Asked:
    """Finds what can be asked of some images.

    Args:
        faces: The set.
        rows: Images of it.
        k: Number of neighbours; a label needs one image more.
        attributes: Which attributes are compared; None takes all.

    Raises:
        UnknownNameError: The set does not label such an attribute.
        InputError: Nothing is known of these faces.
    """
    for name in attributes or ():
        if name not in faces.attributes:
            raise unknown_name("attribute of this dataset", name, faces.attributes)
    names = tuple(faces.attributes) if attributes is None else attributes
    who = people_of(faces, rows)
    known = (("person", faces.identities), ("expression", faces.expression))
    labels = {name: column[rows].astype(np.int64) for name, column in known if column is not None}
    found: dict[str, Question | str] = {
        "identity_precision": _about_label(faces, "person", labels, who, k),
        "expression_precision": _about_label(faces, "expression", labels, who, k),
        "attribute_accuracy": _about_attributes(faces, names, rows, who),
        "angle_error": _about_pose(faces, rows, who, k),
    }
    questions = {key: one for key, one in found.items() if isinstance(one, Question)}
    if not questions:
        todo = "choose data with identities, expressions, attributes or poses"
        raise InputError(f"something known of the faces of {faces.name}", "nothing", todo)
    return Asked(
        questions,
        {key: one for key, one in found.items() if isinstance(one, str)},
        names,
        labels,
        tuple(
            f"{MEASURED[key]}: {len(one.places)} of {len(rows)} images are asked, of the others too little is known"
            for key, one in questions.items()
            if len(one.places) < len(rows)
        ),
    )


def _about_label(
    faces: FaceSet, name: str, labels: dict[str, NDArray[np.int64]], who: NDArray[np.int64] | None, k: int
) -> Question | str:
    """Returns the question for a label, of images whose label is known and on more than k; or why there is none."""
    if name not in labels:
        return f"{faces.name} does not say the {name}"
    values, place, counts = np.unique(labels[name], return_inverse=True, return_counts=True)
    places = np.flatnonzero((counts[place] > k) & (values[place] >= 0)).astype(np.int64)
    if not len(places):
        return f"no {name} has {k + 1} images"
    truth = labels[name][places]
    return Question(places, truth, retrieval_precision, chance_precision(truth), _of(who, places))


def _about_attributes(
    faces: FaceSet, names: tuple[str, ...], rows: Indices, who: NDArray[np.int64] | None
) -> Question | str:
    if not names:
        return f"{faces.name} labels no attributes"
    table = np.stack([faces.attributes[name][rows] for name in names], axis=1)
    chance = chance_attribute_accuracy(table)
    return Question(np.arange(len(rows)), table, retrieval_attribute_accuracy, chance, who)


def _about_pose(faces: FaceSet, rows: Indices, who: NDArray[np.int64] | None, k: int) -> Question | str:
    if faces.pose is None:
        return f"{faces.name} does not say how heads are turned"
    poses = faces.pose[rows].astype(np.float64)
    places = np.flatnonzero(np.isfinite(poses).all(axis=1)).astype(np.int64)
    if len(places) <= k:
        return f"the pose of {len(places)} images is known"
    truth = poses[places]
    return Question(places, truth, retrieval_angle_error, chance_angle_error(truth), _of(who, places))


def _of(who: NDArray[np.int64] | None, places: Indices) -> NDArray[np.int64] | None:
    return None if who is None else who[places]
