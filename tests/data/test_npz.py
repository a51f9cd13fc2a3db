# SPDX-License-Identifier: MIT
"""Files of features and statistics, ours and others'."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from faceeval.data.npz import StoredFeatures, StoredStatistics, read_npz, write_npz
from faceeval.errors import InputError, MissingFileError
from faceeval.metrics import GaussianStats

ROWS = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)


def test_statistics_of_pytorch_fid(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", mu=ROWS.mean(0), sigma=np.cov(ROWS.T))
    found = read_npz(tmp_path / "a.npz")
    assert isinstance(found, StoredStatistics)
    assert found.n is None
    np.testing.assert_array_equal(found.cov, np.cov(ROWS.T))


def test_our_own_statistics_with_and_without_what_made_them(tmp_path: Path) -> None:
    stats = GaussianStats.from_features(ROWS)
    stats.save(tmp_path / "a.npz")
    write_npz(
        tmp_path / "b.npz", {"n": np.int64(7), "mean": stats.mean, "cov": stats.cov}, {"judge": "x", "input_size": 3}
    )
    for name, made_with in (("a.npz", {}), ("b.npz", {"judge": "x", "input_size": 3})):
        found = read_npz(tmp_path / name)
        assert isinstance(found, StoredStatistics)
        assert (found.n, found.made_with) == (7, made_with)
    again = GaussianStats.load(tmp_path / "b.npz")
    np.testing.assert_array_equal(again.cov, stats.cov)


@pytest.mark.parametrize("arrays", [{"features": ROWS, "labels": ROWS}, {"embeddings": ROWS}, {"anything": ROWS}])
def test_features_under_their_usual_names_or_alone(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_npz(tmp_path / "a.npz")
    assert isinstance(found, StoredFeatures)
    np.testing.assert_array_equal(found.rows, ROWS)


def test_features_with_names_and_a_plain_array(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"features": ROWS, "names": np.array(list("abcdefg"))}, {})
    assert read_npz(tmp_path / "a.npz").names == tuple("abcdefg")  # type: ignore[union-attr]
    np.save(tmp_path / "b.npy", ROWS)
    np.testing.assert_array_equal(read_npz(tmp_path / "b.npy").rows, ROWS)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": ROWS, "embeddings": ROWS}, r"features \(7, 3\), embeddings \(7, 3\)"),
        ({"a": np.zeros(3)}, r"a \(3,\)"),
        ({"features": ROWS, "names": np.array(["a"])}, "1 names and 7 rows"),
        ({"mean": ROWS[0], "cov": np.eye(3)}, "number of images"),
        ({"mean": ROWS[0], "cov": np.eye(3), "n": np.array([1, 2])}, "number of images"),
        ({"features": ROWS, "made_with": np.array("{")}, "made_with as JSON"),
    ],
)
def test_files_of_something_else_are_explained(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_npz(tmp_path / "a.npz")


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="absent"):
        read_npz(tmp_path / "absent.npz")
    for content in (b"", b"not an archive", b"PK\x03\x04 cut"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz"):
            read_npz(tmp_path / "a.npz")


def test_pickled_objects_are_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    np.savez(tmp_path / "a.npz", features=np.array([Bomb()], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        read_npz(tmp_path / "a.npz")
    assert not (tmp_path / "exploded").exists()
