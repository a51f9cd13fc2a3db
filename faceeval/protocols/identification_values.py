# SPDX-License-Identifier: MIT
"""What the identification experiment measures, from what a judge sees in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceeval.metrics.bootstrap import bootstrap_mean, bootstrap_statistic
from faceeval.metrics.groups import group_places
from faceeval.metrics.identification import cumulative_match, identification_ranks
from faceeval.metrics.identity import pair_similarity
from faceeval.metrics.pose import pose_error
from faceeval.metrics.table import METRICS
from faceeval.protocols.findings import as_value, mean_over
from faceeval.protocols.identification_tasks import CONDITIONED, Gallery, Task
from faceeval.results import Value
from faceeval.results.sweeps import Measure, Plot, Point

WHO, OTHER, OWN = "Whose face?", "What of the other face?", "And by the method's own eyes?"
K = 5  # beside the first
RANKS = 50  # of a drawn match curve


def _measure(
    question: str,
    label: str,
    metric: str,
    better: Literal["higher", "lower", "neither"],
    meaning: str,
    unit: str = "share",
    digits: int = 4,
    drawn: bool = False,
) -> Measure:
    return Measure(
        question=question, label=label, unit=unit, better=better, digits=digits, version=METRICS[metric].version,
        meaning=meaning, drawn=drawn,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "rank_1_accuracy": _measure(
        WHO, "rank 1", "rank_k_accuracy", "higher",
        "Pictures whose person the judge finds as the most similar one of the gallery; people are drawn whole for the "
        "interval.", drawn=True,
    ),
    "rank_5_accuracy": _measure(
        WHO, "rank 5", "rank_k_accuracy", "higher", "The same among the five most similar ones."
    ),
    "share_of_real": _measure(
        WHO, "rank 1, of real", "rank_k_accuracy", "higher",
        "Rank 1 divided by that of the real queries in the same gallery.",
    ),
    "as_query_accuracy": _measure(
        WHO, "rank 1 as query", "rank_k_accuracy", "higher",
        "Where the axis names a condition: pictures in that condition, found in the galleries of the other five.",
    ),
    "giver_similarity": _measure(
        WHO, "like the giver", "identity_similarity", "higher",
        "Cosine of the judge's embeddings of picture and photograph that gave the person.", "cosine",
    ),
    "taken_for_taker": _measure(
        OTHER, "taken for the taker", "rank_k_accuracy", "lower",
        "Pictures for which the judge finds the person whose attributes were to be taken.",
    ),
    "taker_similarity": _measure(
        OTHER, "like the taker", "identity_similarity", "lower",
        "Cosine of the judge's embeddings of picture and photograph that gave the attributes.", "cosine",
    ),
    "attribute_pose_error": _measure(
        OTHER, "pose off the taker's", "pose_error", "lower",
        "Between the judge's poses of picture and photograph that gave the attributes, mean of three angles. Whoever "
        "returns the giver finds everybody and fails here.", "degrees", 2,
    ),
    "own_rank_1_accuracy": _measure(
        OWN, "rank 1, own eyes", "rank_k_accuracy", "neither",
        "Rank 1 by the method's own identity code: it was trained to please it.",
    ),
    "own_real_rank_1_accuracy": _measure(
        OWN, "real rank 1, own eyes", "rank_k_accuracy", "higher",
        "Rank 1 of the real queries by the method's own identity code.",
    ),
}  # fmt: skip

WHOLES: dict[str, Measure] = {
    "conditions_accuracy": _measure(
        WHO, "rank 1 over all conditions", "rank_k_accuracy", "higher",
        "Rank 1 over the galleries of all conditions, as one number; people are drawn whole for the interval.",
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Seen:
    """What a judge makes of n pictures.

    Attributes:
        codes: Embeddings of the identity, (n, D).
        pose: Degrees, (n, 3); None where no judge reads it.
    """

    codes: NDArray[np.float64]
    pose: NDArray[np.float64] | None = None

    def at(self, rows: NDArray[np.int64]) -> Seen:
        """Returns what it makes of some of them."""
        return Seen(self.codes[rows], None if self.pose is None else self.pose[rows])


@dataclass(frozen=True, eq=False)
class Answers:
    """What came of the Q queries of one gallery; NaN where something is not known.

    Attributes:
        gallery: The gallery.
        ranks: Place of the right person, from 1, int64 (Q,).
        taken: Whether the taker's person came first, bool (Q,).
        giver: Cosine to the giver, (Q,).
        taker: Cosine to the taker, (Q,).
        pose: Degrees off the taker's pose, (Q,).
    """

    gallery: Gallery
    ranks: NDArray[np.int64]
    taken: NDArray[np.bool_]
    giver: NDArray[np.float64]
    taker: NDArray[np.float64]
    pose: NDArray[np.float64]

    @classmethod
    def of(cls, task: Task, gallery: Gallery, real: Seen, probes: Seen) -> Answers:
        """Lets a gallery's queries ask.

        Args:
            task: The task.
            gallery: One of its galleries.
            real: What the judge makes of the task's ``rows``.
            probes: And of the pictures that ask, (Q, ...).
        """
        images, givers, takers = (
            real.at(np.searchsorted(task.rows, rows))
            for rows in (gallery.images, task.givers[gallery.made], task.takers[gallery.made])
        )
        others = task.owners[task.takers[gallery.made]]
        off = np.full(len(gallery.made), np.nan)
        if probes.pose is not None and takers.pose is not None:
            off = pose_error(takers.pose, probes.pose).mean(axis=1)
        return cls(
            gallery,
            identification_ranks(probes.codes, gallery.wanted, images.codes, gallery.people),
            identification_ranks(probes.codes, others, images.codes, gallery.people) == 1,
            pair_similarity(probes.codes, givers.codes),
            pair_similarity(probes.codes, takers.codes),
            off,
        )


def own_ranks(
    task: Task, gallery: Gallery, real: NDArray[np.float64], probes: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Returns the places of the right people by codes of the task's ``rows`` and of the pictures that ask."""
    images = real[np.searchsorted(task.rows, gallery.images)]
    return identification_ranks(probes, gallery.wanted, images, gallery.people)


