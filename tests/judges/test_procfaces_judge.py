# SPDX-License-Identifier: MIT
from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_faces import NAMES, Faces
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import CheckpointError, MissingFileError
from faceeval.judges import Judge, load_judge
from faceeval.judges.checkpoint import load_network
from faceeval.judges.inputs import to_unit
from faceeval.judges.procfaces import Config, Network, ProcfacesJudge

BOTH = ("procfaces", "procfaces-teacher")


@pytest.fixture(scope="module")
def judges(trained: Path) -> dict[str, Judge]:
    return {name: load_judge(name, weights_dir=trained) for name in BOTH}


@pytest.fixture(scope="module")
def images(test_faces: Faces) -> torch.Tensor:
    return torch.from_numpy(test_faces[0])


def test_main_judge_answers_everything(judges: dict[str, Judge], images: torch.Tensor) -> None:
    answers = judges["procfaces"](images)
    shapes = {key: value.shape for key, value in answers.items()}
    assert shapes == {"embedding": (64, 128), "attributes": (64, 3), "expression": (64, 8), "pose": (64, 3)}
    assert tuple(answers) == judges["procfaces"].outputs
    assert judges["procfaces"].attribute_names == NAMES
    for value in answers.values():
        assert value.dtype == np.float32
        assert np.isfinite(value).all()


def test_teacher_answers_attributes_only(judges: dict[str, Judge], images: torch.Tensor) -> None:
    answers = judges["procfaces-teacher"](images)
    assert {key: value.shape for key, value in answers.items()} == {"attributes": (64, 3)}
    assert judges["procfaces-teacher"].outputs == ("attributes",)


def test_the_two_judges_share_no_weights(trained: Path) -> None:
    digests = {hashlib.sha256((trained / f"{name}.safetensors").read_bytes()).hexdigest() for name in BOTH}
    assert len(digests) == 2


@pytest.mark.parametrize("name", BOTH)
def test_hash_is_the_files(name: str, judges: dict[str, Judge], trained: Path) -> None:
    content = (trained / f"{name}.safetensors").read_bytes()
    assert judges[name].weights_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", BOTH)
def test_asking_twice_gives_the_same_bits(name: str, judges: dict[str, Judge], images: torch.Tensor) -> None:
    first, second = judges[name](images), judges[name](images)
    assert all(np.array_equal(first[key], second[key]) for key in first)


@settings(max_examples=8, deadline=None)
@given(batch_size=st.integers(1, 64), order=st.permutations(list(range(12))))
def test_batch_size_and_order_do_not_matter(
    trained: Path, test_faces: Faces, batch_size: int, order: list[int]
) -> None:
    chosen = torch.from_numpy(test_faces[0][:12])
    whole = load_judge("procfaces", weights_dir=trained)(chosen)
    parts = load_judge("procfaces", weights_dir=trained, batch_size=batch_size)(chosen[order])
    for key in whole:
        np.testing.assert_allclose(parts[key], whole[key][order], rtol=1e-4, atol=1e-4)


def test_other_sizes_are_resized(judges: dict[str, Judge], images: torch.Tensor) -> None:
    doubled = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    np.testing.assert_allclose(
        judges["procfaces"](doubled)["attributes"], judges["procfaces"](images)["attributes"], atol=4.0
    )
    assert judges["procfaces"](images[:2, :, 8:56, 8:56])["pose"].shape == (2, 3)


def test_embedding_length_is_free(judges: dict[str, Judge], images: torch.Tensor) -> None:
    norms = np.linalg.norm(judges["procfaces"](images)["embedding"], axis=1)
    assert norms.std() / norms.mean() > 1e-2  # 0 for a normalised embedding


def test_folding_changes_nothing(trained: Path, images: torch.Tensor) -> None:
    plain, _, _ = load_network("procfaces", trained, Config, Network)
    judge = ProcfacesJudge(weights_dir=trained)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in judge.network.modules())
    with torch.inference_mode():
        expected = plain(to_unit(images, 64))
    for key, value in judge(images).items():
        np.testing.assert_allclose(value, expected[key].numpy(), rtol=1e-3, atol=1e-3)


def test_network_is_frozen_but_lets_gradients_through(trained: Path, images: torch.Tensor) -> None:
    network = ProcfacesJudge(weights_dir=trained).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    faces = to_unit(images[:2], 64).requires_grad_(True)
    network(faces)["attributes"].sum().backward()
    assert faces.grad is not None
    assert faces.grad.abs().sum() > 0


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    for path in trained.glob("procfaces*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def _claim(folder: Path, content: bytes) -> None:
    """Puts other bytes in place of the weights, with a JSON that vouches for them."""
    (folder / "procfaces.safetensors").write_bytes(content)
    record = json.loads((folder / "procfaces.json").read_text())
    record["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "procfaces.json").write_text(json.dumps(record))


def test_changed_weights_are_noticed(copied: Path) -> None:
    path = copied / "procfaces.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_judge("procfaces", weights_dir=copied)


def test_truncated_weights_are_refused(copied: Path) -> None:
    _claim(copied, (copied / "procfaces.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="safetensors file"):
        load_judge("procfaces", weights_dir=copied)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code ran')",))


def test_a_pickle_is_refused_and_not_run(copied: Path) -> None:
    _claim(copied, pickle.dumps(_Bomb()))
    with pytest.raises(CheckpointError, match="safetensors file"):
        load_judge("procfaces", weights_dir=copied)


def test_another_judges_file_is_refused(copied: Path) -> None:
    for ending in (".safetensors", ".json"):
        shutil.copy(copied / f"procfaces-teacher{ending}", copied / f"procfaces{ending}")
    with pytest.raises(CheckpointError, match="procfaces-teacher"):
        load_judge("procfaces", weights_dir=copied)


def test_another_architecture_is_refused(copied: Path) -> None:
    record = json.loads((copied / "procfaces.json").read_text())
    record["config"]["embedding"] = 64
    (copied / "procfaces.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="embedding=64"):
        load_judge("procfaces", weights_dir=copied)
    del record["config"]["embedding"]
    (copied / "procfaces.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="configuration"):
        load_judge("procfaces", weights_dir=copied)


def test_a_missing_or_broken_card_is_named(copied: Path) -> None:
    (copied / "procfaces.json").write_text("{}")
    with pytest.raises(CheckpointError, match="JSON with judge"):
        load_judge("procfaces", weights_dir=copied)
    (copied / "procfaces.json").unlink()
    with pytest.raises(MissingFileError, match=r"procfaces\.json"):
        load_judge("procfaces", weights_dir=copied)
