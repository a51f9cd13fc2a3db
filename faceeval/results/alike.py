# SPDX-License-Identifier: MIT
"""What must be equal between two results for them to differ in their method only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from faceeval.errors import InputError
from faceeval.results.records import JudgeRecord, Summary

DIGEST = re.compile(r"[0-9a-f]{64}")
SHOWN = 12  # digits of a digest that tell it from others


def conditions(summary: Summary) -> dict[str, str]:
    """Returns what a run was made under: what it is called -> what it was.

    Method, batch size, seed of the intervals, versions of packages and machine are none: they move a number by less
    than its interval, or are what is compared.
    """
    data, benchmark = summary.data, summary.benchmark
    found = {
        "data": f"{data.name} {data.split}",
        "size": f"{data.size} px",
        "attribute": summary.attribute,
        "benchmark": f"{benchmark.name} version {benchmark.version}",
        "protocol": summary.protocol,
        "digest of the data": data.digest,
        "images": f"{data.positives} with the attribute, {data.negatives} without, {data.names_sha256}",
    }
    found |= {f"judge of {role}": _judge(judge) for role, judge in sorted(summary.judges.items())}
    return found | {f"metric {name}": f"version {column.version}" for name, column in summary.columns.items()}


def _judge(judge: JudgeRecord) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in sorted(judge.settings.items()))
    return f"{judge.name} {judge.weights_sha256}" + (f" ({settings})" if settings else "")


def require_alike(made_under: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """Refuses results that differ in more than their method.

    Args:
        made_under: What each result is called, and its conditions.

    Raises:
        InputError: Two differ; the message says which, and in what.
    """
    first, wanted = made_under[0]
    for name, found in made_under[1:]:
        differing = [key for key in dict.fromkeys([*wanted, *found]) if wanted.get(key) != found.get(key)]
        if differing:
            parts = [f"{key}: {_shown(wanted.get(key))} / {_shown(found.get(key))}" for key in differing]
            raise InputError(
                "results that differ in their method only",
                f"{first} / {name} with {'; '.join(parts)}",
                "score all of them alike, or name one kind only; `faceeval report` shows each kind by itself",
            )


def _shown(value: str | None) -> str:
    return "none" if value is None else DIGEST.sub(lambda digest: digest[0][:SHOWN], value)
