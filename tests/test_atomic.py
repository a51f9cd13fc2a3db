# SPDX-License-Identifier: MIT
"""Files are whole or as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceeval.atomic import replacing, write_whole
from faceeval.errors import InputError, OutputError


def test_an_unwritable_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="somewhere else"):
        write_whole(tmp_path / "file" / "weights", b"x", "go somewhere else")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_an_error_and_keeps_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def _write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_whatever_goes_wrong_in_the_block_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_whole(path, b"old")
    for error in (KeyboardInterrupt(), InputError("this", "that", "mend it"), ValueError("odd")):
        with pytest.raises(type(error)):
            _write_half(path, error)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_written_files_can_be_read_by_others(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"x")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
