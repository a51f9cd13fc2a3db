# SPDX-License-Identifier: MIT
"""Batches, processes and resets do not change what the functions of `faceeval.metrics` give on the whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, multiprocessing

from faceeval.errors import InputError
from faceeval.metrics import dfn_ratios, dfn_summary, frechet_distance, identity_similarity
from faceeval.metrics.kernel import kernel_distance, kernel_distance_subsets

pytest.importorskip("torchmetrics")
ours = pytest.importorskip("faceeval.integrations.torchmetrics")

DIM = 6
REAL, FAKE = (
    torch.from_numpy(np.random.default_rng(seed).standard_normal((60, DIM)) * (1 + seed) + 50.0) for seed in (0, 1)
)


def metrics() -> dict[str, Any]:
    """One of each kind, by name."""
    return {
        "fid": ours.FrechetDistance(dim=DIM),
        "kid": ours.KernelDistance(dim=DIM, subsets=0).set_dtype(torch.float64),
        "kid_subsets": ours.KernelDistance(dim=DIM, subsets=5, subset_size=20, seed=3).set_dtype(torch.float64),
        "dfn": ours.DFN(),
        "similarity": ours.IdentitySimilarity(),
    }


def feed(name: str, metric: Any, real: Tensor, fake: Tensor) -> None:
    if name in ("dfn", "similarity"):
        metric.update(real, fake)
    else:
        metric.update(real, real=True)
        metric.update(fake, real=False)


def plain(value: Any) -> Any:
    return {key: float(one) for key, one in value.items()} if isinstance(value, dict) else {"value": float(value)}


def expected() -> dict[str, dict[str, float]]:
    """What the functions give on everything at once."""
    subsets, summary = kernel_distance_subsets(REAL, FAKE, 5, 20, 3), dfn_summary(dfn_ratios(REAL, FAKE))
    return {
        "fid": {"value": frechet_distance(REAL, FAKE)},
        "kid": {"mean": kernel_distance(REAL, FAKE)},
        "kid_subsets": {"mean": subsets.mean, "std": subsets.std, "error": subsets.error},
        "dfn": {name: getattr(summary, name) for name in ("mean", "median", "p25", "p75", "iqr")},
        "similarity": {"value": float(identity_similarity(REAL, FAKE).mean())},
    }


def agree(found: dict[str, dict[str, float]]) -> None:
    for name, values in expected().items():
        # sums in another order: float64 rounding, amplified by features far from zero in the scatter
        assert found[name] == pytest.approx(values, rel=1e-9), name


@pytest.mark.parametrize("size", [1, 7, 60])
def test_batches_give_the_whole(size: int) -> None:
    found = {}
    for name, metric in metrics().items():
        for real, fake in zip(REAL.split(size), FAKE.split(size), strict=True):
            feed(name, metric, real, fake)
        found[name] = plain(metric.compute())
    agree(found)


def work(rank: int, folder: str) -> None:
    """One of two processes: the first sees most of the images, and all pairs of one metric."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {}
    for name, metric in metrics().items():
        share = slice(0, 45) if rank == 0 else slice(45, 60)
        feed(name, metric, REAL[share], FAKE[share])
        found[name] = plain(metric.compute())
    lopsided = {name: metric for name, metric in metrics().items() if name in ("kid", "dfn", "similarity")}
    for name, metric in lopsided.items():
        if rank == 0:
            feed(name, metric, REAL, FAKE)
        found[f"{name} of one process"] = plain(metric.compute())
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="gloo meets in a file here")
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    agree(first)
    agree({**first, **{name.split()[0]: value for name, value in first.items() if name.endswith("of one process")}})


def test_half_precision_and_gradients_are_welcome() -> None:
    for name, metric in metrics().items():
        feed(name, metric, REAL.to(torch.bfloat16).requires_grad_(), FAKE.half())
        values = plain(metric.compute())
        assert all(np.isfinite(value) for value in values.values())


def test_reset_may_keep_the_real_side() -> None:
    for kept in (True, False):
        metric = ours.FrechetDistance(dim=DIM, reset_real=not kept)
        feed("fid", metric, REAL, FAKE)
        first = metric.compute()
        metric.reset()
        metric.update(FAKE, real=False)
        if kept:
            assert torch.equal(metric.compute(), first)
        else:
            with pytest.raises(InputError, match="two images"):
                metric.compute()


def test_forward_counts_nothing_twice() -> None:
    metric = ours.FrechetDistance(dim=DIM, reset_real=False)
    metric.update(REAL, real=True)
    metric.update(FAKE[:30], real=False)
    metric(FAKE[30:], real=False)
    assert float(metric.compute()) == pytest.approx(frechet_distance(REAL, FAKE), rel=1e-9)
    metric = ours.IdentitySimilarity()
    batches = [float(metric(REAL[rows], FAKE[rows])) for rows in (slice(0, 30), slice(30, 60))]
    assert float(metric.compute()) == pytest.approx(np.mean(batches))


def test_states_travel_in_checkpoints() -> None:
    metric = ours.FrechetDistance(dim=DIM)
    metric.persistent(True)
    feed("fid", metric, REAL, FAKE)
    again = ours.FrechetDistance(dim=DIM)
    again.persistent(True)
    again.load_state_dict(metric.state_dict())
    again.update(REAL, real=True)
    again.update(FAKE, real=False)
    # everything twice: the same means, and covariances but for the divisor
    assert float(again.compute()) == pytest.approx(frechet_distance(REAL.repeat(2, 1), FAKE.repeat(2, 1)), rel=1e-9)


@pytest.mark.parametrize(
    "bad", [torch.ones(3), torch.ones(2, DIM + 1), torch.zeros(0, DIM), torch.full((2, DIM), float("nan")), [[1.0]]]
)
def test_malformed_batches_are_refused_at_once(bad: Any) -> None:
    for name, metric in metrics().items():
        with pytest.raises(InputError):
            feed(name, metric, bad, FAKE[:2])


def test_normalised_features_make_dfn_void() -> None:
    metric = ours.DFN()
    metric.update(torch.nn.functional.normalize(REAL), torch.nn.functional.normalize(FAKE))
    with pytest.raises(InputError, match="L2-normalised"):
        metric.compute()


def test_nothing_seen_is_an_error() -> None:
    for metric in metrics().values():
        with pytest.warns(UserWarning, match="before the ``update``"), pytest.raises(InputError):
            metric.compute()
