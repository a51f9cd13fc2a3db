# SPDX-License-Identifier: MIT
"""FAI's experiment: edit one attribute of test faces, both ways, and ask what changed, what stayed, and how it looks.

Tu et al., "Face Attribute Inversion", section 3.3: 1000 test images with the attribute and 1000 without it, inverted.
docs/editing-protocol.md tells the whole of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.benchmark import Benchmark
from faceeval.data.faces import FaceSet
from faceeval.method import Critic
from faceeval.metrics.realism import SmallSampleWarning
from faceeval.protocols.chosen import Chosen, choose, leave_out
from faceeval.protocols.clock import Clock
from faceeval.protocols.columns import distance_name, explain
from faceeval.protocols.edits import AnyEditor, NamedEditor, check_fit, directions
from faceeval.protocols.grid import Grid, draw_grid
from faceeval.protocols.intervals import Basis, fit_basis
from faceeval.protocols.panel import Panel
from faceeval.protocols.rows import Absences, image_values, summarise
from faceeval.protocols.spool import Spool
from faceeval.protocols.stream import Seen, stream
from faceeval.results import Column, ImageRow, Row

FEW = 100  # images of a class below which the numbers say nothing about the method


@dataclass(frozen=True)
class Outcome:
    """What the protocol found.

    Attributes:
        chosen: The images that were edited.
        rows: The method, ``identity``, and ``truth`` where the true edits are known.
        columns: What the rows' keys mean.
        images: One record for each image.
        grid: Faces to show.
        settings: What else decided the numbers.
        notices: What a reader must know before believing them.
    """

    chosen: Chosen
    rows: tuple[Row, ...]
    columns: dict[str, Column]
    images: tuple[ImageRow, ...]
    grid: Grid
    settings: dict[str, str | int | float | bool]
    notices: tuple[str, ...]


def run(
    method: AnyEditor,
    faces: FaceSet,
    attribute: str,
    *,
    benchmark: Benchmark,
    panel: Panel,
    n_per_class: int,
    batch_size: int,
    seed: int,
    clock: Clock,
    extra: FaceSet | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Runs the experiment.

    Args:
        method: The editor.
        faces: The split to edit.
        attribute: CelebA's name.
        benchmark: How the reduced distance is taken.
        panel: The judges.
        n_per_class: Images with the attribute, and images without it.
        batch_size: Images at a time.
        seed: Seed of the bootstrap; nothing else here is left to chance.
        clock: Gets the seconds of each part.
        extra: Split that lends images to a class that is short.
        progress: Called with images done and images in all.

    Returns:
        The rows and all that goes with them.

    Raises:
        InputError: The method does not suit the images or the attribute, or returned something other than edits.
        UnknownNameError: The data do not label the attribute.
    """
    check_fit(method, faces, attribute)
    chosen = choose(faces, attribute, n_per_class, extra, directions(method, attribute))
    chosen.aids(method.card.needs, np.arange(1), method.card.attributes)  # for its errors, before any work is done
    if isinstance(method, NamedEditor):
        method.prepare(chosen.names, faces.size)
    with Spool(faces.size) as spool:
        seen = stream(method, chosen, panel, spool, batch_size=batch_size, clock=clock, progress=progress)
        basis, no_basis = _basis(chosen, panel, benchmark, batch_size, clock)
        with clock.part("statistics"), warnings.catch_warnings():
            warnings.simplefilter("ignore", SmallSampleWarning)  # a notice says it once
            values = {row: image_values(row, seen, chosen, panel) for row in seen.looks}
            absences = Absences(panel, chosen, isinstance(method, Critic), isinstance(method, NamedEditor), no_basis)
            rows = summarise(method.card.name, seen, values, chosen, basis, absences, seed)
        grid = draw_grid(method.card.name, chosen, values, spool)
    features = distance_name(panel.judges["realism"].name if "realism" in panel.judges else None)
    return Outcome(
        chosen=chosen,
        rows=rows,
        columns=explain(features, len(basis.components) if basis else None),
        images=_image_rows(chosen, values),
        grid=grid,
        settings=_settings(n_per_class, batch_size, seed, basis),
        notices=_notices(method.card.name, chosen, n_per_class, panel, seen),
    )


def _basis(
    chosen: Chosen, panel: Panel, benchmark: Benchmark, batch_size: int, clock: Clock
) -> tuple[Basis | None, str]:
    """Fits the components of the reduced distance; None, and why, where that cannot be done."""
    if "realism" not in panel.judges:
        return None, panel.missing("realism")
    realism = Panel({"realism": panel.judges["realism"]})
    faces, indices = chosen.splits[0], leave_out(chosen, benchmark.pca.images)
    parts = []
    for start in range(0, len(indices), batch_size):
        with clock.part("data"):
            images = faces.read(indices[start : start + batch_size])
        with clock.part("judge"):
            parts.append(realism.look(images)["realism"])
    found = sum(map(len, parts))
    k = benchmark.pca_components(parts[0].shape[1]) if parts else 1
    if found <= k:
        return None, f"{k} components need more than {k} images that nobody edits; the split has {found}"
    with clock.part("statistics"):
        return fit_basis(np.concatenate(parts), k), ""


def _image_rows(chosen: Chosen, values: dict[str, dict[str, NDArray[np.float64]]]) -> tuple[ImageRow, ...]:
    def finite(value: np.float64) -> float | None:
        return float(value) if np.isfinite(value) else None

    return tuple(
        ImageRow(
            name=name,
            direction="add" if chosen.targets[i] else "remove",
            values={
                row: {metric: finite(column[i]) for metric, column in columns.items()}
                for row, columns in values.items()
            },
        )
        for i, name in enumerate(chosen.names)
    )


def _settings(n_per_class: int, batch_size: int, seed: int, basis: Basis | None) -> dict[str, str | int | float | bool]:
    settings: dict[str, str | int | float | bool] = {
        "n_per_class": n_per_class,
        "batch_size": batch_size,
        "seed": seed,
        "confidence": 0.95,
    }
    if basis is not None:
        settings |= {"pca_fit": "reference", "pca_components": len(basis.components), "pca_images": basis.n}
    return settings


def _notices(method: str, chosen: Chosen, n_per_class: int, panel: Panel, seen: Seen) -> tuple[str, ...]:
    """Says what a reader must know before believing the numbers."""
    notices = []
    negatives = int(chosen.targets.sum())
    positives = len(chosen) - negatives
    counts = f"{positives} images with {chosen.attribute} and {negatives} without"
    classes = [count for count in (positives, negatives) if count]
    if len(classes) == 1:
        way = "adds" if negatives else "removes"
        notices.append(f"{method} {way} {chosen.attribute} only, so only that was asked of it")
    if min(classes) < FEW:
        notices.append(f"{counts}: far too few, the numbers are meaningless except to show that everything runs")
    if chosen.short:
        notices.append(f"{n_per_class} images of each class were asked for; the data have {counts}")
    if chosen.extended:
        notices.append(f"{chosen.extended} images come from the {chosen.splits[1].split} split: a class was short")
    for role in ("attributes", "identity", "realism"):
        if reason := panel.missing(role):
            notices.append(f"no judge of {role}: {reason}")
    if "realism" in seen.source and len(chosen) <= seen.source["realism"].shape[1]:
        dimensions = seen.source["realism"].shape[1]
        notices.append(
            f"{len(chosen)} images for {dimensions} features: Fréchet distances are biased by the sample's size"
        )
    return tuple(notices)
