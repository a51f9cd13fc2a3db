# SPDX-License-Identifier: MIT
"""DIAT's landmark filter: which aligned faces are turned so far that part of them cannot be seen.

The paper clusters the five landmarks of every image by k-means into 62 clusters and drops 14 whose typical images show
faces that are partly invisible. It names neither features nor seed nor the 14. Here all that is fixed: the fit is that
of `fit_centroids`, its centroids are saved as text, and an image belongs to the nearest *saved* centroid, so that no
later version of a library can change the subset. Which 14 go is told by a score of the centroid instead of by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.atomic import write_whole
from faceeval.data.faces import FaceSet
from faceeval.errors import InputError, MissingFileError

CLUSTERS, DROPPED = 62, 14
POINTS = 5
DECIMALS = 6
THRESHOLD = 0.5  # our choice: the nose is three times as near to one eye as to the other
COLUMNS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def yaw_asymmetry(landmarks: ArrayLike) -> NDArray[np.float64]:
    r"""How unevenly the nose stands between the eyes, which tells how far the head is turned.

    .. math:: a = |d_L - d_R| / (|d_L| + |d_R|)

    with :math:`d_L` from the left eye to the nose and :math:`d_R` from there to the right eye, along the rows.

    Args:
        landmarks: Five points (x, y) of each face, the left ones of the picture first, shape (N, 5, 2).

    Returns:
        Shape (N,), float64: 0 frontal, 1 where the nose reaches the column of an eye, or goes beyond.

    Raises:
        InputError: The shape is another, or a value is not finite.

    Example:
        >>> yaw_asymmetry([[(69, 109), (106, 113), (77, 142), (73, 153), (104, 152)]]).round(6).tolist()
        [0.567568]
    """
    x = _rows(landmarks)[:, 0:6:2]
    left, right = x[:, 2] - x[:, 0], x[:, 1] - x[:, 2]
    span = np.abs(left) + np.abs(right)
    unknown = span == 0  # eyes and nose in one column: a profile
    return np.where(unknown, 1.0, np.abs(left - right) / np.where(unknown, 1.0, span))


def fit_centroids(names: Sequence[str], landmarks: ArrayLike, clusters: int = CLUSTERS) -> NDArray[np.float64]:
    """Clusters the landmarks of all images, of every split, by k-means.

    In float64 and by Lloyd's steps, on rows sorted by name: single precision, Elkan's steps and other orders each lead
    to another optimum. What threads there are does not matter.

    Args:
        names: Unique name of each image.
        landmarks: Five points of each in pixels of one frame, shape (N, 5, 2).
        clusters: How many.

    Returns:
        Shape (clusters, 10), float64, rounded to 6 decimals, in lexicographic order.

    Raises:
        InputError: The shapes differ, or there are fewer different faces than clusters.

    References:
        Li, Zuo, Zhang, "Deep Identity-aware Transfer of Facial Attributes", section 4.1. Parity: scikit-learn's
        ``KMeans(62, init="k-means++", n_init=10, max_iter=300, tol=0, algorithm="lloyd", random_state=0)``.
    """
    from sklearn.cluster import KMeans

    rows = _rows(landmarks)
    if len(rows) != len(names):
        raise InputError("five landmarks for each name", f"{len(names)} names and {len(rows)} rows", "give both alike")
    different = len(np.unique(rows, axis=0))
    if different < clusters:
        todo = "give the whole dataset, or filter by score"
        raise InputError(f"at least {clusters} different faces for {clusters} clusters", str(different), todo)
    ordered = rows[sorted(range(len(names)), key=names.__getitem__)]
    means = KMeans(clusters, init="k-means++", n_init=10, max_iter=300, tol=0, algorithm="lloyd", random_state=0)
    found = np.round(means.fit(ordered).cluster_centers_, DECIMALS) + 0.0  # no negative zero
    ordered_centroids: NDArray[np.float64] = found[np.lexsort(found.T[::-1])]
    return ordered_centroids


def nearest_centroid(landmarks: ArrayLike, centroids: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the cluster of each face, int64 (N,): that of the nearest centroid, of equally near ones the first.

    Args:
        landmarks: Shape (N, 5, 2).
        centroids: Shape (K, 10).
    """
    rows = _rows(landmarks)
    best, nearest = np.full(len(rows), np.inf), np.zeros(len(rows), np.int64)
    for number, centroid in enumerate(centroids):
        distance = np.zeros(len(rows))
        for column, value in enumerate(centroid.tolist()):  # one order of additions everywhere
            distance += (rows[:, column] - value) ** 2
        closer = distance < best
        best[closer], nearest[closer] = distance[closer], number
    return nearest


