# SPDX-License-Identifier: MIT
"""Metrics as plain functions of arrays: no images on disk, no files, no networks; usable from any project.

A module for each measure or two, a page of the documentation for each question; ``bootstrap`` gives any of them an
interval, ``compare`` says which of two methods wins, and ``table.METRICS`` lists them all. Arguments are numpy arrays,
or torch tensors on any device and of any float type; values come back in float64.
"""

from faceeval.metrics.attack import ATTACK_THRESHOLDS, AttackResult, feature_attack, shuffled_perturbation
from faceeval.metrics.attribute import (
    balanced_accuracy,
    flip_accuracy,
    flip_success,
    per_class_recall,
    preservation_accuracy,
    preservation_accuracy_to_labels,
    preservation_error,
    preservation_error_to_labels,
)
from faceeval.metrics.bias import frechet_distance_bias
from faceeval.metrics.bootstrap import Interval, bootstrap_difference, bootstrap_mean, bootstrap_statistic
from faceeval.metrics.compare import Comparison, compare, compare_all
from faceeval.metrics.conflicts import CONFLICTS, contradictions, excluded_columns, labels_after_edit
from faceeval.metrics.crossfit import JudgedEdits, cross_fitted_fidelity, cross_fitted_realness
from faceeval.metrics.descent import AttackBudget
from faceeval.metrics.detection import (
    DetectionSummary,
    detection_ablations,
    detection_accuracy,
    detection_summary,
    distance_detection,
    reconstruction_distance,
)
from faceeval.metrics.editing import EditSummary, edit_summary
from faceeval.metrics.expression import (
    EXPRESSION_MLP,
    EXPRESSION_MLP_FOUR_LAYERS,
    EXPRESSIONS,
    ExpressionIntervals,
    ExpressionSummary,
    class_weights,
    expression_auc,
    expression_probabilities,
    one_vs_rest_auc,
    one_vs_rest_intervals,
)
from faceeval.metrics.extrapolation import (
    FrechetExtrapolation,
    frechet_distance_extrapolation,
    frechet_distance_infinity,
)
from faceeval.metrics.facenet_loop import FacenetSummary, OutsideGridWarning, facenet_summary
from faceeval.metrics.fidelity import (
    EditCountFidelity,
    FidelityMatrix,
    FidelitySummary,
    fidelity_by_edit_count,
    fidelity_score,
    fidelity_summary,
    ideal_fidelity,
    legacy_fidelity_matrix,
    realness,
)
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
from faceeval.metrics.identity_probe import LEAKAGE_MLP, IdentityProbe, identity_probe
from faceeval.metrics.jackknife import JackknifeEstimate, jackknife_statistic
from faceeval.metrics.kernel import KernelDistance, kernel_distance, kernel_distance_subsets
from faceeval.metrics.linked import grouped_folds, linked_groups
from faceeval.metrics.manifold import (
    ManifoldScores,
    expected_coverage,
    manifold_coverage,
    manifold_density,
    manifold_precision,
    manifold_recall,
    manifold_scores,
)
from faceeval.metrics.mlp import MLPSettings
from faceeval.metrics.neighbours import DuplicateWarning
from faceeval.metrics.paired_tests import holm, sign_flip_p_value
from faceeval.metrics.path import path_evenness, path_straightness
from faceeval.metrics.perceptual import feature_map_distance, perceptual_distance
from faceeval.metrics.pose import OpenFacePose, PoseSummary, linear_pose, openface_pose, pose_error, pose_summary
from faceeval.metrics.preservation import (
    background_error,
    counterfactual_error,
    pixel_l1_error,
    pixel_rmse,
    psnr,
    ssim,
)
from faceeval.metrics.probes import LeakageSummary, identity_leakage
from faceeval.metrics.quality import DFNSummary, RejectCurve, dfn_ratios, dfn_summary, error_versus_reject
from faceeval.metrics.ranks import rank_score, rank_to_percent, tied_ranks
from faceeval.metrics.realism import SmallSampleWarning, frechet_distance, frechet_distance_pca
from faceeval.metrics.reconstruction import quantise, rms_of_image_l1, rmse_pixel_global, rmse_pixel_mean
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
from faceeval.metrics.simultaneous import PairDifference, simultaneous_differences
from faceeval.metrics.strength import always_rises, curve_fall, strength_monotonicity
from faceeval.metrics.study import FriedmanTest, StudySummary, friedman_test, kendall_w, study_summary
from faceeval.metrics.table import METRICS, MetricSpec
from faceeval.metrics.texture import lbp_features, lbp_labels
from faceeval.metrics.thresholds import HeldOutAccuracy, best_threshold, held_out_accuracy
from faceeval.metrics.triplet import (
    expression_distance,
    expression_triplets,
    style_triplets,
    triplet_accuracy,
    triplet_outcomes,
    unit_affect,
)
from faceeval.metrics.verification import VerificationSummary, verification_summary, verify_embeddings

