# SPDX-License-Identifier: MIT
"""One method on trial in the protocol of adversarial faces: its recogniser is attacked, it draws what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from torch import Tensor

from faceeval.data.faces import FaceSet
from faceeval.data.labels.pairs import FacePairs, pair_rows
from faceeval.data.selection import select
from faceeval.data.splits.named_lists import SplitInput
from faceeval.data.splits.people import VIEW_2, ipgan_adv
from faceeval.errors import InputError
from faceeval.method import MethodCard
from faceeval.metrics.attack import AttackResult, feature_attack, shuffled_perturbation
from faceeval.metrics.descent import AttackBudget
from faceeval.metrics.linked import linked_groups
from faceeval.metrics.recogniser import Recogniser
from faceeval.metrics.roc import wilson_interval
from faceeval.metrics.texture import lbp_features
from faceeval.protocols.adversarial_values import Seen, Sides, attack_values, detection_values, filled
from faceeval.protocols.asked import Codes, Images, Indices, embedded, pictures
from faceeval.protocols.experiments import Given
from faceeval.protocols.findings import as_value
from faceeval.protocols.looked import people_of
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Point

TAG = "faceeval/1/ipgan/adv"
PAIRS = 10  # of each fold, by default: 200 attacks at each threshold
SHOWN = 3  # attacks in the strips
LOUDER = 10  # times the change is enlarged in the strips
GREY = 128
COLUMNS = (
    "source", "adversarial", "target", f"change, {LOUDER} times", "source again", "adversarial again", "target again",
)  # fmt: skip
TEXTURES = ("", "_image", "_reconstruction", "_difference")  # detectors a method is asked for
SHUFFLED, RETURNED, FAULTLESS = "shuffled change", "input returned", "target returned"
CONTROLS = {SHUFFLED: ("", "_image"), RETURNED: ("",), FAULTLESS: ("", "_difference")}  # and its controls


@dataclass(frozen=True)
class Work:
    """How much work an attack may cost, and how texture is described.

    Attributes:
        budget: Of the attack.
        grid: Cells along each side of an image.
        radius: Of the local binary patterns.
    """

    budget: AttackBudget
    grid: int
    radius: int


@dataclass(frozen=True)
class Task:
    """Who is to pass for whom.

    Attributes:
        faces: The set.
        rows: Every image that takes part, as a row of the set, ascending.
        images: Those images, uint8 (R, 3, S, S).
        source: Place of each attack's source among ``rows``, (N,).
        target: Place of its target.
        folds: Its fold.
        people: Who the source is; None where nobody knows.
    """

    faces: FaceSet
    rows: Indices
    images: Images
    source: Indices
    target: Indices
    folds: Indices
    people: Indices | None

    @classmethod
    def of(cls, faces: FaceSet, given: Given) -> Task:
        """Finds the images of the pairs, and refuses pairs a detector could not be tested on."""
        pairs = _strangers(given)
        first, second = pair_rows(pairs, faces.names)
        _check_folds(faces, pairs, first, second)
        rows = np.unique(np.concatenate([first, second]))
        with given.clock.part("data"):
            images = faces.read(rows)
        source = np.concatenate([first, second])
        return cls(
            faces=faces,
            rows=rows,
            images=images,
            source=np.searchsorted(rows, source),
            target=np.searchsorted(rows, np.concatenate([second, first])),
            folds=np.concatenate([pairs.folds, pairs.folds]),
            people=people_of(faces, source),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What each attack is called."""
        source, target = (
            [self.faces.names[row] for row in self.rows[side].tolist()] for side in (self.source, self.target)
        )
        return tuple(f"{one} as {other}" for one, other in zip(source, target, strict=True))


