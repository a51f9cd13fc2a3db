# SPDX-License-Identifier: MIT
"""Whose each factor of a face is after a transfer: the pairs, what is known of them, and what the judges say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceeval.data.dialects.mixed import FACTORS, true_transfers
from faceeval.data.dialects.people import in_hash_order, people_in_hash_order, rows_of_people
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError
from faceeval.metrics.identity import unit_rows
from faceeval.metrics.pose import pose_error
from faceeval.metrics.preservation import pixel_rmse
from faceeval.metrics.table import METRICS
from faceeval.metrics.triplet import triplet_outcomes
from faceeval.protocols.asked import Images
from faceeval.protocols.experiments import Given
from faceeval.protocols.moved import Array, Reading, Tables, people_wanted, read_faces, similarity
from faceeval.results.sweeps import Measure

PAIRS = 200
# part that is handed over -> factors that should then be the giver's; rows 1 to 8 of Figure 5, and OSIP's attributes
MOVES: dict[str, tuple[str, ...]] = {
    "pose": ("pose",),
    "identity": ("identity",),
    "expression": ("expression",),
    "style": ("style",),
    "not_pose": ("identity", "expression", "style"),
    "not_identity": ("pose", "expression", "style"),
    "not_expression": ("identity", "pose", "style"),
    "not_style": ("identity", "pose", "expression"),
    "attributes": ("pose", "expression", "style"),
}
# of CelebA's attributes those that neither a person nor an expression has for good
STYLE = (
    "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Bushy_Eyebrows", "Eyeglasses", "Gray_Hair",
    "Heavy_Makeup", "No_Beard", "Pale_Skin", "Wearing_Hat", "Wearing_Lipstick", "Young",
)  # fmt: skip


def _from_giver(label: str, meaning: str) -> Measure:
    return Measure(
        question="Whose is it afterwards?", label=label, unit="share", better="neither", digits=3,
        version=METRICS["triplet_accuracy"].version, meaning=meaning,
    )  # fmt: skip


MEASURES: dict[str, Measure] = {
    "transfer_accuracy": Measure(
        question="Did what should move, and nothing else?", label="accuracy", unit="share", better="higher", digits=3,
        version=METRICS["triplet_accuracy"].version, drawn=True,
        meaning="Mean of the share of factors handed over that are the giver's, and of the share of the others that "
        "are still the taker's; 0.5 for whoever returns giver or taker.",
    ),
    "identity_from_giver": _from_giver(
        "identity is the giver's", "Share of pictures more like the giver's other pictures than like the taker's."
    ),
    "pose_from_giver": _from_giver("pose is the giver's", "Share whose pose is nearer to the giver's."),
    "expression_from_giver": _from_giver(
        "expression is the giver's", "Share in which the giver's expression is the likelier one; pairs that share one "
        "are left out.",
    ),
    "style_from_giver": _from_giver(
        "style is the giver's", "Share that agrees with the giver in more of the attributes on which the two differ."
    ),
    "identity_similarity": Measure(
        question="How near is it to what it should be?", label="similarity", unit="cosine", better="higher", digits=3,
        version=METRICS["identity_similarity"].version,
        meaning="Cosine to the mean embedding of other pictures of the person it should be.",
    ),
    "pose_error": Measure(
        question="How near is it to what it should be?", label="pose", unit="degrees", better="lower", digits=2,
        version=METRICS["pose_error"].version, meaning="Mean error of yaw, pitch and roll, to the pose it should have.",
    ),
    "truth_error": Measure(
        question="How near is it to what it should be?", label="RMSE to the truth", unit="grey levels", better="lower",
        digits=2, version=METRICS["pixel_rmse"].version,
        meaning="Root mean square difference to the right answer, rendered.",
    ),
}  # fmt: skip
SHARES = tuple(f"{factor}_from_giver" for factor in FACTORS)


@dataclass(frozen=True)
class Pairs:
    """Which faces are paired, and what is known of them; ``"giver"`` and ``"taker"`` are the keys of all that has two.

    Attributes:
        faces: The set.
        givers: Rows of it, int64 (N,), each of another person.
        takers: The same shape.
        references: Further pictures of the givers' people, (N, R).
        images: The pictures.
        seen: What the judges say of them.
        known: Factor -> vectors (N, D), NaN where unknown; factors no judge reads are not there.
        style: Columns of the attributes' judge that are style.
        least_turn: Degrees by which poses must differ.
    """

    faces: FaceSet
    givers: NDArray[np.int64]
    takers: NDArray[np.int64]
    references: NDArray[np.int64]
    images: dict[str, Images]
    seen: dict[str, Reading]
    known: dict[str, dict[str, Array]]
    style: dict[str, int]
    least_turn: float

    @classmethod
    def of(cls, faces: FaceSet, given: Given, references: int, least_turn: float) -> Pairs:
        """Pairs people in a ring: each gives to the next, another picture of whom takes.

        Raises:
            InputError: Nobody knows the people, or there are not two with three pictures; a senseless setting.
        """
        if references < 1 or not least_turn >= 0:
            got = f"references={references}, least_turn={least_turn}"
            raise InputError("at least one reference, and degrees of at least 0", got, "leave them at 4 and 10")
        tag = "faceeval/1/transfer"
        rows = {person: own for person, own in rows_of_people(faces).items() if person >= 0 and len(own) >= 3}
        people = people_in_hash_order(faces, list(rows), f"{tag}/people")
        people = people[: people_wanted(given, PAIRS, len(people))]
        orders = [in_hash_order(faces, rows[person], f"{tag}/{person}") for person in people]
        ring, fewest = [*orders[1:], orders[0]], min(references, min(map(len, orders)) - 2)
        ends = {"giver": np.array([order[0] for order in orders], np.int64)}
        ends["taker"] = np.array([order[1] for order in ring], np.int64)
        others = np.array([order[2 : 2 + fewest] for order in orders], np.int64)
        with given.clock.part("data"):
            images = {side: faces.read(own) for side, own in ends.items()}
        seen = {side: read_faces(pictured, given) for side, pictured in images.items()}
        judge = given.panel.judges.get("attributes")
        columns = enumerate(judge.attribute_names if judge is not None else ())
        style = {name: column for column, name in columns if name in STYLE}
        known = {side: _known(faces, own, seen[side], style) for side, own in ends.items()}
        if (templates := _templates(faces, others, given)) is not None:
            # the taker of a pair is the giver of the next
            known["giver"]["identity"], known["taker"]["identity"] = templates, np.roll(templates, -1, axis=0)
        return cls(faces, ends["giver"], ends["taker"], others, images, seen, known, style, least_turn)

    def true_answers(self, parts: Sequence[str]) -> dict[str, Images]:
        """Renders the right answers, part -> pictures; nothing where nobody can know them."""
        count = len(self.givers)
        taken = [MOVES[part] for part in parts for _ in range(count)]
        ends = np.tile(self.givers, len(parts)), np.tile(self.takers, len(parts))
        made = true_transfers(self.faces, *ends, taken)
        if made is None:
            return {}
        return {part: made[place * count : (place + 1) * count] for place, part in enumerate(parts)}

    def tables(
        self, parts: Sequence[str], seen: dict[str, Reading], made: dict[str, Images], truth: dict[str, Images]
    ) -> Tables:
        """Returns measure -> value of each pair for each part (N, P); NaN for parts that were not handed over.

        Args:
            parts: The parts, in order.
            seen: Part -> what the judges say of the pictures.
            made: Part -> the pictures.
            truth: Part -> the right answers.
        """
        nothing = {key: np.full(len(self.givers), np.nan) for key in MEASURES}
        found = [
            {**self._whose(part, seen[part]), **self._near(part, seen[part], made[part], truth.get(part))}
            if part in made
            else nothing
            for part in parts
        ]
        return {key: np.stack([values[key] for values in found], axis=1) for key in MEASURES}

    def _whose(self, part: str, seen: Reading) -> dict[str, Array]:
        """Returns whose each factor is, and how far that is as it should be."""
        outcomes = {factor: self._outcomes(factor, _vectors(factor, seen, self.style)) for factor in FACTORS}
        moved = [outcome for factor, outcome in outcomes.items() if factor in MOVES[part]]
        kept = [1 - outcome for factor, outcome in outcomes.items() if factor not in MOVES[part]]
        shares = {f"{factor}_from_giver": outcome for factor, outcome in outcomes.items()}
        return {"transfer_accuracy": (_mean(moved) + _mean(kept)) / 2, **shares}

    def _near(self, part: str, seen: Reading, made: Images, truth: Images | None) -> dict[str, Array]:
        """Returns how near a picture is to what it should be."""
        person, posed = (self.known["giver" if factor in MOVES[part] else "taker"] for factor in ("identity", "pose"))
        errors = np.full(len(made), np.nan)
        if seen.pose is not None and "pose" in posed:
            there = ~np.isnan(posed["pose"]).any(axis=1)
            if there.any():
                errors[there] = pose_error(posed["pose"][there], seen.pose[there]).mean(axis=1)
        return {
            "identity_similarity": similarity(seen.identity, person.get("identity"), len(made)),
            "pose_error": errors,
            "truth_error": np.full(len(made), np.nan) if truth is None else pixel_rmse(truth, made),
        }

    def _outcomes(self, factor: str, found: Array | None) -> Array:
        """Returns 1 where a factor is nearer to the giver's, 0 where to the taker's, NaN where it cannot be asked."""
        outcome = np.full(len(self.givers), np.nan)
        giver, taker = (self.known[side].get(factor) for side in ("giver", "taker"))
        if found is None or giver is None or taker is None:
            return outcome
        least = self.least_turn if factor == "pose" else 0.0
        with np.errstate(invalid="ignore"):
            apart = np.abs(giver - taker).max(axis=1)  # NaN where one is not known
            there = (apart >= least) & (apart > 0)
        if there.any():
            outcome[there] = triplet_outcomes(found[there], giver[there], taker[there])
        return outcome

    def names(self) -> tuple[str, ...]:
        """Returns what the pairs are called: giver, then taker."""
        pairs = zip(self.givers.tolist(), self.takers.tolist(), strict=True)
        return tuple(f"{self.faces.names[giver]} {self.faces.names[taker]}" for giver, taker in pairs)

    def looked_at(self) -> tuple[str, ...]:
        """Returns the names of all pictures."""
        rows = np.unique(np.concatenate([self.givers, self.takers, self.references.ravel()]))
        return tuple(self.faces.names[row] for row in rows.tolist())

    def notices(self) -> tuple[str, ...]:
        """Says what no label tells and the judges had to."""
        labels = {"pose": self.faces.pose, "expression": self.faces.expression}
        read = [factor for factor, column in labels.items() if column is None and factor in self.known["giver"]]
        if not set(self.style) <= set(self.faces.attributes):
            read.append("style")
        said = f"{self.faces.name} has no labels of {', '.join(read)}: what the judges say of giver and taker counts"
        return (said,) if read else ()


def _templates(faces: FaceSet, references: NDArray[np.int64], given: Given) -> Array | None:
    """Returns what people look like: the mean, at length one, of the unit embeddings of their pictures (N, R)."""
    embeddings = read_faces(faces.read(references.ravel()), given).identity
    if embeddings is None:
        return None
    units = unit_rows("reference", embeddings).reshape(*references.shape, -1)
    return unit_rows("mean reference", units.mean(axis=1))


def _known(faces: FaceSet, rows: NDArray[np.int64], seen: Reading, style: dict[str, int]) -> dict[str, Array]:
    """Returns factor -> what is known of pictures, as vectors to compare with `_vectors`; labels come first."""
    known = {}
    if seen.pose is not None:
        known["pose"] = seen.pose if faces.pose is None else faces.pose[rows].astype(np.float64)
    if seen.expression is not None:
        classes = np.eye(seen.expression.shape[1])
        labels = seen.expression.argmax(axis=1) if faces.expression is None else faces.expression[rows]
        inside = (labels >= 0) & (labels < len(classes))
        known["expression"] = np.where(inside[:, None], classes[np.where(inside, labels, 0)], np.nan)
    if style and seen.attributes is not None:
        labelled = all(name in faces.attributes for name in style)
        columns = [faces.attributes[name][rows] for name in style] if labelled else []
        known["style"] = np.stack(columns, axis=1).astype(np.float64) if labelled else _verdicts(seen, style)
    return known


def _vectors(factor: str, seen: Reading, style: dict[str, int]) -> Array | None:
    """Returns what the judges say of a factor, as vectors whose distances say whose it is."""
    if factor == "identity":
        return None if seen.identity is None else unit_rows("embeddings", seen.identity)
    if factor == "pose":
        return seen.pose
    if factor == "style":
        return _verdicts(seen, style) if style and seen.attributes is not None else None
    if seen.expression is None:
        return None
    odds = np.exp(seen.expression - seen.expression.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _verdicts(seen: Reading, style: dict[str, int]) -> Array:
    assert seen.attributes is not None
    return (seen.attributes[:, list(style.values())] > 0).astype(np.float64)


def _mean(outcomes: Sequence[Array]) -> Array:
    """Mean of those that are known, pair by pair; NaN where none is."""
    table = np.stack(outcomes)
    there = ~np.isnan(table)
    sums, counts = np.where(there, table, 0.0).sum(axis=0), there.sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(table.shape[1], np.nan), where=counts > 0))
