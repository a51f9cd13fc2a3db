# SPDX-License-Identifier: MIT
"""Which faces expressions are read from, what a probe reads there, and how well; see ``expression``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.metrics.expression import EXPRESSIONS, expression_probabilities, one_vs_rest_intervals
from faceeval.metrics.mlp import MLPSettings
from faceeval.protocols.asked import Codes
from faceeval.protocols.experiments import Given
from faceeval.protocols.findings import as_value
from faceeval.protocols.looked import QUICK, people_of
from faceeval.protocols.readings import Sets, fewer
from faceeval.results.sweeps import Point

TAG = "faceeval/1/expression"
MEAN = "expression_auc"
KEYS = {name: f"auc_{name}" for name in EXPRESSIONS}


@dataclass(frozen=True)
class Task:
    """What is to be told apart.

    Attributes:
        sets: The images.
        classes: AffectNet's codes of the expressions, ascending.
        truth: Place among them of each test image, (m,).
        taught: The same of the training images, (n,).
        who: Who is on each test image; None where nobody knows, or all are of one person.
        probe: The classifier.
        standardise: Whether it sees scaled codes.
        seed: Of the run.
        notices: What to say of the choice of images.
    """

    sets: Sets
    classes: tuple[int, ...]
    truth: NDArray[np.int64]
    taught: NDArray[np.int64]
    who: NDArray[np.int64] | None
    probe: MLPSettings
    standardise: bool
    seed: int
    notices: tuple[str, ...]

    @classmethod
    def of(cls, given: Given, probe: MLPSettings, *, standardise: bool) -> Task:
        """Chooses the images that show an expression that is tested."""
        train, test = given.part("train"), given.part("test")
        asked, labels = _labelled(test)
        fitted, taught = _labelled(train)
        classes = np.unique(labels)
        shown = np.isin(taught, classes)
        fitted = fewer(train, fitted[shown], given.count, TAG)
        assert train.expression is not None
        taught = train.expression[fitted]
        lacking = [EXPRESSIONS[label] for label in classes.tolist() if not (taught == label).any()]
        if lacking or len(classes) < 2:
            expected = "two expressions at least among the test images, and training images of each"
            got = (
                f"{len(classes)} expressions, and of {len(fitted)} training images none of {', '.join(lacking) or '-'}"
            )
            raise InputError(expected, got, "take more images, or data that label more expressions")
        who = people_of(test, asked)
        return cls(
            sets=Sets(train, fitted, test, asked),
            classes=tuple(classes.tolist()),
            truth=np.searchsorted(classes, labels),
            taught=np.searchsorted(classes, taught),
            who=None if who is None or len(np.unique(who)) < 2 else who,
            probe=probe,
            standardise=standardise,
            seed=given.seed,
            notices=_notices(given, train, test, int((~shown).sum()), classes),
        )

    def fit(self, train: Codes, test: Codes) -> Codes:
        """Trains the probe on codes and returns its probabilities of the test images, (m, C)."""
        return expression_probabilities(train, self.taught, test, self.probe, self.standardise, self.seed)

    def turn(self, logits: Codes) -> Codes:
        """Turns logits of all eight expressions into probabilities of those that are tested, (m, C)."""
        chosen = logits[:, list(self.classes)]
        powers = np.exp(chosen - chosen.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def point(self, scores: Codes) -> Point:
        """Returns the AUCs with their intervals."""
        found = one_vs_rest_intervals(scores, self.truth, self.seed, groups=self.who)
        n = len(self.truth)
        values = {MEAN: as_value(found.mean, n)}
        for label, one in zip(self.classes, found.auc, strict=True):
            values[KEYS[EXPRESSIONS[label]]] = as_value(one, n)
        return Point(
            values=values, absent={key: "no test image shows it" for key in KEYS.values() if key not in values}
        )

    def of_truth(self, by_place: dict[str, Codes], places: Sequence[str]) -> NDArray[np.float64]:
        """Returns the probability of each image's own expression at each place, (m, P); NaN where nothing was read."""
        rows = np.arange(len(self.truth))
        nothing = np.full(len(rows), np.nan)
        return np.stack([by_place[p][rows, self.truth] if p in by_place else nothing for p in places], axis=1)


def _labelled(faces: FaceSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the images that show one of the eight expressions, and which."""
    if faces.expression is None:
        todo = "choose data that label expressions, such as affectnet or procfaces:affectnet"
        raise InputError(f"expressions of {faces.name}", "none", todo)
    rows = np.flatnonzero((faces.expression >= 0) & (faces.expression < len(EXPRESSIONS)))
    if not len(rows):
        todo = "choose data that label expressions"
        raise InputError(f"images of the {faces.split} split that show an expression", f"none of {len(faces)}", todo)
    return rows, faces.expression[rows]


def _notices(given: Given, train: FaceSet, test: FaceSet, dropped: int, classes: NDArray[np.int64]) -> tuple[str, ...]:
    said = [f"only {given.count} training images: {QUICK}"] if given.count else []
    if dropped:
        said.append(f"{dropped} training images show expressions that no test image shows and are left out")
    if len(classes) < len(EXPRESSIONS):
        said.append(f"means are over {len(classes)} expressions, where the paper has {len(EXPRESSIONS)}")
    if train.identities is not None and test.identities is not None and train.name == test.name:
        shared = np.intersect1d(train.identities[train.identities >= 0], test.identities)
        if len(shared):
            said.append(
                f"{len(shared)} people are in both splits: a probe that knows them may seem to read expressions"
            )
    return tuple(said)
