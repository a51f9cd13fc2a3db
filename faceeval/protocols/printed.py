# SPDX-License-Identifier: MIT
"""Numbers as the papers print them: other data, other judges, often other definitions. Never compared with ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PrintedScore:
    """One cell of a paper's table: Fréchet Inception distance and mean DFN."""

    fid: float
    dfn: float


# Tu et al., "Face Attribute Inversion", Table 1: FID / mean of DFN on CelebA. The columns there are called beard
# w/wo, mouth open/close, eyeglasses w/wo, young/old, male/female.
FAI_TABLE_1: dict[str, dict[str, PrintedScore]] = {
    "fai": {
        "No_Beard": PrintedScore(18.8, 0.90),
        "Mouth_Slightly_Open": PrintedScore(22.5, 0.94),
        "Eyeglasses": PrintedScore(16.6, 0.94),
        "Young": PrintedScore(28.7, 0.89),
        "Male": PrintedScore(21.1, 0.91),
    },
    "cyclegan": {
        "No_Beard": PrintedScore(25.0, 0.86),
        "Mouth_Slightly_Open": PrintedScore(28.5, 0.81),
        "Eyeglasses": PrintedScore(31.6, 0.83),
        "Young": PrintedScore(38.1, 0.79),
        "Male": PrintedScore(30.7, 0.86),
    },
}
FAI_TABLE_1_SOURCE = "Tu et al., Face Attribute Inversion, Table 1 (CelebA, 128 px)"

# Sun et al., "Mask-aware photorealistic face attribute manipulation", Table 2: discriminator fidelity after 1, 2, 3 and
# 4 manipulated attributes. Whose discriminator, which attributes and how many images is not said.
MAAE_TABLE_2: dict[str, tuple[float, float, float, float]] = {
    "residual_gan": (0.483, 0.325, 0.330, 0.250),
    "unit": (0.478, 0.344, 0.374, 0.356),
    "stargan": (0.382, 0.344, 0.316, 0.249),
    "maae": (0.521, 0.507, 0.398, 0.365),
}
MAAE_TABLE_2_SOURCE = "Sun et al., Mask-aware photorealistic face attribute manipulation, Table 2 (CelebA)"

# Li et al., "Deep identity-aware transfer of facial attributes", section 5.2:
# seconds an image, at 128 px on a GTX Titan X
DIAT_SECONDS: dict[str, float] = {"diat": 0.0045, "cnia": 30.0}
DIAT_SECONDS_SOURCE = "Li et al., Deep identity-aware transfer of facial attributes, section 5.2 (128 px, GTX Titan X)"

# Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled embeddings",
# Table 2: verification of 1000 pairs of LFW, in per cent, by pose, expression, style, all but identity, and identity.
BW_TABLE_2: dict[str, tuple[float, float, float, float, float]] = {
    "CelebA": (55.8, 64.9, 62.7, 67.5, 80.3),
    "CelebA, joint": (53.3, 64.3, 62.2, 66.3, 85.4),
    "VGGFace2, joint": (53.6, 63.7, 61.3, 64.4, 95.8),
}
BW_TABLE_2_SOURCE = "Browatzki and Wallraven, Table 2 (LFW, 128 px)"


def printed(method: str, attribute: str) -> PrintedScore | None:
    """Returns what FAI's Table 1 prints for a method and attribute; None where it prints nothing."""
    return FAI_TABLE_1.get(method, {}).get(attribute)
