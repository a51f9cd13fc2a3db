# SPDX-License-Identifier: MIT
"""What the first bytes of an image file tell, for looking at millions of files."""

from __future__ import annotations

from dataclasses import dataclass

from faceeval.data.decode import MAX_PIXELS

PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG_START = b"\xff\xd8\xff"
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; others are left to the decoder


@dataclass(frozen=True)
class Frame:
    """The frame of a JPEG file with 8 bits a component.

    Attributes:
        width: In pixels.
        height: In pixels.
        components: 1 grey, 3 colour, 4 printing inks.
        before: Kinds of the segments before it.
    """

    width: int
    height: int
    components: int
    before: frozenset[int]


def dimensions_in(start: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG or PNG file.

    Args:
        start: The first bytes of the file; some thousand, as JPEG files may begin with other things.

    Returns:
        Both in pixels; None where these bytes do not tell for certain, so that a decoder has to be asked.

    Example:
        >>> dimensions_in(PNG_START + (178).to_bytes(4, "big") + (218).to_bytes(4, "big"))
        (178, 218)
    """
    if start.startswith(PNG_START) and len(start) >= 24:
        width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
        return (width, height) if 0 < width * height <= MAX_PIXELS else None
    frame = frame_of(start)
    return None if frame is None else (frame.width, frame.height)


def frame_of(start: bytes) -> Frame | None:
    """Returns the frame of a JPEG file; None where these bytes hold none, or one that is out of the ordinary."""
    if not start.startswith(JPEG_START):
        return None
    place, before = 2, set[int]()
    while place + 10 <= len(start) and start[place] == 0xFF:
        kind = start[place + 1]
        if kind in FRAMES:
            height, width = (int.from_bytes(start[place + at : place + at + 2], "big") for at in (5, 7))
            usual = start[place + 4] == 8 and start[place + 9] in (1, 3, 4) and 0 < width * height <= MAX_PIXELS
            return Frame(width, height, start[place + 9], frozenset(before)) if usual else None
        if not 0xC4 <= kind <= 0xFE or kind in range(0xD0, 0xDB):  # no segment with a length, or the pixels begin
            return None
        before.add(kind)
        place += 2 + int.from_bytes(start[place + 2 : place + 4], "big")
    return None
