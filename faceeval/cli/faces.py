# SPDX-License-Identifier: MIT
"""The faces a benchmark is run on, opened once for every command that needs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceeval.benchmark import Benchmark
    from faceeval.cli.console import Advance
    from faceeval.data.faces import FaceSet


def benchmark_faces(
    benchmark: Benchmark, root: Path | None, size: int | None, advance: Advance
) -> tuple[FaceSet, FaceSet | None]:
    """Opens the split a benchmark edits, and the one that lends images where a class is short.

    Args:
        benchmark: Names data, splits, size and crop.
        root: Folder that holds the dataset.
        size: Image side, instead of the benchmark's.
        advance: Told how far reading or rendering is.
    """
    from faceeval.data.table import load_faces

    def open_split(split: str) -> FaceSet:
        side = size or benchmark.size
        return load_faces(benchmark.data, split, size=side, root=root, crop=benchmark.crop, progress=advance)

    return open_split(benchmark.split), open_split(benchmark.extra_split) if benchmark.extra_split else None
