# SPDX-License-Identifier: MIT
"""How far off are faces that are drawn from their own codes? Asked of several sets of images nobody trained on.

Browatzki and Wallraven's Table 1. They print an RMSE without a formula; the three that go by that name are made side by
side, with PSNR and SSIM. Whoever returns the image is perfect, and the mean face, the same for all, is what a code that
says nothing can reach. With about as many numbers as their code has, a thumbnail is what one gets without learning, and
principal components what one gets by a linear code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from faceeval.data.faces import FaceSet
from faceeval.data.selection import names_sha256
from faceeval.errors import InputError
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import check_methods
from faceeval.protocols.experiments import EXPERIMENTS, Found, Given, Settings
from faceeval.protocols.findings import image_curves
from faceeval.protocols.looked import QUICK, chosen_rows, people_of
from faceeval.protocols.printed import BW_TABLE_1, BW_TABLE_1_SOURCE
from faceeval.protocols.reconstruction_controls import IDENTITY, MEAN, TAG, Controls, linear_name, thumbnail_name
from faceeval.protocols.reconstruction_values import Task, Values, image_table, point
from faceeval.protocols.sheets import Sheet
from faceeval.results.sweeps import Axis, Curve, Measure, Point, PrintedTable


@dataclass(frozen=True)
class Options:
    """What may be set.

    Attributes:
        thumbnail: Side in pixels of the reduced image that is compared with: 6 x 6 x 3 are 108 numbers, where
            Browatzki and Wallraven's code has 99.
        components: Principal components that are compared with, as many as their code has numbers; of each half of the
            people they are fitted on the other.
    """

    thumbnail: int = 6
    components: int = 99


def _measure(
    label: str,
    metric: str,
    better: Literal["higher", "lower"],
    unit: str,
    digits: int,
    meaning: str,
    *,
    drawn: bool = False,
) -> Measure:
    return Measure(
        question="Is the face drawn as it was?", label=label, unit=unit, better=better, digits=digits,
        version=METRICS[metric].version, meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "rmse_pixel_global": _measure(
        "RMSE, all pixels", "rmse_pixel_global", "lower", "grey levels", 2,
        "Root of the mean squared difference over all images, pixels and colours together: the usual reading.",
        drawn=True,
    ),
    "rmse_pixel_mean": _measure(
        "RMSE, mean over images", "rmse_pixel_mean", "lower", "grey levels", 2,
        "Mean over the images of each image's own root of the mean squared difference.",
    ),
    "rms_of_image_l1": _measure(
        "RMS of the images' mean differences", "rms_of_image_l1", "lower", "grey levels", 2,
        "Root of the mean square of the images' mean absolute differences: what the authors' later code computes.",
    ),
    "psnr": _measure(
        "PSNR", "psnr", "higher", "dB", 2,
        "Peak signal-to-noise ratio, mean over the images that do not come back exactly.",
    ),
    "ssim": _measure(
        "SSIM", "ssim", "higher", "index", 3, "Structural similarity, mean over images.", drawn=True
    ),
}  # fmt: skip
PRINTED = PrintedTable(
    source=f"{BW_TABLE_1_SOURCE}: RMSE",
    heads=("CelebA", "AffectNet", "VGGFace2", "LFW"),
    rows={name: tuple(f"{value:.2f}" for value in row[1:]) for name, row in BW_TABLE_1.items()},
)


def run(methods: Sequence[Any], given: Given, options: Options) -> Found:
    """Has each method draw the images of each set again.

    Args:
        methods: Reconstruct.
        given: The split ``"test"``, and test splits of other datasets beside it; ``count`` takes fewer images of each.
        options: See `Options`.

    Returns:
        A curve over the sets for each method, the identity, and each control.

    Raises:
        InputError: A method cannot reconstruct, or what it returns are no pictures; sets of one name or of other
            sizes; a thumbnail larger than the images, or no component.
    """
    main = given.part("test")
    check_methods(methods, EXPERIMENTS["reconstruction"], main.size)
    sets = _sets(given)
    tasks = {name: _task(name, faces, methods, given, options) for name, faces in sets.items()}
    found = {name: task.values() for name, task in tasks.items()}
    sheet = Sheet(("face", "drawn again"), main.size)
    for name, task in tasks.items():
        task.show(sheet, found[name])
    curves = _curves(methods, tasks, found, options, given.seed)
    grid, tiles = sheet.drawn()
    return Found(
        title="Reconstruction: faces drawn from their own codes",
        lead=_lead(curves, tuple(sets)),
        faces=main,
        names=tuple(main.names[row] for row in tasks[main.name].rows.tolist()),
        cards={method.card.name: method.card for method in methods},
        axis=Axis.of_names("test images of", tuple(sets)),
        measures=MEASURES,
        curves=curves,
        settings=_settings(tasks, given, options),
        images=image_curves(
            tuple(f"{name}/{task.faces.names[row]}" for name, task in tasks.items() for row in task.rows.tolist()),
            {method.card.name: image_table(method.card.name, found) for method in methods},
        ),
        grid=grid,
        tiles=tiles,
        printed=PRINTED,
        notices=_notices(tasks, given),
    )


def _task(name: str, faces: FaceSet, methods: Sequence[Any], given: Given, options: Options) -> Task:
    rows = chosen_rows(faces, given.count, f"{TAG}/{name}")
    controls = Controls.of(faces, rows, options.thumbnail, options.components, given)
    return Task(name, faces, rows, methods, controls, given)


def _sets(given: Given) -> dict[str, FaceSet]:
    """Returns the sets by name, the main one first.

    Raises:
        InputError: Two of them have one name, or they are not of one size.
    """
    main = given.part("test")
    found = {main.name: main}
    for name, faces in given.faces.items():
        if name == "test":
            continue
        if name in found:
            raise InputError("sets of different names", f"{name} twice", "name other data beside it")
        if faces.size != main.size:
            got = f"{main.size} px in {main.name}, {faces.size} px in {name}"
            raise InputError("images of one size", got, "open all of them at the same size")
        found[name] = faces
    return found


def _curves(
    methods: Sequence[Any], tasks: dict[str, Task], found: dict[str, dict[str, Values]], options: Options, seed: int
) -> tuple[Curve, ...]:
    """Returns the methods, then what they are compared with."""
    kinds: dict[str, Literal["method", "identity", "control"]] = {m.card.name: "method" for m in methods}
    controls = (linear_name(options.components), thumbnail_name(options.thumbnail), MEAN)
    kinds |= {IDENTITY: "identity", **dict.fromkeys(controls, "control")}
    who = {name: people_of(task.faces, task.rows) for name, task in tasks.items()}
    unfitted = Point(values={}, absent=dict.fromkeys(MEASURES, "too few images to fit it on half of the people"))
    return tuple(
        Curve(
            name=name,
            kind=kind,
            points=tuple(
                point(found[one][name], who[one], seed, tuple(MEASURES)) if name in found[one] else unfitted
                for one in tasks
            ),
        )
        for name, kind in kinds.items()
    )


def _settings(tasks: dict[str, Task], given: Given, options: Options) -> Settings:
    settings: Settings = {
        "thumbnail": options.thumbnail,
        "components": options.components,
        "batch_size": given.batch_size,
    }
    for name, task in tasks.items():
        names = [task.faces.names[row] for row in task.rows.tolist()]
        settings |= {
            f"images of {name}": len(names),
            f"digest of {name}": task.faces.digest,
            f"names_sha256 of {name}": names_sha256(names),
        }
    return settings


def _lead(curves: Sequence[Curve], sets: tuple[str, ...]) -> str:
    """Says how far off each method is on the first set, where it is worst, and how far off the controls are."""

    def off(curve: Curve, place: int) -> float:
        return curve.points[place].values["rmse_pixel_global"].value

    said = []
    for curve in curves:
        if curve.kind != "method":
            continue
        line = f"{curve.name} draws the faces of {sets[0]} {off(curve, 0):.1f} grey levels off (RMSE over all pixels)"
        if len(sets) > 1:
            worst = max(range(1, len(sets)), key=lambda place: off(curve, place))
            line += f", of the other sets {sets[worst]} worst, {off(curve, worst):.1f}"
        said.append(line)
    controls = [curve for curve in curves if curve.kind == "control" and curve.points[0].values]
    compared = ", ".join(f"{curve.name} {off(curve, 0):.1f}" for curve in controls)
    return f"{'; '.join(said)}. To compare with on {sets[0]}: {compared}."


def _notices(tasks: dict[str, Task], given: Given) -> tuple[str, ...]:
    notices = []
    if given.count is not None and any(len(task.rows) < len(task.faces) for task in tasks.values()):
        notices.append(f"only {given.count} images of each set: {QUICK}")
    (main, first), *others = tasks.items()
    known = set(first.faces.names)
    for name, task in others:
        shared = sum(task.faces.names[row] in known for row in task.rows.tolist())
        if shared and name.partition(":")[0] == main.partition(":")[0]:
            notices.append(f"{shared} of the {len(task.rows)} images of {name} are images of {main} too")
    return tuple(notices)
