# SPDX-License-Identifier: MIT
from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toy_faces import SIZE, Nothing, Painter, toy_faces
from toy_runs import run

from faceeval.errors import InputError, MissingFileError, OutputError
from faceeval.results import SCHEMA, prepare_output, read, result_path, write
from faceeval.results import files as result_files


@pytest.fixture(scope="module")
def result():
    return run(Painter(), command="faceeval score --method painter", seconds={"import": 2.0})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_read_again(result, tmp_path):
    path = write(result, tmp_path)
    assert path == tmp_path / f"toy-{SIZE}" / "Eyeglasses" / "painter.json"
    again = read(path)
    assert again.summary.rows == result.summary.rows
    assert again.summary.run == result.summary.run
    assert again.images == result.images
    np.testing.assert_array_equal(again.tiles, result.tiles)
    assert again.path == path
    assert len(again.per_image("painter", "dfn")) == 60
    assert len(again.per_image("identity", "psnr")) == 0
    with pytest.raises(KeyError):
        again.row("fai")


def test_a_result_says_everything_that_made_it(result):
    summary = result.summary
    assert summary.schema_version == SCHEMA
    assert (summary.benchmark.name, summary.benchmark.version) == ("toy", 1)
    assert summary.data.digest == toy_faces().digest
    assert summary.data.provenance == {"drawn": "tests/toy_faces.py"}
    assert summary.method["notes"] == {"steps": 3}
    assert {judge.weights_sha256 for judge in summary.judges.values()} == {"0" * 64}
    assert summary.settings["seed"] == 0
    assert summary.settings["pca_fit"] == "reference"
    assert {"faceeval", "python", "torch", "numpy", "scipy"} <= set(summary.run.versions)
    assert {"import", "data", "edit", "judge", "truth", "statistics", "total"} == set(summary.run.seconds)
    parts = {part: spent for part, spent in summary.run.seconds.items() if part != "total"}
    assert sum(parts.values()) <= summary.run.seconds["total"] + 0.05
    assert summary.run.command == "faceeval score --method painter"
    assert len(summary.data.names_sha256) == 64
    assert all(column.version >= 1 for column in summary.columns.values())


def test_the_same_input_gives_the_same_bytes_but_for_the_times(result, tmp_path):
    def timeless(folder):
        found = contents(folder)
        summary = json.loads(found.pop(f"toy-{SIZE}/Eyeglasses/painter.json"))
        del summary["run"]
        for row in summary["rows"]:
            row["values"].pop("images_per_second", None)
        return found, json.dumps(summary)

    write(result, tmp_path / "a")
    write(run(Painter()), tmp_path / "b")
    assert timeless(tmp_path / "a") == timeless(tmp_path / "b")


def test_one_line_for_each_image_and_no_infinities(result, tmp_path):
    path = write(result, tmp_path)
    lines = path.with_suffix(".jsonl").read_text().splitlines()
    assert len(lines) == 60
    first = json.loads(lines[0], parse_constant=lambda constant: pytest.fail(constant))
    assert set(first) == {"name", "direction", "values"}
    assert set(first["values"]) == {"painter", "identity", "truth"}
    assert first["values"]["identity"]["psnr"] is None


def test_names_of_classes_become_file_names():
    assert result_path(Path("r"), "d", 64, "A", "a.b:C").as_posix() == "r/d-64/A/a.b.C.json"
    assert result_path(Path("r"), "d", 64, "A", "../../etc/x").parent.as_posix() == "r/d-64/A"
    assert result_path(Path("r"), "d", 64, "A", "..").name == "method.json"
    assert result_path(Path("r"), "d", 64, "A", "...//..").parent.as_posix() == "r/d-64/A"


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_write_that_is_cut_short_leaves_nothing(result, tmp_path, monkeypatch, stop, step):
    def fail(*args):
        raise stop

    if step == "write":
        real, calls = Path.write_bytes, []

        def second_fails(self, content):
            calls.append(self)
            return fail() if len(calls) == 2 else real(self, content)

        monkeypatch.setattr(Path, "write_bytes", second_fails)
    else:
        monkeypatch.setattr(result_files.os, "replace", fail)
    expected = OutputError if isinstance(stop, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write(result, tmp_path)
    assert contents(tmp_path) == {}


def test_a_failed_write_leaves_the_result_that_stood_there(result, tmp_path, monkeypatch):
    path = write(result, tmp_path)
    before = contents(tmp_path)

    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write(result, tmp_path)
    assert contents(tmp_path) == before
    read(path)


def test_a_run_stopped_between_its_files_does_not_look_complete(result, tmp_path, monkeypatch):
    write(result, tmp_path)
    real, moved = os.replace, []

    def stop_after_one(source, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    other = run(Painter(), seed=1, n_per_class=20)
    monkeypatch.setattr(result_files.os, "replace", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        write(other, tmp_path)
    monkeypatch.undo()
    with pytest.raises(InputError, match="cut short, or of another run"):
        read(tmp_path / f"toy-{SIZE}" / "Eyeglasses" / "painter.json")


def test_output_is_tried_before_any_work(tmp_path, monkeypatch):
    assert prepare_output(tmp_path / "new" / "folder").is_dir()
    assert contents(tmp_path) == {}
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below"):
        with pytest.raises(OutputError, match="can be written"):
            prepare_output(place)
    monkeypatch.setattr(result_files.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1 << 20))
    with pytest.raises(OutputError, match="1 MB"):
        prepare_output(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no readable JSON"),
        ('{"schema_version": 1, "rows": [', "no readable JSON"),
        ("[1, 2]", "another kind"),
        ('{"name": "procfaces"}', "another kind"),
        ('{"schema_version": 99, "rows": []}', "schema 99"),
        ('{"schema_version": 1, "rows": []}', "Field required"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(MissingFileError, match="faceeval score"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("suffix", [".jsonl", ".grid.png"])
def test_an_incomplete_run_is_refused(result, tmp_path, suffix):
    path = write(result, tmp_path)
    beside = path.with_name(path.stem + suffix)
    whole = beside.read_bytes()
    beside.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut short"):
        read(path)
    beside.unlink()
    with pytest.raises(InputError, match="incomplete"):
        read(path)


def test_a_result_cannot_point_outside_its_folder(result, tmp_path):
    path = write(result, tmp_path)
    content = json.loads(path.read_text())
    content["files"]["images"]["file"] = "../../../secret.jsonl"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="incomplete"):
        read(path)


def test_an_empty_grid_is_written_and_read(tmp_path):
    result = run(Nothing())
    bare = result.summary.model_copy(update={"grid": result.summary.grid.model_copy(update={"rows": ()})})
    empty = type(result)(bare, result.images, result.tiles[:0])
    assert read(write(empty, tmp_path)).tiles.shape == result.tiles[:0].shape
