# SPDX-License-Identifier: MIT
"""The cache of the rendered set: damage, interrupts, full disks and other processes never yield wrong images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceeval.data.cache import cache_dir, locked, replacing
from faceeval.data.procfaces import standard, store
from faceeval.data.procfaces.population import sample_factors
from faceeval.data.procfaces.standard import load
from faceeval.errors import OutputError

everything = np.arange(12)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def no_rendering(*_: object) -> None:
    raise AssertionError("rendered although the cache has it")


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("test-32.npy", lambda content: content[:-1]),
        ("test-32.npy", lambda content: content[:3000] + bytes([content[3000] ^ 1]) + content[3001:]),
        ("test-32.npy", lambda _: b""),
        ("test-32-labels.npz", lambda content: content[:200]),
        ("test-32-labels.npz", lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]),
        ("test-32.json", lambda content: content[:20]),
        ("test-32.json", lambda _: b"{}"),
        ("test-32.json", lambda _: b"[]"),
        ("test-32.json", lambda _: b"\xff\xfe"),
    ],
)
@pytest.mark.usefixtures("stand_in")
def test_damage_is_told_and_mended(cache: Path, name: str, harm: Callable[[bytes], bytes]) -> None:
    before = load("test", 32, 1).provenance
    path = next(cache.rglob(name))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.warns(UserWarning, match="damaged"):
        assert load("test", 32, 1).provenance == before
    assert load("test", 32, 1).provenance == before  # and the next one warns no more


@pytest.mark.usefixtures("stand_in")
def test_images_without_their_record_are_not_trusted(cache: Path) -> None:
    faces = load("test", 32, 1)
    next(cache.rglob("test-32.json")).unlink()
    next(cache.rglob("test-32.npy")).write_bytes(b"nonsense")
    assert load("test", 32, 1).provenance == faces.provenance


@pytest.mark.usefixtures("stand_in")
def test_large_sets_are_checked_by_sample(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_WHOLE", 100)
    monkeypatch.setattr(store, "_SAMPLES", 2)
    load("test", 32, 1)
    path = next(cache.rglob("test-32.npy"))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")  # in the last image, which is always looked at
    with pytest.warns(UserWarning, match="other pixels"):
        load("test", 32, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_broken_off_rendering_leaves_nothing(
    cache: Path, stand_in: types.ModuleType, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stand_in.render

    def breaks(factors: object, size: int) -> object:
        if factors == sample_factors(9007):
            raise error
        return whole(factors, size)

    monkeypatch.setattr(stand_in, "render", breaks)
    with pytest.raises(error):
        load("test", 32, 1)
    assert files(cache) == []
    monkeypatch.setattr(stand_in, "render", whole)
    assert len(load("test", 32, 1)) == 12


@pytest.mark.usefixtures("stand_in")
def test_another_renderer_never_reads_old_images(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("test", 32, 1)
    monkeypatch.setattr(standard, "renderer_digest", lambda: "f" * 64)
    load("test", 32, 1)
    assert len(list(cache.rglob("test-32.npy"))) == 2


def test_renderer_digest_covers_code_and_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard, "__file__", str(tmp_path / "standard.py"))
    digests = []
    for name, content in [
        ("shade.py", b"a = 1\n"), ("head.npz", b"\r\n"), ("head.npz", b"\n"), ("shade.py", b"a = 2\n"),
        ("shade.py", b"a = 2\r\n"), ("standard.py", b"moves pixels about"),
    ]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
        digests.append(standard.renderer_digest())
    assert len(set(digests)) == 4
    assert digests[3] == digests[4] == digests[5]


def start_load(split: str) -> subprocess.Popen[str]:
    code = f"""
import json, sys
from faceeval.data.procfaces import population
from faceeval.data.procfaces.standard import load
population.SPLITS = {{"train": range(120), "validation": range(8000, 8004), "test": range(9000, 9012)}}
steps = []
faces = load("{split}", 32, 1, lambda done, total: steps.append(done))
truth = faces.truth(__import__("numpy").arange(10), "Young")
print(json.dumps([faces.provenance["images_sha256"], int(truth.images.sum()), len(steps)]))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("stand_in")
def test_two_processes_at_once(cache: Path) -> None:
    running = [start_load("train"), start_load("train")]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0][:2] == answers[1][:2]
    assert sorted(steps for *_, steps in answers) == [0, 5]  # one renders, the other waits for it
    assert [name for name in files(cache) if name.startswith("train")] == [
        "train-32-labels.npz", "train-32-landmarks68.npz", "train-32.json", "train-32.npy",
    ]  # fmt: skip
    assert not [name for name in files(cache) if name.endswith(".tmp")]


@pytest.mark.usefixtures("stand_in")
def test_two_processes_where_files_cannot_be_locked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
    (site / "fcntl.py").write_text("raise ImportError('no fcntl here')\n")
    running = [start_load("train"), start_load("train")]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert answers[0][:2] == answers[1][:2]
    assert not [name for name in files(cache) if name.endswith(".tmp")]
    with pytest.MonkeyPatch.context() as quiet:
        quiet.setattr(store.warnings, "warn", no_rendering)
        assert load("train", 32, 1, no_rendering).provenance["images_sha256"] == answers[0][0]


@pytest.mark.parametrize(
    "harm", [lambda c: c[:-30], lambda c: c[:5000] + bytes([c[5000] ^ 1]) + c[5001:], lambda _: b""]
)
@pytest.mark.usefixtures("stand_in")
def test_damaged_truths_are_rendered_again(cache: Path, harm: Callable[[bytes], bytes]) -> None:
    faces = load("test", 32, 1)
    assert faces.truth is not None
    first = faces.truth(everything, "Young")
    path = next(cache.rglob("Young/*.npz"))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.warns(UserWarning, match="damaged"):
        again = faces.truth(everything, "Young")
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(faces.truth(everything, "Young").images, first.images)


@pytest.mark.usefixtures("stand_in")
def test_unwritable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEEVAL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError, match="FACEEVAL_CACHE"):
        load("test", 32, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
@pytest.mark.usefixtures("stand_in")
def test_full_disk_leaves_nothing(cache: Path) -> None:
    code = """
import resource, sys
from faceeval.data.procfaces import population
from faceeval.data.procfaces.standard import load
from faceeval.errors import OutputError
population.SPLITS = {"test": range(9000, 9012)}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    load("test", 32, 1)
except OutputError as error:
    sys.exit(str(error))
"""
    run = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
    assert "free some space" in run.stderr
    assert files(cache) == []


def test_cache_dir_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEEVAL_CACHE", "~/here")
    assert cache_dir() == Path.home() / "here"
    monkeypatch.delenv("FACEEVAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert cache_dir() == Path("/there/faceeval")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "faceeval"


def test_replacing_sweeps_what_the_killed_left(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".a.npy.1-00.tmp", tmp_path / ".a.npy.2-00.tmp"
    for left in (old, fresh):
        left.write_text("half")
    os.utime(old, (0, 0))
    with locked(tmp_path / "a.lock"), replacing(tmp_path / "a.npy") as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.npy.2-00.tmp", "a.lock", "a.npy"]
    with pytest.raises(OutputError), replacing(tmp_path / "a.npy") as temporary:
        raise OSError(28, "No space left on device")
    assert (tmp_path / "a.npy").read_text() == "whole"
