# SPDX-License-Identifier: MIT
"""The editor that does nothing: perfect at keeping faces, useless at changing them. It is a row in every table."""

from __future__ import annotations

from torch import Tensor

from faceeval.method import MethodCard

NAME = "identity"


class Identity:
    """Returns its input."""

    def __init__(self) -> None:
        self.card = MethodCard(name=NAME, licence="MIT", notes={"purpose": "the do-nothing end of every scale"})

    def edit(self, images: Tensor, attribute: str, value: Tensor) -> Tensor:
        """Returns the images unchanged, uint8, (N, 3, H, W)."""
        return images.clone()