__all__ = [
    "ATTACK_THRESHOLDS",
    "CONFLICTS",
    "EXPRESSIONS",
    "EXPRESSION_MLP",
    "EXPRESSION_MLP_FOUR_LAYERS",
    "LEAKAGE_MLP",
    "METRICS",
    "AttackBudget",
    "AttackResult",
    "Comparison",
    "DFNSummary",
    "DetectionSummary",
    "DuplicateWarning",
    "EditCountFidelity",
    "EditSummary",
    "ExpressionIntervals",
    "ExpressionSummary",
    "FacenetSummary",
    "FidelityMatrix",
    "FidelitySummary",
    "FoldAccuracies",
    "FrechetExtrapolation",
    "FriedmanTest",
    "GaussianStats",
    "HeldOutAccuracy",
    "IdentificationSummary",
    "IdentityProbe",
    "Interval",
    "JackknifeEstimate",
    "JudgedEdits",
    "KernelDistance",
    "LeakageSummary",
    "MLPSettings",
    "ManifoldScores",
    "MetricSpec",
    "OpenFacePose",
    "OperatingPoint",
    "OutsideGridWarning",
    "PairDifference",
    "PoseSummary",
    "ROCPoints",
    "RejectCurve",
    "SmallSampleWarning",
    "StudySummary",
    "VerificationSummary",
    "always_rises",
    "background_error",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_statistic",
    "chance_angle_error",
    "chance_attribute_accuracy",
    "chance_precision",
    "class_weights",
    "compare",
    "compare_all",
    "consecutive_folds",
    "contradictions",
    "counterfactual_error",
    "cross_fitted_fidelity",
    "cross_fitted_realness",
    "cumulative_match",
    "curve_fall",
    "detection_ablations",
    "detection_accuracy",
    "detection_summary",
    "dfn_ratios",
    "dfn_summary",
    "distance_detection",
    "edit_summary",
    "equal_error_rate",
    "error_versus_reject",
    "excluded_columns",
    "expected_coverage",
    "expression_auc",
    "expression_distance",
    "expression_probabilities",
    "expression_triplets",
    "facenet_summary",
    "feature_attack",
    "feature_map_distance",
    "fidelity_by_edit_count",
    "fidelity_score",
    "fidelity_summary",
    "flip_accuracy",
    "flip_success",
    "fold_standard_error",
    "frechet_distance",
    "frechet_distance_bias",
    "frechet_distance_extrapolation",
    "frechet_distance_infinity",
    "frechet_distance_pca",
    "friedman_test",
    "grouped_folds",
    "held_out_accuracy",
    "holm",
    "ideal_fidelity",
    "identification_ranks",
    "identification_summary",
    "identity_leakage",
    "identity_probe",
    "identity_similarity",
    "jackknife_statistic",
    "kendall_w",
    "kernel_distance",
    "kernel_distance_subsets",
    "labels_after_edit",
    "lbp_features",
    "lbp_labels",
    "legacy_fidelity_matrix",
    "linear_pose",
    "linked_groups",
    "manifold_coverage",
    "manifold_density",
    "manifold_precision",
    "manifold_recall",
    "manifold_scores",
    "nearest_neighbours",
    "one_vs_rest_auc",
    "one_vs_rest_intervals",
    "openface_pose",
    "operating_point",
    "pair_similarity",
    "path_evenness",
    "path_straightness",
    "per_class_recall",
    "perceptual_distance",
    "pixel_l1_error",
    "pixel_rmse",
    "pose_error",
    "pose_summary",
    "preservation_accuracy",
    "preservation_accuracy_to_labels",
    "preservation_error",
    "preservation_error_to_labels",
    "principal_components",
    "psnr",
    "quantise",
    "rank_k_accuracy",
    "rank_score",
    "rank_to_percent",
    "realness",
    "reconstruction_distance",
    "retrieval_angle_error",
    "retrieval_attribute_accuracy",
    "retrieval_precision",
    "rms_of_image_l1",
    "rmse_pixel_global",
    "rmse_pixel_mean",
    "roc_points",
    "shuffled_perturbation",
    "sign_flip_p_value",
    "simultaneous_differences",
    "ssim",
    "strength_monotonicity",
    "study_summary",
    "style_triplets",
    "tar_at_far",
    "tied_ranks",
    "triplet_accuracy",
    "triplet_outcomes",
    "unit_affect",
    "verification_accuracy",
    "verification_auc",
    "verification_folds",
    "verification_summary",
    "verify_embeddings",
    "wilson_interval",
]
