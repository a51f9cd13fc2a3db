# SPDX-License-Identifier: MIT
"""From what was seen of each image to the rows of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.attribute import excluded_columns, flip_success, preservation_accuracy
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.quality import dfn_ratios
from faceeval.protocols.chosen import Chosen
from faceeval.protocols.columns import EDITING_COLUMNS
from faceeval.protocols.intervals import Basis, mean_value, set_distances, statistic_value
from faceeval.protocols.panel import Panel
from faceeval.protocols.speed import throughput
from faceeval.protocols.stream import IDENTITY, TRUTH, Seen, Values
from faceeval.results import Row, Value

TIMED = "images_per_second"


def _quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(values, share))


def _iqr(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


# column -> value of each image it summarises, and how; means stand in MEANS
STATISTICS: dict[str, tuple[str, Callable[[NDArray[np.float64]], float]]] = {
    "dfn_median": ("dfn", partial(_quantile, share=0.5)),
    "dfn_p25": ("dfn", partial(_quantile, share=0.25)),
    "dfn_p75": ("dfn", partial(_quantile, share=0.75)),
    "dfn_iqr": ("dfn", _iqr),
}
# column -> value of each image it is the mean of
MEANS: dict[str, str] = {
    "flip_accuracy": "flip_accuracy",
    "preservation_accuracy": "preservation_accuracy",
    "counterfactual_error": "counterfactual_error",
    "background_error": "background_error",
    "identity_similarity": "identity_similarity",
    "dfn_mean": "dfn",
    "pixel_rmse_error": "pixel_rmse_error",
    "psnr": "psnr",
    "own_realness_score": "own_realness_score",
}


def image_values(row: str, seen: Seen, chosen: Chosen, panel: Panel) -> Values:
    """Returns all values of each image in a row, metric -> float64 (N,)."""
    values, source, looks = dict(seen.values[row]), seen.source, seen.looks[row]
    if "attributes" in looks:
        names = panel.judges["attributes"].attribute_names
        if chosen.attribute in names:
            column = names.index(chosen.attribute)
            values["flip_accuracy"] = flip_success(looks["attributes"][:, column], chosen.targets)
            excluded = excluded_columns(names, chosen.attribute)
            if len(excluded) < len(names):
                values["preservation_accuracy"] = preservation_accuracy(
                    source["attributes"], looks["attributes"], excluded
                )
    if "identity" in looks:
        values["identity_similarity"] = identity_similarity(source["identity"], looks["identity"])
        values["dfn"] = dfn_ratios(source["identity"], looks["identity"])
    return values


@dataclass(frozen=True)
class Absences:
    """Knows why a column of a row is empty.

    Attributes:
        panel: The judges.
        chosen: The images.
        critic: Whether the method has a discriminator.
        made_elsewhere: Whether the edits were made before the run, so that there is no time to take.
        no_basis: Why there are no principal components; empty where there are.
    """

    panel: Panel
    chosen: Chosen
    critic: bool
    made_elsewhere: bool
    no_basis: str

    def reason(self, row: str, column: str) -> str:
        """Returns why there is no value."""
        needs = EDITING_COLUMNS[column].needs
        if needs == "critic":
            return "no discriminator of its own" if row in (IDENTITY, TRUTH) or not self.critic else "no finite value"
        if needs == "time":
            if row in (IDENTITY, TRUTH) or self.made_elsewhere:
                return "nothing was edited here"
            return "one batch only: none was left to time after the warm-up; lower the batch size"
        if needs == "truth" and not self.chosen.has_truth:
            return f"the true edits of {self.chosen.splits[0].name} are not known"
        if needs in ("attributes", "identity", "realism"):
            if reason := self.panel.missing(needs):
                return f"no judge: {reason}"
            return self._unable(column)
        return "infinite: the edits equal their sources" if column == "psnr" else "no image has a value"

    def _unable(self, column: str) -> str:
        if column == "frechet_distance_source_pca" and self.no_basis:
            return self.no_basis
        if EDITING_COLUMNS[column].needs == "attributes":
            judge = self.panel.judges["attributes"]
            if self.chosen.attribute not in judge.attribute_names:
                return f"the judge {judge.name} does not know {self.chosen.attribute}"
            return f"the judge {judge.name} knows no attribute that should stay"
        return "fewer than two images of a class"


def summarise(
    method: str,
    seen: Seen,
    values: dict[str, Values],
    chosen: Chosen,
    basis: Basis | None,
    absences: Absences,
    seed: int,
) -> tuple[Row, ...]:
    """Makes the rows: the method first, then ``identity``, then ``truth``; no row twice.

    Args:
        method: Name of the method's row.
        seen: What was seen.
        values: Row -> values of each image.
        chosen: The images.
        basis: Components of the reduced distance, or None.
        absences: Why columns are empty.
        seed: Seed of the bootstrap.
    """
    rows = []
    for name in dict.fromkeys((method, IDENTITY, TRUTH)):
        if name not in values:
            continue
        found = _columns(values[name], chosen, seed)
        if "realism" in seen.looks[name]:
            found |= set_distances(seen.source["realism"], seen.looks[name]["realism"], chosen.targets, basis, seed)
        if name == method and name != IDENTITY and not absences.made_elsewhere:
            found[TIMED] = throughput(seen.batches, seed)
        kept = {key: value for key in EDITING_COLUMNS if (value := found.get(key)) is not None}
        rows.append(
            Row(
                name=name,
                kind="identity" if name == IDENTITY else "truth" if name == TRUTH else "method",
                values=kept,
                absent={key: absences.reason(name, key) for key in EDITING_COLUMNS if key not in kept},
            )
        )
    return tuple(rows)


def _columns(values: Values, chosen: Chosen, seed: int) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {
        column: mean_value(values[key], seed) for column, key in MEANS.items() if key in values
    }
    for column, (key, statistic) in STATISTICS.items():
        if key in values:
            found[column] = statistic_value(statistic, values[key], seed)
    if "flip_accuracy" in values:
        for column, target in (("flip_accuracy_add", 1), ("flip_accuracy_remove", 0)):
            found[column] = mean_value(values["flip_accuracy"][chosen.targets == target], seed)
    return found
