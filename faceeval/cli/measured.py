# SPDX-License-Identifier: MIT
"""What a ``faceeval metric`` command found: a table for people, JSON with all that a number depends on."""

from __future__ import annotations

import json
import math
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.markup import escape

from faceeval import __version__
from faceeval.cli.console import note, stdout, table

ARROWS = {"higher": "↑", "lower": "↓", "near 1": "→ 1"}
# package -> module; a version is recorded where the module was loaded
PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "torch": "torch",
    "torchvision": "torchvision",
    "pillow": "PIL",
    "datasets": "datasets",
    "pytorch-fid": "pytorch_fid",
    "facenet-pytorch": "facenet_pytorch",
}


@dataclass(frozen=True)
class Number:
    """One number of the answer.

    Attributes:
        key: Its name in JSON; unit, direction and version come from the row of METRICS called ``metric``.
        label: Its name in the table.
        value: The number.
        low: Lower end of its interval, if it has one.
        high: Upper end.
        metric: Row of METRICS it belongs to; the key itself by default.
        digits: Decimals printed.
        better: Which way is better, where that is not the row's; ``"neither"`` for how sure or how spread a number is.
    """

    key: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    metric: str = ""
    digits: int = 4
    better: str = ""


@dataclass
class Measured:
    """The answer of one command.

    Attributes:
        command: Name of the command.
        title: Heading of its table.
        numbers: The numbers, first the one asked for.
        inputs: Role (``"real"``, ``"fake"``, ...) -> what was read.
        judge: What made the features; empty where no network looked.
        settings: Every option that moves the number.
        notes: What the reader of the number should know.
        details: Further results that are no single numbers.
    """

    command: str
    title: str
    numbers: list[Number]
    inputs: Mapping[str, Mapping[str, Any]]
    judge: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    details: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def heard(notes: list[str]) -> Iterator[None]:
    """Collects the warnings of the block as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    notes += dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, UserWarning | RuntimeWarning))


def show(found: Measured, *, as_json: bool, quiet: bool, began: float) -> None:
    """Prints the answer to stdout, and to stderr what to know about it.

    Args:
        found: The answer.
        as_json: Print JSON instead of the table.
        quiet: Leave the notes out; they stand in the JSON all the same.
        began: ``time.perf_counter()`` when the command started.
    """
    seconds = time.perf_counter() - began
    if as_json:
        stdout.print_json(json.dumps(_record(found, seconds), allow_nan=False), ensure_ascii=False)
    else:
        spans = any(number.low is not None for number in found.numbers)
        rows = [_cells(number, spans) for number in found.numbers]
        table(
            escape(found.title),
            ("", "value", "95 % interval", "unit") if spans else ("", "value", "unit"),
            rows,
            right=(1,),
        )
    if not quiet:
        for text in found.notes:
            note(f"note: {text}")
        note(f"{seconds:.1f} s")


def _cells(number: Number, spans: bool) -> tuple[str, ...]:
    row = _row(number)
    span = ""
    if number.low is not None and number.high is not None:
        span = f"{number.low:,.{number.digits}f} .. {number.high:,.{number.digits}f}"
    arrow = f" {ARROWS[row['better']]}" if "better" in row else ""
    cells = (f"{escape(number.label)}{arrow}", f"{number.value:,.{number.digits}f}", *([span] if spans else []))
    return (*cells, str(row.get("unit", "")))


def _row(number: Number) -> dict[str, Any]:
    from faceeval.metrics.table import METRICS

    spec = METRICS.get(number.metric or number.key)
    if spec is None:
        return {}
    better = number.better or spec.direction
    return {"unit": spec.unit, **({} if better == "neither" else {"better": better}), "version": spec.version}


def _record(found: Measured, seconds: float) -> dict[str, Any]:
    values = {}
    for number in found.numbers:
        ends = {} if number.low is None else {"low": number.low, "high": number.high}
        values[number.key] = {"value": number.value, **ends, "label": number.label, **_row(number)}
    record: dict[str, Any] = _plain(
        {
            "metric": found.command,
            "values": values,
            "inputs": found.inputs,
            "judge": found.judge or None,
            "settings": found.settings,
            "details": found.details,
            "notes": found.notes,
            "versions": _versions(),
            "platform": f"{platform.system()} {platform.machine()}",
            "command": shlex.join(["faceeval", *sys.argv[1:]]),
            "seconds": round(seconds, 3),
        }
    )
    return record


def _plain(value: Any) -> Any:
    """Returns what JSON can hold of it: infinity and NaN, which it cannot, become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _versions() -> dict[str, str]:
    versions = {"faceeval": __version__, "python": platform.python_version()}
    for package, module in PACKAGES.items():
        if module in sys.modules:
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                versions[package] = "unknown"
    return versions
