# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_faces import Faces

from faceeval.errors import InputError
from faceeval.judges import load_judge
from faceeval.judges.evaluation import evaluate_judge, evaluate_outputs, verification_pairs


def _perfect(faces: Faces) -> dict[str, np.ndarray]:
    labels = faces[1]
    return {
        "embedding": np.eye(8, dtype=np.float32)[labels.identities] * 7,
        "attributes": labels.attributes.astype(np.float32) * 2 - 1,
        "expression": np.eye(8, dtype=np.float32)[labels.expression],
        "pose": labels.pose,
    }


def test_perfect_answers_get_perfect_numbers(test_faces: Faces) -> None:
    card = evaluate_outputs(_perfect(test_faces), test_faces[1], n_pairs=100)
    assert card["attribute_accuracy_mean"] == card["attribute_accuracy_least"] == 1
    assert card["verification"]["auc"] == card["verification"]["rank1"] == 1
    assert card["expression_accuracy"] == 1
    assert card["pose_error_degrees"] == {"yaw": 0, "pitch": 0, "roll": 0}


def test_known_errors_are_counted(test_faces: Faces) -> None:
    answers = _perfect(test_faces)
    answers["attributes"][:, 1] *= -1  # always wrong
    answers["attributes"][:, 2] = 1  # always yes
    answers["pose"] = answers["pose"] + np.float32([3, 0, -2])
    card = evaluate_outputs(answers, test_faces[1], n_pairs=100)
    rows = card["attributes"]
    assert rows["Eyeglasses"]["accuracy"] == 1
    assert rows["Mouth_Slightly_Open"]["accuracy"] == 0
    assert rows["Blond_Hair"]["balanced_accuracy"] == 0.5
    assert rows["Blond_Hair"]["accuracy"] == rows["Blond_Hair"]["positive_share"]
    assert card["pose_error_degrees"] == pytest.approx({"yaw": 3, "pitch": 0, "roll": 2}, abs=1e-5)


def test_pairs_are_what_they_say_and_fixed() -> None:
    identities = np.repeat(np.arange(20), 5)
    pairs, same = verification_pairs(identities, 50)
    assert len(pairs) == 100
    assert same.sum() == 50
    np.testing.assert_array_equal(identities[pairs[:, 0]] == identities[pairs[:, 1]], same)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len({tuple(pair) for pair in pairs.tolist()}) == 100
    np.testing.assert_array_equal(pairs, verification_pairs(identities, 50)[0])


@pytest.mark.parametrize("identities", [np.zeros(10, np.int64), np.arange(10)])
def test_pairs_need_several_people_more_than_once(identities: np.ndarray) -> None:
    with pytest.raises(InputError, match="no pair"):
        verification_pairs(identities, 5)


def test_a_judge_is_asked_with_its_own_columns(trained: Path, test_faces: Faces) -> None:
    images, labels = test_faces
    judge = load_judge("procfaces-teacher", weights_dir=trained)
    assert evaluate_judge(judge, images, labels)["n"] == 64
    with pytest.raises(InputError, match="attribute columns"):
        evaluate_judge(judge, images, replace(labels, attribute_names=labels.attribute_names[::-1]))
    with pytest.raises(InputError, match="labels of 3 faces"):
        evaluate_judge(judge, images[:3], labels)
