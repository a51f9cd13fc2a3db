# SPDX-License-Identifier: MIT
"""What decides a DIAT: its configuration, the paper's variants, and the lengths of its stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from faceeval.errors import InputError, unknown_name
from reference_models.blocks import Norm, Output, Spread, Upsampling
from reference_models.diat_networks import SHRINKS
from reference_models.features import ChannelOrder
from reference_models.recipe import UNGUIDED, Guidance, Training

# The paper gives no number of steps; these show the transform network all of CelebA four times before the game begins.
# A step's batch is 16 images of the input set and 16 of the guided set.
PAPER_TRAINING = Training(steps=100_000, batch_size=32, lr=1e-4, constant_share=1.0)


@dataclass(frozen=True)
class Variant:
    """What one of the paper's variants is made of (sections 4.2 and 5.5).

    Attributes:
        identity: Network on whose maps the identity loss is taken: none, equation 2, or equation 13.
        smooth: Whether there is perceptual regularisation (equation 6), and so a reconstructor and a denoiser.
        enhanced: Whether there is an enhancement network (section 3.2).
        rate: Share of the step size in the adversarial stage: DIAT-A goes from 1e-4 down to 1e-5 (section 4.2).
    """

    identity: Literal["none", "features", "discriminator"]
    smooth: bool
    enhanced: bool
    rate: float


VARIANTS: dict[str, Variant] = {
    "DIAT1": Variant("none", smooth=False, enhanced=False, rate=1.0),
    "DIAT2": Variant("features", smooth=False, enhanced=False, rate=1.0),
    "DIAT3": Variant("features", smooth=True, enhanced=False, rate=1.0),
    "DIAT": Variant("features", smooth=True, enhanced=True, rate=1.0),
    "DIAT-A0": Variant("discriminator", smooth=False, enhanced=False, rate=0.1),
    "DIAT-A": Variant("discriminator", smooth=False, enhanced=True, rate=0.1),
}
ENHANCERS = ("auto", "none", "local", "global")


@dataclass(frozen=True)
class Config:
    """Everything that decides a DIAT; the defaults are the paper's, for 128 pixels.

    Attributes:
        variant: A key of VARIANTS; "DIAT" in the paper's experiments is DIAT-A unless it says otherwise (section 5.1).
        values: Target labels that have a transform network; None: those of the paper's tasks (DIAT_TASKS), and both
            for an attribute it has no task of.
        image_size: Side of the images; 128 is the one that fits both layer tables.
        width: Channels of the transform network's first convolution (table 1: 32).
        n_blocks: Its residual blocks (the text: 5; table 1 prints 4).
        norm: Its norm; the paper prints none, Johnson et al. have batch norm.
        d_width: Channels of the discriminator's first convolution (table 2: 32).
        fc: Units of its hidden layer (table 2: 1000).
        d_init: Spread of its first weights, see ``blocks.initialise``; it has no norms, so they keep the signal's size.
        f_width: Channels inside the denoiser; the paper says two 3x3 convolutions and no more.
        local_width: Channels of the enhancer of local attributes; the paper says four layers and no more.
        global_width: Channels of the first convolution of that of global ones, the transform network's (section 3.2).
        enhancer: ``"auto"``: the variant's and the attribute's; or ``"none"``, ``"local"`` or ``"global"``.
        lambda_adv: Weight of the attribute loss (equations 7 and 14: 1).
        lambda_id: lambda of equations 7 and 14, of the identity loss (section 5.1: 0.1).
        gamma: gamma of equation 7, of the regularisation (section 5.1: 0.001).
        layers: Convolutional layers of the identity losses, counted from one (equations 2, 4, 13: 4 and 5).
        layer_weights: w_l of these equations; not printed.
        betas_enh: beta_i of equation 10 (section 5.1: 0.1, 0.5, 1); i = 0 is the picture, 1 and 2 are conv1_1, conv1_2.
        blur_sigma: Spread of the global enhancer's blur in pixels (section 5.1: 1.8).
        reduction: How squared Frobenius norms (equations 5, 6, 8, 11) count the pixels: as printed, or on average.
        dstep: Discriminator updates in a round (algorithm 1); not printed.
        tstep: Transform updates in a round (algorithm 1); not printed.
        adversarial_rate: Share of the step size in the adversarial stage; None: the variant's.
        share_transform: Share of the steps that pre-train the transform network (equation 8). None of the lengths of
            the stages is printed; the adversarial stage has what the others leave.
        share_discriminator: Share that pre-trains the discriminator (equation 9).
        share_reconstructor: Share that trains the reconstructor (equation 4), where the variant has one.
        share_denoiser: Share that trains the denoiser (equation 5), where the variant has one.
        share_enhancer: Share that trains the enhancer (equations 10 and 11), where there is one.
        features: Stand-in for VGG-Face, or the path of its weights, see ``features.extractor``.
        channel_order: Of the colours such a file expects.
        output: Form of the transform network's picture, see ``blocks.compose``; the paper's is the image itself.
        e_output: Form of the enhancer's picture.
        refine: End the transform network with two 3x3 convolutions that see the source too, in place of its last one,
            so that thin frames can be found to the pixel; not in the paper, and only with bilinear upsampling.
        upsampling: How both enlarge, see ``blocks.upsample``; the paper's are transposed convolutions.
        guidance: What is added to the paper; nothing by default.
        training: Adam at 1e-4 (section 3.1.2), at full step size to the end of each stage.
    """

    variant: str = "DIAT-A"
    values: tuple[int, ...] | None = None
    image_size: int = 128
    width: int = 32
    n_blocks: int = 5
    norm: Norm = "batch"
    d_width: int = 32
    fc: int = 1000
    d_init: Spread = None
    f_width: int = 64
    local_width: int = 64
    global_width: int = 32
    enhancer: Literal["auto", "none", "local", "global"] = "auto"
    lambda_adv: float = 1.0
    lambda_id: float = 0.1
    gamma: float = 0.001
    layers: tuple[int, ...] = (4, 5)
    layer_weights: tuple[float, ...] = (1.0, 1.0)
    betas_enh: tuple[float, float, float] = (0.1, 0.5, 1.0)
    blur_sigma: float = 1.8
    reduction: Literal["sum", "mean"] = "sum"
    dstep: int = 1
    tstep: int = 1
    adversarial_rate: float | None = None
    share_transform: float = 0.2
    share_discriminator: float = 0.1
    share_reconstructor: float = 0.15
    share_denoiser: float = 0.05
    share_enhancer: float = 0.15
    features: str = "procfaces"
    channel_order: ChannelOrder = "rgb"
    output: Output = "image"
    e_output: Output = "image"
    refine: bool = False
    upsampling: Upsampling = "transposed"
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING


def check(config: Config) -> None:
    """Refuses fields that make no DIAT.

    Raises:
        InputError: Values, shares, layers or the image size are not what they should be.
        UnknownNameError: No such variant or enhancer.
    """
    for what, name, known in (("variant of DIAT", config.variant, VARIANTS), ("enhancer", config.enhancer, ENHANCERS)):
        if name not in known:
            raise unknown_name(what, str(name), known)
    values, shares = config.values, [round(share, 9) for share in _shares(replace(config, variant="DIAT")).values()]
    asked: tuple[tuple[bool, str, object], ...] = (
        (
            values is None or (isinstance(values, list | tuple) and sorted(values) in ([0], [1], [0, 1])),
            "values=[0], [1] or [0, 1], the labels to aim at",
            values,
        ),
        (min(shares) >= 0 and sum(shares) < 1, "shares of the steps from 0 on that leave some to the game", shares),
        (config.image_size % SHRINKS == 0, f"an image_size that is a multiple of {SHRINKS}", config.image_size),
        (min(config.dstep, config.tstep) >= 1, "dstep and tstep from 1 on", (config.dstep, config.tstep)),
        (
            len(config.layers) == len(config.layer_weights) and set(config.layers) <= set(range(1, 7)),
            "layers among 1..6 and as many layer_weights",
            (config.layers, config.layer_weights),
        ),
        (len(config.betas_enh) == 3, "three betas_enh", config.betas_enh),
        (not config.refine or config.upsampling == "bilinear", "refine with upsampling=bilinear", config.upsampling),
        (config.blur_sigma > 0, "a blur_sigma above 0", config.blur_sigma),
        (config.training.sampling == "halves", "sampling=halves: one set is edited, the other guides", "uniform"),
        (
            config.training.head_start == 0,
            "head_start=0: share_discriminator is what the discriminators have to themselves",
            config.training.head_start,
        ),
    )
    for right, expected, got in asked:
        if not right:
            raise InputError(expected, str(got), "change it with --set, or leave the preset's value")


def has_enhancer(config: Config) -> bool:
    """Whether an enhancer is trained: the variant's, unless the configuration says which."""
    return VARIANTS[config.variant].enhanced if config.enhancer == "auto" else config.enhancer != "none"


def _shares(config: Config) -> dict[str, float]:
    """Returns what share of the steps each stage but the adversarial one has."""
    variant = VARIANTS[config.variant]
    return {
        "transform_start": config.share_transform,
        "discriminator_start": config.share_discriminator,
        "reconstructor": config.share_reconstructor * variant.smooth,
        "denoiser": config.share_denoiser * variant.smooth,
        "enhancer": config.share_enhancer * has_enhancer(config),
    }


def stages(config: Config) -> dict[str, range]:
    """Returns which steps each stage has, in their order (sections 3.1 and 3.2, algorithm 1)."""
    total, shares, found, start = config.training.steps, _shares(config), dict[str, range](), 0
    before = [name for name in shares if name != "enhancer"]
    for place, name in enumerate(before):
        end = round(total * sum(shares[entry] for entry in before[: place + 1]))
        found[name], start = range(start, end), end
    last = total - round(total * shares["enhancer"])
    return {**found, "adversarial": range(start, last), "enhancer": range(last, total)}
