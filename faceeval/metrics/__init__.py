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
from faceeval.metrics.facenet_loop import FacenetSummary, OutsideGridWarning, facenet_summary
from faceeval.metrics.fidelity import FidelitySummary, fidelity_score, fidelity_summary, ideal_fidelity, realness
from faceeval.metrics.folds import (
    FoldAccuracies,
    consecutive_folds,
    fold_standard_error,
    verification_accuracy,
    verification_folds,
)
from faceeval.metrics.gaussian import GaussianStats, principal_components
from faceeval.metrics.identification import (
    IdentificationSummary,
    cumulative_match,
    identification_ranks,
    identification_summary,
    rank_k_accuracy,
)
from faceeval.metrics.identity import identity_similarity, pair_similarity, verification_auc
from faceeval.metrics.preservation import background_error, counterfactual_error, pixel_rmse, psnr, ssim
from faceeval.metrics.quality import DFNSummary, dfn_ratios, dfn_summary
from faceeval.metrics.realism import SmallSampleWarning, frechet_distance, frechet_distance_pca
from faceeval.metrics.retrieval import (
    chance_angle_error,
    chance_attribute_accuracy,
    chance_precision,
    nearest_neighbours,
    retrieval_angle_error,
    retrieval_attribute_accuracy,
    retrieval_precision,
)
from faceeval.metrics.roc import (
    OperatingPoint,
    ROCPoints,
    equal_error_rate,
    operating_point,
    roc_points,
    tar_at_far,
    wilson_interval,
)
from faceeval.metrics.table import METRICS, MetricSpec
from faceeval.metrics.thresholds import HeldOutAccuracy, best_threshold, held_out_accuracy
from faceeval.metrics.verification import VerificationSummary, verification_summary, verify_embeddings

__all__ = [
    "CONFLICTS",
    "METRICS",
    "DFNSummary",
    "FacenetSummary",
    "FidelitySummary",
    "FoldAccuracies",
    "GaussianStats",
    "HeldOutAccuracy",
    "IdentificationSummary",
    "Interval",
    "MetricSpec",
    "OperatingPoint",
    "OutsideGridWarning",
    "ROCPoints",
    "SmallSampleWarning",
    "VerificationSummary",
    "background_error",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_statistic",
    "chance_angle_error",
    "chance_attribute_accuracy",
    "chance_precision",
    "consecutive_folds",
    "counterfactual_error",
    "cumulative_match",
    "dfn_ratios",
    "dfn_summary",
    "equal_error_rate",
    "excluded_columns",
    "facenet_summary",
    "fidelity_score",
    "fidelity_summary",
    "flip_accuracy",
    "flip_success",
    "fold_standard_error",
    "frechet_distance",
    "frechet_distance_pca",
    "held_out_accuracy",
    "ideal_fidelity",
    "identification_ranks",
    "identification_summary",
    "identity_similarity",
    "nearest_neighbours",
    "operating_point",
    "pair_similarity",
    "per_class_recall",
    "pixel_rmse",
    "preservation_accuracy",
    "preservation_accuracy_to_labels",
    "principal_components",
    "psnr",
    "rank_k_accuracy",
    "realness",
    "retrieval_angle_error",
    "retrieval_attribute_accuracy",
    "retrieval_precision",
    "roc_points",
    "ssim",
    "tar_at_far",
    "verification_accuracy",
    "verification_auc",
    "verification_folds",
    "verification_summary",
    "verify_embeddings",
    "wilson_interval",
]
