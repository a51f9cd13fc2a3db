# SPDX-License-Identifier: MIT
"""Width and height out of the first bytes of an image file, for looking at millions of files."""

from __future__ import annotations

from faceeval.data.decode import MAX_PIXELS

PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG_START = b"\xff\xd8\xff"
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; others are left to the decoder


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
        return _likely(int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big"))
    if not start.startswith(JPEG_START):
        return None
    place = 2
    while place + 9 <= len(start) and start[place] == 0xFF:
        kind = start[place + 1]
        if kind in FRAMES:
            if start[place + 4] != 8 or start[place + 9 : place + 10] not in (b"\1", b"\3", b"\4"):
                return None
            return _likely(
                int.from_bytes(start[place + 7 : place + 9], "big"), int.from_bytes(start[place + 5 : place + 7], "big")
            )
        if not 0xC4 <= kind <= 0xFE or kind in range(0xD0, 0xDB):  # no segment with a length, or the pixels begin
            return None
        place += 2 + int.from_bytes(start[place + 2 : place + 4], "big")
    return None


def _likely(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if 0 < width * height <= MAX_PIXELS else None
