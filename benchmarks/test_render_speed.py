# SPDX-License-Identifier: MIT
"""Images per second of one core at 64 and 128 px, 2 x 2 samples a pixel, over people of the standard set.

    NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m pytest benchmarks/test_render_speed.py

Timed in CPU seconds, so that other work on the machine does not count; the kernels are compiled before.
"""

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.render import render

LEAST = {64: 60, 128: 30}  # images per core-second that the standard set was planned on


@pytest.fixture(scope="module")
def people() -> list[Factors]:
    return [sample_factors(index) for index in range(9000, 13_000, 100)]


@pytest.mark.parametrize("size", LEAST)
@pytest.mark.benchmark(timer=time.process_time, min_rounds=3, warmup=True, warmup_iterations=1)
def test_render_speed(benchmark: BenchmarkFixture, people: list[Factors], size: int) -> None:
    benchmark(lambda: [render(factors, size) for factors in people])
    rate = len(people) / benchmark.stats.stats.median
    benchmark.extra_info["images_per_core_second"] = round(rate, 1)
    print(f"{size} px: {rate:.0f} images per core-second")
    assert rate >= LEAST[size]
