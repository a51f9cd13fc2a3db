# SPDX-License-Identifier: MIT
"""JPEG files of every kind: large batches, whatever decodes them, give what Pillow gives of each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch  # loaded, so that the fast decoder is taken
from PIL import Image

from faceeval.data import jpeg
from faceeval.data.decode import Blob
from faceeval.data.images import MANY, read_image, read_images
from faceeval.data.jpeg import fast_decoder, plain_size
from faceeval.errors import InputError

assert torch


def picture(width: int = 61, height: int = 61, seed: int = 0) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


def stored(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, bytes] = {
    **{
        f"{form} {quality} {'progressive' if late else 'baseline'}": stored(
            picture(), quality=quality, subsampling=form, progressive=late
        )
        for form in ("4:4:4", "4:2:2", "4:2:0")
        for quality in (20, 75, 100)
        for late in (False, True)
    },
    "restarts": stored(picture(), restart_marker_blocks=3),
    "optimized, with a remark": stored(picture(), optimize=True, comment=b"hello"),
    "profile": stored(picture(), icc_profile=b"p" * 70_000),
    "turned": stored(picture(), exif=turned()),
    "grey": stored(picture().convert("L")),
    "inks": stored(picture().convert("CMYK")),
    "untransformed": stored(picture(), keep_rgb=True),
}
PLAIN = [name for name in KINDS if "4:" in name or name.startswith(("restarts", "optimized"))]


def test_the_fast_decoder_gives_pillow_s_pixels_here() -> None:
    assert fast_decoder() is not None


@pytest.mark.parametrize("name", KINDS)
def test_large_batches_are_what_pillow_decodes(name: str) -> None:
    blob = Blob(name, lambda: KINDS[name])
    one = read_image(blob, size=40)
    many = read_images([blob] * MANY, size=40, workers=2)
    np.testing.assert_array_equal(many, np.broadcast_to(one, many.shape))
    assert plain_size(KINDS[name]) == ((61, 61) if name in PLAIN else None)


def test_sides_that_are_no_multiples_of_a_block() -> None:
    for width, height in ((16, 16), (17, 31), (178, 218), (33, 200)):
        blob = Blob("odd", lambda w=width, h=height: stored(picture(w, h, w)))  # type: ignore[misc]
        one = read_image(blob, crop="square", size=24)
        np.testing.assert_array_equal(read_images([blob] * MANY, crop="square", size=24)[7], one)


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.97])
def test_damaged_files_fail_alike(tmp_path: Path, kept: float) -> None:
    whole, path = KINDS["4:2:0 75 baseline"], tmp_path / "cut.jpg"
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError) as one:
        read_image(path, size=40)
    with pytest.raises(InputError) as many:
        read_images([path] * MANY, size=40)
    assert str(many.value) == str(one.value)


def test_another_shape_than_the_crop_wants_is_refused_alike() -> None:
    blob = Blob("small", lambda: KINDS["4:2:0 75 baseline"])
    with pytest.raises(InputError, match="small is 61x61"):
        read_images([blob] * MANY, crop="center178", size=40)


def test_a_decoder_that_differs_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg._decoder.cache_clear()
    monkeypatch.setattr(jpeg, "_agree", lambda *_: False)
    assert fast_decoder() is None
    blob = Blob("plain", lambda: KINDS["4:2:0 75 baseline"])
    np.testing.assert_array_equal(read_images([blob] * MANY, size=40)[3], read_image(blob, size=40))
    monkeypatch.undo()
    jpeg._decoder.cache_clear()
    monkeypatch.setattr("sys.modules", {})
    assert fast_decoder() is None
