# SPDX-License-Identifier: MIT
"""How a split is to be opened: what every reader is told beside the folder and the split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faceeval.errors import unknown_name

if TYPE_CHECKING:
    from faceeval.data.crops import Cut

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

    def check(self, split: str, splits: Iterable[str], usual_crop: str) -> Cut:
        """Refuses what the user mistyped, before anything is read.

        Args:
            split: The split asked for.
            splits: Those the dataset has.
            usual_crop: Its crop where the user names none.

        Returns:
            What the crop cuts.

        Raises:
            UnknownNameError: The split or the crop is not known.
            InputError: No image can have the size.
        """
        from faceeval.data.images import check_size, crop_box

        known = list(splits)
        if split not in known:
            raise unknown_name("split", split, known)
        cut = crop_box(self.crop or usual_crop)
        check_size(self.size)
        return cut


AS_USUAL = Opening()
