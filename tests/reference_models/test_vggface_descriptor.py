# SPDX-License-Identifier: MIT
"""The descriptor of VGG-Face, and of what stands in for it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from faceeval.errors import CheckpointError, InputError, MissingFileError, UnknownNameError
from faceeval.method import Embedder
from reference_models import load_method
from reference_models.features import SHIPPED, Layout, build, extractor
from reference_models.images import to_signed
from reference_models.vggface_descriptor import Config, VGGFaceDescriptor

FACES = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
WIDTH, FC = 2, 5


def vgg_face(path, *, torchvisions=False, width=WIDTH, names=("fc6", "fc7"), inputs=None):
    """Writes a file laid out as VGG-Face's, an eighth and less as wide."""
    state = {key: value.detach().clone() for key, value in build(Layout(width=width), 3)["vgg"].state_dict().items()}
    if torchvisions:
        places = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
        weights = [key for key in state if key.endswith(".weight")]
        state = {
            f"features.{place}.{kind}": state[key.replace("weight", kind)]
            for place, key in zip(places, weights, strict=True)
            for kind in ("weight", "bias")
        }
    chance = torch.Generator().manual_seed(1)
    sizes = ((8 * width * 49 if inputs is None else inputs, FC), (FC, FC))
    for name, (before, after) in zip(names, sizes, strict=False):
        state[f"{name}.weight"] = torch.randn(after, before, generator=chance)
        state[f"{name}.bias"] = torch.randn(after, generator=chance)
    save_file(state, path)
    return str(path)


def test_without_weights_it_is_the_stand_in_and_says_so():
    method = load_method("vggface_descriptor")
    assert isinstance(method, Embedder)
    assert method.card.name == "vggface_descriptor (procfaces)"
    assert method.card.parts == ("identity",)
    assert method.card.image_size is None
    assert method.card.weights_sha256 == extractor("procfaces").weights_sha256 != ""
    assert method.card.notes["layer"] == "pool5"
    assert "not ours to ship" in method.card.notes["stands in for"]
    assert SHIPPED.is_file()
    codes = method.embed(FACES, "identity")
    wanted = extractor("procfaces").features(to_signed(FACES), ["pool5"])["pool5"].flatten(1)
    assert codes.shape == (3, 256)
    assert torch.allclose(codes, wanted, atol=1e-5)
    assert torch.allclose(method.embed(FACES[1:2], "identity"), codes[1:2], atol=1e-5)


def test_pictures_of_other_sizes_are_resized():
    method = VGGFaceDescriptor()
    large = FACES.repeat_interleave(2, 2).repeat_interleave(2, 3)
    alike = functional.cosine_similarity(method.embed(large, "identity"), method.embed(FACES, "identity"))
    assert method.embed(large, "identity").shape == (3, 256)
    assert alike.min() > 0.9
    assert VGGFaceDescriptor(Config(size=0)).embed(large, "identity").shape == (3, 64 * 4 * 4)


@pytest.mark.parametrize("names", [("fc6", "fc7"), ("fc_6", "fc_7"), ("classifier.0", "classifier.3")])
def test_a_file_of_vgg_face_gives_fc7(tmp_path, names):
    path = vgg_face(tmp_path / "vgg_face.safetensors", names=names)
    method = VGGFaceDescriptor(Config(features=path))
    assert (method.card.name, method.card.notes["layer"]) == ("vggface_descriptor", "fc7")
    codes = method.embed(FACES[:2], "identity")
    assert codes.shape == (2, FC)
    assert (codes >= 0).all()
    raw = VGGFaceDescriptor(Config(features=path, rectified=False)).embed(FACES[:2], "identity")
    assert torch.equal(raw.relu(), codes)
    assert (raw < 0).any()
    large = functional.interpolate(to_signed(FACES[:2]), (224, 224), mode="bilinear", antialias=True)
    maps = extractor(path).features(large, ["pool5"])["pool5"].flatten(1)
    assert torch.allclose(method.head[1](method.head[0](maps).relu()), raw, rtol=1e-4, atol=1e-4)
    pooled = VGGFaceDescriptor(Config(features=path, layer="pool5"))
    assert pooled.card.name == "vggface_descriptor (vgg_face.safetensors)"
    assert pooled.embed(FACES, "identity").shape == (3, 8 * WIDTH * 4)


def test_a_network_of_other_pictures_is_no_vgg_face(tmp_path):
    path = vgg_face(tmp_path / "vgg16.safetensors", torchvisions=True, names=("classifier.0", "classifier.3"))
    method = VGGFaceDescriptor(Config(features=path))
    assert method.card.name == "vggface_descriptor (vgg16.safetensors)"
    assert method.card.notes["layer"] == "fc7"


def test_files_without_these_layers(tmp_path):
    path = vgg_face(tmp_path / "convolutions.safetensors", names=())
    assert VGGFaceDescriptor(Config(features=path)).card.notes["layer"] == "pool5"
    with pytest.raises(CheckpointError, match="fc6 and fc7"):
        VGGFaceDescriptor(Config(features=path, layer="fc7"))
    with pytest.raises(CheckpointError, match="fc6 and fc7"):
        VGGFaceDescriptor(Config(layer="fc7"))
    with pytest.raises(CheckpointError, match="fc6 of 784 numbers"):
        VGGFaceDescriptor(Config(features=vgg_face(tmp_path / "other.safetensors", inputs=100)))
    with pytest.raises(MissingFileError):
        VGGFaceDescriptor(Config(features=str(tmp_path / "nowhere.safetensors")))


def test_bad_input_is_refused():
    method = VGGFaceDescriptor(Config(features="random"))
    with pytest.raises(UnknownNameError, match="expression"):
        method.embed(FACES, "expression")
    for bad in (FACES.float(), FACES[0], FACES[:, :1]):
        with pytest.raises(InputError, match="uint8 images"):
            method.embed(bad, "identity")
    with pytest.raises(InputError, match="32 pixels at least"):
        VGGFaceDescriptor(Config(size=16))
