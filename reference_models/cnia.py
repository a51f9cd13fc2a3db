# SPDX-License-Identifier: MIT
"""CNIA (reconstruction): after Li, Zuo and Zhang, "Convolutional Network for Attribute-driven and Identity-preserving
Human Face Generation", arXiv:1608.06434, 2016.

No generator is trained: the picture itself is what is optimised. An identity loss ties its deep features to those of
the source, an attribute loss ties shallower ones to those of guides, which are a few similar faces that show the
attribute as it is wanted. The paper's full text could not be had: what it says of layers, weights and optimiser is not
known, and all of that is our choice. Results are reported as "cnia (reconstruction)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from faceeval.errors import InputError
from faceeval.method import MethodCard
from reference_models.blocks import blur
from reference_models.checkpoint import load_weights
from reference_models.features import FeatureExtractor, extractor
from reference_models.guides import Guides, face_ellipses, fit_similarities, moved, nearest, tinted
from reference_models.images import check_aid, check_images, in_batches, to_signed, to_uint8
from reference_models.lbfgs import minimise
from reference_models.recipe import Networks, override

NAME = "cnia"
REPORTED_AS = "cnia (reconstruction)"
PAPER = (
    "Reconstruction of: Li, Zuo, Zhang: Convolutional Network for Attribute-driven and Identity-preserving "
    "Human Face Generation"
)


@dataclass(frozen=True)
class Config:
    """Everything that decides CNIA (reconstruction). Only ``k`` and that features are VGG-Face's is known of the paper.

    Attributes:
        image_size: Side of the images (128, at which the DIAT paper compares).
        features: Where the feature network is from, see ``features.extractor``: the paper's is VGG-Face, whose weights
            are not ours to ship, so name the file of yours; ``"procfaces"`` is the stand-in that is shipped.
        k: Guides of an image (5).
        guide_by: What makes a guide similar: ``"landmarks"``, the distance of their five points, or ``"features"``,
            that of their pool5 features.
        aligned: Whether guides are turned, scaled and moved so that their points come to lie on the source's; distances
            of landmarks are then what is left of them. Needless on photographs that are aligned as CelebA's.
        tinted: Whether guides get the mean colour that the source has where the attribute shows, lest its skin be led
            to theirs.
        mirrored: Whether each guide also serves as its mirror image.
        id_layers: Layers of the identity loss.
        att_layers: Layers of the attribute loss.
        w_id: Weight of the identity loss.
        w_att: Weight of the attribute loss.
        w_tv: Weight of the total variation.
        optimiser: ``"lbfgs"``, or ``"adam"`` (then 500 steps suit a step size of 0.02).
        steps: Steps of it.
        lr: Step size of Adam; L-BFGS finds its own.
        smooth: Standard deviation, in pixels, of the Gaussian that changes are drawn with, so that they cannot be the
            fine noise by which small feature networks are satisfied; 0 lets every pixel change by itself.
        inside: Whether only the region where the attribute shows may change.
        face: Half axes, across and along, of an ellipse the region is cut to, in distances between eyes and mouth.
            Attributes of the whole face have the whole picture as their region, and guides come with theirs, background
            and all. None cuts nothing.
        n_guides: Faces that guides are chosen from.
        attributes: CelebA's names of what the guides are labelled for, and so of what can be edited.
    """

    image_size: int = 128
    features: str = "procfaces"
    k: int = 5
    guide_by: Literal["landmarks", "features"] = "landmarks"
    aligned: bool = False
    tinted: bool = False
    mirrored: bool = False
    id_layers: tuple[str, ...] = ("conv5_1",)
    att_layers: tuple[str, ...] = ("conv3_1", "conv4_1")
    w_id: float = 1.0
    w_att: float = 1.0
    w_tv: float = 1e-4
    optimiser: Literal["lbfgs", "adam"] = "lbfgs"
    steps: int = 200
    lr: float = 0.02
    smooth: float = 0.0
    inside: bool = False
    face: tuple[float, float] | None = None
    n_guides: int = 1000
    attributes: tuple[str, ...] = ("Eyeglasses", "Mouth_Slightly_Open", "No_Beard", "Young", "Male")


# For rendered heads, which are anywhere in the picture, and a feature network an eighth as wide as VGG-Face, whose deep
# layers are easily satisfied by patterns no face has: shallow layers, and changes that are smooth and inside the face.
SMALL = Config(
    image_size=64,
    k=3,
    aligned=True,
    tinted=True,
    mirrored=True,
    att_layers=("conv1_1", "conv2_1"),
    w_att=10.0,
    w_tv=0.03,
    steps=15,
    smooth=0.8,
    inside=True,
    face=(0.9, 1.3),
    n_guides=56,
    attributes=("Eyeglasses", "Young"),
)
PRESETS: dict[str, Config] = {"paper": Config(), "small": SMALL, "quick": override(SMALL, {"steps": 5})}


def build(config: Config, seed: int) -> Networks:
    """Returns room for the guides.

    Raises:
        InputError: Numbers that cannot be.
    """
    if config.k < 1 or config.steps < 0 or config.n_guides < 2 * config.k or not config.attributes:
        raise InputError(
            "k of at least 1, steps of at least 0, n_guides of at least 2 k, and an attribute",
            f"k {config.k}, steps {config.steps}, n_guides {config.n_guides}, attributes {config.attributes}",
            "set them so",
        )
    return {"guides": Guides(config.n_guides, config.image_size, len(config.attributes))}


# --- losses -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What the features of a picture should become, for N pictures.

    Attributes:
        identity: Layer -> features of the source, (N, C, h, w).
        attribute: Layer -> mean features of the guides, likewise.
        masks: Layer -> where these count, (N, 1, h, w), in [0, 1].
    """

    identity: Mapping[str, Tensor]
    attribute: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]

    def only(self, rows: Tensor) -> Wanted:
        """The part of some pictures, (n,)."""
        parts = (
            {name: value[rows] for name, value in part.items()} for part in (self.identity, self.attribute, self.masks)
        )
        return Wanted(*parts)


