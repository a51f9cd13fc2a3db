# SPDX-License-Identifier: MIT
"""Verification of 6,000 pairs, 10 folds, 512 dimensions, against facenet's published loops in the same run.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_verification_speed.py

The loops are written out in tests/metrics/published_loop.py, since no package ships them. Both start from the same
embeddings and are timed in CPU seconds, so that other work on the machine does not count.
"""

import runpy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceeval.metrics import consecutive_folds, facenet_summary, verification_summary, verify_embeddings

PUBLISHED = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "metrics" / "published_loop.py"))
LEAST = 20  # times faster than the loops
ROUNDS = 5


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


@pytest.fixture(scope="module")
def pairs():
    return PUBLISHED["pairs_of_people"](0, 6000, 512, 1.6)


@pytest.fixture(scope="module")
def loop(pairs):
    return cpu_seconds(lambda: PUBLISHED["published_evaluation"](*pairs))


@pytest.mark.parametrize("mode", ["exact", "facenet"])
def test_faster_than_the_loops(mode, pairs, loop, capsys):
    theirs, wanted = loop
    folds = consecutive_folds(6000) if mode == "exact" else None
    times = []
    for _ in range(ROUNDS):
        seconds, found = cpu_seconds(lambda: verify_embeddings(*pairs, folds, mode=mode))
        times.append(seconds)
    ours = statistics.median(times)
    with capsys.disabled():
        print(f"\n6,000 pairs, CPU seconds: loops {theirs:.2f}, {mode} {ours:.4f}   x {theirs / ours:.0f}")
    if mode == "exact":
        assert found.folds.mean == pytest.approx(wanted["mean"], abs=2e-3)
    else:
        assert all(getattr(found, name) == value for name, value in wanted.items())
        assert found == facenet_summary(*pairs)
    assert theirs / ours >= LEAST


def test_a_hundred_times_the_pairs(capsys):
    rng = np.random.default_rng(0)
    same = np.arange(600_000) % 2
    scores = rng.standard_normal(600_000) + 2 * same
    seconds, summary = cpu_seconds(lambda: verification_summary(scores, same, consecutive_folds(600_000)))
    with capsys.disabled():
        print(f"\n600,000 similarities, CPU seconds: {seconds:.2f}")
    assert 0.8 < summary.folds.mean < 0.9
    assert seconds < 10
