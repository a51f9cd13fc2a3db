# SPDX-License-Identifier: MIT
"""The judges of a run by the role they play; one network that plays several roles looks once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from faceeval.errors import InputError
from faceeval.judges import Judge

Looks = dict[str, NDArray[np.float32]]  # role -> what its judge saw

# role -> outputs of a judge that serve it, best first
SERVES: dict[str, tuple[str, ...]] = {
    "attributes": ("attributes",),
    "identity": ("embedding",),
    "realism": ("features", "embedding"),
}


@dataclass(frozen=True)
class Panel:
    """Who looks at the images.

    Attributes:
        judges: Role (``"attributes"``, ``"identity"``, ``"realism"``) -> judge.
        absent: Role -> why nobody plays it.
    """

    judges: Mapping[str, Judge]
    absent: Mapping[str, str] = field(default_factory=dict)

    def missing(self, role: str) -> str:
        """Returns why a role is not played; empty where it is."""
        return "" if role in self.judges else self.absent.get(role, "no judge was given for it")

    def look(self, images: NDArray[np.uint8]) -> Looks:
        """Shows images, uint8 (N, 3, S, S), to every judge once.

        Returns:
            Role -> float32 (N, D): logits for ``attributes``, un-normalised embeddings for ``identity``, features for
            ``realism``.
        """
        batch = torch.from_numpy(images)
        seen = {id(judge): judge(batch) for judge in {id(judge): judge for judge in self.judges.values()}.values()}
        return {role: seen[id(judge)][_serving(role, judge)] for role, judge in self.judges.items()}

    def can_read(self, output: str) -> bool:
        """Whether a judge gives ``"pose"`` or ``"expression"``."""
        return any(output in judge.outputs for judge in self.judges.values())

    def read(self, images: NDArray[np.uint8], output: str) -> NDArray[np.float32]:
        """Returns what the first judge that can makes of images, uint8 (N, 3, S, S).

        Args:
            images: The images.
            output: ``"pose"``, yaw, pitch and roll in degrees (N, 3); or ``"expression"``, AffectNet's logits (N, 8).

        Raises:
            InputError: No judge reads it.
        """
        for judge in self.judges.values():
            if output in judge.outputs:
                return judge(torch.from_numpy(images))[output]
        names = ", ".join(sorted({judge.name for judge in self.judges.values()})) or "no judges"
        raise InputError(f"a judge that reads {output}", names, "score on procfaces, whose judge does")


def _serving(role: str, judge: Judge) -> str:
    return next(output for output in SERVES[role] if output in judge.outputs)
