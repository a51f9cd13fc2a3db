# SPDX-License-Identifier: MIT
"""A recogniser as an attack asks it: any differentiable function of images, checked before anything expensive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceeval.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Recogniser:
    """An embedder as the attack asks it.

    Attributes:
        embedder: Takes images (B, 3, H, W), 0..1, and returns features (B, D).
        unit: Whether features are brought to unit length.
        device: Where its parameters are.
        asked: Type of the images it takes.
        dtype: Type of the search: float64 for a float64 embedder, else float32.
    """

    embedder: Callable[[Tensor], Tensor]
    unit: bool
    device: torch.device
    asked: torch.dtype
    dtype: torch.dtype

    @classmethod
    def of(cls, embedder: Callable[[Tensor], Tensor], unit: bool, device: str | torch.device | None) -> Recogniser:
        """Returns an embedder with what its parameters say of device and type; float32 on the CPU for a function.

        Raises:
            InputError: It cannot be called, or is in training mode.
        """
        import torch

        if not callable(embedder):
            todo = "give a torch module, or a function of images (B, 3, H, W) in 0..1"
            raise InputError("an embedder that can be called", type(embedder).__name__, todo)
        if getattr(embedder, "training", False):
            todo = "call embedder.eval() first: dropout and batch statistics would answer differently each time"
            raise InputError("an embedder in eval mode", "training mode", todo)
        owned = next(embedder.parameters(), None) if isinstance(embedder, torch.nn.Module) else None
        asked = torch.float32 if owned is None else owned.dtype
        home = torch.device("cpu") if owned is None else owned.device
        dtype = torch.float64 if asked == torch.float64 else torch.float32
        return cls(embedder, unit, home if device is None else torch.device(device), asked, dtype)

    def tensor(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Returns images, uint8, as the search sees them: 0..1."""
        import torch

        return torch.from_numpy(pictures.copy(order="C")).to(self.device, self.dtype) / 255

    def features(self, pictures: Tensor) -> Tensor:
        """Returns the features (B, D) of images in 0..1.

        Raises:
            InputError: The embedder returned something else.
        """
        import torch

        out = self.embedder(pictures.to(self.asked))
        if not isinstance(out, torch.Tensor) or out.ndim != 2 or len(out) != len(pictures):
            got = f"shape {tuple(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
            todo = "wrap the embedder in a function that returns one row for each image"
            raise InputError(f"features of shape ({len(pictures)}, D) from the embedder", got, todo)
        out = out.to(self.dtype)
        return out / out.norm(dim=1, keepdim=True).clamp(min=1e-12) if self.unit else out

    def dimensions(self, pictures: NDArray[np.uint8]) -> int:
        """Returns the number D of dimensions of a feature.

        Raises:
            InputError: The embedder does not let gradients through, and cannot be attacked.
        """
        out = self.features(self.tensor(pictures).requires_grad_())
        if not out.requires_grad:
            todo = "leave out torch.no_grad(), .detach() and numpy inside the embedder"
            raise InputError("features with a gradient back to the images", "none", todo)
        return out.shape[1]
