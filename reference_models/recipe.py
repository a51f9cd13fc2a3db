# SPDX-License-Identifier: MIT
"""What a method tells the training loop: how to build its networks, what each update descends, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from types import ModuleType
from typing import Any, Literal, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, unknown_name
from reference_models.sampling import Drawer

Networks = dict[str, nn.Module]
Terms = dict[str, Tensor]
ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Training:
    """How long and how fast a method is trained; the same fields for every method.

    Attributes:
        steps: Iterations; in each, every network is updated once.
        batch_size: Images per iteration and process, half of them positive.
        lr: Step size of the generator's Adam.
        lr_d: Step size of the discriminator's Adam; None means ``lr``.
        betas: Momenta of both.
        weight_decay: Of both, added to the gradients as Adam does (UNIT).
        constant_share: Share of the steps at full step size; over the rest it falls linearly to zero.
        warmup_steps: First steps that train the generator alone to return its input (L1), as DIAT does with its own.
        head_start: Next steps that train the discriminators alone. A generator that begins by returning its input finds
            that to be a resting place of its other losses, unless the discriminators already know what is missing.
        ema_decay: Decay of the moving average of the generator's weights, which is what is published; 0 publishes the
            last weights.
        flip: Mirror each training image with probability one half.
        clip_norm: Largest norm of a network's gradient; 0 leaves it alone.
        accumulate: Micro-batches a batch is cut into, one after another, to fit into memory.
        sampling: ``"halves"``: half of each batch has its attribute and half has not. ``"uniform"``: every image as
            often as any other.
        precision: ``"no"`` is float32; ``"bf16"`` computes convolutions in bfloat16.
        channels_last: Keep images in channels-last memory.
    """

    steps: int
    batch_size: int
    lr: float = 2e-4
    lr_d: float | None = None
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0
    constant_share: float = 0.5
    warmup_steps: int = 0
    head_start: int = 0
    ema_decay: float = 0.0
    flip: bool = False
    clip_norm: float = 0.0
    accumulate: int = 1
    sampling: Literal["halves", "uniform"] = "halves"
    precision: Literal["no", "bf16"] = "no"
    channels_last: bool = False


@dataclass(frozen=True)
class Guidance:
    """What helps an attribute editor learn in minutes and stands in no paper; off by default. See ``guidance``.

    Attributes:
        guided: Train beside a frozen classifier of attributes, the teacher; the next five fields need it.
        n_maps: How many of its feature maps the discriminators read, finest first. The coarse ones see the whole face,
            and a generator can please them with a patch somewhere else.
        max_shift: Pixels by which pictures are moved at random, up and sideways, before the teacher sees them (Zhao et
            al., "Differentiable Augmentation", NeurIPS 2020). Without it a generator draws patterns where the border
            makes the teacher's maps easy to please, such as on collars.
        lambda_features: Weight of the adversarial terms on the teacher's feature maps.
        lambda_teacher: Weight of the cross-entropy of the teacher's logit for the edited attribute.
        lambda_keep: Weight of the squared change of the teacher's probabilities of all other attributes.
        lambda_same: Weight of the share of changed pixels (``losses.changed_share``); needs no teacher.
        same_scale: Difference from which on a pixel counts as changed, in 0..2: small for edits that repaint few
            pixels, large for those that shade many.
        same_power: How much dearer large differences are than small ones, see ``losses.changed_share``.
        same_ramp: Share of the steps over which that weight grows from zero, so that discriminators that know nothing
            yet are not outvoted.
    """

    guided: bool = False
    n_maps: int = 5
    max_shift: int = 0
    lambda_features: float = 1.0
    lambda_teacher: float = 0.1
    lambda_keep: float = 1.0
    lambda_same: float = 0.0
    same_scale: float = 0.2
    same_power: float = 1.0
    same_ramp: float = 0.5


UNGUIDED = Guidance()


@dataclass(frozen=True)
class Batch:
    """One micro-batch of faces, each drawn because it has, or has not, one attribute (unpaired).

    Attributes:
        images: Those without their attribute, then those with it; float32 in [-1, 1], (N, 3, S, S).
        attributes: Values of all attributes that are trained, float32 (N, A), 0 or 1; A is 1 for editors of one.
        places: Column of the attribute each image was drawn for, int64 (N,); of methods that edit none, what their
            sampler says, such as the class of each person.
        n_negatives: How many images come first.
        generator: Source of chance for whatever the losses draw; a function of (seed, step, process) alone.
        done: Share of the training that is done, 0..1.
        aids: What else the method asked for in ``AIDS``, (N, ...) each, see ``faceeval.data.aids``.
        kind: What the step is about, where a method's own ``sampler`` says so.
    """

    images: Tensor
    attributes: Tensor
    places: Tensor
    n_negatives: int
    generator: torch.Generator
    done: float = 1.0
    aids: Mapping[str, Tensor] = field(default_factory=dict)
    kind: str = ""

    @classmethod
    def of(cls, negatives: Tensor, positives: Tensor, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Makes the batch of an editor of one attribute from faces without it and faces with it."""
        labels = torch.cat([torch.zeros(len(negatives), 1), torch.ones(len(positives), 1)]).to(negatives.device)
        places = torch.zeros(len(labels), dtype=torch.int64, device=negatives.device)
        return cls(torch.cat([negatives, positives]), labels, places, len(negatives), generator, done)

    @property
    def negatives(self) -> Tensor:
        """Faces without the attribute each was drawn for."""
        return self.images[: self.n_negatives]

    @property
    def positives(self) -> Tensor:
        """Faces with the attribute each was drawn for."""
        return self.images[self.n_negatives :]

    @property
    def labels(self) -> Tensor:
        """Value (N,) of the attribute each image was drawn for, float32."""
        return self.attributes.gather(1, self.places[:, None])[:, 0]

    @property
    def targets(self) -> Tensor:
        """What an edit aims at, (N, A): the attribute each image was drawn for is inverted, the others stay."""
        return self.attributes.scatter(1, self.places[:, None], 1 - self.labels[:, None])

    def only(self, rows: Tensor) -> Batch:
        """The part of the batch that some rows (n,) are; their order must leave negatives first."""
        return replace(
            self,
            images=self.images[rows],
            attributes=self.attributes[rows],
            places=self.places[rows],
            n_negatives=int((rows < self.n_negatives).sum()),
            aids={name: value[rows] for name, value in self.aids.items()},
        )


