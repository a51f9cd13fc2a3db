# SPDX-License-Identifier: MIT
"""Judges trained for seconds on drawn faces."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_faces import QUICK, Faces, draw_faces

from faceeval.judges.training import train_judge


@pytest.fixture(scope="session")
def train_faces() -> Faces:
    return draw_faces(192, seed=1)


@pytest.fixture(scope="session")
def test_faces() -> Faces:
    return draw_faces(64, seed=2)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, train_faces: Faces, test_faces: Faces) -> Path:
    """A folder with both judges, trained for seconds on drawn faces."""
    folder = tmp_path_factory.mktemp("judges")
    for kind, seed in (("procfaces", 3), ("procfaces-teacher", 4)):
        train_judge(kind, *train_faces, seed, folder, validation=test_faces, test=test_faces, settings=QUICK)
    return folder
