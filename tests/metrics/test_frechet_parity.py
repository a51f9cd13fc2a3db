# SPDX-License-Identifier: MIT
"""The same numbers as pytorch-fid, scikit-learn's exact PCA and, in the extra ``parity``, three other tools."""

import numpy as np
import pytest
import scipy
from packaging.version import Version

from faceeval.metrics import GaussianStats, frechet_distance, frechet_distance_pca, principal_components

sklearn_decomposition = pytest.importorskip("sklearn.decomposition")


def features(seed, n, dim, shift=0.0):
    """Like a network's: not negative, with a falling spectrum."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((dim, dim)) / np.sqrt(dim)
    return np.maximum((rng.standard_normal((n, dim)) * np.arange(1, dim + 1) ** -0.5) @ mixing + 0.05 + shift, 0)


@pytest.fixture(scope="module")
def calculate():
    return pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance


@pytest.mark.skipif(Version(scipy.__version__) >= Version("1.18"), reason="pytorch-fid 0.3 calls sqrtm(disp=...)")
@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
class TestPytorchFID:
    def compare(self, calculate, n, tolerance):
        stats = [GaussianStats.from_features(features(seed, n, 128, seed / 50)) for seed in (1, 2)]
        theirs = calculate(stats[0].mean, stats[0].cov, stats[1].mean, stats[1].cov)
        assert frechet_distance(*stats) == pytest.approx(theirs, abs=tolerance)

    def test_more_images_than_dimensions(self, calculate):
        self.compare(calculate, n=400, tolerance=1e-9)

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_fewer_images_than_dimensions(self, calculate):
        # theirs takes roots of eigenvalues that are 0 up to rounding, so it is off in the sixth decimal here
        self.compare(calculate, n=60, tolerance=1e-4)

    @pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")
    def test_ours_is_zero_to_itself_where_theirs_is_not(self, calculate):
        x = features(3, 60, 128)
        stats = GaussianStats.from_features(x)
        theirs = calculate(stats.mean, stats.cov, stats.mean, stats.cov)
        assert frechet_distance(x, x) < 1e-12
        assert frechet_distance(stats, stats) <= abs(theirs)


class TestScikitLearn:
    def test_components(self):
        x = features(4, 200, 32)
        pca = sklearn_decomposition.PCA(n_components=10, svd_solver="full").fit(x)
        ours = principal_components(GaussianStats.from_features(x), 10)
        assert np.allclose(np.abs((ours * pca.components_).sum(axis=1)), 1, atol=1e-9)

    @pytest.mark.parametrize("fit", ["pooled", "real", "reference"])
    def test_distance_after_projection(self, fit):
        real, generated, outside = features(5, 150, 64), features(6, 170, 64, 0.1), features(7, 300, 64, 0.02)
        fitted = {"pooled": np.concatenate([real, generated]), "real": real, "reference": outside}[fit]
        pca = sklearn_decomposition.PCA(n_components=24, svd_solver="full").fit(fitted)
        expected = frechet_distance(pca.transform(real), pca.transform(generated))
        value = frechet_distance_pca(real, generated, 24, fit, outside if fit == "reference" else None)
        assert value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
class TestOtherTools:
    """Statistics of 400 images of 128 dimensions, both of full rank: there they are exact too."""

    @pytest.fixture
    def stats(self):
        return [GaussianStats.from_features(features(seed, 400, 128, seed / 50)) for seed in (1, 2)]

    def test_torch_fidelity(self, stats):
        metric = pytest.importorskip("torch_fidelity.metric_fid")
        sides = ({"mu": side.mean, "sigma": side.cov} for side in stats)
        theirs = metric.fid_statistics_to_metric(*sides, verbose=False)[metric.KEY_METRIC_FID]
        assert frechet_distance(*stats) == pytest.approx(theirs, abs=1e-9)

    def test_torchmetrics(self, stats):
        fid, torch = pytest.importorskip("torchmetrics.image.fid"), pytest.importorskip("torch")
        theirs = fid._compute_fid(*(torch.from_numpy(array) for side in stats for array in (side.mean, side.cov)))
        assert frechet_distance(*stats) == pytest.approx(float(theirs), abs=1e-9)

    @pytest.mark.skipif(Version(scipy.__version__) >= Version("1.18"), reason="clean-fid 0.1 calls sqrtm(disp=...)")
    def test_clean_fid(self, stats):
        cleanfid = pytest.importorskip("cleanfid.fid")
        theirs = cleanfid.frechet_distance(stats[0].mean, stats[0].cov, stats[1].mean, stats[1].cov)
        assert frechet_distance(*stats) == pytest.approx(theirs, abs=1e-9)

    def test_eigenvalues_of_the_product_are_off_below_d(self):
        metric = pytest.importorskip("torch_fidelity.metric_fid")
        x = features(3, 60, 128)
        side = GaussianStats.from_features(x)
        theirs = metric.fid_statistics_to_metric(*[{"mu": side.mean, "sigma": side.cov}] * 2, verbose=False)
        with pytest.warns(UserWarning, match="60 images for 128 dimensions"):
            assert frechet_distance(x, x) < 1e-12 < abs(theirs[metric.KEY_METRIC_FID])
