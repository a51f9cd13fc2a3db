# SPDX-License-Identifier: MIT
"""Peak memory of a whole process that sums the statistics of 50,000 images, against one of 5,000.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_streaming_memory.py

Images are read ahead by threads, looked at by a stand-in for a network, and summed, at D = 2048: all that
`faceeval metric fid` does but for the network, whose memory does not depend on their number.
"""

import json
import subprocess
import sys

import pytest

DIM = 2048
CODE = """
import json, resource, sys
import numpy as np
from faceeval.data.sources import ImageSource
from faceeval.protocols.sets import Look, see_statistics

class Network:
    name, weights_sha256, outputs, settings = "stand-in", "", ("features",), {}
    def __call__(self, images):
        start = images[:, 0, 0, 0].numpy().astype(np.float32)[:, None]
        return {"features": start + np.random.default_rng(len(start)).random((len(start), DIM), dtype=np.float32)}

count, DIM = int(sys.argv[1]), int(sys.argv[2])
drawn = np.random.default_rng(0).integers(0, 256, (256, 3, 64, 64), dtype=np.uint8)
names = tuple(f"{index:06d}.png" for index in range(count))
source = ImageSource("made", "folder", names, lambda index: drawn[index % 256].copy())
seen = see_statistics(source, Look(Network(), "features", 32))
print(json.dumps({"n": seen.values.n, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="reads the peak as Unix reports it")
def test_ten_times_the_images_in_the_same_memory(capsys):
    peaks = {}
    for count in (5_000, 50_000):
        command = [sys.executable, "-c", CODE, str(count), str(DIM)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert found["n"] == count
        peaks[count] = found["peak"] / (1024 if sys.platform == "linux" else 1024**2)
    with capsys.disabled():
        print(f"\nPeak memory of streamed statistics, D = {DIM}")
        for count, peak in peaks.items():
            print(f"  {count:6,} images  {peak:7.0f} MB")
    assert peaks[50_000] <= 1.2 * peaks[5_000]
