# SPDX-License-Identifier: MIT
"""How a split is to be opened: what every reader is told beside the folder and the split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Opening:
    """What the user asks of a reader.

    Attributes:
        size: Side of the images in pixels, after the crop.
        crop: A preset of `faceeval.data.images.CROPS`; None takes the dataset's usual one.
        skip_missing: Leave out rows whose image is not there, and list them in ``FaceSet.skipped``, instead of
            stopping. What is there but damaged stops the run all the same.
        columns: For data without fixed column names: what a column holds ("image", "identity", an attribute) -> its
            name.
        progress: Called with (done, total) while images are made or looked for, where that takes long.
        variant: What the user wrote after the name and a colon, where a dataset has variants.
    """

    size: int = 64
    crop: str | None = None
    skip_missing: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    progress: Progress | None = None
    variant: str = ""


AS_USUAL = Opening()
