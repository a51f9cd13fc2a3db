# SPDX-License-Identifier: MIT
"""What the leakage experiment measures, from classifiers that are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.bootstrap import bootstrap_difference, bootstrap_mean, bootstrap_statistic
from faceeval.metrics.groups import group_places
from faceeval.metrics.identity_probe import IdentityProbe
from faceeval.metrics.table import METRICS
from faceeval.protocols.findings import as_value
from faceeval.results import Value
from faceeval.results.sweeps import Measure, Plot, Point

JUDGE, NOISE, SHUFFLED, CHANCE = "the judge's embedding", "noise", "exchanged people", "chance"
QUESTION = "Whose face?"
NO_EPOCHS = "a control, which is trained on no part of a code"
Key = tuple[str, str]  # method, part


def _measure(
    label: str, unit: str, better: Literal["higher", "lower", "neither"], meaning: str, digits: int = 4,
    drawn: bool = False,
) -> Measure:  # fmt: skip
    return Measure(
        question=QUESTION, label=label, unit=unit, better=better, digits=digits,
        version=METRICS["identity_leakage"].version, meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "held_out_accuracy": _measure(
        "accuracy, held out", "share", "lower",
        "Held-out images whose person the classifier names; people are drawn whole for the interval.", drawn=True,
    ),
    "identity_leakage": _measure(
        "leakage", "share of the ceiling", "lower",
        "The accuracy above chance, divided by that of an embedding made for identity: 0 is none, 1 as much as it.",
        drawn=True,
    ),
    "above_first": _measure(
        "above the first method", "share", "lower",
        "Accuracy less that of the first method's part of the same name, on the same images; below 0, less leaks.",
    ),
    "train_accuracy": _measure(
        "accuracy, training", "share", "neither", "The same of the images it was trained on: what it learnt by heart."
    ),
    "linear_accuracy": _measure(
        "accuracy, linear", "share", "lower", "Held-out images whose person a linear classifier names."
    ),
    "code_width": _measure(
        "width", "numbers", "neither", "How many numbers the code has; compare codes of one width.", 0
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Probes:
    """The classifiers of a run.

    Attributes:
        methods: By method and part.
        linear: The linear ones; empty where they were not asked for.
        widths: Numbers in each code.
        controls: By name; all but guesses.
        trained: Number of training images.
    """

    methods: Mapping[Key, IdentityProbe]
    linear: Mapping[Key, IdentityProbe]
    widths: Mapping[Key, int]
    controls: Mapping[str, IdentityProbe]
    trained: int

    def point(
        self,
        key: Key,
        asked: NDArray[np.int64],
        chance: float,
        ceiling: IdentityProbe | None,
        reason: str,
        first: Key,
        seed: int,
    ) -> Point:
        """Returns all that is measured of one part of a code.

        Args:
            key: Whose code, and which part of it.
            asked: Who is on each held-out image, (n,).
            chance: Accuracy of guessing.
            ceiling: The classifier of an embedding that holds all of the identity.
            reason: Why there is none.
            first: The code to compare with.
            seed: Of the intervals.
        """
        found, absent = self.methods[key], {}
        values = self._accuracies(found, asked, seed)
        values["code_width"] = Value(value=float(self.widths[key]), n=len(asked))
        if key in self.linear:
            values["linear_accuracy"] = _share(self.linear[key].right, asked, seed)
        else:
            absent["linear_accuracy"] = "not asked"
        if ceiling is None:
            absent["identity_leakage"] = reason
        elif not _tells(ceiling, chance):
            absent["identity_leakage"] = "the ceiling itself does not tell people apart"
        else:
            values["identity_leakage"] = _leakage(found, ceiling, asked, chance, seed)
        if key != first and first in self.methods:
            values["above_first"] = _difference(found, self.methods[first], asked, seed)
        else:
            absent["above_first"] = "nothing to compare with" if key == first else f"{first[0]} has no such part"
        return Point(values=values, absent=absent)

    def control(self, name: str, asked: NDArray[np.int64], seed: int) -> Point:
        """Returns what is measured of a control."""
        values = self._accuracies(self.controls[name], asked, seed)
        return Point(values=values, absent={key: NO_EPOCHS for key in MEASURES if key not in values})

    def guess(self, share: float, n: int, name: str) -> Point:
        """Returns what somebody gets who looks at no code."""
        values = {"held_out_accuracy": Value(value=share, n=n)}
        return Point(values=values, absent={key: f"{name} learns nothing" for key in MEASURES if key not in values})

    def nowhere(self, reason: str) -> Point:
        """Returns the point of a part that a method lacks."""
        return Point(values={}, absent=dict.fromkeys(MEASURES, reason))

    def _accuracies(self, found: IdentityProbe, asked: NDArray[np.int64], seed: int) -> dict[str, Value]:
        return {
            "held_out_accuracy": _share(found.right, asked, seed),
            "train_accuracy": Value(value=found.train_accuracies[-1], n=self.trained),
        }


def figure(probes: Probes, chance: float) -> tuple[Plot, ...]:
    """Returns the paper's figure: accuracies over the epochs on images held out, and on those trained on."""
    followed = {f"{name}, {part}": found for (name, part), found in probes.methods.items()} | dict(probes.controls)

    def line(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
        return tuple((float(epoch), round(value, 5)) for epoch, value in enumerate(values, 1))

    level = (chance,) * len(probes.controls[NOISE].accuracies)
    held = {name: line(found.accuracies) for name, found in followed.items()} | {CHANCE: line(level)}
    learnt = {name: line(found.train_accuracies) for name, found in followed.items()}
    return (
        Plot(title="Held-out images named rightly", x="epochs of the classifier", y="share", lines=held),
        Plot(title="Training images named rightly", x="epochs of the classifier", y="share", lines=learnt),
    )


def majority_accuracy(people: NDArray[np.int64], held: NDArray[np.bool_]) -> float:
    """Returns the accuracy of always naming the person with most training images."""
    numbers, counts = np.unique(people[~held], return_counts=True)
    return float((people[held] == numbers[counts.argmax()]).mean())


def _share(right: NDArray[np.bool_], asked: NDArray[np.int64], seed: int) -> Value:
    return as_value(bootstrap_mean(right.astype(np.float64), seed, groups=asked), len(asked))


def _tells(found: IdentityProbe, chance: float) -> bool:
    """Whether a classifier is above chance by more than three standard errors."""
    error = np.sqrt(chance * (1.0 - chance) / len(found.right))
    return bool(found.right.mean() - chance > 3.0 * error)


def _leakage(found: IdentityProbe, ceiling: IdentityProbe, asked: NDArray[np.int64], chance: float, seed: int) -> Value:
    """The share of what the ceiling knows above chance; people are drawn whole for its interval."""
    place = group_places(asked, len(asked))
    counts, *rights = (
        np.bincount(place, weights=weights)
        for weights in (np.ones(len(asked)), found.right.astype(np.float64), ceiling.right.astype(np.float64))
    )

    def share(drawn: NDArray[np.int64]) -> float:
        n = counts[drawn].sum()
        above, most = (float(right[drawn].sum() / n) - chance for right in rights)
        return above / max(most, 1.0 / float(n))  # a draw of people nobody is sure of must not divide by nothing

    return as_value(bootstrap_statistic(share, len(counts), seed), len(asked))


def _difference(found: IdentityProbe, first: IdentityProbe, asked: NDArray[np.int64], seed: int) -> Value:
    ours, theirs = found.right.astype(np.float64), first.right.astype(np.float64)
    return as_value(bootstrap_difference(ours, theirs, seed, groups=asked), len(asked))
