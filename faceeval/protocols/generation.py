# SPDX-License-Identifier: MIT
"""How far are faces of nobody from real ones, as a set? And do they only repeat the training images?

The first column of Browatzki and Wallraven's Table 1: 10,000 drawn faces against 10,000 training images. Ours are also
compared with as many test images, of people nobody trained on: whoever repeats the training images is nearer to those.
How far real images of other people are, and real ones at half the resolution, says what a distance means.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from faceeval.errors import InputError
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given
from faceeval.protocols.findings import image_curves
from faceeval.protocols.generation_values import (
    Drawn,
    Reals,
    cumulative,
    draw,
    halved,
    nearest,
    point,
    sample_size_alone,
    see_reals,
)
from faceeval.protocols.looked import QUICK
from faceeval.protocols.printed import BW_TABLE_1, BW_TABLE_1_SOURCE
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, Measure, Plot, PrintedTable

TRAINING, TEST = "training images", "test images"
PLACES = (TRAINING, TEST)
REAL, HALVED, EQUAL = "real images", "real images at half resolution", "sample size alone"
FEWEST = 4  # images that a distance with an error can be made of
SHOWN = 6  # drawn faces
SUSPECTS = 2  # those nearest to a training image


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        images: How many of each set, where the data have so many; of fewer, what the smaller split has. Browatzki and
            Wallraven's number.
        neighbours: How far the balls of precision, recall, density and coverage reach.
    """

    images: int = 10_000
    neighbours: int = 5


def _measure(
    label: str, metric: str, better: Literal["higher", "lower"], unit: str, digits: int, meaning: str,
    *, drawn: bool = False,
) -> Measure:  # fmt: skip
    return Measure(
        question="Do the faces look real as a set?", label=label, unit=unit, better=better, digits=digits,
        version=METRICS[metric].version, meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "frechet_distance": _measure(
        "Fréchet distance", "frechet_distance", "lower", "feature units²", 2,
        "Distance of two Gaussians, on the judge's features: the FID where the judge is Inception. The interval is a "
        "jackknife over people and samples, and keeps the bias of the sample size.", drawn=True,
    ),
    "kernel_distance": _measure(
        "kernel distance", "kernel_distance", "lower", "kernel units", 3,
        "Free of bias, below 0 possible; mean over random subsets with 1.96 standard errors.",
    ),
    "manifold_precision": _measure(
        "precision", "manifold_precision", "higher", "share", 3, "Share of the faces that lie where real ones do."
    ),
    "manifold_recall": _measure(
        "recall", "manifold_recall", "higher", "share", 3, "Share of the real images that lie where the faces do."
    ),
    "manifold_density": _measure(
        "density", "manifold_density", "higher", "ratio", 3, "How densely real images lie round the faces; 1 if equal."
    ),
    "manifold_coverage": _measure(
        "coverage", "manifold_coverage", "higher", "share", 3, "Share of the real images with a drawn face near them."
    ),
}  # fmt: skip