def points(
    asked: Sequence[Answers],
    real: Sequence[Answers] | None,
    own: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None,
    seed: int,
) -> tuple[Point, ...]:
    """Returns one point for each gallery of a task.

    Args:
        asked: What came of a method's pictures, or of a control's.
        real: What came of the real queries; None for these themselves.
        own: Ranks of pictures and of real queries by the method's own code; None where it has none.
        seed: Of the intervals.
    """
    found = []
    for place, answers in enumerate(asked):
        gallery, absent = answers.gallery, dict[str, str]()
        shares = {
            "rank_1_accuracy": (answers.ranks == 1).astype(np.float64),
            "rank_5_accuracy": (answers.ranks <= K).astype(np.float64),
            "giver_similarity": answers.giver,
            "taken_for_taker": answers.taken.astype(np.float64),
            "taker_similarity": answers.taker,
            "attribute_pose_error": answers.pose,
        }
        if own is not None:
            shares["own_rank_1_accuracy"], shares["own_real_rank_1_accuracy"] = (
                (ranks == 1).astype(np.float64) for ranks in own[place]
            )
        if len(gallery.people) < K:
            del shares["rank_5_accuracy"]
        means = {key: mean_over(values, gallery.wanted, seed) for key, values in shares.items()}
        values = {key: value for key, value in means.items() if value is not None}
        if len(asked) > 1:
            values["as_query_accuracy"] = _as_query(asked, place, seed)
        if real is not None and (real[place].ranks == 1).any():
            values["share_of_real"] = _share_of_real(answers, real[place], seed)
        absent = {key: _reason(key, real is None) for key in MEASURES if key not in values}
        found.append(Point(values=values, absent=absent))
    return tuple(found)


