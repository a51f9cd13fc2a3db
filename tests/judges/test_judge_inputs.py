# SPDX-License-Identifier: MIT
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from faceeval.errors import InputError
from faceeval.judges.inputs import check_device, check_images, run_in_batches, to_unit


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 8, 8), np.uint8), "torch.from_numpy"),
        (torch.zeros(1, 3, 8, 8), "dtype torch.float32"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"shape \(3, 8, 8\)"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), r"shape \(1, 8, 8, 3\)"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), "channels second"),
        (torch.zeros(1, 3, 8, 9, dtype=torch.uint8), "squares"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), "no images"),
        (torch.zeros(1, 3, 1, 1, dtype=torch.uint8), "8 to 4096"),
        (torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(1, 3, 5000, 5000), "5000 pixels"),
    ],
)
def test_malformed_images_are_refused(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_images(images)


def test_images_need_not_be_square_where_a_preset_stretches_them() -> None:
    check_images(torch.zeros(1, 3, 8, 9, dtype=torch.uint8), square=False)
    with pytest.raises(InputError, match="5 pixels"):
        check_images(torch.zeros(1, 3, 5, 9, dtype=torch.uint8), square=False)
    with pytest.raises(InputError, match=r"\(N, 3, H, W\)"):
        check_images(torch.zeros(3, 8, 9, dtype=torch.uint8), square=False)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(InputError, match="warpdrive"):
        check_device("warpdrive")


def test_unit_range_and_no_resize_at_the_size_itself() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 16, 16)
    unit = to_unit(images, 16)
    np.testing.assert_allclose(unit[0, :, 5, 5], [-1.0, -0.6, 1.0], atol=1e-6)


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    assert to_unit(stripes, 16)[..., 2:-2].abs().max() < 0.05


def test_batches_join_in_order() -> None:
    images = torch.arange(7, dtype=torch.uint8).reshape(7, 1, 1, 1).expand(7, 3, 8, 8)
    seen: list[int] = []

    def look(batch: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(len(batch))
        return {"mean": batch.float().mean(dim=(1, 2, 3))}

    answers = run_in_batches(images, 3, torch.device("cpu"), look)
    assert seen == [3, 3, 1]
    assert answers["mean"].dtype == np.float32
    np.testing.assert_array_equal(answers["mean"], np.arange(7))
