# SPDX-License-Identifier: MIT
"""Results on disk: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from faceeval.errors import InputError, MissingFileError, OutputError
from faceeval.results.records import SCHEMA, FileRecord, GridRecord, ImageRow, Result, Summary

LEAST_FREE = 16 * 2**20  # bytes; the three files of 2,000 images take about 3 MB


def result_path(folder: Path, data: str, size: int, attribute: str, method: str) -> Path:
    """Returns where a run belongs: ``<folder>/<data>-<size>/<attribute>/<method>.json``.

    Example:
        >>> result_path(Path("results"), "procfaces", 64, "Young", "mine.editor:Editor").as_posix()
        'results/procfaces-64/Young/mine.editor.Editor.json'
    """
    place, plain = (re.sub(r"[^A-Za-z0-9_.-]+", ".", name).strip(".") for name in (data, method))
    return folder / f"{place}-{size}" / attribute / f"{plain or 'method'}.json"


def prepare_output(folder: Path) -> Path:
    """Makes sure that results can be written, before any work is done.

    Args:
        folder: Root of the results; made where it is missing.

    Returns:
        The folder.

    Raises:
        OutputError: It is a file, cannot be made or written, or its disk is full.
    """
    todo = "name another folder with --out, or make room"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".faceeval-"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"a folder that can be written: {folder}", _reason(error), todo) from error
    if free < LEAST_FREE:
        raise OutputError(f"{LEAST_FREE >> 20} MB of room in {folder}", f"{free >> 20} MB", todo)
    return folder


def write(result: Result, folder: Path) -> Path:
    """Writes a run's three files; all of them, or none.

    Args:
        result: The run.
        folder: Root of the results.

    Returns:
        The JSON file, ``<folder>/<data>-<size>/<attribute>/<method>.json``. What stood there before is replaced.

    Raises:
        OutputError: The files cannot be written; nothing is left behind, and what stood there still stands.
    """
    summary = result.summary
    target = result_path(folder, summary.data.name, summary.data.size, summary.attribute, result.method)
    lines = "".join(json.dumps(row.model_dump(), allow_nan=False) + "\n" for row in result.images)
    beside = {"images": (".jsonl", lines.encode()), "grid": (".grid.png", _png(result.tiles))}
    records = {
        key: FileRecord(file=target.stem + suffix, sha256=hashlib.sha256(content).hexdigest())
        for key, (suffix, content) in beside.items()
    }
    whole = summary.model_copy(update={"files": records}).model_dump()
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    contents = {target.with_name(records[key].file): content for key, (_, content) in beside.items()}
    _replace_together({**contents, target: text.encode()})
    return target


def _replace_together(contents: Mapping[Path, bytes]) -> None:
    """Writes each file under a temporary name, then moves all into place in the order given."""
    waiting: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting[path] = path.with_name(f".{path.name}-{os.getpid()}.part")
            waiting[path].write_bytes(content)
        for path, part in waiting.items():
            os.replace(part, path)
    except OSError as error:
        place = next(iter(contents)).parent
        raise OutputError(f"room to write the result in {place}", _reason(error), "make room, or use --out") from error
    finally:
        for part in waiting.values():
            with contextlib.suppress(OSError):
                part.unlink()


def _png(tiles: NDArray[np.uint8]) -> bytes:
    rows, columns, _, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    if sheet.size == 0:
        sheet = np.zeros((1, 1, 3), np.uint8)  # PNG knows no empty picture
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return buffer.getvalue()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def read(path: Path) -> Result:
    """Reads a run and checks that it is whole.

    Args:
        path: The JSON file.

    Returns:
        The run.

    Raises:
        MissingFileError: The file is not there.
        InputError: It is no result, of a later schema, or the files beside it are missing or of another run.
    """
    if not path.is_file():
        raise MissingFileError(
            "a result file (.json)", f"no file {path}", "run `faceeval score`, which prints the path"
        )
    summary = _parse(path)
    lines, picture = (_beside(path, summary, key) for key in ("images", "grid"))
    try:
        images = tuple(ImageRow.model_validate_json(line) for line in lines.splitlines())
        tiles = _tiles(picture, summary.grid)
    except (ValidationError, ValueError, OSError) as error:
        raise InputError(f"the images of {path.name}", str(error).splitlines()[0], "score the method again") from error
    return Result(summary, images, tiles, path)


def _parse(path: Path) -> Summary:
    todo = "give a .json that `faceeval score` wrote; if it was cut short, score again"
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise InputError(f"a result in {path}", f"no readable JSON ({error})", todo) from error
    if not isinstance(content, dict) or "schema_version" not in content or "rows" not in content:
        raise InputError(f"a result in {path}", "JSON of another kind", todo)
    if content["schema_version"] != SCHEMA:
        got = f"schema {content['schema_version']!r}"
        raise InputError(f"schema {SCHEMA} in {path}", got, "read it with the version of faceeval that wrote it")
    try:
        return Summary.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(f"a whole result in {path}", got, todo) from error


def _beside(path: Path, summary: Summary, key: str) -> bytes:
    record = summary.files.get(key)
    # a plain name only: a result from elsewhere must not make us read other files
    file = path.parent / record.file if record and record.file == Path(record.file).name else None
    if record is None or file is None or not file.is_file():
        name = record.file if record else f"a record of its {key}"
        todo = "keep the .json, .jsonl and .grid.png of a run together, or score again"
        raise InputError(f"{name} beside {path.name}", "nothing: the run is incomplete", todo)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.sha256:
        got = "another content than the run wrote: cut short, or of another run"
        raise InputError(f"{record.file} as {path.name} knows it", got, "score the method again")
    return content


def _tiles(picture: bytes, grid: GridRecord) -> NDArray[np.uint8]:
    rows, columns, side = len(grid.rows), len(grid.columns), grid.tile
    if rows == 0:
        return np.zeros((0, columns, 3, side, side), np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return np.ascontiguousarray(sheet.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3))
