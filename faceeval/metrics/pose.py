# SPDX-License-Identifier: MIT
"""Which way does the face look? Errors of head pose, in degrees, on the circle.

A reference that is itself a detector's output makes this agreement with that detector, not with the truth. Faces that
were rotated upright before leave little roll to err about: compare with an estimate that never moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceeval.errors import InputError
from faceeval.metrics.arrays import binary, matrix, same_shape, vector
from faceeval.metrics.mlp import standardised

ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class PoseSummary:
    """Mean absolute pose error, degrees, as Browatzki and Wallraven print it.

    Attributes:
        yaw: Error of turning left and right.
        pitch: Error of nodding.
        roll: Error of tilting.
        n: Number of faces.
    """

    yaw: float
    pitch: float
    roll: float
    n: int

    @property
    def mean(self) -> float:
        """Mean of the three errors, degrees."""
        return (self.yaw + self.pitch + self.roll) / 3


@dataclass(frozen=True)
class OpenFacePose:
    """What OpenFace says of the pose of the faces it is sure of.

    Attributes:
        angles: Yaw, pitch and roll of the kept faces, shape (K, 3), float64, degrees.
        kept: Which rows were kept, shape (N,), bool: the estimate must drop the same.
        n_dropped: Number of rows dropped.
    """

    angles: NDArray[np.float64]
    kept: NDArray[np.bool_]
    n_dropped: int


def pose_error(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Absolute difference of each pose angle, the short way round the circle.

    Args:
        reference: Yaw, pitch and roll of each face, shape (N, 3), degrees, any float type.
        estimate: The estimated angles, same shape and order.

    Returns:
        Shape (N, 3), float64, degrees in [0, 180]; lower is better.

    Raises:
        InputError: The shapes differ or are not (N, 3), or a value is not finite.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces using compact, disentangled
        embeddings", section 5.3.1 (the errors; the wrapping is ours).

    Example:
        >>> pose_error([[179.0, 10.0, 0.0]], [[-179.0, 7.5, 0.0]]).tolist()
        [[2.0, 2.5, 0.0]]
    """
    first, second = _angles("reference", reference), _angles("estimate", estimate)
    same_shape("reference", first, "estimate", second)
    turned = np.abs(first - second) % 360.0
    return np.minimum(turned, 360.0 - turned)


def pose_summary(reference: ArrayLike, estimate: ArrayLike) -> PoseSummary:
    """Mean absolute error of each pose angle.

    Args:
        reference: Yaw, pitch and roll of each face, shape (N, 3), degrees, any float type.
        estimate: The estimated angles, same shape and order.

    Returns:
        The three errors in degrees, their mean and N; lower is better.

    Raises:
        InputError: As pose_error.

    References:
        Browatzki and Wallraven, "Robust discrimination and generation of faces ...", section 5.3.1.

    Example:
        >>> pose_summary([[179.0, 10.0, 0.0], [0.0, 0.0, 0.0]], [[-179.0, 7.5, 0.0], [0.0, 0.5, 3.0]])
        PoseSummary(yaw=1.0, pitch=1.5, roll=1.5, n=2)
    """
    errors = pose_error(reference, estimate)
    yaw, pitch, roll = (float(error) for error in errors.mean(axis=0))
    return PoseSummary(yaw, pitch, roll, len(errors))


