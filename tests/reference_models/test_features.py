# SPDX-License-Identifier: MIT
"""The feature networks: layout, input, what they refuse, and that nothing in them ever changes."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from faceeval.errors import CheckpointError, InputError, MissingFileError, UnknownNameError
from reference_models.features import (
    CONVOLUTIONS,
    IMAGENET_MEAN,
    IMAGENET_SPREAD,
    TORCHVISION_PLACES,
    VGG_FACE_MEAN,
    FeatureExtractor,
    Layout,
    build,
    extractor,
)
from reference_models.losses import content

# Parkhi et al., table 3, at 128 pixels: layer -> channels, side, parameters up to and including it
TABLE = {
    "conv1_1": (64, 128, 1_792),
    "conv1_2": (64, 128, 38_720),
    "conv2_1": (128, 64, 112_576),
    "conv2_2": (128, 64, 260_160),
    "conv3_1": (256, 32, 555_328),
    "conv3_2": (256, 32, 1_145_408),
    "conv3_3": (256, 32, 1_735_488),
    "conv4_1": (512, 16, 2_915_648),
    "conv4_2": (512, 16, 5_275_456),
    "conv4_3": (512, 16, 7_635_264),
    "conv5_1": (512, 8, 9_995_072),
    "conv5_2": (512, 8, 12_354_880),
    "conv5_3": (512, 8, 14_714_688),
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# --- layout -----------------------------------------------------------------------------------------------------


def test_the_layout_is_the_table_s() -> None:
    with torch.device("meta"):
        network = FeatureExtractor(Layout())
        images = torch.empty(2, 3, 128, 128)
        maps = network.features(images, CONVOLUTIONS)
    total = 0
    for name, (channels, side, cumulative) in TABLE.items():
        total += sum(parameter.numel() for parameter in network.get_submodule(name).parameters())
        assert maps[name].shape == (2, channels, side, side)
        assert total == cumulative
    assert tuple(TABLE) == CONVOLUTIONS
    assert sum(parameter.numel() for parameter in network.parameters()) == 14_714_688


def test_the_small_layout_has_230_568_parameters() -> None:
    network = extractor("random")
    assert sum(parameter.numel() for parameter in network.parameters()) == 230_568


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("size", "sides"), [(64, [64, 32, 16, 8, 4, 2]), (16, [16, 8, 4, 2, 1])])
def test_any_size_will_do(count: int, size: int, sides: list[int]) -> None:
    names = [f"conv{block}_1" for block in range(1, 6)] + ["pool5"]
    maps = extractor("random").features(noise(count, 3, size, size), names[: len(sides)])
    widths = [8, 16, 32, 64, 64, 64]
    for side, width, found in zip(sides, widths, maps.values(), strict=False):
        assert found.shape == (count, width, side, side)
        assert torch.isfinite(found).all()
        assert (found >= 0).all()  # after the ReLU


def test_names_come_back_in_the_order_asked_for_and_a_paper_s_l_th_layer_is_found() -> None:
    assert (CONVOLUTIONS[3], CONVOLUTIONS[4], CONVOLUTIONS[10]) == ("conv2_2", "conv3_1", "conv5_1")
    asked = ["conv3_1", "pool1", "conv1_2"]
    maps = extractor("random").features(noise(1, 3, 16, 16), asked)
    assert list(maps) == asked
    assert torch.equal(maps["pool1"], nn.functional.max_pool2d(maps["conv1_2"], 2))


def test_nothing_deeper_than_asked_for_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(Layout(width=8), 0)["vgg"]
    assert isinstance(network, FeatureExtractor)
    expected = network.features(noise(1, 3, 16, 16), ["conv2_1"])["conv2_1"]
    del network.conv2_2
    assert torch.equal(network.features(noise(1, 3, 16, 16), ["conv2_1"])["conv2_1"], expected)


def test_random_maps_keep_the_size_of_the_signal() -> None:
    maps = extractor("random").features(noise(4, 3, 64, 64), ["conv1_1", "conv3_3", "conv5_3"])
    for found in maps.values():
        assert 0.1 < float(found.square().mean().sqrt()) < 10


# --- input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "spread"), [(VGG_FACE_MEAN, (1.0, 1.0, 1.0)), (IMAGENET_MEAN, IMAGENET_SPREAD)])
def test_the_first_convolution_sees_normalised_pixels(
    mean: tuple[float, float, float], spread: tuple[float, float, float]
) -> None:
    network = FeatureExtractor(Layout(3, mean, spread))
    with torch.no_grad():
        network.conv1_1.weight.zero_()
        network.conv1_1.bias.zero_()
        for colour in range(3):
            network.conv1_1.weight[colour, colour, 1, 1] = 1.0
    grey = torch.tensor([200, 150, 255.0])
    images = (grey / 127.5 - 1)[None, :, None, None].expand(1, 3, 16, 16)
    found = network.features(images, ["conv1_1"])["conv1_1"][0, :, 0, 0]
    expected = (grey - torch.tensor(mean)) / torch.tensor(spread)
    torch.testing.assert_close(found, expected.relu(), rtol=1e-5, atol=1e-4)


def test_torchvision_s_normalisation_is_met() -> None:
    pixel = 77.0
    assert (pixel - IMAGENET_MEAN[1]) / IMAGENET_SPREAD[1] == pytest.approx((pixel / 255 - 0.456) / 0.224)


# --- frozen -----------------------------------------------------------------------------------------------------


def test_gradients_reach_the_image_and_no_weight() -> None:
    network = extractor("random")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = noise(2, 3, 32, 32).requires_grad_(True)
    target = network.features(noise(2, 3, 32, 32, seed=1), ["conv2_2", "conv5_1"])
    maps = network.features(images, ["conv2_2", "conv5_1"])
    torch.autograd.backward(torch.stack([content(maps[name], target[name]) for name in maps]).sum())
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not network.training
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_equal_images_are_no_distance_apart() -> None:
    images = noise(1, 3, 32, 32)
    maps = extractor("random").features(images, ["conv3_1"])
    assert content(maps["conv3_1"], extractor("random").features(images, ["conv3_1"])["conv3_1"]) == 0


def test_it_is_built_once_and_by_its_seed() -> None:
    assert extractor("random") is extractor("random")
    one, other = extractor("random", seed=1), extractor("random", seed=2)
    assert not torch.equal(one.conv1_1.weight, other.conv1_1.weight)
    assert one.source == "random"
    assert torch.equal(one.conv1_1.weight, build(Layout(width=8), 1)["vgg"].conv1_1.weight)


def test_weights_first_read_while_editing_serve_a_later_training() -> None:
    with torch.inference_mode():
        network = extractor("random", seed=77)
        network.features(noise(1, 3, 16, 16), ["conv1_1"])
    images = noise(1, 3, 16, 16).requires_grad_(True)
    network.features(images, ["conv2_1"])["conv2_1"].sum().backward()
    assert images.grad is not None


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_bfloat16_is_close(kind: torch.dtype) -> None:
    network, images = extractor("random"), noise(2, 3, 32, 32)
    exact = network.features(images, ["conv3_1"])["conv3_1"]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network.features(images.to(kind), ["conv3_1"])["conv3_1"]
    assert float((rounded.float() - exact).abs().mean() / exact.abs().mean()) < 0.02


# --- bad input --------------------------------------------------------------------------------------------------


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="conv3_1"):
        extractor("random").features(noise(1, 3, 16, 16), ["conv3-1"])
    with pytest.raises(UnknownNameError, match="bgr"):
        extractor("random", channel_order="gbr")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one layer"):
        extractor("random").features(noise(1, 3, 16, 16), [])


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(3, 16, 16), torch.zeros(1, 1, 16, 16)]
)
def test_other_images_are_refused(images: Tensor) -> None:
    with pytest.raises(InputError, match="float images"):
        extractor("random").features(images, ["conv1_1"])


def test_an_image_too_small_for_a_layer_is_refused() -> None:
    with pytest.raises(InputError, match="images of 16 pixels or more for conv5_1"):
        extractor("random").features(noise(1, 3, 8, 8), ["conv1_1", "conv5_1"])
    with pytest.raises(InputError, match="images of 32 pixels"):
        extractor("random").features(noise(1, 3, 16, 16), ["pool5"])


# --- files of users ---------------------------------------------------------------------------------------------


def weights(names: tuple[str, ...], width: int = 2) -> dict[str, Tensor]:
    own = build(Layout(width=width), 5)["vgg"].state_dict()
    return {
        f"{name}.{kind}": own[f"{mine}.{kind}"]
        for name, mine in zip(names, CONVOLUTIONS, strict=True)
        for kind in ("weight", "bias")
    }


PORT = tuple(name.replace("conv", "conv_") for name in CONVOLUTIONS)
TORCHVISION = tuple(f"features.{place}" for place in TORCHVISION_PLACES)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
@pytest.mark.parametrize("names", [CONVOLUTIONS, PORT, TORCHVISION], ids=["ours", "port", "torchvision"])
def test_files_of_three_namings_are_read(names: tuple[str, ...], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"vgg{suffix}"
    tensors = {**weights(names), "fc6.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(1)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    network = extractor(path)
    assert torch.equal(network.conv4_2.weight, weights(names)[f"{names[8]}.weight"])
    assert network.layout.width == 2
    assert network.layout.mean == (IMAGENET_MEAN if names is TORCHVISION else VGG_FACE_MEAN)
    assert network.source == str(path)
    assert len(network.weights_sha256) == 64
    assert not network.training
    assert extractor(str(path)) is network


def test_torchvision_s_own_vgg16_has_these_names_and_places() -> None:
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        theirs = torchvision.models.vgg16().features.state_dict()
        ours = FeatureExtractor(Layout()).state_dict()
    assert [tuple(value.shape) for value in theirs.values()] == [tuple(value.shape) for value in ours.values()]
    assert list(theirs) == [f"{place}.{kind}" for place in TORCHVISION_PLACES for kind in ("weight", "bias")]


def test_the_same_numbers_as_torchvision_s_layers(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]).requires_grad_(False)[:17]
    generator = torch.Generator().manual_seed(4)
    for parameter in layers.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    state = weights(TORCHVISION, width=64)
    state |= {f"features.{key}": value for key, value in layers.state_dict().items()}
    path = tmp_path / "vgg16.safetensors"
    save_file(state, path)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8))
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = layers((pixels / 255 - mean[:, None, None]) / spread[:, None, None])
    ours = extractor(path).features(pixels.float() / 127.5 - 1, ["pool3"])["pool3"]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_order_of_channels_can_be_told(tmp_path: Path) -> None:
    tensors = weights(CONVOLUTIONS)
    tensors["conv1_1.weight"].zero_()[:, 0, 1, 1] = 1.0  # sees its first channel only
    path = tmp_path / "caffe.safetensors"
    save_file(tensors, path)
    blue = torch.tensor([-1.0, -1.0, 1.0])[None, :, None, None].expand(1, 3, 16, 16)
    assert extractor(path).features(blue, ["conv1_1"])["conv1_1"].sum() == 0
    seen = extractor(path, channel_order="bgr").features(blue, ["conv1_1"])["conv1_1"]
    torch.testing.assert_close(seen, torch.full_like(seen, 255 - VGG_FACE_MEAN[2]))


def test_the_normaliser_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_file(weights(TORCHVISION), path)
    assert extractor(path, normaliser="vggface").layout.mean == VGG_FACE_MEAN
    assert extractor(path, normaliser="imagenet").layout.spread == IMAGENET_SPREAD


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    save_file(weights(CONVOLUTIONS, width=2), path)
    assert extractor(path).layout.width == 2
    save_file(weights(CONVOLUTIONS, width=3), path)
    assert extractor(path).layout.width == 3


def broken(name: str, change: str) -> dict[str, Tensor]:
    tensors = weights(TORCHVISION)
    if change == "missing":
        del tensors[name]
    elif change == "misshapen":
        tensors[name] = torch.zeros(1, 1, 3, 3)
    else:
        tensors[name] = torch.zeros(1)
    return tensors


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("features.28.bias", "missing", "features.28.bias is missing"),
        ("features.1.running_mean", "extra", "features.1.running_mean is too much"),  # vgg16_bn
        ("features.12.weight", "misshapen", "conv3_2.weight"),
        ("features.0.weight", "missing", "tensors conv1_1.weight, conv_1_1.weight or features.0.weight"),
    ],
)
def test_other_tensors_are_refused(name: str, change: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "vgg.pth"
    torch.save(broken(name, change), path)
    with pytest.raises(CheckpointError, match=says):
        extractor(path)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise AssertionError('code of a weight file was run')",))


def test_damaged_and_unsafe_files_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save(weights(CONVOLUTIONS), stream)
    contents = {
        "cut.pth": stream.getvalue()[:500],
        "cut.safetensors": b"\x00\x01\x02",
        "trap.pth": pickle.dumps(Trap(), protocol=2),
        "empty.pt": b"",
    }
    for name, content_of in contents.items():
        (tmp_path / name).write_bytes(content_of)
        with pytest.raises(CheckpointError, match=name):
            extractor(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds something else"):
        extractor(tmp_path / "list.pth")
    (tmp_path / "vgg.t7").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"\.safetensors, \.pth or \.pt"):
        extractor(tmp_path / "vgg.t7")


def test_a_missing_file_is_said_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="'procfaces', 'random', or the path"):
        extractor(tmp_path / "none.pth")
    with pytest.raises(MissingFileError, match="procfacs"):
        extractor("procfacs")
