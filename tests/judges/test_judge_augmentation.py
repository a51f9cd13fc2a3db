# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
import torch
from drawn_faces import Faces
from torch import Generator

from faceeval.judges.augmentation import RUINS, SHIFT, augment, blur, flip, ruin, shift


def _chance(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def test_mirrored_heads_turn_and_tilt_the_other_way() -> None:
    images = torch.arange(64.0).expand(40, 3, 64, 64)
    pose = torch.tensor([10.0, 5.0, -3.0]).expand(40, 3)
    faces, turned = flip(images, pose, _chance(0))
    mirrored = faces[:, 0, 0, 0] == 63
    assert 5 < mirrored.sum() < 35
    assert (turned[mirrored] == torch.tensor([-10.0, 5.0, 3.0])).all()
    assert (turned[~mirrored] == torch.tensor([10.0, 5.0, -3.0])).all()


def test_shift_moves_whole_images_within_bounds() -> None:
    images = torch.zeros(30, 3, 64, 64)
    images[:, :, 32, 32] = 1.0
    moved = shift(images, _chance(1))
    places = moved[:, 0].flatten(1).argmax(dim=1)
    rows, columns = places // 64, places % 64
    assert (moved.sum(dim=(1, 2, 3)) == 3).all()
    assert (rows - 32).abs().max() <= SHIFT
    assert (columns - 32).abs().max() <= SHIFT
    assert len(set(places.tolist())) > 10


def test_blur_keeps_flat_images_and_the_mean() -> None:
    flat = torch.full((8, 3, 16, 16), 77.0)
    torch.testing.assert_close(blur(flat, _chance(2)), flat)


def test_blur_spreads_a_point_by_the_binomial_kernel() -> None:
    point = torch.zeros(64, 3, 9, 9)
    point[:, :, 4, 4] = 16.0
    spread = blur(point, _chance(5))
    share = (16.0 - spread[:, :, 4, 4]) / 12.0
    kernel = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
    expected = torch.lerp(point[:, :, 3:6, 3:6], kernel.expand(64, 3, 3, 3), share[:, :, None, None])
    torch.testing.assert_close(spread[:, :, 3:6, 3:6], expected)
    assert 5 < (share[:, 0] > 0).sum() < 45


def test_augmented_faces_are_seeded_and_in_range(test_faces: Faces) -> None:
    images, pose = torch.from_numpy(test_faces[0]), torch.from_numpy(test_faces[1].pose)
    first, second = augment(images, pose, _chance(3)), augment(images, pose, _chance(3))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], augment(images, pose, _chance(4))[0])
    assert first[0].min() >= 0
    assert first[0].max() <= 255
    # a face is still that face: brightness has moved by a few grey levels, not more
    assert (first[0].mean(dim=(1, 2, 3)) - images.float().mean(dim=(1, 2, 3))).abs().max() < 40


@pytest.mark.parametrize("way", RUINS)
def test_each_ruin_grows_with_its_degree(way: object, test_faces: Faces) -> None:
    face, other = torch.from_numpy(test_faces[0][:2]).float()
    distances = [
        (way(face, other, degree, _chance(6)) - face).square().mean().item()  # type: ignore[operator]
        for degree in (0.05, 0.3, 0.6, 1.0)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 200
    assert distances[0] < 0.5 * distances[-1]


def test_ruined_faces_are_seeded_in_range_and_leave_the_batch_alone(test_faces: Faces) -> None:
    images = torch.from_numpy(test_faces[0][:16]).float()
    before = images.clone()
    (first, degrees), (second, _) = ruin(images, 10, _chance(7)), ruin(images, 10, _chance(7))
    assert torch.equal(first, second)
    assert torch.equal(images, before)
    assert first.shape == (10, 3, 64, 64)
    assert first.min() >= 0
    assert first.max() <= 255
    assert degrees.min() >= 0
    assert degrees.max() <= 1
