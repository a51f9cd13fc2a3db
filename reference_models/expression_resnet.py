# SPDX-License-Identifier: MIT
"""The ResNet18 that Browatzki and Wallraven compare their codes with (Table 3): it sees the face and names its
expression, and nothing was taken apart in it.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with AffectNet's eight classes. The paper calls it
"a standard pre-trained ResNet18" and says no more of its training; how it is trained here is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faceeval.data.faces import FaceSet
from faceeval.data.labels.expressions import EXPRESSIONS
from faceeval.errors import InputError, unknown_name
from faceeval.method import MethodCard
from reference_models.blocks import batch_norm, doubling, initialise
from reference_models.checkpoint import fill, load_tensors, load_weights
from reference_models.features import IMAGENET_MEAN, IMAGENET_SPREAD
from reference_models.guidance import shifted
from reference_models.images import check_images, in_batches
from reference_models.recipe import Batch, Networks, Terms, Training, Update, override
from reference_models.resnet import ResNet, Stem
from reference_models.sampling import Draw

NAME = "expression_resnet"
PAPER = "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition"
PARTS = ("expression",)
CLASSES = len(EXPRESSIONS)  # AffectNet's, codes 0..7

# five epochs of AffectNet's 287,651 training images, as the paper trains its other classifiers
PAPER_TRAINING = Training(
    steps=14_383, batch_size=100, lr=1e-4, betas=(0.9, 0.999), constant_share=1.0, flip=True, sampling="uniform"
)


@dataclass(frozen=True)
class Config:
    """Everything that decides the network; the defaults are ResNet18's, at the paper's 128 pixels.

    Attributes:
        image_size: Side of the images.
        width: Channels of the first stage; doubled by each of the next.
        max_width: Most channels; 512 caps nothing at the paper's width.
        blocks: Basic blocks of each stage.
        stem: As in ``resnet.ResNet``.
        places: Channels the last map is reduced to before the classes are read from every place of it; 0 averages over
            places, as ResNet18 does. Where in the face something is matters, and small networks learn it late from
            averages.
        imagenet: A ``.safetensors`` file with torchvision's resnet18 weights to begin from, but for what reads the last
            map. The paper begins from ImageNet's; empty begins from random weights.
        weighted: Whether rare expressions count as much as frequent ones in the cross-entropy (section 5.3.3, said of
            the classifiers of codes; here it is our choice to train alike).
        class_weights: Weight of each expression, settled by the training data.
        lambda_affect: Weight of the squared error of valence and arousal, which two more outputs say while it trains; 0
            does without. Classes alone say nothing of how strongly a face shows them, and start slowly.
        max_shift: Pixels by which training pictures are moved at random, up and sideways.
        training: Our choice, see ``PAPER_TRAINING``.
    """

    image_size: int = 128
    width: int = 64
    max_width: int = 512
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    stem: Stem = "imagenet"
    places: int = 0
    imagenet: str = ""
    weighted: bool = True
    class_weights: tuple[float, ...] = ()
    lambda_affect: float = 0.0
    max_shift: int = 0
    training: Training = PAPER_TRAINING


SMALL = Config(
    image_size=64,
    width=16,
    max_width=64,
    stem="small",
    places=32,
    lambda_affect=2.0,
    max_shift=4,
    training=Training(
        steps=7500,
        batch_size=32,
        lr=1e-3,
        betas=(0.9, 0.999),
        constant_share=0.4,
        ema_decay=0.998,
        flip=True,
        sampling="uniform",
        precision="bf16",
        channels_last=True,
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 300, "ema_decay": 0.95}),
}


# --- network ----------------------------------------------------------------------------------------------------


class ExpressionNet(ResNet):
    """A ResNet18 that takes pictures in [-1, 1], normalises them as ImageNet's are, and may read places.

    Args:
        config: Its widths, and what it reads how.
    """

    gain: Tensor
    lift: Tensor

    def __init__(self, config: Config) -> None:
        widths = doubling(config.width, len(config.blocks), config.max_width)
        super().__init__(widths, config.blocks, CLASSES, config.stem)
        self.reduce: nn.Module | None = None
        if config.places:
            side = config.image_size
            for _ in range(len(widths) + (config.stem == "imagenet")):
                side = -(-side // 2)
            self.reduce = nn.Sequential(
                nn.Conv2d(widths[-1], config.places, 1, bias=False), batch_norm(config.places), nn.ReLU(), nn.Flatten()
            )
            self.fc = nn.Linear(config.places * side**2, CLASSES)
        self.affect = nn.Linear(self.fc.in_features, 2) if config.lambda_affect else None
        mean, spread = (torch.tensor(value)[None, :, None, None] for value in (IMAGENET_MEAN, IMAGENET_SPREAD))
        # (x + 1) * 127.5 gives grey levels; less the mean, over the spread, that is x * gain + lift
        self.register_buffer("gain", 127.5 / spread, persistent=False)
        self.register_buffer("lift", (127.5 - mean) / spread, persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """Returns what the classes are read from, (N, 3, S, S) in [-1, 1] -> (N, D)."""
        maps = self.maps(torch.addcmul(self.lift, x, self.gain))
        return maps.mean((2, 3)) if self.reduce is None else self.reduce(maps)


def build(config: Config, seed: int) -> Networks:
    """Returns the network, freshly drawn (He et al., ICCV 2015) or from ImageNet's weights where they are named.

    Raises:
        InputError: No stage, or one without a block.
        MissingFileError: There is no such file of weights.
        CheckpointError: It is damaged, of another network, or a pickle.
    """
    if not config.blocks or min(config.blocks) < 1 or config.width < 1:
        got = f"blocks {config.blocks}, width {config.width}"
        raise InputError("a block in every stage, and a channel at least", got, "ResNet18 has blocks (2, 2, 2, 2)")
    network = ExpressionNet(config)
    initialise(network, seed, std=None)
    if config.imagenet:
        fill({"resnet": network}, _imagenet(Path(config.imagenet), network))
    return {"resnet": network}


def _imagenet(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Returns torchvision's tensors under our names, and what reads the last map as it stands in the network."""
    counts = "num_batches_tracked"  # which ``blocks.batch_norm`` does without
    found = {key: value for key, value in load_tensors(path).items() if not key.endswith(counts)}
    own = {key: value for key, value in network.state_dict().items() if key.startswith(("fc.", "reduce.", "affect."))}
    return {f"resnet.{key}": value for key, value in (found | own).items()}


