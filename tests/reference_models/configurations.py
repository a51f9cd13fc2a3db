# SPDX-License-Identifier: MIT
"""The small configurations these tests build networks from."""

from __future__ import annotations

from dataclasses import replace

from reference_models import attgan, cyclegan, fai, residual_gan, stargan, unit
from reference_models.recipe import Training

QUICK = Training(steps=4, batch_size=4)
TINY_FAI = fai.Config(
    image_size=64,
    levels=6,
    width=16,
    max_width=128,
    n_high_skips=2,
    d_width=16,
    d_stages=5,
    d_max_width=128,
    training=QUICK,
)
TINY_CYCLEGAN = cyclegan.Config(image_size=64, width=16, n_blocks=2, d_width=16, n_layers=3, training=QUICK)
TINY_UNIT = unit.Config(image_size=64, width=16, n_res=1, d_width=16, d_shared=3, training=QUICK)
TINY_RESIDUAL_GAN = residual_gan.Config(image_size=64, width=16, d_width=16, training=QUICK)
TINY_STARGAN = stargan.Config(image_size=64, width=16, n_blocks=2, d_width=16, d_stages=5, training=QUICK)
TINY_ATTGAN = attgan.Config(
    image_size=64, width=16, layers=4, max_width=256, d_width=16, d_layers=4, fc=128, training=QUICK
)
# smaller still, for tests that step: 16 pixels
MICRO_FAI = replace(TINY_FAI, image_size=16, levels=4, width=4, max_width=8, d_width=4, d_stages=3, d_max_width=8)
MICRO_CYCLEGAN = replace(TINY_CYCLEGAN, image_size=16, width=4, n_blocks=1, d_width=4, n_layers=1, pool=6)
# the same, as changes to the small preset
MICRO_CHANGES = {
    "fai": {"image_size": 16, "levels": 4, "width": 4, "max_width": 8, "d_width": 4, "d_stages": 3, "d_max_width": 8},
    "cyclegan": {"image_size": 16, "width": 4, "n_blocks": 1, "d_width": 4, "n_layers": 1, "pool": 6},
    # without noise and moved pictures, so that a batch cut in two sees what it sees whole
    "unit": {
        "image_size": 16,
        "width": 4,
        "max_width": 8,
        "d_width": 4,
        "d_shared": 1,
        "noise": 0.0,
        "max_shift": 0,
    },
    "residual_gan": {
        "image_size": 16,
        "width": 4,
        "n_blocks": 0,
        "d_width": 4,
        "d_stages": 3,
        "feature_layer": 2,
        "max_shift": 0,
    },
    # as unit: the gradient penalty draws, and so do the moves of what the teacher sees
    "stargan": {
        "image_size": 16,
        "width": 4,
        "n_blocks": 1,
        "d_width": 4,
        "d_stages": 3,
        "lambda_gp": 0.0,
        "max_shift": 0,
    },
    "attgan": {
        "image_size": 16,
        "width": 4,
        "layers": 2,
        "max_width": 8,
        "d_width": 4,
        "d_layers": 2,
        "fc": 6,
        "refine": 4,
        "lambda_gp": 0.0,
        "max_shift": 0,
    },
    "inpainting": {
        "image_size": 16,
        "network_size": 16,
        "width": 4,
        "max_width": 8,
        "z_dim": 6,
        "d_width": 4,
        "d_max_width": 8,
        "d_norm": "batch",
        "lambda_returned": 0.0,
        "lambda_slope": 0.0,
        "d_shift": 0,
        "completion_steps": 2,
        "starts": 4,
        "widen": 1,
    },
    # as unit; the moves of what the teacher sees are drawn too
    "maae": {
        "image_size": 16,
        "width": 4,
        "n_blocks": 1,
        "d_width": 4,
        "d_stages": 3,
        "d_max_width": 8,
        "features": "random",
        "vae_noise": False,
        "max_shift": 0,
    },
    # both directions, and the enhancer that needs no masks
    "diat": {
        "image_size": 16,
        "width": 4,
        "n_blocks": 1,
        "d_width": 2,
        "fc": 4,
        "global_width": 4,
        "enhancer": "global",
        "values": [0, 1],
    },
}
for changes in MICRO_CHANGES.values():
    changes |= {"batch_size": 4, "ema_decay": 0.9, "head_start": 0}
