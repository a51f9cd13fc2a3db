# SPDX-License-Identifier: MIT
"""Faces from files and from an Arrow copy beside torchvision's CelebA in the same run; names and labels at full size.

    OMP_NUM_THREADS=1 python -m pytest -s benchmarks/test_data_speed.py

The pictures are rendered heads of CelebA's size with some noise, as JPEG of CelebA's usual seven kilobytes. Both sides
are timed in CPU seconds of all their processes, alternately, so that other work on the machine falls on neither; what
starting workers costs is taken off by comparing a long run with a short one. Wall seconds are printed beside, and say
something only on a machine that does nothing else. ``FACEEVAL_BENCHMARK_IMAGES=200`` tries everything at a small size,
where nothing is demanded.
"""

import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceeval.data.faces import FaceSet
from faceeval.data.hub.arrow_copy import build_copy, with_copy
from faceeval.data.images import read_images
from faceeval.data.manifest import verify
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.render import render
from faceeval.data.readers import celeba
from faceeval.data.table import load_faces
from faceeval.names import CELEBA_ATTRIBUTES

FULL = 2000
IMAGES = int(os.environ.get("FACEEVAL_BENCHMARK_IMAGES", FULL))
ROWS = 200_000 * IMAGES // FULL
LOOKS, BATCH, SIZE, ROUNDS = 50, 100, 128, 3
POINTS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
LEAST_DECODED, LEAST_MAPPED = 1.5, 8.0  # times torchvision
MOST_SECONDS_NAMES, MOST_SECONDS_LABELS, MOST_MEGABYTES = 10.0, 2.0, 300.0

CHILD = """
import json, re, sys, time
from pathlib import Path
from faceeval.data.readers import celeba
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
files = celeba.find_files(Path(sys.argv[1]))
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten: importing has one of its own
before, start = peak(), time.process_time()
labels = celeba.read_labels(files)
print(json.dumps([time.process_time() - start, peak() - before, len(labels.records)]))
"""


