# SPDX-License-Identifier: MIT
"""METRICS: every metric, the question it answers, what it needs, which way is better, its unit and its version.

A change that moves a score raises the metric's version and is in the changelog under *Scores*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from faceeval.metrics import (
    attribute,
    crossfit,
    detection,
    extrapolation,
    fidelity,
    folds,
    identification,
    identity,
    kernel,
    manifold,
    perceptual,
    preservation,
    quality,
    realism,
    reconstruction,
    retrieval,
    roc,
)


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        function: What computes it from arrays.
        question: The question it answers, as a person would ask it.
        needs: What its arguments are made of, in order: "features", "embeddings", "logits", "labels", "images",
            "truth", "region" and the like, of the "source", "edited", "real" or "generated" images.
        direction: Which values are better.
        unit: Unit or range of a value.
        version: Raised by every change that moves a score.
        source: Where the formula is from.
    """

    function: Callable[..., Any]
    question: str
    needs: tuple[str, ...]
    direction: Literal["higher", "lower", "near 1"]
    unit: str
    version: int
    source: str


METRICS: Mapping[str, MetricSpec] = MappingProxyType(
    {
        "frechet_distance": MetricSpec(
            realism.frechet_distance,
            "Do the images look real as a set?",
            ("real features", "generated features"),
            "lower",
            "squared feature units",
            1,
            "Heusel et al. 2017, eq. (6)",
        ),
        "frechet_distance_pca": MetricSpec(
            realism.frechet_distance_pca,
            "Do they look real in the k directions that vary most?",
            ("real features", "generated features"),
            "lower",
            "squared feature units",
            1,
            "Tu et al., Face Attribute Inversion, section 3.3.2",
        ),
        "frechet_distance_infinity": MetricSpec(
            extrapolation.frechet_distance_infinity,
            "Would they look real as a set, were there any number of them?",
            ("real features", "generated features"),
            "lower",
            "squared feature units",
            1,
            "Chong and Forsyth 2020, section 4",
        ),
        "kernel_distance": MetricSpec(
            kernel.kernel_distance,
            "Do the images look real as a set, however few?",
            ("real features", "generated features"),
            "lower",
            "kernel units, below 0 possible",
            1,
            "Bińkowski et al. 2018, section 4",
        ),
        "manifold_precision": MetricSpec(
            manifold.manifold_precision,
            "Does each image lie where real ones do?",
            ("real features", "generated features"),
            "higher",
            "share, 0..1",
            1,
            "Kynkäänniemi et al. 2019, eq. (2)",
        ),
        "manifold_recall": MetricSpec(
            manifold.manifold_recall,
            "Is all that is real shown?",
            ("real features", "generated features"),
            "higher",
            "share, 0..1",
            1,
            "Kynkäänniemi et al. 2019, eq. (2)",
        ),
        "manifold_density": MetricSpec(
            manifold.manifold_density,
            "Do images lie where real ones are many?",
            ("real features", "generated features"),
            "higher",
            "ratio, 1 for equal distributions",
            1,
            "Naeem et al. 2020, eq. (4)",
        ),
        "manifold_coverage": MetricSpec(
            manifold.manifold_coverage,
            "Is there an image near each real one?",
            ("real features", "generated features"),
            "higher",
            "share, 0..1",
            1,
            "Naeem et al. 2020, eq. (5)",
        ),
        "dfn_ratios": MetricSpec(
            quality.dfn_ratios,
            "Did the edit cost quality as a face?",
            ("source features", "edited features"),
            "near 1",
            "ratio",
            1,
            "Tu et al., Face Attribute Inversion, section 3.3.1",
        ),
        "flip_accuracy": MetricSpec(
            attribute.flip_accuracy,
            "Did the attribute change?",
            ("edited logits", "target values"),
            "higher",
            "share, 0..1",
            1,
            "Liu et al. 2019 (STGAN)",
        ),
        "preservation_accuracy": MetricSpec(
            attribute.preservation_accuracy,
            "Did the other attributes stay, as the classifier sees them?",
            ("source logits", "edited logits", "excluded columns"),
            "higher",
            "share, 0..1",
            1,
            "Liu et al. 2019 (STGAN), released code; reference: verdict on the source",
        ),
        "preservation_accuracy_to_labels": MetricSpec(
            attribute.preservation_accuracy_to_labels,
            "Did the other attributes stay, as the labels have them?",
            ("source labels", "edited logits", "excluded columns"),
            "higher",
            "share, 0..1",
            1,
            "Liu et al. 2019 (STGAN), released code",
        ),
        "preservation_error": MetricSpec(
            attribute.preservation_error,
            "How many other attributes changed, as the classifier sees them?",
            ("source logits", "edited logits", "excluded columns"),
            "lower",
            "share, 0..1",
            1,
            "Liu et al. 2019 (STGAN), released code; reference: verdict on the source",
        ),
        "preservation_error_to_labels": MetricSpec(
            attribute.preservation_error_to_labels,
            "How many other attributes contradict the labels?",
            ("source labels", "edited logits", "excluded columns"),
            "lower",
            "share, 0..1",
            1,
            "Liu et al. 2019 (STGAN), released code",
        ),
        "balanced_accuracy": MetricSpec(
            attribute.balanced_accuracy,
            "How well are classes recognised, each counted alike?",
            ("labels", "predictions"),
            "higher",
            "share, 0..1",
            1,
            "Brodersen et al. 2010",
        ),
        "per_class_recall": MetricSpec(
            attribute.per_class_recall,
            "How well is each class recognised?",
            ("labels", "predictions"),
            "higher",
            "share, 0..1",
            1,
            "Brodersen et al. 2010",
        ),
        "identity_similarity": MetricSpec(
            identity.identity_similarity,
            "Is it still the same person?",
            ("source embeddings", "edited embeddings"),
            "higher",
            "cosine, -1..1",
            1,
            "Deng et al. 2019 (ArcFace)",
        ),
        "verification_auc": MetricSpec(
            identity.verification_auc,
            "Do similarities tell people apart?",
            ("similarities", "same person"),
            "higher",
            "probability, 0..1",
            1,
            "Hanley and McNeil 1982",
        ),
        "verification_accuracy": MetricSpec(
            folds.verification_accuracy,
            "How many pairs of faces are told rightly as one person or two?",
            ("similarities", "same person", "folds"),
            "higher",
            "share, 0..1",
            1,
            "Huang et al. 2007 (LFW), View 2",
        ),
        "equal_error_rate": MetricSpec(
            roc.equal_error_rate,
            "Where are as many strangers let in as friends turned away?",
            ("similarities", "same person"),
            "lower",
            "share, 0..1",
            1,
            "ISO/IEC 19795-1",
        ),
        "tar_at_far": MetricSpec(
            roc.tar_at_far,
            "How many of one person's pairs are accepted where hardly any stranger is?",
            ("similarities", "same person"),
            "higher",
            "share, 0..1",
            1,
            "Schroff et al. 2015 (FaceNet), section 4",
        ),
        "rank_k_accuracy": MetricSpec(
            identification.rank_k_accuracy,
            "Is the right person found in a gallery?",
            ("probe embeddings", "probe identities", "gallery embeddings", "gallery identities"),
            "higher",
            "share, 0..1",
            1,
            "Bao et al. 2018, Table 2",
        ),
        "retrieval_precision": MetricSpec(
            retrieval.retrieval_precision,
            "Do neighbours have the same label?",
            ("codes", "labels"),
            "higher",
            "share, 0..1",
            1,
            "after Browatzki and Wallraven 2019, section 5.3.4",
        ),
        "retrieval_attribute_accuracy": MetricSpec(
            retrieval.retrieval_attribute_accuracy,
            "Do neighbours have the same attributes?",
            ("codes", "attributes"),
            "higher",
            "share, 0..1",
            1,
            "after Browatzki and Wallraven 2019, section 5.3.4",
        ),
        "retrieval_angle_error": MetricSpec(
            retrieval.retrieval_angle_error,
            "Do neighbours look the same way?",
            ("codes", "angles"),
            "lower",
            "degrees, 0..180",
            1,
            "after Browatzki and Wallraven 2019, section 5.3.4",
        ),
        "pixel_rmse": MetricSpec(
            preservation.pixel_rmse,
            "How much changed, pixel by pixel?",
            ("source images", "edited images"),
            "lower",
            "grey levels, 0..255",
            1,
            "Browatzki and Wallraven 2019, Table 1",
        ),
        "pixel_l1_error": MetricSpec(
            preservation.pixel_l1_error,
            "How much changed on average, a few large errors counted little?",
            ("source images", "edited images"),
            "lower",
            "grey levels, 0..255",
            1,
            "Browatzki and Wallraven 2020 (3FabRec), released code",
        ),
        "psnr": MetricSpec(
            preservation.psnr,
            "How much changed, in decibels?",
            ("source images", "edited images"),
            "higher",
            "dB",
            1,
            "20 log10(255 / pixel_rmse)",
        ),
        "ssim": MetricSpec(
            preservation.ssim,
            "Is the local structure the same?",
            ("source images", "edited images"),
            "higher",
            "index, -1..1",
            1,
            "Wang et al. 2004, eq. (13)",
        ),
        "rmse_pixel_global": MetricSpec(
            reconstruction.rmse_pixel_global,
            "How far off are the reconstructions, all pixels together?",
            ("source images", "reconstructed images"),
            "lower",
            "grey levels, 0..255",
            1,
            "Browatzki and Wallraven 2019, Table 1, first reading",
        ),
        "rmse_pixel_mean": MetricSpec(
            reconstruction.rmse_pixel_mean,
            "How far off is a reconstruction on average?",
            ("source images", "reconstructed images"),
            "lower",
            "grey levels, 0..255",
            1,
            "Browatzki and Wallraven 2019, Table 1, second reading",
        ),
        "rms_of_image_l1": MetricSpec(
            reconstruction.rms_of_image_l1,
            "How far off are the reconstructions, by their mean absolute errors?",
            ("source images", "reconstructed images"),
            "lower",
            "grey levels, 0..255",
            1,
            "Browatzki and Wallraven 2019, Table 1, third reading",
        ),
        "perceptual_distance": MetricSpec(
            perceptual.perceptual_distance,
            "Does it look the same to a network?",
            ("source images", "edited images", "trunk", "linear weights"),
            "lower",
            "squared lengths of unit features",
            1,
            "Zhang et al. 2018 (LPIPS), eq. (1)",
        ),
        "background_error": MetricSpec(
            preservation.background_error,
            "Was what lies outside the edit left alone?",
            ("source images", "edited images", "region"),
            "lower",
            "grey levels, 0..255",
            1,
            "Sun et al., M-AAE, section 3.3",
        ),
        "counterfactual_error": MetricSpec(
            preservation.counterfactual_error,
            "Is it the true edit?",
            ("edited images", "true images", "region"),
            "lower",
            "grey levels, 0..255",
            1,
            "defined here, for faces whose factors are known",
        ),
        "fidelity_score": MetricSpec(
            fidelity.fidelity_score,
            "Does it fool one judge?",
            ("edited logits",),
            "higher",
            "probability, 0..1; 0.5 is perfect",
            1,
            "Sun et al., M-AAE, section 4.3 and Table 2",
        ),
        "cross_fitted_realness": MetricSpec(
            crossfit.cross_fitted_realness,
            "Does it fool a judge that has not seen it?",
            ("source features", "edited features"),
            "higher",
            "probability, 0..1; 0.5 is perfect",
            1,
            "Sun et al., M-AAE, section 4.3, cross-fitted",
        ),
        "detection_accuracy": MetricSpec(
            detection.detection_accuracy,
            "Can adversarial pictures be told from honest ones?",
            ("texture features", "is adversarial", "folds"),
            "higher",
            "share, 0..1; 0.5 is chance",
            1,
            "Bao et al., Open-Set Identity Preserving Face Synthesis, section 4.5 and Table 4",
        ),
        "reconstruction_distance": MetricSpec(
            detection.reconstruction_distance,
            "Does a picture come back as the same person?",
            ("embeddings", "embeddings of reconstructions"),
            "lower",
            "squared distance of unit features, 0..4",
            1,
            "Bao et al., Open-Set Identity Preserving Face Synthesis, section 4.5",
        ),
    }
)
