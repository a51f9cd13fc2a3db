# SPDX-License-Identifier: MIT
"""``faceeval data``: everything about datasets."""

from __future__ import annotations

import typer

from faceeval.cli import data_align, data_export, data_sets, data_split

app = typer.Typer(help="List, build, verify, look at and write datasets.", no_args_is_help=True)
app.command("list")(data_sets.list_datasets)
for command in (
    data_sets.build,
    data_sets.verify,
    data_sets.show,
    data_sets.prune,
    data_align.align,
    data_export.export,
    data_split.split,
):
    app.command()(command)
