# SPDX-License-Identifier: MIT
"""What the card of a method that edits no attribute says of it: the main numbers of the experiments it is asked in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from reference_models import target_of

# module of a method -> experiment -> what the regression test gives it as --count
ASKED: dict[str, dict[str, int]] = {
    "reference_models.osip": {"identification": 20, "leakage": 20, "reconstruction": 100},
    "reference_models.mad": {"verification": 60, "expression": 1500, "pose": 800, "reconstruction": 100},
    "reference_models.expression_resnet": {"expression": 1500},
}


def scores_of(method: str, out: Path, *, few: bool) -> dict[str, Any]:
    """Runs the experiments of a method with shipped weights by the commands a user would type.

    Args:
        method: Its name in METHODS.
        out: Where results are written.
        few: Whether to ask as little as the regression test does.

    Returns:
        Experiment -> what a card says of it: command, data, judges, and the drawn measures of its own curve and of the
        controls at every place.
    """
    return {
        name: _scores(name, method, count if few else None, out) for name, count in ASKED[target_of(method)[0]].items()
    }


def _scores(experiment: str, method: str, count: int | None, out: Path) -> dict[str, Any]:
    words = ["score", "--protocol", experiment, "--method", method]
    words += [] if count is None else ["--count", str(count)]
    command = [sys.executable, "-m", "faceeval", *words, "--out", str(out), "--json", "--quiet"]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    summary = json.loads(ran.stdout)
    return {
        "command": " ".join(["faceeval", *words]),
        "data_digest": summary["data"]["digest"],
        "judges": {role: judge["weights_sha256"] for role, judge in summary["judges"].items()},
        "curves": {curve["name"]: _main_numbers(summary, curve["points"]) for curve in summary["curves"]},
    }


def _main_numbers(summary: dict[str, Any], points: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Returns place -> drawn measure -> number of one curve's points; what is absent is left out."""
    drawn = [key for key, measure in summary["measures"].items() if measure["drawn"]]
    return {
        tick: {key: round(point["values"][key]["value"], 4) for key in drawn if key in point["values"]}
        for tick, point in zip(summary["axis"]["ticks"], points, strict=True)
    }
