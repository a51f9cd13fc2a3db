# SPDX-License-Identifier: MIT
"""The columns of the editing protocol: what each key in a result is called, counts in, and means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceeval.metrics.table import METRICS
from faceeval.results import Column

Need = Literal["attributes", "identity", "realism", "truth", "critic", "time", "nothing"]

CHANGED, TRUE_EDIT, KEPT = "Did it change?", "Is it the true edit?", "Did the rest stay?"
PERSON, REAL, QUALITY, SPEED = "Same person?", "Does it look real?", "Still a good face?", "How fast?"


@dataclass(frozen=True)
class ColumnSpec:
    """A column before it is known which judges look.

    Attributes:
        question: The question it helps to answer.
        label: Heading; ``{features}`` stands for the name of the Fréchet distance, ``{k}`` for its components.
        unit: Unit.
        better: Which way is better.
        digits: Decimals worth printing.
        needs: What must be there for the column to have a value.
        metric: Its name in ``METRICS``; empty where the protocol itself measures it.
        meaning: One sentence for people.
    """

    question: str
    label: str
    unit: str
    better: Literal["higher", "lower", "near 1"]
    digits: int
    needs: Need
    metric: str
    meaning: str


EDITING_COLUMNS: dict[str, ColumnSpec] = {
    "flip_accuracy": ColumnSpec(
        CHANGED, "flipped", "share", "higher", 3, "attributes", "flip_accuracy",
        "Share of edits in which the judge sees the wanted value of the attribute.",
    ),
    "flip_accuracy_add": ColumnSpec(
        CHANGED, "added", "share", "higher", 3, "attributes", "flip_accuracy",
        "The same, over the faces to which the attribute is added.",
    ),
    "flip_accuracy_remove": ColumnSpec(
        CHANGED, "removed", "share", "higher", 3, "attributes", "flip_accuracy",
        "The same, over the faces from which the attribute is taken away.",
    ),
    "counterfactual_error": ColumnSpec(
        TRUE_EDIT, "error to truth", "grey levels", "lower", 2, "truth", "counterfactual_error",
        "Mean absolute difference to the true edit inside the attribute's region; identity's is the cost of "
        "doing nothing.",
    ),
    "preservation_accuracy": ColumnSpec(
        KEPT, "other attributes", "share", "higher", 3, "attributes", "preservation_accuracy",
        "Share of the other attributes on which the judge says of the edit what it says of the source.",
    ),
    "background_error": ColumnSpec(
        KEPT, "change outside", "grey levels", "lower", 2, "truth", "background_error",
        "Mean absolute difference to the source outside the attribute's region.",
    ),
    "pixel_rmse_error": ColumnSpec(
        KEPT, "RMSE", "grey levels", "lower", 2, "nothing", "pixel_rmse",
        "Root mean square difference between source and edit, mean over images.",
    ),
    "psnr": ColumnSpec(
        KEPT, "PSNR", "dB", "higher", 2, "nothing", "psnr",
        "Peak signal-to-noise ratio against the source, mean over the edits that differ from it at all.",
    ),
    "identity_similarity": ColumnSpec(
        PERSON, "similarity", "cosine", "higher", 3, "identity", "identity_similarity",
        "Cosine similarity of the recogniser's embeddings of source and edit.",
    ),
    "frechet_distance_target": ColumnSpec(
        REAL, "{features} to target", "feature units²", "lower", 2, "realism", "frechet_distance",
        "Fréchet distance between edits and real images of the class aimed at, mean of both directions (unpaired).",
    ),
    "frechet_distance_source": ColumnSpec(
        REAL, "{features} to source", "feature units²", "lower", 2, "realism", "frechet_distance",
        "Fréchet distance between sources and their edits, both directions together (paired; doing nothing gives 0).",
    ),
    "frechet_distance_source_pca": ColumnSpec(
        REAL, "same, PCA {k}", "feature units²", "lower", 2, "realism", "frechet_distance_pca",
        "The distance to the sources after projection on principal components fitted on images nobody edits.",
    ),
    "own_realness_score": ColumnSpec(
        REAL, "own realness", "share", "higher", 3, "critic", "fidelity_score",
        "Mean probability of being real the method's own discriminator gives its edits; two methods' scales differ.",
    ),
    "dfn_mean": ColumnSpec(
        QUALITY, "DFN", "ratio", "near 1", 3, "identity", "dfn_ratios",
        "Mean over images of the length of the edit's feature over that of the source's (FAI's Table 1).",
    ),
    "dfn_median": ColumnSpec(
        QUALITY, "DFN median", "ratio", "near 1", 3, "identity", "dfn_ratios", "Median of the DFN ratios."
    ),
    "dfn_p25": ColumnSpec(
        QUALITY, "DFN P25", "ratio", "near 1", 3, "identity", "dfn_ratios", "Lower quartile of the DFN ratios."
    ),
    "dfn_p75": ColumnSpec(
        QUALITY, "DFN P75", "ratio", "near 1", 3, "identity", "dfn_ratios", "Upper quartile of the DFN ratios."
    ),
    "dfn_iqr": ColumnSpec(
        QUALITY, "DFN IQR", "ratio", "lower", 3, "identity", "dfn_ratios",
        "Distance between the quartiles of the DFN ratios: how unsteady the quality is.",
    ),
    "images_per_second": ColumnSpec(
        SPEED, "speed", "images/s", "higher", 1, "time", "",
        "Images edited in a second of wall time, first batch left out; only comparable on one machine.",
    ),
}  # fmt: skip


def explain(features: str, k: int | None) -> dict[str, Column]:
    """Returns the columns of a result.

    Args:
        features: What Fréchet distances are called: ``"FID"`` on Inception's features, else ``"FD-<judge>"``.
        k: Components of the reduced distance; None where none was computed.
    """
    columns = {}
    for key, spec in EDITING_COLUMNS.items():
        columns[key] = Column(
            question=spec.question,
            label=spec.label.format(features=features, k=k or "").strip(),
            unit=spec.unit,
            better=spec.better,
            digits=spec.digits,
            version=METRICS[spec.metric].version if spec.metric else 1,
            meaning=spec.meaning,
        )
    return columns


def distance_name(judge: str | None) -> str:
    """Names the Fréchet distance on a judge's features; only Inception's is called FID.

    Example:
        >>> distance_name("inception"), distance_name("procfaces")
        ('FID', 'FD-procfaces')
    """
    return "FID" if judge == "inception" else f"FD-{judge}" if judge else "FD"
