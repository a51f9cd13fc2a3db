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


def printed(method: str, attribute: str) -> PrintedScore | None:
    """Returns what FAI's Table 1 prints for a method and attribute; None where it prints nothing."""
    return FAI_TABLE_1.get(method, {}).get(attribute)
