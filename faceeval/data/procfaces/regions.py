# SPDX-License-Identifier: MIT
"""Codes of the regions of a picture: the position of the name in ``REGIONS``."""

from __future__ import annotations

REGIONS = ("background", "skin", "eyes", "brows", "lips", "mouth", "teeth", "hair", "beard", "glasses", "clothes")
BACKGROUND, SKIN, EYES, BROWS, LIPS, MOUTH, TEETH, HAIR, BEARD, GLASSES, CLOTHES = range(len(REGIONS))
