# SPDX-License-Identifier: MIT
"""``faceeval data export`` as a user types it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from celeba_writer import FakeCelebA

from faceeval.cli import main
from faceeval.data.table import load_faces

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``faceeval data export`` and returns exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceeval", "data", "export", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_a_copy_of_a_copy_is_equal(run: Run, fake_celeba: Callable[..., FakeCelebA], tmp_path: Path) -> None:
    root, folder = fake_celeba().root, tmp_path / "out"
    code, out, err = run("celeba", folder, "--layout", "celeba", "--root", root, "--lossless", "-n", 3)
    assert code == 0, err
    assert out.splitlines() == [
        f"9 images (train 3, validation 3, test 3) in {folder}",
        f"read it back: faceeval data verify celeba --root {folder}",
    ]
    for split in ("train", "validation", "test"):
        source, back = (load_faces("celeba", split, size=178, root=place) for place in (root, folder))
        np.testing.assert_array_equal(back.images(), source.images()[:3])
        np.testing.assert_array_equal(back.identities, np.asarray(source.identities)[:3])
        np.testing.assert_array_equal(back.landmarks, np.asarray(source.landmarks)[:3])
        for name, values in source.attributes.items():
            np.testing.assert_array_equal(back.attributes[name], values[:3])


def test_one_split_and_the_other_name_of_the_option(
    run: Run, fake_celeba: Callable[..., FakeCelebA], tmp_path: Path
) -> None:
    where = ["--root", fake_celeba().root, "--size", 16]
    code, out, err = run("celeba", tmp_path / "out", "--to", "casia", "--split", "test", *where)
    assert code == 0, err
    assert "4 images (test 4)" in out
    assert len(list((tmp_path / "out" / "CASIA-WebFace").rglob("*.jpg"))) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["procfaces", "DIR", "--layout", "celebaa"], ["did you mean 'celeba'"]),
        (["procfaces", "DIR", "--layout", "celeba", "--attr", "male"], ["--attr with --layout celeba"]),
        (["procfaces", "DIR", "--layout", "editing"], ["no --attr with --layout editing"]),
        (["procfaces", "DIR", "--layout", "editing", "--attr", "male", "--split", "test"], ["leave it out"]),
        (["procfaces", "DIR", "--layout", "celeba", "--size", "64"], ["178 pixels", "leave out --size"]),
        (["procfaces", "DIR", "--layout", "voxceleb"], ["export procfaces:clips"]),
        (["procfaces:lfw", "DIR", "--layout", "multipie"], ["export procfaces:multipie"]),
        (["procfaces", "DIR", "--layout", "vggface2", "--split", "validation"], ["Known: test, train"]),
        (["procfaces", ".", "--layout", "casia"], ["new or empty folder"]),
    ],
)
def test_mistakes_are_named_before_anything_is_rendered(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(b"")
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 3
    for word in words:
        assert word in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_after_an_interrupt_nothing_is_there(
    run: Run, fake_celeba: Callable[..., FakeCelebA], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, folder = fake_celeba().root, tmp_path / "new" / "out"

    def stop(*arguments: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("faceeval.data.export.encode.Encoding.encode", stop)
    code, out, err = run("celeba", folder, "--layout", "celeba", "--root", root)
    assert code == 130
    assert out == ""
    assert "nothing was written" in err
    assert list((tmp_path / "new").iterdir()) == []