def chance(gallery: Gallery) -> Point:
    """Returns what somebody finds who guesses."""
    size, n = len(gallery.people), len(gallery.made)
    values = {key: Value(value=1.0 / size, n=n) for key in ("rank_1_accuracy", "taken_for_taker")}
    if size >= K:
        values["rank_5_accuracy"] = Value(value=K / size, n=n)
    return Point(values=values, absent={key: "chance draws nothing" for key in MEASURES if key not in values})


def over_conditions(asked: Sequence[Answers], seed: int) -> Value | None:
    """Returns rank 1 over all galleries of a task; None where it has but one."""
    if len(asked) < 2:
        return None
    hits = np.concatenate([answers.ranks == 1 for answers in asked]).astype(np.float64)
    return mean_over(hits, np.concatenate([answers.gallery.wanted for answers in asked]), seed)


def match_curves(asked: Mapping[str, Sequence[Sequence[Answers]]], tasks: Sequence[Task]) -> Plot:
    """Returns the cumulative match curves, the galleries of a task together."""
    lines = {}
    for name, found in asked.items():
        for task, answers in zip(tasks, found, strict=True):
            ranks = np.concatenate([one.ranks for one in answers])
            shares = cumulative_match(ranks, len(task.galleries[0].people))[:RANKS]
            line = tuple((float(rank), round(float(share), 5)) for rank, share in enumerate(shares, 1))
            lines[f"{name}, {task.label}"] = line
    return Plot(title="Cumulative match", x="rank", y="share found by then", lines=lines)


def query_lines(
    asked: Mapping[str, Sequence[Sequence[Answers]]], tasks: Sequence[Task]
) -> tuple[tuple[str, ...], dict[str, dict[str, NDArray[np.float64]]]]:
    """Returns the queries' names, and curve -> measure -> its values by query and gallery."""
    queries = [np.unique(np.concatenate([gallery.queries for gallery in task.galleries])) for task in tasks]
    names = tuple(task.faces.names[row] for task, rows in zip(tasks, queries, strict=True) for row in rows.tolist())
    places = sum(len(task.galleries) for task in tasks)
    tables = {}
    for name, found in asked.items():
        ranks, similar = (np.full((len(names), places), np.nan) for _ in range(2))
        first = place = 0
        for rows, answers in zip(queries, found, strict=True):
            for one in answers:
                at = first + np.searchsorted(rows, one.gallery.queries)
                ranks[at, place], similar[at, place] = one.ranks, one.giver
                place += 1
            first += len(rows)
        tables[name] = {"rank": ranks, "giver_similarity": similar}
    return names, tables


def _as_query(asked: Sequence[Answers], place: int, seed: int) -> Value:
    """Rank 1 of the pictures in the condition of a place, in all galleries that show another."""
    hits, who = [], []
    for answers in asked:
        here = answers.gallery.kinds == place
        hits.append((answers.ranks[here] == 1).astype(np.float64))
        who.append(answers.gallery.wanted[here])
    return as_value(bootstrap_mean(np.concatenate(hits), seed, groups=np.concatenate(who)), sum(map(len, hits)))


def _share_of_real(answers: Answers, real: Answers, seed: int) -> Value:
    place = group_places(answers.gallery.wanted, len(answers.ranks))
    made, true = (np.bincount(place, weights=(one.ranks == 1).astype(np.float64)) for one in (answers, real))

    def share(drawn: NDArray[np.int64]) -> float:
        # a draw of people of whom no photograph is found would divide by nothing
        return float(made[drawn].sum() / max(true[drawn].sum(), 1.0))

    return as_value(bootstrap_statistic(share, len(made), seed), len(answers.ranks))


def _reason(key: str, real: bool) -> str:
    if key == "share_of_real":
        return "what others are divided by" if real else "no real query finds its person"
    if key == "rank_5_accuracy":
        return f"fewer than {K} people"
    if key == "as_query_accuracy":
        return f"only for {CONDITIONED}"
    return "no judge reads poses" if key == "attribute_pose_error" else "it has no identity code of its own"
