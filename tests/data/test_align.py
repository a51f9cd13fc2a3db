# SPDX-License-Identifier: MIT
"""Similarity transforms, and images moved by them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.transform import SimilarityTransform

from faceeval.data.landmarks.align import PRESETS, AroundBox, ToPoints, align_face, preset_at, warp
from faceeval.data.landmarks.similarity import (
    ARCFACE,
    FLAT,
    MIRRORED,
    NOT_FINITE,
    fit_similarity,
    invert,
    landmark_faults,
    move_points,
)
from faceeval.errors import InputError, UnknownNameError

FACE = np.array(ARCFACE)
ALONG = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # stays where it is


def smooth(height: int = 140, width: int = 120, period: float = 23.0) -> np.ndarray:
    """Waves in every direction, (3, height, width), slow enough to be kept by interpolation."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((x * np.cos(a) + y * np.sin(a)) * 2 * np.pi / period) for a in (0.3, 1.2, 2.4)]
    return np.stack([127.5 + 110 * wave for wave in waves]).round().astype(np.uint8)


def similarity(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cos, -sin, x], [sin, cos, y]])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20), st.floats(-180, 180), st.floats(-500, 500), st.floats(-500, 500))
def test_the_fit_finds_the_transform_that_was_applied(scale: float, degrees: float, x: float, y: float) -> None:
    true = similarity(scale, degrees, x, y)
    found = fit_similarity(FACE, move_points(true, FACE))
    assert np.allclose(found, true, atol=1e-8 * max(1, abs(x), abs(y), scale))
    assert np.allclose(move_points(invert(found), move_points(true, FACE)), FACE, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*estimate.*:FutureWarning")  # its successor came with scikit-image 0.26
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_fit_is_umeyamas(seed: int) -> None:
    random = np.random.default_rng(seed)
    source = FACE + random.normal(0, 4, FACE.shape)
    peer = SimilarityTransform()
    assert peer.estimate(source, FACE)
    assert np.allclose(fit_similarity(source, FACE), peer.params[:2], atol=1e-8)


def test_two_points_are_met_exactly() -> None:
    eyes = np.array([[30.0, 41.0], [77.0, 52.0]])
    wanted = np.array([[69.0, 111.0], [108.0, 111.0]])
    assert np.allclose(move_points(fit_similarity(eyes, wanted), eyes), wanted)


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        (FACE, ""),
        (FACE * 7 + 300, ""),
        (move_points(similarity(2, 170, 5, 5), FACE), ""),  # upside down is no fault: it is turned back
        (FACE[[1, 0, 2, 4, 3]], MIRRORED),
        (FACE * [-1, 1], MIRRORED),
        (np.linspace([3, 5], [90, 60], 5), FLAT),
        (np.full((5, 2), 7.0), FLAT),
        (np.where([[0], [0], [1], [0], [0]], np.nan, FACE), NOT_FINITE),
        (np.where([[0], [0], [1], [0], [0]], np.inf, FACE), NOT_FINITE),
    ],
)
def test_landmarks_no_transform_can_use_are_named(points: np.ndarray, fault: str) -> None:
    assert landmark_faults(points[None]).tolist() == [fault]
    if fault:
        with pytest.raises(InputError, match=fault):
            align_face(smooth(), preset_at("arcface"), points)


@pytest.mark.parametrize(
    ("source", "target"), [(FACE[:1], FACE[:1]), (FACE, FACE[:2]), (FACE * np.nan, FACE), (FACE * 0, FACE)]
)
def test_the_fit_refuses_what_it_cannot_fit(source: np.ndarray, target: np.ndarray) -> None:
    with pytest.raises(InputError):
        fit_similarity(source, target)


def test_an_image_that_stays_is_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 40, 31), dtype=np.uint8)
    for border in ("black", "edge"):
        assert np.array_equal(warp(image, ALONG, (31, 40), border), image)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if isinstance(preset, ToPoints)])
@pytest.mark.parametrize("size", [None, 57])
def test_an_aligned_face_aligned_again_stays_as_it_is(name: str, size: int | None) -> None:
    preset = preset_at(name, size)
    assert isinstance(preset, ToPoints)
    width, height = preset.size
    image = np.random.default_rng(1).integers(0, 256, (3, height, width), dtype=np.uint8)
    landmarks = move_points(fit_similarity(FACE[: len(preset.points)], np.array(preset.points)), FACE)
    landmarks[: len(preset.points)] = preset.points
    aligned, points = align_face(image, preset, landmarks)
    assert np.array_equal(aligned, image)
    assert np.allclose(points, landmarks, atol=1e-6)


