# SPDX-License-Identifier: MIT
"""Mean and covariance: streaming, merging, projecting, and files that hold them."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError, MissingFileError, OutputError
from faceeval.metrics import GaussianStats

FEW = settings(max_examples=25, deadline=None)


def features(seed, n=40, dim=5):
    return np.random.default_rng(seed).standard_normal((n, dim)) * np.arange(1, dim + 1) + 100.0


def equal(a, b, tolerance=1e-10):
    return a.n == b.n and np.allclose(a.mean, b.mean, atol=tolerance) and np.allclose(a.cov, b.cov, atol=tolerance)


def test_same_as_numpy():
    x = features(0)
    stats = GaussianStats.from_features(x)
    assert stats.n == 40
    assert stats.mean.dtype == stats.cov.dtype == np.float64
    assert np.allclose(stats.mean, x.mean(axis=0), atol=1e-12)
    assert np.allclose(stats.cov, np.cov(x, rowvar=False), atol=1e-10)


def test_float32_features_far_from_zero_are_summed_in_float64(monkeypatch):
    x = (features(1, n=5000) + 1e4).astype(np.float32)
    monkeypatch.setattr("faceeval.metrics.gaussian.CHUNK", 333)
    assert equal(GaussianStats.from_features(x), GaussianStats.from_features(x.astype(np.float64)), 1e-7)
    assert np.allclose(GaussianStats.from_features(x).cov, np.cov(x.astype(np.float64), rowvar=False), atol=1e-7)


@FEW
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9), min_size=2, max_size=6), st.randoms())
def test_batches_in_any_order_give_the_whole(seed, sizes, random):
    x = features(seed, n=sum(sizes))
    shards = np.split(x, np.cumsum(sizes)[:-1])
    random.shuffle(shards)
    stats = GaussianStats.empty(5)
    for shard in shards:
        stats = stats.update(shard)
    assert equal(stats, GaussianStats.from_features(x), 1e-9)


@FEW
@given(st.integers(0, 2**32 - 1))
def test_merging_is_symmetric_and_associative(seed):
    a, b, c = (GaussianStats.from_features(features(seed + i, n=3 + i)) for i in range(3))
    assert equal(a.merge(b), b.merge(a), 1e-9)
    assert equal(a.merge(b).merge(c), a.merge(b.merge(c)), 1e-9)


def test_merging_with_nothing_changes_nothing():
    stats, nothing = GaussianStats.from_features(features(2)), GaussianStats.empty(5)
    assert stats.merge(nothing) is stats
    assert nothing.merge(stats) is stats


def test_projecting_statistics_is_projecting_features():
    x, rng = features(3), np.random.default_rng(4)
    components, center = rng.standard_normal((3, 5)), rng.standard_normal(5)
    projected = GaussianStats.from_features(x).project(components, center)
    assert equal(projected, GaussianStats.from_features((x - center) @ components.T), 1e-9)


@pytest.mark.parametrize(
    ("components", "center", "message"),
    [
        (np.eye(4), np.zeros(5), "components of 5 columns"),
        (np.eye(5), np.zeros(4), "of one shape"),
        (np.full((2, 5), np.nan), np.zeros(5), "without NaN"),
    ],
)
def test_projections_that_do_not_fit(components, center, message):
    with pytest.raises(InputError, match=message):
        GaussianStats.from_features(features(5)).project(components, center)


@pytest.mark.parametrize(
    ("n", "mean", "cov", "message"),
    [
        (-1, np.zeros(2), np.eye(2), "whole number"),
        (2.5, np.zeros(2), np.eye(2), "whole number"),
        ([3, 4], np.zeros(2), np.eye(2), "whole number"),
        (np.nan, np.zeros(2), np.eye(2), "n without NaN"),
        (9, np.zeros(3), np.eye(2), "as wide as the mean"),
        (9, np.zeros((2, 2)), np.eye(2), "shape"),
        (9, np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (9, np.zeros(2), np.diag([1.0, -1.0]), "symmetric"),
        (9, np.array([0.0, np.nan]), np.eye(2), "without NaN"),
    ],
)
def test_impossible_statistics(n, mean, cov, message):
    with pytest.raises(InputError, match=message):
        GaussianStats(n, mean, cov)


def test_other_dimensions_do_not_merge():
    with pytest.raises(InputError, match="of one shape"):
        GaussianStats.empty(3).merge(GaussianStats.empty(4))


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.zeros((3, 0)), [["a", "b"]], [[1.0], [1.0, 2.0]]])
def test_features_that_are_none(bad):
    with pytest.raises(InputError):
        GaussianStats.from_features(bad)


class TestFiles:
    def test_written_and_read(self, tmp_path):
        stats = GaussianStats.from_features(features(6))
        path = stats.save(tmp_path / "real.npz")
        again = GaussianStats.load(path)
        assert again.n == stats.n
        assert np.array_equal(again.mean, stats.mean)
        assert np.array_equal(again.cov, stats.cov)
        assert os.listdir(tmp_path) == ["real.npz"]

    def test_missing(self, tmp_path):
        with pytest.raises(MissingFileError, match=r"GaussianStats\.save"):
            GaussianStats.load(tmp_path / "none.npz")

    def test_cut_short(self, tmp_path):
        path = GaussianStats.from_features(features(7)).save(tmp_path / "a.npz")
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(InputError, match="n, mean, cov"):
            GaussianStats.load(path)

    def test_empty_or_text(self, tmp_path):
        for content in (b"", b"not an archive"):
            (tmp_path / "b.npz").write_bytes(content)
            with pytest.raises(InputError):
                GaussianStats.load(tmp_path / "b.npz")

    def test_plain_array(self, tmp_path):
        np.save(tmp_path / "c.npy", np.zeros(3))
        with pytest.raises(InputError):
            GaussianStats.load(tmp_path / "c.npy")

    def test_another_tools_file_is_explained(self, tmp_path):
        np.savez(tmp_path / "d.npz", mu=np.zeros(2), sigma=np.eye(2))
        with pytest.raises(InputError, match=r"GaussianStats\(n, mu, sigma\)"):
            GaussianStats.load(tmp_path / "d.npz")

    def test_pickled_objects_are_not_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "exploded"),))

        np.savez(tmp_path / "e.npz", n=1, mean=np.array([Bomb()], dtype=object), cov=np.eye(1))
        with pytest.raises(InputError):
            GaussianStats.load(tmp_path / "e.npz")
        assert not (tmp_path / "exploded").exists()

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(OutputError):
            GaussianStats.empty(2).save(tmp_path / "no" / "f.npz")

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = GaussianStats.from_features(features(8)).save(tmp_path / "g.npz")
        before = path.read_bytes()

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(OutputError, match="No space left"):
            GaussianStats.empty(2).save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["g.npz"]