# --- training ---------------------------------------------------------------------------------------------------


def known(faces: FaceSet) -> NDArray[np.int64]:
    """Returns the images that show one of the eight expressions, ascending.

    Raises:
        InputError: The data label no expressions, or fewer than two different ones.
    """
    todo = "choose data that label expressions, such as procfaces or affectnet"
    if faces.expression is None:
        raise InputError(f"expressions of {faces.name}", "none", todo)
    rows = np.flatnonzero((faces.expression >= 0) & (faces.expression < CLASSES))
    if len(found := np.unique(faces.expression[rows])) < 2:
        raise InputError(f"two expressions at least in {faces.name}", f"{len(found)}", todo)
    return rows


def for_data(config: Config, faces: FaceSet) -> Config:
    """Settles the weights of the classes: N / (8 n_c), and 0 for those nobody shows; only their ratios matter.

    Raises:
        InputError: As ``known``.
    """
    rows = known(faces)
    assert faces.expression is not None
    counts = np.bincount(faces.expression[rows], minlength=CLASSES)
    weights = tuple(float(len(rows) / (CLASSES * count)) if count else 0.0 for count in counts.tolist())
    return replace(config, class_weights=weights if config.weighted else ())


class Shown:
    """Draws the images that show an expression, each as often as any other, in a new order each time round.

    Args:
        faces: The training split.
        config: Unused: the batch is of one kind.
        seed: Seed of the run.
    """

    def __init__(self, faces: FaceSet, config: Config, seed: int) -> None:
        self.labels = np.zeros((len(faces), 0), np.uint8)
        self._rows, self._seed = known(faces), seed
        self._epoch = lru_cache(maxsize=2)(self._draw_epoch)

    def _draw_epoch(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, epoch]).permutation(self._rows)

    def draw(self, step: int, size: int, *, rank: int = 0, world: int = 1) -> Draw:
        """Returns the images of one process at a step."""
        start, count = (step * world + rank) * size, len(self._rows)
        found = [self._epoch(place // count)[place % count] for place in range(start, start + size)]
        return Draw(np.array(found, np.int64), np.zeros(size, np.int64), size)


def sampler(faces: FaceSet, config: Config, seed: int) -> Shown:
    """Returns who draws the batches.

    Raises:
        InputError: As ``known``.
    """
    return Shown(faces, config, seed)


def translate(networks: Networks, batch: Batch) -> dict[str, Tensor]:
    """Returns nothing: no picture is made."""
    return {}


def class_loss(
    networks: Networks, batch: Batch, fakes: dict[str, Tensor], config: Config, memory: dict[str, Tensor]
) -> Terms:
    """Cross-entropy of the expressions, weighted by inverse class counts (section 5.3.3); see ``lambda_affect``."""
    network, labels = networks["resnet"], batch.aids["expression"]
    assert isinstance(network, ExpressionNet)
    features = network.features(shifted(batch.images, config.max_shift, batch.generator))
    logits = network.fc(features).float()
    weights = logits.new_tensor(config.class_weights) if config.class_weights else None
    terms = {"cross_entropy": functional.cross_entropy(logits, labels[:, 0].long(), weights)}
    if network.affect is not None:
        known = labels[:, 1:].isfinite()
        error = network.affect(features).float() - labels[:, 1:].nan_to_num()
        terms["affect"] = config.lambda_affect * (error.square() * known).sum() / known.sum().clamp(min=1)
    return terms


def sheet(networks: Networks, images: Tensor) -> list[Tensor]:
    """Returns faces (n, 3, S, S) and, below each, bars: how probable each of the eight expressions is."""
    network, side = networks["resnet"], images.shape[-1]
    training = network.training
    network.eval()  # or looking on would move the running averages
    shares = network(images).float().softmax(1)
    network.train(training)
    columns = torch.arange(side, device=images.device) * CLASSES // side
    levels = 1.0 - torch.arange(side, device=images.device) / side  # of the rows, from the top
    bars = (levels[None, :, None] <= shares[:, columns][:, None, :]).float() * 2.0 - 1.0
    return [images, bars[:, None].expand(-1, 3, -1, -1)]


UPDATES: dict[str, Update] = {"resnet": Update(("resnet",), class_loss, translates=False)}
AVERAGED: tuple[str, ...] = ("resnet",)
AIDS: tuple[str, ...] = ("expression",)


# --- the method -------------------------------------------------------------------------------------------------


class ExpressionResNet:
    """A trained ResNet18 that names expressions.

    Args:
        networks: As ``build`` returns them.
        config: Their configuration.
        card: Who it is.
    """

    def __init__(self, networks: Networks, config: Config, card: MethodCard) -> None:
        self.config, self.card = config, card
        network = networks["resnet"]
        assert isinstance(network, ResNet)
        self.network = network

    @classmethod
    def from_file(cls, path: Path, *, name: str = NAME, size: int) -> ExpressionResNet:
        """Reads published weights strictly.

        Raises:
            CheckpointError: The file holds another method or size, is damaged or unsafe.
            MissingFileError: It is not there.
        """
        weights = load_weights(path, method=name, size=size, config_class=Config, build=_without_imagenet)
        return cls(weights.networks, weights.config, weights.card(name, PAPER, 2016, PARTS))

    def embed(self, images: Tensor, part: str) -> Tensor:
        """Returns the features the classes are read from, float32 (N, D).

        Args:
            images: uint8, (N, 3, S, S).
            part: ``"expression"``; it has no other.

        Raises:
            InputError: Images of another form.
            UnknownNameError: Another part.
        """
        if part not in PARTS:
            raise unknown_name(f"part of {self.card.name}", part, PARTS)
        check_images(images, self.config.image_size)
        return in_batches(self.network.features, images)

    def read_expression(self, images: Tensor) -> Tensor:
        """Returns logits of AffectNet's eight classes of faces uint8 (N, 3, S, S), float32 (N, 8).

        Raises:
            InputError: Images of another form.
        """
        check_images(images, self.config.image_size)
        return in_batches(self.network, images)


def _without_imagenet(config: Config, seed: int) -> Networks:
    """Builds the network for weights that are there already: the file it began from need not be."""
    return build(replace(config, imagenet=""), seed)


def as_method(networks: Networks, config: Config, attributes: tuple[str, ...]) -> ExpressionResNet:
    """Wraps networks in memory as a method, to be scored while it trains."""
    card = MethodCard(name=NAME, paper=PAPER, year=2016, image_size=config.image_size, parts=PARTS)
    return ExpressionResNet(networks, config, card)
