# SPDX-License-Identifier: MIT
"""Where the face is on an image that is all face: the box of layouts that have one."""

from __future__ import annotations

from faceeval.data.images import CROPS, Around

WIDER = CROPS["box1.3"]


def face_box(size: int) -> tuple[int, int, int, int]:
    """Returns left, top, width and height of the box which the crop ``box1.3`` widens to the whole image.

    Boxes are whole pixels, so for about a quarter of all sizes (128 is one) the widened box misses by one pixel; the
    crops ``square`` and ``none`` cut nothing from any.

    Example:
        >>> face_box(112)
        (13, 13, 86, 86)
    """
    assert isinstance(WIDER, Around)
    side = round(size / WIDER.scale)
    place = round((size - side) / 2)
    return place, place, side, side
