# SPDX-License-Identifier: MIT
"""The statistics step of the Fréchet distance at d = 2048, against pytorch-fid's in the same run.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_frechet_speed.py

Both are timed in CPU seconds, alternately, so that other work on the machine falls on both. The ratio depends on SciPy
(its square root of a matrix became slower in 1.16), so the table names its version.
"""

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import scipy

from faceeval.metrics import GaussianStats, frechet_distance, frechet_distance_pca

DIM = 2048
ROUNDS = 3

pytestmark = [
    pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def calculate():
    if tuple(int(part) for part in scipy.__version__.split(".")[:2]) >= (1, 18):
        pytest.skip("pytorch-fid 0.3 calls sqrtm(disp=...), which SciPy 1.18 no longer has")
    return pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance


@pytest.fixture(scope="module")
def mixing():
    return (np.random.default_rng(99).standard_normal((DIM, DIM)) / np.sqrt(DIM)).astype(np.float32)


def features(seed: int, n: int, mixing: np.ndarray) -> np.ndarray:
    """Like Inception's: not negative, a falling spectrum, a trace near 90; float32."""
    spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -(0.5 + seed / 50)
    spectrum *= np.sqrt(84 / (spectrum**2).sum())
    noise = np.random.default_rng(seed).standard_normal((n, DIM), dtype=np.float32)
    return np.maximum((noise * spectrum) @ mixing + np.float32(0.1 + seed / 100), 0)


def cpu_seconds(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


@pytest.mark.parametrize(("n", "from_features", "from_statistics"), [(1000, 15.0, 8.0), (5000, 0.0, 3.0)])
def test_faster_than_pytorch_fid_and_exact(n, from_features, from_statistics, mixing, calculate, capsys):
    sets = [features(seed, n, mixing) for seed in (1, 2)]
    stats = [GaussianStats.from_features(s) for s in sets]
    theirs, wanted = cpu_seconds(lambda: calculate(stats[0].mean, stats[0].cov, stats[1].mean, stats[1].cov))
    times: dict[str, list[float]] = {"features": [], "statistics": []}
    for _ in range(ROUNDS):
        for kind, pair in (("features", sets), ("statistics", stats)):
            seconds, value = cpu_seconds(lambda pair=pair: frechet_distance(*pair))
            times[kind].append(seconds)
            assert value == pytest.approx(wanted, abs=1e-9 if n > DIM else 1e-4)
    ours = {kind: statistics.median(seconds) for kind, seconds in times.items()}
    with capsys.disabled():
        print(f"\nd = {DIM}, N = {n}, scipy {scipy.__version__}, CPU seconds")
        print(f"  pytorch-fid, from statistics {theirs:7.2f}")
        for kind, seconds in ours.items():
            print(f"  faceeval, from {kind:<14} {seconds:7.2f}   x {theirs / seconds:.1f}")
    assert theirs / ours["features"] >= from_features
    assert theirs / ours["statistics"] >= from_statistics


def test_pca_needs_no_features(mixing, capsys):
    sets = [features(seed, 5000, mixing) for seed in (1, 2)]
    stats = [GaussianStats.from_features(s) for s in sets]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seconds, value = cpu_seconds(lambda: frechet_distance_pca(*stats, k=1024))
    with capsys.disabled():
        print(f"\nPCA to 1024 and distance, from statistics: {seconds:.2f} CPU seconds")
    assert 0 < value <= frechet_distance(*stats)
    assert seconds < 30
