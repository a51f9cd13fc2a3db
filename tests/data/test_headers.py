# SPDX-License-Identifier: MIT
"""Width and height out of the first bytes: what a decoder says, or nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceeval.data.headers import dimensions_in


def stored(width: int, height: int, form: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, form, **options)
    return stream.getvalue()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["JPEG", "PNG"]), st.sampled_from(["L", "RGB"]))
def test_both_formats_tell_their_size(width: int, height: int, form: str, mode: str) -> None:
    assert dimensions_in(stored(width, height, form, mode)) == (width, height)


def test_what_comes_before_the_frame_is_stepped_over() -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8))
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a description " * 50
    noisy.save(stream, "JPEG", progressive=True, exif=exif, icc_profile=b"\xff\xc0" * 200, comment=b"hello")
    assert dimensions_in(stream.getvalue()[:4096]) == (40, 50)
    assert dimensions_in(stream.getvalue()[:600]) is None  # the frame lies further on


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8\xff", b"<html>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_header_tells_nothing(data: bytes) -> None:
    assert dimensions_in(data) is None


def test_doubtful_headers_are_left_to_the_decoder() -> None:
    whole = stored(30, 20, "JPEG")
    frame = whole.index(b"\xff\xc0")
    for place, value in ((4, 12), (9, 2), (1, 0xC3)):
        assert dimensions_in(whole[: frame + place] + bytes([value]) + whole[frame + place + 1 :]) is None
    assert dimensions_in(stored(2, 2, "GIF")) is None
    huge = stored(1, 1, "PNG")
    assert dimensions_in(huge[:16] + b"\0\1\0\0" * 2 + huge[24:]) is None


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_are_too_odd(noise: bytes, place: int) -> None:
    whole = stored(30, 20, "JPEG")
    found = dimensions_in(whole[:place] + noise)
    assert found is None or min(found) > 0