@dataclass(frozen=True)
class Trial:
    """One method on trial.

    Attributes:
        method: The method.
        attacked: Its recogniser.
        codes: What that says of every image of the task, of unit length, (R, D).
        honest: What the detectors see of every image of the task.
        task: Who is to pass for whom.
        given: Judges, batch size, clock and progress.
        work: How much is done.
    """

    method: Any
    attacked: Attacked
    codes: Codes
    honest: Seen
    task: Task
    given: Given
    work: Work

    @classmethod
    def of(cls, method: Any, task: Task, given: Given, work: Work) -> Trial:
        """Asks the recogniser about the honest faces, and the method to draw them again."""
        attacked = Attacked.of(method)
        codes = attacked.codes(task.images, given)
        return cls(method, attacked, codes, _see(method, task.images, given, work), task, given, work)

    def attack(self, threshold: float) -> AttackResult:
        """Attacks fold by fold, so that somebody who waits is told."""
        task = self.task
        advance = self.given.bar(f"{self.method.card.name}, attack at {threshold:g}")
        blocks, found = [np.flatnonzero(task.folds == fold) for fold in np.unique(task.folds)], list[AttackResult]()
        for done, rows in enumerate(blocks, 1):
            with self.given.clock.part("attack"):
                found.append(
                    feature_attack(
                        self.attacked.recogniser.embedder,
                        task.images[task.source[rows]],
                        self.codes[task.target[rows]],
                        threshold,
                        budget=self.work.budget,
                        batch_size=self.given.batch_size,
                    )
                )
            advance(done, len(blocks))
        back = np.argsort(np.concatenate(blocks))
        return AttackResult(
            **{
                part.name: np.concatenate([getattr(one, part.name) for one in found])[back]
                for part in fields(AttackResult)
            }
        )

    def points(self, found: AttackResult, threshold: float) -> dict[str, Point]:
        """Returns what came of one threshold: of the method under ``""``, of the controls under their names."""
        rows, task, seed = np.flatnonzero(found.perturbed), self.task, self.given.seed
        attacked = attack_values(found, task.people, seed)
        if len(rows) == 0:
            nothing = f"no attack got below {threshold:g}"
            return {"": filled(attacked, {}, nothing)} | {name: filled({}, {}, nothing) for name in CONTROLS}
        honest, target = (self.honest.take(side[rows]) for side in (task.source, task.target))
        noise = shuffled_perturbation(honest.pictures, found.images[rows], seed)
        changed, shuffled = (_see(self.method, batch, self.given, self.work) for batch in (found.images[rows], noise))
        people = None if task.people is None else task.people[rows]
        sides = Sides(honest, changed, target, task.folds[rows], people, seed)
        compared = {
            "": sides,
            SHUFFLED: replace(sides, changed=shuffled),
            RETURNED: replace(sides, honest=honest.drawn_as(honest), changed=changed.drawn_as(changed)),
            FAULTLESS: replace(sides, honest=honest.drawn_as(honest), changed=changed.drawn_as(target)),
        }
        made = {}
        for name, side in compared.items():
            with self.given.clock.part("statistics"):
                values, absent = detection_values(side, CONTROLS.get(name, TEXTURES))
            if name == "":
                values = attacked | values
            if name == SHUFFLED:
                gaps = np.square(self.attacked.codes(noise, self.given) - self.codes[task.target[rows]]).sum(axis=1)
                misled = wilson_interval(int((gaps < threshold).sum()), len(rows))
                values["attack_success_rate"] = as_value(misled, len(rows))
            made[name] = filled(
                values, absent, "asked of the method only" if name else "too few faces in a fold to show it"
            )
        return made

    def show(self, sheet: Sheet, places: tuple[float, ...], attacks: Sequence[AttackResult]) -> None:
        """Adds the first attacks that got below the lowest threshold any got below, at every threshold they did."""
        task, names = self.task, self.task.names
        made = [np.flatnonzero(found.perturbed) for found in attacks]
        chosen = next((rows[:SHOWN] for rows in made if len(rows)), np.empty(0, np.int64))
        for row in chosen.tolist():
            source, target = task.source[row], task.target[row]
            for threshold, found in zip(places, attacks, strict=True):
                if not found.perturbed[row]:
                    continue
                image = found.images[row]
                change = GREY + LOUDER * (image.astype(np.int64) - task.images[source])
                again = pictures(
                    self.method.reconstruct, f"{self.method.card.name}.reconstruct", self.given, image[None]
                )
                strip = [
                    task.images[source], image, task.images[target], change.clip(0, 255).astype(np.uint8),
                    self.honest.drawn[source], again[0], self.honest.drawn[target],
                ]  # fmt: skip
                shown = f"threshold {threshold:g}, norm {found.norms[row]:.2f}"
                sheet.add(names[row], self.method.card.name, strip, shown)


