# SPDX-License-Identifier: MIT
"""Small photographs, drawn, and how two sets of faces are told to be one."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from celeba_writer import smooth_image
from PIL import Image

from faceeval.data.faces import FaceSet


@cache
def photo(index: int, width: int = 32, height: int = 32, kind: str = "JPEG") -> bytes:
    """An image file that differs from those of other numbers."""
    buffer = io.BytesIO()
    Image.fromarray(smooth_image(index, width, height)).save(buffer, kind, quality=95)
    return buffer.getvalue()


def assert_equal_faces(one: FaceSet, other: FaceSet) -> None:
    """Asserts that two sets are the same data, in labels, digest and pixels."""
    assert one.names == other.names
    assert one.digest == other.digest
    assert one.people == other.people
    np.testing.assert_array_equal(one.identities, other.identities)
    np.testing.assert_array_equal(one.images(), other.images())
