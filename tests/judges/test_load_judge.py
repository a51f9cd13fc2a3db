# SPDX-License-Identifier: MIT
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faceeval.errors import UnknownNameError
from faceeval.judges import JUDGES, Judge, load_judge


def test_importing_the_table_loads_no_torch() -> None:
    code = "import sys, faceeval.judges; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'inception'"):
        load_judge("incepton")


@pytest.mark.parametrize("name", ["procfaces", "procfaces-teacher"])
def test_loaded_judges_fit_the_protocol(name: str, trained: Path) -> None:
    judge = load_judge(name, weights_dir=trained)
    assert isinstance(judge, Judge)
    assert judge.name == name
    assert name in JUDGES
    assert len(judge.weights_sha256) == 64


def test_options_reach_the_judge(trained: Path) -> None:
    judge = load_judge("procfaces", weights_dir=trained, batch_size=5)
    assert judge.settings == {"input_size": 64, "resize": "antialiased bilinear"}
