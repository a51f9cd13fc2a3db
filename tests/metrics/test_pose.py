# SPDX-License-Identifier: MIT
"""Pose error on the circle, and OpenFace's columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import PoseSummary, linear_pose, openface_pose, pose_error, pose_summary

FEW = settings(max_examples=25, deadline=None)


def poses(seed, n=9):
    return np.random.default_rng(seed).uniform(-180, 180, (n, 3))


class TestError:
    @pytest.mark.parametrize(
        ("first", "second", "error"),
        [(179, -179, 2), (-179, 179, 2), (180, -180, 0), (0, 180, 180), (90, -90, 180), (10, -10, 20), (350, -5, 5)],
    )
    def test_by_hand(self, first, second, error):
        assert pose_error([[first] * 3], [[second] * 3]).tolist() == [[error] * 3]

    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(-3, 3), st.floats(-180, 180))
    def test_properties(self, seed, turns, angle):
        a, b = poses(seed), poses(seed + 1)
        error = pose_error(a, b)
        assert ((error >= 0) & (error <= 180)).all()
        assert np.array_equal(pose_error(b, a), error)
        assert pose_error(a + 360 * turns, b) == pytest.approx(error, abs=1e-9)
        assert pose_error(a + angle, b + angle) == pytest.approx(error, abs=1e-9)
        assert (error <= pose_error(a, poses(seed + 2)) + pose_error(poses(seed + 2), b) + 1e-9).all()

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_same_as_the_angle_between_unit_vectors(self, seed):
        a, b = poses(seed), poses(seed + 1)
        # the argument of the quotient of two points on the unit circle
        expected = np.abs(np.degrees(np.angle(np.exp(1j * np.radians(a - b)))))
        assert pose_error(a, b) == pytest.approx(expected, abs=1e-9)

    def test_small_errors_keep_their_digits(self):
        assert pose_error([[1e-12, 0, 0]], [[0, 0, 0]])[0, 0] == 1e-12

    def test_summary_is_the_mean_of_each_angle(self):
        summary = pose_summary(poses(0), poses(1))
        errors = pose_error(poses(0), poses(1))
        assert (summary.yaw, summary.pitch, summary.roll) == pytest.approx(errors.mean(axis=0))
        assert summary.mean == pytest.approx(errors.mean())
        assert summary.n == 9

    def test_printed_errors_of_browatzki_and_wallraven_have_these_means(self):
        assert PoseSummary(3.61, 3.53, 2.09, 4000).mean == pytest.approx(9.23 / 3)
        assert PoseSummary(2.66, 2.95, 2.05, 19_962).mean == pytest.approx(7.66 / 3)

    @pytest.mark.parametrize("shape", [(4, 2), (4, 4), (3,), (0, 3)])
    def test_other_shapes(self, shape):
        with pytest.raises(InputError):
            pose_error(np.zeros(shape), np.zeros(shape))


class TestOpenFace:
    rotations = np.radians([[10.0, 20.0, 30.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])

    def test_order_unit_and_what_is_dropped(self):
        pose = openface_pose(self.rotations, [1, 0, 1, 1], [0.9, 0.99, 0.79, 0.8])
        assert pose.angles == pytest.approx(np.array([[20.0, 10.0, 30.0], [8.0, 7.0, 9.0]]))
        assert pose.kept.tolist() == [True, False, False, True]
        assert pose.n_dropped == 2

    def test_floor_is_a_setting(self):
        assert openface_pose(self.rotations, [1] * 4, [0.1] * 4, least_confidence=0.0).n_dropped == 0

    def test_degrees_are_refused(self):
        with pytest.raises(InputError, match="radians"):
            openface_pose(np.degrees(self.rotations), [1] * 4, [1.0] * 4)

    @pytest.mark.parametrize(("confidence", "floor"), [([98.0] * 4, 0.8), ([-0.1] * 4, 0.8), ([0.9] * 4, 80)])
    def test_confidence_in_percent_is_refused(self, confidence, floor):
        with pytest.raises(InputError, match="between 0 and 1"):
            openface_pose(self.rotations, [1] * 4, confidence, floor)

    def test_nothing_left_or_unpaired(self):
        with pytest.raises(InputError, match="none of 4"):
            openface_pose(self.rotations, [0] * 4, [1.0] * 4)
        with pytest.raises(InputError, match="success"):
            openface_pose(self.rotations, [1] * 3, [1.0] * 4)


class TestLinear:
    def test_a_linear_code_is_read_to_the_degree(self):
        truth = np.random.default_rng(0).uniform(-40, 40, (300, 3))
        codes = truth @ np.random.default_rng(1).standard_normal((3, 8)) + 5
        found = linear_pose(codes[:200], truth[:200], codes[200:])
        assert pose_error(truth[200:], found).max() < 0.2
        assert pose_error(truth[200:], linear_pose(codes[:200], truth[:200], codes[200:], ridge=0.0)).max() < 1e-6

    def test_noise_says_the_mean(self):
        rng = np.random.default_rng(0)
        truth = rng.uniform(-40, 40, (3000, 3))
        found = linear_pose(rng.standard_normal((3000, 4)), truth, rng.standard_normal((500, 4)))
        assert np.abs(found - truth.mean(axis=0)).max() < 5

    @pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0])
    def test_same_as_scikit_learn(self, ridge):
        linear = pytest.importorskip("sklearn.linear_model")
        rng = np.random.default_rng(2)
        codes, truth, rows = (
            rng.standard_normal((50, 6)) * 3 + 1,
            rng.uniform(-40, 40, (50, 3)),
            rng.normal(size=(9, 6)),
        )
        mean, spread = codes.mean(axis=0), codes.std(axis=0)
        theirs = linear.Ridge(alpha=50 * ridge).fit((codes - mean) / spread, truth).predict((rows - mean) / spread)
        assert linear_pose(codes, truth, rows, ridge) == pytest.approx(theirs, abs=1e-8)

    def test_features_that_say_the_same_twice_are_no_trouble(self):
        truth = np.random.default_rng(0).uniform(-40, 40, (60, 3))
        twice = np.concatenate([truth, truth, np.ones((60, 1))], axis=1)
        assert pose_error(truth, linear_pose(twice, truth, twice, ridge=0.0)).max() < 1e-6

    def test_what_is_refused(self):
        truth = np.random.default_rng(0).uniform(-40, 40, (6, 3))
        with pytest.raises(InputError, match="6 equal rows"):
            linear_pose(np.ones((6, 2)), truth, np.ones((6, 2)))
        with pytest.raises(InputError, match="one row of features"):
            linear_pose(truth, truth, truth[:, :2])
        with pytest.raises(InputError, match="train_angles"):
            linear_pose(truth, truth[:, :2], truth)
        with pytest.raises(InputError, match="one column"):
            linear_pose(truth, truth[:5], truth)
        with pytest.raises(InputError, match="ridge"):
            linear_pose(truth, truth, truth, ridge=-1.0)
