# SPDX-License-Identifier: MIT
"""What an edit of some strength is measured by: how much of the attribute is seen, and how much of the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.attribute import preservation_accuracy
from faceeval.metrics.conflicts import excluded_columns
from faceeval.metrics.fidelity import realness as sigmoid
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.preservation import pixel_rmse
from faceeval.metrics.strength import always_rises, curve_fall, strength_monotonicity
from faceeval.metrics.table import METRICS
from faceeval.protocols.chosen import Chosen
from faceeval.protocols.findings import mean_over, people
from faceeval.protocols.panel import Looks, Panel
from faceeval.results import Value
from faceeval.results.sweeps import Curve, Measure, Point

IDENTITY = "identity"
Tables = dict[str, NDArray[np.float64]]  # measure -> value of each image at each strength (N, S)

PROBABILITY = Measure(
    question="How much of the attribute?", label="attribute seen", unit="probability", better="neither", digits=3,
    version=1, drawn=True,
    meaning="Mean probability of the attribute by the judge, over faces with and without it.",
)  # fmt: skip
STRENGTH_MEASURES: dict[str, Measure] = {
    "attribute_probability": PROBABILITY,
    "attribute_probability_without": PROBABILITY.model_copy(
        update={"label": "seen, faces without it", "meaning": "The same over faces whose label says they have it not."}
    ),
    "attribute_probability_with": PROBABILITY.model_copy(
        update={"label": "seen, faces with it", "meaning": "The same over faces whose label says they have it."}
    ),
    "identity_similarity": Measure(
        question="Same person?", label="similarity", unit="cosine", better="higher", digits=3,
        version=METRICS["identity_similarity"].version, drawn=True,
        meaning="Cosine similarity of the recogniser's embeddings of source and edit.",
    ),
    "preservation_accuracy": Measure(
        question="Did the rest stay?", label="other attributes", unit="share", better="higher", digits=3,
        version=METRICS["preservation_accuracy"].version,
        meaning="Share of the other attributes on which the judge says of the edit what it says of the source.",
    ),
    "pixel_rmse_error": Measure(
        question="Did the rest stay?", label="RMSE", unit="grey levels", better="lower", digits=2,
        version=METRICS["pixel_rmse"].version,
        meaning="Root mean square difference between source and edit, mean over images; at strength 0 it is the cost "
        "of drawing the face anew.",
    ),
}  # fmt: skip
STRENGTH_WHOLES: dict[str, Measure] = {
    "strength_monotonicity": Measure(
        question="Does more strength give more?", label="monotonicity", unit="Kendall's tau", better="higher", digits=3,
        version=METRICS["strength_monotonicity"].version,
        meaning="Share of pairs of strengths at which the judge sees more of the attribute in the stronger edit, less "
        "the share at which it sees less; mean over faces.",
    ),
    "always_rises": Measure(
        question="Does more strength give more?", label="faces that always rise", unit="share", better="higher",
        digits=3, version=1,
        meaning="Share of faces in which every step up in strength shows the judge more of the attribute.",
    ),
    "curve_fall": Measure(
        question="Does more strength give more?", label="largest fall", unit="probability", better="lower", digits=3,
        version=1, meaning="How far the mean probability falls at most on the way up; 0 where the curve never falls.",
    ),
    "probability_span": Measure(
        question="Does more strength give more?", label="span", unit="probability", better="higher", digits=3,
        version=1, meaning="Mean probability of the attribute at the greatest strength less that at the least.",
    ),
}  # fmt: skip


def stacked(columns: Sequence[Mapping[str, NDArray[np.float64]]]) -> Tables:
    """Returns values of each image, one mapping for each strength, as tables (n, S)."""
    return {measure: np.stack([column[measure] for column in columns], axis=1) for measure in columns[0]}


def seen_values(
    source: NDArray[np.uint8],
    edited: NDArray[np.uint8],
    before: Looks,
    after: Looks,
    attribute: str,
    panel: Panel,
) -> dict[str, NDArray[np.float64]]:
    """Returns what is seen of each edit, measure -> float64 (n,).

    Args:
        source: Source images, uint8 (n, 3, S, S).
        edited: Their edits at one strength.
        before: What the judges saw of the sources.
        after: What they saw of the edits.
        attribute: CelebA's name.
        panel: The judges.
    """
    values = {"pixel_rmse_error": pixel_rmse(source, edited)}
    if "identity" in after:
        values["identity_similarity"] = identity_similarity(before["identity"], after["identity"])
    if "attributes" in after:
        names = panel.judges["attributes"].attribute_names
        if attribute in names:
            values["logit"] = after["attributes"][:, names.index(attribute)].astype(np.float64)
            excluded = excluded_columns(names, attribute)
            if len(excluded) < len(names):
                values["preservation_accuracy"] = preservation_accuracy(
                    before["attributes"], after["attributes"], excluded
                )
    return values


def written(tables: Tables) -> Tables:
    """Returns the tables as they are written down: probabilities, not the logits that keep the order near 0 and 1."""
    rest = {measure: table for measure, table in tables.items() if measure != "logit"}
    if "logit" not in tables:
        return rest
    probability = sigmoid(tables["logit"].ravel()).reshape(tables["logit"].shape)
    return {"attribute_probability": probability, **rest}


def curve(name: str, tables: Tables, chosen: Chosen, panel: Panel, places: int, seed: int) -> Curve:
    """Returns the curve of a method, or of ``identity``, with what is missing and why.

    Args:
        name: Its name.
        tables: Measure -> value of each image at each strength.
        chosen: The images.
        panel: The judges.
        places: How many strengths.
        seed: Seed of the bootstrap.
    """
    who, kept = people(chosen), written(tables)
    for suffix, target in (("without", 1), ("with", 0)):
        if "attribute_probability" in kept:
            only = np.where((chosen.targets == target)[:, None], kept["attribute_probability"], np.nan)
            kept[f"attribute_probability_{suffix}"] = only
    points = []
    for place in range(places):
        found = {measure: mean_over(table[:, place], who, seed) for measure, table in kept.items()}
        values = {measure: value for measure in STRENGTH_MEASURES if (value := found.get(measure)) is not None}
        absent = {measure: _absence(measure, chosen, panel) for measure in STRENGTH_MEASURES if measure not in values}
        points.append(Point(values=values, absent=absent))
    whole: dict[str, Value | None] = {}
    if "logit" in tables:
        probability, n = kept["attribute_probability"], len(chosen)
        whole = {
            "strength_monotonicity": mean_over(strength_monotonicity(tables["logit"]), who, seed),
            "always_rises": mean_over(always_rises(tables["logit"]), who, seed),
            "curve_fall": Value(value=curve_fall(probability), n=n),
            "probability_span": mean_over(probability[:, -1] - probability[:, 0], who, seed),
        }
    return Curve(
        name=name,
        kind="identity" if name == IDENTITY else "method",
        points=tuple(points),
        whole={measure: value for measure, value in whole.items() if value is not None},
    )


def _absence(measure: str, chosen: Chosen, panel: Panel) -> str:
    role = "identity" if measure == "identity_similarity" else "attributes"
    if reason := panel.missing(role):
        return f"no judge: {reason}"
    judge = panel.judges[role]
    if chosen.attribute not in judge.attribute_names:
        return f"the judge {judge.name} does not know {chosen.attribute}"
    return f"the judge {judge.name} knows no attribute that should stay"