def dropped_clusters(centroids: NDArray[np.float64], count: int = DROPPED) -> NDArray[np.int64]:
    """Returns the numbers of the clusters that are dropped, ascending: those of the largest yaw asymmetry.

    Args:
        centroids: Shape (K, 10).
        count: How many; of equal ones the first go first.

    Raises:
        InputError: That would be all of them, or fewer than none.
    """
    if not 0 <= count < len(centroids):
        raise InputError(f"0 to {len(centroids) - 1} clusters to drop", str(count), "keep at least one")
    asymmetry = yaw_asymmetry(centroids.reshape(-1, POINTS, 2))
    return np.sort(np.argsort(-asymmetry, kind="stable")[:count]).astype(np.int64)


def hidden_by_cluster(landmarks: ArrayLike, centroids: NDArray[np.float64], count: int = DROPPED) -> NDArray[np.bool_]:
    """Returns which faces DIAT's filter drops, bool (N,); see `dropped_clusters`."""
    return np.isin(nearest_centroid(landmarks, centroids), dropped_clusters(centroids, count))


def hidden_by_score(landmarks: ArrayLike, threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Returns which faces the cheap alternative drops, bool (N,): those whose own asymmetry exceeds the threshold.

    Raises:
        InputError: The threshold is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise InputError("a threshold in 0..1", str(threshold), f"leave it out for {THRESHOLD}")
    return yaw_asymmetry(landmarks) > threshold


def frame_landmarks(faces: FaceSet) -> NDArray[np.float64]:
    """Returns five landmarks in the frame the dataset gives them in: without the crop and the scale of the images.

    Returns:
        Shape (N, 5, 2), float64; whole numbers stay whole where the images were cut and not scaled.

    Raises:
        InputError: The dataset has no landmarks, or not for this crop.
    """
    if faces.landmarks is None:
        todo = "choose a dataset with landmarks, such as celeba with list_landmarks_align_celeba, or procfaces"
        raise InputError(f"five landmarks of {faces.name}", "none", todo)
    points, cut = faces.landmarks.astype(np.float64), faces.provenance
    if "crop_size" not in cut:
        return points
    corner, side = np.array([float(cut["crop_left"]), float(cut["crop_top"])]), float(cut["crop_size"])
    moved: NDArray[np.float64] = (points + 0.5) * (side / faces.size) - 0.5 + corner
    return moved


def write_centroids(path: Path, centroids: NDArray[np.float64]) -> None:
    """Writes centroids as text, one a line, with 6 decimals; whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [" ".join(f"{value:.{DECIMALS}f}" for value in row) for row in centroids.tolist()]
    write_whole(path, "".join(f"{line}\n" for line in (f"# {COLUMNS}", *lines)).encode())


def read_centroids(path: Path) -> NDArray[np.float64]:
    """Reads what `write_centroids` wrote.

    Returns:
        Shape (K, 10), float64.

    Raises:
        MissingFileError: There is no such file.
        InputError: It is no such table.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [[float(value) for value in line.split()] for line in lines if line.strip() and line[0] != "#"]
        if not rows or {len(row) for row in rows} != {2 * POINTS} or not np.isfinite(rows).all():
            raise ValueError(f"{len(rows)} rows")
    except OSError as error:
        raise MissingFileError("a file of centroids", f"{path}: {error.strerror}", "check the path") from error
    except ValueError as error:
        got = f"{error}, in {path}"
        raise InputError(f"rows of {2 * POINTS} numbers", got, "delete the file to have it fitted again") from error
    return np.array(rows)


def _rows(landmarks: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 3 or points.shape[1:] != (POINTS, 2) or not np.isfinite(points).all():
        got = f"shape {points.shape}" + ("" if np.isfinite(points).all() else ", not all finite")
        raise InputError("finite landmarks of shape (N, 5, 2)", got, "give eyes, nose and mouth corners of each face")
    return points.reshape(len(points), 2 * POINTS)