PRINTED = PrintedTable(
    source=f"{BW_TABLE_1_SOURCE}: FID of 10,000 drawn faces, Inception's features",
    heads=("FID",),
    rows={name: (f"{row[0]:.2f}",) for name, row in BW_TABLE_1.items()},
)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Draws faces by each method and compares them with real ones.

    Args:
        methods: Sample.
        given: The splits ``"train"`` and ``"test"``, and a judge of realism; ``count`` takes fewer images of each set.
        options: See `Options`.

    Returns:
        A curve over the two real sets for each method and each control, how near the nearest training image is, and
        drawn faces beside their nearest real ones.

    Raises:
        InputError: A method cannot sample, what it returns are no pictures, or they do not depend on the seed alone;
            there are too few images for so many neighbours.
    """
    train, test = given.part("train"), given.part("test")
    check_methods(methods, EXPERIMENTS["generation"], test.size)
    n = _number(given, options, min(len(train), len(test)))
    made = {method.card.name: draw(method, n, test.size, given) for method in methods}
    reals = {TRAINING: see_reals(train, n, TRAINING, given), TEST: see_reals(test, n, TEST, given)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        curves = _curves(made, reals, given, options)
    near = {name: [nearest(drawn.features, reals[place].features) for place in PLACES] for name, drawn in made.items()}
    apart = {name: found[0][0] for name, found in near.items()}
    apart[REAL] = nearest(reals[TEST].features, reals[TRAINING].features)[0]
    sheet = Sheet(("drawn", "nearest training image", "nearest test image"), test.size)
    for name, drawn in made.items():
        _show(sheet, name, drawn, reals, near[name])
    grid, tiles = sheet.drawn()
    return Found(
        title="Generation: faces of nobody",
        lead=_lead(curves, n),
        faces=train,
        names=reals[TRAINING].names,
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("compared with", PLACES),
        measures=MEASURES,
        curves=curves,
        settings={
            "images_of_each_set": n,
            "neighbours": options.neighbours,
            "features": given.panel.judges["realism"].name,
            "dimensions": reals[TEST].features.shape[1],
            "batch_size": given.batch_size,
            "digest of the test images": test.digest,
        },
        plots=(
            Plot(
                title="How near the nearest training image is",
                x="distance of the judge's features",
                y="share of the faces",
                lines={name: cumulative(distances) for name, distances in apart.items()},
            ),
        ),
        images=image_curves(
            tuple(f"drawn {number:05d}" for number in range(1, n + 1)),
            {name: {"nearest_distance": np.stack([one[0] for one in found], axis=1)} for name, found in near.items()},
        ),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=(*_notices(given, options, n), *dict.fromkeys(str(one.message) for one in caught)),
    )


def _number(given: Given, options: Options, there: int) -> int:
    """Returns how many images of each set are compared: as many of all, since the distances depend on it."""
    wanted = options.images if given.count is None else given.count
    least = max(options.neighbours + 1, FEWEST)
    if options.neighbours < 1:
        raise InputError("at least 1 neighbour", str(options.neighbours), "give --set neighbours=5")
    if wanted < least:
        raise InputError(f"at least {least} images of each set", str(wanted), f"ask for {least} or more")
    if there < least:
        todo = "choose a larger dataset, or lower --set neighbours"
        raise InputError(f"at least {least} images in the train and test splits of {given.data}", str(there), todo)
    return min(wanted, there)


def _curves(made: dict[str, Drawn], reals: dict[str, Reals], given: Given, options: Options) -> tuple[Curve, ...]:
    """Returns the methods, then real images and what sample size alone does.

    Each real set is compared with the other, so that no image is compared with itself.
    """
    half = {place: halved(real, given) for place, real in reals.items()}
    against: dict[str, dict[str, Drawn]] = {name: dict.fromkeys(PLACES, drawn) for name, drawn in made.items()}
    for name, sets in ((REAL, dict[str, Drawn](reals)), (HALVED, half)):
        against[name] = {TRAINING: sets[TEST], TEST: sets[TRAINING]}
    curves = []
    advance = given.bar("comparing the sets")
    for done, (name, sets) in enumerate(against.items(), 1):
        with given.clock.part("statistics"):
            points = tuple(point(reals[place], sets[place], options.neighbours, given.seed) for place in PLACES)
        curves.append(Curve(name=name, kind="method" if name in made else "control", points=points))
        advance(done, len(against))
    with given.clock.part("statistics"):
        alone = tuple(sample_size_alone(reals[place], options.neighbours, tuple(MEASURES)) for place in PLACES)
    return (*curves, Curve(name=EQUAL, kind="control", points=alone))


def _show(sheet: Sheet, name: str, drawn: Drawn, reals: dict[str, Reals], near: list[Any]) -> None:
    """Adds the first drawn faces, and those nearest to a training image, each beside what it is nearest to."""
    suspects = np.argsort(near[0][0], kind="stable")[:SUSPECTS].tolist()
    strips = [(f"drawn, {place + 1}", place) for place in range(min(SHOWN, len(drawn.images)))]
    strips += [(f"nearest to a training image, {number}", place) for number, place in enumerate(suspects, 1)]
    for title, place in strips:
        beside = [reals[one].image(int(near[column][1][place])) for column, one in enumerate(PLACES)]
        distances = " and ".join(f"{found[0][place]:.2f}" for found in near)
        sheet.add(title, name, [drawn.images[place], *beside], f"{distances} from the nearest real images")


def _lead(curves: Sequence[Curve], n: int) -> str:
    def apart(curve: Curve, place: int) -> float:
        return curve.points[place].values["frechet_distance"].value

    said = [
        f"faces drawn by {curve.name} are {apart(curve, 0):.2f} from {TRAINING} and {apart(curve, 1):.2f} from {TEST}"
        for curve in curves
        if curve.kind == "method"
    ]
    real, half = (next(apart(curve, 0) for curve in curves if curve.name == name) for name in (REAL, HALVED))
    text = f"{'; '.join(said)} (Fréchet distance, {n:,} images of each)"
    return (
        f"{text[0].upper()}{text[1:]}. Real images of other people are {real:.2f} apart, at half resolution {half:.2f}."
    )


def _notices(given: Given, options: Options, n: int) -> tuple[str, ...]:
    if given.count is not None and n < options.images:
        return (f"only {n} images of each set: {QUICK}",)
    if n < options.images:
        return (f"{n} images of each set, where {options.images} are asked for: the smaller split has no more",)
    return ()
