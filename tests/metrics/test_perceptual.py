# SPDX-License-Identifier: MIT
"""Perceptual distance: by hand, against torch's own operations, and against torchmetrics' LPIPS on a random trunk."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceeval.errors import InputError
from faceeval.metrics import feature_map_distance, perceptual_distance

FEW = settings(max_examples=15, deadline=None)


def pictures(seed, n=3, size=16):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


def maps(seed, n=3):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, 5, 4, 4)), rng.standard_normal((n, 7, 2, 3))]


def weights(seed=9):
    rng = np.random.default_rng(seed)
    return [rng.random(5), rng.random(7)]


UNEQUAL = [np.ones((2, 3, 2, 2)), np.ones((1, 3, 2, 2))]


class Trunk(torch.nn.Module):
    """Two layers of fixed random weights, with dropout that must not act."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 6, 3, stride=2)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, batch):
        first = torch.relu(self.first(batch))
        return first, self.drop(torch.relu(self.second(first)))


class TestMaps:
    def test_by_hand(self):
        a, b = np.zeros((1, 2, 1, 2)), np.zeros((1, 2, 1, 2))
        a[0, :, 0] = [[3, 1], [4, 0]]  # unit vectors (0.6, 0.8) and (1, 0)
        b[0, :, 0] = [[1, 2], [0, 0]]  # (1, 0) and (1, 0)
        assert feature_map_distance([a], [b]) == pytest.approx([(0.4**2 + 0.8**2) / 2])
        assert feature_map_distance([a], [b], [[10.0, 1.0]]) == pytest.approx([(10 * 0.4**2 + 0.8**2) / 2])
        assert feature_map_distance([a, a], [b, b]) == pytest.approx([0.4**2 + 0.8**2])

    def test_without_weights_it_is_two_minus_twice_the_cosine(self):
        a, b = maps(0)[:1], maps(1)[:1]
        theirs = torch.nn.functional.cosine_similarity(*(torch.from_numpy(x[0]) for x in (a, b)), dim=1)
        assert feature_map_distance(a, b) == pytest.approx((2 - 2 * theirs).mean(dim=(1, 2)).numpy())

    def test_same_as_torchs_operations(self):
        theirs = 0
        for a, b, w in zip(maps(0), maps(1), weights(), strict=True):
            one, other = (torch.nn.functional.normalize(torch.from_numpy(x), dim=1) for x in (a, b))
            kernel = torch.from_numpy(w).reshape(1, -1, 1, 1)
            theirs += torch.nn.functional.conv2d((one - other) ** 2, kernel).mean(dim=(1, 2, 3)).numpy()
        assert feature_map_distance(maps(0), maps(1), weights()) == pytest.approx(theirs)

    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_symmetric_zero_on_itself_blind_to_length_and_to_order(self, seed):
        a, b, w = maps(seed), maps(seed + 1), weights(seed)
        value, order = feature_map_distance(a, b, w), np.random.default_rng(seed).permutation(3)
        assert (value >= 0).all()
        assert feature_map_distance(a, a, w).tolist() == [0, 0, 0]
        assert feature_map_distance(b, a, w) == pytest.approx(value)
        assert feature_map_distance([3 * x for x in a], b, w) == pytest.approx(value)
        assert feature_map_distance([x[order] for x in a], [x[order] for x in b], w) == pytest.approx(value[order])

    def test_places_where_nothing_fires(self):
        nothing, something = np.zeros((1, 3, 2, 2)), np.ones((1, 3, 2, 2))
        assert feature_map_distance([nothing], [nothing]).tolist() == [0]
        assert feature_map_distance([nothing], [something]) == pytest.approx([1])

    def test_blocks_do_not_show(self, monkeypatch):
        whole = feature_map_distance(maps(2, 7), maps(3, 7), weights())
        monkeypatch.setattr("faceeval.metrics.perceptual.VALUES_AT_ONCE", 100)
        assert feature_map_distance(maps(2, 7), maps(3, 7), weights()) == pytest.approx(whole, rel=1e-14)

    def test_weights_in_the_shape_lpips_keeps_them(self):
        kernels = [torch.from_numpy(w).reshape(1, -1, 1, 1) for w in weights()]
        ours = feature_map_distance(maps(4), maps(5), kernels)
        assert ours.tolist() == feature_map_distance(maps(4), maps(5), weights()).tolist()

    @pytest.mark.parametrize(
        ("a", "b", "w", "message"),
        [
            ([], [], None, "at least one"),
            (maps(0), maps(0)[:1], None, "equally many layers"),
            (maps(0), maps(0)[::-1], None, "of one shape"),
            (maps(0), maps(0), weights()[:1], "one weight for each channel"),
            (maps(0), maps(0), weights()[::-1], "one weight for each channel"),
            (maps(0), maps(0), [-np.ones(5), np.ones(7)], "at least 0 and not all 0"),
            (maps(0), maps(0), [np.zeros(5), np.ones(7)], "at least 0 and not all 0"),
            ([np.ones((2, 3))], [np.ones((2, 3))], None, r"\(N, C, H, W\)"),
            ([np.ones((0, 3, 2, 2))], [np.ones((0, 3, 2, 2))], None, r"\(N, C, H, W\)"),
            (UNEQUAL, UNEQUAL, None, "as many images in every layer"),
            ([np.full((1, 1, 1, 1), np.nan)], [np.ones((1, 1, 1, 1))], None, "without NaN"),
        ],
    )
    def test_layers_that_do_not_fit(self, a, b, w, message):
        with pytest.raises(InputError, match=message):
            feature_map_distance(a, b, w)


