# SPDX-License-Identifier: MIT
"""What is read along the way from one face's attributes to another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from faceeval.metrics.path import path_evenness, path_straightness
from faceeval.metrics.preservation import pixel_rmse
from faceeval.metrics.strength import strength_monotonicity
from faceeval.metrics.table import METRICS
from faceeval.protocols.asked import Images
from faceeval.protocols.experiments import Given
from faceeval.protocols.moved import Array, Reading, read_faces, similarity
from faceeval.results.sweeps import Measure

BLOCKS = 4  # the picture's light and shade are the mean greys of 4 x 4 blocks


def _measure(
    question: str, label: str, unit: str, better: Literal["higher", "lower", "near 1"], metric: str, meaning: str,
    *, digits: int = 3, drawn: bool = False,
) -> Measure:  # fmt: skip
    version = METRICS[metric].version if metric else 1
    return Measure(
        question=question, label=label, unit=unit, better=better, digits=digits, version=version, meaning=meaning,
        drawn=drawn,
    )  # fmt: skip


STEADY, WHO = "Does what is seen change steadily?", "Who is it on the way?"
MEASURES: dict[str, Measure] = {
    "path_monotonicity": _measure(
        STEADY, "monotonicity", "Kendall's tau", "higher", "strength_monotonicity",
        "Share of pairs of steps of which the later one is further on the way, less the share of those that are back.",
        drawn=True,
    ),
    "path_straightness": _measure(
        STEADY, "straightness", "share", "higher", "path_straightness",
        "How far the readings lead, divided by how long their path is; the reading's own noise lengthens it.",
    ),
    "path_evenness": _measure(
        STEADY, "evenness", "share", "higher", "path_evenness", "Mean step of the readings, divided by the largest.",
        drawn=True,
    ),
    "path_reach": _measure(
        STEADY, "reach", "share", "near 1", "",
        "How far the reading moves from the first to the last step, by how far apart the two lent pictures are.",
    ),
    "identity_similarity": _measure(
        WHO, "similarity", "cosine", "higher", "identity_similarity",
        "Cosine to another picture of the giver, mean over the steps.", drawn=True,
    ),
    "identity_similarity_least": _measure(
        WHO, "least similarity", "cosine", "higher", "identity_similarity", "The same, at the step that is least like.",
    ),
    "truth_error": _measure(
        "Is it the right picture?", "RMSE to the truth", "grey levels", "lower", "pixel_rmse",
        "Root mean square difference to the giver's face with what lies between, mean over the steps.", digits=2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Path:
    """What is seen at the ends of a path, of N people.

    Attributes:
        kind: What changes: ``"pose"``, ``"light"`` or ``"expression"``.
        first: Readings of the pictures that lend attributes at share 0, (N, D); None where nobody reads it.
        toward: From there to the readings at share 1, (N, D).
        person: Embeddings of another picture of each giver (N, D); None where nobody judges identity.
    """

    kind: str
    first: Array | None
    toward: Array | None
    person: Array | None

    @classmethod
    def of(cls, kind: str, first: Images, second: Images, person: Array | None, given: Given) -> Path:
        """Reads the pictures that lend attributes, uint8 (N, 3, S, S)."""
        start, end = (reading(kind, images, read_faces(images, given)) for images in (first, second))
        return cls(kind, start, None if start is None or end is None else end - start, person)


def reading(kind: str, images: Images, seen: Reading) -> Array | None:
    """Returns what shows a change: degrees (N, 3), logits (N, 8), or grey levels of blocks (N, 16); None if nothing."""
    if kind == "light":
        side = images.shape[-1] // BLOCKS
        grey = images.mean(axis=1)[:, : side * BLOCKS, : side * BLOCKS]
        return np.asarray(grey.reshape(-1, BLOCKS, side, BLOCKS, side).mean(axis=(2, 4)).reshape(-1, BLOCKS**2))
    return seen.pose if kind == "pose" else seen.expression


def along(
    path: Path, made: Images | None, truth: Images | None, places: int, given: Given
) -> tuple[dict[str, Array], Array]:
    """Reads the pictures of a path.

    Args:
        path: Its ends.
        made: Pictures (N * P, 3, S, S), person after person; None where there are none.
        truth: The right answers, likewise.
        places: P.
        given: The judges.

    Returns:
        Measure -> values (N,), and the mean progress and similarity at each place (2, P); NaN where nobody says it.
    """
    count = len(made) // places if made is not None else 1 if path.first is None else len(path.first)
    values, lines = {key: np.full(count, np.nan) for key in MEASURES}, np.full((2, places), np.nan)
    if made is None:
        return values, lines
    seen = read_faces(made, given)
    with given.clock.part("statistics"):
        found = reading(path.kind, made, seen)
        if found is not None and path.first is not None and path.toward is not None:
            steps = found.reshape(count, places, -1)
            progress = _progress(steps, path.first, path.toward)
            values |= {
                "path_monotonicity": strength_monotonicity(progress),
                "path_straightness": path_straightness(steps),
                "path_evenness": path_evenness(steps),
                "path_reach": progress[:, -1] - progress[:, 0],
            }
            lines[0] = progress.mean(axis=0)
        if path.person is not None:
            like = similarity(seen.identity, np.repeat(path.person, places, axis=0), len(made)).reshape(count, places)
            values |= {"identity_similarity": like.mean(axis=1), "identity_similarity_least": like.min(axis=1)}
            lines[1] = like.mean(axis=0)
        if truth is not None:
            values["truth_error"] = pixel_rmse(truth, made).reshape(count, places).mean(axis=1)
    return values, lines


def _progress(steps: Array, first: Array, toward: Array) -> Array:
    """Returns how far along each reading is, (N, P): 0 as the first picture, 1 as far on as the second, on average.

    Each face goes its own direction; the unit is the mean distance of all, since one that is small by chance would make
    the readings' noise large.
    """
    lengths = np.sqrt((toward**2).sum(axis=1))
    directions = np.divide(toward, lengths[:, None], out=np.zeros_like(toward), where=lengths[:, None] > 0)
    gone = ((steps - first[:, None]) * directions[:, None]).sum(axis=2)
    return np.asarray(gone / (lengths.mean() or 1.0))
