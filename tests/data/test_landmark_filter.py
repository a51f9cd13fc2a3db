# SPDX-License-Identifier: MIT
"""DIAT's filter: the score, the fit and its order, assignment by saved centroids, and the file they are saved in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.data.faces import FaceSet
from faceeval.data.landmarks.filter import (
    CLUSTERS,
    DROPPED,
    dropped_clusters,
    fit_centroids,
    frame_landmarks,
    hidden_by_cluster,
    hidden_by_score,
    nearest_centroid,
    read_centroids,
    write_centroids,
    yaw_asymmetry,
)
from faceeval.data.manifest import manifests_folder
from faceeval.data.splits.inputs import CENTROIDS
from faceeval.errors import InputError, MissingFileError

few = settings(max_examples=40, deadline=None)
HAND = [(69, 109), (106, 113), (77, 142), (73, 153), (104, 152)]
SPREAD = np.array([1.5, 1.5, 1.5, 1.5, 12.0, 8.0, 8.0, 6.0, 8.0, 6.0])
USUAL = np.array([69.0, 111, 108, 111, 88, 135, 73, 153, 104, 152])


def blobs(clusters: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres that lie apart, points close about them, and the centre of each point."""
    rng = np.random.default_rng(seed)
    grid = np.stack([np.array([place % 8, place // 8]) for place in range(clusters)]) * 20.0
    centres = USUAL + np.concatenate([np.zeros((clusters, 4)), grid, np.tile(grid, 2)], axis=1)
    own = np.repeat(np.arange(clusters), each)
    points = centres[own] + rng.normal(0, 0.3, (len(own), 10))
    return centres, points.reshape(-1, 5, 2), own


def names_of(count: int) -> list[str]:
    return [f"{place:06d}.jpg" for place in range(count)]


def test_the_worked_example() -> None:
    assert yaw_asymmetry([HAND])[0] == pytest.approx(21 / 37)
    assert round(float(yaw_asymmetry([HAND])[0]), 6) == 0.567568


@few
@given(st.lists(st.tuples(st.integers(0, 177), st.integers(0, 217)), min_size=5, max_size=5))
def test_a_mirrored_face_is_as_asymmetric(points: list[tuple[int, int]]) -> None:
    face = np.array(points, float)
    mirrored = face[[1, 0, 2, 4, 3]].copy()
    mirrored[:, 0] = 177 - mirrored[:, 0]
    score = yaw_asymmetry([face])[0]
    assert score == yaw_asymmetry([mirrored])[0]
    assert 0 <= score <= 1
    assert score == yaw_asymmetry([face + np.array([13, -7])])[0]


def test_frontal_is_0_and_a_profile_is_1() -> None:
    def face(left: float, right: float, nose: float) -> list[tuple[float, float]]:
        return [(left, 0), (right, 0), (nose, 9), (0, 20), (9, 20)]

    scores = yaw_asymmetry([face(60, 100, 80), face(60, 100, 60), face(60, 100, 120), face(70, 70, 70)])
    assert scores.tolist() == [0, 1, 1, 1]


def test_planted_blobs_are_found_in_lexicographic_order() -> None:
    centres, points, own = blobs(CLUSTERS, 12)
    found = fit_centroids(names_of(len(points)), points)
    assert found.shape == (CLUSTERS, 10)
    assert found.tolist() == sorted(found.tolist())
    np.testing.assert_array_equal(found, np.round(found, 6))
    order = np.lexsort(found.T[::-1])
    np.testing.assert_array_equal(order, np.arange(CLUSTERS))
    clusters = nearest_centroid(points, found)
    assert len({(cluster, centre) for cluster, centre in zip(clusters, own, strict=True)}) == CLUSTERS
    distances = np.abs(found[:, None] - centres[None]).max(2).min(1)
    assert distances.max() < 0.5


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    points = (USUAL + rng.normal(0, 1, (300, 10)) * SPREAD).round().reshape(-1, 5, 2)
    names, order = names_of(300), rng.permutation(300)
    first = fit_centroids(names, points, 9)
    again = fit_centroids([names[row] for row in order], points[order], 9)
    np.testing.assert_array_equal(first, again)


def test_kept_and_dropped_are_all_and_the_most_asymmetric_go() -> None:
    rng = np.random.default_rng(5)
    points = (USUAL + rng.normal(0, 1, (800, 10)) * SPREAD).reshape(-1, 5, 2)
    centroids = fit_centroids(names_of(800), points)
    dropped = dropped_clusters(centroids)
    assert len(dropped) == DROPPED
    score = yaw_asymmetry(centroids.reshape(-1, 5, 2))
    assert score[dropped].min() >= np.delete(score, dropped).max()
    hidden, clusters = hidden_by_cluster(points, centroids), nearest_centroid(points, centroids)
    assert set(clusters[hidden]) | set(clusters[~hidden]) == set(clusters)
    assert not set(clusters[hidden]) & set(clusters[~hidden])
    assert 0 < hidden.sum() < 800


def test_ties_go_to_the_first() -> None:
    two = np.stack([USUAL, USUAL + 4.0])
    middle = (USUAL + 2.0).reshape(1, 5, 2)
    assert nearest_centroid(middle, two).tolist() == [0]
    assert nearest_centroid(middle, two[::-1]).tolist() == [0]
    same = np.stack([USUAL] * 4)
    assert dropped_clusters(same, 2).tolist() == [0, 1]
    for count in (-1, 4):
        with pytest.raises(InputError):
            dropped_clusters(same, count)


SCRIPT = """
import sys, numpy as np
from pathlib import Path
from faceeval.data.landmarks.filter import *
rng = np.random.default_rng(1)
points = (rng.normal(0, 9, (400, 10)) + np.arange(10) * 20).reshape(-1, 5, 2)
names = [f"{n:06d}.jpg" for n in range(400)]
write_centroids(Path(sys.argv[1]), fit_centroids(names, points, 12))
hidden = hidden_by_cluster(points, read_centroids(Path(sys.argv[1])), 4)
Path(sys.argv[2]).write_text("\\n".join(n for n, h in zip(names, hidden) if not h))
"""


def test_two_processes_give_byte_equal_lists(tmp_path: Path) -> None:
    made = []
    for run in ("a", "b"):
        files = [tmp_path / f"{run}-{what}.txt" for what in ("centroids", "kept")]
        subprocess.run([sys.executable, "-c", SCRIPT, *map(str, files)], check=True)
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]


def test_saved_centroids_are_read_back_equal(tmp_path: Path) -> None:
    centroids = fit_centroids(names_of(60), blobs(6, 10)[1], 6)
    path = tmp_path / "new" / "centroids.txt"
    write_centroids(path, centroids)
    np.testing.assert_array_equal(read_centroids(path), centroids)
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# lefteye_x lefteye_y")
    assert all(len(value.split(".")[1]) == 6 for line in lines[1:] for value in line.split())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(read_centroids(path), centroids)


@pytest.mark.parametrize("content", ["", "1 2 3\n", "a b c d e f g h i j\n", "nan " * 10 + "\n", "1 " * 10 + "\n1 2\n"])
def test_other_files_are_no_centroids(tmp_path: Path, content: str) -> None:
    path = tmp_path / "centroids.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=r"centroids\.txt"):
        read_centroids(path)
    with pytest.raises(MissingFileError):
        read_centroids(tmp_path / "none.txt")


def test_the_shipped_centroids_are_whole() -> None:
    found = read_centroids(manifests_folder() / "procfaces" / CENTROIDS)
    assert found.shape == (CLUSTERS, 10)
    assert found.tolist() == sorted(found.tolist())
    assert len(np.unique(found, axis=0)) == CLUSTERS


def test_the_score_drops_what_exceeds_the_threshold() -> None:
    assert hidden_by_score([HAND]).tolist() == [True]
    assert hidden_by_score([HAND], 21 / 37).tolist() == [False]
    for threshold in (-0.1, 1.1):
        with pytest.raises(InputError):
            hidden_by_score([HAND], threshold)


def test_landmarks_go_back_to_the_frame_of_the_file() -> None:
    stored = np.random.default_rng(0).integers(30, 150, (6, 5, 2)).astype(np.float64)
    for size, exact in ((178, True), (64, False)):
        moved = ((stored + 0.5 - [0, 20]) * (size / 178) - 0.5).astype(np.float32)
        cut = {"crop_top": 20, "crop_left": 0, "crop_size": 178}
        faces = FaceSet("x", "all", size, ("",) * 6, "", lambda rows: rows, landmarks=moved, provenance=cut)
        assert np.array_equal(frame_landmarks(faces), stored) == exact
        np.testing.assert_allclose(frame_landmarks(faces), stored, atol=1e-4)
    uncut = FaceSet("x", "all", 64, ("",) * 6, "", lambda rows: rows, landmarks=stored.astype(np.float32))
    np.testing.assert_array_equal(frame_landmarks(uncut), stored)
    with pytest.raises(InputError, match="landmarks of x"):
        frame_landmarks(FaceSet("x", "all", 64, ("",), "", lambda rows: rows))


@pytest.mark.parametrize("points", [np.zeros((3, 10)), np.zeros((3, 68, 2)), np.full((1, 5, 2), np.nan)])
def test_what_is_no_five_landmarks_is_refused(points: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"\(N, 5, 2\)"):
        yaw_asymmetry(points)


def test_too_few_faces_cannot_be_clustered() -> None:
    with pytest.raises(InputError, match="62 different faces"):
        fit_centroids(names_of(100), np.tile(np.array(HAND, float), (100, 1, 1)))
    with pytest.raises(InputError, match="each name"):
        fit_centroids(names_of(3), np.zeros((4, 5, 2)))