class TestImages:
    def test_equal_images(self):
        assert perceptual_distance(pictures(0), pictures(0), Trunk().eval()).tolist() == [0, 0, 0]

    def test_images_reach_the_trunk_as_imagenets_networks_want_them(self):
        seen = []

        def trunk(batch):
            seen.append(batch.clone())
            return batch

        perceptual_distance(pictures(1), pictures(2), trunk)
        mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        assert seen[0].dtype == torch.float32
        assert seen[0].numpy() == pytest.approx((pictures(1) / 255 - mean) / std, abs=1e-6)
        assert seen[1].numpy() == pytest.approx((pictures(2) / 255 - mean) / std, abs=1e-6)

    def test_same_as_maps_and_in_any_batch(self):
        trunk, a, b = Trunk().eval(), pictures(3, n=5), pictures(4, n=5)
        whole = perceptual_distance(a, b, trunk)
        assert (whole > 0).all()
        # float32 convolutions of other batches round otherwise
        assert perceptual_distance(a, b, trunk, batch_size=2) == pytest.approx(whole, rel=1e-5)
        fine = perceptual_distance(a, b, Trunk().double().eval(), batch_size=2)
        assert fine == pytest.approx(whole, rel=1e-4)

    def test_further_is_further(self):
        a = pictures(5)
        near, far = (np.clip(a.astype(int) + d, 0, 255).astype(np.uint8) for d in (2, 60))
        trunk = Trunk().eval()
        assert (perceptual_distance(a, near, trunk) < perceptual_distance(a, far, trunk)).all()

    def test_dropout_is_refused(self):
        with pytest.raises(InputError, match="a trunk in eval mode"):
            perceptual_distance(pictures(0), pictures(0), Trunk().train())

    @pytest.mark.parametrize("bad", [pictures(0) / 255.0, pictures(0) / 127.5 - 1, pictures(0)[:, :1]])
    def test_the_range_is_never_guessed(self, bad):
        with pytest.raises(InputError):
            perceptual_distance(bad, bad, Trunk().eval())

    def test_bad_settings(self):
        with pytest.raises(InputError, match="of one shape"):
            perceptual_distance(pictures(0), pictures(0)[:2], Trunk().eval())
        with pytest.raises(InputError, match="batch size"):
            perceptual_distance(pictures(0), pictures(0), Trunk().eval(), batch_size=0)
        with pytest.raises(InputError, match="one weight for each channel"):
            perceptual_distance(pictures(0), pictures(0), Trunk().eval(), weights=[np.ones(3)])


@pytest.mark.parity
@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_same_as_torchmetrics(net):
    lpips = pytest.importorskip("torchmetrics.functional.image.lpips")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = lpips._LPIPS(pretrained=True, net=net, pnet_rand=True)  # trained weights on a random trunk
    linear = [layer.model[-1].weight for layer in theirs.lins]
    a, b = pictures(6, size=64), pictures(7, size=64)
    with torch.inference_mode():
        wanted = theirs(*(torch.from_numpy(x) / 127.5 - 1 for x in (a, b))).reshape(-1).numpy()
    # float32, and theirs adds 1e-8 under the root where the authors add 1e-10 to it; a random trunk's features are
    # small
    assert perceptual_distance(a, b, theirs.net.eval(), linear) == pytest.approx(wanted, rel=1e-3)
