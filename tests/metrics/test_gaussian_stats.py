# SPDX-License-Identifier: MIT
"""Mean and covariance: streaming, merging, projecting, and files that hold them."""

import os
import tracemalloc

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
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_shards_equal_the_whole_to_rounding(seed, sizes):
    x = features(seed, n=sum(sizes))  # a mean of 100 beside deviations of 1 to 5
    whole, merged = GaussianStats.from_features(x), GaussianStats.empty(5)
    for shard in np.split(x, np.cumsum(sizes)[:-1]):
        merged = merged.merge(GaussianStats.from_features(shard))
    assert merged.n == whole.n
    assert np.abs(merged.mean - whole.mean).max() <= 1e-12 * np.abs(whole.mean).max()
    assert np.abs(merged.cov - whole.cov).max() <= 1e-12 * max(np.abs(whole.cov).max(), 1.0)


@FEW
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_cutting_a_stream_elsewhere_changes_no_bit(sizes):
    x = features(3, n=sum(sizes)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faceeval.metrics.gaussian.CHUNK", 8)
        stream = GaussianStats.from_batches(np.split(x, np.cumsum(sizes)[:-1]))
        one_by_one = GaussianStats.from_batches(x[i : i + 1] for i in range(len(x)))
    assert equal(stream, one_by_one, 0)
    assert equal(stream, GaussianStats.from_features(x), 1e-10)


def test_streams_that_are_none():
    with pytest.raises(InputError, match="at least one batch"):
        GaussianStats.from_batches([])
    with pytest.raises(InputError, match="of one dimension"):
        GaussianStats.from_batches([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(InputError, match="without NaN"):
        GaussianStats.from_batches([np.ones((2, 3)), np.full((2, 3), np.nan)])


def test_streaming_takes_no_more_memory_for_more_images():
    def peak(n):
        tracemalloc.start()
        GaussianStats.from_batches(np.ones((500, 64), np.float32) * i for i in range(n // 500))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(50_000) < 1.2 * peak(5000)


def test_an_unknown_number_is_the_least_it_can_be():
    x = features(4)
    full, singular = GaussianStats.from_features(x), GaussianStats.from_features(x[:4])
    assert GaussianStats.uncounted(full.mean, full.cov).n == 6
    assert GaussianStats.uncounted(singular.mean, singular.cov).n == 4
    assert GaussianStats.uncounted(np.zeros(3), np.zeros((3, 3))).n == 2
    unknown = GaussianStats.uncounted(full.mean, full.cov)
    assert not unknown.project(np.eye(5), np.zeros(5)).counted
    assert unknown.merge(GaussianStats.empty(5)) is unknown
    with pytest.raises(InputError, match="known number of images"):
        unknown.merge(full)
    with pytest.raises(InputError, match="known number of images"):
        unknown.update(x)
    with pytest.raises(InputError, match="symmetric"):
        GaussianStats.uncounted(np.zeros(2), [[1.0, 2.0], [0.0, 1.0]])


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
        with pytest.raises(InputError, match="n, mean and cov"):
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

    def test_pytorch_fids_file(self, tmp_path):
        stats = GaussianStats.from_features(features(9))
        np.savez(tmp_path / "d.npz", mu=stats.mean, sigma=stats.cov)
        again = GaussianStats.load(tmp_path / "d.npz")
        assert not again.counted
        assert np.array_equal(again.mean, stats.mean)
        assert np.array_equal(again.cov, stats.cov)
        told = GaussianStats.load(tmp_path / "d.npz", n=40)
        assert told.counted
        assert equal(told, stats, 0)
        kept = GaussianStats.load(again.save(tmp_path / "kept.npz"))
        assert (kept.n, kept.counted) == (again.n, False)

    def test_a_number_that_the_file_denies(self, tmp_path):
        path = GaussianStats.from_features(features(9)).save(tmp_path / "h.npz")
        assert GaussianStats.load(path, n=40).n == 40
        with pytest.raises(InputError, match=r"n=40, as .* says"):
            GaussianStats.load(path, n=41)

    def test_a_file_of_something_else_is_named(self, tmp_path):
        np.savez(tmp_path / "i.npz", pictures=np.zeros(2), mu=np.zeros(2))
        with pytest.raises(InputError, match="pictures, mu"):
            GaussianStats.load(tmp_path / "i.npz")

    def test_pickled_objects_are_not_run(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "exploded"),))

        np.savez(tmp_path / "e.npz", n=1, mean=np.array([Bomb()], dtype=object), cov=np.eye(1))
        with pytest.raises(InputError):
            GaussianStats.load(tmp_path / "e.npz")
        assert not (tmp_path / "exploded").exists()

    def test_no_such_folder(self, tmp_path):
        (tmp_path / "no").write_text("a file, not a folder")
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
