# SPDX-License-Identifier: MIT
"""Files are whole or as they were."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from faceeval.atomic import new_folder, replacing, write_whole
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


def _fill(path: Path, error: BaseException | None = None) -> None:
    with new_folder(path) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "file").write_bytes(b"x")
        if error is not None:
            raise error


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "above" / "folder"
    for error in (KeyboardInterrupt(), InputError("this", "that", "mend it"), OSError(28, "No space left on device")):
        with pytest.raises(OutputError if type(error) is OSError else type(error)):
            _fill(path, error)
    assert list(path.parent.iterdir()) == []
    path.mkdir()
    _fill(path)  # an empty one is taken
    assert (path / "inner" / "file").read_bytes() == b"x"
    assert [entry.name for entry in path.parent.iterdir()] == ["folder"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    _fill(path)
    (tmp_path / "file").write_bytes(b"x")
    for taken in (path, tmp_path / "file"):
        with pytest.raises(OutputError, match="new or empty"):
            _fill(taken)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "file", "folder", "inner"]


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".folder.1-a.tmp", 2 * 86400), (".folder.2-b.tmp", 60)):
        (tmp_path / name / "inner").mkdir(parents=True)
        os.utime(tmp_path / name, times=(time.time() - age, time.time() - age))
    _fill(tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".folder.2-b.tmp", "folder"]
