# SPDX-License-Identifier: MIT
"""A judge in the role of a method, to be compared with: its outputs are its parts."""

from __future__ import annotations

import torch
from torch import Tensor

from faceeval.errors import unknown_name
from faceeval.judges import Judge
from faceeval.method import MethodCard

# part -> output of a judge
PARTS = {"identity": "embedding", "pose": "pose", "expression": "expression"}


class JudgeMethod:
    """Embeds faces as a judge does.

    Args:
        judge: The judge.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._outputs = {part: output for part, output in PARTS.items() if output in judge.outputs}
        self.card = MethodCard(
            name=f"judge:{judge.name}", parts=tuple(self._outputs), weights_sha256=judge.weights_sha256
        )

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns an output of the judge, float32 (N, D): un-normalised embedding, degrees of pose, or logits.

        Raises:
            UnknownNameError: It has no such part.
        """
        if part not in self._outputs:
            raise unknown_name(f"part of {self.card.name}", part, self._outputs)
        return torch.from_numpy(self.judge(images)[self._outputs[part]])

    def read_pose(self, images: Tensor) -> Tensor:
        """Returns yaw, pitch and roll, float32 (N, 3), degrees.

        Raises:
            UnknownNameError: The judge does not read poses.
        """
        return self.embed(images, "pose")

    def read_expression(self, images: Tensor) -> Tensor:
        """Returns logits of AffectNet's classes, float32 (N, 8).

        Raises:
            UnknownNameError: The judge does not read expressions.
        """
        return self.embed(images, "expression")
