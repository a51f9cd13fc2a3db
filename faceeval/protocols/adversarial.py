# SPDX-License-Identifier: MIT
"""Are adversarial faces told from honest ones by how a method draws them again? IPGAN's section 4.5, Table 4, Figure 9.

Each of two strangers is changed as little as possible until the method's own recogniser takes it for the other. A
generator that draws what the recogniser sees returns an honest face as it was and an adversarial one as somebody else.
Detectors look at picture and reconstruction: a linear SVM on texture, as published, and a judge who was not attacked.
The controls say whose merit that is: any noise of that size, a generator that returns its input, one without fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError
from faceeval.metrics.attack import ATTACK_THRESHOLDS, FARTHEST, AttackResult
from faceeval.metrics.descent import AttackBudget
from faceeval.protocols.adversarial_trial import COLUMNS, CONTROLS, PAIRS, RETURNED, SHUFFLED, Task, Trial, Work
from faceeval.protocols.adversarial_values import MEASURES, PRINTED, chance
from faceeval.protocols.asked import check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given, Settings
from faceeval.protocols.findings import image_curves
from faceeval.protocols.looked import QUICK
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve


@dataclass(frozen=True)
class Options:
    """What may be set. The paper states the thresholds and that texture is local binary patterns, nothing else.

    Attributes:
        thresholds: Squared distances of unit features to get below; 1.0, 0.8, 0.6, 0.4 are cosines of 0.5 to 0.8.
        search_steps: Weights the attack tries for each image, at most.
        steps: Gradients it takes for each weight, at most.
        cell: Pixels along each side of a cell that has a histogram of its own: 8 x 8 cells at 128 pixels.
        radius: Radius of the local binary patterns, 1 or 2 pixels.
    """

    thresholds: tuple[float, ...] = ATTACK_THRESHOLDS
    search_steps: int = 3
    steps: int = 20
    cell: int = 16
    radius: int = 1


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Attacks each method's recogniser, and lets detectors compare what the method draws.

    Args:
        methods: Reconstruct faces, and have a recogniser.
        given: The split ``"test"``, ``pairs.txt`` and a judge of identity; ``count`` pairs of two people a fold.
        options: See `Options`.

    Returns:
        A curve over the thresholds for each method and three controls of each, and strips as in the paper's Figure 9.

    Raises:
        InputError: Senseless options, pairs that cannot be used, a recogniser that cannot be attacked, or what came
            back are no pictures or no codes.
    """
    faces = given.part("test")
    check_methods(methods, EXPERIMENTS["adversarial"], faces.size)
    work, places = _work(options, faces.size), tuple(sorted(options.thresholds))
    task, sheet = Task.of(faces, given), Sheet(COLUMNS, faces.size)
    curves, tables, notices = list[Curve](), dict[str, dict[str, NDArray[np.float64]]](), _notices(methods, given)
    for method in methods:
        trial, name = Trial.of(method, task, given, work), method.card.name
        attacks = [trial.attack(threshold) for threshold in places]
        curves += _curves(trial, attacks, places)
        trial.show(sheet, places, attacks)
        tables[name] = _table(attacks)
        notices += _losses(name, places, attacks)
    grid, tiles = sheet.drawn()
    return Found(
        title="Adversarial faces, told by their reconstructions",
        lead=_lead(curves, places),
        faces=faces,
        names=tuple(faces.names[row] for row in task.rows.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis(
            label="threshold of the attack",
            unit="squared distance",
            ticks=tuple(f"{place:g}" for place in places),
            places=places,
        ),
        measures=MEASURES,
        curves=(*curves, chance(len(places), "not a matter of luck")),
        settings=_settings(task, given, options, work),
        images=image_curves(task.names, tables),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=tuple(notices),
    )


def _work(options: Options, size: int) -> Work:
    """Reads the options, before any work is done.

    Raises:
        InputError: One of them makes no sense.
    """
    thresholds, least = options.thresholds, options.radius + 1
    if not thresholds or len(set(thresholds)) < len(thresholds) or not all(0 < x < FARTHEST for x in thresholds):
        todo = "squared distances of unit features run from 0 to 4; the paper takes 0.4, 0.6, 0.8 and 1.0"
        raise InputError("different thresholds above 0 and below 4", str(thresholds), todo)
    if min(options.search_steps, options.steps) < 1:
        got = f"search_steps={options.search_steps}, steps={options.steps}"
        raise InputError("at least one step of each kind", got, "leave them out")
    if options.radius not in (1, 2) or not least <= options.cell <= size:
        got = f"radius={options.radius}, cell={options.cell} for {size} px images"
        raise InputError(
            "a radius of 1 or 2, and cells larger than it and no larger than the image", got, "leave them out"
        )
    return Work(AttackBudget(options.search_steps, options.steps), size // options.cell, options.radius)


def _curves(trial: Trial, attacks: Sequence[AttackResult], places: tuple[float, ...]) -> list[Curve]:
    """Returns the curve of a method, and those of its controls."""
    points = [trial.points(found, threshold) for found, threshold in zip(attacks, places, strict=True)]
    name = trial.method.card.name
    made = [Curve(name=name, kind="method", points=tuple(each[""] for each in points))]
    for control in CONTROLS:
        drawn = tuple(each[control] for each in points)
        made.append(
            Curve(name=f"{name}, {control}", kind="identity" if control == RETURNED else "control", points=drawn)
        )
    return made


def _table(attacks: Sequence[AttackResult]) -> dict[str, NDArray[np.float64]]:
    """Returns what is kept of each attack at each threshold, (N, P) each."""

    def column(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.stack(values, axis=1).astype(np.float64)

    return {
        "norm": column([np.where(found.perturbed, found.norms, np.nan) for found in attacks]),
        "distance": column([found.distances for found in attacks]),
        "distance_before": column([found.initial_distances for found in attacks]),
        "gradients": column([found.gradients.astype(np.float64) for found in attacks]),
    }


def _losses(name: str, places: tuple[float, ...], attacks: Sequence[AttackResult]) -> list[str]:
    """Says which attacks are left out, and why."""
    said = []
    for threshold, found in zip(places, attacks, strict=True):
        already, failed = int(found.already.sum()), int((~found.success).sum())
        why = [
            *([f"{already} were below it before"] if already else []),
            *([f"{failed} could not be brought below it"] if failed else []),
        ]
        if why:
            said.append(
                f"{name}, threshold {threshold:g}: of {len(found.success)} attacks {' and '.join(why)}; left out"
            )
    return said


def _lead(curves: Sequence[Curve], places: tuple[float, ...]) -> str:
    """Says what came out at the lowest threshold at which something did."""
    said = []
    for curve in curves:
        if curve.kind != "method":
            continue
        place = next((p for p, point in enumerate(curve.points) if "detection_accuracy" in point.values), None)
        if place is None:
            said.append(f"{curve.name}: too few attacks succeeded for a detector")
            continue
        noise = next(other for other in curves if other.name == f"{curve.name}, {SHUFFLED}")
        shown = {key: _share(curve, place, key) for key in MEASURES}
        said.append(
            f"{curve.name}, threshold {places[place]:g}: texture of picture and reconstruction tells "
            f"{shown['detection_accuracy']} of the faces rightly, of the picture alone "
            f"{shown['detection_accuracy_image']}, {_share(noise, place, 'detection_accuracy')} where the change is "
            f"shuffled, and the judge who compares both {shown['judge_detection_accuracy']}; to the judge "
            f"{shown['turned_rate']} of the adversarial faces and {shown['honest_turned_rate']} of the honest ones "
            f"come back as the target"
        )
    return f"{'; '.join(said)}. Chance is 50 %."


def _share(curve: Curve, place: int, key: str) -> str:
    """Returns a share in words; an honest word where there is none."""
    value = curve.points[place].values.get(key)
    return "an unknown share" if value is None else f"{100 * value.value:.1f} %"


def _settings(task: Task, given: Given, options: Options, work: Work) -> Settings:
    return {
        "attacks": len(task.source),
        "images": len(task.rows),
        "folds": len(np.unique(task.folds)),
        "features": "unit length",
        "search_steps": options.search_steps,
        "steps": options.steps,
        "cells": f"{work.grid} x {work.grid}",
        "radius": options.radius,
        "svm": "linear, C = 1, standardised",
        "batch_size": given.batch_size,
    }


def _notices(methods: Sequence[Any], given: Given) -> list[str]:
    said = []
    if given.count is not None and given.count < PAIRS:
        said.append(f"only {given.count} pairs of two people of each fold: {QUICK}")
    judge = given.panel.judges["identity"]
    same = [m.card.name for m in methods if m.card.weights_sha256 and m.card.weights_sha256 == judge.weights_sha256]
    if same:
        said.append(f"the judge is the network attacked in {', '.join(same)}: it is fooled as well and proves nothing")
    return said
