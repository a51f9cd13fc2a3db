# SPDX-License-Identifier: MIT
"""``faceeval list``: the names that exist."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from faceeval.cli.console import stdout, table
from faceeval.errors import unknown_name

Rows = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def _methods() -> Rows:
    from reference_models import METHODS, shipped_weights

    rows = [(name, target, ", ".join(shipped_weights(name)) or "-") for name, target in METHODS.items()]
    return ("method", "where it is", "weights shipped for"), rows


def _metrics() -> Rows:
    from faceeval.metrics.table import METRICS

    rows = [
        (name, spec.question, ", ".join(spec.needs), spec.direction, spec.unit, f"v{spec.version}", spec.source)
        for name, spec in METRICS.items()
    ]
    return ("metric", "question", "needs", "better", "unit", "version", "source"), rows


def _datasets() -> Rows:
    from faceeval.data.manifest import load_manifest, manifest_names

    rows = []
    for name in manifest_names():
        manifest = load_manifest(name)
        rows.append((name, manifest.title, manifest.licence))
    return ("dataset", "what it is", "terms"), rows


def _judges() -> Rows:
    from faceeval.judges import JUDGES

    return ("judge", "where it is"), list(JUDGES.items())


def _protocols() -> Rows:
    from faceeval.protocols import PROTOCOLS

    return ("protocol", "where it is"), list(PROTOCOLS.items())


def _attributes() -> Rows:
    from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES
    from faceeval.names import ALIASES, CELEBA_ATTRIBUTES

    rows = []
    for name in CELEBA_ATTRIBUTES:
        short = ", ".join(alias for alias, target in ALIASES.items() if target == name)
        rows.append((name, short or "-", "yes" if name in ATTRIBUTE_NAMES else "-"))
    return ("attribute", "also accepted", "on procfaces"), rows


KINDS: dict[str, Callable[[], Rows]] = {
    "methods": _methods,
    "metrics": _metrics,
    "datasets": _datasets,
    "judges": _judges,
    "protocols": _protocols,
    "attributes": _attributes,
}


def list_names(
    kind: Annotated[str, typer.Argument(help="methods, metrics, datasets, judges, protocols or attributes.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the methods, metrics, datasets, judges, protocols or attributes that exist."""
    plain = kind.strip().lower()
    plain = plain if plain in KINDS else f"{plain}s"
    if plain not in KINDS:
        raise unknown_name("list", kind, KINDS)
    columns, rows = KINDS[plain]()
    if as_json:
        stdout.print_json(json.dumps([dict(zip(columns, row, strict=True)) for row in rows]))
    else:
        table("", columns, rows)
