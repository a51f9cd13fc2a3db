# SPDX-License-Identifier: MIT
"""Fake copies of CelebA."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import LAYOUTS, FakeCelebA, smooth_image, write_tables
from PIL import Image


@pytest.fixture(scope="session")
def jpegs() -> list[bytes]:
    files = []
    for index in range(12):
        buffer = io.BytesIO()
        Image.fromarray(smooth_image(index)).save(buffer, "JPEG", quality=95)
        files.append(buffer.getvalue())
    return files


@pytest.fixture
def fake_celeba(tmp_path: Path, jpegs: list[bytes]) -> Callable[..., FakeCelebA]:
    def make(
        layout: str = "flat",
        attribute_names: Sequence[str] = ("5_o_Clock_Shadow", "Eyeglasses", "Young"),
        suffix: str = ".jpg",
        **dialect: str,
    ) -> FakeCelebA:
        root, count = tmp_path / f"celeba-{layout}", len(jpegs)
        images = root / LAYOUTS[layout][0]
        images.mkdir(parents=True)
        for index, data in enumerate(jpegs, start=1):
            (images / f"{index:06d}{suffix}").write_bytes(data)
        random = np.random.default_rng(7)
        fake = FakeCelebA(
            root=root,
            images=images,
            names=[f"{index:06d}.jpg" for index in range(1, count + 1)],
            attribute_names=list(attribute_names),
            attributes=random.integers(0, 2, (count, len(attribute_names))) * 2 - 1,
            partition=np.arange(count) * 3 // count,
            identities=random.integers(1, 10178, count),
            landmarks=random.integers(30, 170, (count, 10)),
        )
        write_tables(fake, layout, **dialect)
        return fake

    return make
