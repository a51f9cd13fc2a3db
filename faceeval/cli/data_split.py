# SPDX-License-Identifier: MIT
"""``faceeval data split``: the lists of images that a paper's protocol uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from faceeval.cli.console import note, progress, stdout, table
from faceeval.cli.data_sets import Root
from faceeval.errors import InputError, OutputError, unknown_name

if TYPE_CHECKING:
    from faceeval.data.splits.named_lists import Split

FILTERS = ("clusters", "score")


def split(
    protocol: Annotated[str | None, typer.Argument(help="Protocol; none lists them.", show_default=False)] = None,
    attr: Annotated[str, typer.Option("--attr", "-a", help="Attribute, or DIAT's task.")] = "",
    name: Annotated[str, typer.Option("--data", "-d", help="Dataset.")] = "procfaces",
    root: Root = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the names: a .json file, or a folder of .txt files.")
    ] = None,
    count: Annotated[int | None, typer.Option("-n", "--count", help="Instead of the protocol's number.")] = None,
    filter_by: Annotated[str, typer.Option("--filter", help="DIAT's filter: clusters or score.")] = "clusters",
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, max=1, help="Of the score; more is dropped.")
    ] = None,
    centroids: Annotated[
        Path | None, typer.Option("--centroids", help="File of the clusters: read, or written after fitting.")
    ] = None,
) -> None:
    """Print the lists of a protocol's split with their digests, and save them; without one, list the protocols."""
    if protocol is None:
        _list_protocols()
        return
    made = _make(protocol, attr, name, root, out, count, filter_by, threshold, centroids)
    from faceeval.data.splits.rules import published

    # of another number or another filter, nothing is published
    usual = count is None and filter_by == "clusters" and centroids is None
    _print(made, published(name, made.key) if usual else {})
    if out is not None:
        _save(out, made, name)
        note(f"saved: {out}")


def _make(
    protocol: str,
    attr: str,
    name: str,
    root: Path | None,
    out: Path | None,
    count: int | None,
    filter_by: str,
    threshold: float | None,
    centroids: Path | None,
) -> Split:
    """Checks all that can be checked before files are opened, then opens them and applies the rule."""
    from faceeval.data.landmarks.filter import THRESHOLD
    from faceeval.data.splits.inputs import open_split_input
    from faceeval.data.splits.rules import SPLIT_RULES, check_request, make_split

    check_request(protocol, attr, count)
    filtering = filter_by != "clusters" or threshold is not None or centroids is not None
    if filtering and not SPLIT_RULES[protocol].landmarks:
        got = "--filter, --threshold or --centroids"
        raise InputError(f"no filter for {protocol}", got, "leave it out; diat alone filters landmarks")
    if filter_by not in FILTERS:
        raise unknown_name("filter", filter_by, FILTERS)
    if out is not None:
        _check_place(out)
    with progress() as bar:
        given = open_split_input(
            protocol,
            name,
            root,
            filter_by=cast("Literal['clusters', 'score']", filter_by),
            threshold=THRESHOLD if threshold is None else threshold,
            centroids=centroids,
            progress=bar(f"reading {name}"),
        )
        return make_split(protocol, given, attr, count)


def _list_protocols() -> None:
    from faceeval.data.splits.rules import SPLIT_RULES

    rows = [
        (name, ", ".join(rule.choices) or "-", rule.printed, rule.ours) for name, rule in sorted(SPLIT_RULES.items())
    ]
    table("", ("protocol", "--attr", "the paper", "our rule where it is silent"), rows)


def _print(made: Split, known: Mapping[str, str]) -> None:
    rows = []
    for entry in made.lists:
        verdict = "-" if entry.name not in known else "yes" if known[entry.name] == entry.sha256 else "NO"
        rows.append((entry.name, str(len(entry)), str(entry.asked or "all"), entry.sha256, verdict))
    table("", ("list", "count", "wanted", "sha256 of the names", "as published"), rows, right=(1, 2))
    for chain in made.chains:
        stdout.print(f"chain of {len(chain)}: {', '.join(chain) or 'nothing, the control'}", markup=False)
    for entry in made.lists:
        if entry.short:
            note(f"{entry.name} is short: {len(entry)} of {entry.asked}")
    for line in made.notes:
        note(line)
    if "NO" in [verdict for *_, verdict in rows]:
        note("these are not the published lists: other data, or another version of faceeval")


def _check_place(out: Path) -> None:
    """Refuses, before anything is read, a place that cannot be written to."""
    if out.suffix == ".json" and out.is_dir():
        raise OutputError("a file to write", f"{out}, which is a folder", "name another file")
    if out.suffix != ".json" and out.is_file():
        raise OutputError(
            "a folder, or a file that ends in .json", f"{out}, which is another file", "name another place"
        )


def _save(out: Path, made: Split, data: str) -> None:
    """Writes one JSON file with everything, or a text file for each list and, last, a JSON file with their digests."""
    from faceeval.atomic import write_whole

    whole = out.suffix == ".json"
    lists: dict[str, dict[str, Any]] = {}
    for entry in made.lists:
        lists[entry.name] = {"count": len(entry), "wanted": entry.asked, "sha256": entry.sha256}
        if whole:
            lists[entry.name]["names"] = list(entry.names)
        else:  # without a line end after the last name: so `sha256sum` gives the digest
            write_whole(out / f"{entry.name}.txt", "\n".join(entry.names).encode())
    record = {"split": made.key, "data": data, "lists": lists, "chains": made.chains, "notes": made.notes}
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    write_whole(out if whole else out / "split.json", content.encode())