def test_whole_numbers_are_the_centres_of_pixels() -> None:
    image = np.zeros((3, 9, 9), np.uint8)
    image[:, 3, 5] = 200
    assert warp(image, np.array([[1.0, 0, -2], [0, 1, 1]]), (9, 9))[0, 4, 3] == 200
    turned = warp(image, np.array([[0.0, -1, 8], [1, 0, 0]]), (9, 9))  # (x, y) to (8 - y, x)
    assert np.array_equal(turned[0], np.rot90(image[0], -1))
    half = warp(image, np.array([[1.0, 0, 0.5], [0, 1, 0]]), (9, 9))
    assert half[0, 3, 5:7].tolist() == [100, 100]


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_shrinking_upright_by_a_whole_number_is_pillows_antialiased_resize(factor: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (3, 12 * factor, 10 * factor), dtype=np.uint8)
    scale, shift = 1 / factor, (0.5 / factor) - 0.5  # edges stay, centres do not
    shrunk = warp(image, np.array([[scale, 0, shift], [0, scale, shift]]), (10, 12))
    pillow = Image.fromarray(image.transpose(1, 2, 0)).resize((10, 12), Image.Resampling.BILINEAR)
    assert np.abs(shrunk.astype(int) - np.asarray(pillow).transpose(2, 0, 1)).max() <= 1  # Pillow's weights have 8 bits


def test_shrinking_does_not_alias() -> None:
    stripes = np.broadcast_to((np.arange(300) % 2 * 255).astype(np.uint8), (3, 300, 300))
    small = warp(np.ascontiguousarray(stripes), similarity(0.13, 20, 0.9, -12.5), (26, 26), "edge")
    assert np.abs(small.astype(float) - 127.5).max() < 12


def test_there_and_back_again() -> None:
    image, there = smooth(), similarity(1.7, 25, 60, -10)
    large = warp(image, there, (330, 330))
    back = warp(large, invert(there), (120, 140))
    middle = (slice(None), slice(20, 110), slice(20, 100))
    error = back[middle].astype(float) - image[middle]
    assert np.abs(error).max() < 8
    assert abs(error.mean()) < 0.3  # no drift: nothing is cut off


def test_beyond_the_border_is_black_or_the_edge() -> None:
    image = np.full((3, 10, 10), 80, np.uint8)
    image[:, :, 0] = 30
    shifted = np.array([[1.0, 0, 6], [0, 1, 0]])
    assert warp(image, shifted, (12, 10), "black")[0, 5, :8].tolist() == [0] * 6 + [30, 80]
    assert warp(image, shifted, (12, 10), "edge")[0, 5, :8].tolist() == [30] * 7 + [80]
    far = np.array([[1.0, 0, 500], [0, 1, 0]])
    assert (warp(image, far, (12, 10), "black") == 0).all()
    assert (warp(image, far, (12, 10), "edge") == 30).all()


def test_landmarks_of_another_image_are_refused() -> None:
    with pytest.raises(InputError, match="far outside"):
        align_face(smooth(), preset_at("arcface"), FACE * 9)
    with pytest.raises(InputError, match="window"):
        warp(smooth(), similarity(1e-3, 0, 0, 0), (112, 112), "edge")


def test_the_presets_put_faces_where_their_owners_do() -> None:
    assert preset_at("celeba").size == (178, 218)
    assert preset_at("celeba").points == ((69, 111), (108, 111))
    assert preset_at("arcface").points[2] == (56.0252, 71.7366)
    assert preset_at("arcface128").points[2] == (64.0252, 71.7366)  # insightface moves its points and scales nothing
    assert preset_at("sphereface").points[0] == pytest.approx((30.2946, 51.6963))
    # dlib: (0.25 + mean of the corners on its mean face) / 1.5 * 150
    corners = np.array([[0.1205750620789, 0.2137274526848], [0.3340850613712, 0.2290642403242]])
    assert preset_at("dlib").points[0] == pytest.approx((0.25 + corners.mean(0)) * 100, abs=1e-3)


def test_presets_scale_by_the_edges_of_pixels() -> None:
    small, large = preset_at("arcface"), preset_at("arcface", 224)
    assert large.size == (224, 224)
    assert np.allclose((np.array(large.points) + 0.5) / 2 - 0.5, small.points, atol=1e-4)
    assert preset_at("celeba", 89).size == (89, 109)
    assert preset_at("facenet", 80).margin == 16
    with pytest.raises(UnknownNameError, match="arcface"):
        preset_at("arcfaces")
    with pytest.raises(InputError):
        preset_at("arcface", 100_000)


def test_facenets_crop_is_that_of_its_package() -> None:
    detect_face = pytest.importorskip("facenet_pytorch.models.utils.detect_face")
    image, preset = smooth(), preset_at("facenet")
    assert isinstance(preset, AroundBox)
    landmarks = move_points(similarity(0.5, 0, 30, 40), FACE)
    for x, y, width, height in [(31.7, 40.2, 50.9, 61.3), (-4.0, 3.0, 90.0, 80.0), (60.0, 70.0, 55.0, 66.0)]:
        aligned, points = align_face(image, preset, landmarks, np.array([x, y, width, height]))
        box = [x, y, x + width, y + height]
        peer = detect_face.extract_face(Image.fromarray(image.transpose(1, 2, 0)), box, 160, 32)
        assert np.array_equal(aligned, peer.numpy().astype(np.uint8))
    left = int(60 - 55 * 32 / 128 / 2)
    assert points[0, 0] == pytest.approx((landmarks[0, 0] + 0.5 - left) * 160 / (120 - left) - 0.5)
    with pytest.raises(InputError, match="box"):
        align_face(image, preset, landmarks)
    with pytest.raises(InputError, match="box"):
        align_face(image, preset, landmarks, np.array([500.0, 500, 10, 10]))