@dataclass(frozen=True)
class Attacked:
    """The recogniser of a method, to be asked for codes as methods are.

    Attributes:
        card: Of the method, with a name that says what is asked.
        recogniser: As the attack asks it: features of unit length.
    """

    card: MethodCard
    recogniser: Recogniser

    @classmethod
    def of(cls, method: Any) -> Attacked:
        """Asks a method for its recogniser.

        Raises:
            InputError: It cannot be called, or is in training mode.
        """
        card = replace(method.card, name=f"the recogniser of {method.card.name}")
        return cls(card, Recogniser.of(method.recogniser(), unit=True, device=None))

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns the codes of faces, uint8 (N, 3, S, S); it has one part only."""
        return self.recogniser.features(self.recogniser.tensor(images.numpy())).cpu()

    def codes(self, images: Images, given: Given) -> Codes:
        """Returns codes of unit length, float64 (N, D).

        Raises:
            InputError: They are no codes, not finite, or change their width.
        """
        return embedded(self, lambda block: images[block], len(images), "identity", given)


def _see(method: Any, images: Images, given: Given, work: Work) -> Seen:
    """Has images drawn again, and returns what the detectors see."""
    drawn = pictures(method.reconstruct, f"{method.card.name}.reconstruct", given, images)
    with given.clock.part("texture"):
        texture, drawn_texture = (lbp_features(batch, work.grid, work.radius) for batch in (images, drawn))
    with given.clock.part("judge"):
        face, drawn_face = (given.panel.look(batch)["identity"] for batch in (images, drawn))
    return Seen(images, drawn, texture, drawn_texture, face, drawn_face)


def _strangers(given: Given) -> FacePairs:
    """Chooses so many pairs of two people of each fold, in hash order.

    Raises:
        InputError: Fewer than one is asked for, or fewer than two folds have such pairs.
    """
    count = PAIRS if given.count is None else given.count
    if count < 1:
        raise InputError("at least 1 pair of two people of each fold", str(count), "give --count 1 or more")
    listed = given.pair_list(VIEW_2)
    forward = ipgan_adv(SplitInput(given.data, pairs={VIEW_2: listed}), "", 0).lists[0].names
    by_fold = dict[int, list[str]]()
    for line in forward:
        images, _, fold = line.rpartition("\t")
        by_fold.setdefault(int(fold), []).append(images)
    if len(by_fold) < 2:
        got = f"{len(by_fold)} in {listed.path.name}"
        raise InputError("pairs of two people in at least two folds", got, "give a list such as LFW's pairs.txt")
    chosen = [(fold, pair) for fold in sorted(by_fold) for pair in select(count, by_fold[fold], f"{TAG}/{fold}")]
    first, second = zip(*(pair.split("\t") for _, pair in chosen), strict=True)
    folds = np.array([fold for fold, _ in chosen], np.int64)
    return FacePairs(listed.path, first, second, np.zeros(len(folds), np.bool_), folds)


def _check_folds(faces: FaceSet, pairs: FacePairs, first: Indices, second: Indices) -> None:
    """Refuses pairs that put one person into two folds: a detector would be tested on whom it was trained on."""
    who = people_of(faces, np.arange(len(faces)))
    ends = (first, second) if who is None else (who[first], who[second])
    groups = linked_groups(*ends)
    for group in np.unique(groups).tolist():
        rows = np.flatnonzero(groups == group)
        folds = np.unique(pairs.folds[rows]).tolist()
        if len(folds) > 1:
            got = f"folds {folds[0]} and {folds[1]} share people, those of {pairs.first[rows[0]]} among them"
            raise InputError(f"nobody in two folds of {pairs.path.name}", got, "give all pairs of a person one fold")
