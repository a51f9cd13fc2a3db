# SPDX-License-Identifier: MIT
"""What is asked of each sub-vector, and of which faces (Browatzki and Wallraven, section 3.7)."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from reference_models.mad_config import Config
from reference_models.mad_networks import Centres
from reference_models.recipe import Batch

RADIANS = pi / 180.0


@dataclass(frozen=True)
class Labels:
    """What is known of each face of a batch.

    Attributes:
        people: Number of the person, (N,), -1 where unknown.
        clips: Number of the video clip, (N,), -1 where it is from none.
        pose: Yaw, pitch and roll in radians, (N, 3), NaN where unknown.
        expression: AffectNet's class, -1 where unknown, valence and arousal in [-1, 1], NaN where unknown, (N, 3).
    """

    people: Tensor
    clips: Tensor
    pose: Tensor
    expression: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Labels:
        """Reads a batch's aids; what it does not bring is unknown."""
        nobody = torch.full((len(batch.images),), -1.0, device=batch.images.device)
        nothing = torch.full((len(batch.images), 3), torch.nan, device=batch.images.device)
        aids = batch.aids
        return cls(
            aids.get("person", nobody),
            aids.get("clip", nobody),
            aids.get("pose", nothing) * RADIANS,
            aids.get("expression", torch.cat([nobody[:, None], nothing[:, 1:]], 1)),
        )

    def rows(self, order: Tensor) -> Labels:
        """Returns the labels of other rows, such as those of a permutation."""
        return Labels(self.people[order], self.clips[order], self.pose[order], self.expression[order])


def feature_loss(
    factor: str,
    codes: Tensor,
    labels: Labels,
    config: Config,
    generator: torch.Generator,
    centres: Centres | None = None,
) -> Tensor | None:
    """F_k of equations 7 and 10; None where the batch has no labels for it.

    Args:
        factor: One of FACTORS.
        codes: Its sub-vectors, (N, d).
        labels: Of the same faces.
        config: Weights and readings of the losses.
        generator: Source of chance, on the CPU.
        centres: Of the expressions, where these are learnt by class.
    """
    if factor == "expression" and centres is not None:
        return centre_loss(codes, labels.expression, config, centres)
    if factor == "pose":
        known = labels.pose.isfinite().all(1)
        apart = codes[known] - labels.pose[known]
        if not len(apart):
            return None
        return apart.abs().mean() if config.pose_loss == "l1" else apart.square().mean()
    likes, unlikes = relations(factor, labels, config)
    if config.contrast:
        return contrast_loss(codes, likes, unlikes, config.contrast)
    # a far expression is far enough, whatever the codes say of it
    nearest = 0 if factor == "expression" else config.nearest
    found = []
    for _ in range(config.draws):
        rows = triplets(codes.detach(), likes, unlikes, nearest, generator)
        if not len(rows):
            return None
        found.append(triplet_loss(codes[rows[:, 0]], codes[rows[:, 1]], codes[rows[:, 2]], config))
    return torch.stack(found).mean()


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, config: Config) -> Tensor:
    """Equation 12 as it is meant: the positive nearer than the negative by a margin; all (T, d).

    By default as the released code has it: the distance itself, and nothing beyond ``clamp`` counts.
    """
    near, far = (distance(anchor, other, config.triplet) for other in (positive, negative))
    value = (near - far + config.margin).clamp(min=0.0)
    return (value.clamp(max=config.clamp) if config.clamp else value).mean()


def distance(one: Tensor, other: Tensor, kind: str) -> Tensor:
    """Euclidean distance (T,) of rows (T, d), or its square."""
    squared = (one - other).square().sum(-1)
    # the epsilon keeps the gradient of the root finite where both are the same
    return squared if kind == "squared" else (squared + 1e-8).sqrt()


def centre_loss(codes: Tensor, expression: Tensor, config: Config, centres: Centres) -> Tensor | None:
    """Asks which of AffectNet's classes each expression is, by the nearest learnt centre; not in the paper.

    After Wang et al., "NormFace", ACM Multimedia 2017. Triplets of an encoder that knows nothing of expressions yet all
    fall on one point, where no triplet says which way to go; a class does.

    Args:
        codes: Expressions (N, d), of unit length.
        expression: Class, valence and arousal, (N, 3); class -1 where unknown, the others NaN.
        config: Weight of valence and arousal.
        centres: What is learnt beside.

    Returns:
        Cross-entropy, each class that the batch shows counting alike, and the weighted error of valence and arousal;
        None where no class is known.
    """
    kinds, affect = expression[:, 0].long(), expression[:, 1:]
    shown = kinds >= 0
    if not shown.any():
        return None
    logits, told = centres(codes)
    counts = torch.bincount(kinds[shown], minlength=logits.shape[1])
    weights = torch.where(counts > 0, 1.0 / counts.clamp(min=1), 0.0).to(logits)
    loss = functional.cross_entropy(logits[shown], kinds[shown], weights)
    known = affect.isfinite()
    if config.w_affect and known.any():
        loss = loss + config.w_affect * (told - affect.nan_to_num()).square()[known].mean()
    return loss