def linear_pose(
    train_features: ArrayLike, train_angles: ArrayLike, features: ArrayLike, ridge: float = 1e-3
) -> NDArray[np.float64]:
    """Reads pose off frozen features by ridge regression: the pose that a linear map of a code can say.

    Each angle is regressed on features that are centred and scaled by the training images. Degrees are taken as they
    are, so angles must stay away from half a turn, as those of faces that can be seen do.

    Args:
        train_features: Features of the training images, shape (N, D), any float type.
        train_angles: Their yaw, pitch and roll, shape (N, 3), degrees.
        features: Features of other images, shape (M, D).
        ridge: Weight of the squared coefficients beside the mean squared error, at least 0; features have unit spread.
            The default bends what the data decide by a thousandth and keeps the map finite where they do not.

    Returns:
        Yaw, pitch and roll of the other images, shape (M, 3), float64, degrees.

    Raises:
        InputError: The shapes differ, a value is not finite, the features do not vary, or ridge is below 0.

    References:
        Hoerl and Kennard, "Ridge regression", Technometrics 1970. Parity: scikit-learn ``Ridge``,
        tests/metrics/test_pose.py.

    Example:
        >>> import numpy as np
        >>> turned = np.array([[-20.0, 0, 0], [0, 5, 0], [20, 0, 5], [0, 0, 0]])
        >>> (linear_pose(2 * turned + 7, turned, [[27.0, 7.0, 7.0]], ridge=0.0).round(6) + 0.0).tolist()
        [[10.0, 0.0, 0.0]]
    """
    train, rows = (
        matrix(name, values).astype(np.float64)
        for name, values in (("train_features", train_features), ("features", features))
    )
    angles = _angles("train_angles", train_angles)
    same_shape("one column of train_features", train[:, 0], "one column of train_angles", angles[:, 0])
    same_shape("one row of train_features", train[0], "one row of features", rows[0])
    if (train == train[0]).all():
        todo = "look at what the encoder was given"
        raise InputError("train_features that differ between images", f"{len(train)} equal rows", todo)
    if not (np.isfinite(ridge) and ridge >= 0.0):
        raise InputError("a ridge of at least 0", f"{ridge:g}", "give ridge=1e-3")
    train, rows = standardised(train, rows)
    centre = angles.mean(axis=0)
    square = train.T @ train / len(train) + ridge * np.eye(train.shape[1])
    # without a ridge the least squares of smallest coefficients, where features say the same twice
    map_ = np.linalg.lstsq(square, train.T @ (angles - centre) / len(train), rcond=None)[0]
    return np.asarray(rows @ map_ + centre)


def openface_pose(
    rotations: ArrayLike, success: ArrayLike, confidence: ArrayLike, least_confidence: float = 0.8
) -> OpenFacePose:
    """Turns the pose columns of an OpenFace table into yaw, pitch and roll in degrees, and drops doubtful faces.

    Args:
        rotations: Columns pose_Rx, pose_Ry, pose_Rz, shape (N, 3), radians.
        success: Column success, shape (N,), 0 or 1.
        confidence: Column confidence, shape (N,), 0..1.
        least_confidence: Faces below it are dropped, 0..1. The papers name none; 0.8 is our choice.

    Returns:
        The kept faces' angles in the order yaw (Ry), pitch (Rx), roll (Rz), which were kept, and how many were not.

    Raises:
        InputError: The lengths differ, a value is not finite or out of its range, the rotations look like degrees, or
            no face is left.

    References:
        Baltrusaitis et al., "OpenFace 2.0: Facial behavior analysis toolkit", FG 2018 (the output format).

    Example:
        >>> pose = openface_pose([[0.1, 0.5, 0.0], [0.0, 0.0, 0.0]], success=[1, 0], confidence=[0.98, 0.2])
        >>> pose.angles.round(2).tolist(), pose.n_dropped
        ([[28.65, 5.73, 0.0]], 1)
    """
    radians, found, sure = _angles("rotations", rotations), binary("success", success), vector("confidence", confidence)
    for name, column in (("success", found), ("confidence", sure)):
        same_shape("one column of rotations", radians[:, 0], name, column)
    if np.abs(radians).max() > 2 * np.pi:
        todo = "give pose_Rx, pose_Ry, pose_Rz as OpenFace writes them"
        raise InputError("rotations in radians, at most one turn", f"{np.abs(radians).max():g}", todo)
    if sure.min() < 0.0 or sure.max() > 1.0 or not 0.0 <= least_confidence <= 1.0:
        got = f"{sure.min():g}..{sure.max():g} with least_confidence={least_confidence}"
        raise InputError("confidence between 0 and 1", got, "give the column as OpenFace writes it")
    kept = found & (sure >= least_confidence)
    if not kept.any():
        raise InputError("at least one face to keep", f"none of {len(kept)}", "lower least_confidence, or look at them")
    return OpenFacePose(np.degrees(radians[kept][:, [1, 0, 2]]), kept, int((~kept).sum()))


def _angles(name: str, values: ArrayLike) -> NDArray[np.float64]:
    rows = matrix(name, values).astype(np.float64)
    if rows.shape[1] != len(ANGLES):
        raise InputError(f"{name} of shape (N, 3): {', '.join(ANGLES)}", f"shape {rows.shape}", "give all three angles")
    return rows
