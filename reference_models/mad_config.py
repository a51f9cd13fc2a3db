# SPDX-License-Identifier: MIT
"""What decides a MAD: its configuration, and the lengths of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from faceeval.errors import InputError, unknown_name
from reference_models.recipe import Training
from reference_models.resnet import Stem

# the sub-vectors in the order in which they stand in a code, as in the released code
FACTORS: tuple[str, ...] = ("pose", "identity", "style", "expression")
NAMES = {"joint": "mad", "separate": "mad_separate"}  # variant -> name in the table of methods
SMALLEST = 16  # pixels

# 235k steps for the autoencoder (section 5.2.2), 11k for each disentangling stage (section 5.3); Adam at 5e-5 with
# betas (0, 0.999) for the autoencoder, batches of 100, mirrored images (section 4.3)
PAPER_TRAINING = Training(
    steps=257_000, batch_size=100, lr=5e-5, betas=(0.0, 0.999), constant_share=1.0, flip=True, sampling="uniform"
)


@dataclass(frozen=True)
class Config:
    """Everything that decides a MAD; the defaults are the paper's, for 128 pixels.

    Attributes:
        variant: ``"separate"`` trains the autoencoder and then the disentangling networks, ``"joint"`` then both
            together (section 3.8).
        image_size: Side of the images, a power of two.
        z_dim: Numbers of a code (section 4.1: 99).
        dims: Those of its sub-vectors pose, identity, style and expression (section 4.1: 3 and 32 each).
        width: Channels of the encoder's first stage, as of a ResNet18 (64).
        max_width: Most channels of encoder and generator; 512 caps nothing at the paper's width.
        e_blocks: Blocks in each stage of the encoder (ResNet18: 2).
        blocks_per_stage: Those of the generator; the released code has 1, a ResNet18 turned round would have 2.
        stem: How the encoder begins, see ``resnet.ResNet``.
        code_grid: Side of the map a code is read from, and drawn from: 1 is the mean over all places, 2 that over each
            quarter, which keeps all numbers of a code where the channels are fewer.
        d_width: Channels of D_x's first convolution (released code: 32).
        d_stages: Its convolutions of stride 2 (released code: 5).
        dz_hidden: Units of D_z's layers (section 4.1: 1000).
        dz_layers: Its hidden layers: 2 in the released code; the text can be read as 3.
        dz_bn: Batch norm in D_z; the text has it, the released code does not.
        phi_hidden: Units of the hidden layer of both disentangling networks (section 4.2: 1000).
        stage_lengths: Relative lengths of the stages autoencoder, separate and joint; 0 leaves a stage out, as one does
            that begins from the weights of an earlier one.
        drawing_share: Share of all steps, after these stages, in which the generator alone goes on learning, from codes
            that stand still. The paper has none: there the joint stage is short beside the autoencoder's.
        lambda_ae: lambda_AE of equation 5 (0.9).
        w_adv: Weight of equation 3 within it.
        w_enc: Weight of equation 2, on the encoder's side.
        w_gen: Weight of equation 4; 0 draws no faces from the prior, as the released code does by default.
        d_every: D_x is trained at every n-th step (released code: 4).
        dz_every: D_z likewise (released code: 2).
        w_phi: Weight of equation 14 as a whole (released code: 5).
        lambda_zrec: lambda_rec of equation 14, which the paper does not give (released code: 4).
        zrec_moves_encoder: Whether in the joint stage that term moves the encoder too, as section 3.8 reads. Codes that
            are all alike are easily put together again, and where the term weighs much they become so.
        w_pose: Weight of F_p in equations 7 and 10.
        w_identity: Of F_id.
        w_style: Of F_s.
        w_expression: Of F_e (released code: 2).
        w_cycle: Weight of equation 8; without it and ``w_augmented`` nothing is exchanged.
        w_augmented: Weight of equation 10.
        exchange_from: Share of the joint stage after which faces are exchanged in it; before, codes learn what they are
            to say. The separate stage exchanges throughout.
        pose_in_cycle: Whether equation 8 compares the pose too; the released code leaves it out.
        tasks: Which factors' labels a batch is used for: that of its turn and the pose, as in the released code
            (``"turn"``), or all that are known (``"known"``), which is how equation 14 reads.
        turns: Factors whose turn it is to be exchanged, one a step. Video batches come half as often (released code).
            Factors the data cannot teach are left out when a training begins.
        pose_loss: ``"l1"`` (equation 11) or ``"mse"`` (released code), in radians.
        triplet: ``"squared"`` distances (equation 12) or the distances themselves (released code).
        margin: delta_k of equation 12, which the paper does not give (released code: 0.2).
        clamp: Where a triplet's loss is cut off (released code: 0.4); 0 does not.
        nearest: Negatives for identity and style are drawn of so many nearest (released code: 5); 0 draws of all.
        first_negative: The k of section 3.7.1 ("Expression"), which the paper does not give (released code: 10).
        draws: Triplets of each face in a batch (1).
        contrast: Temperature at which each like pair is told from all unlike faces of the batch at once, in place of
            triplets; 0 keeps to these, as the paper does. See ``mad_factors.contrast_loss``.
        centres: Scale of the cosines between a face's expression and a learnt centre of each class, by which
            expressions are told apart in place of triplets; 0 keeps to these, as the paper does, whose encoder starts
            from ImageNet's weights. See ``mad_factors.centre_loss``.
        w_affect: Weight, beside ``centres``, of the squared error of valence and arousal read from the sub-vector.
        label_weight: lambda_l of equation 13 (0.25).
        label_power: Of the distance in equation 13: 2 is printed, 1 is in the released code. Valence and arousal are in
            [-1, 1], as AffectNet has them.
        lr_phi: Step size of the separate stage (section 4.3: 1e-4).
        betas_phi: Momenta of the separate and of the joint stage (section 4.3).
        lr_joint: Step size of the joint stage; not printed, so as the separate stage.
        people: People in a macro-batch for identity (section 3.9: 20).
        most_images: Most images of each in one (released code: 300 to 500).
        clip_people: People in a macro-batch for style (section 3.9: 5).
        clips: Clips of each (section 3.9: 4).
        frame_step: Frames of a clip are thinned to every n-th (released code: 3).
        most_frames: Most frames of a clip in a macro-batch (released code: 200).
        ae_sources: What the autoencoder's own stage sees: the first set, as in the paper, or all that are joined.
        max_shift: Pixels by which training faces are moved at random, up and sideways.
        training: Section 4.3.
    """

    variant: Literal["separate", "joint"] = "joint"
    image_size: int = 128
    z_dim: int = 99
    dims: tuple[int, ...] = (3, 32, 32, 32)
    width: int = 64
    max_width: int = 512
    e_blocks: int = 2
    blocks_per_stage: int = 1
    stem: Stem = "imagenet"
    code_grid: int = 1
    d_width: int = 32
    d_stages: int = 5
    dz_hidden: int = 1000
    dz_layers: int = 2
    dz_bn: bool = False
    phi_hidden: int = 1000
    stage_lengths: tuple[float, ...] = (235.0, 11.0, 11.0)
    drawing_share: float = 0.0
    lambda_ae: float = 0.9
    w_adv: float = 1.0
    w_enc: float = 1.0
    w_gen: float = 1.0
    d_every: int = 1
    dz_every: int = 1
    w_phi: float = 1.0
    lambda_zrec: float = 4.0
    zrec_moves_encoder: bool = True
    w_pose: float = 1.0
    w_identity: float = 1.0
    w_style: float = 1.0
    w_expression: float = 1.0
    w_cycle: float = 1.0
    w_augmented: float = 1.0
    exchange_from: float = 0.0
    pose_in_cycle: bool = False
    tasks: Literal["turn", "known"] = "turn"
    turns: tuple[str, ...] = ("identity", "pose", "expression", "style", "identity", "pose", "expression")
    pose_loss: Literal["l1", "mse"] = "l1"
    triplet: Literal["euclidean", "squared"] = "euclidean"
    margin: float = 0.2
    clamp: float = 0.4
    nearest: int = 5
    first_negative: int = 10
    draws: int = 1
    contrast: float = 0.0
    centres: float = 0.0
    w_affect: float = 0.0
    label_weight: float = 0.25
    label_power: int = 1
    lr_phi: float = 1e-4
    betas_phi: tuple[float, float] = (0.9, 0.999)
    lr_joint: float = 1e-4
    people: int = 20
    most_images: int = 500
    clip_people: int = 5
    clips: int = 4
    frame_step: int = 3
    most_frames: int = 200
    ae_sources: Literal["first", "all"] = "first"
    max_shift: int = 0
    training: Training = PAPER_TRAINING


CHOICES: dict[str, tuple[Any, ...]] = {
    "variant": tuple(NAMES),
    "tasks": ("turn", "known"),
    "pose_loss": ("l1", "mse"),
    "triplet": ("euclidean", "squared"),
    "label_power": (1, 2),
    "code_grid": (1, 2),
    "ae_sources": ("first", "all"),
}


def check(config: Config) -> None:
    """Refuses configurations that cannot be built or trained, with what would do instead.

    Raises:
        InputError: Sizes do not fit each other, or a number is out of range.
        UnknownNameError: A field names no choice it has, or a turn no factor.
    """
    for name, known in CHOICES.items():
        if getattr(config, name) not in known:
            raise unknown_name(name, str(getattr(config, name)), [str(one) for one in known])
    for turn in config.turns:
        if turn not in FACTORS:
            raise unknown_name("factor whose turn it is", turn, FACTORS)
    side, dims, lengths = config.image_size, config.dims, config.stage_lengths
    asked: tuple[tuple[bool, str, object], ...] = (
        (side >= SMALLEST and side & (side - 1) == 0, f"an image_size that is a power of two from {SMALLEST} on", side),
        (len(dims) == len(FACTORS), f"dims of {', '.join(FACTORS)}", dims),
        (sum(dims) == config.z_dim, f"dims that sum up to z_dim={config.z_dim}", dims),
        (dims[0] == 3 and min(dims) > 0, "three numbers for yaw, pitch and roll, and some for every part", dims),
        (side >> config.d_stages >= 4, "a map of 4x4 or more before D_x's last convolution", (side, config.d_stages)),
        (len(lengths) == 3 and min(lengths) >= 0, "three stage_lengths from 0 on", lengths),
        (sum(stage_lengths(config)) > 0, f"a stage to train for variant={config.variant}", lengths),
        (min(config.d_every, config.dz_every, config.draws) >= 1, "d_every, dz_every and draws from 1 on", "0 or less"),
        (0 <= config.drawing_share < 1, "a drawing_share from 0 to below 1", config.drawing_share),
        (0 <= config.exchange_from <= 1, "an exchange_from in 0..1", config.exchange_from),
        (config.contrast >= 0, "a contrast of 0 or above", config.contrast),
        (config.centres >= 0, "centres of 0 or above", config.centres),
        (config.centres > 0 or not config.w_affect, "centres above 0 beside w_affect", config.centres),
        (0 <= config.max_shift < side, f"a max_shift from 0 to below {side}", config.max_shift),
        (bool(config.turns) or not any(stage_lengths(config)[1:]), "factors to learn in turn", "turns=[]"),
    )
    for right, expected, got in asked:
        if not right:
            raise InputError(expected, str(got), "change it with --set, or leave the preset's value")


def stage_lengths(config: Config) -> tuple[float, ...]:
    """Returns the relative lengths of the variant's stages autoencoder, separate and joint."""
    return (*config.stage_lengths[:2], config.stage_lengths[2] if config.variant == "joint" else 0.0)


def stages(config: Config) -> dict[str, range]:
    """Returns which steps each stage has, in their order."""
    lengths, total = stage_lengths(config), config.training.steps
    others = round(total * (1.0 - config.drawing_share))
    ends = [*(round(others * sum(lengths[: place + 1]) / sum(lengths)) for place in range(len(lengths))), total]
    names = ("autoencoder", "separate", "joint", "drawing")
    return {name: range(first, end) for name, first, end in zip(names, [0, *ends], ends, strict=False)}


def exchanges(config: Config, done: float) -> bool:
    """Tells whether faces are exchanged when a share of all steps is done."""
    joint, step = stages(config)["joint"], round(done * config.training.steps)
    waits = step >= joint.start and step < joint.start + config.exchange_from * len(joint)
    return bool(config.w_cycle or config.w_augmented) and not waits