def wanted_features(phi: FeatureExtractor, sources: Tensor, guides: Tensor, mask: Tensor, config: Config) -> Wanted:
    """Asks the feature network what to aim at.

    Args:
        phi: The feature network.
        sources: (N, 3, S, S), in [-1, 1].
        guides: (N, k, 3, S, S).
        mask: Where the attribute shows, (N, 1, S, S); ones for an attribute of the whole face.
        config: Names the layers.
    """
    identity = phi.features(sources, config.id_layers)
    seen = [phi.features(guides[:, place], config.att_layers) for place in range(guides.shape[1])]
    attribute = {name: torch.stack([one[name] for one in seen]).mean(0) for name in config.att_layers}
    masks = {
        name: functional.adaptive_avg_pool2d(mask, (value.shape[2], value.shape[3]))
        for name, value in attribute.items()
    }
    return Wanted(identity, attribute, masks)


def content_each(features: Tensor, target: Tensor) -> Tensor:
    """``losses.content`` of each picture by itself, (N,)."""
    return 0.5 * (features - target).square().flatten(1).mean(1)


def total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, sideways and up, of each picture, (N,)."""
    across = (pictures[..., 1:] - pictures[..., :-1]).abs().flatten(1).mean(1)
    return across + (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().flatten(1).mean(1)


def objective(phi: FeatureExtractor, pictures: Tensor, wanted: Wanted, config: Config) -> Tensor:
    """Returns what each picture (N, 3, S, S) still lacks, (N,): identity, attribute and smoothness."""
    seen = phi.features(pictures, tuple({*config.id_layers, *config.att_layers}))
    total = config.w_tv * total_variation(pictures)
    for name, target in wanted.identity.items():
        total = total + config.w_id * content_each(seen[name], target)
    for name, target in wanted.attribute.items():
        mask = wanted.masks[name]
        total = total + config.w_att * content_each(mask * seen[name], mask * target)
    return total


def transfer(
    phi: FeatureExtractor,
    sources: Tensor,
    guides: Tensor,
    mask: Tensor,
    config: Config,
    trace: list[Tensor] | None = None,
) -> Tensor:
    """Optimises pictures, beginning with the sources.

    Args:
        phi: The feature network.
        sources: (N, 3, S, S), in [-1, 1].
        guides: The chosen guides of each, (N, k, 3, S, S).
        mask: Where the attribute shows, (N, 1, S, S).
        config: Weights and optimiser.
        trace: Gets the objective (N,) before each step and, of L-BFGS, after the last.

    Returns:
        (N, 3, S, S), clamped to [-1, 1]. No picture depends on the others of its batch.
    """
    with torch.no_grad():
        wanted = wanted_features(phi, sources, guides, mask, config)
        allowed = mask if config.inside else torch.ones_like(mask)

    def picture(changes: Tensor, rows: Tensor) -> Tensor:
        return sources[rows] + allowed[rows] * (blur(changes, config.smooth) if config.smooth else changes)

    def lack(changes: Tensor, rows: Tensor) -> Tensor:
        return objective(phi, picture(changes, rows), wanted.only(rows), config)

    everything = torch.arange(len(sources), device=sources.device)
    start = torch.zeros_like(sources)
    if config.optimiser == "lbfgs":
        changes = minimise(lack, start, config.steps, trace=trace)
    else:
        changes = _adam(lambda moved: lack(moved, everything), start, config, trace)
    return picture(changes, everything).clamp(-1.0, 1.0)


def _adam(lack: Callable[[Tensor], Tensor], start: Tensor, config: Config, trace: list[Tensor] | None) -> Tensor:
    """Descends the sum of what the pictures lack; as Adam scales each number by itself, none minds the others."""
    changes = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([changes], config.lr)
    for _ in range(config.steps):
        values = lack(changes)
        if trace is not None:
            trace.append(values.detach())
        (changes.grad,) = torch.autograd.grad(values.sum(), changes)
        adam.step()
    return changes.detach()


# --- the method -------------------------------------------------------------------------------------------------


class CNIA:
    """Guides, and the way a face is led to them.

    Args:
        guides: Labelled faces.
        config: The configuration.
        card: Who it is.
    """

    def __init__(self, guides: Guides, config: Config, card: MethodCard) -> None:
        self.guides, self.config = guides, config
        self.card = replace(card, name=REPORTED_AS, needs=("landmarks", "region"))
        self._phi = extractor(config.features)
        self._choice = guides.with_mirrored() if config.mirrored else guides
        self._pooled = in_batches(self._pool5, self._choice.images) if config.guide_by == "features" else None

    @classmethod
    def from_file(cls, path: Path, *, attribute: str, size: int) -> CNIA:
        """Reads guides, which are published as weights are.

        Raises:
            CheckpointError: The file holds another method, attribute or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        read = load_weights(path, method=NAME, attribute=attribute, size=size, config_class=Config, build=build)
        guides = read.networks["guides"]
        assert isinstance(guides, Guides)
        return cls(guides, read.config, read.card(NAME, PAPER, 2016))

    def edit_aided(self, images: Tensor, attribute: str, value: Tensor, aids: Mapping[str, Tensor]) -> Tensor:
        """Leads each image to guides that show the attribute as it is wanted.

        Args:
            images: uint8, (N, 3, S, S).
            attribute: One of the configuration's attributes.
            value: Wanted values (N,); above one half means present.
            aids: ``landmarks``, (N, 5, 2) in pixels, and ``region``, (N, 1, S, S), above one half where the attribute
                shows.

        Returns:
            Edited images, same shape and type.

        Raises:
            InputError: Another attribute or size, or no such landmarks or region.
        """
        check_images(images, self.config.image_size)
        if attribute not in self.config.attributes:
            raise InputError(
                f"an attribute these guides are labelled for: {', '.join(self.config.attributes)}",
                attribute,
                "collect guides for it: python tools/collect_guides.py --attr NAME",
            )
        points = check_aid(aids, "landmarks", (len(images), 5, 2))
        region = check_aid(aids, "region", (len(images), 1, *images.shape[2:]))
        labels = self._choice.labels[:, self.config.attributes.index(attribute)]

        def optimise(sources: Tensor, points: Tensor, mask: Tensor, value: Tensor) -> Tensor:
            with torch.no_grad():
                guides = self._guides(sources, points, labels, value)
                guides = tinted(guides, sources, mask) if self.config.tinted else guides
            return transfer(self._phi, sources, guides, mask, self.config)

        mask = (region > 0.5).float()
        if self.config.face is not None:
            mask = mask * face_ellipses(points, self.config.face, images.shape[-1])
        return to_uint8(in_batches(optimise, images, points, mask, value, gradients=True))

    def changed(self, **changes: object) -> CNIA:
        """Returns the same guides under other settings, such as ``optimiser="adam"`` or ``steps=200``."""
        return CNIA(self.guides, override(self.config, changes), self.card)

    def _guides(self, sources: Tensor, points: Tensor, labels: Tensor, value: Tensor) -> Tensor:
        """Chooses the guides (n, k, 3, S, S) of float images, by landmarks or features."""
        config, landmarks = self.config, self._choice.landmarks
        maps, left = fit_similarities(landmarks, points)
        if self._pooled is not None:
            distances = torch.cdist(self._pool5(sources), self._pooled)
        else:
            distances = left if config.aligned else torch.cdist(points.flatten(1), landmarks.flatten(1))
        chosen = nearest(distances, labels, value, config.k)
        guides = to_signed(self._choice.images[chosen])
        if not config.aligned:
            return guides
        rows = torch.arange(len(chosen))[:, None]
        return moved(guides.flatten(0, 1), maps[rows, chosen].flatten(0, 1)).view_as(guides)

    def _pool5(self, images: Tensor) -> Tensor:
        """Pool5 features of float images, (n, D)."""
        return self._phi.features(images, ["pool5"])["pool5"].flatten(1)
