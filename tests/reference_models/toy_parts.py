# SPDX-License-Identifier: MIT
"""Small coloured faces with every label there is, still and in clips, and a MAD small enough to step."""

from __future__ import annotations

import numpy as np

from faceeval.data.faces import FaceSet
from faceeval.data.joined import join
from reference_models import mad
from reference_models.mad_config import Config
from reference_models.recipe import Training

SIZE = 16


def labelled(name: str, people: int, clips: int, each: int) -> FaceSet:
    """``people`` with ``clips`` clips of ``each`` frames; 0 clips: ``each`` stills. A person is a colour."""
    count = people * max(clips, 1) * each
    rng = np.random.default_rng([people, clips, each])
    who = np.arange(count) // (max(clips, 1) * each)
    pixels = rng.integers(0, 90, (count, 3, SIZE, SIZE)) + rng.integers(0, 160, (people, 3))[who][:, :, None, None]
    pose = rng.uniform(-30, 30, (count, 3)).astype(np.float32)
    pose[0] = np.nan if not clips else pose[0]
    return FaceSet(
        name, "train", SIZE, tuple(map(str, range(count))), name, lambda rows: pixels[rows].astype(np.uint8),
        identities=who, pose=pose, expression=rng.integers(0, 8, count),
        valence_arousal=rng.uniform(-1, 1, (count, 2)).astype(np.float32),
        clips=np.arange(count) // each if clips else None,
    )  # fmt: skip


STILLS = labelled("stills", people=6, clips=0, each=4)
CLIPS = labelled("clips", people=3, clips=3, each=3)
FACES = join([STILLS, CLIPS])
MICRO = {
    "image_size": SIZE,
    "z_dim": 15,
    "dims": (3, 4, 4, 4),
    "width": 4,
    "max_width": 8,
    "e_blocks": 1,
    "d_width": 4,
    "d_stages": 2,
    "dz_hidden": 8,
    "phi_hidden": 8,
    "stage_lengths": (4.0, 7.0, 3.0),
    "drawing_share": 0.0,
    "exchange_from": 0.0,
    "centres": 0.0,
    "w_affect": 0.0,
    "max_shift": 0,
    "first_negative": 3,
    "people": 3,
    "clip_people": 2,
    "clips": 2,
    "frame_step": 1,
    "lr_phi": 1e-3,
    "lr_joint": 1e-3,
}
MICRO_MAD = Config(**MICRO, training=Training(steps=14, batch_size=12, lr=1e-3, betas=(0.0, 0.999), flip=True))  # type: ignore[arg-type]
TINY_MAD = Config(
    image_size=64, width=16, d_width=8, d_stages=4, dz_hidden=128, phi_hidden=128, training=mad.SMALL.training
)
