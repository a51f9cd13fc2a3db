# SPDX-License-Identifier: MIT
"""What a judge in training is asked for, how hard, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how hard a judge trains.

    Attributes:
        epochs: Passes over the faces.
        batch_size: Faces a step.
        learning_rate: Its peak, after the warm-up; it then falls to 0 along a cosine.
        weight_decay: AdamW's, on kernels only.
        warmup: Share of the steps spent rising to the peak.
        identity_weight, attribute_weight, expression_weight, pose_weight: Of the four losses.
        ruined: Ruined copies added to each step for the identity loss, which asks the judge to be the less sure of the
            person the worse the picture; so the length of an embedding tells good faces from bad.
        precision: ``"bfloat16"``, ``"float32"``, or ``"auto"``: bfloat16 where the processor multiplies in it. Measured
            with one thread: 2.0 ms a face in bfloat16 with channels last against 5.1 ms in float32 and 6.4 ms without.
        validate_every: Epochs between looks at the validation faces.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    identity_weight: float = 1.0
    attribute_weight: float = 12.0
    expression_weight: float = 1.0
    pose_weight: float = 1.0
    ruined: int = 4
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    validate_every: int = 5


def multiplies_in_bfloat16() -> bool:
    """Tells whether this processor has instructions for bfloat16 products; without, they are slower than float32."""
    # torch offers these questions under private names only; a torch without them trains in float32
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def _identity_loss(logits: Tensor, identity: Tensor, degrees: Tensor) -> Tensor:
    """Cross-entropy of the people on sound faces and, after them, of ruined copies of the first of these.

    The wanted probabilities of a ruined face go from its person's (degree 0) to the same for everybody (degree 1).
    """
    everybody = torch.full_like(logits, 1.0 / logits.shape[1])
    wanted = functional.one_hot(torch.cat([identity, identity[: len(degrees)]]), logits.shape[1]).to(logits.dtype)
    shares = torch.cat([torch.zeros(len(identity)), degrees])
    return functional.cross_entropy(logits, torch.lerp(wanted, everybody, shares[:, None]))


def judge_loss(
    answers: Mapping[str, Tensor],
    head: nn.Module,
    truth: Mapping[str, Tensor],
    degrees: Tensor,
    settings: TrainingSettings,
) -> Tensor:
    """Returns the weighted sum of the losses of whatever the network answers; ruined faces count for identity alone.

    Args:
        answers: What the network answers, rows for N sound faces and then for R ruined copies of the first of them.
        head: Embedding -> a logit for each person.
        truth: ``"identity"`` (N,) class, ``"attributes"`` (N, A) 0 or 1, ``"expression"`` (N,), ``"pose"`` (N, 3).
        degrees: (R,), how far each copy is ruined, 0..1.
        settings: The weights.

    Returns:
        A scalar.
    """
    terms: list[Tensor] = []
    sound = {key: value[: len(truth["identity"])] for key, value in answers.items()}
    if "embedding" in answers:
        loss = _identity_loss(head(answers["embedding"]), truth["identity"], degrees)
        terms.append(settings.identity_weight * loss)
    if "attributes" in answers:
        loss = functional.binary_cross_entropy_with_logits(sound["attributes"], truth["attributes"])
        terms.append(settings.attribute_weight * loss)
    if "expression" in answers:
        terms.append(settings.expression_weight * functional.cross_entropy(sound["expression"], truth["expression"]))
    if "pose" in answers:
        # a tenth of a degree matters little, a gross error should not rule the step: linear beyond 3 degrees
        loss = functional.smooth_l1_loss(sound["pose"] / 10.0, truth["pose"] / 10.0, beta=0.3)
        terms.append(settings.pose_weight * loss)
    return torch.stack(terms).sum()