@dataclass(frozen=True)
class Update:
    """One optimiser step of an iteration.

    Attributes:
        networks: Names of the networks it changes, less those that the configuration does without; all others are
            frozen meanwhile.
        loss: (networks, batch, fakes, config, memory) -> weighted terms; their sum is descended. ``fakes`` is what the
            method's ``translate`` returned for this batch; ``memory`` is kept from step to step and in checkpoints.
        translates: Whether the loss reads ``fakes``. A stage of pre-training does not: nothing is translated for it,
            ``fakes`` is empty, and guidance leaves it alone.
        optimiser: Name of an earlier update of the same networks whose optimiser takes this step too; empty where it
            has its own.
    """

    networks: tuple[str, ...]
    loss: Callable[[Networks, Batch, dict[str, Tensor], Any, dict[str, Tensor]], Terms]
    translates: bool = True
    optimiser: str = ""


@dataclass(frozen=True)
class Recipe:
    """What the loop needs of a method; each field is the function or constant of that name in the method's file.

    Attributes:
        build: (configuration, seed) -> freshly drawn networks.
        translate: (networks, batch) -> what the generators make of the batch, once for all updates. Editors return at
            least ``"edited"``, (N, 3, S, S), made for ``batch.targets`` in the order of ``batch.images``; those that
            edit only some of them return beside it which, ``"rows"``, int64 (n,).
        updates: Name -> update, in the method's own order.
        averaged: Names of the generators, whose averages are published.
        oversampled: Whether the rarer class is repeated until the classes are equal.
        warmup_loss: (networks, batch) -> terms that make the generators return their input; None where none does.
        preview: (networks, images, labels) -> edits for the sample grids, each image edited away from its label (n,). A
            method for many attributes gets the wanted values of all of them, (n, A), and then those the faces have.
            None for a method that has a ``sheet``.
        as_method: (networks, configuration, attribute) -> the method, to be scored while it trains. A method for many
            attributes gets a tuple of them.
        schedule: (configuration, step) -> updates to run at that step, each with the share of its full step size. Any
            other order than all updates at every step stands here, as a function of the step alone.
        aids: What each batch must bring beside images and labels; names in ``faceeval.data.aids.AIDS``.
        aids_for: configuration -> those of ``aids`` it needs; by default all.
        many: Whether one model edits several attributes.
        for_attribute: (configuration, attribute) -> the configuration with what depends on the attribute settled. A
            method for many attributes gets a tuple of them.
        sampler: (faces, configuration, seed) -> who draws the batches of a method that edits no attribute; see
            ``sampling.Drawer``. Such a method is trained without naming an attribute.
        for_data: (configuration, faces) -> the configuration with what depends on the data settled, such as how many
            people there are.
        sheet: (networks, images) -> rows of pictures (n, 3, S, S) in [-1, 1] for the sample grids, in place of
            ``preview``.
        adam: configuration -> update -> what its Adam has otherwise than ``Training`` says: ``lr``, ``betas``.
        helpers: Names of networks that only help the others to learn; kept in checkpoints, not published.
        beside: Dataset -> datasets that are trained on together with it, where the user names no others.
    """

    build: Callable[[Any, int], Networks]
    translate: Callable[[Networks, Batch], dict[str, Tensor]]
    updates: Mapping[str, Update]
    averaged: tuple[str, ...]
    as_method: Callable[[Networks, Any, Any], Any]
    oversampled: bool = False
    warmup_loss: Callable[[Networks, Batch], Terms] | None = None
    preview: Callable[..., Tensor] | None = None
    schedule: Callable[[Any, int], Mapping[str, float]] | None = None
    aids: tuple[str, ...] = ()
    aids_for: Callable[[Any], tuple[str, ...]] | None = None
    many: bool = False
    for_attribute: Callable[[Any, Any], Any] | None = None
    sampler: Callable[[FaceSet, Any, int], Drawer] | None = None
    for_data: Callable[[Any, FaceSet], Any] | None = None
    sheet: Callable[[Networks, Tensor], list[Tensor]] | None = None
    adam: Callable[[Any], Mapping[str, Mapping[str, Any]]] | None = None
    helpers: tuple[str, ...] = ()
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def edits(self) -> bool:
        """Whether the method edits attributes."""
        return self.sampler is None

    @classmethod
    def of(cls, module: ModuleType) -> Recipe:
        """Reads a method's file; its constants are written in capitals there. What has a default may be missing."""
        capitals = ("updates", "averaged", "oversampled", "aids", "many", "helpers", "beside")
        found: dict[str, Any] = {}
        for entry in fields(cls):
            name = entry.name.upper() if entry.name in capitals else entry.name
            if hasattr(module, name) or (entry.default is MISSING and entry.default_factory is MISSING):
                found[entry.name] = getattr(module, name)
        return cls(**found)

    def trains_generators(self, update: Update) -> bool:
        """Whether an update changes the generators."""
        return bool(set(update.networks) & set(self.averaged))


