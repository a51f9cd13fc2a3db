# SPDX-License-Identifier: MIT
"""Metrics as plain functions of arrays: no images on disk, no files, no networks; usable from any project.

One module for each question: ``realism``, ``quality``, ``attribute``, ``preservation``, ``identity``, ``fidelity``;
``bootstrap`` gives any of them an interval and ``table.METRICS`` lists them all. Arguments are numpy arrays, or torch
tensors on any device and of any float type; values come back in float64.
"""

from faceeval.metrics.attribute import (
    CONFLICTS,
    balanced_accuracy,
    excluded_columns,
    flip_accuracy,
    flip_success,
    per_class_recall,
    preservation_accuracy,
    preservation_accuracy_to_labels,
)
from faceeval.metrics.bootstrap import Interval, bootstrap_difference, bootstrap_mean, bootstrap_statistic
from faceeval.metrics.fidelity import FidelitySummary, fidelity_score, fidelity_summary, ideal_fidelity, realness
from faceeval.metrics.gaussian import GaussianStats, principal_components
from faceeval.metrics.identity import identity_similarity, verification_auc
from faceeval.metrics.preservation import background_error, counterfactual_error, pixel_rmse, psnr, ssim
from faceeval.metrics.quality import DFNSummary, dfn_ratios, dfn_summary
from faceeval.metrics.realism import SmallSampleWarning, frechet_distance, frechet_distance_pca
from faceeval.metrics.table import METRICS, MetricSpec

__all__ = [
    "CONFLICTS",
    "METRICS",
    "DFNSummary",
    "FidelitySummary",
    "GaussianStats",
    "Interval",
    "MetricSpec",
    "SmallSampleWarning",
    "background_error",
    "balanced_accuracy",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_statistic",
    "counterfactual_error",
    "dfn_ratios",
    "dfn_summary",
    "excluded_columns",
    "fidelity_score",
    "fidelity_summary",
    "flip_accuracy",
    "flip_success",
    "frechet_distance",
    "frechet_distance_pca",
    "ideal_fidelity",
    "identity_similarity",
    "per_class_recall",
    "pixel_rmse",
    "preservation_accuracy",
    "preservation_accuracy_to_labels",
    "principal_components",
    "psnr",
    "realness",
    "ssim",
    "verification_auc",
]
