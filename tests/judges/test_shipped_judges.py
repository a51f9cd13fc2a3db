# SPDX-License-Identifier: MIT
"""The weights in the package: what their cards say is so."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from faceeval.data.procfaces.factors import ATTRIBUTE_NAMES, attribute_value
from faceeval.data.procfaces.population import affect_of, identity_of, sample_factors
from faceeval.data.procfaces.render import render
from faceeval.judges import load_judge
from faceeval.judges.attribute_classifier import AttributeClassifier
from faceeval.judges.checkpoint import SHIPPED
from faceeval.judges.evaluation import JudgeLabels, evaluate_judge
from faceeval.judges.procfaces import ProcfacesJudge

COUNT = 200
FIRST = 9000  # of the test split
LIMITS = {"procfaces": 4_000_000, "procfaces-teacher": 1_000_000}


@cache
def _faces() -> tuple[np.ndarray, JudgeLabels]:
    """200 faces of the test split: all pictures of ten people."""
    factors = [sample_factors(index) for index in range(FIRST, FIRST + COUNT)]
    labels = JudgeLabels(
        identities=np.array([identity_of(index) for index in range(FIRST, FIRST + COUNT)]),
        attributes=np.array([[attribute_value(face, name) for name in ATTRIBUTE_NAMES] for face in factors], np.uint8),
        attribute_names=ATTRIBUTE_NAMES,
        expression=np.array([affect_of(face)[0] for face in factors]),
        pose=np.array([[face.pose.yaw, face.pose.pitch, face.pose.roll] for face in factors], np.float32),
    )
    return np.stack([render(face, 64).image for face in factors]), labels


@pytest.mark.parametrize("name", LIMITS)
def test_weights_are_small(name: str) -> None:
    assert (SHIPPED / f"{name}.safetensors").stat().st_size < LIMITS[name]


@pytest.mark.parametrize("judge_class", [ProcfacesJudge, AttributeClassifier])
def test_the_card_is_reproduced_on_a_part_of_the_test_split(
    judge_class: type[ProcfacesJudge] | type[AttributeClassifier],
) -> None:
    judge = judge_class()
    card, found = judge.card["test"], evaluate_judge(judge, *_faces(), n_pairs=500)
    assert judge.attribute_names == ATTRIBUTE_NAMES
    for name, row in found["attributes"].items():
        printed = card["attributes"][name]["accuracy"]
        # four standard errors of a share over 200 faces, and one face for shares of nearly 1
        assert abs(row["accuracy"] - printed) < 4 * np.sqrt(printed * (1 - printed) / COUNT) + 1 / COUNT, name
    if "verification" in card:
        assert abs(found["verification"]["auc"] - card["verification"]["auc"]) < 0.06
        for axis, error in card["pose_error_degrees"].items():
            assert found["pose_error_degrees"][axis] == pytest.approx(error, rel=0.35)


def test_the_judges_reach_what_they_are_shipped_for() -> None:
    card = ProcfacesJudge().card
    assert card["test"]["n"] == 4000
    assert card["test"]["attribute_accuracy_least"] >= 0.95
    assert card["test"]["verification"]["auc"] >= 0.95
    assert max(card["test"]["pose_error_degrees"].values()) <= 4
    assert card["cpu_seconds"] < 15 * 60
    assert card["seed"] != AttributeClassifier().card["seed"]


def test_ruined_faces_have_shorter_embeddings() -> None:
    """The length means something, as DFN supposes: noise, and two faces in one, shorten it."""
    images = torch.from_numpy(_faces()[0][:100])
    chance = torch.Generator().manual_seed(0)
    noisy = (images + 60 * torch.randn(images.shape, generator=chance)).clamp(0, 255).round().to(torch.uint8)
    merged = ((images.float() + images.flip(0).float()) / 2).round().to(torch.uint8)
    judge = load_judge("procfaces")
    norms = [np.linalg.norm(judge(faces)["embedding"], axis=1) for faces in (images, noisy, merged)]
    assert np.median(norms[1] / norms[0]) < 0.95
    assert np.median(norms[2] / norms[0]) < 0.95
