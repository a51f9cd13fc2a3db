# SPDX-License-Identifier: MIT
"""Where numbers come from: the records of data, methods, judges, code and machine that go into every result."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from faceeval import __version__
from faceeval.data.faces import FaceSet
from faceeval.data.selection import names_sha256
from faceeval.judges import Judge
from faceeval.method import MethodCard
from faceeval.protocols.chosen import Chosen
from faceeval.results import DataRecord, JudgeRecord, RunRecord

PACKAGES = ("torch", "numpy", "scipy", "pillow")


def data_record(faces: FaceSet, chosen: Chosen) -> DataRecord:
    """Returns which images were edited."""
    added = int(chosen.targets.sum())
    return DataRecord(
        name=faces.name,
        split=faces.split,
        size=faces.size,
        digest=faces.digest,
        provenance=dict(faces.provenance),
        positives=len(chosen) - added,
        negatives=added,
        extended=chosen.extended,
        short=chosen.short,
        names_sha256=chosen.names_sha256,
    )


def looked_record(faces: FaceSet, names: Sequence[str]) -> DataRecord:
    """Returns which images were looked at, by a protocol that has no classes."""
    return DataRecord(
        name=faces.name,
        split=faces.split,
        size=faces.size,
        digest=faces.digest,
        provenance=dict(faces.provenance),
        positives=0,
        negatives=0,
        extended=0,
        short=False,
        names_sha256=names_sha256(names),
        images=len(names),
    )


def judge_record(judge: Judge) -> JudgeRecord:
    """Returns what decides what a judge sees."""
    # a judge of the user's own may lack settings
    settings = dict(getattr(judge, "settings", {}))
    return JudgeRecord(name=judge.name, weights_sha256=judge.weights_sha256, settings=settings)


def card_record(card: MethodCard) -> dict[str, Any]:
    """Returns a method's card as JSON holds it."""
    fields = {field.name: getattr(card, field.name) for field in dataclasses.fields(card)}
    # notes are the method's own: whatever JSON cannot hold is written as text
    return json.loads(json.dumps({**fields, "notes": dict(card.notes)}, default=str))  # type: ignore[no-any-return]


def run_record(started: str, command: str, seconds: Mapping[str, float]) -> RunRecord:
    """Returns when, where and how long, with the versions that were at work.

    Args:
        started: UTC, ISO 8601.
        command: The command line.
        seconds: Wall time of each part, and ``total``.
    """
    versions = {"faceeval": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return RunRecord(
        started=started,
        command=command,
        seconds={part: round(spent, 3) for part, spent in seconds.items()},
        versions=versions,
        platform=f"{platform.system()} {platform.machine()}",
        threads=torch.get_num_threads(),
        git=git_commit(),
    )


def git_commit() -> str | None:
    """Returns the commit of the checkout this code runs from, ``-dirty`` where it was changed; None outside one."""
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return None
    command = ["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