def contrast_loss(codes: Tensor, likes: Tensor, unlikes: Tensor, temperature: float) -> Tensor | None:
    """Triplets with all unlike faces of the batch at once; not in the paper.

    After Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NIPS 2016, at unit length.

    Args:
        codes: (N, d).
        likes: Pairs that are alike, bool (N, N).
        unlikes: Pairs that are not.
        temperature: How sharply the nearest unlike faces stand out. The loss is multiplied by it, so that a pair weighs
            what a triplet does.

    Returns:
        Mean over like pairs; None where there is none beside an unlike one.
    """
    with torch.autocast(codes.device.type, enabled=False):  # which would round the products
        alike = (codes @ codes.T) / temperature
    others = alike.masked_fill(~unlikes, -torch.inf).logsumexp(1, keepdim=True)
    pairs = likes & unlikes.any(1)[:, None]
    if not pairs.any():
        return None
    return temperature * functional.softplus(others - alike)[pairs].mean()


# --- which faces (section 3.7.1) ----------------------------------------------------------------------------------


def relations(factor: str, labels: Labels, config: Config) -> tuple[Tensor, Tensor]:
    """Returns which faces of a batch are alike in a factor and which are not, bool (N, N) each.

    Pairs that are neither, such as those of faces without labels, say nothing. No face is like itself.
    """
    if factor == "expression":
        return expression_relations(labels.expression, config)
    known = labels.people >= 0
    both = known[:, None] & known
    other = ~torch.eye(len(known), dtype=torch.bool, device=known.device)
    same = both & (labels.people[:, None] == labels.people)
    if factor == "identity":
        return same & other, both & ~same
    # style is what stays within a clip; the paper's sentence has positive and negative the other way round
    filmed = labels.clips >= 0
    clip = labels.clips[:, None] == labels.clips
    return same & other & clip & filmed, same & ~clip & filmed[:, None] & filmed


def expression_relations(expression: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Orders all other faces by how far their expression is: like is the first, unlike are those from a rank on.

    Args:
        expression: Class, valence and arousal, (N, 3); class -1 where unknown.
        config: ``first_negative`` is that rank, the face itself having rank 0; in a small batch the last one is.

    Returns:
        Like and unlike pairs, bool (N, N) each; none where fewer than three expressions are known.
    """
    none = torch.zeros(len(expression), len(expression), dtype=torch.bool, device=expression.device)
    rows = torch.nonzero(expression[:, 0] >= 0)[:, 0]
    if len(rows) < 3:
        return none, none
    order = expression_distances(expression[rows], config).fill_diagonal_(-1.0).argsort(dim=1, stable=True)
    first = max(2, min(config.first_negative, len(rows) - 1))
    found = (none.clone(), none.clone())
    for pairs, ranks in zip(found, (order[:, 1:2], order[:, first:]), strict=True):
        pairs[rows[:, None], rows[ranks]] = True
    return found


def triplets(codes: Tensor, likes: Tensor, unlikes: Tensor, nearest: int, generator: torch.Generator) -> Tensor:
    """Finds for each face a random like one, and a random one of the nearest unlike ones, as the released code does.

    Args:
        codes: (N, d).
        likes: Pairs that are alike, bool (N, N).
        unlikes: Pairs that are not.
        nearest: Of how many unlike ones the negative is chosen; 0 chooses of all.
        generator: Source of chance, on the CPU.

    Returns:
        Rows (T, 3). A face without any like one is its own positive; one without unlike ones is no anchor.
    """
    count, device = len(codes), codes.device
    own = torch.arange(count, device=device)
    chance = torch.rand(2, count, count, generator=generator).to(device)
    positive = torch.where(likes.any(1), torch.where(likes, chance[0], -1.0).argmax(1), own)
    apart = torch.cdist(codes, codes).masked_fill(~unlikes, torch.inf)
    values, order = apart.topk(min(nearest, count) if nearest else count, largest=False)
    able = values.isfinite().sum(1)
    place = (chance[1, :, 0] * able).long()
    negative = order.gather(1, place[:, None])[:, 0]
    return torch.stack([own, positive, negative], 1)[able > 0]


def expression_distances(expression: Tensor, config: Config) -> Tensor:
    """Equation 13 as it is meant: how far valence and arousal are apart, and something more where the class differs.

    Args:
        expression: Class, valence and arousal, (N, 3); unknown valence and arousal count as equal.
        config: ``label_power`` is 2 in the paper and 1 in the released code.

    Returns:
        (N, N).
    """
    kinds, affect = expression[:, 0], expression[:, 1:]
    apart = (affect[:, None] - affect).nan_to_num(0.0).square().sum(-1)
    apart = apart if config.label_power == 2 else apart.sqrt()
    return apart + config.label_weight * (kinds[:, None] != kinds)
