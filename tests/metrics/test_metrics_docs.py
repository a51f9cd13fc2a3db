# SPDX-License-Identifier: MIT
"""What the pages about metrics print is what happens, and no column goes unexplained."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

from faceeval.protocols.columns import EDITING_COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
PREAMBLE = """
from __future__ import annotations
import numpy as np
from numpy.typing import ArrayLike, NDArray
from faceeval.errors import InputError
from faceeval.metrics.arrays import matrix, same_shape
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
def test_small_sample_example_prints_what_the_page_says():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(blocks("metrics.md", "python")[0], {})
    assert printed.getvalue() == blocks("metrics.md", "text")[0]


def test_example_metric_works():
    code = next(block for block in blocks("add-a-metric.md", "python") if block.startswith("def "))
    names: dict[str, object] = {}
    exec(PREAMBLE + code, names)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(names["landmark_error"], "landmark_error", globs=names):
        assert runner.run(test).failed == 0
        assert test.examples


@pytest.mark.parametrize("key", EDITING_COLUMNS)
def test_every_column_is_explained(key):
    table = (DOCS / "metrics.md").read_text().split("## Conventions")[0]
    short = re.sub(r"^(flip_accuracy|dfn)(?=_)", "", key)
    assert f"`{key}`" in table or f"`{short}`" in table
