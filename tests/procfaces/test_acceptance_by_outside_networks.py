# SPDX-License-Identifier: MIT
"""The embedded faces before face networks that never saw them: are they faces, and are they different people?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faceeval.data.procfaces.factors import Factors
from faceeval.data.procfaces.plan import IMAGES_PER_IDENTITY
from faceeval.data.procfaces.population import identity_of, indices_of, sample_factors
from faceeval.data.procfaces.render import Rendering, render
from faceeval.data.selection import select
from faceeval.metrics.identity import verification_auc

if TYPE_CHECKING:
    from dlib_recogniser import Recogniser

pytestmark = pytest.mark.faces
SIZE = 160
TEST = indices_of("test")
NEEDS = "needs the extra `faces`: pip install 'faceeval[faces]', or make faces"


@pytest.fixture(scope="module")
def detector() -> Any:
    """MTCNN as published; no face of the set is smaller than a quarter of the picture, and tiny ones cost minutes."""
    return pytest.importorskip("facenet_pytorch", reason=NEEDS).MTCNN(min_face_size=SIZE // 4)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    models = pytest.importorskip("face_recognition_models", reason=NEEDS)
    from dlib_recogniser import Recogniser

    return Recogniser(Path(models.face_recognition_model_location()))


def test_mtcnn_finds_the_faces(detector: Any) -> None:
    """A face counts as found when the box holds both eyes, the nose and both corners of the mouth."""
    chosen = select(500, [f"procfaces-{index:05d}" for index in TEST], "faceeval/1/acceptance/detector")
    found = 0
    for start in range(0, len(chosen), 50):
        faces = [render(sample_factors(int(name[-5:])), SIZE) for name in chosen[start : start + 50]]
        boxes, _ = detector.detect(np.stack([face.image.transpose(1, 2, 0) for face in faces]))
        found += sum(_inside(face, box) for face, box in zip(faces, boxes, strict=True))
    print(f"MTCNN finds {found} of {len(chosen)}")
    assert found >= 0.97 * len(chosen)


def _inside(face: Rendering, boxes: Any) -> bool:
    if boxes is None:
        return False
    left, top, right, bottom = np.asarray(boxes, np.float64)[0]  # an array of objects under numpy 2
    x, y = face.landmarks5.T
    return bool((x > left).all() and (x < right).all() and (y > top).all() and (y < bottom).all())


def test_dlib_tells_the_people_apart(recogniser: Recogniser) -> None:
    """Everybody keeps age, hair, beard, glasses and make-up; pose, expression, light and camera vary as sampled."""
    auc = _auc(recogniser, _as_in_the_first)
    print(f"dlib's recogniser, the same age, hair, beard, glasses and make-up: AUC {auc:.4f}")
    assert auc >= 0.97


def test_dlib_still_tells_people_apart_who_change_all_they_wear(recogniser: Recogniser) -> None:
    """Lower, since the set's people are 25 on one picture and 80 on the next, with and without beard and glasses."""
    auc = _auc(recogniser, lambda face, first: face)
    print(f"dlib's recogniser, images as sampled: AUC {auc:.4f}")
    assert auc > 0.80


def _as_in_the_first(face: Factors, first: Factors) -> Factors:
    """What the person wears on the first picture; a smile and an open mouth are expression and stay as sampled."""
    attributes, details = face.attributes, face.details
    return replace(
        face,
        attributes=replace(first.attributes, smiling=attributes.smiling, mouth_open=attributes.mouth_open),
        details=replace(first.details, mouth_gap=details.mouth_gap),
    )


def _auc(recogniser: Recogniser, change: Callable[[Factors, Factors], Factors]) -> float:
    """Over all pairs among 60 people's first 6 pictures; ``change`` gets each face and its person's first."""
    import torch
    from dlib_recogniser import align

    people = sorted({identity_of(index) for index in TEST})
    chosen = [int(name) for name in select(60, map(str, people), "faceeval/1/acceptance/recogniser")]
    chips = []
    for person in chosen:
        first, *others = (sample_factors(person * IMAGES_PER_IDENTITY + slot) for slot in range(6))
        for face in (first, *others):
            shown = render(change(face, first), SIZE)
            chips.append(align(shown.image, shown.landmarks5[:2]))
    embeddings = recogniser(torch.stack(chips))
    upper = np.triu_indices(len(embeddings), 1)
    owner: NDArray[np.int64] = np.repeat(chosen, 6)
    distances = np.linalg.norm(embeddings[upper[0]] - embeddings[upper[1]], axis=1)
    return verification_auc(-distances, owner[upper[0]] == owner[upper[1]])
