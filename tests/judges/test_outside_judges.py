# SPDX-License-Identifier: MIT
"""InceptionV3 and InceptionResnetV1 with seeded random weights; the published ones are never fetched."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_faces import seeded_state
from torch import Tensor

from faceeval.errors import CheckpointError, MissingFileError, UnknownNameError
from faceeval.judges import Judge, facenet, inception, load_judge
from faceeval.judges.facenet import FacenetJudge
from faceeval.judges.inception import InceptionJudge
from faceeval.judges.outside_weights import WeightFile, read_tensors, state_sha256

MODULES = {"inception": inception, "facenet": facenet}


@pytest.fixture(scope="module")
def inception_state() -> Mapping[str, Tensor]:
    return seeded_state(inception.build_network(), seed=0)


@pytest.fixture(scope="module")
def facenet_state() -> Mapping[str, Tensor]:
    return seeded_state(facenet.build_network(), seed=0)


@pytest.fixture(scope="module")
def images() -> Tensor:
    smooth = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    return torch.nn.functional.interpolate(smooth, size=(64, 64), mode="bicubic").clamp(0, 255).round().to(torch.uint8)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which no folder holds weights."""
    monkeypatch.setenv("FACEEVAL_WEIGHTS", str(tmp_path / "named"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch" / "hub"))
    return tmp_path


def test_inception_equals_pytorch_fid(
    inception_state: Mapping[str, Tensor], images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pytorch_fid.inception as upstream

    monkeypatch.setattr(upstream, "load_state_dict_from_url", lambda *_, **__: dict(inception_state))
    network = upstream.InceptionV3().eval()
    with torch.inference_mode():
        expected = network(images.float() / 255)[0].flatten(1).numpy()
    judge = InceptionJudge(resize="pytorch-fid", state=inception_state)
    found = judge(images)["features"]
    assert isinstance(judge, Judge)
    assert found.shape == (3, 2048)
    assert found.dtype == np.float32
    # batch normalisations are folded and memory is laid out otherwise: float32 rounding through 94 layers
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_facenet_gives_the_vector_before_normalisation(facenet_state: Mapping[str, Tensor], images: Tensor) -> None:
    from facenet_pytorch import InceptionResnetV1

    network = InceptionResnetV1(pretrained=None, classify=False).eval()
    network.load_state_dict({key: value for key, value in facenet_state.items() if not key.startswith("logits")})
    raw: list[Tensor] = []
    network.last_bn.register_forward_hook(lambda module, inputs, output: raw.append(output))
    large = torch.nn.functional.interpolate(images.float(), size=(160, 160), mode="bilinear", antialias=True)
    with torch.inference_mode():
        unit = network((large - 127.5) / 128).numpy()
    judge = FacenetJudge(state=facenet_state)
    found = judge(images)["embedding"]
    assert isinstance(judge, Judge)
    assert found.shape == (3, 512)
    np.testing.assert_allclose(found, raw[0].numpy(), atol=1e-3 * float(raw[0].abs().max()))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found / lengths, unit, atol=1e-3)
    assert np.abs(lengths - 1).min() > 0.1


def test_batches_do_not_matter(facenet_state: Mapping[str, Tensor], images: Tensor) -> None:
    judge = FacenetJudge(state=facenet_state, batch_size=2)
    whole, alone = judge(images)["embedding"], judge(images[2:])["embedding"]
    np.testing.assert_allclose(whole[2:], alone, rtol=1e-3, atol=1e-3)


def test_the_digest_follows_the_weights(inception_state: Mapping[str, Tensor]) -> None:
    judge = InceptionJudge(state=inception_state, resize="clean")
    assert judge.weights_sha256 == state_sha256(inception_state)
    assert judge.settings["resize"] == "clean"
    changed = {**inception_state, "fc.bias": inception_state["fc.bias"] + 1}
    assert state_sha256(changed) != judge.weights_sha256


def test_unknown_presets_are_refused_before_anything_is_built() -> None:
    with pytest.raises(UnknownNameError, match="pytorch-fid"):
        load_judge("inception", resize="bicubic")


@pytest.mark.parametrize("name", MODULES)
def test_missing_weights_are_named_with_digest_and_place(name: str, nowhere: Path) -> None:
    file = MODULES[name].WEIGHTS
    with pytest.raises(MissingFileError) as caught:
        load_judge(name, weights_dir=nowhere / "given")
    message = str(caught.value)
    for part in (file.filename, file.sha256[:16], file.url, "--weights-dir", "FACEEVAL_WEIGHTS"):
        assert part in message
    places = [str(nowhere / part) for part in ("given", "named", "torch/hub/checkpoints", "torch/checkpoints")]
    assert all(place in message for place in places)


@pytest.mark.parametrize("name", MODULES)
def test_another_file_of_that_name_is_refused(name: str, nowhere: Path) -> None:
    (nowhere / "named").mkdir()
    (nowhere / "named" / MODULES[name].WEIGHTS.filename).write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_judge(name)


def test_weights_of_another_network_are_refused(
    inception_state: Mapping[str, Tensor], facenet_state: Mapping[str, Tensor]
) -> None:
    with pytest.raises(CheckpointError, match="InceptionV3"):
        InceptionJudge(state=facenet_state)
    with pytest.raises(CheckpointError, match="InceptionResnetV1"):
        FacenetJudge(state=inception_state)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code ran')",))


@pytest.mark.parametrize("content", [pickle.dumps(_Bomb(), protocol=2), b"", b"not a torch file"])
def test_files_with_code_or_nonsense_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="named tensors"):
        read_tensors(path)


def test_a_torch_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="something else"):
        read_tensors(tmp_path / "list.pth")


def test_a_published_file_is_read_from_the_first_folder_that_has_it(nowhere: Path) -> None:
    import hashlib

    from faceeval.judges.outside_weights import read_weights

    (nowhere / "torch" / "checkpoints").mkdir(parents=True)
    path = nowhere / "torch" / "checkpoints" / "tiny.pth"
    torch.save({"weight": torch.ones(2)}, path)
    file = WeightFile("tiny.pth", hashlib.sha256(path.read_bytes()).hexdigest(), "https://example.org/tiny.pth", "MIT")
    assert torch.equal(read_weights(file, nowhere / "given")["weight"], torch.ones(2))


@pytest.mark.parametrize(("name", "package"), [("inception", "pytorch_fid"), ("facenet", "facenet_pytorch")])
def test_a_missing_package_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingFileError, match=r"faceeval\[outside\]"):
        load_judge(name)
