# SPDX-License-Identifier: MIT
"""What the reconstruction protocol does with one set: every image drawn again by everybody, and how far off each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.metrics.preservation import pixel_l1_error, pixel_rmse, psnr, ssim
from faceeval.protocols.asked import Images, Indices, pictures
from faceeval.protocols.experiments import Given
from faceeval.protocols.findings import mean_over
from faceeval.protocols.reconstruction_controls import IDENTITY, MEAN, TAG, Controls
from faceeval.protocols.sheets import Sheet
from faceeval.results import Value
from faceeval.results.sweeps import Point

SHOWN = 3  # faces of each set
Values = dict[str, NDArray[np.float64]]  # what is measured of each image -> (n,)
# of each image: what the measures are made of
PER_IMAGE = {"rmse_pixel_global": "pixel_rmse", "rmse_pixel_mean": "pixel_rmse", "rms_of_image_l1": "pixel_l1_error"}
ROOTS = ("rmse_pixel_global", "rms_of_image_l1")  # roots of mean squares; the others are means


@dataclass(frozen=True)
class Task:
    """One set to be drawn again.

    Attributes:
        name: What it is called.
        faces: The set.
        rows: Which images of it.
        methods: Who draws.
        controls: What they are compared with.
        given: Batch size, clock and progress.
    """

    name: str
    faces: FaceSet
    rows: Indices
    methods: Sequence[Any]
    controls: Controls
    given: Given

    def drawn(self, source: Images, rows: Indices) -> dict[str, Images]:
        """Returns what each method and each control makes of some images of the set."""
        made = {
            method.card.name: pictures(method.reconstruct, f"{method.card.name}.reconstruct", self.given, source)
            for method in self.methods
        }
        with self.given.clock.part("controls"):
            return {**made, **self.controls.drawn(source, rows)}

    def values(self) -> dict[str, Values]:
        """Returns what is measured of each image, by curve."""
        parts = dict[str, list[Values]]()
        advance, total = self.given.bar(self.name), len(self.rows)
        for start in range(0, total, self.given.batch_size):
            block = self.rows[start : start + self.given.batch_size]
            with self.given.clock.part("data"):
                source = self.faces.read(block)
            made = self.drawn(source, block)
            with self.given.clock.part("statistics"):
                for curve, images in made.items():
                    parts.setdefault(curve, []).append(_errors(source, images))
            advance(start + len(block), total)
        found = {
            curve: {key: np.concatenate([part[key] for part in blocks]) for key in blocks[0]}
            for curve, blocks in parts.items()
        }
        nothing = np.zeros(total)  # an image is as far from itself as can be said without looking
        same = {"pixel_rmse": nothing, "pixel_l1_error": nothing, "psnr": nothing + np.nan, "ssim": nothing + 1.0}
        return {**found, IDENTITY: same}

    def show(self, sheet: Sheet, found: dict[str, Values]) -> None:
        """Adds a few faces by the hash rule, and the worst of each method."""
        chosen = select(SHOWN, [self.faces.names[row] for row in self.rows.tolist()], f"{TAG}/shown")
        places = {self.faces.names[row]: place for place, row in enumerate(self.rows.tolist())}
        strips = [(f"{self.name}, {number}", places[name], "") for number, name in enumerate(chosen, 1)]
        for method in self.methods:
            worst = int(found[method.card.name]["pixel_rmse"].argmax())
            strips.append((f"{self.name}, worst of {method.card.name}", worst, method.card.name))
        for title, place, only in strips:
            rows = self.rows[place : place + 1]
            source = self.faces.read(rows)
            for curve, images in self.drawn(source, rows).items():
                if curve != MEAN and only in ("", curve):
                    far = found[curve]["pixel_rmse"][place]
                    sheet.add(title, curve, [source[0], images[0]], f"RMSE of {curve} {far:.1f}" if only else "")


def point(values: Values, who: NDArray[np.int64] | None, seed: int, keys: tuple[str, ...]) -> Point:
    """Returns what one curve has on one set.

    Args:
        values: What was measured of each image.
        who: Who is on it; intervals draw people, or images where this is None.
        seed: Seed of the draws.
        keys: Measures, of PER_IMAGE or of one name with what was measured.
    """
    found: dict[str, Value] = {}
    for key in keys:
        single = values[PER_IMAGE.get(key, key)]
        value = mean_over(single**2 if key in ROOTS else single, who, seed)
        if value is not None:
            found[key] = _root(value) if key in ROOTS else value
    return Point(values=found, absent={key: "every image came back as it was" for key in keys if key not in found})


def _root(value: Value) -> Value:
    """Returns the root of a mean of squares; the ends of a percentile interval may be moved through it."""
    low, high = (None if end is None else float(np.sqrt(end)) for end in (value.low, value.high))
    return Value(value=float(np.sqrt(value.value)), low=low, high=high, n=value.n)


def image_table(curve: str, found: dict[str, dict[str, Values]]) -> Values:
    """Returns what was measured of every image, float64 (N, P); an image is of one place only, and NaN elsewhere.

    Args:
        curve: Whose images.
        found: Set -> curve -> what was measured.
    """
    sizes = [len(values[curve]["pixel_rmse"]) for values in found.values()]
    table = {}
    for key in ("pixel_rmse", "pixel_l1_error", "ssim"):
        table[key] = np.full((sum(sizes), len(sizes)), np.nan)
        for place, (start, values) in enumerate(zip(np.cumsum([0, *sizes]), found.values(), strict=False)):
            table[key][start : start + sizes[place], place] = values[curve][key]
    return table


def _errors(source: Images, images: Images) -> Values:
    decibels = psnr(source, images)
    decibels[np.isinf(decibels)] = np.nan  # one equal pair would make the mean infinite
    return {
        "pixel_rmse": pixel_rmse(source, images),
        "pixel_l1_error": pixel_l1_error(source, images),
        "psnr": decibels,
        "ssim": ssim(source, images),
    }
