# SPDX-License-Identifier: MIT
"""What decides an OSIP: sizes, weights of its losses, the paper's ablations and the presets. The method is in ``osip``.

Where the paper says nothing, or says two things, a field of ``Config`` has what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reference_models.blocks import Spread
from reference_models.recipe import UNGUIDED, Guidance, Training, override

Pooling = Literal["gap", "flatten", "fc"]
Reparametrisation = Literal["logvar", "logstd", "printed"]
Routing = Literal["paper", "all"]

# The paper gives no optimiser, rate, batch or length. 64 images are 32 pairs of a subject and an attribute image.
PAPER_TRAINING = Training(steps=200_000, batch_size=64, lr=2e-4, constant_share=1.0)


@dataclass(frozen=True)
class Config:
    """Everything that decides an OSIP; the defaults are the paper's, for 128 pixels.

    Attributes:
        image_size: Side of the images, a power of two.
        variant: One of VARIANTS: the whole method or one of the paper's ablations.
        convs: Convolutions in each stage of the VGG that I, C and A are (section 4: "the same VGG"); a pooling ends
            each stage. (2, 2, 3, 3, 3) is configuration D, with 13.
        a_convs: The same of A; None takes those of I and C.
        g_convs: The same of G, in the order of the encoders; None mirrors ``convs`` (section 4: "inverse VGG").
        width: Channels of the first stage of I and C; doubled by each further one.
        max_width: Most channels of I, C, A and G.
        a_width: As ``width``, of A; None takes the same.
        g_width: As ``width``, of G's last stage; None takes the same.
        places: Channels that A and G keep at each place of the coarsest map, for the linear layer that reads or makes
            it place by place; 0 keeps all.
        id_places: The same of I, for ``id_pool="fc"`` and ``"flatten"``.
        shortcuts: A and G of residual blocks, see ``osip_residual``: ``a_convs`` and ``g_convs`` count blocks of two
            convolutions then, all of them batch-normed.
        bn: Batch norm after each convolution but D's first and G's last (section 4).
        id_pool: What the identity vector f_I, which is f_C too (section 3.2: the input of the last layer), is made of:
            ``"gap"`` means of the last maps, ``"flatten"`` the last maps themselves, ``"fc"`` a linear map of those.
            At every place of the maps the pose of the subject would be asked of the picture by L_GC.
        id_dim: Length of the identity vector for ``id_pool="fc"``; the others decide it themselves.
        id_unit: Bring f_I to unit length, so that the vectors of strangers, of whom I is less sure, are as long as
            those of the people it was trained on; class scores are made of it before.
        id_scale: 0: class scores are a linear function of f_I. Above: f_I is batch-normed and brought to unit length,
            and scores are this many times its cosine to each class (Wang et al., "CosFace", CVPR 2018).
        id_margin: How much less the cosine to the right class counts in training, with ``id_scale``.
        attr_dim: Length of the attribute vector (256; not printed).
        n_ids: Labelled people; 0 counts those of the data.
        min_images: A person with fewer images is unlabelled.
        unlabelled_share: Share of the people, chosen by hash, whose names are withheld, where data have no images of
            strangers (section 3.3: about 1 million beside 5 million labelled).
        use_unlabelled: Train on unlabelled images at all (ablation "w/o U" does not).
        use_transform: Train every other step on pairs of two images (ablation "w/o T" does not).
        balanced: Draw labelled subjects person by person, not image by image.
        same_person: Share of the subjects of a reconstruction step that are another image of the same person, where
            there is one. The paper has none: subject and attribute image are one.
        id_share: Share of the steps, at the beginning, that train I and C alone (section 3.2: "initialised by a
            pretrained face classification network").
        draw_share: Share of the synthesis' steps, at its beginning, that only reconstruct: A and G learn to draw before
            they play against D and C. Of a blur, these ask for patterns.
        id_rate: Share of its step size with which I goes on learning thereafter; 0 leaves it as it is.
        id_lr: Step size of I's Adam; None takes that of the others.
        id_decay: Weight decay of I's Adam.
        id_shift: Pixels by which faces are moved at random before I learns from them, and synthesized ones before L_GC
            looks at them: G cannot please C by patterns that only fit to the pixel.
        id_noise: Standard deviation, in 0..2, of noise that both of these are given, against faint patterns.
        id_blur: How far, at most, both are brought towards what they are at half the size, 0..1; how far is drawn for
            each face. What only fine patterns say of a face is then nothing to go by.
        reparam: What A's second vector is: ``"logvar"`` the logarithm of the variance, for which equation 3 is the
            divergence; ``"logstd"`` that of the deviation, by which the text samples; ``"printed"`` equation 3 with the
            text's sampling, though the two do not fit.
        routing: ``"paper"``: A learns from the reconstruction and the divergence alone (Table 1); ``"all"``: from
            L_GD and L_GC too.
        lambda_t: Weight of reconstruction and divergence where the two images differ (equation 2: 0.1).
        w_gr: Weight of L_GR (equation 2); all losses are sums over elements and means over images.
        w_maps: Weight of what the paper does not have: L_GR once more, of C's maps instead of pixels, where a picture
            is to be the attribute image (Johnson et al., "Perceptual Losses", ECCV 2016). Few pixels tell one person
            from another, and C's maps are about those. Of each map the mean square, over its variance from face to
            face; the mean of the maps.
        w_gd: Weight of L_GD (equation 5).
        w_gc: Weight of L_GC (equation 7).
        gc_ramp: Share of the steps of that game over which the weight grows from zero.
        w_kl: Weight of L_KL (equation 3). Without it nothing holds the deviations, which soon overflow: the attribute
            vector is its mean then, in training as well.
        d_width: Channels of the first convolution of D (section 4: "as DCGAN"); doubled by each further one.
        d_max_width: Most channels of D; 1024 caps nothing at 128 pixels.
        d_noise: Standard deviation, in 0..2, of noise that D is shown all pictures with. Without, D soon knows a drawn
            face by its faintest traits, and its features say nothing of what else is missing.
        init: Spread of the first weights but G's, see ``blocks.initialise`` (DCGAN: 0.02).
        g_init: That of G's. Larger ones drive the first pictures to where tanh is flat.
        guidance: Nothing: the method edits no attribute.
        training: Adam at 2e-4 with momenta 0.5 and 0.999, 32 pairs; none of it is printed.
    """

    image_size: int = 128
    variant: str = "full"
    convs: tuple[int, ...] = (2, 2, 3, 3, 3)
    a_convs: tuple[int, ...] | None = None
    g_convs: tuple[int, ...] | None = None
    width: int = 64
    max_width: int = 512
    a_width: int | None = None
    g_width: int | None = None
    places: int = 0
    id_places: int = 0
    shortcuts: bool = False
    bn: bool = True
    id_pool: Pooling = "gap"
    id_dim: int = 512
    id_unit: bool = False
    id_scale: float = 0.0
    id_margin: float = 0.0
    attr_dim: int = 256
    n_ids: int = 0
    min_images: int = 20
    unlabelled_share: float = 0.0
    use_unlabelled: bool = True
    use_transform: bool = True
    balanced: bool = False
    same_person: float = 0.0
    id_share: float = 0.1
    draw_share: float = 0.0
    id_rate: float = 1.0
    id_lr: float | None = None
    id_decay: float = 0.0
    id_shift: int = 0
    id_noise: float = 0.0
    id_blur: float = 0.0
    reparam: Reparametrisation = "logvar"
    routing: Routing = "paper"
    lambda_t: float = 0.1
    w_gr: float = 1.0
    w_maps: float = 0.0
    w_gd: float = 1.0
    w_gc: float = 1.0
    gc_ramp: float = 0.0
    w_kl: float = 1.0
    d_width: int = 64
    d_max_width: int = 1024
    d_noise: float = 0.0
    init: Spread = 0.02
    g_init: Spread = 0.02
    guidance: Guidance = UNGUIDED
    training: Training = PAPER_TRAINING

    @property
    def id_steps(self) -> int:
        """Steps, at the beginning, that train I and C alone."""
        return int(self.training.steps * self.id_share)

    @property
    def draw_steps(self) -> int:
        """Steps after these that only reconstruct."""
        return int((self.training.steps - self.id_steps) * self.draw_share)

    def identity_weight(self, done: float) -> float:
        """Returns L_GC's weight when a share of the training is done."""
        if not self.gc_ramp:
            return self.w_gc
        begins = self.id_share + (1.0 - self.id_share) * self.draw_share
        return self.w_gc * min(1.0, max(0.0, done - begins) / (self.gc_ramp * (1.0 - begins)))


# The paper's ablations (section 4.1, figure 4), as changes to any configuration.
VARIANTS: dict[str, Mapping[str, Any]] = {
    "full": {},
    "no_gc": {"w_gc": 0.0},
    "no_gd": {"w_gd": 0.0},
    "no_t": {"use_transform": False},
    "no_u": {"use_unlabelled": False},
    "no_kl": {"w_kl": 0.0},
}

# A face recogniser on its own first, which is then left as it is: what time there is goes to the synthesis.
SMALL = Config(
    image_size=64,
    convs=(1, 2, 2, 2),
    a_convs=(1, 1, 1),
    g_convs=(1, 2, 2),
    width=16,
    max_width=96,
    a_width=24,
    g_width=32,
    places=24,
    id_places=36,
    shortcuts=True,
    id_pool="fc",
    id_dim=64,
    id_unit=True,
    attr_dim=96,
    unlabelled_share=0.1,
    same_person=0.75,
    id_share=0.3,
    draw_share=0.7143,
    id_rate=0.0,
    id_lr=2e-3,
    id_shift=3,
    id_noise=0.05,
    w_maps=300.0,
    w_gd=0.2,
    w_gc=800.0,
    gc_ramp=0.5,
    d_width=8,
    d_max_width=24,
    d_noise=0.3,
    init=None,
    g_init="default",
    training=Training(
        steps=20000,
        batch_size=48,
        lr=2e-3,
        lr_d=4e-4,
        ema_decay=0.998,
        flip=True,
        precision="bf16",
        channels_last=True,
    ),
)
PRESETS: dict[str, Config] = {
    "paper": Config(),
    "small": SMALL,
    "quick": override(SMALL, {"steps": 400, "ema_decay": 0.98}),
}
