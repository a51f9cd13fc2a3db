# SPDX-License-Identifier: MIT
"""``faceeval metric``: one measure of one's own images, features or lists, without method, benchmark or protocol."""

from __future__ import annotations

import typer

from faceeval.cli import metric_features, metric_lists, metric_pairs, metric_sets

app = typer.Typer(
    help="One measure of your own images: two sets, edits and their sources, or lists.", no_args_is_help=True
)
for command in (
    metric_sets.fid,
    metric_features.fid_infinity,
    metric_features.kid,
    metric_features.prdc,
    metric_pairs.dfn,
    metric_pairs.similarity,
    metric_pairs.rmse,
    metric_pairs.psnr,
    metric_pairs.ssim,
    metric_lists.verification,
    metric_lists.study,
    metric_features.features,
):
    app.command()(command)
