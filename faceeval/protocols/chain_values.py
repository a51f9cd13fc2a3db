# SPDX-License-Identifier: MIT
"""What a chain of edits is measured by: one judge of all methods and lengths, and what holds of edits and person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.attribute import flip_success, preservation_accuracy
from faceeval.metrics.conflicts import excluded_columns
from faceeval.metrics.crossfit import JudgedEdits, cross_fitted_fidelity
from faceeval.metrics.fidelity import fidelity_by_edit_count, legacy_fidelity_matrix, realness
from faceeval.metrics.identity import identity_similarity
from faceeval.metrics.table import METRICS
from faceeval.protocols.chosen import Chosen
from faceeval.protocols.findings import Settings, as_value, mean_over, people
from faceeval.protocols.links import REAL, ChainSeen, Reach
from faceeval.protocols.panel import Looks, Panel
from faceeval.results import Value
from faceeval.results.sweeps import Curve, Matrix, Measure, Point

FOLDS = 5
Tables = dict[str, NDArray[np.float64]]  # measure -> value of each image at each place (N, P); NaN where there is none

CHAIN_MEASURES: dict[str, Measure] = {
    "fidelity": Measure(
        question="Does it look real?", label="fidelity", unit="probability", better="higher", digits=3,
        version=METRICS["cross_fitted_realness"].version, drawn=True,
        meaning="Mean probability of being real, by one judge for all methods and lengths that has seen neither the "
        "image nor its source; what it says of the unedited faces is the scale.",
    ),
    "fidelity_change": Measure(
        question="Does it look real?", label="change", unit="probability", better="higher", digits=3,
        version=METRICS["cross_fitted_realness"].version,
        meaning="Its mean difference from the same faces unedited, face by face; below 0 is less real.",
    ),
    "judge_auc": Measure(
        question="Does it look real?", label="told apart", unit="AUC", better="lower", digits=3,
        version=METRICS["verification_auc"].version,
        meaning="Chance that the judge finds an unedited face realer than an edited one; 0.5 cannot tell them apart.",
    ),
    "own_realness": Measure(
        question="Does it look real?", label="own realness", unit="probability", better="higher", digits=3,
        version=METRICS["fidelity_score"].version, drawn=True,
        meaning="Mean probability of being real by the discriminator of the last edit's own network, as M-AAE's Table "
        "2 has it; scales of two methods, and of two attributes, differ.",
    ),
    "flip_accuracy": Measure(
        question="Did it change?", label="edits that hold", unit="share", better="higher", digits=3,
        version=METRICS["flip_accuracy"].version, drawn=True,
        meaning="Share of the attributes edited so far that the judge sees at the wanted value, after the last edit.",
    ),
    "first_flip_accuracy": Measure(
        question="Did it change?", label="first edit holds", unit="share", better="higher", digits=3,
        version=METRICS["flip_accuracy"].version,
        meaning="Share of faces in which the judge still sees the first edit.",
    ),
    "preservation_accuracy": Measure(
        question="Did the rest stay?", label="other attributes", unit="share", better="higher", digits=3,
        version=METRICS["preservation_accuracy"].version,
        meaning="Share of the attributes nobody asked for on which the judge says of the edit what it says of the "
        "source.",
    ),
    "identity_similarity": Measure(
        question="Same person?", label="similarity", unit="cosine", better="higher", digits=3,
        version=METRICS["identity_similarity"].version, drawn=True,
        meaning="Cosine similarity of the recogniser's embeddings of source and edit.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """What the one judge said.

    Attributes:
        edits: Method and number of edits -> its verdicts; empty where there was no judge of realism.
        why: Why there are none.
        settings: How far it can be trusted.
        notices: What a reader must know.
    """

    edits: Mapping[tuple[str, int], JudgedEdits]
    why: str = ""
    settings: Settings = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def judge_all(source: Looks, looks: Mapping[tuple[str, int], Looks], chosen: Chosen, panel: Panel, seed: int) -> Judged:
    """Trains one judge on the sources against the edits of all methods and lengths in equal shares, and asks it.

    Args:
        source: What the judges saw of the sources.
        looks: Method and number of edits -> what they saw of the edits.
        chosen: The images.
        panel: Its judge of realism lends the features.
        seed: Part of the hash that makes the folds, and seed of the intervals.

    Raises:
        InputError: Fewer people than folds.
    """
    if "realism" not in panel.judges:
        why = f"no judge: {panel.missing('realism')}"
        return Judged({}, why, {}, (f"no judge of realism: {panel.missing('realism')}",))
    names = {f"{method}, {count}": (method, count) for method, count in looks}
    features = {name: looks[key]["realism"] for name, key in names.items()}
    found = cross_fitted_fidelity(source["realism"], features, people(chosen), FOLDS, seed=seed)
    edits = {names[name]: verdict for name, verdict in found.items()}
    total = float(np.mean([verdict.summary.total for verdict in edits.values()]))
    notices, dimensions = [], source["realism"].shape[1]
    if len(chosen) * (FOLDS - 1) // FOLDS * 2 <= dimensions:
        notices.append(
            f"{len(chosen)} images for {dimensions} features: the judge is weak, and scores are nearer to 0.5 "
            "than they should be"
        )
    penalty = next(iter(edits.values())).penalty
    # an ideal judge's mean over the edits and over the sources sum to 1
    settings: Settings = {"judge_folds": FOLDS, "judge_penalty": penalty, "judge_sets": len(edits), "judge_sum": total}
    return Judged(edits, "", settings, tuple(notices))


def image_values(
    reaches: Sequence[Reach], links: Sequence[Chosen], seen: ChainSeen, judged: Judged, panel: Panel
) -> dict[str, Tables]:
    """Returns the values of each image after each number of edits, method -> measure -> float64 (N, K + 1)."""
    tables: dict[str, Tables] = {}
    for reach in reaches:
        name = reach.links.name
        columns = [_source_values(name, links, seen, judged, panel)]
        for count in range(1, len(links) + 1):
            columns.append(_values(name, count, links, seen, judged, panel) if count <= reach.length else {})
        nothing = np.full(len(links[0]), np.nan)
        tables[name] = {
            measure: np.stack([column.get(measure, nothing) for column in columns], axis=1)
            for measure in CHAIN_MEASURES
            if any(measure in column for column in columns)
        }
    return tables


def _source_values(
    name: str, links: Sequence[Chosen], seen: ChainSeen, judged: Judged, panel: Panel
) -> dict[str, NDArray[np.float64]]:
    """The control: what is said of the unedited images."""
    values = {}
    if judged.edits:
        values["fidelity"] = realness(judged.edits[name, 1].real)
    if (name, 1, REAL) in seen.own:
        values["own_realness"] = realness(seen.own[name, 1, REAL])
    return values | _kept(links[:1], seen.source, seen.source, panel)


def _values(
    name: str, count: int, links: Sequence[Chosen], seen: ChainSeen, judged: Judged, panel: Panel
) -> dict[str, NDArray[np.float64]]:
    looks, values = seen.looks[name, count], {}
    if judged.edits:
        values["fidelity"] = realness(judged.edits[name, count].edited)
        values["fidelity_change"] = values["fidelity"] - realness(judged.edits[name, count].real)
    if (name, count, name) in seen.own:
        values["own_realness"] = realness(seen.own[name, count, name])
    if "attributes" in looks:
        names = panel.judges["attributes"].attribute_names
        known = [link for link in links[:count] if link.attribute in names]
        flips = [flip_success(looks["attributes"][:, names.index(link.attribute)], link.targets) for link in known]
        if flips:
            values["flip_accuracy"] = np.mean(flips, axis=0)
        if known and known[0] is links[0]:
            values["first_flip_accuracy"] = flips[0]
    return values | _kept(links[:count], seen.source, looks, panel)


def _kept(links: Sequence[Chosen], source: Looks, looks: Looks, panel: Panel) -> dict[str, NDArray[np.float64]]:
    """What a chain should leave alone."""
    values = {}
    if "attributes" in looks:
        names = panel.judges["attributes"].attribute_names
        edited = [link.attribute for link in links if link.attribute in names]
        excluded = excluded_columns(names, edited) if edited else np.zeros(0, np.int64)
        if len(excluded) < len(names):
            values["preservation_accuracy"] = preservation_accuracy(source["attributes"], looks["attributes"], excluded)
    if "identity" in looks:
        values["identity_similarity"] = identity_similarity(source["identity"], looks["identity"])
    return values


def curves(
    reaches: Sequence[Reach],
    chosen: Chosen,
    values: Mapping[str, Tables],
    judged: Judged,
    panel: Panel,
    seed: int,
) -> tuple[Curve, ...]:
    """Returns the curve of each method over the number of edits, with what is missing and why."""
    who, places = people(chosen), len(next(iter(next(iter(values.values())).values()))[0])
    made = []
    for reach in reaches:
        name = reach.links.name
        verdicts = {count: verdict for (method, count), verdict in judged.edits.items() if method == name}
        told = _fidelity(verdicts, who, seed)
        points = []
        for count in range(places):
            found: dict[str, Value | None] = {
                measure: mean_over(table[:, count], who, seed) for measure, table in values[name].items()
            } | told.get(count, {})
            kept = {measure: value for measure in CHAIN_MEASURES if (value := found.get(measure)) is not None}
            absent = {
                measure: _absence(measure, count, reach, judged, panel)
                for measure in CHAIN_MEASURES
                if measure not in kept
            }
            points.append(Point(values=kept, absent=absent))
        made.append(Curve(name=name, kind="identity" if name == "identity" else "method", points=tuple(points)))
    return tuple(made)


def _fidelity(
    verdicts: Mapping[int, JudgedEdits], who: NDArray[np.int64] | None, seed: int
) -> dict[int, dict[str, Value | None]]:
    """Fidelity by the number of edits, with the change from the control and how well the judge tells them apart."""
    if not verdicts:
        return {}
    logits = {0: verdicts[1].real, **{count: verdict.edited for count, verdict in verdicts.items()}}
    found: dict[int, dict[str, Value | None]] = {}
    for row in fidelity_by_edit_count(logits, seed, groups=who):
        found[row.n_edits] = {"fidelity": as_value(row.score, row.n)}
        if row.n_edits:
            auc = verdicts[row.n_edits].summary.auc
            found[row.n_edits] |= {
                "fidelity_change": as_value(row.change, row.n),
                "judge_auc": Value(value=auc, n=2 * row.n),
            }
    return found


def _absence(measure: str, count: int, reach: Reach, judged: Judged, panel: Panel) -> str:
    if count > reach.length:
        return reach.why
    if measure in ("fidelity", "fidelity_change", "judge_auc") and judged.why:
        return judged.why
    if count == 0 and measure not in ("own_realness", "preservation_accuracy", "identity_similarity"):
        return "nothing was edited"
    if measure == "own_realness":
        return "no discriminator of its own"
    role = "identity" if measure == "identity_similarity" else "attributes"
    if reason := panel.missing(role):
        return f"no judge: {reason}"
    return f"the judge {panel.judges[role].name} knows none of these attributes"


def matrices(reaches: Sequence[Reach], links: Sequence[Chosen], seen: ChainSeen) -> tuple[Matrix, ...]:
    """Returns, for each number of edits, what each method's own discriminator says of every method's images.

    The discriminator is that of the network that made the last edit, asked about the value wanted; of the unedited
    images it is asked about the value they have.
    """
    found = []
    for count, link in enumerate(links, start=1):
        methods = [reach.links.name for reach in reaches if reach.length >= count]
        judges = [name for name in methods if (name, count, REAL) in seen.own]
        if not judges:
            continue
        logits = {judge: {name: seen.own[judge, count, name] for name in (*methods, REAL)} for judge in judges}
        made = legacy_fidelity_matrix(logits)
        edits = "1 edit" if count == 1 else f"{count} edits"
        found.append(
            Matrix(
                place=count,
                title=f"after {edits}, by the discriminators of {link.attribute.replace('_', ' ')}",
                judges=made.judges,
                methods=made.methods,
                scores=tuple(tuple(float(score) for score in row) for row in made.scores),
                own_advantage=dict(made.own_advantage),
            )
        )
    return tuple(found)