def override(config: ConfigT, changes: Mapping[str, Any]) -> ConfigT:
    """Returns a configuration with some fields changed, its own or those of a part such as ``training``.

    Args:
        config: A method's configuration.
        changes: Field name -> value; names of fields are unique over the parts.

    Raises:
        UnknownNameError: No such field.
    """
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}  # type: ignore[arg-type]
    parts: dict[str, Any] = {name: value for name, value in values.items() if is_dataclass(value)}
    home: dict[str, str] = {name: "" for name in values if name not in parts}
    home |= {entry.name: part for part, value in parts.items() for entry in fields(value)}
    for name in changes:
        if name not in home:
            raise unknown_name("configuration field", name, home)
    for part, value in parts.items():
        parts[part] = replace(value, **{name: new for name, new in changes.items() if home[name] == part})
    own = {name: new for name, new in changes.items() if not home[name]}
    return replace(config, **parts, **own)  # type: ignore[type-var]


def config_from_dict(kind: type[ConfigT], stored: Mapping[str, Any]) -> ConfigT:
    """Rebuilds a configuration from its JSON form; every field must be there and none more.

    Args:
        kind: The method's configuration class.
        stored: ``dataclasses.asdict`` of it after a trip through JSON.

    Raises:
        InputError: A field is missing or unknown.
    """
    expected = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    if set(stored) != expected:
        odd = sorted(expected ^ set(stored))
        raise InputError(
            f"a configuration of {kind.__module__}", f"fields {odd} missing or unknown", "use weights of this version"
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    kinds = get_type_hints(kind)
    for name, value in values.items():
        if isinstance(value, Mapping):
            values[name] = config_from_dict(kinds[name], value)
    return kind(**values)
