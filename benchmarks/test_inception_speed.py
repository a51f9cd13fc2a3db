# SPDX-License-Identifier: MIT
"""Inception features, and the whole command on two folders, against pytorch-fid in the same run.

    OMP_NUM_THREADS=1 FACEEVAL_BENCHMARK_IMAGES=2000 python -m pytest -s benchmarks/test_inception_speed.py

Both use the same seeded random weights, as the published ones need the network; times do not depend on their values.
Times are CPU seconds, so that other work on the machine counts little: of alternating batches for the features, after
one batch to warm up, and of the processes for the commands. ``FACEEVAL_BENCHMARK_IMAGES`` is the number of images in
each folder; the features are timed on at most 64 of them. The ratio of the commands depends on it and on SciPy:
pytorch-fid's square root of a matrix costs as much as some 80 images, whatever their number.
"""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping

import numpy as np
import pytest
import scipy
import torch
from torch import Tensor, nn

from faceeval.data.images import write_png
from faceeval.judges.inception import WEIGHTS, InceptionJudge, build_network
from faceeval.metrics import frechet_distance

IMAGES = int(os.environ.get("FACEEVAL_BENCHMARK_IMAGES", "100"))
FEATURES_OF = min(IMAGES, 64)
BATCH = 32
LEAST_FEATURES, LEAST_COMMAND = 1.7, 1.8
AGREEMENT = 1e-4  # relative, of the distances
OURS = """
import dataclasses, sys
from faceeval.judges import inception
inception.WEIGHTS = dataclasses.replace(inception.WEIGHTS, sha256=sys.argv.pop(1))
from faceeval.cli import main
main()
"""

pytestmark = pytest.mark.filterwarnings("ignore::faceeval.metrics.SmallSampleWarning")


def seeded_state(network: nn.Module) -> Mapping[str, Tensor]:
    """Random weights under which activations keep their size (He et al. 2015)."""
    chance = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            state[name] = torch.randn(tensor.shape, generator=chance) * (2.0 / tensor[0].numel()) ** 0.5
        elif name.endswith(("weight", "running_var")):
            state[name] = torch.ones_like(tensor)
        else:
            state[name] = torch.zeros_like(tensor)
    return state


def pictures(seed: int, count: int) -> np.ndarray:
    """Blurred noise of 128 pixels, (count, 3, 128, 128); the second kind is darker and bluer, so that they differ."""
    chance = np.random.default_rng(seed)
    coarse = torch.from_numpy(chance.random((count, 3, 16, 16), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bicubic").clamp(0, 1)
    tint = torch.tensor([1.0, 1.0, 1.0] if seed == 0 else [0.3, 0.5, 0.9])[None, :, None, None]
    return (255 * smooth * tint).round().to(torch.uint8).numpy()


@pytest.fixture(scope="module")
def state() -> Mapping[str, Tensor]:
    return seeded_state(build_network())


@pytest.fixture(scope="module")
def theirs(state: Mapping[str, Tensor]) -> nn.Module:
    upstream = pytest.importorskip("pytorch_fid.inception")
    original = upstream.load_state_dict_from_url
    upstream.load_state_dict_from_url = lambda *_, **__: dict(state)
    try:
        network: nn.Module = upstream.InceptionV3().eval()
    finally:
        upstream.load_state_dict_from_url = original
    return network


def test_features_are_faster_and_the_same(state, theirs, capsys):
    judge = InceptionJudge(resize="pytorch-fid", state=state, batch_size=BATCH)
    seconds = {"pytorch-fid": 0.0, "faceeval": 0.0}
    features: dict[str, list[list[np.ndarray]]] = {"pytorch-fid": [[], []], "faceeval": [[], []]}
    warm = torch.from_numpy(pictures(0, min(BATCH, FEATURES_OF)))
    with torch.no_grad():
        theirs(warm / 255)
    judge(warm)
    for side in (0, 1):
        for batch in torch.from_numpy(pictures(side, FEATURES_OF)).split(BATCH):
            start = time.process_time()
            with torch.no_grad():
                features["pytorch-fid"][side].append(theirs(batch / 255)[0].flatten(1).numpy())
            middle = time.process_time()
            features["faceeval"][side].append(judge(batch)["features"])
            seconds["pytorch-fid"] += middle - start
            seconds["faceeval"] += time.process_time() - middle
    found = {name: frechet_distance(*(np.concatenate(side) for side in sides)) for name, sides in features.items()}
    ratio = seconds["pytorch-fid"] / seconds["faceeval"]
    with capsys.disabled():
        print(f"\nInception features of {2 * FEATURES_OF} images of 128 px, {torch.get_num_threads()} threads")
        for name, spent in seconds.items():
            print(f"  {name:<12} {2 * FEATURES_OF / spent:6.2f} images per CPU second, distance {found[name]:.8f}")
        print(f"  x {ratio:.2f}")
    assert found["faceeval"] == pytest.approx(found["pytorch-fid"], rel=AGREEMENT)
    assert ratio >= LEAST_FEATURES


def cpu_seconds(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def test_the_whole_command_is_faster(state, tmp_path, capsys):
    if tuple(int(part) for part in scipy.__version__.split(".")[:2]) >= (1, 18):
        pytest.skip("pytorch-fid 0.3 calls sqrtm(disp=...), which SciPy 1.18 no longer has")
    pytest.importorskip("pytorch_fid")
    weights = tmp_path / "hub" / "checkpoints" / WEIGHTS.filename
    weights.parent.mkdir(parents=True)
    torch.save(dict(state), weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    folders = [tmp_path / name for name in ("real", "fake")]
    for side, folder in enumerate(folders):
        for index, image in enumerate(pictures(side, IMAGES)):
            write_png(folder / f"{index:05d}.png", image)
    paths, environment = [str(folder) for folder in folders], {"TORCH_HOME": str(tmp_path)}
    ours, out = cpu_seconds(
        [sys.executable, "-c", OURS, digest, "metric", "fid", *paths, "--resize", "pytorch-fid", "--json", "-q"],
        environment,
    )
    found = json.loads(out)["values"]["frechet_distance"]["value"]
    theirs, out = cpu_seconds([sys.executable, "-m", "pytorch_fid", *paths, "--device", "cpu"], environment)
    expected = float(re.search(r"FID:\s+([0-9.eE+-]+)", out).group(1))
    with capsys.disabled():
        print(f"\nTwo folders of {IMAGES} images of 128 px, from start to end, scipy {scipy.__version__}, CPU seconds")
        print(f"  python -m pytorch_fid  {theirs:8.1f}  {expected:.8f}")
        print(f"  faceeval metric fid    {ours:8.1f}  {found:.8f}   x {theirs / ours:.2f}")
    assert found == pytest.approx(expected, rel=AGREEMENT)
    assert theirs / ours >= LEAST_COMMAND
