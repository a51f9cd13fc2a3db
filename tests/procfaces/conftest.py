# SPDX-License-Identifier: MIT
"""A stand-in for the renderer, fast and simple, in this process and in the children it starts."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceeval.data.procfaces import population

# a picture of noise that belongs to the image, in which each attribute owns a bar of one column
STAND_IN = """
import sys, types
import numpy as np

def render(factors, size):
    from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
    rng = np.random.default_rng(factors.style.noise_seed)
    image = rng.integers(0, 100, (3, size, size), dtype=np.uint8)
    for column, name in enumerate(ATTRIBUTE_NAMES):
        image[:, 2:5, column] += np.uint8(100 * attribute_value(factors, name))
    mask = rng.integers(0, 11, (size, size), dtype=np.uint8)
    return types.SimpleNamespace(image=image, landmarks5=rng.random((5, 2), dtype=np.float32) * size, mask=mask)

stand_in = types.ModuleType("faceeval.data.procfaces.render")
stand_in.render = render
sys.modules["faceeval.data.procfaces.render"] = stand_in
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def few_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the splits of the standard set small."""
    splits = {"train": range(120), "validation": range(8000, 8004), "test": range(9000, 9012)}
    monkeypatch.setattr(population, "SPLITS", splits)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_faces: None) -> Iterator[types.ModuleType]:
    """Replaces the renderer here and in child processes; gives the module that stands in."""
    import faceeval.data.procfaces as package

    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.delitem(sys.modules, "faceeval.data.procfaces.render", raising=False)
    monkeypatch.delattr(package, "render", raising=False)
    scope: dict[str, object] = {}
    exec(STAND_IN, scope)
    module = scope["stand_in"]
    assert isinstance(module, types.ModuleType)
    yield module
    sys.modules.pop("faceeval.data.procfaces.render", None)
