# SPDX-License-Identifier: MIT
"""Faces in rendered pictures, whose landmarks are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceeval.data.landmarks.detect import Detector, Faces, choose_face, find_faces, load_detector
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.render import render
from faceeval.errors import CheckpointError, InputError, UnknownNameError

mtcnn = pytest.importorskip("facenet_pytorch.models.mtcnn")
SIZE = 128
WHICH = (6, 10, 19)  # of the standard set: people who look into the camera


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    faces = [render(sample_factors(index), SIZE) for index in WHICH]
    return np.stack([face.image for face in faces]), np.stack([face.landmarks5 for face in faces])


@pytest.fixture(scope="module")
def found(detector: Detector, pictures: tuple[np.ndarray, np.ndarray]) -> list[Faces]:
    return find_faces(detector, pictures[0])


def test_faces_are_found_where_they_are(found: list[Faces], pictures: tuple[np.ndarray, np.ndarray]) -> None:
    for faces, landmarks in zip(found, pictures[1], strict=True):
        assert len(faces) == 1
        assert faces.probabilities[0] > 0.9
        eyes = np.linalg.norm(landmarks[1] - landmarks[0])
        assert np.linalg.norm(faces.landmarks[0, :2] - landmarks[:2], axis=1).max() < 0.15 * eyes
        left, top, width, height = faces.boxes[0]
        inside = (faces.landmarks[0] > (left, top)) & (faces.landmarks[0] < (left + width, top + height))
        assert inside.all()


def test_a_picture_gives_the_same_faces_in_every_batch(
    detector: Detector, found: list[Faces], pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    images = pictures[0]
    again = find_faces(detector, np.concatenate([images[2:], np.zeros_like(images[:1]), images[1:2]]))
    assert len(again[1]) == 0
    for one, other in ((again[0], found[2]), (again[2], found[1])):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.landmarks, other.landmarks)
        assert np.array_equal(one.probabilities, other.probabilities)


def test_away_from_borders_the_faces_are_those_of_the_package(
    detector: Detector, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    image = np.pad(pictures[0][:1], ((0, 0), (0, 0), (60, 60), (60, 60)))
    peer = mtcnn.MTCNN(min_face_size=40)
    boxes, chances, points = peer.detect(image[0].transpose(1, 2, 0)[None], landmarks=True)
    faces = find_faces(detector, image)[0]
    assert len(faces) == 1
    ours = np.concatenate([faces.boxes[0, :2], faces.boxes[0, :2] + faces.boxes[0, 2:]])
    assert np.allclose(ours, np.asarray(boxes[0], np.float64)[0], atol=0.01)
    assert np.allclose(faces.landmarks[0], np.asarray(points[0], np.float64)[0], atol=0.01)
    assert faces.probabilities[0] == pytest.approx(float(chances[0][0]), abs=1e-4)


def test_nothing_is_found_where_nothing_can_be(detector: Detector) -> None:
    for side in (1, 15, 39, 60):
        assert [len(faces) for faces in find_faces(detector, np.full((2, 3, side, side), 90, np.uint8))] == [0, 0]
    assert find_faces(detector, np.zeros((0, 3, 40, 40), np.uint8)) == []


def test_large_images_are_scaled_down_and_their_faces_back(
    detector: Detector, pictures: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceeval.data.landmarks.detect.MAX_SIDE", SIZE)
    twice = pictures[0][:1].repeat(2, axis=2).repeat(2, axis=3)
    faces, plain = find_faces(detector, twice)[0], find_faces(detector, pictures[0][:1])[0]
    assert np.allclose(faces.boxes, plain.boxes * 2, atol=1e-3)
    assert np.allclose(faces.landmarks, (plain.landmarks + 0.5) * 2 - 0.5, atol=1e-3)


def test_the_face_that_is_meant() -> None:
    boxes = np.array([[0, 0, 10, 10], [60, 60, 30, 30], [40, 42, 12, 12]], np.float32)
    faces = Faces(boxes, np.zeros((3, 5, 2), np.float32), np.array([0.99, 0.97, 0.95], np.float32))
    assert choose_face(faces, 100, 100) == 1
    assert choose_face(faces, 100, 100, "central") == 2
    assert choose_face(faces, 100, 100, "confident") == 0
    none = Faces(boxes[:0], np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))
    assert choose_face(none, 100, 100, "largest") is None
    with pytest.raises(UnknownNameError, match="central"):
        choose_face(faces, 100, 100, "centre")


@pytest.mark.parametrize("wrong", [np.zeros((3, 40, 40), np.uint8), np.zeros((1, 40, 40, 3)), np.zeros((1, 1, 40, 40))])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    networks = Detector(None, None, None, "cpu")
    with pytest.raises(InputError, match="uint8"):
        find_faces(networks, wrong)
    with pytest.raises(InputError, match="threshold"):
        find_faces(networks, np.zeros((1, 3, 40, 40), np.uint8), threshold=1.5)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pnet.pt").write_bytes(b"none")
    monkeypatch.setattr(mtcnn, "__file__", str(tmp_path / "models" / "mtcnn.py"))
    with pytest.raises(CheckpointError, match=r"pnet\.pt"):
        load_detector()
