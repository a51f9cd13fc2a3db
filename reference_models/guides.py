# SPDX-License-Identifier: MIT
"""Guides: faces that show what an edit aims at, chosen for each face among a few dozen that are kept in a file."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from faceeval.data.aids import AIDS
from faceeval.data.faces import FaceSet
from faceeval.data.selection import select
from faceeval.errors import InputError


class Guides(nn.Module):
    """Labelled faces; buffers, so that they are kept and checked as weights are.

    Args:
        count: How many, G.
        side: Of the images, S.
        n_attributes: How many attributes they are labelled for, A.

    Attributes:
        images: uint8, (G, 3, S, S).
        landmarks: CelebA's five points, float32 (G, 5, 2), in pixels.
        labels: uint8, (G, A).
    """

    images: Tensor
    landmarks: Tensor
    labels: Tensor

    def __init__(self, count: int, side: int, n_attributes: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(count, 3, side, side, dtype=torch.uint8))
        self.register_buffer("landmarks", torch.zeros(count, 5, 2))
        self.register_buffer("labels", torch.zeros(count, n_attributes, dtype=torch.uint8))

    def with_mirrored(self) -> Guides:
        """Returns these guides and, after them, the mirror image of each."""
        count, side, all_of_them = (
            len(self.images),
            self.images.shape[-1],
            torch.ones(len(self.images), dtype=torch.bool),
        )
        both = Guides(2 * count, side, self.labels.shape[1])
        both.images.copy_(torch.cat([self.images, self.images.flip(3)]))
        mirrored = AIDS["landmarks"].mirrored(self.landmarks, all_of_them, side)
        both.landmarks.copy_(torch.cat([self.landmarks, mirrored]))
        both.labels.copy_(torch.cat([self.labels, self.labels]))
        return both


def collect(faces: FaceSet, attributes: tuple[str, ...], count: int, k: int) -> Guides:
    """Takes the first faces of a training split in hash order, whatever they show.

    Args:
        faces: The split; it has landmarks.
        attributes: CelebA's names of what the guides are labelled for.
        count: How many guides.
        k: Guides that an edit needs.

    Raises:
        InputError: No landmarks, too few faces, or fewer than k guides for some value of an attribute.
        UnknownNameError: The data do not label an attribute.
    """
    if faces.landmarks is None or len(faces) < count:
        has = "with" if faces.landmarks is not None else "without"
        todo = "detect landmarks where there are none, or lower n_guides"
        raise InputError(f"at least {count} faces with landmarks", f"{len(faces)} {has} landmarks", todo)
    labels = np.stack([faces.labels(attribute) for attribute in attributes], 1)
    place = {name: index for index, name in enumerate(faces.names)}
    chosen = np.array([place[name] for name in select(count, faces.names, "faceeval/1/cnia/guides")])
    fewest = np.minimum(labels[chosen].sum(0, dtype=np.int64), (1 - labels[chosen]).sum(0, dtype=np.int64))
    if fewest.min() < k:
        scarce = attributes[int(fewest.argmin())]
        todo = "collect more with n_guides, or leave the attribute out"
        raise InputError(f"{k} guides with and {k} without {scarce}", f"only {fewest.min()} of one kind", todo)
    guides = Guides(count, faces.size, len(attributes))
    guides.images.copy_(torch.from_numpy(np.array(faces.read(chosen))))
    guides.landmarks.copy_(torch.from_numpy(faces.landmarks[chosen]))
    guides.labels.copy_(torch.from_numpy(labels[chosen]))
    return guides


def nearest(distances: Tensor, labels: Tensor, value: Tensor, k: int) -> Tensor:
    """Chooses the k nearest guides that show the attribute as it is wanted.

    Args:
        distances: (N, G).
        labels: Of the guides, (G,), 0 or 1; at least k of each.
        value: Wanted values, (N,); above one half means present.
        k: How many.

    Returns:
        int64 (N, k), nearest first.
    """
    fits = (labels > 0)[None] == (value > 0.5)[:, None]
    return distances.where(fits, torch.inf).argsort(dim=1, stable=True)[:, :k]


def fit_similarities(points: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Finds for all pairs the turn, scale and shift that bring points nearest to others (least squares, no mirroring).

    Args:
        points: (G, P, 2), not all in one place.
        target: (N, P, 2).

    Returns:
        Complex (N, G, 2): (a, b) of the map p -> a p + b of points x + iy; and the root of the summed squared distances
        that are left, (N, G), in pixels of the target.

    References:
        Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
    """
    start, end = (torch.view_as_complex(one.contiguous()) for one in (points, target))
    start, end = start[None], end[:, None]
    start_mean, end_mean = start.mean(-1, keepdim=True), end.mean(-1, keepdim=True)
    spread, away = start - start_mean, end - end_mean
    turn = (spread.conj() * away).sum(-1) / spread.abs().square().sum(-1)
    shift = end_mean[..., 0] - turn * start_mean[..., 0]
    left = (turn[..., None] * spread - away).abs().square().sum(-1).sqrt()
    return torch.stack([turn, shift], -1), left


def moved(images: Tensor, maps: Tensor) -> Tensor:
    """Turns, scales and moves pictures; what comes in from outside repeats the border.

    Args:
        images: (N, 3, S, S).
        maps: Complex (N, 2), as ``fit_similarities`` returns them, from the pictures to where they go.
    """
    side = images.shape[-1]
    lines = torch.arange(side, dtype=torch.float32)
    to = torch.complex(lines.expand(side, side), lines[:, None].expand(side, side))
    back = (to - maps[:, 1, None, None]) / maps[:, 0, None, None]
    grid = (torch.view_as_real(back) + 0.5) * (2.0 / side) - 1.0
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def tinted(guides: Tensor, sources: Tensor, mask: Tensor) -> Tensor:
    """Gives guides the mean colour of their sources, both taken where a mask is.

    Args:
        guides: (N, k, 3, S, S), in [-1, 1].
        sources: (N, 3, S, S).
        mask: (N, 1, S, S), in [0, 1]; where all of it is 0, nothing changes.
    """
    share = mask / mask.sum((2, 3), keepdim=True).clamp(min=1.0)
    wanted, found = (share * sources).sum((2, 3)), (share[:, None] * guides).sum((3, 4))
    return (guides + (wanted[:, None] - found)[..., None, None]).clamp(-1.0, 1.0)


def face_ellipses(points: Tensor, axes: tuple[float, float], side: int) -> Tensor:
    """Returns where faces about are: 1 in the middle of an ellipse, falling to 0 over a pixel or two at its rim.

    Args:
        points: CelebA's five points, (N, 5, 2), in pixels.
        axes: Half axes across and along the face, in distances between the eyes' middle and the mouth's.
        side: Of the pictures.

    Returns:
        (N, 1, side, side), in [0, 1].
    """
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    middle, down = (eyes + mouth) / 2.0, mouth - eyes
    length = down.norm(dim=1, keepdim=True).clamp(min=1.0)
    down = down / length
    lines = torch.arange(side, dtype=torch.float32)
    away = torch.stack([lines.expand(side, side), lines[:, None].expand(side, side)], -1) - middle[:, None, None]
    along = (away * down[:, None, None]).sum(-1) / (axes[1] * length[:, :, None])
    across = (away[..., 0] * down[:, None, None, 1] - away[..., 1] * down[:, None, None, 0]) / (
        axes[0] * length[:, :, None]
    )
    inside: Tensor = (1.0 - (across.square() + along.square()).sqrt()) * min(axes) * length[:, :, None]  # pixels, about
    return torch.clamp(inside + 0.5, 0.0, 1.0)[:, None]
