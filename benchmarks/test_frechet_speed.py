# SPDX-License-Identifier: MIT
"""The measures of realism at d = 2048 against their peers in the same run: Fréchet distance, with PCA, KID, PRDC.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_frechet_speed.py

Both sides are timed in CPU seconds, alternately, so that other work on the machine falls on both; memory is the growth
of the peak of a fresh process over what it had loaded. The ratio to pytorch-fid depends on SciPy (its square root of a
matrix became slower in 1.16), so the tables name its version. ``FACEEVAL_BENCHMARK_DIM=128`` tries everything at a
small size, where nothing is demanded of the ratios.
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy
from scipy.linalg import svdvals

from faceeval.metrics import (
    GaussianStats,
    frechet_distance,
    kernel_distance,
    kernel_distance_subsets,
    manifold_scores,
)

FULL = 2048
DIM = int(os.environ.get("FACEEVAL_BENCHMARK_DIM", FULL))
ROUNDS = 3

pytestmark = [
    pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning"),
]

# A child is told what to run, the folder of its inputs, and k; it prints seconds, growth of its peak in MB, the value.
CHILD = """
import json, re, sys, time, warnings
import numpy as np
from pathlib import Path
warnings.simplefilter("ignore")
kind, folder, k = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
from faceeval.metrics import GaussianStats, frechet_distance_pca
if kind == "moments":
    given = [GaussianStats.load(folder / f"{i}.npz") for i in (1, 2)]
    call = lambda: frechet_distance_pca(*given, k=k)
