# SPDX-License-Identifier: MIT
"""Runs of the editing protocol on toy faces."""

from __future__ import annotations

from toy_faces import SIZE, ToyJudge, toy_faces

from faceeval.benchmark import Benchmark
from faceeval.results import Result
from faceeval.score import score

TOY = Benchmark(
    name="toy",
    version=1,
    title="drawn faces",
    data="toy",
    size=SIZE,
    crop="none",
    protocol="editing",
    n_per_class=30,
    judges={"attributes": "toy-judge", "identity": "toy-judge", "realism": "toy-judge"},
)


def toy_panel(**roles):
    judge = ToyJudge()
    return {"attributes": judge, "identity": judge, "realism": judge} | roles


def run(method, attribute="Eyeglasses", faces=None, **options) -> Result:
    options = {"benchmark": TOY, "judges": toy_panel(), "batch_size": 16} | options
    return score(method, toy_faces() if faces is None else faces, attribute, **options)
