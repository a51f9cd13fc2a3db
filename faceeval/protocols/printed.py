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
# Table 1: FID of 10,000 drawn faces and RMSE of reconstructions on CelebA, AffectNet, VGGFace2 and LFW, by what was
# trained on. Which of three formulas RMSE is, and its unit, is not said.
BW_TABLE_1: dict[str, tuple[float, float, float, float, float]] = {
    "trained on CelebA": (17.79, 22.87, 23.64, 22.87, 21.23),
    "trained on VGGFace2": (18.01, 19.56, 21.78, 21.21, 20.41),
}
BW_TABLE_1_SOURCE = "Browatzki and Wallraven, Table 1 (128 px)"

# The same, Table 2: verification of 1000 pairs of LFW, in per cent, by pose, expression, style, all but identity, and
# identity.
BW_TABLE_2: dict[str, tuple[float, float, float, float, float]] = {
    "CelebA": (55.8, 64.9, 62.7, 67.5, 80.3),
    "CelebA, joint": (53.3, 64.3, 62.2, 66.3, 85.4),
    "VGGFace2, joint": (53.6, 63.7, 61.3, 64.4, 95.8),
}
BW_TABLE_2_SOURCE = "Browatzki and Wallraven, Table 2 (LFW, 128 px)"

# The same, Table 3: one-vs-rest AUC on AffectNet's validation images: neutral, happy, sad, surprise, fear, disgust,
# anger, contempt, and the average as printed. The cells of VGG-Face have the mean 0.815; its 0.85 is a misprint. The
# row of AFFNet-TL is itself quoted there, from Vemulapalli and Agarwala, arXiv:1811.11283.
BW_TABLE_3: dict[str, tuple[float, ...]] = {
    "AFFNet-TL": (0.86, 0.96, 0.89, 0.89, 0.90, 0.84, 0.88, 0.83, 0.88),
    "ResNet18": (0.82, 0.95, 0.89, 0.85, 0.91, 0.87, 0.86, 0.88, 0.88),
    "VGG-Face": (0.76, 0.92, 0.81, 0.81, 0.82, 0.81, 0.77, 0.82, 0.85),
    "pose": (0.53, 0.58, 0.51, 0.54, 0.58, 0.56, 0.56, 0.58, 0.55),
    "identity": (0.65, 0.73, 0.69, 0.74, 0.72, 0.69, 0.73, 0.67, 0.70),
    "style": (0.61, 0.68, 0.63, 0.66, 0.67, 0.61, 0.61, 0.62, 0.64),
    "all but expression": (0.66, 0.78, 0.73, 0.76, 0.77, 0.72, 0.76, 0.71, 0.74),
    "expression": (0.76, 0.92, 0.80, 0.82, 0.81, 0.78, 0.81, 0.81, 0.81),
    "pose, joint": (0.57, 0.59, 0.54, 0.55, 0.66, 0.56, 0.54, 0.61, 0.58),
    "identity, joint": (0.68, 0.79, 0.74, 0.79, 0.77, 0.76, 0.79, 0.72, 0.76),
    "style, joint": (0.66, 0.71, 0.66, 0.69, 0.75, 0.64, 0.66, 0.70, 0.69),
    "all but expression, joint": (0.73, 0.84, 0.78, 0.81, 0.83, 0.78, 0.81, 0.77, 0.79),
    "expression, joint": (0.83, 0.94, 0.86, 0.86, 0.87, 0.82, 0.85, 0.84, 0.86),
}
BW_TABLE_3_SOURCE = "Browatzki and Wallraven, Table 3 (AffectNet, 128 px)"

# The same, section 5.3.1: mean absolute error of yaw, pitch and roll in degrees, against what a detector says.
BW_POSE: dict[str, tuple[float, float, float]] = {
    "AffectNet, validation": (3.61, 3.53, 2.09),
    "CelebA, test": (2.66, 2.95, 2.05),
}
BW_POSE_SOURCE = "Browatzki and Wallraven, section 5.3.1 (128 px; against OpenFace, not against the truth)"

# Bao et al., "Towards open-set identity preserving face synthesis", Table 2: top-1 identification among 10,000 people
# of MS-Celeb-1M, in per cent. The head of one column is lost in the text at hand; "w/o U" is what is left of the five
# settings it names. Table 3, the same on Multi-PIE, is lost whole.
BAO_TABLE_2: dict[str, float] = {
    "real queries": 87.39,
    "w/o L_GC": 5.71,
    "w/o T": 79.19,
    "w/o L_GD": 80.52,
    "w/o U": 80.24,
    "full": 81.11,
}
BAO_TABLE_2_SOURCE = "Bao et al., Open-set identity preserving face synthesis, Tables 2 and 3 (128 px)"

# The same, Table 4: the numbers are faceeval.metrics.detection.PRINTED_ACCURACY; one of four is lost.
BAO_TABLE_4_SOURCE = "Bao et al., Open-set identity preserving face synthesis, Table 4 (LFW, 128 px)"


def printed(method: str, attribute: str) -> PrintedScore | None:
    """Returns what FAI's Table 1 prints for a method and attribute; None where it prints nothing."""
    return FAI_TABLE_1.get(method, {}).get(attribute)