elif kind == "stream":
    batches = ((np.random.default_rng(i).random((500, k), dtype=np.float32)) for i in range(int(folder.name) // 500))
    call = lambda: GaussianStats.from_batches(batches).n
else:
    from pytorch_fid.fid_score import calculate_frechet_distance
    from sklearn.decomposition import PCA
    given = [np.load(folder / f"{i}.npy") for i in (1, 2)]
    def call():
        pca = PCA(n_components=k, svd_solver=kind).fit(np.concatenate(given))
        moved = [pca.transform(x) for x in given]
        moments = [array for x in moved for array in (x.mean(axis=0), np.cov(x, rowvar=False))]
        return calculate_frechet_distance(*moments)
# not ru_maxrss, which begins at what the parent holds
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten: loading has one of its own
before, start = peak(), time.process_time()
value = float(call())
print(json.dumps([time.process_time() - start, peak() - before, value]))
"""


@pytest.fixture(scope="module")
def calculate():
    if tuple(int(part) for part in scipy.__version__.split(".")[:2]) >= (1, 18):
        pytest.skip("pytorch-fid 0.3 calls sqrtm(disp=...), which SciPy 1.18 no longer has")
    return pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance


@pytest.fixture(scope="module")
def mixing():
    return (np.random.default_rng(99).standard_normal((DIM, DIM)) / np.sqrt(DIM)).astype(np.float32)


@pytest.fixture
def show(capsys):
    def table(title: str, rows: list[tuple[str, float, float, str]]) -> None:
        """Prints name, CPU seconds, ratio of the peer's seconds to these, and a remark."""
        with capsys.disabled():
            print(f"\n{title}; d = {DIM}, scipy {scipy.__version__}, CPU seconds")
            for name, seconds, ratio, remark in rows:
                print(f"  {name:<42}{seconds:9.2f}   x {ratio:<7.1f}{remark}")

    return table


def features(seed: int, n: int, mixing: np.ndarray) -> np.ndarray:
    """Like Inception's: not negative, a falling spectrum, a trace near 90; float32."""
    spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -(0.5 + seed / 50)
    spectrum *= np.sqrt(84 / (spectrum**2).sum())
    noise = np.random.default_rng(seed).standard_normal((n, DIM), dtype=np.float32)
    return np.maximum((noise * spectrum) @ mixing + np.float32(0.1 + seed / 100), 0)


def images(n: int) -> int:
    """The number of images that is to the dimensions as n is to 2,048."""
    return n * DIM // FULL


def cpu_seconds(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def child(kind: str, folder: Path, k: int) -> tuple[float, float, float]:
    command = [sys.executable, "-c", CHILD, kind, str(folder), str(k)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


def demand(theirs: float, ours: float, least: float) -> None:
    """Holds a ratio to what is promised at the full size; a small one is for trying the code."""
    assert DIM < FULL or theirs >= least * ours, f"x {theirs / ours:.1f}, where x {least} is promised"


def reference(stats: list[GaussianStats]) -> float:
    """The distance by singular values of factors from two eigenproblems: slow, and exact whatever the ranks."""
    factors = []
    for side in stats:
        values, vectors = np.linalg.eigh(side.cov)
        kept = values > DIM * np.finfo(np.float64).eps * values[-1]
        factors.append(vectors[:, kept] * np.sqrt(values[kept]))
    moved = ((stats[0].mean - stats[1].mean) ** 2).sum()
    return moved + sum(np.trace(s.cov) for s in stats) - 2 * svdvals(factors[0].T @ factors[1]).sum()


@pytest.mark.parametrize(("n", "from_features", "from_statistics"), [(1000, 30.0, 15.0), (10_000, 3.0, 8.0)])
def test_frechet_distance(n, from_features, from_statistics, mixing, calculate, show):
    sets = [features(seed, images(n), mixing) for seed in (1, 2)]
    stats = [GaussianStats.from_features(s) for s in sets]
    exact = reference(stats)
    calls = {
        "pytorch-fid, from statistics": lambda: calculate(stats[0].mean, stats[0].cov, stats[1].mean, stats[1].cov),
        "faceeval, from features": lambda: frechet_distance(*sets),
        "faceeval, from statistics": lambda: frechet_distance(*stats),
    }
    with contextlib.suppress(ImportError):
        from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

        sides = [{"mu": side.mean, "sigma": side.cov} for side in stats]
        calls["torch-fidelity, from statistics"] = lambda: fid_statistics_to_metric(*sides, False)[KEY_METRIC_FID]
    times: dict[str, list[float]] = {name: [] for name in calls}
    values = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            seconds, values[name] = cpu_seconds(call)
            times[name].append(seconds)
    medians = {name: statistics.median(found) for name, found in times.items()}
    theirs = medians["pytorch-fid, from statistics"]
    rows = [
        (name, seconds, theirs / seconds, f"error {abs(values[name] - exact):.0e} of {exact:.4g}")
        for name, seconds in medians.items()
    ]
    show(f"Fréchet distance, N = {images(n)} a side", rows)
    for name in ("features", "statistics"):
        assert values[f"faceeval, from {name}"] == pytest.approx(exact, rel=1e-9)
    demand(theirs, medians["faceeval, from features"], from_features)
    demand(theirs, medians["faceeval, from statistics"], from_statistics)


def test_pca_from_moments(mixing, calculate, show, tmp_path):
    k = DIM // 2
    for seed in (1, 2):
        found = features(seed, images(10_000), mixing)
        np.save(tmp_path / f"{seed}.npy", found.astype(np.float64))  # as pytorch-fid's get_activations returns them
        GaussianStats.from_features(found).save(tmp_path / f"{seed}.npz")
    runs = {
        "scikit-learn, full SVD, then pytorch-fid": child("full", tmp_path, k),
        "scikit-learn, covariance_eigh, pytorch-fid": child("covariance_eigh", tmp_path, k),
        "faceeval, from moments": child("moments", tmp_path, k),
    }
    theirs, ours = runs["scikit-learn, full SVD, then pytorch-fid"], runs["faceeval, from moments"]
    rows = [(name, run[0], theirs[0] / run[0], f"{run[1]:.0f} MB, {run[2]:.10g}") for name, run in runs.items()]
    show(f"PCA to {k} and distance, N = {images(10_000)} a side", rows)
    assert ours[2] == pytest.approx(theirs[2], rel=1e-9)
    demand(theirs[0], ours[0], 7.0)
    demand(theirs[1], ours[1], 10.0)


def test_streaming_takes_constant_memory(show):
    runs = {n: child("stream", Path(str(n)), DIM) for n in (5000, 50_000)}
    rows = [
        (f"statistics of {n} images", run[0], runs[5000][0] / run[0], f"{run[1]:.0f} MB") for n, run in runs.items()
    ]
    show("Statistics of a stream of batches of 500", rows)
    demand(1.2 * runs[5000][1], runs[50_000][1], 1.0)


def test_kernel_distance(mixing, show):
    metric, torch = pytest.importorskip("torch_fidelity.metric_kid"), pytest.importorskip("torch")
    n = images(5000)
    sets = [features(seed, n, mixing) for seed in (1, 2)]
    tensors = [torch.from_numpy(s) for s in sets]
    settings = {"kid_subsets": 100, "kid_subset_size": images(1000), "verbose": False}
    theirs, wanted = cpu_seconds(
        lambda: metric.kid_features_to_metric(*tensors, **settings)[metric.KEY_METRIC_KID_MEAN]
    )
    start = time.process_time()
    found = kernel_distance_subsets(*sets, subsets=100, subset_size=images(1000))
    ours = time.process_time() - start
    whole, exact = cpu_seconds(lambda: kernel_distance(*sets))
    rows = [
        ("torch-fidelity, 100 subsets, float32", theirs, 1.0, f"{wanted:.6g}"),
        ("faceeval, 100 subsets, float64", ours, theirs / ours, f"{found.mean:.6g}, standard error {found.error:.1g}"),
        ("faceeval, all pairs, float64", whole, theirs / whole, f"{exact:.6g}"),
    ]
    show(f"KID, N = {n} a side, subsets of {images(1000)}", rows)
    assert found.mean == pytest.approx(wanted, abs=0.6 * found.std)  # two means over 100 other subsets each
    demand(theirs, ours, 1.5)


def test_manifold(mixing, show):
    prdc, torch = pytest.importorskip("prdc"), pytest.importorskip("torch")
    metric = pytest.importorskip("torch_fidelity.metric_prc")
    n = images(5000)
    sets = [features(seed, n, mixing) for seed in (1, 2)]
    with contextlib.redirect_stdout(io.StringIO()):
        theirs, wanted = cpu_seconds(lambda: prdc.compute_prdc(*sets, nearest_k=5))
    tensors = [torch.from_numpy(s) for s in reversed(sets)]
    settings = {"prc_neighborhood": 5, "prc_batch_size": 1000, "verbose": False}
    two, _ = cpu_seconds(lambda: metric.prc_features_to_metric(*tensors, **settings))
    ours, found = cpu_seconds(lambda: manifold_scores(*sets))
    rows = [
        ("prdc, four scores", theirs, 1.0, f"{wanted['precision']:.4f} {wanted['coverage']:.4f}"),
        ("torch-fidelity, two scores, float32", two, theirs / two, ""),
        ("faceeval, four scores, float64", ours, theirs / ours, f"{found.precision:.4f} {found.coverage:.4f}"),
    ]
    show(f"Precision, recall, density, coverage, N = {n} a side", rows)
    assert (found.precision, found.coverage) == pytest.approx((wanted["precision"], wanted["coverage"]), abs=0.002)
    demand(theirs, ours, 1.0)