def pictures() -> list[bytes]:
    random, files = np.random.default_rng(0), []
    for index in range(LOOKS):
        face = render(sample_factors(9000 + 70 * index), 218).image.transpose(1, 2, 0)[:, 20:198]
        stream = io.BytesIO()
        noisy = np.clip(face + random.normal(0, 4, face.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(stream, "JPEG", quality=78)
        files.append(stream.getvalue())
    return files


def write_copy(root: Path, count: int, files: list[bytes]) -> Path:
    """Writes a copy of CelebA as torchvision has it; its images are links to a few files."""
    folder, random = root / "celeba", np.random.default_rng(1)
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    for place, content in enumerate(files):
        (root / f"{place}.jpg").write_bytes(content)
    for row, name in enumerate(names):
        os.link(root / f"{row % len(files)}.jpg", folder / "img_align_celeba" / name)
    splits = np.minimum(np.arange(count) * 5 // count, 2)
    tables = {
        "list_attr_celeba": (" ".join(CELEBA_ATTRIBUTES) + " ", random.integers(0, 2, (count, 40)) * 2 - 1),
        "list_eval_partition": ("", splits[:, None]),
        "identity_CelebA": ("", (np.arange(count)[:, None] % 7 + 7 * splits[:, None])),
        "list_landmarks_align_celeba": (POINTS, random.integers(30, 170, (count, 10))),
        "list_bbox_celeba": ("image_id x_1 y_1 width height", random.integers(1, 300, (count, 4))),
    }
    for name, (header, values) in tables.items():
        lines = [f"{file} {' '.join(map(str, row))}" for file, row in zip(names, values.tolist(), strict=True)]
        text = "\n".join([*([str(count), header] if header else []), *lines, ""])
        (folder / f"{name}.txt").write_text(text)
    return root


@pytest.fixture(scope="module")
def looks() -> list[bytes]:
    return pictures()


@pytest.fixture(scope="module")
def small(looks: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_copy(tmp_path_factory.mktemp("small"), 2 * IMAGES, looks)


@pytest.fixture(scope="module")
def large(looks: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_copy(tmp_path_factory.mktemp("large"), ROWS, looks)


@pytest.fixture(scope="module")
def mapped(small: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    patch = pytest.MonkeyPatch()
    patch.setenv("FACEEVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
    faces = load_faces("celeba", "test", size=SIZE, root=small, from_copy=False)
    build_copy(faces)
    found = with_copy(faces)
    assert found.read is not faces.read
    patch.undo()
    return found


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    def line(text: str) -> None:
        with capsys.disabled():
            print(text)

    return line


def cpu_seconds() -> float:
    """CPU time of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def per_image(run: Callable[[int], None]) -> tuple[float, float]:
    """CPU and wall seconds of an image, from a long and a short run, so that starting costs nothing."""
    spent = []
    for count in (IMAGES // 10, IMAGES):
        cpu, wall = cpu_seconds(), time.perf_counter()
        run(count)
        spent.append((cpu_seconds() - cpu, time.perf_counter() - wall))
    difference = IMAGES - IMAGES // 10
    return (spent[1][0] - spent[0][0]) / difference, (spent[1][1] - spent[0][1]) / difference


def torchvision_run(root: Path, workers: int) -> Callable[[int], None]:
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import CelebA

    class Unchecked(CelebA):
        def _check_integrity(self) -> bool:
            return True  # checksums are those of the published files

    torch.set_num_threads(1)
    steps = [transforms.CenterCrop(178), transforms.Resize(SIZE), transforms.PILToTensor()]
    data = Unchecked(str(root), split="test", target_type="attr", transform=transforms.Compose(steps))

    def run(count: int) -> None:
        for images, _ in DataLoader(Subset(data, range(count)), batch_size=BATCH, num_workers=workers):
            assert images.shape[1:] == (3, SIZE, SIZE)

    return run


def files_run(root: Path, workers: int) -> Callable[[int], None]:
    folder = root / "celeba" / "img_align_celeba"
    names = load_faces("celeba", "test", size=SIZE, root=root, from_copy=False).names

    def run(count: int) -> None:
        for start in range(0, count, BATCH):
            paths = [folder / name for name in names[start : min(start + BATCH, count)]]
            read_images(paths, crop="center178", size=SIZE, workers=workers)

    return run


def mapped_run(faces: FaceSet) -> Callable[[int], None]:
    order = np.random.default_rng(2).permutation(len(faces))

    def run(count: int) -> None:
        for start in range(0, count, BATCH):
            faces.read(order[start : min(start + BATCH, count)])

    return run


@pytest.mark.parametrize("workers", [1, 2])
def test_reading(workers: int, small: Path, mapped: FaceSet, show: Callable[[str], None]) -> None:
    ours = files_run(small, workers)

    def without_torch(count: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("faceeval.data.jpeg.fast_decoder", lambda: None)
            ours(count)

    runs = {
        "torchvision CelebA, DataLoader": torchvision_run(small, workers),
        "faceeval, from the files": ours,
        "faceeval, where torch is not loaded": without_torch,
        "faceeval, from the Arrow copy": mapped_run(mapped),
    }
    runs["faceeval, from the files"](BATCH)  # compiles
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            found[name].append(per_image(run))
    cpu, wall = ({n: statistics.median(p[k] for p in pairs) for n, pairs in found.items()} for k in (0, 1))
    theirs, files, _, copy = runs
    show(f"\n{IMAGES} JPEG of 178 x 218 to {SIZE} x {SIZE}, {workers} workers; microseconds an image")
    for name in runs:
        ratios = f"x {cpu[theirs] / cpu[name]:6.2f} CPU, x {wall[theirs] / wall[name]:6.2f} wall"
        show(f"  {name:<36}{1e6 * cpu[name]:8.0f} CPU {1e6 * wall[name]:8.0f} wall   {ratios}")
    for name, least in ((files, LEAST_DECODED), (copy, LEAST_MAPPED)):
        assert IMAGES < FULL or cpu[theirs] >= least * cpu[name]


def test_the_pixels_are_pillow_s(small: Path, mapped: FaceSet) -> None:
    from torchvision import transforms

    wanted = []
    for name in mapped.names[:LOOKS]:
        with Image.open(small / "celeba" / "img_align_celeba" / name) as image:
            wanted.append(transforms.Resize(SIZE)(transforms.CenterCrop(178)(image)))
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image in wanted])
    faces = load_faces("celeba", "test", size=SIZE, root=small, from_copy=False)
    rows = np.arange(LOOKS)
    many = faces.read(np.tile(rows, 2))  # as many as the compiled way is taken for
    np.testing.assert_array_equal(many, np.tile(pixels, (2, 1, 1, 1)))
    np.testing.assert_array_equal(mapped.read(rows), pixels)


def test_names(large: Path, show: Callable[[str], None]) -> None:
    start = time.process_time()
    faces = celeba.load(large, "test")
    named = time.process_time() - start
    start, wall = time.process_time(), time.perf_counter()
    findings = verify("celeba", large)
    whole, lasted = time.process_time() - start, time.perf_counter() - wall
    show(f"\n{ROWS} images: all names held against all label files ({len(faces)} of the test split)")
    show(f"  names and labels               {named:6.1f} CPU seconds")
    show(f"  verify: also both ends of each {whole:6.1f} CPU seconds, {lasted:.1f} wall")
    assert not [finding for finding in findings if finding.level == "error"]
    assert named < MOST_SECONDS_NAMES


def test_label_tables(large: Path, show: Callable[[str], None]) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(large)], capture_output=True, text=True, check=True)
    seconds, megabytes, rows = json.loads(done.stdout)
    show(f"\nFour label tables of {rows} rows: {seconds:.2f} CPU seconds, {megabytes:.0f} MB at most")
    assert rows == ROWS
    assert seconds < MOST_SECONDS_LABELS
    assert megabytes < MOST_MEGABYTES
