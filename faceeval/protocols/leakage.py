# SPDX-License-Identifier: MIT
"""Does a code hold the identity it should not? A classifier of people is trained on each part of a code.

Bao et al., section 4.2 and Figure 4: attribute vectors of all FaceScrub faces, learnt with and without the KL loss; the
faces are parted in two and an MLP learns people from the one part. Give both models as methods. What the paper lacks
stands beside it: chance, noise, exchanged people, a linear classifier, and an embedding that is made for identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.facescrub import halves
from faceeval.data.dialects.people import column_of, people_in_hash_order
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.metrics.identity_probe import LEAKAGE_MLP, IdentityProbe, identity_probe
from faceeval.metrics.mlp import MLPSettings
from faceeval.protocols.asked import Codes, check_methods, embeddings, parts_of
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.judged import JudgeMethod
from faceeval.protocols.leakage_values import (
    CHANCE,
    JUDGE,
    MEASURES,
    NOISE,
    SHUFFLED,
    Probes,
    figure,
    majority_accuracy,
)
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve

SHOWN = 3  # held-out images of each kind in the strips
TAG = "faceeval/1/ipgan/leak"
OWN = "identity"


@dataclass(frozen=True)
class Options:
    """What may be set. The paper says no more than "a multilayer perceptron".

    Attributes:
        parts: Which parts of the code; all by default.
        ceiling: What holds all of the identity: the judge's embedding, the same for all methods, or each method's own
            identity.
        linear: Whether a linear classifier is asked as well.
        hidden: Widths of the hidden layers.
        epochs: Passes over the training images.
        batch: Images in one step.
        dropout: Share of the activations dropped in training.
        learning_rate: Adam's.
    """

    parts: tuple[str, ...] | None = None
    ceiling: Literal["judge", "own"] = "judge"
    linear: bool = True
    hidden: tuple[int, ...] = LEAKAGE_MLP.hidden
    epochs: int = LEAKAGE_MLP.epochs
    batch: int = LEAKAGE_MLP.batch
    dropout: float = LEAKAGE_MLP.dropout
    learning_rate: float = LEAKAGE_MLP.learning_rate

    def probe(self) -> MLPSettings:
        """Returns the classifier.

        Raises:
            InputError: There is no such classifier.
        """
        return MLPSettings(self.hidden, self.epochs, self.batch, dropout=self.dropout, learning_rate=self.learning_rate)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Trains classifiers of people on each part of each method's code.

    Args:
        methods: Embed; of a variational encoder the mean, not a sample. The first is what others are compared with.
        given: The split ``"test"``, which knows its people; the identity judge where there is one. ``count`` takes
            fewer people.
        options: See `Options`.

    Returns:
        A curve over the parts for each method and each control, accuracies over the epochs as plots, and whom
        held-out images were taken for.

    Raises:
        InputError: A method cannot embed or what it returns is no code, or is the same for all; people are not known,
            or fewer than two of them have two images.
        UnknownNameError: A method has no such part.
    """
    faces, probe = given.part("test"), options.probe()
    check_methods(methods, EXPERIMENTS["leakage"], faces.size)
    asked = {method.card.name: parts_of(method, options.parts) for method in methods}
    parts = tuple(dict.fromkeys(part for found in asked.values() for part in found))
    task = _Task.of(faces, given)
    codes = {
        (method.card.name, part): embeddings(method, faces, task.rows, part, given)
        for method in methods
        for part in _and_own(method, asked[method.card.name], options)
    }
    probes = _trained(task, codes, probe, given, options)
    shown = Sheet(("held out", "taken for"), faces.size)
    for name, have in asked.items():
        part = next((part for part in have if part != OWN), have[0])
        _show(shown, name, part, task, probes.methods[name, part])
    curves, tables = _curves(task, asked, parts, probes, given, options)
    grid, tiles = shown.drawn()
    return Found(
        title="Leakage: who is it, by codes that should not tell",
        lead=_lead(task, asked, probes),
        faces=faces,
        names=tuple(faces.names[row] for row in task.rows.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("part of the code", parts),
        measures=MEASURES,
        curves=curves,
        settings=_settings(task, probe, given, options),
        plots=figure(probes, task.chance),
        images=image_curves(tuple(faces.names[row] for row in task.rows[task.held].tolist()), tables),
        grid=grid,
        tiles=tiles,
        notices=_notices(faces, task, codes, given),
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """Who is to be told apart, by which images.

    Attributes:
        faces: The set.
        rows: Images of it, (n,), ascending.
        people: Who is on them, (n,).
        held: Which of them are held out, bool (n,).
    """

    faces: FaceSet
    rows: NDArray[np.int64]
    people: NDArray[np.int64]
    held: NDArray[np.bool_]

    @classmethod
    def of(cls, faces: FaceSet, given: Given) -> _Task:
        """Parts the images of those people who have two, or of so many of them."""
        if given.count is not None and given.count < 2:
            raise InputError("at least 2 people to tell apart", str(given.count), "give --count 2 or more")
        numbers, parted = column_of(faces, "identities"), halves(faces)
        rows = np.union1d(parted.train, parted.validation)
        rows = rows[numbers[rows] >= 0]
        known = np.unique(numbers[rows]).tolist()
        if len(known) < 2:
            todo = "choose a larger dataset"
            raise InputError(f"at least two people with two images in {given.data}", str(len(known)), todo)
        if given.count is not None:
            chosen = people_in_hash_order(faces, known, f"{TAG}/people")[: given.count]
            rows = rows[np.isin(numbers[rows], chosen)]
        return cls(faces, rows, numbers[rows], np.isin(rows, parted.validation))

    @property
    def asked(self) -> NDArray[np.int64]:
        """Who is on the held-out images."""
        return self.people[self.held]

    @property
    def chance(self) -> float:
        return 1.0 / len(np.unique(self.people))


def _and_own(method: Any, parts: tuple[str, ...], options: Options) -> tuple[str, ...]:
    """Adds a method's identity to the parts asked about where it is the ceiling."""
    own = options.ceiling == "own" and OWN in method.card.parts and OWN not in parts
    return (*parts, OWN) if own else parts


def _trained(
    task: _Task, codes: Mapping[tuple[str, str], Codes], probe: MLPSettings, given: Given, options: Options
) -> Probes:
    """Trains the classifiers on all codes and on the controls."""
    judge = given.panel.judges.get("identity")
    advance, done = given.bar("training classifiers"), 0
    total = len(codes) + 2 + (judge is not None)

    def one(rows: Codes, settings: MLPSettings | None = probe, shuffled: bool = False) -> IdentityProbe:
        nonlocal done
        with given.clock.part("probes"):
            found = identity_probe(rows, task.people, task.held, settings, given.seed, shuffled)
        if settings is not None:
            done += 1
            advance(done, total)
        return found

    controls = dict[str, IdentityProbe]()
    best = next(iter(codes.values()))
    if judge is not None:
        best = embeddings(JudgeMethod(judge), task.faces, task.rows, OWN, given)
        controls[JUDGE] = one(best)
    width = max(rows.shape[1] for rows in codes.values())
    controls[NOISE] = one(np.random.default_rng([given.seed, 1]).standard_normal((len(task.rows), width)))
    controls[SHUFFLED] = one(best, shuffled=True)
    return Probes(
        methods={key: one(rows) for key, rows in codes.items()},
        linear={key: one(rows, None) for key, rows in codes.items()} if options.linear else {},
        widths={key: rows.shape[1] for key, rows in codes.items()},
        controls=controls,
        trained=int((~task.held).sum()),
    )


def _curves(
    task: _Task,
    asked: Mapping[str, tuple[str, ...]],
    parts: tuple[str, ...],
    probes: Probes,
    given: Given,
    options: Options,
) -> tuple[tuple[Curve, ...], dict[str, dict[str, NDArray[np.float64]]]]:
    """Returns the curves, and curve -> ``"right"`` -> whether each held-out image was, by part."""
    curves, tables = [], {}
    first = next(iter(asked))
    nothing = np.full(len(task.asked), np.nan)
    for name, have in asked.items():
        ceiling, reason = probes.controls.get(JUDGE), given.panel.missing("identity")
        if options.ceiling == "own":
            ceiling, reason = probes.methods.get((name, OWN)), f"{name} has no part called {OWN}"
        points = tuple(
            probes.point((name, part), task.asked, task.chance, ceiling, reason, (first, part), given.seed)
            if part in have
            else probes.nowhere(f"{name} has no part of that name")
            for part in parts
        )
        curves.append(Curve(name=name, kind="method", points=points))
        right = {part: probes.methods[name, part].right.astype(np.float64) for part in have}
        tables[name] = {"right": np.stack([right.get(part, nothing) for part in parts], axis=1)}
    guesses = {CHANCE: task.chance, "most frequent person": majority_accuracy(task.people, task.held)}
    for name in probes.controls:
        point = probes.control(name, task.asked, given.seed)
        curves.append(Curve(name=name, kind="control", points=(point,) * len(parts)))
    for name, share in guesses.items():
        point = probes.guess(share, len(task.asked), name)
        curves.append(Curve(name=name, kind="control", points=(point,) * len(parts)))
    return tuple(curves), tables


def _show(sheet: Sheet, name: str, part: str, task: _Task, found: IdentityProbe) -> None:
    """Adds held-out images and a training image of whom each was taken for: some named rightly, some not."""
    rows, known = task.rows[task.held], ~task.held
    for said, kind in (("named rightly", found.right), ("taken for another", ~found.right)):
        for place, row in enumerate(np.flatnonzero(kind)[:SHOWN].tolist(), 1):
            other = task.rows[known][task.people[known] == found.named[row]][0]
            images = task.faces.read(np.array([rows[row], other]))
            sheet.add(f"by {part}, {place}", name, list(images), said)


def _settings(task: _Task, probe: MLPSettings, given: Given, options: Options) -> dict[str, str | int | float | bool]:
    return {
        "people": len(np.unique(task.people)),
        "training_images": int((~task.held).sum()),
        "held_out_images": int(task.held.sum()),
        "hidden": "-".join(map(str, probe.hidden)),
        "epochs": probe.epochs,
        "batch": probe.batch,
        "dropout": probe.dropout,
        "learning_rate": probe.learning_rate,
        "ceiling": options.ceiling,
        "linear": options.linear,
        "batch_size": given.batch_size,
    }


def _lead(task: _Task, asked: Mapping[str, tuple[str, ...]], probes: Probes) -> str:
    """Says how much the leakiest part of each method tells, beside what an identity tells."""
    said = []
    for name, have in asked.items():
        others = [part for part in have if part != OWN] or [OWN]
        best = max(others, key=lambda part: probes.methods[name, part].accuracies[-1])
        most = ", which tells most" if len(others) > 1 else ""
        said.append(f"{100 * probes.methods[name, best].accuracies[-1]:.1f} % by {best} of {name}{most}")
    judge = probes.controls.get(JUDGE)
    beside = "" if judge is None else f"by the judge's embedding {100 * judge.accuracies[-1]:.1f} %, "
    people = len(np.unique(task.people))
    return (
        f"The right one of {people} people is named on held-out images in {'; '.join(said)}; "
        f"{beside}by chance {100 * task.chance:.1f} %."
    )


def _notices(faces: FaceSet, task: _Task, codes: Mapping[tuple[str, str], Codes], given: Given) -> tuple[str, ...]:
    notices = []
    if given.count:
        notices.append(f"only {len(np.unique(task.people))} people: a quick look, no result")
    widths: dict[str, set[int]] = {}
    for (_, part), rows in codes.items():
        widths.setdefault(part, set()).add(rows.shape[1])
    for part, found in widths.items():
        if len(found) > 1:
            wide = ", ".join(map(str, sorted(found)))
            notices.append(f"{part} is {wide} numbers wide: wider codes leak more, compare at equal width")
    if faces.clips is not None and (faces.clips[task.rows] >= 0).any():
        notices.append("frames of one clip may be on both sides, which feigns leakage")
    return tuple(notices)
